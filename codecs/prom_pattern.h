/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pattern — an expression of a relabelling rule: a regular expression that must match the
 * whole text.
 *
 * Most rules ask for everything, "(.*)", or for a few words, "up|go_info"; both are answered
 * without the engine. Frozen after init.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/regex.h"
#include "core/base/slice.h"

/* Groups of one expression that a replacement can refer to. */
#define PROM_PATTERN_GROUPS_MAX 64

enum prom_pattern_kind {
    PROM_PATTERN_ALL,
    PROM_PATTERN_WORDS,
    PROM_PATTERN_REGEX,
};

struct prom_pattern {
    enum prom_pattern_kind kind;
    uint32_t group_count;
    const struct slice *words; /* of WORDS; live in the arena of init */
    uint32_t word_count;
    struct regex *regex; /* owned; NULL but for REGEX */
};

/*
 * Compiles `text`. 0; FAULT_CONFIG, with a sentence in `why`, for what is not an expression of RE2
 * or has too many groups; -ENOMEM. Words live in `arena`.
 */
WEIR_MUST_USE int prom_pattern_init(struct prom_pattern *pattern, struct slice text,
                                    struct arena *arena, char *why, size_t why_cap);

/* Idempotent; also after a failed init. */
void prom_pattern_fini(struct prom_pattern *pattern);

bool prom_pattern_matches(const struct prom_pattern *pattern, struct slice text);

/* As prom_pattern_matches; on true, the first pattern->group_count of `groups` are what was caught.
 */
bool prom_pattern_captures(const struct prom_pattern *pattern, struct slice text,
                           struct slice groups[PROM_PATTERN_GROUPS_MAX]);
