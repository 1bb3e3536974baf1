/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json_field — names and plain values of OTLP/JSON.
 *
 * Reading is as lenient as the Collector's: what can be told apart is accepted in each of its
 * spellings, what cannot is refused. Source: OTLP specification, "JSON Protobuf Encoding"; RFC
 * 4648.
 */
#include "codecs/otlp_json_field.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/number.h"

/* A number or an enum's name given as a string with escapes is undone in so many bytes. */
#define SCALAR_TEXT_MAX_BYTES 512
#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8
#define ID_DIGITS_MAX (2 * TRACE_ID_BYTES)

enum otlp_json_spelling otlp_json_spelling_of(const char *field_name)
{
    static const struct {
        const char *name;
        enum otlp_json_spelling spelling;
    } others[] = {
        {"trace_id", OTLP_JSON_TRACE_ID},      {"span_id", OTLP_JSON_SPAN_ID},
        {"parent_span_id", OTLP_JSON_SPAN_ID}, {"bytes_value", OTLP_JSON_BASE64},
        {"value", OTLP_JSON_BASE64}, /* of google.protobuf.Any */
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const char *name = others[i].name;
        /* Two letters tell nearly all others apart. No name is empty. */
        if (name[0] == field_name[0] && name[1] == field_name[1] && strcmp(name, field_name) == 0) {
            return others[i].spelling;
        }
    }
    return OTLP_JSON_TEXT;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

size_t otlp_json_camel(const char *field_name, char *out)
{
    size_t len = 0;
    bool is_word_start = false;
    for (const char *c = field_name; *c != '\0'; c++) {
        ASSERT(len < OTLP_JSON_NAME_MAX_BYTES);
        if (*c == '_') {
            is_word_start = true;
            continue;
        }
        out[len++] = is_word_start ? upper(*c) : *c;
        is_word_start = false;
    }
    return len;
}

static bool is_camel_name(const char *field_name, struct slice key)
{
    size_t i = 0;
    bool is_word_start = false;
    for (const char *c = field_name; *c != '\0'; c++) {
        if (*c == '_') {
            is_word_start = true;
            continue;
        }
        if (i == key.len || key.ptr[i] != (uint8_t)(is_word_start ? upper(*c) : *c)) {
            return false;
        }
        is_word_start = false;
        i++;
    }
    return i == key.len;
}

bool otlp_json_is_name(const char *field_name, struct slice key)
{
    /* Both spellings begin alike, and most names differ there already. */
    if (key.len == 0 || key.ptr[0] != (uint8_t)field_name[0]) {
        return false;
    }
    return is_camel_name(field_name, key) || slice_is_text(key, field_name);
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* What a scalar is written in: the number, or the string with its escapes undone (in `buf`). */
static bool scalar_text(const struct json_reader *reader, enum json_token token, uint8_t *buf,
                        struct slice *text)
{
    if (token == JSON_TOKEN_NUMBER) {
        *text = reader->number;
        return true;
    }
    if (token != JSON_TOKEN_STRING) {
        return false;
    }
    *text = reader->text.raw;
    if (json_text_is_plain(reader->text)) {
        return true;
    }
    if (json_text_len(reader->text) > SCALAR_TEXT_MAX_BYTES) {
        return false;
    }
    *text = slice_of(buf, json_text_write(reader->text, buf));
    return true;
}

static bool is_word(struct slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

/* NaN and the infinities, as Go spells them too. */
static bool parse_special(struct slice text, double *out)
{
    if (is_word(text, "nan")) {
        *out = (double)NAN;
        return true;
    }
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    if (is_negative || (text.len > 0 && text.ptr[0] == '+')) {
        text = slice_from(text, 1);
    }
    *out = is_negative ? -(double)INFINITY : (double)INFINITY;
    return is_word(text, "inf") || is_word(text, "infinity");
}

static const char *parse_double(struct slice text, enum json_token token, bool is_float,
                                uint64_t *wire)
{
    double value = 0;
    int err = number_parse_f64(text, &value);
    if (err == FAULT_OVERFLOW) {
        return "the number is out of range";
    }
    if (err != 0 && (token != JSON_TOKEN_STRING || !parse_special(text, &value))) {
        return "a number is expected";
    }
    if (is_float) {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof(bits));
        *wire = bits;
        return NULL;
    }
    memcpy(wire, &value, sizeof(*wire));
    return NULL;
}

static const char *integer_reason(int err)
{
    if (err == 0) {
        return NULL;
    }
    return err == FAULT_OVERFLOW ? "the number is out of range"
                                 : "a whole number without point or exponent is expected";
}

static const char *parse_unsigned(struct slice text, uint64_t max, uint64_t *wire)
{
    uint64_t value = 0;
    int err = number_parse_u64(text, &value);
    if (err == 0 && value > max) {
        err = FAULT_OVERFLOW;
    }
    *wire = value;
    return integer_reason(err);
}

static const char *parse_signed(struct slice text, int64_t min, int64_t max, uint64_t *wire)
{
    int64_t value = 0;
    int err = number_parse_i64(text, &value);
    if (err == 0 && (value < min || value > max)) {
        err = FAULT_OVERFLOW;
    }
    *wire = (uint64_t)value;
    return integer_reason(err);
}

static const char *parse_enum(const ProtobufCFieldDescriptor *field, struct slice text,
                              enum json_token token, uint64_t *wire)
{
    if (token == JSON_TOKEN_NUMBER) {
        return parse_signed(text, INT32_MIN, INT32_MAX, wire);
    }
    const ProtobufCEnumDescriptor *d = field->descriptor;
    for (uint32_t i = 0; i < d->n_values; i++) {
        if (slice_is_text(text, d->values[i].name)) {
            *wire = (uint64_t)(int64_t)d->values[i].value;
            return NULL;
        }
    }
    return "no name of this enum";
}

static uint64_t zigzag(uint64_t value)
{
    return value << 1 ^ (0 - (value >> 63));
}

static const char *parse_integer(const ProtobufCFieldDescriptor *field, struct slice text,
                                 enum json_token token, uint64_t *wire)
{
    const char *reason = NULL;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return parse_signed(text, INT32_MIN, INT32_MAX, wire);
    case PROTOBUF_C_TYPE_SINT32:
        reason = parse_signed(text, INT32_MIN, INT32_MAX, wire);
        *wire = zigzag(*wire);
        return reason;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return parse_signed(text, INT64_MIN, INT64_MAX, wire);
    case PROTOBUF_C_TYPE_SINT64:
        reason = parse_signed(text, INT64_MIN, INT64_MAX, wire);
        *wire = zigzag(*wire);
        return reason;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return parse_unsigned(text, UINT32_MAX, wire);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return parse_unsigned(text, UINT64_MAX, wire);
    case PROTOBUF_C_TYPE_ENUM:
        return parse_enum(field, text, token, wire);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return parse_double(text, token, field->type == PROTOBUF_C_TYPE_FLOAT, wire);
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    ASSERT(field->type == PROTOBUF_C_TYPE_INT32); /* the others never come here */
    return NULL;
}

const char *otlp_json_parse_scalar(const ProtobufCFieldDescriptor *field,
                                   const struct json_reader *reader, enum json_token token,
                                   uint64_t *wire)
{
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        *wire = token == JSON_TOKEN_TRUE ? 1 : 0;
        return token == JSON_TOKEN_TRUE || token == JSON_TOKEN_FALSE ? NULL
                                                                     : "true or false is expected";
    }
    uint8_t buf[SCALAR_TEXT_MAX_BYTES];
    struct slice text = {0};
    if (!scalar_text(reader, token, buf, &text)) {
        return field->type == PROTOBUF_C_TYPE_ENUM ? "the number or name of an enum is expected"
                                                   : "a number is expected";
    }
    return parse_integer(field, text, token, wire);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* The value of a hexadecimal digit, and one more: zero marks all that is none. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Of either alphabet (RFC 4648, sections 4 and 5), or -1. */
static int32_t base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* The next byte of the value; false at its end, and for what is no ASCII (*is_bad). */
static bool take_ascii(struct json_text *text, uint8_t *out, bool *is_bad)
{
    if (text->raw.len == 0) {
        return false;
    }
    uint8_t piece[JSON_PIECE_MAX_BYTES];
    *is_bad = json_text_take(text, piece) != 1;
    *out = piece[0];
    return !*is_bad;
}

/* The digits without their escapes, in `buf` where there were any; false if they are too many. */
static bool id_digits(struct json_text text, uint8_t *buf, struct slice *digits)
{
    *digits = text.raw;
    if (!json_text_is_plain(text)) {
        if (json_text_len(text) > ID_DIGITS_MAX) {
            return false;
        }
        *digits = slice_of(buf, json_text_write(text, buf));
    }
    return true;
}

static const char *measure_id(struct json_text text, size_t id_bytes, size_t *len)
{
    uint8_t buf[ID_DIGITS_MAX];
    struct slice digits = {0};
    bool is_good = id_digits(text, buf, &digits) && (digits.len == 0 || digits.len == 2 * id_bytes);
    for (size_t i = 0; is_good && i < digits.len; i++) {
        is_good = hex_digits[digits.ptr[i]] != 0;
    }
    *len = id_bytes;
    if (is_good && digits.len == 0) {
        *len = 0;
    }
    if (is_good) {
        return NULL;
    }
    return id_bytes == TRACE_ID_BYTES ? "32 hexadecimal digits are expected"
                                      : "16 hexadecimal digits are expected";
}

static void write_id(struct json_text text, uint8_t *out)
{
    uint8_t buf[ID_DIGITS_MAX];
    struct slice digits = {0};
    bool is_good = id_digits(text, buf, &digits);
    ASSERT(is_good); /* measured before */
    for (size_t i = 0; i + 1 < digits.len; i += 2) {
        uint32_t high = hex_digits[digits.ptr[i]] - 1u;
        *out++ = (uint8_t)(high << 4 | (hex_digits[digits.ptr[i + 1]] - 1u));
    }
}

/* Padding may be left out, but where it stands it has to be whole. */
static const char *measure_base64(struct json_text text, size_t *len)
{
    size_t digit_count = 0;
    size_t padding_count = 0;
    bool is_bad = false;
    uint8_t c = 0;
    while (!is_bad && take_ascii(&text, &c, &is_bad)) {
        if (c == '=') {
            padding_count++;
        } else {
            digit_count++;
            is_bad = padding_count > 0 || base64_digit(c) < 0;
        }
    }
    size_t tail = digit_count % 4;
    if (is_bad || tail == 1 ||
        (padding_count > 0 && (padding_count > 2 || tail + padding_count != 4))) {
        return "base64 is expected";
    }
    *len = digit_count / 4 * 3 + (tail > 0 ? tail - 1 : 0);
    return NULL;
}

const char *otlp_json_measure_bytes(enum otlp_json_spelling spelling, struct json_text text,
                                    size_t *len)
{
    switch (spelling) {
    case OTLP_JSON_TEXT:
        *len = json_text_is_plain(text) ? text.raw.len : json_text_len(text);
        return NULL;
    case OTLP_JSON_TRACE_ID:
        return measure_id(text, TRACE_ID_BYTES, len);
    case OTLP_JSON_SPAN_ID:
        return measure_id(text, SPAN_ID_BYTES, len);
    case OTLP_JSON_BASE64:
        return measure_base64(text, len);
    }
    return NULL;
}

/* Six bits a digit, most significant first; bits left over at the end are dropped. */
static void write_base64(struct json_text text, uint8_t *out)
{
    uint32_t held = 0;
    uint32_t held_bits = 0;
    bool is_bad = false;
    uint8_t c = 0;
    while (take_ascii(&text, &c, &is_bad) && c != '=') {
        int32_t digit = base64_digit(c);
        ASSERT(digit >= 0); /* measured before */
        held = held << 6 | (uint32_t)digit;
        held_bits += 6;
        if (held_bits >= 8) {
            held_bits -= 8;
            *out++ = (uint8_t)(held >> held_bits);
        }
    }
}

void otlp_json_write_bytes(enum otlp_json_spelling spelling, struct json_text text, uint8_t *out)
{
    switch (spelling) {
    case OTLP_JSON_TEXT:
        if (json_text_is_plain(text)) {
            memcpy(out, text.raw.ptr, text.raw.len);
        } else {
            (void)json_text_write(text, out); /* as long as measured */
        }
        break;
    case OTLP_JSON_TRACE_ID:
    case OTLP_JSON_SPAN_ID:
        write_id(text, out);
        break;
    case OTLP_JSON_BASE64:
        write_base64(text, out);
        break;
    }
}
