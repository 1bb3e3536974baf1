/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_command — see otlp_command.h.
 */
#include "bench/otlp/otlp_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/otlp/otlp_options.h"
#include "bench/otlp/otlp_report.h"
#include "bench/otlp/otlp_run.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define COMMAND_LOAD "otlp"
#define COMMAND_SINK "otlp-sink"
#define COMMAND_RUN "otlp-run"
#define EXIT_USAGE 2

bool otlp_command_is(const char *word)
{
    return strcmp(word, COMMAND_LOAD) == 0 || strcmp(word, COMMAND_SINK) == 0 ||
           strcmp(word, COMMAND_RUN) == 0;
}

static int command_run(const struct otlp_options *o, const atomic_bool *cancel)
{
    struct otlp_result *result = mem_alloc(sizeof(*result));
    const int err = result == NULL ? -ENOMEM : otlp_run(o, cancel, result);
    if (err == 0) {
        otlp_report_table(o, result);
        otlp_report_json(o, result);
    }
    mem_free(result);
    return err;
}

int otlp_command_main(int argc, char **argv, const atomic_bool *cancel)
{
    struct otlp_options options;
    if (otlp_options_parse(&options, argc, argv, 2) != 0) {
        return EXIT_USAGE;
    }
    const bool is_run = strcmp(argv[1], COMMAND_RUN) == 0;
    if (is_run != (options.command != NULL)) {
        (void)fprintf(stderr, "weir-bench: %s\n",
                      is_run ? "no server after --" : "a server is for otlp-run");
        return EXIT_USAGE;
    }
    const bool is_sink = strcmp(argv[1], COMMAND_SINK) == 0;
    const int err = is_sink ? otlp_run_sink(&options, cancel) : command_run(&options, cancel);
    if (err != 0) {
        (void)fprintf(stderr, "weir-bench: %s\n", fault_text(err));
    }
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void otlp_command_print(FILE *to)
{
    (void)fprintf(to, "\nusage: weir-bench otlp [options]\n"
                      "       weir-bench otlp-sink [options]\n"
                      "       weir-bench otlp-run [options] -- server arguments…\n\n"
                      "`otlp-run` sets WEIR_BENCH_SINK and WEIR_BENCH_SECOND_SINK to the URLs of "
                      "its sinks,\nand the same names with _ADDRESS to host:port.\n\n");
    otlp_options_print(to);
}
