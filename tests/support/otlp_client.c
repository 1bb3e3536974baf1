/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_client — see otlp_client.h.
 */
#include "tests/support/otlp_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 20
#define FIELDS_MAX 32
#define LINES_MAX_BYTES 4096

/* --- answers ---------------------------------------------------------------------------------- */

struct slice otlp_answer_field(const struct otlp_answer *answer, const char *name)
{
    size_t len = strlen(name);
    const char *line = answer->head;
    while (*line != '\0') {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            return slice_of(line + len + 2, (size_t)(end - line) - len - 2);
        }
        line = end + 1;
    }
    return (struct slice){0};
}

bool otlp_answer_body_is(const struct otlp_answer *answer, const void *bytes, size_t len)
{
    return answer->body_len == len && (len == 0 || memcmp(answer->body, bytes, len) == 0);
}

bool otlp_answer_has(const struct otlp_answer *answer, const char *words)
{
    return memmem(answer->body, answer->body_len, words, strlen(words)) != NULL;
}

static void add_field(struct otlp_answer *answer, struct slice name, struct slice value)
{
    size_t used = strlen(answer->head);
    int len =
        snprintf(answer->head + used, sizeof(answer->head) - used, "%.*s: %.*s\n", (int)name.len,
                 (const char *)name.ptr, (int)value.len, (const char *)value.ptr);
    assert_true(len > 0 && (size_t)len < sizeof(answer->head) - used);
    for (size_t i = used; i < used + name.len; i++) {
        answer->head[i] = (char)tolower((unsigned char)answer->head[i]);
    }
}

static void add_body(struct otlp_answer *answer, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(answer->body) - answer->body_len);
    memcpy(answer->body + answer->body_len, bytes, len);
    answer->body_len += len;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int connect_to(const struct sockaddr *address, socklen_t len)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, address, len), 0);
    return fd;
}

int otlp_client_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    return connect_to((const struct sockaddr *)(const void *)&address, sizeof(address));
}

int otlp_client_connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_to((const struct sockaddr *)(const void *)&address, sizeof(address));
}

/* Rings that are taken down interrupt the thread that made them. */
static ssize_t receive(int fd, void *bytes, size_t cap)
{
    ssize_t len = recv(fd, bytes, cap, 0);
    while (len < 0 && errno == EINTR) {
        len = recv(fd, bytes, cap, 0);
    }
    return len;
}

bool otlp_client_is_closed(int fd)
{
    uint8_t bytes[4096];
    ssize_t len = receive(fd, bytes, sizeof(bytes));
    while (len > 0) {
        len = receive(fd, bytes, sizeof(bytes));
    }
    return len == 0 || (len < 0 && errno == ECONNRESET);
}

void otlp_client_send(int fd, const void *bytes, size_t len)
{
    const uint8_t *next = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, next, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return; /* refused early: the answer is there to be read */
        }
        next += sent;
        len -= (size_t)sent;
    }
}

/* --- HTTP/1.1 --------------------------------------------------------------------------------- */

void otlp_client_ask(int fd, const char *line, const char *headers, struct slice body)
{
    char head[8192];
    int len =
        snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n",
                 line, headers, body.len);
    assert_true(len > 0 && (size_t)len < sizeof(head));
    otlp_client_send(fd, head, (size_t)len);
    otlp_client_send(fd, body.ptr, body.len);
}

static uint8_t read_byte(int fd)
{
    uint8_t byte = 0;
    ssize_t len = receive(fd, &byte, 1);
    assert_int_equal(len, 1);
    return byte;
}

/* One line of a head without its CR LF. */
static struct slice read_line(int fd, char *line, size_t cap)
{
    size_t len = 0;
    uint8_t byte = read_byte(fd);
    while (byte != '\n') {
        assert_true(len < cap);
        line[len] = (char)byte;
        len++;
        byte = read_byte(fd);
    }
    assert_true(len > 0 && line[len - 1] == '\r');
    return slice_of(line, len - 1);
}

void otlp_client_read(int fd, struct otlp_answer *out)
{
    char text[4096];
    memset(out, 0, sizeof(*out));
    struct slice line = read_line(fd, text, sizeof(text));
    assert_true(slice_has_prefix(line, SLICE_LITERAL("HTTP/1.1 ")) && line.len > 12);
    out->status = (uint32_t)strtoul(text + 9, NULL, 10);
    line = read_line(fd, text, sizeof(text));
    while (line.len > 0) {
        size_t colon = slice_find(line, ':');
        assert_true(colon + 2 <= line.len);
        add_field(out, slice_first(line, colon), slice_from(line, colon + 2));
        line = read_line(fd, text, sizeof(text));
    }
    struct slice length = otlp_answer_field(out, "content-length");
    size_t len = length.len > 0 ? strtoul((const char *)length.ptr, NULL, 10) : 0;
    while (out->body_len < len) {
        uint8_t byte = read_byte(fd);
        add_body(out, &byte, 1);
    }
    out->is_over = true;
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

static struct otlp_h2_stream *stream_of(struct otlp_h2_client *client, int32_t id)
{
    for (uint32_t i = 0; i < client->stream_count; i++) {
        if (client->streams[i].id == id) {
            return &client->streams[i];
        }
    }
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)session;
    (void)flags;
    struct otlp_h2_stream *stream = stream_of(user_data, frame->hd.stream_id);
    assert_non_null(stream);
    if (slice_is_text(slice_of(name, name_len), ":status")) {
        stream->answer.status = (uint32_t)strtoul((const char *)value, NULL, 10);
        return 0;
    }
    add_field(&stream->answer, slice_of(name, name_len), slice_of(value, value_len));
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct otlp_h2_client *client = user_data;
    struct otlp_h2_stream *stream = stream_of(client, frame->hd.stream_id);
    client->is_goaway = client->is_goaway || frame->hd.type == NGHTTP2_GOAWAY;
    if (stream != NULL && frame->hd.type == NGHTTP2_HEADERS) {
        stream->answer.is_trailers_only = frame->headers.cat == NGHTTP2_HCAT_RESPONSE &&
                                          (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    bool is_end = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream != NULL && is_end) {
        stream->answer.is_over = true;
    }
    if (stream != NULL && frame->hd.type == NGHTTP2_RST_STREAM && !stream->answer.is_over) {
        stream->answer.is_reset = true;
        stream->answer.reset_code = frame->rst_stream.error_code;
        stream->answer.is_over = true;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user_data)
{
    (void)session;
    (void)flags;
    struct otlp_h2_stream *stream = stream_of(user_data, id);
    assert_non_null(stream);
    add_body(&stream->answer, data, len);
    return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t cap,
                       uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)source;
    struct otlp_h2_stream *stream = stream_of(user_data, id);
    assert_non_null(stream);
    size_t len = stream->body.len < cap ? stream->body.len : cap;
    if (len == 0 && stream->is_cut) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (len > 0) {
        memcpy(buf, stream->body.ptr, len);
    }
    stream->body = slice_from(stream->body, len);
    if (stream->body.len == 0 && !stream->is_cut) {
        *flags = NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)len;
}

static void flush(struct otlp_h2_client *client)
{
    const uint8_t *bytes = NULL;
    ssize_t len = nghttp2_session_mem_send(client->session, &bytes);
    while (len > 0) {
        otlp_client_send(client->fd, bytes, (size_t)len);
        len = nghttp2_session_mem_send(client->session, &bytes);
    }
    assert_int_equal(len, 0);
}

void otlp_h2_open(struct otlp_h2_client *client, uint16_t port)
{
    nghttp2_session_callbacks *callbacks = NULL;
    memset(client, 0, sizeof(*client));
    client->fd = otlp_client_connect(port);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    assert_int_equal(nghttp2_session_client_new(&client->session, callbacks, client), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    flush(client);
}

void otlp_h2_close(struct otlp_h2_client *client)
{
    nghttp2_session_del(client->session);
    (void)close(client->fd);
    client->session = NULL;
}

struct otlp_h2_stream *otlp_h2_start(struct otlp_h2_client *client, const char *lines,
                                     struct slice body, bool is_cut)
{
    char text[LINES_MAX_BYTES];
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0;
    assert_true(client->stream_count < OTLP_CLIENT_STREAMS && strlen(lines) < sizeof(text));
    memcpy(text, lines, strlen(lines) + 1);
    for (char *line = text; *line != '\0' && count < FIELDS_MAX; count++) {
        char *colon = strchr(line + 1, ':');
        assert_non_null(colon);
        char *end = strchr(colon, '\n');
        assert_non_null(end);
        fields[count] = (nghttp2_nv){.name = (uint8_t *)line,
                                     .namelen = (size_t)(colon - line),
                                     .value = (uint8_t *)colon + 2,
                                     .valuelen = (size_t)(end - colon - 2)};
        line = end + 1;
    }
    struct otlp_h2_stream *stream = &client->streams[client->stream_count];
    nghttp2_data_provider provider = {.read_callback = on_read};
    bool has_body = body.len > 0 || is_cut;
    memset(stream, 0, sizeof(*stream));
    stream->body = body;
    stream->is_cut = is_cut;
    client->stream_count++;
    stream->id = nghttp2_submit_request(client->session, NULL, fields, count,
                                        has_body ? &provider : NULL, NULL);
    assert_true(stream->id > 0);
    flush(client);
    return stream;
}

const struct otlp_answer *otlp_h2_wait(struct otlp_h2_client *client, struct otlp_h2_stream *stream)
{
    static uint8_t bytes[65536];
    while (!stream->answer.is_over) {
        ssize_t len = receive(client->fd, bytes, sizeof(bytes));
        assert_true(len > 0);
        assert_int_equal(nghttp2_session_mem_recv(client->session, bytes, (size_t)len), len);
        flush(client);
    }
    return &stream->answer;
}

const struct otlp_answer *otlp_h2_ask(struct otlp_h2_client *client, const char *lines,
                                      struct slice body)
{
    if (client->stream_count == OTLP_CLIENT_STREAMS) {
        client->stream_count = 0; /* those there are over and looked at */
    }
    return otlp_h2_wait(client, otlp_h2_start(client, lines, body, false));
}

void otlp_h2_reset(struct otlp_h2_client *client, const struct otlp_h2_stream *stream)
{
    assert_int_equal(
        nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL),
        0);
    flush(client);
}
