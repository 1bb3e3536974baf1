/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_read — lines, and the comments that say something.
 *
 *     # TYPE http_requests counter      the word, the family's name, the rest
 *     http_requests_total{code="200"} 3 1700000000.5     prom_read_sample
 *
 * The text format lets blank lines and other comments pass; OpenMetrics has neither, and ends with
 * "# EOF", so that a page that was cut off is noticed.
 */
#include "codecs/prom_read.h"

#include "codecs/prom_read_parts.h"
#include "core/base/bounds.h"

static const char *const why_texts[] = {
    [PROM_READ_FINE] = "nothing",
    [PROM_READ_LONG_LINE] = "the line is too long",
    [PROM_READ_NAME] = "no valid name",
    [PROM_READ_LABELS] = "the braces do not hold labels",
    [PROM_READ_LABEL_NAME] = "not the name of a label",
    [PROM_READ_LABEL_VALUE] = "the value of a label is not UTF-8 in quotes",
    [PROM_READ_LABEL_TWICE] = "a label stands twice",
    [PROM_READ_LABEL_COUNT] = "too many labels",
    [PROM_READ_VALUE] = "the value is not a number",
    [PROM_READ_TIME] = "not a timestamp",
    [PROM_READ_TRAILING] = "something follows the sample",
    [PROM_READ_EXEMPLAR] = "not an exemplar",
    [PROM_READ_HELP] = "the help is not UTF-8",
    [PROM_READ_TYPE] = "not a type",
    [PROM_READ_UNIT] = "the family's name does not end in its unit",
    [PROM_READ_COMMENT] = "a comment that OpenMetrics does not have",
    [PROM_READ_BLANK] = "a blank line",
    [PROM_READ_NO_EOF] = "the page does not end with # EOF",
    [PROM_READ_AFTER_EOF] = "something follows # EOF",
    [PROM_READ_MEMORY] = "the page takes too much memory",
};
_Static_assert(COUNT_OF(why_texts) == PROM_READ_WHY_COUNT, "a reason without words");

const char *prom_read_why_text(enum prom_read_why why)
{
    return why_texts[why];
}

static const char *const type_names[] = {
    [PROM_TYPE_UNKNOWN] = "unknown", [PROM_TYPE_COUNTER] = "counter",
    [PROM_TYPE_GAUGE] = "gauge",     [PROM_TYPE_HISTOGRAM] = "histogram",
    [PROM_TYPE_SUMMARY] = "summary", [PROM_TYPE_GAUGEHISTOGRAM] = "gaugehistogram",
    [PROM_TYPE_INFO] = "info",       [PROM_TYPE_STATESET] = "stateset",
};
_Static_assert(COUNT_OF(type_names) == PROM_TYPE_COUNT, "a type without a name");

const char *prom_type_name(enum prom_type type)
{
    return type_names[type];
}

struct prom_reader prom_reader_of(struct slice page, enum prom_format format, struct arena *arena)
{
    return (struct prom_reader){.page = page, .format = format, .arena = arena};
}

/* --- comments --------------------------------------------------------------------------------- */

/* The name of a family, bare or in quotes. */
static bool take_family(struct prom_rest *rest, struct slice *out)
{
    prom_rest_skip_blanks(rest);
    if (prom_rest_peek(rest) == '"') {
        return prom_rest_take_quoted(rest, out, PROM_READ_NAME) &&
               (out->len > 0 || prom_rest_fail(rest, PROM_READ_NAME));
    }
    *out = prom_rest_take_name(rest, true);
    uint8_t next = prom_rest_peek(rest);
    bool is_word = rest->text.len == 0 || next == ' ' || next == '\t';
    return (out->len > 0 && is_word) || prom_rest_fail(rest, PROM_READ_NAME);
}

static enum prom_line read_help(struct prom_rest *rest, struct prom_meta *meta)
{
    if (!take_family(rest, &meta->name)) {
        return PROM_LINE_BAD;
    }
    prom_rest_skip_blanks(rest);
    if (!slice_is_utf8(rest->text)) {
        rest->why = PROM_READ_HELP;
        return PROM_LINE_BAD;
    }
    bool with_quote = rest->format == PROM_FORMAT_OPENMETRICS;
    return prom_unescape(rest, rest->text, with_quote, &meta->text) ? PROM_LINE_HELP
                                                                    : PROM_LINE_BAD;
}

/* Types of OpenMetrics are no types of the text format, which says "untyped" instead. */
static bool type_of(struct slice text, enum prom_format format, enum prom_type *out)
{
    bool is_text = format == PROM_FORMAT_TEXT;
    if (is_text && slice_is_text(text, "untyped")) {
        *out = PROM_TYPE_UNKNOWN;
        return true;
    }
    for (uint32_t i = 0; i < PROM_TYPE_COUNT; i++) {
        enum prom_type type = (enum prom_type)i;
        bool is_new = type == PROM_TYPE_UNKNOWN || type == PROM_TYPE_GAUGEHISTOGRAM ||
                      type == PROM_TYPE_INFO || type == PROM_TYPE_STATESET;
        if (slice_is_text(text, type_names[i]) && !(is_text && is_new)) {
            *out = type;
            return true;
        }
    }
    return false;
}

static enum prom_line read_type(struct prom_rest *rest, struct prom_meta *meta)
{
    if (!take_family(rest, &meta->name)) {
        return PROM_LINE_BAD;
    }
    prom_rest_skip_blanks(rest);
    struct slice word = prom_rest_take_word(rest);
    prom_rest_skip_blanks(rest);
    if (rest->text.len > 0 || !type_of(word, rest->format, &meta->type)) {
        rest->why = PROM_READ_TYPE;
        return PROM_LINE_BAD;
    }
    return PROM_LINE_TYPE;
}

static bool ends_in_unit(struct slice name, struct slice unit)
{
    return name.len > unit.len && name.ptr[name.len - unit.len - 1] == '_' &&
           slice_equal(slice_from(name, name.len - unit.len), unit);
}

static enum prom_line read_unit(struct prom_rest *rest, struct prom_meta *meta)
{
    if (!take_family(rest, &meta->name)) {
        return PROM_LINE_BAD;
    }
    prom_rest_skip_blanks(rest);
    meta->text = prom_rest_take_word(rest);
    prom_rest_skip_blanks(rest);
    bool is_fine = meta->text.len == 0 || ends_in_unit(meta->name, meta->text);
    if (rest->text.len > 0 || !is_fine) {
        rest->why = PROM_READ_UNIT;
        return PROM_LINE_BAD;
    }
    return PROM_LINE_UNIT;
}

/* PROM_LINE_END: the comment says nothing, or, in OpenMetrics, that the page is over. */
static enum prom_line read_comment(struct prom_rest *rest, struct prom_meta *meta)
{
    bool is_text = rest->format == PROM_FORMAT_TEXT;
    rest->text = slice_from(rest->text, 1);
    prom_rest_skip_blanks(rest);
    struct slice word = prom_rest_take_word(rest);
    bool is_alone = rest->text.len == 0;
    if (slice_is_text(word, "HELP") && !is_alone) {
        return read_help(rest, meta);
    }
    if (slice_is_text(word, "TYPE") && !is_alone) {
        return read_type(rest, meta);
    }
    if (is_text) {
        return PROM_LINE_END;
    }
    if (slice_is_text(word, "UNIT") && !is_alone) {
        return read_unit(rest, meta);
    }
    if (slice_is_text(word, "EOF") && is_alone) {
        return PROM_LINE_END;
    }
    rest->why = PROM_READ_COMMENT;
    return PROM_LINE_BAD;
}

/* --- lines ------------------------------------------------------------------------------------ */

static enum prom_line fail(struct prom_reader *reader, enum prom_read_why why)
{
    ASSERT(why != PROM_READ_FINE);
    reader->why = why;
    return PROM_LINE_BAD;
}

/* Cuts the next line off the page. False for one that is too long. */
static bool take_line(struct prom_reader *reader, struct slice *out)
{
    struct slice rest = slice_from(reader->page, reader->at);
    size_t len = slice_find(rest, '\n');
    *out = slice_first(rest, len);
    reader->at += len < rest.len ? len + 1 : len;
    reader->line++;
    return len <= PROM_LINE_MAX_BYTES;
}

/* PROM_LINE_END: the line says nothing. */
static enum prom_line read_line(struct prom_reader *reader, struct prom_rest *rest,
                                struct prom_sample *sample, struct prom_meta *meta)
{
    bool is_text = reader->format == PROM_FORMAT_TEXT;
    if (rest->text.len == 0) {
        rest->why = is_text ? PROM_READ_FINE : PROM_READ_BLANK;
        return is_text ? PROM_LINE_END : PROM_LINE_BAD;
    }
    if (prom_rest_peek(rest) != '#') {
        return prom_rest_take_sample(rest, sample) ? PROM_LINE_SAMPLE : PROM_LINE_BAD;
    }
    *meta = (struct prom_meta){0};
    enum prom_line line = read_comment(rest, meta);
    reader->has_eof = line == PROM_LINE_END && !is_text;
    return line;
}

enum prom_line prom_read_next(struct prom_reader *reader, struct prom_sample *sample,
                              struct prom_meta *meta)
{
    bool is_text = reader->format == PROM_FORMAT_TEXT;
    if (reader->why != PROM_READ_FINE) {
        return PROM_LINE_BAD;
    }
    while (reader->at < reader->page.len) {
        struct prom_rest rest = {.arena = reader->arena, .format = reader->format};
        if (!take_line(reader, &rest.text)) {
            return fail(reader, PROM_READ_LONG_LINE);
        }
        if (reader->has_eof) {
            return fail(reader, PROM_READ_AFTER_EOF);
        }
        prom_rest_skip_blanks(&rest);
        enum prom_line line = read_line(reader, &rest, sample, meta);
        if (line == PROM_LINE_BAD) {
            return fail(reader, rest.why);
        }
        if (line != PROM_LINE_END) {
            return line;
        }
    }
    return is_text || reader->has_eof ? PROM_LINE_END : fail(reader, PROM_READ_NO_EOF);
}
