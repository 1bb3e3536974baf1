/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_value — labels, times and types around the values that codecs/otlp_plain spells.
 *
 * Source: the Collector's text form of a value.
 */
#include "exporters/debug_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "codecs/otlp_plain.h"
#include "core/base/clock.h"
#include "core/otlp/pb_decode.h"

void debug_print(struct debug_text *t, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ASSERT(len >= 0);
    ASSERT((size_t)len < sizeof(line)); /* only numbers and literals come this way */
    bytes_append(t->out, line, (size_t)len);
}

void debug_put(struct debug_text *t, struct slice text)
{
    bytes_append(t->out, text.ptr, text.len);
}

void debug_put_line(struct debug_text *t, const char *label, ProtobufCBinaryData text)
{
    debug_print(t, "%s", label);
    debug_put(t, pb_slice(text));
    debug_print(t, "\n");
}

void debug_put_id_line(struct debug_text *t, const char *label, ProtobufCBinaryData id)
{
    uint8_t any_bit = 0;
    for (size_t i = 0; i < id.len; i++) {
        any_bit |= id.data[i];
    }
    debug_print(t, "%s", label);
    for (size_t i = 0; any_bit != 0 && i < id.len; i++) {
        debug_print(t, "%02x", id.data[i]);
    }
    debug_print(t, "\n");
}

void debug_put_time_line(struct debug_text *t, const char *label, uint64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / CLOCK_NS_PER_S);
    uint32_t nanoseconds = (uint32_t)(unix_ns % CLOCK_NS_PER_S);
    struct tm when = {0};
    char date[32];
    char fraction[16] = "";
    (void)gmtime_r(&seconds, &when); /* 64 bits of nanoseconds end in the year 2554 */
    size_t len = strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &when);
    ASSERT(len > 0);
    if (nanoseconds != 0) {
        int digits = snprintf(fraction, sizeof(fraction), ".%09u", nanoseconds);
        while (fraction[digits - 1] == '0') {
            digits--;
            fraction[digits] = '\0';
        }
    }
    debug_print(t, "%s%s%s +0000 UTC\n", label, date, fraction);
}

void debug_put_fixed(struct debug_text *t, const char *label, double value)
{
    if (isnan(value)) {
        debug_print(t, "%sNaN", label);
        return;
    }
    if (isinf(value)) {
        debug_print(t, "%s%cInf", label, value < 0 ? '-' : '+');
        return;
    }
    debug_print(t, "%s%f", label, value);
}

void debug_put_f64(struct debug_text *t, double value)
{
    otlp_plain_f64(t->out, value);
}

void debug_put_plain(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value)
{
    otlp_plain_value(t->out, value, t->arena);
}

void debug_put_typed(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value)
{
    static const char *const names[] = {
        [DEBUG_VALUE_CASE(STRING_VALUE)] = "Str",  [DEBUG_VALUE_CASE(BOOL_VALUE)] = "Bool",
        [DEBUG_VALUE_CASE(INT_VALUE)] = "Int",     [DEBUG_VALUE_CASE(DOUBLE_VALUE)] = "Double",
        [DEBUG_VALUE_CASE(ARRAY_VALUE)] = "Slice", [DEBUG_VALUE_CASE(KVLIST_VALUE)] = "Map",
        [DEBUG_VALUE_CASE(BYTES_VALUE)] = "Bytes",
    };
    size_t index = value == NULL ? 0 : (size_t)value->value_case;
    const char *name = index < COUNT_OF(names) ? names[index] : NULL;
    debug_print(t, "%s(", name != NULL ? name : "Empty");
    debug_put_plain(t, value);
    debug_print(t, ")");
}

void debug_put_attrs(struct debug_text *t, const char *header, const char *indent,
                     struct debug_attrs attrs)
{
    if (attrs.count == 0) {
        return;
    }
    debug_print(t, "%s:\n", header);
    for (size_t i = 0; i < attrs.count; i++) {
        debug_print(t, "%s     -> ", indent);
        debug_put(t, pb_slice(attrs.pairs[i]->key));
        debug_print(t, ": ");
        debug_put_typed(t, attrs.pairs[i]->value);
        debug_print(t, "\n");
    }
}

void debug_put_pairs(struct debug_text *t, char separator, bool is_leading,
                     struct debug_attrs attrs)
{
    for (size_t i = 0; i < attrs.count; i++) {
        if (is_leading || i > 0) {
            bytes_append_byte(t->out, (uint8_t)separator);
        }
        debug_put(t, pb_slice(attrs.pairs[i]->key));
        debug_print(t, "=");
        debug_put_plain(t, attrs.pairs[i]->value);
    }
}
