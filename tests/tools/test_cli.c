/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/cli: every flag and its environment twin, who wins, and what is refused.
 *
 * Complaints go to stderr; cmocka's own output goes to stdout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "tools/weir/cli.h"

#define ARGS_MAX 80

static const char *const variables[] = {
    "WEIR_IO",        "WEIR_SHARDS",         "WEIR_PIN",
    "WEIR_LOG_LEVEL", "WEIR_LOG_FORMAT",     "WEIR_DRAIN_TIMEOUT",
    "WEIR_STRICT",    "WEIR_HEALTH_ADDRESS", "WEIR_SETTLE_TIME",
};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        (void)unsetenv(variables[i]);
    }
    return 0;
}

/* What a command line, cut at its blanks, makes of `cli`; the texts last until the next call. */
static int parse(struct cli *cli, const char *line)
{
    static char text[1024];
    static char *args[ARGS_MAX];
    int count = 1;
    char *rest = text;
    args[0] = text + sizeof(text) - 1; /* the program's name, empty */
    assert_true(strlen(line) < sizeof(text) - 1);
    memset(text, 0, sizeof(text));
    memcpy(text, line, strlen(line));
    while (rest != NULL && rest[0] != 0) {
        assert_true(count < ARGS_MAX - 1);
        args[count] = rest;
        count++;
        rest = strchr(rest, ' ');
        if (rest != NULL) {
            rest[0] = 0;
            rest++;
        }
    }
    args[count] = NULL;
    return cli_parse(cli, count, args);
}

static struct cli good(const char *line)
{
    struct cli cli;
    assert_int_equal(parse(&cli, line), 0);
    return cli;
}

static void bad(const char *line)
{
    struct cli cli;
    int code = parse(&cli, line);
    if (code != EXIT_CODE_USAGE) {
        print_error("not refused: %s\n", line);
    }
    assert_int_equal(code, EXIT_CODE_USAGE);
}

static struct cli good_with(const char *name, const char *value, const char *line)
{
    assert_int_equal(setenv(name, value, 1), 0);
    struct cli cli = good(line);
    assert_int_equal(unsetenv(name), 0);
    return cli;
}

static void bad_with(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
    bad("");
    assert_int_equal(unsetenv(name), 0);
}

static void test_defaults(void **state)
{
    (void)state;
    struct cli cli = good("");
    assert_int_equal(cli.command, CLI_RUN);
    assert_int_equal(cli.uri_count, 0);
    assert_int_equal(cli.set_count, 0);
    assert_int_equal(cli.backend, LOOP_BACKEND_AUTO);
    assert_int_equal(cli.shard_count, 0);
    assert_false(cli.is_pinned);
    assert_false(cli.has_log_level);
    assert_int_equal(cli.log_level, LOG_LEVEL_INFO);
    assert_int_equal(cli.log_format, LOG_FORMAT_AUTO);
    assert_int_equal(cli.drain_timeout_ns, 25 * CLOCK_NS_PER_S);
    assert_false(cli.is_strict || cli.is_json || cli.is_unredacted);
    assert_string_equal(cli.health_address, "127.0.0.1:13133");
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum cli_command command;
    } wanted[] = {
        {"run", CLI_RUN},
        {"validate", CLI_VALIDATE},
        {"config", CLI_CONFIG},
        {"print-config", CLI_CONFIG},
        {"components", CLI_COMPONENTS},
        {"health", CLI_HEALTH},
        {"version", CLI_VERSION},
        {"help", CLI_HELP},
        {"-h", CLI_HELP},
        {"--help", CLI_HELP},
        {"--version", CLI_VERSION},
        {"validate --help", CLI_HELP},
        {"--strict validate", CLI_VALIDATE},
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(good(wanted[i].line).command, wanted[i].command);
    }
    bad("serve");
    bad("RUN");
    bad("run validate");
    bad("--");
    bad("-");
    bad("-x");
}

static void test_flags_take_their_value_behind_equals_or_next(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "run --config=a.yaml --set=x.y=1 --io=uring --shards=4 --pin --log-level=debug"
        " --log-format=json --drain-timeout=1500ms --settle-time=1s --strict --json"
        " --mode=unredacted --address=[::1]:80",
        "--config a.yaml --set x.y=1 --io uring --shards 4 --pin --log-level debug"
        " --log-format json --drain-timeout 1500ms --settle-time 1s --strict --json"
        " --mode unredacted --address [::1]:80 run",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct cli cli = good(lines[i]);
        assert_int_equal(cli.command, CLI_RUN);
        assert_int_equal(cli.uri_count, 1);
        assert_string_equal(cli.uris[0], "a.yaml");
        assert_int_equal(cli.set_count, 1);
        assert_string_equal(cli.sets[0], "x.y=1");
        assert_int_equal(cli.backend, LOOP_BACKEND_URING);
        assert_int_equal(cli.shard_count, 4);
        assert_true(cli.is_pinned);
        assert_true(cli.has_log_level);
        assert_int_equal(cli.log_level, LOG_LEVEL_DEBUG);
        assert_int_equal(cli.log_format, LOG_FORMAT_JSON);
        assert_int_equal(cli.drain_timeout_ns, 1500 * CLOCK_NS_PER_MS);
        assert_int_equal(cli.settle_time_ns, CLOCK_NS_PER_S);
        assert_true(cli.is_strict && cli.is_json && cli.is_unredacted);
        assert_string_equal(cli.health_address, "[::1]:80");
    }
}

static void test_words_of_flags(void **state)
{
    (void)state;
    assert_int_equal(good("--io auto").backend, LOOP_BACKEND_AUTO);
    assert_int_equal(good("--io epoll").backend, LOOP_BACKEND_EPOLL);
    assert_int_equal(good("--io epoll --io uring").backend, LOOP_BACKEND_URING);
    assert_int_equal(good("--log-level error").log_level, LOG_LEVEL_ERROR);
    assert_int_equal(good("--log-level warn").log_level, LOG_LEVEL_WARN);
    assert_int_equal(good("--log-format text").log_format, LOG_FORMAT_TEXT);
    assert_true(good("config --format json").is_json);
    assert_false(good("config --format yaml").is_json);
    assert_false(good("config --format json --format yaml").is_json);
    assert_false(good("config --mode redacted").is_unredacted);
    assert_int_equal(good("--drain-timeout 0s").drain_timeout_ns, 0);
    bad("--io select");
    bad("--io ");
    bad("--log-level loud");
    bad("--log-format xml");
    bad("--format toml");
    bad("--mode open");
    bad("--drain-timeout 5x");
    bad("--drain-timeout -5s");
    bad("--settle-time 45");
    bad("--address 13133");
    bad("--address localhost");
    bad("--address localhost:65536");
}

static void test_shards_have_a_limit(void **state)
{
    (void)state;
    assert_int_equal(good("--shards 1").shard_count, 1);
    assert_int_equal(good("--shards 256").shard_count, 256);
    bad("--shards 257");
    bad("--shards 0");
    bad("--shards -1");
    bad("--shards 4294967297");
    bad("--shards two");
}

static void test_values_where_they_belong_and_only_there(void **state)
{
    (void)state;
    bad("--config");
    bad("-c");
    bad("--shards");
    bad("--pin=true");
    bad("--strict=");
    bad("--help=me");
    bad("--unknown");
    bad("--conf=a.yaml");
    bad("--configs=a.yaml");
    bad("--=x");
    bad("--set no.value");
    assert_string_equal(good("--set a=").sets[0], "a=");
    assert_string_equal(good("--config=").uris[0], "");
    assert_string_equal(good("--config yaml:a=b").uris[0], "yaml:a=b");
}

/* `count` times `word`, one blank between. */
static const char *repeated(const char *word, uint32_t count)
{
    static char line[1024];
    memset(line, 0, sizeof(line));
    for (uint32_t i = 0; i < count; i++) {
        (void)strncat(line, i == 0 ? "" : " ", sizeof(line) - strlen(line) - 1);
        (void)strncat(line, word, sizeof(line) - strlen(line) - 1);
    }
    return line;
}

static void test_as_many_configurations_as_fit_and_one_more(void **state)
{
    (void)state;
    struct cli cli = good("-c one --config two -c three");
    assert_int_equal(cli.uri_count, 3);
    assert_string_equal(cli.uris[0], "one");
    assert_string_equal(cli.uris[1], "two");
    assert_string_equal(cli.uris[2], "three");
    assert_int_equal(good(repeated("-c x", CLI_URIS_MAX)).uri_count, CLI_URIS_MAX);
    bad(repeated("-c x", CLI_URIS_MAX + 1));
    bad(repeated("--config=x", CLI_URIS_MAX + 1));
    assert_int_equal(good(repeated("--set=a=b", CLI_URIS_MAX)).set_count, CLI_URIS_MAX);
    bad(repeated("--set=a=b", CLI_URIS_MAX + 1));
}

static void test_environment_twins(void **state)
{
    (void)state;
    assert_int_equal(good_with("WEIR_IO", "epoll", "").backend, LOOP_BACKEND_EPOLL);
    assert_int_equal(good_with("WEIR_SHARDS", "7", "").shard_count, 7);
    assert_true(good_with("WEIR_PIN", "1", "").is_pinned);
    assert_true(good_with("WEIR_PIN", "true", "").is_pinned);
    assert_false(good_with("WEIR_PIN", "0", "").is_pinned);
    assert_false(good_with("WEIR_PIN", "false", "").is_pinned);
    assert_true(good_with("WEIR_STRICT", "1", "").is_strict);
    struct cli cli = good_with("WEIR_LOG_LEVEL", "warn", "");
    assert_true(cli.has_log_level);
    assert_int_equal(cli.log_level, LOG_LEVEL_WARN);
    assert_int_equal(good_with("WEIR_LOG_FORMAT", "json", "").log_format, LOG_FORMAT_JSON);
    assert_int_equal(good_with("WEIR_DRAIN_TIMEOUT", "2s", "").drain_timeout_ns,
                     2 * CLOCK_NS_PER_S);
    assert_string_equal(good_with("WEIR_HEALTH_ADDRESS", "h:1", "").health_address, "h:1");
}

static void test_flag_wins_over_its_variable_and_empty_ones_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(good_with("WEIR_IO", "epoll", "--io uring").backend, LOOP_BACKEND_URING);
    assert_int_equal(good_with("WEIR_SHARDS", "7", "--shards 8").shard_count, 8);
    assert_int_equal(good_with("WEIR_DRAIN_TIMEOUT", "2s", "--drain-timeout 3s").drain_timeout_ns,
                     3 * CLOCK_NS_PER_S);
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        struct cli cli = good_with(variables[i], "", "");
        assert_int_equal(cli.shard_count, 0);
        assert_false(cli.is_pinned || cli.is_strict || cli.has_log_level);
    }
}

static void test_bad_values_of_variables(void **state)
{
    (void)state;
    bad_with("WEIR_IO", "poll");
    bad_with("WEIR_SHARDS", "257");
    bad_with("WEIR_LOG_LEVEL", "loud");
    bad_with("WEIR_LOG_FORMAT", "xml");
    bad_with("WEIR_DRAIN_TIMEOUT", "soon");
    bad_with("WEIR_SETTLE_TIME", "soon");
    bad_with("WEIR_HEALTH_ADDRESS", "nowhere");
}

static void test_settle_time_is_kept_even_where_it_is_none(void **state)
{
    (void)state;
    struct cli cli = good("");
    assert_false(cli.has_settle_time);
    assert_int_equal(cli_settle_max_ns(&cli), 10 * CLOCK_NS_PER_S);
    assert_int_equal(cli_quiet_ns(&cli), 500 * CLOCK_NS_PER_MS);
    cli = good("--settle-time 7s");
    assert_int_equal(cli_settle_max_ns(&cli), 7 * CLOCK_NS_PER_S);
    assert_int_equal(cli_quiet_ns(&cli), UINT64_MAX);
    cli = good("--settle-time 0s");
    assert_true(cli.has_settle_time);
    assert_int_equal(cli_settle_max_ns(&cli), 0);
    assert_int_equal(cli_quiet_ns(&cli), UINT64_MAX);
}

/* What reads on until the drain is over has no time to deliver. */
static void test_settle_time_is_shorter_than_the_drain(void **state)
{
    (void)state;
    assert_int_equal(good("--settle-time 24999ms").settle_time_ns, 24999 * CLOCK_NS_PER_MS);
    bad("--settle-time 25s");
    bad("--settle-time 45s");
    bad("--settle-time 10s --drain-timeout 10s");
    bad("--drain-timeout 10s --settle-time 11s");
    bad("validate --settle-time 25s");
    assert_int_equal(good("--settle-time 45s --drain-timeout 46s").settle_time_ns,
                     45 * CLOCK_NS_PER_S);
    assert_int_equal(good("--settle-time 0s --drain-timeout 0s").drain_timeout_ns, 0);
    bad_with("WEIR_SETTLE_TIME", "25s");
    assert_int_equal(good_with("WEIR_SETTLE_TIME", "25s", "--drain-timeout 26s").settle_time_ns,
                     25 * CLOCK_NS_PER_S);
    assert_int_equal(good_with("WEIR_SETTLE_TIME", "25s", "--settle-time 5s").settle_time_ns,
                     5 * CLOCK_NS_PER_S);
    /* Who only asks what there is, or whether it is well, is not held up. */
    assert_int_equal(good("--settle-time 45s --help").command, CLI_HELP);
    assert_int_equal(good_with("WEIR_SETTLE_TIME", "45s", "health").command, CLI_HEALTH);
}

static void test_exit_codes_are_what_the_manual_says(void **state)
{
    (void)state;
    assert_int_equal(EXIT_CODE_OK, 0);
    assert_int_equal(EXIT_CODE_FAILED, 1);
    assert_int_equal(EXIT_CODE_USAGE, 2);
    assert_int_equal(EXIT_CODE_UNREACHABLE, 3);
    assert_int_equal(EXIT_CODE_CONFIG, 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_flags_take_their_value_behind_equals_or_next),
        cmocka_unit_test(test_words_of_flags),
        cmocka_unit_test(test_shards_have_a_limit),
        cmocka_unit_test(test_values_where_they_belong_and_only_there),
        cmocka_unit_test(test_as_many_configurations_as_fit_and_one_more),
        cmocka_unit_test(test_environment_twins),
        cmocka_unit_test(test_flag_wins_over_its_variable_and_empty_ones_do_not_count),
        cmocka_unit_test(test_bad_values_of_variables),
        cmocka_unit_test(test_settle_time_is_kept_even_where_it_is_none),
        cmocka_unit_test(test_settle_time_is_shorter_than_the_drain),
        cmocka_unit_test(test_exit_codes_are_what_the_manual_says),
    };
    return cmocka_run_group_tests(tests, clear_environment, NULL);
}
