/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit_fixture — points in, decoded metrics out: two shards, a merge, an emit, and pipelines whose
 * exporters keep what they are given.
 *
 * Set `options` and `aggregate` between init and open. Every batch an exporter took stays here and
 * is answered at the end.
 */
#pragma once

#include <stdint.h>

#include "core/base/arena.h"
#include "core/engine/emit.h"
#include "core/engine/shard.h"
#include "core/otlp/proto/metrics.pb-c.h"

#define EMIT_FIXTURE_SHARDS 2
#define EMIT_FIXTURE_PIPELINES 2
#define EMIT_FIXTURE_BATCHES_MAX 16
#define EMIT_FIXTURE_SERIES_MAX 20000

#define EMIT_FIXTURE_INTERVAL_NS UINT64_C(10000000000)
/* The window begins a little after a boundary and ends at the next one. */
#define EMIT_FIXTURE_START_NS (1000 * EMIT_FIXTURE_INTERVAL_NS + 17)
#define EMIT_FIXTURE_END_NS (1001 * EMIT_FIXTURE_INTERVAL_NS)

typedef Opentelemetry__Proto__Metrics__V1__MetricsData metrics_data;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;

/* An exporter that takes batches while it has room and never answers by itself. */
struct emit_taker {
    struct exporter exporter;
    struct batch *taken[EMIT_FIXTURE_BATCHES_MAX];
    uint32_t taken_count;
    uint32_t room;
};

struct emit_fixture {
    struct aggregate_config aggregate;
    struct emit_options options;
    struct shard shards[EMIT_FIXTURE_SHARDS];
    struct seal_table seals[EMIT_FIXTURE_SHARDS];
    struct budget budget;
    struct receiver_stats stats;
    struct merge merge;
    struct emit emit;
    struct emit_taker takers[EMIT_FIXTURE_PIPELINES];
    struct pipeline pipelines[EMIT_FIXTURE_PIPELINES];
    struct pipeline *connected[EMIT_FIXTURE_PIPELINES];
    struct arena arena; /* of what was decoded */
    uint32_t ingested_count;
};

/* The defaults: timers as exponential histograms of 160 buckets, counters as integers. */
void emit_fixture_init(struct emit_fixture *f);

/* Opens the window; parts go to the first `pipeline_count` pipelines. */
void emit_fixture_open(struct emit_fixture *f, uint32_t pipeline_count);

/* Answers every batch, and checks that nothing leaked. */
void emit_fixture_close(struct emit_fixture *f);

/* Folds one point, on one shard after the other, at a time of its own. */
void emit_fixture_add(struct emit_fixture *f, struct point point);

/* A point of weight 1 without tags. */
struct point emit_fixture_point(uint8_t kind, const char *name, double value);

/* Ends the window and merges it, so that the round can be read. */
void emit_fixture_seal(struct emit_fixture *f);

/* Turns emit until it has nothing more to do at once; how many turns said there was more. */
uint32_t emit_fixture_turn(struct emit_fixture *f);

/* Seal and turn; then everything must be out. */
void emit_fixture_flush(struct emit_fixture *f);

/* One part decoded; lives until the fixture is closed. */
const metrics_data *emit_fixture_decode(struct emit_fixture *f, const struct part *part);

/* The only metric of this name in what the first exporter took. */
const metric_message *emit_fixture_metric(struct emit_fixture *f, const char *name);

/* The value of the only attribute with this key, which must be a text. */
struct slice emit_fixture_attr(key_value *const *attrs, size_t count, const char *key);
