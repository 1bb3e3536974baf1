/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_flood — budgets against peers that cost more than they bring.
 *
 * A budget is a bucket that fills with each event and runs out at a steady rate. What an honest
 * client does in bursts beside useful work (pings and window updates that measure its bandwidth) is
 * forgiven whenever an answer leaves.
 */
#include "core/base/clock.h"
#include "io/h2_server_connection.h"
#include "io/io_bounds.h"

struct budget {
    uint32_t burst_count; /* 0: no budget of this kind */
    uint32_t per_s;
};

static const struct budget BUDGETS[H2_ABUSE_LIMIT] = {
    [H2_ABUSE_RESETS] = {.burst_count = H2_RESETS_BURST, .per_s = H2_RESETS_PER_S},
    [H2_ABUSE_SETTINGS] = {.burst_count = H2_SETTINGS_BURST, .per_s = H2_SETTINGS_PER_S},
    [H2_ABUSE_PINGS] = {.burst_count = H2_PINGS_BURST, .per_s = H2_PINGS_PER_S},
    [H2_ABUSE_EMPTY_DATA] = {.burst_count = H2_EMPTY_DATA_BURST, .per_s = H2_EMPTY_DATA_PER_S},
    [H2_ABUSE_SMALL_FRAMES] = {.burst_count = H2_SMALL_FRAMES_BURST,
                               .per_s = H2_SMALL_FRAMES_PER_S},
};

static void bucket_drain(struct h2_bucket *bucket, uint32_t per_s, uint64_t now_mono_ns)
{
    uint64_t elapsed_ns = now_mono_ns - bucket->drained_mono_ns;
    uint64_t ns_per_event = CLOCK_NS_PER_S / per_s;
    uint64_t drained_count = elapsed_ns / ns_per_event;
    if (drained_count >= bucket->used_count) {
        bucket->used_count = 0;
        bucket->drained_mono_ns = now_mono_ns;
        return;
    }
    bucket->used_count -= (uint32_t)drained_count;
    bucket->drained_mono_ns += drained_count * ns_per_event;
}

bool h2_flood_admit(struct h2_connection *c, enum h2_abuse abuse)
{
    const struct budget *budget = &BUDGETS[abuse];
    ASSERT(budget->burst_count > 0);
    struct h2_bucket *bucket = &c->buckets[abuse];
    bucket_drain(bucket, budget->per_s, loop_now_mono_ns(c->server->loop));
    if (bucket->used_count < budget->burst_count) {
        bucket->used_count++;
        return true;
    }
    h2_connection_abuse(c, abuse);
    return false;
}

void h2_flood_forgive(struct h2_connection *c)
{
    c->buckets[H2_ABUSE_PINGS].used_count = 0;
    c->buckets[H2_ABUSE_SMALL_FRAMES].used_count = 0;
    c->has_answered = true;
}

void h2_flood_ping(struct h2_connection *c)
{
    const struct h2_server_options *options = &c->server->options;
    if (!h2_flood_admit(c, H2_ABUSE_PINGS) || options->ping_min_ns == 0) {
        return;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(c->server->loop);
    uint64_t since_ns = now_mono_ns - c->peer_ping_mono_ns;
    bool is_first = c->peer_ping_mono_ns == 0;
    c->peer_ping_mono_ns = now_mono_ns;
    if (c->has_answered) {
        c->has_answered = false;
        c->ping_strikes = 0;
        return;
    }
    uint64_t apart_ns = options->ping_min_ns;
    if (c->stream_count == 0 && !options->may_ping_idle) {
        apart_ns = H2_PING_IDLE_MS * CLOCK_NS_PER_MS;
    }
    if (is_first || since_ns >= apart_ns) {
        return;
    }
    c->ping_strikes++;
    if (c->ping_strikes > H2_PING_STRIKES_MAX) {
        h2_connection_abuse(c, H2_ABUSE_PINGS);
    }
}
