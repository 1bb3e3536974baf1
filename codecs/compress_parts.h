/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress_parts — what compress.c chooses among: one pair of functions per library format.
 *
 * Contracts are those of compress_iov and decompress_bounded, except that on a failure out->len may
 * have grown. Used by compress*.c only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* gzip or zlib format. */
WEIR_MUST_USE int compress_deflate(bool is_gzip, const struct iovec *iov, size_t iov_count,
                                   struct bytes *out);
WEIR_MUST_USE int compress_zstd(const struct iovec *iov, size_t iov_count, struct bytes *out);

/* All members of a gzip body; exactly one zlib stream; all frames of a zstd body. */
WEIR_MUST_USE int decompress_gzip(struct slice in, struct bytes *out);
WEIR_MUST_USE int decompress_zlib(struct slice in, struct bytes *out);
WEIR_MUST_USE int decompress_zstd(struct slice in, struct bytes *out);
