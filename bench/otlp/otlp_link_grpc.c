/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_link_grpc — unary calls on nghttp2 in the client role. Bodies are referred to where they lie
 * in the corpus, so that a sending costs their way into the socket and little else.
 */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "bench/otlp/otlp_link.h"
#include "core/base/fault.h"

#define GRPC_FRAME_HEAD_BYTES 9u
#define GRPC_WINDOW_BYTES (1 << 20)
#define GRPC_STATUS_MAX_DIGITS 3u

static uint8_t *grpc_text(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } cast = {.in = text};
    return cast.out;
}

static nghttp2_nv grpc_field(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = grpc_text(name),
        .value = grpc_text(value),
        .namelen = strlen(name),
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static const char *grpc_path(enum signal signal)
{
    static const char *const paths[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        [SIGNAL_METRICS] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        [SIGNAL_LOGS] = "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    };
    return paths[signal];
}

/* The codes that OTLP lets a client repeat. */
static enum otlp_outcome grpc_outcome(const struct otlp_flight *flight)
{
    switch (flight->grpc_status) {
    case 0:
        return OTLP_OUTCOME_OK;
    case 1:  /* CANCELLED */
    case 4:  /* DEADLINE_EXCEEDED */
    case 8:  /* RESOURCE_EXHAUSTED */
    case 10: /* ABORTED */
    case 11: /* OUT_OF_RANGE */
    case 14: /* UNAVAILABLE */
    case 15: /* DATA_LOSS */
        return OTLP_OUTCOME_REFUSED;
    default:
        return OTLP_OUTCOME_FAILED;
    }
}

static ssize_t grpc_read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                              uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)stream_id;
    (void)to;
    (void)user;
    const struct otlp_flight *flight = source->ptr;
    const size_t left_bytes = flight->body.len - flight->sent_bytes;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left_bytes <= room) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)left_bytes;
    }
    return (ssize_t)room;
}

static int grpc_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                          size_t len, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)frame;
    struct otlp_link *link = user;
    struct otlp_flight *flight = source->ptr;
    if (!otlp_out_has_room(&link->out)) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    const struct slice piece = slice_first(slice_from(flight->body, flight->sent_bytes), len);
    const bool is_taken = otlp_out_copy(&link->out, slice_of(head, GRPC_FRAME_HEAD_BYTES)) &&
                          otlp_out_refer(&link->out, piece);
    ASSERT(is_taken); /* there was room for four pieces */
    flight->sent_bytes += len;
    return 0;
}

static int grpc_number(const uint8_t *value, size_t len)
{
    int number = 0;
    if (len == 0 || len > GRPC_STATUS_MAX_DIGITS) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return -1;
        }
        number = number * 10 + (value[i] - '0');
    }
    return number;
}

static int grpc_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                          void *user)
{
    (void)flags;
    (void)user;
    struct otlp_flight *flight = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (flight != NULL && slice_is_text(slice_of(name, name_len), "grpc-status")) {
        flight->grpc_status = grpc_number(value, value_len);
    }
    return 0;
}

static int grpc_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct otlp_link *link = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        link->is_leaving = true;
    }
    return 0;
}

static int grpc_on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct otlp_link *link = user;
    struct otlp_flight *flight = nghttp2_session_get_stream_user_data(session, stream_id);
    if (flight == NULL) {
        return 0;
    }
    enum otlp_outcome outcome = grpc_outcome(flight);
    if (flight->grpc_status < 0) {
        outcome = code == NGHTTP2_REFUSED_STREAM ? OTLP_OUTCOME_REFUSED : OTLP_OUTCOME_UNANSWERED;
    }
    /* Pieces of a body that ended early may still wait in `out`; they lie in the corpus. */
    otlp_link_land(link, flight, outcome);
    return 0;
}

static int grpc_open(struct otlp_link *link)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_WINDOW_BYTES},
    };
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks, grpc_send_body);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, grpc_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, grpc_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, grpc_on_close);
    int err = nghttp2_session_client_new(&link->session, callbacks, link);
    nghttp2_session_callbacks_del(callbacks);
    if (err == 0) {
        err =
            nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    }
    return err == 0 ? 0 : FAULT_LIBRARY;
}

static int grpc_submit(struct otlp_link *link, struct otlp_flight *flight)
{
    const struct otlp_corpus_options *corpus = &link->load->corpus->options;
    nghttp2_nv fields[] = {
        grpc_field(":method", "POST"),
        grpc_field(":scheme", "http"),
        grpc_field(":path", grpc_path(corpus->signal)),
        grpc_field(":authority", link->authority),
        grpc_field("content-type", "application/grpc"),
        grpc_field("te", "trailers"),
        grpc_field("user-agent", "weir-bench"),
        grpc_field("grpc-encoding", compress_name(corpus->compression)),
    };
    const size_t field_count =
        corpus->compression == COMPRESS_NONE ? COUNT_OF(fields) - 1 : COUNT_OF(fields);
    const nghttp2_data_provider body = {.source.ptr = flight, .read_callback = grpc_read_body};
    const int32_t stream_id =
        nghttp2_submit_request(link->session, NULL, fields, field_count, &body, flight);
    return stream_id > 0 ? 0 : FAULT_LIBRARY;
}

static int grpc_receive(struct otlp_link *link, struct slice bytes)
{
    const ssize_t taken = nghttp2_session_mem_recv(link->session, bytes.ptr, bytes.len);
    return taken == (ssize_t)bytes.len ? 0 : FAULT_MALFORMED;
}

static int grpc_gather(struct otlp_link *link)
{
    while (otlp_out_has_room(&link->out)) {
        const uint8_t *ptr = NULL;
        const size_t before_bytes = link->out.pending_bytes;
        const ssize_t len = nghttp2_session_mem_send(link->session, &ptr);
        if (len < 0) {
            return FAULT_LIBRARY;
        }
        if (len > 0 && !otlp_out_copy(&link->out, slice_of(ptr, (size_t)len))) {
            return FAULT_LIMIT;
        }
        if (link->out.pending_bytes == before_bytes) {
            break;
        }
    }
    const bool is_over = nghttp2_session_want_read(link->session) == 0 &&
                         nghttp2_session_want_write(link->session) == 0;
    const bool is_left = link->is_leaving && link->used_count == 0;
    return (is_over || is_left) && link->out.pending_bytes == 0 ? FAULT_CLOSED : 0;
}

/* Deleting a session does not tell of its streams: the link lands what is still under way. */
static void grpc_close(struct otlp_link *link)
{
    nghttp2_session_del(link->session);
    link->session = NULL;
}

const struct otlp_link_ops otlp_link_grpc_ops = {
    .open = grpc_open,
    .submit = grpc_submit,
    .receive = grpc_receive,
    .gather = grpc_gather,
    .written = NULL,
    .close = grpc_close,
};
