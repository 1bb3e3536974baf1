/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy — Google's fast compression: single blocks, and streams of framed ones.
 *
 * A block tells its length first and has no checksum; a stream is chunks of at most 64 KiB with
 * CRC-32C. Owns nothing; output goes to the caller's buffer. Sources: google/snappy
 * format_description.txt and framing_format.txt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Input is compressed in fragments of this size; what a chunk of a stream may hold. */
#define SNAPPY_FRAGMENT_BYTES 65536
/* What one fragment may become: a copy takes as much as it saves, literals cost a byte in 60. */
#define SNAPPY_FRAGMENT_MAX_BYTES (32 + SNAPPY_FRAGMENT_BYTES + SNAPPY_FRAGMENT_BYTES / 6)
#define SNAPPY_TABLE_ENTRIES 16384

/*
 * snappy_block_len — the length that a block says it has, if so few bytes can hold so much.
 * 0 or FAULT_MALFORMED; *len only on 0.
 */
WEIR_MUST_USE int snappy_block_len(struct slice block, size_t *len);

/*
 * snappy_block_decode — undoes a block into `out`, which has room for exactly the `len` that
 * snappy_block_len said. 0 or FAULT_MALFORMED, and then what is in `out` is worthless.
 */
WEIR_MUST_USE int snappy_block_decode(struct slice block, uint8_t *out, size_t len);

/*
 * snappy_fragment_encode — one fragment as block elements, without the length before them.
 *
 *   in      at most SNAPPY_FRAGMENT_BYTES
 *   table   scratch of SNAPPY_TABLE_ENTRIES; content does not matter
 *   out     SNAPPY_FRAGMENT_MAX_BYTES
 *
 * Returns the length.
 */
size_t snappy_fragment_encode(struct slice in, uint16_t *table, uint8_t *out);

/* Does the text begin a framed stream? */
bool snappy_is_framed(struct slice in);

/*
 * Both append to `out`: a whole block or stream compressed, up to out->max_bytes. 0; FAULT_LIMIT
 * past the bound, and for 4 GiB and more in a block; -ENOMEM. On a failure out->len may have grown.
 */
WEIR_MUST_USE int snappy_block_encode_iov(const struct iovec *iov, size_t iov_count,
                                          struct bytes *out);
WEIR_MUST_USE int snappy_framed_encode_iov(const struct iovec *iov, size_t iov_count,
                                           struct bytes *out);

/*
 * snappy_framed_decode — appends what a stream holds to `out`; its length is summed up and reserved
 * before anything is undone. 0; FAULT_MALFORMED; FAULT_LIMIT; -ENOMEM. On a failure out->len may
 * have grown.
 */
WEIR_MUST_USE int snappy_framed_decode(struct slice in, struct bytes *out);
