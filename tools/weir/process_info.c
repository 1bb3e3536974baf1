/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_info — /proc/self/statm.
 */
#include "tools/weir/process_info.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/number.h"
#include "core/base/slice.h"

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
