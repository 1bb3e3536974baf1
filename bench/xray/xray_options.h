/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_options — what weir-bench was asked to do with X-Ray segments; every number is bounded,
 * every target is local.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "bench/xray/xray_corpus.h"
#include "core/base/defs.h"

#define XRAY_DURATION_MAX_S 3600u
#define XRAY_RATE_MAX_ITEMS UINT64_C(100000000)

/* All text is borrowed from the command line. */
struct xray_options {
    struct xray_corpus_options corpus;
    const char *name;   /* of the row, for the report */
    const char *target; /* host:port that datagrams go to */
    const char *sink;   /* host:port the sink listens on */
    const char *ready;  /* as for statsd */
    const char *metrics;
    const char *server_cpus;
    const char *bench_cpus;
    const char *server_log;
    const char *server_cgroup;
    char *const *command; /* after `--`; NULL where there is none */
    uint32_t flow_count;
    uint32_t segment_max_count; /* datagrams per UDP_SEGMENT send; 0: sendmmsg */
    uint64_t rate_items;        /* per second; 0: as fast as it goes */
    uint64_t count_items;       /* 0: until the duration is over */
    uint64_t duration_s;
    uint64_t tick_us;
    uint64_t warmup_s;
    uint64_t settle_s; /* longest wait for the sink to hold everything */
    uint64_t is_plain; /* 0 or 1, as the next two */
    uint64_t takes_unsigned;
    uint64_t is_without_sink;
};

/*
 * xray_options_parse — reads `argv` from `first` on. Says on stderr what is wrong.
 * Returns 0 or -EINVAL.
 */
WEIR_MUST_USE int xray_options_parse(struct xray_options *o, int argc, char **argv, int first);

/* One line per option. */
void xray_options_print(FILE *to);

/* No more segments than this leave in one run, so that all of them can be known by number. */
uint64_t xray_options_item_limit(const struct xray_options *o);
