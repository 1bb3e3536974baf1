/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_text — lines of an exposition, each written once from left to right.
 *
 * The two formats differ in where "_total" stands, in timestamps, in numbers and in their end.
 * Sources: Prometheus "Exposition formats"; OpenMetrics 1.0.0.
 */
#include "codecs/prom_text.h"

#include <math.h>
#include <string.h>

#include "core/base/number.h"

#define NS_PER_MS UINT64_C(1000000)

const char *prom_text_content_type(enum prom_format format)
{
    return format == PROM_FORMAT_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* --- Accept ----------------------------------------------------------------------------------- */

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    size_t end = slice_find(*rest, separator);
    struct slice part = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    while (part.len > 0 && (part.ptr[0] == ' ' || part.ptr[0] == '\t')) {
        part = slice_from(part, 1);
    }
    while (part.len > 0 && (part.ptr[part.len - 1] == ' ' || part.ptr[part.len - 1] == '\t')) {
        part.len--;
    }
    return part;
}

/* Quality of one media range, 0 to 1; 0 too for a version we do not write. */
static double quality_of(struct slice parameters, bool is_openmetrics)
{
    double quality = 1;
    while (parameters.len > 0) {
        struct slice value = take_until(&parameters, ';');
        struct slice name = take_until(&value, '=');
        double parsed;
        if (slice_is_text(name, "q") && number_parse_f64(value, &parsed) == 0) {
            quality = parsed;
        }
        bool is_known = slice_is_text(value, "1.0.0") || slice_is_text(value, "0.0.1");
        if (is_openmetrics && slice_is_text(name, "version") && !is_known) {
            return 0;
        }
    }
    return quality;
}

enum prom_format prom_text_negotiate(struct slice accept)
{
    double openmetrics = 0;
    double text = 0;
    while (accept.len > 0) {
        struct slice range = take_until(&accept, ',');
        struct slice type = take_until(&range, ';');
        if (slice_is_text(type, "application/openmetrics-text")) {
            openmetrics = fmax(openmetrics, quality_of(range, true));
        } else if (slice_is_text(type, "text/plain")) {
            text = fmax(text, quality_of(range, false));
        }
    }
    return openmetrics > 0 && openmetrics >= text ? PROM_FORMAT_OPENMETRICS : PROM_FORMAT_TEXT;
}

/* --- pieces of a line ------------------------------------------------------------------------- */

static void put(struct bytes *out, struct slice text)
{
    bytes_append(out, text.ptr, text.len);
}

static void put_text(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static void put_u64(struct bytes *out, uint64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(out, text, number_format_u64(value, text, sizeof(text)));
}

void prom_text_number(struct bytes *out, enum prom_format format, double value)
{
    if (isnan(value)) {
        put_text(out, "NaN");
        return;
    }
    if (isinf(value)) {
        put_text(out, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(value, text, sizeof(text));
    bytes_append(out, text, len);
    bool is_bare = memchr(text, '.', len) == NULL && memchr(text, 'e', len) == NULL;
    if (format == PROM_FORMAT_OPENMETRICS && is_bare) {
        put_text(out, ".0");
    }
}

/* Bytes of the well-formed character at the front, 0 where there is none. */
static size_t character_bytes(struct slice text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (slice_is_utf8(slice_first(text, len))) {
            return len;
        }
    }
    return 0;
}

static void put_escaped(struct bytes *out, struct slice text, bool with_quotes)
{
    bool is_clean = slice_is_utf8(text);
    size_t i = 0;
    while (i < text.len) {
        uint8_t c = text.ptr[i];
        size_t len = is_clean || c < 0x80 ? 1 : character_bytes(slice_from(text, i));
        if (len == 0) {
            put_text(out, "\xEF\xBF\xBD");
        } else if (c == '\n') {
            put_text(out, "\\n");
        } else if (c == '\\' || (c == '"' && with_quotes)) {
            bytes_append_byte(out, '\\');
            bytes_append_byte(out, c);
        } else {
            bytes_append(out, text.ptr + i, len);
        }
        i += len > 0 ? len : 1;
    }
}

void prom_text_escape(struct bytes *out, struct slice value)
{
    put_escaped(out, value, true);
}

void prom_text_mend(struct bytes *out, struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        size_t len = text.ptr[i] < 0x80 ? 1 : character_bytes(slice_from(text, i));
        if (len == 0) {
            put_text(out, "\xEF\xBF\xBD");
        } else {
            bytes_append(out, text.ptr + i, len);
        }
        i += len > 0 ? len : 1;
    }
}

static bool has_suffix(struct slice text, struct slice suffix)
{
    return text.len >= suffix.len && slice_equal(slice_from(text, text.len - suffix.len), suffix);
}

/* The name of the family itself, which for counters of OpenMetrics has no "_total". */
static struct slice family_name(enum prom_format format, const struct prom_family *family)
{
    struct slice total = SLICE_LITERAL("_total");
    bool is_counter = format == PROM_FORMAT_OPENMETRICS && family->kind == PROM_KIND_COUNTER;
    if (is_counter && family->name.len > total.len && has_suffix(family->name, total)) {
        return slice_first(family->name, family->name.len - total.len);
    }
    return family->name;
}

/* --- families --------------------------------------------------------------------------------- */

static const char *kind_text(enum prom_format format, enum prom_kind kind)
{
    switch (kind) {
    case PROM_KIND_GAUGE:
        return "gauge";
    case PROM_KIND_COUNTER:
        return "counter";
    case PROM_KIND_HISTOGRAM:
        return "histogram";
    case PROM_KIND_SUMMARY:
        return "summary";
    case PROM_KIND_UNKNOWN:
        break;
    }
    return format == PROM_FORMAT_OPENMETRICS ? "unknown" : "untyped";
}

static bool ends_in_unit(struct slice name, struct slice unit)
{
    return unit.len > 0 && name.len > unit.len + 1 && has_suffix(name, unit) &&
           name.ptr[name.len - unit.len - 1] == '_';
}

void prom_text_family(struct bytes *out, enum prom_format format, const struct prom_family *family)
{
    struct slice name = family_name(format, family);
    if (family->help.len > 0) {
        put_text(out, "# HELP ");
        put(out, name);
        bytes_append_byte(out, ' ');
        put_escaped(out, family->help, format == PROM_FORMAT_OPENMETRICS);
        bytes_append_byte(out, '\n');
    }
    put_text(out, "# TYPE ");
    put(out, name);
    bytes_append_byte(out, ' ');
    put_text(out, kind_text(format, family->kind));
    bytes_append_byte(out, '\n');
    if (format == PROM_FORMAT_OPENMETRICS && ends_in_unit(name, family->unit)) {
        put_text(out, "# UNIT ");
        put(out, name);
        bytes_append_byte(out, ' ');
        put(out, family->unit);
        bytes_append_byte(out, '\n');
    }
}

/* --- samples ---------------------------------------------------------------------------------- */

/* Name and suffix, labels, and one more label where `key` is given; then a blank. */
static void begin_sample(struct bytes *out, enum prom_format format, const struct prom_point *point,
                         const char *suffix, const char *key, double key_value)
{
    put(out, family_name(format, point->family));
    put_text(out, suffix);
    bool has_labels = point->labels.len > 0;
    if (has_labels || key != NULL) {
        bytes_append_byte(out, '{');
        put(out, point->labels);
        if (key != NULL) {
            put_text(out, has_labels ? "," : "");
            put_text(out, key);
            put_text(out, "=\"");
            prom_text_number(out, format, key_value);
            bytes_append_byte(out, '"');
        }
        bytes_append_byte(out, '}');
    }
    bytes_append_byte(out, ' ');
}

/* Milliseconds in the text format, seconds in OpenMetrics. */
static void end_sample(struct bytes *out, enum prom_format format, const struct prom_point *point)
{
    uint64_t time_ms = point->time_unix_ns / NS_PER_MS;
    if (point->time_unix_ns != 0 && format == PROM_FORMAT_TEXT) {
        bytes_append_byte(out, ' ');
        put_u64(out, time_ms);
    } else if (point->time_unix_ns != 0) {
        uint32_t rest_ms = (uint32_t)(time_ms % 1000);
        char fraction[4] = {'.', (char)('0' + rest_ms / 100), (char)('0' + rest_ms / 10 % 10),
                            (char)('0' + rest_ms % 10)};
        bytes_append_byte(out, ' ');
        put_u64(out, time_ms / 1000);
        bytes_append(out, fraction, sizeof(fraction));
    }
    bytes_append_byte(out, '\n');
}

void prom_text_value(struct bytes *out, enum prom_format format, const struct prom_point *point,
                     double value)
{
    bool is_total = format == PROM_FORMAT_OPENMETRICS && point->family->kind == PROM_KIND_COUNTER;
    begin_sample(out, format, point, is_total ? "_total" : "", NULL, 0);
    prom_text_number(out, format, value);
    end_sample(out, format, point);
}

void prom_text_sum(struct bytes *out, enum prom_format format, const struct prom_point *point,
                   double sum)
{
    begin_sample(out, format, point, "_sum", NULL, 0);
    prom_text_number(out, format, sum);
    end_sample(out, format, point);
}

void prom_text_count(struct bytes *out, enum prom_format format, const struct prom_point *point,
                     uint64_t count)
{
    begin_sample(out, format, point, "_count", NULL, 0);
    put_u64(out, count);
    end_sample(out, format, point);
}

void prom_text_bucket(struct bytes *out, enum prom_format format, const struct prom_point *point,
                      double le, uint64_t count)
{
    begin_sample(out, format, point, "_bucket", "le", le);
    put_u64(out, count);
    end_sample(out, format, point);
}

void prom_text_quantile(struct bytes *out, enum prom_format format, const struct prom_point *point,
                        double quantile, double value)
{
    begin_sample(out, format, point, "", "quantile", quantile);
    prom_text_number(out, format, value);
    end_sample(out, format, point);
}

void prom_text_end(struct bytes *out, enum prom_format format)
{
    if (format == PROM_FORMAT_OPENMETRICS) {
        put_text(out, "# EOF\n");
    }
}
