/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of sigv4_auth: every key, what is refused, and what it is to those who ask.
 */
#include "io/auth/sigv4_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/auth/authenticator.h"
#include "io/auth/bearer_auth.h"
#include "tests/support/authenticator_fixture.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static const char *printed;

static int configure(const char *yaml, uint64_t fail_nth, struct authenticator **out)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.sigv4auth");
    *out = NULL;
    mem_fail_nth(fail_nth);
    int err = sigv4_auth_configure(&reader, out);
    mem_fail_nth(0);
    printed = config_fixture_printed(&fixture);
    config_fixture_fini(&fixture);
    return err;
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

static const char everything[] = "region: us-west-2\n"
                                 "service: aps\n"
                                 "assume_role:\n"
                                 "  arn: arn:aws:iam::123456789012:role/writer\n"
                                 "  session_name: gateway\n"
                                 "  sts_region: us-east-1\n"
                                 "  external_id: customer-7\n";

static void test_every_key_is_kept(void **state)
{
    (void)state;
    struct authenticator *a = authenticator_fixture_new(sigv4_auth_configure, everything);
    const struct sigv4_auth_settings *s = sigv4_auth_settings(a);
    assert_non_null(s);
    assert_string_equal(s->region, "us-west-2");
    assert_string_equal(s->service, "aps");
    assert_string_equal(s->role_arn, "arn:aws:iam::123456789012:role/writer");
    assert_string_equal(s->session_name, "gateway");
    assert_string_equal(s->sts_region, "us-east-1");
    assert_string_equal(s->external_id, "customer-7");
    assert_string_equal(s->web_identity_token_file, "");
    authenticator_free(a);
    a = authenticator_fixture_new(
        sigv4_auth_configure, "assume_role: {arn: 'arn:x', web_identity_token_file: /run/token}\n");
    assert_string_equal(sigv4_auth_settings(a)->web_identity_token_file, "/run/token");
    authenticator_free(a);
}

static void test_nothing_has_to_be_set(void **state)
{
    (void)state;
    struct authenticator *a = authenticator_fixture_new(sigv4_auth_configure, "region: ''\n");
    const struct sigv4_auth_settings *s = sigv4_auth_settings(a);
    assert_string_equal(s->region, "");
    assert_string_equal(s->service, "");
    assert_string_equal(s->role_arn, "");
    authenticator_free(a);
}

static void test_it_goes_out_and_shows_no_value(void **state)
{
    (void)state;
    char buf[64];
    char why[AUTH_WHY_BYTES];
    struct authenticator *a = authenticator_fixture_new(sigv4_auth_configure, everything);
    assert_string_equal(authenticator_type(a), "sigv4auth");
    assert_true(authenticator_is_client(a));
    assert_false(authenticator_is_server(a));
    assert_string_equal(authenticator_header(a), "authorization");
    assert_int_equal(authenticator_value(a, buf, sizeof(buf)), FAULT_UNSUPPORTED);
    assert_int_equal(authenticator_check(a, SLICE_LITERAL("AWS4-HMAC-SHA256 x"), 1), AUTH_MISSING);
    assert_int_equal(authenticator_reload(a, why), 0);
    authenticator_free(a);
}

static void test_other_kinds_have_no_such_settings(void **state)
{
    (void)state;
    struct authenticator *a = authenticator_fixture_new(bearer_auth_configure, "token: t\n");
    assert_null(sigv4_auth_settings(a));
    authenticator_free(a);
}

static void test_what_cannot_be_is_refused_with_words(void **state)
{
    (void)state;
    expect_refusal("regio: x\n", "did you mean 'region'?");
    expect_refusal("region: eu/west\n", "region must be a name");
    expect_refusal("region: EU-WEST-1\n", "region must be a name");
    expect_refusal("service: 'a b'\n", "signing name");
    /* 32 fit. */
    expect_refusal("service: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "signing name");
    expect_refusal("assume_role: {arn: role/x}\n", "must begin with arn:");
    expect_refusal("assume_role: {sts_region: 'x y'}\n", "sts_region must be a name");
    expect_refusal("assume_role: {web_identity_token_file: /run/token}\n", "needs the arn");
    expect_refusal("assume_role: {arn: 'arn:x', web_identity_token_file: /t, external_id: e}\n",
                   "external_id has no place");
    expect_refusal("assume_role: {session_name: \"a\\nb\", arn: 'arn:x'}\n", "one line");
    expect_refusal("assume_role: {role: x}\n", "unknown key");
    expect_refusal("assume_role: x\n", "assume_role");
}

static void test_longest_name_is_taken(void **state)
{
    (void)state;
    struct authenticator *a = authenticator_fixture_new(
        sigv4_auth_configure, "service: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
    assert_int_equal(strlen(sigv4_auth_settings(a)->service), 32);
    authenticator_free(a);
}

static void test_a_role_that_is_not_named_is_remarked(void **state)
{
    (void)state;
    struct authenticator *a = NULL;
    assert_int_equal(configure("assume_role: {sts_region: us-east-1}\n", 0, &a), 0);
    assert_non_null(strstr(printed, "has no effect"));
    authenticator_free(a);
    assert_int_equal(configure(everything, 0, &a), 0);
    assert_null(strstr(printed, "has no effect"));
    authenticator_free(a);
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    (void)state;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct authenticator *a = NULL;
        assert_true(nth < 50);
        err = configure(everything, nth, &a);
        assert_true(err == 0 || err == -ENOMEM || err == FAULT_CONFIG);
        authenticator_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_kept),
        cmocka_unit_test(test_nothing_has_to_be_set),
        cmocka_unit_test(test_it_goes_out_and_shows_no_value),
        cmocka_unit_test(test_other_kinds_have_no_such_settings),
        cmocka_unit_test(test_what_cannot_be_is_refused_with_words),
        cmocka_unit_test(test_longest_name_is_taken),
        cmocka_unit_test(test_a_role_that_is_not_named_is_remarked),
        cmocka_unit_test(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
