/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_target — what is remembered of one target: each series' start and last value, and enough of
 * it to end it once it is gone.
 *
 *     not seen ─▶ live ─▶ ended ─▶ forgotten
 *                  ▲        │
 *                  └────────┘  seen again: its start still holds, unless its value went down
 *
 * A series here is a group of the page: one histogram is one series. Bounded in number and bytes;
 * what finds no room is passed through without a start or an end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_map.h"
#include "codecs/prom_origin.h"
#include "codecs/prom_scrape.h"
#include "codecs/prom_tree.h"
#include "core/base/defs.h"

struct prom_series {
    struct prom_origin *origin; /* counted */
    double *boundaries;         /* owned; NULL where there are none */
    uint64_t start_unix_ns;
    uint64_t seen_unix_ms;
    double value;
    double count;
    uint32_t page; /* the last it was on, or ended with */
    uint32_t sample_count;
    uint32_t bound_count;
    uint32_t label_bytes;
    bool is_ended;
    bool is_endless; /* its times are its own, so nobody can say when it ended */
    uint8_t labels[];
};

struct prom_target {
    const struct prom_rules *rules; /* borrowed */
    struct label_list labels;       /* texts owned */
    struct slice scheme;
    struct slice job;
    struct slice instance;
    uint8_t *texts; /* owned */
    struct prom_map series;
    struct prom_map origins;
    size_t used_bytes; /* of series and origins, without the maps */
    uint32_t page;     /* number of the page at hand */
};

/* What tracking a page comes to. */
struct prom_tracking {
    uint64_t time_unix_ms; /* of the page */
    uint64_t added_count;
    uint64_t untracked_count;
    struct bytes scratch; /* owned */
};

/* Notes that the group was seen, and fills its start. */
void prom_target_track(struct prom_target *target, struct prom_group *group,
                       struct prom_tracking *tracking);

/*
 * prom_target_end — looks at some of the series, beginning with slot `*cursor`: those that the page
 * had not, end in the tree; those that ended long ago are forgotten.
 *
 * Moves *cursor on; false once all were looked at. Groups borrow from the target until its next
 * page.
 */
bool prom_target_end(struct prom_target *target, struct prom_tree *tree,
                     struct prom_tracking *tracking, uint32_t *cursor);
