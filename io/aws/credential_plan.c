/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_plan — the chain of providers, asked one after another whether they are configured.
 *
 * Within a profile, first match: a source profile whose role is assumed, keys, credential_source,
 * a web identity, credential_process. A profile that names none of them leaves it to the container
 * and the machine.
 */
#include "io/aws/credential_plan.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "io/aws/container_url.h"
#include "io/aws/credential_process.h"
#include "io/aws/profile_texts.h"

#define TEXTS_FIRST_BYTES 2048
#define TEXTS_MAX_BYTES (256 * 1024)
#define DURATION_LEAST_S 900
#define DURATION_MOST_S 43200
#define AUTHORIZATION_MAX_BYTES 16384

/* What one provider said to being asked. */
enum finding {
    FINDING_ABSENT, /* not configured: the next one is asked */
    FINDING_SET,    /* the plan is made, or `why` says why it cannot be */
};

WEIR_PRINTF(2, 3)
static enum finding refuse(struct credential_plan *plan, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(plan->why, sizeof(plan->why), format, arguments);
    va_end(arguments);
    plan->step = CREDENTIAL_STEP_NONE;
    return FINDING_SET;
}

static enum finding note_absent(struct credential_plan *plan, const char *sentence)
{
    size_t used = strlen(plan->tried);
    (void)snprintf(plan->tried + used, sizeof(plan->tried) - used, "%s%s", used > 0 ? "; " : "",
                   sentence);
    return FINDING_ABSENT;
}

/* A NUL-terminated copy; "" where the arena refuses, which then says so at the end. */
static const char *keep(struct credential_plan *plan, struct slice text)
{
    char *copy = arena_alloc(&plan->texts, text.len + 1);
    if (copy == NULL) {
        (void)refuse(plan, "out of memory");
        return "";
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

static enum finding hold(struct credential_plan *plan, const struct sigv4_credentials *keys,
                         const char *source)
{
    int err = credential_set_new(keys, 0, source, &plan->set);
    if (err != 0) {
        return refuse(plan, "%s: %s", source,
                      err == -ENOMEM ? "out of memory" : "the keys cannot be ones");
    }
    plan->step = CREDENTIAL_STEP_HELD;
    plan->source = source;
    return FINDING_SET;
}

/* --- environment ------------------------------------------------------------------------------ */

static struct slice first_of(const struct aws_environment *env, enum aws_variable variable,
                             enum aws_variable older)
{
    const char *text = aws_environment_text(env, variable);
    return slice_of_text(text[0] != '\0' ? text : aws_environment_text(env, older));
}

static enum finding ask_environment(struct credential_plan *plan, const struct aws_environment *env)
{
    const struct sigv4_credentials keys = {
        .access_key_id = first_of(env, AWS_VARIABLE_ACCESS_KEY_ID, AWS_VARIABLE_ACCESS_KEY),
        .secret_access_key = first_of(env, AWS_VARIABLE_SECRET_ACCESS_KEY, AWS_VARIABLE_SECRET_KEY),
        .session_token = slice_of_text(aws_environment_text(env, AWS_VARIABLE_SESSION_TOKEN)),
    };
    if (keys.access_key_id.len == 0 && keys.secret_access_key.len == 0) {
        return note_absent(plan, "environment: no AWS_ACCESS_KEY_ID");
    }
    if (keys.secret_access_key.len == 0) {
        return note_absent(plan, "environment: AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
    }
    if (keys.access_key_id.len == 0) {
        return note_absent(plan, "environment: AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID");
    }
    return hold(plan, &keys, "environment");
}

/* --- web identity ----------------------------------------------------------------------------- */

static enum finding read_web_token(struct credential_plan *plan, const char *path)
{
    struct aws_file file;
    int err = aws_file_read(path, CREDENTIAL_WEB_TOKEN_MAX_BYTES, &file);
    if (err != 0) {
        return refuse(plan, "web identity: token file %.200s: %s", path, fault_text(err));
    }
    plan->step = CREDENTIAL_STEP_WEB_IDENTITY;
    plan->source = "web identity";
    plan->web_token = arena_copy(&plan->texts, aws_file_token(&file));
    aws_file_fini(&file);
    if (plan->web_token.ptr == NULL) {
        return refuse(plan, "out of memory");
    }
    return plan->web_token.len > 0 ? FINDING_SET : refuse(plan, "web identity: empty token file");
}

static enum finding ask_web_identity(struct credential_plan *plan,
                                     const struct aws_environment *env)
{
    const char *path = aws_environment_text(env, AWS_VARIABLE_WEB_IDENTITY_TOKEN_FILE);
    const char *arn = aws_environment_text(env, AWS_VARIABLE_ROLE_ARN);
    if (path[0] == '\0') {
        return note_absent(plan, "web identity: no AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    if (arn[0] == '\0') {
        return refuse(plan, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN");
    }
    const char *name = aws_environment_text(env, AWS_VARIABLE_ROLE_SESSION_NAME);
    plan->web_role = (struct credential_role){
        .arn = keep(plan, slice_of_text(arn)),
        .external_id = "",
        .session_name = keep(plan, slice_of_text(name)),
    };
    return read_web_token(plan, path);
}

/* --- container -------------------------------------------------------------------------------- */

/* CR and LF would end the header that the value stands in. */
static enum finding take_authorization(struct credential_plan *plan, struct slice value)
{
    if (slice_find(value, '\r') < value.len || slice_find(value, '\n') < value.len ||
        slice_find(value, '\0') < value.len) {
        return refuse(plan, "container: the authorization token holds a line end");
    }
    plan->authorization = arena_copy(&plan->texts, value);
    return plan->authorization.ptr != NULL ? FINDING_SET : refuse(plan, "out of memory");
}

static enum finding read_authorization(struct credential_plan *plan,
                                       const struct aws_environment *env)
{
    const char *path = aws_environment_text(env, AWS_VARIABLE_CONTAINER_TOKEN_FILE);
    if (path[0] == '\0') {
        const char *value = aws_environment_text(env, AWS_VARIABLE_CONTAINER_TOKEN);
        return take_authorization(plan, slice_of_text(value));
    }
    struct aws_file file;
    int err = aws_file_read(path, AUTHORIZATION_MAX_BYTES, &file);
    if (err != 0) {
        return refuse(plan, "container: token file %.200s: %s", path, fault_text(err));
    }
    /* A token's own end of line is no part of it; one inside is refused. */
    enum finding finding = take_authorization(plan, aws_file_token(&file));
    aws_file_fini(&file);
    return finding;
}

static enum finding ask_container(struct credential_plan *plan, const struct aws_environment *env)
{
    const char *relative = aws_environment_text(env, AWS_VARIABLE_CONTAINER_RELATIVE_URI);
    const char *full = aws_environment_text(env, AWS_VARIABLE_CONTAINER_FULL_URI);
    char url[2048];
    if (relative[0] == '\0' && full[0] == '\0') {
        return note_absent(plan,
                           "container: no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI");
    }
    if (relative[0] != '\0' && relative[0] != '/') {
        return refuse(plan, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
    }
    int len = relative[0] != '\0' ? snprintf(url, sizeof(url), "%s%s", CONTAINER_URL_ECS, relative)
                                  : snprintf(url, sizeof(url), "%s", full);
    if (len < 0 || (size_t)len >= sizeof(url)) {
        return refuse(plan, "container: the URI is too long");
    }
    const char *why = container_url_check(url);
    if (why != NULL) {
        return refuse(plan, "container: %s", why);
    }
    plan->step = CREDENTIAL_STEP_CONTAINER;
    plan->source = "container";
    plan->url = keep(plan, slice_of(url, (size_t)len));
    return plan->step == CREDENTIAL_STEP_NONE ? FINDING_SET : read_authorization(plan, env);
}

static enum finding ask_imds(struct credential_plan *plan, const struct aws_environment *env)
{
    if (aws_environment_is_true(env, AWS_VARIABLE_IMDS_DISABLED)) {
        return refuse(plan, "instance metadata: AWS_EC2_METADATA_DISABLED");
    }
    plan->step = CREDENTIAL_STEP_IMDS;
    plan->source = "instance metadata";
    return FINDING_SET;
}

static enum finding ask_machine(struct credential_plan *plan, const struct aws_environment *env)
{
    if (ask_container(plan, env) == FINDING_SET) {
        return FINDING_SET;
    }
    return ask_imds(plan, env);
}

/* --- profile ---------------------------------------------------------------------------------- */

static const char *keep_value(struct credential_plan *plan, const struct profile *profile,
                              enum profile_key key)
{
    return keep(plan, profile->values[key]);
}

static struct credential_role role_of(struct credential_plan *plan, const struct profile *profile)
{
    uint64_t duration_s = 0;
    if (number_parse_u64(profile->values[PROFILE_DURATION_SECONDS], &duration_s) != 0 ||
        duration_s < DURATION_LEAST_S || duration_s > DURATION_MOST_S) {
        duration_s = 0;
    }
    return (struct credential_role){
        .arn = keep_value(plan, profile, PROFILE_ROLE_ARN),
        .external_id = keep_value(plan, profile, PROFILE_EXTERNAL_ID),
        .session_name = keep_value(plan, profile, PROFILE_ROLE_SESSION_NAME),
        .duration_s = (uint32_t)duration_s,
    };
}

static enum finding push_role(struct credential_plan *plan, const struct profile *profile)
{
    if (profile_has(profile, PROFILE_MFA_SERIAL)) {
        return refuse(plan, "profile: its role wants a code from a device (mfa_serial)");
    }
    if (plan->role_count == CREDENTIAL_ROLES_MAX) {
        return refuse(plan, "profile: source_profile goes round in a circle");
    }
    plan->roles[plan->role_count] = role_of(plan, profile);
    plan->role_count++;
    return FINDING_ABSENT;
}

static enum finding take_source(struct credential_plan *plan, const struct aws_environment *env,
                                struct slice source)
{
    enum finding finding = FINDING_ABSENT;
    if (slice_is_text(source, "Environment")) {
        finding = ask_environment(plan, env);
    } else if (slice_is_text(source, "EcsContainer")) {
        finding = ask_container(plan, env);
    } else if (slice_is_text(source, "Ec2InstanceMetadata")) {
        finding = ask_imds(plan, env);
    } else {
        return refuse(plan, "profile: credential_source %.40s is not one we know",
                      keep(plan, source));
    }
    return finding == FINDING_SET
               ? FINDING_SET
               : refuse(plan, "profile: credential_source has nothing to give (%.300s)",
                        plan->tried);
}

static enum finding run_process(struct credential_plan *plan, const char *command)
{
    char *output = NULL;
    size_t len = 0;
    plan->source = "credential_process";
    int err =
        credential_process_run(command, CREDENTIAL_PROCESS_TIMEOUT_MS, &output, &len, plan->why);
    if (err != 0) {
        return FINDING_SET;
    }
    err = credential_set_read_json(slice_of(output, len), plan->source, &plan->set, plan->why);
    OPENSSL_cleanse(output, len);
    mem_free(output);
    plan->step = err == 0 ? CREDENTIAL_STEP_HELD : CREDENTIAL_STEP_NONE;
    return FINDING_SET;
}

static bool has_keys(const struct profile *profile)
{
    return profile_has(profile, PROFILE_ACCESS_KEY_ID) &&
           profile_has(profile, PROFILE_SECRET_ACCESS_KEY);
}

static enum finding hold_profile_keys(struct credential_plan *plan, const struct profile *profile)
{
    const struct sigv4_credentials keys = {
        .access_key_id = profile->values[PROFILE_ACCESS_KEY_ID],
        .secret_access_key = profile->values[PROFILE_SECRET_ACCESS_KEY],
        .session_token = profile->values[PROFILE_SESSION_TOKEN],
    };
    return hold(plan, &keys, "profile");
}

/* The last profile of a chain: where credentials come from, its role having been pushed. */
static enum finding take_profile(struct credential_plan *plan, const struct aws_environment *env,
                                 const struct profile *profile)
{
    if (has_keys(profile)) {
        return hold_profile_keys(plan, profile);
    }
    if (profile_has(profile, PROFILE_CREDENTIAL_SOURCE)) {
        return take_source(plan, env, profile->values[PROFILE_CREDENTIAL_SOURCE]);
    }
    if (profile_has(profile, PROFILE_SSO_SESSION) || profile_has(profile, PROFILE_SSO_START_URL) ||
        profile_has(profile, PROFILE_LOGIN_SESSION)) {
        return refuse(plan, "profile: it signs in as a person (SSO), which a gateway cannot");
    }
    if (profile_has(profile, PROFILE_CREDENTIAL_PROCESS)) {
        return run_process(plan, keep_value(plan, profile, PROFILE_CREDENTIAL_PROCESS));
    }
    return FINDING_ABSENT;
}

static bool is_web_identity(const struct profile *profile)
{
    return profile_has(profile, PROFILE_WEB_IDENTITY_TOKEN_FILE) &&
           profile_has(profile, PROFILE_ROLE_ARN) && !has_keys(profile) &&
           !profile_has(profile, PROFILE_CREDENTIAL_SOURCE);
}

static enum finding take_web_profile(struct credential_plan *plan, const struct profile *profile)
{
    plan->web_role = role_of(plan, profile);
    return read_web_token(plan, keep_value(plan, profile, PROFILE_WEB_IDENTITY_TOKEN_FILE));
}

/* From profile to source profile, down to the one that has credentials. */
static enum finding follow(struct credential_plan *plan, const struct aws_environment *env,
                           const struct profile_texts *texts, struct slice name)
{
    struct profile profile;
    bool is_first = true;
    profile_texts_find(texts, name, &profile);
    while (profile_has(&profile, PROFILE_ROLE_ARN) &&
           profile_has(&profile, PROFILE_SOURCE_PROFILE)) {
        if (push_role(plan, &profile) == FINDING_SET) {
            return FINDING_SET;
        }
        struct slice source = profile.values[PROFILE_SOURCE_PROFILE];
        is_first = false;
        if (slice_equal(source, name)) {
            /* A profile may be its own source: then its keys assume its role. */
            return has_keys(&profile) ? hold_profile_keys(plan, &profile)
                                      : refuse(plan, "profile: it is its own source, without keys");
        }
        name = source;
        profile_texts_find(texts, name, &profile);
        if (!profile.is_found) {
            return refuse(plan, "profile: source_profile %.100s is nowhere", keep(plan, name));
        }
    }
    if (is_web_identity(&profile)) {
        return take_web_profile(plan, &profile);
    }
    if (profile_has(&profile, PROFILE_ROLE_ARN) && push_role(plan, &profile) == FINDING_SET) {
        return FINDING_SET;
    }
    enum finding finding = take_profile(plan, env, &profile);
    return finding == FINDING_SET || is_first
               ? finding
               : refuse(plan, "profile: source_profile %.100s has no credentials",
                        keep(plan, name));
}

static enum finding ask_profile(struct credential_plan *plan, const struct aws_environment *env)
{
    struct profile_texts texts;
    struct profile selected;
    struct slice name = profile_selected(env);
    int err = profile_texts_load(&texts, env);
    if (err != 0) {
        return refuse(plan, "profile: %s", fault_text(err));
    }
    profile_texts_find(&texts, name, &selected);
    enum finding finding = FINDING_ABSENT;
    if (!selected.is_found && aws_environment_has(env, AWS_VARIABLE_PROFILE)) {
        finding = refuse(plan, "profile: %.100s of AWS_PROFILE is nowhere", keep(plan, name));
    } else if (!selected.is_found) {
        finding = note_absent(plan, "profile: no default one");
    } else {
        finding = follow(plan, env, &texts, name);
        if (finding == FINDING_ABSENT) {
            (void)note_absent(plan, "profile: it names no credentials");
        }
    }
    profile_texts_fini(&texts);
    return finding;
}

/* --- public ----------------------------------------------------------------------------------- */

static void ask_all(struct credential_plan *plan, const struct aws_environment *env)
{
    static enum finding (*const providers[])(struct credential_plan *,
                                             const struct aws_environment *) = {
        ask_environment, ask_web_identity, ask_profile, ask_machine};
    for (size_t i = 0; i < COUNT_OF(providers); i++) {
        if (providers[i](plan, env) == FINDING_SET) {
            return;
        }
    }
}

void credential_plan_make(struct credential_plan *plan, const struct aws_environment *env)
{
    *plan = (struct credential_plan){
        .source = "none",
        .url = "",
        .web_role = {.arn = "", .external_id = "", .session_name = ""},
    };
    if (arena_init(&plan->texts, TEXTS_FIRST_BYTES, TEXTS_MAX_BYTES) != 0) {
        (void)refuse(plan, "out of memory");
        return;
    }
    ask_all(plan, env);
    if (plan->why[0] != '\0') {
        plan->step = CREDENTIAL_STEP_NONE;
    }
}

static void wipe(struct slice secret)
{
    union {
        const uint8_t *bytes;
        void *memory; /* of our own arena, so it may be written to */
    } at = {.bytes = secret.ptr};
    if (secret.len > 0) {
        OPENSSL_cleanse(at.memory, secret.len);
    }
}

void credential_plan_fini(struct credential_plan *plan)
{
    wipe(plan->web_token);
    wipe(plan->authorization);
    credential_set_free(plan->set);
    arena_fini(&plan->texts);
    *plan = (struct credential_plan){0};
}
