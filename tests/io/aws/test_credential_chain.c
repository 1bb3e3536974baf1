/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the providers that speak HTTP, and of the region found in metadata, through a client and
 * a scripted AWS, on both backends.
 */
#include "io/aws/credential_chain.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/io/aws/aws_rig.h"
#include "tests/support/loop_fixture.h"

#define IMDS_TOKEN "/latest/api/token"
#define IMDS_ROLES "/latest/meta-data/iam/security-credentials/"
#define IMDS_ROLE IMDS_ROLES "my-role"
#define IMDS_IDENTITY "/latest/dynamic/instance-identity/document"

static void use_machine(struct aws_rig *rig)
{
    (void)unsetenv("AWS_EC2_METADATA_DISABLED");
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", rig->stub.url, 1);
}

static void use_environment_keys(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "ENVSECRET", 1);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A file of a test's own; the caller unlinks it. */
static void make_file(char path[64], const char *text)
{
    (void)snprintf(path, 64, "/tmp/weir-chain-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_file(path, text);
}

static bool body_has(const struct http_stub_request *request, const char *part)
{
    return memmem(request->body, request->body_len, part, strlen(part)) != NULL;
}

static void assert_signed_with(struct aws_rig *rig, const char *key_id, const char *secret)
{
    char credential[64];
    const struct http_stub_request *got = aws_rig_last(rig, "/TraceSegments");
    struct slice shown = http_stub_header(got, "Authorization");
    (void)snprintf(credential, sizeof(credential), "Credential=%s/", key_id);
    assert_non_null(memmem(shown.ptr, shown.len, credential, strlen(credential)));
    assert_true(aws_rig_is_signed(got, secret));
}

static void run_ok(struct aws_rig *rig)
{
    struct aws_probe probe = aws_probe_of();
    aws_rig_run(rig, &probe);
    if (probe.outcome != AWS_OK) {
        fail_msg("outcome %d: %s %s", (int)probe.outcome, probe.fault_text, probe.code);
    }
}

/* --- container -------------------------------------------------------------------------------- */

/* The keys that the rig gives are numbered: those that signed the last request. */
static unsigned long last_key_number(struct aws_rig *rig)
{
    struct slice shown = http_stub_header(aws_rig_last(rig, "/TraceSegments"), "Authorization");
    const char *at = memmem(shown.ptr, shown.len, "AKIDFETCHED", 11);
    assert_non_null(at);
    return strtoul(at + 11, NULL, 10);
}

static bool was_shown(struct aws_rig *rig, const char *token)
{
    return slice_is_text(http_stub_header(aws_rig_last(rig, "/container"), "Authorization"), token);
}

static void test_container_is_shown_the_token_of_its_file_anew_each_time(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    char path[64];
    char secret[32];
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    make_file(path, "Bearer first\n");
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    rig.script.required_token = "Bearer first";
    rig.script.key_lifetime_s = 4; /* renewed after two */
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_signed_with(&rig, "AKIDFETCHED1", "SECRET1");
    assert_true(slice_is_text(http_stub_header(aws_rig_last(&rig, "/container"), "Accept"),
                              "application/json"));
    write_file(path, "Bearer second\n");
    rig.script.required_token = "Bearer second";
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    bool is_renewed = false;
    while (!is_renewed && clock_mono_ns() < deadline_mono_ns) {
        loop_fixture_run(rig.loop, 200 * CLOCK_NS_PER_MS);
        aws_rig_run(&rig, &probe);
        is_renewed = probe.outcome == AWS_OK && last_key_number(&rig) > 1;
    }
    assert_true(is_renewed);
    assert_true(was_shown(&rig, "Bearer second"));
    (void)snprintf(secret, sizeof(secret), "SECRET%lu", last_key_number(&rig));
    assert_true(aws_rig_is_signed(aws_rig_last(&rig, "/TraceSegments"), secret));
    aws_rig_close(&rig);
    assert_int_equal(unlink(path), 0);
}

static void test_container_that_fails_for_a_moment_is_asked_three_times(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    rig.script.key_status = 503;
    aws_rig_open_client(&rig, NULL);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_int_equal(aws_rig_count(&rig, "/container"), 3);
    aws_rig_close(&rig);
}

/* --- instance metadata ------------------------------------------------------------------------ */

static void test_machine_gives_keys_for_a_session_token(void **state)
{
    struct aws_rig rig;
    aws_rig_open(&rig, *state);
    use_machine(&rig);
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_signed_with(&rig, "AKIDFETCHED1", "SECRET1");
    const struct http_stub_request *asked = aws_rig_last(&rig, IMDS_TOKEN);
    assert_string_equal(asked->method, "PUT");
    assert_true(
        slice_is_text(http_stub_header(asked, "X-aws-ec2-metadata-token-ttl-seconds"), "21600"));
    assert_int_equal(aws_rig_count(&rig, IMDS_TOKEN), 1);
    assert_int_equal(aws_rig_count(&rig, IMDS_ROLE), 1);
    aws_rig_close(&rig);
}

static void test_session_token_that_is_refused_is_renewed_once(void **state)
{
    struct aws_rig rig;
    aws_rig_open(&rig, *state);
    use_machine(&rig);
    rig.script.is_first_token_refused = true;
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_int_equal(aws_rig_count(&rig, IMDS_TOKEN), 2);
    assert_int_equal(aws_rig_count(&rig, IMDS_ROLES), 2);
    assert_int_equal(aws_rig_count(&rig, IMDS_ROLE), 1);
    aws_rig_close(&rig);
}

static void test_version_1_is_spoken_only_where_allowed(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_machine(&rig);
    rig.script.has_no_tokens = true;
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_int_equal(aws_rig_count(&rig, IMDS_TOKEN), 1);
    aws_client_close(rig.client);
    (void)setenv("AWS_EC2_METADATA_V1_DISABLED", "true", 1);
    aws_rig_open_client(&rig, NULL);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_non_null(strstr(probe.fault_text, "no session token"));
    aws_rig_close(&rig);
}

/* --- STS -------------------------------------------------------------------------------------- */

static void test_web_identity_is_exchanged_unsigned(void **state)
{
    struct aws_rig rig;
    char path[64];
    aws_rig_open(&rig, *state);
    make_file(path, "ey.J+=\n");
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    (void)setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web", 1);
    (void)setenv("AWS_ROLE_SESSION_NAME", "me@here", 1);
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_signed_with(&rig, "AKIDFETCHED1", "SECRET1");
    const struct http_stub_request *asked = aws_rig_last(&rig, "/sts");
    assert_string_equal(asked->method, "POST");
    assert_int_equal(http_stub_header(asked, "Authorization").len, 0);
    assert_true(slice_is_text(http_stub_header(asked, "Content-Type"),
                              "application/x-www-form-urlencoded"));
    assert_true(body_has(asked, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                                "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fweb&"
                                "RoleSessionName=me%40here&WebIdentityToken=ey.J%2B%3D"));
    aws_rig_close(&rig);
    assert_int_equal(unlink(path), 0);
}

static void test_role_of_the_settings_is_assumed_with_what_the_chain_found(void **state)
{
    struct aws_rig rig;
    const struct aws_client_options options = {
        .service = "xray",
        .region = "eu-west-1",
        .role_arn = "arn:aws:iam::2:role/r",
        .external_id = "ex&id",
        .session_name = "session",
    };
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, &options);
    run_ok(&rig);
    assert_signed_with(&rig, "AKIDFETCHED1", "SECRET1");
    const struct http_stub_request *asked = aws_rig_last(&rig, "/sts/");
    assert_true(aws_rig_is_signed(asked, "ENVSECRET"));
    struct slice shown = http_stub_header(asked, "Authorization");
    assert_non_null(memmem(shown.ptr, shown.len, "/eu-west-1/sts/", 15));
    assert_true(body_has(asked, "Action=AssumeRole&Version=2011-06-15&"
                                "RoleArn=arn%3Aaws%3Aiam%3A%3A2%3Arole%2Fr&"
                                "RoleSessionName=session&ExternalId=ex%26id"));
    aws_rig_close(&rig);
}

static void test_role_is_assumed_in_spite_of_a_wrong_clock(void **state)
{
    struct aws_rig rig;
    const struct aws_client_options options = {
        .service = "xray", .region = "eu-west-1", .role_arn = "arn:r"};
    aws_rig_open(&rig, *state);
    use_environment_keys();
    rig.script.clock_skew_s = 1800;
    aws_rig_open_client(&rig, &options);
    run_ok(&rig);
    assert_int_equal(aws_rig_count(&rig, "/sts/"), 2);
    assert_true(aws_rig_is_signed(aws_rig_last(&rig, "/sts/"), "ENVSECRET"));
    aws_client_close(rig.client);
    /* Two hours behind us: what it gives for an hour has expired by our clock, but not by its. */
    rig.script.clock_skew_s = -7200;
    aws_rig_open_client(&rig, &options);
    run_ok(&rig);
    aws_rig_close(&rig);
}

static void test_roles_of_a_profile_are_assumed_one_after_another(void **state)
{
    struct aws_rig rig;
    char path[64];
    aws_rig_open(&rig, *state);
    aws_rig_use_container(&rig);
    make_file(path, "[default]\nrole_arn=arn:outer\nsource_profile=inner\n[profile inner]\n"
                    "role_arn=arn:inner\ncredential_source=EcsContainer\n");
    (void)setenv("AWS_CONFIG_FILE", path, 1);
    aws_rig_open_client(&rig, NULL);
    run_ok(&rig);
    assert_int_equal(aws_rig_count(&rig, "/container"), 1);
    assert_int_equal(aws_rig_count(&rig, "/sts/"), 2);
    assert_true(body_has(aws_rig_last(&rig, "/sts/"), "RoleArn=arn%3Aouter"));
    assert_true(aws_rig_is_signed(aws_rig_last(&rig, "/sts/"), "SECRET2"));
    assert_signed_with(&rig, "AKIDFETCHED3", "SECRET3");
    aws_rig_close(&rig);
    assert_int_equal(unlink(path), 0);
}

static void test_role_without_anything_below_says_so(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    const struct aws_client_options options = {
        .service = "xray", .region = "eu-west-1", .role_arn = "arn:r"};
    aws_rig_open(&rig, *state);
    aws_rig_open_client(&rig, &options);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_non_null(strstr(probe.fault_text, "nothing to assume the role with"));
    assert_non_null(strstr(probe.fault_text, "AWS_EC2_METADATA_DISABLED"));
    assert_int_equal(aws_rig_count(&rig, "/sts/"), 0);
    aws_rig_close(&rig);
}

/* --- region ----------------------------------------------------------------------------------- */

static const struct aws_client_options no_region = {.service = "xray"};

static void assert_region(struct aws_rig *rig, const char *region)
{
    char scope[64];
    run_ok(rig);
    assert_string_equal(aws_client_region(rig->client), region);
    struct slice shown = http_stub_header(aws_rig_last(rig, "/TraceSegments"), "Authorization");
    (void)snprintf(scope, sizeof(scope), "/%s/xray/", region);
    assert_non_null(memmem(shown.ptr, shown.len, scope, strlen(scope)));
}

static void test_region_is_looked_for_in_order(void **state)
{
    struct aws_rig rig;
    char path[64];
    char url[128];
    aws_rig_open(&rig, *state);
    use_environment_keys();
    use_machine(&rig);
    aws_rig_open_client(&rig, &no_region);
    assert_string_equal(aws_client_region(rig.client), "");
    assert_region(&rig, "ap-south-1"); /* the machine's */
    aws_client_close(rig.client);
    (void)snprintf(url, sizeof(url), "%s/v4/id", rig.stub.url);
    (void)setenv("ECS_CONTAINER_METADATA_URI_V4", url, 1);
    aws_rig_open_client(&rig, &no_region);
    assert_region(&rig, "sa-east-1"); /* the task's */
    aws_client_close(rig.client);
    make_file(path, "[default]\nregion = ca-west-1\n");
    (void)setenv("AWS_CONFIG_FILE", path, 1);
    aws_rig_open_client(&rig, &no_region);
    assert_region(&rig, "ca-west-1");
    aws_client_close(rig.client);
    (void)setenv("AWS_DEFAULT_REGION", "us-west-2", 1);
    aws_rig_open_client(&rig, &no_region);
    assert_region(&rig, "us-west-2");
    aws_client_close(rig.client);
    (void)setenv("AWS_REGION", "us-east-2", 1);
    aws_rig_open_client(&rig, &no_region);
    assert_region(&rig, "us-east-2");
    assert_int_equal(aws_rig_count(&rig, IMDS_IDENTITY), 1);
    assert_int_equal(aws_rig_count(&rig, "/v4/id/task"), 1);
    aws_rig_close(&rig);
    assert_int_equal(unlink(path), 0);
}

static void test_local_mode_asks_no_metadata_for_the_region(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    const struct aws_client_options options = {.service = "xray", .is_local_mode = true};
    aws_rig_open(&rig, *state);
    use_environment_keys();
    use_machine(&rig);
    aws_rig_open_client(&rig, &options);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_non_null(strstr(probe.fault_text, "AWS_REGION"));
    assert_int_equal(http_stub_request_count(&rig.stub), 0);
    aws_rig_close(&rig);
}

static void test_region_that_cannot_be_found_says_where_it_was_looked_for(void **state)
{
    struct aws_rig rig;
    struct aws_probe probe = aws_probe_of();
    aws_rig_open(&rig, *state);
    use_environment_keys();
    aws_rig_open_client(&rig, &no_region);
    aws_rig_run(&rig, &probe);
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    assert_non_null(strstr(probe.fault_text, "AWS_REGION"));
    assert_non_null(strstr(probe.fault_text, "ECS_CONTAINER_METADATA_URI_V4"));
    assert_non_null(strstr(probe.fault_text, "instance metadata"));
    aws_rig_run(&rig, &probe); /* within the backoff: at once */
    assert_int_equal(probe.outcome, AWS_NO_CREDENTIALS);
    aws_rig_close(&rig);
}

static int run_on(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_container_is_shown_the_token_of_its_file_anew_each_time),
        LOOP_TEST(test_container_that_fails_for_a_moment_is_asked_three_times),
        LOOP_TEST(test_machine_gives_keys_for_a_session_token),
        LOOP_TEST(test_session_token_that_is_refused_is_renewed_once),
        LOOP_TEST(test_version_1_is_spoken_only_where_allowed),
        LOOP_TEST(test_web_identity_is_exchanged_unsigned),
        LOOP_TEST(test_role_of_the_settings_is_assumed_with_what_the_chain_found),
        LOOP_TEST(test_role_is_assumed_in_spite_of_a_wrong_clock),
        LOOP_TEST(test_roles_of_a_profile_are_assumed_one_after_another),
        LOOP_TEST(test_role_without_anything_below_says_so),
        LOOP_TEST(test_region_is_looked_for_in_order),
        LOOP_TEST(test_local_mode_asks_no_metadata_for_the_region),
        LOOP_TEST(test_region_that_cannot_be_found_says_where_it_was_looked_for),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    /* Failing is what half of these are about; the tests look at the reasons themselves. */
    const struct log_options quiet = {.level = LOG_LEVEL_ERROR, .format = LOG_FORMAT_TEXT};
    log_init(&quiet);
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_fixture_main(run_on);
}
