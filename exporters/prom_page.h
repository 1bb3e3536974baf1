/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_page — one scrape: the registry as text, a piece per turn.
 *
 * Borrows the registry by a cursor; series that come or go while the page is on its way are shown
 * or not, each whole. Frees itself when its connection is done with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_text.h"
#include "core/base/defs.h"
#include "exporters/prom_registry.h"
#include "io/http1_server.h"

struct loop;
struct prom_page;

/* The page is done with and about to be freed. */
typedef void(prom_page_closed_fn)(struct prom_page *page);

struct prom_page {
    struct http1_producer producer;
    struct prom_registry *registry; /* borrowed */
    struct loop *loop;              /* borrowed; for the time */
    void *owner;                    /* for on_closed */
    prom_page_closed_fn *on_closed;
    struct prom_cursor cursor;
    struct bytes piece;
    enum prom_format format;
    uint64_t expiration_ns; /* older series are not shown */
    bool has_timestamps;
    bool is_family_due; /* its lines come with its first sample */
};

/* What a page is made of; borrows as the page does. */
struct prom_page_options {
    struct prom_registry *registry;
    struct loop *loop;
    enum prom_format format;
    uint64_t expiration_ns;
    bool has_timestamps;
};

/* A page to hand to http1_respond_produced; NULL when memory is refused. */
WEIR_MUST_USE struct prom_page *prom_page_new(const struct prom_page_options *options, void *owner,
                                              prom_page_closed_fn *on_closed);

/* For a page that no connection took. NULL is fine. */
void prom_page_free(struct prom_page *page);
