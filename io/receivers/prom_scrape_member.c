/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_member — the grid of times, the slots, and one request after the other.
 *
 * A scrape that fails goes over the bench too: `up` has to say so, and what was there has to end.
 */
#include "io/receivers/prom_scrape_member.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/loop.h"
#include "io/receivers/prom_scrape_fetch.h"
#include "io/receivers/prom_scrape_pool.h"
#include "io/receivers/pull_receiver.h"

static void enter(struct prom_member *member, enum prom_member_state state)
{
    member->state = state;
}

static struct receiver_stats *stats_of(const struct prom_member *member)
{
    return &member->pool->hub->pull->stats;
}

/* --- what became of it ------------------------------------------------------------------------ */

static void count_outcome(const struct prom_member *member)
{
    struct receiver_stats *stats = stats_of(member);
    struct counter *counters[] = {
        [PROM_OUTCOME_OK] = &stats->scrapes_ok,
        [PROM_OUTCOME_UNREACHABLE] = &stats->scrapes_unreachable,
        [PROM_OUTCOME_TIMEOUT] = &stats->scrapes_timeout,
        [PROM_OUTCOME_STATUS] = &stats->scrapes_status,
        [PROM_OUTCOME_TOO_LARGE] = &stats->scrapes_too_large,
        [PROM_OUTCOME_ENCODING] = &stats->scrapes_encoding,
        [PROM_OUTCOME_BAD_PAGE] = &stats->scrapes_bad_page,
        [PROM_OUTCOME_LIMIT] = &stats->scrapes_limit,
        [PROM_OUTCOME_TARGETS] = &stats->scrapes_targets,
        [PROM_OUTCOME_SECRET] = &stats->scrapes_secret,
        [PROM_OUTCOME_MEMORY] = &stats->scrapes_memory,
    };
    counter_add(counters[member->outcome], 1);
}

/* The log tells changes only: a target that stays down is in the counters. */
static void tell_down(struct prom_member *member, const char *reason, uint64_t number)
{
    struct prom_hub *hub = member->pool->hub;
    uint64_t suppressed_count = 0;
    bool is_news = !member->was_down;
    member->was_down = true;
    if (is_news &&
        log_limit_admit(&hub->complaints, loop_now_mono_ns(hub->loop), &suppressed_count)) {
        log_warn("target_down", LOG_TEXT("receiver", hub->pull->receiver.id),
                 LOG_TEXT("job", member->pool->job->name), LOG_TEXT("instance", member->instance),
                 LOG_TEXT("reason", reason), LOG_U64("number", number),
                 LOG_U64("more", suppressed_count));
    }
}

static void tell_up(struct prom_member *member)
{
    if (member->was_down) {
        log_info("target_up", LOG_TEXT("receiver", member->pool->hub->pull->receiver.id),
                 LOG_TEXT("job", member->pool->job->name), LOG_TEXT("instance", member->instance));
    }
    member->was_down = false;
}

/* --- slots ------------------------------------------------------------------------------------ */

static void unlink_waiting(struct prom_hub *hub, struct prom_member *member)
{
    if (member->prev_waiting != NULL) {
        member->prev_waiting->next_waiting = member->next_waiting;
    } else {
        hub->first_waiting = member->next_waiting;
    }
    if (member->next_waiting != NULL) {
        member->next_waiting->prev_waiting = member->prev_waiting;
    } else {
        hub->last_waiting = member->prev_waiting;
    }
    member->next_waiting = NULL;
    member->prev_waiting = NULL;
}

static void wait_for_slot(struct prom_member *member)
{
    struct prom_hub *hub = member->pool->hub;
    enter(member, PROM_MEMBER_WAITING);
    member->prev_waiting = hub->last_waiting;
    if (hub->last_waiting != NULL) {
        hub->last_waiting->next_waiting = member;
    } else {
        hub->first_waiting = member;
    }
    hub->last_waiting = member;
}

static void begin(struct prom_member *member)
{
    struct prom_hub *hub = member->pool->hub;
    enter(member, PROM_MEMBER_FETCHING);
    hub->busy_count++;
    member->begun_mono_ns = loop_now_mono_ns(hub->loop);
    member->begun_unix_ns = loop_now_unix_ns(hub->loop);
    prom_fetch_begin(member);
}

static void give_back_slot(struct prom_hub *hub)
{
    ASSERT(hub->busy_count > 0);
    hub->busy_count--;
    struct prom_member *next = hub->first_waiting;
    if (next != NULL) {
        unlink_waiting(hub, next);
        begin(next);
    }
}

/* --- pages ------------------------------------------------------------------------------------ */

static void drop_body(struct prom_member *member)
{
    mem_free(member->body);
    member->body = NULL;
    lease_give(&member->pool->hub->memory, member->body_bytes);
    member->body_bytes = 0;
    member->packing = COMPRESS_NONE;
}

static void submit(struct prom_member *member, enum prom_fetch fetch, enum prom_format format,
                   struct slice body)
{
    uint64_t now_mono_ns = loop_now_mono_ns(member->pool->hub->loop);
    prom_fetch_drop(member);
    enter(member, PROM_MEMBER_PAGING);
    member->item.page = (struct prom_page){
        .fetch = fetch,
        .format = format,
        .body = body,
        .time_unix_ns = member->begun_unix_ns,
        .duration_ns = now_mono_ns - member->begun_mono_ns,
    };
    prom_bench_submit(&member->pool->hub->bench, &member->item);
}

void prom_member_fail(struct prom_member *member, enum prom_outcome outcome, const char *reason,
                      uint64_t number)
{
    member->outcome = outcome;
    tell_down(member, reason, number);
    submit(member, PROM_FETCH_FAILED, PROM_FORMAT_TEXT, slice_of(NULL, 0));
}

void prom_member_take(struct prom_member *member, enum prom_format format,
                      enum compress_kind packing, struct slice page)
{
    member->packing = packing;
    member->outcome = PROM_OUTCOME_OK;
    submit(member, PROM_FETCH_DONE, format, page);
}

void prom_member_spoil(struct prom_member *member, enum prom_outcome outcome, const char *reason,
                       uint64_t number)
{
    drop_body(member);
    member->outcome = outcome;
    member->item.page.fetch = PROM_FETCH_FAILED;
    member->item.page.body = slice_of(NULL, 0);
    tell_down(member, reason, number);
}

void prom_member_unpacked(struct prom_member *member, void *memory, struct slice page)
{
    drop_body(member);
    member->body = memory;
    if (!lease_take(&member->pool->hub->memory, page.len)) {
        prom_member_spoil(member, PROM_OUTCOME_MEMORY, "memory_limit", page.len);
        return;
    }
    member->body_bytes = page.len;
    member->item.page.body = page;
}

static void item_prepare(struct prom_bench_item *item)
{
    struct prom_member *member = CONTAINER_OF(item, struct prom_member, item);
    if (member->packing != COMPRESS_NONE) {
        prom_fetch_unpack(member);
    }
}

static void submit_end(struct prom_member *member)
{
    member->begun_unix_ns = loop_now_unix_ns(member->pool->hub->loop);
    member->begun_mono_ns = loop_now_mono_ns(member->pool->hub->loop);
    submit(member, PROM_FETCH_GONE, PROM_FORMAT_TEXT, slice_of(NULL, 0));
}

static void judge_page(struct prom_member *member, const struct prom_scrape_result *result)
{
    switch (result->why) {
    case PROM_SCRAPE_FINE:
        tell_up(member);
        return;
    case PROM_SCRAPE_NOT_FETCHED:
        return; /* told where it failed */
    case PROM_SCRAPE_BAD_LINE:
    case PROM_SCRAPE_NAMELESS:
        member->outcome = PROM_OUTCOME_BAD_PAGE;
        break;
    case PROM_SCRAPE_SAMPLE_LIMIT:
    case PROM_SCRAPE_LABEL_LIMIT:
        member->outcome = PROM_OUTCOME_LIMIT;
        break;
    case PROM_SCRAPE_MEMORY:
        member->outcome = PROM_OUTCOME_MEMORY;
        break;
    case PROM_SCRAPE_WHY_COUNT:
        ASSERT(result->why != PROM_SCRAPE_WHY_COUNT);
        return;
    }
    const char *label = prom_scrape_why_label(result->why);
    tell_down(member, result->detail[0] != '\0' ? result->detail : label, result->line);
}

static void item_on_done(struct prom_bench_item *item, const struct prom_scrape_result *result)
{
    struct prom_member *member = CONTAINER_OF(item, struct prom_member, item);
    struct prom_hub *hub = member->pool->hub;
    if (item->page.fetch == PROM_FETCH_GONE) {
        prom_pool_forget(member->pool, member);
        return;
    }
    judge_page(member, result);
    count_outcome(member);
    drop_body(member);
    enter(member, PROM_MEMBER_RESTING);
    if (member->is_leaving) {
        submit_end(member);
    }
    give_back_slot(hub);
}

/* --- times ------------------------------------------------------------------------------------ */

static void arm(struct prom_member *member, uint64_t deadline_mono_ns)
{
    struct prom_hub *hub = member->pool->hub;
    int err = loop_timer_arm(hub->loop, &member->timer, deadline_mono_ns);
    if (err != 0) {
        log_error("scrapes_stopped", LOG_TEXT("receiver", hub->pull->receiver.id),
                  LOG_TEXT("instance", member->instance), LOG_FAULT("reason", err));
    }
}

static void on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct prom_member *member = CONTAINER_OF(timer, struct prom_member, timer);
    uint64_t passed_ns = now_mono_ns - timer->deadline_mono_ns;
    uint64_t behind_ns = passed_ns - passed_ns % member->interval_ns;
    arm(member, timer->deadline_mono_ns + behind_ns + member->interval_ns);
    counter_add(&stats_of(member)->scrapes_skipped, behind_ns / member->interval_ns);
    if (member->state != PROM_MEMBER_RESTING) {
        counter_add(&stats_of(member)->scrapes_skipped, 1);
        return;
    }
    if (member->pool->hub->busy_count < PROM_SCRAPES_IN_FLIGHT_MAX) {
        begin(member);
        return;
    }
    wait_for_slot(member);
}

void prom_member_start(struct prom_member *member)
{
    const struct prom_hub *hub = member->pool->hub;
    uint64_t interval_ns = member->interval_ns;
    uint64_t into_ns = loop_now_unix_ns(hub->loop) % interval_ns;
    uint64_t offset_ns = (member->hash ^ hub->seed) % interval_ns;
    uint64_t wait_ns = (interval_ns - into_ns + offset_ns) % interval_ns;
    arm(member, loop_now_mono_ns(hub->loop) + wait_ns);
}

/* --- life ------------------------------------------------------------------------------------- */

/* One block for the texts, so that one free is enough. */
static int copy_texts(struct prom_member *member, const struct prom_endpoint *endpoint,
                      struct slice instance)
{
    size_t url_len = strlen(endpoint->url) + 1;
    char *texts = mem_alloc(endpoint->key.len + url_len + instance.len + 1);
    if (texts == NULL) {
        return -ENOMEM;
    }
    memcpy(texts, endpoint->key.ptr, endpoint->key.len);
    memcpy(texts + endpoint->key.len, endpoint->url, url_len);
    if (instance.len > 0) {
        memcpy(texts + endpoint->key.len + url_len, instance.ptr, instance.len);
    }
    member->key = slice_of(texts, endpoint->key.len);
    member->url = texts + endpoint->key.len;
    member->instance = texts + endpoint->key.len + url_len;
    return 0;
}

static struct slice find_instance(const struct prom_endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->label_count; i++) {
        if (slice_is_text(endpoint->labels[i].name, "instance")) {
            return endpoint->labels[i].value;
        }
    }
    return slice_of(NULL, 0);
}

static void set_up(struct prom_member *member, const struct prom_endpoint *endpoint)
{
    member->interval_ns = endpoint->interval_ns;
    member->timeout_ns = endpoint->timeout_ns;
    member->timer.on_fire = on_timer;
    member->item.prepare = item_prepare;
    member->item.on_done = item_on_done;
    prom_fetch_init(member);
}

int prom_member_new(struct prom_pool *pool, const struct prom_endpoint *endpoint, uint64_t hash,
                    struct prom_member **out)
{
    struct prom_member *member = mem_alloc(sizeof(*member));
    if (member == NULL) {
        return -ENOMEM;
    }
    *member = (struct prom_member){.pool = pool, .hash = hash};
    int err = copy_texts(member, endpoint, find_instance(endpoint));
    if (err == 0) {
        set_up(member, endpoint);
        err = prom_target_new(&pool->rules, endpoint->labels, endpoint->label_count,
                              endpoint->scheme, &member->item.target);
    }
    if (err != 0) {
        prom_member_free(member);
        return err;
    }
    *out = member;
    return 0;
}

/* Fetched or read at the moment, and not only ending what there was. */
static bool is_scraping(const struct prom_member *member)
{
    bool is_ending = member->item.page.fetch == PROM_FETCH_GONE;
    return member->state == PROM_MEMBER_FETCHING ||
           (member->state == PROM_MEMBER_PAGING && !is_ending);
}

void prom_member_leave(struct prom_member *member)
{
    struct prom_hub *hub = member->pool->hub;
    ASSERT(!member->is_leaving);
    member->is_leaving = true;
    loop_timer_cancel(hub->loop, &member->timer);
    switch (member->state) {
    case PROM_MEMBER_RESTING:
        submit_end(member);
        return;
    case PROM_MEMBER_WAITING:
        unlink_waiting(hub, member);
        submit_end(member);
        return;
    case PROM_MEMBER_FETCHING:
        counter_add(&stats_of(member)->scrapes_given_up, 1);
        http_client_cancel(member->pool->client, &member->request);
        submit_end(member);
        give_back_slot(hub);
        return;
    case PROM_MEMBER_PAGING:
        return; /* once the page is done */
    }
}

void prom_member_free(struct prom_member *member)
{
    struct prom_hub *hub = member->pool->hub;
    counter_add(&stats_of(member)->scrapes_given_up, is_scraping(member) ? 1 : 0);
    http_client_cancel(member->pool->client, &member->request);
    loop_timer_cancel(hub->loop, &member->timer);
    prom_fetch_drop(member);
    drop_body(member);
    prom_target_free(member->item.target);
    union {
        const uint8_t *shown;
        void *owned;
    } texts = {.shown = member->key.ptr};
    mem_free(texts.owned);
    mem_free(member);
}
