/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/signed_request against a scripted AWS, on both backends: what is sent, repeats,
 * classes of answers, waiting, giving up.
 */
#include "io/aws/signed_request.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/aws/region_discovery.h"
#include "tests/io/aws/aws_rig.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"

static void use_environment_keys(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "ENVSECRET", 1);
    (void)setenv("AWS_SESSION_TOKEN", "ENVTOKEN", 1);
}

static bool has_text(struct slice text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void test_request_arrives_signed_and_whole(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    assert_string_equal(aws_client_region(rig.client), "eu-west-1");
    rig.script.service_body = "{\"ok\":1}";
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(probe.status, 200);
    assert_true(probe.was_answered);
    assert_string_equal(probe.body, "{\"ok\":1}");
    assert_string_equal(probe.fault_text, "");
    const struct http_stub_request *got = aws_rig_last(&rig, "/TraceSegments");
    assert_string_equal(got->method, "POST");
    assert_int_equal(got->body_len, 28);
    assert_memory_equal(got->body, "{\"TraceSegmentDocuments\":[]}", 28);
    assert_true(slice_is_text(http_stub_header(got, "X-Amz-Security-Token"), "ENVTOKEN"));
    struct slice authorization = http_stub_header(got, "Authorization");
    assert_true(has_text(authorization, "Credential=AKIDENVIRONMENT/"));
    assert_true(has_text(authorization, "/eu-west-1/xray/aws4_request"));
    assert_true(
        has_text(authorization,
                 "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"));
    assert_true(aws_rig_is_signed(got, "ENVSECRET"));
    assert_false(aws_rig_is_signed(got, "OTHERSECRET"));
    aws_rig_close(&rig);
}

static void test_get_with_query_is_signed(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    probe.request.method = "GET";
    probe.request.path = "/a/b?Param2=value%202&Param1=";
    probe.request.header_count = 0;
    probe.request.body_count = 0;
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_true(
        aws_rig_is_signed(aws_rig_last(&rig, "/a/b?Param2=value%202&Param1="), "ENVSECRET"));
    aws_rig_close(&rig);
}

static void test_request_may_start_again_from_its_callback_and_calls_are_reused(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    struct aws_client_stats stats;
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    for (int i = 0; i < 5; i++) {
        aws_rig_run(&rig, &probe);
        assert_int_equal(probe.outcome, AWS_OK);
    }
    assert_int_equal(aws_rig_last(&rig, "/TraceSegments")->connection_index, 0);
    aws_client_stats_read(rig.client, &stats);
    assert_int_equal(stats.attempt_count, 5);
    assert_int_equal(stats.unanswered_count, 0);
    aws_rig_close(&rig);
}

static void test_unsound_requests_are_refused(void **state)
{
    static const struct aws_header ends_line[] = {
        {{(const uint8_t *)"X-A", 3}, {(const uint8_t *)"a\r\nX-B: b", 9}}};
    static const struct aws_header no_name[] = {
        {{(const uint8_t *)"X A", 3}, {(const uint8_t *)"a", 1}}};
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    char path[AWS_PATH_MAX_BYTES + 2];
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    probe.request.headers = ends_line;
    probe.request.header_count = 1;
    assert_int_equal(aws_client_start(rig.client, &probe.request), FAULT_MALFORMED);
    probe.request.headers = no_name;
    assert_int_equal(aws_client_start(rig.client, &probe.request), FAULT_MALFORMED);
    probe.request.header_count = AWS_HEADERS_MAX;
    assert_int_equal(aws_client_start(rig.client, &probe.request), FAULT_LIMIT);
    probe.request.header_count = 0;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    probe.request.path = path;
    assert_int_equal(aws_client_start(rig.client, &probe.request), FAULT_LIMIT);
    path[sizeof(path) - 2] = '\0';
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    probe.request.path = "relative";
    assert_int_equal(aws_client_start(rig.client, &probe.request), FAULT_MALFORMED);
    aws_rig_close(&rig);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_answers_have_a_class_a_code_and_a_hint(void **state)
{
    static const struct {
        uint32_t status;
        const char *headers;
        const char *body;
        enum aws_outcome outcome;
        const char *code;
        uint64_t retry_after_ms;
    } rows[] = {
        {400, "x-amz-retry-after: 1500\r\n", "{\"__type\":\"ThrottlingException\"}", AWS_THROTTLED,
         "ThrottlingException", 1500},
        {429, "Retry-After: 7\r\nx-amz-retry-after: 10\r\n", "", AWS_THROTTLED, "", 7000},
        {500, "", "", AWS_TRANSIENT, "", 0},
        {503, "X-Amzn-ErrorType: ServiceUnavailable:http://x/\r\n", "{}", AWS_TRANSIENT,
         "ServiceUnavailable", 0},
        {400, "", "{\"__type\":\"a.b#InvalidRequestException\",\"message\":\"m\"}", AWS_PERMANENT,
         "InvalidRequestException", 0},
        {403, "", "{\"__type\":\"SignatureDoesNotMatch\"}", AWS_PERMANENT, "SignatureDoesNotMatch",
         0},
    };
    struct aws_rig rig;
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct aws_probe probe = aws_probe_of();
        rig.script.service_status = rows[i].status;
        rig.script.service_headers = rows[i].headers;
        rig.script.service_body = rows[i].body;
        aws_rig_run(&rig, &probe);
        assert_int_equal(probe.outcome, rows[i].outcome);
        assert_int_equal(probe.status, rows[i].status);
        assert_string_equal(probe.code, rows[i].code);
        assert_int_equal(probe.retry_after_ms, rows[i].retry_after_ms);
        assert_true(probe.was_answered);
    }
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), COUNT_OF(rows)); /* none repeated */
    aws_rig_close(&rig);
}

static void test_refused_connection_is_transient_and_was_not_sent(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    char url[64];
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    aws_rig_open(&rig, *state);
    use_environment_keys();
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    aws_rig_open_client(&rig, &(struct aws_client_options){
                                  .service = "xray", .region = "eu-west-1", .endpoint = url});
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_TRANSIENT);
    assert_int_equal(probe.status, 0);
    assert_false(probe.was_answered);
    assert_false(probe.was_sent);
    assert_true(strlen(probe.fault_text) > 0);
    aws_rig_close(&rig);
    (void)close(held_fd);
}

static void test_clock_is_corrected_and_the_request_repeated_once(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    struct aws_client_stats stats;
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    rig.script.clock_skew_s = 3600;
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 2);
    assert_true(aws_rig_is_signed(aws_rig_last(&rig, "/TraceSegments"), "ENVSECRET"));
    aws_rig_run(&rig, &probe); /* remembered */
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 3);
    aws_client_stats_read(rig.client, &stats);
    assert_int_equal(stats.skew_count, 1);
    rig.script.clock_skew_s = -7200;
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 5);
    aws_rig_close(&rig);
}

static void test_expired_token_is_renewed_and_the_request_repeated_once(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    aws_rig_open_client(&rig, NULL);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(aws_rig_count(&rig, "/container"), 1);
    rig.script.is_old_key_refused = true;
    rig.script.key_count++; /* as if somebody else had been given new ones */
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_int_equal(aws_rig_count(&rig, "/container"), 2);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 3);
    assert_true(aws_rig_is_signed(aws_rig_last(&rig, "/TraceSegments"), "SECRET3"));
    aws_rig_close(&rig);
}

static void test_keys_that_are_always_refused_are_tried_twice_and_fetched_once(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    aws_rig_open_client(&rig, NULL);
    rig.script.are_keys_refused = true;
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_string_equal(probe.code, "ExpiredTokenException");
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 2);
    assert_int_equal(aws_rig_count(&rig, "/container"), 2);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 3);
    assert_int_equal(aws_rig_count(&rig, "/container"), 2);
    aws_rig_close(&rig);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void test_clients_and_requests_of_one_loop_share_one_fetch(void **state)
{
    struct aws_rig rig;
    struct aws_client *other = NULL;
    struct aws_probe probes[6];
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_delay_ms = 50;
    aws_rig_open_client(&rig, NULL);
    const struct aws_client_options options = {.service = "logs", .region = "us-east-1"};
    assert_int_equal(aws_client_open(rig.loop, &options, &other), 0);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        probes[i] = aws_probe_of();
        struct aws_client *client = i % 2 == 0 ? rig.client : other;
        assert_int_equal(aws_client_start(client, &probes[i].request), 0);
    }
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        loop_fixture_until(rig.loop, &probes[i].is_done);
        assert_int_equal(probes[i].outcome, AWS_OK);
    }
    assert_int_equal(aws_rig_count(&rig, "/container"), 1);
    aws_client_close(other);
    aws_rig_close(&rig);
}

static void test_keys_that_expire_under_use_are_renewed_without_a_failure(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_lifetime_s = 2;
    aws_rig_open_client(&rig, NULL);
    for (int i = 0; i < 25; i++) {
        aws_rig_run(&rig, &probe);
        assert_int_equal(probe.outcome, AWS_OK);
        loop_fixture_run(rig.loop, 100 * CLOCK_NS_PER_MS);
    }
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 25); /* nothing had to be repeated */
    assert_in_range(aws_rig_count(&rig, "/container"), 3, 12); /* one a second, and not each time */
    aws_rig_close(&rig);
}

static void test_wait_ends_with_the_requests_patience(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_delay_ms = 60000;
    aws_rig_open_client(&rig, NULL);
    probe.request.timeout_ms = 50;
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_false(probe.was_sent);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 0);
    aws_rig_close(&rig);
}

static void test_failed_fetch_answers_all_who_wait_and_says_why(void **state)
{
    struct aws_rig rig;
    struct aws_probe probes[3];
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_status = 403;
    aws_rig_open_client(&rig, NULL);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        probes[i] = aws_probe_of();
        assert_int_equal(aws_client_start(rig.client, &probes[i].request), 0);
    }
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        loop_fixture_until(rig.loop, &probes[i].is_done);
        assert_int_equal(probes[i].outcome, AWS_NO_CREDENTIALS);
        assert_non_null(strstr(probes[i].fault_text, "container: status 403: Down: not today"));
    }
    assert_int_equal(aws_rig_count(&rig, "/container"), 1);
    /* Within the backoff: answered without another fetch. */
    aws_rig_run(&rig, &probes[0]);
    assert_int_equal(probes[0].outcome, AWS_NO_CREDENTIALS);
    assert_int_equal(aws_rig_count(&rig, "/container"), 1);
    /* After it, by itself. */
    rig.script.key_status = 0;
    loop_fixture_run(rig.loop, 1200 * CLOCK_NS_PER_MS);
    aws_rig_run(&rig, &probes[0]);
    assert_int_equal(probes[0].outcome, AWS_OK);
    aws_rig_close(&rig);
}

static void test_cancelled_requests_are_not_answered(void **state)
{
    struct aws_rig rig;
    struct aws_probe waiting = aws_probe_of();
    struct aws_probe kept = aws_probe_of();
    struct aws_probe sent = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_delay_ms = 50;
    aws_rig_open_client(&rig, NULL);
    assert_int_equal(aws_client_start(rig.client, &waiting.request), 0);
    assert_int_equal(aws_client_start(rig.client, &kept.request), 0);
    aws_client_cancel(rig.client, &waiting.request);
    aws_client_cancel(rig.client, &waiting.request);
    loop_fixture_until(rig.loop, &kept.is_done);
    assert_int_equal(kept.outcome, AWS_OK);
    assert_int_equal(waiting.is_done, 0);
    assert_int_equal(aws_client_start(rig.client, &sent.request), 0);
    aws_client_cancel(rig.client, &sent.request);
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    assert_int_equal(sent.is_done, 0);
    aws_rig_close(&rig);
}

static void test_close_forgets_requests_that_wait(void **state)
{
    struct aws_rig rig;
    struct aws_probe probes[3];
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_delay_ms = 60000;
    aws_rig_open_client(&rig, NULL);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        probes[i] = aws_probe_of();
        assert_int_equal(aws_client_start(rig.client, &probes[i].request), 0);
    }
    aws_client_close(rig.client); /* the plan is with the helper still */
    rig.client = NULL;
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    aws_rig_open_client(&rig, NULL);
    assert_int_equal(aws_client_start(rig.client, &probes[0].request), 0);
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS); /* now the container is being asked */
    aws_client_close(rig.client);
    rig.client = NULL;
    loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        assert_int_equal(probes[i].is_done, 0);
    }
    aws_rig_close(&rig);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void test_certificates_are_verified_with_the_bundle_of_the_environment(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 200}};
    struct aws_rig rig;
    struct http_stub server;
    struct tls_identity identity;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_environment_keys();
    tls_identity_init(&identity, "server");
    SSL_CTX *context = tls_identity_server(&identity, NULL);
    const struct http_stub_options stub = {.script = script, .script_len = 1, .tls = context};
    http_stub_start(&server, &stub);
    struct aws_client_options options = {
        .service = "xray", .region = "eu-west-1", .endpoint = server.url};
    aws_rig_open_client(&rig, &options);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_TRANSIENT);
    assert_false(probe.was_answered);
    aws_client_close(rig.client);
    assert_int_equal(setenv("AWS_CA_BUNDLE", identity.certificate_file, 1), 0);
    aws_rig_open_client(&rig, &options);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    aws_client_close(rig.client);
    assert_int_equal(unsetenv("AWS_CA_BUNDLE"), 0);
    options.insecure_skip_verify = true;
    aws_rig_open_client(&rig, &options);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    aws_rig_close(&rig);
    http_stub_stop(&server);
    SSL_CTX_free(context);
    tls_identity_fini(&identity);
}

static void test_start_survives_refused_memory(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, NULL);
    int err = -ENOMEM;
    uint64_t nth = 0;
    while (err != 0) {
        nth++;
        assert_true(nth < 100);
        probe.is_done = 0;
        mem_fail_nth(nth);
        err = aws_client_start(rig.client, &probe.request);
        mem_fail_nth(0);
        assert_true(err == 0 || (probe.request.call == NULL && err == -ENOMEM));
    }
    loop_fixture_until(rig.loop, &probe.is_done);
    aws_rig_close(&rig);
}

static void test_wrong_settings_are_refused_at_open(void **state)
{
    struct aws_rig rig;
    struct aws_client *client = NULL;
    aws_rig_open(&rig, *state);
    struct aws_client_options options = {.service = "xray", .region = "EU West"};
    assert_int_equal(aws_client_open(rig.loop, &options, &client), FAULT_CONFIG);
    options = (struct aws_client_options){
        .service = "xray", .region = "eu-west-1", .endpoint = "ftp://nowhere"};
    assert_int_equal(aws_client_open(rig.loop, &options, &client), FAULT_CONFIG);
    assert_null(client);
    aws_rig_close(&rig);
}

/* Whoever started weir hears early that there is no region, not with the first request. */
static void test_a_region_that_no_setting_names_is_looked_for_at_once(void **state)
{
    struct aws_rig rig;
    char url[128];
    const struct aws_client_options options = {.service = "xray"};
    aws_rig_open(&rig, *state);
    use_environment_keys();
    (void)snprintf(url, sizeof(url), "%s/v4/id", rig.stub.url);
    (void)setenv("ECS_CONTAINER_METADATA_URI_V4", url, 1);
    aws_rig_open_client(&rig, &options);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (aws_rig_count(&rig, "/v4/id/task") == 0 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(aws_rig_count(&rig, "/v4/id/task"), 1);
    assert_int_equal(aws_rig_count(&rig, "/TraceSegments"), 0);
    struct aws_probe probe = aws_probe_of();
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_OK);
    assert_string_equal(aws_client_region(rig.client), "sa-east-1");
    aws_rig_close(&rig);
}

static void test_a_search_without_a_region_is_told_to_the_process(void **state)
{
    struct aws_rig rig;
    const struct aws_client_options options = {.service = "xray", .is_local_mode = true};
    aws_rig_open(&rig, *state);
    aws_rig_open_client(&rig, &options);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (!region_discovery_has_failed() && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(region_discovery_has_failed());
    aws_rig_close(&rig);
}

static void test_open_survives_refused_memory(void **state)
{
    struct aws_rig rig;
    const struct aws_client_options options = {
        .service = "xray", .region = "eu-west-1", .role_arn = "arn:aws:iam::1:role/r"};
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    int err = -ENOMEM;
    uint64_t nth = 0;
    while (err != 0) {
        nth++;
        assert_true(nth < 1000);
        mem_fail_nth(nth);
        err = aws_client_open(rig.loop, &options, &rig.client);
        mem_fail_nth(0);
        for (int i = 0; i < 3; i++) {
            assert_true(loop_turn(rig.loop, 0) >= 0);
        }
    }
    assert_true(nth > 10);
    aws_client_close(rig.client);
    rig.client = NULL;
    const struct aws_client_options without = {.service = "xray", .is_local_mode = true};
    err = -ENOMEM;
    for (nth = 1; err != 0 && nth < 1000; nth++) {
        mem_fail_nth(nth);
        err = aws_client_open(rig.loop, &without, &rig.client);
        mem_fail_nth(0);
        for (int i = 0; i < 3; i++) {
            assert_true(loop_turn(rig.loop, 0) >= 0);
        }
    }
    assert_int_equal(err, 0);
    aws_rig_close(&rig);
}

static int run_on(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_request_arrives_signed_and_whole),
        LOOP_TEST(test_get_with_query_is_signed),
        LOOP_TEST(test_request_may_start_again_from_its_callback_and_calls_are_reused),
        LOOP_TEST(test_unsound_requests_are_refused),
        LOOP_TEST(test_answers_have_a_class_a_code_and_a_hint),
        LOOP_TEST(test_refused_connection_is_transient_and_was_not_sent),
        LOOP_TEST(test_clock_is_corrected_and_the_request_repeated_once),
        LOOP_TEST(test_expired_token_is_renewed_and_the_request_repeated_once),
        LOOP_TEST(test_keys_that_are_always_refused_are_tried_twice_and_fetched_once),
        LOOP_TEST(test_clients_and_requests_of_one_loop_share_one_fetch),
        LOOP_TEST(test_keys_that_expire_under_use_are_renewed_without_a_failure),
        LOOP_TEST(test_wait_ends_with_the_requests_patience),
        LOOP_TEST(test_failed_fetch_answers_all_who_wait_and_says_why),
        LOOP_TEST(test_cancelled_requests_are_not_answered),
        LOOP_TEST(test_close_forgets_requests_that_wait),
        LOOP_TEST(test_certificates_are_verified_with_the_bundle_of_the_environment),
        LOOP_TEST(test_start_survives_refused_memory),
        LOOP_TEST(test_wrong_settings_are_refused_at_open),
        LOOP_TEST(test_a_region_that_no_setting_names_is_looked_for_at_once),
        LOOP_TEST(test_a_search_without_a_region_is_told_to_the_process),
        LOOP_TEST(test_open_survives_refused_memory),
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
