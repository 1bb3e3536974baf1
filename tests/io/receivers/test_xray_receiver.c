/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/xray_receiver: from open to close on real threads, with single and
 * coalesced datagrams, bad ones among them, pipelines that change, a successor at the same address,
 * addresses that are taken, and refused memory; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/receivers/xray_intake.h"
#include "tests/support/xray_rig.h"

#define HEADER "{\"format\": \"json\", \"version\": 1}\n"
#define CLIENTS 8
#define PER_CLIENT 500

static struct xray_rig rig;

/* --- datagrams -------------------------------------------------------------------------------- */

static void send_text(int fd, const char *text, size_t len)
{
    ssize_t sent = send(fd, text, len, 0);
    assert_int_equal(sent, len);
}

/* A good segment, numbered in its id; returns its length and adds its body's bytes to *sum. */
static size_t make_segment(char *out, size_t cap, uint32_t number, uint64_t *sum)
{
    int len = snprintf(out, cap,
                       HEADER "{\"name\":\"a\",\"id\":\"%016x\",\"trace_id\":"
                              "\"1-5f84c7a1-0123456789abcdef01234567\",\"start_time\":1.5,"
                              "\"end_time\":2.5}",
                       number + 1);
    assert_true(len > 0 && (size_t)len < cap);
    for (size_t i = sizeof(HEADER) - 1; i < (size_t)len; i++) {
        *sum += (uint8_t)out[i];
    }
    return (size_t)len;
}

static void test_documents_arrive_byte_for_byte(void **state)
{
    (void)state;
    static const char BODY[] = "{\"id\":\"\xff\",\n \"any\" : thing}\n";
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    char datagram[256];
    int len = snprintf(datagram, sizeof(datagram), "%s%s", HEADER, BODY);
    send_text(fd, datagram, (size_t)len);
    xray_rig_await_items(&rig, 0, 1);
    assert_int_equal(rig.lines[0].last_bytes, sizeof(BODY) - 1);
    assert_memory_equal(rig.lines[0].last, BODY, sizeof(BODY) - 1);
    (void)close(fd);
    xray_rig_close(&rig);
}

static void test_many_clients_on_all_shards(void **state)
{
    (void)state;
    int fds[CLIENTS];
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS | XRAY_RIG_SPANS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        fds[i] = xray_rig_client(&rig);
    }
    for (uint32_t k = 0; k < PER_CLIENT; k++) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            char datagram[512];
            size_t len = make_segment(datagram, sizeof(datagram), k * CLIENTS + i, &sum);
            send_text(fds[i], datagram, len);
        }
        if (k % 100 == 99) { /* not to outrun the socket's buffer */
            xray_rig_await_items(&rig, 0, (uint64_t)(k + 1) * CLIENTS);
        }
    }
    xray_rig_await_items(&rig, 0, CLIENTS * PER_CLIENT);
    xray_rig_await_items(&rig, 1, CLIENTS * PER_CLIENT);
    assert_int_equal(rig.lines[0].byte_sum, sum);
    assert_int_equal(XRAY_RIG_COUNT(&rig, wire_received), CLIENTS * PER_CLIENT);
    assert_int_equal(XRAY_RIG_COUNT(&rig, items_forwarded), CLIENTS * PER_CLIENT);
    assert_int_equal(XRAY_RIG_COUNT(&rig, accepted_spans), CLIENTS * PER_CLIENT);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    xray_rig_close(&rig);
}

static void test_bad_datagrams_among_good_ones(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "no line feed anywhere",
        "{\"format\": \"json\", \"version\": 1}",
        HEADER,
        "{\"format\": \"xml\", \"version\": 1}\n{}",
        "{\"format\": \"json\"\n{}",
        HEADER "{\"not\": \"a segment\"}",
        HEADER "[]",
    };
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_SPANS);
    int fd = xray_rig_client(&rig);
    for (uint32_t k = 0; k < 50; k++) {
        char datagram[512];
        for (size_t i = 0; i < COUNT_OF(BAD); i++) {
            send_text(fd, BAD[i], strlen(BAD[i]));
        }
        send_text(fd, "", 0); /* counted, and nothing to read */
        size_t len = make_segment(datagram, sizeof(datagram), k, &sum);
        send_text(fd, datagram, len);
    }
    xray_rig_await_items(&rig, 1, 50);
    XRAY_RIG_AWAIT(&rig, wire_received, 50 * (COUNT_OF(BAD) + 2));
    XRAY_RIG_AWAIT(&rig, items_decoded, 50 * (COUNT_OF(BAD) + 1));
    assert_int_equal(XRAY_RIG_COUNT(&rig, line_reasons[XRAY_DATAGRAM_WHY_NO_HEADER - 1]), 100);
    assert_int_equal(XRAY_RIG_COUNT(&rig, line_reasons[XRAY_DATAGRAM_WHY_BAD_HEADER - 1]), 100);
    assert_int_equal(XRAY_RIG_COUNT(&rig, line_reasons[XRAY_DATAGRAM_WHY_NO_DOCUMENT - 1]), 50);
    assert_int_equal(XRAY_RIG_COUNT(&rig, refused_spans), 50 * COUNT_OF(BAD));
    (void)close(fd);
    xray_rig_close(&rig);
}

static void test_coalesced_runs_are_taken_apart(void **state)
{
    (void)state;
    char run[32 * 512];
    char datagram[512];
    uint64_t sum = 0;
    size_t len = make_segment(datagram, sizeof(datagram), 7, &sum);
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    int segment_bytes = (int)len;
    if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes)) != 0) {
        print_message("no UDP_SEGMENT on this kernel\n");
        (void)close(fd);
        xray_rig_close(&rig);
        skip();
    }
    for (size_t i = 0; i < 32; i++) {
        memcpy(run + i * len, datagram, len);
    }
    for (uint32_t k = 0; k < 20; k++) {
        /* The last of a run may be shorter: here it lacks its last bracket. */
        send_text(fd, run, 32 * len - 1);
    }
    xray_rig_await_items(&rig, 0, 20 * 32);
    assert_int_equal(rig.lines[0].byte_sum, 20 * (32 * sum - '}'));
    assert_int_equal(XRAY_RIG_COUNT(&rig, wire_received), 20 * 32);
    assert_true(XRAY_RIG_COUNT(&rig, receives) < 20 * 32);
    (void)close(fd);
    xray_rig_close(&rig);
}

static void test_largest_datagram_is_whole(void **state)
{
    (void)state;
    static char datagram[65507];
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    memset(datagram, 'x', sizeof(datagram));
    memcpy(datagram, HEADER, sizeof(HEADER) - 1);
    for (uint32_t i = 0; i < 20; i++) {
        send_text(fd, datagram, sizeof(datagram));
    }
    xray_rig_await_items(&rig, 0, 20);
    assert_int_equal(rig.lines[0].last_bytes, sizeof(datagram) - sizeof(HEADER) + 1);
    assert_int_equal(XRAY_RIG_COUNT(&rig, wire_dropped_truncated), 0);
    (void)close(fd);
    xray_rig_close(&rig);
}

/* --- pressure --------------------------------------------------------------------------------- */

static void test_no_budget_drops_and_goes_on(void **state)
{
    (void)state;
    char datagram[512];
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    size_t len = make_segment(datagram, sizeof(datagram), 1, &sum);
    uint64_t got_bytes = budget_lease(&rig.memory, XRAY_RIG_BUDGET - 16);
    for (uint32_t i = 0; i < 100; i++) {
        send_text(fd, datagram, len);
    }
    XRAY_RIG_AWAIT(&rig, invalid_memory, 100);
    budget_return(&rig.memory, got_bytes);
    for (uint32_t i = 0; i < 100; i++) {
        send_text(fd, datagram, len);
    }
    xray_rig_await_items(&rig, 0, 100);
    (void)close(fd);
    xray_rig_close(&rig);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void test_pipelines_change_while_it_receives(void **state)
{
    (void)state;
    char datagram[512];
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    size_t len = make_segment(datagram, sizeof(datagram), 1, &sum);
    send_text(fd, datagram, len);
    xray_rig_await_items(&rig, 0, 1);
    xray_rig_connect(&rig, XRAY_RIG_SPANS);
    send_text(fd, datagram, len);
    xray_rig_await_items(&rig, 1, 1);
    xray_rig_connect(&rig, XRAY_RIG_SPANS | XRAY_RIG_DOCUMENTS);
    send_text(fd, datagram, len);
    xray_rig_await_items(&rig, 0, 2);
    xray_rig_await_items(&rig, 1, 2);
    (void)close(fd);
    xray_rig_close(&rig);
}

/* Datagrams keep coming while one receiver after the other takes over. */
static void test_successors_take_over_without_loss(void **state)
{
    (void)state;
    int fds[CLIENTS];
    uint64_t sum = 0;
    uint64_t sent = 0;
    uint64_t received_before = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        fds[i] = xray_rig_client(&rig);
    }
    for (uint32_t round = 0; round < 4; round++) {
        uint64_t received = 0;
        uint64_t forwarded = 0;
        for (uint32_t k = 0; k < 150; k++) {
            for (uint32_t i = 0; i < CLIENTS; i++) {
                char datagram[512];
                send_text(fds[i], datagram, make_segment(datagram, sizeof(datagram), k, &sum));
                sent++;
            }
            if (k == 20) {
                xray_rig_reload(&rig, XRAY_RIG_DOCUMENTS);
            }
            (void)usleep(300);
        }
        xray_rig_await_items(&rig, 0, sent);
        xray_rig_end_older(&rig, &received, &forwarded);
        assert_true(received >= 1);
        assert_int_equal(received, forwarded);
        received_before += received;
        assert_int_equal(received_before + XRAY_RIG_COUNT(&rig, wire_received), sent);
    }
    assert_int_equal(rig.lines[0].byte_sum, sum);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    xray_rig_close(&rig);
}

static void test_draining_reads_what_had_arrived(void **state)
{
    (void)state;
    char datagram[512];
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    for (uint32_t i = 0; i < 200; i++) {
        size_t len = make_segment(datagram, sizeof(datagram), i, &sum);
        send_text(fd, datagram, len);
    }
    rig.receiver->ops->drain(rig.receiver, false);
    rig.receiver->ops->drain(rig.receiver, false);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (!rig.receiver->ops->is_drained(rig.receiver) && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    xray_rig_await_items(&rig, 0, 200);
    assert_int_equal(XRAY_RIG_COUNT(&rig, unread_at_close), 0);
    (void)close(fd);
    xray_rig_close(&rig);
}

/* --- life ------------------------------------------------------------------------------------- */

static void close_receiver(void)
{
    rig.receiver->ops->close(rig.receiver);
    rig.receiver = NULL;
    xray_rig_close(&rig);
}

static void test_closing_what_was_never_opened_or_started(void **state)
{
    (void)state;
    xray_rig_prepare(&rig, loop_fixture_backend);
    close_receiver();
    xray_rig_prepare(&rig, loop_fixture_backend);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    xray_rig_connect(&rig, XRAY_RIG_DOCUMENTS);
    rig.receiver->ops->drain(rig.receiver, false);
    close_receiver();
}

static void test_closing_without_draining(void **state)
{
    (void)state;
    char datagram[512];
    uint64_t sum = 0;
    xray_rig_open(&rig, loop_fixture_backend, XRAY_RIG_DOCUMENTS);
    int fd = xray_rig_client(&rig);
    for (uint32_t i = 0; i < 200; i++) {
        size_t len = make_segment(datagram, sizeof(datagram), i, &sum);
        send_text(fd, datagram, len);
    }
    close_receiver();
    (void)close(fd);
}

static void test_address_of_nobody_is_an_error(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    xray_rig_prepare(&rig, loop_fixture_backend);
    address.sin_port = htons(rig.port); /* without reuseport nobody can share it */
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), -EADDRINUSE);
    close_receiver();
    (void)close(fd);
}

static void test_refused_memory_at_every_step_of_opening(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 100; nth++) {
        xray_rig_prepare(&rig, loop_fixture_backend);
        mem_fail_nth(nth);
        int err = rig.receiver->ops->open(rig.receiver, &rig.home);
        mem_fail_nth(0);
        close_receiver();
        if (err == 0) {
            assert_true(nth > 2 + 2 * XRAY_RIG_SHARDS);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_arrive_byte_for_byte),
        cmocka_unit_test(test_many_clients_on_all_shards),
        cmocka_unit_test(test_bad_datagrams_among_good_ones),
        cmocka_unit_test(test_coalesced_runs_are_taken_apart),
        cmocka_unit_test(test_largest_datagram_is_whole),
        cmocka_unit_test(test_no_budget_drops_and_goes_on),
        cmocka_unit_test(test_pipelines_change_while_it_receives),
        cmocka_unit_test(test_successors_take_over_without_loss),
        cmocka_unit_test(test_draining_reads_what_had_arrived),
        cmocka_unit_test(test_closing_what_was_never_opened_or_started),
        cmocka_unit_test(test_closing_without_draining),
        cmocka_unit_test(test_address_of_nobody_is_an_error),
        cmocka_unit_test(test_refused_memory_at_every_step_of_opening),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
