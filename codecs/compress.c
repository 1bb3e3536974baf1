/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress — gzip and zstd over gathered pieces, and their inverse within a bound.
 *
 * Output grows with the buffer it goes to; the libraries' own state lives for one call. Sources:
 * RFC 1952, RFC 8878, and the headers of ISA-L, libdeflate and zstd.
 */
#include "codecs/compress.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

/* Output grows by at least this, so that a library is not asked for a few bytes at a time. */
#define OUTPUT_STEP_BYTES 4096
#define ZSTD_LEVEL 3
/* Deflate makes at most 1032 bytes of one; a header that claims more lies. */
#define DEFLATE_RATIO_MAX 1032
#define GZIP_FRAME_MIN_BYTES 18

const char *compress_name(enum compress_kind kind)
{
    static const char *const names[] = {
        [COMPRESS_NONE] = "identity", [COMPRESS_GZIP] = "gzip", [COMPRESS_ZSTD] = "zstd"};
    ASSERT((size_t)kind < COUNT_OF(names));
    return names[kind];
}

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

static int gather(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    int err = bytes_reserve(out, total_bytes(iov, iov_count));
    for (size_t i = 0; err == 0 && i < iov_count; i++) {
        bytes_append(out, iov[i].iov_base, iov[i].iov_len);
    }
    return err;
}

struct gzip_state {
    struct isal_zstream stream;
    uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

/* Compresses what the stream holds; to its very end if it is the last piece. */
static int gzip_piece(struct isal_zstream *stream, struct bytes *out)
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
static int gzip_slice(struct isal_zstream *stream, struct iovec piece, struct bytes *out)
{
    uint8_t *next = piece.iov_base;
    size_t left = piece.iov_len;
    while (left > 0) {
        uint32_t len = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
        stream->next_in = next;
        stream->avail_in = len;
        int err = gzip_piece(stream, out);
        if (err != 0) {
            return err;
        }
        next += len;
        left -= len;
    }
    return 0;
}

static int gzip_iov(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    struct gzip_state *state = mem_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    isal_deflate_init(&state->stream);
    state->stream.level = 1;
    state->stream.level_buf = state->level_buf;
    state->stream.level_buf_size = sizeof(state->level_buf);
    state->stream.gzip_flag = IGZIP_GZIP;
    int err = 0;
    for (size_t i = 0; err == 0 && i < iov_count; i++) {
        err = gzip_slice(&state->stream, iov[i], out);
    }
    if (err == 0) {
        state->stream.end_of_stream = 1;
        state->stream.avail_in = 0;
        err = gzip_piece(&state->stream, out);
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

static int zstd_iov(const struct iovec *iov, size_t iov_count, struct bytes *out)
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

int compress_iov(enum compress_kind kind, const struct iovec *iov, size_t iov_count,
                 struct bytes *out)
{
    size_t before = out->len;
    int err = FAULT_UNSUPPORTED;
    switch (kind) {
    case COMPRESS_NONE:
        err = gather(iov, iov_count, out);
        break;
    case COMPRESS_GZIP:
        err = gzip_iov(iov, iov_count, out);
        break;
    case COMPRESS_ZSTD:
        err = zstd_iov(iov, iov_count, out);
        break;
    }
    if (err != 0) {
        out->len = before;
    }
    return err;
}

/* The size that the last member says it has; a guess, kept within what the format can do. */
static size_t gzip_size_guess(struct slice in)
{
    if (in.len < GZIP_FRAME_MIN_BYTES) {
        return 0;
    }
    const uint8_t *p = in.ptr + in.len - 4;
    size_t claimed = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    return claimed / DEFLATE_RATIO_MAX > in.len ? OUTPUT_STEP_BYTES : claimed;
}

/* One member; the library wants all of its output at once, so on a short buffer it starts again. */
static int gunzip_member(struct libdeflate_decompressor *library, struct slice *in,
                         struct bytes *out)
{
    for (;;) {
        size_t used_in = 0;
        size_t used_out = 0;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(library, in->ptr, in->len, out->ptr + out->len,
                                          out->capacity_bytes - out->len, &used_in, &used_out);
        if (result == LIBDEFLATE_SUCCESS) {
            out->len += used_out;
            *in = slice_from(*in, used_in);
            return 0;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return FAULT_MALFORMED;
        }
        /* One byte more than there is doubles the buffer, or reaches the cap. */
        int err = bytes_reserve(out, out->capacity_bytes - out->len + 1);
        if (err != 0) {
            return err;
        }
    }
}

static int gunzip(struct slice in, struct bytes *out)
{
    struct libdeflate_decompressor *library = libdeflate_alloc_decompressor();
    if (library == NULL) {
        return -ENOMEM;
    }
    size_t guess = gzip_size_guess(in);
    int err = guess == 0 ? 0 : bytes_reserve(out, guess);
    if (err == FAULT_LIMIT || guess == 0) {
        err = make_room(out); /* the claim may be a lie; the bytes decide */
        err = err == FAULT_LIMIT && out->ptr != NULL ? 0 : err;
    }
    do {
        err = err != 0 ? err : gunzip_member(library, &in, out);
    } while (err == 0 && in.len > 0);
    libdeflate_free_decompressor(library);
    return err;
}

static int unzstd_frames(ZSTD_DCtx *context, struct slice in, struct bytes *out)
{
    ZSTD_inBuffer source = {.src = in.ptr, .size = in.len};
    uint8_t spare = 0;
    size_t left = 1;
    while (left != 0 || source.pos < source.size) {
        int err = make_room(out);
        if (err == -ENOMEM) {
            return err;
        }
        /* At the cap a spare byte tells an end from an overflow. */
        bool is_full = err == FAULT_LIMIT;
        ZSTD_outBuffer target = {.dst = is_full ? &spare : out->ptr,
                                 .size = is_full ? 1 : out->capacity_bytes,
                                 .pos = is_full ? 0 : out->len};
        size_t source_before = source.pos;
        size_t target_before = target.pos;
        left = ZSTD_decompressStream(context, &target, &source);
        if (ZSTD_isError(left) != 0) {
            return FAULT_MALFORMED;
        }
        if (is_full && target.pos > 0) {
            return FAULT_LIMIT;
        }
        if (!is_full) {
            out->len = target.pos;
        }
        if (source.pos == source_before && target.pos == target_before && left != 0) {
            return FAULT_MALFORMED; /* it wants input that is not there */
        }
    }
    return 0;
}

static int unzstd(struct slice in, struct bytes *out)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return -ENOMEM;
    }
    int err = unzstd_frames(context, in, out);
    ZSTD_freeDCtx(context);
    return err;
}

int decompress_bounded(enum compress_kind kind, struct slice in, struct bytes *out)
{
    size_t before = out->len;
    int err = FAULT_UNSUPPORTED;
    switch (kind) {
    case COMPRESS_NONE:
        err = bytes_reserve(out, in.len);
        if (err == 0) {
            bytes_append(out, in.ptr, in.len);
        }
        break;
    case COMPRESS_GZIP:
        err = gunzip(in, out);
        break;
    case COMPRESS_ZSTD:
        err = unzstd(in, out);
        break;
    }
    if (err != 0) {
        out->len = before;
    }
    return err;
}
