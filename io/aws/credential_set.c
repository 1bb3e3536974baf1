/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_set — three texts in one block behind the struct, so that one wipe takes them all.
 *
 * Answers are taken apart in a struct on the stack, which is wiped too.
 */
#include "io/aws/credential_set.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/aws/aws_error.h"
#include "io/aws/aws_time.h"
#include "io/aws/json_members.h"
#include "io/aws/xml_text.h"

/* What an answer says, before it is believed. */
struct answer {
    char access_key_id[SIGV4_ACCESS_KEY_MAX_BYTES + 1];
    char secret_access_key[SIGV4_SECRET_MAX_BYTES + 1];
    char session_token[CREDENTIAL_TOKEN_MAX_BYTES + 1];
    char expires[64];
};

static bool is_header_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static struct slice put(struct credential_set *set, size_t *used, struct slice text)
{
    uint8_t *at = set->block + *used;
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    *used += text.len;
    return slice_of(at, text.len);
}

int credential_set_new(const struct sigv4_credentials *keys, uint64_t expires_unix_s,
                       const char *source, struct credential_set **out)
{
    if (keys->access_key_id.len == 0 || keys->access_key_id.len > SIGV4_ACCESS_KEY_MAX_BYTES ||
        keys->secret_access_key.len == 0 || keys->secret_access_key.len > SIGV4_SECRET_MAX_BYTES ||
        keys->session_token.len > CREDENTIAL_TOKEN_MAX_BYTES ||
        !is_header_text(keys->access_key_id) || !is_header_text(keys->secret_access_key) ||
        !is_header_text(keys->session_token)) {
        return FAULT_MALFORMED;
    }
    size_t block_bytes =
        keys->access_key_id.len + keys->secret_access_key.len + keys->session_token.len;
    struct credential_set *set = mem_alloc(sizeof(*set) + block_bytes);
    if (set == NULL) {
        return -ENOMEM;
    }
    size_t used = 0;
    set->expires_unix_s = expires_unix_s;
    set->source = source;
    set->block_bytes = block_bytes;
    set->keys.access_key_id = put(set, &used, keys->access_key_id);
    set->keys.secret_access_key = put(set, &used, keys->secret_access_key);
    set->keys.session_token = put(set, &used, keys->session_token);
    ASSERT(used == block_bytes);
    *out = set;
    return 0;
}

void credential_set_free(struct credential_set *set)
{
    if (set != NULL) {
        OPENSSL_cleanse(set->block, set->block_bytes);
        mem_free(set);
    }
}

const char *credential_set_hint(const struct credential_set *set, char buf[CREDENTIAL_HINT_BYTES])
{
    struct slice id = set->keys.access_key_id;
    /* An id of few characters would stand there as a whole. */
    size_t shown = id.len >= 12 ? 4 : 0;
    (void)snprintf(buf, CREDENTIAL_HINT_BYTES, "\xe2\x80\xa6%.*s", (int)shown,
                   (const char *)id.ptr + id.len - shown);
    return buf;
}

static int read_answer(const struct answer *a, const char *source, struct credential_set **out,
                       char *why)
{
    uint64_t expires_unix_s = 0;
    if (a->expires[0] != '\0' &&
        aws_time_parse_rfc3339(slice_of_text(a->expires), &expires_unix_s) != 0) {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "the time of expiry is no time");
        return FAULT_MALFORMED;
    }
    const struct sigv4_credentials keys = {
        .access_key_id = slice_of_text(a->access_key_id),
        .secret_access_key = slice_of_text(a->secret_access_key),
        .session_token = slice_of_text(a->session_token),
    };
    int err = credential_set_new(&keys, expires_unix_s, source, out);
    if (err != 0) {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "%s",
                       err == -ENOMEM ? "out of memory" : "no key id or no secret in the answer");
    }
    return err;
}

static int refuse(struct slice body, char *why)
{
    struct aws_error error;
    aws_error_read(slice_of(NULL, 0), body, &error);
    (void)snprintf(why, CREDENTIAL_WHY_BYTES, "%s%s%s",
                   error.code[0] != '\0' ? error.code : "the answer is not as expected",
                   error.message[0] != '\0' ? ": " : "", error.message);
    return FAULT_MALFORMED;
}

/* A member that is absent stays "". */
static bool copy_member(const struct json_member *member, char *buf, size_t cap)
{
    int err = json_member_copy(member, buf, cap);
    return err == 0 || err == -ENOENT;
}

static bool split_json(struct slice json, struct answer *a)
{
    struct json_member members[] = {
        {.name = SLICE_LITERAL("AccessKeyId")},  {.name = SLICE_LITERAL("SecretAccessKey")},
        {.name = SLICE_LITERAL("SessionToken")}, {.name = SLICE_LITERAL("Token")},
        {.name = SLICE_LITERAL("Expiration")},   {.name = SLICE_LITERAL("Code")},
    };
    if (json_members_read(json, members, COUNT_OF(members)) != 0) {
        return false;
    }
    const struct json_member *token = members[2].is_found ? &members[2] : &members[3];
    bool is_refusal =
        members[5].is_found && !json_text_equals(members[5].text, SLICE_LITERAL("Success"));
    return !is_refusal && members[0].is_found && members[1].is_found &&
           copy_member(&members[0], a->access_key_id, sizeof(a->access_key_id)) &&
           copy_member(&members[1], a->secret_access_key, sizeof(a->secret_access_key)) &&
           copy_member(token, a->session_token, sizeof(a->session_token)) &&
           copy_member(&members[4], a->expires, sizeof(a->expires));
}

int credential_set_read_json(struct slice json, const char *source, struct credential_set **out,
                             char *why)
{
    struct answer a = {{0}, {0}, {0}, {0}};
    int err = split_json(json, &a) ? read_answer(&a, source, out, why) : refuse(json, why);
    OPENSSL_cleanse(&a, sizeof(a));
    return err;
}

static bool copy_element(struct slice xml, const char *name, char *buf, size_t cap)
{
    struct slice inner;
    return xml_text_find(xml, name, &inner) && xml_text_copy(inner, buf, cap) == 0;
}

static bool split_xml(struct slice xml, struct answer *a)
{
    struct slice inner;
    return xml_text_find(xml, "Credentials", &inner) &&
           copy_element(inner, "AccessKeyId", a->access_key_id, sizeof(a->access_key_id)) &&
           copy_element(inner, "SecretAccessKey", a->secret_access_key,
                        sizeof(a->secret_access_key)) &&
           copy_element(inner, "SessionToken", a->session_token, sizeof(a->session_token)) &&
           copy_element(inner, "Expiration", a->expires, sizeof(a->expires));
}

int credential_set_read_xml(struct slice xml, const char *source, struct credential_set **out,
                            char *why)
{
    struct answer a = {{0}, {0}, {0}, {0}};
    int err = split_xml(xml, &a) ? read_answer(&a, source, out, why) : refuse(xml, why);
    OPENSSL_cleanse(&a, sizeof(a));
    return err;
}
