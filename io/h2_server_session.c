/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_session — what nghttp2 tells about a connection, on its way to streams and budgets.
 *
 * Everything here runs inside of nghttp2_session_mem_recv or mem_send: it may submit frames, but
 * neither ask for output nor free the session. nghttp2 itself refuses what breaks RFC 9113 or 7541
 * (frame sizes, stream states, field rules, windows); here stands what is legal and still too much.
 */
#include <errno.h>
#include <string.h>

#include "io/h2_server_connection.h"
#include "io/io_bounds.h"

/* What RFC 9113 6.5.2 adds for each field of a header list. */
#define FIELD_OVERHEAD_BYTES 32

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* nghttp2 stops at once when a callback failed because its connection is ending. */
static int go_on(const struct h2_connection *c)
{
    return c->state < H2_STATE_ENDING ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* --- heads ------------------------------------------------------------------------------------ */

static int refuse_stream(struct h2_connection *c, int32_t id)
{
    c->server->stats.stream_refused_count++;
    return nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
}

/* Frames of a header block do not interleave with others, so one stream is built at a time. */
static int session_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame,
                                    void *user_data)
{
    struct h2_connection *c = user_data;
    c->head_bytes = 0;
    c->building = NULL;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    uint32_t limit = c->server->options.max_concurrent_streams;
    /* The other half of the memory is for the answers of those that are open. */
    if (c->stream_count >= (limit != 0 ? limit : H2_STREAMS_MAX) ||
        c->memory.used_bytes > c->memory.max_bytes / 2) {
        return refuse_stream(c, frame->hd.stream_id);
    }
    struct h2_stream *stream = h2_stream_new(c, frame->hd.stream_id);
    if (stream == NULL) {
        return refuse_stream(c, frame->hd.stream_id);
    }
    c->server->stats.stream_count++;
    c->building = stream;
    return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

/* Answers what grpc-go answers, and lets a bomb of header references not go on for long. */
static int refuse_head(struct h2_connection *c)
{
    uint64_t max_bytes = c->server->options.max_header_list_bytes;
    if (c->head_bytes > max_bytes * H2_HEADER_LIST_FLOOD) {
        h2_connection_abuse(c, H2_ABUSE_CONTINUATIONS);
        return go_on(c);
    }
    struct h2_stream *stream = c->building;
    if (stream == NULL) {
        return 0;
    }
    c->building = NULL;
    c->server->stats.header_too_large_count++;
    h2_stream_reset(stream, H2_CODE_FRAME_SIZE_ERROR);
    return 0;
}

static struct slice slice_of_rcbuf(nghttp2_rcbuf *buffer)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(buffer);
    return slice_of(vec.base, vec.len);
}

static int session_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                             void *user_data)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct h2_connection *c = user_data;
    struct h2_field field = {.name = slice_of_rcbuf(name), .value = slice_of_rcbuf(value)};
    c->head_bytes += field.name.len + field.value.len + FIELD_OVERHEAD_BYTES;
    if (c->head_bytes > c->server->options.max_header_list_bytes) {
        return refuse_head(c);
    }
    if (c->building == NULL) {
        return 0; /* a trailer, or a head that was refused */
    }
    if (h2_stream_add_field(c->building, field.name, field.value) != 0) {
        struct h2_stream *stream = c->building;
        c->building = NULL;
        c->server->stats.stream_refused_count++;
        h2_stream_reset(stream, H2_CODE_REFUSED_STREAM);
    }
    return 0;
}

/* A user may have answered, reset or attached by the time this returns. */
static void dispatch(struct h2_connection *c, struct h2_stream *stream, bool is_ended)
{
    c->building = NULL;
    stream->is_head_ended = is_ended;
    stream->is_ended = is_ended;
    c->server->ops->on_head(c->server, stream);
    if (stream->user == NULL && !stream->is_answered) {
        h2_stream_reset(stream, H2_CODE_REFUSED_STREAM);
    }
}

static void end_body(struct h2_stream *stream)
{
    if (stream == NULL || stream->is_ended) {
        return;
    }
    stream->is_ended = true;
    if (stream->user != NULL) {
        stream->user->ops->on_body(stream->user, slice_of(NULL, 0), true);
    }
}

/* --- frames ----------------------------------------------------------------------------------- */

static void take_ping(struct h2_connection *c, const nghttp2_frame *frame)
{
    bool is_ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (!is_ack) {
        h2_flood_ping(c);
        return;
    }
    if (c->state == H2_STATE_LEAVING &&
        memcmp(frame->ping.opaque_data, H2_LEAVE_PING, H2_PING_BYTES) == 0) {
        h2_connection_left(c);
    }
}

static int session_on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame,
                                 void *user_data)
{
    struct h2_connection *c = user_data;
    bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && c->building != NULL) {
            dispatch(c, c->building, has_end);
        } else if (has_end) {
            end_body(stream_of(session, frame->hd.stream_id));
        }
        break;
    case NGHTTP2_DATA:
        if (has_end) {
            end_body(stream_of(session, frame->hd.stream_id));
        }
        break;
    case NGHTTP2_RST_STREAM:
        c->server->stats.peer_reset_count++;
        break;
    case NGHTTP2_SETTINGS:
        c->is_begun = true;
        break;
    case NGHTTP2_PING:
        take_ping(c, frame);
        break;
    default:
        break;
    }
    return go_on(c);
}

/* Before nghttp2 does anything about a frame: what do frames of this kind cost? */
static int session_on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd,
                                  void *user_data)
{
    (void)session;
    struct h2_connection *c = user_data;
    if (h2_memory_is_full(&c->memory)) {
        h2_connection_abuse(c, H2_ABUSE_MEMORY);
    }
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        c->fragment_count = 0;
        break;
    case NGHTTP2_CONTINUATION:
        c->fragment_count++;
        if (c->fragment_count > H2_CONTINUATIONS_MAX) {
            h2_connection_abuse(c, H2_ABUSE_CONTINUATIONS);
        }
        break;
    case NGHTTP2_DATA:
        if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            (void)h2_flood_admit(c, H2_ABUSE_EMPTY_DATA);
        }
        break;
    case NGHTTP2_RST_STREAM:
        (void)h2_flood_admit(c, H2_ABUSE_RESETS);
        break;
    case NGHTTP2_SETTINGS:
        (void)h2_flood_admit(c, H2_ABUSE_SETTINGS);
        break;
    case NGHTTP2_PRIORITY:
        if (hd->stream_id == 0) { /* nghttp2 looks at none of them, as we ignore priorities */
            h2_connection_fail(c, H2_CODE_PROTOCOL_ERROR, "PRIORITY: stream_id == 0");
        }
        (void)h2_flood_admit(c, H2_ABUSE_SMALL_FRAMES);
        break;
    case NGHTTP2_PING: /* counted when it is whole */
    case NGHTTP2_GOAWAY:
        break;
    default:
        (void)h2_flood_admit(c, H2_ABUSE_SMALL_FRAMES);
        break;
    }
    return go_on(c);
}

static int session_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                           const uint8_t *data, size_t len, void *user_data)
{
    (void)flags;
    struct h2_connection *c = user_data;
    struct h2_stream *stream = stream_of(session, stream_id);
    if (stream == NULL || stream->user == NULL) {
        return go_on(c); /* thrown away; its stream gets no more credit, the connection does */
    }
    stream->unconsumed_bytes += len;
    c->held_bytes += len;
    stream->user->ops->on_body(stream->user, slice_of(data, len), false);
    return go_on(c);
}

static int session_on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                                   void *user_data)
{
    struct h2_connection *c = user_data;
    struct h2_stream *stream = stream_of(session, stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (stream == c->building) {
        c->building = NULL;
    }
    h2_stream_tell_reset(stream, code);
    h2_stream_free(stream);
    return 0;
}

/* --- what we sent ----------------------------------------------------------------------------- */

/* The answer is out. A peer that is still sending its request is told to stop. */
static int stop_peer(struct h2_stream *stream)
{
    if (stream == NULL || stream->is_ended) {
        return 0;
    }
    return nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                     NGHTTP2_NO_ERROR);
}

/*
 * The PING goes after the first GOAWAY, not with it: nghttp2 would send it before, and its answer
 * would not say that the peer has seen the GOAWAY.
 */
static int goaway_is_out(struct h2_connection *c, const nghttp2_frame *frame)
{
    if (frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        c->server->stats.malformed_count++;
    }
    if (c->state != H2_STATE_LEAVING) {
        return 0;
    }
    return nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, H2_LEAVE_PING);
}

static int session_on_frame_send(nghttp2_session *session, const nghttp2_frame *frame,
                                 void *user_data)
{
    struct h2_connection *c = user_data;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        h2_flood_forgive(c);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            return stop_peer(stream_of(session, frame->hd.stream_id));
        }
        return 0;
    case NGHTTP2_GOAWAY:
        return goaway_is_out(c, frame);
    default:
        return 0;
    }
}

/* Mistakes that cost a stream, its work and a RST_STREAM are as dear as resets. */
static int session_on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame,
                                    int library_code, void *user_data)
{
    (void)session;
    (void)frame;
    (void)library_code;
    struct h2_connection *c = user_data;
    (void)h2_flood_admit(c, H2_ABUSE_RESETS);
    return go_on(c);
}

int h2_session_callbacks_new(nghttp2_session_callbacks **out)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, session_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, session_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, session_on_frame_recv);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, session_on_begin_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, session_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, session_on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, session_on_frame_send);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
                                                                 session_on_invalid_frame);
    *out = callbacks;
    return 0;
}
