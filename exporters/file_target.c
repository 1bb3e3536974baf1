/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_target — plain system calls on one path.
 *
 * Old files are found by their names alone, so they survive a restart; a stamp sorts as text. Names
 * follow the Collector's file exporter.
 */
#include "exporters/file_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "exporters/exporter_bounds.h"

#define FILE_MODE 0644
/* "2006-01-02T15-04-05.000" */
#define STAMP_LEN 23
#define STAMP_BYTES 48
#define NS_PER_DAY (UINT64_C(86400) * CLOCK_NS_PER_S)
/* Names tried when old files of the same millisecond are in the way. */
#define RENAME_TRIES_MAX 1000

/* A path taken apart: directory with its slash, stem, extension with its dot. */
struct path_parts {
    struct slice directory; /* may be empty */
    struct slice stem;
    struct slice extension; /* may be empty */
};

static struct path_parts split_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t stem_len = dot == NULL ? strlen(name) : (size_t)(dot - name);
    return (struct path_parts){
        .directory = slice_of(path, (size_t)(name - path)),
        .stem = slice_of(name, stem_len),
        .extension = slice_of_text(name + stem_len),
    };
}

/* Makes every directory above `path`. 0 or -errno. */
static int make_directories(const char *path, mode_t mode)
{
    char partial[FILE_PATH_MAX_BYTES];
    size_t len = strlen(path);
    ASSERT(len < sizeof(partial));
    for (size_t i = 0; i < len; i++) {
        partial[i] = path[i];
        if (i == 0 || path[i] != '/') {
            continue;
        }
        partial[i] = '\0';
        if (mkdir(partial, mode) != 0 && errno != EEXIST) {
            return -errno;
        }
        partial[i] = '/';
    }
    return 0;
}

int file_target_open(struct file_target *target)
{
    const struct file_target_options *options = &target->options;
    ASSERT(target->fd < 0);
    bool keeps = options->is_appending || options->rotates || target->was_open;
    if (options->creates_directory) {
        int err = make_directories(options->path, options->directory_mode);
        if (err != 0) {
            return err;
        }
    }
    /* Non-blocking, so that a FIFO without a reader is an error and not a wait. */
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_APPEND | (keeps ? 0 : O_TRUNC);
    int fd = open(options->path, flags, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        int err = -errno;
        (void)close(fd); /* nothing was written */
        return err;
    }
    target->fd = fd;
    target->was_open = true;
    target->used_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return 0;
}

uint64_t file_target_room_bytes(const struct file_target *target)
{
    uint64_t limit = target->options.rotate_at_bytes;
    if (!target->options.rotates) {
        return UINT64_MAX;
    }
    return target->used_bytes >= limit ? 0 : limit - target->used_bytes;
}

int file_target_write(struct file_target *target, struct slice bytes, size_t *written)
{
    ASSERT(target->fd >= 0);
    ASSERT(bytes.len > 0);
    ssize_t n = write(target->fd, bytes.ptr, bytes.len);
    if (n < 0) {
        return -errno;
    }
    if (n == 0) {
        return -EIO; /* no file does this; without progress there is only waiting */
    }
    *written = (size_t)n;
    target->used_bytes += (uint64_t)n;
    return 0;
}

/* The time as part of a name. `out` holds STAMP_BYTES. */
static void format_stamp(const struct file_target_options *options, uint64_t unix_ns, char *out)
{
    time_t seconds = (time_t)(unix_ns / CLOCK_NS_PER_S);
    uint32_t ms = (uint32_t)(unix_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS);
    struct tm when = {0};
    (void)(options->is_local_time ? localtime_r(&seconds, &when) : gmtime_r(&seconds, &when));
    char text[32];
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H-%M-%S", &when);
    ASSERT(len > 0);
    (void)snprintf(out, STAMP_BYTES, "%s.%03u", text, ms); /* room for any year of 64 bits */
}

/* The path of an old file. False where it is too long for any system. */
static bool backup_path(const struct path_parts *parts, const char *stamp, char *out)
{
    int len = snprintf(out, FILE_PATH_MAX_BYTES, "%.*s%.*s-%s%.*s", (int)parts->directory.len,
                       (const char *)parts->directory.ptr, (int)parts->stem.len,
                       (const char *)parts->stem.ptr, stamp, (int)parts->extension.len,
                       (const char *)parts->extension.ptr);
    return len > 0 && len < FILE_PATH_MAX_BYTES;
}

/* Moves the file aside under a free name. 0 or -errno. */
static int set_aside(const struct file_target_options *options, uint64_t now_unix_ns)
{
    struct path_parts parts = split_path(options->path);
    for (uint64_t i = 0; i < RENAME_TRIES_MAX; i++) {
        char stamp[STAMP_BYTES];
        char path[FILE_PATH_MAX_BYTES];
        format_stamp(options, now_unix_ns + i * CLOCK_NS_PER_MS, stamp);
        if (!backup_path(&parts, stamp, path)) {
            return -ENAMETOOLONG;
        }
        if (access(path, F_OK) == 0) {
            continue;
        }
        /* ENOENT: somebody else took the file away, and that is as good. */
        return rename(options->path, path) == 0 || errno == ENOENT ? 0 : -errno;
    }
    return -EEXIST;
}

/* Is it "stem-STAMP.ext"? Then *stamp borrows from `name`. */
static bool is_backup_name(const struct path_parts *parts, const char *name, struct slice *stamp)
{
    static const char pattern[] = "0000-00-00T00-00-00.000";
    struct slice rest = slice_of_text(name);
    if (rest.len != parts->stem.len + 1 + STAMP_LEN + parts->extension.len ||
        !slice_has_prefix(rest, parts->stem) || name[parts->stem.len] != '-') {
        return false;
    }
    rest = slice_from(rest, parts->stem.len + 1);
    if (!slice_equal(slice_from(rest, STAMP_LEN), parts->extension)) {
        return false;
    }
    for (size_t i = 0; i < STAMP_LEN; i++) {
        bool is_digit = rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
        if (pattern[i] == '0' ? !is_digit : rest.ptr[i] != (uint8_t)pattern[i]) {
            return false;
        }
    }
    *stamp = slice_first(rest, STAMP_LEN);
    return true;
}

/* How many old files there are; the oldest stamp goes to `oldest`, which holds STAMP_BYTES. */
static uint64_t count_backups(const struct path_parts *parts, char *oldest)
{
    char directory[FILE_PATH_MAX_BYTES] = ".";
    if (parts->directory.len > 0) {
        memcpy(directory, parts->directory.ptr, parts->directory.len);
        directory[parts->directory.len] = '\0';
    }
    DIR *dir = opendir(directory);
    uint64_t count = 0;
    oldest[0] = '\0';
    for (struct dirent *entry = NULL; dir != NULL;) {
        entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        struct slice stamp;
        if (!is_backup_name(parts, entry->d_name, &stamp)) {
            continue;
        }
        if (count == 0 || slice_compare(stamp, slice_of_text(oldest)) < 0) {
            memcpy(oldest, stamp.ptr, STAMP_LEN);
            oldest[STAMP_LEN] = '\0';
        }
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir); /* only read */
    }
    return count;
}

/*
 * Removes old files, the oldest first, until they are few and young enough. Looks through the
 * directory once per file; a rotation leaves one too many at most.
 */
static void prune_backups(const struct file_target_options *options, uint64_t now_unix_ns)
{
    struct path_parts parts = split_path(options->path);
    uint64_t age_max_ns = options->backup_max_days * NS_PER_DAY;
    char youngest_gone[STAMP_BYTES] = "";
    if (options->backup_max_days > 0 && age_max_ns < now_unix_ns) {
        format_stamp(options, now_unix_ns - age_max_ns, youngest_gone);
    }
    for (uint32_t i = 0; i < FILE_PRUNE_MAX; i++) {
        char oldest[STAMP_BYTES];
        char path[FILE_PATH_MAX_BYTES];
        uint64_t count = count_backups(&parts, oldest);
        bool is_too_many = options->backups_max > 0 && count > options->backups_max;
        bool is_too_old = count > 0 && strcmp(oldest, youngest_gone) < 0;
        if ((!is_too_many && !is_too_old) || !backup_path(&parts, oldest, path) ||
            unlink(path) != 0) {
            return; /* what cannot be removed now may be at the next rotation */
        }
    }
}

int file_target_rotate(struct file_target *target, uint64_t now_unix_ns)
{
    ASSERT(target->options.rotates);
    int err = set_aside(&target->options, now_unix_ns);
    if (err != 0) {
        return err; /* the file is still open and takes more */
    }
    (void)close(target->fd); /* what close could report, write has */
    target->fd = -1;
    err = file_target_open(target);
    if (err == 0 && (target->options.backups_max > 0 || target->options.backup_max_days > 0)) {
        prune_backups(&target->options, now_unix_ns);
    }
    return err;
}

void file_target_cut(struct file_target *target, uint64_t bytes)
{
    if (bytes == 0 || target->fd < 0 || bytes > target->used_bytes) {
        return;
    }
    /* A device has no length to cut; a file that cannot be cut keeps its torn end. */
    if (ftruncate(target->fd, (off_t)(target->used_bytes - bytes)) == 0) {
        target->used_bytes -= bytes;
    }
}

void file_target_close(struct file_target *target)
{
    if (target->fd >= 0) {
        (void)close(target->fd); /* what close could report, write has */
    }
    mem_free(target->options.path);
    *target = (struct file_target){.fd = -1};
}
