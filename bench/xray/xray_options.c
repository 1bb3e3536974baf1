/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_options — see xray_options.h: the rows of its table, and the defaults.
 */
#include "bench/xray/xray_options.h"

#include <stddef.h>

#include "bench/load_options.h"
#include "bench/option_table.h"
#include "bench/xray/xray_ledger.h"

/* More than a sender can make; the limit of one that has no rate. */
#define FASTEST_ITEMS_PER_S UINT64_C(4000000)

#define FIELD(member) offsetof(struct xray_options, member)

static const struct option_row option_rows[] = {
    {"name", OPTION_TEXT, FIELD(name), 0, 0, "name of the row in the report"},
    {"target", OPTION_TEXT, FIELD(target), 0, 0, "loopback host:port for datagrams"},
    {"bodies", OPTION_U32, FIELD(corpus.body_count), XRAY_CORPUS_BODIES_MIN_COUNT,
     XRAY_CORPUS_BODIES_MAX_COUNT, "different segments, before their ids"},
    {"segment-bytes", OPTION_U32, FIELD(corpus.segment_bytes), XRAY_CORPUS_SEGMENT_MIN_BYTES,
     XRAY_CORPUS_SEGMENT_MAX_BYTES, "of a datagram, header line included"},
    {"seed", OPTION_U64, FIELD(corpus.seed), 0, UINT64_MAX, "of the corpus"},
    {"flows", OPTION_U32, FIELD(flow_count), 1, LOAD_FLOWS_MAX_COUNT, "sockets of the sender"},
    {"segment", OPTION_U32, FIELD(segment_max_count), 0, 64,
     "datagrams per UDP_SEGMENT send; 0: sendmmsg, each crosses the kernel alone"},
    {"rate", OPTION_U64, FIELD(rate_items), 0, XRAY_RATE_MAX_ITEMS,
     "segments per second; 0: as fast as it goes"},
    {"count", OPTION_U64, FIELD(count_items), 0, XRAY_LEDGER_MAX_COUNT, "segments at most; 0: any"},
    {"duration", OPTION_U64, FIELD(duration_s), 1, XRAY_DURATION_MAX_S, "seconds at most"},
    {"tick-us", OPTION_U64, FIELD(tick_us), 10, 100000, "how often a paced sender sends"},
    {"warmup", OPTION_U64, FIELD(warmup_s), 0, 60, "seconds before the clocks start"},
    {"settle", OPTION_U64, FIELD(settle_s), 0, XRAY_DURATION_MAX_S,
     "longest wait for the sink to hold everything"},
    {"sink", OPTION_TEXT, FIELD(sink), 0, 0, "loopback host:port of the sink"},
    {"no-sink", OPTION_FLAG, FIELD(is_without_sink), 0, 0, "nothing arrives upstream"},
    {"unsigned", OPTION_FLAG, FIELD(takes_unsigned), 0, 0, "the sink does not look at signatures"},
    {"plain", OPTION_FLAG, FIELD(is_plain), 0, 0, "the sink speaks HTTP instead of HTTPS"},
    {"ready", OPTION_TEXT, FIELD(ready), 0, 0, "udp:PORT or http://…"},
    {"metrics-url", OPTION_TEXT, FIELD(metrics), 0, 0, "the server's own metrics"},
    {"server-cpus", OPTION_TEXT, FIELD(server_cpus), 0, 0, "list, as 0-1,3"},
    {"bench-cpus", OPTION_TEXT, FIELD(bench_cpus), 0, 0, "the same for generator and sink"},
    {"server-log", OPTION_TEXT, FIELD(server_log), 0, 0, "file for the server's output"},
    {"server-cgroup", OPTION_TEXT, FIELD(server_cgroup), 0, 0,
     "directory of a cgroup that the server is put into, to read its peak"},
};

static const struct option_table xray_option_table = {
    .rows = option_rows,
    .row_count = COUNT_OF(option_rows),
};

int xray_options_parse(struct xray_options *o, int argc, char **argv, int first)
{
    *o = (struct xray_options){
        .corpus = xray_corpus_default_options(),
        .name = "xray",
        .target = "127.0.0.1:2000",
        .sink = "127.0.0.1:0",
        .flow_count = 8,
        .duration_s = 10,
        .tick_us = 100,
        .warmup_s = 1,
        .settle_s = 30,
    };
    return option_table_parse(&xray_option_table, o, argc, argv, first, &o->command);
}

void xray_options_print(FILE *to)
{
    option_table_print(&xray_option_table, to);
}

uint64_t xray_options_item_limit(const struct xray_options *o)
{
    const uint64_t rate = o->rate_items != 0 ? o->rate_items : FASTEST_ITEMS_PER_S;
    /* One second more: a pace may be a little ahead at the end. */
    const uint64_t most = (o->warmup_s + o->duration_s + 1) * rate;
    return most < XRAY_LEDGER_MAX_COUNT ? most : XRAY_LEDGER_MAX_COUNT;
}
