/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member — states, and the pick: of all that take new flows, the one whose hash together with the
 * flow's is highest, so that a target that comes or goes moves nobody else's flows.
 */
#include "tests/support/balancer/member.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"

static const char *const state_texts[] = {
#define MEMBER_STATE(member, text) [MEMBER_##member] = (text),
    MEMBER_STATES(MEMBER_STATE)
#undef MEMBER_STATE
};

const char *member_state_text(enum member_state state)
{
    return state_texts[state];
}

static void enter(struct balancer *b, struct member *m, enum member_state state)
{
    m->state = state;
    m->since_mono_ns = b->now_mono_ns;
    m->successes_count = 0;
    m->failures_count = 0;
}

static bool is_within(const struct balancer *b, const struct member *m, uint32_t span_ms)
{
    return b->now_mono_ns - m->since_mono_ns < span_ms * CLOCK_NS_PER_MS;
}

static bool takes_new(const struct balancer *b, const struct member *m)
{
    switch (m->state) {
    case MEMBER_ABSENT:
    case MEMBER_INITIAL:
        return false;
    case MEMBER_HEALTHY:
        return true;
    case MEMBER_UNHEALTHY:
        return is_within(b, m, b->settings.unhealthy_linger_ms);
    case MEMBER_DRAINING:
        return is_within(b, m, b->settings.deregistered_linger_ms);
    }
    return false;
}

static bool anybody_takes_new(const struct balancer *b, const struct listener *l)
{
    for (uint32_t i = 0; i < b->target_count; i++) {
        if (takes_new(b, &l->members[i])) {
            return true;
        }
    }
    return false;
}

static bool is_registered(const struct member *m)
{
    return m->state != MEMBER_ABSENT && m->state != MEMBER_DRAINING;
}

bool member_keeps_flows(const struct balancer *b, const struct listener *l, const struct member *m)
{
    if (takes_new(b, m)) {
        return true;
    }
    if (m->state == MEMBER_DRAINING) {
        return is_within(b, m, b->settings.deregistration_delay_ms);
    }
    return is_registered(m) && !anybody_takes_new(b, l);
}

/* The finaliser of splitmix64: every bit of the input moves every bit of the output. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t member_hash(const struct sockaddr_in *client)
{
    return mixed(((uint64_t)client->sin_addr.s_addr << 16 | client->sin_port) +
                 UINT64_C(0x9e3779b97f4a7c15));
}

int member_pick(const struct balancer *b, const struct listener *l,
                const struct sockaddr_in *client)
{
    const bool is_open_to_all = !anybody_takes_new(b, l);
    const uint64_t flow_hash = member_hash(client) ^ mixed(l->port);
    uint64_t best = 0;
    int picked = MEMBER_NONE;
    for (uint32_t i = 0; i < b->target_count; i++) {
        const struct member *m = &l->members[i];
        if (!(is_open_to_all ? is_registered(m) : takes_new(b, m))) {
            continue;
        }
        const uint64_t weight = mixed(flow_hash ^ mixed(i + 1));
        if (picked == MEMBER_NONE || weight > best) {
            best = weight;
            picked = (int)i;
        }
    }
    return picked;
}

static struct target *find_target(struct balancer *b, const char *name)
{
    for (uint32_t i = 0; i < b->target_count; i++) {
        if (strcmp(b->targets[i].name, name) == 0) {
            return &b->targets[i];
        }
    }
    return NULL;
}

int member_register(struct balancer *b, const char *name, struct in_addr address)
{
    struct target *t = find_target(b, name);
    if (t == NULL) {
        if (b->target_count == BALANCER_TARGETS_MAX || strlen(name) >= sizeof(t->name)) {
            return -ENOSPC;
        }
        t = &b->targets[b->target_count];
        memcpy(t->name, name, strlen(name) + 1);
        t->address = address;
        b->target_count++;
    }
    if (t->address.s_addr != address.s_addr) {
        return -EEXIST;
    }
    for (uint32_t i = 0; i < b->listener_count; i++) {
        struct member *m = &b->listeners[i].members[t - b->targets];
        enter(b, m, MEMBER_INITIAL);
        m->next_check_mono_ns = b->now_mono_ns;
    }
    return 0;
}

int member_deregister(struct balancer *b, const char *name)
{
    const struct target *t = find_target(b, name);
    if (t == NULL) {
        return -ENOENT;
    }
    for (uint32_t i = 0; i < b->listener_count; i++) {
        struct member *m = &b->listeners[i].members[t - b->targets];
        if (is_registered(m)) {
            enter(b, m, MEMBER_DRAINING);
        }
    }
    return 0;
}

void member_on_checked(struct balancer *b, struct member *m, bool is_passed)
{
    if (is_passed) {
        m->counts.check_passed_count++;
        m->successes_count++;
        m->failures_count = 0;
    } else {
        m->counts.check_failed_count++;
        m->failures_count++;
        m->successes_count = 0;
    }
    if (!is_registered(m)) {
        return;
    }
    if (m->state != MEMBER_HEALTHY && m->successes_count >= b->settings.healthy_threshold) {
        enter(b, m, MEMBER_HEALTHY);
    } else if (m->state != MEMBER_UNHEALTHY &&
               m->failures_count >= b->settings.unhealthy_threshold) {
        enter(b, m, MEMBER_UNHEALTHY);
    }
}

void member_sweep(struct balancer *b)
{
    const uint32_t delay_ms =
        b->settings.deregistration_delay_ms > b->settings.deregistered_linger_ms
            ? b->settings.deregistration_delay_ms
            : b->settings.deregistered_linger_ms;
    for (uint32_t i = 0; i < b->listener_count; i++) {
        for (uint32_t k = 0; k < b->target_count; k++) {
            struct member *m = &b->listeners[i].members[k];
            if (m->state == MEMBER_DRAINING && !is_within(b, m, delay_ms)) {
                enter(b, m, MEMBER_ABSENT);
            }
        }
    }
}
