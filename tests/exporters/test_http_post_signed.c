/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of http_post on both backends where POSTs are signed: what is signed, whose credentials
 * sign it, and what comes back.
 */
#include "exporters/http_post.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/auth/authenticator.h"
#include "io/auth/bearer_auth.h"
#include "io/auth/sigv4_auth.h"
#include "tests/exporters/post_rig.h"
#include "tests/support/authenticator_fixture.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"

static struct post_rig rig;

/* --- signed ----------------------------------------------------------------------------------- */

static void test_signed_post_arrives_as_it_was_signed(void **state)
{
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    rig.aws.script.service_body = "taken";
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, 0);
    assert_int_equal(probe.status, 200);
    assert_string_equal(probe.body, "taken");
    const struct http_stub_request *got = post_rig_last(&rig);
    assert_memory_equal(got->body, "telemetry, compressed", 21);
    struct slice shown = http_stub_header(got, "Authorization");
    assert_true(post_rig_has_text(shown, "Credential=AKIDENVIRONMENT/"));
    assert_true(post_rig_has_text(shown, "/us-west-2/aps/aws4_request"));
    assert_true(post_rig_has_text(shown,
                                  "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;"
                                  "x-empty;x-two,"));
    assert_true(aws_rig_is_signed(got, "ENVSECRET"));
    assert_false(aws_rig_is_signed(got, "ENVSECRET2"));
    post_rig_assert_header(got, "User-Agent", "test/1");
    assert_int_equal(post_rig_count_lines(got, "user-agent:"), 1);
    assert_int_equal(post_rig_count_lines(got, "authorization:"), 1);
    post_rig_end(&rig);
}

static void test_urls_of_one_host_share_a_client(void **state)
{
    post_rig_begin(&rig, *state);
    aws_rig_use_container(&rig.aws);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    post_rig_run(&rig, &probe);
    probe.post.url_index = 1;
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    assert_int_equal(aws_rig_count(&rig.aws, "/container"), 1);
    assert_int_equal(post_rig_last(&rig)->connection_index,
                     aws_rig_last(&rig.aws, "/second")->connection_index);
    assert_true(aws_rig_is_signed(aws_rig_last(&rig.aws, "/second"), "SECRET1"));
    post_rig_end(&rig);
}

static void test_missing_credentials_are_a_fault_with_a_sentence(void **state)
{
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, -EACCES);
    assert_int_equal(probe.status, 0);
    assert_non_null(strstr(probe.fault_text, "AWS_ACCESS_KEY_ID"));
    assert_int_equal(http_stub_request_count(&rig.aws.stub), 0);
    post_rig_end(&rig);
}

static void test_credentials_are_looked_for_before_the_first_post(void **state)
{
    post_rig_begin(&rig, *state);
    aws_rig_use_container(&rig.aws);
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (aws_rig_count(&rig.aws, "/container") == 0 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.aws.loop, CLOCK_NS_PER_MS) >= 0);
    }
    loop_fixture_run(rig.aws.loop, 50 * CLOCK_NS_PER_MS);
    assert_int_equal(aws_rig_count(&rig.aws, "/container"), 1);
    struct post_probe probe = post_probe_of();
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    assert_int_equal(aws_rig_count(&rig.aws, "/container"), 1);
    post_rig_end(&rig);
}

static void test_expired_credentials_are_renewed_and_the_post_repeated(void **state)
{
    post_rig_begin(&rig, *state);
    aws_rig_use_container(&rig.aws);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    post_rig_run(&rig, &probe);
    rig.aws.script.is_old_key_refused = true;
    rig.aws.script.key_count++; /* as if somebody else had been given new ones */
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, 0);
    assert_int_equal(probe.status, 200);
    assert_true(aws_rig_is_signed(post_rig_last(&rig), "SECRET3"));
    post_rig_end(&rig);
}

static void test_refused_credentials_are_a_fault_and_other_refusals_are_answers(void **state)
{
    post_rig_begin(&rig, *state);
    aws_rig_use_container(&rig.aws);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    rig.aws.script.are_keys_refused = true;
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, -EACCES);
    assert_non_null(strstr(probe.fault_text, "400 ExpiredTokenException: old"));
    rig.aws.script.are_keys_refused = false;
    rig.aws.script.service_status = 403;
    rig.aws.script.service_body = "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}";
    post_rig_run(&rig, &probe);
    post_rig_end(&rig);
    assert_int_equal(probe.fault, 0);
    assert_int_equal(probe.status, 403);
    assert_non_null(strstr(probe.body, "AccessDenied"));
}

static void test_codes_that_pass_are_told_as_statuses_that_do(void **state)
{
    static const struct {
        uint32_t status;
        const char *body;
        uint32_t told;
    } rows[] = {
        {400, "{\"__type\":\"ThrottlingException\"}", 429},
        {429, "", 429},
        {503, "{\"__type\":\"ThrottlingException\"}", 503},
        {500, "", 500},
        {404, "", 404},
        {400, "{\"__type\":\"ValidationException\"}", 400},
    };
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    post_rig_open_poster(&rig, sigv4_auth_configure, POST_RIG_SIGNED);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct post_probe probe = post_probe_of();
        rig.aws.script.service_status = rows[i].status;
        rig.aws.script.service_body = rows[i].body;
        post_rig_run(&rig, &probe);
        assert_int_equal(probe.fault, 0);
        assert_int_equal(probe.status, rows[i].told);
    }
    post_rig_end(&rig);
}

static void test_no_connection_is_a_fault_on_every_road(void **state)
{
    static const struct {
        authenticator_configure_fn *configure;
        const char *yaml;
    } rows[] = {{NULL, NULL},
                {bearer_auth_configure, "token: t\n"},
                {sigv4_auth_configure, POST_RIG_SIGNED}};
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    (void)snprintf(rig.url, sizeof(rig.url), "http://127.0.0.1:%u/x", port);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct post_probe probe = post_probe_of();
        post_rig_open_poster(&rig, rows[i].configure, rows[i].yaml);
        post_rig_run(&rig, &probe);
        assert_true(probe.fault < 0);
        assert_false(probe.is_hopeless);
        assert_true(strlen(probe.fault_text) > 0);
        post_rig_close_poster(&rig);
    }
    post_rig_end(&rig);
    (void)close(held_fd);
}

/* More header bytes than a signed request has room for: no other try will help. */
static void test_what_cannot_be_signed_is_hopeless_and_nothing_else_is(void **state)
{
    static char line[40000] = "X-Large: ";
    static const char *const headers[] = {line};
    memset(line + strlen("X-Large: "), 'x', sizeof(line) - 1 - strlen("X-Large: "));
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    rig.auth = authenticator_fixture_new(sigv4_auth_configure, POST_RIG_SIGNED);
    struct http_poster_options options = post_rig_options(&rig);
    options.headers = headers;
    options.header_count = COUNT_OF(headers);
    assert_int_equal(http_poster_open(rig.aws.loop, &options, &rig.poster), 0);
    post_rig_run(&rig, &probe); /* there are no credentials: they may come */
    assert_int_equal(probe.fault, -EACCES);
    assert_false(probe.is_hopeless);
    post_rig_close_poster(&rig);
    post_rig_use_keys();
    rig.auth = authenticator_fixture_new(sigv4_auth_configure, POST_RIG_SIGNED);
    options.auth = rig.auth;
    assert_int_equal(http_poster_open(rig.aws.loop, &options, &rig.poster), 0);
    post_rig_run(&rig, &probe);
    assert_true(probe.is_hopeless);
    assert_true(strlen(probe.fault_text) > 0);
    assert_int_equal(http_stub_request_count(&rig.aws.stub), 0);
    post_rig_end(&rig);
}

static void test_settings_of_the_connection_count_for_signed_posts(void **state)
{
    static const struct http_stub_answer ok_script[] = {{0}};
    struct tls_identity identity;
    struct http_stub stub;
    tls_identity_init(&identity, "server");
    SSL_CTX *context = tls_identity_server(&identity, NULL);
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    http_stub_start(
        &stub, &(struct http_stub_options){.script = ok_script, .script_len = 1, .tls = context});
    (void)snprintf(rig.url, sizeof(rig.url), "https://127.0.0.1:%u/x", stub.port);
    rig.auth = authenticator_fixture_new(sigv4_auth_configure, POST_RIG_SIGNED);
    struct http_poster_options options = post_rig_options(&rig);
    for (int i = 0; i < 2; i++) {
        struct post_probe probe = post_probe_of();
        options.client.tls.ca_file = i == 0 ? NULL : identity.certificate_file;
        assert_int_equal(http_poster_open(rig.aws.loop, &options, &rig.poster), 0);
        post_rig_run(&rig, &probe);
        assert_int_equal(probe.status, i == 0 ? 0 : 200);
        http_poster_close(rig.poster);
        rig.poster = NULL;
        loop_fixture_run(rig.aws.loop, 2 * CLOCK_NS_PER_MS);
    }
    http_stub_stop(&stub);
    post_rig_end(&rig);
    SSL_CTX_free(context);
    tls_identity_fini(&identity);
}

/* --- roles ------------------------------------------------------------------------------------ */

static void test_role_is_assumed_where_sts_region_says(void **state)
{
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(
        &rig, sigv4_auth_configure,
        "{region: us-west-2, service: aps, assume_role: {arn: 'arn:aws:iam::1:role/w', "
        "session_name: gw, sts_region: eu-north-1, external_id: seven}}\n");
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    const struct http_stub_request *asked = aws_rig_last(&rig.aws, "/sts/");
    struct slice form = slice_of(asked->body, asked->body_len);
    assert_true(post_rig_has_text(form, "Action=AssumeRole&"));
    assert_true(post_rig_has_text(form, "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fw"));
    assert_true(post_rig_has_text(form, "RoleSessionName=gw"));
    assert_true(post_rig_has_text(form, "ExternalId=seven"));
    assert_true(post_rig_has_text(http_stub_header(asked, "Authorization"),
                                  "/eu-north-1/sts/aws4_request"));
    assert_true(aws_rig_is_signed(asked, "ENVSECRET"));
    assert_true(post_rig_has_text(http_stub_header(post_rig_last(&rig), "Authorization"),
                                  "/us-west-2/aps/aws4_request"));
    assert_true(aws_rig_is_signed(post_rig_last(&rig), "SECRET1"));
    post_rig_end(&rig);
}

static void test_role_is_assumed_in_the_region_where_none_is_set_for_it(void **state)
{
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(
        &rig, sigv4_auth_configure,
        "{region: us-west-2, service: aps, assume_role: {arn: 'arn:aws:iam::1:role/w'}}\n");
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    assert_true(
        post_rig_has_text(http_stub_header(aws_rig_last(&rig.aws, "/sts/"), "Authorization"),
                          "/us-west-2/sts/aws4_request"));
    post_rig_end(&rig);
}

static void test_role_is_assumed_with_a_token_from_its_file(void **state)
{
    char path[64];
    char yaml[256];
    (void)snprintf(path, sizeof(path), "/tmp/weir_http_token_%d", (int)getpid());
    (void)snprintf(yaml, sizeof(yaml),
                   "{region: us-west-2, service: aps, assume_role: {arn: 'arn:aws:iam::1:role/w', "
                   "session_name: gw, web_identity_token_file: %s}}\n",
                   path);
    authenticator_fixture_write(path, "jwt.of.ours\n");
    post_rig_begin(&rig, *state);
    post_rig_use_keys(); /* which have no part in it */
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure, yaml);
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    const struct http_stub_request *asked = aws_rig_last(&rig.aws, "/sts");
    struct slice form = slice_of(asked->body, asked->body_len);
    assert_true(post_rig_has_text(form, "Action=AssumeRoleWithWebIdentity&"));
    assert_true(post_rig_has_text(form, "WebIdentityToken=jwt.of.ours"));
    assert_true(post_rig_has_text(form, "RoleSessionName=gw"));
    assert_int_equal(http_stub_header(asked, "Authorization").len, 0);
    assert_true(aws_rig_is_signed(post_rig_last(&rig), "SECRET1"));
    post_rig_end(&rig);
    (void)unlink(path);
}

static void test_missing_token_file_is_told(void **state)
{
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, sigv4_auth_configure,
                         "{region: us-west-2, service: aps, assume_role: {arn: "
                         "'arn:x', web_identity_token_file: /nonexistent/t}}\n");
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, -EACCES);
    assert_non_null(strstr(probe.fault_text, "/nonexistent/t"));
    post_rig_end(&rig);
}

static int run_on(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_signed_post_arrives_as_it_was_signed),
        LOOP_TEST(test_urls_of_one_host_share_a_client),
        LOOP_TEST(test_missing_credentials_are_a_fault_with_a_sentence),
        LOOP_TEST(test_credentials_are_looked_for_before_the_first_post),
        LOOP_TEST(test_expired_credentials_are_renewed_and_the_post_repeated),
        LOOP_TEST(test_refused_credentials_are_a_fault_and_other_refusals_are_answers),
        LOOP_TEST(test_codes_that_pass_are_told_as_statuses_that_do),
        LOOP_TEST(test_no_connection_is_a_fault_on_every_road),
        LOOP_TEST(test_what_cannot_be_signed_is_hopeless_and_nothing_else_is),
        LOOP_TEST(test_settings_of_the_connection_count_for_signed_posts),
        LOOP_TEST(test_role_is_assumed_where_sts_region_says),
        LOOP_TEST(test_role_is_assumed_in_the_region_where_none_is_set_for_it),
        LOOP_TEST(test_role_is_assumed_with_a_token_from_its_file),
        LOOP_TEST(test_missing_token_file_is_told),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    const struct log_options quiet = {.level = LOG_LEVEL_ERROR, .format = LOG_FORMAT_TEXT};
    log_init(&quiet);
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_fixture_main(run_on);
}
