/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp_text — texts put together, and metadata as JSON text.
 *
 * JSON comes out as Go's encoder writes a decoded map, because that is what stands in the attribute
 * when the Collector translates: no blanks, names sorted bytewise, `<`, `>`, `&` and the two line
 * separators escaped, numbers as the shortest digits of a double. Nesting costs one level of a
 * fixed stack.
 */
#include <math.h>

#include "codecs/xray_to_otlp_parts.h"
#include "core/base/number.h"

/* Up to here, members are sorted by insertion; SDKs write fewer. */
#define INSERTION_MAX 24
/* Digits that every double keeps. */
#define EXACT_DIGITS 15

uint8_t *xray_text_room(struct xray_to_otlp *t, size_t len)
{
    if (len > XRAY_SPANS_MAX_BYTES - t->text_len) {
        xray_refuse(t, XRAY_WHY_SPANS);
        return NULL;
    }
    uint8_t *room = t->texts + t->text_len;
    t->text_len += len;
    return room;
}

void xray_text_put(struct xray_to_otlp *t, struct slice bytes)
{
    uint8_t *room = xray_text_room(t, bytes.len);
    if (room != NULL && bytes.len > 0) {
        memcpy(room, bytes.ptr, bytes.len);
    }
}

static void put_byte(struct xray_to_otlp *t, uint8_t byte)
{
    xray_text_put(t, slice_of(&byte, 1));
}

struct slice xray_text_undo_slowly(struct xray_to_otlp *t, struct xray_text text)
{
    ASSERT(text.kind == XRAY_KIND_STRING);
    struct json_text json = xray_segment_string(&t->segment, text);
    size_t len = json_text_len(json);
    uint8_t *room = xray_text_room(t, len);
    if (room == NULL) {
        return (struct slice){0};
    }
    (void)json_text_write(json, room); /* returns `len` */
    return slice_of(room, len);
}

/* --- order ------------------------------------------------------------------------------------ */

/* By name, then by place, so that the last of equal names comes last. */
static bool is_behind(struct xray_to_otlp *t, uint32_t a, uint32_t b)
{
    size_t mark = t->text_len;
    struct slice name_a = xray_text_undo(t, t->segment.items[a].key);
    struct slice name_b = xray_text_undo(t, t->segment.items[b].key);
    int order = slice_compare(name_a, name_b);
    t->text_len = mark;
    return order != 0 ? order > 0 : a > b;
}

static void sort_few(struct xray_to_otlp *t, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint32_t item = order[i];
        uint32_t at = i;
        while (at > 0 && is_behind(t, order[at - 1], item)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = item;
    }
}

/* Lets the item at `at` sink to where no child is behind it; heap of `count`. */
static void sink(struct xray_to_otlp *t, uint32_t *order, uint32_t at, uint32_t count)
{
    uint32_t item = order[at];
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_behind(t, order[child + 1], order[child])) {
            child++;
        }
        if (!is_behind(t, order[child], item)) {
            break;
        }
        order[at] = order[child];
        at = child;
    }
    order[at] = item;
}

/* Never quadratic, whatever was sent. */
static void sort_many(struct xray_to_otlp *t, uint32_t *order, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sink(t, order, i - 1, count);
    }
    for (uint32_t left = count - 1; left > 0; left--) {
        uint32_t last = order[0];
        order[0] = order[left];
        order[left] = last;
        sink(t, order, 0, left);
    }
}

static bool is_same_name(struct xray_to_otlp *t, uint32_t a, uint32_t b)
{
    size_t mark = t->text_len;
    bool is_same = slice_equal(xray_text_undo(t, t->segment.items[a].key),
                               xray_text_undo(t, t->segment.items[b].key));
    t->text_len = mark;
    return is_same;
}

uint32_t xray_order_members(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_item *items = t->segment.items;
    uint32_t *order = t->order + t->order_count;
    uint32_t count = 0;
    for (uint32_t i = index + 1; i < items[index].limit_index; i = items[i].limit_index) {
        ASSERT(t->order_count + count < XRAY_ITEMS_MAX);
        order[count] = i;
        count++;
    }
    if (count <= INSERTION_MAX) {
        sort_few(t, order, count);
    } else {
        sort_many(t, order, count);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 == count || !is_same_name(t, order[i], order[i + 1])) {
            order[kept] = order[i];
            kept++;
        }
    }
    t->order_count += kept;
    return kept;
}

/* --- JSON: strings and numbers ---------------------------------------------------------------- */

/* Bytes that may not stand in a JSON string of Go as they are; 0xE2 begins the line separators. */
static const bool is_special[UINT8_MAX + 1] = {
    ['"'] = true,  ['\\'] = true, ['<'] = true,  ['>'] = true,  ['&'] = true,  [0xE2] = true,
    [0x00] = true, [0x01] = true, [0x02] = true, [0x03] = true, [0x04] = true, [0x05] = true,
    [0x06] = true, [0x07] = true, [0x08] = true, [0x09] = true, [0x0A] = true, [0x0B] = true,
    [0x0C] = true, [0x0D] = true, [0x0E] = true, [0x0F] = true, [0x10] = true, [0x11] = true,
    [0x12] = true, [0x13] = true, [0x14] = true, [0x15] = true, [0x16] = true, [0x17] = true,
    [0x18] = true, [0x19] = true, [0x1A] = true, [0x1B] = true, [0x1C] = true, [0x1D] = true,
    [0x1E] = true, [0x1F] = true,
};

static void put_escaped(struct xray_to_otlp *t, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t text[6] = {'\\',
                       'u',
                       (uint8_t)digits[unit >> 12],
                       (uint8_t)digits[unit >> 8 & 15],
                       (uint8_t)digits[unit >> 4 & 15],
                       (uint8_t)digits[unit & 15]};
    xray_text_put(t, slice_of(text, sizeof(text)));
}

/* One character: a byte of ASCII, or a sequence. */
static void put_character(struct xray_to_otlp *t, struct slice piece)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    uint8_t c = piece.ptr[0];
    bool is_separator = piece.len == 3 && c == 0xE2 && piece.ptr[1] == 0x80 &&
                        (piece.ptr[2] == 0xA8 || piece.ptr[2] == 0xA9);
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (is_separator) {
        put_escaped(t, 0x2028 + (uint32_t)(piece.ptr[2] - 0xA8));
    } else if (found != NULL) {
        uint8_t pair[2] = {'\\', (uint8_t)to[found - from]};
        xray_text_put(t, slice_of(pair, sizeof(pair)));
    } else if (!is_special[c] || c == 0xE2) {
        xray_text_put(t, piece);
    } else {
        put_escaped(t, c);
    }
}

static void put_string(struct xray_to_otlp *t, struct xray_text text)
{
    struct json_text json = xray_segment_string(&t->segment, text);
    put_byte(t, '"');
    while (json.raw.len > 0 && t->why == XRAY_WHY_NONE) {
        size_t run = 0;
        while (!json.is_ill_formed && run < json.raw.len && !is_special[json.raw.ptr[run]]) {
            run++;
        }
        xray_text_put(t, slice_first(json.raw, run));
        json.raw = slice_from(json.raw, run);
        if (json.raw.len > 0) {
            uint8_t piece[JSON_PIECE_MAX_BYTES];
            size_t len = json_text_take(&json, piece);
            put_character(t, slice_of(piece, len));
        }
    }
    put_byte(t, '"');
}

/* Is it written as the shortest digits of its double anyway? */
static bool is_shortest(struct slice raw, uint8_t flags)
{
    if (raw.len > EXACT_DIGITS) {
        return false;
    }
    if ((flags & XRAY_FLAG_INTEGER) != 0) {
        return true;
    }
    bool is_tiny = raw.ptr[0] == '0' || raw.ptr[0] == '-';
    bool has_exponent = slice_find(raw, 'e') < raw.len || slice_find(raw, 'E') < raw.len;
    return !is_tiny && !has_exponent && raw.ptr[raw.len - 1] != '0';
}

/* Go's spelling of digits with an exponent, which number_format_f64 begins to use one power early.
 */
static void put_exponential(struct xray_to_otlp *t, struct slice text, size_t mantissa_len)
{
    struct slice exponent = slice_from(text, mantissa_len + 1);
    if (!slice_is_text(exponent, "-6")) {
        xray_text_put(t, slice_first(text, mantissa_len + 1));
        if (exponent.ptr[0] != '-') {
            put_byte(t, '+');
        }
        xray_text_put(t, exponent);
        return;
    }
    size_t sign_len = text.ptr[0] == '-' ? 1 : 0;
    xray_text_put(t, slice_first(text, sign_len));
    xray_text_put(t, SLICE_LITERAL("0.00000"));
    for (size_t i = sign_len; i < mantissa_len; i++) {
        if (text.ptr[i] != '.') {
            put_byte(t, text.ptr[i]);
        }
    }
}

static void put_number(struct xray_to_otlp *t, struct xray_text text)
{
    struct slice raw = xray_segment_raw(&t->segment, text);
    if (WEIR_LIKELY(is_shortest(raw, text.flags))) {
        xray_text_put(t, raw);
        return;
    }
    double value = 0;
    if (number_parse_f64(raw, &value) != 0) {
        xray_refuse(t, XRAY_WHY_NUMBER);
        return;
    }
    char buf[NUMBER_TEXT_MAX_BYTES];
    struct slice formatted = slice_of(buf, number_format_f64(value, buf, sizeof(buf)));
    size_t mantissa_len = slice_find(formatted, 'e');
    if (mantissa_len == formatted.len) {
        xray_text_put(t, formatted);
    } else {
        put_exponential(t, formatted, mantissa_len);
    }
}

static void put_scalar(struct xray_to_otlp *t, struct xray_text text)
{
    switch (text.kind) {
    case XRAY_KIND_STRING:
        put_string(t, text);
        break;
    case XRAY_KIND_NUMBER:
        put_number(t, text);
        break;
    case XRAY_KIND_TRUE:
        xray_text_put(t, SLICE_LITERAL("true"));
        break;
    case XRAY_KIND_FALSE:
        xray_text_put(t, SLICE_LITERAL("false"));
        break;
    default:
        xray_text_put(t, SLICE_LITERAL("null"));
        break;
    }
}

/* --- JSON: structure -------------------------------------------------------------------------- */

/* An open object or array. */
struct level {
    uint32_t next; /* array: item index; object: index in `order` */
    uint32_t limit;
    uint32_t order_mark; /* what order_count was before */
    bool is_object;
    bool is_begun;
};

static struct level open_level(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_item *item = &t->segment.items[index];
    struct level level = {.next = index + 1,
                          .limit = item->limit_index,
                          .order_mark = t->order_count,
                          .is_object = item->value.kind == XRAY_KIND_OBJECT};
    if (level.is_object) {
        level.next = t->order_count;
        level.limit = level.next + xray_order_members(t, index);
    }
    put_byte(t, level.is_object ? '{' : '[');
    return level;
}

static void close_level(struct xray_to_otlp *t, const struct level *level)
{
    put_byte(t, level->is_object ? '}' : ']');
    t->order_count = level->order_mark;
}

/* The comma, and the item that comes next, of which there is one. */
static uint32_t take_item(struct xray_to_otlp *t, struct level *level)
{
    if (level->is_begun) {
        put_byte(t, ',');
    }
    level->is_begun = true;
    uint32_t index = level->next;
    if (!level->is_object) {
        level->next = t->segment.items[index].limit_index;
        return index;
    }
    level->next++;
    index = t->order[index];
    put_string(t, t->segment.items[index].key);
    put_byte(t, ':');
    return index;
}

void xray_json_put(struct xray_to_otlp *t, uint32_t index)
{
    struct level levels[XRAY_VALUE_DEPTH_MAX];
    levels[0] = open_level(t, index);
    uint32_t depth = 1;
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        if (level->next == level->limit) {
            close_level(t, level);
            depth--;
            continue;
        }
        uint32_t inner = take_item(t, level);
        struct xray_text value = t->segment.items[inner].value;
        if (value.kind != XRAY_KIND_OBJECT && value.kind != XRAY_KIND_ARRAY) {
            put_scalar(t, value);
            continue;
        }
        ASSERT(depth < XRAY_VALUE_DEPTH_MAX);
        levels[depth] = open_level(t, inner);
        depth++;
    }
}
