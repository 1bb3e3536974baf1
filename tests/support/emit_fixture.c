/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit_fixture — see the header.
 */
#include "tests/support/emit_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/otlp/pb_decode.h"

static int taker_submit(struct exporter *exporter, struct batch *batch)
{
    struct emit_taker *taker = CONTAINER_OF(exporter, struct emit_taker, exporter);
    if (taker->taken_count == taker->room) {
        return -EAGAIN;
    }
    assert_true(taker->taken_count < EMIT_FIXTURE_BATCHES_MAX);
    taker->taken[taker->taken_count] = batch;
    taker->taken_count++;
    return 0;
}

static const struct exporter_ops taker_ops = {.type = "taker", .submit = taker_submit};

void emit_fixture_init(struct emit_fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->aggregate = (struct aggregate_config){
        .aggregate_of =
            {
                [KIND_COUNTER] = AGGREGATE_SUM,
                [KIND_GAUGE] = AGGREGATE_GAUGE,
                [KIND_TIMING] = AGGREGATE_EXPHIST,
                [KIND_HISTOGRAM] = AGGREGATE_EXPHIST,
                [KIND_DISTRIBUTION] = AGGREGATE_EXPHIST,
                [KIND_SET] = AGGREGATE_SET,
            },
        .exphist_max_size = {[KIND_TIMING] = 160, [KIND_HISTOGRAM] = 160, [KIND_DISTRIBUTION] = 4},
    };
    f->options.scope_name = SLICE_LITERAL("scope");
    f->options.scope_version = SLICE_LITERAL("1.2");
}

static void open_shard(struct emit_fixture *f, uint32_t index)
{
    assert_int_equal(shard_init(&f->shards[index], index, 64 * 1024 * 1024), 0);
    const struct seal_options options = {
        .series =
            {
                .series_max = EMIT_FIXTURE_SERIES_MAX,
                .key_max_bytes = 64 * 1024 * 1024,
                .hash_seed = 7,
                .config = &f->aggregate,
                .pool = &f->shards[index].pool,
            },
        .series_budget = &f->budget,
        .lease_block_count = 16,
        .interval_ns = EMIT_FIXTURE_INTERVAL_NS,
        .idle_window_max = 1,
    };
    assert_int_equal(
        seal_table_init(&f->seals[index], &options, EMIT_FIXTURE_START_NS, EMIT_FIXTURE_START_NS),
        0);
}

void emit_fixture_open(struct emit_fixture *f, uint32_t pipeline_count)
{
    struct seal_table *sources[EMIT_FIXTURE_SHARDS];
    budget_init(&f->budget, EMIT_FIXTURE_SERIES_MAX);
    for (uint32_t i = 0; i < EMIT_FIXTURE_SHARDS; i++) {
        open_shard(f, i);
        sources[i] = &f->seals[i];
    }
    const struct merge_options options = {
        .sources = sources,
        .source_count = EMIT_FIXTURE_SHARDS,
        .series_max = EMIT_FIXTURE_SERIES_MAX,
        .key_max_bytes = 64 * 1024 * 1024,
        .pool_max_bytes = 64 * 1024 * 1024,
        .hash_seed = 7,
        .interval_ns = EMIT_FIXTURE_INTERVAL_NS,
        .config = &f->aggregate,
    };
    assert_int_equal(merge_init(&f->merge, &options), 0);
    assert_int_equal(emit_init(&f->emit, &f->options, &f->merge, &f->stats), 0);
    assert_int_equal(arena_init(&f->arena, 65536, 256 * 1024 * 1024), 0);
    for (uint32_t i = 0; i < EMIT_FIXTURE_PIPELINES; i++) {
        f->takers[i] = (struct emit_taker){
            .exporter = {.ops = &taker_ops, .id = "taker"},
            .room = EMIT_FIXTURE_BATCHES_MAX,
        };
        struct exporter *route = &f->takers[i].exporter;
        pipeline_init(&f->pipelines[i], "metrics", SIGNAL_METRICS, &route, 1);
        f->connected[i] = &f->pipelines[i];
    }
    emit_connect(&f->emit, f->connected, pipeline_count);
}

void emit_fixture_close(struct emit_fixture *f)
{
    emit_fini(&f->emit);
    for (uint32_t i = 0; i < EMIT_FIXTURE_PIPELINES; i++) {
        struct emit_taker *taker = &f->takers[i];
        for (uint32_t at = 0; at < taker->taken_count; at++) {
            pipeline_done(&taker->exporter, taker->taken[at], DELIVERY_ACCEPTED);
        }
        assert_true(pipeline_is_idle(&f->pipelines[i]));
        pipeline_fini(&f->pipelines[i]);
    }
    assert_true(merge_is_valid(&f->merge));
    merge_fini(&f->merge);
    for (uint32_t i = 0; i < EMIT_FIXTURE_SHARDS; i++) {
        seal_table_fini(&f->seals[i]);
        assert_int_equal(sketch_pool_used_bytes(&f->shards[i].pool), 0);
        shard_fini(&f->shards[i]);
    }
    assert_int_equal(budget_leased(&f->budget), 0);
    arena_fini(&f->arena);
}

void emit_fixture_add(struct emit_fixture *f, struct point point)
{
    uint64_t now_ns = EMIT_FIXTURE_START_NS + 1 + f->ingested_count;
    shard_ingest(&f->seals[f->ingested_count % EMIT_FIXTURE_SHARDS], &point, 1, now_ns, &f->stats);
    f->ingested_count++;
    assert_int_equal(counter_read(&f->stats.items_folded), f->ingested_count);
}

struct point emit_fixture_point(uint8_t kind, const char *name, double value)
{
    return (struct point){.name = slice_of_text(name), .value = value, .weight = 1, .kind = kind};
}

void emit_fixture_seal(struct emit_fixture *f)
{
    for (uint32_t turn = 0; turn < 10000 && !merge_is_reading(&f->merge); turn++) {
        for (uint32_t i = 0; i < EMIT_FIXTURE_SHARDS; i++) {
            (void)seal_turn(&f->seals[i], EMIT_FIXTURE_END_NS, EMIT_FIXTURE_END_NS);
        }
        (void)merge_turn(&f->merge, 8);
    }
    assert_true(merge_is_reading(&f->merge));
}

uint32_t emit_fixture_turn(struct emit_fixture *f)
{
    uint32_t more_count = 0;
    while (emit_turn(&f->emit, EMIT_FIXTURE_END_NS)) {
        more_count++;
        assert_true(more_count < EMIT_FIXTURE_SERIES_MAX);
    }
    return more_count;
}

void emit_fixture_flush(struct emit_fixture *f)
{
    emit_fixture_seal(f);
    (void)emit_fixture_turn(f);
    assert_false(merge_is_reading(&f->merge));
    assert_true(emit_is_idle(&f->emit));
}

const metrics_data *emit_fixture_decode(struct emit_fixture *f, const struct part *part)
{
    ProtobufCMessage *message = NULL;
    assert_int_equal(pb_decode(&opentelemetry__proto__metrics__v1__metrics_data__descriptor,
                               part->bytes, &f->arena, NULL, &message),
                     0);
    const metrics_data *data = (const metrics_data *)(const void *)message;
    assert_int_equal(data->n_resource_metrics, 1);
    assert_int_equal(data->resource_metrics[0]->n_scope_metrics, 1);
    return data;
}

const metric_message *emit_fixture_metric(struct emit_fixture *f, const char *name)
{
    const metric_message *found = NULL;
    for (uint32_t i = 0; i < f->takers[0].taken_count; i++) {
        const struct batch *batch = f->takers[0].taken[i];
        assert_int_equal(batch->part_count, 1);
        const metrics_data *data = emit_fixture_decode(f, &batch->parts[0]);
        const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope =
            data->resource_metrics[0]->scope_metrics[0];
        for (size_t at = 0; at < scope->n_metrics; at++) {
            if (slice_is_text(pb_slice(scope->metrics[at]->name), name)) {
                assert_null(found);
                found = scope->metrics[at];
            }
        }
    }
    assert_non_null(found);
    assert_int_equal(found->unit.len, 0);
    assert_int_equal(found->description.len, 0);
    return found;
}

struct slice emit_fixture_attr(key_value *const *attrs, size_t count, const char *key)
{
    const key_value *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(pb_slice(attrs[i]->key), key)) {
            assert_null(found);
            found = attrs[i];
        }
    }
    assert_non_null(found);
    assert_int_equal(found->value->value_case,
                     OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE);
    return pb_slice(found->value->string_value);
}
