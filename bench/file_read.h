/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_read — a whole file, /proc and /sys included, in one owned buffer.
 */
#pragma once

#include <stddef.h>

#include "core/base/defs.h"

struct file_bytes {
    char *bytes; /* owned by the caller after success: mem_free; a terminator follows the content */
    size_t len;
};

/* Reads at most `max_bytes`. 0, -errno, -EFBIG or -ENOMEM; nothing is owned after a failure. */
WEIR_MUST_USE int file_read(const char *path, size_t max_bytes, struct file_bytes *out);
