/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of basic_auth: users of either source, slow hashes, the client's header, changed files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/auth/authenticator.h"
#include "io/auth/basic_auth.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

/* "secret" */
#define BCRYPT "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define BCRYPT_SLOW "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"
#define SHA "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="

static struct config_fixture fixture;
static const char *printed;
static char why[AUTH_WHY_BYTES];
static uint64_t now_mono_ns = CLOCK_NS_PER_S;

static int configure(const char *yaml, uint64_t fail_nth, struct authenticator **out)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.basicauth");
    *out = NULL;
    mem_fail_nth(fail_nth);
    int err = basic_auth_configure(&reader, out);
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
    assert_string_equal(authenticator_type(a), "basicauth");
    assert_string_equal(authenticator_header(a), "authorization");
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

/* Each check in its own time, so that none is kept from hashing by the one before. */
static enum auth_verdict check_at_once(struct authenticator *a, const char *credentials)
{
    char value[512] = "Basic ";
    (void)EVP_EncodeBlock((uint8_t *)value + 6, (const uint8_t *)credentials,
                          (int)strlen(credentials));
    return authenticator_check(a, slice_of_text(value), now_mono_ns);
}

static enum auth_verdict check(struct authenticator *a, const char *credentials)
{
    now_mono_ns += 100 * CLOCK_NS_PER_S;
    return check_at_once(a, credentials);
}

static void test_inline_users_of_each_kind(void **state)
{
    (void)state;
    struct authenticator *a = good("htpasswd:\n"
                                   "  inline: |\n"
                                   "    # people\n"
                                   "    plain:s3:cret\n"
                                   "    sha:" SHA "\n"
                                   "    bcrypt:" BCRYPT "\n"
                                   "    twice:old\n"
                                   "    twice:new\n");
    assert_true(authenticator_is_server(a));
    assert_false(authenticator_is_client(a));
    assert_int_equal(check(a, "plain:s3:cret"), AUTH_GRANTED); /* a colon in the password */
    assert_int_equal(check(a, "sha:secret"), AUTH_GRANTED);
    assert_int_equal(check(a, "bcrypt:secret"), AUTH_GRANTED);
    assert_int_equal(check(a, "twice:new"), AUTH_GRANTED);
    assert_int_equal(check(a, "twice:old"), AUTH_REFUSED);
    assert_int_equal(check(a, "plain:secret"), AUTH_REFUSED);
    assert_int_equal(check(a, "sha:Secret"), AUTH_REFUSED);
    assert_int_equal(check(a, "bcrypt:Secret"), AUTH_REFUSED);
    assert_int_equal(check(a, "bcrypt:" BCRYPT), AUTH_REFUSED);
    assert_int_equal(check(a, "nobody:s3:cret"), AUTH_REFUSED);
    assert_int_equal(check(a, "plain:"), AUTH_REFUSED);
    assert_int_equal(check(a, ":"), AUTH_REFUSED);
    char value[64];
    assert_int_equal(authenticator_value(a, value, sizeof(value)), FAULT_UNSUPPORTED);
    authenticator_free(a);
}

static void test_headers_that_are_no_credentials(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",          "Basic",      "Basic ",         "Basic    ",   "Bearer cGxhaW46c2VjcmV0",
        "Basic abc", "Basic ****", "Basic cGxhaW4=", "Basicxxxxxx", "Basic cGxhaW46c2Vjcm",
    };
    struct authenticator *a = good("htpasswd: {inline: \"plain:secret\"}");
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_int_equal(authenticator_check(a, slice_of_text(values[i]), 1), AUTH_MISSING);
    }
    assert_int_equal(authenticator_check(a, slice_of_text("bAsIc cGxhaW46c2VjcmV0"), 1),
                     AUTH_GRANTED);
    assert_string_equal(authenticator_verdict_text(a, AUTH_MISSING), "no basic auth provided");
    assert_string_equal(authenticator_verdict_text(a, AUTH_REFUSED), "invalid credentials");
    assert_memory_equal(authenticator_challenge(a), "Basic realm=", 12);
    authenticator_free(a);
}

static void test_slow_hashes_are_paid_once_and_rationed(void **state)
{
    (void)state;
    struct authenticator *a = good("htpasswd: {inline: \"u:" BCRYPT_SLOW "\"}");
    uint64_t begin_ns = clock_mono_ns();
    assert_int_equal(check(a, "u:secret"), AUTH_GRANTED);
    uint64_t first_ns = clock_mono_ns() - begin_ns;
    begin_ns = clock_mono_ns();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(check_at_once(a, "u:secret"), AUTH_GRANTED);
    }
    assert_true((clock_mono_ns() - begin_ns) / 100 < first_ns / 2);
    assert_int_equal(check_at_once(a, "u:wrong"), AUTH_BUSY); /* just hashed */
    assert_int_equal(check_at_once(a, "nobody:wrong"), AUTH_BUSY);
    assert_int_equal(check(a, "u:wrong"), AUTH_REFUSED);      /* later */
    assert_int_equal(check_at_once(a, "u:wrong"), AUTH_BUSY); /* a refusal is not remembered */
    assert_int_equal(check_at_once(a, "u:secret"), AUTH_GRANTED);
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

static void make_path(char *path)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void test_files_of_users_are_read_again(void **state)
{
    (void)state;
    char path[] = "/tmp/weir_basic_XXXXXX";
    make_path(path);
    write_file(path, "one:1\r\ntwo:2");
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "htpasswd: {file: %s, inline: \"two:zwei\"}", path);
    struct authenticator *a = good(yaml);
    assert_int_equal(check(a, "one:1"), AUTH_GRANTED);
    assert_int_equal(check(a, "two:zwei"), AUTH_GRANTED);
    assert_int_equal(check(a, "two:2"), AUTH_REFUSED);
    assert_int_equal(authenticator_reload(a, why), 0);
    write_file(path, "bcrypt:" BCRYPT);
    assert_int_equal(authenticator_reload(a, why), 1);
    assert_int_equal(check(a, "bcrypt:secret"), AUTH_GRANTED);
    assert_int_equal(check(a, "one:1"), AUTH_REFUSED);
    write_file(path, "bcrypt:" SHA);
    assert_int_equal(authenticator_reload(a, why), 1);
    assert_int_equal(check(a, "bcrypt:secret"), AUTH_GRANTED);
    write_file(path, "bad:$9$x");
    assert_int_equal(authenticator_reload(a, why), FAULT_MALFORMED);
    assert_string_equal(why, "htpasswd line 1: unknown kind of password hash");
    assert_int_equal(check(a, "bcrypt:secret"), AUTH_GRANTED);
    authenticator_free(a);
    (void)unlink(path);
}

static void test_the_clients_header(void **state)
{
    (void)state;
    char value[64];
    struct authenticator *a = good("client_auth: {username: Aladdin, password: open sesame}");
    assert_true(authenticator_is_client(a));
    assert_false(authenticator_is_server(a));
    assert_int_equal(authenticator_value(a, value, sizeof(value)), 34);
    assert_string_equal(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_int_equal(authenticator_value(a, value, 34), FAULT_LIMIT);
    assert_int_equal(check(a, "Aladdin:open sesame"), AUTH_MISSING); /* judges nobody */
    authenticator_free(a);

    char user_path[] = "/tmp/weir_basic_XXXXXX";
    char pass_path[] = "/tmp/weir_basic_XXXXXX";
    make_path(user_path);
    make_path(pass_path);
    write_file(user_path, "Aladdin\n");
    write_file(pass_path, "open sesame\n");
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "client_auth: {username_file: %s, password_file: %s}",
                   user_path, pass_path);
    a = good(yaml);
    assert_int_equal(authenticator_value(a, value, sizeof(value)), 34);
    assert_string_equal(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    write_file(pass_path, "x");
    assert_int_equal(authenticator_reload(a, why), 1);
    assert_int_equal(authenticator_value(a, value, sizeof(value)), 18);
    assert_string_equal(value, "Basic QWxhZGRpbjp4");
    write_file(user_path, "a:b");
    assert_int_equal(authenticator_reload(a, why), FAULT_LIMIT);
    assert_string_equal(why, "username and password cannot be used");
    authenticator_free(a);
    (void)unlink(user_path);
    (void)unlink(pass_path);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    expect_refusal("{}", "set htpasswd (server) or client_auth (client)");
    expect_refusal("{htpasswd: {inline: \"a:b\"}, client_auth: {username: u}}", "only one of");
    expect_refusal("{htpasswd: {file: /a}, client_auth: {username_file: /u}}", "only one of");
    expect_refusal("htpasswd: {}", "htpasswd needs file or inline");
    expect_refusal("htpasswd: {inline: \"nothing\"}", "htpasswd line 1: no USER:PASSWORD");
    expect_refusal("htpasswd: {inline: \":x\"}", "no USER:PASSWORD");
    expect_refusal("htpasswd: {inline: \"# empty\"}", "no users in htpasswd");
    expect_refusal("htpasswd: {file: /nonexistent/users}", "No such file");
    expect_refusal("client_auth: {password: p}", "username");
    expect_refusal("client_auth: {username: u, aws_secrets_manager: {x: y}}", "not supported yet");
    expect_refusal("htpasswd: {inlin: \"a:b\"}", "inline");
}

static void test_memory_that_runs_out(void **state)
{
    (void)state;
    static const char *const yamls[] = {
        "htpasswd: {inline: \"a:b\"}",
        "client_auth: {username: u, password: p}",
    };
    for (size_t i = 0; i < COUNT_OF(yamls); i++) {
        struct authenticator *a = NULL;
        int err = -ENOMEM;
        uint64_t nth = 0;
        while (err != 0) {
            err = configure(yamls[i], ++nth, &a);
            assert_true(err == 0 || (err == -ENOMEM && a == NULL));
            assert_true(nth < 20);
        }
        assert_true(nth > 4);
        authenticator_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline_users_of_each_kind),
        cmocka_unit_test(test_headers_that_are_no_credentials),
        cmocka_unit_test(test_slow_hashes_are_paid_once_and_rationed),
        cmocka_unit_test(test_files_of_users_are_read_again),
        cmocka_unit_test(test_the_clients_header),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
