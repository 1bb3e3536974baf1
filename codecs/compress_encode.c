/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress_encode — gathered pieces into gzip, zlib and zstd.
 *
 * Output grows with the buffer it goes to; the libraries' own state lives for one call. Sources:
 * RFC 1950, RFC 1952, RFC 8878, and the headers of ISA-L and zstd.
 */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "codecs/compress_parts.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

/* Output grows by at least this, so that a library is not asked for a few bytes at a time. */
#define OUTPUT_STEP_BYTES 4096
#define ZSTD_LEVEL 3

/* Some room behind out->len, the most that is cheap. 0, FAULT_LIMIT when full, or -ENOMEM. */
static int make_room(struct bytes *out)
{
    if (out->capacity_bytes > out->len) {
        return 0;
    }
    int err = bytes_reserve(out, OUTPUT_STEP_BYTES);
    return err == FAULT_LIMIT ? bytes_reserve(out, 1) : err;
}

static size_t total_bytes(const struct iovec *iov, size_t iov_count)
{
    size_t total = 0;
    for (size_t i = 0; i < iov_count; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

struct deflate_state {
    struct isal_zstream stream;
    uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

/* Compresses what the stream holds; to its very end if it is the last piece. */
static int deflate_piece(struct isal_zstream *stream, struct bytes *out)
{
    do {
        int err = make_room(out);
        if (err != 0) {
            return err;
        }
        size_t room = out->capacity_bytes - out->len;
        stream->avail_out = room > UINT32_MAX ? UINT32_MAX : (uint32_t)room;
        stream->next_out = out->ptr + out->len;
        uint32_t before = stream->avail_out;
        if (isal_deflate(stream) != COMP_OK) {
            return FAULT_LIBRARY;
        }
        out->len += before - stream->avail_out;
    } while (stream->avail_in > 0 ||
             (stream->end_of_stream != 0 && stream->internal_state.state != ZSTATE_END));
    return 0;
}

/* One iovec may be longer than the 32 bits the library counts in. */
static int deflate_slice(struct isal_zstream *stream, struct iovec piece, struct bytes *out)
{
    uint8_t *next = piece.iov_base;
    size_t left = piece.iov_len;
    while (left > 0) {
        uint32_t len = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
        stream->next_in = next;
        stream->avail_in = len;
        int err = deflate_piece(stream, out);
        if (err != 0) {
            return err;
        }
        next += len;
        left -= len;
    }
    return 0;
}

int compress_deflate(bool is_gzip, const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    struct deflate_state *state = mem_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    isal_deflate_init(&state->stream);
    state->stream.level = 1;
    state->stream.level_buf = state->level_buf;
    state->stream.level_buf_size = sizeof(state->level_buf);
    state->stream.gzip_flag = is_gzip ? IGZIP_GZIP : IGZIP_ZLIB;
    int err = 0;
    for (size_t i = 0; err == 0 && i < iov_count; i++) {
        err = deflate_slice(&state->stream, iov[i], out);
    }
    if (err == 0) {
        state->stream.end_of_stream = 1;
        state->stream.avail_in = 0;
        err = deflate_piece(&state->stream, out);
    }
    mem_free(state);
    return err;
}

static int zstd_piece(ZSTD_CCtx *context, struct iovec piece, ZSTD_EndDirective mode,
                      struct bytes *out)
{
    ZSTD_inBuffer in = {.src = piece.iov_base, .size = piece.iov_len};
    bool is_done = false;
    while (!is_done) {
        int err = make_room(out);
        if (err != 0) {
            return err;
        }
        ZSTD_outBuffer target = {.dst = out->ptr, .size = out->capacity_bytes, .pos = out->len};
        size_t left = ZSTD_compressStream2(context, &target, &in, mode);
        if (ZSTD_isError(left) != 0) {
            return FAULT_LIBRARY;
        }
        out->len = target.pos;
        is_done = mode == ZSTD_e_end ? left == 0 : in.pos == in.size;
    }
    return 0;
}

int compress_zstd(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ZSTD_LEVEL)) != 0 ||
        ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, total_bytes(iov, iov_count))) != 0) {
        err = FAULT_LIBRARY;
    }
    for (size_t i = 0; err == 0 && i < iov_count; i++) {
        err = zstd_piece(context, iov[i], ZSTD_e_continue, out);
    }
    if (err == 0) {
        err = zstd_piece(context, (struct iovec){0}, ZSTD_e_end, out);
    }
    ZSTD_freeCCtx(context);
    return err;
}
