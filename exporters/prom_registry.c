/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_registry — a sorted array of families, a hash table of series, a list by age.
 *
 * The table chains and doubles; its hash is seeded, because labels come from strangers. A family
 * under a cursor is kept even when it is empty, so that the cursor finds its successor by name.
 */
#include "exporters/prom_registry.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define BUCKETS_MIN_COUNT 256
#define ENTRIES_MIN_COUNT 64

void prom_registry_init(struct prom_registry *r, size_t series_max, uint64_t hash_seed)
{
    *r = (struct prom_registry){.series_max = series_max, .hash_seed = hash_seed};
}

void prom_registry_fini(struct prom_registry *r)
{
    ASSERT(r->cursors == NULL);
    struct prom_series *series = r->oldest;
    while (series != NULL) {
        struct prom_series *newer = series->newer;
        prom_value_fini(&series->value);
        mem_free(series);
        series = newer;
    }
    for (size_t i = 0; i < r->entry_count; i++) {
        mem_free(r->entries[i]);
    }
    mem_free(r->entries);
    mem_free(r->buckets);
    *r = (struct prom_registry){0};
}

/* --- families --------------------------------------------------------------------------------- */

/* Index of the first family whose name is not below `name`. */
static size_t lower_bound(const struct prom_registry *r, struct slice name)
{
    size_t low = 0;
    size_t high = r->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(r->entries[middle]->family.name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct slice copy_text(char **at, struct slice text)
{
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    struct slice copy = slice_of(*at, text.len);
    *at += text.len;
    return copy;
}

static struct prom_entry *entry_new(const struct prom_family *family)
{
    size_t text_bytes = family->name.len + family->help.len + family->unit.len;
    struct prom_entry *entry = mem_alloc(sizeof(*entry) + text_bytes);
    if (entry != NULL) {
        char *at = entry->texts;
        entry->family.kind = family->kind;
        entry->family.name = copy_text(&at, family->name);
        entry->family.help = copy_text(&at, family->help);
        entry->family.unit = copy_text(&at, family->unit);
    }
    return entry;
}

static int reserve_entry(struct prom_registry *r)
{
    if (r->entry_count < r->entry_capacity) {
        return 0;
    }
    size_t capacity = r->entry_capacity > 0 ? r->entry_capacity * 2 : ENTRIES_MIN_COUNT;
    struct prom_entry **entries = mem_resize(r->entries, capacity * sizeof(r->entries[0]));
    if (entries == NULL) {
        return -ENOMEM;
    }
    r->entries = entries;
    r->entry_capacity = capacity;
    return 0;
}

int prom_registry_family(struct prom_registry *r, const struct prom_family *family,
                         struct prom_entry **out)
{
    size_t index = lower_bound(r, family->name);
    bool is_known =
        index < r->entry_count && slice_equal(r->entries[index]->family.name, family->name);
    if (is_known) {
        *out = r->entries[index];
        return (*out)->family.kind == family->kind ? 0 : -EEXIST;
    }
    if (reserve_entry(r) != 0) {
        return -ENOMEM;
    }
    struct prom_entry *entry = entry_new(family);
    if (entry == NULL) {
        return -ENOMEM;
    }
    memmove(r->entries + index + 1, r->entries + index,
            (r->entry_count - index) * sizeof(r->entries[0]));
    r->entries[index] = entry;
    r->entry_count++;
    *out = entry;
    return 0;
}

void prom_registry_tidy(struct prom_registry *r, struct prom_entry *entry)
{
    if (entry->series_count > 0 || entry->cursor_count > 0) {
        return;
    }
    size_t index = lower_bound(r, entry->family.name);
    ASSERT(index < r->entry_count && r->entries[index] == entry);
    r->entry_count--;
    memmove(r->entries + index, r->entries + index + 1,
            (r->entry_count - index) * sizeof(r->entries[0]));
    mem_free(entry);
}

/* --- the list by age -------------------------------------------------------------------------- */

static void age_unlink(struct prom_registry *r, struct prom_series *series)
{
    if (series->older != NULL) {
        series->older->newer = series->newer;
    } else {
        r->oldest = series->newer;
    }
    if (series->newer != NULL) {
        series->newer->older = series->older;
    } else {
        r->newest = series->older;
    }
}

static void age_append(struct prom_registry *r, struct prom_series *series)
{
    series->newer = NULL;
    series->older = r->newest;
    if (r->newest != NULL) {
        r->newest->newer = series;
    } else {
        r->oldest = series;
    }
    r->newest = series;
}

/* --- series ----------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct prom_registry *r, const struct prom_entry *entry,
                        struct slice labels)
{
    /* The family's address tells families apart for as long as it has series. */
    uint64_t seed = r->hash_seed ^ (uint64_t)(uintptr_t)entry;
    return XXH3_64bits_withSeed(labels.ptr, labels.len, seed);
}

static int grow_buckets(struct prom_registry *r)
{
    if (r->series_count < r->bucket_count) {
        return 0;
    }
    size_t count = r->bucket_count > 0 ? r->bucket_count * 2 : BUCKETS_MIN_COUNT;
    struct prom_series **buckets = mem_alloc_array(count, sizeof(buckets[0]));
    if (buckets == NULL) {
        return r->bucket_count > 0 ? 0 : -ENOMEM; /* longer chains do no harm */
    }
    for (struct prom_series *series = r->oldest; series != NULL; series = series->newer) {
        size_t index = series->hash & (count - 1);
        series->chain = buckets[index];
        buckets[index] = series;
    }
    mem_free(r->buckets);
    r->buckets = buckets;
    r->bucket_count = count;
    return 0;
}

static struct prom_series *find_series(const struct prom_registry *r,
                                       const struct prom_entry *entry, struct slice labels,
                                       uint64_t hash)
{
    if (r->bucket_count == 0) {
        return NULL;
    }
    struct prom_series *series = r->buckets[hash & (r->bucket_count - 1)];
    while (series != NULL) {
        if (series->hash == hash && series->entry == entry &&
            slice_equal(slice_of(series->labels, series->labels_len), labels)) {
            return series;
        }
        series = series->chain;
    }
    return NULL;
}

static int add_series(struct prom_registry *r, struct prom_entry *entry, struct slice labels,
                      uint64_t hash, struct prom_series **out)
{
    if (r->series_count >= r->series_max) {
        return FAULT_LIMIT;
    }
    ASSERT(labels.len <= UINT32_MAX);
    struct prom_series *series = mem_alloc(sizeof(*series) + labels.len);
    if (series == NULL || grow_buckets(r) != 0) {
        mem_free(series);
        return -ENOMEM;
    }
    series->entry = entry;
    series->hash = hash;
    series->labels_len = (uint32_t)labels.len;
    if (labels.len > 0) {
        memcpy(series->labels, labels.ptr, labels.len);
    }
    size_t bucket = hash & (r->bucket_count - 1);
    series->chain = r->buckets[bucket];
    r->buckets[bucket] = series;
    series->previous = entry->last;
    if (entry->last != NULL) {
        entry->last->next = series;
    } else {
        entry->first = series;
    }
    entry->last = series;
    entry->series_count++;
    r->series_count++;
    age_append(r, series);
    *out = series;
    return 0;
}

int prom_registry_series(struct prom_registry *r, struct prom_entry *entry, struct slice labels,
                         uint64_t now_mono_ns, struct prom_series **out)
{
    uint64_t hash = hash_of(r, entry, labels);
    struct prom_series *series = find_series(r, entry, labels, hash);
    if (series == NULL) {
        int err = add_series(r, entry, labels, hash, &series);
        if (err != 0) {
            return err;
        }
    } else if (series != r->newest) {
        age_unlink(r, series);
        age_append(r, series);
    }
    ASSERT(now_mono_ns >= series->seen_mono_ns);
    series->seen_mono_ns = now_mono_ns;
    *out = series;
    return 0;
}

static void unlink_from_bucket(struct prom_registry *r, struct prom_series *series)
{
    struct prom_series **link = &r->buckets[series->hash & (r->bucket_count - 1)];
    while (*link != series) {
        ASSERT(*link != NULL);
        link = &(*link)->chain;
    }
    *link = series->chain;
}

void prom_registry_remove(struct prom_registry *r, struct prom_series *series)
{
    for (struct prom_cursor *cursor = r->cursors; cursor != NULL; cursor = cursor->next) {
        if (cursor->series == series) {
            cursor->series = series->next;
        }
    }
    struct prom_entry *entry = series->entry;
    if (series->previous != NULL) {
        series->previous->next = series->next;
    } else {
        entry->first = series->next;
    }
    if (series->next != NULL) {
        series->next->previous = series->previous;
    } else {
        entry->last = series->previous;
    }
    unlink_from_bucket(r, series);
    age_unlink(r, series);
    ASSERT(entry->series_count > 0 && r->series_count > 0);
    entry->series_count--;
    r->series_count--;
    prom_value_fini(&series->value);
    mem_free(series);
}

size_t prom_registry_expire(struct prom_registry *r, uint64_t limit_mono_ns, size_t count_max)
{
    size_t count = 0;
    while (count < count_max && r->oldest != NULL && r->oldest->seen_mono_ns < limit_mono_ns) {
        struct prom_entry *entry = r->oldest->entry;
        prom_registry_remove(r, r->oldest);
        prom_registry_tidy(r, entry);
        count++;
    }
    return count;
}

/* --- cursors ---------------------------------------------------------------------------------- */

void prom_cursor_open(struct prom_registry *r, struct prom_cursor *cursor)
{
    *cursor = (struct prom_cursor){.next = r->cursors};
    r->cursors = cursor;
}

static void leave_entry(struct prom_registry *r, struct prom_cursor *cursor)
{
    struct prom_entry *entry = cursor->entry;
    cursor->entry = NULL;
    cursor->series = NULL;
    if (entry != NULL) {
        ASSERT(entry->cursor_count > 0);
        entry->cursor_count--;
        prom_registry_tidy(r, entry);
    }
}

void prom_cursor_close(struct prom_registry *r, struct prom_cursor *cursor)
{
    for (struct prom_cursor **link = &r->cursors; *link != NULL; link = &(*link)->next) {
        if (*link == cursor) {
            *link = cursor->next;
            leave_entry(r, cursor);
            cursor->is_done = true;
            return;
        }
    }
}

/* To the family after the one it stands in; false at the end. */
static bool enter_next(struct prom_registry *r, struct prom_cursor *cursor)
{
    size_t index = 0;
    if (cursor->entry != NULL) {
        index = lower_bound(r, cursor->entry->family.name) + 1;
    }
    struct prom_entry *entry = index < r->entry_count ? r->entries[index] : NULL;
    if (entry != NULL) {
        entry->cursor_count++; /* first, so that tidying the old one cannot take it */
    }
    leave_entry(r, cursor);
    cursor->entry = entry;
    cursor->series = entry != NULL ? entry->first : NULL;
    return entry != NULL;
}

const struct prom_series *prom_cursor_next(struct prom_registry *r, struct prom_cursor *cursor,
                                           bool *is_first_of_family)
{
    *is_first_of_family = false;
    while (!cursor->is_done && cursor->series == NULL) {
        cursor->is_done = !enter_next(r, cursor);
        *is_first_of_family = true;
    }
    const struct prom_series *series = cursor->series;
    if (series != NULL) {
        cursor->series = series->next;
    }
    return series;
}

/* --- validator -------------------------------------------------------------------------------- */

static bool is_entry_valid(const struct prom_registry *r, const struct prom_entry *entry)
{
    uint32_t count = 0;
    const struct prom_series *previous = NULL;
    for (const struct prom_series *s = entry->first; s != NULL; s = s->next) {
        struct slice labels = slice_of(s->labels, s->labels_len);
        if (s->entry != entry || s->previous != previous ||
            find_series(r, entry, labels, s->hash) != s) {
            return false;
        }
        previous = s;
        count++;
    }
    return entry->last == previous && count == entry->series_count;
}

bool prom_registry_is_valid(const struct prom_registry *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->entry_count; i++) {
        const struct prom_entry *entry = r->entries[i];
        bool is_sorted =
            i == 0 || slice_compare(r->entries[i - 1]->family.name, entry->family.name) < 0;
        if (!is_sorted || !is_entry_valid(r, entry)) {
            return false;
        }
        count += entry->series_count;
    }
    size_t aged_count = 0;
    for (const struct prom_series *s = r->oldest; s != NULL; s = s->newer) {
        if (s->newer != NULL && s->newer->seen_mono_ns < s->seen_mono_ns) {
            return false;
        }
        aged_count++;
    }
    return count == r->series_count && aged_count == r->series_count;
}
