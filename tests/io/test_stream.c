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

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/channel.h"
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

/* Connected, and not accepted yet: the peers were told nothing else, and have spoken. */
static void test_stream_drain_serves_those_who_wait_in_the_backlog(void **state)
{
    struct sockaddr_in target;
    struct reader *reader = listen_on_loopback(*state, &target);
    int fds[3];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_to(&target);
        write_text(fds[i], "x\n");
    }
    stream_drain(&reader->stream);
    turn_until_text(reader, "x\nx\nx\n");
    assert_int_equal(counter_read(&reader->stats.connections_refused), 0);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        char byte;
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0); /* asked to go */
        close(fds[i]);
    }
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
    while (open_count_of(reader) < 2) { /* the test's own time limit ends it */
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
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

/* --- connections that others accepted --------------------------------------------------------- */

/* Who accepted it, and gives it away; told when nobody of its own is left. */
struct giver {
    struct channel_user user;
    struct channel *channel;
    struct channel_watch watch;
    uint64_t gone_count;
    uint64_t called_count; /* after it has given the channel away: never */
};

static void giver_on_receive(struct channel_user *user, struct slice bytes)
{
    (void)bytes;
    CONTAINER_OF(user, struct giver, user)->called_count++;
}

static void giver_on_fault(struct channel_user *user, int fault)
{
    (void)fault;
    CONTAINER_OF(user, struct giver, user)->called_count++;
}

static void giver_on_closed(struct channel_user *user)
{
    CONTAINER_OF(user, struct giver, user)->called_count++;
}

static const struct channel_user_ops giver_ops = {
    .on_receive = giver_on_receive,
    .on_end = giver_on_fault,
    .on_sent = giver_on_fault,
    .on_closed = giver_on_closed,
};

static void giver_on_gone(struct channel_watch *watch)
{
    CONTAINER_OF(watch, struct giver, watch)->gone_count++;
}

static void giver_open(struct giver *giver, struct loop *loop, int fd)
{
    *giver = (struct giver){.user = {.ops = &giver_ops}, .watch = {.on_gone = giver_on_gone}};
    const struct channel_options options = {.role = CHANNEL_SERVER, .watch = &giver->watch};
    assert_int_equal(channel_open(loop, fd, &options, &giver->user, &giver->channel), 0);
}

static void test_stream_adopts_on_every_backend(void **state)
{
    int pair[2];
    struct giver giver;
    struct reader *reader = reader_open(*state, -1, (struct stream_options){0});
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    giver_open(&giver, *state, pair[0]);
    assert_int_equal(stream_adopt(&reader->stream, giver.channel, SLICE_LITERAL("one\ntw")), 0);
    assert_string_equal(reader->text, "one\n");
    assert_int_equal(giver.gone_count, 1);
    write_text(pair[1], "o\nthr");
    turn_until_text(reader, "one\ntwo\n");
    stream_pause(&reader->stream);
    write_text(pair[1], "ee\n");
    loop_fixture_run(*state, 10 * CLOCK_NS_PER_MS);
    assert_string_equal(reader->text, "one\ntwo\n");
    stream_resume(&reader->stream);
    turn_until_text(reader, "one\ntwo\nthree\n");
    write_text(pair[1], "tail");
    close(pair[1]);
    turn_until_text(reader, "one\ntwo\nthree\ntail");
    assert_int_equal(counter_read(&reader->stats.wire_bytes), 18);
    assert_int_equal(counter_read(&reader->stats.connections_accepted), 1);
    reader_close(reader);
    assert_int_equal(giver.gone_count, 1);
    assert_int_equal(giver.called_count, 0);
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

static struct reader *fake_adopter(struct stream_options options)
{
    struct loop *loop = fake_loop_open();
    assert_non_null(loop);
    return reader_open(loop, -1, options);
}

/* The descriptor of a connection that `giver` has. */
static int fake_gift(struct giver *giver, struct reader *reader)
{
    int fd = fake_loop_new_fd(reader->stream.loop);
    giver_open(giver, reader->stream.loop, fd);
    return fd;
}

static void test_fake_adopted_at_the_limit_and_one_past(void **state)
{
    (void)state;
    struct giver givers[3];
    struct reader *reader = fake_adopter((struct stream_options){.connections_max = 2});
    struct loop *loop = reader->stream.loop;
    for (int i = 0; i < 2; i++) {
        (void)fake_gift(&givers[i], reader);
        assert_int_equal(stream_adopt(&reader->stream, givers[i].channel, (struct slice){0}), 0);
    }
    int refused_fd = fake_gift(&givers[2], reader);
    assert_int_equal(stream_adopt(&reader->stream, givers[2].channel, SLICE_LITERAL("lost\n")),
                     FAULT_LIMIT);
    assert_int_equal(reader->len, 0);
    assert_int_equal(open_count_of(reader), 2);
    assert_int_equal(counter_read(&reader->stats.connections_refused), 1);
    assert_int_equal(givers[2].gone_count, 0); /* still its own, to be closed */
    assert_false(fake_loop_is_closed(loop, refused_fd));
    channel_close(givers[2].channel);
    fake_loop_settle(loop);
    assert_int_equal(givers[2].gone_count, 1);
    fake_reader_close(reader);
}

static void test_fake_adopting_without_memory_leaves_it_to_the_giver(void **state)
{
    (void)state;
    struct giver giver;
    struct reader *reader = fake_adopter((struct stream_options){0});
    int fd = fake_gift(&giver, reader);
    mem_fail_nth(1);
    assert_int_equal(stream_adopt(&reader->stream, giver.channel, SLICE_LITERAL("a\n")), -ENOMEM);
    mem_fail_nth(2); /* the tail: it is adopted, and closed with what was lost counted */
    assert_int_equal(stream_adopt(&reader->stream, giver.channel, SLICE_LITERAL("a\nb")), 0);
    mem_fail_nth(0);
    fake_loop_settle(reader->stream.loop);
    assert_string_equal(reader->text, "a\n");
    assert_true(fake_loop_is_closed(reader->stream.loop, fd));
    assert_int_equal(counter_read(&reader->stats.wire_dropped_truncated), 1);
    fake_reader_close(reader);
}

static void test_fake_adopted_ages_and_is_let_go(void **state)
{
    (void)state;
    struct giver giver;
    struct reader *reader = fake_adopter((struct stream_options){.age_max_ms = 10000});
    struct loop *loop = reader->stream.loop;
    int fd = fake_gift(&giver, reader);
    assert_int_equal(stream_adopt(&reader->stream, giver.channel, SLICE_LITERAL("a")), 0);
    fake_loop_advance(loop, 8 * CLOCK_NS_PER_S);
    assert_false(fake_loop_is_shut(loop, fd));
    for (int i = 0; i < 40 && !fake_loop_is_shut(loop, fd); i++) {
        fake_loop_advance(loop, CLOCK_NS_PER_S / 10);
    }
    assert_true(fake_loop_is_shut(loop, fd));
    assert_int_equal(counter_read(&reader->stats.connections_aged), 1);
    fake_loop_input(loop, fd, SLICE_LITERAL("b\nc")); /* in flight when it was told to go */
    fake_loop_advance(loop, 3 * CLOCK_NS_PER_S);
    assert_true(fake_loop_is_closed(loop, fd));
    assert_string_equal(reader->text, "ab\nc");
    fake_reader_close(reader);
}

static void test_fake_draining_adopts_no_more_and_lets_go(void **state)
{
    (void)state;
    struct giver first;
    struct giver second;
    struct reader *reader = fake_adopter((struct stream_options){0});
    struct loop *loop = reader->stream.loop;
    int fd = fake_gift(&first, reader);
    assert_int_equal(stream_adopt(&reader->stream, first.channel, SLICE_LITERAL("a\n")), 0);
    stream_drain(&reader->stream);
    assert_true(fake_loop_is_shut(loop, fd));
    (void)fake_gift(&second, reader);
    assert_int_equal(stream_adopt(&reader->stream, second.channel, SLICE_LITERAL("b\n")),
                     FAULT_CLOSED);
    channel_close(second.channel);
    fake_text(reader, fd, "c\n");
    assert_string_equal(reader->text, "a\nc\n");
    fake_reader_close(reader); /* with the connection still there */
}

static void test_fake_nobody_was_ever_adopted(void **state)
{
    (void)state;
    struct reader *reader = fake_adopter((struct stream_options){0});
    stream_drain(&reader->stream);
    fake_reader_close(reader);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_stream_puts_lines_together_and_takes_the_tail),
        LOOP_TEST(test_stream_one_byte_at_a_time),
        LOOP_TEST(test_stream_drain_serves_those_who_wait_in_the_backlog),
        LOOP_TEST(test_stream_pause_stops_every_connection),
        LOOP_TEST(test_stream_backpressure_reaches_the_sender),
        LOOP_TEST(test_stream_close_with_many_connections_leaves_nothing),
        LOOP_TEST(test_stream_adopts_on_every_backend),
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
        cmocka_unit_test(test_fake_adopted_at_the_limit_and_one_past),
        cmocka_unit_test(test_fake_adopting_without_memory_leaves_it_to_the_giver),
        cmocka_unit_test(test_fake_adopted_ages_and_is_let_go),
        cmocka_unit_test(test_fake_draining_adopts_no_more_and_lets_go),
        cmocka_unit_test(test_fake_nobody_was_ever_adopted),
    };
    int failed_count = cmocka_run_group_tests(fakes, NULL, NULL);
    return failed_count != 0 ? failed_count : loop_fixture_main(run);
}
