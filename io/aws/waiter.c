/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter — a circular list, so that a waiter can leave without knowing which list it is on.
 */
#include "io/aws/waiter.h"

#include <stddef.h>

#include "core/base/defs.h"

void waiter_list_init(struct waiter_list *list)
{
    list->head = (struct waiter){.next = &list->head, .prev = &list->head};
}

bool waiter_list_is_empty(const struct waiter_list *list)
{
    return list->head.next == &list->head;
}

void waiter_add(struct waiter_list *list, struct waiter *waiter)
{
    ASSERT(waiter->next == NULL);
    ASSERT(waiter->on_ready != NULL);
    waiter->next = &list->head;
    waiter->prev = list->head.prev;
    waiter->prev->next = waiter;
    list->head.prev = waiter;
}

void waiter_remove(struct waiter *waiter)
{
    if (waiter->next == NULL) {
        return;
    }
    waiter->next->prev = waiter->prev;
    waiter->prev->next = waiter->next;
    waiter->next = NULL;
    waiter->prev = NULL;
}

void waiter_wake_all(struct waiter_list *list)
{
    struct waiter_list woken;
    waiter_list_init(&woken);
    while (!waiter_list_is_empty(list)) {
        struct waiter *waiter = list->head.next;
        waiter_remove(waiter);
        waiter_add(&woken, waiter);
    }
    while (!waiter_list_is_empty(&woken)) {
        struct waiter *waiter = woken.head.next;
        waiter_remove(waiter);
        waiter->on_ready(waiter);
    }
}
