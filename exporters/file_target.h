/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_target — the file that records are appended to: opened, rotated by size, old ones removed.
 *
 * Rotation renames `dir/name.ext` to `dir/name-2006-01-02T15-04-05.000.ext` and starts anew. Calls
 * go to the page cache only, never to disk by fsync; a FIFO or device may stand in for a file.
 * Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct file_target_options {
    char *path; /* owned, NUL-terminated */
    bool is_appending;
    bool creates_directory;
    mode_t directory_mode;
    bool rotates;       /* off: the fields below mean nothing */
    bool is_local_time; /* stamps of old files; UTC otherwise */
    uint64_t rotate_at_bytes;
    uint32_t backups_max;     /* old files kept; 0 for all */
    uint32_t backup_max_days; /* age at which they go; 0 for never */
};

/* Zeroed with fd -1 is closed. */
struct file_target {
    struct file_target_options options; /* owned */
    int fd;                             /* owned; -1 while closed */
    uint64_t used_bytes;                /* of the open file */
    bool was_open;                      /* so opening again must not truncate */
};

/*
 * Opens the file, and its directory where that is wanted. What is there is kept when appending,
 * rotating or opening again; else it is cut off. 0 or -errno.
 */
WEIR_MUST_USE int file_target_open(struct file_target *target);

/* Bytes that may be added before the file should be rotated; UINT64_MAX without rotation. */
uint64_t file_target_room_bytes(const struct file_target *target);

/* One write; how many bytes went, at least 1, is in *written. 0 or -errno. `bytes` not empty. */
WEIR_MUST_USE int file_target_write(struct file_target *target, struct slice bytes,
                                    size_t *written);

/*
 * Sets the file aside under a name with the time, opens a new one and removes what is too old or
 * too many. 0 or -errno; after a failure the file may be closed, and file_target_open goes on.
 */
WEIR_MUST_USE int file_target_rotate(struct file_target *target, uint64_t now_unix_ns);

/* Cuts the last `bytes` off again, a record that did not fit; devices cannot, and that is fine. */
void file_target_cut(struct file_target *target, uint64_t bytes);

/* Closes the file and frees the path. Idempotent. */
void file_target_close(struct file_target *target);
