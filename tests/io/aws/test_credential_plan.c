/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/credential_plan: who is asked in which order, profiles that lead to profiles,
 * commands, tokens in files, and addresses that are refused.
 */
#include "io/aws/credential_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/defs.h"
#include "core/base/mem.h"
#include "io/aws/container_url.h"

/* A directory with the files of one test. */
struct fixture {
    char directory[64];
    struct aws_environment env;
    struct credential_plan plan;
};

static void set(struct fixture *f, enum aws_variable variable, const char *value)
{
    mem_free(f->env.values[variable]);
    f->env.values[variable] = mem_copy_text(value, strlen(value));
    assert_non_null(f->env.values[variable]);
}

static void write_file(struct fixture *f, const char *name, const char *text, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", f->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void set_file(struct fixture *f, enum aws_variable variable, const char *text)
{
    char path[128];
    write_file(f, aws_variable_name(variable), text, path);
    set(f, variable, path);
}

static int open_fixture(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->directory, sizeof(f->directory), "/tmp/weir-plan-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    set(f, AWS_VARIABLE_HOME, f->directory);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    char path[128];
    for (size_t i = 0; i < AWS_VARIABLE_COUNT; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->directory,
                       aws_variable_name((enum aws_variable)i));
        (void)unlink(path);
    }
    (void)rmdir(f->directory);
    credential_plan_fini(&f->plan);
    aws_environment_fini(&f->env);
    mem_free(f);
    return 0;
}

static struct credential_plan *make(struct fixture *f)
{
    credential_plan_fini(&f->plan);
    credential_plan_make(&f->plan, &f->env);
    return &f->plan;
}

static void assert_held(const struct credential_plan *plan, const char *source, const char *key_id)
{
    if (plan->step != CREDENTIAL_STEP_HELD) {
        fail_msg("not held: %s", plan->why);
    }
    assert_string_equal(plan->source, source);
    assert_true(slice_is_text(plan->set->keys.access_key_id, key_id));
}

static void assert_refused(const struct credential_plan *plan, const char *words)
{
    assert_int_equal(plan->step, CREDENTIAL_STEP_NONE);
    if (strstr(plan->why, words) == NULL) {
        fail_msg("not said: %s, but: %s", words, plan->why);
    }
}

static void test_providers_are_asked_in_the_order_of_the_sdks(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_IMDS);
    set(f, AWS_VARIABLE_CONTAINER_FULL_URI, "https://creds.example/x");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    assert_string_equal(f->plan.url, "https://creds.example/x");
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "/v2/credentials/id");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    assert_string_equal(f->plan.url, "http://169.254.170.2/v2/credentials/id");
    set_file(f, AWS_VARIABLE_SHARED_CREDENTIALS_FILE,
             "[default]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=s\n");
    assert_held(make(f), "profile", "AKIDPROFILE");
    set_file(f, AWS_VARIABLE_WEB_IDENTITY_TOKEN_FILE, "jwt.jwt.jwt\n");
    set(f, AWS_VARIABLE_ROLE_ARN, "arn:aws:iam::1:role/web");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_WEB_IDENTITY);
    assert_true(slice_is_text(f->plan.web_token, "jwt.jwt.jwt"));
    assert_string_equal(f->plan.web_role.arn, "arn:aws:iam::1:role/web");
    set(f, AWS_VARIABLE_ACCESS_KEY_ID, "AKIDENV");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_WEB_IDENTITY); /* both are needed */
    assert_non_null(strstr(f->plan.tried, "without AWS_SECRET_ACCESS_KEY"));
    set(f, AWS_VARIABLE_SECRET_KEY, "older name");
    assert_refused(make(f), "cannot be ones"); /* a blank cannot stand in a secret */
    set(f, AWS_VARIABLE_SECRET_ACCESS_KEY, "s");
    assert_held(make(f), "environment", "AKIDENV");
}

static void test_nothing_to_be_had_says_what_was_tried(void **state)
{
    struct fixture *f = *state;
    set(f, AWS_VARIABLE_IMDS_DISABLED, "TRUE");
    assert_refused(make(f), "AWS_EC2_METADATA_DISABLED");
    assert_non_null(strstr(f->plan.tried, "no AWS_ACCESS_KEY_ID"));
    assert_non_null(strstr(f->plan.tried, "no AWS_WEB_IDENTITY_TOKEN_FILE"));
    assert_non_null(strstr(f->plan.tried, "profile: no default one"));
    assert_non_null(strstr(f->plan.tried, "container: no AWS_CONTAINER"));
}

static void test_named_profile_that_is_nowhere_ends_the_chain(void **state)
{
    struct fixture *f = *state;
    set(f, AWS_VARIABLE_PROFILE, "absent");
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "/x");
    assert_refused(make(f), "absent of AWS_PROFILE is nowhere");
}

static void test_profile_chain_pushes_roles_down_to_keys(void **state)
{
    struct fixture *f = *state;
    set(f, AWS_VARIABLE_PROFILE, "outer");
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[profile outer]\nrole_arn=arn:outer\nsource_profile=middle\nexternal_id=ext\n"
             "duration_seconds=1800\n"
             "[profile middle]\nrole_arn=arn:middle\nsource_profile=base\nrole_session_name=me\n"
             "duration_seconds=5\n");
    set_file(f, AWS_VARIABLE_SHARED_CREDENTIALS_FILE,
             "[base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=s\n");
    assert_held(make(f), "profile", "AKIDBASE");
    assert_int_equal(f->plan.role_count, 2);
    assert_string_equal(f->plan.roles[0].arn, "arn:outer");
    assert_string_equal(f->plan.roles[0].external_id, "ext");
    assert_int_equal(f->plan.roles[0].duration_s, 1800);
    assert_string_equal(f->plan.roles[1].arn, "arn:middle");
    assert_string_equal(f->plan.roles[1].session_name, "me");
    assert_int_equal(f->plan.roles[1].duration_s, 0); /* less than STS gives */
}

static void test_profile_chain_that_leads_nowhere_is_refused(void **state)
{
    struct fixture *f = *state;
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=a\nsource_profile=b\n[profile b]\nrole_arn=b\n"
             "source_profile=default\n");
    assert_refused(make(f), "circle");
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\nrole_arn=a\nsource_profile=absent\n");
    assert_refused(make(f), "absent is nowhere");
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\nrole_arn=a\nsource_profile=default\n");
    assert_refused(make(f), "its own source");
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=a\nsource_profile=b\n[profile b]\nregion=x\n");
    assert_refused(make(f), "b has no credentials");
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=a\nmfa_serial=m\nsource_profile=default\n");
    assert_refused(make(f), "mfa_serial");
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\nsso_session=s\n");
    assert_refused(make(f), "SSO");
}

static void test_credential_source_names_the_provider(void **state)
{
    struct fixture *f = *state;
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=arn:r\ncredential_source=Ec2InstanceMetadata\n");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_IMDS);
    assert_int_equal(f->plan.role_count, 1);
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "/x");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_IMDS);
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=arn:r\ncredential_source=EcsContainer\n");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=arn:r\ncredential_source=Environment\n");
    assert_refused(make(f), "nothing to give");
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\nrole_arn=r\ncredential_source=Elsewhere\n");
    assert_refused(make(f), "Elsewhere is not one we know");
}

static void test_role_of_a_profile_without_credentials_is_assumed_with_the_machines(void **state)
{
    struct fixture *f = *state;
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\nrole_arn=arn:r\nregion=eu-west-1\n");
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "/x");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    assert_int_equal(f->plan.role_count, 1);
}

static void test_process_gives_keys_or_a_reason(void **state)
{
    struct fixture *f = *state;
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKIDPROC\","
             "\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
             "\"2099-01-01T00:00:00Z\"}'\n");
    assert_held(make(f), "credential_process", "AKIDPROC");
    assert_int_equal(f->plan.set->expires_unix_s, 4070908800);
    assert_true(slice_is_text(f->plan.set->keys.session_token, "t"));
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\ncredential_process = echo no; exit 3\n");
    assert_refused(make(f), "ended with code 3");
    set_file(f, AWS_VARIABLE_CONFIG_FILE, "[default]\ncredential_process = echo no\n");
    assert_refused(make(f), "not as expected");
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\ncredential_process = head -c 70000 /dev/zero\n");
    assert_refused(make(f), "limit");
}

static void test_web_identity_of_a_profile_reads_its_token(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char config[512];
    write_file(f, "AWS_CA_BUNDLE", "token-of-file", path);
    (void)snprintf(config, sizeof(config),
                   "[default]\nrole_arn=arn:web\nrole_session_name=s\nweb_identity_token_file=%s\n",
                   path);
    set_file(f, AWS_VARIABLE_CONFIG_FILE, config);
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_WEB_IDENTITY);
    assert_int_equal(f->plan.role_count, 0);
    assert_string_equal(f->plan.web_role.arn, "arn:web");
    assert_true(slice_is_text(f->plan.web_token, "token-of-file"));
    write_file(f, "AWS_CA_BUNDLE", "", path);
    assert_refused(make(f), "empty token file");
    assert_int_equal(unlink(path), 0);
    assert_refused(make(f), "token file");
}

static void test_container_token_file_wins_and_must_be_one_line(void **state)
{
    struct fixture *f = *state;
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "/x");
    set(f, AWS_VARIABLE_CONTAINER_TOKEN, "from variable");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    assert_true(slice_is_text(f->plan.authorization, "from variable"));
    set_file(f, AWS_VARIABLE_CONTAINER_TOKEN_FILE, "from file\n");
    assert_int_equal(make(f)->step, CREDENTIAL_STEP_CONTAINER);
    assert_true(slice_is_text(f->plan.authorization, "from file"));
    set_file(f, AWS_VARIABLE_CONTAINER_TOKEN_FILE, "two\r\nlines");
    assert_refused(make(f), "line end");
    set(f, AWS_VARIABLE_CONTAINER_TOKEN_FILE, "/nonexistent/token");
    assert_refused(make(f), "token file /nonexistent/token");
}

static void test_container_addresses_are_checked(void **state)
{
    (void)state;
    static const char *const allowed[] = {
        "http://127.0.0.1:8080/x",  "http://127.9.9.9",         "http://[::1]:80/x?y",
        "http://169.254.170.2/v2",  "http://localhost/x",       "http://169.254.170.23/v1",
        "https://anywhere.example", "http://[fd00:ec2::23]/v1",
    };
    static const char *const refused[] = {
        "http://169.254.169.254/latest",
        "http://10.0.0.1/x",
        "http://192.168.1.1",
        "http://[fd00:ec2::24]/v1",
        "http://127.0.0.1@10.0.0.1/x",
        "http://127.0.0.1:80@10.0.0.1/",
        "http://127.0.0.1\\@10.0.0.1/",
        "http://127.0.0.1#@10.0.0.1/",
        "http://[::1/x",
        "http:///x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: x",
        "ftp://127.0.0.1/",
        "127.0.0.1/x",
        "",
        "https://",
    };
    for (size_t i = 0; i < COUNT_OF(allowed); i++) {
        const char *why = container_url_check(allowed[i]);
        if (why != NULL) {
            fail_msg("%s: %s", allowed[i], why);
        }
    }
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if (container_url_check(refused[i]) == NULL) {
            fail_msg("%s was allowed", refused[i]);
        }
    }
}

static void test_refused_address_ends_the_chain(void **state)
{
    struct fixture *f = *state;
    set(f, AWS_VARIABLE_CONTAINER_FULL_URI, "http://10.0.0.1/x");
    assert_refused(make(f), "http is allowed only to loopback");
    set(f, AWS_VARIABLE_CONTAINER_RELATIVE_URI, "@10.0.0.1/x");
    assert_refused(make(f), "is no path");
}

static void test_refused_memory_leaves_a_plan_that_says_so(void **state)
{
    struct fixture *f = *state;
    set_file(f, AWS_VARIABLE_CONFIG_FILE,
             "[default]\nrole_arn=arn:r\nsource_profile=b\nexternal_id=e\n[profile b]\n"
             "aws_access_key_id=AKID\naws_secret_access_key=s\n");
    uint64_t nth = 0;
    do {
        nth++;
        assert_true(nth < 100);
        credential_plan_fini(&f->plan);
        mem_fail_nth(nth);
        credential_plan_make(&f->plan, &f->env);
        mem_fail_nth(0);
        assert_true(f->plan.step == CREDENTIAL_STEP_HELD || f->plan.why[0] != '\0');
    } while (f->plan.step != CREDENTIAL_STEP_HELD);
    assert_true(nth > 3);
}

#define PLAN_TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAN_TEST(test_providers_are_asked_in_the_order_of_the_sdks),
        PLAN_TEST(test_nothing_to_be_had_says_what_was_tried),
        PLAN_TEST(test_named_profile_that_is_nowhere_ends_the_chain),
        PLAN_TEST(test_profile_chain_pushes_roles_down_to_keys),
        PLAN_TEST(test_profile_chain_that_leads_nowhere_is_refused),
        PLAN_TEST(test_credential_source_names_the_provider),
        PLAN_TEST(test_role_of_a_profile_without_credentials_is_assumed_with_the_machines),
        PLAN_TEST(test_process_gives_keys_or_a_reason),
        PLAN_TEST(test_web_identity_of_a_profile_reads_its_token),
        PLAN_TEST(test_container_token_file_wins_and_must_be_one_line),
        cmocka_unit_test(test_container_addresses_are_checked),
        PLAN_TEST(test_refused_address_ends_the_chain),
        PLAN_TEST(test_refused_memory_leaves_a_plan_that_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
