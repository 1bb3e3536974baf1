/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_file — a path that this process listens on, and its change of hands.
 *
 * A listener whose path belongs to another one of this process, its predecessor, is bound beside
 * it, at the path with SOCKET_FILE_SUFFIX; socket_file_take then renames it over the path, so that
 * there is no moment at which nobody listens there. Whoever has the predecessor's socket open keeps
 * it until that is closed. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/defs.h"
#include "io/io_bounds.h"
#include "io/socket.h"

#define SOCKET_FILE_SUFFIX ".new"

/* Embedded in its owner, zeroed; stays where it is while it is open. */
struct socket_file {
    char path[SOCKET_PATH_MAX_BYTES + 1]; /* where it is to be; "" while closed */
    bool is_beside;                       /* bound, and not in its place yet */
    bool is_taken;                        /* by socket_file_take: may have a successor */
    bool is_replaced;                     /* by a successor: the path is no more this one's */
    dev_t device;
    ino_t inode;              /* with `device` tells whether others have put something else there */
    struct socket_file *next; /* of all that are open */
};

/*
 * socket_open_unix, beside a predecessor where there is one. Returns the descriptor (moves out) or
 * -errno; -ENAMETOOLONG where a predecessor's path has no room for the suffix. Two listeners that
 * were not taken yet cannot have one path: -EADDRINUSE.
 */
WEIR_MUST_USE int socket_file_open(struct socket_file *file, const char *path, int type,
                                   const struct socket_options *options,
                                   struct socket_report *report);

/* Puts it in its predecessor's place, when it is being read. 0 or -errno. Fine for a closed one. */
WEIR_MUST_USE int socket_file_take(struct socket_file *file);

/* Removes the file, unless it is somebody else's by now. Idempotent; fine for a closed one. */
void socket_file_close(struct socket_file *file);
