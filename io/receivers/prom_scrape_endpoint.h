/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_endpoint — a target as it is discovered becomes whom to ask, how often, and under
 * which labels its samples go on.
 *
 * The labels of its group and the settings of its job stand beside each other as labels, rules are
 * run over them, and what they left says the rest. Source: Prometheus, "Configuration",
 * <relabel_config>.
 */
#pragma once

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/receivers/prom_scrape_job.h"

#define PROM_URL_MAX_BYTES 16384
enum prom_endpoint_state {
    PROM_ENDPOINT_MADE,
    PROM_ENDPOINT_DROPPED, /* by a rule */
    PROM_ENDPOINT_BAD,     /* the labels say nothing that could be asked */
    PROM_ENDPOINT_NO_ROOM, /* the arena is full, or memory is refused */
};

/* Borrows from the arena. */
struct prom_endpoint {
    struct slice key;    /* of all labels: targets of one key are one */
    const char *url;     /* NUL-terminated */
    struct slice scheme; /* "http" or "https" */
    uint64_t interval_ns;
    uint64_t timeout_ns;  /* at most the interval */
    struct label *labels; /* sorted, without those that begin with "__" */
    uint32_t label_count;
};

/*
 * prom_endpoint_make — the target at `target_index` of the group.
 *
 *   arena   what is made lives there
 *   out     filled where it is made
 *   why     static; filled where it is bad
 */
enum prom_endpoint_state prom_endpoint_make(const struct prom_job *job,
                                            const struct prom_group *group, uint32_t target_index,
                                            struct arena *arena, struct prom_endpoint *out,
                                            const char **why);
