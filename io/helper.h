/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper — the one thread for everything that blocks: name resolution, reading files, fsync.
 *
 * A loop's thread hands over a job through a port and goes on; the helper does the jobs of all
 * ports one after another and gives each back on the thread it came from. The thread starts with
 * the first port and ends by itself after the last one; nobody ever waits for it, because a lookup
 * may hang for minutes. Crosses threads: a job belongs to one side at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/loop.h"

struct helper_job;
struct helper_port;

struct helper_job_ops {
    /* The helper's thread; may block. Leaves its findings in the job. */
    void (*work)(struct helper_job *job);
    /* The port's thread, from a later turn: the job is the owner's again. */
    void (*on_done)(struct helper_job *job);
    /* Instead of on_done where the port was closed before: frees the job. Either thread. */
    void (*discard)(struct helper_job *job);
};

/* Embedded in its owner, which must have allocated it: it may outlive whoever asked. */
struct helper_job {
    const struct helper_job_ops *ops;
    struct helper_port *port; /* the helper's, and so is what follows */
    struct helper_job *next;
};

/*
 * helper_port_open — moves out a way to the helper for the thread of `loop`, which is borrowed
 * until close. Starts the helper where it does not run yet. 0, -ENOMEM, -EBUSY or -errno.
 */
WEIR_MUST_USE int helper_port_open(struct loop *loop, struct helper_port **out);

/*
 * No on_done follows; jobs that are not done are discarded, the one at work when it ends. NULL is
 * fine. The loop needs one more turn to let go of the port.
 */
void helper_port_close(struct helper_port *port);

/* Moves the job in, until on_done or discard. */
void helper_submit(struct helper_port *port, struct helper_job *job);
