/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: decompress_bounded, compress_iov, snappy_* (codecs/compress.h, codecs/snappy.h).
 *
 * The first byte picks the kind and whether the rest is compressed input or content. Input: two
 * runs agree, the bound holds, a tight bound gives the same or FAULT_LIMIT. Content, cut in two:
 * it comes back as it was.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/compress.h"
#include "core/base/fault.h"

#define OUT_MAX_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_input(enum compress_kind kind, struct slice in)
{
    struct bytes first;
    struct bytes second;
    bytes_init(&first, OUT_MAX_BYTES);
    int err = decompress_bounded(kind, in, &first);
    ASSERT(err == 0 || err == FAULT_MALFORMED || err == FAULT_LIMIT);
    ASSERT(first.capacity_bytes <= OUT_MAX_BYTES);
    ASSERT(err == 0 || first.len == 0);
    if (err == 0) {
        bytes_init(&second, first.len);
        ASSERT(decompress_bounded(kind, in, &second) == 0);
        ASSERT(slice_equal(bytes_slice(&first), bytes_slice(&second)));
        bytes_fini(&second);
    }
    if (err == 0 && first.len > 0) {
        bytes_init(&second, first.len - 1);
        ASSERT(decompress_bounded(kind, in, &second) == FAULT_LIMIT);
        ASSERT(second.len == 0);
        bytes_fini(&second);
    }
    bytes_fini(&first);
}

static void check_content(enum compress_kind kind, struct slice content)
{
    struct bytes packed;
    struct bytes out;
    uint8_t *base = (uint8_t *)(uintptr_t)content.ptr; /* only read */
    struct iovec iov[] = {
        {.iov_base = base, .iov_len = content.len / 3},
        {.iov_base = base + content.len / 3, .iov_len = content.len - content.len / 3},
    };
    bytes_init(&packed, OUT_MAX_BYTES + content.len);
    bytes_init(&out, content.len);
    ASSERT(compress_iov(kind, iov, COUNT_OF(iov), &packed) == 0);
    ASSERT(decompress_bounded(kind, bytes_slice(&packed), &out) == 0);
    ASSERT(slice_equal(bytes_slice(&out), content));
    bytes_fini(&packed);
    bytes_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum compress_kind kind = (enum compress_kind)((data[0] & 0x7F) % COMPRESS_KIND_COUNT);
    struct slice rest = slice_of(data + 1, size - 1);
    if ((data[0] & 0x80) != 0) {
        check_content(kind, rest);
    } else {
        check_input(kind, rest);
    }
    return 0;
}
