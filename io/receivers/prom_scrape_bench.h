/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_bench — the one place where the pages of a receiver become points: page after page,
 * each in turns of a few milliseconds, so that a large one does not hold the egress thread.
 *
 * Pages wait in the order they came, and as they came: what a page still needs is done when its
 * turn has come, for one page at a time. While the pipelines have no room the bench rests: then
 * fewer pages are fetched, instead of points being lost. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_scrape.h"
#include "core/base/defs.h"
#include "core/base/timer.h"

struct loop;
struct prom_bench_item;
struct pull_receiver;

/* Right before the page is begun with: may change item->page. At most once per turn. */
typedef void(prom_bench_prepare_fn)(struct prom_bench_item *item);

/* From a later turn than the submit; the item is its owner's again. */
typedef void(prom_bench_done_fn)(struct prom_bench_item *item,
                                 const struct prom_scrape_result *result);

/* Embedded in its owner; zeroed is not on the bench. */
struct prom_bench_item {
    struct prom_target *target;     /* borrowed until on_done */
    struct prom_page page;          /* its body is borrowed until on_done */
    prom_bench_prepare_fn *prepare; /* NULL where nothing is to be done */
    prom_bench_done_fn *on_done;
    struct prom_bench_item *next;
};

struct prom_bench {
    struct pull_receiver *pull; /* borrowed; where the points go, and its books */
    struct loop *loop;          /* borrowed */
    struct prom_scrape *scrape; /* owned */
    struct prom_sink sink;
    struct timer timer;
    struct prom_bench_item *first; /* borrowed; the one that is worked on */
    struct prom_bench_item *last;
    bool has_begun; /* with the first */
};

/* 0 or -ENOMEM; prom_bench_close either way. */
WEIR_MUST_USE int prom_bench_open(struct prom_bench *bench, struct pull_receiver *pull,
                                  struct loop *loop);

/* Gives up what is on the bench: no on_done follows. Idempotent. */
void prom_bench_close(struct prom_bench *bench);

/* The item is not on the bench. */
void prom_bench_submit(struct prom_bench *bench, struct prom_bench_item *item);

/* Labels of points that were refused, from PULL_WHY_LIMIT on; NULL at the end. */
const char *prom_bench_reason(uint32_t index);
