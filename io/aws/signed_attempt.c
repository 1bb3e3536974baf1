/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signed_attempt — what is signed is what is sent: host, the caller's headers, the signer's three.
 *
 * Host is sent in our own spelling, because libcurl's would have to match the signed one.
 */
#include "io/aws/signed_attempt.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

/* Host, X-Amz-Date, X-Amz-Security-Token, Authorization, User-Agent. */
#define OWN_LINES 5
_Static_assert(AWS_REQUEST_HEADERS_MAX == AWS_HEADERS_MAX - OWN_LINES, "our own lines have room");

static const char *const wanted_headers[SIGNED_WANTED_COUNT] = {
    [SIGNED_WANTED_ERROR_TYPE] = "x-amzn-errortype",
    [SIGNED_WANTED_REQUEST_ID] = "x-amzn-requestid",
    [SIGNED_WANTED_DATE] = "date",
    [SIGNED_WANTED_RETRY_AFTER] = "x-amz-retry-after",
};

/* Offsets into the text while it may still move. */
struct lines {
    struct bytes *text;
    size_t offsets[AWS_HEADERS_MAX];
    size_t count;
};

static bool is_token_byte(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && byte != ':';
}

static bool is_header_sound(const struct aws_header *header)
{
    for (size_t i = 0; i < header->name.len; i++) {
        if (!is_token_byte(header->name.ptr[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < header->value.len; i++) {
        uint8_t byte = header->value.ptr[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return header->name.len > 0;
}

int signed_attempt_check(const struct aws_request *request)
{
    if (request->header_count > AWS_REQUEST_HEADERS_MAX ||
        (request->path != NULL && strlen(request->path) > AWS_PATH_MAX_BYTES)) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_header_sound(&request->headers[i])) {
            return FAULT_MALFORMED;
        }
    }
    return request->path != NULL && request->path[0] != '/' ? FAULT_MALFORMED : 0;
}

static void append(struct bytes *text, struct slice piece)
{
    bytes_append(text, piece.ptr, piece.len);
}

/* "Name: value", or "Name;", which is how libcurl is told of an empty one. */
static void put_line(struct lines *lines, struct slice name, struct slice value)
{
    ASSERT(lines->count < AWS_HEADERS_MAX);
    lines->offsets[lines->count] = lines->text->len;
    lines->count++;
    append(lines->text, name);
    if (value.len == 0) {
        bytes_append(lines->text, ";", 2);
        return;
    }
    bytes_append(lines->text, ": ", 2);
    append(lines->text, value);
    bytes_append_byte(lines->text, '\0');
}

/* The body as slices; 0 or -ENOMEM. */
static int gather(struct signed_attempt *attempt, const struct aws_request *request)
{
    if (request->body_count > attempt->piece_capacity) {
        struct slice *grown =
            mem_resize(attempt->pieces, request->body_count * sizeof(*attempt->pieces));
        if (grown == NULL) {
            return -ENOMEM;
        }
        attempt->pieces = grown;
        attempt->piece_capacity = request->body_count;
    }
    for (size_t i = 0; i < request->body_count; i++) {
        attempt->pieces[i] = slice_of(request->body[i].iov_base, request->body[i].iov_len);
    }
    return 0;
}

/* Path and query as they stand in the URL, which was appended before. */
static void split_target(struct slice target, struct sigv4_request *out)
{
    size_t path_len = slice_find(target, '?');
    out->path = slice_first(target, path_len);
    out->query = slice_from(target, path_len < target.len ? path_len + 1 : path_len);
}

static int sign(struct signed_attempt *attempt, struct sigv4_signer *signer,
                const struct aws_request *request, const struct signed_terms *terms,
                struct sigv4_result *out)
{
    char hash_hex[DIGEST_SHA256_HEX_BYTES];
    struct sigv4_header headers[AWS_HEADERS_MAX];
    headers[0] = (struct sigv4_header){SLICE_LITERAL("host"), slice_of_text(terms->endpoint->host)};
    for (size_t i = 0; i < request->header_count; i++) {
        headers[i + 1] = (struct sigv4_header){request->headers[i].name, request->headers[i].value};
    }
    int err = gather(attempt, request);
    if (err == 0) {
        err = sigv4_hash_payload(signer, attempt->pieces, request->body_count, hash_hex);
    }
    if (err != 0) {
        return err;
    }
    struct sigv4_request signing = {
        .method = slice_of_text(request->method),
        .headers = headers,
        .header_count = request->header_count + 1,
        .payload_hash_hex = slice_of(hash_hex, sizeof(hash_hex)),
        .is_path_normalised = true,
    };
    /* The URL stands first in the text: scheme, host, then what is signed. */
    split_target(slice_of_text((const char *)attempt->text.ptr + terms->endpoint->path_offset),
                 &signing);
    const struct sigv4_scope scope = {.region = terms->region, .service = terms->service};
    return sigv4_sign(signer, &signing, terms->keys, &scope, terms->unix_s, out);
}

static void put_lines(struct lines *lines, const struct aws_request *request,
                      const struct signed_terms *terms, const struct sigv4_result *signature)
{
    put_line(lines, SLICE_LITERAL("Host"), slice_of_text(terms->endpoint->host));
    for (size_t i = 0; i < request->header_count; i++) {
        put_line(lines, request->headers[i].name, request->headers[i].value);
    }
    put_line(lines, SLICE_LITERAL("X-Amz-Date"), slice_of_text(signature->amz_date));
    if (terms->keys->session_token.len > 0) {
        put_line(lines, SLICE_LITERAL("X-Amz-Security-Token"), terms->keys->session_token);
    }
    put_line(lines, SLICE_LITERAL("Authorization"), signature->authorization);
    put_line(
        lines, SLICE_LITERAL("User-Agent"),
        slice_of_text(request->user_agent != NULL ? request->user_agent : "weir/" WEIR_VERSION));
}

static void wipe(struct signed_attempt *attempt)
{
    if (attempt->text.ptr != NULL) {
        OPENSSL_cleanse(attempt->text.ptr, attempt->text.capacity_bytes);
    }
}

int signed_attempt_prepare(struct signed_attempt *attempt, struct sigv4_signer *signer,
                           const struct aws_request *request, const struct signed_terms *terms,
                           struct http_request *http)
{
    struct lines lines = {.text = &attempt->text};
    struct sigv4_result signature;
    if (attempt->text.max_bytes == 0) {
        bytes_init(&attempt->text, SIGNED_ATTEMPT_MAX_BYTES);
    }
    bytes_clear(&attempt->text);
    /* As much as ever, so that growing leaves no copy of a token behind. */
    int err = bytes_reserve_exact(&attempt->text, SIGNED_ATTEMPT_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    append(&attempt->text, slice_of_text(terms->endpoint->url));
    append(&attempt->text, slice_of_text(request->path != NULL ? request->path : "/"));
    bytes_append_byte(&attempt->text, '\0');
    err = sign(attempt, signer, request, terms, &signature);
    if (err != 0) {
        return err;
    }
    put_lines(&lines, request, terms, &signature);
    if (attempt->text.err != 0) {
        return attempt->text.err;
    }
    for (size_t i = 0; i < lines.count; i++) {
        attempt->lines[i] = (const char *)attempt->text.ptr + lines.offsets[i];
    }
    http->method = request->method;
    http->url = (const char *)attempt->text.ptr;
    http->headers = attempt->lines;
    http->header_count = lines.count;
    http->wanted_headers = wanted_headers;
    http->wanted_header_count = SIGNED_WANTED_COUNT;
    http->body = request->body;
    http->body_count = request->body_count;
    return 0;
}

void signed_attempt_fini(struct signed_attempt *attempt)
{
    wipe(attempt);
    bytes_fini(&attempt->text);
    mem_free(attempt->pieces);
    *attempt = (struct signed_attempt){.pieces = NULL};
}
