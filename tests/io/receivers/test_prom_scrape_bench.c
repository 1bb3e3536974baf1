/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/prom_scrape_bench and of those who bring pages to it: what answers, packed
 * pages and unpacked ones are charged, that pages are unpacked one by one, and what is given up
 * with the receiver; on a real egress thread and every backend.
 */
#include "tests/support/loop_fixture.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codecs/bytes.h"
#include "codecs/compress.h"
#include "io/receivers/pull_receiver.h"
#include "tests/support/http_stub.h"
#include "tests/support/prom_scrape_rig.h"

#define TEXT_TYPE "Content-Type: text/plain; version=0.0.4\r\n"
#define KIB UINT64_C(1024)

static struct prom_rig rig;
static struct http_stub stub;

static void start_stub(const struct http_stub_answer *script, size_t script_len)
{
    const struct http_stub_options options = {.script = script, .script_len = script_len};
    http_stub_start(&stub, &options);
}

static void start_many(uint32_t count, uint16_t port, const char *keys)
{
    prom_rig_start(&rig, loop_fixture_backend, prom_rig_many(count, port, keys));
}

static int accept_one(int listen_fd)
{
    struct pollfd watched = {.fd = listen_fd, .events = POLLIN};
    assert_int_equal(poll(&watched, 1, (int)(LOOP_FIXTURE_PATIENCE_NS / CLOCK_NS_PER_MS)), 1);
    int fd = accept(listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes += sent;
        len -= (size_t)sent;
    }
}

static void await_leased(uint64_t least, uint64_t most)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    uint64_t leased = budget_leased(&rig.memory);
    while ((leased < least || leased > most) && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
        leased = budget_leased(&rig.memory);
    }
    assert_true(leased >= least && leased <= most);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Most of an answer, and then nothing more. */
static void test_answers_are_charged_while_they_come(void **state)
{
    (void)state;
    static char part[4096 * KIB];
    static const char head[] = "HTTP/1.1 200 OK\r\n" TEXT_TYPE "Content-Length: 9000000\r\n\r\n";
    uint16_t port;
    int listen_fd = prom_rig_listen(&port);
    memset(part, '\n', sizeof(part));
    start_many(1, port, "scrape_interval: 2s");
    int fd = accept_one(listen_fd);
    send_all(fd, head, sizeof(head) - 1);
    send_all(fd, part, sizeof(part));
    await_leased(sizeof(part), UINT64_MAX);
    assert_int_equal(close(fd), 0);
    PROM_RIG_AWAIT(&rig, scrapes_unreachable, 1);
    await_leased(0, 1024 * KIB); /* what the lease keeps for the next */
    prom_rig_close(&rig);
    assert_int_equal(close(listen_fd), 0);
}

/* An answer for which there is no room ends the scrape as what it is; others go on. */
static void test_answers_without_room_fail_their_scrape(void **state)
{
    (void)state;
    static char page[2048 * KIB];
    memset(page, '\n', sizeof(page));
    const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE, .body = page, .body_len = sizeof(page)},
        {.headers = TEXT_TYPE, .body = "a 1\n", .body_len = 4},
    };
    start_stub(script, COUNT_OF(script));
    prom_rig_prepare(&rig, loop_fixture_backend,
                     prom_rig_many(1, stub.port, "scrape_interval: 600ms"));
    budget_set_max(&rig.memory, 1024 * KIB);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    rig.receiver->ops->connect(rig.receiver, rig.list, 1);
    assert_int_equal(rig.receiver->ops->start(rig.receiver), 0);
    prom_rig_await_value(&rig, "a", NULL, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_memory), 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_unreachable), 0);
    prom_rig_close(&rig);
    http_stub_stop(&stub);
}

static void pack(const char *text, size_t len, struct bytes *out)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)text, .iov_len = len};
    bytes_init(out, 1024 * KIB);
    assert_int_equal(compress_iov(COMPRESS_GZIP, &piece, 1, out), 0);
}

static void await_requests(size_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (http_stub_request_count(&stub) < count && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(http_stub_request_count(&stub) >= count);
}

#define PACKED_TARGETS 16

/* There is room for some of them unpacked, and for all as they came. */
static void test_pages_wait_packed_while_the_bench_rests(void **state)
{
    (void)state;
    static char page[512 * KIB];
    struct bytes packed;
    for (size_t i = 0; i < sizeof(page); i++) {
        page[i] = i % 64 == 63 ? '\n' : '#';
    }
    pack(page, sizeof(page), &packed);
    assert_true(packed.len < 16 * KIB);
    const struct http_stub_answer script[] = {{.headers = TEXT_TYPE "Content-Encoding: gzip\r\n",
                                               .body = packed.ptr,
                                               .body_len = packed.len}};
    start_stub(script, 1);
    start_many(PACKED_TARGETS, stub.port, "scrape_interval: 1s");
    budget_set_max(&rig.memory, 2048 * KIB);
    prom_rig_congest(&rig);
    await_requests(PACKED_TARGETS);
    (void)usleep(100000); /* all have their answers */
    assert_true(budget_leased(&rig.memory) <= 1024 * KIB);
    prom_rig_set_room(&rig, STUB_TAKEN_MAX);
    PROM_RIG_AWAIT(&rig, scrapes_ok, PACKED_TARGETS);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_memory), 0);
    prom_rig_close(&rig);
    http_stub_stop(&stub);
    bytes_fini(&packed);
}

/* The packed page finds room, what is in it does not: that scrape fails, and gives all back. */
static void test_unpacked_pages_are_charged(void **state)
{
    (void)state;
    static char page[2048 * KIB];
    struct bytes packed;
    memset(page, '\n', sizeof(page));
    pack(page, sizeof(page), &packed);
    const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE "Content-Encoding: gzip\r\n",
         .body = packed.ptr,
         .body_len = packed.len},
        {.headers = TEXT_TYPE, .body = "a 1\n", .body_len = 4},
    };
    start_stub(script, COUNT_OF(script));
    start_many(1, stub.port, "scrape_interval: 600ms");
    budget_set_max(&rig.memory, 1024 * KIB);
    prom_rig_await_value(&rig, "a", NULL, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_memory), 1);
    assert_true(prom_rig_look(&rig, "up", NULL).point_count >= 2);
    prom_rig_close(&rig);
    http_stub_stop(&stub);
    bytes_fini(&packed);
}

/* --- giving up -------------------------------------------------------------------------------- */

static void test_scrapes_under_way_are_given_up_with_the_receiver(void **state)
{
    (void)state;
    uint16_t port;
    int listen_fd = prom_rig_listen(&port);
    start_many(1, port, "scrape_interval: 2s");
    int fd = accept_one(listen_fd);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_given_up), 0);
    rig.receiver->ops->drain(rig.receiver, false);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_given_up), 1);
    prom_rig_close(&rig);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listen_fd), 0);
}

static void test_pages_that_wait_are_given_up_with_the_receiver(void **state)
{
    (void)state;
    const uint32_t target_count = 20;
    uint16_t nobody;
    int held_fd = http_stub_hold_port(&nobody);
    start_many(target_count, nobody, "scrape_interval: 50ms");
    prom_rig_congest(&rig);
    PROM_RIG_AWAIT(&rig, scrapes_skipped,
                   PROM_RIG_COUNT(&rig, scrapes_skipped) + 10 * target_count);
    rig.receiver->ops->drain(rig.receiver, false);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_given_up), target_count);
    prom_rig_set_room(&rig, STUB_TAKEN_MAX);
    prom_rig_close(&rig);
    (void)close(held_fd);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_charged_while_they_come),
        cmocka_unit_test(test_answers_without_room_fail_their_scrape),
        cmocka_unit_test(test_pages_wait_packed_while_the_bench_rests),
        cmocka_unit_test(test_unpacked_pages_are_charged),
        cmocka_unit_test(test_scrapes_under_way_are_given_up_with_the_receiver),
        cmocka_unit_test(test_pages_that_wait_are_given_up_with_the_receiver),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
