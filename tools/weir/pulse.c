/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse — the books, read once a minute, less what was told before.
 */
#include "tools/weir/pulse.h"

#include "core/base/clock.h"
#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "io/loop.h"
#include "tools/weir/life.h"

#define PULSE_INTERVAL_MS 60000

static uint64_t take(uint64_t total, uint64_t *told)
{
    uint64_t before = *told;
    if (total <= before) {
        return 0;
    }
    *told = total;
    return total - before;
}

struct pulse_totals pulse_take(struct pulse *pulse, const struct books *books)
{
    struct pulse_totals now = {
        .wire_received = counter_read(&books->in.wire_received),
        .kernel_dropped_at_least = counter_read(&books->in.kernel_dropped),
        .items_accepted = books->items_accepted,
        .items_invalid = books->items_invalid,
        .items_delivered = counter_read(&books->out.items_delivered),
        .items_rejected = books->items_rejected,
        .items_dropped = books->items_dropped,
    };
#define PULSE_TAKE(name) now.name = take(now.name, &pulse->told.name);
    PULSE_TOTALS(PULSE_TAKE)
#undef PULSE_TAKE
    return now;
}

/* What is held longest in `graph`, or `oldest_mono_ns` where that has been held for longer. */
static uint64_t find_oldest(const struct graph *graph, uint64_t oldest_mono_ns)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        if (graph->exporters[i] == NULL) {
            continue;
        }
        uint64_t held_mono_ns = counter_read(&graph->exporters[i]->exporter->oldest_mono_ns);
        if (held_mono_ns != 0 && held_mono_ns < oldest_mono_ns) {
            oldest_mono_ns = held_mono_ns;
        }
    }
    return oldest_mono_ns;
}

uint64_t pulse_oldest_ms(const struct life *life, uint64_t now_mono_ns)
{
    uint64_t oldest_mono_ns = find_oldest(life->graph, now_mono_ns);
    for (uint32_t i = 0; i < life->old_graph_count; i++) {
        oldest_mono_ns = find_oldest(life->old_graphs[i], oldest_mono_ns);
    }
    return (now_mono_ns - oldest_mono_ns) / CLOCK_NS_PER_MS;
}

void pulse_read(const struct life *life, struct books *books)
{
    struct books_past past = life->past;
    uint64_t held_count = 0;
    for (uint32_t i = 0; i < life->old_graph_count; i++) {
        const struct graph *old = life->old_graphs[i];
        books_retire(old, &past);
        for (uint32_t j = 0; j < old->exporter_count; j++) {
            const struct graph_exporter *entry = old->exporters[j];
            held_count += entry == NULL ? 0 : counter_read(&entry->exporter->stats.items_held);
        }
    }
    books_read(life->graph, &past, books);
    counter_add(&books->out.items_held, held_count);
}

static void tell(struct life *life, uint64_t now_mono_ns)
{
    struct books books;
    pulse_read(life, &books);
    struct pulse_totals new = pulse_take(&life->pulse, &books);
    uint64_t interval_ms = (now_mono_ns - life->pulse.since_mono_ns) / CLOCK_NS_PER_MS;
    life->pulse.since_mono_ns = now_mono_ns;
    log_info(
        "pulse", LOG_U64("interval_ms", interval_ms), LOG_U64("wire_received", new.wire_received),
        LOG_U64("kernel_dropped_at_least", new.kernel_dropped_at_least),
        LOG_U64("items_accepted", new.items_accepted), LOG_U64("items_invalid", new.items_invalid),
        LOG_U64("items_delivered", new.items_delivered),
        LOG_U64("items_rejected", new.items_rejected), LOG_U64("items_dropped", new.items_dropped),
        LOG_U64("items_held", counter_read(&books.out.items_held)),
        LOG_U64("queue_oldest_ms", pulse_oldest_ms(life, now_mono_ns)));
}

static void arm(struct life *life, uint64_t now_mono_ns)
{
    uint64_t next_mono_ns = now_mono_ns + PULSE_INTERVAL_MS * CLOCK_NS_PER_MS;
    int err = loop_timer_arm(life->loop, &life->pulse.timer, next_mono_ns);
    ASSERT(err == 0); /* the heap has room for the main thread's few timers from the start */
}

static void pulse_on_minute(struct timer *timer, uint64_t now_mono_ns)
{
    struct life *life = CONTAINER_OF(timer, struct life, pulse.timer);
    tell(life, now_mono_ns);
    arm(life, now_mono_ns);
}

void pulse_start(struct life *life)
{
    life->pulse.timer.on_fire = pulse_on_minute;
    life->pulse.since_mono_ns = life->started_mono_ns;
    arm(life, life->started_mono_ns);
}

void pulse_stop(struct life *life)
{
    if (life->pulse.since_mono_ns == 0) {
        return;
    }
    loop_timer_cancel(life->loop, &life->pulse.timer);
    tell(life, clock_mono_ns());
}
