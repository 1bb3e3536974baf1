/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_text — header values of gRPC: deadlines, percent-encoded texts, base64 of `-bin` fields.
 *
 * Source: grpc/doc/PROTOCOL-HTTP2.md.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/grpc.h"

#define TIMEOUT_DIGITS_MAX 8
#define TIMEOUT_VALUE_LIMIT 100000000 /* one beyond eight digits */

struct unit {
    uint8_t letter;
    uint64_t ns;
};

/* The finest first. */
static const struct unit UNITS[] = {
    {'n', 1},
    {'u', 1000},
    {'m', CLOCK_NS_PER_MS},
    {'S', CLOCK_NS_PER_S},
    {'M', 60 * CLOCK_NS_PER_S},
    {'H', 3600 * CLOCK_NS_PER_S},
};

int grpc_timeout_parse(struct slice value, uint64_t *out_ns)
{
    if (value.len < 2 || value.len > TIMEOUT_DIGITS_MAX + 1) {
        return FAULT_MALFORMED;
    }
    uint64_t count = 0;
    for (size_t i = 0; i + 1 < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') {
            return FAULT_MALFORMED;
        }
        count = count * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    for (size_t i = 0; i < COUNT_OF(UNITS); i++) {
        if (UNITS[i].letter == value.ptr[value.len - 1]) {
            *out_ns = count > UINT64_MAX / UNITS[i].ns ? UINT64_MAX : count * UNITS[i].ns;
            return 0;
        }
    }
    return FAULT_MALFORMED;
}

size_t grpc_timeout_format(uint64_t timeout_ns, uint8_t out[GRPC_TIMEOUT_MAX_BYTES])
{
    uint64_t count = TIMEOUT_VALUE_LIMIT;
    size_t u = 0;
    while (count >= TIMEOUT_VALUE_LIMIT && u < COUNT_OF(UNITS)) {
        count = timeout_ns / UNITS[u].ns + (timeout_ns % UNITS[u].ns != 0 ? 1 : 0);
        u++;
    }
    /* 2^64 ns are five million hours: they fit. */
    uint8_t digits[TIMEOUT_DIGITS_MAX];
    size_t len = 0;
    do {
        digits[len++] = (uint8_t)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = digits[len - 1 - i];
    }
    out[len] = UNITS[u - 1].letter;
    return len + 1;
}

/* --- percent-encoding ------------------------------------------------------------------------- */

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '%';
}

/* Bytes of the character that begins here; 1 for what is not UTF-8. */
static size_t character_len(struct slice rest)
{
    uint8_t lead = rest.ptr[0];
    size_t len = 1;
    if (lead >= 0xf0) {
        len = 4;
    } else if (lead >= 0xe0) {
        len = 3;
    } else if (lead >= 0xc0) {
        len = 2;
    }
    if (len > rest.len || !slice_is_utf8(slice_first(rest, len))) {
        return 1;
    }
    return len;
}

size_t grpc_text_encode(struct slice text, uint8_t *out, size_t cap)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t len = 0;
    struct slice rest = text;
    while (rest.len > 0) {
        size_t n = character_len(rest);
        size_t needed = n == 1 && is_plain(rest.ptr[0]) ? 1 : 3 * n;
        if (needed > cap - len) {
            break;
        }
        if (needed == 1) {
            out[len++] = rest.ptr[0];
        }
        for (size_t i = 0; needed > 1 && i < n; i++) {
            out[len++] = '%';
            out[len++] = (uint8_t)HEX[rest.ptr[i] >> 4];
            out[len++] = (uint8_t)HEX[rest.ptr[i] & 15];
        }
        rest = slice_from(rest, n);
    }
    return len;
}

/* 0 to 15, or 16 for what is no hexadecimal digit. */
static uint8_t hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return (uint8_t)(digit - '0');
    }
    uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? (uint8_t)(lower - 'a' + 10) : 16;
}

size_t grpc_text_decode(struct slice text, uint8_t *out)
{
    size_t len = 0;
    size_t i = 0;
    while (i < text.len) {
        if (text.ptr[i] == '%' && text.len - i > 2) {
            uint8_t high = hex_value(text.ptr[i + 1]);
            uint8_t low = hex_value(text.ptr[i + 2]);
            if (high < 16 && low < 16) {
                out[len++] = (uint8_t)(high << 4 | low);
                i += 3;
                continue;
            }
        }
        out[len++] = text.ptr[i++];
    }
    return len;
}

/* --- base64 ----------------------------------------------------------------------------------- */

size_t grpc_bin_encode(struct slice bytes, uint8_t *out, size_t cap)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ASSERT(GRPC_BIN_BYTES(bytes.len) <= cap);
    size_t len = 0;
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.ptr[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[len++] = (uint8_t)ALPHABET[bits >> bit_count & 63];
        }
    }
    if (bit_count > 0) {
        out[len++] = (uint8_t)ALPHABET[bits << (6 - bit_count) & 63];
    }
    ASSERT(len <= cap);
    return len;
}

/* 0 to 63, or 64 for what is not of the alphabet. */
static uint32_t base64_value(uint8_t digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return (uint32_t)(digit - 'A');
    }
    if (digit >= 'a' && digit <= 'z') {
        return (uint32_t)(digit - 'a') + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return (uint32_t)(digit - '0') + 52;
    }
    if (digit == '+') {
        return 62;
    }
    return digit == '/' ? 63 : 64;
}

int grpc_bin_decode(struct slice text, uint8_t *out, size_t *out_len)
{
    /* Padding, where there is any, fills up a group of four. */
    bool is_padded = text.len > 0 && text.len % 4 == 0;
    for (size_t i = 0; i < 2 && is_padded && text.ptr[text.len - 1] == '='; i++) {
        text.len--;
    }
    if (text.len % 4 == 1) {
        return FAULT_MALFORMED;
    }
    size_t len = 0;
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = base64_value(text.ptr[i]);
        if (value == 64) {
            return FAULT_MALFORMED;
        }
        bits = bits << 6 | value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            if (out != NULL) {
                out[len] = (uint8_t)(bits >> bit_count);
            }
            len++;
        }
    }
    *out_len = len;
    return 0;
}
