/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_read_sample — one sample, from its name to its exemplar.
 *
 *     name{label="value", "quoted name"="value"} 3.5 1700000000000
 *     {"quoted.metric", label="value"} 3.5
 *     name_bucket{le="1"} 17 1700000000.25 # {trace_id="ab12"} 0.67 1700000000
 *
 * Blanks may stand between all parts. The value of a label ends at the first quote that no
 * backslash stands before; it cannot hold a line feed, that would be written as \n.
 */
#include "codecs/prom_read_parts.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/base/number.h"

#define MS_PER_S 1000
/* Nanoseconds since 1970 end here, in the year 2554. */
#define TIME_MAX_MS (UINT64_MAX / 1000000)

/* --- words ------------------------------------------------------------------------------------ */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

void prom_rest_skip_blanks(struct prom_rest *rest)
{
    while (rest->text.len > 0 && is_blank(rest->text.ptr[0])) {
        rest->text = slice_from(rest->text, 1);
    }
}

static struct slice take(struct prom_rest *rest, size_t len)
{
    struct slice taken = slice_first(rest->text, len);
    rest->text = slice_from(rest->text, len);
    return taken;
}

struct slice prom_rest_take_word(struct prom_rest *rest)
{
    size_t len = 0;
    while (len < rest->text.len && !is_blank(rest->text.ptr[len])) {
        len++;
    }
    return take(rest, len);
}

struct slice prom_rest_take_name(struct prom_rest *rest, bool with_colon)
{
    size_t len = 0;
    while (len < rest->text.len) {
        uint8_t c = rest->text.ptr[len];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_digit = c >= '0' && c <= '9' && len > 0;
        if (!is_letter && !is_digit && !(c == ':' && with_colon)) {
            break;
        }
        len++;
    }
    return take(rest, len);
}

bool prom_unescape(struct prom_rest *rest, struct slice text, bool with_quote, struct slice *out)
{
    *out = text;
    if (slice_find(text, '\\') == text.len) {
        return true;
    }
    uint8_t *target = arena_alloc(rest->arena, text.len);
    if (target == NULL) {
        return prom_rest_fail(rest, PROM_READ_MEMORY);
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        uint8_t next = i + 1 < text.len ? text.ptr[i + 1] : 0;
        bool is_escape = c == '\\' && (next == '\\' || next == 'n' || (next == '"' && with_quote));
        if (is_escape) {
            c = next == 'n' ? '\n' : next;
            i++;
        }
        target[len] = c;
        len++;
    }
    *out = slice_of(target, len);
    return true;
}

bool prom_rest_take_quoted(struct prom_rest *rest, struct slice *out, enum prom_read_why why)
{
    uint8_t all = 0;
    size_t len = 1;
    bool has_escape = false;
    if (prom_rest_peek(rest) != '"') {
        return prom_rest_fail(rest, why);
    }
    while (len < rest->text.len && rest->text.ptr[len] != '"') {
        bool is_escape = rest->text.ptr[len] == '\\' && len + 1 < rest->text.len;
        has_escape = has_escape || is_escape;
        len += is_escape ? 2 : 1;
        all |= rest->text.ptr[len - 1];
    }
    if (len >= rest->text.len) {
        return prom_rest_fail(rest, why);
    }
    *out = slice_from(take(rest, len), 1);
    rest->text = slice_from(rest->text, 1);
    if (all >= 0x80 && !slice_is_utf8(*out)) {
        return prom_rest_fail(rest, why);
    }
    return !has_escape || prom_unescape(rest, *out, true, out);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static bool is_word(struct slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

bool prom_read_number(struct slice text, double *out)
{
    if (number_parse_f64(text, out) == 0) {
        return true;
    }
    if (is_word(text, "nan")) {
        *out = NAN;
        return true;
    }
    bool has_sign = text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == '-');
    struct slice digits = has_sign ? slice_from(text, 1) : text;
    if (is_word(digits, "inf") || is_word(digits, "infinity")) {
        *out = has_sign && text.ptr[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    return false;
}

/* Milliseconds in the text format, seconds with a fraction in OpenMetrics. */
static bool read_time(struct prom_rest *rest, uint64_t *out_ms)
{
    struct slice word = prom_rest_take_word(rest);
    if (rest->format == PROM_FORMAT_TEXT) {
        bool is_fine = number_parse_u64(word, out_ms) == 0 && *out_ms <= TIME_MAX_MS;
        return is_fine || prom_rest_fail(rest, PROM_READ_TIME);
    }
    double seconds = 0;
    bool is_fine = number_parse_f64(word, &seconds) == 0 && seconds >= 0 &&
                   seconds < (double)(TIME_MAX_MS / MS_PER_S);
    if (!is_fine) {
        return prom_rest_fail(rest, PROM_READ_TIME);
    }
    *out_ms = (uint64_t)llround(seconds * MS_PER_S);
    return true;
}

/* --- labels ----------------------------------------------------------------------------------- */

static bool add_label(struct prom_rest *rest, struct label_list *labels, struct slice name,
                      struct slice value)
{
    if (labels->count == LABEL_LIST_MAX_COUNT) {
        return prom_rest_fail(rest, PROM_READ_LABEL_COUNT);
    }
    int err = label_list_add(labels, name, value);
    return err == 0 || prom_rest_fail(rest, PROM_READ_LABEL_TWICE);
}

/* One entry between the braces: a label, or the metric's name in quotes. */
static bool take_entry(struct prom_rest *rest, struct label_list *labels)
{
    struct slice name = {0};
    struct slice value = {0};
    bool is_quoted = prom_rest_peek(rest) == '"';
    if (!is_quoted) {
        name = prom_rest_take_name(rest, false);
    } else if (!prom_rest_take_quoted(rest, &name, PROM_READ_LABEL_NAME)) {
        return false;
    }
    if (name.len == 0) {
        return prom_rest_fail(rest, PROM_READ_LABEL_NAME);
    }
    prom_rest_skip_blanks(rest);
    if (prom_rest_peek(rest) != '=') {
        return is_quoted ? add_label(rest, labels, SLICE_LITERAL("__name__"), name)
                         : prom_rest_fail(rest, PROM_READ_LABELS);
    }
    (void)take(rest, 1);
    prom_rest_skip_blanks(rest);
    return prom_rest_take_quoted(rest, &value, PROM_READ_LABEL_VALUE) &&
           add_label(rest, labels, name, value);
}

/* At '{'. A comma may stand before the closing brace. */
static bool take_labels(struct prom_rest *rest, struct label_list *labels)
{
    uint8_t next = 0;
    (void)take(rest, 1);
    prom_rest_skip_blanks(rest);
    while (prom_rest_peek(rest) != '}') {
        if (!take_entry(rest, labels)) {
            return false;
        }
        prom_rest_skip_blanks(rest);
        next = prom_rest_peek(rest);
        if (next == ',') {
            (void)take(rest, 1);
            prom_rest_skip_blanks(rest);
        } else if (next != '}') {
            return prom_rest_fail(rest, PROM_READ_LABELS);
        }
    }
    (void)take(rest, 1);
    return true;
}

/* --- samples ---------------------------------------------------------------------------------- */

static bool take_value(struct prom_rest *rest, double *out)
{
    prom_rest_skip_blanks(rest);
    return prom_read_number(prom_rest_take_word(rest), out) ||
           prom_rest_fail(rest, PROM_READ_VALUE);
}

/* At '#', the end of a sample of OpenMetrics. */
static bool take_exemplar(struct prom_rest *rest, struct prom_exemplar *exemplar)
{
    (void)take(rest, 1);
    prom_rest_skip_blanks(rest);
    exemplar->labels.count = 0;
    exemplar->has_time = false;
    if (prom_rest_peek(rest) != '{') {
        return prom_rest_fail(rest, PROM_READ_EXEMPLAR);
    }
    if (!take_labels(rest, &exemplar->labels) || !take_value(rest, &exemplar->value)) {
        return false;
    }
    prom_rest_skip_blanks(rest);
    exemplar->has_time = rest->text.len > 0;
    return !exemplar->has_time || read_time(rest, &exemplar->time_unix_ms);
}

/* What may stand behind the value. */
static bool take_tail(struct prom_rest *rest, struct prom_sample *sample)
{
    prom_rest_skip_blanks(rest);
    if (rest->text.len > 0 && prom_rest_peek(rest) != '#') {
        sample->has_time = true;
        if (!read_time(rest, &sample->time_unix_ms)) {
            return false;
        }
        prom_rest_skip_blanks(rest);
    }
    if (prom_rest_peek(rest) == '#' && rest->format == PROM_FORMAT_OPENMETRICS) {
        sample->has_exemplar = true;
        if (!take_exemplar(rest, &sample->exemplar)) {
            return false;
        }
        prom_rest_skip_blanks(rest);
    }
    return rest->text.len == 0 || prom_rest_fail(rest, PROM_READ_TRAILING);
}

bool prom_rest_take_sample(struct prom_rest *rest, struct prom_sample *sample)
{
    sample->labels.count = 0;
    sample->has_time = false;
    sample->has_exemplar = false;
    struct slice name = prom_rest_take_name(rest, true);
    /* In a list of nothing there is room, and no name twice. */
    if (name.len > 0 && label_list_add(&sample->labels, SLICE_LITERAL("__name__"), name) != 0) {
        return prom_rest_fail(rest, PROM_READ_NAME);
    }
    prom_rest_skip_blanks(rest);
    if (prom_rest_peek(rest) == '{' && !take_labels(rest, &sample->labels)) {
        return false;
    }
    if (label_list_value(&sample->labels, SLICE_LITERAL("__name__")).len == 0) {
        return prom_rest_fail(rest, PROM_READ_NAME);
    }
    return take_value(rest, &sample->value) && take_tail(rest, sample);
}
