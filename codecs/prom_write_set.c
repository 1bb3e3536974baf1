/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_set — a chained hash table over an arena; keys are compared whole.
 */
#include "codecs/prom_write_set.h"

#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "codecs/prom_write_wire.h"
#include "core/base/mem.h"

#define FIRST_BUCKET_COUNT 256
#define FIRST_CHUNK_BYTES (64 * 1024)
/* Runs of a merge sort: 2^31 samples of one series at most. */
#define SORT_RUNS_MAX 32

int prom_write_set_init(struct prom_write_set *set, size_t max_bytes, uint64_t hash_seed)
{
    *set = (struct prom_write_set){.bucket_count = FIRST_BUCKET_COUNT, .hash_seed = hash_seed};
    set->buckets = mem_alloc_array(FIRST_BUCKET_COUNT, sizeof(struct prom_write_series *));
    if (set->buckets == NULL) {
        return -ENOMEM;
    }
    return arena_init(&set->arena, FIRST_CHUNK_BYTES, max_bytes);
}

void prom_write_set_fini(struct prom_write_set *set)
{
    mem_free(set->buckets);
    arena_fini(&set->arena);
    *set = (struct prom_write_set){0};
}

/* --- series ----------------------------------------------------------------------------------- */

static struct prom_write_series **bucket_of(const struct prom_write_set *set, uint64_t hash)
{
    return &set->buckets[hash & (set->bucket_count - 1)];
}

/* Bucket by bucket: the table may have been made for a far larger batch. */
void prom_write_set_clear(struct prom_write_set *set)
{
    for (struct prom_write_group *group = set->first; group != NULL; group = group->next) {
        for (struct prom_write_series *s = group->first; s != NULL; s = s->next) {
            *bucket_of(set, s->hash) = NULL;
        }
    }
    arena_reset(&set->arena);
    set->series_count = 0;
    set->first = NULL;
    set->last = NULL;
    prom_write_set_drop(set);
}

/* Twice the buckets; a set that cannot have them is only slower. */
static void grow(struct prom_write_set *set)
{
    struct prom_write_series **buckets =
        mem_alloc_array(set->bucket_count * 2, sizeof(struct prom_write_series *));
    if (buckets == NULL) {
        return;
    }
    mem_free(set->buckets);
    set->buckets = buckets;
    set->bucket_count *= 2;
    for (struct prom_write_group *group = set->first; group != NULL; group = group->next) {
        for (struct prom_write_series *s = group->first; s != NULL; s = s->next) {
            struct prom_write_series **bucket = bucket_of(set, s->hash);
            s->chain = *bucket;
            *bucket = s;
        }
    }
}

static struct prom_write_group *add_group(struct prom_write_set *set)
{
    struct prom_write_group *group = arena_alloc(&set->arena, sizeof(*group));
    if (group == NULL) {
        return NULL;
    }
    *group = (struct prom_write_group){0};
    if (set->last != NULL) {
        set->last->next = group;
    } else {
        set->first = group;
    }
    set->last = group;
    return group;
}

static void join_group(struct prom_write_group *group, struct prom_write_series *series)
{
    series->group = group;
    if (group->last != NULL) {
        group->last->next = series;
    } else {
        group->first = series;
    }
    group->last = series;
}

static struct prom_write_series *add_series(struct prom_write_set *set, struct slice key,
                                            uint64_t hash, struct prom_write_group *group)
{
    struct prom_write_series *series = arena_alloc(&set->arena, sizeof(*series) + key.len);
    group = group != NULL || series == NULL ? group : add_group(set);
    if (series == NULL || group == NULL) {
        return NULL;
    }
    struct prom_write_series **bucket = bucket_of(set, hash);
    *series =
        (struct prom_write_series){.chain = *bucket, .hash = hash, .key_len = (uint32_t)key.len};
    memcpy(series->key, key.ptr, key.len);
    *bucket = series;
    join_group(group, series);
    set->series_count++;
    return series;
}

struct prom_write_series *prom_write_set_find(struct prom_write_set *set, struct slice key,
                                              struct prom_write_group *group)
{
    ASSERT(key.len > 0);
    ASSERT(key.len <= UINT32_MAX);
    uint64_t hash = XXH3_64bits_withSeed(key.ptr, key.len, set->hash_seed);
    for (struct prom_write_series *s = *bucket_of(set, hash); s != NULL; s = s->chain) {
        if (s->hash == hash && slice_equal(slice_of(s->key, s->key_len), key)) {
            return s;
        }
    }
    if (set->series_count >= set->bucket_count) {
        grow(set);
    }
    return add_series(set, key, hash, group);
}

/* What it is part of by now. The way there is halved, so that it stays short. */
static struct prom_write_group *whole_of(struct prom_write_group *group)
{
    while (group->joined != NULL) {
        struct prom_write_group *next = group->joined;
        group->joined = next->joined != NULL ? next->joined : next;
        group = next;
    }
    return group;
}

struct prom_write_group *prom_write_set_join(struct prom_write_group *a, struct prom_write_group *b)
{
    b = whole_of(b);
    a = a != NULL ? whole_of(a) : b;
    if (a == b) {
        return a;
    }
    b->joined = a;
    if (a->last != NULL) {
        a->last->next = b->first;
    } else {
        a->first = b->first;
    }
    a->last = b->last != NULL ? b->last : a->last;
    a->item_count += b->item_count;
    b->first = NULL;
    b->last = NULL;
    b->item_count = 0;
    return a;
}

/* --- samples ---------------------------------------------------------------------------------- */

int prom_write_set_add(struct prom_write_set *set, struct prom_write_series *series,
                       int64_t time_ms, struct slice bytes)
{
    ASSERT(bytes.len <= UINT32_MAX);
    struct prom_write_piece *piece = arena_alloc(&set->arena, sizeof(*piece) + bytes.len);
    if (piece == NULL) {
        return -ENOMEM;
    }
    *piece =
        (struct prom_write_piece){.series = series, .time_ms = time_ms, .len = (uint32_t)bytes.len};
    if (bytes.len > 0) {
        memcpy(piece->bytes, bytes.ptr, bytes.len);
    }
    if (set->last_aside != NULL) {
        set->last_aside->next = piece;
    } else {
        set->first_aside = piece;
    }
    set->last_aside = piece;
    return 0;
}

static void attach(struct prom_write_piece *piece)
{
    struct prom_write_series *series = piece->series;
    piece->next = NULL;
    if (series->last != NULL) {
        series->is_unsorted = series->is_unsorted || piece->time_ms < series->last->time_ms;
        series->last->next = piece;
    } else {
        series->first = piece;
    }
    series->last = piece;
    series->piece_bytes += piece->len;
}

void prom_write_set_keep(struct prom_write_set *set)
{
    struct prom_write_piece *piece = set->first_aside;
    while (piece != NULL) {
        struct prom_write_piece *next = piece->next;
        attach(piece);
        piece = next;
    }
    prom_write_set_drop(set);
}

void prom_write_set_drop(struct prom_write_set *set)
{
    set->first_aside = NULL;
    set->last_aside = NULL;
}

/* Of one time those of `a` come first. */
static struct prom_write_piece *merge(struct prom_write_piece *a, struct prom_write_piece *b)
{
    struct prom_write_piece *first = NULL;
    struct prom_write_piece **end = &first;
    while (a != NULL && b != NULL) {
        struct prom_write_piece **next = a->time_ms <= b->time_ms ? &a : &b;
        *end = *next;
        end = &(*next)->next;
        *next = *end;
    }
    *end = a != NULL ? a : b;
    return first;
}

/* A merge sort without recursion: the n-th run holds 2^n pieces or none. */
static struct prom_write_piece *sort(struct prom_write_piece *piece)
{
    struct prom_write_piece *runs[SORT_RUNS_MAX] = {0};
    while (piece != NULL) {
        struct prom_write_piece *run = piece;
        piece = piece->next;
        run->next = NULL;
        size_t i = 0;
        for (; runs[i] != NULL; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        ASSERT(i < SORT_RUNS_MAX);
        runs[i] = run;
    }
    struct prom_write_piece *sorted = NULL;
    for (size_t i = 0; i < SORT_RUNS_MAX; i++) {
        sorted = merge(runs[i], sorted);
    }
    return sorted;
}

static bool is_same(const struct prom_write_piece *a, const struct prom_write_piece *b)
{
    return a->time_ms == b->time_ms &&
           slice_equal(slice_of(a->bytes, a->len), slice_of(b->bytes, b->len));
}

static void seal_series(struct prom_write_series *series)
{
    if (series->is_unsorted) {
        series->first = sort(series->first);
        series->is_unsorted = false;
    }
    for (struct prom_write_piece *piece = series->first; piece != NULL; piece = piece->next) {
        while (piece->next != NULL && is_same(piece, piece->next)) {
            series->piece_bytes -= piece->len;
            piece->next = piece->next->next;
        }
        series->last = piece;
    }
}

void prom_write_set_seal(struct prom_write_set *set)
{
    ASSERT(set->first_aside == NULL);
    for (struct prom_write_group *group = set->first; group != NULL; group = group->next) {
        for (struct prom_write_series *s = group->first; s != NULL; s = s->next) {
            seal_series(s);
        }
    }
}

/* --- out -------------------------------------------------------------------------------------- */

static size_t content_bytes(const struct prom_write_series *series)
{
    return series->key_len + series->piece_bytes;
}

size_t prom_write_group_bytes(const struct prom_write_group *group)
{
    size_t bytes = 0;
    for (const struct prom_write_series *s = group->first; s != NULL; s = s->next) {
        size_t content = content_bytes(s);
        bytes += s->first != NULL ? 1 + prom_wire_varint_bytes(content) + content : 0;
    }
    return bytes;
}

void prom_write_group_put(struct bytes *out, const struct prom_write_group *group, uint32_t tag)
{
    for (const struct prom_write_series *s = group->first; s != NULL; s = s->next) {
        if (s->first == NULL) {
            continue; /* its point was dropped */
        }
        prom_wire_head(out, tag, content_bytes(s));
        bytes_append(out, s->key, s->key_len);
        for (const struct prom_write_piece *piece = s->first; piece != NULL; piece = piece->next) {
            bytes_append(out, piece->bytes, piece->len);
        }
    }
}
