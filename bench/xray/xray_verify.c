/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_verify — see xray_verify.h. Requests without a query only: X-Ray's have none.
 */
#include "bench/xray/xray_verify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define CANONICAL_MAX_BYTES 8192u
#define HASH_HEX_BYTES (2 * XRAY_VERIFY_HASH_BYTES)
/* date, region, service, aws4_request */
#define SCOPE_PART_COUNT 4u

/* A text that grows up to its end; what does not fit spoils it. */
struct text {
    char bytes[CANONICAL_MAX_BYTES];
    size_t used;
    bool is_spoiled;
};

static void text_add(struct text *text, struct slice more)
{
    if (more.len > sizeof(text->bytes) - text->used) {
        text->is_spoiled = true;
        return;
    }
    memcpy(text->bytes + text->used, more.ptr, more.len);
    text->used += more.len;
}

static struct slice text_slice(const struct text *text)
{
    return slice_of(text->bytes, text->used);
}

static void verify_hex(const uint8_t *hash, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < XRAY_VERIFY_HASH_BYTES; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
}

static void text_add_hash(struct text *text, struct slice hashed)
{
    uint8_t hash[XRAY_VERIFY_HASH_BYTES];
    char hex[HASH_HEX_BYTES];
    if (EVP_Digest(hashed.ptr, hashed.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        text->is_spoiled = true;
        return;
    }
    verify_hex(hash, hex);
    text_add(text, slice_of(hex, sizeof(hex)));
}

/* --- what the request says -------------------------------------------------------------------- */

/* What stands in `s` before `end`, which is taken off as well; all of it where there is none. */
static struct slice verify_cut(struct slice *s, char end)
{
    const size_t len = slice_find(*s, (uint8_t)end);
    const struct slice part = slice_first(*s, len);
    *s = slice_from(*s, len == s->len ? len : len + 1);
    return part;
}

static struct slice verify_trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\r')) {
        s = slice_first(s, s.len - 1);
    }
    return s;
}

/* The value of the only header with this name; false where there is none, or more than one. */
static bool verify_header(struct slice head, struct slice name, struct slice *value)
{
    uint32_t count = 0;
    (void)verify_cut(&head, '\n'); /* the request line */
    while (head.len > 0) {
        struct slice rest = verify_cut(&head, '\n');
        const struct slice key = verify_cut(&rest, ':');
        if (key.len == name.len &&
            strncasecmp((const char *)key.ptr, (const char *)name.ptr, name.len) == 0) {
            *value = verify_trim(rest);
            count++;
        }
    }
    return count == 1;
}

/* The parts of an Authorization header. */
struct claim {
    struct slice key_id;
    struct slice scope;
    struct slice signed_headers;
    struct slice signature_hex;
};

static bool verify_claim_part(struct slice *rest, struct slice mark, struct slice *out)
{
    const struct slice part = verify_trim(verify_cut(rest, ','));
    if (!slice_has_prefix(part, mark)) {
        return false;
    }
    *out = slice_from(part, mark.len);
    return true;
}

static bool verify_claim(struct slice head, struct claim *claim)
{
    struct slice rest;
    if (!verify_header(head, SLICE_LITERAL("authorization"), &rest) ||
        !slice_is_text(verify_cut(&rest, ' '), ALGORITHM) ||
        !verify_claim_part(&rest, SLICE_LITERAL("Credential="), &claim->scope) ||
        !verify_claim_part(&rest, SLICE_LITERAL("SignedHeaders="), &claim->signed_headers) ||
        !verify_claim_part(&rest, SLICE_LITERAL("Signature="), &claim->signature_hex)) {
        return false;
    }
    claim->key_id = verify_cut(&claim->scope, '/');
    return slice_is_text(claim->key_id, XRAY_VERIFY_KEY_ID) && rest.len == 0;
}

/* --- what it must be -------------------------------------------------------------------------- */

static bool verify_hmac(uint8_t *key, struct slice message)
{
    uint32_t len = 0;
    uint8_t out[XRAY_VERIFY_HASH_BYTES];
    const bool is_good = HMAC(EVP_sha256(), key, XRAY_VERIFY_HASH_BYTES, message.ptr, message.len,
                              out, &len) != NULL &&
                         len == sizeof(out);
    memcpy(key, out, sizeof(out));
    return is_good;
}

/* The signing key of a scope, unless it is the last one's. */
static bool verify_key(struct xray_verify *verify, struct slice scope)
{
    static const char secret[] = "AWS4" XRAY_VERIFY_SECRET;
    if (slice_equal(scope, slice_of(verify->scope, verify->scope_len))) {
        return true;
    }
    if (scope.len > sizeof(verify->scope)) {
        return false;
    }
    verify->scope_len = 0;
    struct slice rest = scope;
    uint32_t len = 0;
    const struct slice date = verify_cut(&rest, '/');
    bool is_good = HMAC(EVP_sha256(), secret, sizeof(secret) - 1, date.ptr, date.len, verify->key,
                        &len) != NULL;
    for (uint32_t part = 1; is_good && part < SCOPE_PART_COUNT; part++) {
        is_good = verify_hmac(verify->key, verify_cut(&rest, '/'));
    }
    if (is_good && rest.len == 0) {
        memcpy(verify->scope, scope.ptr, scope.len);
        verify->scope_len = scope.len;
    }
    return verify->scope_len > 0;
}

static void verify_canonical(struct text *text, struct slice head, struct slice signed_headers,
                             struct slice body)
{
    struct slice line = head;
    text_add(text, verify_cut(&line, ' '));
    text_add(text, SLICE_LITERAL("\n"));
    text_add(text, verify_cut(&line, ' '));
    text_add(text, SLICE_LITERAL("\n\n")); /* no query */
    struct slice names = signed_headers;
    while (names.len > 0) {
        struct slice value;
        const struct slice name = verify_cut(&names, ';');
        if (!verify_header(head, name, &value)) {
            text->is_spoiled = true;
            return;
        }
        text_add(text, name);
        text_add(text, SLICE_LITERAL(":"));
        text_add(text, value);
        text_add(text, SLICE_LITERAL("\n"));
    }
    text_add(text, SLICE_LITERAL("\n"));
    text_add(text, signed_headers);
    text_add(text, SLICE_LITERAL("\n"));
    text_add_hash(text, body);
}

/* The headers without which a signature protects nothing. */
static bool verify_is_covered(struct slice signed_headers)
{
    bool has_host = false;
    bool has_date = false;
    while (signed_headers.len > 0) {
        const struct slice name = verify_cut(&signed_headers, ';');
        has_host = has_host || slice_is_text(name, "host");
        has_date = has_date || slice_is_text(name, "x-amz-date");
    }
    return has_host && has_date;
}

static bool verify_is_signature(const uint8_t *hash, struct slice hex)
{
    char own[HASH_HEX_BYTES];
    verify_hex(hash, own);
    return hex.len == sizeof(own) && CRYPTO_memcmp(own, hex.ptr, sizeof(own)) == 0;
}

bool xray_verify_request(struct xray_verify *verify, struct slice head, struct slice body)
{
    struct claim claim;
    struct slice date;
    if (!verify_claim(head, &claim) || !verify_is_covered(claim.signed_headers) ||
        !verify_header(head, SLICE_LITERAL("x-amz-date"), &date) ||
        !verify_key(verify, claim.scope)) {
        return false;
    }
    struct text canonical = {.used = 0};
    struct text to_sign = {.used = 0};
    verify_canonical(&canonical, head, claim.signed_headers, body);
    text_add(&to_sign, SLICE_LITERAL(ALGORITHM "\n"));
    text_add(&to_sign, date);
    text_add(&to_sign, SLICE_LITERAL("\n"));
    text_add(&to_sign, claim.scope);
    text_add(&to_sign, SLICE_LITERAL("\n"));
    text_add_hash(&to_sign, text_slice(&canonical));
    uint8_t hash[XRAY_VERIFY_HASH_BYTES];
    memcpy(hash, verify->key, sizeof(hash));
    return !canonical.is_spoiled && !to_sign.is_spoiled &&
           verify_hmac(hash, text_slice(&to_sign)) &&
           verify_is_signature(hash, claim.signature_hex);
}
