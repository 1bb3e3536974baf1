/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_parse — lines, words, numbers.
 */
#include "io/receivers/container_insight_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"

#define NET_DEV_HEADER_LINES 2
/* Of the sixteen numbers of an interface, those that are told: four in, four out. */
#define NET_DEV_NUMBERS 16
#define NET_DEV_TX_OFFSET 8
#define KIB_BYTES 1024

/* --- lines and words -------------------------------------------------------------------------- */

/* False at the end of the text. */
static bool take_line(struct slice *text, struct slice *line)
{
    if (text->len == 0) {
        return false;
    }
    size_t len = slice_find(*text, '\n');
    *line = slice_first(*text, len);
    *text = slice_from(*text, len < text->len ? len + 1 : len);
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of a line; empty behind the last one. */
static struct slice take_word(struct slice *line)
{
    size_t begin = 0;
    while (begin < line->len && is_blank(line->ptr[begin])) {
        begin++;
    }
    size_t end = begin;
    while (end < line->len && !is_blank(line->ptr[end])) {
        end++;
    }
    struct slice word = slice_from(slice_first(*line, end), begin);
    *line = slice_from(*line, end);
    return word;
}

/* Splits at the first `byte`; false where there is none. */
static bool split(struct slice text, uint8_t byte, struct slice *left, struct slice *right)
{
    size_t at = slice_find(text, byte);
    if (at == text.len) {
        return false;
    }
    *left = slice_first(text, at);
    *right = slice_from(text, at + 1);
    return true;
}

static bool has_text_prefix(struct slice text, const char *prefix)
{
    return slice_has_prefix(text, slice_of_text(prefix));
}

/* False where it does not fit or is no text, and then the name is not kept. */
static bool keep_name(char out[CONTAINER_INSIGHT_NAME_MAX_BYTES + 1], struct slice name)
{
    if (name.len == 0 || name.len > CONTAINER_INSIGHT_NAME_MAX_BYTES || !slice_is_utf8(name)) {
        return false;
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return true;
}

/* --- files of cgroups ------------------------------------------------------------------------- */

int container_insight_parse_number(struct slice text, uint64_t *out)
{
    struct slice line = {0};
    (void)take_line(&text, &line);
    struct slice word = take_word(&line);
    if (slice_is_text(word, "max") || slice_is_text(word, "-1")) {
        return -ENOENT;
    }
    return number_parse_u64(word, out) == 0 ? 0 : FAULT_MALFORMED;
}

int container_insight_parse_keys(struct slice text, const struct container_insight_key *keys,
                                 size_t key_count)
{
    struct slice line;
    while (take_line(&text, &line)) {
        struct slice name = take_word(&line);
        struct slice number = take_word(&line);
        for (size_t i = 0; i < key_count; i++) {
            if (slice_is_text(name, keys[i].name) && number_parse_u64(number, keys[i].value) != 0) {
                return FAULT_MALFORMED;
            }
        }
    }
    return 0;
}

int container_insight_parse_quota(struct slice text, uint64_t *quota_us, uint64_t *period_us)
{
    struct slice line = {0};
    (void)take_line(&text, &line);
    struct slice quota = take_word(&line);
    struct slice period = take_word(&line);
    if (slice_is_text(quota, "max")) {
        return -ENOENT;
    }
    bool is_good = number_parse_u64(quota, quota_us) == 0 &&
                   number_parse_u64(period, period_us) == 0 && *period_us > 0;
    return is_good ? 0 : FAULT_MALFORMED;
}

/* --- /proc ------------------------------------------------------------------------------------ */

int container_insight_parse_stat(struct slice text, uint32_t *core_count)
{
    struct slice line;
    uint32_t count = 0;
    while (take_line(&text, &line)) {
        bool is_core = has_text_prefix(line, "cpu") && line.len > 3 && line.ptr[3] >= '0' &&
                       line.ptr[3] <= '9';
        count += is_core ? 1 : 0;
    }
    *core_count = count;
    return count > 0 ? 0 : FAULT_MALFORMED;
}

int container_insight_parse_meminfo(struct slice text, struct container_insight_meminfo *out)
{
    *out = (struct container_insight_meminfo){0};
    const struct container_insight_key keys[] = {
        {"MemTotal:", &out->total_bytes},
        {"SwapTotal:", &out->swap_total_bytes},
        {"SwapFree:", &out->swap_free_bytes},
    };
    int err = container_insight_parse_keys(text, keys, COUNT_OF(keys));
    for (size_t i = 0; i < COUNT_OF(keys) && err == 0; i++) {
        err = *keys[i].value > UINT64_MAX / KIB_BYTES ? FAULT_MALFORMED : 0;
        *keys[i].value *= KIB_BYTES;
    }
    bool is_whole =
        err == 0 && out->total_bytes > 0 && out->swap_free_bytes <= out->swap_total_bytes;
    return is_whole ? 0 : FAULT_MALFORMED;
}

static bool is_ignored(struct slice name)
{
    static const char *const prefixes[] = {"lo", "veth", "docker"};
    bool is_found = false;
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        is_found = is_found || has_text_prefix(name, prefixes[i]);
    }
    return is_found;
}

/* "  eth0: 1 2 …", with a blank behind the colon or without. */
static int parse_interface(struct slice line, struct container_insight_interface *out,
                           bool *is_wanted)
{
    struct slice name;
    struct slice rest;
    uint64_t numbers[NET_DEV_NUMBERS];
    if (!split(line, ':', &name, &rest)) {
        return FAULT_MALFORMED;
    }
    name = take_word(&name);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (number_parse_u64(take_word(&rest), &numbers[i]) != 0) {
            return FAULT_MALFORMED;
        }
    }
    *is_wanted = !is_ignored(name) && keep_name(out->name, name);
    memcpy(out->counters, numbers, CONTAINER_INSIGHT_TX_BYTES * sizeof(numbers[0]));
    memcpy(out->counters + CONTAINER_INSIGHT_TX_BYTES, numbers + NET_DEV_TX_OFFSET,
           CONTAINER_INSIGHT_TX_BYTES * sizeof(numbers[0]));
    return 0;
}

int container_insight_parse_net_dev(struct slice text, struct container_insight_sample *sample)
{
    struct slice line;
    sample->interface_count = 0;
    for (size_t i = 0; i < NET_DEV_HEADER_LINES; i++) {
        if (!take_line(&text, &line)) {
            return FAULT_MALFORMED;
        }
    }
    while (take_line(&text, &line)) {
        struct container_insight_interface found;
        bool is_wanted = false;
        if (parse_interface(line, &found, &is_wanted) != 0) {
            sample->interface_count = 0;
            return FAULT_MALFORMED;
        }
        if (is_wanted && sample->interface_count == CONTAINER_INSIGHT_INTERFACES_MAX) {
            sample->missing |= CONTAINER_INSIGHT_SOURCE_BIT(CONTAINER_INSIGHT_PROC);
        } else if (is_wanted) {
            sample->interfaces[sample->interface_count] = found;
            sample->interface_count++;
        }
    }
    return 0;
}

/* --- disks ------------------------------------------------------------------------------------ */

static bool parse_device(struct slice word, uint64_t *major, uint64_t *minor)
{
    struct slice left;
    struct slice right;
    return split(word, ':', &left, &right) && number_parse_u64(left, major) == 0 &&
           number_parse_u64(right, minor) == 0;
}

static struct container_insight_disk *find_disk(struct container_insight_sample *sample,
                                                uint64_t major, uint64_t minor)
{
    for (uint32_t i = 0; i < sample->disk_count; i++) {
        struct container_insight_disk *disk = &sample->disks[i];
        if (disk->major == major && disk->minor == minor) {
            return disk;
        }
    }
    return NULL;
}

/* The disk of that number, new where it is not there; NULL, and said, where there are too many. */
static struct container_insight_disk *ask_disk(struct container_insight_sample *sample,
                                               uint64_t major, uint64_t minor)
{
    struct container_insight_disk *disk = find_disk(sample, major, minor);
    if (disk != NULL) {
        return disk;
    }
    if (sample->disk_count == CONTAINER_INSIGHT_DISKS_MAX) {
        sample->missing |= CONTAINER_INSIGHT_SOURCE_BIT(CONTAINER_INSIGHT_CGROUP);
        return NULL;
    }
    disk = &sample->disks[sample->disk_count];
    sample->disk_count++;
    *disk = (struct container_insight_disk){.major = major, .minor = minor};
    (void)snprintf(disk->name, sizeof(disk->name), "%" PRIu64 ":%" PRIu64, major, minor);
    return disk;
}

static void set_io(struct container_insight_io_counters *counters, enum container_insight_io io,
                   uint64_t count)
{
    counters->counts[io] = count;
    counters->has[io] = true;
}

static void set_total(struct container_insight_io_counters *counters)
{
    const bool *has = counters->has;
    if (has[CONTAINER_INSIGHT_IO_READ] && has[CONTAINER_INSIGHT_IO_WRITE]) {
        set_io(counters, CONTAINER_INSIGHT_IO_TOTAL,
               counters->counts[CONTAINER_INSIGHT_IO_READ] +
                   counters->counts[CONTAINER_INSIGHT_IO_WRITE]);
    }
}

/* "rbytes=1": one pair of a disk's line. */
static int parse_io_pair(struct slice word, struct container_insight_disk *disk)
{
    static const struct {
        const char *name;
        bool is_bytes;
        enum container_insight_io io;
    } pairs[] = {
        {"rbytes", true, CONTAINER_INSIGHT_IO_READ},
        {"wbytes", true, CONTAINER_INSIGHT_IO_WRITE},
        {"rios", false, CONTAINER_INSIGHT_IO_READ},
        {"wios", false, CONTAINER_INSIGHT_IO_WRITE},
    };
    struct slice name;
    struct slice number;
    if (!split(word, '=', &name, &number)) {
        return 0; /* of a later kernel */
    }
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        uint64_t count = 0;
        if (!slice_is_text(name, pairs[i].name)) {
            continue;
        }
        if (number_parse_u64(number, &count) != 0) {
            return FAULT_MALFORMED;
        }
        set_io(pairs[i].is_bytes ? &disk->bytes : &disk->operations, pairs[i].io, count);
    }
    return 0;
}

int container_insight_parse_io_stat(struct slice text, struct container_insight_sample *sample)
{
    struct slice line;
    while (take_line(&text, &line)) {
        uint64_t major = 0;
        uint64_t minor = 0;
        if (!parse_device(take_word(&line), &major, &minor)) {
            return FAULT_MALFORMED;
        }
        struct container_insight_disk *disk = ask_disk(sample, major, minor);
        struct slice word = take_word(&line);
        for (; disk != NULL && word.len > 0; word = take_word(&line)) {
            int err = parse_io_pair(word, disk);
            if (err != 0) {
                return err;
            }
        }
        if (disk != NULL) {
            set_total(&disk->bytes);
            set_total(&disk->operations);
        }
    }
    return 0;
}

int container_insight_parse_blkio(struct slice text, bool is_bytes,
                                  struct container_insight_sample *sample)
{
    static const char *const names[CONTAINER_INSIGHT_IO_COUNT] = {"Read", "Write", "Sync", "Async",
                                                                  "Total"};
    struct slice line;
    while (take_line(&text, &line)) {
        uint64_t major = 0;
        uint64_t minor = 0;
        uint64_t count = 0;
        struct slice device = take_word(&line);
        struct slice name = take_word(&line);
        struct slice number = take_word(&line);
        if (slice_is_text(device, "Total")) {
            continue; /* of all devices */
        }
        if (!parse_device(device, &major, &minor) || number_parse_u64(number, &count) != 0) {
            return FAULT_MALFORMED;
        }
        struct container_insight_disk *disk = ask_disk(sample, major, minor);
        for (uint32_t i = 0; i < COUNT_OF(names) && disk != NULL; i++) {
            if (slice_is_text(name, names[i])) {
                set_io(is_bytes ? &disk->bytes : &disk->operations, (enum container_insight_io)i,
                       count);
            }
        }
    }
    return 0;
}

int container_insight_parse_diskstats(struct slice text, struct container_insight_sample *sample)
{
    struct slice line;
    while (take_line(&text, &line)) {
        uint64_t major = 0;
        uint64_t minor = 0;
        if (number_parse_u64(take_word(&line), &major) != 0 ||
            number_parse_u64(take_word(&line), &minor) != 0) {
            return FAULT_MALFORMED;
        }
        struct slice name = take_word(&line);
        struct container_insight_disk *disk = find_disk(sample, major, minor);
        bool fits =
            name.len > 0 && name.len < sizeof(disk->name) - sizeof("/dev/") && slice_is_utf8(name);
        if (disk != NULL && fits) {
            (void)snprintf(disk->name, sizeof(disk->name), "/dev/%.*s", (int)name.len,
                           (const char *)name.ptr);
        }
    }
    return 0;
}

/* --- places of file systems ------------------------------------------------------------------- */

/* The kernel writes blanks and backslashes of names as \040 and the like. False: no such text. */
static bool unescape(char *out, size_t cap, struct slice text)
{
    size_t len = 0;
    size_t at = 0;
    while (at < text.len && len + 1 < cap) {
        const uint8_t *p = text.ptr + at;
        bool is_escape = p[0] == '\\' && text.len - at >= 4 && p[1] >= '0' && p[1] <= '3' &&
                         p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7';
        int byte = is_escape ? (p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0') : p[0];
        out[len] = (char)byte;
        len++;
        at += is_escape ? 4 : 1;
    }
    out[len] = '\0';
    return at == text.len && len > 0 && strlen(out) == len && slice_is_utf8(slice_of(out, len));
}

static bool is_kind_told(struct slice kind)
{
    return has_text_prefix(kind, "ext") || has_text_prefix(kind, "nfs") ||
           slice_is_text(kind, "btrfs") || slice_is_text(kind, "xfs") ||
           slice_is_text(kind, "tmpfs");
}

/* Behind the single dash: fields before it are of any number. */
static bool skip_to_dash(struct slice *line)
{
    struct slice word = take_word(line);
    while (word.len > 0 && !slice_is_text(word, "-")) {
        word = take_word(line);
    }
    return word.len > 0;
}

/* 36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/xvda1 rw */
static bool parse_mount(struct slice line, struct container_insight_mount *out)
{
    for (size_t i = 0; i < 4; i++) {
        (void)take_word(&line); /* ids, device numbers, the root of the mount */
    }
    struct slice path = take_word(&line);
    if (!skip_to_dash(&line)) {
        return false;
    }
    struct slice kind = take_word(&line);
    struct slice device = slice_is_text(kind, "tmpfs") ? path : take_word(&line);
    return is_kind_told(kind) && has_text_prefix(device, "/dev/") &&
           unescape(out->path, sizeof(out->path), path) &&
           unescape(out->device, sizeof(out->device), device);
}

uint32_t container_insight_parse_mountinfo(struct slice text, struct container_insight_mount *out,
                                           uint32_t max, bool *is_cut)
{
    struct slice line;
    struct container_insight_mount found;
    uint32_t count = 0;
    *is_cut = false;
    while (!*is_cut && take_line(&text, &line)) {
        bool is_new = parse_mount(line, &found);
        for (uint32_t i = 0; i < count && is_new; i++) {
            is_new = strcmp(out[i].device, found.device) != 0;
        }
        *is_cut = is_new && count == max;
        if (is_new && !*is_cut) {
            out[count] = found;
            count++;
        }
    }
    return count;
}
