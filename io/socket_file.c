/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_file — a list of the open ones; device and inode tell whose a path is.
 *
 * Between themselves they say it, for the number of an inode whose socket has closed is given away.
 */
#include "io/socket_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct socket_file *first_file;

static bool is_of(const struct socket_file *file, const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

static struct socket_file *find_predecessor(const char *path)
{
    struct socket_file *file = first_file;
    while (file != NULL && !(file->is_taken && !file->is_replaced && is_of(file, path))) {
        file = file->next;
    }
    return file;
}

/* Where it is bound: the path, or beside it. */
static void place_of(const struct socket_file *file, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s%s", file->path, file->is_beside ? SOCKET_FILE_SUFFIX : "");
}

int socket_file_open(struct socket_file *file, const char *path, int type,
                     const struct socket_options *options, struct socket_report *report)
{
    ASSERT(file->path[0] == '\0');
    char place[SOCKET_PATH_MAX_BYTES + sizeof(SOCKET_FILE_SUFFIX)];
    struct stat status;
    if (strlen(path) > SOCKET_PATH_MAX_BYTES) {
        return -ENAMETOOLONG;
    }
    *file = (struct socket_file){.is_beside = find_predecessor(path) != NULL};
    memcpy(file->path, path, strlen(path));
    place_of(file, place, sizeof(place));
    int fd = socket_open_unix(place, type, options, report);
    int err = fd < 0 ? fd : 0;
    if (err == 0 && lstat(place, &status) != 0) {
        err = -errno;
        (void)close(fd); /* it never carried anything */
    }
    if (err != 0) {
        *file = (struct socket_file){0};
        return err;
    }
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->next = first_file;
    first_file = file;
    return fd;
}

int socket_file_take(struct socket_file *file)
{
    if (file->path[0] == '\0') {
        return 0;
    }
    if (file->is_beside) {
        char place[SOCKET_PATH_MAX_BYTES + sizeof(SOCKET_FILE_SUFFIX)];
        struct socket_file *predecessor = find_predecessor(file->path);
        place_of(file, place, sizeof(place));
        if (rename(place, file->path) != 0) {
            return -errno;
        }
        file->is_beside = false;
        if (predecessor != NULL) {
            predecessor->is_replaced = true;
        }
    }
    file->is_taken = true;
    return 0;
}

void socket_file_close(struct socket_file *file)
{
    struct socket_file **link = &first_file;
    if (file->path[0] == '\0') {
        return;
    }
    while (*link != file) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = file->next;
    char place[SOCKET_PATH_MAX_BYTES + sizeof(SOCKET_FILE_SUFFIX)];
    place_of(file, place, sizeof(place));
    if (!file->is_replaced && is_of(file, place)) {
        (void)unlink(place); /* what stays is removed by the next one who listens there */
    }
    *file = (struct socket_file){0};
}
