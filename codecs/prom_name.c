/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_name — names cut into words of legal bytes and joined again by '_'.
 *
 * Words that would stand twice (a unit the name already has, "total", "ratio") stand once. Source:
 * behaviour of the Collector's prometheus exporter.
 */
#include "codecs/prom_name.h"

#include <string.h>

struct unit_word {
    const char *unit;
    const char *word;
};

static const struct unit_word main_units[] = {
    {.unit = "d", .word = "days"},          {.unit = "h", .word = "hours"},
    {.unit = "min", .word = "minutes"},     {.unit = "s", .word = "seconds"},
    {.unit = "ms", .word = "milliseconds"}, {.unit = "us", .word = "microseconds"},
    {.unit = "ns", .word = "nanoseconds"},  {.unit = "By", .word = "bytes"},
    {.unit = "KiBy", .word = "kibibytes"},  {.unit = "MiBy", .word = "mebibytes"},
    {.unit = "GiBy", .word = "gibibytes"},  {.unit = "TiBy", .word = "tibibytes"},
    {.unit = "KBy", .word = "kilobytes"},   {.unit = "kBy", .word = "kilobytes"},
    {.unit = "MBy", .word = "megabytes"},   {.unit = "GBy", .word = "gigabytes"},
    {.unit = "TBy", .word = "terabytes"},   {.unit = "m", .word = "meters"},
    {.unit = "V", .word = "volts"},         {.unit = "A", .word = "amperes"},
    {.unit = "J", .word = "joules"},        {.unit = "W", .word = "watts"},
    {.unit = "g", .word = "grams"},         {.unit = "Cel", .word = "celsius"},
    {.unit = "Hz", .word = "hertz"},        {.unit = "1", .word = ""},
    {.unit = "%", .word = "percent"},
};

/* Behind the '/'. */
static const struct unit_word per_units[] = {
    {.unit = "s", .word = "second"}, {.unit = "m", .word = "minute"},
    {.unit = "h", .word = "hour"},   {.unit = "d", .word = "day"},
    {.unit = "w", .word = "week"},   {.unit = "mo", .word = "month"},
    {.unit = "y", .word = "year"},
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool is_name_byte(uint8_t c, bool with_underscore)
{
    return is_word_byte(c) || c == ':' || (with_underscore && c == '_');
}

/* The next run of legal bytes; false at the end. */
static bool next_word(struct slice *rest, bool with_underscore, struct slice *word)
{
    while (rest->len > 0 && !is_name_byte(rest->ptr[0], with_underscore)) {
        *rest = slice_from(*rest, 1);
    }
    size_t len = 0;
    while (len < rest->len && is_name_byte(rest->ptr[len], with_underscore)) {
        len++;
    }
    *word = slice_first(*rest, len);
    *rest = slice_from(*rest, len);
    return len > 0;
}

static bool has_word(struct slice name, struct slice wanted)
{
    struct slice word;
    while (next_word(&name, false, &word)) {
        if (slice_equal(word, wanted)) {
            return true;
        }
    }
    return false;
}

/* Appends a word, with '_' before it unless it is the first since `start`. */
static void put_word(struct bytes *out, size_t start, struct slice word)
{
    if (out->len > start) {
        bytes_append_byte(out, '_');
    }
    bytes_append(out, word.ptr, word.len);
}

/* --- units ------------------------------------------------------------------------------------ */

/* A unit taken apart: "By/s" has a main and a per half; each may be empty. Borrows. */
struct unit_halves {
    struct slice main;
    struct slice per;
};

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == ' ') {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && s.ptr[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

/* Annotations in braces name what is counted and no unit. */
static struct slice half_word(struct slice half, const struct unit_word *words, size_t count)
{
    half = trim(half);
    if (slice_find(half, '{') < half.len || slice_find(half, '}') < half.len) {
        return (struct slice){0};
    }
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(half, words[i].unit)) {
            return slice_of_text(words[i].word);
        }
    }
    return half;
}

static struct unit_halves split_unit(struct slice unit)
{
    size_t slash = slice_find(unit, '/');
    struct slice per = slice_from(unit, slash < unit.len ? slash + 1 : slash);
    return (struct unit_halves){
        .main = half_word(slice_first(unit, slash), main_units, COUNT_OF(main_units)),
        .per = half_word(per, per_units, COUNT_OF(per_units)),
    };
}

/* A half that has no word of its own is shown as it is, without what is illegal. */
static bool has_any_word(struct slice half)
{
    struct slice word;
    return next_word(&half, false, &word);
}

static void put_half(struct bytes *out, size_t start, struct slice half)
{
    struct slice word;
    while (next_word(&half, false, &word)) {
        put_word(out, start, word);
    }
}

void prom_name_unit(struct bytes *out, struct slice unit)
{
    struct unit_halves halves = split_unit(unit);
    size_t start = out->len;
    put_half(out, start, halves.main);
    if (has_any_word(halves.per)) {
        put_word(out, start, SLICE_LITERAL("per"));
        put_half(out, start, halves.per);
    }
}

/* Only what the name does not say already. */
static void put_unit_suffix(struct bytes *out, size_t start, const struct prom_name *name)
{
    struct unit_halves halves = split_unit(name->unit);
    if (!has_word(name->name, halves.main)) {
        put_half(out, start, halves.main);
    }
    if (has_any_word(halves.per) && !has_word(name->name, halves.per)) {
        put_word(out, start, SLICE_LITERAL("per"));
        put_half(out, start, halves.per);
    }
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void put_suffixed(struct bytes *out, size_t start, const struct prom_name *name)
{
    struct slice closing = {0};
    if (name->is_monotonic) {
        closing = SLICE_LITERAL("total");
    } else if (name->is_gauge && slice_is_text(name->unit, "1")) {
        closing = SLICE_LITERAL("ratio");
    }
    struct slice rest = name->name;
    struct slice word;
    while (next_word(&rest, false, &word)) {
        if (closing.len == 0 || !slice_equal(word, closing)) {
            put_word(out, start, word);
        }
    }
    put_unit_suffix(out, start, name);
    if (closing.len > 0) {
        put_word(out, start, closing);
    }
}

/* A name must not begin with a digit. */
static void guard_digit(struct bytes *out, size_t start)
{
    if (out->err != 0 || !is_digit(out->ptr[start])) {
        return;
    }
    bytes_append_byte(out, '_');
    if (out->err == 0) {
        memmove(out->ptr + start + 1, out->ptr + start, out->len - start - 1);
        out->ptr[start] = '_';
    }
}

bool prom_name_metric(struct bytes *out, const struct prom_name *name)
{
    struct slice rest = name->name;
    struct slice word;
    if (!next_word(&rest, false, &word)) {
        return false;
    }
    size_t start = out->len;
    rest = name->namespace;
    while (next_word(&rest, true, &word)) {
        put_word(out, start, word);
    }
    if (name->has_suffixes) {
        put_suffixed(out, start, name);
    }
    rest = name->has_suffixes ? (struct slice){0} : name->name;
    while (next_word(&rest, true, &word)) {
        put_word(out, start, word);
    }
    guard_digit(out, start);
    return true;
}

/* --- labels ----------------------------------------------------------------------------------- */

void prom_name_label(struct bytes *out, struct slice name)
{
    if (name.len == 0 || is_digit(name.ptr[0])) {
        bytes_append(out, "key_", 4);
    } else if (!is_word_byte(name.ptr[0])) {
        bytes_append(out, "key", 3); /* names that begin with '_' belong to Prometheus */
    }
    size_t i = 0;
    while (i < name.len) {
        size_t start = i;
        while (i < name.len && is_word_byte(name.ptr[i])) {
            i++;
        }
        bytes_append(out, name.ptr + start, i - start);
        bool is_continuation = i < name.len && (name.ptr[i] & 0xC0) == 0x80 && i > 0;
        if (i < name.len && !is_continuation) {
            bytes_append_byte(out, '_');
        }
        i += i < name.len ? 1 : 0;
    }
}
