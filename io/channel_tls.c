/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_tls — a session between the stream and the channel's user.
 *
 * What the user sends is encrypted in bounded runs, one with the loop at a time; what the session
 * itself has to say (flights, alerts, tickets) goes before it. Owns the ciphertext under way.
 */
#include "io/channel_tls.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/tls_session.h"

/* --- out -------------------------------------------------------------------------------------- */

static bool has_plaintext(const struct channel_send *send)
{
    return send->iov_index < send->iov_count;
}

static void advance_send(struct channel_send *send, size_t bytes)
{
    struct iovec *iov = &send->iov[send->iov_index];
    iov->iov_base = (uint8_t *)iov->iov_base + bytes;
    iov->iov_len -= bytes;
    while (has_plaintext(send) && send->iov[send->iov_index].iov_len == 0) {
        send->iov_index++;
    }
}

/* A record's worth: where it lies if one entry fills it, else put together in `buf`. */
static struct slice next_record(struct channel_send *send, uint8_t *buf)
{
    const struct iovec *first = &send->iov[send->iov_index];
    bool is_last = send->iov_index + 1 == send->iov_count;
    if (is_last || first->iov_len >= TLS_RECORD_BYTES) {
        size_t len = first->iov_len < TLS_RECORD_BYTES ? first->iov_len : TLS_RECORD_BYTES;
        struct slice record = slice_of(first->iov_base, len);
        advance_send(send, len);
        return record;
    }
    size_t used = 0;
    while (has_plaintext(send) && used < TLS_RECORD_BYTES) {
        const struct iovec *iov = &send->iov[send->iov_index];
        size_t room = TLS_RECORD_BYTES - used;
        size_t len = iov->iov_len < room ? iov->iov_len : room;
        memcpy(buf + used, iov->iov_base, len);
        used += len;
        advance_send(send, len);
    }
    return slice_of(buf, used);
}

static int encrypt_run(struct channel *c)
{
    uint8_t buf[TLS_RECORD_BYTES];
    int err = 0;
    bool can_send = c->tls_state == CHANNEL_TLS_OPEN || c->tls_state == CHANNEL_TLS_ENDED;
    while (err == 0 && can_send && has_plaintext(&c->send) &&
           tls_session_output_bytes(c->tls) < TLS_SEND_BYTES) {
        err = tls_session_send(c->tls, next_record(&c->send, buf));
    }
    return err;
}

/* Gives the loop what there is, if it has nothing of ours. 0 or negative. */
static int pump(struct channel *c)
{
    if (c->is_closing || c->is_stream_sending) {
        return 0;
    }
    int err = encrypt_run(c);
    if (err != 0) {
        return err;
    }
    struct iovec iov = {0};
    tls_session_take_output(c->tls, &c->sending, &iov.iov_len);
    iov.iov_base = c->sending;
    if (iov.iov_len == 0 && !c->is_user_sending) {
        return 0;
    }
    bool is_waiting = c->tls_state == CHANNEL_TLS_HANDSHAKE || c->tls_state == CHANNEL_TLS_FAILING;
    if (iov.iov_len == 0 && is_waiting) {
        return 0;
    }
    /* Nothing left of a user's send: an empty one brings its on_sent, from a later turn. */
    err = loop_stream_send(c->loop, &c->stream, &iov, 1);
    c->is_stream_sending = err == 0;
    if (err != 0) {
        mem_free(c->sending);
        c->sending = NULL;
    }
    return err;
}

static void settle_shutdown(struct channel *c)
{
    bool is_user_first = c->is_user_sending && c->tls_state != CHANNEL_TLS_FAILING;
    if (!c->is_shutdown_due || is_user_first || c->is_stream_sending || c->is_closing) {
        return;
    }
    c->is_shutdown_due = false;
    tls_session_close(c->tls);
    (void)pump(c); /* a connection that is gone is told elsewhere */
    loop_stream_shutdown(c->loop, &c->stream);
}

static void tell_sent(struct channel *c, int fault)
{
    if (c->is_user_sending && !c->is_closing) {
        c->is_user_sending = false;
        c->send = (struct channel_send){0};
        c->user->ops->on_sent(c->user, fault);
    }
}

/* From the loop's callbacks: pumps, and tells the user where that fails. */
static void go_on(struct channel *c)
{
    int err = pump(c);
    if (err != 0) {
        tell_sent(c, err);
        return;
    }
    settle_shutdown(c);
}

void channel_tls_sent(struct channel *c, int fault)
{
    mem_free(c->sending);
    c->sending = NULL;
    c->is_stream_sending = false;
    if (fault != 0) {
        tell_sent(c, fault);
        return;
    }
    bool is_user_done = c->is_user_sending && !has_plaintext(&c->send) &&
                        tls_session_output_bytes(c->tls) == 0 &&
                        c->tls_state != CHANNEL_TLS_HANDSHAKE;
    if (is_user_done) {
        tell_sent(c, 0);
    }
    go_on(c);
}

int channel_tls_send(struct channel *c, const struct iovec *iov, size_t iov_count)
{
    if (c->is_user_sending || c->is_shutdown_due) {
        return -EBUSY;
    }
    if (c->tls_state == CHANNEL_TLS_FAILING) {
        return FAULT_CLOSED;
    }
    c->send = (struct channel_send){0};
    for (size_t i = 0; i < iov_count; i++) {
        if (iov[i].iov_len > 0) {
            c->send.iov[c->send.iov_count++] = iov[i];
        }
    }
    c->is_user_sending = true;
    int err = pump(c);
    if (err != 0) {
        c->is_user_sending = false;
        c->send = (struct channel_send){0};
    }
    return err;
}

void channel_tls_shutdown(struct channel *c)
{
    c->is_shutdown_due = true;
    settle_shutdown(c);
}

/* --- in --------------------------------------------------------------------------------------- */

/* Not while the user's own call is on the stack: the end is told from the timer, the stream's end
 * or its last send. */
static void fail(struct channel *c)
{
    c->tls_state = CHANNEL_TLS_FAILING;
    uint64_t linger_ns = TLS_LINGER_MS * CLOCK_NS_PER_MS;
    c->is_shutdown_due = true;
    int err = pump(c);
    settle_shutdown(c);
    uint64_t now_mono_ns = loop_now_mono_ns(c->loop);
    err = loop_timer_arm(c->loop, &c->timer, now_mono_ns + (err == 0 ? linger_ns : 0));
    if (err != 0) {
        channel_tell_end(c, err);
    }
}

static void note_established(struct channel *c)
{
    if (c->tls_state != CHANNEL_TLS_HANDSHAKE || !tls_session_is_established(c->tls)) {
        return;
    }
    c->tls_state = CHANNEL_TLS_OPEN;
    loop_timer_cancel(c->loop, &c->timer);
    if (c->is_paused) {
        loop_stream_pause(c->loop, &c->stream);
    }
}

void channel_tls_receive(struct channel *c, struct slice bytes)
{
    uint8_t plain[TLS_RECORD_BYTES];
    for (;;) {
        bool is_reading = c->tls_state == CHANNEL_TLS_HANDSHAKE || c->tls_state == CHANNEL_TLS_OPEN;
        if (c->is_closing || !is_reading) {
            break;
        }
        size_t len = 0;
        int err = tls_session_receive(c->tls, &bytes, plain, sizeof(plain), &len);
        note_established(c);
        if (err == FAULT_CLOSED) {
            c->tls_state = CHANNEL_TLS_ENDED;
            channel_tell_end(c, 0);
        } else if (err != 0) {
            fail(c);
        } else if (len == 0) {
            break;
        } else {
            c->user->ops->on_receive(c->user, slice_of(plain, len));
        }
    }
    if (!c->is_closing && c->tls_state != CHANNEL_TLS_FAILING) {
        go_on(c);
    }
}

void channel_tls_end(struct channel *c, int fault)
{
    switch (c->tls_state) {
    case CHANNEL_TLS_HANDSHAKE:
        c->why = "the peer left during the handshake";
        channel_tell_end(c, fault != 0 ? fault : FAULT_CLOSED);
        break;
    case CHANNEL_TLS_FAILING:
        channel_tell_end(c, FAULT_MALFORMED);
        break;
    case CHANNEL_TLS_NONE:
    case CHANNEL_TLS_OPEN:
    case CHANNEL_TLS_ENDED:
        channel_tell_end(c, fault);
        break;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void channel_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct channel *c = CONTAINER_OF(timer, struct channel, timer);
    if (c->tls_state == CHANNEL_TLS_FAILING) {
        channel_tell_end(c, FAULT_MALFORMED);
        return;
    }
    c->why = "the handshake took too long";
    channel_tell_end(c, -ETIMEDOUT);
}

int channel_tls_prepare(struct channel *c, const struct channel_options *options)
{
    ASSERT(c->tls == NULL && c->tls_state == CHANNEL_TLS_NONE);
    ASSERT(tls_context_is_server(options->tls) == (options->role == CHANNEL_SERVER));
    int err = tls_session_new(options->tls, options->server_name, &c->tls);
    if (err != 0) {
        return err;
    }
    c->timer.on_fire = channel_on_timer;
    uint64_t deadline_mono_ns =
        loop_now_mono_ns(c->loop) + TLS_HANDSHAKE_TIMEOUT_MS * CLOCK_NS_PER_MS;
    err = loop_timer_arm(c->loop, &c->timer, deadline_mono_ns);
    if (err != 0) {
        tls_session_free(c->tls);
        c->tls = NULL;
        return err;
    }
    c->tls_state = CHANNEL_TLS_HANDSHAKE;
    return 0;
}

void channel_tls_begin(struct channel *c, struct slice first)
{
    if (first.len > 0) {
        channel_tls_receive(c, first);
        return;
    }
    if (pump(c) != 0) {
        fail(c);
    }
}

void channel_tls_fini(struct channel *c)
{
    loop_timer_cancel(c->loop, &c->timer);
    tls_session_free(c->tls);
    c->tls = NULL;
    mem_free(c->sending);
    c->sending = NULL;
}
