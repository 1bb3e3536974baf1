/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer — the program `weir-balancer ADDRESS`: it listens on that address as standard input says
 * (control.h), and ends with it.
 */
#include "tests/support/balancer/balancer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "tests/support/balancer/check.h"
#include "tests/support/balancer/control.h"
#include "tests/support/balancer/member.h"
#include "tests/support/balancer/tcp_flow.h"
#include "tests/support/balancer/udp_flow.h"

#define EVENTS_COUNT 64
/* How late a check or an expiry may be. */
#define SWEEP_MS 10
#define EXIT_FAILED 1
#define EXIT_USAGE 2

/* What AWS's balancer does unless told otherwise. */
static const struct balancer_settings default_settings = {
    .udp_idle_ms = 120000,
    .check_interval_ms = 30000,
    .check_timeout_ms = 6000,
    .healthy_threshold = 5,
    .unhealthy_threshold = 2,
    .unhealthy_linger_ms = 30000,
    .deregistered_linger_ms = 0,
    .deregistration_delay_ms = 300000,
    .is_terminating = 1,
};

int balancer_watch(struct balancer *b, struct watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    return epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) == 0 ? 0 : -errno;
}

void balancer_unwatch(struct watch *w)
{
    if (w->fd >= 0) {
        (void)close(w->fd); /* leaves the epoll set with it */
        w->fd = -1;
    }
}

int balancer_listen(struct balancer *b, const struct listener *l)
{
    if (b->listener_count == BALANCER_LISTENERS_MAX) {
        return -ENOSPC;
    }
    struct listener *own = &b->listeners[b->listener_count];
    *own = *l;
    const int err =
        own->protocol == LISTENER_UDP ? udp_flow_listen(b, own) : tcp_flow_listen(b, own);
    if (err != 0) {
        balancer_unwatch(&own->watch);
        return err;
    }
    b->listener_count++;
    return 0;
}

static void sweep(struct balancer *b)
{
    member_sweep(b);
    check_sweep(b);
    tcp_flow_sweep(b);
    udp_flow_sweep(b);
}

static int run(struct balancer *b)
{
    uint64_t sweep_mono_ns = 0;
    while (!b->is_over) {
        struct epoll_event events[EVENTS_COUNT];
        const int count = epoll_wait(b->epoll_fd, events, EVENTS_COUNT, SWEEP_MS);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        b->now_mono_ns = clock_mono_ns();
        for (int i = 0; i < count; i++) {
            struct watch *w = events[i].data.ptr;
            w->on_event(b, w, events[i].events);
        }
        if (b->now_mono_ns >= sweep_mono_ns) {
            sweep_mono_ns = b->now_mono_ns + SWEEP_MS * CLOCK_NS_PER_MS;
            sweep(b);
        }
        tcp_flow_bury(b);
    }
    return 0;
}

static void fini(struct balancer *b)
{
    tcp_flow_fini(b);
    udp_flow_fini(b);
    for (uint32_t i = 0; i < b->listener_count; i++) {
        balancer_unwatch(&b->listeners[i].watch);
        for (uint32_t k = 0; k < b->target_count; k++) {
            check_free(b->listeners[i].members[k].check);
        }
    }
    if (b->epoll_fd >= 0) {
        (void)close(b->epoll_fd); /* nothing is left in it */
    }
}

static int serve(struct balancer *b)
{
    b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = b->epoll_fd < 0 ? -errno : udp_flow_init(b);
    if (err != 0) {
        return err;
    }
    struct control *control = control_new(b, STDIN_FILENO);
    if (control == NULL) {
        return -ENOMEM;
    }
    err = run(b);
    control_free(control);
    return err;
}

int main(int argc, char **argv)
{
    struct balancer *b = mem_alloc(sizeof(*b));
    if (b == NULL) {
        return EXIT_FAILED;
    }
    b->settings = default_settings;
    if (argc != 2 || inet_pton(AF_INET, argv[1], &b->address) != 1) {
        (void)fputs("usage: weir-balancer ADDRESS\n", stderr);
        mem_free(b);
        return EXIT_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const int err = serve(b);
    fini(b);
    mem_free(b);
    if (err != 0) {
        (void)fprintf(stderr, "weir-balancer: %s\n", strerror(-err));
    }
    return err == 0 ? 0 : EXIT_FAILED;
}
