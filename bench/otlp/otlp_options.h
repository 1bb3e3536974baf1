/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_options — what weir-bench was asked to do with OTLP; every number is bounded, every target
 * is local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/otlp/otlp_corpus.h"
#include "bench/otlp/otlp_load.h"
#include "bench/otlp/otlp_sink.h"
#include "core/base/defs.h"

#define OTLP_DURATION_MAX_S 3600u
#define OTLP_RATE_MAX_ITEMS UINT64_C(1000000000)

/* A spell during which a sink does not do its work. */
struct otlp_trouble_options {
    enum otlp_sink_trouble kind;
    uint64_t at_s;  /* after the load began */
    uint64_t for_s; /* 0: none */
};

/* All text is borrowed from the command line. */
struct otlp_options {
    struct otlp_corpus_options corpus;
    enum otlp_protocol protocol;
    const char *name;        /* of the row, for the report */
    const char *target;      /* host:port, or `sink`: the bench's own, with nothing in between */
    const char *sink;        /* host:port the sink listens on */
    const char *second_sink; /* the same for another one, which counts nothing; NULL: none */
    const char *ready;       /* as for statsd */
    const char *metrics;
    const char *server_cpus;
    const char *bench_cpus;
    const char *server_log;
    const char *server_cgroup;
    const char *times;    /* file; NULL: none */
    char *const *command; /* after `--`; NULL where there is none */
    uint32_t connection_count;
    uint32_t stream_count;
    uint64_t rate_items;     /* per second; 0: as fast as it goes */
    uint64_t count_requests; /* 0: until the duration is over */
    uint64_t duration_s;
    uint64_t warmup_s;
    uint64_t after_duration_s; /* a second phase; 0: none */
    uint64_t after_rate_items;
    uint64_t after_skip_ms; /* at its beginning: no latencies */
    uint64_t settle_s;      /* longest wait for the sink to hold everything */
    uint64_t resends;       /* 0 or 1 */
    uint64_t resend_ms;
    struct otlp_trouble_options sink_trouble;
    struct otlp_trouble_options second_trouble;
    uint64_t delay_ms;        /* of the sink's answers */
    uint64_t is_without_sink; /* 0 or 1, as the next */
    uint64_t sink_yields;
};

/*
 * otlp_options_parse — reads `argv` from `first` on. Says on stderr what is wrong.
 * Returns 0 or -EINVAL.
 */
WEIR_MUST_USE int otlp_options_parse(struct otlp_options *o, int argc, char **argv, int first);

/* One line per option. */
void otlp_options_print(FILE *to);

const char *otlp_protocol_name(enum otlp_protocol protocol);
const char *otlp_signal_name(enum signal signal);
