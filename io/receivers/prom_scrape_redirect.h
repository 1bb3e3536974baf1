/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_redirect — where a Location sends whom a URL brought.
 *
 * The five forms that servers write: a whole URL, //host/path, /path, a path beside the last one,
 * and ?query at the same path. Source: RFC 3986, 5.2; RFC 9110, 10.2.2 and 15.4.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define PROM_REDIRECTS_MAX 10

/* 301, 302, 303, 307 and 308. */
bool prom_redirect_is(uint32_t status);

/*
 * prom_redirect_resolve — moves out the URL that `location` means at `url`, NUL-terminated, freed
 * with mem_free. NULL where there is none, where it is no http or https, or without memory.
 */
WEIR_MUST_USE char *prom_redirect_resolve(const char *url, struct slice location);

/* Do both name the same scheme, host and port, as they are written? Secrets go nowhere else. */
bool prom_redirect_is_same_host(const char *a, const char *b);
