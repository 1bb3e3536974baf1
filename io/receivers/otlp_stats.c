/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_stats — sums over the ports of a shard.
 */
#include "io/receivers/otlp_stats.h"

#include <stddef.h>

#include "io/receivers/otlp_shard.h"

/* Where a server's own total goes. */
struct row {
    size_t total;   /* offset of a uint64_t in struct otlp_port */
    size_t counter; /* offset of a struct counter in struct receiver_stats */
};

#define ROW(member, field)                                                                         \
    {                                                                                              \
        offsetof(struct otlp_port, member), offsetof(struct receiver_stats, field)                 \
    }
#define ABUSE_ROW(kind, field) ROW(h2.stats.abuse_count[kind], field)

static const struct row rows[] = {
    ROW(front.counts.silent_count, ended_silent),
    ROW(front.counts.unknown_count, ended_unknown),
    ROW(front.counts.tls_failed_count, ended_tls_failed),
    ROW(front.counts.turned_away_count, ended_turned_away),
    ROW(http1.stats.timeout_count, ended_timeout),
    ROW(h2.stats.timeout_count, ended_timeout),
    ROW(h2.stats.malformed_count, ended_malformed),
    ABUSE_ROW(H2_ABUSE_RESETS, ended_resets),
    ABUSE_ROW(H2_ABUSE_CONTINUATIONS, ended_continuations),
    ABUSE_ROW(H2_ABUSE_SETTINGS, ended_settings),
    ABUSE_ROW(H2_ABUSE_PINGS, ended_pings),
    ABUSE_ROW(H2_ABUSE_EMPTY_DATA, ended_empty_data),
    ABUSE_ROW(H2_ABUSE_SMALL_FRAMES, ended_small_frames),
    ABUSE_ROW(H2_ABUSE_SLOW_READER, ended_slow_reader),
    ABUSE_ROW(H2_ABUSE_OUTPUT, ended_output),
    ABUSE_ROW(H2_ABUSE_MEMORY, ended_memory),
    ROW(http1.stats.aged_count, connections_aged),
    ROW(h2.stats.aged_count, connections_aged),
    ROW(h2.stats.stream_refused_count, streams_refused),
};

static uint64_t total_at(const struct otlp_port *port, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)port + offset);
}

static struct counter *counter_at(struct receiver_stats *stats, size_t offset)
{
    return (struct counter *)(void *)((char *)stats + offset);
}

/* Rows of one counter stand together. */
static void publish_rows(struct otlp_shard *shard)
{
    uint64_t total = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint32_t j = 0; j < OTLP_PROTOCOL_COUNT; j++) {
            total += total_at(&shard->ports[j], rows[i].total);
        }
        if (i + 1 == COUNT_OF(rows) || rows[i + 1].counter != rows[i].counter) {
            counter_set(counter_at(&shard->stats, rows[i].counter), total);
            total = 0;
        }
    }
}

/* Calls count when they end; those that were handed on are counted by the intake. */
static void book_calls(struct otlp_shard *shard)
{
    struct otlp_booked now = {0};
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        now.refused_count += shard->ports[i].grpc.stats.refused_count;
        now.spoiled_count += shard->ports[i].grpc.stats.spoiled_count;
    }
    uint64_t refused_count = now.refused_count - shard->booked.refused_count;
    uint64_t spoiled_count = now.spoiled_count - shard->booked.spoiled_count;
    counter_add(&shard->stats.wire_received, refused_count + spoiled_count);
    counter_add(&shard->stats.wire_refused, refused_count);
    counter_add(&shard->stats.wire_dropped_invalid, spoiled_count);
    shard->booked = now;
}

void otlp_stats_publish(struct otlp_shard *shard)
{
    publish_rows(shard);
    book_calls(shard);
}
