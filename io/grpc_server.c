/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server — streams become calls: head, gate, message, owner, answer.
 *
 * A call lives from grpc_server_take until it is answered, also where its stream is gone before.
 * Every byte of a body is credited back as it comes: what was admitted is charged to a budget, and
 * what was not is thrown away. Source: grpc/doc/PROTOCOL-HTTP2.md.
 */
#include "io/grpc_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/grpc_server_call.h"
#include "io/io_bounds.h"

static struct grpc_call *call_of_user(struct h2_stream_user *user)
{
    return CONTAINER_OF(user, struct grpc_call, user);
}

/* --- life ------------------------------------------------------------------------------------- */

static void release_admission(struct grpc_call *call)
{
    if (call->is_admitted) {
        call->is_admitted = false;
        call->server->ops->on_release(call->server, call, call->message.wire_bytes);
    }
}

static void call_free(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    release_admission(call);
    loop_timer_cancel(server->loop, &call->timer);
    grpc_message_fini(&call->message);
    ASSERT(server->call_count > 0);
    server->call_count--;
    mem_free(call);
}

/* The stream will have its answer, or is gone: nothing of it may be read any more. */
static struct h2_stream *take_stream(struct grpc_call *call)
{
    struct h2_stream *stream = call->stream;
    call->stream = NULL;
    call->encoding = slice_of(NULL, 0);
    return stream;
}

/* Answers a call that the owner has not seen. */
static void refuse_call(struct grpc_call *call, enum grpc_status status, struct slice text,
                        uint64_t retry_delay_ns)
{
    release_admission(call);
    grpc_server_answer_status(call->server, take_stream(call), status, text, retry_delay_ns);
    call_free(call);
}

/* Likewise, and it is a bad one. */
static void spoil_call(struct grpc_call *call, enum grpc_status status, struct slice text)
{
    call->server->stats.spoiled_count++;
    refuse_call(call, status, text, GRPC_NO_RETRY_DELAY);
}

static void refuse_for_room(struct grpc_call *call)
{
    const struct grpc_server_options *options = &call->server->options;
    call->server->stats.refused_count++;
    refuse_call(call, GRPC_UNAVAILABLE, slice_of_text(options->refusal_text),
                options->refusal_delay_ns);
}

static void cancel_handed(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    loop_timer_cancel(server->loop, &call->timer);
    if (server->ops->on_cancel != NULL) {
        server->ops->on_cancel(server, call);
    }
}

static void call_on_deadline(struct timer *timer, uint64_t now_mono_ns)
{
    struct grpc_call *call = CONTAINER_OF(timer, struct grpc_call, timer);
    struct grpc_server *server = call->server;
    server->stats.deadline_count++;
    if (!call->is_handed) {
        bool is_deadline = now_mono_ns >= call->deadline_mono_ns;
        spoil_call(call, GRPC_DEADLINE_EXCEEDED,
                   is_deadline ? SLICE_LITERAL("context deadline exceeded")
                               : SLICE_LITERAL("the message took too long to arrive"));
        return;
    }
    grpc_server_answer_status(server, take_stream(call), GRPC_DEADLINE_EXCEEDED,
                              SLICE_LITERAL("context deadline exceeded"), GRPC_NO_RETRY_DELAY);
    cancel_handed(call);
}

/* --- the message ------------------------------------------------------------------------------ */

/* The most a message of this call may have. */
static uint32_t message_max(const struct grpc_call *call)
{
    return call->method_index == GRPC_METHOD_HEALTH ? GRPC_HEALTH_MAX_BYTES
                                                    : call->server->options.message_max_bytes;
}

static bool is_size_good(struct grpc_call *call)
{
    uint32_t max_bytes = message_max(call);
    if (call->message.wire_bytes <= max_bytes) {
        return true;
    }
    char text[96];
    int len = snprintf(text, sizeof(text),
                       "grpc: received message larger than max (%" PRIu32 " vs. %" PRIu32 ")",
                       call->message.wire_bytes, max_bytes);
    ASSERT(len > 0 && (size_t)len < sizeof(text));
    call->server->stats.too_large_count++;
    spoil_call(call, GRPC_RESOURCE_EXHAUSTED, slice_of(text, (size_t)len));
    return false;
}

/* Size, flag and gate, in this order; false: the call is gone. */
static bool begin_message(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    if (!is_size_good(call)) {
        return false;
    }
    if (call->message.flag > 1) {
        char text[64];
        int len = snprintf(text, sizeof(text), "grpc: received unexpected payload format %d",
                           call->message.flag);
        ASSERT(len > 0 && (size_t)len < sizeof(text));
        spoil_call(call, GRPC_INTERNAL, slice_of(text, (size_t)len));
        return false;
    }
    if (call->message.flag == 1 && call->encoding.len == 0) {
        spoil_call(call, GRPC_INTERNAL,
                   SLICE_LITERAL("grpc: compressed flag set with identity or empty encoding"));
        return false;
    }
    bool has_gate = server->ops->on_admit != NULL && call->method_index != GRPC_METHOD_HEALTH &&
                    call->message.wire_bytes > 0;
    if (has_gate) {
        if (server->ops->on_admit(server, call, call->message.wire_bytes) != GRPC_ADMITTED) {
            refuse_for_room(call);
            return false;
        }
        call->is_admitted = true;
    }
    if (grpc_message_begin(&call->message) != 0) {
        refuse_for_room(call);
        return false;
    }
    return true;
}

/* From the time a message may take to the deadline of its call; false: the call is gone. */
static bool watch_deadline(struct grpc_call *call)
{
    struct loop *loop = call->server->loop;
    if (call->timer.deadline_mono_ns == call->deadline_mono_ns) {
        return true;
    }
    if (call->deadline_mono_ns == UINT64_MAX) {
        loop_timer_cancel(loop, &call->timer);
        return true;
    }
    if (loop_timer_arm(loop, &call->timer, call->deadline_mono_ns) != 0) {
        refuse_for_room(call);
        return false;
    }
    return true;
}

/* The owner may answer, and so free the call, before this returns. */
static void hand_over(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    if (!watch_deadline(call)) {
        return;
    }
    call->is_handed = true;
    call->is_compressed = call->message.flag == 1;
    call->is_admitted = false; /* the owner's to give back from now on */
    if (call->method_index == GRPC_METHOD_HEALTH) {
        grpc_server_check_health(call);
        return;
    }
    server->stats.handed_count++;
    server->ops->on_call(server, call);
}

/* False: the call was handed over or is gone. */
static bool push_bytes(struct grpc_call *call, struct slice bytes)
{
    while (true) {
        switch (grpc_message_push(&call->message, &bytes)) {
        case GRPC_STEP_MORE:
            return true;
        case GRPC_STEP_BAD:
        case GRPC_STEP_PREFIX:
            if (!begin_message(call)) {
                return false;
            }
            break;
        case GRPC_STEP_DONE:
            hand_over(call);
            return false;
        }
    }
}

static void call_on_body(struct h2_stream_user *user, struct slice bytes, bool is_last)
{
    struct grpc_call *call = call_of_user(user);
    h2_stream_consume(call->stream, bytes.len);
    if (call->is_handed) {
        return; /* further messages of a unary call are never read */
    }
    if (!push_bytes(call, bytes) || !is_last) {
        return;
    }
    bool is_empty = grpc_message_is_empty(&call->message);
    spoil_call(call, GRPC_UNKNOWN,
               is_empty ? SLICE_LITERAL("EOF") : SLICE_LITERAL("unexpected EOF"));
}

static void call_on_reset(struct h2_stream_user *user, uint32_t h2_code)
{
    (void)h2_code;
    struct grpc_call *call = call_of_user(user);
    call->server->stats.cancelled_count++;
    (void)take_stream(call);
    if (call->is_handed) {
        cancel_handed(call);
    } else {
        call->server->stats.spoiled_count++;
        call_free(call);
    }
}

static const struct h2_stream_user_ops CALL_OPS = {
    .on_body = call_on_body,
    .on_reset = call_on_reset,
};

/* --- the server ------------------------------------------------------------------------------- */

void grpc_server_init(struct grpc_server *server, struct loop *loop,
                      const struct grpc_server_options *options, const struct grpc_server_ops *ops)
{
    ASSERT(ops->on_call != NULL);
    ASSERT(ops->on_admit == NULL || ops->on_release != NULL);
    *server = (struct grpc_server){
        .ops = ops,
        .options = *options,
        .loop = loop,
        .is_serving = true,
    };
    if (server->options.message_max_bytes == 0) {
        server->options.message_max_bytes = GRPC_MESSAGE_MAX_BYTES;
    }
    if (server->options.message_timeout_ns == 0) {
        server->options.message_timeout_ns = GRPC_MESSAGE_TIMEOUT_MS * CLOCK_NS_PER_MS;
    }
}

static struct grpc_call *call_new(struct grpc_server *server, struct h2_stream *stream,
                                  const struct grpc_request_head *head)
{
    struct grpc_call *call = mem_alloc(sizeof(*call));
    if (call == NULL) {
        return NULL;
    }
    call->user.ops = &CALL_OPS;
    call->server = server;
    call->stream = stream;
    call->method_index = head->method_index;
    call->encoding = head->encoding;
    call->deadline_mono_ns = UINT64_MAX;
    call->timer.on_fire = call_on_deadline;
    server->call_count++;
    uint64_t now_mono_ns = loop_now_mono_ns(server->loop);
    if (head->timeout_ns < UINT64_MAX - now_mono_ns) {
        call->deadline_mono_ns = now_mono_ns + head->timeout_ns;
    }
    uint64_t until_mono_ns = now_mono_ns + server->options.message_timeout_ns;
    if (call->deadline_mono_ns < until_mono_ns) {
        until_mono_ns = call->deadline_mono_ns;
    }
    if (loop_timer_arm(server->loop, &call->timer, until_mono_ns) != 0) {
        call_free(call);
        return NULL;
    }
    return call;
}

static bool is_welcome(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    if (server->ops->on_head == NULL || call->method_index == GRPC_METHOD_HEALTH) {
        return true;
    }
    const char *text = "";
    enum grpc_status status = server->ops->on_head(server, call, &text);
    if (status == GRPC_OK) {
        return true;
    }
    spoil_call(call, status, slice_of_text(text));
    return false;
}

void grpc_server_take(struct grpc_server *server, struct h2_stream *stream)
{
    struct grpc_request_head head = {0};
    struct grpc_refusal refusal;
    server->stats.call_count++;
    if (!grpc_server_read_head(server, stream, &head, &refusal)) {
        server->stats.spoiled_count++;
        grpc_server_refuse(server, stream, &refusal);
        return;
    }
    struct grpc_call *call = call_new(server, stream, &head);
    if (call == NULL) {
        server->stats.refused_count++;
        grpc_server_answer_status(server, stream, GRPC_UNAVAILABLE, SLICE_LITERAL("out of memory"),
                                  server->options.refusal_delay_ns);
        return;
    }
    if (!is_welcome(call)) {
        return;
    }
    h2_stream_attach(stream, &call->user);
    if (h2_stream_is_ended(stream)) {
        call_on_body(&call->user, slice_of(NULL, 0), true);
    }
}

/* --- the call --------------------------------------------------------------------------------- */

void *grpc_call_owner(const struct grpc_call *call)
{
    return call->owner;
}

void grpc_call_set_owner(struct grpc_call *call, void *owner)
{
    call->owner = owner;
}

size_t grpc_call_method(const struct grpc_call *call)
{
    return call->method_index;
}

struct slice grpc_call_path(const struct grpc_call *call)
{
    return call->stream != NULL ? h2_stream_path(call->stream) : slice_of(NULL, 0);
}

struct slice grpc_call_authority(const struct grpc_call *call)
{
    return call->stream != NULL ? h2_stream_authority(call->stream) : slice_of(NULL, 0);
}

struct slice grpc_call_encoding(const struct grpc_call *call)
{
    return call->encoding;
}

bool grpc_call_header(const struct grpc_call *call, const char *name, struct slice *value)
{
    return call->stream != NULL && h2_stream_header(call->stream, name, value);
}

struct h2_stream *grpc_call_stream(const struct grpc_call *call)
{
    return call->stream;
}

uint64_t grpc_call_deadline_mono_ns(const struct grpc_call *call)
{
    return call->deadline_mono_ns;
}

bool grpc_call_is_compressed(const struct grpc_call *call)
{
    return call->is_compressed;
}

struct slice grpc_call_message(const struct grpc_call *call)
{
    return slice_of(call->message.memory, call->message.filled_bytes);
}

void *grpc_call_take_message(struct grpc_call *call)
{
    ASSERT(call->is_handed);
    return grpc_message_take(&call->message);
}

void grpc_call_respond(struct grpc_call *call, struct slice message)
{
    ASSERT(call->is_handed);
    if (call->stream != NULL) {
        grpc_server_answer_message(call->server, take_stream(call), message);
    }
    call_free(call);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_status status, struct slice text,
                    uint64_t retry_delay_ns)
{
    ASSERT(call->is_handed);
    ASSERT(status != GRPC_OK);
    if (call->stream != NULL) {
        grpc_server_answer_status(call->server, take_stream(call), status, text, retry_delay_ns);
    }
    call_free(call);
}
