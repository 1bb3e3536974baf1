/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_text — see otlp_text.h. Written forwards with lengths known, one message inside another.
 */
#include "tests/support/otlp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "core/base/number.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/pb_wire.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES (64 * 1024 * 1024)
#define FIELD_MAX_BYTES (4 * 1024 * 1024)

void otlp_text_init(struct otlp_text *text)
{
    bytes_init(&text->request, TEXT_MAX_BYTES);
    bytes_init(&text->resource, TEXT_MAX_BYTES);
    bytes_init(&text->scope, TEXT_MAX_BYTES);
}

void otlp_text_fini(struct otlp_text *text)
{
    bytes_fini(&text->request);
    bytes_fini(&text->resource);
    bytes_fini(&text->scope);
}

void otlp_text_clear(struct otlp_text *text)
{
    bytes_clear(&text->request);
    bytes_clear(&text->resource);
    bytes_clear(&text->scope);
}

/* --- wire ------------------------------------------------------------------------------------- */

static void put_varint(struct bytes *out, uint64_t value)
{
    while (value >= 0x80) {
        bytes_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    bytes_append_byte(out, (uint8_t)value);
}

static void put_tag(struct bytes *out, uint32_t number, enum pb_wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

static void put_bytes(struct bytes *out, uint32_t number, struct slice content)
{
    put_tag(out, number, PB_WIRE_BYTES);
    put_varint(out, content.len);
    bytes_append(out, content.ptr, content.len);
}

static void put_u64(struct bytes *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, PB_WIRE_VARINT);
    put_varint(out, value);
}

static void put_fixed64(struct bytes *out, uint32_t number, uint64_t value)
{
    put_tag(out, number, PB_WIRE_FIXED64);
    bytes_append(out, &value, sizeof(value));
}

static void put_double(struct bytes *out, uint32_t number, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    put_fixed64(out, number, bits);
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

/* --- text ------------------------------------------------------------------------------------- */

static double double_of(struct slice text)
{
    double value = 0;
    if (slice_is_text(text, "nan")) {
        return (double)NAN;
    }
    if (slice_is_text(text, "inf") || slice_is_text(text, "-inf")) {
        return text.len == 3 ? (double)INFINITY : -(double)INFINITY;
    }
    assert_int_equal(number_parse_f64(text, &value), 0);
    return value;
}

static int64_t integer_of(struct slice text)
{
    int64_t value = 0;
    assert_int_equal(number_parse_i64(text, &value), 0);
    return value;
}

/* Takes off what stands before the first `mark`, all where there is none. */
static struct slice take_until(struct slice *text, uint8_t mark)
{
    size_t at = slice_find(*text, mark);
    struct slice part = slice_first(*text, at);
    *text = slice_from(*text, at < text->len ? at + 1 : at);
    return part;
}

static void put_any_value(struct bytes *out, uint8_t type, struct slice text)
{
    struct bytes inner;
    bytes_init(&inner, FIELD_MAX_BYTES);
    if (type == 'i') {
        put_u64(out, 3, (uint64_t)integer_of(text));
    } else if (type == 'd') {
        put_double(out, 4, double_of(text));
    } else if (type == 'b') {
        put_u64(out, 2, slice_is_text(text, "true") ? 1 : 0);
    } else if (type == 'a') {
        struct bytes item;
        bytes_init(&item, FIELD_MAX_BYTES);
        put_bytes(&item, 1, text);
        put_bytes(&inner, 1, bytes_slice(&item));
        put_bytes(out, 5, bytes_slice(&inner));
        bytes_fini(&item);
    } else {
        put_bytes(out, 1, text);
    }
    bytes_fini(&inner);
}

/* One `@name=value` as a KeyValue, field `number`. */
static void put_attr(struct bytes *out, uint32_t number, struct slice field)
{
    static uint8_t unescaped[FIELD_MAX_BYTES];
    struct bytes pair;
    struct bytes value;
    bytes_init(&pair, FIELD_MAX_BYTES);
    bytes_init(&value, FIELD_MAX_BYTES);
    struct slice name = take_until(&field, '=');
    uint8_t type = 's';
    if (name.len > 2 && name.ptr[name.len - 2] == ':') {
        type = name.ptr[name.len - 1];
        name.len -= 2;
    }
    size_t len = vector_unescape(name, unescaped, sizeof(unescaped));
    put_bytes(&pair, 1, slice_of(unescaped, len));
    len = vector_unescape(field, unescaped, sizeof(unescaped));
    put_any_value(&value, type, slice_of(unescaped, len));
    put_bytes(&pair, 2, bytes_slice(&value));
    put_bytes(out, number, bytes_slice(&pair));
    bytes_fini(&pair);
    bytes_fini(&value);
}

static void put_attrs(struct bytes *out, uint32_t number, struct slice fields)
{
    while (fields.len > 0) {
        struct slice field = take_until(&fields, ' ');
        if (field.len > 0 && field.ptr[0] == '@') {
            put_attr(out, number, slice_from(field, 1));
        }
    }
}

static void put_text_field(struct bytes *out, uint32_t number, struct slice fields, const char *key)
{
    static uint8_t unescaped[FIELD_MAX_BYTES];
    struct slice value;
    if (vector_field(fields, key, &value)) {
        size_t len = vector_unescape(value, unescaped, sizeof(unescaped));
        put_bytes(out, number, slice_of(unescaped, len));
    }
}

static void put_double_field(struct bytes *out, uint32_t number, struct slice fields,
                             const char *key)
{
    struct slice value;
    if (vector_field(fields, key, &value)) {
        put_double(out, number, double_of(value));
    }
}

static void put_count_field(struct bytes *out, uint32_t number, struct slice fields,
                            const char *key)
{
    struct slice value;
    if (vector_field(fields, key, &value)) {
        put_fixed64(out, number, (uint64_t)integer_of(value));
    }
}

/* --- points ----------------------------------------------------------------------------------- */

static void put_number(struct bytes *out, struct slice fields)
{
    struct slice value;
    if (!vector_field(fields, "value", &value)) {
        return;
    }
    bool is_integer = value.len > 0 && slice_find(value, '.') == value.len &&
                      slice_find(value, 'n') == value.len && slice_find(value, 'e') == value.len;
    if (is_integer) {
        put_fixed64(out, 6, (uint64_t)integer_of(value));
    } else {
        put_double(out, 4, double_of(value));
    }
}

static void put_buckets(struct bytes *out, uint32_t number, struct slice fields, const char *key)
{
    struct slice value;
    struct bytes side;
    struct bytes counts;
    if (!vector_field(fields, key, &value)) {
        return;
    }
    bytes_init(&side, FIELD_MAX_BYTES);
    bytes_init(&counts, FIELD_MAX_BYTES);
    put_u64(&side, 1, zigzag(integer_of(take_until(&value, ':'))));
    while (value.len > 0) {
        put_varint(&counts, (uint64_t)integer_of(take_until(&value, ',')));
    }
    put_bytes(&side, 2, bytes_slice(&counts));
    put_bytes(out, number, bytes_slice(&side));
    bytes_fini(&side);
    bytes_fini(&counts);
}

static void put_exphist(struct bytes *out, struct slice fields)
{
    struct slice value;
    if (vector_field(fields, "scale", &value)) {
        put_u64(out, 6, zigzag(integer_of(value)));
    }
    put_count_field(out, 7, fields, "zero");
    put_buckets(out, 8, fields, "pos");
    put_buckets(out, 9, fields, "neg");
    put_double_field(out, 12, fields, "min");
    put_double_field(out, 13, fields, "max");
}

static void put_quantiles(struct bytes *out, struct slice fields)
{
    struct slice value;
    if (!vector_field(fields, "q", &value)) {
        return;
    }
    while (value.len > 0) {
        struct slice pair = take_until(&value, ',');
        struct bytes quantile;
        bytes_init(&quantile, FIELD_MAX_BYTES);
        put_double(&quantile, 1, double_of(take_until(&pair, ':')));
        put_double(&quantile, 2, double_of(pair));
        put_bytes(out, 6, bytes_slice(&quantile));
        bytes_fini(&quantile);
    }
}

/* Field numbers that differ between the kinds of points. */
struct point_kind {
    const char *key;
    enum otlp_data data;
    uint32_t attrs;
    uint32_t flags;
};

static void put_point(struct bytes *out, const struct point_kind *kind, struct slice fields)
{
    struct slice value;
    if (vector_field(fields, "time", &value)) {
        put_fixed64(out, 3, (uint64_t)integer_of(value) * 1000000);
    }
    if (vector_field(fields, "flags", &value)) {
        put_u64(out, kind->flags, (uint64_t)integer_of(value));
    }
    put_attrs(out, kind->attrs, fields);
    switch (kind->data) {
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUM:
        put_number(out, fields);
        return;
    case OTLP_DATA_HISTOGRAM:
        put_double_field(out, 11, fields, "min");
        put_double_field(out, 12, fields, "max");
        break;
    case OTLP_DATA_EXPHIST:
        put_exphist(out, fields);
        break;
    case OTLP_DATA_SUMMARY:
        put_quantiles(out, fields);
        break;
    }
    put_count_field(out, 4, fields, "count");
    put_double_field(out, 5, fields, "sum");
}

static uint64_t temporality_of(struct slice fields)
{
    struct slice value;
    if (!vector_field(fields, "temp", &value) || slice_is_text(value, "delta")) {
        return OTLP_TEMPORALITY_DELTA;
    }
    return slice_is_text(value, "cum") ? OTLP_TEMPORALITY_CUMULATIVE : 0;
}

static void put_metric(struct otlp_text *text, const struct point_kind *kind, struct slice fields)
{
    struct bytes levels[5]; /* point, data, metric, scope, resource */
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        bytes_init(&levels[i], TEXT_MAX_BYTES);
    }
    put_point(&levels[0], kind, fields);
    put_bytes(&levels[1], 1, bytes_slice(&levels[0]));
    put_u64(&levels[1], 2, temporality_of(fields));
    put_text_field(&levels[2], 1, fields, "name");
    put_text_field(&levels[2], 3, fields, "unit");
    put_bytes(&levels[2], (uint32_t)kind->data, bytes_slice(&levels[1]));
    put_bytes(&levels[3], 1, bytes_slice(&text->scope));
    put_bytes(&levels[3], 2, bytes_slice(&levels[2]));
    put_bytes(&levels[4], 1, bytes_slice(&text->resource));
    put_bytes(&levels[4], 2, bytes_slice(&levels[3]));
    put_bytes(&text->request, 1, bytes_slice(&levels[4]));
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        assert_int_equal(levels[i].err, 0);
        bytes_fini(&levels[i]);
    }
    assert_int_equal(text->request.err, 0);
}

bool otlp_text_line(struct otlp_text *text, struct slice key, struct slice fields)
{
    static const struct point_kind kinds[] = {
        {"gauge", OTLP_DATA_GAUGE, 7, 8},     {"sum", OTLP_DATA_SUM, 7, 8},
        {"hist", OTLP_DATA_HISTOGRAM, 9, 10}, {"exphist", OTLP_DATA_EXPHIST, 1, 10},
        {"summary", OTLP_DATA_SUMMARY, 7, 8},
    };
    if (slice_is_text(key, "resource")) {
        bytes_clear(&text->resource);
        put_attrs(&text->resource, 1, fields);
        return true;
    }
    if (slice_is_text(key, "scope")) {
        bytes_clear(&text->scope);
        put_text_field(&text->scope, 1, fields, "name");
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (slice_is_text(key, kinds[i].key)) {
            put_metric(text, &kinds[i], fields);
            return true;
        }
    }
    return false;
}
