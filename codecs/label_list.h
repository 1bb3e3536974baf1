/* SPDX-License-Identifier: Apache-2.0 */
/*
 * label_list — the labels of one Prometheus sample or target while they are worked on: a short
 * list, sorted bytewise by name, each name once.
 *
 * The list has a fixed capacity and borrows its texts. The name of a metric is the label
 * "__name__", as Prometheus has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Borrows both. */
struct label {
    struct slice name;
    struct slice value;
};

struct label_list {
    uint32_t count;
    struct label items[LABEL_LIST_MAX_COUNT];
};

/* Where `name` stands; list->count where it does not. */
uint32_t label_list_find(const struct label_list *list, struct slice name);

/* The value of `name`; empty where it is missing. */
struct slice label_list_value(const struct label_list *list, struct slice name);

/*
 * Puts a label in its place, its value may be empty. 0; FAULT_MALFORMED where the name is there
 * already and FAULT_LIMIT where the list is full, and then nothing changed.
 */
WEIR_MUST_USE int label_list_add(struct label_list *list, struct slice name, struct slice value);

/* Adds or replaces; an empty value removes. 0, or FAULT_LIMIT where the list is full. */
WEIR_MUST_USE int label_list_set(struct label_list *list, struct slice name, struct slice value);

/* Takes a label out; nothing happens where it is missing. */
void label_list_remove(struct label_list *list, struct slice name);

/* Takes out what has no value: for Prometheus such a label does not exist. */
void label_list_remove_empty(struct label_list *list);

/* For tests: is the list sorted, without repetition, within its capacity? */
bool label_list_is_valid(const struct label_list *list);
