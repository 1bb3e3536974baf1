/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_update — endpoints made group by group, sorted, and walked beside the old members.
 */
#include "io/receivers/prom_scrape_update.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/prom_scrape_endpoint.h"
#include "io/receivers/prom_scrape_pool.h"
#include "io/receivers/pull_receiver.h"

/* The endpoints of one comparison: 64 Ki targets at a few KiB each. */
#define ENDPOINTS_CHUNK_BYTES 65536
#define ENDPOINTS_MAX_BYTES (UINT64_C(256) * 1024 * 1024)
/* Targets made, or compared, in one turn: about 10 µs each. */
#define TURN_TARGETS 200

struct candidate {
    uint64_t hash;
    struct prom_endpoint endpoint;
};

enum update_step {
    UPDATE_MAKING,
    UPDATE_SORTING,
    UPDATE_COMPARING,
    UPDATE_DONE,
};

struct prom_update {
    struct prom_pool *pool; /* borrowed */
    enum update_step step;
    struct prom_groups lists[2]; /* borrowed; those of the configuration and those of files */
    uint32_t list_index;         /* where making has come to */
    const struct prom_group *group;
    uint32_t target_index;
    struct arena arena; /* owned; of what follows */
    struct candidate *items;
    uint32_t count;
    uint32_t dropped_count;
    uint32_t bad_count;
    bool is_short;      /* some are missing for want of memory */
    const char *why;    /* of the last bad one */
    uint32_t old_index; /* where comparing has come to */
    uint32_t new_index;
    struct prom_member **members; /* owned; the pool's next list */
    uint32_t member_count;
};

/* --- making ------------------------------------------------------------------------ */

/* Beyond half of its bound a refusal may be the bound's, and trying again would not help. */
static bool is_crowded(const struct arena *arena)
{
    return arena_used_bytes(arena) > ENDPOINTS_MAX_BYTES / 2;
}

static void add_candidate(struct prom_update *all, const struct prom_group *group,
                          uint32_t target_index)
{
    struct candidate *next = &all->items[all->count];
    const char *why = NULL;
    switch (prom_endpoint_make(all->pool->job, group, target_index, &all->arena, &next->endpoint,
                               &why)) {
    case PROM_ENDPOINT_MADE:
        next->hash = XXH3_64bits(next->endpoint.key.ptr, next->endpoint.key.len);
        all->count++;
        return;
    case PROM_ENDPOINT_DROPPED:
        all->dropped_count++;
        return;
    case PROM_ENDPOINT_BAD:
        all->bad_count++;
        all->why = why;
        return;
    case PROM_ENDPOINT_NO_ROOM:
        all->bad_count++;
        all->is_short = all->is_short || !is_crowded(&all->arena);
        all->why = "no room for its labels";
        return;
    }
}

/* The next group that has a target left; false at the end. */
static bool find_group(struct prom_update *all)
{
    while (all->group == NULL || all->target_index == all->group->target_count) {
        const struct prom_groups *list = &all->lists[all->list_index];
        /* The last one's link may lead on into another list. */
        bool is_last = all->group == list->last;
        all->target_index = 0;
        if (!is_last) {
            all->group = all->group == NULL ? list->first : all->group->next;
            continue;
        }
        all->group = NULL;
        all->list_index++;
        if (all->list_index == COUNT_OF(all->lists)) {
            return false;
        }
    }
    return true;
}

static void make_some(struct prom_update *all)
{
    for (uint32_t i = 0; i < TURN_TARGETS; i++) {
        if (!find_group(all)) {
            all->step = UPDATE_SORTING;
            return;
        }
        add_candidate(all, all->group, all->target_index);
        all->target_index++;
    }
}

static int compare(uint64_t hash, struct slice key, uint64_t other_hash, struct slice other_key)
{
    if (hash != other_hash) {
        return hash < other_hash ? -1 : 1;
    }
    return slice_compare(key, other_key);
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *first = a;
    const struct candidate *second = b;
    return compare(first->hash, first->endpoint.key, second->hash, second->endpoint.key);
}

/* Two that are the same target are one. */
static void sort_candidates(struct prom_update *all)
{
    uint32_t kept = 0;
    if (all->count == 0) {
        return;
    }
    qsort(all->items, all->count, sizeof(all->items[0]), compare_candidates);
    for (uint32_t i = 1; i < all->count; i++) {
        if (compare_candidates(&all->items[kept], &all->items[i]) != 0) {
            kept++;
            all->items[kept] = all->items[i];
        }
    }
    all->count = kept + 1;
}

/* --- comparing ----------------------------------------------------------------------------- */

/* NULL, counted, where there is no room. */
static struct prom_member *add_member(struct prom_update *all, const struct candidate *candidate)
{
    struct prom_pool *pool = all->pool;
    struct prom_member *member = NULL;
    int err = prom_member_new(pool, &candidate->endpoint, candidate->hash, &member);
    if (err != 0) {
        all->bad_count++;
        all->is_short = all->is_short || err == -ENOMEM;
        all->why = fault_text(err);
        return NULL;
    }
    prom_pool_link(pool, member);
    if (pool->is_started) {
        prom_member_start(member);
    }
    return member;
}

/* Where the next of the old members stands to the next candidate. */
static int compare_next(const struct prom_update *all)
{
    const struct prom_pool *pool = all->pool;
    if (all->old_index == pool->member_count) {
        return 1;
    }
    if (all->new_index == all->count) {
        return -1;
    }
    const struct prom_member *member = pool->members[all->old_index];
    const struct candidate *candidate = &all->items[all->new_index];
    return compare(member->hash, member->key, candidate->hash, candidate->endpoint.key);
}

static void compare_one(struct prom_update *all)
{
    const struct prom_pool *pool = all->pool;
    int order = compare_next(all);
    if (order < 0) {
        prom_member_leave(pool->members[all->old_index]);
        all->old_index++;
        return;
    }
    struct prom_member *member =
        order == 0 ? pool->members[all->old_index] : add_member(all, &all->items[all->new_index]);
    all->old_index += order == 0 ? 1 : 0;
    all->new_index++;
    if (member != NULL) {
        all->members[all->member_count] = member;
        all->member_count++;
    }
}

static void tell(const struct prom_pool *pool, const struct prom_update *all)
{
    log_info("targets", LOG_TEXT("receiver", pool->hub->pull->receiver.id),
             LOG_TEXT("job", pool->job->name), LOG_U64("scraped", pool->member_count),
             LOG_U64("dropped", all->dropped_count), LOG_U64("refused", all->bad_count),
             LOG_TEXT("reason", all->why != NULL ? all->why : ""));
    if (pool->is_over_limit) {
        log_warn("target_limit", LOG_TEXT("receiver", pool->hub->pull->receiver.id),
                 LOG_TEXT("job", pool->job->name), LOG_U64("limit", pool->job->limits.targets));
    }
}

static void replace_members(struct prom_update *all)
{
    struct prom_pool *pool = all->pool;
    struct prom_hub *hub = pool->hub;
    uint32_t target_limit = pool->job->limits.targets;
    hub->target_count -= pool->member_count;
    mem_free(pool->members);
    pool->members = all->members;
    pool->member_count = all->member_count;
    all->members = NULL;
    pool->is_over_limit = target_limit > 0 && pool->member_count > target_limit;
    hub->target_count += pool->member_count;
    counter_set(&hub->pull->stats.scrape_targets, hub->target_count);
    counter_add(&hub->pull->stats.scrape_targets_bad, all->bad_count);
    tell(pool, all);
}

static void compare_some(struct prom_update *all)
{
    for (uint32_t i = 0; i < TURN_TARGETS; i++) {
        if (all->old_index == all->pool->member_count && all->new_index == all->count) {
            replace_members(all);
            all->step = UPDATE_DONE;
            return;
        }
        compare_one(all);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

int prom_update_new(struct prom_pool *pool, const struct prom_groups *files,
                    struct prom_update **out)
{
    uint32_t most = pool->job->groups.target_count + files->target_count;
    struct prom_update *all = mem_alloc(sizeof(*all));
    if (all == NULL) {
        return -ENOMEM;
    }
    *all = (struct prom_update){.pool = pool, .lists = {pool->job->groups, *files}};
    int err = arena_init(&all->arena, ENDPOINTS_CHUNK_BYTES, ENDPOINTS_MAX_BYTES);
    if (err == 0) {
        all->items = arena_alloc_array(&all->arena, most, sizeof(all->items[0]));
        all->members = mem_alloc_array((size_t)most + 1, sizeof(all->members[0]));
        err = all->items != NULL && all->members != NULL ? 0 : -ENOMEM;
    }
    if (err != 0) {
        prom_update_free(all);
        return err;
    }
    *out = all;
    return 0;
}

bool prom_update_turn(struct prom_update *update)
{
    switch (update->step) {
    case UPDATE_MAKING:
        make_some(update);
        return true;
    case UPDATE_SORTING:
        sort_candidates(update);
        update->step = UPDATE_COMPARING;
        return true;
    case UPDATE_COMPARING:
        compare_some(update);
        return update->step != UPDATE_DONE;
    case UPDATE_DONE:
        break;
    }
    return false;
}

bool prom_update_is_short(const struct prom_update *update)
{
    return update->is_short;
}

void prom_update_free(struct prom_update *update)
{
    if (update == NULL) {
        return;
    }
    arena_fini(&update->arena);
    mem_free(update->members);
    mem_free(update);
}
