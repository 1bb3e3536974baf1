/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_file — open, read until nothing comes, close.
 */
#include "io/receivers/container_insight_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "io/receivers/container_insight_parse.h"

/* Length of what was read, or -errno. */
static ssize_t read_all(int fd, struct container_insight_buffer *buffer)
{
    size_t len = 0;
    while (len < sizeof(buffer->bytes)) {
        ssize_t got = read(fd, buffer->bytes + len, sizeof(buffer->bytes) - len);
        int failed = got < 0 ? -errno : 0;
        if (failed != 0 && failed != -EINTR) {
            return failed;
        }
        if (got == 0) {
            break;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)len;
}

static struct slice whole_lines(struct slice text)
{
    size_t len = text.len;
    while (len > 0 && text.ptr[len - 1] != '\n') {
        len--;
    }
    return slice_first(text, len);
}

int container_insight_file_read(struct container_insight_buffer *buffer, const char *folder,
                                const char *name, struct slice *out)
{
    char path[PATH_MAX];
    int path_len = snprintf(path, sizeof(path), "%s%s%s", folder, name != NULL ? "/" : "",
                            name != NULL ? name : "");
    if (path_len < 0 || (size_t)path_len >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    ssize_t len = read_all(fd, buffer);
    (void)close(fd); /* only read */
    if (len < 0) {
        return (int)len;
    }
    *out = slice_of(buffer->bytes, (size_t)len);
    if (out->len == sizeof(buffer->bytes)) {
        *out = whole_lines(*out);
    }
    return 0;
}

int container_insight_file_number(struct container_insight_buffer *buffer, const char *folder,
                                  const char *name, uint64_t *out)
{
    struct slice text;
    int err = container_insight_file_read(buffer, folder, name, &text);
    return err != 0 ? err : container_insight_parse_number(text, out);
}
