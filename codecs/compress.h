/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress — whole bodies into gzip or zstd, and back within a bound.
 *
 * One call per request; nothing is kept between calls. gzip is ISA-L at level 1, which costs a
 * sixteenth of zlib's time for a few per cent more bytes; zstd is at level 3. Owns no state;
 * buffers are the caller's. Sources: RFC 1952, RFC 8878.
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
};

/* The Content-Encoding of a kind: "identity", "gzip", "zstd". */
const char *compress_name(enum compress_kind kind);

/*
 * compress_iov — appends the compressed concatenation of `iov_count` pieces to `out`.
 *
 * The pieces are borrowed and only read; there may be none. Returns 0; FAULT_LIMIT where the result
 * would pass out->max_bytes; -ENOMEM; FAULT_LIBRARY. On a failure out->len is what it was.
 */
WEIR_MUST_USE int compress_iov(enum compress_kind kind, const struct iovec *iov, size_t iov_count,
                               struct bytes *out);

/*
 * decompress_bounded — appends what `in` holds, all members or frames of it, to `out`.
 *
 * Stops at out->max_bytes, whatever the input claims. Returns 0; FAULT_LIMIT past the bound;
 * FAULT_MALFORMED for input that is cut short, damaged, or followed by something else; -ENOMEM. On
 * a failure out->len is what it was.
 */
WEIR_MUST_USE int decompress_bounded(enum compress_kind kind, struct slice in, struct bytes *out);
