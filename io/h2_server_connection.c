/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_connection — a connection's life: bytes in, gathered output, deadlines, going in steps.
 *
 * Stands between the channel and nghttp2's session. Nothing is freed inside of nghttp2's callbacks:
 * a connection that fails there only changes its state, and what refers to it goes in on_closed.
 * Source: RFC 9113 sections 3.4, 5.4 and 6.8.
 */
#include "io/h2_server_connection.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

#define FRAME_HEAD_BYTES 9
#define SETTINGS_ENTRY_BYTES 6
#define GOAWAY_BYTES 8

static struct h2_connection *connection_of(struct channel_user *user)
{
    return CONTAINER_OF(user, struct h2_connection, user);
}

static uint64_t now_of(const struct h2_connection *c)
{
    return loop_now_mono_ns(c->server->loop);
}

static void write_u32(uint8_t *out, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void reset_streams(struct h2_connection *c, enum h2_code code)
{
    for (struct h2_stream *s = c->streams; s != NULL; s = s->next) {
        h2_stream_tell_reset(s, code);
    }
}

void h2_connection_close(struct h2_connection *c)
{
    if (c->state == H2_STATE_CLOSING) {
        return;
    }
    c->state = H2_STATE_CLOSING;
    loop_timer_cancel(c->server->loop, &c->timer);
    channel_close(c->channel); /* users hear of it in on_closed, never inside of a call of theirs */
}

void h2_connection_fail(struct h2_connection *c, enum h2_code code, const char *text)
{
    if (c->state >= H2_STATE_ENDING) {
        return;
    }
    c->state = H2_STATE_ENDING;
    c->has_last_word = true;
    c->last_word_code = code;
    c->last_word = text;
    h2_server_flush_later(c);
}

void h2_connection_abuse(struct h2_connection *c, enum h2_abuse abuse)
{
    static const char *const TEXTS[H2_ABUSE_LIMIT] = {
        [H2_ABUSE_RESETS] = "too_many_resets",
        [H2_ABUSE_CONTINUATIONS] = "header_block_too_large",
        [H2_ABUSE_SETTINGS] = "too_many_settings",
        [H2_ABUSE_PINGS] = "too_many_pings", /* gRPC clients know this one */
        [H2_ABUSE_EMPTY_DATA] = "too_many_empty_frames",
        [H2_ABUSE_SMALL_FRAMES] = "too_many_small_frames",
        [H2_ABUSE_SLOW_READER] = "answers_not_read",
        [H2_ABUSE_OUTPUT] = "too_much_unread_output",
        [H2_ABUSE_MEMORY] = "too_much_state",
    };
    if (c->state < H2_STATE_ENDING) {
        c->server->stats.abuse_count[abuse]++;
        h2_connection_fail(c, H2_CODE_ENHANCE_YOUR_CALM, TEXTS[abuse]);
    }
}

bool h2_connection_is_over(const struct h2_connection *c)
{
    if (c->state == H2_STATE_ENDING) {
        return !c->has_last_word;
    }
    if (c->stream_count == 0 && (c->state == H2_STATE_LEFT || c->is_input_ended)) {
        return true;
    }
    return nghttp2_session_want_read(c->session) == 0 &&
           nghttp2_session_want_write(c->session) == 0;
}

/* All is said: gives the peer a moment to read it before the descriptor goes. */
static void finish(struct h2_connection *c)
{
    if (c->is_input_ended) {
        h2_connection_close(c);
        return;
    }
    c->state = H2_STATE_LINGER;
    reset_streams(c, H2_CODE_CANCEL);
    channel_shutdown(c->channel);
    c->leave_until_mono_ns = now_of(c) + H2_LINGER_MS * CLOCK_NS_PER_MS;
    h2_connection_watch(c, c->leave_until_mono_ns);
}

/* --- output ----------------------------------------------------------------------------------- */

/* A GOAWAY made by hand, because the session may be broken or in the middle of something. */
static int gather_last_word(struct h2_connection *c)
{
    uint8_t frame[FRAME_HEAD_BYTES + GOAWAY_BYTES] = {0};
    size_t text_len = strlen(c->last_word);
    frame[2] = (uint8_t)(GOAWAY_BYTES + text_len);
    frame[3] = NGHTTP2_GOAWAY;
    write_u32(frame + FRAME_HEAD_BYTES,
              (uint32_t)nghttp2_session_get_last_proc_stream_id(c->session));
    write_u32(frame + FRAME_HEAD_BYTES + 4, c->last_word_code);
    c->has_last_word = false;
    int err = h2_out_append(&c->out, slice_of(frame, sizeof(frame)));
    return err != 0 ? err : h2_out_append(&c->out, slice_of(c->last_word, text_len));
}

/*
 * Our SETTINGS. The number of streams is put in by hand: nghttp2, told of it, would end the whole
 * connection of a peer that opens one too many, where a refused stream does.
 */
static int gather_greeting(struct h2_connection *c)
{
    int err = h2_out_gather(&c->out, c->session);
    uint32_t stream_max_count = c->server->options.max_concurrent_streams;
    if (err != 0 || stream_max_count == 0) {
        return err;
    }
    uint8_t entry[SETTINGS_ENTRY_BYTES] = {0, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS};
    write_u32(entry + 2, stream_max_count);
    err = h2_out_append(&c->out, slice_of(entry, sizeof(entry)));
    if (err != 0) {
        return err;
    }
    uint8_t *frame = c->out.buffer;
    ASSERT(frame[3] == NGHTTP2_SETTINGS);
    ASSERT(frame[2] < UINT8_MAX - SETTINGS_ENTRY_BYTES);
    uint8_t *rest = frame + FRAME_HEAD_BYTES + frame[2];
    size_t rest_len = c->out.buffer_len - sizeof(entry) - FRAME_HEAD_BYTES - frame[2];
    memmove(rest + sizeof(entry), rest, rest_len);
    memcpy(rest, entry, sizeof(entry));
    frame[2] = (uint8_t)(frame[2] + sizeof(entry));
    return 0;
}

/*
 * Gives the connection's credit back: all that was received but is not held by a user, in large
 * pieces, yet always before the peer runs out of it. nghttp2 alone would wait for half of the
 * window, which never comes once streams that stand still hold the other half.
 */
static int give_credit(struct h2_connection *c)
{
    uint64_t window_bytes = c->server->options.connection_window_bytes;
    int32_t length = nghttp2_session_get_effective_recv_data_length(c->session);
    uint64_t used_bytes = length > 0 ? (uint64_t)length : 0;
    if (used_bytes <= c->held_bytes) {
        return 0;
    }
    uint64_t bytes = used_bytes - c->held_bytes;
    uint64_t left_bytes = used_bytes < window_bytes ? window_bytes - used_bytes : 0;
    if (bytes < window_bytes / 4 && bytes < left_bytes) {
        return 0;
    }
    return nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, 0, (int32_t)bytes);
}

static int gather_output(struct h2_connection *c)
{
    int err = give_credit(c);
    return err != 0 ? h2_fault(err) : h2_out_gather(&c->out, c->session);
}

static void send_output(struct h2_connection *c)
{
    struct iovec iov[LOOP_STREAM_IOV_MAX];
    size_t iov_count = h2_out_iov(&c->out, iov);
    if (channel_send(c->channel, iov, iov_count) != 0) {
        h2_connection_close(c);
        return;
    }
    c->is_sending = true;
    c->send_until_mono_ns = now_of(c) + c->server->options.response_timeout_ns;
    h2_connection_watch(c, c->send_until_mono_ns);
}

void h2_connection_flush(struct h2_connection *c)
{
    if (c->state == H2_STATE_ENDING && !c->is_receiving) {
        reset_streams(c, H2_CODE_CANCEL);
    }
    if (c->is_sending || c->is_receiving || c->state >= H2_STATE_LINGER) {
        return;
    }
    int err = 0;
    if (c->state != H2_STATE_ENDING) {
        err = gather_output(c);
    } else if (c->has_last_word) {
        err = gather_last_word(c);
    }
    if (err != 0) {
        h2_connection_close(c);
        return;
    }
    if (c->out.total_bytes > 0) {
        send_output(c);
        return;
    }
    if (h2_connection_is_over(c)) {
        finish(c);
    }
}

/* A peer that does not read what we say is not read either. */
static void set_paused(struct h2_connection *c)
{
    bool is_full = c->is_sending &&
                   nghttp2_session_get_outbound_queue_size(c->session) > H2_FRAMES_WAITING_MAX;
    if (is_full == c->is_paused || c->state >= H2_STATE_ENDING) {
        return;
    }
    c->is_paused = is_full;
    if (is_full) {
        channel_pause(c->channel);
    } else {
        channel_resume(c->channel);
    }
}

static void connection_on_sent(struct channel_user *user, int fault)
{
    struct h2_connection *c = connection_of(user);
    c->is_sending = false;
    c->send_until_mono_ns = 0;
    h2_out_reset(&c->out);
    if (fault != 0) {
        h2_connection_close(c);
        return;
    }
    h2_connection_flush(c);
    set_paused(c);
}

/* --- input ------------------------------------------------------------------------------------ */

static void refuse_input(struct h2_connection *c, int library_code)
{
    switch (library_code) {
    case NGHTTP2_ERR_NOMEM:
        h2_connection_close(c); /* the session is in no state to be asked for more */
        return;
    case NGHTTP2_ERR_FLOODED:
        h2_connection_abuse(c, H2_ABUSE_OUTPUT);
        return;
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
        h2_connection_abuse(c, H2_ABUSE_SETTINGS);
        return;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        h2_connection_abuse(c, H2_ABUSE_CONTINUATIONS);
        return;
    default:
        c->server->stats.malformed_count++;
        h2_connection_fail(c, H2_CODE_PROTOCOL_ERROR, nghttp2_strerror(library_code));
        return;
    }
}

static void take_input(struct h2_connection *c, struct slice bytes)
{
    c->received_mono_ns = now_of(c);
    c->ping_until_mono_ns = 0;
    c->is_receiving = true;
    ssize_t len = nghttp2_session_mem_recv(c->session, bytes.ptr, bytes.len);
    c->is_receiving = false;
    if (len < 0 && c->state < H2_STATE_ENDING) {
        refuse_input(c, (int)len);
    }
    h2_connection_flush(c);
    set_paused(c);
}

static void connection_on_receive(struct channel_user *user, struct slice bytes)
{
    struct h2_connection *c = connection_of(user);
    if (c->state < H2_STATE_ENDING) {
        take_input(c, bytes);
    }
}

static void connection_on_end(struct channel_user *user, int fault)
{
    struct h2_connection *c = connection_of(user);
    c->is_input_ended = true;
    if (fault != 0 || c->state >= H2_STATE_LINGER) {
        h2_connection_close(c);
        return;
    }
    /* Requests that are whole may still be answered to a peer that only half-closed. */
    for (struct h2_stream *s = c->streams; s != NULL; s = s->next) {
        if (!s->is_ended && !s->is_answered) {
            h2_stream_tell_reset(s, H2_CODE_CANCEL);
            h2_stream_reset(s, H2_CODE_CANCEL);
        }
    }
    h2_connection_flush(c);
}

static void connection_on_closed(struct channel_user *user)
{
    struct h2_connection *c = connection_of(user);
    struct h2_server *server = c->server;
    loop_timer_cancel(server->loop, &c->timer);
    reset_streams(c, H2_CODE_CANCEL);
    nghttp2_session_del(c->session);
    c->session = NULL;
    while (c->streams != NULL) {
        h2_stream_free(c->streams);
    }
    h2_out_reset(&c->out);
    ASSERT(c->memory.used_bytes == 0);
    struct h2_connection **link = &server->unflushed;
    while (c->is_unflushed && *link != c) {
        link = &(*link)->next_unflushed;
    }
    if (c->is_unflushed) {
        *link = c->next_unflushed;
    }
    if (c->next != NULL) {
        c->next->previous = c->previous;
    }
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        server->connections = c->next;
    }
    server->connection_count--;
    mem_free(c);
    h2_server_check_closed(server);
}

static const struct channel_user_ops CONNECTION_OPS = {
    .on_receive = connection_on_receive,
    .on_end = connection_on_end,
    .on_sent = connection_on_sent,
    .on_closed = connection_on_closed,
};

/* --- going ------------------------------------------------------------------------------------ */

void h2_connection_leave(struct h2_connection *c, const char *text)
{
    if (c->state != H2_STATE_OPEN) {
        return;
    }
    c->state = H2_STATE_LEAVING;
    c->leave_text = text;
    if (nghttp2_submit_shutdown_notice(c->session) != 0) {
        h2_connection_close(c);
        return;
    }
    c->leave_until_mono_ns = now_of(c) + H2_LEAVE_MS * CLOCK_NS_PER_MS;
    h2_connection_watch(c, c->leave_until_mono_ns);
    h2_server_flush_later(c);
}

void h2_connection_left(struct h2_connection *c)
{
    ASSERT(c->state == H2_STATE_LEAVING);
    c->state = H2_STATE_LEFT;
    struct slice text = slice_of_text(c->leave_text);
    int err = nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(c->session),
                                    NGHTTP2_NO_ERROR, text.ptr, text.len);
    if (err != 0) {
        h2_connection_close(c);
        return;
    }
    uint64_t grace_ns = c->server->options.age_grace_ns;
    c->leave_until_mono_ns = grace_ns == 0 ? 0 : now_of(c) + grace_ns;
    if (grace_ns != 0) {
        h2_connection_watch(c, c->leave_until_mono_ns);
    }
    h2_server_flush_later(c);
}

/* --- start ------------------------------------------------------------------------------------ */

static int session_open(struct h2_connection *c)
{
    struct h2_server *server = c->server;
    const struct h2_server_options *options = &server->options;
    nghttp2_mem hooks = h2_memory_hooks(&c->memory);
    int err =
        nghttp2_session_server_new3(&c->session, server->callbacks, c, server->option, &hooks);
    if (err != 0) {
        return h2_fault(err);
    }
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options->stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options->max_header_list_bytes},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, options->max_frame_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    err = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, COUNT_OF(entries));
    if (err == 0) {
        err = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                                    (int32_t)options->connection_window_bytes);
    }
    return err != 0 ? h2_fault(err) : gather_greeting(c);
}

/* So that connections made together do not leave together. */
static uint64_t jittered_age_ns(struct h2_server *server)
{
    uint64_t x = server->jitter_state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    server->jitter_state = x;
    uint64_t age_ns = server->options.age_max_ns;
    uint64_t spread_ns = age_ns / 100 * H2_AGE_JITTER_PERCENT;
    return age_ns - spread_ns + x % (2 * spread_ns + 1);
}

int h2_connection_start(struct h2_server *server, struct channel *channel, struct slice first)
{
    struct h2_connection *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(server->loop);
    c->user.ops = &CONNECTION_OPS;
    c->channel = channel;
    c->server = server;
    c->memory.max_bytes = server->options.memory_max_bytes;
    c->out.memory = &c->memory;
    c->timer.on_fire = h2_connection_on_timer;
    c->received_mono_ns = now_mono_ns;
    c->idle_since_mono_ns = now_mono_ns;
    c->preface_until_mono_ns = now_mono_ns + server->options.preface_timeout_ns;
    if (server->options.age_max_ns != 0) {
        c->age_until_mono_ns = now_mono_ns + jittered_age_ns(server);
    }
    int err = session_open(c);
    if (err == 0) {
        err = loop_timer_arm(server->loop, &c->timer, c->preface_until_mono_ns);
    }
    if (err != 0) {
        nghttp2_session_del(c->session);
        h2_out_reset(&c->out);
        mem_free(c);
        return err;
    }
    c->next = server->connections;
    if (c->next != NULL) {
        c->next->previous = c;
    }
    server->connections = c;
    server->connection_count++;
    server->stats.adopted_count++;
    channel_hand_over(channel, &c->user);
    h2_connection_watch(c, now_mono_ns + server->options.keepalive_time_ns);
    if (c->age_until_mono_ns != 0) {
        h2_connection_watch(c, c->age_until_mono_ns);
    }
    if (server->options.idle_max_ns != 0) {
        h2_connection_watch(c, now_mono_ns + server->options.idle_max_ns);
    }
    take_input(c, first);
    return 0;
}
