/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_time — the two ways in which AWS writes an instant: when credentials expire, and `Date`.
 *
 * Pure. Source: RFC 3339 5.6; RFC 9110 5.6.7 (IMF-fixdate only, which all servers send).
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/*
 * "2026-01-01T00:00:00Z", "2026-01-01T02:00:00.123+02:00": seconds since 1970 in UTC, fractions
 * cut. 0 or FAULT_MALFORMED; out only on 0.
 */
WEIR_MUST_USE int aws_time_parse_rfc3339(struct slice text, uint64_t *unix_s);

/* "Sun, 06 Nov 1994 08:49:37 GMT". As above. */
WEIR_MUST_USE int aws_time_parse_http(struct slice text, uint64_t *unix_s);
