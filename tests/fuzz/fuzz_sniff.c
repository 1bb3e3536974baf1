/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: sniff_protocol.
 *
 * The first byte says what is allowed. Whatever the length, an answer stands once it is given,
 * names something allowed, and comes within SNIFF_MAX_BYTES.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice all = slice_of(data + 1, size - 1);
    uint32_t allowed = (uint32_t)data[0] << SNIFF_HTTP1;
    allowed &= SNIFF_BIT(SNIFF_HTTP1) | SNIFF_BIT(SNIFF_HTTP2) | SNIFF_BIT(SNIFF_TLS) |
               SNIFF_BIT(SNIFF_PROXY) | SNIFF_BIT(SNIFF_STATSD);
    enum sniff_kind told = SNIFF_MORE;
    for (size_t len = 0; len <= all.len && len <= 2 * (size_t)SNIFF_MAX_BYTES; len++) {
        enum sniff_kind kind = sniff_protocol(slice_first(all, len), allowed);
        ASSERT(told == SNIFF_MORE || kind == told);
        ASSERT(kind != SNIFF_MORE || len < SNIFF_MAX_BYTES);
        ASSERT(kind == SNIFF_MORE || kind == SNIFF_UNKNOWN || (allowed & SNIFF_BIT(kind)) != 0);
        ASSERT(kind != SNIFF_UNKNOWN || (allowed & SNIFF_BIT(SNIFF_STATSD)) == 0);
        told = kind;
    }
    ASSERT(all.len > 2 * (size_t)SNIFF_MAX_BYTES || sniff_protocol(all, allowed) == told);
    ASSERT(sniff_text(told)[0] != '\0');
    return 0;
}
