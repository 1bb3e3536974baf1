/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of codecs/sigv4_sign: the vectors of tests/vectors/sigv4, each stage by itself; limits; and
 * when the signing key is derived anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/sigv4_sign.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/vectors.h"

#define FIELD_MAX_BYTES 20000
#define FIELDS_MAX 16
#define HEADERS_MAX 100
#define VECTOR_TIME_S 1440938160 /* 2015-08-30T12:36:00Z */
#define ACCESS_KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* One call of the signer, spelled out. */
struct call {
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
    uint64_t unix_s;
    struct sigv4_header headers[HEADERS_MAX];
    char hash_hex[DIGEST_SHA256_HEX_BYTES];
};

/* Texts of one vector, unescaped. */
struct texts {
    uint8_t bytes[FIELDS_MAX][FIELD_MAX_BYTES];
    size_t count;
};

static struct sigv4_signer signer;
static struct texts texts;

static struct slice unescape(struct slice text)
{
    assert_true(texts.count < FIELDS_MAX);
    uint8_t *bytes = texts.bytes[texts.count++];
    return slice_of(bytes, vector_unescape(text, bytes, FIELD_MAX_BYTES));
}

static void call_init(struct call *call)
{
    *call = (struct call){
        .request = {.method = SLICE_LITERAL("GET"), .path = SLICE_LITERAL("/")},
        .credentials = {.access_key_id = SLICE_LITERAL(ACCESS_KEY),
                        .secret_access_key = SLICE_LITERAL(SECRET)},
        .scope = {.region = SLICE_LITERAL("us-east-1"), .service = SLICE_LITERAL("service")},
        .unix_s = VECTOR_TIME_S,
        .headers[0] = {.name = SLICE_LITERAL("Host"),
                       .value = SLICE_LITERAL("example.amazonaws.com")},
    };
    assert_int_equal(sigv4_hash_payload(&signer, NULL, 0, call->hash_hex), 0);
    call->request.payload_hash_hex = slice_of(call->hash_hex, sizeof(call->hash_hex));
    call->request.headers = call->headers;
    call->request.header_count = 1;
}

static int call_sign(struct call *call, struct sigv4_result *out)
{
    return sigv4_sign(&signer, &call->request, &call->credentials, &call->scope, call->unix_s, out);
}

static void add_header(struct call *call, struct slice text)
{
    size_t colon = slice_find(text, ':');
    assert_true(colon < text.len && call->request.header_count < HEADERS_MAX);
    call->headers[call->request.header_count++] = (struct sigv4_header){
        .name = slice_first(text, colon), .value = slice_from(text, colon + 1)};
}

/* The body in two pieces, as it will come from a list of them. */
static void set_body(struct call *call, struct slice body)
{
    size_t half = body.len / 2;
    const struct slice pieces[] = {slice_first(body, half), slice_from(body, half)};
    assert_int_equal(sigv4_hash_payload(&signer, pieces, COUNT_OF(pieces), call->hash_hex), 0);
}

/* Where a line's text goes, if nothing more is to be done with it. */
static struct slice *place_of(struct call *call, struct slice key)
{
    const struct {
        const char *name;
        struct slice *place;
    } places[] = {
        {"method", &call->request.method},
        {"path", &call->request.path},
        {"query", &call->request.query},
        {"host", &call->headers[0].value},
        {"token", &call->credentials.session_token},
        {"access_key", &call->credentials.access_key_id},
        {"secret", &call->credentials.secret_access_key},
        {"region", &call->scope.region},
        {"service", &call->scope.service},
        {"payload_hash", &call->request.payload_hash_hex},
    };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (slice_is_text(key, places[i].name)) {
            return places[i].place;
        }
    }
    return NULL;
}

/* False for a line that says what is expected. */
static bool read_line(struct call *call, const struct vector_line *line)
{
    struct slice *place = place_of(call, line->key);
    if (place != NULL) {
        *place = unescape(line->text);
    } else if (slice_is_text(line->key, "header")) {
        add_header(call, unescape(line->text));
    } else if (slice_is_text(line->key, "body")) {
        set_body(call, unescape(line->text));
    } else if (slice_is_text(line->key, "normalised")) {
        call->request.is_path_normalised = true;
    } else if (slice_is_text(line->key, "time")) {
        assert_int_equal(number_parse_u64(line->text, &call->unix_s), 0);
    } else {
        return false;
    }
    return true;
}

static void check_text(const struct vector *v, struct slice key, struct slice got,
                       struct slice expected)
{
    if (!slice_equal(got, expected)) {
        fail_msg("%.*s (line %u), %.*s: got\n%.*s\ninstead of\n%.*s", (int)v->title.len,
                 (const char *)v->title.ptr, v->line_number, (int)key.len, (const char *)key.ptr,
                 (int)got.len, (const char *)got.ptr, (int)expected.len,
                 (const char *)expected.ptr);
    }
}

static void check_stage(const struct vector *v, const struct vector_line *line,
                        const struct sigv4_result *result)
{
    const struct {
        const char *name;
        struct slice text;
    } stages[] = {
        {"canonical", result->canonical_request},
        {"hash", slice_of(result->canonical_hash_hex, DIGEST_SHA256_HEX_BYTES)},
        {"to_sign", result->string_to_sign},
        {"signature", slice_of(result->signature_hex, DIGEST_SHA256_HEX_BYTES)},
        {"authorization", result->authorization},
    };
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        if (slice_is_text(line->key, stages[i].name)) {
            if (line->text.len > 0) { /* else it only has to be signed */
                check_text(v, line->key, stages[i].text, unescape(line->text));
            }
            return;
        }
    }
    fail_msg("line %u: unknown key", v->line_number);
}

static int fault_of(struct slice name)
{
    if (slice_is_text(name, "malformed")) {
        return FAULT_MALFORMED;
    }
    if (slice_is_text(name, "limit")) {
        return FAULT_LIMIT;
    }
    assert_true(slice_is_text(name, "overflow"));
    return FAULT_OVERFLOW;
}

static void check_vector(const struct vector *v)
{
    struct call call;
    struct sigv4_result result = {.amz_date = "untouched"};
    const struct vector_line *expected[VECTOR_LINES_MAX];
    size_t expected_count = 0;
    texts.count = 0;
    call_init(&call);
    for (size_t i = 0; i < v->line_count; i++) {
        if (!read_line(&call, &v->lines[i])) {
            expected[expected_count++] = &v->lines[i];
        }
    }
    assert_true(expected_count > 0);
    int err = call_sign(&call, &result);
    if (slice_is_text(expected[0]->key, "bad")) {
        if (err != fault_of(expected[0]->text)) {
            fail_msg("%.*s (line %u): got %d", (int)v->title.len, (const char *)v->title.ptr,
                     v->line_number, err);
        }
        assert_string_equal(result.amz_date, "untouched");
        assert_null(result.authorization.ptr);
        return;
    }
    if (err != 0) {
        fail_msg("%.*s (line %u): refused, %d", (int)v->title.len, (const char *)v->title.ptr,
                 v->line_number, err);
    }
    for (size_t i = 0; i < expected_count; i++) {
        check_stage(v, expected[i], &result);
    }
    assert_int_equal(result.authorization.ptr[result.authorization.len], '\0');
}

static uint32_t vector_count;

static void check_file(const char *path)
{
    struct vectors vectors;
    struct vector v;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &v)) {
        check_vector(&v);
        vector_count++;
    }
    vectors_close(&vectors);
}

static void test_vectors_pass_stage_by_stage(void **state)
{
    (void)state;
    vector_count = 0;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/sigv4", check_file), 4);
    assert_true(vector_count >= 23 + 20 + 60 + 50);
}

static void test_known_keys_are_derived(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    char hex[DIGEST_SHA256_HEX_BYTES];
    call_init(&call);
    assert_int_equal(call_sign(&call, &result), 0);
    digest_format_hex(signer.key.signing, hex);
    assert_memory_equal(hex, "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75",
                        sizeof(hex));
    call.scope.service = SLICE_LITERAL("iam");
    assert_int_equal(call_sign(&call, &result), 0);
    digest_format_hex(signer.key.signing, hex);
    assert_memory_equal(hex, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9",
                        sizeof(hex));
}

/* Signs with the signer and with a new one; both must agree, whatever was cached. */
static void check_against_fresh(struct call *call, uint64_t expected_derives)
{
    struct sigv4_result result;
    struct sigv4_result fresh_result;
    struct sigv4_signer fresh;
    uint64_t before = signer.key_derive_count;
    assert_int_equal(call_sign(call, &result), 0);
    assert_int_equal(signer.key_derive_count - before, expected_derives);
    assert_int_equal(sigv4_signer_init(&fresh), 0);
    assert_int_equal(sigv4_sign(&fresh, &call->request, &call->credentials, &call->scope,
                                call->unix_s, &fresh_result),
                     0);
    assert_memory_equal(result.signature_hex, fresh_result.signature_hex,
                        sizeof(result.signature_hex));
    assert_true(slice_equal(result.authorization, fresh_result.authorization));
    sigv4_signer_fini(&fresh);
}

static void test_key_is_derived_when_and_only_when_it_changes(void **state)
{
    (void)state;
    struct call call;
    call_init(&call);
    call.scope.region = SLICE_LITERAL("eu-west-1");
    check_against_fresh(&call, 1);
    check_against_fresh(&call, 0);
    call.unix_s += 40000; /* still the same day */
    check_against_fresh(&call, 0);
    call.request.path = SLICE_LITERAL("/other");
    check_against_fresh(&call, 0);
    call.credentials.session_token = SLICE_LITERAL("token");
    check_against_fresh(&call, 0);
    call.unix_s += 86400;
    check_against_fresh(&call, 1);
    call.scope.region = SLICE_LITERAL("eu-west-2");
    check_against_fresh(&call, 1);
    call.scope.service = SLICE_LITERAL("logs");
    check_against_fresh(&call, 1);
    call.credentials.access_key_id = SLICE_LITERAL("AKIDOTHER");
    check_against_fresh(&call, 1);
    call.credentials.secret_access_key = SLICE_LITERAL("another secret");
    check_against_fresh(&call, 1);
    check_against_fresh(&call, 0);
}

/* Neighbours that read the same when strung together. */
static void test_key_knows_where_its_parts_end(void **state)
{
    (void)state;
    struct call call;
    call_init(&call);
    call.scope = (struct sigv4_scope){.region = SLICE_LITERAL("ab"), .service = SLICE_LITERAL("c")};
    check_against_fresh(&call, 1);
    call.scope = (struct sigv4_scope){.region = SLICE_LITERAL("a"), .service = SLICE_LITERAL("bc")};
    check_against_fresh(&call, 1);
}

static void test_random_changes_never_reuse_a_stale_key(void **state)
{
    (void)state;
    static const char *const choices[] = {"a", "b", "ab", "ba", "aa"};
    struct call call;
    uint32_t random = 7;
    call_init(&call);
    for (uint32_t i = 0; i < 300; i++) {
        struct sigv4_result result;
        struct sigv4_result fresh;
        random = random * 1664525u + 1013904223u;
        struct slice pick = slice_of_text(choices[(random >> 8) % COUNT_OF(choices)]);
        struct slice *const places[] = {&call.scope.region, &call.scope.service,
                                        &call.credentials.access_key_id,
                                        &call.credentials.secret_access_key};
        *places[(random >> 16) % COUNT_OF(places)] = pick;
        call.unix_s = VECTOR_TIME_S + (random >> 24) % 2 * 86400;
        assert_int_equal(call_sign(&call, &result), 0);
        signer.key.is_made = false;
        assert_int_equal(call_sign(&call, &fresh), 0);
        assert_memory_equal(result.signature_hex, fresh.signature_hex, sizeof(fresh.signature_hex));
    }
}

static void test_a_day_ends_at_midnight_utc(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    call_init(&call);
    call.unix_s = 1440979199;
    assert_int_equal(call_sign(&call, &result), 0);
    assert_string_equal(result.amz_date, "20150830T235959Z");
    uint64_t before = signer.key_derive_count;
    call.unix_s++;
    assert_int_equal(call_sign(&call, &result), 0);
    assert_string_equal(result.amz_date, "20150831T000000Z");
    assert_int_equal(signer.key_derive_count, before + 1);
}

static void test_headers_end_at_their_limit(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    call_init(&call);
    while (call.request.header_count < SIGV4_HEADERS_MAX - 1) { /* the date is the last */
        add_header(&call, SLICE_LITERAL("a:b"));
    }
    assert_int_equal(call_sign(&call, &result), 0);
    call.credentials.session_token = SLICE_LITERAL("token");
    assert_int_equal(call_sign(&call, &result), FAULT_LIMIT);
    call.credentials.session_token = (struct slice){0};
    add_header(&call, SLICE_LITERAL("a:b"));
    assert_int_equal(call_sign(&call, &result), FAULT_LIMIT);
}

static void test_parameters_end_at_their_limit(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    char query[2 * SIGV4_QUERY_PAIRS_MAX + 2];
    call_init(&call);
    for (size_t i = 0; i < sizeof(query); i += 2) {
        query[i] = 'a';
        query[i + 1] = '&';
    }
    call.request.query = slice_of(query, (size_t)2 * SIGV4_QUERY_PAIRS_MAX);
    assert_int_equal(call_sign(&call, &result), 0);
    call.request.query = slice_of(query, sizeof(query));
    assert_int_equal(call_sign(&call, &result), FAULT_LIMIT);
}

/* Values are looked at eight bytes at a time: every byte at every place. */
static void test_every_byte_of_a_value_is_looked_at(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    uint8_t value[19];
    call_init(&call);
    add_header(&call, SLICE_LITERAL("a:"));
    call.headers[1].value = slice_of(value, sizeof(value));
    for (size_t at = 0; at < sizeof(value); at++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            memset(value, byte % 2 == 0 ? 0xFF : '!', sizeof(value));
            value[at] = (uint8_t)byte;
            bool is_good = byte == ' ' || byte == '\t' || (byte > ' ' && byte != 0x7F);
            assert_int_equal(call_sign(&call, &result), is_good ? 0 : FAULT_MALFORMED);
        }
    }
}

/* Exactly as long as the limit, then one byte more. */
static void test_canonical_requests_end_at_their_limit(void **state)
{
    (void)state;
    static uint8_t value[SIGV4_CANONICAL_MAX_BYTES];
    struct call call;
    struct sigv4_result result;
    memset(value, 'v', sizeof(value));
    call_init(&call);
    add_header(&call, SLICE_LITERAL("a:"));
    assert_int_equal(call_sign(&call, &result), 0);
    size_t room = SIGV4_CANONICAL_MAX_BYTES - result.canonical_request.len;
    call.headers[1].value = slice_of(value, room);
    assert_int_equal(call_sign(&call, &result), 0);
    assert_int_equal(result.canonical_request.len, SIGV4_CANONICAL_MAX_BYTES);
    call.headers[1].value = slice_of(value, room + 1);
    assert_int_equal(call_sign(&call, &result), FAULT_LIMIT);
    call.headers[1].value = slice_of(value, room); /* a refusal does not stick */
    assert_int_equal(call_sign(&call, &result), 0);
}

/* One long name stands in the canonical request twice and in the authorization once. */
static void test_long_names_fit_the_authorization(void **state)
{
    (void)state;
    static uint8_t name[8000];
    struct call call;
    struct sigv4_result result;
    memset(name, 'n', sizeof(name));
    call_init(&call);
    call.headers[call.request.header_count++].name = slice_of(name, sizeof(name));
    assert_int_equal(call_sign(&call, &result), 0);
    assert_true(result.authorization.len > sizeof(name));
}

static void test_signing_does_not_allocate(void **state)
{
    (void)state;
    struct call call;
    struct sigv4_result result;
    call_init(&call);
    uint64_t before = mem_thread_alloc_count();
    for (uint64_t i = 0; i < 3; i++) {
        call.unix_s += 86400;
        assert_int_equal(call_sign(&call, &result), 0);
    }
    assert_int_equal(mem_thread_alloc_count(), before);
}

static void test_init_survives_every_refused_allocation(void **state)
{
    (void)state;
    uint32_t failure_count = 0;
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct sigv4_signer fresh;
        mem_fail_nth(nth);
        int err = sigv4_signer_init(&fresh);
        mem_fail_nth(0);
        if (err == 0) {
            sigv4_signer_fini(&fresh);
            break;
        }
        assert_int_equal(err, -ENOMEM);
        assert_null(fresh.canonical.ptr);
        assert_null(fresh.digest.context);
        failure_count++;
    }
    assert_int_equal(failure_count, 3);
}

static void test_fini_wipes_and_may_be_repeated(void **state)
{
    (void)state;
    struct sigv4_signer fresh;
    struct sigv4_result result;
    struct call call;
    static const struct sigv4_key no_key;
    call_init(&call);
    assert_int_equal(sigv4_signer_init(&fresh), 0);
    assert_int_equal(
        sigv4_sign(&fresh, &call.request, &call.credentials, &call.scope, call.unix_s, &result), 0);
    assert_true(fresh.key.is_made);
    sigv4_signer_fini(&fresh);
    assert_memory_equal(&fresh.key, &no_key, sizeof(no_key));
    sigv4_signer_fini(&fresh);
}

static int group_start(void **state)
{
    (void)state;
    return sigv4_signer_init(&signer);
}

static int group_end(void **state)
{
    (void)state;
    sigv4_signer_fini(&signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_pass_stage_by_stage),
        cmocka_unit_test(test_known_keys_are_derived),
        cmocka_unit_test(test_key_is_derived_when_and_only_when_it_changes),
        cmocka_unit_test(test_key_knows_where_its_parts_end),
        cmocka_unit_test(test_random_changes_never_reuse_a_stale_key),
        cmocka_unit_test(test_a_day_ends_at_midnight_utc),
        cmocka_unit_test(test_headers_end_at_their_limit),
        cmocka_unit_test(test_parameters_end_at_their_limit),
        cmocka_unit_test(test_every_byte_of_a_value_is_looked_at),
        cmocka_unit_test(test_canonical_requests_end_at_their_limit),
        cmocka_unit_test(test_long_names_fit_the_authorization),
        cmocka_unit_test(test_signing_does_not_allocate),
        cmocka_unit_test(test_init_survives_every_refused_allocation),
        cmocka_unit_test(test_fini_wipes_and_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, group_start, group_end);
}
