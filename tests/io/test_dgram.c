/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/dgram.h on every backend: single and coalesced datagrams over IPv4, IPv6 and Unix,
 * truncation, the peer's address, drops, the closing in steps; and on the fake loop what the kernel
 * cannot be made to do.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/dgram.h"
#include "io/io_bounds.h"
#include "io/socket.h"
#include "tests/support/fake_loop.h"

struct inbox {
    struct dgram dgram;
    struct receiver_stats stats;
    uint64_t segment_count;
    uint64_t byte_count;
    uint64_t byte_sum; /* of all bytes: what arrived is what was sent */
    uint64_t largest_burst;
    uint64_t closed_count;
    int fault;
    size_t last_len;
    uint8_t last[65536];
};

static void inbox_on_burst(struct dgram *dgram, const struct slice *segments, size_t count)
{
    struct inbox *inbox = CONTAINER_OF(dgram, struct inbox, dgram);
    assert_true(count > 0 && count <= DGRAM_SEGMENTS_MAX);
    inbox->largest_burst = count > inbox->largest_burst ? count : inbox->largest_burst;
    for (size_t i = 0; i < count; i++) {
        assert_true(segments[i].len > 0);
        inbox->segment_count++;
        inbox->byte_count += segments[i].len;
        for (size_t k = 0; k < segments[i].len; k++) {
            inbox->byte_sum += segments[i].ptr[k];
        }
        inbox->last_len = segments[i].len;
        memcpy(inbox->last, segments[i].ptr, segments[i].len);
    }
}

static void inbox_on_fault(struct dgram *dgram, int fault)
{
    CONTAINER_OF(dgram, struct inbox, dgram)->fault = fault;
}

static void inbox_on_closed(struct dgram *dgram)
{
    CONTAINER_OF(dgram, struct inbox, dgram)->closed_count++;
}

static struct inbox *inbox_open(struct loop *loop, int fd)
{
    struct inbox *inbox = mem_alloc(sizeof(*inbox));
    assert_non_null(inbox);
    inbox->dgram = (struct dgram){
        .loop = loop,
        .stats = &inbox->stats,
        .on_burst = inbox_on_burst,
        .on_fault = inbox_on_fault,
        .on_closed = inbox_on_closed,
    };
    assert_true(fd >= 0);
    assert_int_equal(dgram_open(&inbox->dgram, fd), 0);
    return inbox;
}

static void inbox_close(struct inbox *inbox)
{
    struct receiver_stats *stats = &inbox->stats;
    dgram_close(&inbox->dgram, 0);
    dgram_close(&inbox->dgram, 0);
    loop_fixture_until(inbox->dgram.loop, &inbox->closed_count);
    dgram_close(&inbox->dgram, 0);
    assert_int_equal(inbox->closed_count, 1);
    assert_int_equal(counter_read(&stats->wire_received),
                     counter_read(&stats->wire_parsed) +
                         counter_read(&stats->wire_dropped_truncated));
    mem_free(inbox);
}

static void turn_until(struct inbox *inbox, uint64_t datagram_count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (counter_read(&inbox->stats.wire_received) < datagram_count &&
           clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(inbox->dgram.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(counter_read(&inbox->stats.wire_received), datagram_count);
}

/* A bound socket, and a client connected to it. */
static int pair_open(const char *text, const struct socket_options *options, int *client_fd)
{
    struct socket_endpoint endpoint;
    struct loop_address address;
    struct socket_report report;
    const char *why_text = NULL;
    assert_int_equal(socket_parse_endpoint(slice_of_text(text), &endpoint), 0);
    assert_int_equal(socket_resolve(&endpoint, options->family, &address, &why_text), 0);
    int fd = socket_open_udp(&address, options, &report);
    assert_true(fd >= 0);
    *client_fd = socket(address.any.sa_family, SOCK_DGRAM, 0);
    assert_true(*client_fd >= 0);
    assert_int_equal(connect(*client_fd, &report.local.any, report.local.len), 0);
    return fd;
}

static void test_dgram_single_ones_arrive_on_both_families(void **state)
{
    static const char *const TEXTS[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        struct socket_options options = {.has_gro = true};
        int client_fd;
        struct inbox *inbox = inbox_open(*state, pair_open(TEXTS[i], &options, &client_fd));
        assert_int_equal(send(client_fd, "hello", 5, 0), 5);
        turn_until(inbox, 1);
        assert_int_equal(inbox->last_len, 5);
        assert_memory_equal(inbox->last, "hello", 5);
        assert_int_equal(send(client_fd, "", 0, 0), 0); /* empty: counted, not shown */
        turn_until(inbox, 2);
        assert_int_equal(inbox->segment_count, 1);
        close(client_fd);
        inbox_close(inbox);
    }
}

static void test_dgram_many_arrive_complete_and_in_order(void **state)
{
    struct socket_options options = {.receive_buffer_bytes = 4 << 20};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t bytes[3] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        sum += (uint64_t)bytes[0] + bytes[1] + bytes[2];
        assert_int_equal(send(client_fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        if (i % 100 == 99) {
            turn_until(inbox, i + 1);
            assert_memory_equal(inbox->last, bytes, sizeof(bytes));
        }
    }
    assert_int_equal(inbox->byte_sum, sum);
    close(client_fd);
    inbox_close(inbox);
}

/* A segmented sender hands the kernel a run; with UDP_GRO it arrives as one receive. */
static void send_segmented(int client_fd, const void *bytes, size_t len, uint16_t segment_bytes)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr header = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    message->cmsg_level = SOL_UDP;
    message->cmsg_type = UDP_SEGMENT;
    message->cmsg_len = CMSG_LEN(sizeof(segment_bytes));
    memcpy(CMSG_DATA(message), &segment_bytes, sizeof(segment_bytes));
    assert_int_equal(sendmsg(client_fd, &header, 0), (ssize_t)len);
}

static void test_dgram_coalesced_runs_are_taken_apart(void **state)
{
    static uint8_t bytes[40 * 1432];
    struct socket_options options = {.has_gro = true, .receive_buffer_bytes = 1 << 20};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 % 251);
        sum += bytes[i];
    }
    send_segmented(client_fd, bytes, sizeof(bytes), 1432);
    turn_until(inbox, 40);
    assert_int_equal(inbox->segment_count, 40);
    assert_int_equal(inbox->byte_sum, sum);
    assert_true(counter_read(&inbox->stats.receives) < 40);
    send_segmented(client_fd, bytes, 1432 * 3 + 17, 1432); /* the last is shorter */
    turn_until(inbox, 44);
    assert_int_equal(inbox->last_len, 17);
    assert_int_equal(counter_read(&inbox->stats.wire_bytes), sizeof(bytes) + 1432 * 3 + 17);
    close(client_fd);
    inbox_close(inbox);
}

static void test_dgram_largest_arrives_whole(void **state)
{
    static uint8_t bytes[65507];
    struct socket_options options = {.has_gro = true, .receive_buffer_bytes = 1 << 20};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(send(client_fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    turn_until(inbox, 1);
    assert_int_equal(inbox->last_len, sizeof(bytes));
    close(client_fd);
    inbox_close(inbox);
}

static void test_dgram_unix_truncated_is_counted_and_not_shown(void **state)
{
    static uint8_t bytes[LOOP_DGRAM_BUFFER_BYTES + 4096];
    char directory[] = "/tmp/weir-test-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct socket_options options = {.receive_buffer_bytes = 1 << 20};
    assert_non_null(mkdtemp(directory));
    assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory) > 0);
    struct inbox *inbox =
        inbox_open(*state, socket_open_unix(address.sun_path, SOCK_DGRAM, &options, NULL));
    int client_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(connect(client_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(client_fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(send(client_fd, "after", 5, 0), 5);
    turn_until(inbox, 2);
    assert_int_equal(counter_read(&inbox->stats.wire_dropped_truncated), 1);
    assert_int_equal(inbox->segment_count, 1);
    assert_memory_equal(inbox->last, "after", 5);
    close(client_fd);
    inbox_close(inbox);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void test_dgram_kernel_drops_are_booked(void **state)
{
    struct socket_options options = {.receive_buffer_bytes = 4096};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    for (int i = 0; i < 500; i++) {
        assert_int_equal(send(client_fd, "0123456789", 10, 0), 10);
    }
    loop_fixture_run(*state, 5 * CLOCK_NS_PER_MS);
    dgram_sample_drops(&inbox->dgram);
    uint64_t drop_count = counter_read(&inbox->stats.kernel_dropped);
    assert_true(drop_count > 0);
    assert_int_equal(counter_read(&inbox->stats.wire_received) + drop_count, 500);
    dgram_sample_drops(&inbox->dgram);
    assert_int_equal(counter_read(&inbox->stats.kernel_dropped), drop_count);
    close(client_fd);
    inbox_close(inbox);
}

/* What was queued when the close began is read; who sends later is told, as if it were over. */
static void test_dgram_close_reads_what_is_queued_and_turns_the_rest_away(void **state)
{
    struct socket_options options = {.receive_buffer_bytes = 1 << 20};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    for (int i = 0; i < 300; i++) {
        assert_int_equal(send(client_fd, "before", 6, 0), 6);
    }
    dgram_close(&inbox->dgram, 20 * CLOCK_NS_PER_MS);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(send(client_fd, "during", 6, 0), 6);
    }
    turn_until(inbox, 305);
    while (inbox->dgram.state == DGRAM_DRAINING) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(inbox->dgram.state, DGRAM_REFUSING);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(client_fd, "late", 4, 0), 4);
        assert_int_equal(send(client_fd, "late", 4, 0), -1); /* it has the answer to the first */
        assert_int_equal(errno, ECONNREFUSED);
    }
    loop_fixture_until(*state, &inbox->closed_count);
    assert_int_equal(counter_read(&inbox->stats.wire_received), 305);
    assert_int_equal(counter_read(&inbox->stats.unread_at_close), 0);
    assert_int_equal(counter_read(&inbox->stats.kernel_dropped), 0);
    close(client_fd);
    inbox_close(inbox);
}

struct sniffer {
    struct loop_dgram_socket socket;
    uint64_t received_count;
    uint64_t closed_count;
    uint16_t port;
};

static void sniffer_on_receive(struct loop_dgram_socket *socket, const struct loop_dgram *burst,
                               size_t count)
{
    struct sniffer *sniffer = CONTAINER_OF(socket, struct sniffer, socket);
    sniffer->received_count += count;
    sniffer->port = socket_port_of(burst[count - 1].peer);
    assert_int_equal(burst[0].segment_bytes, burst[0].bytes.len);
}

static void sniffer_on_closed(struct loop_dgram_socket *socket)
{
    CONTAINER_OF(socket, struct sniffer, socket)->closed_count++;
}

static void test_dgram_socket_tells_the_peer_when_asked(void **state)
{
    struct socket_options options = {.has_gro = true};
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    int client_fd;
    int other_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &other_fd));
    struct sniffer sniffer = {
        .socket = {.fd = pair_open("127.0.0.1:0", &options, &client_fd),
                   .wants_peer = true,
                   .on_receive = sniffer_on_receive,
                   .on_closed = sniffer_on_closed},
    };
    assert_int_equal(getsockname(client_fd, (struct sockaddr *)&own, &len), 0);
    assert_int_equal(loop_dgram_start(*state, &sniffer.socket), 0);
    assert_int_equal(send(other_fd, "a", 1, 0), 1);
    assert_int_equal(send(client_fd, "b", 1, 0), 1);
    loop_fixture_until(*state, &sniffer.received_count);
    turn_until(inbox, 1);
    assert_int_equal(sniffer.port, ntohs(own.sin_port));
    loop_dgram_stop(*state, &sniffer.socket);
    loop_fixture_until(*state, &sniffer.closed_count);
    close(sniffer.socket.fd);
    close(client_fd);
    close(other_fd);
    inbox_close(inbox);
}

/* With two buffers and a hundred datagrams the pool runs dry again and again; nothing is lost. */
static void test_dgram_pool_that_runs_dry_loses_nothing(void **state)
{
    (void)state;
    struct loop_options options = {.backend = loop_fixture_backend, .dgram_buffer_count = 2};
    struct socket_options socket_options = {.receive_buffer_bytes = 1 << 20};
    struct loop *loop = NULL;
    int client_fd;
    assert_int_equal(loop_open(&options, &loop, NULL), 0);
    struct inbox *inbox = inbox_open(loop, pair_open("127.0.0.1:0", &socket_options, &client_fd));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send(client_fd, "x", 1, 0), 1);
    }
    turn_until(inbox, 100);
    struct loop_stats stats;
    loop_stats_read(loop, &stats);
    if (loop_fixture_backend == LOOP_BACKEND_URING) {
        assert_true(stats.buffers_exhausted_count > 0);
    }
    assert_int_equal(stats.late_count, 0);
    close(client_fd);
    inbox_close(inbox);
    loop_close(loop);
}

static void test_dgram_lingers_only_after_busy_turns(void **state)
{
    struct socket_options options = {0};
    struct loop_stats stats;
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    loop_fixture_run(*state, 10 * CLOCK_NS_PER_MS);
    loop_stats_read(*state, &stats);
    assert_int_equal(stats.linger_count, 0);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(send(client_fd, "x", 1, 0), 1);
        turn_until(inbox, i);
        loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
    }
    loop_stats_read(*state, &stats);
    assert_int_equal(stats.linger_count, 0); /* too few to be worth it */
    for (uint64_t i = 6; i <= 1000; i++) {
        assert_int_equal(send(client_fd, "x", 1, 0), 1);
        turn_until(inbox, i);
    }
    loop_stats_read(*state, &stats);
    assert_true(stats.linger_count > 0);
    uint64_t linger_count = stats.linger_count;
    loop_fixture_run(*state, 10 * CLOCK_NS_PER_MS);
    loop_stats_read(*state, &stats);
    assert_true(stats.linger_count - linger_count <= 1);
    close(client_fd);
    inbox_close(inbox);
}

static void test_dgram_pages_go_back_and_receiving_goes_on(void **state)
{
    struct socket_options options = {0};
    int client_fd;
    struct inbox *inbox = inbox_open(*state, pair_open("127.0.0.1:0", &options, &client_fd));
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(send(client_fd, "ping", 4, 0), 4);
        turn_until(inbox, i);
        assert_memory_equal(inbox->last, "ping", 4);
        loop_trim(*state);
    }
    close(client_fd);
    inbox_close(inbox);
}

/* --- on the fake loop ------------------------------------------------------------------------- */

static void test_fake_runs_split_into_bursts_of_at_most_64(void **state)
{
    (void)state;
    static uint8_t bytes[1000];
    struct loop *loop = fake_loop_open();
    assert_non_null(loop);
    struct inbox *inbox = inbox_open(loop, fake_loop_new_fd(loop));
    fake_loop_datagram(loop, &inbox->dgram.socket, slice_of(bytes, 1000), 10, false);
    fake_loop_settle(loop);
    assert_int_equal(inbox->segment_count, 100);
    assert_int_equal(inbox->largest_burst, DGRAM_SEGMENTS_MAX);
    fake_loop_datagram_fault(loop, &inbox->dgram.socket, -EBADF);
    fake_loop_settle(loop);
    assert_int_equal(inbox->fault, -EBADF);
    dgram_close(&inbox->dgram, CLOCK_NS_PER_S);
    fake_loop_advance(loop, 2 * CLOCK_NS_PER_S);
    assert_int_equal(inbox->closed_count, 1);
    mem_free(inbox);
    loop_close(loop);
}

static void test_fake_open_survives_every_failing_allocation(void **state)
{
    (void)state;
    struct inbox *inbox = mem_alloc(sizeof(*inbox));
    assert_non_null(inbox);
    int err = -1;
    uint64_t nth = 0;
    while (err != 0) {
        struct loop *loop = fake_loop_open();
        nth++;
        assert_true(nth < 10);
        inbox->dgram = (struct dgram){
            .loop = loop,
            .stats = &inbox->stats,
            .on_burst = inbox_on_burst,
            .on_fault = inbox_on_fault,
            .on_closed = inbox_on_closed,
        };
        mem_fail_nth(nth);
        err = dgram_open(&inbox->dgram, fake_loop_new_fd(loop));
        mem_fail_nth(0);
        assert_true(err == 0 || inbox->dgram.state == DGRAM_CLOSED);
        dgram_close(&inbox->dgram, 0);
        fake_loop_advance(loop, CLOCK_NS_PER_S);
        loop_close(loop);
    }
    assert_true(nth > 2); /* the slots' chunk and its list were refused before */
    assert_int_equal(inbox->closed_count, 1);
    mem_free(inbox);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_dgram_single_ones_arrive_on_both_families),
        LOOP_TEST(test_dgram_many_arrive_complete_and_in_order),
        LOOP_TEST(test_dgram_coalesced_runs_are_taken_apart),
        LOOP_TEST(test_dgram_largest_arrives_whole),
        LOOP_TEST(test_dgram_unix_truncated_is_counted_and_not_shown),
        LOOP_TEST(test_dgram_kernel_drops_are_booked),
        LOOP_TEST(test_dgram_close_reads_what_is_queued_and_turns_the_rest_away),
        LOOP_TEST(test_dgram_socket_tells_the_peer_when_asked),
        LOOP_TEST(test_dgram_pool_that_runs_dry_loses_nothing),
        LOOP_TEST(test_dgram_lingers_only_after_busy_turns),
        LOOP_TEST(test_dgram_pages_go_back_and_receiving_goes_on),
    };
    return _cmocka_run_group_tests(name, tests, COUNT_OF(tests), NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest fakes[] = {
        cmocka_unit_test(test_fake_runs_split_into_bursts_of_at_most_64),
        cmocka_unit_test(test_fake_open_survives_every_failing_allocation),
    };
    int failed_count = cmocka_run_group_tests(fakes, NULL, NULL);
    return failed_count != 0 ? failed_count : loop_fixture_main(run);
}
