/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/stream.h: real connections on every backend; ages, silences, limits and faults on the
 * fake loop, where time moves only when told.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/socket.h"
#include "io/stream.h"
#include "tests/support/fake_loop.h"

#define LINE_MAX 64
#define TEXT_MAX (1 << 20)

struct reader {
    struct stream stream;
    struct receiver_stats stats;
    uint64_t closed_count;
    int fault;
    bool is_pausing; /* pauses at the next lines */
    size_t len;
    char text[TEXT_MAX];
};

static void reader_on_lines(struct stream *stream, struct slice lines)
{
    struct reader *reader = CONTAINER_OF(stream, struct reader, stream);
    assert_true(lines.len > 0 && lines.len < TEXT_MAX - reader->len);
    memcpy(reader->text + reader->len, lines.ptr, lines.len);
    reader->len += lines.len;
    reader->text[reader->len] = '\0';
    if (reader->is_pausing) {
        reader->is_pausing = false;
        stream_pause(stream);
    }
}

static void reader_on_fault(struct stream *stream, int fault)
{
    CONTAINER_OF(stream, struct reader, stream)->fault = fault;
}

static void reader_on_closed(struct stream *stream)
{
    CONTAINER_OF(stream, struct reader, stream)->closed_count++;
}

static struct reader *reader_open(struct loop *loop, int fd, struct stream_options options)
{
    struct reader *reader = mem_alloc(sizeof(*reader));
    assert_non_null(reader);
    options.line_max_bytes = LINE_MAX;
    reader->stream = (struct stream){
        .loop = loop,
        .stats = &reader->stats,
        .options = options,
        .on_lines = reader_on_lines,
        .on_fault = reader_on_fault,
        .on_closed = reader_on_closed,
    };
    assert_int_equal(stream_open(&reader->stream, fd), 0);
    return reader;
}

static uint64_t open_count_of(const struct reader *reader)
{
    return counter_read(&reader->stats.connections_open);
}

/* --- real connections ------------------------------------------------------------------------- */

static struct reader *listen_on_loopback(struct loop *loop, struct sockaddr_in *target)
{
    struct loop_address address = {
        .len = sizeof(address.in4),
        .in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
    };
    struct socket_options options = {0};
    struct socket_report report;
    int fd = socket_open_tcp(&address, &options, &report);
    assert_true(fd >= 0);
    *target = report.local.in4;
    return reader_open(loop, fd, (struct stream_options){0});
}

static int connect_to(const struct sockaddr_in *target)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)target, sizeof(*target)), 0);
    return fd;
}

static void write_text(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void turn_until_text(struct reader *reader, const char *expected)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (reader->len < strlen(expected) && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(reader->stream.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_string_equal(reader->text, expected);
}

static void reader_close(struct reader *reader)
{
    stream_close(&reader->stream);
    stream_close(&reader->stream);
    loop_fixture_until(reader->stream.loop, &reader->closed_count);
    assert_int_equal(reader->closed_count, 1);
    assert_int_equal(open_count_of(reader), 0);
    mem_free(reader);
}

static void test_stream_puts_lines_together_and_takes_the_tail(void **state)
{
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int client_fd = connect_to(&target);
    write_text(client_fd, "one\ntw");
    turn_until_text(reader, "one\n");
    write_text(client_fd, "o\nthree");
    turn_until_text(reader, "one\ntwo\n");
    close(client_fd);
    turn_until_text(reader, "one\ntwo\nthree");
    assert_int_equal(counter_read(&reader->stats.connections_accepted), 1);
    assert_int_equal(counter_read(&reader->stats.wire_bytes), 13);
    while (open_count_of(reader) > 0) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    reader_close(reader);
}

static void test_stream_one_byte_at_a_time(void **state)
{
    static const char TEXT[] = "a:1|c\nbb:22|g\n\nccc:333|ms\n";
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int client_fd = connect_to(&target);
    int one = 1;
    assert_int_equal(setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    for (size_t i = 0; i + 1 < sizeof(TEXT); i++) {
        assert_int_equal(write(client_fd, &TEXT[i], 1), 1);
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS / 2) >= 0);
    }
    turn_until_text(reader, TEXT);
    close(client_fd);
    reader_close(reader);
}

static void test_stream_pause_stops_every_connection(void **state)
{
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int first_fd = connect_to(&target);
    write_text(first_fd, "a\n");
    reader->is_pausing = true;
    turn_until_text(reader, "a\n");
    int second_fd = connect_to(&target); /* accepted while paused: waits, too */
    write_text(first_fd, "b\n");
    write_text(second_fd, "b\n");
    loop_fixture_run(*state, 10 * CLOCK_NS_PER_MS);
    assert_string_equal(reader->text, "a\n");
    assert_int_equal(open_count_of(reader), 2);
    stream_resume(&reader->stream);
    turn_until_text(reader, "a\nb\nb\n");
    close(first_fd);
    close(second_fd);
    reader_close(reader);
}

/* A sender that outruns a paused reader is stopped by its window, and loses nothing. */
static void test_stream_backpressure_reaches_the_sender(void **state)
{
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int client_fd = connect_to(&target);
    char block[1024];
    memset(block, 'x', sizeof(block));
    for (size_t i = 31; i < sizeof(block); i += 32) {
        block[i] = '\n';
    }
    write_text(client_fd, "go\n");
    turn_until_text(reader, "go\n");
    stream_pause(&reader->stream);
    size_t sent_bytes = 0;
    bool is_stopped = false;
    for (int i = 0; i < 20000 && !is_stopped; i++) {
        ssize_t sent = send(client_fd, block, sizeof(block), MSG_DONTWAIT);
        is_stopped = sent < 0;
        sent_bytes += sent > 0 ? (size_t)sent : 0;
        assert_true(loop_turn(*state, 0) >= 0);
    }
    assert_true(is_stopped);
    assert_int_equal(reader->len, 3);
    stream_resume(&reader->stream);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    size_t seen_bytes = 0;
    while (seen_bytes < sent_bytes / 32 * 32 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
        seen_bytes += reader->len - 3;
        reader->len = 3;
    }
    assert_int_equal(seen_bytes, sent_bytes / 32 * 32);
    close(client_fd);
    reader_close(reader);
}

static void test_stream_close_with_many_connections_leaves_nothing(void **state)
{
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int fds[50];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_to(&target);
        write_text(fds[i], "unfinished");
    }
    while (open_count_of(reader) < COUNT_OF(fds)) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    reader_close(reader);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        close(fds[i]);
    }
}

/* --- on the fake loop ------------------------------------------------------------------------- */

static struct reader *fake_reader(struct stream_options options)
{
    struct loop *loop = fake_loop_open();
    assert_non_null(loop);
    return reader_open(loop, fake_loop_new_fd(loop), options);
}

static int fake_connection(struct reader *reader)
{
    int fd = fake_loop_connect(reader->stream.loop, &reader->stream.listener);
    fake_loop_settle(reader->stream.loop);
    return fd;
}

static void fake_text(struct reader *reader, int fd, const char *text)
{
    fake_loop_input(reader->stream.loop, fd, slice_of_text(text));
    fake_loop_settle(reader->stream.loop);
}

static void fake_reader_close(struct reader *reader)
{
    struct loop *loop = reader->stream.loop;
    stream_close(&reader->stream);
    fake_loop_settle(loop);
    assert_int_equal(reader->closed_count, 1);
    assert_int_equal(open_count_of(reader), 0);
    mem_free(reader);
    loop_close(loop);
}

static void test_fake_long_line_is_counted_and_the_connection_lives(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){0});
    int fd = fake_connection(reader);
    char text[LINE_MAX + 3];
    memset(text, 'l', sizeof(text));
    text[LINE_MAX] = '\n';
    text[LINE_MAX + 1] = '\0';
    fake_text(reader, fd, text);
    assert_int_equal(reader->len, LINE_MAX + 1);
    text[LINE_MAX] = 'l';
    text[LINE_MAX + 1] = '\n';
    text[LINE_MAX + 2] = '\0';
    fake_text(reader, fd, text);
    assert_int_equal(reader->len, LINE_MAX + 1);
    assert_int_equal(counter_read(&reader->stats.wire_dropped_too_long), 1);
    assert_int_equal(counter_read(&reader->stats.wire_received), 1);
    fake_text(reader, fd, "ok\n");
    assert_int_equal(reader->len, LINE_MAX + 4);
    assert_false(fake_loop_is_closed(reader->stream.loop, fd));
    fake_reader_close(reader);
}

static void test_fake_end_takes_the_tail_and_a_reset_does_not(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){0});
    int first_fd = fake_connection(reader);
    int second_fd = fake_connection(reader);
    fake_text(reader, first_fd, "whole");
    fake_text(reader, second_fd, "ha");
    fake_loop_end(reader->stream.loop, first_fd, 0);
    fake_loop_end(reader->stream.loop, second_fd, -ECONNRESET);
    fake_loop_settle(reader->stream.loop);
    assert_string_equal(reader->text, "whole");
    assert_int_equal(counter_read(&reader->stats.wire_dropped_truncated), 1);
    assert_true(fake_loop_is_closed(reader->stream.loop, first_fd));
    assert_true(fake_loop_is_closed(reader->stream.loop, second_fd));
    fake_reader_close(reader);
}

static void test_fake_connections_at_the_limit_and_one_past(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){.connections_max = 2});
    int first_fd = fake_connection(reader);
    (void)fake_connection(reader);
    int refused_fd = fake_connection(reader);
    assert_int_equal(open_count_of(reader), 2);
    assert_int_equal(counter_read(&reader->stats.connections_refused), 1);
    fake_text(reader, refused_fd, "lost\n");
    assert_int_equal(reader->len, 0);
    fake_loop_end(reader->stream.loop, first_fd, 0);
    fake_loop_settle(reader->stream.loop);
    (void)fake_connection(reader);
    assert_int_equal(open_count_of(reader), 2);
    assert_int_equal(counter_read(&reader->stats.connections_accepted), 3);
    fake_reader_close(reader);
}

static void test_fake_silent_connection_is_closed(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){.idle_timeout_ms = 10000});
    struct loop *loop = reader->stream.loop;
    int silent_fd = fake_connection(reader);
    int busy_fd = fake_connection(reader);
    for (int i = 0; i < 12; i++) {
        fake_loop_advance(loop, CLOCK_NS_PER_S);
        fake_text(reader, busy_fd, "x\n");
    }
    assert_true(fake_loop_is_closed(loop, silent_fd));
    assert_false(fake_loop_is_closed(loop, busy_fd));
    stream_pause(&reader->stream); /* silence of our own making does not count */
    fake_loop_advance(loop, 60 * CLOCK_NS_PER_S);
    stream_resume(&reader->stream);
    fake_loop_advance(loop, 5 * CLOCK_NS_PER_S);
    assert_false(fake_loop_is_closed(loop, busy_fd));
    fake_reader_close(reader);
}

static void test_fake_age_is_spread_and_reads_before_it_closes(void **state)
{
    enum { COUNT = 50 };
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){.age_max_ms = 100000});
    struct loop *loop = reader->stream.loop;
    int fds[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = fake_connection(reader);
    }
    fake_loop_advance(loop, 89 * CLOCK_NS_PER_S);
    uint64_t first_s = 0;
    uint64_t last_s = 0;
    uint64_t shut_before_count = 0;
    for (uint64_t second = 89; second <= 111; second++) {
        uint64_t shut_count = 0;
        for (size_t i = 0; i < COUNT; i++) {
            shut_count += fake_loop_is_shut(loop, fds[i]) ? 1 : 0;
        }
        first_s = first_s == 0 && shut_count > 0 ? second : first_s;
        last_s = shut_count > shut_before_count ? second : last_s;
        shut_before_count = shut_count;
        for (size_t i = 0; i < COUNT && second < 108; i++) {
            fake_text(reader, fds[i], "x\n"); /* keeps those that leave busy for a while */
        }
        fake_loop_advance(loop, CLOCK_NS_PER_S);
    }
    assert_int_equal(shut_before_count, COUNT);
    assert_true(first_s >= 90 && last_s <= 111);
    assert_true(last_s - first_s > 10);
    assert_int_equal(counter_read(&reader->stats.connections_aged), COUNT);
    fake_loop_advance(loop, 10 * CLOCK_NS_PER_S);
    assert_int_equal(open_count_of(reader), 0);
    fake_reader_close(reader);
}

/* A peer that never stops is cut off in the end, and half a line is not taken for a line. */
static void test_fake_leaving_connection_is_given_up(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){0});
    struct loop *loop = reader->stream.loop;
    int fd = fake_connection(reader);
    stream_drain(&reader->stream);
    assert_true(fake_loop_is_shut(loop, fd));
    uint64_t passed_ns = 0;
    while (!fake_loop_is_closed(loop, fd) && passed_ns < 60 * CLOCK_NS_PER_S) {
        fake_loop_input(loop, fd, SLICE_LITERAL("line\nha"));
        fake_loop_advance(loop, CLOCK_NS_PER_S / 2);
        passed_ns += CLOCK_NS_PER_S / 2;
    }
    assert_true(passed_ns >= STREAM_LEAVE_MS * CLOCK_NS_PER_MS);
    assert_true(passed_ns <= (STREAM_LEAVE_MS + 2 * STREAM_SWEEP_MS) * CLOCK_NS_PER_MS);
    assert_int_equal(counter_read(&reader->stats.wire_dropped_truncated), 1);
    assert_int_equal(reader->text[reader->len - 1], '\n');
    assert_int_equal(reader->closed_count, 0);
    fake_reader_close(reader);
}

static void test_fake_accept_fault_is_told_and_drained_listener_closes(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){0});
    struct loop *loop = reader->stream.loop;
    fake_loop_accept_fault(loop, &reader->stream.listener, -EMFILE);
    fake_loop_settle(loop);
    assert_int_equal(reader->fault, -EMFILE);
    fake_loop_advance(loop, CLOCK_NS_PER_S);
    int fd = fake_connection(reader);
    assert_int_equal(open_count_of(reader), 1);
    stream_drain(&reader->stream);
    fake_loop_end(loop, fd, 0);
    fake_loop_settle(loop);
    assert_int_equal(open_count_of(reader), 0);
    fake_reader_close(reader); /* nobody is left to wait for, and on_closed comes all the same */
}

static void test_fake_frames_with_length(void **state)
{
    (void)state;
    struct reader *reader = fake_reader((struct stream_options){.framing = STREAM_FRAMING_LENGTH});
    struct loop *loop = reader->stream.loop;
    int fd = fake_connection(reader);
    fake_loop_input(loop, fd, slice_of("\x02\0\0\0a\n\x03\0\0\0b", 11));
    fake_loop_input(loop, fd, slice_of("\nc\x41\0\0\0", 6));
    fake_loop_settle(loop);
    assert_string_equal(reader->text, "a\nb\nc");
    assert_int_equal(counter_read(&reader->stats.wire_dropped_too_long), 1);
    assert_true(fake_loop_is_closed(loop, fd)); /* after a wrong length nothing can be believed */
    fake_reader_close(reader);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_stream_puts_lines_together_and_takes_the_tail),
        LOOP_TEST(test_stream_one_byte_at_a_time),
        LOOP_TEST(test_stream_pause_stops_every_connection),
        LOOP_TEST(test_stream_backpressure_reaches_the_sender),
        LOOP_TEST(test_stream_close_with_many_connections_leaves_nothing),
    };
    return _cmocka_run_group_tests(name, tests, COUNT_OF(tests), NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest fakes[] = {
        cmocka_unit_test(test_fake_long_line_is_counted_and_the_connection_lives),
        cmocka_unit_test(test_fake_end_takes_the_tail_and_a_reset_does_not),
        cmocka_unit_test(test_fake_connections_at_the_limit_and_one_past),
        cmocka_unit_test(test_fake_silent_connection_is_closed),
        cmocka_unit_test(test_fake_age_is_spread_and_reads_before_it_closes),
        cmocka_unit_test(test_fake_leaving_connection_is_given_up),
        cmocka_unit_test(test_fake_accept_fault_is_told_and_drained_listener_closes),
        cmocka_unit_test(test_fake_frames_with_length),
    };
    int failed_count = cmocka_run_group_tests(fakes, NULL, NULL);
    return failed_count != 0 ? failed_count : loop_fixture_main(run);
}
