/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_deadline — how long a connection may take for each thing, watched by one timer.
 *
 * The timer is armed for the earliest deadline known when it was armed. Most deadlines only move
 * later (each byte received moves the keepalive), so it looks again when it fires instead of being
 * armed anew for each request.
 */
#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "io/h2_server_connection.h"

void h2_connection_watch(struct h2_connection *c, uint64_t deadline_mono_ns)
{
    if (c->state == H2_STATE_CLOSING) {
        return;
    }
    if (timer_is_armed(&c->timer) && c->timer.deadline_mono_ns <= deadline_mono_ns) {
        return;
    }
    if (loop_timer_arm(c->server->loop, &c->timer, deadline_mono_ns) != 0) {
        h2_connection_close(c); /* without deadlines it might stay for ever */
    }
}

static uint64_t earlier(uint64_t a_mono_ns, uint64_t b_mono_ns)
{
    return a_mono_ns < b_mono_ns ? a_mono_ns : b_mono_ns;
}

static uint64_t or_never(uint64_t deadline_mono_ns)
{
    return deadline_mono_ns != 0 ? deadline_mono_ns : UINT64_MAX;
}

static bool is_idle_watched(const struct h2_connection *c)
{
    return c->state == H2_STATE_OPEN && c->server->options.idle_max_ns != 0 && c->stream_count == 0;
}

static uint64_t next_deadline(const struct h2_connection *c)
{
    const struct h2_server_options *options = &c->server->options;
    uint64_t next = earlier(or_never(c->leave_until_mono_ns), or_never(c->send_until_mono_ns));
    if (c->state >= H2_STATE_ENDING) {
        return next;
    }
    next = earlier(next, c->is_begun ? UINT64_MAX : c->preface_until_mono_ns);
    next = earlier(next, c->ping_until_mono_ns != 0
                             ? c->ping_until_mono_ns
                             : c->received_mono_ns + options->keepalive_time_ns);
    if (c->first_answer != NULL) {
        next = earlier(next, c->first_answer->answer_until_mono_ns);
    }
    if (c->state == H2_STATE_OPEN) {
        next = earlier(next, or_never(c->age_until_mono_ns));
    }
    if (is_idle_watched(c)) {
        next = earlier(next, c->idle_since_mono_ns + options->idle_max_ns);
    }
    return next;
}

/* Answers that the peer's windows hold up: the stream goes, so that its memory does. */
static void check_answers(struct h2_connection *c, uint64_t now_mono_ns)
{
    while (c->first_answer != NULL && c->first_answer->answer_until_mono_ns <= now_mono_ns) {
        c->server->stats.abuse_count[H2_ABUSE_SLOW_READER]++;
        h2_stream_reset(c->first_answer, H2_CODE_CANCEL); /* unlists it */
    }
}

static void check_peer(struct h2_connection *c, uint64_t now_mono_ns)
{
    struct h2_server *server = c->server;
    if (!c->is_begun && c->preface_until_mono_ns <= now_mono_ns) {
        server->stats.timeout_count++;
        h2_connection_close(c);
        return;
    }
    if (c->ping_until_mono_ns != 0 && c->ping_until_mono_ns <= now_mono_ns) {
        server->stats.timeout_count++;
        h2_connection_close(c);
        return;
    }
    uint64_t silent_ns = now_mono_ns - c->received_mono_ns;
    if (c->ping_until_mono_ns != 0 || silent_ns < server->options.keepalive_time_ns) {
        return;
    }
    c->ping_until_mono_ns = now_mono_ns + server->options.keepalive_timeout_ns;
    if (nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL) != 0) {
        h2_connection_close(c);
    }
}

static void check_stay(struct h2_connection *c, uint64_t now_mono_ns)
{
    struct h2_server *server = c->server;
    if (c->state == H2_STATE_OPEN && or_never(c->age_until_mono_ns) <= now_mono_ns) {
        server->stats.aged_count++;
        h2_connection_leave(c, "max_age");
    }
    if (is_idle_watched(c) && now_mono_ns - c->idle_since_mono_ns >= server->options.idle_max_ns) {
        server->stats.aged_count++;
        h2_connection_leave(c, "max_idle");
    }
    if (or_never(c->leave_until_mono_ns) > now_mono_ns) {
        return;
    }
    if (c->state == H2_STATE_LEAVING) {
        h2_connection_left(c);
    } else if (c->state == H2_STATE_LEFT) {
        h2_connection_fail(c, H2_CODE_NO_ERROR, "grace_is_over");
    }
}

void h2_connection_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct h2_connection *c = CONTAINER_OF(timer, struct h2_connection, timer);
    if (or_never(c->send_until_mono_ns) <= now_mono_ns) {
        c->server->stats.abuse_count[H2_ABUSE_SLOW_READER]++;
        h2_connection_close(c);
        return;
    }
    if (c->state == H2_STATE_LINGER && c->leave_until_mono_ns <= now_mono_ns) {
        h2_connection_close(c);
        return;
    }
    if (c->state < H2_STATE_ENDING) {
        check_answers(c, now_mono_ns);
        check_peer(c, now_mono_ns);
    }
    if (c->state < H2_STATE_ENDING) {
        check_stay(c, now_mono_ns);
    }
    uint64_t next = next_deadline(c);
    if (next != UINT64_MAX) {
        h2_connection_watch(c, next);
    }
    h2_connection_flush(c);
}
