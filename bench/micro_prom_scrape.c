/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_prom_scrape — nanoseconds to bring one sample of a Prometheus page into OTLP, on a target
 * whose series are known.
 *
 * `counters`: one sample per point, six labels; `histograms`: twelve buckets, sum and count per
 * point; `relabel`: the counters under a rule that looks at each name with an expression.
 */
#include <stdarg.h>
#include <stdio.h>

#include "bench/micro.h"
#include "codecs/bytes.h"
#include "codecs/prom_relabel.h"
#include "codecs/prom_scrape.h"

#define SERIES 10000
#define BUCKETS 12
#define PAGE_MAX_BYTES (16 * 1024 * 1024)
#define BUDGET_NS 1000 /* a million samples a second */
#define STEP_NS UINT64_C(15000000000)

struct scrape_case {
    struct micro micro;
    struct prom_sink sink;
    struct prom_scrape *scrape;
    struct prom_target *target;
    struct prom_relabel *relabel;
    struct prom_rules rules;
    struct bytes body;
    uint64_t now_unix_ns;
    uint64_t pushed_bytes;
    uint64_t turn_count;
};

static void on_push(struct prom_sink *sink, struct slice bytes, uint32_t point_count)
{
    struct scrape_case *c = CONTAINER_OF(sink, struct scrape_case, sink);
    c->pushed_bytes += bytes.len + point_count;
}

static uint64_t scrape_call(struct micro *micro)
{
    struct scrape_case *c = CONTAINER_OF(micro, struct scrape_case, micro);
    c->now_unix_ns += STEP_NS;
    const struct prom_page page = {.body = bytes_slice(&c->body), .time_unix_ns = c->now_unix_ns};
    prom_scrape_begin(c->scrape, c->target, &page);
    while (prom_scrape_turn(c->scrape, &c->sink)) {
        c->turn_count++;
    }
    ASSERT(prom_scrape_result(c->scrape)->why == PROM_SCRAPE_FINE);
    return c->pushed_bytes;
}

static void scrape_warm(struct micro *micro)
{
    (void)scrape_call(micro);
    (void)scrape_call(micro);
}

WEIR_PRINTF(2, 3) static void print(struct bytes *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ASSERT(len >= 0 && (size_t)len < sizeof(text));
    bytes_append(out, text, (size_t)len);
}

#define LABELS                                                                                     \
    "environment=\"production\",host=\"web-%u\",method=\"get\",route=\"/orders/%u\",code=\"200\""

static void put_counters(struct bytes *out)
{
    for (uint32_t i = 0; i < SERIES; i++) {
        if (i % 500 == 0) {
            print(out, "# HELP http_requests_%u_total Requests that came\n", i / 500);
            print(out, "# TYPE http_requests_%u_total counter\n", i / 500);
        }
        print(out, "http_requests_%u_total{" LABELS "} %u.5\n", i / 500, i, i % 7, i * 31);
    }
}

static void put_histograms(struct bytes *out)
{
    print(out, "# HELP http_seconds How long they took\n# TYPE http_seconds histogram\n");
    for (uint32_t i = 0; i < SERIES / BUCKETS; i++) {
        for (uint32_t b = 0; b < BUCKETS; b++) {
            print(out, "http_seconds_bucket{" LABELS ",le=\"%u.25\"} %u\n", i, i % 7, b, b * 3);
        }
        print(out, "http_seconds_sum{" LABELS "} 12.75\n", i, i % 7);
        print(out, "http_seconds_count{" LABELS "} %u\n", i, i % 7, BUCKETS * 3);
    }
}

static uint64_t count_samples(struct slice body)
{
    uint64_t count = 0;
    for (size_t i = 0; i < body.len; i++) {
        bool is_first = i == 0 || body.ptr[i - 1] == '\n';
        count += is_first && body.ptr[i] != '#' ? 1 : 0;
    }
    return count;
}

static int make_relabel(struct scrape_case *c)
{
    char why[128];
    uint32_t index = 0;
    struct slice name = SLICE_LITERAL("__name__");
    struct prom_relabel_rule rule = prom_relabel_rule_default();
    rule.action = PROM_RELABEL_DROP;
    rule.source_labels = &name;
    rule.source_label_count = 1;
    rule.regex = SLICE_LITERAL("(go|process)_.*");
    return prom_relabel_new(&rule, 1, &c->relabel, &index, why, sizeof(why));
}

static int measure(const char *name, void (*put)(struct bytes *out), bool has_relabel)
{
    static struct scrape_case c;
    const struct label labels[] = {
        {SLICE_LITERAL("instance"), SLICE_LITERAL("10.0.0.1:9090")},
        {SLICE_LITERAL("job"), SLICE_LITERAL("shop")},
    };
    c = (struct scrape_case){
        .micro = {.name = name, .budget_ns = BUDGET_NS, .call = scrape_call, .reset = scrape_warm},
        .sink.push = on_push,
        .now_unix_ns = UINT64_C(1700000000000000000),
    };
    bytes_init(&c.body, PAGE_MAX_BYTES);
    put(&c.body);
    c.micro.op_count = count_samples(bytes_slice(&c.body));
    c.micro.op_bytes = c.body.len / c.micro.op_count;
    int err = has_relabel ? make_relabel(&c) : 0;
    c.rules.metric_relabel = c.relabel;
    err = err != 0 ? err : prom_scrape_new(7, &c.scrape);
    err = err != 0 ? err
                   : prom_target_new(&c.rules, labels, COUNT_OF(labels), SLICE_LITERAL("http"),
                                     &c.target);
    err = err != 0 ? err : micro_run(&c.micro);
    prom_target_free(c.target);
    prom_scrape_free(c.scrape);
    prom_relabel_free(c.relabel);
    bytes_fini(&c.body);
    return err;
}

int main(void)
{
    int err = measure("prom_scrape/counters", put_counters, false);
    err = err != 0 ? err : measure("prom_scrape/histograms", put_histograms, false);
    err = err != 0 ? err : measure("prom_scrape/relabel", put_counters, true);
    return err == 0 ? 0 : 1;
}
