/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_options — what weir-bench was asked to do; every number is bounded, every target is local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/load_corpus.h"
#include "core/base/defs.h"

#define LOAD_FLOWS_MAX_COUNT 1024u
#define LOAD_DURATION_MAX_S 3600u
#define LOAD_COUNT_MAX_LINES UINT64_C(1000000000000)

enum load_transport {
    LOAD_TRANSPORT_UDP,
    LOAD_TRANSPORT_TCP,
    LOAD_TRANSPORT_UNIXGRAM,
    LOAD_TRANSPORT_UNIX,
};

/* All text is borrowed from the command line. */
struct load_options {
    struct corpus_options corpus;
    const char *corpus_path;
    const char *name; /* of the row, for the report */
    const char *target;
    const char *sink;    /* host:port the sink listens on */
    const char *ready;   /* udp:PORT, tcp:PORT, unix:PATH or a URL */
    const char *metrics; /* URL of the server's own metrics */
    const char *server_cpus;
    const char *bench_cpus;
    const char *server_log;
    const char *server_cgroup; /* directory with cgroup.procs; NULL: the caller's cgroup */
    char *const *command;      /* after `--`; NULL where there is none */
    uint32_t transport;        /* enum load_transport */
    uint32_t flow_count;
    uint32_t segment_max_count; /* datagrams per UDP_SEGMENT send; 0: sendmmsg */
    uint64_t rate_lines;        /* 0: as fast as it goes */
    uint64_t count_lines;       /* 0: until the duration is over */
    uint64_t duration_s;
    uint64_t tick_us;
    uint64_t warmup_passes; /* before the clocks start */
    uint64_t warmup_rate_lines;
    uint64_t idle_s;   /* measured before the load */
    uint64_t settle_s; /* longest wait for the sink to hold everything */
    uint64_t rest_s;   /* after that, before memory is read again */
    uint64_t refuse_count;
    uint64_t retry_after_s;
    uint64_t delay_ms;
    uint64_t until_idle_s;
    uint64_t is_without_sink; /* 0 or 1, as the next */
    uint64_t probes_start;
};

/*
 * load_options_parse — reads `argv` from `first` on. Says on stderr what is wrong.
 * Returns 0 or -EINVAL.
 */
WEIR_MUST_USE int load_options_parse(struct load_options *o, int argc, char **argv, int first);

/* One line per option. */
void load_options_print(FILE *to);

/* "udp" and so on. */
const char *load_transport_name(enum load_transport transport);
