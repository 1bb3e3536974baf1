/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_bench — a queue, a timer that fires in every turn while there is work, and the books
 * of each page.
 */
#include "io/receivers/prom_scrape_bench.h"

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "io/loop.h"
#include "io/receivers/pull_receiver.h"

/* While the outbox is more than half full: how long until the next look. */
#define REST_NS (20 * CLOCK_NS_PER_MS)

/* Reasons follow one another: those of pull receivers, points left out, pages that do not count. */
#define FIRST_DROP PULL_WHY_LIMIT
#define FIRST_WHY (FIRST_DROP + PROM_DROP_COUNT)
#define WHY_COUNT (PROM_SCRAPE_WHY_COUNT - PROM_SCRAPE_BAD_LINE)
_Static_assert(FIRST_WHY + WHY_COUNT <= STATS_LINE_REASON_MAX, "more reasons than counters");

static void arm(struct prom_bench *bench, uint64_t wait_ns)
{
    uint64_t deadline_mono_ns = loop_now_mono_ns(bench->loop) + wait_ns;
    int err = loop_timer_arm(bench->loop, &bench->timer, deadline_mono_ns);
    if (err != 0) {
        log_error("pages_stopped", LOG_TEXT("receiver", bench->pull->receiver.id),
                  LOG_FAULT("reason", err));
    }
}

static void on_push(struct prom_sink *sink, struct slice bytes, uint32_t point_count)
{
    struct prom_bench *bench = CONTAINER_OF(sink, struct prom_bench, sink);
    (void)pull_push(bench->pull, bytes, point_count); /* what is refused is in the books */
}

/* Samples of a page that does not count are refused as a whole. */
static void book(struct prom_bench *bench, const struct prom_scrape_result *result)
{
    for (uint32_t i = 0; i < PROM_DROP_COUNT; i++) {
        if (result->drops[i] > 0) {
            pull_refuse(bench->pull, FIRST_DROP + i, result->drops[i]);
        }
    }
    if (result->why >= PROM_SCRAPE_BAD_LINE && result->sample_count > 0) {
        uint32_t why_index = (uint32_t)result->why - PROM_SCRAPE_BAD_LINE;
        pull_refuse(bench->pull, FIRST_WHY + why_index, result->sample_count);
    }
    counter_add(&bench->pull->stats.scrape_untracked, result->untracked_count);
}

static void begin(struct prom_bench *bench)
{
    struct prom_bench_item *item = bench->first;
    if (item->prepare != NULL) {
        item->prepare(item);
    }
    bench->has_begun = true;
    prom_scrape_begin(bench->scrape, item->target, &item->page);
}

static void finish(struct prom_bench *bench)
{
    struct prom_bench_item *item = bench->first;
    const struct prom_scrape_result *result = prom_scrape_result(bench->scrape);
    bench->first = item->next;
    bench->last = bench->first != NULL ? bench->last : NULL;
    bench->has_begun = false;
    item->next = NULL;
    book(bench, result);
    item->on_done(item, result);
}

static bool is_congested(const struct prom_bench *bench)
{
    const struct pull_receiver *pull = bench->pull;
    return pull->outbox_bytes > PULL_OUTBOX_BYTES_MAX / 2 ||
           pull->outbox_count > PULL_OUTBOX_PARTS_MAX / 2;
}

static void on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct prom_bench *bench = CONTAINER_OF(timer, struct prom_bench, timer);
    if (bench->first == NULL) {
        return;
    }
    if (is_congested(bench)) {
        arm(bench, REST_NS);
        return;
    }
    if (!bench->has_begun) {
        begin(bench);
    }
    if (!prom_scrape_turn(bench->scrape, &bench->sink)) {
        finish(bench);
    }
    if (bench->first != NULL && !timer_is_armed(&bench->timer)) {
        arm(bench, 0);
    }
}

int prom_bench_open(struct prom_bench *bench, struct pull_receiver *pull, struct loop *loop)
{
    *bench = (struct prom_bench){
        .pull = pull,
        .loop = loop,
        .sink.push = on_push,
        .timer.on_fire = on_timer,
    };
    return prom_scrape_new(pull->home->hash_seed, &bench->scrape);
}

void prom_bench_close(struct prom_bench *bench)
{
    if (bench->loop != NULL) {
        loop_timer_cancel(bench->loop, &bench->timer);
    }
    prom_scrape_free(bench->scrape);
    *bench = (struct prom_bench){0};
}

void prom_bench_submit(struct prom_bench *bench, struct prom_bench_item *item)
{
    ASSERT(item->next == NULL);
    ASSERT(item != bench->last);
    if (bench->last != NULL) {
        bench->last->next = item;
    } else {
        bench->first = item;
    }
    bench->last = item;
    if (!timer_is_armed(&bench->timer)) {
        arm(bench, 0);
    }
}

const char *prom_bench_reason(uint32_t index)
{
    if (index < FIRST_DROP) {
        return pull_reason(index);
    }
    if (index < FIRST_WHY) {
        return prom_drop_label((enum prom_drop)(index - FIRST_DROP));
    }
    if (index < FIRST_WHY + WHY_COUNT) {
        return prom_scrape_why_label(
            (enum prom_scrape_why)(index - FIRST_WHY + PROM_SCRAPE_BAD_LINE));
    }
    return NULL;
}
