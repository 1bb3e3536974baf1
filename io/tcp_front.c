/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_front — visitors: accepted connections that have not said what they speak.
 *
 * A visitor is the channel's user until its protocol is known; then the channel changes hands and
 * the visitor goes. What came in pieces is put together here, a few bytes at most. Owns its
 * listening descriptors and its visitors.
 */
#include "io/tcp_front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/proxy_v2.h"
#include "io/tls.h"

enum visitor_stage {
    VISITOR_PROXY,  /* the PROXY header comes first */
    VISITOR_LOOK,   /* then the protocol, or TLS */
    VISITOR_INSIDE, /* under TLS: the protocol */
    VISITOR_CLOSING,
};

struct tcp_front_visitor { /* shard-local */
    struct channel_user user;
    struct channel *channel; /* borrowed until on_closed, or until it is handed on */
    struct tcp_front *front;
    struct tcp_front_visitor *next;
    struct tcp_front_visitor *previous;
    enum visitor_stage stage;
    bool has_spoken;
    bool has_proxy; /* its PROXY header is behind it */
    struct timer silence;
    uint8_t *held; /* owned; what came and does not tell yet */
    size_t held_bytes;
};

/* --- counting --------------------------------------------------------------------------------- */

static void front_on_closed_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct tcp_front *front = CONTAINER_OF(timer, struct tcp_front, closed_timer);
    front->on_closed(front);
}

static void check_closed(struct tcp_front *front)
{
    if (!front->is_stopping || front->listening_count > 0 || front->channel_count > 0) {
        return;
    }
    /* By way of a timer: the last one may go from inside the owner's own call. */
    int err = loop_timer_arm(front->loop, &front->closed_timer, loop_now_mono_ns(front->loop));
    if (err != 0) {
        front->on_closed(front);
    }
}

static void count_open(struct tcp_front *front, bool is_more)
{
    struct counter *open = &front->stats->connections_open;
    uint64_t value = counter_read(open); /* shared with other fronts of this thread */
    counter_set(open, is_more ? value + 1 : value - 1);
    front->channel_count = is_more ? front->channel_count + 1 : front->channel_count - 1;
}

static void front_on_gone(struct channel_watch *watch)
{
    struct tcp_front *front = CONTAINER_OF(watch, struct tcp_front, watch);
    ASSERT(front->channel_count > 0);
    count_open(front, false);
    check_closed(front);
}

/* --- complaints ------------------------------------------------------------------------------- */

static const char *peer_text(const struct channel *channel, char *buf, size_t cap)
{
    const struct loop_address *peer = channel_peer(channel);
    const char *text = NULL;
    if (peer->len > 0 && peer->any.sa_family == AF_INET) {
        text = inet_ntop(AF_INET, &peer->in4.sin_addr, buf, (socklen_t)cap);
    } else if (peer->len > 0 && peer->any.sa_family == AF_INET6) {
        text = inet_ntop(AF_INET6, &peer->in6.sin6_addr, buf, (socklen_t)cap);
    }
    return text != NULL ? text : "";
}

static void complain(struct tcp_front_visitor *v, const char *event, const char *why,
                     struct slice sample)
{
    struct tcp_front *front = v->front;
    uint64_t suppressed_count = 0;
    uint64_t now_mono_ns = loop_now_mono_ns(front->loop);
    if (!log_limit_admit(&front->complaints, now_mono_ns, &suppressed_count)) {
        return;
    }
    char peer[INET6_ADDRSTRLEN];
    char bytes[LOG_SAMPLE_TEXT_BYTES];
    log_warn(event, LOG_TEXT("listener", front->name), LOG_TEXT("reason", why),
             LOG_TEXT("peer", peer_text(v->channel, peer, sizeof(peer))),
             LOG_TEXT("sample", log_escape_sample(sample, bytes)),
             LOG_U64("suppressed", suppressed_count));
}

/* --- a visitor's life ------------------------------------------------------------------------- */

static void visitor_leave(struct tcp_front_visitor *v)
{
    struct tcp_front *front = v->front;
    loop_timer_cancel(front->loop, &v->silence);
    if (v->next != NULL) {
        v->next->previous = v->previous;
    }
    if (v->previous != NULL) {
        v->previous->next = v->next;
    } else {
        front->first = v->next;
    }
    mem_free(v->held);
    mem_free(v);
}

static void visitor_close(struct tcp_front_visitor *v)
{
    if (v->stage != VISITOR_CLOSING) {
        v->stage = VISITOR_CLOSING;
        loop_timer_cancel(v->front->loop, &v->silence);
        channel_close(v->channel);
    }
}

/* The sample is short: behind a request line there may be a secret. */
static void turn_away(struct tcp_front_visitor *v, const char *why, struct slice sample)
{
    v->front->counts.unknown_count++;
    sample = slice_first(sample, sample.len < SNIFF_MAX_BYTES ? sample.len : SNIFF_MAX_BYTES);
    complain(v, "protocol_unknown", why, sample);
    visitor_close(v);
}

static void hand_on(struct tcp_front_visitor *v, enum sniff_kind kind, struct slice bytes)
{
    struct tcp_front *front = v->front;
    if (front->on_protocol(front, kind, v->channel, bytes)) {
        visitor_leave(v);
        return;
    }
    front->counts.turned_away_count++;
    visitor_close(v);
}

/* Keeps `bytes`, which may lie in what is held already. */
static void hold(struct tcp_front_visitor *v, struct slice bytes)
{
    if (v->held == NULL) {
        v->held = mem_alloc(PROXY_V2_MAX_BYTES);
    }
    if (v->held == NULL || bytes.len > PROXY_V2_MAX_BYTES) {
        visitor_close(v);
        return;
    }
    memmove(v->held, bytes.ptr, bytes.len);
    v->held_bytes = bytes.len;
}

static void let_go(struct tcp_front_visitor *v)
{
    mem_free(v->held);
    v->held = NULL;
    v->held_bytes = 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void start_tls(struct tcp_front_visitor *v, struct slice bytes)
{
    const struct channel_options options = {
        .role = CHANNEL_SERVER,
        .tls = v->front->options.tls,
    };
    v->stage = VISITOR_INSIDE;
    if (channel_start_tls(v->channel, &options, bytes) != 0) {
        v->front->counts.tls_failed_count++;
        visitor_close(v);
    }
    let_go(v);
}

/* What may stand at this place. */
static uint32_t allowed_of(const struct tcp_front_visitor *v)
{
    const struct tcp_front_options *o = &v->front->options;
    uint32_t first = o->allows_proxy && !v->has_proxy ? SNIFF_BIT(SNIFF_PROXY) : 0;
    if (v->stage == VISITOR_INSIDE) {
        return o->protocols;
    }
    if (o->tls == NULL) {
        return first | o->protocols;
    }
    return first | SNIFF_BIT(SNIFF_TLS) | (o->allows_cleartext ? o->protocols : 0);
}

/* What both sides agreed on in the handshake needs no look. */
static enum sniff_kind kind_of(const struct tcp_front_visitor *v, struct slice bytes)
{
    uint32_t protocols = v->front->options.protocols;
    struct slice alpn = channel_alpn(v->channel);
    if (slice_is_text(alpn, "h2") && (protocols & SNIFF_BIT(SNIFF_HTTP2)) != 0) {
        return SNIFF_HTTP2;
    }
    if (slice_is_text(alpn, "http/1.1") && (protocols & SNIFF_BIT(SNIFF_HTTP1)) != 0) {
        return SNIFF_HTTP1;
    }
    return sniff_protocol(bytes, allowed_of(v));
}

static void look(struct tcp_front_visitor *v, struct slice bytes)
{
    enum sniff_kind kind = kind_of(v, bytes);
    switch (kind) {
    case SNIFF_MORE:
        hold(v, bytes);
        return;
    case SNIFF_UNKNOWN:
    case SNIFF_PROXY:
        turn_away(v,
                  v->front->options.tls != NULL ? "no TLS, or no protocol of this port in it"
                                                : "no protocol of this port",
                  bytes);
        return;
    case SNIFF_TLS:
        start_tls(v, bytes);
        return;
    case SNIFF_HTTP1:
    case SNIFF_HTTP2:
    case SNIFF_STATSD:
        break;
    }
    hand_on(v, kind, bytes);
}

static void read_proxy(struct tcp_front_visitor *v, struct slice bytes)
{
    struct proxy_v2 header;
    const char *why = NULL;
    switch (proxy_v2_decode(bytes, &header, &why)) {
    case PARSE_MORE:
        hold(v, bytes);
        return;
    case PARSE_BAD:
        turn_away(v, why, bytes);
        return;
    case PARSE_DONE:
        break;
    }
    if (header.has_source) {
        channel_set_peer(v->channel, &header.source);
    }
    v->stage = VISITOR_LOOK;
    v->has_proxy = true;
    bytes = slice_from(bytes, header.header_bytes);
    if (bytes.len == 0) {
        let_go(v);
        return;
    }
    look(v, bytes);
}

static void examine(struct tcp_front_visitor *v, struct slice bytes)
{
    v->has_spoken = true;
    bool may_be_proxy = v->stage == VISITOR_LOOK && v->front->options.allows_proxy;
    if (may_be_proxy && sniff_protocol(bytes, allowed_of(v)) == SNIFF_PROXY) {
        v->stage = VISITOR_PROXY;
    }
    if (v->stage == VISITOR_PROXY) {
        read_proxy(v, bytes);
        return;
    }
    look(v, bytes);
}

/* --- the channel ------------------------------------------------------------------------------ */

static void visitor_on_receive(struct channel_user *user, struct slice bytes)
{
    struct tcp_front_visitor *v = CONTAINER_OF(user, struct tcp_front_visitor, user);
    if (v->stage == VISITOR_CLOSING) {
        return;
    }
    if (v->held_bytes == 0) {
        examine(v, bytes);
        return;
    }
    uint8_t *all = mem_resize(NULL, v->held_bytes + bytes.len);
    if (all == NULL) {
        visitor_close(v);
        return;
    }
    memcpy(all, v->held, v->held_bytes);
    memcpy(all + v->held_bytes, bytes.ptr, bytes.len);
    examine(v, slice_of(all, v->held_bytes + bytes.len)); /* the visitor may be gone after it */
    mem_free(all);
}

static void visitor_on_end(struct channel_user *user, int fault)
{
    struct tcp_front_visitor *v = CONTAINER_OF(user, struct tcp_front_visitor, user);
    if (v->stage == VISITOR_CLOSING) {
        return;
    }
    struct tcp_front_counts *counts = &v->front->counts;
    const char *why = channel_why(v->channel);
    if (!v->has_spoken || v->stage == VISITOR_LOOK) {
        counts->silent_count++;
    } else if (v->stage == VISITOR_INSIDE && why[0] != '\0') {
        counts->tls_failed_count++;
        complain(v, "tls_handshake_failed", why, (struct slice){0});
    } else {
        counts->silent_count++;
    }
    (void)fault; /* a connection that broke before it said anything is like one that left */
    visitor_close(v);
}

static void visitor_on_sent(struct channel_user *user, int fault)
{
    (void)user; /* a visitor sends nothing */
    (void)fault;
}

static void visitor_on_closed(struct channel_user *user)
{
    visitor_leave(CONTAINER_OF(user, struct tcp_front_visitor, user));
}

static const struct channel_user_ops visitor_ops = {
    .on_receive = visitor_on_receive,
    .on_end = visitor_on_end,
    .on_sent = visitor_on_sent,
    .on_closed = visitor_on_closed,
};

static void visitor_on_silence(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct tcp_front_visitor *v = CONTAINER_OF(timer, struct tcp_front_visitor, silence);
    bool is_looking = v->stage == VISITOR_LOOK || v->stage == VISITOR_INSIDE;
    bool may_be_statsd = (allowed_of(v) & SNIFF_BIT(SNIFF_STATSD)) != 0;
    if (is_looking && may_be_statsd && v->held_bytes > 0) {
        /* A line that begins like a method and comes slowly. */
        hand_on(v, SNIFF_STATSD, slice_of(v->held, v->held_bytes));
        return;
    }
    v->front->counts.silent_count++;
    visitor_close(v);
}

/* --- accepting -------------------------------------------------------------------------------- */

static int visitor_start(struct tcp_front *front, int fd, const struct loop_address *peer)
{
    struct tcp_front_visitor *v = mem_alloc(sizeof(*v));
    if (v == NULL) {
        return -ENOMEM;
    }
    v->user.ops = &visitor_ops;
    v->front = front;
    v->stage = front->options.expects_proxy ? VISITOR_PROXY : VISITOR_LOOK;
    v->silence.on_fire = visitor_on_silence;
    uint64_t silence_ns = front->options.silence_ms * CLOCK_NS_PER_MS;
    uint64_t deadline_mono_ns = loop_now_mono_ns(front->loop) + silence_ns;
    int err = loop_timer_arm(front->loop, &v->silence, deadline_mono_ns);
    const struct channel_options options = {.role = CHANNEL_SERVER, .watch = &front->watch};
    if (err == 0) {
        err = channel_open(front->loop, fd, &options, &v->user, &v->channel);
    }
    if (err != 0) {
        loop_timer_cancel(front->loop, &v->silence);
        mem_free(v);
        return err;
    }
    if (peer != NULL) {
        channel_set_peer(v->channel, peer);
    }
    v->next = front->first;
    if (v->next != NULL) {
        v->next->previous = v;
    }
    front->first = v;
    return 0;
}

static void front_on_accept(struct loop_listener *base, int fd, const struct loop_address *peer)
{
    struct tcp_front *front = CONTAINER_OF(base, struct tcp_front_listener, listener)->front;
    int one = 1;
    /* Answers leave in one piece each; on a Unix socket the option does not exist. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    bool is_full = front->channel_count >= front->options.connections_max;
    if (front->is_stopping || is_full || visitor_start(front, fd, peer) != 0) {
        counter_add(&front->stats->connections_refused, 1);
        (void)close(fd); /* nothing was written to it that could be lost */
        return;
    }
    counter_add(&front->stats->connections_accepted, 1);
    count_open(front, true);
}

static void front_on_error(struct loop_listener *base, int fault)
{
    struct tcp_front *front = CONTAINER_OF(base, struct tcp_front_listener, listener)->front;
    if (front->on_fault != NULL) {
        front->on_fault(front, fault);
    }
}

static void front_on_listener_closed(struct loop_listener *base)
{
    struct tcp_front *front = CONTAINER_OF(base, struct tcp_front_listener, listener)->front;
    (void)close(base->fd); /* a listening socket has no data to lose */
    base->fd = -1;
    ASSERT(front->listening_count > 0);
    front->listening_count--;
    check_closed(front);
}

static int start_listener(struct tcp_front *front, int fd)
{
    struct tcp_front_listener *listener = &front->listeners[front->listener_count];
    *listener = (struct tcp_front_listener){
        .front = front,
        .listener = {.fd = fd,
                     .on_accept = front_on_accept,
                     .on_error = front_on_error,
                     .on_closed = front_on_listener_closed},
    };
    int err = loop_listener_start(front->loop, &listener->listener);
    if (err == 0) {
        front->listener_count++;
        front->listening_count++;
    }
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

int tcp_front_open(struct tcp_front *front, const int *fds, uint32_t fd_count)
{
    static const uint32_t known =
        SNIFF_BIT(SNIFF_HTTP1) | SNIFF_BIT(SNIFF_HTTP2) | SNIFF_BIT(SNIFF_STATSD);
    struct tcp_front_options *o = &front->options;
    ASSERT(front->loop != NULL && front->stats != NULL && front->name != NULL);
    ASSERT(front->on_protocol != NULL && front->on_closed != NULL);
    ASSERT(o->protocols != 0 && (o->protocols & ~known) == 0);
    ASSERT(fd_count > 0 && fd_count <= TCP_FRONT_LISTENERS_MAX);
    ASSERT(o->tls == NULL || tls_context_is_server(o->tls));
    o->connections_max = o->connections_max != 0 ? o->connections_max : TCP_FRONT_CONNECTIONS_MAX;
    o->silence_ms = o->silence_ms != 0 ? o->silence_ms : TCP_FRONT_SILENCE_MS;
    front->watch.on_gone = front_on_gone;
    front->closed_timer.on_fire = front_on_closed_timer;
    for (uint32_t i = 0; i < fd_count; i++) {
        int err = start_listener(front, fds[i]);
        if (err != 0 && i == 0) {
            return err;
        }
        if (err != 0) { /* those that listen already would take a turn to close */
            log_warn("listener_failed", LOG_TEXT("listener", front->name), LOG_U64("index", i),
                     LOG_FAULT("reason", err));
            (void)close(fds[i]); /* a listening socket has no data to lose */
        }
    }
    return 0;
}

void tcp_front_stop_accepting(struct tcp_front *front)
{
    for (uint32_t i = 0; i < front->listener_count; i++) {
        loop_listener_stop(front->loop, &front->listeners[i].listener);
    }
}

bool tcp_front_is_quiet(const struct tcp_front *front)
{
    return front->listening_count == 0 && front->first == NULL;
}

void tcp_front_stop(struct tcp_front *front)
{
    if (front->is_stopping) {
        return;
    }
    front->is_stopping = true;
    tcp_front_stop_accepting(front);
    for (struct tcp_front_visitor *v = front->first; v != NULL; v = v->next) {
        visitor_close(v);
    }
    check_closed(front);
}
