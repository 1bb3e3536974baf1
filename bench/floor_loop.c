/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_loop — the gateway's own loop with a receiver that throws everything away: what is left is
 * the price of the loop.
 */
#include "bench/floor.h"
#include "core/base/defs.h"
#include "io/loop.h"

struct floor_socket {
    struct loop_dgram_socket socket;
    struct floor_thread *thread; /* borrowed */
    bool is_closed;
};

static void floor_on_receive(struct loop_dgram_socket *socket, const struct loop_dgram *burst,
                             size_t count)
{
    struct floor_socket *s = CONTAINER_OF(socket, struct floor_socket, socket);
    for (size_t i = 0; i < count; i++) {
        floor_count(&s->thread->counts, burst[i].bytes, burst[i].segment_bytes);
    }
}

static void floor_on_error(struct loop_dgram_socket *socket, int fault)
{
    struct floor_socket *s = CONTAINER_OF(socket, struct floor_socket, socket);
    s->thread->fault = fault;
}

static void floor_on_closed(struct loop_dgram_socket *socket)
{
    struct floor_socket *s = CONTAINER_OF(socket, struct floor_socket, socket);
    s->is_closed = true;
}

static int floor_turns(struct loop *loop, struct floor_socket *s)
{
    while (!s->is_closed) {
        const int handled = loop_turn(loop, (uint64_t)FLOOR_WAIT_MS * 1000000);
        if (handled < 0) {
            return handled;
        }
        if (atomic_load_explicit(s->thread->is_stopping, memory_order_relaxed)) {
            loop_dgram_stop(loop, &s->socket);
        }
    }
    return s->thread->fault;
}

int floor_loop_run(struct floor_thread *thread)
{
    const struct loop_options options = {
        .backend = thread->io == FLOOR_IO_URING ? LOOP_BACKEND_URING : LOOP_BACKEND_EPOLL,
    };
    struct loop *loop = NULL;
    int err = loop_open(&options, &loop, NULL);
    if (err != 0) {
        return err;
    }
    struct floor_socket s = {
        .socket = {.fd = thread->fd,
                   .on_receive = floor_on_receive,
                   .on_error = floor_on_error,
                   .on_closed = floor_on_closed},
        .thread = thread,
    };
    err = loop_dgram_start(loop, &s.socket);
    if (err == 0) {
        err = floor_turns(loop, &s);
    }
    loop_close(loop);
    return err;
}
