/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress — which kind a word means, and which code does it.
 *
 * Owns nothing; compress_encode, compress_decode and snappy do the work. Source: RFC 9110, 8.4.1.
 */
#include "codecs/compress.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "codecs/compress_parts.h"
#include "codecs/snappy.h"
#include "core/base/fault.h"

static const char *const names[] = {
    [COMPRESS_NONE] = "identity",
    [COMPRESS_GZIP] = "gzip",
    [COMPRESS_ZSTD] = "zstd",
    [COMPRESS_ZLIB] = "zlib",
    [COMPRESS_DEFLATE] = "deflate",
    [COMPRESS_SNAPPY] = "snappy",
    [COMPRESS_SNAPPY_FRAMED] = "x-snappy-framed",
};
_Static_assert(COUNT_OF(names) == COMPRESS_KIND_COUNT, "each kind has a name");

const char *compress_name(enum compress_kind kind)
{
    ASSERT((size_t)kind < COUNT_OF(names));
    return names[kind];
}

int compress_kind_of(struct slice token, enum compress_kind *out)
{
    if (token.len == 0) {
        *out = COMPRESS_NONE;
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (token.len == strlen(names[i]) &&
            strncasecmp((const char *)token.ptr, names[i], token.len) == 0) {
            *out = (enum compress_kind)i;
            return 0;
        }
    }
    return FAULT_UNSUPPORTED;
}

static int gather(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    size_t total = 0;
    for (size_t i = 0; i < iov_count; i++) {
        total += iov[i].iov_len;
    }
    int err = bytes_reserve_exact(out, total);
    for (size_t i = 0; err == 0 && i < iov_count; i++) {
        bytes_append(out, iov[i].iov_base, iov[i].iov_len);
    }
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
        err = compress_deflate(true, iov, iov_count, out);
        break;
    case COMPRESS_ZSTD:
        err = compress_zstd(iov, iov_count, out);
        break;
    case COMPRESS_ZLIB:
    case COMPRESS_DEFLATE:
        err = compress_deflate(false, iov, iov_count, out);
        break;
    case COMPRESS_SNAPPY:
        err = snappy_block_encode_iov(iov, iov_count, out);
        break;
    case COMPRESS_SNAPPY_FRAMED:
        err = snappy_framed_encode_iov(iov, iov_count, out);
        break;
    }
    if (err != 0) {
        out->len = before;
    }
    return err;
}

static int unsnappy(struct slice in, struct bytes *out)
{
    if (snappy_is_framed(in)) {
        return snappy_framed_decode(in, out);
    }
    size_t len = 0;
    int err = snappy_block_len(in, &len);
    if (err == 0) {
        err = bytes_reserve_exact(out, len);
    }
    if (err == 0) {
        err = snappy_block_decode(in, len == 0 ? NULL : out->ptr + out->len, len);
    }
    if (err == 0) {
        out->len += len;
    }
    return err;
}

int decompress_bounded(enum compress_kind kind, struct slice in, struct bytes *out)
{
    size_t before = out->len;
    int err = FAULT_UNSUPPORTED;
    switch (kind) {
    case COMPRESS_NONE:
        err = bytes_reserve_exact(out, in.len);
        if (err == 0) {
            bytes_append(out, in.ptr, in.len);
        }
        break;
    case COMPRESS_GZIP:
        err = decompress_gzip(in, out);
        break;
    case COMPRESS_ZSTD:
        err = decompress_zstd(in, out);
        break;
    case COMPRESS_ZLIB:
    case COMPRESS_DEFLATE:
        err = decompress_zlib(in, out);
        break;
    case COMPRESS_SNAPPY:
        err = unsnappy(in, out);
        break;
    case COMPRESS_SNAPPY_FRAMED:
        err = snappy_framed_decode(in, out);
        break;
    }
    if (err != 0) {
        out->len = before;
    }
    return err;
}
