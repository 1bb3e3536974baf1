/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer — a binary min-heap of borrowed timers, ordered by deadline.
 *
 * A heap and not a wheel: a thread has tens of timers (windows, retries, connection ages swept by
 * one timer per listener), so the heap fits two cache lines and its next deadline is one load.
 */
#include "core/base/timer.h"

#include <errno.h>

#include "core/base/mem.h"

int timer_heap_init(struct timer_heap *heap, uint32_t capacity)
{
    *heap = (struct timer_heap){0};
    heap->slots = mem_alloc_array(capacity, sizeof(heap->slots[0]));
    if (heap->slots == NULL) {
        return -ENOMEM;
    }
    heap->capacity = capacity;
    return 0;
}

void timer_heap_fini(struct timer_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        heap->slots[i]->position = 0;
    }
    mem_free(heap->slots);
    *heap = (struct timer_heap){0};
}

static void place(struct timer_heap *heap, uint32_t index, struct timer *timer)
{
    heap->slots[index] = timer;
    timer->position = index + 1;
}

static void sift_up(struct timer_heap *heap, uint32_t index, struct timer *timer)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (heap->slots[parent]->deadline_mono_ns <= timer->deadline_mono_ns) {
            break;
        }
        place(heap, index, heap->slots[parent]);
        index = parent;
    }
    place(heap, index, timer);
}

static void sift_down(struct timer_heap *heap, uint32_t index, struct timer *timer)
{
    while (2 * index + 1 < heap->count) {
        uint32_t child = 2 * index + 1;
        if (child + 1 < heap->count &&
            heap->slots[child + 1]->deadline_mono_ns < heap->slots[child]->deadline_mono_ns) {
            child++;
        }
        if (timer->deadline_mono_ns <= heap->slots[child]->deadline_mono_ns) {
            break;
        }
        place(heap, index, heap->slots[child]);
        index = child;
    }
    place(heap, index, timer);
}

static int grow(struct timer_heap *heap)
{
    if (heap->count < heap->capacity) {
        return 0;
    }
    uint32_t capacity = heap->capacity < 16 ? 16 : heap->capacity * 2;
    struct timer **slots = mem_resize(heap->slots, (size_t)capacity * sizeof(heap->slots[0]));
    if (slots == NULL) {
        return -ENOMEM;
    }
    heap->slots = slots;
    heap->capacity = capacity;
    return 0;
}

int timer_arm(struct timer_heap *heap, struct timer *timer, uint64_t deadline_mono_ns)
{
    ASSERT(timer->on_fire != NULL);
    timer_cancel(heap, timer);
    int err = grow(heap);
    if (err != 0) {
        return err;
    }
    /* Armed from inside a run for a time already past: due in the next run, or a run never ends. */
    bool is_past = heap->running_mono_ns != 0 && deadline_mono_ns <= heap->running_mono_ns;
    timer->deadline_mono_ns = is_past ? heap->running_mono_ns + 1 : deadline_mono_ns;
    heap->count++;
    sift_up(heap, heap->count - 1, timer);
    return 0;
}

void timer_cancel(struct timer_heap *heap, struct timer *timer)
{
    if (timer->position == 0) {
        return;
    }
    uint32_t index = timer->position - 1;
    ASSERT(index < heap->count && heap->slots[index] == timer);
    timer->position = 0;
    heap->count--;
    if (index == heap->count) {
        return;
    }
    struct timer *last = heap->slots[heap->count];
    sift_down(heap, index, last);
    if (last->position == index + 1) {
        sift_up(heap, index, last);
    }
}

bool timer_is_armed(const struct timer *timer)
{
    return timer->position != 0;
}

uint64_t timer_next_mono_ns(const struct timer_heap *heap)
{
    return heap->count == 0 ? UINT64_MAX : heap->slots[0]->deadline_mono_ns;
}

uint32_t timer_run(struct timer_heap *heap, uint64_t now_mono_ns, uint32_t budget_count)
{
    uint32_t fired_count = 0;
    heap->running_mono_ns = now_mono_ns;
    while (fired_count < budget_count && timer_next_mono_ns(heap) <= now_mono_ns) {
        struct timer *timer = heap->slots[0];
        timer_cancel(heap, timer);
        fired_count++;
        timer->on_fire(timer, now_mono_ns);
    }
    heap->running_mono_ns = 0;
    return fired_count;
}

bool timer_heap_is_valid(const struct timer_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        const struct timer *timer = heap->slots[i];
        if (timer->position != i + 1) {
            return false;
        }
        if (i > 0 && heap->slots[(i - 1) / 2]->deadline_mono_ns > timer->deadline_mono_ns) {
            return false;
        }
    }
    return true;
}
