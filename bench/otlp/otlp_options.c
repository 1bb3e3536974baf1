/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_options — see otlp_options.h: the rows of its table, and the defaults.
 */
#include "bench/otlp/otlp_options.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bench/option_table.h"

/* Lists of words, in the order of option_words; each in the order of its enum. */
enum option_list {
    LIST_PROTOCOL,
    LIST_SIGNAL,
    LIST_TROUBLE,
    LIST_COMPRESSION,
};

static const char *const protocol_names[] = {"grpc", "http", "raw", NULL};
static const char *const signal_names[] = {"traces", "metrics", "logs", NULL};
static const char *const trouble_names[] = {"close", "refuse", "hang", NULL};
static const char *const compression_names[] = {"none", "gzip", "zstd", NULL};
static const char *const *const option_words[] = {
    [LIST_PROTOCOL] = protocol_names,
    [LIST_SIGNAL] = signal_names,
    [LIST_TROUBLE] = trouble_names,
    [LIST_COMPRESSION] = compression_names,
};
_Static_assert(OTLP_PROTOCOL_RAW == 2, "words are listed by protocol");
_Static_assert(SIGNAL_LOGS == 2, "words are listed by signal");
_Static_assert(OTLP_SINK_TROUBLE_HANG == 2, "words are listed by trouble");
_Static_assert(COMPRESS_NONE == 0 && COMPRESS_GZIP == 1 && COMPRESS_ZSTD == 2,
               "words are listed by compression");

#define FIELD(member) offsetof(struct otlp_options, member)

static const struct option_row option_rows[] = {
    {"name", OPTION_TEXT, FIELD(name), 0, 0, "name of the row in the report"},
    {"protocol", OPTION_WORD, FIELD(protocol), LIST_PROTOCOL, 0, "grpc, http or raw"},
    {"target", OPTION_TEXT, FIELD(target), 0, 0, "loopback host:port; sink: our own"},
    {"signal", OPTION_WORD, FIELD(corpus.signal), LIST_SIGNAL, 0, "traces, metrics or logs"},
    {"compression", OPTION_WORD, FIELD(corpus.compression), LIST_COMPRESSION, 0,
     "none, gzip or zstd; done beforehand"},
    {"bodies", OPTION_U32, FIELD(corpus.body_count), 1, OTLP_CORPUS_BODIES_MAX_COUNT,
     "different requests"},
    {"items-per-request", OPTION_U32, FIELD(corpus.item_count), 1, OTLP_CORPUS_ITEMS_MAX_COUNT,
     "spans, data points or log records"},
    {"span-bytes", OPTION_U32, FIELD(corpus.item_bytes), 0, OTLP_CORPUS_ITEM_MAX_BYTES,
     "of an item, tag and length included; 0: as it comes"},
    {"attributes", OPTION_U32, FIELD(corpus.attr_count), 0, OTLP_CORPUS_ATTRS_MAX_COUNT,
     "of an item"},
    {"resources", OPTION_U32, FIELD(corpus.group_count), 1, OTLP_CORPUS_GROUPS_MAX_COUNT,
     "per request"},
    {"seed", OPTION_U64, FIELD(corpus.seed), 0, UINT64_MAX, "of the corpus"},
    {"connections", OPTION_U32, FIELD(connection_count), 1, OTLP_LOAD_CONNECTIONS_MAX_COUNT,
     "to the target"},
    {"streams", OPTION_U32, FIELD(stream_count), 1, OTLP_LOAD_STREAMS_MAX_COUNT,
     "in flight per connection (grpc)"},
    {"rate", OPTION_U64, FIELD(rate_items), 0, OTLP_RATE_MAX_ITEMS,
     "items per second; 0: as fast as it goes"},
    {"count", OPTION_U64, FIELD(count_requests), 0, UINT64_C(10000000000),
     "requests at most; 0: any"},
    {"duration", OPTION_U64, FIELD(duration_s), 1, OTLP_DURATION_MAX_S, "seconds at most"},
    {"warmup", OPTION_U64, FIELD(warmup_s), 0, 60, "seconds before the clocks start"},
    {"after-duration", OPTION_U64, FIELD(after_duration_s), 0, OTLP_DURATION_MAX_S,
     "seconds of a second phase; 0: none"},
    {"after-rate", OPTION_U64, FIELD(after_rate_items), 0, OTLP_RATE_MAX_ITEMS,
     "items per second in it"},
    {"after-skip-ms", OPTION_U64, FIELD(after_skip_ms), 0, 60000,
     "at its beginning, without latencies"},
    {"settle", OPTION_U64, FIELD(settle_s), 0, OTLP_DURATION_MAX_S,
     "longest wait for answers, and for the sink to hold everything"},
    {"resend", OPTION_FLAG, FIELD(resends), 0, 0, "refused and unanswered requests come again"},
    {"resend-ms", OPTION_U64, FIELD(resend_ms), 1, 60000, "after so long"},
    {"sink", OPTION_TEXT, FIELD(sink), 0, 0, "loopback host:port of the sink"},
    {"no-sink", OPTION_FLAG, FIELD(is_without_sink), 0, 0, "nothing arrives upstream"},
    {"sink-delay-ms", OPTION_U64, FIELD(delay_ms), 0, 60000, "how long it holds each answer"},
    {"sink-yields", OPTION_FLAG, FIELD(sink_yields), 0, 0,
     "a paced generator on the same CPU goes first"},
    {"sink-fail-at", OPTION_U64, FIELD(sink_trouble.at_s), 0, OTLP_DURATION_MAX_S,
     "seconds into the load"},
    {"sink-fail-for", OPTION_U64, FIELD(sink_trouble.for_s), 0, OTLP_DURATION_MAX_S,
     "seconds; 0: not at all"},
    {"sink-fail-how", OPTION_WORD, FIELD(sink_trouble.kind), LIST_TROUBLE, 0,
     "close, refuse or hang"},
    {"second-sink", OPTION_TEXT, FIELD(second_sink), 0, 0, "another one, which counts nothing"},
    {"second-fail-at", OPTION_U64, FIELD(second_trouble.at_s), 0, OTLP_DURATION_MAX_S,
     "as above, for the second sink"},
    {"second-fail-for", OPTION_U64, FIELD(second_trouble.for_s), 0, OTLP_DURATION_MAX_S,
     "as above"},
    {"second-fail-how", OPTION_WORD, FIELD(second_trouble.kind), LIST_TROUBLE, 0, "as above"},
    {"ready", OPTION_TEXT, FIELD(ready), 0, 0, "tcp:PORT or http://…"},
    {"metrics-url", OPTION_TEXT, FIELD(metrics), 0, 0, "the server's own metrics"},
    {"server-cpus", OPTION_TEXT, FIELD(server_cpus), 0, 0, "list, as 0-1,3"},
    {"bench-cpus", OPTION_TEXT, FIELD(bench_cpus), 0, 0, "the same for generator and sinks"},
    {"server-log", OPTION_TEXT, FIELD(server_log), 0, 0, "file for the server's output"},
    {"server-cgroup", OPTION_TEXT, FIELD(server_cgroup), 0, 0,
     "directory of a cgroup that the server is put into, to read its peak"},
    {"times", OPTION_TEXT, FIELD(times), 0, 0,
     "file: when each good answer was due and when it came, ns of the monotonic clock"},
};

static const struct option_table otlp_option_table = {
    .rows = option_rows,
    .row_count = COUNT_OF(option_rows),
    .words = option_words,
};

static struct otlp_options option_defaults(void)
{
    return (struct otlp_options){
        .corpus = otlp_corpus_default_options(),
        .name = "otlp",
        .target = "127.0.0.1:4317",
        .sink = "127.0.0.1:0",
        .connection_count = 4,
        .stream_count = 4,
        .duration_s = 10,
        .warmup_s = 1,
        .settle_s = 15,
        .resend_ms = 100,
    };
}

int otlp_options_parse(struct otlp_options *o, int argc, char **argv, int first)
{
    *o = option_defaults();
    const int err = option_table_parse(&otlp_option_table, o, argc, argv, first, &o->command);
    if (err != 0) {
        return err;
    }
    const uint64_t rate_requests_max = UINT64_C(1000000);
    if (o->rate_items / o->corpus.item_count > rate_requests_max ||
        o->after_rate_items / o->corpus.item_count > rate_requests_max) {
        (void)fprintf(stderr, "weir-bench: --rate: more than a million requests per second\n");
        return -EINVAL;
    }
    return 0;
}

void otlp_options_print(FILE *to)
{
    option_table_print(&otlp_option_table, to);
}

const char *otlp_protocol_name(enum otlp_protocol protocol)
{
    return protocol_names[protocol];
}

const char *otlp_signal_name(enum signal signal)
{
    return signal_names[signal];
}
