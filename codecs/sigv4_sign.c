/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_sign — from the canonical request to the Authorization header, with a signing key that is
 * derived once per day, region, service and credentials.
 *
 * The second half of a signature; sigv4_canonical.c writes the first. Owns three buffers of fixed
 * size, so that signing allocates nothing, and the key, which is wiped when it is replaced.
 * Source: AWS Signature Version 4, "Create a string to sign", "Calculate the signature".
 */
#include "codecs/sigv4_sign.h"

#include <string.h>

#include "codecs/sigv4_canonical.h"
#include "core/base/clock.h"
#include "core/base/fault.h"

/* String to sign and authorization: the canonical request's names and the scope, twice. */
#define TEXT_MAX_BYTES (SIGV4_CANONICAL_MAX_BYTES + 2048)

#define ALGORITHM "AWS4-HMAC-SHA256"
#define TERMINATION "aws4_request"
#define KEY_PREFIX "AWS4"

enum identity { OF_ACCESS_KEY, OF_SECRET, OF_DATE, OF_REGION, OF_SERVICE, IDENTITY_COUNT };
_Static_assert(IDENTITY_COUNT == COUNT_OF(((struct sigv4_key *)0)->identity_lens),
               "the key is made of something it does not remember");

int sigv4_signer_init(struct sigv4_signer *signer)
{
    *signer = (struct sigv4_signer){0};
    bytes_init(&signer->canonical, SIGV4_CANONICAL_MAX_BYTES);
    bytes_init(&signer->work, SIGV4_CANONICAL_MAX_BYTES);
    bytes_init(&signer->text, TEXT_MAX_BYTES);

    int err = digest_init(&signer->digest);
    if (err != 0) {
        goto fail;
    }
    err = bytes_reserve_exact(&signer->canonical, SIGV4_CANONICAL_MAX_BYTES);
    if (err != 0) {
        goto fail;
    }
    err = bytes_reserve_exact(&signer->work, SIGV4_CANONICAL_MAX_BYTES);
    if (err != 0) {
        goto fail;
    }
    err = bytes_reserve_exact(&signer->text, TEXT_MAX_BYTES);
    if (err != 0) {
        goto fail;
    }
    return 0;

fail:
    sigv4_signer_fini(signer);
    return err;
}

static void wipe_key(struct sigv4_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

/* The session token stands in it. */
static void wipe_canonical(struct sigv4_signer *signer)
{
    if (signer->canonical.ptr != NULL) {
        explicit_bzero(signer->canonical.ptr, signer->canonical.capacity_bytes);
    }
}

void sigv4_signer_fini(struct sigv4_signer *signer)
{
    wipe_key(&signer->key);
    wipe_canonical(signer);
    digest_fini(&signer->digest);
    bytes_fini(&signer->canonical);
    bytes_fini(&signer->work);
    bytes_fini(&signer->text);
    *signer = (struct sigv4_signer){0};
}

int sigv4_hash_payload(struct sigv4_signer *signer, const struct slice *pieces, size_t piece_count,
                       char out[DIGEST_SHA256_HEX_BYTES])
{
    uint8_t hash[DIGEST_SHA256_BYTES];
    int err = digest_sha256_pieces(&signer->digest, pieces, piece_count, hash);
    if (err == 0) {
        digest_format_hex(hash, out);
    }
    return err;
}

/* Parts of the scope stand between slashes, the scope between commas. */
static int check_scope_part(struct slice text, size_t max_bytes)
{
    if (text.len > max_bytes) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c <= ' ' || c > '~' || c == '/' || c == ',') {
            return FAULT_MALFORMED;
        }
    }
    return text.len > 0 ? 0 : FAULT_MALFORMED;
}

static int check_secret(struct slice secret)
{
    if (secret.len > SIGV4_SECRET_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    return secret.len > 0 ? 0 : FAULT_MALFORMED;
}

/* "2015-08-30T12:36:00.000Z" without its punctuation and fraction. */
static int format_amz_date(uint64_t unix_s, char out[SIGV4_AMZ_DATE_BYTES + 1])
{
    char stamp[CLOCK_RFC3339_BYTES];
    if (unix_s > UINT64_MAX / CLOCK_NS_PER_S ||
        clock_format_rfc3339(unix_s * CLOCK_NS_PER_S, stamp, sizeof(stamp)) == 0) {
        return FAULT_OVERFLOW;
    }
    static const uint8_t kept[SIGV4_AMZ_DATE_BYTES - 1] = {0,  1,  2,  3,  5,  6,  8, 9,
                                                           10, 11, 12, 14, 15, 17, 18};
    for (size_t i = 0; i < sizeof(kept); i++) {
        out[i] = stamp[kept[i]];
    }
    out[sizeof(kept)] = 'Z';
    out[SIGV4_AMZ_DATE_BYTES] = '\0';
    return 0;
}

/* Many requests are signed in one second. */
static int take_amz_date(struct sigv4_signer *signer, uint64_t unix_s, struct sigv4_result *result)
{
    bool is_known = signer->amz_date[0] != '\0' && signer->amz_date_unix_s == unix_s;
    int err = is_known ? 0 : format_amz_date(unix_s, signer->amz_date);
    if (err != 0) {
        return err;
    }
    signer->amz_date_unix_s = unix_s;
    memcpy(result->amz_date, signer->amz_date, sizeof(result->amz_date));
    return 0;
}

/* --- the signing key ------------------------------------------------------------------------- */

static bool key_is_of(const struct sigv4_key *key, const struct slice parts[IDENTITY_COUNT])
{
    size_t offset = 0;
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        struct slice known = slice_of(key->identity + offset, key->identity_lens[i]);
        if (!slice_equal(known, parts[i])) {
            return false;
        }
        offset += known.len;
    }
    return key->is_made;
}

static void key_remember(struct sigv4_key *key, const struct slice parts[IDENTITY_COUNT])
{
    size_t offset = 0;
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        ASSERT(parts[i].len <= sizeof(key->identity) - offset);
        memcpy(key->identity + offset, parts[i].ptr, parts[i].len);
        key->identity_lens[i] = parts[i].len;
        offset += parts[i].len;
    }
    key->is_made = true;
}

static int key_derive(struct sigv4_signer *signer, const struct slice parts[IDENTITY_COUNT])
{
    uint8_t first[sizeof(KEY_PREFIX) - 1 + SIGV4_SECRET_MAX_BYTES] = KEY_PREFIX;
    size_t first_len = sizeof(KEY_PREFIX) - 1 + parts[OF_SECRET].len;
    ASSERT(first_len <= sizeof(first));
    memcpy(first + sizeof(KEY_PREFIX) - 1, parts[OF_SECRET].ptr, parts[OF_SECRET].len);

    const struct slice steps[] = {parts[OF_DATE], parts[OF_REGION], parts[OF_SERVICE],
                                  SLICE_LITERAL(TERMINATION)};
    uint8_t *signing = signer->key.signing;
    struct slice key = slice_of(first, first_len);
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(steps) && err == 0; i++) {
        err = digest_hmac_sha256(&signer->digest, key, steps[i], signing);
        key = slice_of(signing, DIGEST_SHA256_BYTES);
    }
    explicit_bzero(first, sizeof(first));
    return err;
}

/* Leaves in signer->key the signing key of `parts`. */
static int key_prepare(struct sigv4_signer *signer, const struct slice parts[IDENTITY_COUNT])
{
    if (key_is_of(&signer->key, parts)) {
        return 0;
    }
    wipe_key(&signer->key);
    int err = key_derive(signer, parts);
    if (err == 0) {
        key_remember(&signer->key, parts);
        signer->key_derive_count++;
    }
    return err;
}

/* --- string to sign and authorization -------------------------------------------------------- */

static void append_literal(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static void append_slice(struct bytes *out, struct slice text)
{
    bytes_append(out, text.ptr, text.len);
}

static void append_scope(struct bytes *out, const struct slice parts[IDENTITY_COUNT])
{
    for (size_t i = OF_DATE; i <= OF_SERVICE; i++) {
        append_slice(out, parts[i]);
        bytes_append_byte(out, '/');
    }
    append_literal(out, TERMINATION);
}

static struct slice write_string_to_sign(struct bytes *out, const struct sigv4_result *result,
                                         const struct slice parts[IDENTITY_COUNT])
{
    size_t start = out->len;
    append_literal(out, ALGORITHM "\n");
    bytes_append(out, result->amz_date, SIGV4_AMZ_DATE_BYTES);
    bytes_append_byte(out, '\n');
    append_scope(out, parts);
    bytes_append_byte(out, '\n');
    bytes_append(out, result->canonical_hash_hex, DIGEST_SHA256_HEX_BYTES);
    return slice_from(bytes_slice(out), start);
}

static struct slice write_authorization(struct bytes *out, const struct sigv4_result *result,
                                        const struct slice parts[IDENTITY_COUNT],
                                        struct slice signed_names)
{
    size_t start = out->len;
    append_literal(out, ALGORITHM " Credential=");
    append_slice(out, parts[OF_ACCESS_KEY]);
    bytes_append_byte(out, '/');
    append_scope(out, parts);
    append_literal(out, ", SignedHeaders=");
    append_slice(out, signed_names);
    append_literal(out, ", Signature=");
    bytes_append(out, result->signature_hex, DIGEST_SHA256_HEX_BYTES);
    struct slice written = slice_from(bytes_slice(out), start);
    bytes_append_byte(out, '\0');
    return written;
}

/* Everything behind the canonical request, which stands in result->canonical_request. */
static int finish(struct sigv4_signer *signer, const struct slice parts[IDENTITY_COUNT],
                  struct slice signed_names, struct sigv4_result *result)
{
    uint8_t signature[DIGEST_SHA256_BYTES];
    int err =
        digest_sha256_hex(&signer->digest, result->canonical_request, result->canonical_hash_hex);
    if (err != 0) {
        return err;
    }
    err = key_prepare(signer, parts);
    if (err != 0) {
        return err;
    }
    bytes_clear(&signer->text);
    result->string_to_sign = write_string_to_sign(&signer->text, result, parts);
    err = digest_hmac_sha256(&signer->digest, slice_of(signer->key.signing, DIGEST_SHA256_BYTES),
                             result->string_to_sign, signature);
    if (err != 0) {
        return err;
    }
    digest_format_hex(signature, result->signature_hex);
    result->authorization = write_authorization(&signer->text, result, parts, signed_names);
    return signer->text.err;
}

int sigv4_sign(struct sigv4_signer *signer, const struct sigv4_request *request,
               const struct sigv4_credentials *credentials, const struct sigv4_scope *scope,
               uint64_t unix_s, struct sigv4_result *out)
{
    struct sigv4_result result = {0};
    struct slice signed_names = {0};
    ASSERT(signer->canonical.capacity_bytes == SIGV4_CANONICAL_MAX_BYTES);
    int err = check_scope_part(credentials->access_key_id, SIGV4_ACCESS_KEY_MAX_BYTES);
    if (err == 0) {
        err = check_scope_part(scope->region, SIGV4_REGION_MAX_BYTES);
    }
    if (err == 0) {
        err = check_scope_part(scope->service, SIGV4_SERVICE_MAX_BYTES);
    }
    if (err == 0) {
        err = check_secret(credentials->secret_access_key);
    }
    if (err == 0) {
        err = take_amz_date(signer, unix_s, &result);
    }
    if (err != 0) {
        return err;
    }
    struct slice amz_date = slice_of(result.amz_date, SIGV4_AMZ_DATE_BYTES);
    err =
        sigv4_canonical_write(signer, request, amz_date, credentials->session_token, &signed_names);
    if (err != 0) {
        return err;
    }
    result.canonical_request = bytes_slice(&signer->canonical);
    const struct slice parts[IDENTITY_COUNT] = {
        [OF_ACCESS_KEY] = credentials->access_key_id,
        [OF_SECRET] = credentials->secret_access_key,
        [OF_DATE] = slice_first(amz_date, SIGV4_DATE_BYTES),
        [OF_REGION] = scope->region,
        [OF_SERVICE] = scope->service,
    };
    err = finish(signer, parts, signed_names, &result);
    if (err == 0) {
        *out = result;
    }
    return err;
}
