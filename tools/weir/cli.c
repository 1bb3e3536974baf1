/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli — flags in one table: name, environment twin, what it does.
 */
#include "tools/weir/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/number.h"
#include "core/base/slice.h"
#include "core/engine/config_scalar.h"

#define DEFAULT_DRAIN_TIMEOUT_NS (25 * CLOCK_NS_PER_S)
#define QUIET_NS (500 * CLOCK_NS_PER_MS)
#define DEFAULT_HEALTH_ADDRESS "127.0.0.1:13133"
#define SHARDS_MAX 256

struct command {
    const char *name;
    enum cli_command command;
};

static const struct command commands[] = {
    {"run", CLI_RUN},
    {"validate", CLI_VALIDATE},
    {"config", CLI_CONFIG},
    {"print-config", CLI_CONFIG},
    {"components", CLI_COMPONENTS},
    {"health", CLI_HEALTH},
    {"version", CLI_VERSION},
    {"help", CLI_HELP},
};

/* Takes the value of a flag, NULL for one without; false where it is no good. */
typedef bool(flag_fn)(struct cli *cli, const char *value);

struct flag {
    const char *name; /* without the dashes */
    const char *env;  /* NULL for none */
    bool has_value;
    flag_fn *take;
    const char *wanted; /* for complaints */
};

static bool take_uri(struct cli *cli, const char *value)
{
    if (cli->uri_count == CLI_URIS_MAX) {
        return false;
    }
    cli->uris[cli->uri_count] = value;
    cli->uri_count++;
    return true;
}

static bool take_set(struct cli *cli, const char *value)
{
    if (cli->set_count == CLI_URIS_MAX || strchr(value, '=') == NULL) {
        return false;
    }
    cli->sets[cli->set_count] = value;
    cli->set_count++;
    return true;
}

static bool take_io(struct cli *cli, const char *value)
{
    static const char *const words[] = {
        [LOOP_BACKEND_AUTO] = "auto",
        [LOOP_BACKEND_URING] = "uring",
        [LOOP_BACKEND_EPOLL] = "epoll",
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i], value) == 0) {
            cli->backend = (enum loop_backend)i;
            return true;
        }
    }
    return false;
}

static bool take_shards(struct cli *cli, const char *value)
{
    uint64_t count;
    if (number_parse_u64(slice_of_text(value), &count) != 0 || count == 0 || count > SHARDS_MAX) {
        return false;
    }
    cli->shard_count = (uint32_t)count;
    return true;
}

static bool take_pin(struct cli *cli, const char *value)
{
    (void)value;
    cli->is_pinned = true;
    return true;
}

static bool take_log_level(struct cli *cli, const char *value)
{
    cli->has_log_level = true;
    return log_level_parse(slice_of_text(value), &cli->log_level) == 0;
}

static bool take_log_format(struct cli *cli, const char *value)
{
    return log_format_parse(slice_of_text(value), &cli->log_format) == 0;
}

static bool read_duration(const char *value, uint64_t *out)
{
    int64_t duration_ns;
    struct slice text = slice_of_text(value);
    /* A bare number would mean nanoseconds here as in the configuration; nobody wants that. */
    bool has_unit = text.len > 0 && (text.ptr[text.len - 1] >= 'a' || slice_is_text(text, "0"));
    if (!has_unit || !config_parse_duration_ns(slice_of_text(value), &duration_ns) ||
        duration_ns < 0) {
        return false;
    }
    *out = (uint64_t)duration_ns;
    return true;
}

static bool take_drain_timeout(struct cli *cli, const char *value)
{
    return read_duration(value, &cli->drain_timeout_ns);
}

static bool take_settle_time(struct cli *cli, const char *value)
{
    cli->has_settle_time = true;
    return read_duration(value, &cli->settle_time_ns);
}

static bool take_strict(struct cli *cli, const char *value)
{
    (void)value;
    cli->is_strict = true;
    return true;
}

static bool take_json(struct cli *cli, const char *value)
{
    (void)value;
    cli->is_json = true;
    return true;
}

static bool take_format(struct cli *cli, const char *value)
{
    cli->is_json = strcmp(value, "json") == 0;
    return cli->is_json || strcmp(value, "yaml") == 0;
}

static bool take_mode(struct cli *cli, const char *value)
{
    cli->is_unredacted = strcmp(value, "unredacted") == 0;
    return cli->is_unredacted || strcmp(value, "redacted") == 0;
}

static bool take_health_address(struct cli *cli, const char *value)
{
    struct config_endpoint endpoint;
    cli->health_address = value;
    return config_parse_endpoint(slice_of_text(value), &endpoint);
}

static bool take_help(struct cli *cli, const char *value)
{
    (void)value;
    cli->command = CLI_HELP;
    return true;
}

static bool take_version(struct cli *cli, const char *value)
{
    (void)value;
    cli->command = CLI_VERSION;
    return true;
}

static const struct flag flags[] = {
    {"config", NULL, true, take_uri, "a file, env:NAME, yaml:TEXT; at most 32 times"},
    {"set", NULL, true, take_set, "key.path=value"},
    {"io", "WEIR_IO", true, take_io, "auto, uring or epoll"},
    {"shards", "WEIR_SHARDS", true, take_shards, "a number from 1 to 256"},
    {"pin", "WEIR_PIN", false, take_pin, ""},
    {"log-level", "WEIR_LOG_LEVEL", true, take_log_level, "error, warn, info or debug"},
    {"log-format", "WEIR_LOG_FORMAT", true, take_log_format, "auto, text or json"},
    {"drain-timeout", "WEIR_DRAIN_TIMEOUT", true, take_drain_timeout, "a duration such as 25s"},
    {"settle-time", "WEIR_SETTLE_TIME", true, take_settle_time, "a duration such as 10s"},
    {"strict", "WEIR_STRICT", false, take_strict, ""},
    {"json", NULL, false, take_json, ""},
    {"format", NULL, true, take_format, "yaml or json"},
    {"mode", NULL, true, take_mode, "redacted or unredacted"},
    {"address", "WEIR_HEALTH_ADDRESS", true, take_health_address, "host:port"},
    {"help", NULL, false, take_help, ""},
    {"version", NULL, false, take_version, ""},
};

static bool is_true(const char *value)
{
    return strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
}

static int read_environment(struct cli *cli)
{
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        const struct flag *flag = &flags[i];
        const char *value = flag->env == NULL ? NULL : getenv(flag->env);
        if (value == NULL || value[0] == 0 || (!flag->has_value && !is_true(value))) {
            continue;
        }
        if (!flag->take(cli, value)) {
            (void)fprintf(stderr, "weir: %s=%s: expected %s\n", flag->env, value, flag->wanted);
            return EXIT_CODE_USAGE;
        }
    }
    return 0;
}

static const struct flag *find_flag(const char *text, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, text, len) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

/* A flag that is not ours, with what looks like its value: `--feature-gates a,-b`, `-b` alone. */
static void pass_over(const char *text, size_t len, int argc, char **argv, int *at)
{
    (void)fprintf(stderr, "weir: warning: passing over --%.*s, which means nothing here\n",
                  (int)len, text);
    if (text[len] == '=' || *at + 1 == argc) {
        return;
    }
    const char *next = argv[*at + 1];
    bool is_flag =
        strncmp(next, "--", 2) == 0 || strcmp(next, "-c") == 0 || strcmp(next, "-h") == 0;
    *at += is_flag ? 0 : 1;
}

/* One flag at argv[*at], with its value behind '=' or in the next argument. */
static int take_flag(struct cli *cli, int argc, char **argv, int *at)
{
    const char *text = argv[*at] + 2;
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct flag *flag = find_flag(text, len);
    if (flag == NULL && cli->passes_over_flags) {
        pass_over(text, len, argc, argv, at);
        return 0;
    }
    if (flag == NULL) {
        (void)fprintf(stderr, "weir: unknown flag --%.*s; see weir --help\n", (int)len, text);
        return EXIT_CODE_USAGE;
    }
    const char *value = equals == NULL ? NULL : equals + 1;
    if (flag->has_value && value == NULL && *at + 1 < argc) {
        (*at)++;
        value = argv[*at];
    }
    if ((flag->has_value && value == NULL) || (!flag->has_value && equals != NULL)) {
        (void)fprintf(stderr, "weir: --%s %s\n", flag->name,
                      flag->has_value ? "needs a value" : "takes no value");
        return EXIT_CODE_USAGE;
    }
    if (!flag->take(cli, value)) {
        (void)fprintf(stderr, "weir: --%s %s: expected %s\n", flag->name, value, flag->wanted);
        return EXIT_CODE_USAGE;
    }
    return 0;
}

static int take_command(struct cli *cli, const char *text)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, text) == 0) {
            cli->command = commands[i].command;
            return 0;
        }
    }
    (void)fprintf(stderr, "weir: unknown command %s; see weir --help\n", text);
    return EXIT_CODE_USAGE;
}

static int read_arguments(struct cli *cli, int argc, char **argv)
{
    int code = 0;
    bool has_command = false;
    for (int at = 1; at < argc && code == 0; at++) {
        const char *text = argv[at];
        if (strcmp(text, "-c") == 0 && at + 1 < argc) {
            at++;
            code = take_uri(cli, argv[at]) ? 0 : EXIT_CODE_USAGE;
        } else if (strcmp(text, "-h") == 0) {
            cli->command = CLI_HELP;
        } else if (strncmp(text, "--", 2) == 0 && text[2] != 0) {
            code = take_flag(cli, argc, argv, &at);
        } else if (!has_command) {
            has_command = true;
            code = take_command(cli, text);
        } else {
            (void)fprintf(stderr, "weir: unexpected argument %s; see weir --help\n", text);
            code = EXIT_CODE_USAGE;
        }
    }
    if (cli->passes_over_flags && !has_command) {
        cli->default_path = ADOT_DEFAULT_PATH;
    }
    return code;
}

/* Reading on takes of the drain; if it took all, what is held by then would be given up. */
static int check_settle_time(const struct cli *cli)
{
    bool would_run = cli->command == CLI_RUN || cli->command == CLI_VALIDATE;
    bool leaves_time = cli->settle_time_ns == 0 || cli->settle_time_ns < cli->drain_timeout_ns;
    if (!would_run || leaves_time) {
        return 0;
    }
    (void)fprintf(stderr,
                  "weir: --settle-time (WEIR_SETTLE_TIME) is %" PRIu64 "ms, --drain-timeout "
                  "(WEIR_DRAIN_TIMEOUT) %" PRIu64 "ms: no time is left to deliver what is held; "
                  "make the first shorter than the second\n",
                  cli->settle_time_ns / CLOCK_NS_PER_MS, cli->drain_timeout_ns / CLOCK_NS_PER_MS);
    return EXIT_CODE_USAGE;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    *cli = (struct cli){
        .command = CLI_RUN,
        .log_level = LOG_LEVEL_INFO,
        .drain_timeout_ns = DEFAULT_DRAIN_TIMEOUT_NS,
        .health_address = DEFAULT_HEALTH_ADDRESS,
        .default_path = CLI_DEFAULT_PATH,
    };
    int code = read_environment(cli);
    if (code != 0) {
        return code;
    }
    enum adot_name name = adot_name_of(argc > 0 ? argv[0] : NULL);
    if (name == ADOT_NAME_HEALTHCHECK) {
        cli->command = CLI_HEALTH;
        code = adot_healthcheck_read(argc, argv, cli->health_text);
        cli->health_address = cli->health_text[0] != 0 ? cli->health_text : cli->health_address;
        return code;
    }
    cli->passes_over_flags = name == ADOT_NAME_AWSCOLLECTOR;
    code = read_arguments(cli, argc, argv);
    return code != 0 ? code : check_settle_time(cli);
}

uint64_t cli_settle_max_ns(const struct cli *cli)
{
    return cli->has_settle_time ? cli->settle_time_ns : cli->drain_timeout_ns / 5 * 2;
}

/* Behind a load balancer sparse clients pause for longer than that: who names a time gets it. */
uint64_t cli_quiet_ns(const struct cli *cli)
{
    return cli->has_settle_time ? UINT64_MAX : QUIET_NS;
}

void cli_print_help(void)
{
    static const char text[] =
        "weir - telemetry gateway: StatsD, X-Ray, OTLP in; CloudWatch, X-Ray, Prometheus, OTLP "
        "out\n"
        "\n"
        "Usage: weir [command] [flags]\n"
        "\n"
        "Run\n"
        "  run         start the gateway (default)\n"
        "  xray        start as the X-Ray daemon does, with its flags; see weir xray --help\n"
        "  validate    check a configuration; exit 78 if it is bad\n"
        "  config      print the resolved configuration, secrets masked (alias print-config)\n"
        "Look\n"
        "  components  what this build knows\n"
        "  health      exit 0 when ready, 1 when not, 3 when nobody answers\n"
        "  version     version and build options\n"
        "\n"
        "Flags\n"
        "  -c, --config URI         file, env:NAME, yaml:TEXT; repeatable, later wins\n"
        "      --set KEY=VALUE      override one key, as in receivers.statsd.endpoint=:8125\n"
        "      --io auto|uring|epoll\n"
        "      --shards N           receiving threads; default: CPUs this process may use\n"
        "      --pin                pin the threads to CPUs\n"
        "      --drain-timeout D    from SIGTERM to exit, default 25s\n"
        "      --settle-time D      of that, read on for so long though nothing comes, and no\n"
        "                           longer; 0s: not at all; shorter than the drain; default: "
        "until\n"
        "                           input is silent\n"
        "      --log-level L        error, warn, info, debug\n"
        "      --log-format F       auto, text, json\n"
        "      --strict             validate: warnings are errors\n"
        "      --format yaml|json   config: output format\n"
        "      --mode MODE          config: redacted (default) or unredacted\n"
        "      --json               version, components: machine-readable\n"
        "      --address HOST:PORT  health: whom to ask, default 127.0.0.1:13133\n"
        "\n"
        "Most flags can be set as WEIR_<FLAG>, as in WEIR_IO=epoll. Without a configuration weir\n"
        "starts its embedded default: StatsD on 8125, X-Ray on 2000, OTLP on 4317 and 4318,\n"
        "metrics to read on http://localhost:8889/metrics; with a region and credentials of AWS\n"
        "in the environment, traces to X-Ray and metrics to CloudWatch, as ADOT does on ECS.\n"
        "Signals: TERM and INT drain, a second one ends at once; HUP reloads.\n"
        "Exit codes: 0 ok, 1 failed, 2 usage, 78 bad configuration.\n";
    (void)fputs(text, stdout);
}
