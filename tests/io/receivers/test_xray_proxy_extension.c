/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/xray_proxy_extension: from its settings to a port that answers, with a
 * scripted server as AWS, a successor at the same address, and ends at every stage of its life; on
 * every backend.
 */
#include "tests/support/loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/receivers/xray_proxy_extension.h"
#include "tests/support/config_fixture.h"
#include "tests/support/http_stub.h"
#include "tools/weir/config_yaml.h"

#define RULES_BODY "{\"SamplingRuleRecords\":[]}"
#define ANSWER_BYTES 4096
#define CALLS 1000

static struct config_fixture fixture;
static struct http_stub aws;
static struct worker egress;
static struct receiver_home home;
static uint16_t port;
static int held_fd; /* keeps the port from everybody else */

/* --- life ------------------------------------------------------------------------------------- */

/* Reads a text as the settings of an extension; `fail_nth` 0: memory is never refused. */
static int make(const char *yaml, uint64_t fail_nth, struct receiver **out)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.awsproxy");
    mem_fail_nth(fail_nth);
    int err = xray_proxy_extension_new(&reader, "awsproxy", out);
    mem_fail_nth(0);
    return err;
}

/* One that is to listen on `host` and asks the scripted server. */
static struct receiver *made(const char *host)
{
    char text[512];
    struct receiver *extension = NULL;
    (void)snprintf(text, sizeof(text),
                   "endpoint: '%s:%u'\nregion: us-east-1\naws_endpoint: '%s'\nlocal_mode: true\n"
                   "rules_cache: 1h\n",
                   host, port, aws.url);
    int err = make(text, 0, &extension);
    assert_string_equal(config_fixture_printed(&fixture), "");
    assert_int_equal(err, 0);
    config_fixture_fini(&fixture);
    return extension;
}

static struct receiver *started(const char *host)
{
    struct receiver *extension = made(host);
    assert_int_equal(extension->ops->open(extension, &home), 0);
    extension->ops->connect(extension, NULL, 0);
    assert_int_equal(extension->ops->start(extension), 0);
    return extension;
}

static void drain(struct receiver *extension, bool has_successor)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    extension->ops->drain(extension, has_successor);
    while (!extension->ops->is_drained(extension) && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(extension->ops->is_drained(extension));
}

/* Rules at once; targets when they are released, so that a test can act meanwhile. */
static struct http_stub_answer choose(void *owner, const struct http_stub_request *request)
{
    (void)owner;
    return (struct http_stub_answer){
        .headers = "Content-Type: application/json\r\n",
        .body = RULES_BODY,
        .body_len = sizeof(RULES_BODY) - 1,
        .is_held = strcmp(request->target, "/SamplingTargets") == 0,
    };
}

static int set_up(void **state)
{
    const struct worker_options options = {
        .name = "egress-0", .loop = {.backend = loop_fixture_backend}, .cpu = -1};
    (void)state;
    http_stub_start(&aws, &(struct http_stub_options){.choose = choose});
    held_fd = http_stub_hold_port(&port);
    home = (struct receiver_home){.egress = &egress};
    return worker_start(&egress, &options);
}

static int tear_down(void **state)
{
    (void)state;
    worker_stop(&egress);
    http_stub_stop(&aws);
    (void)close(held_fd);
    return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

static int connect_to_port(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons(port),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)),
                     0);
    return fd;
}

static void send_call(int fd, const char *path, const char *connection)
{
    char request[256];
    int len = snprintf(request, sizeof(request),
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                       path, connection);
    assert_int_equal(send(fd, request, (size_t)len, MSG_NOSIGNAL), len);
}

/* Until the connection ends; gives the status, and the whole answer in `out`. */
static uint32_t read_answer(int fd, char *out)
{
    size_t len = 0;
    ssize_t got = recv(fd, out, ANSWER_BYTES - 1, 0);
    while (got > 0) {
        len += (size_t)got;
        got = recv(fd, out + len, ANSWER_BYTES - 1 - len, 0);
    }
    out[len] = '\0';
    (void)close(fd);
    assert_true(len > 12);
    return (uint32_t)strtoul(out + strlen("HTTP/1.1 "), NULL, 10);
}

static uint32_t call(const char *path, char *out)
{
    int fd = connect_to_port();
    send_call(fd, path, "close");
    return read_answer(fd, out);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_calls_are_signed_answered_and_counted(void **state)
{
    (void)state;
    char answer[ANSWER_BYTES];
    struct receiver *extension = started("127.0.0.1");
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_int_equal(call("/GetSamplingRules", answer), 200);
        assert_non_null(strstr(answer, RULES_BODY));
    }
    http_stub_release(&aws);
    assert_int_equal(call("/SamplingTargets", answer), 200);
    const struct receiver_stats *stats = extension->counters[0].stats;
    assert_int_equal(extension->counters_count, 1);
    assert_string_equal(extension->counters[0].thread, "egress-0");
    assert_int_equal(counter_read(&stats->proxy_answered), 2);
    assert_int_equal(counter_read(&stats->proxy_cached), CALLS - 1);
    assert_int_equal(http_stub_request_count(&aws), 2);
    const struct http_stub_request *request = http_stub_request(&aws, 0);
    assert_string_equal(request->target, "/GetSamplingRules");
    struct slice signature = http_stub_header(request, "Authorization");
    assert_true(signature.len > 0);
    assert_null(extension->ops->line_reason(0));
    assert_int_equal(extension->ops->offenders(extension, NULL, 0), 0);
    drain(extension, false);
    assert_int_equal(counter_read(&stats->connections_accepted), CALLS + 1);
    assert_int_equal(counter_read(&stats->connections_open), 0);
    extension->ops->close(extension);
}

static void test_other_paths_are_refused_where_strangers_reach_it(void **state)
{
    (void)state;
    char answer[ANSWER_BYTES];
    struct receiver *extension = started("0.0.0.0");
    assert_int_equal(call("/TraceSegments", answer), 403);
    assert_int_equal(call("/GetSamplingRules", answer), 200);
    const struct receiver_stats *stats = extension->counters[0].stats;
    assert_int_equal(counter_read(&stats->proxy_refused), 1);
    assert_int_equal(http_stub_request_count(&aws), 1);
    drain(extension, false);
    extension->ops->close(extension);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void test_successor_takes_over_the_address(void **state)
{
    (void)state;
    char answer[ANSWER_BYTES];
    struct receiver *older = started("127.0.0.1");
    int fd = connect_to_port();
    send_call(fd, "/SamplingTargets", "keep-alive");
    while (http_stub_request_count(&aws) == 0) { /* the test's own time limit ends it */
        (void)usleep(1000);
    }
    struct receiver *newer = started("127.0.0.1");
    older->ops->drain(older, true);
    assert_false(older->ops->is_drained(older));
    http_stub_release(&aws);
    assert_int_equal(read_answer(fd, answer), 200); /* heard before, and answered */
    drain(older, true);
    older->ops->close(older);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(call("/GetSamplingRules", answer), 200);
    }
    drain(newer, false);
    newer->ops->close(newer);
}

static void test_being_sent_away_ends_connections_with_their_answers(void **state)
{
    (void)state;
    char answer[ANSWER_BYTES];
    struct receiver *extension = started("127.0.0.1");
    int fd = connect_to_port();
    send_call(fd, "/GetSamplingRules", "keep-alive");
    assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
    extension->ops->send_away(extension);
    send_call(fd, "/GetSamplingRules", "keep-alive");
    assert_int_equal(read_answer(fd, answer), 200);
    assert_int_equal(call("/GetSamplingRules", answer), 200); /* it still listens */
    drain(extension, false);
    extension->ops->close(extension);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_ends_at_every_stage(void **state)
{
    (void)state;
    struct receiver *extension = made("127.0.0.1");
    extension->ops->close(extension);
    extension = made("127.0.0.1");
    assert_int_equal(extension->ops->open(extension, &home), 0);
    extension->ops->drain(extension, false);
    assert_true(extension->ops->is_drained(extension));
    extension->ops->close(extension);
    extension = started("127.0.0.1");
    int fd = connect_to_port();
    extension->ops->close(extension); /* without draining, and with a peer that says nothing */
    (void)close(fd);
}

static void test_address_of_somebody_else_is_an_error(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    address.sin_port = htons(port);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    struct receiver *extension = made("127.0.0.1");
    assert_int_equal(extension->ops->open(extension, &home), -EADDRINUSE);
    extension->ops->close(extension);
    (void)close(fd);
}

/* --- settings --------------------------------------------------------------------------------- */

static void test_settings_that_are_refused(void **state)
{
    static const struct {
        const char *yaml;
        const char *words;
    } cases[] = {
        {"regoin: us-east-1\n", "unknown key 'regoin' in extensions.awsproxy"},
        {"service_name: logs\n", "signs for 'xray' only"},
        {"region: 'eu_west/1'\n", "letters, digits and hyphens"},
        {"endpoint: nowhere\n", "endpoint"},
        {"proxy_server: {}\n", "unknown key 'proxy_server'"},
        {"dialer: {timeout: 1s}\n", "known but not supported yet"},
        {"tls: {ca_file: /x}\n", "known but not supported yet"},
        {"transport: udp\n", "unknown key 'transport'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct receiver *extension = NULL;
        assert_int_equal(make(cases[i].yaml, 0, &extension), FAULT_CONFIG);
        const char *printed = config_fixture_printed(&fixture);
        if (strstr(printed, cases[i].words) == NULL) {
            print_error("for '%s': %s", cases[i].yaml, printed);
        }
        assert_non_null(strstr(printed, cases[i].words));
        assert_int_equal(fixture.report.error_count, 1);
        config_fixture_fini(&fixture);
    }
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct receiver *extension = NULL;
        int err = make("region: us-east-1\n", nth, &extension);
        config_fixture_fini(&fixture);
        if (err == 0) {
            assert_true(nth > 2);
            extension->ops->close(extension);
            return;
        }
        assert_int_equal(err, -ENOMEM);
        assert_null(extension);
    }
    fail();
}

static int run(const char *name)
{
#define EXTENSION_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EXTENSION_TEST(test_calls_are_signed_answered_and_counted),
        EXTENSION_TEST(test_other_paths_are_refused_where_strangers_reach_it),
        EXTENSION_TEST(test_successor_takes_over_the_address),
        EXTENSION_TEST(test_being_sent_away_ends_connections_with_their_answers),
        EXTENSION_TEST(test_ends_at_every_stage),
        EXTENSION_TEST(test_address_of_somebody_else_is_an_error),
        cmocka_unit_test(test_settings_that_are_refused),
        cmocka_unit_test(test_refused_memory_is_told),
    };
#undef EXTENSION_TEST
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return loop_fixture_main(run);
}
