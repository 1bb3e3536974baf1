/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_text — finds an element by stepping from tag to tag, and undoes the entities of its text.
 *
 * Source: XML 1.0, 2.4 to 2.7 and 4.1, as far as the answers of the Query protocol use them.
 */
#include "io/aws/xml_text.h"

#include <stdint.h>
#include <string.h>

#include "core/base/fault.h"

/* "&#x10FFFF;" */
#define ENTITY_MAX_BYTES 10
#define UTF8_MAX_BYTES 4

enum tag_kind { TAG_OPEN, TAG_CLOSE, TAG_EMPTY, TAG_NONE };

struct tag {
    enum tag_kind kind;
    struct slice name; /* without its prefix */
    size_t start;      /* of its '<' */
    size_t limit;      /* behind its '>' */
};

/* Where `mark` begins at or behind `from`; the length of the text where it does not. */
static size_t find_mark(struct slice text, size_t from, const char *mark)
{
    if (from >= text.len) {
        return text.len;
    }
    size_t len = strlen(mark);
    const uint8_t *found = memmem(text.ptr + from, text.len - from, mark, len);
    return found == NULL ? text.len : (size_t)(found - text.ptr);
}

static bool starts_at(struct slice text, size_t at, const char *mark)
{
    return slice_has_prefix(slice_from(text, at), slice_of(mark, strlen(mark)));
}

static bool is_name_end(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/' || c == '>';
}

/* The local name at the start of `text`. */
static struct slice name_of(struct slice text)
{
    size_t len = 0;
    while (len < text.len && !is_name_end(text.ptr[len])) {
        len++;
    }
    struct slice name = slice_first(text, len);
    size_t colon = slice_find(name, ':');
    return colon < len ? slice_from(name, colon + 1) : name;
}

/* Behind the '>' that closes the tag; one inside quotes is part of an attribute. 0: none. */
static size_t tag_limit(struct slice xml, size_t from)
{
    uint8_t quote = 0;
    for (size_t i = from; i < xml.len; i++) {
        uint8_t c = xml.ptr[i];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return i + 1;
        }
    }
    return 0;
}

/* Behind what is no element but stands in its place, or `at` where an element begins. */
static size_t skip_other(struct slice xml, size_t at)
{
    static const char *const marks[][2] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        if (starts_at(xml, at, marks[i][0])) {
            size_t end = find_mark(xml, at + strlen(marks[i][0]), marks[i][1]);
            return end == xml.len ? end : end + strlen(marks[i][1]);
        }
    }
    return at;
}

static struct tag next_tag(struct slice xml, size_t from)
{
    size_t at = find_mark(xml, from, "<");
    for (size_t next = 0; at < xml.len; at = find_mark(xml, next, "<")) {
        next = skip_other(xml, at);
        if (next == at) {
            break;
        }
    }
    size_t limit = at < xml.len ? tag_limit(xml, at) : 0;
    if (limit == 0) {
        return (struct tag){.kind = TAG_NONE};
    }
    bool is_close = xml.ptr[at + 1] == '/';
    enum tag_kind kind = xml.ptr[limit - 2] == '/' ? TAG_EMPTY : TAG_OPEN;
    return (struct tag){.kind = is_close ? TAG_CLOSE : kind,
                        .name = name_of(slice_from(xml, at + (is_close ? 2 : 1))),
                        .start = at,
                        .limit = limit};
}

bool xml_text_find(struct slice xml, const char *name, struct slice *inner)
{
    bool is_open = false;
    size_t start = 0;
    struct tag tag = next_tag(xml, 0);
    for (; tag.kind != TAG_NONE; tag = next_tag(xml, tag.limit)) {
        if (!slice_is_text(tag.name, name)) {
            continue;
        }
        if (is_open && tag.kind == TAG_CLOSE) {
            *inner = slice_of(xml.ptr + start, tag.start - start);
            return true;
        }
        if (!is_open && tag.kind == TAG_EMPTY) {
            *inner = slice_of(xml.ptr + tag.limit, 0);
            return true;
        }
        if (!is_open && tag.kind == TAG_OPEN) {
            is_open = true;
            start = tag.limit;
        }
    }
    return false;
}

/* --- entities -------------------------------------------------------------------------------- */

static size_t utf8_of(uint32_t c, uint8_t out[UTF8_MAX_BYTES])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : 3;
    len += c >= 0x10000 ? 1 : 0;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (uint8_t)(((0xF00u >> len) & 0xFF) | c);
    return len;
}

static uint32_t digit_of(uint8_t c)
{
    uint8_t lower = c | 0x20;
    if (c >= '0' && c <= '9') {
        return c - (uint32_t)'0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - (uint32_t)'a' + 10 : UINT32_MAX;
}

/* The digits of "#38" or "#x26"; 0 for what is no character. */
static uint32_t character_of(struct slice digits)
{
    uint32_t base = 10;
    uint32_t value = 0;
    if (digits.len > 0 && digits.ptr[0] == 'x') {
        base = 16;
        digits = slice_from(digits, 1);
    }
    for (size_t i = 0; i < digits.len; i++) {
        uint32_t digit = digit_of(digits.ptr[i]);
        if (digit >= base || value > 0x10FFFF) {
            return 0;
        }
        value = value * base + digit;
    }
    bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value > 0x10FFFF || is_surrogate ? 0 : value;
}

/* What the text at an ampersand stands for, and how many bytes spell it; else the ampersand. */
static size_t take_entity(struct slice text, uint8_t out[UTF8_MAX_BYTES], size_t *spelled)
{
    static const struct {
        const char *name;
        char value;
    } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    size_t end =
        slice_find(text.len > ENTITY_MAX_BYTES ? slice_first(text, ENTITY_MAX_BYTES) : text, ';');
    *spelled = 1;
    out[0] = '&';
    if (end >= ENTITY_MAX_BYTES || end == text.len) {
        return 1;
    }
    struct slice name = slice_of(text.ptr + 1, end - 1);
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (slice_is_text(name, named[i].name)) {
            out[0] = (uint8_t)named[i].value;
            *spelled = end + 1;
            return 1;
        }
    }
    uint32_t c = name.len > 1 && name.ptr[0] == '#' ? character_of(slice_from(name, 1)) : 0;
    if (c == 0) {
        return 1;
    }
    *spelled = end + 1;
    return utf8_of(c, out);
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || (text.ptr[0] >= '\t' && text.ptr[0] <= '\r'))) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' ||
                            (text.ptr[text.len - 1] >= '\t' && text.ptr[text.len - 1] <= '\r'))) {
        text = slice_first(text, text.len - 1);
    }
    return text;
}

int xml_text_copy(struct slice inner, char *buf, size_t cap)
{
    size_t len = 0;
    struct slice text = trim(inner);
    ASSERT(cap > 0);
    buf[0] = '\0';
    if (slice_find(text, '<') != text.len || slice_find(text, '\0') != text.len ||
        !slice_is_utf8(text)) {
        return FAULT_MALFORMED;
    }
    while (text.len > 0) {
        uint8_t piece[UTF8_MAX_BYTES] = {text.ptr[0]};
        size_t spelled = 1;
        size_t piece_len = text.ptr[0] == '&' ? take_entity(text, piece, &spelled) : 1;
        if (piece_len >= cap - len) {
            return FAULT_LIMIT;
        }
        memcpy(buf + len, piece, piece_len);
        len += piece_len;
        buf[len] = '\0';
        text = slice_from(text, spelled);
    }
    return 0;
}
