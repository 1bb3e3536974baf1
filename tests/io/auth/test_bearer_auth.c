/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of bearer_auth: keys, tokens of either source, files that change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/auth/authenticator.h"
#include "io/auth/bearer_auth.h"
#include "io/io_bounds.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static const char *printed;
static char why[AUTH_WHY_BYTES];

static int configure(const char *yaml, uint64_t fail_nth, struct authenticator **out)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.bearertokenauth");
    *out = NULL;
    mem_fail_nth(fail_nth);
    int err = bearer_auth_configure(&reader, out);
    mem_fail_nth(0);
    printed = config_fixture_printed(&fixture);
    config_fixture_fini(&fixture);
    return err;
}

static struct authenticator *good(const char *yaml)
{
    struct authenticator *a = NULL;
    if (configure(yaml, 0, &a) != 0) {
        fail_msg("%s", printed);
    }
    assert_string_equal(authenticator_type(a), "bearertokenauth");
    assert_true(authenticator_is_server(a) && authenticator_is_client(a));
    return a;
}

static void expect_refusal(const char *yaml, const char *text)
{
    struct authenticator *a = NULL;
    assert_int_equal(configure(yaml, 0, &a), FAULT_CONFIG);
    assert_null(a);
    if (strstr(printed, text) == NULL) {
        fail_msg("no '%s' in: %s", text, printed);
    }
}

static enum auth_verdict check(struct authenticator *a, const char *value)
{
    return authenticator_check(a, slice_of_text(value), 1);
}

static void test_one_token(void **state)
{
    (void)state;
    struct authenticator *a = good("token: s3cret");
    assert_string_equal(authenticator_header(a), "authorization");
    assert_int_equal(check(a, "Bearer s3cret"), AUTH_GRANTED);
    assert_int_equal(check(a, "bearer s3cret"), AUTH_GRANTED);
    assert_int_equal(check(a, "Bearer s3cre"), AUTH_REFUSED);
    assert_int_equal(check(a, "Bearer s3cretx"), AUTH_REFUSED);
    assert_int_equal(check(a, "Bearer S3cret"), AUTH_REFUSED);
    assert_int_equal(check(a, "Basic s3cret"), AUTH_REFUSED);
    assert_int_equal(check(a, "s3cret"), AUTH_REFUSED);
    assert_int_equal(check(a, "Bearer"), AUTH_REFUSED);
    assert_int_equal(check(a, ""), AUTH_MISSING);
    assert_string_equal(authenticator_verdict_text(a, AUTH_REFUSED),
                        "scheme or token does not match");
    assert_string_equal(authenticator_challenge(a), "Bearer");
    char value[64];
    assert_int_equal(authenticator_value(a, value, sizeof(value)), 13);
    assert_string_equal(value, "Bearer s3cret");
    assert_int_equal(authenticator_value(a, value, 14), 13);
    assert_int_equal(authenticator_value(a, value, 13), FAULT_LIMIT);
    authenticator_free(a);
    authenticator_free(NULL);
}

static void test_several_tokens_scheme_and_header(void **state)
{
    (void)state;
    struct authenticator *a = good("{tokens: [one, two, three], scheme: Token, header: X-Api-Key}");
    assert_string_equal(authenticator_header(a), "x-api-key");
    assert_int_equal(check(a, "Token one"), AUTH_GRANTED);
    assert_int_equal(check(a, "Token three"), AUTH_GRANTED);
    assert_int_equal(check(a, "Token four"), AUTH_REFUSED);
    assert_int_equal(check(a, "Bearer one"), AUTH_REFUSED);
    authenticator_free(a);
    a = good("{token: bare, scheme: \"\"}");
    assert_int_equal(check(a, "bare"), AUTH_GRANTED);
    assert_int_equal(check(a, "Bearer bare"), AUTH_REFUSED);
    authenticator_free(a);
}

static void write_file(const char *path, const char *text)
{
    char aside[256];
    (void)snprintf(aside, sizeof(aside), "%s.new", path);
    FILE *file = fopen(aside, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(aside, path), 0);
}

static void test_a_file_wins_and_is_read_again(void **state)
{
    (void)state;
    char path[] = "/tmp/weir_bearer_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "{filename: %s, token: ignored}", path);
    expect_refusal(yaml, "no token given");
    write_file(path, "first\n\n  second \r\n");
    struct authenticator *a = good(yaml);
    assert_int_equal(check(a, "Bearer first"), AUTH_GRANTED);
    assert_int_equal(check(a, "Bearer second"), AUTH_GRANTED);
    assert_int_equal(check(a, "Bearer ignored"), AUTH_REFUSED);
    assert_int_equal(authenticator_reload(a, why), 0);
    write_file(path, "third");
    assert_int_equal(check(a, "Bearer third"), AUTH_REFUSED);
    assert_int_equal(authenticator_reload(a, why), 1);
    assert_int_equal(check(a, "Bearer third"), AUTH_GRANTED);
    assert_int_equal(check(a, "Bearer first"), AUTH_REFUSED);
    assert_int_equal(authenticator_reload(a, why), 0);
    write_file(path, "\n");
    assert_int_equal(authenticator_reload(a, why), FAULT_MALFORMED);
    assert_string_equal(why, "no token given");
    (void)unlink(path);
    assert_int_equal(authenticator_reload(a, why), -ENOENT);
    assert_int_equal(check(a, "Bearer third"), AUTH_GRANTED); /* as before */
    authenticator_free(a);
    expect_refusal(yaml, "No such file");
}

static _Atomic bool is_over;

/* One of the two tokens is right at any moment, whichever was read last. */
static void *keep_checking(void *authenticator)
{
    uint64_t wrong_count = 0;
    while (!atomic_load(&is_over)) {
        wrong_count += check(authenticator, "Bearer always") == AUTH_GRANTED ? 0 : 1;
        wrong_count += check(authenticator, "Bearer never") == AUTH_GRANTED ? 1 : 0;
    }
    return wrong_count > 0 ? authenticator : NULL;
}

static void test_checks_while_the_file_changes(void **state)
{
    (void)state;
    char path[] = "/tmp/weir_bearer_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    write_file(path, "always");
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "filename: %s", path);
    struct authenticator *a = good(yaml);
    atomic_store(&is_over, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_checking, a), 0);
    char text[64];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof(text), "%.*s\nalways\n", 1 + i % 20, "xxxxxxxxxxxxxxxxxxxxx");
        write_file(path, text);
        assert_true(authenticator_reload(a, why) >= 0);
    }
    atomic_store(&is_over, true);
    void *trouble = NULL;
    assert_int_equal(pthread_join(thread, &trouble), 0);
    assert_null(trouble);
    authenticator_free(a);
    (void)unlink(path);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    expect_refusal("{}", "no bearer token provided");
    expect_refusal("{token: a, tokens: [b]}", "either token or tokens");
    expect_refusal("{token: \"a\\nb\"}", "one line");
    expect_refusal("{tokens: [a, \"b\\nc\"]}", "one line");
    expect_refusal("{token: a, header: \"\"}", "plain words");
    expect_refusal("{token: a, schema: x}", "schema");
    char yaml[8192] = "tokens:\n";
    size_t len = strlen(yaml);
    for (int i = 0; i <= AUTH_TOKENS_MAX; i++) {
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "  - token-%d\n", i);
    }
    expect_refusal(yaml, "too many tokens");
}

static void test_a_value_at_the_limit_and_one_past(void **state)
{
    (void)state;
    static char value[AUTH_VALUE_MAX_BYTES + 2] = "Bearer ";
    memset(value + 7, 'x', sizeof(value) - 8);
    struct authenticator *a = good("token: x");
    assert_int_equal(authenticator_check(a, slice_of(value, AUTH_VALUE_MAX_BYTES), 1),
                     AUTH_REFUSED);
    assert_int_equal(authenticator_check(a, slice_of(value, AUTH_VALUE_MAX_BYTES + 1), 1),
                     AUTH_REFUSED);
    authenticator_free(a);
}

static void test_memory_that_runs_out(void **state)
{
    (void)state;
    struct authenticator *a = NULL;
    int err = -ENOMEM;
    uint64_t nth = 0;
    while (err != 0) {
        err = configure("{tokens: [a, b]}", ++nth, &a);
        assert_true(err == 0 || (err == -ENOMEM && a == NULL));
        assert_true(nth < 20);
    }
    assert_true(nth > 5);
    authenticator_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_token),
        cmocka_unit_test(test_several_tokens_scheme_and_header),
        cmocka_unit_test(test_a_file_wins_and_is_read_again),
        cmocka_unit_test(test_checks_while_the_file_changes),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_value_at_the_limit_and_one_past),
        cmocka_unit_test(test_memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
