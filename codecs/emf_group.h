/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_group — metrics that will share a document: same labels, time, place, kind and piece.
 *
 * Everything lives in the batch's arena; only the table that finds a group by its key is kept from
 * batch to batch. Groups stay in the order in which they were first seen.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/emf.h"
#include "codecs/emf_key.h"
#include "codecs/emf_labels.h"
#include "codecs/emf_value.h"
#include "core/base/arena.h"
#include "core/base/defs.h"

struct emf_place;

/* One bit per declaration of the options. */
struct emf_mask {
    uint64_t words[EMF_DECLARATIONS_MAX / 64];
};

struct emf_metric {
    struct emf_metric *next;
    struct slice name;
    struct slice unit;
    uint32_t resolution_s;
    uint32_t point_count; /* booked with it: 1, or 0 where another metric has the same point */
    struct emf_value value;
    struct emf_mask mask; /* filled when the document is written */
    bool is_listed;       /* stands in a directive of the document being written */
};

/* What tells groups apart; the labels are those of `labels_key`. */
struct emf_group_key {
    struct emf_key labels_key;
    const struct emf_place *place;
    uint64_t time_ms;
    enum otlp_data data;
    uint32_t piece_index;
};

struct emf_group {
    struct emf_key key;
    struct emf_group *next;
    const struct emf_place *place;
    uint64_t time_ms;
    enum otlp_data data;
    uint32_t label_count;
    struct emf_label *labels; /* sorted */
    struct emf_metric *first;
    struct emf_metric *last;
    uint32_t metric_count;
};

struct emf_groups {
    struct emf_group **slots; /* owned; a hash table */
    uint32_t slot_count;      /* a power of two */
    uint32_t group_count;
    struct emf_group *first;
    struct emf_group *last;
    uint64_t hash_seed;
};

/* 0 or -ENOMEM; emf_groups_fini is safe after either, and twice. */
WEIR_MUST_USE int emf_groups_init(struct emf_groups *groups, uint64_t hash_seed);
void emf_groups_fini(struct emf_groups *groups);

/* Forgets all groups; whoever calls resets the arena. */
void emf_groups_clear(struct emf_groups *groups);

/*
 * The group of that key, made if need be, with a copy of the labels (not of their texts). NULL
 * where the arena or the allocator refuses.
 */
struct emf_group *emf_groups_find(struct emf_groups *groups, const struct emf_group_key *key,
                                  const struct emf_labels *labels, struct arena *arena);

/* Puts a copy of `metric` at the end of the group and returns it; NULL where the arena is full. */
struct emf_metric *emf_group_add(struct emf_group *group, const struct emf_metric *metric,
                                 struct arena *arena);

/*
 * Sorts the metrics bytewise by name. Of one name the first one added stays; returns how many
 * points went with the others.
 */
uint32_t emf_group_finish(struct emf_group *group);
