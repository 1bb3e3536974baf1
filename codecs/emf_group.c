/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_group — see emf_group.h.
 */
#include "codecs/emf_group.h"

#include <errno.h>
#include <string.h>

#include "codecs/emf_place.h"
#include "core/base/mem.h"

#define FIRST_SLOT_COUNT 256
/* Runs of a merge sort: 2^32 metrics at most. */
#define SORT_RUNS_MAX 32

int emf_groups_init(struct emf_groups *groups, uint64_t hash_seed)
{
    *groups = (struct emf_groups){.slot_count = FIRST_SLOT_COUNT, .hash_seed = hash_seed};
    groups->slots = mem_alloc_array(groups->slot_count, sizeof(groups->slots[0]));
    return groups->slots != NULL ? 0 : -ENOMEM;
}

void emf_groups_fini(struct emf_groups *groups)
{
    mem_free(groups->slots);
    *groups = (struct emf_groups){0};
}

void emf_groups_clear(struct emf_groups *groups)
{
    memset(groups->slots, 0, groups->slot_count * sizeof(groups->slots[0]));
    groups->group_count = 0;
    groups->first = NULL;
    groups->last = NULL;
}

static struct emf_group **find_slot(const struct emf_groups *groups, struct emf_key key)
{
    uint32_t mask = groups->slot_count - 1;
    uint32_t at = (uint32_t)key.low & mask;
    while (groups->slots[at] != NULL && !emf_key_equal(groups->slots[at]->key, key)) {
        at = (at + 1) & mask;
    }
    return &groups->slots[at];
}

static int grow(struct emf_groups *groups)
{
    struct emf_group **slots = mem_alloc_array((size_t)groups->slot_count * 2, sizeof(slots[0]));
    if (slots == NULL) {
        return -ENOMEM;
    }
    mem_free(groups->slots);
    groups->slots = slots;
    groups->slot_count *= 2;
    for (struct emf_group *group = groups->first; group != NULL; group = group->next) {
        *find_slot(groups, group->key) = group;
    }
    return 0;
}

static struct emf_key key_of(const struct emf_groups *groups, const struct emf_group_key *key)
{
    const uint64_t words[] = {
        key->labels_key.low,  key->labels_key.high, key->place->key.low,
        key->place->key.high, key->time_ms,         (uint64_t)key->data << 32 | key->piece_index,
    };
    return emf_key_of(slice_of(words, sizeof(words)), groups->hash_seed);
}

struct emf_group *emf_groups_find(struct emf_groups *groups, const struct emf_group_key *key,
                                  const struct emf_labels *labels, struct arena *arena)
{
    struct emf_key hash = key_of(groups, key);
    struct emf_group **slot = find_slot(groups, hash);
    if (*slot != NULL) {
        return *slot;
    }
    if (groups->group_count >= groups->slot_count / 4 * 3) {
        if (grow(groups) != 0) {
            return NULL;
        }
        slot = find_slot(groups, hash);
    }
    struct emf_group *group = arena_alloc(arena, sizeof(*group));
    struct emf_label *copy = arena_alloc_array(arena, labels->count, sizeof(copy[0]));
    if (group == NULL || copy == NULL) {
        return NULL;
    }
    memcpy(copy, labels->items, labels->count * sizeof(copy[0]));
    *group = (struct emf_group){
        .key = hash,
        .place = key->place,
        .time_ms = key->time_ms,
        .data = key->data,
        .labels = copy,
        .label_count = labels->count,
    };
    if (groups->last != NULL) {
        groups->last->next = group;
    } else {
        groups->first = group;
    }
    groups->last = group;
    groups->group_count++;
    *slot = group;
    return group;
}

struct emf_metric *emf_group_add(struct emf_group *group, const struct emf_metric *metric,
                                 struct arena *arena)
{
    struct emf_metric *copy = arena_alloc(arena, sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *metric;
    copy->next = NULL;
    if (group->last != NULL) {
        group->last->next = copy;
    } else {
        group->first = copy;
    }
    group->last = copy;
    group->metric_count++;
    return copy;
}

/* --- order ------------------------------------------------------------------------------------ */

/* Of equal names those of `a` come first. */
static struct emf_metric *merge(struct emf_metric *a, struct emf_metric *b)
{
    struct emf_metric *first = NULL;
    struct emf_metric **end = &first;
    while (a != NULL && b != NULL) {
        struct emf_metric **next = slice_compare(a->name, b->name) <= 0 ? &a : &b;
        *end = *next;
        end = &(*next)->next;
        *next = (*next)->next;
    }
    *end = a != NULL ? a : b;
    return first;
}

static bool is_sorted(const struct emf_metric *metric)
{
    while (metric != NULL && metric->next != NULL) {
        if (slice_compare(metric->name, metric->next->name) >= 0) {
            return false;
        }
        metric = metric->next;
    }
    return true;
}

/* Run i holds 2^i metrics or none; older ones stand in higher runs. */
static struct emf_metric *sort(struct emf_metric *metric)
{
    struct emf_metric *runs[SORT_RUNS_MAX] = {0};
    while (metric != NULL) {
        struct emf_metric *next = metric->next;
        metric->next = NULL;
        uint32_t i = 0;
        while (i < SORT_RUNS_MAX - 1 && runs[i] != NULL) {
            metric = merge(runs[i], metric);
            runs[i] = NULL;
            i++;
        }
        runs[i] = metric;
        metric = next;
    }
    struct emf_metric *all = NULL;
    for (uint32_t i = 0; i < SORT_RUNS_MAX; i++) {
        all = merge(runs[i], all);
    }
    return all;
}

uint32_t emf_group_finish(struct emf_group *group)
{
    uint32_t dropped_points = 0;
    if (is_sorted(group->first)) {
        return 0;
    }
    group->first = sort(group->first);
    struct emf_metric *metric = group->first;
    while (metric->next != NULL) {
        if (slice_equal(metric->name, metric->next->name)) {
            dropped_points += metric->next->point_count;
            metric->next = metric->next->next;
            group->metric_count--;
        } else {
            metric = metric->next;
        }
    }
    group->last = metric;
    return dropped_points;
}
