/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limit — the group's own file, those of its parents, then /proc/meminfo.
 *
 * Inside a container the group of /proc/self/cgroup may be named as the host sees it while only
 * its own folder is mounted, at the root; so the root is looked at in every case.
 */
#include "core/base/memory_limit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/base/slice.h"

#define ROOT_MAX_BYTES 256
#define PATH_BYTES 4096
#define TEXT_BYTES 8192
#define PARENTS_MAX 32
#define KIB UINT64_C(1024)
/* Version 1 writes "no limit" as the largest multiple of a page; no machine has an exbibyte. */
#define UNLIMITED_BYTES (UINT64_C(1) << 60)

/* A file below the root, cut at TEXT_BYTES; empty where it cannot be read. */
static struct slice read_text(const char *root, const char *path, char text[TEXT_BYTES])
{
    char full[PATH_BYTES + ROOT_MAX_BYTES];
    int len = snprintf(full, sizeof(full), "%s%s", root, path);
    if (len < 0 || (size_t)len >= sizeof(full)) {
        return (struct slice){0};
    }
    FILE *file = fopen(full, "re");
    if (file == NULL) {
        return (struct slice){0};
    }
    size_t count = fread(text, 1, TEXT_BYTES, file);
    (void)fclose(file); /* read only */
    return slice_of(text, count);
}

/* The text up to the next `end`, which is stepped over. */
static struct slice take_until(struct slice *rest, uint8_t end)
{
    size_t at = slice_find(*rest, end);
    struct slice taken = slice_first(*rest, at);
    *rest = slice_from(*rest, at < rest->len ? at + 1 : at);
    return taken;
}

/* Lowers *limit to what the file at `folder`/`name` says, if it says a limit. */
static void apply_file(const char *root, const char *folder, const char *name, uint64_t *limit)
{
    char path[PATH_BYTES];
    char text[TEXT_BYTES];
    uint64_t value = 0;
    int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return;
    }
    struct slice rest = read_text(root, path, text);
    struct slice line = take_until(&rest, '\n');
    bool is_limit = number_parse_u64(line, &value) == 0 && value < UNLIMITED_BYTES; /* or "max" */
    if (is_limit && value < *limit) {
        *limit = value;
    }
}

/* Applies the file of `mount` and of each folder on the way down to `group`. */
static void apply_group(const char *root, const char *mount, struct slice group, const char *name,
                        uint64_t *limit)
{
    char folder[PATH_BYTES];
    int len =
        snprintf(folder, sizeof(folder), "%s%.*s", mount, (int)group.len, (const char *)group.ptr);
    if (len < 0 || (size_t)len >= sizeof(folder)) {
        return;
    }
    for (uint32_t i = 0; i < PARENTS_MAX && strlen(folder) > strlen(mount); i++) {
        apply_file(root, folder, name, limit);
        *strrchr(folder, '/') = '\0';
    }
    apply_file(root, mount, name, limit);
}

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(struct slice list, const char *word)
{
    while (list.len > 0) {
        if (slice_is_text(take_until(&list, ','), word)) {
            return true;
        }
    }
    return false;
}

/* The group of this process: in version 2, or in version 1's memory hierarchy. */
static bool find_group(const char *root, bool is_v1, char text[TEXT_BYTES], struct slice *group)
{
    struct slice rest = read_text(root, "/proc/self/cgroup", text);
    while (rest.len > 0) {
        struct slice line = take_until(&rest, '\n'); /* "0::/path" or "4:cpu,memory:/path" */
        (void)take_until(&line, ':');
        struct slice controllers = take_until(&line, ':');
        bool is_wanted = is_v1 ? has_word(controllers, "memory") : controllers.len == 0;
        if (is_wanted && line.len > 0 && line.ptr[0] == '/') {
            /* "/" is the mount itself; a trailing slash would be one folder too many. */
            *group = line.len == 1 ? slice_first(line, 0) : line;
            return true;
        }
    }
    return false;
}

/* MemTotal of /proc/meminfo, or UINT64_MAX. */
static uint64_t machine_bytes(const char *root)
{
    char text[TEXT_BYTES];
    struct slice rest = read_text(root, "/proc/meminfo", text);
    while (rest.len > 0) {
        struct slice line = take_until(&rest, '\n'); /* "MemTotal:       16384 kB" */
        uint64_t kibibytes = 0;
        if (!slice_is_text(take_until(&line, ':'), "MemTotal")) {
            continue;
        }
        while (line.len > 0 && line.ptr[0] == ' ') {
            line = slice_from(line, 1);
        }
        bool is_number = number_parse_u64(take_until(&line, ' '), &kibibytes) == 0;
        return is_number && kibibytes < UNLIMITED_BYTES / KIB ? kibibytes * KIB : UINT64_MAX;
    }
    return UINT64_MAX;
}

int memory_limit_read(const char *root, uint64_t *out_bytes, enum memory_limit_source *out_source)
{
    ASSERT(strlen(root) <= ROOT_MAX_BYTES);
    char text[TEXT_BYTES];
    struct slice group = {0};
    uint64_t limit = machine_bytes(root);
    *out_source = MEMORY_LIMIT_MACHINE;
    uint64_t before = limit;
    if (find_group(root, false, text, &group)) {
        apply_group(root, "/sys/fs/cgroup", group, "memory.max", &limit);
        *out_source = limit < before ? MEMORY_LIMIT_CGROUP_V2 : MEMORY_LIMIT_MACHINE;
    }
    before = limit;
    if (find_group(root, true, text, &group)) {
        apply_group(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", &limit);
        *out_source = limit < before ? MEMORY_LIMIT_CGROUP_V1 : *out_source;
    }
    *out_bytes = limit == UINT64_MAX ? 0 : limit;
    return limit == UINT64_MAX ? FAULT_UNSUPPORTED : 0;
}
