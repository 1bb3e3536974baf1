/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/http_client against a scripted server, on both backends: bodies, headers, reuse,
 * failures, cancelling, TLS and proxies.
 */
#include "io/http_client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/lease.h"
#include "io/io_bounds.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"

/* A request with what came of it, copied out of the callback. */
struct fetch {
    struct http_request request;
    uint64_t is_done;
    struct http_result result;
    char body[4096];
    char content_type[128];
    char fault_text[512];
    char headers[3][64];
};

static void copy_text(char *out, size_t cap, struct slice text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

static void fetch_on_done(struct http_request *request, const struct http_result *result)
{
    struct fetch *fetch = CONTAINER_OF(request, struct fetch, request);
    fetch->is_done++;
    fetch->result = *result;
    copy_text(fetch->body, sizeof(fetch->body), result->body);
    copy_text(fetch->content_type, sizeof(fetch->content_type), result->content_type);
    copy_text(fetch->fault_text, sizeof(fetch->fault_text), slice_of_text(result->fault_text));
    for (size_t i = 0; i < COUNT_OF(fetch->headers); i++) {
        copy_text(fetch->headers[i], sizeof(fetch->headers[i]), result->headers[i]);
    }
}

static struct fetch fetch_of(const char *method, const char *url)
{
    return (struct fetch){.request = {
                              .method = method,
                              .url = url,
                              .timeout_ms = 15000,
                              .response_max_bytes = 1024,
                              .on_done = fetch_on_done,
                          }};
}

static struct http_client *open_client(struct loop *loop, const struct http_client_options *options)
{
    static const struct http_client_options plain = {0};
    struct http_client *client = NULL;
    assert_int_equal(http_client_open(loop, options != NULL ? options : &plain, &client), 0);
    return client;
}

static void start_stub(struct http_stub *stub, const struct http_stub_answer *script, size_t len)
{
    struct http_stub_options options = {.script = script, .script_len = len};
    http_stub_start(stub, &options);
}

static void run(struct loop *loop, struct http_client *client, struct fetch *fetch)
{
    assert_int_equal(http_client_start(client, &fetch->request), 0);
    assert_int_equal(fetch->is_done, 0); /* never from inside start */
    loop_fixture_until(loop, &fetch->is_done);
    assert_int_equal(fetch->is_done, 1);
    assert_null(fetch->request.call);
}

/* The sockets need turns to leave the loop. */
static void close_all(struct loop *loop, struct http_client *client, struct http_stub *stub)
{
    http_client_close(client);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(loop, 0) >= 0);
    }
    if (stub != NULL) {
        http_stub_stop(stub);
    }
}

static void test_post_sends_all_pieces_and_headers(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {
        {.headers = "Content-Type: text/x-test\r\n", .body = "pong", .body_len = 4}};
    struct http_stub stub;
    start_stub(&stub, script, 1);
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = fetch_of("POST", stub.url);
    size_t large_len = 700001;
    char *large = mem_alloc(large_len);
    memset(large, 'x', large_len);
    const struct iovec body[] = {
        {.iov_base = large, .iov_len = large_len},
        {.iov_base = large, .iov_len = 0},
        {.iov_base = large, .iov_len = 3},
    };
    static const char *const headers[] = {"X-One: 1", "X-Empty;", "Host: elsewhere"};
    fetch.request.body = body;
    fetch.request.body_count = 3;
    fetch.request.headers = headers;
    fetch.request.header_count = 3;
    run(loop, client, &fetch);
    assert_int_equal(fetch.result.fault, 0);
    assert_int_equal(fetch.result.status, 200);
    assert_string_equal(fetch.body, "pong");
    assert_string_equal(fetch.content_type, "text/x-test");
    const struct http_stub_request *got = http_stub_request(&stub, 0);
    assert_string_equal(got->method, "POST");
    assert_int_equal(got->body_len, large_len + 3);
    assert_memory_equal(got->body, large, large_len);
    assert_true(slice_is_text(http_stub_header(got, "X-One"), "1"));
    assert_true(slice_is_text(http_stub_header(got, "Host"), "elsewhere"));
    assert_non_null(strstr(got->head, "X-Empty:"));
    assert_null(strstr(got->head, "Expect"));
    mem_free(large);
    close_all(loop, client, &stub);
}

static void test_methods_go_as_named(void **state)
{
    struct loop *loop = *state;
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    static const struct http_stub_answer script[] = {{.status = 204}};
    struct http_stub stub;
    start_stub(&stub, script, 1);
    struct http_client *client = open_client(loop, NULL);
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct fetch fetch = fetch_of(methods[i], stub.url);
        run(loop, client, &fetch);
        assert_int_equal(fetch.result.status, 204);
        assert_string_equal(http_stub_request(&stub, i)->method, methods[i]);
    }
    /* One connection served them all. */
    assert_int_equal(http_stub_request(&stub, COUNT_OF(methods) - 1)->connection_index, 0);
    close_all(loop, client, &stub);
}

static void test_retry_after_is_read_as_seconds_and_as_date(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {
        {.status = 503, .headers = "Retry-After: 7\r\n"},
        {.status = 503, .headers = "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"},
        {.status = 503, .headers = "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"},
        {.status = 503, .headers = "Retry-After: soon\r\n"},
        {.status = 503},
    };
    static const uint64_t expected_ms[] = {7000, UINT64_C(1000) * HTTP_RETRY_AFTER_MAX_S, 0, 0, 0};
    struct http_stub stub;
    start_stub(&stub, script, COUNT_OF(script));
    struct http_client *client = open_client(loop, NULL);
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        struct fetch fetch = fetch_of("POST", stub.url);
        run(loop, client, &fetch);
        assert_int_equal(fetch.result.retry_after_ms, expected_ms[i]);
    }
    close_all(loop, client, &stub);
}

static void test_answer_is_kept_up_to_its_bound(void **state)
{
    struct loop *loop = *state;
    static char text[3000];
    memset(text, 'a', sizeof(text));
    const struct http_stub_answer script[] = {
        {.body = text, .body_len = 1024},
        {.body = text, .body_len = 1025},
        {.body = text, .body_len = sizeof(text)},
    };
    struct http_stub stub;
    start_stub(&stub, script, 3);
    struct http_client *client = open_client(loop, NULL);
    for (size_t i = 0; i < 3; i++) {
        struct fetch fetch = fetch_of("GET", stub.url);
        run(loop, client, &fetch);
        assert_int_equal(fetch.result.fault, 0);
        assert_int_equal(strlen(fetch.body), 1024);
        assert_int_equal(fetch.result.is_body_cut, i > 0);
    }
    assert_int_equal(http_stub_request(&stub, 2)->connection_index, 0);
    close_all(loop, client, &stub);
}

#define MEMORY_BYTES (UINT64_C(64) * 1024)

static struct budget memory_budget;
static struct lease memory_lease;

/* A fetch whose answer is charged; the lease has room for MEMORY_BYTES. */
static struct fetch charged_fetch(const char *url)
{
    struct fetch fetch = fetch_of("GET", url);
    budget_init(&memory_budget, MEMORY_BYTES);
    memory_lease = (struct lease){.budget = &memory_budget};
    fetch.request.response_max_bytes = 1024 * 1024;
    fetch.request.memory = &memory_lease;
    return fetch;
}

static void check_nothing_is_charged(void)
{
    lease_fini(&memory_lease);
    assert_int_equal(budget_leased(&memory_budget), 0);
}

static uint64_t charged_bytes(void)
{
    return budget_leased(&memory_budget) - memory_lease.spare_bytes;
}

static uint64_t charged_when_done;

static void note_charge_on_done(struct http_request *request, const struct http_result *result)
{
    charged_when_done = charged_bytes();
    fetch_on_done(request, result);
}

static void test_answers_are_charged_as_they_come(void **state)
{
    struct loop *loop = *state;
    static char text[MEMORY_BYTES + 1];
    memset(text, 'a', sizeof(text));
    const struct http_stub_answer script[] = {
        {.body = text, .body_len = MEMORY_BYTES},
        {.body = text, .body_len = sizeof(text)},
        {.body = "short", .body_len = 5},
    };
    struct http_stub stub;
    start_stub(&stub, script, COUNT_OF(script));
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = charged_fetch(stub.url);
    fetch.request.on_done = note_charge_on_done;
    run(loop, client, &fetch);
    assert_int_equal(fetch.result.fault, 0);
    assert_int_equal(fetch.result.body.len, MEMORY_BYTES);
    assert_int_equal(charged_when_done, MEMORY_BYTES);
    assert_int_equal(charged_bytes(), 0);
    fetch.is_done = 0;
    run(loop, client, &fetch); /* one byte more than there is room for */
    assert_int_equal(fetch.result.fault, FAULT_LIMIT);
    assert_string_equal(fetch.fault_text, fault_text(FAULT_LIMIT));
    assert_int_equal(charged_bytes(), 0);
    fetch.is_done = 0;
    run(loop, client, &fetch); /* and the next finds room again */
    assert_string_equal(fetch.body, "short");
    check_nothing_is_charged();
    close_all(loop, client, &stub);
}

static void test_refused_memory_for_an_answer_is_told(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.body = "short", .body_len = 5}};
    struct http_stub stub;
    start_stub(&stub, script, 1);
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = charged_fetch(stub.url);
    bool was_refused = false;
    for (uint64_t nth = 1; nth < 50 && !was_refused; nth++) {
        fetch.request.timeout_ms = 15000;
        fetch.is_done = 0;
        run(loop, client, &fetch); /* with a connection that is there */
        assert_int_equal(fetch.result.fault, 0);
        fetch.request.timeout_ms = 300; /* what a socket that nobody watches runs into */
        fetch.is_done = 0;
        mem_fail_nth(nth);
        run(loop, client, &fetch);
        mem_fail_nth(0);
        was_refused = fetch.result.fault == -ENOMEM;
        assert_int_equal(charged_bytes(), 0);
    }
    assert_true(was_refused);
    check_nothing_is_charged();
    close_all(loop, client, &stub);
}

/* What on_done takes with it. */
static struct {
    char *body;
    size_t len;
    uint64_t charged_bytes;
} taken;

static void take_on_done(struct http_request *request, const struct http_result *result)
{
    taken.len = result->body.len;
    taken.body = http_result_take_body(result, &taken.charged_bytes);
    CONTAINER_OF(request, struct fetch, request)->is_done++;
}

static void test_a_body_is_taken_with_its_charge(void **state)
{
    struct loop *loop = *state;
    static char text[5000];
    memset(text, 'a', sizeof(text));
    const struct http_stub_answer script[] = {{.body = text, .body_len = sizeof(text)}, {0}};
    struct http_stub stub;
    start_stub(&stub, script, COUNT_OF(script));
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = charged_fetch(stub.url);
    fetch.request.on_done = take_on_done;
    run(loop, client, &fetch);
    assert_int_equal(taken.len, sizeof(text));
    assert_memory_equal(taken.body, text, sizeof(text));
    assert_int_equal(taken.charged_bytes, sizeof(text)); /* unused room went back */
    assert_int_equal(charged_bytes(), sizeof(text));
    mem_free(taken.body);
    lease_give(&memory_lease, taken.charged_bytes);
    fetch.is_done = 0;
    run(loop, client, &fetch);
    assert_null(taken.body); /* an empty one */
    assert_int_equal(taken.charged_bytes, 0);
    check_nothing_is_charged();
    close_all(loop, client, &stub);
}

static void test_failures_have_a_code_and_words(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.hangs_up = true}, {.delay_ms = 60000}};
    struct http_stub stub;
    start_stub(&stub, script, 2);
    struct http_client *client = open_client(loop, NULL);
    struct fetch gone = fetch_of("GET", stub.url);
    run(loop, client, &gone);
    assert_int_equal(gone.result.fault, FAULT_CLOSED);
    struct fetch slow = fetch_of("GET", stub.url);
    slow.request.timeout_ms = 50;
    run(loop, client, &slow);
    assert_int_equal(slow.result.fault, -ETIMEDOUT);
    char url[64];
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    struct fetch refused = fetch_of("GET", url);
    run(loop, client, &refused);
    assert_int_equal(refused.result.fault, -ECONNREFUSED);
    assert_true(refused.fault_text[0] != '\0');
    assert_int_equal(refused.result.status, 0);
    (void)close(held_fd);
    struct fetch file = fetch_of("GET", "file:///etc/passwd");
    run(loop, client, &file);
    assert_int_equal(file.result.fault, FAULT_MALFORMED);
    close_all(loop, client, &stub);
}

/* A kept connection that ends without an answer: libcurl sends the request again, and says so. */
static void test_a_request_repeated_on_a_fresh_connection_is_told(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {
        {0}, {.hangs_up = true}, {.body = "again", .body_len = 5}, {.hangs_up = true}};
    static const struct iovec body = {.iov_base = "ping", .iov_len = 4};
    struct http_stub stub;
    start_stub(&stub, script, COUNT_OF(script));
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = fetch_of("POST", stub.url);
    fetch.request.body = &body;
    fetch.request.body_count = 1;
    run(loop, client, &fetch);
    assert_int_equal(fetch.result.repeat_count, 0);
    fetch.is_done = 0;
    run(loop, client, &fetch);
    assert_int_equal(fetch.result.fault, 0);
    assert_string_equal(fetch.body, "again");
    assert_int_equal(fetch.result.repeat_count, 1);
    assert_int_equal(http_stub_request_count(&stub), 3);
    assert_int_equal(http_stub_request(&stub, 1)->body_len, 4);
    assert_int_equal(http_stub_request(&stub, 2)->body_len, 4);
    fetch.is_done = 0;
    run(loop, client, &fetch); /* both connections end: a failure, which is told of too */
    assert_int_equal(fetch.result.fault, FAULT_CLOSED);
    assert_int_equal(fetch.result.repeat_count, 1);
    close_all(loop, client, &stub);
}

static void test_cancel_and_close_make_no_callback(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}};
    struct http_stub stub;
    start_stub(&stub, script, 1);
    struct http_client *client = open_client(loop, NULL);
    struct fetch first = fetch_of("GET", stub.url);
    struct fetch second = fetch_of("GET", stub.url);
    assert_int_equal(http_client_start(client, &first.request), 0);
    assert_int_equal(http_client_start(client, &second.request), 0);
    while (http_stub_request_count(&stub) < 2) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    http_client_cancel(client, &first.request);
    http_client_cancel(client, &first.request);
    assert_null(first.request.call);
    loop_fixture_run(loop, 20 * CLOCK_NS_PER_MS);
    close_all(loop, client, &stub);
    assert_null(second.request.call);
    assert_int_equal(first.is_done, 0);
    assert_int_equal(second.is_done, 0);
}

static struct http_client *again_client;

static void again_on_done(struct http_request *request, const struct http_result *result)
{
    fetch_on_done(request, result);
    request->on_done = fetch_on_done;
    assert_int_equal(http_client_start(again_client, request), 0);
}

static void test_a_callback_may_start_its_request_again(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{0}};
    struct http_stub stub;
    start_stub(&stub, script, 1);
    again_client = open_client(loop, NULL);
    struct fetch fetch = fetch_of("GET", stub.url);
    fetch.request.on_done = again_on_done;
    assert_int_equal(http_client_start(again_client, &fetch.request), 0);
    loop_fixture_until(loop, &fetch.is_done);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (fetch.is_done < 2 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(fetch.is_done, 2);
    assert_int_equal(http_stub_request_count(&stub), 2);
    close_all(loop, again_client, &stub);
}

static void test_many_at_once_are_all_answered(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.body = "ok", .body_len = 2}};
    static struct fetch fetches[40];
    struct http_stub stub;
    start_stub(&stub, script, 1);
    struct http_client *client = open_client(loop, NULL);
    for (size_t i = 0; i < COUNT_OF(fetches); i++) {
        fetches[i] = fetch_of("GET", stub.url);
        assert_int_equal(http_client_start(client, &fetches[i].request), 0);
    }
    for (size_t i = 0; i < COUNT_OF(fetches); i++) {
        loop_fixture_until(loop, &fetches[i].is_done);
        assert_int_equal(fetches[i].result.status, 200);
    }
    close_all(loop, client, &stub);
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* One GET with these settings; returns the fault. */
static int fetch_with_tls(struct loop *loop, const char *url, const struct http_tls_options *tls)
{
    struct http_client_options options = {.tls = *tls};
    struct http_client *client = open_client(loop, &options);
    struct fetch fetch = fetch_of("GET", url);
    run(loop, client, &fetch);
    close_all(loop, client, NULL);
    return fetch.result.fault;
}

static void test_tls_verifies_unless_told_otherwise(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{0}};
    struct tls_identity server;
    struct tls_identity other;
    struct http_stub stub;
    tls_identity_init(&server, "server");
    tls_identity_init(&other, "other");
    SSL_CTX *context = tls_identity_server(&server, NULL);
    struct http_stub_options options = {.script = script, .script_len = 1, .tls = context};
    http_stub_start(&stub, &options);

    const struct http_tls_options nothing = {0};
    const struct http_tls_options by_file = {.ca_file = server.certificate_file};
    const struct http_tls_options by_pem = {.ca_pem = server.certificate_pem};
    const struct http_tls_options both = {.ca_pem = server.certificate_pem,
                                          .includes_system_cas = true};
    const struct http_tls_options wrong = {.ca_file = other.certificate_file};
    const struct http_tls_options blind = {.insecure_skip_verify = true};
    assert_int_equal(fetch_with_tls(loop, stub.url, &nothing), FAULT_LIBRARY);
    assert_int_equal(fetch_with_tls(loop, stub.url, &by_file), 0);
    assert_int_equal(fetch_with_tls(loop, stub.url, &by_pem), 0);
    assert_int_equal(fetch_with_tls(loop, stub.url, &both), 0);
    assert_int_equal(fetch_with_tls(loop, stub.url, &wrong), FAULT_LIBRARY);
    assert_int_equal(fetch_with_tls(loop, stub.url, &blind), 0);

    /* The name is looked at too: the certificate is for an address. */
    char by_name[HTTP_STUB_URL_BYTES];
    (void)snprintf(by_name, sizeof(by_name), "https://localhost:%u", stub.port);
    assert_int_equal(fetch_with_tls(loop, by_name, &by_file), FAULT_LIBRARY);

    http_stub_stop(&stub);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
    tls_identity_fini(&other);
}

static void test_tls_versions_and_client_certificates(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{0}};
    struct tls_identity server;
    struct tls_identity client;
    struct http_stub stub;
    tls_identity_init(&server, "server");
    tls_identity_init(&client, "client");
    SSL_CTX *context = tls_identity_server(&server, &client);
    (void)SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    struct http_stub_options options = {.script = script, .script_len = 1, .tls = context};
    http_stub_start(&stub, &options);

    struct http_tls_options tls = {.ca_file = server.certificate_file};
    assert_int_not_equal(fetch_with_tls(loop, stub.url, &tls), 0); /* no certificate of ours */
    tls.cert_file = client.certificate_file;
    tls.key_file = client.key_file;
    assert_int_equal(fetch_with_tls(loop, stub.url, &tls), 0);
    tls.min_version = HTTP_TLS_1_3;
    assert_int_not_equal(fetch_with_tls(loop, stub.url, &tls), 0);
    tls.min_version = HTTP_TLS_DEFAULT;
    tls.max_version = HTTP_TLS_1_2;
    assert_int_equal(fetch_with_tls(loop, stub.url, &tls), 0);
    struct http_tls_options pem = {.ca_pem = server.certificate_pem,
                                   .cert_pem = client.certificate_pem,
                                   .key_pem = client.key_pem};
    assert_int_equal(fetch_with_tls(loop, stub.url, &pem), 0);

    http_stub_stop(&stub);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
    tls_identity_fini(&client);
}

/* --- proxies ---------------------------------------------------------------------------------- */

static void test_a_configured_proxy_gets_the_request(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.status = 202}};
    struct http_stub proxy;
    start_stub(&proxy, script, 1);
    struct http_client_options options = {.proxy_url = proxy.url};
    struct http_client *client = open_client(loop, &options);
    struct fetch fetch = fetch_of("GET", "http://127.0.0.1:1/path");
    run(loop, client, &fetch);
    assert_int_equal(fetch.result.status, 202);
    assert_string_equal(http_stub_request(&proxy, 0)->target, "http://127.0.0.1:1/path");
    close_all(loop, client, &proxy);
}

static void test_the_environments_proxy_counts_but_not_for_loopback(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.status = 202}};
    struct http_stub proxy;
    struct http_stub direct;
    start_stub(&proxy, script, 1);
    start_stub(&direct, script, 1);
    struct http_client *client = open_client(loop, NULL);
    assert_int_equal(setenv("HTTP_PROXY", proxy.url, 1), 0);
    struct fetch far = fetch_of("GET", "http://upstream.invalid/x");
    struct fetch near = fetch_of("GET", direct.url);
    run(loop, client, &far);
    run(loop, client, &near);
    assert_int_equal(unsetenv("HTTP_PROXY"), 0);
    assert_int_equal(http_stub_request_count(&proxy), 1);
    assert_string_equal(http_stub_request(&proxy, 0)->target, "http://upstream.invalid/x");
    assert_int_equal(http_stub_request_count(&direct), 1);
    close_all(loop, client, &proxy);
    http_stub_stop(&direct);
}

/* --- building --------------------------------------------------------------------------------- */

static void test_proxies_are_ignored_where_told_so(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {{.status = 202}};
    struct http_stub proxy;
    start_stub(&proxy, script, 1);
    assert_int_equal(setenv("HTTP_PROXY", proxy.url, 1), 0);
    struct http_client_options options = {.ignores_proxies = true};
    struct http_client *client = open_client(loop, &options);
    struct fetch fetch = fetch_of("GET", "http://upstream.invalid/x");
    run(loop, client, &fetch);
    assert_true(fetch.result.fault != 0);
    assert_int_equal(http_stub_request_count(&proxy), 0);
    assert_int_equal(unsetenv("HTTP_PROXY"), 0);
    close_all(loop, client, &proxy);
}

static void test_wanted_headers_are_handed_out_in_order(void **state)
{
    struct loop *loop = *state;
    static const struct http_stub_answer script[] = {
        {.headers = "X-Second:  two words \r\nx-FIRST: 1\r\nX-Second: again\r\n"},
        {.status = 204},
    };
    static const char *const names[] = {"x-first", "X-SECOND", "x-absent"};
    struct http_stub stub;
    start_stub(&stub, script, 2);
    struct http_client *client = open_client(loop, NULL);
    struct fetch fetch = fetch_of("GET", stub.url);
    fetch.request.wanted_headers = names;
    fetch.request.wanted_header_count = COUNT_OF(names);
    run(loop, client, &fetch);
    assert_string_equal(fetch.headers[0], "1");
    assert_string_equal(fetch.headers[1], "two words");
    assert_string_equal(fetch.headers[2], "");
    fetch.is_done = 0;
    run(loop, client, &fetch); /* nothing is left of the answer before */
    assert_string_equal(fetch.headers[0], "");
    assert_string_equal(fetch.headers[1], "");
    close_all(loop, client, &stub);
}

static void test_urls_are_judged(void **state)
{
    (void)state;
    assert_true(http_url_is_valid("http://localhost:4318"));
    assert_true(http_url_is_valid("https://[::1]:4318/v1/metrics?x=y"));
    assert_false(http_url_is_valid("localhost:4318"));
    assert_false(http_url_is_valid("ftp://localhost"));
    assert_false(http_url_is_valid("http://"));
    assert_false(http_url_is_valid("http://host:99999"));
    assert_false(http_url_is_valid(""));
}

static void test_refused_memory_leaves_nothing_behind(void **state)
{
    struct loop *loop = *state;
    static const struct http_client_options plain = {0};
    struct http_client *client = NULL;
    mem_fail_nth(1);
    assert_int_equal(http_client_open(loop, &plain, &client), -ENOMEM);
    client = open_client(loop, NULL);
    struct fetch fetch = fetch_of("GET", "http://127.0.0.1:1");
    mem_fail_nth(1);
    assert_int_equal(http_client_start(client, &fetch.request), -ENOMEM);
    assert_null(fetch.request.call);
    close_all(loop, client, NULL);
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_post_sends_all_pieces_and_headers),
        LOOP_TEST(test_methods_go_as_named),
        LOOP_TEST(test_retry_after_is_read_as_seconds_and_as_date),
        LOOP_TEST(test_answer_is_kept_up_to_its_bound),
        LOOP_TEST(test_answers_are_charged_as_they_come),
        LOOP_TEST(test_refused_memory_for_an_answer_is_told),
        LOOP_TEST(test_a_body_is_taken_with_its_charge),
        LOOP_TEST(test_failures_have_a_code_and_words),
        LOOP_TEST(test_a_request_repeated_on_a_fresh_connection_is_told),
        LOOP_TEST(test_cancel_and_close_make_no_callback),
        LOOP_TEST(test_a_callback_may_start_its_request_again),
        LOOP_TEST(test_many_at_once_are_all_answered),
        LOOP_TEST(test_tls_verifies_unless_told_otherwise),
        LOOP_TEST(test_tls_versions_and_client_certificates),
        LOOP_TEST(test_a_configured_proxy_gets_the_request),
        LOOP_TEST(test_the_environments_proxy_counts_but_not_for_loopback),
        LOOP_TEST(test_proxies_are_ignored_where_told_so),
        LOOP_TEST(test_wanted_headers_are_handed_out_in_order),
        LOOP_TEST(test_urls_are_judged),
        LOOP_TEST(test_refused_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    return loop_fixture_main(run_group);
}
