/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_read — see file_read.h. Files of /proc have no size to ask for, so the buffer grows as it
 * fills.
 */
#include "bench/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/mem.h"

#define FILE_FIRST_BYTES 16384u

static int file_fill(int fd, size_t max_bytes, struct file_bytes *out)
{
    size_t capacity = 0;
    for (;;) {
        if (out->len + 1 >= capacity) {
            capacity = capacity == 0 ? FILE_FIRST_BYTES : capacity * 2;
            char *grown = mem_resize(out->bytes, capacity);
            if (grown == NULL) {
                return -ENOMEM;
            }
            out->bytes = grown;
        }
        const ssize_t got = read(fd, out->bytes + out->len, capacity - 1 - out->len);
        if (got < 0) {
            return -errno;
        }
        out->len += (size_t)got;
        if (out->len > max_bytes) {
            return -EFBIG;
        }
        if (got == 0) {
            out->bytes[out->len] = '\0';
            return 0;
        }
    }
}

int file_read(const char *path, size_t max_bytes, struct file_bytes *out)
{
    *out = (struct file_bytes){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int err = file_fill(fd, max_bytes, out);
    (void)close(fd); /* only read from */
    if (err != 0) {
        mem_free(out->bytes);
        *out = (struct file_bytes){0};
    }
    return err;
}
