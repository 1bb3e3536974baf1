/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_file — a file of /proc or of a cgroup, read whole into a buffer that is kept.
 *
 * Such files have no size before they are read. Blocks; for the helper's thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* /proc/stat has a line per interrupt, mountinfo one per mount: more than this is cut. */
#define CONTAINER_INSIGHT_FILE_MAX_BYTES (256 * 1024)

struct container_insight_buffer {
    uint8_t bytes[CONTAINER_INSIGHT_FILE_MAX_BYTES];
};

/*
 * container_insight_file_read — the text of folder/name, or of the file `folder` where `name` is
 * NULL; in `buffer` until the next read.
 *
 * Where it is longer than the buffer, its whole lines as far as they fit. 0 or -errno; out only
 * on 0.
 */
WEIR_MUST_USE int container_insight_file_read(struct container_insight_buffer *buffer,
                                              const char *folder, const char *name,
                                              struct slice *out);

/* A file that holds one number; as container_insight_parse_number, or -errno. */
WEIR_MUST_USE int container_insight_file_number(struct container_insight_buffer *buffer,
                                                const char *folder, const char *name,
                                                uint64_t *out);
