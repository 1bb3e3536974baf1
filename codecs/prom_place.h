/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_place — where a sample belongs in the tree of its page.
 *
 *     http_seconds_bucket{job="a",instance="b",le="1",otel_scope_name="lib",code="200"} 3
 *                          resource             bound  scope                 group
 *
 * The types that the page declared decide which samples make one histogram or summary, and what
 * stands alone. target_info and otel_scope_info say something of their resource or scope instead.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "codecs/prom_read.h"
#include "codecs/prom_scrape.h"
#include "codecs/prom_tree.h"
#include "core/base/defs.h"

struct prom_placer {
    struct prom_tree *tree; /* borrowed */
    /* Where the last sample went: the next one mostly goes there too. */
    struct prom_resource *resource;
    struct prom_scope *scope;
    struct prom_family_node *family;
    struct slice name;
    bool is_created; /* of that name */
    struct label attrs[LABEL_LIST_MAX_COUNT];
    struct label scope_attrs[LABEL_LIST_MAX_COUNT];
};

/* One sample, with all labels it will have. */
struct prom_placement {
    const struct label_list *labels;
    struct slice job; /* where the labels name none */
    struct slice instance;
    const struct prom_about *about; /* NULL: what the page says */
    double value;
    uint64_t time_unix_ms;
    bool has_time;                        /* of its own */
    const struct prom_exemplar *exemplar; /* may be NULL */
};

/* Starts over with an empty tree, borrowed. */
void prom_placer_init(struct prom_placer *placer, struct prom_tree *tree);

/* Takes note of a HELP, TYPE or UNIT line. 0, or FAULT_LIMIT where there is no room. */
WEIR_MUST_USE int prom_place_meta(struct prom_placer *placer, enum prom_line line,
                                  const struct prom_meta *meta);

/*
 * prom_place_sample — puts a sample into the tree.
 *
 *   drop   why it has no place; PROM_DROP_COUNT where it has one
 *
 * 0, or FAULT_LIMIT where there is no room.
 */
WEIR_MUST_USE int prom_place_sample(struct prom_placer *placer,
                                    const struct prom_placement *placement, enum prom_drop *drop);
