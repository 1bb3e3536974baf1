/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client — the life of one outgoing connection: dialing, turns of receive and send, the end.
 *
 * Everything that happened in a turn is told in settle(), after the library has returned, so that
 * whoever listens may call back. A request that ended while the kernel still reads its body is told
 * when the send is done: until then its bytes are not free.
 */
#include "io/h2_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/h2_client_state.h"
#include "io/io_bounds.h"

/* A head is copied with every request, so it is meant to be a few bytes. */
#define HEAD_MAX_BYTES 64

/* --- the timer -------------------------------------------------------------------------------- */

/* The timer is armed or was just now, so the heap has its place. */
static void arm(struct h2_client *client)
{
    uint64_t due_mono_ns = client->is_kicked ? 0 : client->due_mono_ns;
    int err = loop_timer_arm(client->loop, &client->timer, due_mono_ns);
    ASSERT(err == 0);
}

static void set_due(struct h2_client *client, uint64_t due_mono_ns)
{
    client->due_mono_ns = due_mono_ns;
    arm(client);
}

/* Settles in the next turn. */
static void kick(struct h2_client *client)
{
    if (!client->is_kicked && client->state != H2_CLIENT_DOWN) {
        client->is_kicked = true;
        arm(client);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void mark_broken(struct h2_client *client, int fault, const char *why_text)
{
    if (!client->is_breaking) {
        client->is_breaking = true;
        client->fault = fault;
        (void)snprintf(client->why_text, sizeof(client->why_text), "%s", why_text);
    }
}

/* After this nobody reads what was given to be sent: neither the kernel nor, under TLS, the
 * channel.
 */
static void cut_send(struct h2_client *client)
{
    if (client->channel != NULL && client->is_sending) {
        (void)shutdown(client->fd, SHUT_RDWR); /* a connection that is gone is as good */
        channel_close(client->channel);
        client->is_sending = false;
    }
}

/* The loop lets go of the descriptor in later turns; the memory goes with the last callback. */
static void let_go(struct h2_client *client)
{
    bool is_dialing = client->state == H2_CLIENT_DIALING;
    client->state = H2_CLIENT_DOWN;
    loop_timer_cancel(client->loop, &client->timer);
    cut_send(client);
    if (is_dialing) {
        h2_dial_stop(&client->dial);
    } else if (client->channel != NULL) {
        channel_close(client->channel);
    }
}

static void forget(struct h2_client *client)
{
    h2_client_session_close(client);
    ASSERT(client->memory.used_bytes == 0);
    mem_free(client);
}

static void release(struct h2_client *client, struct h2_request_list *list,
                    struct h2_request *request)
{
    h2_request_list_remove(list, request);
    client->request_count -= list == &client->active ? 1 : 0;
    request->client = NULL;
}

static bool is_pinned(const struct h2_client *client, const struct h2_request *request)
{
    return client->is_sending && request->pin_round == client->send_round;
}

/* Tells the requests that are over; one whose bytes are still being read waits. */
static void tell_ends(struct h2_client *client)
{
    struct h2_request *request = client->over.first;
    while (request != NULL) {
        struct h2_request *next = request->next;
        if (!is_pinned(client, request)) {
            release(client, &client->over, request);
            request->ops->on_end(request, &request->end);
            if (client->user == NULL) {
                return; /* closed from inside */
            }
            next = client->over.first; /* the list may have changed */
        }
        request = next;
    }
}

static void go_down(struct h2_client *client)
{
    let_go(client);
    while (client->active.first != NULL) {
        struct h2_request *request = client->active.first;
        const struct h2_end end = {
            .ending = request->is_on_wire ? H2_LOST : H2_UNSENT,
            .why_text = client->why_text,
        };
        h2_client_request_over(client, request, &end);
    }
    tell_ends(client);
    struct h2_client_user *user = client->user;
    if (user != NULL) {
        client->user = NULL;
        user->ops->on_down(user, client->fault, client->why_text);
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool is_talking(const struct h2_client *client)
{
    return client->state != H2_CLIENT_DIALING && client->state != H2_CLIENT_DOWN;
}

static void flush(struct h2_client *client)
{
    struct iovec iov[LOOP_STREAM_IOV_MAX];
    if (!is_talking(client) || client->is_sending || client->is_inside || client->is_breaking) {
        return;
    }
    client->is_inside = true;
    int err = h2_out_gather(&client->out, client->session);
    client->is_inside = false;
    size_t count = h2_out_iov(&client->out, iov);
    if (err == 0 && count > 0) {
        err = channel_send(client->channel, iov, count);
        client->is_sending = err == 0;
        client->send_round++;
    }
    if (err != 0) {
        mark_broken(client, err, fault_text(err));
    }
}

/* --- time ------------------------------------------------------------------------------------- */

/* Whether there is anything to keep alive. */
static bool is_kept_alive(const struct h2_client *client)
{
    return client->request_count > 0 || client->options.keepalive_without_requests;
}

static uint64_t next_keepalive(const struct h2_client *client, uint64_t now_mono_ns)
{
    uint64_t time_ns = client->options.keepalive_time_ns;
    if (time_ns == 0) {
        return UINT64_MAX;
    }
    uint64_t quiet_mono_ns = client->heard_mono_ns + time_ns;
    return quiet_mono_ns > now_mono_ns ? quiet_mono_ns : now_mono_ns + time_ns;
}

static void keep_alive(struct h2_client *client, uint64_t now_mono_ns)
{
    if (client->pinged_mono_ns != 0) {
        mark_broken(client, -ETIMEDOUT, "a keepalive ping was not answered");
        return;
    }
    bool is_quiet = now_mono_ns - client->heard_mono_ns >= client->options.keepalive_time_ns;
    if (!is_quiet || !is_kept_alive(client)) {
        client->due_mono_ns = next_keepalive(client, now_mono_ns);
        return;
    }
    int err = h2_fault(nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL));
    if (err != 0) {
        mark_broken(client, err, fault_text(err));
        return;
    }
    client->pinged_mono_ns = now_mono_ns;
    client->due_mono_ns = now_mono_ns + client->options.keepalive_timeout_ns;
}

/* --- what happened in a turn ------------------------------------------------------------------ */

static const char *breach_text(const struct h2_client *client)
{
    return client->state == H2_CLIENT_GREETING ? "the peer does not speak HTTP/2"
                                               : "the peer broke HTTP/2";
}

/* An orderly leave has its end; so has a session that the library gave up, after its GOAWAY. */
static void look_for_end(struct h2_client *client)
{
    if (!is_talking(client) || client->is_sending || client->over.first != NULL) {
        return;
    }
    bool is_empty = client->request_count == 0;
    if (client->state == H2_CLIENT_LEAVING && is_empty) {
        mark_broken(client, 0, "");
    } else if (nghttp2_session_want_read(client->session) == 0 &&
               nghttp2_session_want_write(client->session) == 0) {
        mark_broken(client, FAULT_MALFORMED, breach_text(client));
    }
}

static void tell_user(struct h2_client *client)
{
    if (client->is_greeted) {
        client->is_greeted = false;
        client->has_room = false; /* on_ready says it too */
        set_due(client, next_keepalive(client, loop_now_mono_ns(client->loop)));
        client->user->ops->on_ready(client->user);
    }
    if (client->user != NULL && client->has_left) {
        client->has_left = false;
        client->user->ops->on_leave(client->user, client->leave_code,
                                    slice_of(client->leave_debug, client->leave_debug_len));
    }
    if (client->user != NULL && client->has_room) {
        client->has_room = false;
        client->user->ops->on_room(client->user);
    }
}

/* From the loop only; the client may be gone afterwards, but for its memory. */
static void settle(struct h2_client *client)
{
    flush(client);
    if (client->is_breaking) {
        go_down(client);
        return;
    }
    tell_ends(client);
    if (client->user != NULL) {
        tell_user(client);
    }
    if (client->user != NULL) {
        look_for_end(client);
    }
    if (client->user != NULL && client->is_breaking && client->state != H2_CLIENT_DOWN) {
        go_down(client);
    }
}

static void on_receive(struct channel_user *channel_user, struct slice bytes)
{
    struct h2_client *client = CONTAINER_OF(channel_user, struct h2_client, channel_user);
    if (!is_talking(client)) {
        return;
    }
    client->heard_mono_ns = loop_now_mono_ns(client->loop);
    if (client->pinged_mono_ns != 0) {
        client->pinged_mono_ns = 0;
        set_due(client, next_keepalive(client, client->heard_mono_ns));
    }
    if (client->state == H2_CLIENT_GREETING && channel_is_secure(client->channel) &&
        !slice_is_text(channel_alpn(client->channel), "h2")) {
        mark_broken(client, FAULT_UNSUPPORTED, "the peer did not agree on h2 (ALPN)");
    } else {
        int err = h2_client_session_receive(client, bytes);
        if (err != 0) {
            mark_broken(client, err, breach_text(client));
        }
    }
    settle(client);
}

static void on_end(struct channel_user *channel_user, int fault)
{
    struct h2_client *client = CONTAINER_OF(channel_user, struct h2_client, channel_user);
    if (!is_talking(client)) {
        return;
    }
    const char *why_text = channel_why(client->channel);
    if (why_text[0] == '\0') {
        why_text = fault == 0 ? "the peer closed the connection" : fault_text(fault);
    }
    /* Who leaves and is told goodbye has no complaint. */
    bool is_orderly =
        fault == 0 && client->state == H2_CLIENT_LEAVING && client->request_count == 0;
    mark_broken(client, fault != 0 || is_orderly ? fault : FAULT_CLOSED, why_text);
    settle(client);
}

static void on_sent(struct channel_user *channel_user, int fault)
{
    struct h2_client *client = CONTAINER_OF(channel_user, struct h2_client, channel_user);
    client->is_sending = false;
    h2_out_reset(&client->out);
    if (!is_talking(client)) {
        return;
    }
    if (fault != 0) {
        mark_broken(client, fault, fault_text(fault));
    }
    settle(client);
}

/* The channel goes before the end was told only where a send was cut short. */
static void on_closed(struct channel_user *channel_user)
{
    struct h2_client *client = CONTAINER_OF(channel_user, struct h2_client, channel_user);
    client->channel = NULL;
    if (client->state != H2_CLIENT_DOWN) {
        go_down(client);
    }
    forget(client);
}

static const struct channel_user_ops channel_ops = {
    .on_receive = on_receive,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_closed = on_closed,
};

/* --- beginning -------------------------------------------------------------------------------- */

static void on_due(struct timer *timer, uint64_t now_mono_ns)
{
    struct h2_client *client = CONTAINER_OF(timer, struct h2_client, timer);
    bool is_due = now_mono_ns >= client->due_mono_ns;
    client->is_kicked = false;
    if (is_due && (client->state == H2_CLIENT_DIALING || client->state == H2_CLIENT_GREETING)) {
        mark_broken(client, -ETIMEDOUT, "connecting took too long");
    } else if (is_due) {
        keep_alive(client, now_mono_ns);
    }
    arm(client);
    settle(client);
}

static void on_dialed(struct h2_dial *dial, int fd, int fault)
{
    struct h2_client *client = CONTAINER_OF(dial, struct h2_client, dial);
    if (client->state == H2_CLIENT_DOWN) {
        if (fd >= 0) {
            (void)close(fd); /* nothing was sent on it */
        }
        forget(client);
        return;
    }
    const struct channel_options options = {
        .role = CHANNEL_CLIENT,
        .tls = client->options.tls,
        .server_name = client->options.server_name,
    };
    int err = fault;
    if (err == 0) {
        err = channel_open(client->loop, fd, &options, &client->channel_user, &client->channel);
        if (err != 0) {
            (void)close(fd); /* nothing was sent on it */
        }
    }
    if (err != 0) {
        /* There is nothing the loop would have to let go of. */
        struct h2_client_user *user = client->user;
        loop_timer_cancel(client->loop, &client->timer);
        user->ops->on_down(user, err, fault_text(err));
        forget(client);
        return;
    }
    client->fd = fd;
    client->state = H2_CLIENT_GREETING;
    settle(client);
}

int h2_client_open(struct loop *loop, const struct h2_client_options *options,
                   struct h2_client_user *user, struct h2_client **out)
{
    struct h2_client *client = mem_alloc(sizeof(*client));
    if (client == NULL) {
        return -ENOMEM;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(loop);
    *client = (struct h2_client){
        .channel_user.ops = &channel_ops,
        .dial.on_done = on_dialed,
        .loop = loop,
        .user = user,
        .options = *options,
        .memory.max_bytes = H2_CLIENT_MEMORY_MAX_BYTES,
        .timer.on_fire = on_due,
        .due_mono_ns = now_mono_ns + options->connect_timeout_ns,
        .state = H2_CLIENT_DIALING,
    };
    client->out.memory = &client->memory;
    const struct h2_dial_options dial = {
        .receive_buffer_bytes = options->receive_buffer_bytes,
        .send_buffer_bytes = options->send_buffer_bytes,
        .user_timeout_ms = options->keepalive_time_ns == 0
                               ? 0
                               : (uint32_t)(options->keepalive_timeout_ns / CLOCK_NS_PER_MS),
    };
    int err = h2_client_session_open(client);
    if (err == 0) {
        err = loop_timer_arm(loop, &client->timer, client->due_mono_ns);
    }
    if (err == 0) {
        err = h2_dial_start(&client->dial, loop, &options->address, &dial);
    }
    if (err != 0) {
        loop_timer_cancel(loop, &client->timer);
        forget(client);
        return err;
    }
    *out = client;
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

uint32_t h2_client_room(const struct h2_client *client)
{
    if (client->state != H2_CLIENT_READY || client->is_breaking) {
        return 0;
    }
    uint32_t most = nghttp2_session_get_remote_settings(client->session,
                                                        NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    most = most < H2_CLIENT_REQUESTS_MAX ? most : H2_CLIENT_REQUESTS_MAX;
    return most > client->request_count ? most - client->request_count : 0;
}

uint32_t h2_client_request_count(const struct h2_client *client)
{
    return client->request_count;
}

int h2_client_start(struct h2_client *client, struct h2_request *request,
                    const struct h2_field *fields, size_t field_count)
{
    ASSERT(request->client == NULL);
    ASSERT(request->head.len <= HEAD_MAX_BYTES);
    if (h2_client_room(client) == 0) {
        return -EAGAIN;
    }
    *request = (struct h2_request){
        .ops = request->ops,
        .head = request->head,
        .body = request->body,
        .body_count = request->body_count,
        .left_bytes = request->head.len,
    };
    for (size_t i = 0; i < request->body_count; i++) {
        request->left_bytes += request->body[i].iov_len;
    }
    int err = h2_client_session_submit(client, request, fields, field_count);
    if (err != 0) {
        return err;
    }
    request->client = client;
    h2_request_list_push(&client->active, request);
    client->request_count++;
    flush(client);
    if (client->is_breaking || client->over.first != NULL) {
        kick(client);
    }
    return 0;
}

/* The library forgets the request; what is queued of it goes no further. */
static void detach(struct h2_client *client, const struct h2_request *request)
{
    /* Both are refused only where the stream is gone already. */
    (void)nghttp2_session_set_stream_user_data(client->session, request->stream_id, NULL);
    (void)nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, request->stream_id,
                                    NGHTTP2_CANCEL);
}

bool h2_client_try_cancel(struct h2_client *client, struct h2_request *request)
{
    static const struct h2_end cancelled = {.ending = H2_CANCELLED, .why_text = ""};
    ASSERT(request->client == client);
    ASSERT(!client->is_inside);
    bool is_free = !is_pinned(client, request);
    if (!request->is_over) {
        detach(client, request);
        h2_client_request_over(client, request, &cancelled);
    }
    request->end = cancelled;
    if (is_free) {
        release(client, &client->over, request);
    }
    kick(client);
    return is_free;
}

void h2_client_drop(struct h2_client *client, struct h2_request *request)
{
    if (h2_client_try_cancel(client, request)) {
        return;
    }
    mark_broken(client, FAULT_CLOSED, "a request was given up while it was being sent");
    cut_send(client);
    release(client, &client->over, request);
}

/* --- leaving ---------------------------------------------------------------------------------- */

void h2_client_leave(struct h2_client *client)
{
    if (client->state == H2_CLIENT_READY) {
        client->state = H2_CLIENT_LEAVING;
        kick(client);
    } else if (client->state != H2_CLIENT_LEAVING) {
        h2_client_break(client, 0, "");
    }
}

void h2_client_break(struct h2_client *client, int fault, const char *why_text)
{
    mark_broken(client, fault, why_text);
    kick(client);
}

static void release_all(struct h2_client *client, struct h2_request_list *list)
{
    while (list->first != NULL) {
        release(client, list, list->first);
    }
}

void h2_client_close(struct h2_client *client)
{
    if (client == NULL) {
        return;
    }
    ASSERT(!client->is_inside);
    client->user = NULL;
    if (client->state != H2_CLIENT_DOWN) {
        let_go(client);
    }
    release_all(client, &client->active);
    release_all(client, &client->over);
}
