/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrape_rig — a bench with one target on it: pages in, lines of prom_dump.h out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_relabel.h"
#include "codecs/prom_scrape.h"
#include "core/base/slice.h"
#include "tests/support/prom_dump.h"

#define SCRAPE_RIG_RULES_MAX 8
#define SCRAPE_RIG_LABELS_MAX 16

struct scrape_rig {
    struct prom_sink sink;
    struct prom_scrape *scrape;
    struct prom_target *target;
    struct prom_relabel *relabel;
    struct prom_rules rules;
    struct prom_relabel_rule relabel_rules[SCRAPE_RIG_RULES_MAX];
    struct slice relabel_sources[SCRAPE_RIG_RULES_MAX];
    uint32_t relabel_count;
    struct label labels[SCRAPE_RIG_LABELS_MAX]; /* of the target */
    uint32_t label_count;
    struct label external[SCRAPE_RIG_LABELS_MAX];
    struct prom_dump dump; /* of the last page */
    struct bytes said;     /* the result of the last page in words */
    uint32_t part_count;
    uint32_t turn_count;
    bool is_dumb; /* parts are counted and not dumped */
};

/* A bench, rules that say nothing, and the labels job="j", instance="10.0.0.1:80". */
void scrape_rig_init(struct scrape_rig *rig);
void scrape_rig_fini(struct scrape_rig *rig);

/* Forgets the target and its rules. */
void scrape_rig_clear(struct scrape_rig *rig);

/* Takes a line of a vector that is about rules; false where `key` is none of them. */
bool scrape_rig_rule(struct scrape_rig *rig, struct slice key, struct slice text);

/* Works through a page, makes the target first where there is none. */
void scrape_rig_run(struct scrape_rig *rig, const struct prom_page *page);

/* The same for a page of the text format that was fetched. */
void scrape_rig_text(struct scrape_rig *rig, struct slice body, uint64_t time_unix_ms);
