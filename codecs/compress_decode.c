/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress_decode — gzip, zlib and zstd back into a bounded buffer.
 *
 * Each library undoes a whole member into the output itself, so that no window has to be kept
 * beside it. Where the buffer proves too short it grows at least twofold and the member is undone
 * again, which costs as much as it held once more; members that say their length are undone once.
 * Sources: RFC 1950, RFC 1952, RFC 8878, and the headers of libdeflate and zstd.
 */
#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codecs/compress_parts.h"
#include "core/base/fault.h"

/* Deflate makes at most 1032 bytes of one; a trailer that claims more lies. */
#define DEFLATE_RATIO_MAX 1032
#define GZIP_MEMBER_MIN_BYTES 18
/* What telemetry usually shrinks by; the first guess where the input does not say. */
#define USUAL_RATIO 8

/* One member or frame undone into the room behind out->len. */
enum undone {
    UNDONE_WHOLE,
    UNDONE_SHORT, /* the room did not suffice; nothing is known but that */
    UNDONE_BAD,
};

/* Where the room begins; a library wants a pointer even to none. */
static void *room_of(const struct bytes *out, uint8_t *none)
{
    return out->ptr == NULL ? none : out->ptr + out->len;
}

/* At least one byte more than there is, twice as much if the cap allows. */
static int grow(struct bytes *out)
{
    return bytes_reserve(out, out->capacity_bytes - out->len + 1);
}

/* Room for what `in` usually becomes, as far as the cap allows. */
static int reserve_usual(struct slice in, struct bytes *out)
{
    size_t room = out->max_bytes > out->len ? out->max_bytes - out->len : 0;
    size_t guess = in.len > room / USUAL_RATIO ? room : in.len * USUAL_RATIO;
    return bytes_reserve_exact(out, guess);
}

/* --- deflate ---------------------------------------------------------------------------------- */

enum wrapping {
    WRAPPING_GZIP,
    WRAPPING_ZLIB,
};

static enum undone inflate_once(struct libdeflate_decompressor *library, enum wrapping wrapping,
                                struct slice *in, struct bytes *out)
{
    uint8_t none = 0;
    void *room = room_of(out, &none);
    size_t room_bytes = out->capacity_bytes - out->len;
    size_t used_in = 0;
    size_t used_out = 0;
    enum libdeflate_result result =
        wrapping == WRAPPING_GZIP ? libdeflate_gzip_decompress_ex(library, in->ptr, in->len, room,
                                                                  room_bytes, &used_in, &used_out)
                                  : libdeflate_zlib_decompress_ex(library, in->ptr, in->len, room,
                                                                  room_bytes, &used_in, &used_out);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
        return UNDONE_SHORT;
    }
    if (result != LIBDEFLATE_SUCCESS) {
        return UNDONE_BAD;
    }
    ASSERT(used_out <= room_bytes);
    out->len += used_out;
    *in = slice_from(*in, used_in);
    return UNDONE_WHOLE;
}

static int inflate_member(struct libdeflate_decompressor *library, enum wrapping wrapping,
                          struct slice *in, struct bytes *out)
{
    for (;;) {
        enum undone undone = inflate_once(library, wrapping, in, out);
        if (undone != UNDONE_SHORT) {
            return undone == UNDONE_WHOLE ? 0 : FAULT_MALFORMED;
        }
        int err = grow(out);
        if (err != 0) {
            return err;
        }
    }
}

/* Room for what the last member says it holds, if that can be; else for what is usual. */
static int reserve_claimed(struct slice in, struct bytes *out)
{
    if (in.len < GZIP_MEMBER_MIN_BYTES) {
        return 0; /* it will prove to be none */
    }
    const uint8_t *p = in.ptr + in.len - 4;
    size_t claimed = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (claimed / DEFLATE_RATIO_MAX > in.len) {
        return reserve_usual(in, out);
    }
    /* Past the cap the claim may still be a lie: cut input is malformed, not too large. */
    int err = bytes_reserve_exact(out, claimed);
    return err == FAULT_LIMIT ? reserve_usual(in, out) : err;
}

int decompress_gzip(struct slice in, struct bytes *out)
{
    struct libdeflate_decompressor *library = libdeflate_alloc_decompressor();
    if (library == NULL) {
        return -ENOMEM;
    }
    int err = reserve_claimed(in, out);
    do {
        if (err == 0) {
            err = inflate_member(library, WRAPPING_GZIP, &in, out);
        }
    } while (err == 0 && in.len > 0);
    libdeflate_free_decompressor(library);
    return err;
}

int decompress_zlib(struct slice in, struct bytes *out)
{
    struct libdeflate_decompressor *library = libdeflate_alloc_decompressor();
    if (library == NULL) {
        return -ENOMEM;
    }
    int err = reserve_usual(in, out);
    if (err == 0) {
        err = inflate_member(library, WRAPPING_ZLIB, &in, out);
    }
    libdeflate_free_decompressor(library);
    return err == 0 && in.len > 0 ? FAULT_MALFORMED : err;
}

/* --- zstd ------------------------------------------------------------------------------------- */

static enum undone unzstd_once(ZSTD_DCtx *context, struct slice frame, struct bytes *out)
{
    uint8_t none = 0;
    size_t result = ZSTD_decompressDCtx(context, room_of(out, &none),
                                        out->capacity_bytes - out->len, frame.ptr, frame.len);
    if (ZSTD_isError(result) == 0) {
        out->len += result;
        return UNDONE_WHOLE;
    }
    return ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall ? UNDONE_SHORT : UNDONE_BAD;
}

static int unzstd_frame(ZSTD_DCtx *context, struct slice frame, struct bytes *out)
{
    uint64_t claimed = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    bool is_known = claimed != ZSTD_CONTENTSIZE_UNKNOWN;
    if (claimed == ZSTD_CONTENTSIZE_ERROR) {
        return FAULT_MALFORMED;
    }
    int err = is_known ? bytes_reserve_exact(out, claimed) : reserve_usual(frame, out);
    while (err == 0) {
        enum undone undone = unzstd_once(context, frame, out);
        if (undone == UNDONE_WHOLE) {
            return 0;
        }
        if (undone == UNDONE_BAD || is_known) {
            return FAULT_MALFORMED;
        }
        err = grow(out);
    }
    return err;
}

int decompress_zstd(struct slice in, struct bytes *out)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    do {
        size_t frame_len = ZSTD_findFrameCompressedSize(in.ptr, in.len);
        if (ZSTD_isError(frame_len) != 0) {
            err = FAULT_MALFORMED;
        } else {
            err = unzstd_frame(context, slice_first(in, frame_len), out);
            in = slice_from(in, frame_len);
        }
    } while (err == 0 && in.len > 0);
    ZSTD_freeDCtx(context);
    return err;
}
