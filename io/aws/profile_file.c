/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_file — lines become sections and keys; one section's keys are kept.
 *
 *     [profile build]          ; a section of the configuration file
 *     region = eu-west-1       # a key; a comment begins at a line's start or behind a blank
 *     s3 =
 *         max_queue_size = 10  ; deeper than the key above: its nested block
 */
#include "io/aws/profile_file.h"

#include <string.h>

#include "core/base/defs.h"

static const char *const key_names[PROFILE_KEY_COUNT] = {
    [PROFILE_REGION] = "region",
    [PROFILE_ACCESS_KEY_ID] = "aws_access_key_id",
    [PROFILE_SECRET_ACCESS_KEY] = "aws_secret_access_key",
    [PROFILE_SESSION_TOKEN] = "aws_session_token",
    [PROFILE_ROLE_ARN] = "role_arn",
    [PROFILE_SOURCE_PROFILE] = "source_profile",
    [PROFILE_CREDENTIAL_SOURCE] = "credential_source",
    [PROFILE_EXTERNAL_ID] = "external_id",
    [PROFILE_ROLE_SESSION_NAME] = "role_session_name",
    [PROFILE_DURATION_SECONDS] = "duration_seconds",
    [PROFILE_MFA_SERIAL] = "mfa_serial",
    [PROFILE_WEB_IDENTITY_TOKEN_FILE] = "web_identity_token_file",
    [PROFILE_CREDENTIAL_PROCESS] = "credential_process",
    [PROFILE_SSO_SESSION] = "sso_session",
    [PROFILE_SSO_START_URL] = "sso_start_url",
    [PROFILE_LOGIN_SESSION] = "login_session",
};

/* Where the reader stands. */
struct reading {
    enum profile_file_kind kind;
    struct slice name;
    bool is_wanted;    /* inside a section of that name */
    bool has_key;      /* of this section, so that a block may hang below it */
    size_t key_indent; /* blanks before that key */
    struct profile found;
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text = slice_first(text, text.len - 1);
    }
    return text;
}

static bool is_comment_byte(uint8_t byte)
{
    return byte == '#' || byte == ';';
}

/* Up to a comment, which begins behind a blank. */
static struct slice without_comment(struct slice value)
{
    for (size_t i = 1; i < value.len; i++) {
        if (is_comment_byte(value.ptr[i]) && is_blank(value.ptr[i - 1])) {
            return trim(slice_first(value, i));
        }
    }
    return trim(value);
}

static bool is_word_equal(struct slice word, const char *name)
{
    size_t len = strlen(name);
    if (word.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = word.ptr[i];
        uint8_t lower = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
        if (lower != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

/* A name may stand between quotes. */
static struct slice unquote(struct slice name)
{
    if (name.len >= 2 && (name.ptr[0] == '"' || name.ptr[0] == '\'') &&
        name.ptr[name.len - 1] == name.ptr[0]) {
        return slice_first(slice_from(name, 1), name.len - 2);
    }
    return name;
}

static bool names_profile(const struct reading *r, struct slice header)
{
    static const struct slice word = {(const uint8_t *)"profile", 7};
    bool has_word = r->kind == PROFILE_FILE_CONFIG && slice_has_prefix(header, word) &&
                    header.len > word.len && is_blank(header.ptr[word.len]);
    if (has_word) {
        return slice_equal(unquote(trim(slice_from(header, word.len))), r->name);
    }
    bool needs_word = r->kind == PROFILE_FILE_CONFIG && !slice_is_text(header, "default");
    return !needs_word && slice_equal(header, r->name);
}

static void read_header(struct reading *r, struct slice line)
{
    size_t end = slice_find(line, ']');
    r->has_key = false;
    r->is_wanted =
        end < line.len && names_profile(r, trim(slice_first(slice_from(line, 1), end - 1)));
    r->found.is_found = r->found.is_found || r->is_wanted;
}

static void read_key(struct reading *r, struct slice line, size_t indent)
{
    size_t equals = slice_find(line, '=');
    if (equals == line.len || (r->has_key && indent > r->key_indent)) {
        return;
    }
    r->has_key = true;
    r->key_indent = indent;
    struct slice key = trim(slice_first(line, equals));
    for (size_t i = 0; r->is_wanted && i < PROFILE_KEY_COUNT; i++) {
        if (is_word_equal(key, key_names[i])) {
            r->found.values[i] = without_comment(trim(slice_from(line, equals + 1)));
        }
    }
}

static void read_line(struct reading *r, struct slice line)
{
    size_t indent = 0;
    while (indent < line.len && is_blank(line.ptr[indent])) {
        indent++;
    }
    struct slice text = trim(line);
    if (text.len == 0 || is_comment_byte(text.ptr[0])) {
        return;
    }
    if (text.ptr[0] == '[') {
        read_header(r, text);
        return;
    }
    read_key(r, text, indent);
}

static void merge(const struct profile *found, struct profile *profile)
{
    if (found->values[PROFILE_ACCESS_KEY_ID].len > 0) {
        profile->values[PROFILE_SECRET_ACCESS_KEY] = slice_of(NULL, 0);
        profile->values[PROFILE_SESSION_TOKEN] = slice_of(NULL, 0);
    }
    for (size_t i = 0; i < PROFILE_KEY_COUNT; i++) {
        if (found->values[i].len > 0) {
            profile->values[i] = found->values[i];
        }
    }
    profile->is_found = profile->is_found || found->is_found;
}

void profile_file_read(struct slice text, enum profile_file_kind kind, struct slice name,
                       struct profile *profile)
{
    struct reading r = {.kind = kind, .name = name};
    while (text.len > 0) {
        size_t len = slice_find(text, '\n');
        read_line(&r, slice_first(text, len));
        text = slice_from(text, len < text.len ? len + 1 : len);
    }
    merge(&r.found, profile);
}

bool profile_has(const struct profile *profile, enum profile_key key)
{
    ASSERT(key < PROFILE_KEY_COUNT);
    return profile->values[key].len > 0;
}
