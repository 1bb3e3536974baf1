/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice — the few operations on borrowed bytes that do not fit an inline accessor.
 */
#include "core/base/slice.h"

struct slice slice_of_text(const char *text)
{
    if (text == NULL) {
        return (struct slice){0};
    }
    return slice_of(text, strlen(text));
}

size_t slice_find(struct slice s, uint8_t byte)
{
    if (s.len == 0) {
        return 0;
    }
    const uint8_t *found = memchr(s.ptr, byte, s.len);
    return found == NULL ? s.len : (size_t)(found - s.ptr);
}

bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_equal(slice_first(s, prefix.len), prefix);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Bytes of the well-formed sequence at the start of `s` (not empty), or 0 where it is not one. */
static size_t utf8_sequence_bytes(struct slice s)
{
    uint8_t lead = s.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead > 0xF4 || len == 0 || len > s.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s.ptr[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    /* Second byte bounds of RFC 3629 table 3-7: overlong forms, surrogates, above U+10FFFF. */
    if ((lead == 0xE0 && s.ptr[1] < 0xA0) || (lead == 0xED && s.ptr[1] > 0x9F) ||
        (lead == 0xF0 && s.ptr[1] < 0x90) || (lead == 0xF4 && s.ptr[1] > 0x8F)) {
        return 0;
    }
    return len;
}

bool slice_is_utf8(struct slice s)
{
    size_t i = 0;
    while (i < s.len) {
        uint64_t word;
        if (s.len - i >= sizeof(word)) {
            memcpy(&word, s.ptr + i, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t len = utf8_sequence_bytes(slice_from(s, i));
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}
