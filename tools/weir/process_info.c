/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_info — /proc/self/statm, and random bytes.
 */
#include "tools/weir/process_info.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/number.h"
#include "core/base/slice.h"

void process_make_instance_id(char *text, size_t cap)
{
    uint8_t bytes[16];
    size_t at = 0;
    ASSERT(cap > 2 * sizeof(bytes) + 4);
    /* Only uniqueness is at stake, and 16 bytes never come short. */
    (void)getrandom(bytes, sizeof(bytes), 0);
    bytes[6] = (uint8_t)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bool has_dash = i == 4 || i == 6 || i == 8 || i == 10;
        int len = snprintf(text + at, cap - at, "%s%02x", has_dash ? "-" : "", bytes[i]);
        at += (size_t)len;
    }
}

uint64_t process_resident_bytes(void)
{
    char buf[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t len = read(fd, buf, sizeof(buf));
    (void)close(fd); /* read only */
    struct slice text = slice_of(buf, len > 0 ? (size_t)len : 0);
    size_t space = slice_find(text, ' ');
    if (space == text.len) {
        return 0;
    }
    text = slice_from(text, space + 1);
    uint64_t pages;
    if (number_parse_u64(slice_first(text, slice_find(text, ' ')), &pages) != 0) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
