/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ident — see xray_ident.h.
 */
#include "bench/xray/xray_ident.h"

#include <string.h>

#include "bench/otlp/otlp_ident.h"
#include "core/base/defs.h"

#define HALF_DIGITS 8u

static void ident_put_hex(char *to, uint64_t value, uint32_t digit_count)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = digit_count; i > 0; i--) {
        to[i - 1] = digits[value & 15];
        value >>= 4;
    }
}

static bool ident_read_hex(const char *text, uint32_t digit_count, uint64_t *value)
{
    uint64_t sum = 0;
    bool is_good = true;
    for (uint32_t i = 0; i < digit_count; i++) {
        const char c = text[i];
        const bool is_digit = c >= '0' && c <= '9';
        is_good = is_good && (is_digit || (c >= 'a' && c <= 'f'));
        sum = sum << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *value = sum;
    return is_good;
}

void xray_ident_of(uint64_t seed, uint64_t sequence, struct xray_ident *out)
{
    const uint64_t segment_id = ident_id_of(seed, sequence);
    ident_put_hex(out->segment_id, segment_id, XRAY_SEGMENT_ID_BYTES);
    /* The number itself comes first: two traces cannot have the same id. */
    ident_put_hex(out->trace_digits, sequence, HALF_DIGITS);
    ident_put_hex(out->trace_digits + HALF_DIGITS, ~segment_id, 2 * HALF_DIGITS);
}

uint64_t xray_ident_sequence(uint64_t seed, const struct xray_ident *ident)
{
    uint64_t segment_id = 0;
    if (!ident_read_hex(ident->segment_id, XRAY_SEGMENT_ID_BYTES, &segment_id)) {
        return UINT64_MAX;
    }
    const uint64_t sequence = ident_sequence_of(seed, segment_id);
    if (sequence >= IDENT_SEQUENCE_MAX) {
        return UINT64_MAX;
    }
    struct xray_ident same;
    xray_ident_of(seed, sequence, &same);
    return memcmp(&same, ident, sizeof(same)) == 0 ? sequence : UINT64_MAX;
}
