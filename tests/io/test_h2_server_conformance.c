/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of h2_server against RFC 9113 and RFC 7541, one row of frames per rule that binds a server.
 *
 * A row begins after the greeting. Its outcome is an error of the connection (GOAWAY and the end),
 * of the stream (RST_STREAM, and the connection lives), or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "tests/support/h2_rig.h"
#include "tests/support/loop_fixture.h"

#define FRAMES_MAX 4
#define RESERVED_BIT UINT32_C(0x80000000)

enum {
    ES = H2_PEER_END_STREAM,
    EH = H2_PEER_END_HEADERS,
    PADDED = H2_PEER_PADDED,
    PRIO = H2_PEER_PRIORITY,
    ACK = H2_PEER_ACK,
};

struct frame {
    uint8_t type;
    uint8_t flags;
    uint32_t stream_id;
    const char *payload;
    size_t len;
};

enum outcome {
    FINE,
    STREAM_ERROR,     /* of stream 1 */
    CONNECTION_ERROR, /* GOAWAY with the code, then the end */
};

struct row {
    const char *name;
    struct frame frames[FRAMES_MAX];
    enum outcome outcome;
    enum h2_code code;
};

#define FRAME(type, flags, id, text)                                                               \
    {                                                                                              \
        NGHTTP2_##type, flags, id, text, sizeof(text) - 1                                          \
    }
/* POST / http, authority "a". */
#define HEAD                                                                                       \
    "\x83\x84\x86\x01\x01"                                                                         \
    "a"
/* A literal field without indexing. */
#define FIELD(name_len, name, value_len, value) "\x00" name_len name value_len value
#define OPEN FRAME(HEADERS, EH, 1, HEAD)
#define OPEN_ENDED FRAME(HEADERS, EH | ES, 1, HEAD)
#define CONN(which) .outcome = CONNECTION_ERROR, .code = H2_CODE_##which
#define STRM(which) .outcome = STREAM_ERROR, .code = H2_CODE_##which

static const struct row ROWS[] = {
    /* 4.1 frame format */
    {"unknown frame type", {{0xfe, 0, 0, "x", 1}, {0xfe, 0xff, 5, "", 0}}, FINE, 0},
    {"undefined flags", {FRAME(PING, 0xfe & ~ACK, 0, "12345678")}, FINE, 0},
    {"reserved bit", {FRAME(PING, 0, RESERVED_BIT, "12345678")}, FINE, 0},
    /* 4.3 field blocks */
    {"block that does not decompress",
     {FRAME(HEADERS, EH | ES, 1, "\xff\xff\xff\xff\xff\xff")},
     CONN(COMPRESSION_ERROR)},
    {"frame inside a block",
     {FRAME(HEADERS, 0, 1, HEAD), FRAME(PING, 0, 0, "12345678")},
     CONN(PROTOCOL_ERROR)},
    {"head of another stream inside a block",
     {FRAME(HEADERS, 0, 1, HEAD), FRAME(HEADERS, EH, 3, HEAD)},
     CONN(PROTOCOL_ERROR)},
    {"unknown frame inside a block",
     {FRAME(HEADERS, 0, 1, HEAD), {0xfe, 0, 1, "", 0}},
     CONN(PROTOCOL_ERROR)},
    {"block over several frames",
     {FRAME(HEADERS, ES, 1, "\x83\x84"), FRAME(CONTINUATION, 0, 1, "\x86"),
      FRAME(CONTINUATION, EH, 1,
            "\x01\x01"
            "a")},
     FINE,
     0},
    /* 5.1 stream states */
    {"DATA on an idle stream", {FRAME(DATA, 0, 1, "x")}, CONN(PROTOCOL_ERROR)},
    {"RST_STREAM on an idle stream", {FRAME(RST_STREAM, 0, 1, "\0\0\0\x08")}, CONN(PROTOCOL_ERROR)},
    {"WINDOW_UPDATE on an idle stream",
     {FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\x01")},
     CONN(PROTOCOL_ERROR)},
    {"CONTINUATION on an idle stream", {FRAME(CONTINUATION, EH, 1, HEAD)}, CONN(PROTOCOL_ERROR)},
    {"PRIORITY on an idle stream", {FRAME(PRIORITY, 0, 1, "\0\0\0\0\x0f")}, FINE, 0},
    {"DATA on a half-closed stream", {OPEN_ENDED, FRAME(DATA, ES, 1, "x")}, CONN(STREAM_CLOSED)},
    {"HEADERS on a half-closed stream",
     {OPEN_ENDED, FRAME(HEADERS, EH | ES, 1, HEAD)},
     CONN(STREAM_CLOSED)},
    {"CONTINUATION on a half-closed stream",
     {OPEN_ENDED, FRAME(CONTINUATION, EH, 1, HEAD)},
     CONN(PROTOCOL_ERROR)},
    {"WINDOW_UPDATE on a half-closed stream",
     {OPEN_ENDED, FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\x01")},
     FINE,
     0},
    {"RST_STREAM twice",
     {OPEN, FRAME(RST_STREAM, 0, 1, "\0\0\0\x08"), FRAME(RST_STREAM, 0, 1, "\0\0\0\x08")},
     FINE,
     0},
    {"HEADERS after RST_STREAM, ignored",
     {OPEN, FRAME(RST_STREAM, 0, 1, "\0\0\0\x08"), FRAME(HEADERS, EH | ES, 1, HEAD)},
     FINE,
     0},
    /* 5.1.1 identifiers */
    {"even identifier", {FRAME(HEADERS, EH | ES, 2, HEAD)}, CONN(PROTOCOL_ERROR)},
    {"smaller identifier, as of a closed stream, ignored",
     {FRAME(HEADERS, EH, 5, HEAD), FRAME(HEADERS, EH, 3, HEAD)},
     FINE,
     0},
    /* 6.1 DATA */
    {"DATA on stream 0", {OPEN, FRAME(DATA, 0, 0, "x")}, CONN(PROTOCOL_ERROR)},
    {"DATA with too much padding",
     {OPEN, FRAME(DATA, PADDED, 1,
                  "\x05"
                  "abc")},
     CONN(PROTOCOL_ERROR)},
    {"padded DATA",
     {OPEN, FRAME(DATA, PADDED | ES, 1,
                  "\x02"
                  "abc\0\0")},
     FINE,
     0},
    {"DATA of padding alone", {OPEN, FRAME(DATA, PADDED | ES, 1, "\x02\0\0")}, FINE, 0},
    /* 6.2 HEADERS */
    {"HEADERS on stream 0", {FRAME(HEADERS, EH | ES, 0, HEAD)}, CONN(PROTOCOL_ERROR)},
    {"HEADERS with too much padding",
     {FRAME(HEADERS, EH | ES | PADDED, 1, "\x40" HEAD)},
     CONN(PROTOCOL_ERROR)},
    {"padded HEADERS with priority",
     {FRAME(HEADERS, EH | ES | PADDED | PRIO, 1,
            "\x01"
            "\0\0\0\0\x0f" HEAD "\0")},
     FINE,
     0},
    /* 6.3 PRIORITY */
    {"PRIORITY on stream 0", {FRAME(PRIORITY, 0, 0, "\0\0\0\0\x0f")}, CONN(PROTOCOL_ERROR)},
    {"PRIORITY of four bytes", {OPEN, FRAME(PRIORITY, 0, 1, "\0\0\0\0")}, CONN(FRAME_SIZE_ERROR)},
    /* 6.4 RST_STREAM */
    {"RST_STREAM on stream 0", {FRAME(RST_STREAM, 0, 0, "\0\0\0\x08")}, CONN(PROTOCOL_ERROR)},
    {"RST_STREAM of three bytes",
     {OPEN, FRAME(RST_STREAM, 0, 1, "\0\0\0")},
     CONN(FRAME_SIZE_ERROR)},
    /* 6.5 SETTINGS */
    {"SETTINGS ACK with a payload",
     {FRAME(SETTINGS, ACK, 0, "\0\x04\0\0\0\1")},
     CONN(FRAME_SIZE_ERROR)},
    {"SETTINGS on a stream", {FRAME(SETTINGS, 0, 1, "")}, CONN(PROTOCOL_ERROR)},
    {"SETTINGS of five bytes", {FRAME(SETTINGS, 0, 0, "\0\x04\0\0\0")}, CONN(FRAME_SIZE_ERROR)},
    {"ENABLE_PUSH of 2", {FRAME(SETTINGS, 0, 0, "\0\x02\0\0\0\2")}, CONN(PROTOCOL_ERROR)},
    {"INITIAL_WINDOW_SIZE of 2^31",
     {FRAME(SETTINGS, 0, 0, "\0\x04\x80\0\0\0")},
     CONN(FLOW_CONTROL_ERROR)},
    {"MAX_FRAME_SIZE of 16383",
     {FRAME(SETTINGS, 0, 0, "\0\x05\0\0\x3f\xff")},
     CONN(PROTOCOL_ERROR)},
    {"MAX_FRAME_SIZE of 2^24", {FRAME(SETTINGS, 0, 0, "\0\x05\x01\0\0\0")}, CONN(PROTOCOL_ERROR)},
    {"unknown setting", {FRAME(SETTINGS, 0, 0, "\x12\x34\0\0\0\1")}, FINE, 0},
    {"windows grown beyond their limit by SETTINGS, each an error of its stream",
     {OPEN, FRAME(WINDOW_UPDATE, 0, 1, "\x7f\xff\0\0"), FRAME(SETTINGS, 0, 0, "\0\x04\0\2\0\0")},
     STRM(FLOW_CONTROL_ERROR)},
    /* 6.6 PUSH_PROMISE */
    {"PUSH_PROMISE from a client",
     {OPEN, FRAME(PUSH_PROMISE, EH, 1, "\0\0\0\2" HEAD)},
     CONN(PROTOCOL_ERROR)},
    /* 6.7 PING */
    {"PING on a stream", {FRAME(PING, 0, 1, "12345678")}, CONN(PROTOCOL_ERROR)},
    {"PING of seven bytes", {FRAME(PING, 0, 0, "1234567")}, CONN(FRAME_SIZE_ERROR)},
    {"PING ACK out of the blue", {FRAME(PING, ACK, 0, "12345678")}, FINE, 0},
    /* 6.8 GOAWAY */
    {"GOAWAY on a stream", {FRAME(GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0")}, CONN(PROTOCOL_ERROR)},
    {"GOAWAY of seven bytes", {FRAME(GOAWAY, 0, 0, "\0\0\0\0\0\0\0")}, CONN(FRAME_SIZE_ERROR)},
    /* 6.9 WINDOW_UPDATE */
    {"WINDOW_UPDATE of nothing", {FRAME(WINDOW_UPDATE, 0, 0, "\0\0\0\0")}, CONN(PROTOCOL_ERROR)},
    {"WINDOW_UPDATE of nothing on a stream",
     {OPEN, FRAME(WINDOW_UPDATE, 0, 1, "\0\0\0\0")},
     CONN(PROTOCOL_ERROR)},
    {"WINDOW_UPDATE of three bytes",
     {FRAME(WINDOW_UPDATE, 0, 0, "\0\0\1")},
     CONN(FRAME_SIZE_ERROR)},
    {"connection's window overflows",
     {FRAME(WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff")},
     CONN(FLOW_CONTROL_ERROR)},
    {"stream's window overflows",
     {OPEN, FRAME(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")},
     STRM(FLOW_CONTROL_ERROR)},
    /* 6.10 CONTINUATION */
    {"CONTINUATION after the end of the block",
     {OPEN, FRAME(CONTINUATION, EH, 1, "")},
     CONN(PROTOCOL_ERROR)},
    {"CONTINUATION on stream 0",
     {FRAME(HEADERS, 0, 1, HEAD), FRAME(CONTINUATION, EH, 0, "")},
     CONN(PROTOCOL_ERROR)},
    /* 8.1 message framing */
    {"second HEADERS without END_STREAM",
     {OPEN, FRAME(HEADERS, EH, 1, FIELD("\1", "x", "\1", "y"))},
     STRM(PROTOCOL_ERROR)},
    {"pseudo-header in trailers", {OPEN, FRAME(HEADERS, EH | ES, 1, HEAD)}, STRM(PROTOCOL_ERROR)},
    {"content-length above the body",
     {FRAME(HEADERS, EH, 1,
            HEAD "\x0f\x0d\x01"
                 "5"),
      FRAME(DATA, ES, 1, "abc")},
     STRM(PROTOCOL_ERROR)},
    {"content-length below the body",
     {FRAME(HEADERS, EH, 1,
            HEAD "\x0f\x0d\x01"
                 "2"),
      FRAME(DATA, ES, 1, "abc")},
     STRM(PROTOCOL_ERROR)},
    {"content-length over two frames",
     {FRAME(HEADERS, EH, 1,
            HEAD "\x0f\x0d\x01"
                 "5"),
      FRAME(DATA, 0, 1, "abc"), FRAME(DATA, ES, 1, "de")},
     FINE,
     0},
    /* 8.2 fields */
    {"upper-case name",
     {FRAME(HEADERS, EH, 1, HEAD FIELD("\1", "X", "\1", "y"))},
     STRM(PROTOCOL_ERROR)},
    {"connection field",
     {FRAME(HEADERS, EH, 1, HEAD FIELD("\x0a", "connection", "\5", "close"))},
     STRM(PROTOCOL_ERROR)},
    {"te other than trailers",
     {FRAME(HEADERS, EH, 1, HEAD FIELD("\2", "te", "\4", "gzip"))},
     STRM(PROTOCOL_ERROR)},
    {"te trailers", {FRAME(HEADERS, EH, 1, HEAD FIELD("\2", "te", "\x08", "trailers"))}, FINE, 0},
    /* 8.3 pseudo-headers */
    {"unknown pseudo-header",
     {FRAME(HEADERS, EH, 1, HEAD FIELD("\2", ":x", "\1", "y"))},
     STRM(PROTOCOL_ERROR)},
    {"a response's pseudo-header", {FRAME(HEADERS, EH, 1, HEAD "\x88")}, STRM(PROTOCOL_ERROR)},
    {"pseudo-header after a field",
     {FRAME(HEADERS, EH, 1,
            "\x83\x84" FIELD("\1", "x", "\1", "y") "\x86\x01\x01"
                                                   "a")},
     STRM(PROTOCOL_ERROR)},
    {"no method",
     {FRAME(HEADERS, EH, 1,
            "\x84\x86\x01\x01"
            "a")},
     STRM(PROTOCOL_ERROR)},
    {"no scheme",
     {FRAME(HEADERS, EH, 1,
            "\x83\x84\x01\x01"
            "a")},
     STRM(PROTOCOL_ERROR)},
    {"no path",
     {FRAME(HEADERS, EH, 1,
            "\x83\x86\x01\x01"
            "a")},
     STRM(PROTOCOL_ERROR)},
    {"empty path",
     {FRAME(HEADERS, EH, 1,
            "\x83\x86\x01\x01"
            "a"
            "\x04\x00")},
     STRM(PROTOCOL_ERROR)},
    {"two methods", {FRAME(HEADERS, EH, 1, HEAD "\x82")}, STRM(PROTOCOL_ERROR)},
    {"two schemes", {FRAME(HEADERS, EH, 1, HEAD "\x87")}, STRM(PROTOCOL_ERROR)},
    {"two paths", {FRAME(HEADERS, EH, 1, HEAD "\x85")}, STRM(PROTOCOL_ERROR)},
    {"two authorities",
     {FRAME(HEADERS, EH, 1,
            HEAD "\x01\x01"
                 "b")},
     STRM(PROTOCOL_ERROR)},
    {"host beside the authority",
     {FRAME(HEADERS, EH, 1, HEAD FIELD("\4", "host", "\1", "b"))},
     FINE,
     0},
    /* RFC 7541 */
    {"index 0", {FRAME(HEADERS, EH, 1, HEAD "\x80")}, CONN(COMPRESSION_ERROR)},
    {"index beyond the tables", {FRAME(HEADERS, EH, 1, HEAD "\xfe")}, CONN(COMPRESSION_ERROR)},
    {"integer that overflows",
     {FRAME(HEADERS, EH, 1, HEAD "\xff\xff\xff\xff\xff\xff\xff\xff\x0f")},
     CONN(COMPRESSION_ERROR)},
    {"table size in the middle of a block",
     {FRAME(HEADERS, EH, 1, HEAD "\x20")},
     CONN(COMPRESSION_ERROR)},
    {"table size beyond the setting",
     {FRAME(HEADERS, EH, 1, "\x3f\xe2\x1f" HEAD)},
     CONN(COMPRESSION_ERROR)},
    {"table size at the setting", {FRAME(HEADERS, EH, 1, "\x3f\xe1\x1f" HEAD)}, FINE, 0},
    {"Huffman padding of more than 7 bits",
     {FRAME(HEADERS, EH, 1, HEAD "\0\1x\x82\x1f\xff")},
     CONN(COMPRESSION_ERROR)},
    {"Huffman padding that is not ones",
     {FRAME(HEADERS, EH, 1, HEAD "\0\1x\x81\x18")},
     CONN(COMPRESSION_ERROR)},
    {"Huffman end of string inside",
     {FRAME(HEADERS, EH, 1, HEAD "\0\1x\x84\xff\xff\xff\xff")},
     CONN(COMPRESSION_ERROR)},
    {"string that is cut",
     {FRAME(HEADERS, EH, 1,
            HEAD "\0\1x\x05"
                 "ab")},
     CONN(COMPRESSION_ERROR)},
};

static struct h2_rig rig;
static uint32_t failed_count;

static bool has_goaway(const struct h2_peer *peer, enum h2_code code)
{
    const char *line = strstr(peer->log, "GOAWAY");
    const char *end = line == NULL ? NULL : strchr(line, '\n');
    const char *found = end == NULL ? NULL : strstr(line, h2_code_text(code));
    return found != NULL && found < end;
}

static void check_row(struct loop *loop, const struct row *row)
{
    h2_rig_open(&rig, loop, NULL);
    h2_peer_greet(&rig.peer);
    for (size_t i = 0; i < FRAMES_MAX && row->frames[i].payload != NULL; i++) {
        const struct frame *f = &row->frames[i];
        h2_peer_frame(&rig.peer, f->type, f->flags, f->stream_id, slice_of(f->payload, f->len));
    }
    char expected[64];
    bool is_good = true;
    switch (row->outcome) {
    case FINE:
        h2_rig_settle(&rig);
        is_good = !h2_peer_has(&rig.peer, "GOAWAY") && !h2_peer_has(&rig.peer, "RST_STREAM");
        break;
    case STREAM_ERROR:
        h2_rig_settle(&rig);
        (void)snprintf(expected, sizeof(expected), "RST_STREAM 1 %s\n", h2_code_text(row->code));
        is_good = !h2_peer_has(&rig.peer, "GOAWAY") && h2_peer_has(&rig.peer, expected);
        break;
    case CONNECTION_ERROR:
        is_good = h2_peer_await(&rig.peer, "CLOSED") && has_goaway(&rig.peer, row->code);
        break;
    }
    if (!is_good) {
        failed_count++;
        (void)fprintf(stderr, "row \"%s\" got:\n%s", row->name, rig.peer.log);
    }
    h2_rig_close(&rig);
}

static void test_rows_end_as_the_rules_say(void **state)
{
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        check_row(*state, &ROWS[i]);
    }
    assert_int_equal(failed_count, 0);
}

/* Frames beyond SETTINGS_MAX_FRAME_SIZE, by one byte. */
static void check_frame_size(struct loop *loop, uint8_t type, size_t len, bool is_fine)
{
    static uint8_t payload[16385];
    h2_rig_open(&rig, loop, NULL);
    h2_peer_greet(&rig.peer);
    if (type == NGHTTP2_DATA) {
        h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/hold"));
    }
    h2_peer_frame(&rig.peer, type, 0, 1, slice_of(payload, len));
    if (is_fine) {
        h2_rig_settle(&rig);
        assert_int_equal(rig.body_bytes, len);
    } else {
        h2_peer_expect(&rig.peer, "CLOSED");
        assert_true(has_goaway(&rig.peer, H2_CODE_FRAME_SIZE_ERROR));
    }
    h2_rig_close(&rig);
}

static void test_frames_are_limited_in_size(void **state)
{
    check_frame_size(*state, NGHTTP2_DATA, 16384, true);
    check_frame_size(*state, NGHTTP2_DATA, 16385, false);
    check_frame_size(*state, NGHTTP2_HEADERS, 16385, false);
}

static void check_overrun(struct loop *loop, const struct h2_server_options *options,
                          const char *expected)
{
    static uint8_t payload[16384];
    h2_rig_open(&rig, loop, options);
    h2_peer_greet(&rig.peer);
    h2_peer_expect(&rig.peer, "SETTINGS ACK");
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, H2_PEER_ACK, 0, slice_of(NULL, 0));
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/stall"));
    for (size_t sent = 0; sent < 5 * sizeof(payload); sent += sizeof(payload)) {
        h2_peer_frame(&rig.peer, NGHTTP2_DATA, 0, 1, slice_of(payload, sizeof(payload)));
    }
    h2_peer_expect(&rig.peer, expected);
    h2_rig_close(&rig);
}

static void test_invalid_preface_ends_the_connection(void **state)
{
    h2_rig_open(&rig, *state, NULL);
    h2_peer_send(&rig.peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_true(has_goaway(&rig.peer, H2_CODE_PROTOCOL_ERROR));
    assert_int_equal(rig.server.stats.malformed_count, 1);
    h2_rig_close(&rig);
}

static void test_preface_wants_settings_next(void **state)
{
    h2_rig_open(&rig, *state, NULL);
    h2_peer_send(&rig.peer, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    h2_peer_frame(&rig.peer, NGHTTP2_PING, 0, 0, SLICE_LITERAL("12345678"));
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_true(has_goaway(&rig.peer, H2_CODE_PROTOCOL_ERROR));
    h2_rig_close(&rig);
}

/* A peer that was told its windows and sends more. */
static void test_windows_are_enforced(void **state)
{
    const struct h2_server_options small_stream = {.stream_window_bytes = 30000};
    check_overrun(*state, &small_stream, "RST_STREAM 1 FLOW_CONTROL_ERROR");
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_rows_end_as_the_rules_say),
        LOOP_TEST(test_frames_are_limited_in_size),
        LOOP_TEST(test_invalid_preface_ends_the_connection),
        LOOP_TEST(test_preface_wants_settings_next),
        LOOP_TEST(test_windows_are_enforced),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
