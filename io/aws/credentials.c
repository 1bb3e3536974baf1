/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials — when to fetch, whom to tell, what to say in the log.
 *
 * Expiry is a matter of the wall clock, everything else of the monotonic one.
 */
#include "io/aws/credentials.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "io/loop.h"

static uint64_t now_unix_s(const struct credentials *c)
{
    return loop_now_unix_ns(c->loop) / CLOCK_NS_PER_S;
}

/* Uniform enough for jitter: the splitmix64 sequence, below `limit` (> 0). */
static uint64_t random_below(struct credentials *c, uint64_t limit)
{
    c->random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = c->random_state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % limit;
}

static bool is_usable(const struct credentials *c)
{
    return c->set != NULL && !c->is_refused &&
           (c->set->expires_unix_s == 0 || now_unix_s(c) < c->set->expires_unix_s);
}

/* From a later turn; at once only where even a timer is refused. */
static void wake_waiters(struct credentials *c)
{
    if (loop_timer_arm(c->loop, &c->wake, loop_now_mono_ns(c->loop)) != 0) {
        waiter_wake_all(&c->waiters);
    }
}

static void on_wake(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    waiter_wake_all(&CONTAINER_OF(timer, struct credentials, wake)->waiters);
}

static void fetch_in(struct credentials *c, uint64_t wait_ns)
{
    uint64_t due_mono_ns = loop_now_mono_ns(c->loop) + wait_ns;
    bool is_armed = loop_timer_arm(c->loop, &c->timer, due_mono_ns) == 0;
    (void)is_armed; /* if not, whoever waits next begins the fetch */
}

static void fetch(struct credentials *c)
{
    ASSERT(!c->is_fetching);
    loop_timer_cancel(c->loop, &c->timer);
    c->is_fetching = true;
    c->source->ops->start(c->source);
}

static void on_due(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct credentials *c = CONTAINER_OF(timer, struct credentials, timer);
    if (!c->is_fetching) {
        fetch(c);
    }
}

/* --- what came of a fetch --------------------------------------------------------------------- */

/* Half of what is left where the set lives so short that the lead would eat it up. */
static void plan_renewal(struct credentials *c)
{
    if (c->set->expires_unix_s == 0) {
        return;
    }
    uint64_t left_ns = (c->set->expires_unix_s - now_unix_s(c)) * CLOCK_NS_PER_S;
    uint64_t jitter_ns = random_below(c, CREDENTIALS_LEAD_JITTER_S * CLOCK_NS_PER_S);
    uint64_t lead_ns = CREDENTIALS_LEAD_S * CLOCK_NS_PER_S + jitter_ns;
    fetch_in(c, left_ns - (lead_ns < left_ns / 2 ? lead_ns : left_ns / 2));
}

static void succeed(struct credentials *c, struct credential_set *set)
{
    char hint[CREDENTIAL_HINT_BYTES];
    bool is_first = c->set == NULL || c->failure_count > 0;
    uint64_t expires_unix_s = set->expires_unix_s;
    credential_set_free(c->set);
    c->set = set;
    c->generation++;
    c->failure_count = 0;
    c->is_refused = false;
    c->why[0] = '\0';
    LOG_AT(is_first ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "aws_credentials_ready",
           LOG_TEXT("identity", c->name), LOG_TEXT("source", set->source),
           LOG_TEXT("access_key_id", credential_set_hint(set, hint)),
           LOG_U64("valid_s", expires_unix_s == 0 ? 0 : expires_unix_s - now_unix_s(c)));
    plan_renewal(c);
    wake_waiters(c);
}

static void fail(struct credentials *c, const char *why)
{
    uint32_t doublings = c->failure_count < 6 ? c->failure_count : 6;
    uint64_t wait_s = (uint64_t)CREDENTIALS_BACKOFF_FIRST_S << doublings;
    wait_s = wait_s < CREDENTIALS_BACKOFF_MAX_S ? wait_s : CREDENTIALS_BACKOFF_MAX_S;
    uint64_t wait_ns = wait_s * CLOCK_NS_PER_S;
    /* A few failures in a row are one event; the first one is told. */
    if (c->failure_count == 0) {
        LOG_AT(is_usable(c) ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
               is_usable(c) ? "aws_credentials_not_renewed" : "aws_credentials_missing",
               LOG_TEXT("identity", c->name), LOG_TEXT("reason", why));
    }
    (void)snprintf(c->why, sizeof(c->why), "%s", why);
    c->failure_count++;
    /* At most a quarter sooner, so that a fleet spreads. */
    fetch_in(c, wait_ns - (wait_s > 1 ? random_below(c, wait_ns / 4) : 0));
    wake_waiters(c);
}

static void source_on_done(struct credential_source *source, struct credential_set *set,
                           const char *why)
{
    struct credentials *c = source->owner;
    ASSERT(c->is_fetching);
    c->is_fetching = false;
    if (set == NULL) {
        fail(c, why);
        return;
    }
    if (set->expires_unix_s != 0 && set->expires_unix_s <= now_unix_s(c)) {
        credential_set_free(set);
        fail(c, "the set had expired when it came (is the clock right?)");
        return;
    }
    succeed(c, set);
}

/* --- public ----------------------------------------------------------------------------------- */

void credentials_init(struct credentials *c, struct loop *loop, struct credential_source *source,
                      const char *name, uint64_t seed)
{
    *c = (struct credentials){
        .loop = loop,
        .source = source,
        .name = name,
        .timer.on_fire = on_due,
        .wake.on_fire = on_wake,
        .random_state = seed,
    };
    waiter_list_init(&c->waiters);
    source->owner = c;
    source->on_done = source_on_done;
}

void credentials_fini(struct credentials *c)
{
    if (c->loop == NULL) {
        return;
    }
    c->source->ops->cancel(c->source);
    loop_timer_cancel(c->loop, &c->timer);
    loop_timer_cancel(c->loop, &c->wake);
    credential_set_free(c->set);
    *c = (struct credentials){.loop = NULL};
}

const struct credential_set *credentials_current(const struct credentials *c, uint64_t *generation)
{
    *generation = c->generation;
    return is_usable(c) ? c->set : NULL;
}

void credentials_wait(struct credentials *c, struct waiter *waiter)
{
    waiter_add(&c->waiters, waiter);
    if (c->is_fetching) {
        return;
    }
    if (is_usable(c) || (c->failure_count > 0 && timer_is_armed(&c->timer))) {
        wake_waiters(c); /* there, or lately not to be had */
        return;
    }
    fetch(c);
}

bool credentials_refuse(struct credentials *c, uint64_t generation)
{
    uint64_t now_mono_ns = loop_now_mono_ns(c->loop);
    if (generation != c->generation) {
        return is_usable(c) || c->is_fetching;
    }
    if (c->is_refused) {
        return c->is_fetching;
    }
    if (now_mono_ns < c->refused_until_mono_ns) {
        return false; /* fetched just now: another fetch would bring the same */
    }
    log_warn("aws_credentials_refused", LOG_TEXT("identity", c->name));
    c->is_refused = true;
    c->refused_until_mono_ns = now_mono_ns + CREDENTIALS_REFUSED_PAUSE_S * CLOCK_NS_PER_S;
    if (!c->is_fetching) {
        fetch(c);
    }
    return true;
}

const char *credentials_why(const struct credentials *c)
{
    return c->why;
}
