/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-bench — StatsD, OTLP or X-Ray load on loopback, a sink for what comes out, and a measured
 * run of both.
 *
 * `statsd` sends, `sink` counts, `run` does both around a server that it starts itself; `otlp`,
 * `otlp-sink` and `otlp-run` do the same with OTLP, `xray`, `xray-sink` and `xray-run` with
 * segments. The table goes to stderr, one JSON object per line to stdout.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load_options.h"
#include "bench/load_report.h"
#include "bench/load_run.h"
#include "bench/otlp/otlp_command.h"
#include "bench/server_process.h"
#include "bench/sink_http.h"
#include "bench/xray/xray_command.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define EXIT_USAGE 2

/* Set by SIGINT and SIGTERM; read by the sender, the waits and the sink. */
static atomic_bool main_is_cancelled;
static struct sink *main_sink;

static void main_on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&main_is_cancelled, true, memory_order_relaxed);
    if (main_sink != NULL) {
        sink_stop(main_sink);
    }
}

static int main_run(const struct load_options *o)
{
    struct load_result result;
    const int err = load_run(o, &main_is_cancelled, &result);
    if (err != 0) {
        (void)fprintf(stderr, "weir-bench: %s\n", fault_text(err));
        return EXIT_FAILURE;
    }
    load_report_table(o, &result);
    load_report_json(o, &result);
    return EXIT_SUCCESS;
}

static int main_statsd(struct load_options *o)
{
    o->command = NULL;
    return main_run(o);
}

static int main_sink_only(const struct load_options *o)
{
    if (o->bench_cpus != NULL && server_pin_self(o->bench_cpus) != 0) {
        (void)fprintf(stderr, "weir-bench: --bench-cpus cannot be had\n");
        return EXIT_FAILURE;
    }
    struct sink *sink = mem_alloc(sizeof(*sink));
    if (sink == NULL) {
        return EXIT_FAILURE;
    }
    const struct sink_options options = {
        .address = o->sink,
        .refuse_count = o->refuse_count,
        .retry_after_s = o->retry_after_s,
        .delay_ms = o->delay_ms,
        .until_idle_s = o->until_idle_s,
    };
    const int err = sink_init(sink, &options);
    if (err == 0) {
        (void)fprintf(stderr, "weir-bench: sink on port %d\n", (int)sink->port);
        main_sink = sink;
        sink_run(sink);
        main_sink = NULL;
        sink_print(sink, true);
    } else {
        (void)fprintf(stderr, "weir-bench: %s: %s\n", o->sink, fault_text(err));
    }
    sink_fini(sink);
    mem_free(sink);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int main_usage(FILE *to, int status)
{
    (void)fprintf(to, "usage: weir-bench statsd [options]\n"
                      "       weir-bench sink [options]\n"
                      "       weir-bench run [options] -- server arguments…\n\n"
                      "`run` sets WEIR_BENCH_SINK to the URL of its sink for the server.\n\n");
    load_options_print(to);
    otlp_command_print(to);
    xray_command_print(to);
    return status;
}

int main(int argc, char **argv)
{
    struct load_options options;
    if (argc < 2) {
        return main_usage(stderr, EXIT_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0) {
        return main_usage(stdout, EXIT_SUCCESS);
    }
    struct sigaction action = {.sa_handler = main_on_signal};
    (void)sigaction(SIGINT, &action, NULL); /* cannot fail with these numbers */
    (void)sigaction(SIGTERM, &action, NULL);
    if (otlp_command_is(argv[1])) {
        return otlp_command_main(argc, argv, &main_is_cancelled);
    }
    if (xray_command_is(argv[1])) {
        return xray_command_main(argc, argv, &main_is_cancelled);
    }
    if (load_options_parse(&options, argc, argv, 2) != 0) {
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "statsd") == 0) {
        return main_statsd(&options);
    }
    if (strcmp(argv[1], "sink") == 0) {
        return main_sink_only(&options);
    }
    if (strcmp(argv[1], "run") == 0 && options.command != NULL) {
        return main_run(&options);
    }
    return main_usage(stderr, EXIT_USAGE);
}
