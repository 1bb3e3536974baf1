/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of http_post on both backends: POSTs that are plain or show a header, what cannot work
 * together, and giving up on every road.
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
#include "io/auth/basic_auth.h"
#include "io/auth/bearer_auth.h"
#include "io/auth/sigv4_auth.h"
#include "io/aws/signed_request.h"
#include "io/io_bounds.h"
#include "tests/exporters/post_rig.h"
#include "tests/support/authenticator_fixture.h"
#include "tests/support/loop_fixture.h"

static struct post_rig rig;

/* --- plain, and with a header ----------------------------------------------------------------- */

static void test_plain_post_arrives_whole(void **state)
{
    post_rig_begin(&rig, *state);
    post_rig_open_poster(&rig, NULL, NULL);
    struct post_probe probe = post_probe_of();
    rig.aws.script.service_status = 202;
    rig.aws.script.service_body = "taken";
    rig.aws.script.service_headers = "Content-Type: text/plain\r\nRetry-After: 3\r\n";
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.fault, 0);
    assert_int_equal(probe.status, 202);
    assert_int_equal(probe.retry_after_ms, 3000);
    assert_string_equal(probe.body, "taken");
    assert_string_equal(probe.content_type, "text/plain");
    const struct http_stub_request *got = post_rig_last(&rig);
    assert_string_equal(got->method, "POST");
    assert_int_equal(got->body_len, 21);
    assert_memory_equal(got->body, "telemetry, compressed", 21);
    post_rig_assert_header(got, "Content-Type", "application/x-protobuf");
    post_rig_assert_header(got, "X-Empty", "");
    post_rig_assert_header(got, "Authorization", "from the user");
    post_rig_assert_header(got, "User-Agent", "test/1");
    probe.post.url_index = 1;
    post_rig_run(&rig, &probe);
    assert_int_equal(aws_rig_count(&rig.aws, "/second"), 1);
    assert_int_equal(aws_rig_last(&rig.aws, "/second")->connection_index, 0);
    post_rig_end(&rig);
}

static void test_shown_header_takes_the_place_of_the_users(void **state)
{
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, bearer_auth_configure, "token: s3cret\n");
    post_rig_run(&rig, &probe);
    assert_int_equal(probe.status, 200);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Bearer s3cret");
    assert_int_equal(post_rig_count_lines(post_rig_last(&rig), "authorization:"), 1);
    post_rig_assert_header(post_rig_last(&rig), "X-Two", "a  b");
    post_rig_close_poster(&rig);

    post_rig_open_poster(&rig, basic_auth_configure, "client_auth: {username: u, password: p}\n");
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Basic dTpw");
    post_rig_close_poster(&rig);

    post_rig_open_poster(&rig, bearer_auth_configure,
                         "{token: k, scheme: '', header: X-Api-Key}\n");
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "X-Api-Key", "k");
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "from the user");
    post_rig_end(&rig);
}

static void test_secret_that_changed_in_its_file_is_shown_next(void **state)
{
    char path[64];
    char yaml[96];
    char why[AUTH_WHY_BYTES];
    (void)snprintf(path, sizeof(path), "/tmp/weir_http_post_%d", (int)getpid());
    (void)snprintf(yaml, sizeof(yaml), "filename: %s\n", path);
    authenticator_fixture_write(path, "first\n");
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, bearer_auth_configure, yaml);
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Bearer first");
    authenticator_fixture_write(path, "second token\n");
    assert_int_equal(authenticator_reload(rig.auth, why), 1);
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Bearer second token");
    /* One that cannot stand in a header is not taken. */
    authenticator_fixture_write(path, "thi\rrd");
    assert_true(authenticator_reload(rig.auth, why) < 0);
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Bearer second token");
    post_rig_end(&rig);
    (void)unlink(path);
}

static void test_longest_secret_is_shown_whole(void **state)
{
    static char yaml[AUTH_VALUE_MAX_BYTES + 32];
    const size_t room = AUTH_VALUE_MAX_BYTES - strlen("Bearer ");
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    (void)snprintf(yaml, sizeof(yaml), "token: ");
    memset(yaml + 7, 'x', room);
    post_rig_open_poster(&rig, bearer_auth_configure, yaml);
    post_rig_run(&rig, &probe);
    assert_int_equal(http_stub_header(post_rig_last(&rig), "Authorization").len,
                     AUTH_VALUE_MAX_BYTES);
    post_rig_end(&rig);
}

static void test_another_authenticator_is_asked_after_a_reload(void **state)
{
    post_rig_begin(&rig, *state);
    struct post_probe probe = post_probe_of();
    post_rig_open_poster(&rig, bearer_auth_configure, "token: before\n");
    struct authenticator *before = rig.auth;
    rig.auth = authenticator_fixture_new(bearer_auth_configure, "token: after\n");
    http_poster_set_auth(rig.poster, rig.auth);
    authenticator_free(before);
    post_rig_run(&rig, &probe);
    post_rig_assert_header(post_rig_last(&rig), "Authorization", "Bearer after");
    post_rig_end(&rig);
}

/* --- checking --------------------------------------------------------------------------------- */

static void assert_refused(const struct http_poster_options *options, const char *words)
{
    char why[HTTP_POST_WHY_BYTES] = "";
    assert_int_equal(http_poster_check(options, why), FAULT_CONFIG);
    if (strstr(why, words) == NULL) {
        fail_msg("no '%s' in: %s", words, why);
    }
}

static void test_what_cannot_work_together_is_refused(void **state)
{
    static const char *const bad_headers[] = {"Host: other"};
    static const char *const trace_headers[] = {"x-amzn-trace-id: other"};
    static const char *const one[] = {"A: b"};
    const char *many[AWS_REQUEST_HEADERS_MAX + 2];
    char why[HTTP_POST_WHY_BYTES];
    post_rig_begin(&rig, *state);
    rig.auth = authenticator_fixture_new(basic_auth_configure, "htpasswd: {inline: 'a:b'}\n");
    struct http_poster_options options = post_rig_options(&rig);
    assert_refused(&options, "who comes in");
    authenticator_free(rig.auth);
    rig.auth = authenticator_fixture_new(sigv4_auth_configure, "region: us-west-2\n");
    options = post_rig_options(&rig);
    assert_refused(&options, "set it in sigv4auth");
    authenticator_free(rig.auth);
    rig.auth = authenticator_fixture_new(sigv4_auth_configure, POST_RIG_SIGNED);
    options = post_rig_options(&rig);
    options.headers = bad_headers;
    options.header_count = 1;
    assert_refused(&options, "'Host' cannot be set");
    options.headers = trace_headers;
    assert_refused(&options, "'x-amzn-trace-id' cannot be set");
    /* As many as can be signed, and a User-Agent, which is not. */
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = one[0];
    }
    many[0] = "user-agent: x";
    options.headers = many;
    options.header_count = AWS_REQUEST_HEADERS_MAX + 1;
    assert_int_equal(http_poster_check(&options, why), 0);
    options.header_count++;
    assert_refused(&options, "headers can be signed");
    post_rig_end(&rig);
}

/* --- giving up -------------------------------------------------------------------------------- */

static void test_cancelled_posts_are_not_answered(void **state)
{
    static const struct {
        authenticator_configure_fn *configure;
        const char *yaml;
    } rows[] = {{NULL, NULL},
                {bearer_auth_configure, "token: t\n"},
                {sigv4_auth_configure, POST_RIG_SIGNED}};
    post_rig_begin(&rig, *state);
    aws_rig_use_container(&rig.aws);
    rig.aws.script.key_delay_ms = 30;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct post_probe probes[3] = {post_probe_of(), post_probe_of(), post_probe_of()};
        post_rig_open_poster(&rig, rows[i].configure, rows[i].yaml);
        http_poster_cancel(rig.poster, &probes[0].post); /* not under way: fine */
        for (size_t j = 0; j < COUNT_OF(probes); j++) {
            assert_int_equal(http_poster_start(rig.poster, &probes[j].post), 0);
        }
        http_poster_cancel(rig.poster, &probes[1].post);
        assert_null(probes[1].post.call);
        loop_fixture_until(rig.aws.loop, &probes[0].is_done);
        loop_fixture_until(rig.aws.loop, &probes[2].is_done);
        assert_int_equal(probes[1].is_done, 0);
        /* Closing gives up what is under way. */
        assert_int_equal(http_poster_start(rig.poster, &probes[1].post), 0);
        post_rig_close_poster(&rig);
        assert_null(probes[1].post.call);
        loop_fixture_run(rig.aws.loop, 50 * CLOCK_NS_PER_MS);
        assert_int_equal(probes[1].is_done, 0);
    }
    post_rig_end(&rig);
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    static const struct {
        authenticator_configure_fn *configure;
        const char *yaml;
    } rows[] = {{NULL, NULL},
                {bearer_auth_configure, "token: t\n"},
                {sigv4_auth_configure, "{region: us-west-2, service: aps, assume_role: {arn: "
                                       "'arn:x', web_identity_token_file: /t}}\n"}};
    post_rig_begin(&rig, *state);
    post_rig_use_keys();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig.auth = rows[i].configure != NULL
                       ? authenticator_fixture_new(rows[i].configure, rows[i].yaml)
                       : NULL;
        const struct http_poster_options options = post_rig_options(&rig);
        int err = -ENOMEM;
        for (uint64_t nth = 1; err != 0; nth++) {
            assert_true(nth < 300);
            struct post_probe probe = post_probe_of();
            rig.poster = NULL;
            mem_fail_nth(nth);
            err = http_poster_open(rig.aws.loop, &options, &rig.poster);
            if (err == 0) {
                err = http_poster_start(rig.poster, &probe.post);
            }
            mem_fail_nth(0);
            assert_true(err == 0 || err == -ENOMEM || err == -EBUSY || err == FAULT_LIBRARY);
            http_poster_close(rig.poster);
            assert_true(loop_turn(rig.aws.loop, 0) >= 0);
        }
        rig.poster = NULL;
        authenticator_free(rig.auth);
        rig.auth = NULL;
    }
    post_rig_end(&rig);
}

static int run_on(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_plain_post_arrives_whole),
        LOOP_TEST(test_shown_header_takes_the_place_of_the_users),
        LOOP_TEST(test_secret_that_changed_in_its_file_is_shown_next),
        LOOP_TEST(test_longest_secret_is_shown_whole),
        LOOP_TEST(test_another_authenticator_is_asked_after_a_reload),
        LOOP_TEST(test_what_cannot_work_together_is_refused),
        LOOP_TEST(test_cancelled_posts_are_not_answered),
        LOOP_TEST(test_refused_memory_is_survived_at_every_step),
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
