/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_scan — strings, numbers and words of a padded JSON text.
 *
 * The parts that a cursor rarely needs, or that are long. Escapes and sequences beyond ASCII are
 * checked by core/base/json_text, which also undoes them later. Source: RFC 8259.
 */
#include "codecs/xray_scan.h"

#include "core/base/json_text.h"

_Static_assert(XRAY_SCAN_PAD_BYTES >= 2 * XRAY_SCAN_STEP_BYTES,
               "the step that meets a zero ends in it");

/* --- strings --------------------------------------------------------------------------------- */

/* How long the escape or the sequence at `at` is; 0 where it is not JSON. */
static size_t special_len(const uint8_t *at, uint8_t *flags)
{
    /* The padding answers for bytes behind the text; no escape or sequence is longer. */
    bool is_good = true;
    bool is_lone = false;
    size_t len = 0;
    if (*at == '\\') {
        len = json_text_escape_len(at, XRAY_SCAN_PAD_BYTES, &is_lone);
        *flags |= XRAY_FLAG_ESCAPES;
    } else if (*at >= 0x80) {
        len = json_text_sequence_len(at, XRAY_SCAN_PAD_BYTES, &is_good);
    }
    if (is_lone || !is_good) {
        *flags |= XRAY_FLAG_ILL_FORMED;
    }
    return len;
}

const uint8_t *xray_scan_string_slowly(const uint8_t *start, const uint8_t *first,
                                       const uint8_t *at, struct xray_text *out)
{
    uint8_t flags = 0;
    while (*at != '"') {
        size_t len = special_len(at, &flags);
        if (len == 0) {
            return NULL;
        }
        at = xray_scan_find_special(at + len);
    }
    *out = (struct xray_text){.first = (uint32_t)(first - start),
                              .len = (uint16_t)(at - first),
                              .kind = XRAY_KIND_STRING,
                              .flags = flags};
    return at + 1;
}

/* --- numbers and words ------------------------------------------------------------------------ */

static inline const uint8_t *skip_digits(const uint8_t *at)
{
    while (*at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Where the point and the exponent of a number end, if it has any; NULL where they are broken. */
static const uint8_t *skip_fraction(const uint8_t *at)
{
    if (*at == '.') {
        const uint8_t *digits = at + 1;
        at = skip_digits(digits);
        if (at == digits) {
            return NULL;
        }
    }
    if (*at == 'e' || *at == 'E') {
        const uint8_t *digits = at + 1;
        if (*digits == '+' || *digits == '-') {
            digits++;
        }
        at = skip_digits(digits);
        if (at == digits) {
            return NULL;
        }
    }
    return at;
}

const uint8_t *xray_scan_number(const uint8_t *start, const uint8_t *pos, struct xray_text *out)
{
    const uint8_t *digits = *pos == '-' ? pos + 1 : pos;
    const uint8_t *at = *digits == '0' ? digits + 1 : skip_digits(digits);
    if (at == digits) {
        return NULL;
    }
    const uint8_t *limit = skip_fraction(at);
    if (limit == NULL) {
        return NULL;
    }
    *out = (struct xray_text){.first = (uint32_t)(pos - start),
                              .len = (uint16_t)(limit - pos),
                              .kind = XRAY_KIND_NUMBER,
                              .flags = limit == at ? XRAY_FLAG_INTEGER : 0};
    return limit;
}

static const uint8_t *scan_word(const uint8_t *pos, const char *word, size_t len)
{
    return memcmp(pos, word, len) == 0 ? pos + len : NULL;
}

const uint8_t *xray_scan_scalar(const uint8_t *start, const uint8_t *pos, struct xray_text *out)
{
    switch (*pos) {
    case '"':
        return xray_scan_string(start, pos, out);
    case 't':
        *out = (struct xray_text){.kind = XRAY_KIND_TRUE};
        return scan_word(pos, "true", 4);
    case 'f':
        *out = (struct xray_text){.kind = XRAY_KIND_FALSE};
        return scan_word(pos, "false", 5);
    case 'n':
        *out = (struct xray_text){.kind = XRAY_KIND_NULL};
        return scan_word(pos, "null", 4);
    default:
        return xray_scan_number(start, pos, out);
    }
}
