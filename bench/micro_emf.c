/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_emf — nanoseconds to bring one data point from OTLP bytes into an EMF document.
 *
 * `shared`: 20 cumulative and delta sums and gauges per set of labels, as an SDK exports them;
 * `single`: one point per document with roll-ups, the worst that configuration can ask for;
 * `exphist`: histograms of 40 buckets, as timers of StatsD arrive.
 */
#include <stdio.h>

#include "bench/micro.h"
#include "codecs/emf.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"

#define LABEL_SETS 200
#define METRICS_MAX 20
#define BUCKETS 40
#define LABELS 6
#define REQUEST_MAX_BYTES (8 * 1024 * 1024)
#define BUDGET_NS 2000 /* 500 000 points a second */
#define TIME_NS UINT64_C(1700000000000000000)

struct emf_case {
    struct micro micro;
    struct emf *emf;
    uint8_t *buf; /* owned */
    struct slice request;
    uint64_t now_ns;
    uint64_t document_bytes;
};

/* What a case is made of. */
struct shape {
    const char *name;
    uint32_t metric_count; /* per set of labels */
    enum emf_rollup rollup;
    bool has_histograms;
};

static void on_document(void *context, const struct emf_document *document)
{
    struct emf_case *c = context;
    c->document_bytes += document->message.len;
}

static uint64_t emf_call(struct micro *micro)
{
    struct emf_case *c = CONTAINER_OF(micro, struct emf_case, micro);
    c->now_ns += UINT64_C(1000000000);
    emf_add_part(c->emf, c->request, (struct emf_now){.unix_ns = TIME_NS, .mono_ns = c->now_ns});
    emf_flush(c->emf, c, on_document);
    return c->document_bytes;
}

/* Two calls: the buffers are grown and every series has been seen. */
static void emf_warm(struct micro *micro)
{
    for (int i = 0; i < 16; i++) {
        (void)emf_call(micro);
    }
}

static void build_point(struct otlp_build *b, const struct shape *shape, uint32_t set,
                        uint32_t metric)
{
    static uint64_t counts[BUCKETS];
    char texts[LABELS][32];
    struct attr attrs[LABELS];
    static const char *const keys[LABELS] = {"environment", "host",   "http.method",
                                             "http.route",  "region", "service"};
    for (uint32_t i = 0; i < LABELS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "value-%u-%u", i, set);
        attrs[i] = (struct attr){.key = slice_of_text(keys[i]), .value = slice_of_text(texts[i])};
    }
    const struct otlp_point point = {.time_unix_ns = TIME_NS, .attrs = attrs, .attr_count = LABELS};
    if (!shape->has_histograms) {
        struct otlp_number number = {.f64 = 0.25 * (set + metric)};
        otlp_build_number(b, &point, number);
        return;
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        counts[i] = i + 1;
    }
    const struct otlp_exphist hist = {
        .count = BUCKETS * (BUCKETS + 1) / 2,
        .sum = 1234.5,
        .min = 1,
        .max = 900,
        .has_sum = true,
        .has_minmax = true,
        .scale = 3,
        .positive = {.offset = 8, .count = BUCKETS, .counts = counts},
    };
    otlp_build_exphist(b, &point, &hist);
}

/* One metric after another, each with a point per set of labels. */
static void build_request(struct emf_case *c, const struct shape *shape)
{
    struct otlp_build b;
    const struct attr resource[] = {
        {.key = SLICE_LITERAL("service.name"), .value = SLICE_LITERAL("shop")},
        {.key = SLICE_LITERAL("service.namespace"), .value = SLICE_LITERAL("web")},
        {.key = SLICE_LITERAL("aws.ecs.task.id"), .value = SLICE_LITERAL("0123456789abcdef")},
    };
    const struct otlp_envelope envelope = {.resource_attrs = resource,
                                           .resource_attr_count = COUNT_OF(resource),
                                           .scope_name = SLICE_LITERAL("statsd")};
    otlp_build_init(&b, c->buf, REQUEST_MAX_BYTES);
    int err = otlp_envelope_begin(&b, &envelope);
    ASSERT(err == 0);
    for (uint32_t m = 0; m < shape->metric_count; m++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "http.server.metric.%u", m);
        size_t mark = otlp_build_mark(&b);
        for (uint32_t set = 0; set < LABEL_SETS; set++) {
            build_point(&b, shape, set, m);
        }
        enum otlp_data scalar = m % 2 == 0 ? OTLP_DATA_SUM : OTLP_DATA_GAUGE;
        const struct otlp_metric metric = {
            .name = slice_of_text(name),
            .unit = SLICE_LITERAL("ms"),
            .data = shape->has_histograms ? OTLP_DATA_EXPHIST : scalar,
            .temporality = m % 4 == 0 ? OTLP_TEMPORALITY_CUMULATIVE : OTLP_TEMPORALITY_DELTA,
            .is_monotonic = true,
        };
        otlp_build_metric(&b, mark, &metric);
    }
    ASSERT(b.err == 0);
    c->request = otlp_envelope_end(&b, &envelope);
}

static int emf_measure(const struct shape *shape)
{
    static struct emf_case c;
    const struct emf_options options = {
        .namespace = SLICE_LITERAL("ECS/Shop"),
        .log_group_name = SLICE_LITERAL("/aws/ecs/application/metrics"),
        .log_stream_name = SLICE_LITERAL("{TaskId}"),
        .default_stream = SLICE_LITERAL("otel-stream"),
        .rollup = shape->rollup,
        .copies_resource = true,
        .delta_idle_ns = EMF_DELTA_IDLE_MIN_NS,
        .delta_series_max = EMF_DELTA_SERIES_MAX,
    };
    uint64_t point_count = (uint64_t)LABEL_SETS * shape->metric_count;
    c = (struct emf_case){.micro = {.name = shape->name,
                                    .op_count = point_count,
                                    .budget_ns = shape->has_histograms ? 0 : BUDGET_NS,
                                    .needs_zero_allocs = true,
                                    .call = emf_call,
                                    .reset = emf_warm},
                          .buf = mem_alloc(REQUEST_MAX_BYTES)};
    if (c.buf == NULL) {
        return -1;
    }
    build_request(&c, shape);
    c.micro.op_bytes = c.request.len / point_count;
    int err = emf_new(&options, 7, &c.emf);
    err = err != 0 ? err : micro_run(&c.micro);
    emf_free(c.emf);
    mem_free(c.buf);
    return err;
}

int main(void)
{
    static const struct shape shapes[] = {
        {.name = "emf/shared", .metric_count = METRICS_MAX, .rollup = EMF_ROLLUP_NONE},
        {.name = "emf/single", .metric_count = 1, .rollup = EMF_ROLLUP_ZERO_AND_SINGLE},
        {.name = "emf/exphist",
         .metric_count = 1,
         .has_histograms = true,
         .rollup = EMF_ROLLUP_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        if (emf_measure(&shapes[i]) != 0) {
            return 1;
        }
    }
    return 0;
}
