/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_prom_write — nanoseconds to bring one data point from OTLP bytes into a compressed request
 * of Prometheus remote write.
 *
 * `numbers`: cumulative sums and gauges, 20 per set of six labels, as an SDK exports them;
 * `histograms`: of ten bounds, twelve series and more each; `native`: exponential ones of 40
 * buckets.
 */
#include <stdio.h>

#include "bench/micro.h"
#include "codecs/prom_write.h"
#include "codecs/snappy.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"

#define LABEL_SETS 200
#define METRICS 20
#define BOUNDS 10
#define BUCKETS 40
#define LABELS 6
#define REQUEST_MAX_BYTES (16 * 1024 * 1024)
#define BUDGET_NS 2000 /* 500 000 points a second */
#define TIME_NS UINT64_C(1700000000000000000)

struct prom_write_case {
    struct micro micro;
    struct prom_write write;
    struct bytes plain;
    struct bytes packed;
    uint8_t *buf; /* owned */
    struct slice request;
};

/* What a case is made of. */
struct shape {
    const char *name;
    enum otlp_data data; /* of every second metric where it is a sum */
    double budget_ns;
};

static uint64_t prom_write_call(struct micro *micro)
{
    struct prom_write_case *c = CONTAINER_OF(micro, struct prom_write_case, micro);
    uint64_t item_count = 0;
    uint64_t bytes = 0;
    prom_write_clear(&c->write);
    prom_write_add(&c->write, c->request, micro->op_count);
    while (prom_write_next(&c->write, &c->plain, &item_count)) {
        const struct iovec iov = {.iov_base = c->plain.ptr, .iov_len = c->plain.len};
        bytes_clear(&c->packed);
        int err = snappy_block_encode_iov(&iov, 1, &c->packed);
        ASSERT(err == 0);
        bytes += c->packed.len + item_count;
    }
    return bytes;
}

static void prom_write_warm(struct micro *micro)
{
    (void)prom_write_call(micro);
}

static void build_histogram(struct otlp_build *b, const struct otlp_point *point)
{
    static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};
    uint64_t counts[BOUNDS + 1];
    for (uint32_t i = 0; i <= BOUNDS; i++) {
        counts[i] = 100 + i;
    }
    const struct otlp_histogram hist = {.count = 100 * (BOUNDS + 1) + BOUNDS * (BOUNDS + 1) / 2,
                                        .sum = 1234.5,
                                        .has_sum = true,
                                        .bounds = bounds,
                                        .bound_count = BOUNDS,
                                        .counts = counts};
    otlp_build_histogram(b, point, &hist);
}

static void build_native(struct otlp_build *b, const struct otlp_point *point)
{
    uint64_t counts[BUCKETS];
    for (uint32_t i = 0; i < BUCKETS; i++) {
        counts[i] = i + 1;
    }
    const struct otlp_exphist hist = {
        .count = BUCKETS * (BUCKETS + 1) / 2,
        .sum = 1234.5,
        .has_sum = true,
        .scale = 3,
        .positive = {.offset = 8, .count = BUCKETS, .counts = counts},
    };
    otlp_build_exphist(b, point, &hist);
}

static void build_point(struct otlp_build *b, enum otlp_data data, uint32_t set)
{
    static const char *const keys[LABELS] = {"environment", "host",   "http.method",
                                             "http.route",  "region", "zone"};
    char texts[LABELS][32];
    struct attr attrs[LABELS];
    for (uint32_t i = 0; i < LABELS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "value-%u-%u", i, set);
        attrs[i] = (struct attr){.key = slice_of_text(keys[i]), .value = slice_of_text(texts[i])};
    }
    const struct otlp_point point = {.time_unix_ns = TIME_NS, .attrs = attrs, .attr_count = LABELS};
    if (data == OTLP_DATA_HISTOGRAM) {
        build_histogram(b, &point);
    } else if (data == OTLP_DATA_EXPHIST) {
        build_native(b, &point);
    } else {
        otlp_build_number(b, &point, (struct otlp_number){.f64 = 0.25 * set});
    }
}

/* One metric after another, each with a point per set of labels. */
static void build_request(struct prom_write_case *c, const struct shape *shape)
{
    struct otlp_build b;
    const struct attr resource[] = {
        {.key = SLICE_LITERAL("service.name"), .value = SLICE_LITERAL("shop")},
        {.key = SLICE_LITERAL("service.instance.id"), .value = SLICE_LITERAL("0123456789abcdef")},
        {.key = SLICE_LITERAL("host.name"), .value = SLICE_LITERAL("ip-10-0-0-1")},
    };
    const struct otlp_envelope envelope = {.resource_attrs = resource,
                                           .resource_attr_count = COUNT_OF(resource),
                                           .scope_name = SLICE_LITERAL("http")};
    otlp_build_init(&b, c->buf, REQUEST_MAX_BYTES);
    int err = otlp_envelope_begin(&b, &envelope);
    ASSERT(err == 0);
    for (uint32_t m = 0; m < METRICS; m++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "http.server.metric.%u", m);
        bool is_gauge = shape->data == OTLP_DATA_SUM && m % 2 == 0;
        const struct otlp_metric metric = {.name = slice_of_text(name),
                                           .unit = SLICE_LITERAL("ms"),
                                           .data = is_gauge ? OTLP_DATA_GAUGE : shape->data,
                                           .temporality = OTLP_TEMPORALITY_CUMULATIVE,
                                           .is_monotonic = true};
        size_t mark = otlp_build_mark(&b);
        for (uint32_t set = 0; set < LABEL_SETS; set++) {
            build_point(&b, metric.data, set);
        }
        otlp_build_metric(&b, mark, &metric);
    }
    ASSERT(b.err == 0);
    c->request = otlp_envelope_end(&b, &envelope);
}

static int prom_write_measure(const struct shape *shape)
{
    static struct prom_write_case c;
    const struct prom_write_options options = {.has_suffixes = true,
                                               .has_scope_labels = true,
                                               .has_target_info = true,
                                               .request_max_bytes = 3000000};
    c = (struct prom_write_case){.micro = {.name = shape->name,
                                           .op_count = LABEL_SETS * METRICS,
                                           .budget_ns = shape->budget_ns,
                                           .call = prom_write_call,
                                           .reset = prom_write_warm},
                                 .buf = mem_alloc(REQUEST_MAX_BYTES)};
    if (c.buf == NULL) {
        return -1;
    }
    bytes_init(&c.plain, REQUEST_MAX_BYTES);
    bytes_init(&c.packed, REQUEST_MAX_BYTES);
    build_request(&c, shape);
    c.micro.op_bytes = c.request.len / c.micro.op_count;
    int err = prom_write_init(&c.write, &options, 7);
    err = err != 0 ? err : micro_run(&c.micro);
    prom_write_fini(&c.write);
    bytes_fini(&c.plain);
    bytes_fini(&c.packed);
    mem_free(c.buf);
    return err;
}

int main(void)
{
    static const struct shape shapes[] = {
        {.name = "prom_write/numbers", .data = OTLP_DATA_SUM, .budget_ns = BUDGET_NS},
        {.name = "prom_write/histograms", .data = OTLP_DATA_HISTOGRAM},
        {.name = "prom_write/native", .data = OTLP_DATA_EXPHIST},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        if (prom_write_measure(&shapes[i]) != 0) {
            return 1;
        }
    }
    return 0;
}
