/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter — who waits for the region or for credentials, in the order of arrival.
 *
 * A waiter is told that something changed and looks for itself what. Loop-local.
 */
#pragma once

#include <stdbool.h>

struct waiter;

/* The waiter waits no more; it may be put on a list again from inside. */
typedef void(waiter_fn)(struct waiter *waiter);

/* Embedded in its owner. Zeroed: waits for nothing. */
struct waiter {
    struct waiter *next; /* NULL while it waits for nothing */
    struct waiter *prev;
    waiter_fn *on_ready;
};

/* A circle through `head`. */
struct waiter_list {
    struct waiter head;
};

void waiter_list_init(struct waiter_list *list);
bool waiter_list_is_empty(const struct waiter_list *list);

/* Borrows the waiter until it is told or removed. It waits for nothing else. */
void waiter_add(struct waiter_list *list, struct waiter *waiter);

/* Fine for one that does not wait. */
void waiter_remove(struct waiter *waiter);

/* Tells all who wait now; who begins to wait meanwhile waits for the next time. */
void waiter_wake_all(struct waiter_list *list);
