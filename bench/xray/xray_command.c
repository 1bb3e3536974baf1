/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_command — see xray_command.h.
 */
#include "bench/xray/xray_command.h"

#include <stdlib.h>
#include <string.h>

#include "bench/xray/xray_options.h"
#include "bench/xray/xray_report.h"
#include "bench/xray/xray_run.h"
#include "core/base/fault.h"

#define COMMAND_LOAD "xray"
#define COMMAND_SINK "xray-sink"
#define COMMAND_RUN "xray-run"
#define EXIT_USAGE 2

bool xray_command_is(const char *word)
{
    return strcmp(word, COMMAND_LOAD) == 0 || strcmp(word, COMMAND_SINK) == 0 ||
           strcmp(word, COMMAND_RUN) == 0;
}

static int command_run(const struct xray_options *o, const atomic_bool *cancel)
{
    struct xray_result result;
    const int err = xray_run(o, cancel, &result);
    if (err == 0) {
        xray_report_table(o, &result);
        xray_report_json(o, &result);
    }
    return err;
}

int xray_command_main(int argc, char **argv, const atomic_bool *cancel)
{
    struct xray_options options;
    if (xray_options_parse(&options, argc, argv, 2) != 0) {
        return EXIT_USAGE;
    }
    const bool is_run = strcmp(argv[1], COMMAND_RUN) == 0;
    if (is_run != (options.command != NULL)) {
        (void)fprintf(stderr, "weir-bench: %s\n",
                      is_run ? "no server after --" : "a server is for xray-run");
        return EXIT_USAGE;
    }
    const bool is_sink = strcmp(argv[1], COMMAND_SINK) == 0;
    const int err = is_sink ? xray_run_sink(&options, cancel) : command_run(&options, cancel);
    if (err != 0) {
        (void)fprintf(stderr, "weir-bench: %s\n", fault_text(err));
    }
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void xray_command_print(FILE *to)
{
    (void)fprintf(to, "\nusage: weir-bench xray [options]\n"
                      "       weir-bench xray-sink [options]\n"
                      "       weir-bench xray-run [options] -- server arguments…\n\n"
                      "`xray-run` sets WEIR_BENCH_AWS_ENDPOINT to the URL of its sink, and "
                      "credentials and region\nof AWS for the server.\n\n");
    xray_options_print(to);
}
