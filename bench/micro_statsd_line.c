/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_statsd_line — nanoseconds to turn one StatsD line into a point, per tokeniser variant.
 *
 * The input is what packed clients send: datagrams of up to 1 432 bytes of whole lines, enough of
 * them that no branch can be learned by heart, few enough that they stay in the second-level cache.
 */
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "codecs/statsd_line.h"
#include "codecs/statsd_scan.h"

#define DATAGRAM_MAX_BYTES 1432
#define DATAGRAM_COUNT 128
#define LINE_MAX_BYTES 256
/* Budgets of bench/README.md. */
#define UNTAGGED_BUDGET_NS 10
#define TAGGED_BUDGET_NS 15

struct datagrams {
    uint8_t bytes[DATAGRAM_COUNT][DATAGRAM_MAX_BYTES];
    size_t len[DATAGRAM_COUNT];
    uint64_t line_count;
    uint64_t line_bytes;
};

struct line_case {
    struct micro micro;
    struct statsd_options options;
    const struct datagrams *datagrams; /* borrowed */
    struct statsd_sink sink;
    struct point points[POINT_BURST_MAX];
    uint64_t sum;
};

/* Writes line number `index`; returns its length. */
typedef int(line_write_fn)(char *buf, size_t cap, uint32_t index);

static uint32_t scramble(uint32_t index)
{
    uint32_t mixed = index * 2654435761u;
    return mixed ^ mixed >> 15;
}

/* 30 bytes of name, so that most lines are 34 with their value, type and LF. */
static int untagged_write(char *buf, size_t cap, uint32_t index)
{
    return snprintf(buf, cap, "shop.checkout.orders.s%05u:%u|c\n", scramble(index) % 100000,
                    scramble(index + 7) % 1000);
}

static int tagged_write(char *buf, size_t cap, uint32_t index)
{
    return snprintf(buf, cap, "shop.checkout.orders:%u|c|#env:prod,host:web-%05u,az:eu-1a\n",
                    scramble(index) % 1000, scramble(index + 7) % 100000);
}

static int mixed_write(char *buf, size_t cap, uint32_t index)
{
    static const char *const types[] = {"c", "ms", "g", "h", "d"};
    uint32_t pick = scramble(index);
    return snprintf(buf, cap, "shop.checkout.orders:%u.%u|%s%s|#env:prod,host:web-%05u\n",
                    pick % 1000, pick % 7, types[pick % COUNT_OF(types)],
                    pick % 3 == 0 ? "|@0.25" : "", pick % 100000);
}

static void datagrams_fill(struct datagrams *out, line_write_fn *write)
{
    uint32_t index = 0;
    *out = (struct datagrams){0};
    for (size_t i = 0; i < DATAGRAM_COUNT; i++) {
        char line[LINE_MAX_BYTES];
        size_t len = (size_t)write(line, sizeof(line), index);
        while (len <= DATAGRAM_MAX_BYTES - out->len[i]) {
            memcpy(out->bytes[i] + out->len[i], line, len);
            out->len[i] += len;
            out->line_bytes += len;
            out->line_count++;
            index++;
            len = (size_t)write(line, sizeof(line), index);
        }
    }
}

static void line_on_points(struct statsd_sink *sink)
{
    struct line_case *c = CONTAINER_OF(sink, struct line_case, sink);
    c->sum += sink->points[sink->point_count - 1].tags.len + sink->point_count;
}

static uint64_t line_call(struct micro *micro)
{
    struct line_case *c = CONTAINER_OF(micro, struct line_case, micro);
    for (size_t i = 0; i < DATAGRAM_COUNT; i++) {
        statsd_decode(&c->options, slice_of(c->datagrams->bytes[i], c->datagrams->len[i]),
                      &c->sink);
    }
    statsd_flush(&c->sink);
    return c->sum;
}

static int line_measure(const char *what, const struct datagrams *datagrams, double budget_ns,
                        const struct statsd_scan *scan)
{
    static struct line_case c;
    char name[64];
    (void)snprintf(name, sizeof(name), "statsd_line/%s/%s", what, scan->name); /* fits */
    c = (struct line_case){
        .micro = {.name = name,
                  .op_count = datagrams->line_count,
                  .op_bytes = datagrams->line_bytes / datagrams->line_count,
                  .budget_ns = budget_ns,
                  .needs_zero_allocs = true,
                  .call = line_call},
        .options = {.scan = scan},
        .datagrams = datagrams,
        .sink = {.point_cap = POINT_BURST_MAX, .on_points = line_on_points},
    };
    c.sink.points = c.points;
    return micro_run(&c.micro);
}

int main(void)
{
    static struct datagrams untagged;
    static struct datagrams tagged;
    static struct datagrams mixed;
    datagrams_fill(&untagged, untagged_write);
    datagrams_fill(&tagged, tagged_write);
    datagrams_fill(&mixed, mixed_write);
    int err = 0;
    for (size_t i = 0; statsd_scan_at(i) != NULL && err == 0; i++) {
        const struct statsd_scan *scan = statsd_scan_at(i);
        /* The budget is for the best variant. */
        double is_best = i == 0 ? 1 : 0;
        err = line_measure("untagged", &untagged, is_best * UNTAGGED_BUDGET_NS, scan);
        if (err == 0) {
            err = line_measure("tagged", &tagged, is_best * TAGGED_BUDGET_NS, scan);
        }
        if (err == 0) {
            err = line_measure("mixed", &mixed, 0, scan);
        }
    }
    return err == 0 ? 0 : 1;
}
