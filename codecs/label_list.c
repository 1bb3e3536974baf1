/* SPDX-License-Identifier: Apache-2.0 */
/*
 * label_list — a sorted array, searched from its end.
 *
 * Pages mostly give the labels of a sample in order already, so that a new one belongs behind the
 * last; the search from the end finds that with one comparison.
 */
#include "codecs/label_list.h"

#include <string.h>

#include "core/base/fault.h"

/* Where `name` stands or belongs. */
static uint32_t place_of(const struct label_list *list, struct slice name, bool *is_there)
{
    uint32_t at = list->count;
    *is_there = false;
    while (at > 0) {
        int order = slice_compare(list->items[at - 1].name, name);
        if (order < 0) {
            return at;
        }
        at--;
        if (order == 0) {
            *is_there = true;
            return at;
        }
    }
    return 0;
}

uint32_t label_list_find(const struct label_list *list, struct slice name)
{
    uint32_t at = 0;
    /* Lengths tell most names apart, and order does not need to be known. */
    while (at < list->count && !slice_equal(list->items[at].name, name)) {
        at++;
    }
    return at;
}

struct slice label_list_value(const struct label_list *list, struct slice name)
{
    uint32_t at = label_list_find(list, name);
    return at < list->count ? list->items[at].value : (struct slice){0};
}

static int insert_at(struct label_list *list, uint32_t at, struct label label)
{
    if (list->count == LABEL_LIST_MAX_COUNT) {
        return FAULT_LIMIT;
    }
    struct label *place = &list->items[at];
    memmove(place + 1, place, (list->count - at) * sizeof(*place));
    *place = label;
    list->count++;
    return 0;
}

int label_list_add(struct label_list *list, struct slice name, struct slice value)
{
    bool is_there = false;
    uint32_t at = place_of(list, name, &is_there);
    if (is_there) {
        return FAULT_MALFORMED;
    }
    return insert_at(list, at, (struct label){.name = name, .value = value});
}

static void remove_at(struct label_list *list, uint32_t at)
{
    ASSERT(at < list->count);
    struct label *place = &list->items[at];
    list->count--;
    memmove(place, place + 1, (list->count - at) * sizeof(*place));
}

int label_list_set(struct label_list *list, struct slice name, struct slice value)
{
    bool is_there = false;
    uint32_t at = place_of(list, name, &is_there);
    if (is_there && value.len == 0) {
        remove_at(list, at);
        return 0;
    }
    if (is_there) {
        list->items[at].value = value;
        return 0;
    }
    if (value.len == 0) {
        return 0;
    }
    return insert_at(list, at, (struct label){.name = name, .value = value});
}

void label_list_remove(struct label_list *list, struct slice name)
{
    uint32_t at = label_list_find(list, name);
    if (at < list->count) {
        remove_at(list, at);
    }
}

void label_list_remove_empty(struct label_list *list)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].value.len > 0) {
            list->items[kept] = list->items[i];
            kept++;
        }
    }
    list->count = kept;
}

bool label_list_is_valid(const struct label_list *list)
{
    if (list->count > LABEL_LIST_MAX_COUNT) {
        return false;
    }
    for (uint32_t i = 1; i < list->count; i++) {
        if (slice_compare(list->items[i - 1].name, list->items[i].name) >= 0) {
            return false;
        }
    }
    return true;
}
