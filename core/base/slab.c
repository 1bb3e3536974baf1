/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab — a 64-way tree of bits over an array of objects.
 *
 * Level 0 has a bit per object, set while it is live. A bit of level n + 1 is set while its word of
 * level n is full. So the lowest free object is found with one bit scan per level, at most six, and
 * no list runs through the free objects that handing pages back would tear.
 */
#include "core/base/slab.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define OBJECT_ALIGNMENT_BYTES 16
#define WORD_BITS 64

/* Words for `bit_count` bits. */
static size_t words_of(size_t bit_count)
{
    return (bit_count + WORD_BITS - 1) / WORD_BITS;
}

/* Words of all levels together. */
static size_t tree_words(uint32_t object_max_count)
{
    size_t total = 0;
    size_t level_words = object_max_count;
    do {
        level_words = words_of(level_words);
        total += level_words;
    } while (level_words > 1);
    return total;
}

static void place_levels(struct slab *slab, uint64_t *words)
{
    size_t level_words = slab->object_max_count;
    do {
        ASSERT(slab->level_count < SLAB_LEVEL_MAX_COUNT);
        level_words = words_of(level_words);
        slab->levels[slab->level_count] = words;
        slab->level_count++;
        words += level_words;
    } while (level_words > 1);
}

int slab_init(struct slab *slab, size_t object_bytes, uint32_t object_max_count)
{
    ASSERT(object_bytes > 0);
    ASSERT(object_max_count > 0);
    *slab = (struct slab){0};
    size_t tree_bytes = tree_words(object_max_count) * sizeof(uint64_t);
    /* The second alignment keeps the rounding below from wrapping. */
    size_t object_limit = (SIZE_MAX - tree_bytes) / object_max_count;
    if (object_limit < 2 * OBJECT_ALIGNMENT_BYTES ||
        object_bytes > object_limit - OBJECT_ALIGNMENT_BYTES) {
        return FAULT_OVERFLOW;
    }
    size_t rounded_bytes =
        (object_bytes + OBJECT_ALIGNMENT_BYTES - 1) & ~(size_t)(OBJECT_ALIGNMENT_BYTES - 1);
    size_t all_objects_bytes = rounded_bytes * object_max_count;
    uint8_t *reserved = mem_reserve(all_objects_bytes + tree_bytes);
    if (reserved == NULL) {
        return -ENOMEM;
    }
    *slab = (struct slab){
        .objects = reserved,
        .object_max_count = object_max_count,
        .object_bytes = rounded_bytes,
        .reserved_bytes = all_objects_bytes + tree_bytes,
    };
    place_levels(slab, (uint64_t *)(void *)(reserved + all_objects_bytes));
    return 0;
}

void slab_fini(struct slab *slab)
{
    if (slab->objects != NULL) {
        /* The sanitizer would remember the poison when the kernel maps something else here. */
        WEIR_UNPOISON(slab->objects, slab->touched_limit * slab->object_bytes);
        mem_unreserve(slab->objects, slab->reserved_bytes);
    }
    *slab = (struct slab){0};
}

/* Index of the lowest free object; there is one. */
static uint32_t find_free(const struct slab *slab)
{
    size_t word_index = 0;
    for (uint32_t level = slab->level_count; level > 0; level--) {
        uint64_t word = slab->levels[level - 1][word_index];
        ASSERT(word != UINT64_MAX);
        word_index = word_index * WORD_BITS + (size_t)__builtin_ctzll(~word);
    }
    return (uint32_t)word_index;
}

static void mark_live(struct slab *slab, uint32_t index)
{
    for (uint32_t level = 0; level < slab->level_count; level++) {
        uint64_t *word = &slab->levels[level][index / WORD_BITS];
        *word |= UINT64_C(1) << (index % WORD_BITS);
        if (*word != UINT64_MAX) {
            return;
        }
        index /= WORD_BITS;
    }
}

static void mark_free(struct slab *slab, uint32_t index)
{
    for (uint32_t level = 0; level < slab->level_count; level++) {
        uint64_t *word = &slab->levels[level][index / WORD_BITS];
        bool was_full = *word == UINT64_MAX;
        *word &= ~(UINT64_C(1) << (index % WORD_BITS));
        if (!was_full) {
            return;
        }
        index /= WORD_BITS;
    }
}

void *slab_take(struct slab *slab)
{
    if (slab->used_count == slab->object_max_count) {
        return NULL;
    }
    uint32_t index = find_free(slab);
    ASSERT(index < slab->object_max_count);
    mark_live(slab, index);
    slab->used_count++;
    if (index >= slab->touched_limit) {
        slab->touched_limit = index + 1;
    }
    void *object = slab_at(slab, index);
    WEIR_UNPOISON(object, slab->object_bytes);
    return memset(object, 0, slab->object_bytes);
}

void slab_give(struct slab *slab, void *object)
{
    if (object == NULL) {
        return;
    }
    uint32_t index = slab_index_of(slab, object);
    ASSERT(slab_is_live(slab, index));
    mark_free(slab, index);
    slab->used_count--;
    WEIR_POISON(object, slab->object_bytes);
}

/* First index at or above `index` whose liveness is `live`; `limit` where there is none below it.
 */
static uint32_t find_from(const struct slab *slab, uint32_t index, uint32_t limit, bool live)
{
    while (index < limit) {
        uint64_t word = slab->levels[0][index / WORD_BITS];
        uint64_t wanted = (live ? word : ~word) >> (index % WORD_BITS);
        if (wanted != 0) {
            uint32_t found = index + (uint32_t)__builtin_ctzll(wanted);
            return found < limit ? found : limit;
        }
        uint32_t step = WORD_BITS - index % WORD_BITS;
        index = step > limit - index ? limit : index + step;
    }
    return limit;
}

void slab_trim(struct slab *slab)
{
    uint32_t limit = slab->touched_limit;
    uint32_t first = find_from(slab, 0, limit, false);
    while (first < limit) {
        uint32_t next_live = find_from(slab, first, limit, true);
        size_t run_bytes = (size_t)(next_live - first) * slab->object_bytes;
        mem_release_pages(slab_at(slab, first), run_bytes);
        first = find_from(slab, next_live, limit, false);
    }
}

uint32_t slab_used_count(const struct slab *slab)
{
    return slab->used_count;
}

uint32_t slab_index_of(const struct slab *slab, const void *object)
{
    size_t offset = (size_t)((const uint8_t *)object - slab->objects);
    ASSERT(offset % slab->object_bytes == 0);
    ASSERT(offset / slab->object_bytes < slab->object_max_count);
    return (uint32_t)(offset / slab->object_bytes);
}

bool slab_is_live(const struct slab *slab, uint32_t index)
{
    return index < slab->object_max_count &&
           (slab->levels[0][index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
}

/* Does each bit of `level` + 1 say whether its word of `level` is full? */
static bool level_agrees(const struct slab *slab, uint32_t level, size_t level_words)
{
    for (size_t i = 0; i < level_words; i++) {
        bool is_full = slab->levels[level][i] == UINT64_MAX;
        bool says_full = (slab->levels[level + 1][i / WORD_BITS] >> (i % WORD_BITS) & 1) != 0;
        if (is_full != says_full) {
            return false;
        }
    }
    return true;
}

bool slab_is_valid(const struct slab *slab)
{
    size_t level_words = words_of(slab->object_max_count);
    uint64_t live_count = 0;
    for (size_t i = 0; i < level_words; i++) {
        live_count += (uint64_t)__builtin_popcountll(slab->levels[0][i]);
    }
    for (uint32_t level = 0; level + 1 < slab->level_count; level++) {
        if (!level_agrees(slab, level, level_words)) {
            return false;
        }
        level_words = words_of(level_words);
    }
    uint32_t beyond = find_from(slab, slab->touched_limit, slab->object_max_count, true);
    return live_count == slab->used_count && beyond == slab->object_max_count;
}
