/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_link — see otlp_link.h.
 */
#include "bench/otlp/otlp_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/proc_clock.h"
#include "core/base/fault.h"

#define LINK_RETRY_NS UINT64_C(20000000)

static int link_watch(struct otlp_link *link, int operation, bool is_awaiting_room)
{
    struct epoll_event event = {.data.u32 = link->index};
    event.events = is_awaiting_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
    link->is_awaiting_room = is_awaiting_room;
    return epoll_ctl(link->load->epoll_fd, operation, link->fd, &event) == 0 ? 0 : -errno;
}

void otlp_link_land(struct otlp_link *link, struct otlp_flight *flight, enum otlp_outcome outcome)
{
    ASSERT(flight->is_used);
    ASSERT(link->used_count > 0);
    flight->is_used = false;
    link->used_count--;
    otlp_load_done(link->load, &flight->request, outcome);
}

void otlp_link_down(struct otlp_link *link, int error)
{
    if (link->state == OTLP_LINK_DOWN) {
        return;
    }
    struct otlp_load *load = link->load;
    load->connect_error_count += link->state == OTLP_LINK_CONNECTING;
    load->broken_count += link->used_count > 0;
    load->last_error = error != 0 ? error : load->last_error;
    link->ops->close(link);
    (void)close(link->fd); /* nothing of it is of use any more */
    link->fd = -1;
    link->state = OTLP_LINK_DOWN;
    link->is_leaving = false;
    link->answer_bytes = 0;
    link->answer_left_bytes = 0;
    link->out.first = 0;
    link->out.count = 0;
    link->out.copied_bytes = 0;
    link->out.pending_bytes = 0;
    link->retry_mono_ns = proc_mono_ns() + LINK_RETRY_NS;
    for (uint32_t i = 0; i < load->options.stream_count; i++) {
        if (link->flights[i].is_used) {
            otlp_link_land(link, &link->flights[i], OTLP_OUTCOME_UNANSWERED);
        }
    }
}

static void link_settle(struct otlp_link *link, int err)
{
    if (err != 0) {
        otlp_link_down(link, err);
    }
}

void otlp_link_dial(struct otlp_link *link, uint64_t now_mono_ns)
{
    const struct load_address *target = &link->load->options.target;
    if (link->state != OTLP_LINK_DOWN || now_mono_ns < link->retry_mono_ns) {
        return;
    }
    link->fd = socket(target->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0) {
        link->retry_mono_ns = now_mono_ns + LINK_RETRY_NS;
        return;
    }
    link->state = OTLP_LINK_CONNECTING;
    const int one = 1;
    int err = 0;
    if (setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        (connect(link->fd, &target->any, target->len) != 0 && errno != EINPROGRESS)) {
        err = -errno;
    }
    link_settle(link, err != 0 ? err : link_watch(link, EPOLL_CTL_ADD, true));
}

bool otlp_link_has_room(const struct otlp_link *link)
{
    return link->state == OTLP_LINK_UP && !link->is_leaving &&
           link->used_count < link->load->options.stream_count;
}

void otlp_link_submit(struct otlp_link *link, const struct otlp_request *request)
{
    ASSERT(otlp_link_has_room(link));
    const bool is_framed = link->load->options.protocol == OTLP_PROTOCOL_GRPC;
    struct otlp_flight *flight = link->flights;
    while (flight->is_used) {
        flight++;
    }
    *flight = (struct otlp_flight){
        .request = *request,
        .body = is_framed ? link->load->corpus->bodies[request->body_index].framed
                          : otlp_corpus_body(link->load->corpus, request->body_index),
        .grpc_status = -1,
        .is_used = true,
    };
    link->used_count++;
    link_settle(link, link->ops->submit(link, flight));
}

/* Writes until nothing is left or the socket is full. */
static int link_write(struct otlp_link *link)
{
    int err = 0;
    bool is_more = true;
    while (err == 0 && is_more) {
        err = link->ops->gather != NULL ? link->ops->gather(link) : 0;
        is_more = link->out.pending_bytes > 0;
        err = err != 0 ? err : otlp_out_flush(&link->out, link->fd);
        if (err == 0 && link->ops->written != NULL) {
            err = link->ops->written(link);
        }
    }
    if (err != 0 && err != -EAGAIN) {
        return err;
    }
    const bool is_awaiting_room = err == -EAGAIN;
    return is_awaiting_room == link->is_awaiting_room
               ? 0
               : link_watch(link, EPOLL_CTL_MOD, is_awaiting_room);
}

void otlp_link_flush(struct otlp_link *link)
{
    if (link->state == OTLP_LINK_UP && !link->is_awaiting_room) {
        link_settle(link, link_write(link));
    }
}

static int link_read(struct otlp_link *link)
{
    uint8_t bytes[OTLP_LINK_RECEIVE_BYTES];
    const ssize_t got = recv(link->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    return got == 0 ? FAULT_CLOSED : link->ops->receive(link, slice_of(bytes, (size_t)got));
}

static int link_connected(struct otlp_link *link)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        return -errno;
    }
    if (error != 0) {
        return -error;
    }
    link->state = OTLP_LINK_UP;
    link->opened_mono_ns = proc_mono_ns();
    return link->ops->open(link);
}

void otlp_link_turn(struct otlp_link *link, uint32_t events)
{
    int err = 0;
    if (link->state == OTLP_LINK_CONNECTING) {
        err = link_connected(link);
    } else if (link->state == OTLP_LINK_UP && (events & ~(uint32_t)EPOLLOUT) != 0) {
        err = link_read(link);
    }
    if (err == 0 && link->state == OTLP_LINK_UP) {
        err = link_write(link);
    }
    link_settle(link, err);
}
