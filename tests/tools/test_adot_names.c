/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/adot_names, and of what the command line makes of the two names.
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

#include "core/base/defs.h"
#include "tools/weir/adot_names.h"
#include "tools/weir/cli.h"

#define ARGS_MAX 8

/* `args` ends with NULL and begins with the program's name. */
static int parse(struct cli *cli, const char *const *args)
{
    static char texts[ARGS_MAX][64];
    char *argv[ARGS_MAX + 1] = {NULL};
    int count = 0;
    for (; args[count] != NULL; count++) {
        assert_true(count < ARGS_MAX && strlen(args[count]) < sizeof(texts[0]));
        memcpy(texts[count], args[count], strlen(args[count]) + 1);
        argv[count] = texts[count];
    }
    return cli_parse(cli, count, argv);
}

#define PARSE(cli, ...) parse((cli), (const char *const[]){__VA_ARGS__, NULL})

static void test_name_is_the_last_part_of_the_path(void **state)
{
    (void)state;
    assert_int_equal(adot_name_of("/awscollector"), ADOT_NAME_AWSCOLLECTOR);
    assert_int_equal(adot_name_of("awscollector"), ADOT_NAME_AWSCOLLECTOR);
    assert_int_equal(adot_name_of("/opt/awscollector/bin/healthcheck"), ADOT_NAME_HEALTHCHECK);
    assert_int_equal(adot_name_of("/healthcheck/weir"), ADOT_NAME_NONE);
    assert_int_equal(adot_name_of("/awscollector2"), ADOT_NAME_NONE);
    assert_int_equal(adot_name_of("/awscollector/"), ADOT_NAME_NONE);
    assert_int_equal(adot_name_of(""), ADOT_NAME_NONE);
    assert_int_equal(adot_name_of(NULL), ADOT_NAME_NONE);
}

static void test_healthcheck_asks_the_usual_port_or_the_one_given(void **state)
{
    (void)state;
    struct cli cli;
    (void)unsetenv("WEIR_HEALTH_ADDRESS");
    assert_int_equal(PARSE(&cli, "/healthcheck"), 0);
    assert_int_equal(cli.command, CLI_HEALTH);
    assert_string_equal(cli.health_address, "127.0.0.1:13133");
    static const char *const ways[][3] = {
        {"-port", "65535", NULL},
        {"--port", "65535", NULL},
        {"-port=65535", NULL, NULL},
        {"--port=65535", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        const char *args[] = {"healthcheck", ways[i][0], ways[i][1], NULL};
        assert_int_equal(parse(&cli, args), 0);
        assert_int_equal(cli.command, CLI_HEALTH);
        assert_string_equal(cli.health_address, "127.0.0.1:65535");
    }
    assert_int_equal(setenv("WEIR_HEALTH_ADDRESS", "127.0.0.1:4", 1), 0);
    assert_int_equal(PARSE(&cli, "/healthcheck"), 0);
    assert_string_equal(cli.health_address, "127.0.0.1:4");
    assert_int_equal(PARSE(&cli, "/healthcheck", "-port", "5"), 0);
    assert_string_equal(cli.health_address, "127.0.0.1:5");
    assert_int_equal(unsetenv("WEIR_HEALTH_ADDRESS"), 0);
}

static void test_healthcheck_refuses_what_is_no_port(void **state)
{
    (void)state;
    struct cli cli;
    static const char *const ways[][2] = {
        {"-port", NULL},     {"-port", "0"},         {"-port", "65536"}, {"-port", "-1"},
        {"-port=", NULL},    {"-port=12x", NULL},    {"-ports=1", NULL}, {"port", "1"},
        {"---port=1", NULL}, {"--address=:1", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        const char *args[] = {"/healthcheck", ways[i][0], ways[i][1], NULL};
        assert_int_equal(parse(&cli, args), EXIT_CODE_USAGE);
    }
}

static void test_awscollector_starts_with_the_file_of_the_image(void **state)
{
    (void)state;
    struct cli cli;
    assert_int_equal(PARSE(&cli, "/awscollector"), 0);
    assert_int_equal(cli.command, CLI_RUN);
    assert_string_equal(cli.default_path, "/etc/otel-config.yaml");
    assert_int_equal(PARSE(&cli, "/awscollector", "--config=/etc/ecs/ecs-xray.yaml"), 0);
    assert_int_equal(cli.uri_count, 1);
    assert_string_equal(cli.uris[0], "/etc/ecs/ecs-xray.yaml");
    /* Who says a command speaks to weir. */
    assert_int_equal(PARSE(&cli, "/awscollector", "run"), 0);
    assert_string_equal(cli.default_path, "/etc/weir/config.yaml");
    assert_int_equal(PARSE(&cli, "/usr/bin/weir"), 0);
    assert_string_equal(cli.default_path, "/etc/weir/config.yaml");
}

static void test_awscollector_passes_over_flags_of_the_collector(void **state)
{
    (void)state;
    struct cli cli;
    assert_int_equal(PARSE(&cli, "/awscollector", "--feature-gates", "-a.b", "--config", "x"), 0);
    assert_int_equal(cli.uri_count, 1);
    assert_int_equal(PARSE(&cli, "/awscollector", "--feature-gates=a,-b", "-c", "x"), 0);
    assert_int_equal(cli.uri_count, 1);
    assert_int_equal(PARSE(&cli, "/awscollector", "--unheard", "--config=x", "--last"), 0);
    assert_int_equal(cli.uri_count, 1);
    assert_int_equal(PARSE(&cli, "/awscollector", "--unheard", "-c", "x"), 0);
    assert_int_equal(cli.uri_count, 1);
    /* Under its own name weir says what it does not know. */
    assert_int_equal(PARSE(&cli, "weir", "--feature-gates=a"), EXIT_CODE_USAGE);
    /* And a flag of ours with a bad value is one under any name. */
    assert_int_equal(PARSE(&cli, "/awscollector", "--shards=0"), EXIT_CODE_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_is_the_last_part_of_the_path),
        cmocka_unit_test(test_healthcheck_asks_the_usual_port_or_the_one_given),
        cmocka_unit_test(test_healthcheck_refuses_what_is_no_port),
        cmocka_unit_test(test_awscollector_starts_with_the_file_of_the_image),
        cmocka_unit_test(test_awscollector_passes_over_flags_of_the_collector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
