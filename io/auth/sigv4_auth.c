/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_auth — settings that are read, judged and kept.
 *
 * Credentials are no part of it: they are found when the first request wants them, so that a
 * gateway starts where they are not to be had yet.
 */
#include "io/auth/sigv4_auth.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "io/auth/auth_state.h"

/* As in host names and scopes of AWS: "eu-central-1", "aps". */
#define NAME_MAX_BYTES 32
#define KEYS_COUNT 7

struct sigv4_auth {
    struct authenticator base;
    struct sigv4_auth_settings settings;
    char *texts[KEYS_COUNT]; /* owned; what the settings point to */
};

/* --- the face --------------------------------------------------------------------------------- */

static enum auth_verdict check(struct authenticator *a, struct auth_state *state,
                               struct slice value, uint64_t now_mono_ns)
{
    (void)a;
    (void)state;
    (void)value;
    (void)now_mono_ns;
    return AUTH_REFUSED; /* nobody asks: it is no server's */
}

static const char *verdict_text(enum auth_verdict verdict)
{
    (void)verdict;
    return "signatures are not checked here";
}

static int value(const struct auth_state *state, char *buf, size_t cap)
{
    (void)state;
    (void)buf;
    (void)cap;
    return FAULT_UNSUPPORTED;
}

/* No file is watched, so this is never asked for. */
static int load(struct authenticator *a, struct auth_state **out, char *why)
{
    (void)a;
    *out = NULL;
    why[0] = '\0';
    return 0;
}

static void free_state(struct auth_state *state)
{
    ASSERT(state == NULL);
}

static void sigv4_free(struct authenticator *a)
{
    struct sigv4_auth *auth = CONTAINER_OF(a, struct sigv4_auth, base);
    auth_state_fini(a);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        mem_free(auth->texts[i]);
    }
    mem_free(auth);
}

static const struct auth_ops sigv4_ops = {
    .type = "sigv4auth",
    .challenge = "AWS4-HMAC-SHA256",
    .check = check,
    .verdict_text = verdict_text,
    .value = value,
    .load = load,
    .free_state = free_state,
    .free = sigv4_free,
};

const struct sigv4_auth_settings *sigv4_auth_settings(const struct authenticator *authenticator)
{
    if (authenticator->ops != &sigv4_ops) {
        return NULL;
    }
    const struct sigv4_auth *auth =
        (const void *)((const char *)authenticator - offsetof(struct sigv4_auth, base));
    return &auth->settings;
}

/* --- configuration ---------------------------------------------------------------------------- */

/* It stands in a signature's scope, between slashes. */
static bool is_name(const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        char c = text[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '-') {
            return false;
        }
    }
    return strlen(text) <= NAME_MAX_BYTES;
}

static int take_text(struct config_reader *r, const char *key, char **kept, const char **out)
{
    struct slice text;
    if (!config_read_text(r, key, NULL, &text)) {
        text = slice_of(NULL, 0);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7F) {
            config_refuse(r, key, "%s must be one line of text", key);
            text.len = 0;
        }
    }
    *kept = mem_copy_text(text.len > 0 ? (const void *)text.ptr : "", text.len);
    *out = *kept != NULL ? *kept : "";
    return *kept != NULL ? 0 : -ENOMEM;
}

static void judge_role(struct config_reader *r, const struct sigv4_auth_settings *s)
{
    if (!is_name(s->sts_region)) {
        config_refuse(r, "sts_region", "sts_region must be a name such as eu-central-1");
    }
    if (s->role_arn[0] != '\0' && strncmp(s->role_arn, "arn:", 4) != 0) {
        config_refuse(r, "arn", "arn must begin with arn:");
    }
    if (s->web_identity_token_file[0] != '\0' && s->role_arn[0] == '\0') {
        config_refuse(r, "web_identity_token_file",
                      "web_identity_token_file needs the arn of the role it is for");
    }
    if (s->web_identity_token_file[0] != '\0' && s->external_id[0] != '\0') {
        config_refuse(r, "external_id",
                      "external_id has no place where a role is assumed with a token");
    }
    bool has_more =
        s->session_name[0] != '\0' || s->sts_region[0] != '\0' || s->external_id[0] != '\0';
    if (s->role_arn[0] == '\0' && s->web_identity_token_file[0] == '\0' && has_more) {
        config_caution(r, "arn", "without the arn of a role, assume_role has no effect");
    }
}

static int read_role(struct config_reader *parent, struct sigv4_auth *auth)
{
    struct sigv4_auth_settings *s = &auth->settings;
    const struct {
        const char *key;
        const char **out;
    } fields[] = {
        {"arn", &s->role_arn},
        {"session_name", &s->session_name},
        {"sts_region", &s->sts_region},
        {"external_id", &s->external_id},
        {"web_identity_token_file", &s->web_identity_token_file},
    };
    struct config_reader r;
    int err = 0;
    (void)config_open_section(parent, "assume_role", &r);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        int field_err = take_text(&r, fields[i].key, &auth->texts[i], fields[i].out);
        err = err == 0 ? field_err : err;
    }
    judge_role(&r, s);
    (void)config_reader_finish(&r); /* the parent's finish knows */
    return err;
}

int sigv4_auth_configure(struct config_reader *r, struct authenticator **out)
{
    struct sigv4_auth *auth = mem_alloc(sizeof(*auth));
    if (auth == NULL) {
        return -ENOMEM;
    }
    struct sigv4_auth_settings *s = &auth->settings;
    static const char header[] = "authorization";
    auth->base = (struct authenticator){.ops = &sigv4_ops, .is_client = true};
    auth->base.header = mem_copy_text(header, sizeof(header) - 1);
    int err = read_role(r, auth);
    int region_err = take_text(r, "region", &auth->texts[KEYS_COUNT - 2], &s->region);
    int service_err = take_text(r, "service", &auth->texts[KEYS_COUNT - 1], &s->service);
    err = err != 0 ? err : region_err;
    err = err != 0 ? err : service_err;
    err = auth->base.header == NULL ? -ENOMEM : err;
    if (!is_name(s->region)) {
        config_refuse(r, "region", "region must be a name such as eu-central-1");
    }
    if (!is_name(s->service)) {
        config_refuse(r, "service", "service must be a signing name such as aps");
    }
    int finish_err = config_reader_finish(r);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        sigv4_free(&auth->base);
        return err;
    }
    *out = &auth->base;
    return 0;
}
