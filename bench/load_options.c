/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_options — see load_options.h: the rows of its table, and the defaults.
 */
#include "bench/load_options.h"

#include <stddef.h>
#include <string.h>

#include "bench/option_table.h"

static const char *const transport_names[] = {
    [LOAD_TRANSPORT_UDP] = "udp",           [LOAD_TRANSPORT_TCP] = "tcp",
    [LOAD_TRANSPORT_UNIXGRAM] = "unixgram", [LOAD_TRANSPORT_UNIX] = "unix",
    [LOAD_TRANSPORT_UNIX + 1] = NULL,
};
static const char *const *const option_words[] = {transport_names};

static bool option_read_weight(const char *text, size_t len, struct load_options *o)
{
    static const char *const names[CORPUS_KIND_COUNT] = {"c", "g", "ms", "h", "d", "s"};
    char number[16];
    const char *equals = memchr(text, '=', len);
    if (equals == NULL) {
        return false;
    }
    const size_t name_len = (size_t)(equals - text);
    const size_t number_len = len - name_len - 1;
    uint64_t weight = 0;
    if (number_len >= sizeof(number)) {
        return false;
    }
    memcpy(number, equals + 1, number_len);
    number[number_len] = '\0';
    if (!option_read_number(number, 0, 1000, &weight)) {
        return false;
    }
    for (size_t i = 0; i < CORPUS_KIND_COUNT; i++) {
        if (strlen(names[i]) == name_len && memcmp(names[i], text, name_len) == 0) {
            o->corpus.weights[i] = (uint32_t)weight;
            return true;
        }
    }
    return false;
}

static bool option_read_weights(const struct option_row *row, const char *text, void *options)
{
    (void)row; /* there is only one of this kind */
    struct load_options *o = options;
    memset(o->corpus.weights, 0, sizeof(o->corpus.weights));
    for (;;) {
        const size_t len = strcspn(text, ",");
        if (!option_read_weight(text, len, o)) {
            return false;
        }
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

#define FIELD(member) offsetof(struct load_options, member)

static const struct option_row option_rows[] = {
    {"name", OPTION_TEXT, FIELD(name), 0, 0, "name of the row in the report"},
    {"transport", OPTION_WORD, FIELD(transport), 0, 0, "udp, tcp, unixgram or unix"},
    {"target", OPTION_TEXT, FIELD(target), 0, 0, "loopback host:port, or a path"},
    {"series", OPTION_U32, FIELD(corpus.series_count), 1, CORPUS_SERIES_MAX_COUNT, "series"},
    {"tags", OPTION_U32, FIELD(corpus.tag_count), 0, CORPUS_TAGS_MAX_COUNT, "tags per line"},
    {"types", OPTION_OWN, 0, 0, 0, "weights, as c=8,g=1,ms=1 (also h, d, s)"},
    {"value-max", OPTION_U32, FIELD(corpus.value_max), 1, CORPUS_VALUE_MAX,
     "counters count from 1 to this; 1 makes the sum a count of lines"},
    {"line-bytes", OPTION_U32, FIELD(corpus.line_bytes), 0, CORPUS_LINE_MAX_BYTES,
     "pads names until a line, without newline, has this length"},
    {"lines-per-datagram", OPTION_U32, FIELD(corpus.lines_per_datagram), 0, 65535, "0: packed"},
    {"datagram-bytes", OPTION_U32, FIELD(corpus.datagram_bytes), 1, CORPUS_DATAGRAM_MAX_BYTES,
     "largest payload when packed"},
    {"seed", OPTION_U64, FIELD(corpus.seed), 0, UINT64_MAX, "of the corpus"},
    {"corpus", OPTION_TEXT, FIELD(corpus_path), 0, 0, "file: read if it exists, else written"},
    {"segment", OPTION_U32, FIELD(segment_max_count), 0, 64,
     "datagrams per UDP_SEGMENT send; 0: sendmmsg"},
    {"flows", OPTION_U32, FIELD(flow_count), 1, LOAD_FLOWS_MAX_COUNT, "sockets"},
    {"rate", OPTION_U64, FIELD(rate_lines), 0, UINT64_C(1000000000),
     "lines per second; 0: as fast as it goes"},
    {"tick-us", OPTION_U64, FIELD(tick_us), 10, 100000, "how often a paced sender sends"},
    {"duration", OPTION_U64, FIELD(duration_s), 1, LOAD_DURATION_MAX_S, "seconds at most"},
    {"count", OPTION_U64, FIELD(count_lines), 0, LOAD_COUNT_MAX_LINES, "lines at most; 0: any"},
    {"warmup-passes", OPTION_U64, FIELD(warmup_passes), 0, 1000,
     "walks over the corpus before the clocks start"},
    {"warmup-rate", OPTION_U64, FIELD(warmup_rate_lines), 1, UINT64_C(1000000000),
     "lines per second of the warm-up"},
    {"idle", OPTION_U64, FIELD(idle_s), 0, LOAD_DURATION_MAX_S, "seconds measured before the load"},
    {"settle", OPTION_U64, FIELD(settle_s), 0, LOAD_DURATION_MAX_S,
     "longest wait for the sink to hold everything"},
    {"rest", OPTION_U64, FIELD(rest_s), 0, LOAD_DURATION_MAX_S,
     "seconds after that, before memory is read again"},
    {"sink", OPTION_TEXT, FIELD(sink), 0, 0, "loopback host:port of the sink"},
    {"no-sink", OPTION_FLAG, FIELD(is_without_sink), 0, 0, "nothing arrives upstream (the floor)"},
    {"refuse", OPTION_U64, FIELD(refuse_count), 0, 1000000, "requests the sink answers with 503"},
    {"retry-after", OPTION_U64, FIELD(retry_after_s), 0, 3600, "seconds named in those answers"},
    {"delay-ms", OPTION_U64, FIELD(delay_ms), 0, 600000, "how long the sink holds each answer"},
    {"until-idle", OPTION_U64, FIELD(until_idle_s), 0, LOAD_DURATION_MAX_S,
     "the sink ends after so many seconds of silence; 0: at a signal"},
    {"ready", OPTION_TEXT, FIELD(ready), 0, 0, "udp:PORT, tcp:PORT, unix:PATH or http://…"},
    {"probe-start", OPTION_FLAG, FIELD(probes_start), 0, 0,
     "time from exec to the first datagram that was counted"},
    {"metrics-url", OPTION_TEXT, FIELD(metrics), 0, 0, "the server's own metrics"},
    {"server-cpus", OPTION_TEXT, FIELD(server_cpus), 0, 0, "list, as 0-1,3"},
    {"bench-cpus", OPTION_TEXT, FIELD(bench_cpus), 0, 0, "the same for generator and sink"},
    {"server-log", OPTION_TEXT, FIELD(server_log), 0, 0, "file for the server's output"},
    {"server-cgroup", OPTION_TEXT, FIELD(server_cgroup), 0, 0,
     "directory of a cgroup that the server is put into, to read its peak"},
};

static const struct option_table load_option_table = {
    .rows = option_rows,
    .row_count = COUNT_OF(option_rows),
    .words = option_words,
    .read = option_read_weights,
};

const char *load_transport_name(enum load_transport transport)
{
    ASSERT((size_t)transport < COUNT_OF(transport_names) - 1);
    return transport_names[transport];
}

static struct load_options option_defaults(void)
{
    return (struct load_options){
        .corpus = corpus_default_options(),
        .name = "load",
        .target = "127.0.0.1:8125",
        .sink = "127.0.0.1:4318",
        .flow_count = 1,
        .duration_s = 10,
        .tick_us = 100,
        .warmup_rate_lines = 500000,
        .settle_s = 15,
        .retry_after_s = 1,
    };
}

int load_options_parse(struct load_options *o, int argc, char **argv, int first)
{
    *o = option_defaults();
    return option_table_parse(&load_option_table, o, argc, argv, first, &o->command);
}

void load_options_print(FILE *to)
{
    option_table_print(&load_option_table, to);
}
