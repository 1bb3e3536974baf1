/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_proxy: every backend, clients that are plain sockets, a scripted server as AWS.
 */
#include "tests/support/loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/aws/signed_request.h"
#include "io/receivers/xray_config.h"
#include "io/receivers/xray_proxy.h"
#include "tests/support/http_stub.h"

#define TURN_NS (2 * CLOCK_NS_PER_MS)
#define JSON_LINE "Content-Type: application/json\r\n"
#define OK(text)                                                                                   \
    {                                                                                              \
        .headers = JSON_LINE, .body = (text), .body_len = sizeof(text) - 1                         \
    }

struct client {
    int fd;
    char reply[65536];
    size_t reply_len;
};

static struct loop *loop;
static struct http_stub aws;
static struct xray_proxy_config config;
static struct receiver_stats stats;
static struct xray_proxy proxy;
static uint16_t port;
static bool is_closed;

static void on_closed(struct xray_proxy *p)
{
    assert_ptr_equal(p, &proxy);
    assert_false(is_closed);
    is_closed = true;
}

static int listen_on_loopback(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    return fd;
}

static void turn(void)
{
    assert_true(loop_turn(loop, TURN_NS) >= 0);
}

static void prepare(const struct http_stub_answer *script, size_t script_len)
{
    http_stub_start(&aws, &(struct http_stub_options){.script = script, .script_len = script_len});
    struct loop_options options = {.backend = loop_fixture_backend};
    assert_int_equal(loop_open(&options, &loop, NULL), 0);
    is_closed = false;
    stats = (struct receiver_stats){0};
    config = (struct xray_proxy_config){
        .region = "us-east-1",
        .aws_endpoint = aws.url,
        .proxy_address = "",
        .role_arn = "",
        .service_name = "xray",
        .rules_cache_ns = 10 * CLOCK_NS_PER_S,
    };
    proxy = (struct xray_proxy){
        .loop = loop,
        .config = &config,
        .receiver_id = "awsxray",
        .stats = &stats,
        .on_closed = on_closed,
    };
}

static void start(const struct http_stub_answer *script, size_t script_len)
{
    prepare(script, script_len);
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
}

#define START(script) start((script), COUNT_OF(script))

static void wait_closed(void)
{
    for (int i = 0; i < 2000 && !is_closed; i++) {
        turn();
    }
    assert_true(is_closed);
}

static void finish(void)
{
    if (!is_closed) {
        xray_proxy_abort(&proxy);
    }
    wait_closed();
    for (int i = 0; i < 3; i++) {
        turn(); /* the client lets go of its sockets */
    }
    loop_close(loop);
    http_stub_stop(&aws);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void client_open(struct client *client)
{
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client->reply_len = 0;
    client->reply[0] = 0;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(client->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

static void client_send(struct client *client, const char *method, const char *target,
                        const char *body)
{
    static char text[65536];
    int len = snprintf(text, sizeof(text),
                       "%s %s HTTP/1.1\r\nHost: 127.0.0.1:2000\r\nConnection: keep-alive, X-Hop\r\n"
                       "X-Hop: 1\r\nAuthorization: Basic abc\r\nAccept-Encoding: gzip\r\n" JSON_LINE
                       "Content-Length: %zu\r\n\r\n%s",
                       method, target, strlen(body), body);
    assert_int_equal(send(client->fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

/* False once the proxy has closed. */
static bool client_gather(struct client *client)
{
    size_t room = sizeof(client->reply) - client->reply_len - 1;
    ssize_t n = recv(client->fd, client->reply + client->reply_len, room, MSG_DONTWAIT);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    client->reply_len += (size_t)n;
    client->reply[client->reply_len] = 0;
    return true;
}

/* Turns until an answer with that status, which ends with `tail`, has come. */
static void expect(struct client *client, const char *status, const char *tail)
{
    size_t tail_len = strlen(tail);
    for (int i = 0; i < 4000; i++) {
        bool has_tail = client->reply_len >= tail_len &&
                        memcmp(client->reply + client->reply_len - tail_len, tail, tail_len) == 0;
        if (has_tail && strncmp(client->reply, status, strlen(status)) == 0) {
            client->reply_len = 0;
            return;
        }
        turn();
        (void)client_gather(client);
    }
    fail_msg("no '%s' with '%s' in: %s", status, tail, client->reply);
}

/* One request on a connection of its own. */
static void ask(const char *method, const char *target, const char *body, const char *status,
                const char *tail)
{
    static struct client client;
    client_open(&client);
    client_send(&client, method, target, body);
    expect(&client, status, tail);
    (void)close(client.fd);
}

static void ask_rules(const char *tail)
{
    ask("POST", "/GetSamplingRules", "{}", "HTTP/1.1 200", tail);
}

static void assert_results(uint64_t answered, uint64_t rejected, uint64_t cached, uint64_t stale,
                           uint64_t failed, uint64_t refused)
{
    assert_int_equal(counter_read(&stats.proxy_answered), answered);
    assert_int_equal(counter_read(&stats.proxy_rejected), rejected);
    assert_int_equal(counter_read(&stats.proxy_cached), cached);
    assert_int_equal(counter_read(&stats.proxy_stale), stale);
    assert_int_equal(counter_read(&stats.proxy_failed), failed);
    assert_int_equal(counter_read(&stats.proxy_refused), refused);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void test_a_call_is_signed_and_its_answer_handed_on(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("{\"SamplingTargetDocuments\":[]}")};
    START(script);
    static struct client client;
    client_open(&client);
    client_send(&client, "POST", "/SamplingTargets", "{\"SamplingStatisticsDocuments\":[]}");
    expect(&client, "HTTP/1.1 200", "\r\n\r\n{\"SamplingTargetDocuments\":[]}");
    assert_non_null(strstr(client.reply, "\r\nContent-Type: application/json\r\n"));
    (void)close(client.fd);
    const struct http_stub_request *request = http_stub_request(&aws, 0);
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->target, "/SamplingTargets");
    assert_true(slice_is_text(slice_of(request->body, request->body_len),
                              "{\"SamplingStatisticsDocuments\":[]}"));
    struct slice signature = http_stub_header(request, "Authorization");
    assert_true(slice_has_prefix(signature, SLICE_LITERAL("AWS4-HMAC-SHA256 Credential=AKID/")));
    assert_true(slice_is_text(http_stub_header(request, "Content-Type"), "application/json"));
    assert_int_equal(http_stub_header(request, "Connection").len, 0);
    assert_int_equal(http_stub_header(request, "X-Hop").len, 0);
    assert_int_equal(http_stub_header(request, "Accept-Encoding").len, 0);
    assert_results(1, 0, 0, 0, 0, 0);
    finish();
}

static void test_targets_are_never_shared(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("one"), OK("two")};
    START(script);
    ask("POST", "/SamplingTargets", "{}", "HTTP/1.1 200", "one");
    ask("POST", "/SamplingTargets", "{}", "HTTP/1.1 200", "two");
    assert_results(2, 0, 0, 0, 0, 0);
    finish();
}

static void test_rules_are_shared_for_a_while(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("first"), OK("second")};
    START(script);
    ask_rules("first");
    ask_rules("first");
    ask("POST", "/GetSamplingRules", "{\"NextToken\":\"a\"}", "HTTP/1.1 200", "second");
    ask("POST", "/GetSamplingRules", "{\"NextToken\":\"a\"}", "HTTP/1.1 200", "second");
    assert_int_equal(http_stub_request_count(&aws), 2);
    assert_results(2, 0, 2, 0, 0, 0);
    finish();
}

static void test_simultaneous_callers_share_one_call(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.body = "shared", .body_len = 6, .delay_ms = 100}};
    static struct client clients[20];
    START(script);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_open(&clients[i]);
        client_send(&clients[i], "POST", "/GetSamplingRules", "{}");
    }
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        expect(&clients[i], "HTTP/1.1 200", "shared");
        (void)close(clients[i].fd);
    }
    assert_int_equal(http_stub_request_count(&aws), 1);
    assert_results(1, 0, COUNT_OF(clients) - 1, 0, 0, 0);
    finish();
}

static void test_sharing_can_be_turned_off(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("first"), OK("second")};
    prepare(script, COUNT_OF(script));
    config.rules_cache_ns = 0;
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    ask_rules("first");
    ask_rules("second");
    assert_results(2, 0, 0, 0, 0, 0);
    finish();
}

static void test_a_request_too_long_for_a_key_is_not_shared(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("first"), OK("second"), OK("third")};
    static char body[XRAY_PROXY_CACHE_KEY_MAX_BYTES + 2];
    START(script);
    memset(body, ' ', sizeof(body) - 1);
    ask("POST", "/GetSamplingRules", body, "HTTP/1.1 200", "first");
    ask("POST", "/GetSamplingRules", body, "HTTP/1.1 200", "second");
    body[XRAY_PROXY_CACHE_KEY_MAX_BYTES] = 0;
    ask("POST", "/GetSamplingRules", body, "HTTP/1.1 200", "third");
    ask("POST", "/GetSamplingRules", body, "HTTP/1.1 200", "third");
    assert_results(3, 0, 1, 0, 0, 0);
    finish();
}

/* --- trouble ---------------------------------------------------------------------------------- */

static void check_stale(const struct http_stub_answer *script, size_t script_len)
{
    prepare(script, script_len);
    config.rules_cache_ns = 1; /* over by the next turn */
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    ask_rules("good");
    ask_rules("good"); /* AWS was asked, in vain */
    size_t asked_count = http_stub_request_count(&aws);
    ask_rules("good"); /* it is not asked again at once */
    assert_int_equal(http_stub_request_count(&aws), asked_count);
    assert_results(1, 0, 0, 2, 0, 0);
    finish();
}

static void test_the_last_good_rules_are_served_when_aws_is_out_of_reach(void **state)
{
    (void)state;
    static const struct http_stub_answer failing[] = {OK("good"), {.status = 500}};
    static const struct http_stub_answer gone[] = {OK("good"), {.hangs_up = true}};
    static const struct http_stub_answer throttling[] = {OK("good"), {.status = 429}};
    check_stale(failing, COUNT_OF(failing));
    check_stale(gone, COUNT_OF(gone));
    check_stale(throttling, COUNT_OF(throttling));
}

static void test_stale_rules_give_way_to_new_ones(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("old"), {.status = 503}, OK("new")};
    prepare(script, COUNT_OF(script));
    config.rules_cache_ns = 1;
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    ask_rules("old");
    ask_rules("old");
    loop_fixture_run(loop, CLOCK_NS_PER_S + 100 * CLOCK_NS_PER_MS);
    ask_rules("new");
    assert_results(2, 0, 0, 1, 0, 0);
    finish();
}

static void test_a_refusal_of_aws_is_handed_on(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        OK("good"),
        {.status = 400,
         .headers = JSON_LINE "X-Amzn-ErrorType: InvalidRequestException:http://x/\r\n",
         .body = "{\"message\":\"no\"}",
         .body_len = 16}};
    prepare(script, COUNT_OF(script));
    config.rules_cache_ns = 1;
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    ask_rules("good");
    static struct client client;
    client_open(&client);
    client_send(&client, "POST", "/GetSamplingRules", "{}");
    expect(&client, "HTTP/1.1 400", "{\"message\":\"no\"}");
    assert_non_null(strstr(client.reply, "\r\nX-Amzn-ErrorType: InvalidRequestException"));
    (void)close(client.fd);
    assert_results(1, 1, 0, 0, 0, 0);
    finish();
}

static void test_without_an_answer_the_proxy_says_so(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {{.hangs_up = true}};
    START(script);
    ask("POST", "/GetSamplingRules", "{}", "HTTP/1.1 502", "cannot reach X-Ray\"}");
    ask("POST", "/SamplingTargets", "{}", "HTTP/1.1 502", "cannot reach X-Ray\"}");
    assert_results(0, 0, 0, 0, 2, 0);
    finish();
}

static void test_an_answer_too_large_is_not_handed_on_in_part(void **state)
{
    (void)state;
    static char big[5 * 1024 * 1024];
    const struct http_stub_answer script[] = {{.body = big, .body_len = sizeof(big)}};
    START(script);
    ask("POST", "/SamplingTargets", "{}", "HTTP/1.1 502", "cannot reach X-Ray\"}");
    assert_results(0, 0, 0, 0, 1, 0);
    finish();
}

/* --- what is signed --------------------------------------------------------------------------- */

static void test_nothing_but_sampling_calls_is_signed(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("no")};
    static const char *const targets[] = {
        "/TraceSegments",
        "/",
        "/GetSamplingRules/",
        "/getsamplingrules",
        "/GetSamplingRules?a=b",
        "//GetSamplingRules",
        "/GetSamplingRules/../TraceSegments",
    };
    START(script);
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        ask("POST", targets[i], "{}", "HTTP/1.1 403", "are signed here\"}");
    }
    ask("GET", "/GetSamplingRules", "", "HTTP/1.1 403", "are signed here\"}");
    assert_int_equal(http_stub_request_count(&aws), 0);
    assert_results(0, 0, 0, 0, 0, COUNT_OF(targets) + 1);
    finish();
}

static void test_every_path_is_signed_where_the_owner_says_so(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("yes")};
    prepare(script, COUNT_OF(script));
    proxy.signs_all_paths = true;
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    ask("POST", "/TraceSegments", "{}", "HTTP/1.1 200", "yes");
    ask("POST", "http://elsewhere.example/Traces?a=b", "{}", "HTTP/1.1 200", "yes");
    ask("OPTIONS", "*", "", "HTTP/1.1 403", "are signed here\"}");
    assert_string_equal(http_stub_request(&aws, 0)->target, "/TraceSegments");
    assert_string_equal(http_stub_request(&aws, 1)->target, "/Traces?a=b");
    assert_results(2, 0, 0, 0, 0, 1);
    finish();
}

/* A target of `path_len` bytes, and of `query_len` behind a '?' where there are any. */
static const char *long_target(size_t path_len, size_t query_len)
{
    static char target[AWS_PATH_MAX_BYTES + 16];
    size_t len = path_len + (query_len > 0 ? query_len + 1 : 0);
    assert_true(len < sizeof(target));
    memset(target, 'q', len);
    memset(target, 'p', path_len);
    target[0] = '/';
    if (query_len > 0) {
        target[path_len] = '?';
    }
    target[len] = '\0';
    return target;
}

/* The '?' needs room as well, and so does the end of the text. */
static void test_a_target_has_a_limit(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("yes")};
    static const size_t path_lens[] = {AWS_PATH_MAX_BYTES, AWS_PATH_MAX_BYTES / 2, 1,
                                       AWS_PATH_MAX_BYTES - 2};
    uint64_t refused_count = 0;
    prepare(script, COUNT_OF(script));
    proxy.signs_all_paths = true;
    assert_int_equal(xray_proxy_open(&proxy, listen_on_loopback()), 0);
    for (size_t i = 0; i < COUNT_OF(path_lens); i++) {
        size_t room = AWS_PATH_MAX_BYTES - path_lens[i];
        size_t query_len = room > 0 ? room - 1 : 0;
        ask("POST", long_target(path_lens[i], query_len), "{}", "HTTP/1.1 200", "yes");
        for (size_t more = 1; more < 3; more++) {
            size_t path_len = room > 0 ? path_lens[i] : path_lens[i] + more;
            ask("POST", long_target(path_len, room > 0 ? query_len + more : 0), "{}",
                "HTTP/1.1 400", "cannot send this request\"}");
            refused_count++;
        }
    }
    assert_results(COUNT_OF(path_lens), 0, 0, 0, 0, refused_count);
    assert_int_equal(http_stub_request_count(&aws), COUNT_OF(path_lens));
    finish();
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_stop_answers_who_was_heard(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.body = "late", .body_len = 4, .delay_ms = 100}};
    static struct client client;
    START(script);
    client_open(&client);
    client_send(&client, "POST", "/GetSamplingRules", "{}");
    for (int i = 0; i < 1000 && http_stub_request_count(&aws) == 0; i++) {
        turn();
    }
    xray_proxy_stop(&proxy);
    xray_proxy_stop(&proxy);
    expect(&client, "HTTP/1.1 200", "late");
    (void)close(client.fd);
    wait_closed();
    assert_results(1, 0, 0, 0, 0, 0);
    assert_int_equal(counter_read(&stats.connections_accepted), 1);
    assert_int_equal(counter_read(&stats.connections_open), 0);
    finish();
}

static void test_abort_gives_up_calls_under_way(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}};
    static struct client clients[3];
    START(script);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_open(&clients[i]);
        client_send(&clients[i], "POST", i < 2 ? "/GetSamplingRules" : "/SamplingTargets", "{}");
    }
    for (int i = 0; i < 1000 && http_stub_request_count(&aws) < 2; i++) {
        turn();
    }
    xray_proxy_abort(&proxy);
    wait_closed();
    assert_results(0, 0, 0, 0, 3, 0);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        (void)close(clients[i].fd);
    }
    finish();
}

static void test_a_client_that_leaves_harms_nobody(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.body = "rules", .body_len = 5, .delay_ms = 100}};
    static struct client clients[2];
    START(script);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_open(&clients[i]);
        client_send(&clients[i], "POST", "/GetSamplingRules", "{}");
    }
    for (int i = 0; i < 1000 && http_stub_request_count(&aws) == 0; i++) {
        turn();
    }
    (void)close(clients[0].fd);
    expect(&clients[1], "HTTP/1.1 200", "rules");
    (void)close(clients[1].fd);
    assert_results(1, 0, 1, 0, 0, 0);
    finish();
}

static void test_open_survives_every_failed_allocation(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {OK("good")};
    prepare(script, COUNT_OF(script));
    int fd = listen_on_loopback();
    int err = -1;
    for (uint64_t nth = 1; nth < 200 && err != 0; nth++) {
        mem_fail_nth(nth);
        err = xray_proxy_open(&proxy, fd);
        mem_fail_nth(0);
        turn();
    }
    assert_int_equal(err, 0);
    ask_rules("good");
    finish();
}

#define TEST(name) cmocka_unit_test(test_##name)

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_signed_and_its_answer_handed_on),
        TEST(targets_are_never_shared),
        TEST(rules_are_shared_for_a_while),
        TEST(simultaneous_callers_share_one_call),
        TEST(sharing_can_be_turned_off),
        TEST(a_request_too_long_for_a_key_is_not_shared),
        TEST(the_last_good_rules_are_served_when_aws_is_out_of_reach),
        TEST(stale_rules_give_way_to_new_ones),
        TEST(a_refusal_of_aws_is_handed_on),
        TEST(without_an_answer_the_proxy_says_so),
        TEST(an_answer_too_large_is_not_handed_on_in_part),
        TEST(nothing_but_sampling_calls_is_signed),
        TEST(every_path_is_signed_where_the_owner_says_so),
        TEST(a_target_has_a_limit),
        TEST(stop_answers_who_was_heard),
        TEST(abort_gives_up_calls_under_way),
        TEST(a_client_that_leaves_harms_nobody),
        TEST(open_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return loop_fixture_main(run);
}
