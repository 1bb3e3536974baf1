/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of OTLP/HTTP (otlp_http, otlp_http1, otlp_h2) on a running receiver: what is taken, what
 * each bad request is told, CORS, headers of the configuration; over HTTP/1.1 and HTTP/2, on every
 * backend.
 */
#include "tests/support/loop_fixture.h"

#include <string.h>
#include <unistd.h>

#include "codecs/compress.h"
#include "core/base/mem.h"
#include "tests/support/otlp_client.h"
#include "tests/support/otlp_rig.h"

#define SPAN "\x0a\x06\x12\x04\x12\x02\x2a\x00"
#define JSON_SPAN "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}"
#define PROTOBUF "Content-Type: application/x-protobuf\r\n"
#define JSON "Content-Type: application/json\r\n"
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)
#define BODY_MAX 1000
#define LARGE_COUNT 4
#define YAML                                                                                       \
    "protocols:\n"                                                                                 \
    "  http:\n"                                                                                    \
    "    endpoint: 127.0.0.1:%u\n"                                                                 \
    "    max_request_body_size: 1000\n"                                                            \
    "    response_headers: {X-Own: value}\n"
#define CORS                                                                                       \
    "    cors:\n"                                                                                  \
    "      allowed_origins: ['http://*.good.org', 'http://one.org']\n"                             \
    "      exposed_headers: [X-A, X-B]\n"                                                          \
    "      max_age: 600\n"

static struct otlp_rig rig;
static struct otlp_answer answer;

static void open_rig(const char *yaml, uint32_t signals)
{
    const struct otlp_rig_options options = {
        .backend = loop_fixture_backend, .yaml = yaml, .signals = signals};
    otlp_rig_open(&rig, &options);
}

/* One request on a connection of its own. */
static void ask(const char *line, const char *headers, struct slice body)
{
    int fd = otlp_client_connect(rig.port);
    otlp_client_ask(fd, line, headers, body);
    otlp_client_read(fd, &answer);
    (void)close(fd);
}

static void check_field(const struct otlp_answer *got, const char *name, const char *wanted)
{
    struct slice value = otlp_answer_field(got, name);
    if (!slice_is_text(value, wanted)) {
        print_error("%s in\n%s\n", name, got->head);
    }
    assert_true(slice_is_text(value, wanted));
}

static void check_text(uint32_t status, const char *text)
{
    assert_int_equal(answer.status, status);
    check_field(&answer, "content-type", "text/plain; charset=utf-8");
    assert_true(otlp_answer_body_is(&answer, text, strlen(text)));
}

static struct slice gzip_of(struct slice bytes)
{
    static struct bytes out;
    bytes_fini(&out);
    bytes_init(&out, 1 << 20);
    struct iovec iov = {.iov_base = mem_copy_text(bytes.ptr, bytes.len), .iov_len = bytes.len};
    assert_int_equal(compress_iov(COMPRESS_GZIP, &iov, 1, &out), 0);
    mem_free(iov.iov_base);
    return bytes_slice(&out);
}

/* So many spans as 8 bytes each. */
static struct slice spans_of(uint32_t count)
{
    static uint8_t bytes[8 * 512];
    assert_true(count <= sizeof(bytes) / 8);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes + (size_t)i * 8, SPAN, 8);
    }
    return slice_of(bytes, (size_t)count * 8);
}

/* --- HTTP/1.1: accepted ----------------------------------------------------------------------- */

static void test_accepted_in_the_encoding_of_the_request(void **state)
{
    (void)state;
    open_rig(YAML, 0);
    ask("POST /v1/traces", PROTOBUF, BYTES(SPAN));
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_len, 0);
    check_field(&answer, "content-type", "application/x-protobuf");
    check_field(&answer, "x-own", "value");
    ask("POST /v1/traces?a=b", "content-type: Application/JSON; charset=utf-8\r\n",
        BYTES(JSON_SPAN));
    assert_int_equal(answer.status, 200);
    check_field(&answer, "content-type", "application/json");
    assert_true(otlp_answer_body_is(&answer, "{\"partialSuccess\":{}}", 21));
    ask("POST /v1/traces", PROTOBUF "Content-Encoding: gzip\r\n", gzip_of(spans_of(100)));
    assert_int_equal(answer.status, 200);
    ask("POST /v1/metrics", PROTOBUF, BYTES("\x0a\x08\x12\x06\x12\x04\x2a\x02\x0a\x00"));
    assert_int_equal(answer.status, 200);
    ask("POST /v1/logs", PROTOBUF, BYTES("\x0a\x04\x12\x02\x12\x00"));
    assert_int_equal(answer.status, 200);
    ask("POST /v1/logs", PROTOBUF, BYTES(""));
    assert_int_equal(answer.status, 200);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 102);
    otlp_rig_await_items(&rig, SIGNAL_METRICS, 1);
    otlp_rig_await_items(&rig, SIGNAL_LOGS, 1);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 6);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_parsed), 6);
    otlp_rig_close(&rig);
}

static void test_chunked_and_pipelined_requests(void **state)
{
    (void)state;
    static const char text[] =
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" PROTOBUF
        "\r\n3\r\n\x0a\x06\x12\r\n5\r\n\x04\x12\x02\x2a\x00\r\n0\r\n\r\n"
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n" PROTOBUF "\r\n" SPAN
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" PROTOBUF "\r\nabc"
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n" PROTOBUF "\r\n" SPAN;
    static const uint32_t statuses[] = {200, 200, 404, 200};
    open_rig(YAML, 0);
    int fd = otlp_client_connect(rig.port);
    otlp_client_send(fd, text, sizeof(text) - 1);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        otlp_client_read(fd, &answer);
        assert_int_equal(answer.status, statuses[i]);
        check_field(&answer, "x-own", "value");
    }
    (void)close(fd);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 3);
    otlp_rig_close(&rig);
}

/* --- HTTP/1.1: refused ------------------------------------------------------------------------ */

static void test_heads_that_are_not_welcome(void **state)
{
    (void)state;
    open_rig(YAML, 1);
    ask("POST /nowhere", PROTOBUF, BYTES(SPAN));
    check_text(404, "404 page not found");
    check_field(&answer, "x-own", "value");
    ask("POST /v1/traces/", PROTOBUF, BYTES(SPAN));
    check_text(404, "404 page not found");
    ask("POST /v1/logs", PROTOBUF, BYTES("")); /* in no pipeline */
    check_text(404, "404 page not found");
    ask("GET /v1/traces", "", BYTES(""));
    check_text(405, "405 method not allowed, supported: [POST]");
    ask("PUT /v1/traces", PROTOBUF, BYTES(SPAN));
    check_text(405, "405 method not allowed, supported: [POST]");
    ask("OPTIONS /v1/traces", "Origin: http://one.org\r\nAccess-Control-Request-Method: POST\r\n",
        BYTES(""));
    check_text(405, "405 method not allowed, supported: [POST]");
    ask("POST /v1/traces", "", BYTES(SPAN));
    check_text(415, "415 unsupported media type, supported: [application/json, "
                    "application/x-protobuf]");
    ask("POST /v1/traces", "Content-Type: application/grpc\r\n", BYTES(SPAN));
    check_text(415, "415 unsupported media type, supported: [application/json, "
                    "application/x-protobuf]");
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 8);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_dropped_invalid), 8);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 0);
    otlp_rig_close(&rig);
}

static void test_encodings_that_nobody_knows(void **state)
{
    (void)state;
    static const char words[] = "unsupported Content-Encoding: br";
    open_rig(YAML, 0);
    ask("POST /v1/traces", PROTOBUF "Content-Encoding: br\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 400);
    check_field(&answer, "content-type", "application/x-protobuf");
    assert_true(otlp_answer_body_is(&answer,
                                    "\x08\x03\x12\x20"
                                    "unsupported Content-Encoding: br",
                                    4 + sizeof(words) - 1));
    ask("POST /v1/traces", JSON "Content-Encoding: br\r\n", BYTES(JSON_SPAN));
    assert_int_equal(answer.status, 400);
    static const char json[] = "{\"code\":3,\"message\":\"unsupported Content-Encoding: br\"}";
    assert_true(otlp_answer_body_is(&answer, json, sizeof(json) - 1));
    ask("POST /v1/traces", "Content-Encoding: br\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 400);
    check_field(&answer, "content-type", "application/json");
    ask("POST /v1/traces", "Content-Type: text/plain\r\nContent-Encoding: br\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 500);
    check_field(&answer, "content-type", "application/json");
    static const char other[] = "{\"code\": 13, \"message\": \"failed to marshal error message\"}";
    assert_true(otlp_answer_body_is(&answer, other, sizeof(other) - 1));
    ask("POST /nowhere", PROTOBUF "Content-Encoding: br\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 400); /* the encoding is looked at before the path */
    otlp_rig_close(&rig);
}

static void check_status_3(const char *words)
{
    assert_int_equal(answer.status, 400);
    check_field(&answer, "content-type", "application/x-protobuf");
    assert_true(answer.body_len > 4);
    assert_memory_equal(answer.body, "\x08\x03\x12", 3);
    if (!otlp_answer_has(&answer, words)) {
        print_error("%.*s\n", (int)answer.body_len, (const char *)answer.body);
    }
    assert_true(otlp_answer_has(&answer, words));
}

static void test_bodies_that_are_not_welcome(void **state)
{
    (void)state;
    open_rig(YAML, 0);
    ask("POST /v1/traces", PROTOBUF "Content-Encoding: gzip\r\n", BYTES("no gzip"));
    check_status_3("corrupt gzip data");
    ask("POST /v1/traces", PROTOBUF "Content-Encoding: gzip\r\n", gzip_of(spans_of(126)));
    check_status_3("http: request body too large");
    ask("POST /v1/traces", PROTOBUF, spans_of(126));
    check_status_3("http: request body too large");
    ask("POST /v1/traces", PROTOBUF, spans_of(BODY_MAX / 8));
    assert_int_equal(answer.status, 200);
    ask("POST /v1/traces", PROTOBUF, BYTES("\x0a\x7f"));
    check_status_3("");
    ask("POST /v1/traces", JSON, BYTES("{\"resourceSpans\":7}"));
    assert_int_equal(answer.status, 400);
    check_field(&answer, "content-type", "application/json");
    assert_memory_equal(answer.body, "{\"code\":3,\"message\":\"", 21);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_dropped_invalid), 5);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_parsed), 1);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, BODY_MAX / 8);
    otlp_rig_close(&rig);
}

static void send_chunks(const char *chunks, size_t len)
{
    static const char head[] =
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" PROTOBUF "\r\n";
    int fd = otlp_client_connect(rig.port);
    otlp_client_send(fd, head, sizeof(head) - 1);
    otlp_client_send(fd, chunks, len);
    otlp_client_read(fd, &answer);
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
}

static void test_chunks_that_go_wrong(void **state)
{
    (void)state;
    static char large[2048];
    open_rig(YAML, 0);
    send_chunks("zz\r\n", 4);
    check_status_3("malformed request body");
    memcpy(large, "3e9\r\n", 5); /* one more than the limit */
    memset(large + 5, 0, 1001);
    send_chunks(large, 5 + 1001);
    check_status_3("http: request body too large");
    otlp_rig_close(&rig);
}

static void test_pressure_is_told_to_come_again(void **state)
{
    (void)state;
    open_rig(YAML, 0);
    uint64_t taken_bytes = budget_lease(&rig.memory, OTLP_RIG_BUDGET);
    ask("POST /v1/traces", PROTOBUF, BYTES(SPAN));
    assert_int_equal(answer.status, 503);
    check_field(&answer, "retry-after", "1");
    check_field(&answer, "content-type", "application/x-protobuf");
    assert_true(otlp_answer_has(&answer, "data refused due to high memory usage"));
    assert_memory_equal(answer.body, "\x08\x0e\x12", 3);
    ask("POST /v1/traces", JSON, BYTES(JSON_SPAN));
    assert_int_equal(answer.status, 503);
    assert_memory_equal(answer.body, "{\"code\":14,", 11);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_refused), 2);
    budget_return(&rig.memory, taken_bytes);
    ask("POST /v1/traces", PROTOBUF, BYTES(SPAN));
    assert_int_equal(answer.status, 200);
    assert_int_equal(otlp_answer_field(&answer, "retry-after").len, 0);
    otlp_rig_close(&rig);
}

static void test_own_paths_algorithms_and_single_answers(void **state)
{
    (void)state;
    open_rig(YAML "    traces_url_path: /own\n"
                  "    compression_algorithms: [zstd]\n"
                  "    keep_alives_enabled: false\n",
             0);
    ask("POST /v1/traces", PROTOBUF, BYTES(SPAN));
    check_text(404, "404 page not found");
    ask("POST /own", PROTOBUF "Content-Encoding: gzip\r\n", gzip_of(spans_of(1)));
    check_status_3("unsupported Content-Encoding: gzip");
    int fd = otlp_client_connect(rig.port);
    otlp_client_ask(fd, "POST /own", PROTOBUF, BYTES(SPAN));
    otlp_client_read(fd, &answer);
    assert_int_equal(answer.status, 200);
    check_field(&answer, "connection", "close");
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
    otlp_rig_close(&rig);
}

static void test_who_may_come_in(void **state)
{
    (void)state;
    const struct otlp_rig_options options = {
        .backend = loop_fixture_backend,
        .yaml = YAML "    auth: {authenticator: bearertokenauth}\n" CORS,
        .token = "secret",
    };
    otlp_rig_open(&rig, &options);
    ask("POST /v1/traces", PROTOBUF, BYTES(SPAN));
    assert_int_equal(answer.status, 401);
    assert_true(slice_is_text(otlp_answer_field(&answer, "www-authenticate"), "Bearer"));
    check_field(&answer, "content-type", "application/x-protobuf");
    assert_memory_equal(answer.body, "\x08\x10\x12", 3);
    ask("POST /v1/traces", JSON "Authorization: Bearer wrong\r\n", BYTES(JSON_SPAN));
    assert_int_equal(answer.status, 401);
    assert_memory_equal(answer.body, "{\"code\":16,", 11);
    ask("POST /v1/traces", "Content-Type: text/plain\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 500);
    ask("POST /nowhere", PROTOBUF, BYTES(SPAN)); /* asked before the path is looked at */
    assert_int_equal(answer.status, 401);
    ask("OPTIONS /v1/traces", "Origin: http://one.org\r\nAccess-Control-Request-Method: POST\r\n",
        BYTES(""));
    assert_int_equal(answer.status, 204); /* browsers ask first, without credentials */
    ask("POST /v1/traces", PROTOBUF "Authorization: Bearer secret\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 200);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 1);
    otlp_rig_close(&rig);
}

/* --- CORS ------------------------------------------------------------------------------------- */

#define ASKS_FIRST(origin, method, headers)                                                        \
    "Origin: " origin "\r\nAccess-Control-Request-Method: " method "\r\n" headers

static void check_no_cors(void)
{
    assert_int_equal(otlp_answer_field(&answer, "access-control-allow-origin").len, 0);
    assert_int_equal(otlp_answer_field(&answer, "access-control-allow-methods").len, 0);
    assert_int_equal(otlp_answer_field(&answer, "access-control-allow-headers").len, 0);
    assert_int_equal(otlp_answer_field(&answer, "access-control-max-age").len, 0);
}

static void test_preflights(void **state)
{
    (void)state;
    static const char *const refused[] = {
        ASKS_FIRST("http://bad.org", "POST", ""),
        ASKS_FIRST("http://.good.orgy", "POST", ""),
        ASKS_FIRST("http://a.good.org", "DELETE", ""),
        ASKS_FIRST("http://a.good.org", "POST",
                   "Access-Control-Request-Headers: content-type, x-key\r\n"),
    };
    open_rig(YAML CORS, 0);
    ask("OPTIONS /v1/traces",
        ASKS_FIRST("http://a.good.org", "POST",
                   "Access-Control-Request-Headers: content-type,x-requested-with\r\n"),
        BYTES(""));
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body_len, 0);
    check_field(&answer, "access-control-allow-origin", "http://a.good.org");
    check_field(&answer, "access-control-allow-methods", "POST");
    check_field(&answer, "access-control-allow-headers", "content-type,x-requested-with");
    check_field(&answer, "access-control-allow-credentials", "true");
    check_field(&answer, "access-control-max-age", "600");
    check_field(&answer, "vary",
                "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    check_field(&answer, "x-own", "value");
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        ask("OPTIONS /v1/traces", refused[i], BYTES(""));
        assert_int_equal(answer.status, 204);
        check_no_cors();
        check_field(&answer, "vary",
                    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    }
    ask("OPTIONS /v1/traces", "Origin: http://one.org\r\n", BYTES(""));
    assert_int_equal(answer.status, 405); /* no preflight */
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 1);
    otlp_rig_close(&rig);
}

static void test_requests_from_browsers(void **state)
{
    (void)state;
    open_rig(YAML CORS, 0);
    ask("POST /v1/traces", PROTOBUF "Origin: HTTP://ONE.org\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 200);
    check_field(&answer, "access-control-allow-origin", "HTTP://ONE.org");
    check_field(&answer, "access-control-allow-credentials", "true");
    check_field(&answer, "access-control-expose-headers", "X-A, X-B");
    check_field(&answer, "vary", "Origin");
    ask("POST /v1/traces", PROTOBUF "Origin: http://bad.org\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 200); /* it is only that the browser keeps the answer */
    check_no_cors();
    check_field(&answer, "vary", "Origin");
    ask("POST /nowhere", PROTOBUF "Origin: http://one.org\r\n", BYTES(SPAN));
    assert_int_equal(answer.status, 404);
    check_field(&answer, "access-control-allow-origin", "http://one.org");
    otlp_rig_close(&rig);
    open_rig(YAML "    cors: {allowed_origins: ['*'], allowed_headers: [x-key]}\n", 0);
    ask("POST /v1/traces", PROTOBUF "Origin: http://any.org\r\n", BYTES(SPAN));
    check_field(&answer, "access-control-allow-origin", "*");
    ask("OPTIONS /v1/traces",
        ASKS_FIRST("http://any.org", "POST", "Access-Control-Request-Headers: X-Key\r\n"),
        BYTES(""));
    check_field(&answer, "access-control-allow-headers", "X-Key");
    assert_int_equal(otlp_answer_field(&answer, "access-control-max-age").len, 0);
    otlp_rig_close(&rig);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

#define H2_POST(path) ":method: POST\n:scheme: http\n:path: " path "\n:authority: x\n"
#define H2_PROTOBUF "content-type: application/x-protobuf\n"

static void test_the_same_over_http2(void **state)
{
    (void)state;
    struct otlp_h2_client h2;
    open_rig(YAML CORS, 1);
    otlp_h2_open(&h2, rig.port);
    const struct otlp_answer *got = otlp_h2_ask(&h2, H2_POST("/v1/traces?x") H2_PROTOBUF, //
                                                BYTES(SPAN));
    assert_int_equal(got->status, 200);
    assert_int_equal(got->body_len, 0);
    check_field(got, "content-type", "application/x-protobuf");
    check_field(got, "x-own", "value");
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") "content-type: application/json\n",
                      BYTES(JSON_SPAN));
    assert_true(otlp_answer_body_is(got, "{\"partialSuccess\":{}}", 21));
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF, BYTES(""));
    assert_int_equal(got->status, 200);
    got = otlp_h2_ask(&h2, H2_POST("/v1/logs") H2_PROTOBUF, BYTES(""));
    assert_int_equal(got->status, 404);
    assert_true(otlp_answer_body_is(got, "404 page not found", 18));
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") "content-type: text/plain\n", BYTES(SPAN));
    assert_int_equal(got->status, 415);
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces"), BYTES(SPAN));
    assert_int_equal(got->status, 415);
    got = otlp_h2_ask(&h2, ":method: GET\n:scheme: http\n:path: /v1/traces\n:authority: x\n",
                      BYTES(""));
    assert_int_equal(got->status, 405);
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF "content-encoding: br\n", BYTES(SPAN));
    assert_int_equal(got->status, 400);
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF, BYTES("\x0a\x7f"));
    assert_int_equal(got->status, 400);
    got = otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF, spans_of(126));
    assert_int_equal(got->status, 400);
    assert_true(otlp_answer_has(got, "http: request body too large"));
    got = otlp_h2_ask(&h2,
                      ":method: OPTIONS\n:scheme: http\n:path: /v1/traces\n:authority: x\n"
                      "origin: http://one.org\naccess-control-request-method: POST\n",
                      BYTES(""));
    assert_int_equal(got->status, 204);
    check_field(got, "access-control-allow-methods", "POST");
    otlp_h2_close(&h2);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 2);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received),
                     OTLP_RIG_COUNT(&rig, wire_parsed) +
                         OTLP_RIG_COUNT(&rig, wire_dropped_invalid));
    otlp_rig_close(&rig);
}

static void test_http2_under_pressure_and_with_bodies_that_never_end(void **state)
{
    (void)state;
    static uint8_t large[150000];
    struct otlp_h2_client h2;
    struct otlp_h2_client fresh;
    open_rig("protocols: {http: {endpoint: '127.0.0.1:%u'}}\n", 0);
    otlp_h2_open(&h2, rig.port);
    struct otlp_h2_stream *stream =
        otlp_h2_start(&h2, H2_POST("/v1/traces") H2_PROTOBUF, BYTES("\x0a\x06"), true);
    assert_int_equal(otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF, BYTES(SPAN))->status, 200);
    otlp_h2_reset(&h2, stream);
    (void)otlp_h2_ask(&h2, H2_POST("/v1/traces") H2_PROTOBUF, BYTES("")); /* the reset was read */
    uint64_t taken_bytes = budget_lease(&rig.memory, OTLP_RIG_BUDGET);
    otlp_h2_open(&fresh, rig.port);
    /* A shard that has seen a request has a block to spare, which large bodies in the making use
     * up. */
    const struct otlp_answer *got = NULL;
    for (uint32_t i = 0; i < LARGE_COUNT && (got == NULL || got->status == 0); i++) {
        stream = otlp_h2_start(&fresh, H2_POST("/v1/traces") H2_PROTOBUF,
                               slice_of(large, sizeof(large)), true);
        got = &stream->answer;
        if (i == LARGE_COUNT - 1) {
            got = otlp_h2_wait(&fresh, stream);
        }
    }
    assert_int_equal(got->status, 503);
    check_field(got, "retry-after", "1");
    assert_true(otlp_answer_has(got, "data refused due to high memory usage"));
    assert_memory_equal(got->body, "\x08\x0e\x12", 3);
    budget_return(&rig.memory, taken_bytes);
    otlp_h2_close(&fresh);
    otlp_h2_close(&h2);
    otlp_rig_close(&rig);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_in_the_encoding_of_the_request),
        cmocka_unit_test(test_chunked_and_pipelined_requests),
        cmocka_unit_test(test_heads_that_are_not_welcome),
        cmocka_unit_test(test_encodings_that_nobody_knows),
        cmocka_unit_test(test_bodies_that_are_not_welcome),
        cmocka_unit_test(test_chunks_that_go_wrong),
        cmocka_unit_test(test_pressure_is_told_to_come_again),
        cmocka_unit_test(test_own_paths_algorithms_and_single_answers),
        cmocka_unit_test(test_who_may_come_in),
        cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_requests_from_browsers),
        cmocka_unit_test(test_the_same_over_http2),
        cmocka_unit_test(test_http2_under_pressure_and_with_bodies_that_never_end),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
