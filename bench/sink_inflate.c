/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_inflate — see sink_inflate.h. One whole body at a time; the buffer doubles until it fits.
 */
#include "bench/sink_inflate.h"

#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define SINK_INFLATE_FIRST_BYTES (1u << 20)

void sink_inflate_fini(struct sink_inflate_buffer *buffer)
{
    mem_free(buffer->bytes);
    *buffer = (struct sink_inflate_buffer){0};
}

static int inflate_grow(struct sink_inflate_buffer *buffer)
{
    const size_t capacity = buffer->capacity == 0 ? SINK_INFLATE_FIRST_BYTES : buffer->capacity * 2;
    if (capacity > SINK_INFLATED_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    uint8_t *grown = mem_resize(buffer->bytes, capacity);
    if (grown == NULL) {
        return -ENOMEM;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
    return 0;
}

static int inflate_gzip(struct sink_inflate_buffer *buffer, struct slice body, struct slice *out)
{
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    if (inflater == NULL) {
        return -ENOMEM;
    }
    int err = buffer->capacity == 0 ? inflate_grow(buffer) : 0;
    while (err == 0) {
        size_t len = 0;
        const enum libdeflate_result result = libdeflate_gzip_decompress(
            inflater, body.ptr, body.len, buffer->bytes, buffer->capacity, &len);
        if (result == LIBDEFLATE_SUCCESS) {
            *out = slice_of(buffer->bytes, len);
            break;
        }
        err = result == LIBDEFLATE_INSUFFICIENT_SPACE ? inflate_grow(buffer) : FAULT_MALFORMED;
    }
    libdeflate_free_decompressor(inflater);
    return err;
}

static int inflate_zstd_stream(ZSTD_DStream *stream, struct sink_inflate_buffer *buffer,
                               struct slice body, struct slice *out)
{
    ZSTD_inBuffer in = {.src = body.ptr, .size = body.len};
    size_t used = 0;
    size_t hint = 1;
    while (hint != 0) {
        if (used == buffer->capacity) {
            const int err = inflate_grow(buffer);
            if (err != 0) {
                return err;
            }
        }
        ZSTD_outBuffer to = {.dst = buffer->bytes, .size = buffer->capacity, .pos = used};
        hint = ZSTD_decompressStream(stream, &to, &in);
        if (ZSTD_isError(hint) != 0 || (hint != 0 && in.pos == in.size && to.pos < to.size)) {
            return FAULT_MALFORMED;
        }
        used = to.pos;
    }
    *out = slice_of(buffer->bytes, used);
    return 0;
}

int sink_inflate(struct sink_inflate_buffer *buffer, struct slice encoding, struct slice body,
                 struct slice *out)
{
    if (encoding.len == 0 || slice_is_text(encoding, "identity")) {
        *out = body;
        return 0;
    }
    if (slice_is_text(encoding, "gzip")) {
        return inflate_gzip(buffer, body, out);
    }
    if (!slice_is_text(encoding, "zstd")) {
        return FAULT_UNSUPPORTED;
    }
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL) {
        return -ENOMEM;
    }
    const int err = inflate_zstd_stream(stream, buffer, body, out);
    (void)ZSTD_freeDStream(stream); /* frees or has nothing to free */
    return err;
}
