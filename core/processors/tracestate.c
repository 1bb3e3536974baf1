/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracestate — members at ',', fields at ';'.
 */
#include "core/processors/tracestate.h"

#include <string.h>

#include "core/processors/sampling.h"

#define KEY_MAX_BYTES 256
#define TENANT_MAX_BYTES 241
#define SYSTEM_MAX_BYTES 14
#define VALUE_MAX_BYTES 256

static bool is_lower(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_key_byte(uint8_t byte)
{
    return is_lower(byte) || is_digit(byte) || byte == '_' || byte == '-' || byte == '*' ||
           byte == '/';
}

/* A letter (a tenant's may be a digit), then letters, digits and a few signs. */
static bool is_key_part(struct slice part, bool may_begin_with_digit, size_t max_bytes)
{
    if (part.len == 0 || part.len > max_bytes) {
        return false;
    }
    bool is_fine = is_lower(part.ptr[0]) || (may_begin_with_digit && is_digit(part.ptr[0]));
    for (size_t i = 1; i < part.len && is_fine; i++) {
        is_fine = is_key_byte(part.ptr[i]);
    }
    return is_fine;
}

/* "vendor" or "tenant@vendor". */
static bool is_member_key(struct slice key)
{
    size_t at = slice_find(key, '@');
    if (at == key.len) {
        return is_key_part(key, false, KEY_MAX_BYTES);
    }
    return is_key_part(slice_first(key, at), true, TENANT_MAX_BYTES) &&
           is_key_part(slice_from(key, at + 1), false, SYSTEM_MAX_BYTES);
}

/* Printable ASCII without ',' and '='; blanks were trimmed from the end. */
static bool is_member_value(struct slice value)
{
    bool is_fine = value.len > 0 && value.len <= VALUE_MAX_BYTES;
    for (size_t i = 0; i < value.len && is_fine; i++) {
        uint8_t byte = value.ptr[i];
        is_fine = byte >= 0x20 && byte <= 0x7E && byte != ',' && byte != '=';
    }
    return is_fine;
}

static bool is_field_value(struct slice value)
{
    bool is_fine = true;
    for (size_t i = 0; i < value.len && is_fine; i++) {
        uint8_t byte = value.ptr[i];
        is_fine = is_lower((uint8_t)(byte | 0x20)) || is_digit(byte) || byte == '.' ||
                  byte == '_' || byte == '-';
    }
    return is_fine;
}

static bool is_field_key(struct slice key)
{
    bool is_fine = key.len > 0 && is_lower(key.ptr[0]);
    for (size_t i = 1; i < key.len && is_fine; i++) {
        is_fine = is_lower(key.ptr[i]) || is_digit(key.ptr[i]);
    }
    return is_fine;
}

/* One "key:value" of `ot`. */
static bool parse_field(struct slice field, struct tracestate *out)
{
    size_t colon = slice_find(field, ':');
    if (colon == field.len) {
        return false;
    }
    struct slice key = slice_first(field, colon);
    struct slice value = slice_from(field, colon + 1);
    if (!is_field_key(key) || !is_field_value(value)) {
        return false;
    }
    if (slice_is_text(key, "rv")) {
        out->randomness = value;
        return sampling_parse_randomness(value, &out->randomness_bits);
    }
    if (slice_is_text(key, "th")) {
        out->threshold = value;
        return sampling_parse_threshold(value, &out->threshold_bits);
    }
    ASSERT(out->extra_count < TRACESTATE_EXTRAS_MAX); /* by TRACESTATE_OT_MAX_BYTES */
    out->extras[out->extra_count] = field;
    out->extra_count++;
    return true;
}

static bool parse_fields(struct slice text, struct tracestate *out)
{
    if (text.len == 0 || text.len > TRACESTATE_OT_MAX_BYTES) {
        return false;
    }
    out->extra_count = 0; /* of two entries the later one counts */
    out->randomness = (struct slice){0};
    out->threshold = (struct slice){0};
    bool is_fine = true;
    bool is_more = true;
    while (is_fine && is_more) {
        size_t end = slice_find(text, ';');
        is_fine = parse_field(slice_first(text, end), out);
        is_more = end < text.len;
        text = slice_from(text, is_more ? end + 1 : end);
    }
    return is_fine;
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static bool parse_member(struct slice member, struct tracestate *out)
{
    size_t equals = slice_find(member, '=');
    if (equals == member.len) {
        return false;
    }
    struct slice key = slice_first(member, equals);
    struct slice value = slice_from(member, equals + 1);
    if (!is_member_key(key) || !is_member_value(value)) {
        return false;
    }
    if (slice_is_text(key, "ot")) {
        return parse_fields(value, out);
    }
    if (out->other_count == TRACESTATE_MEMBERS_MAX) {
        return false;
    }
    out->others[out->other_count] = member;
    out->other_count++;
    return true;
}

bool tracestate_parse(struct slice text, struct tracestate *out)
{
    /* Not all zeroed: the arrays are two KiB, and most spans have none of what they hold. */
    out->randomness = (struct slice){0};
    out->threshold = (struct slice){0};
    out->randomness_bits = 0;
    out->threshold_bits = 0;
    out->extra_count = 0;
    out->other_count = 0;
    if (text.len > TRACESTATE_MAX_BYTES) {
        return false;
    }
    bool is_fine = true;
    uint32_t member_count = 0;
    while (text.len > 0 && is_fine) {
        size_t end = slice_find(text, ',');
        struct slice member = trim(slice_first(text, end));
        text = slice_from(text, end < text.len ? end + 1 : end);
        if (member.len > 0) {
            member_count++;
            is_fine = member_count <= TRACESTATE_MEMBERS_MAX && parse_member(member, out);
        }
    }
    return is_fine;
}

/* Appends `text` behind `mark` where something stands already. */
static void put(struct slice *out, uint8_t *buf, const char *mark, struct slice text)
{
    size_t mark_len = strlen(mark);
    memcpy(buf + out->len, mark, mark_len);
    if (text.len > 0) {
        memcpy(buf + out->len + mark_len, text.ptr, text.len);
    }
    out->len += mark_len + text.len;
}

struct slice tracestate_format(const struct tracestate *state, struct arena *arena)
{
    /* What was read fits the limits; two values and their separators may have been added. */
    uint8_t *buf = arena_alloc(arena, TRACESTATE_MAX_BYTES + 64);
    struct slice out = {.ptr = buf};
    if (buf == NULL) {
        return out;
    }
    const char *mark = "ot=";
    if (state->randomness.len > 0) {
        put(&out, buf, mark, SLICE_LITERAL("rv:"));
        put(&out, buf, "", state->randomness);
        mark = ";";
    }
    if (state->threshold.len > 0) {
        put(&out, buf, mark, SLICE_LITERAL("th:"));
        put(&out, buf, "", state->threshold);
        mark = ";";
    }
    for (uint32_t i = 0; i < state->extra_count; i++) {
        put(&out, buf, mark, state->extras[i]);
        mark = ";";
    }
    for (uint32_t i = 0; i < state->other_count; i++) {
        put(&out, buf, out.len == 0 ? "" : ",", state->others[i]);
    }
    ASSERT(out.len <= TRACESTATE_MAX_BYTES + 64);
    return out;
}
