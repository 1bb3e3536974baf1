/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: sigv4_sign (codecs/sigv4_sign.h).
 *
 * The input is path, query, token and pairs of header name and value, each ended by a byte 0xFE.
 * What is signed has exactly the lines that a canonical request has and no other control character;
 * a canonical query is canonical already; signing twice gives the same signature.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/sigv4_sign.h"
#include "core/base/defs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELD_END 0xFE
#define HEADERS_MAX 8
/* Method, path, query, the empty line, signed names; the payload hash ends without a line break. */
#define FIXED_LINES 5
#define NOW_UNIX_S 1440938160

static struct sigv4_signer signer;

static struct slice take_field(struct slice *rest)
{
    size_t end = slice_find(*rest, FIELD_END);
    struct slice field = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    return field;
}

static size_t count_of(struct slice text, uint8_t byte)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == byte ? 1 : 0;
    }
    return count;
}

static struct slice line_at(struct slice text, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        text = slice_from(text, slice_find(text, '\n') + 1);
    }
    return slice_first(text, slice_find(text, '\n'));
}

static struct slice signed_names(struct slice authorization)
{
    static const char mark[] = "SignedHeaders=";
    const uint8_t *at = memmem(authorization.ptr, authorization.len, mark, sizeof(mark) - 1);
    ASSERT(at != NULL);
    struct slice rest =
        slice_from(authorization, (size_t)(at - authorization.ptr) + sizeof(mark) - 1);
    return slice_first(rest, slice_find(rest, ','));
}

static void check_texts(const struct sigv4_result *result)
{
    struct slice canonical = result->canonical_request;
    size_t name_count = count_of(signed_names(result->authorization), ';') + 1;
    ASSERT(canonical.len <= SIGV4_CANONICAL_MAX_BYTES);
    ASSERT(count_of(canonical, '\n') == FIXED_LINES + name_count);
    for (size_t i = 0; i < canonical.len; i++) {
        uint8_t c = canonical.ptr[i];
        ASSERT(c == '\n' || (c >= ' ' && c != 0x7F));
    }
    for (size_t i = 0; i < result->authorization.len; i++) {
        ASSERT(result->authorization.ptr[i] >= ' ');
    }
}

static int sign(const struct sigv4_request *request, struct slice token, struct sigv4_result *out)
{
    const struct sigv4_credentials credentials = {
        .access_key_id = SLICE_LITERAL("AKIDEXAMPLE"),
        .secret_access_key = SLICE_LITERAL("secret"),
        .session_token = token,
    };
    const struct sigv4_scope scope = {.region = SLICE_LITERAL("eu-west-1"),
                                      .service = SLICE_LITERAL("xray")};
    return sigv4_sign(&signer, request, &credentials, &scope, NOW_UNIX_S, out);
}

static void check_query(struct sigv4_request request, struct slice token,
                        const struct sigv4_result *result)
{
    static uint8_t query[SIGV4_CANONICAL_MAX_BYTES];
    struct slice line = line_at(result->canonical_request, 2);
    char signature[DIGEST_SHA256_HEX_BYTES];
    struct sigv4_result again;
    memcpy(signature, result->signature_hex, sizeof(signature));
    memcpy(query, line.ptr, line.len);
    request.query = slice_of(query, line.len);
    int err = sign(&request, token, &again);
    ASSERT(err == 0);
    ASSERT(memcmp(signature, again.signature_hex, sizeof(signature)) == 0);
}

static size_t take_headers(struct slice rest, struct sigv4_header headers[HEADERS_MAX])
{
    size_t count = 1;
    headers[0] = (struct sigv4_header){.name = SLICE_LITERAL("host"), .value = SLICE_LITERAL("h")};
    while (rest.len > 0 && count < HEADERS_MAX) {
        headers[count].name = take_field(&rest);
        headers[count].value = take_field(&rest);
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_result result;
    if (signer.text.ptr == NULL) {
        int err = sigv4_signer_init(&signer);
        ASSERT(err == 0);
    }
    struct sigv4_request request = {
        .method = SLICE_LITERAL("GET"),
        .path = take_field(&rest),
        .query = take_field(&rest),
        .headers = headers,
        .payload_hash_hex =
            SLICE_LITERAL("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        .is_path_normalised = size % 2 == 0,
    };
    struct slice token = take_field(&rest);
    request.header_count = take_headers(rest, headers);
    if (sign(&request, token, &result) == 0) {
        check_texts(&result);
        check_query(request, token, &result);
    }
    return 0;
}
