/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main — the commands of weir.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "tools/weir/cli.h"
#include "tools/weir/components.h"
#include "tools/weir/config_print.h"
#include "tools/weir/graph.h"
#include "tools/weir/health_command.h"
#include "tools/weir/life.h"
#include "tools/weir/preset.h"
#include "tools/weir/xray_command.h"

/* Every text of it at its longest, escaped. */
#define XRAY_YAML_MAX_BYTES 65536

static int load(const struct cli *cli, struct graph **graph)
{
    const struct config_inputs inputs = {
        .uris = cli->uris,
        .uri_count = cli->uri_count,
        .sets = cli->sets,
        .set_count = cli->set_count,
        .default_path = cli->default_path,
        .preset_name = preset_default_name(),
        .preset_text = preset_default_text(),
    };
    return graph_load(&inputs, cli->is_strict, graph);
}

static int run_validate(const struct cli *cli)
{
    struct graph *graph = NULL;
    int err = load(cli, &graph);
    if (err == 0) {
        (void)printf("%.*s: valid\n", (int)graph->origin.len, (const char *)graph->origin.ptr);
    }
    graph_free(graph);
    return err == 0 ? EXIT_CODE_OK : EXIT_CODE_CONFIG;
}

static int run_config(const struct cli *cli)
{
    struct graph *graph = NULL;
    int err = load(cli, &graph);
    if (err == 0) {
        config_print(graph_root(graph), cli->is_json ? CONFIG_FORMAT_JSON : CONFIG_FORMAT_YAML,
                     !cli->is_unredacted, stdout);
    }
    graph_free(graph);
    return err == 0 ? EXIT_CODE_OK : EXIT_CODE_CONFIG;
}

static void print_types(const struct cli *cli, const char *const *types, bool is_planned)
{
    for (size_t i = 0; types != NULL && types[i] != NULL; i++) {
        if (cli->is_json) {
            (void)printf("%s\"%s\"", i == 0 ? "" : ",", types[i]);
        } else {
            (void)printf("  %s%s\n", types[i], is_planned ? " (not supported yet)" : "");
        }
    }
}

static int run_components(const struct cli *cli)
{
    const struct graph_types *types = components_types();
    (void)printf("%s", cli->is_json ? "{" : "");
    for (int kind = 0; kind < GRAPH_KIND_COUNT; kind++) {
        const char *section = graph_kind_section((enum graph_kind)kind);
        if (cli->is_json) {
            (void)printf("%s\"%s\":[", kind == 0 ? "" : ",", section);
            print_types(cli, types->known[kind], false);
            (void)printf("]");
            continue;
        }
        (void)printf("%s:\n", section);
        print_types(cli, types->known[kind], false);
        print_types(cli, types->planned[kind], true);
    }
    (void)printf("%s", cli->is_json ? "}\n" : "");
    return EXIT_CODE_OK;
}

#if defined(__clang__)
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

static int run_version(const struct cli *cli)
{
    if (cli->is_json) {
        (void)printf("{\"version\":\"%s\",\"compiler\":\"%s\"}\n", WEIR_VERSION, compiler);
        return EXIT_CODE_OK;
    }
    (void)printf("weir %s (%s)\n", WEIR_VERSION, compiler);
    return EXIT_CODE_OK;
}

/* Standard error goes to the end of a file from now on. */
static bool log_to(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    bool is_done = fd >= 0 && dup2(fd, STDERR_FILENO) >= 0;
    if (!is_done) {
        (void)fprintf(stderr, "weir: %s: %s\n", path, fault_text(-errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_done;
}

/* As the X-Ray daemon: its arguments make the configuration, the environment our own settings. */
static int run_xray(int argc, char **argv)
{
    static struct xray_command command;
    struct cli cli;
    struct bytes text;
    char *no_flags[] = {argv[0], NULL};
    int code = cli_parse(&cli, 1, no_flags);
    if (code == 0) {
        code = xray_command_read(&command, argc - 2, argv + 2);
    }
    if (code != 0) {
        return code;
    }
    if (command.wants_help) {
        xray_command_print_help();
        return EXIT_CODE_OK;
    }
    if (command.wants_version) {
        return run_version(&cli);
    }
    if (command.log_path[0] != 0 && !log_to(command.log_path)) {
        return EXIT_CODE_FAILED;
    }
    bytes_init(&text, XRAY_YAML_MAX_BYTES);
    bytes_append(&text, "yaml:", strlen("yaml:"));
    xray_command_write(&command, &text);
    bytes_append_byte(&text, 0);
    code = EXIT_CODE_FAILED;
    if (text.err == 0 && xray_command_log_level(&command, &cli.log_level)) {
        cli.has_log_level = true;
        cli.uris[0] = (const char *)text.ptr;
        cli.uri_count = 1;
        log_init(&(struct log_options){.format = cli.log_format, .level = cli.log_level});
        code = life_run(&cli);
    }
    bytes_fini(&text);
    return code;
}

int main(int argc, char **argv)
{
    struct cli cli;
    if (argc > 1 && strcmp(argv[1], "xray") == 0) {
        return run_xray(argc, argv);
    }
    int code = cli_parse(&cli, argc, argv);
    if (code != 0) {
        return code;
    }
    log_init(&(struct log_options){.format = cli.log_format, .level = cli.log_level});
    switch (cli.command) {
    case CLI_RUN:
        return life_run(&cli);
    case CLI_VALIDATE:
        return run_validate(&cli);
    case CLI_CONFIG:
        return run_config(&cli);
    case CLI_COMPONENTS:
        return run_components(&cli);
    case CLI_HEALTH:
        return health_command(cli.health_address);
    case CLI_VERSION:
        return run_version(&cli);
    case CLI_HELP:
        cli_print_help();
        return EXIT_CODE_OK;
    }
    return EXIT_CODE_USAGE;
}
