/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sink_h2 — gRPC on nghttp2 in the server role: one unary message per stream, one answer.
 * Follows the gRPC protocol over HTTP/2. Windows are wide, so that the sink never is what limits.
 */
#include <errno.h>
#include <string.h>

#include "bench/otlp/otlp_sink_connection.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define H2_STREAMS_MAX_COUNT 256u
#define H2_STREAM_WINDOW_BYTES (16 << 20)
#define H2_CONNECTION_WINDOW_BYTES (64 << 20)
#define H2_PREFIX_BYTES 5u
#define H2_FIELD(field, text)                                                                      \
    {                                                                                              \
        .name = h2_text(field), .value = h2_text(text), .namelen = sizeof(field) - 1,              \
        .valuelen = sizeof(text) - 1,                                                              \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                      \
    }

/* nghttp2 asks for writable bytes that it never writes. */
static uint8_t *h2_text(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } cast = {.in = text};
    return cast.out;
}

static struct otlp_sink_stream *h2_stream_take(struct otlp_sink_connection *c)
{
    struct otlp_sink *sink = c->sink;
    struct otlp_sink_stream *stream = sink->free_streams;
    if (stream != NULL) {
        sink->free_streams = stream->next_free;
    } else {
        stream = mem_alloc(sizeof(*stream));
        if (stream == NULL) {
            return NULL;
        }
        stream->next = sink->streams;
        sink->streams = stream;
    }
    stream->owner = c;
    stream->used = 0;
    stream->signal = SIGNAL_TRACES;
    stream->encoding[0] = '\0';
    return stream;
}

static void h2_stream_give(struct otlp_sink *sink, struct otlp_sink_stream *stream)
{
    ASSERT(stream->owner != NULL);
    stream->owner = NULL;
    stream->next_free = sink->free_streams;
    sink->free_streams = stream;
}

static int h2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct otlp_sink_connection *c = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct otlp_sink_stream *stream = h2_stream_take(c);
    if (stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    const int err = nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    if (err != 0) {
        h2_stream_give(c->sink, stream);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

static int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                        size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                        void *user)
{
    (void)flags;
    (void)user;
    struct otlp_sink_stream *stream =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    const struct slice key = slice_of(name, name_len);
    if (stream == NULL) {
        return 0;
    }
    if (slice_is_text(key, ":path")) {
        stream->signal = otlp_sink_signal_of(slice_of(value, value_len));
    } else if (slice_is_text(key, "grpc-encoding") && value_len < sizeof(stream->encoding)) {
        memcpy(stream->encoding, value, value_len);
        stream->encoding[value_len] = '\0';
    }
    return 0;
}

static int h2_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                      const uint8_t *data, size_t len, void *user)
{
    (void)flags;
    const struct otlp_sink_connection *c = user;
    if (c->sink->options.corpus == NULL) {
        atomic_fetch_add_explicit(&c->sink->body_bytes, len, memory_order_relaxed);
        return 0;
    }
    struct otlp_sink_stream *stream = nghttp2_session_get_stream_user_data(session, stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (otlp_sink_make_room(&stream->bytes, &stream->capacity, stream->used, len) != 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(stream->bytes + stream->used, data, len);
    stream->used += len;
    return 0;
}

/* The body behind its prefix; false where the prefix tells something else. */
static bool h2_message(const struct otlp_sink_stream *stream, struct slice *out)
{
    if (stream->used < H2_PREFIX_BYTES) {
        return false;
    }
    size_t len = 0;
    for (uint32_t i = 1; i < H2_PREFIX_BYTES; i++) {
        len = len << 8 | stream->bytes[i];
    }
    *out = slice_of(stream->bytes + H2_PREFIX_BYTES, stream->used - H2_PREFIX_BYTES);
    return out->len == len;
}

static int h2_on_end(struct otlp_sink_connection *c, int32_t stream_id,
                     struct otlp_sink_stream *stream)
{
    struct slice body = {0};
    if (c->sink->options.corpus != NULL && !h2_message(stream, &body)) {
        c->sink->bad_count++;
        return otlp_sink_h2_answer(c, stream_id, false);
    }
    const bool is_compressed = stream->used > 0 && stream->bytes[0] != 0;
    const enum otlp_sink_verdict verdict = otlp_sink_take(
        c, stream_id, stream->signal, slice_of_text(is_compressed ? stream->encoding : ""), body);
    stream->used = 0;
    if (verdict == OTLP_SINK_VERDICT_LATER) {
        return 0;
    }
    return otlp_sink_h2_answer(c, stream_id, verdict == OTLP_SINK_VERDICT_GOOD);
}

static int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct otlp_sink_connection *c = user;
    const bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!is_message || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    struct otlp_sink_stream *stream =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    return h2_on_end(c, frame->hd.stream_id, stream) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int h2_on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    (void)code;
    const struct otlp_sink_connection *c = user;
    struct otlp_sink_stream *stream = nghttp2_session_get_stream_user_data(session, stream_id);
    if (stream != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL); /* it exists */
        h2_stream_give(c->sink, stream);
    }
    return 0;
}

/* An empty response message: five zeros; the trailers end the stream. */
static ssize_t h2_read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                              uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)source;
    (void)user;
    nghttp2_nv trailers[] = {H2_FIELD("grpc-status", "0")};
    if (room < H2_PREFIX_BYTES) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    memset(to, 0, H2_PREFIX_BYTES);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return nghttp2_submit_trailer(session, stream_id, trailers, COUNT_OF(trailers)) == 0
               ? (ssize_t)H2_PREFIX_BYTES
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int otlp_sink_h2_answer(struct otlp_sink_connection *c, int32_t stream_id, bool is_good)
{
    nghttp2_nv good[] = {H2_FIELD(":status", "200"), H2_FIELD("content-type", "application/grpc")};
    nghttp2_nv bad[] = {H2_FIELD(":status", "200"), H2_FIELD("content-type", "application/grpc"),
                        H2_FIELD("grpc-status", "14")};
    const nghttp2_data_provider body = {.read_callback = h2_read_answer};
    const int err =
        is_good ? nghttp2_submit_response(c->session, stream_id, good, COUNT_OF(good), &body)
                : nghttp2_submit_response(c->session, stream_id, bad, COUNT_OF(bad), NULL);
    return err == 0 ? 0 : FAULT_LIBRARY;
}

int otlp_sink_h2_open(struct otlp_sink_connection *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX_COUNT},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
    };
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, h2_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_on_close);
    int err = nghttp2_session_server_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    if (err == 0) {
        err = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    }
    if (err == 0) {
        err = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                                    H2_CONNECTION_WINDOW_BYTES);
    }
    return err == 0 ? 0 : FAULT_LIBRARY;
}

int otlp_sink_h2_receive(struct otlp_sink_connection *c, struct slice bytes)
{
    const ssize_t taken = nghttp2_session_mem_recv(c->session, bytes.ptr, bytes.len);
    return taken == (ssize_t)bytes.len ? 0 : FAULT_MALFORMED;
}

int otlp_sink_h2_gather(struct otlp_sink_connection *c)
{
    while (otlp_out_has_room(&c->out)) {
        const uint8_t *ptr = NULL;
        const ssize_t len = nghttp2_session_mem_send(c->session, &ptr);
        if (len < 0) {
            return FAULT_LIBRARY;
        }
        if (len == 0) {
            break;
        }
        if (!otlp_out_copy(&c->out, slice_of(ptr, (size_t)len))) {
            return FAULT_LIMIT;
        }
    }
    const bool is_over = nghttp2_session_want_read(c->session) == 0 &&
                         nghttp2_session_want_write(c->session) == 0 && c->out.pending_bytes == 0;
    return is_over ? FAULT_CLOSED : 0;
}

void otlp_sink_h2_close(struct otlp_sink_connection *c)
{
    if (c->session == NULL) {
        return;
    }
    nghttp2_session_del(c->session); /* tells nothing of streams that are still open */
    c->session = NULL;
    for (struct otlp_sink_stream *s = c->sink->streams; s != NULL; s = s->next) {
        if (s->owner == c) {
            h2_stream_give(c->sink, s);
        }
    }
}
