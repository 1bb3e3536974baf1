/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set — an exact table of hashes that turns into HyperLogLog registers when it passes its bound.
 *
 * The members are hashes already, so a slot is the hash's low bits and probing is linear. The
 * registers are a function of the members seen, and whether there are any of their number, so no
 * order of adding and merging shows in the result.
 */
#include "core/model/set.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/model/hll.h"

_Static_assert(sizeof(struct set) <= SKETCH_POOL_BLOCK_MIN_BYTES, "a small set is one small block");

static size_t slots_bytes(uint32_t slot_count)
{
    return slot_count * sizeof(uint64_t);
}

static uint32_t member_count(const struct set *set)
{
    return set->filled_count + (set->has_zero ? 1 : 0);
}

struct set *set_new(struct sketch_pool *pool)
{
    struct set *set = sketch_pool_take(pool, sizeof(*set));
    if (set != NULL) {
        set->slots = set->nearby;
        set->slot_count = SET_NEARBY_SLOT_COUNT;
    }
    return set;
}

static void give_slots(struct set *set, struct sketch_pool *pool)
{
    if (set->slots != NULL && set->slots != set->nearby) {
        sketch_pool_give(pool, set->slots, slots_bytes(set->slot_count));
    }
    set->slots = NULL;
    set->slot_count = 0;
}

void set_give(struct set *set, struct sketch_pool *pool)
{
    if (set == NULL) {
        return;
    }
    give_slots(set, pool);
    sketch_pool_give(pool, set->registers, HLL_REGISTER_COUNT);
    sketch_pool_give(pool, set, sizeof(*set));
}

/* The slot that holds `hash`, or the empty one where it belongs. There is always an empty slot. */
static uint64_t *find_slot(uint64_t *slots, uint32_t slot_count, uint64_t hash)
{
    uint32_t mask = slot_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (slots[at] != 0 && slots[at] != hash) {
        at = (at + 1) & mask;
    }
    return &slots[at];
}

static bool has_member(const struct set *set, uint64_t hash)
{
    return hash == 0 ? set->has_zero : *find_slot(set->slots, set->slot_count, hash) == hash;
}

static bool load_is_fine(uint32_t filled_count, uint32_t slot_count)
{
    return filled_count <= slot_count - slot_count / 4;
}

/* Slots for `filled_count` hashes; 0 or -ENOMEM, and then nothing changed. */
static int reserve_slots(struct set *set, struct sketch_pool *pool, uint32_t filled_count)
{
    uint32_t slot_count = set->slot_count;
    while (!load_is_fine(filled_count, slot_count)) {
        slot_count *= 2;
    }
    if (slot_count == set->slot_count) {
        return 0;
    }
    size_t held_bytes = sketch_pool_class_bytes(slots_bytes(slot_count));
    slot_count = (uint32_t)(held_bytes / sizeof(uint64_t));
    uint64_t *slots = sketch_pool_take(pool, held_bytes);
    if (slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i] != 0) {
            *find_slot(slots, slot_count, set->slots[i]) = set->slots[i];
        }
    }
    give_slots(set, pool);
    set->slots = slots;
    set->slot_count = slot_count;
    return 0;
}

/* Adds a hash for which there is room. */
static void insert(struct set *set, uint64_t hash)
{
    if (hash == 0) {
        set->has_zero = true;
        return;
    }
    uint64_t *slot = find_slot(set->slots, set->slot_count, hash);
    if (*slot == 0) {
        *slot = hash;
        set->filled_count++;
        ASSERT(set->filled_count < set->slot_count);
    }
}

static void pour(uint8_t registers[HLL_REGISTER_COUNT], const struct set *source)
{
    if (source->registers != NULL) {
        hll_merge(registers, source->registers);
        return;
    }
    if (source->has_zero) {
        hll_add(registers, 0);
    }
    for (uint32_t i = 0; i < source->slot_count; i++) {
        if (source->slots[i] != 0) {
            hll_add(registers, source->slots[i]);
        }
    }
}

/* From the table to registers; 0 or -ENOMEM, and then nothing changed. */
static int turn_dense(struct set *set, struct sketch_pool *pool)
{
    uint8_t *registers = sketch_pool_take(pool, HLL_REGISTER_COUNT);
    if (registers == NULL) {
        return -ENOMEM;
    }
    pour(registers, set);
    give_slots(set, pool);
    set->filled_count = 0;
    set->has_zero = false;
    set->registers = registers;
    return 0;
}

int set_add(struct set *set, struct sketch_pool *pool, uint64_t hash)
{
    if (set->registers != NULL) {
        hll_add(set->registers, hash);
        return 0;
    }
    if (has_member(set, hash)) {
        return 0;
    }
    if (member_count(set) == SET_EXACT_MAX_COUNT) {
        int err = turn_dense(set, pool);
        if (err == 0) {
            hll_add(set->registers, hash);
        }
        return err;
    }
    int err = reserve_slots(set, pool, set->filled_count + 1);
    if (err == 0) {
        insert(set, hash);
    }
    return err;
}

/* Members of an exact `source` that an exact `target` lacks. */
static uint32_t count_new(const struct set *target, const struct set *source)
{
    uint32_t count = source->has_zero && !target->has_zero ? 1 : 0;
    for (uint32_t i = 0; i < source->slot_count; i++) {
        if (source->slots[i] != 0 && !has_member(target, source->slots[i])) {
            count++;
        }
    }
    return count;
}

static int merge_exact(struct set *target, struct sketch_pool *pool, const struct set *source,
                       uint32_t new_count)
{
    int err = reserve_slots(target, pool, target->filled_count + new_count);
    if (err != 0) {
        return err;
    }
    target->has_zero = target->has_zero || source->has_zero;
    for (uint32_t i = 0; i < source->slot_count; i++) {
        if (source->slots[i] != 0) {
            insert(target, source->slots[i]);
        }
    }
    return 0;
}

int set_merge(struct set *target, struct sketch_pool *target_pool, const struct set *source)
{
    ASSERT(target != source);
    if (target->registers == NULL && source->registers == NULL) {
        uint32_t new_count = count_new(target, source);
        if (new_count <= SET_EXACT_MAX_COUNT - member_count(target)) {
            return merge_exact(target, target_pool, source, new_count);
        }
    }
    if (target->registers == NULL) {
        int err = turn_dense(target, target_pool);
        if (err != 0) {
            return err;
        }
    }
    pour(target->registers, source);
    return 0;
}

bool set_is_exact(const struct set *set)
{
    return set->registers == NULL;
}

uint64_t set_estimate(const struct set *set)
{
    if (set->registers == NULL) {
        return member_count(set);
    }
    return (uint64_t)round(hll_estimate(set->registers));
}

bool set_is_valid(const struct set *set)
{
    if (set->registers != NULL) {
        return set->slots == NULL && set->slot_count == 0 && set->filled_count == 0;
    }
    uint32_t filled_count = 0;
    for (uint32_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i] == 0) {
            continue;
        }
        filled_count++;
        if (*find_slot(set->slots, set->slot_count, set->slots[i]) != set->slots[i]) {
            return false;
        }
    }
    return filled_count == set->filled_count && member_count(set) <= SET_EXACT_MAX_COUNT &&
           load_is_fine(filled_count, set->slot_count);
}
