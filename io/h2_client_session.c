/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client_session — nghttp2's callbacks for the client role, and the bodies on their way out.
 *
 * A DATA frame is its nine bytes and references to the pieces of the body; small pieces are copied
 * instead, because each reference costs an entry of the few that one send has. Requests are found
 * by the stream's user data only, which a cancelled request takes away.
 */
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/h2_client_state.h"
#include "io/io_bounds.h"

/* Below this a copy is cheaper than a reference. */
#define COPY_BELOW_BYTES 512
/* References of one frame: with a copy before each, and one for the head, it fits an empty send. */
#define FRAME_REFERENCES_MAX 7
#define FRAME_COPIED_MAX_BYTES 8192
#define FRAME_HEAD_BYTES 9
/* Entries kept free for whatever frame comes next in the same step. */
#define SEGMENTS_SPARE 1

static struct h2_request *request_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

void h2_client_request_over(struct h2_client *client, struct h2_request *request,
                            const struct h2_end *end)
{
    ASSERT(request->client == client);
    ASSERT(client->request_count > 0);
    bool was_full = h2_client_room(client) == 0;
    request->end = *end;
    request->is_over = true;
    h2_request_list_remove(&client->active, request);
    h2_request_list_push(&client->over, request);
    client->request_count--;
    client->has_room = client->has_room || (was_full && h2_client_room(client) > 0);
}

/* --- bodies going out ------------------------------------------------------------------------- */

/* The next piece of the body from where the request stands; empty at its end. */
static struct slice next_piece(const struct h2_request *r)
{
    if (r->head_offset < r->head.len) {
        return slice_from(r->head, r->head_offset);
    }
    if (r->piece_index == r->body_count) {
        return slice_of(NULL, 0);
    }
    const struct iovec *piece = &r->body[r->piece_index];
    return slice_of((const uint8_t *)piece->iov_base + r->piece_offset,
                    piece->iov_len - r->piece_offset);
}

static void advance(struct h2_request *r, size_t bytes)
{
    r->left_bytes -= bytes;
    if (r->head_offset < r->head.len) {
        r->head_offset += bytes;
        return;
    }
    r->piece_offset += bytes;
}

/* Steps over what is used up, empty pieces among it. */
static void skip_empty(struct h2_request *r)
{
    while (r->head_offset == r->head.len && r->piece_index < r->body_count &&
           r->piece_offset == r->body[r->piece_index].iov_len) {
        r->piece_index++;
        r->piece_offset = 0;
    }
}

/* The head's memory is the caller's only until the request began, so it is always copied. */
static bool is_copied(const struct h2_request *r, size_t bytes)
{
    return r->head_offset < r->head.len || bytes < COPY_BELOW_BYTES;
}

/* What a frame of at most `max_bytes` from here on takes of a send. */
struct frame_plan {
    size_t bytes;
    size_t copied_bytes;
    uint32_t reference_count;
    uint32_t segment_count; /* the frame's head among them */
};

static struct frame_plan plan_frame(const struct h2_request *request, size_t max_bytes)
{
    struct h2_request r = *request; /* a look ahead moves nothing */
    struct frame_plan plan = {.segment_count = 1};
    bool is_after_copy = true;
    skip_empty(&r);
    while (plan.bytes < max_bytes && r.left_bytes > 0) {
        struct slice piece = next_piece(&r);
        size_t take = piece.len < max_bytes - plan.bytes ? piece.len : max_bytes - plan.bytes;
        bool copies = is_copied(&r, take);
        if (copies ? take > FRAME_COPIED_MAX_BYTES - plan.copied_bytes
                   : plan.reference_count == FRAME_REFERENCES_MAX) {
            break;
        }
        plan.copied_bytes += copies ? take : 0;
        plan.reference_count += copies ? 0 : 1;
        plan.segment_count += copies && is_after_copy ? 0 : 1;
        is_after_copy = copies;
        plan.bytes += take;
        advance(&r, take);
        skip_empty(&r);
    }
    return plan;
}

/* How much the next DATA frame may hold. */
static ssize_t on_frame_length(nghttp2_session *session, uint8_t frame_type, int32_t stream_id,
                               int32_t session_window, int32_t stream_window,
                               uint32_t max_frame_size, void *user_data)
{
    (void)session, (void)frame_type, (void)stream_id, (void)user_data;
    int32_t window = session_window < stream_window ? session_window : stream_window;
    ssize_t max_bytes =
        max_frame_size < H2_CLIENT_FRAME_MAX_BYTES ? max_frame_size : H2_CLIENT_FRAME_MAX_BYTES;
    return window < max_bytes ? window : max_bytes;
}

static ssize_t on_frame_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf,
                             size_t length, uint32_t *flags, nghttp2_data_source *source,
                             void *user_data)
{
    (void)buf, (void)source, (void)user_data;
    const struct h2_request *request = request_of(session, stream_id);
    if (request == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct frame_plan plan = plan_frame(request, length);
    ASSERT(plan.bytes > 0 || request->left_bytes == 0);
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (plan.bytes == request->left_bytes) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)plan.bytes;
}

static int append_body(struct h2_client *client, struct h2_request *request, size_t bytes)
{
    while (bytes > 0) {
        skip_empty(request);
        struct slice piece = next_piece(request);
        size_t take = piece.len < bytes ? piece.len : bytes;
        ASSERT(take > 0);
        int err = is_copied(request, take) ? h2_out_append(&client->out, slice_first(piece, take))
                                           : h2_out_refer(&client->out, slice_first(piece, take));
        if (err != 0) {
            return err;
        }
        advance(request, take);
        bytes -= take;
    }
    return 0;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t length, nghttp2_data_source *source, void *user_data)
{
    (void)source;
    struct h2_client *client = user_data;
    struct h2_request *request = request_of(session, frame->hd.stream_id);
    if (request == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct frame_plan plan = plan_frame(request, length);
    ASSERT(plan.bytes == length);
    ASSERT(frame->data.padlen == 0);
    if (client->out.total_bytes >= H2_CLIENT_SEND_MAX_BYTES ||
        plan.segment_count + SEGMENTS_SPARE > LOOP_STREAM_IOV_MAX - client->out.segment_count) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    int err = h2_out_append(&client->out, slice_of(frame_head, FRAME_HEAD_BYTES));
    if (err == 0) {
        err = append_body(client, request, length);
    }
    if (err != 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE; /* half a frame cannot be taken back */
    }
    if (plan.reference_count > 0) {
        request->pin_round = client->send_round + 1; /* the send being gathered */
    }
    return 0;
}

/* --- frames going out ------------------------------------------------------------------------- */

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct h2_request *request = request_of(session, frame->hd.stream_id);
        if (request != NULL) {
            request->is_on_wire = true;
        }
    }
    return 0;
}

/* A request that began too late, after GOAWAY, never reaches the wire. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *user_data)
{
    (void)code;
    struct h2_client *client = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    struct h2_request *request = request_of(session, frame->hd.stream_id);
    if (request != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, NULL);
        h2_client_request_over(client, request, &(struct h2_end){.ending = H2_UNSENT});
    }
    return 0;
}

/* --- frames coming in ------------------------------------------------------------------------- */

static struct slice slice_of_buffer(nghttp2_rcbuf *buffer)
{
    nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
    return slice_of(bytes.base, bytes.len);
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                    nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)flags, (void)user_data;
    struct h2_request *request = request_of(session, frame->hd.stream_id);
    if (request != NULL) {
        request->ops->on_field(request, slice_of_buffer(name), slice_of_buffer(value));
    }
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *user_data)
{
    (void)flags, (void)user_data;
    struct h2_request *request = request_of(session, stream_id);
    /* A code that fails here comes back as that of the receive. */
    int err = nghttp2_session_consume(session, stream_id, len);
    if (err == 0 && request != NULL && !request->ops->on_data(request, slice_of(bytes, len))) {
        err = nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    }
    return nghttp2_is_fatal(err) != 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void take_goaway(struct h2_client *client, const nghttp2_goaway *frame)
{
    if (client->state != H2_CLIENT_READY && client->state != H2_CLIENT_GREETING) {
        return; /* the second of two, or we are leaving ourselves */
    }
    client->leave_code = frame->error_code;
    client->leave_debug_len = frame->opaque_data_len < sizeof(client->leave_debug)
                                  ? frame->opaque_data_len
                                  : sizeof(client->leave_debug);
    if (client->leave_debug_len > 0) {
        memcpy(client->leave_debug, frame->opaque_data, client->leave_debug_len);
    }
    client->has_left = true;
    client->state = H2_CLIENT_LEAVING;
}

static void take_settings(struct h2_client *client)
{
    if (client->state == H2_CLIENT_GREETING) {
        client->state = H2_CLIENT_READY;
        client->is_greeted = true;
        return;
    }
    client->has_room = client->has_room || h2_client_room(client) > 0;
}

/* The answer is whole; a body that is not may stop, nobody reads it any more. */
static int take_end(nghttp2_session *session, int32_t stream_id)
{
    struct h2_request *request = request_of(session, stream_id);
    if (request == NULL) {
        return 0;
    }
    request->is_answered = true;
    if (request->left_bytes == 0) {
        return 0;
    }
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct h2_client *client = user_data;
    int err = 0;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            take_settings(client);
        }
        break;
    case NGHTTP2_GOAWAY:
        take_goaway(client, &frame->goaway);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            err = take_end(session, frame->hd.stream_id);
        }
        break;
    default:
        break; /* the library deals with it */
    }
    return nghttp2_is_fatal(err) != 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                           void *user_data)
{
    struct h2_client *client = user_data;
    struct h2_request *request = request_of(session, stream_id);
    struct h2_end end = {.ending = H2_RESET, .code = code};
    if (request == NULL) {
        return 0;
    }
    if (request->is_answered) {
        end.ending = H2_ENDED;
    } else if (code == NGHTTP2_REFUSED_STREAM || !request->is_on_wire) {
        end.ending = H2_UNSENT;
    }
    (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    h2_client_request_over(client, request, &end);
    return 0;
}

/* --- the session ------------------------------------------------------------------------------ */

static int make_callbacks(nghttp2_session_callbacks **out)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_length);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_field);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    *out = callbacks;
    return 0;
}

static int submit_settings(nghttp2_session *session)
{
    static const nghttp2_settings_entry entries[] = {
        {.settings_id = NGHTTP2_SETTINGS_ENABLE_PUSH, .value = 0},
        {.settings_id = NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         .value = H2_CLIENT_HEADER_LIST_MAX_BYTES},
    };
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, COUNT_OF(entries));
}

int h2_client_session_open(struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem hooks = h2_memory_hooks(&client->memory);
    int err = make_callbacks(&callbacks);
    if (err == 0) {
        err = h2_option_new(&option);
    }
    if (err == 0) {
        err = h2_fault(
            nghttp2_session_client_new3(&client->session, callbacks, client, option, &hooks));
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return err == 0 ? h2_fault(submit_settings(client->session)) : err;
}

void h2_client_session_close(struct h2_client *client)
{
    h2_out_reset(&client->out);
    nghttp2_session_del(client->session);
    client->session = NULL;
}

int h2_client_session_receive(struct h2_client *client, struct slice bytes)
{
    client->is_inside = true;
    ssize_t taken = nghttp2_session_mem_recv(client->session, bytes.ptr, bytes.len);
    client->is_inside = false;
    return taken < 0 ? h2_fault((int)taken) : 0;
}

int h2_client_session_submit(struct h2_client *client, struct h2_request *request,
                             const struct h2_field *fields, size_t field_count)
{
    nghttp2_nv nva[H2_CLIENT_FIELDS_MAX];
    ASSERT(field_count <= COUNT_OF(nva));
    for (size_t i = 0; i < field_count; i++) {
        nva[i] = h2_nv(fields[i].name, fields[i].value);
    }
    nghttp2_data_provider body = {.read_callback = on_frame_body};
    int32_t stream_id =
        nghttp2_submit_request(client->session, NULL, nva, field_count, &body, request);
    if (stream_id < 0) {
        return h2_fault(stream_id);
    }
    request->stream_id = stream_id;
    return 0;
}
