/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_delta — see emf_delta.h.
 *
 * Linear probing, at most three quarters full; removal moves the followers back, so there are no
 * tombstones and a table that churns stays as fast as a new one.
 */
#include "codecs/emf_delta.h"

#include "codecs/emf.h"
#include "core/base/mem.h"

#define FIRST_SLOT_COUNT 256
#define NS_PER_S UINT64_C(1000000000)

enum slot_kind {
    SLOT_FREE,
    SLOT_INTEGER,
    SLOT_DOUBLE,
};

struct emf_delta_slot {
    struct emf_key key;
    union {
        int64_t i64;
        double f64;
    };
    uint64_t count; /* of a summary */
    uint32_t seen_s;
    uint32_t kind; /* enum slot_kind */
};
_Static_assert(sizeof(struct emf_delta_slot) == 40, "EMF_DELTA_SERIES_MAX counts on it");

void emf_delta_init(struct emf_delta *delta, uint32_t series_max, uint64_t idle_ns)
{
    ASSERT(series_max > 0);
    ASSERT(series_max <= EMF_DELTA_SERIES_MAX);
    uint64_t idle_s = idle_ns / NS_PER_S;
    *delta = (struct emf_delta){
        .series_max = series_max,
        .idle_s = idle_s > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)idle_s,
    };
}

void emf_delta_fini(struct emf_delta *delta)
{
    mem_free(delta->slots);
    *delta = (struct emf_delta){0};
}

/* The slot of `key`, or the free one where it would stand. */
static struct emf_delta_slot *find_slot(const struct emf_delta *delta, struct emf_key key)
{
    uint32_t mask = delta->slot_count - 1;
    uint32_t at = (uint32_t)key.low & mask;
    while (delta->slots[at].kind != SLOT_FREE && !emf_key_equal(delta->slots[at].key, key)) {
        at = (at + 1) & mask;
    }
    return &delta->slots[at];
}

/* Twice the slots, or the first ones. False where memory is refused: all stays as it was. */
static bool grow(struct emf_delta *delta)
{
    uint32_t slot_count = delta->slot_count == 0 ? FIRST_SLOT_COUNT : delta->slot_count * 2;
    struct emf_delta_slot *slots = mem_alloc_array(slot_count, sizeof(slots[0]));
    if (slots == NULL) {
        return false;
    }
    struct emf_delta old = *delta;
    delta->slots = slots;
    delta->slot_count = slot_count;
    delta->sweep_index = 0;
    for (uint32_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].kind != SLOT_FREE) {
            *find_slot(delta, old.slots[i].key) = old.slots[i];
        }
    }
    mem_free(old.slots);
    return true;
}

/* The slot of a series, new (kind SLOT_FREE) or not; NULL where a new one has no room. */
static struct emf_delta_slot *take_slot(struct emf_delta *delta, struct emf_key key)
{
    if (delta->slots != NULL) {
        struct emf_delta_slot *slot = find_slot(delta, key);
        if (slot->kind != SLOT_FREE) {
            return slot;
        }
    }
    if (delta->series_count == delta->series_max) {
        return NULL;
    }
    if (delta->series_count >= delta->slot_count / 4 * 3 && !grow(delta)) {
        return NULL;
    }
    delta->series_count++;
    struct emf_delta_slot *slot = find_slot(delta, key);
    ASSERT(slot->kind == SLOT_FREE);
    slot->key = key;
    return slot;
}

static double number_of(struct otlp_number value)
{
    return value.is_integer ? (double)value.i64 : value.f64;
}

static struct otlp_number difference(struct otlp_number now, struct otlp_number before)
{
    struct otlp_number result = {.is_integer = now.is_integer && before.is_integer};
    if (result.is_integer) {
        if (now.i64 < before.i64) {
            return now;
        }
        if (!__builtin_sub_overflow(now.i64, before.i64, &result.i64)) {
            return result;
        }
        result.is_integer = false;
    }
    result.f64 = number_of(now) - number_of(before);
    return result.f64 < 0 ? now : result;
}

enum emf_delta_answer emf_delta_number(struct emf_delta *delta, struct emf_key key,
                                       struct otlp_number value, uint32_t now_s,
                                       struct otlp_number *out)
{
    struct emf_delta_slot *slot = take_slot(delta, key);
    if (slot == NULL) {
        return EMF_DELTA_FULL;
    }
    bool is_first = slot->kind == SLOT_FREE;
    struct otlp_number before = {.is_integer = slot->kind == SLOT_INTEGER};
    if (before.is_integer) {
        before.i64 = slot->i64;
    } else {
        before.f64 = slot->f64;
    }
    *out = is_first ? value : difference(value, before);
    slot->kind = value.is_integer ? SLOT_INTEGER : SLOT_DOUBLE;
    slot->seen_s = now_s;
    if (value.is_integer) {
        slot->i64 = value.i64;
    } else {
        slot->f64 = value.f64;
    }
    return is_first ? EMF_DELTA_FIRST : EMF_DELTA_DONE;
}

enum emf_delta_answer emf_delta_summary(struct emf_delta *delta, struct emf_key key,
                                        struct emf_delta_pair value, uint32_t now_s,
                                        struct emf_delta_pair *out)
{
    struct emf_delta_slot *slot = take_slot(delta, key);
    if (slot == NULL) {
        return EMF_DELTA_FULL;
    }
    bool is_first = slot->kind == SLOT_FREE;
    *out = value;
    if (!is_first && value.count >= slot->count) {
        out->sum = value.sum - slot->f64;
        out->count = value.count - slot->count;
    }
    slot->kind = SLOT_DOUBLE;
    slot->seen_s = now_s;
    slot->f64 = value.sum;
    slot->count = value.count;
    return is_first ? EMF_DELTA_FIRST : EMF_DELTA_DONE;
}

/* Frees slot `hole`; what was pushed past it by others moves back. */
static void remove_slot(struct emf_delta *delta, uint32_t hole)
{
    uint32_t mask = delta->slot_count - 1;
    uint32_t at = (hole + 1) & mask;
    while (delta->slots[at].kind != SLOT_FREE) {
        uint32_t home = (uint32_t)delta->slots[at].key.low & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            delta->slots[hole] = delta->slots[at];
            hole = at;
        }
        at = (at + 1) & mask;
    }
    delta->slots[hole] = (struct emf_delta_slot){0};
    delta->series_count--;
}

void emf_delta_sweep(struct emf_delta *delta, uint32_t now_s)
{
    uint32_t left =
        delta->slot_count < EMF_DELTA_SWEEP_SLOTS ? delta->slot_count : EMF_DELTA_SWEEP_SLOTS;
    while (left > 0) {
        const struct emf_delta_slot *slot = &delta->slots[delta->sweep_index];
        if (slot->kind != SLOT_FREE && now_s - slot->seen_s > delta->idle_s) {
            remove_slot(delta, delta->sweep_index); /* and look at the same slot again */
        } else {
            delta->sweep_index = (delta->sweep_index + 1) & (delta->slot_count - 1);
        }
        left--;
    }
}
