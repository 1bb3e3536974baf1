/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress — whole bodies into gzip, zlib, zstd or snappy, and back within a bound.
 *
 * One call per request; nothing is kept between calls. gzip and zlib are ISA-L at level 1, which
 * costs a sixteenth of zlib's time for a few per cent more bytes; zstd is at level 3; snappy is
 * ours. Owns no state; buffers are the caller's. Sources: RFC 1950, RFC 1952, RFC 8878, snappy's
 * format_description.txt and framing_format.txt.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

enum compress_kind {
    COMPRESS_NONE, /* the bytes as they are, gathered */
    COMPRESS_GZIP,
    COMPRESS_ZSTD,
    COMPRESS_ZLIB,
    COMPRESS_DEFLATE,       /* HTTP's name for the zlib format */
    COMPRESS_SNAPPY,        /* written as one block; read as a block or framed, whichever it is */
    COMPRESS_SNAPPY_FRAMED, /* what gRPC implementations call `snappy` */
};
#define COMPRESS_KIND_COUNT 7

/*
 * The Content-Encoding of a kind: "identity", "gzip", "zstd", "zlib", "deflate", "snappy",
 * "x-snappy-framed".
 */
const char *compress_name(enum compress_kind kind);

/*
 * compress_kind_of — what a Content-Encoding or grpc-encoding means.
 *
 *   token   borrowed, without blanks around it; case does not matter; empty is "identity"
 *
 * Returns 0 and *out, or FAULT_UNSUPPORTED for any other word.
 */
WEIR_MUST_USE int compress_kind_of(struct slice token, enum compress_kind *out);

/*
 * compress_iov — appends the compressed concatenation of `iov_count` pieces to `out`.
 *
 * The pieces are borrowed and only read; there may be none. Returns 0; FAULT_LIMIT where the result
 * would pass out->max_bytes or the pieces are more than the format can hold (4 GiB for a snappy
 * block); -ENOMEM; FAULT_LIBRARY. On a failure out->len is what it was.
 */
WEIR_MUST_USE int compress_iov(enum compress_kind kind, const struct iovec *iov, size_t iov_count,
                               struct bytes *out);

/*
 * decompress_bounded — appends what `in` holds, all members or frames of it, to `out`.
 *
 * Never takes more memory than out->max_bytes for the output, whatever the input claims, and at
 * most 256 KiB beside it. Where the input says how long its content is (gzip, snappy, most zstd)
 * and that is believable, exactly so much is reserved at once; bytes_take then moves it on.
 *
 * Returns 0; FAULT_LIMIT past the bound; FAULT_MALFORMED for input that is cut short, damaged, or
 * followed by something else; -ENOMEM. On a failure out->len is what it was.
 */
WEIR_MUST_USE int decompress_bounded(enum compress_kind kind, struct slice in, struct bytes *out);
