/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client_dial — connecting a socket without waiting for it.
 *
 * First step of an h2_client: a non-blocking connect, watched by the loop until it is decided. The
 * owner limits how long that may take. Lives on its loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/loop.h"

struct h2_dial;

/*
 * Decided, once per started dial: the descriptor moves out, or is -1 with a negative fault. After
 * h2_dial_stop: -1 and FAULT_CLOSED.
 */
typedef void(h2_dial_fn)(struct h2_dial *dial, int fd, int fault);

/* Embedded in its owner, until on_done. */
struct h2_dial {
    struct loop_poll poll;
    struct loop *loop; /* borrowed */
    h2_dial_fn *on_done;
    int fault; /* what came of it, once that is known */
};

/* Zero keeps what the kernel gives. */
struct h2_dial_options {
    uint32_t receive_buffer_bytes;
    uint32_t send_buffer_bytes;
    uint32_t user_timeout_ms; /* TCP: how long sent bytes may stay unacknowledged */
};

/* Begins to connect to `address` (copied). 0, and on_done follows from a later turn; or -errno. */
WEIR_MUST_USE int h2_dial_start(struct h2_dial *dial, struct loop *loop,
                                const struct loop_address *address,
                                const struct h2_dial_options *options);

/* Gives up; on_done follows. Idempotent. */
void h2_dial_stop(struct h2_dial *dial);
