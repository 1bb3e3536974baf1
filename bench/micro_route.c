/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_route — nanoseconds per line from a datagram in memory to its folded series.
 *
 * Packed datagrams of 1 432 bytes are decoded and ingested as a receiver does it: points gather in
 * one array over a run of datagrams and are folded whenever it is full. An allocation fails the
 * run.
 */
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "bench/micro_rig.h"
#include "codecs/statsd_line.h"
#include "core/base/bounds.h"
#include "io/io_bounds.h"

/* Budgets of bench/README.md for tagged lines. */
#define ROUTE_10K_BUDGET_NS 35
#define ROUTE_100K_BUDGET_NS 75
#define ROUTE_1M_BUDGET_NS 110

struct route_case {
    struct micro micro;
    struct corpus corpus;
    struct rig rig;
    struct statsd_options options;
    struct statsd_sink sink;
    struct point points[POINT_BURST_MAX];
};

static void route_on_points(struct statsd_sink *sink)
{
    struct route_case *c = CONTAINER_OF(sink, struct route_case, sink);
    shard_ingest(&c->rig.seals[0], sink->points, sink->point_count, c->rig.now_ns, &c->rig.stats);
}

static uint64_t route_call(struct micro *micro)
{
    struct route_case *c = CONTAINER_OF(micro, struct route_case, micro);
    for (uint32_t i = 0; i < c->corpus.datagram_count; i++) {
        statsd_decode(&c->options, rig_datagram(&c->corpus, i), &c->sink);
        if (i % LOOP_DGRAM_BURST_MAX == LOOP_DGRAM_BURST_MAX - 1) {
            statsd_flush(&c->sink);
        }
    }
    statsd_flush(&c->sink);
    return counter_read(&c->rig.stats.items_folded);
}

static int route_measure(const struct rig_input *input, const char *size, double budget_ns)
{
    static struct route_case c;
    char name[64];
    (void)snprintf(name, sizeof(name), "route/%s/%s", input->is_tagged ? "tagged" : "untagged",
                   size); /* fits */
    c = (struct route_case){
        .sink = {.points = c.points, .point_cap = POINT_BURST_MAX, .on_points = route_on_points},
    };
    int err = rig_fill(&c.corpus, input, RIG_MEET_SEED);
    if (err == 0) {
        err = rig_open(&c.rig, 1, input->series_count);
    }
    if (err == 0) {
        err = rig_bear(&c.rig, input);
    }
    if (err == 0) {
        c.micro = (struct micro){
            .name = name,
            .op_count = c.corpus.line_count,
            .op_bytes = input->is_tagged ? RIG_TAGGED_LINE_BYTES : RIG_UNTAGGED_LINE_BYTES,
            .budget_ns = budget_ns,
            .needs_zero_allocs = true,
            .call = route_call,
        };
        err = micro_run(&c.micro);
    }
    rig_close(&c.rig);
    corpus_fini(&c.corpus);
    return err;
}

/* All sizes, or the one that is named: 10k, 100k or 1m. */
int main(int argc, char **argv)
{
    static const struct {
        uint32_t series_count;
        const char *size;
        double budget_ns;
    } cases[] = {
        {10000, "10k", ROUTE_10K_BUDGET_NS},
        {100000, "100k", ROUTE_100K_BUDGET_NS},
        {1000000, "1m", ROUTE_1M_BUDGET_NS},
    };
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(cases) && err == 0; i++) {
        struct rig_input input = {.series_count = cases[i].series_count, .is_tagged = true};
        if (argc > 1 && strcmp(argv[1], cases[i].size) != 0) {
            continue;
        }
        err = route_measure(&input, cases[i].size, cases[i].budget_ns);
        input.is_tagged = false;
        if (err == 0) {
            err = route_measure(&input, cases[i].size, 0);
        }
    }
    return err == 0 ? 0 : 1;
}
