/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_unit — two tables: what is measured, and what it is divided by.
 */
#include "codecs/prom_unit.h"

#include <string.h>

#include "core/base/defs.h"

struct unit_word {
    const char *word;
    const char *symbol;
};

static const struct unit_word main_words[] = {
    {"seconds", "s"},      {"bytes", "By"},       {"milliseconds", "ms"}, {"microseconds", "us"},
    {"nanoseconds", "ns"}, {"minutes", "min"},    {"hours", "h"},         {"days", "d"},
    {"kibibytes", "KiBy"}, {"mebibytes", "MiBy"}, {"gibibytes", "GiBy"},  {"tibibytes", "TiBy"},
    {"kilobytes", "KBy"},  {"megabytes", "MBy"},  {"gigabytes", "GBy"},   {"terabytes", "TBy"},
    {"meters", "m"},       {"volts", "V"},        {"amperes", "A"},       {"joules", "J"},
    {"watts", "W"},        {"grams", "g"},        {"celsius", "Cel"},     {"hertz", "Hz"},
    {"ratio", "1"},        {"percent", "%"},
};

static const struct unit_word per_words[] = {
    {"second", "s"}, {"minute", "m"}, {"hour", "h"}, {"day", "d"},
    {"week", "wk"},  {"month", "mo"}, {"year", "y"},
};

static struct slice symbol_of(const struct unit_word *words, size_t count, struct slice text)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(text, words[i].word)) {
            return slice_of_text(words[i].symbol);
        }
    }
    return text;
}

struct slice prom_unit_ucum(struct slice words, char buf[PROM_UNIT_MAX_BYTES])
{
    struct slice per = SLICE_LITERAL("_per_");
    const uint8_t *found = words.len == 0 ? NULL : memmem(words.ptr, words.len, per.ptr, per.len);
    if (found == NULL) {
        return symbol_of(main_words, COUNT_OF(main_words), words);
    }
    size_t at = (size_t)(found - words.ptr);
    struct slice over = symbol_of(main_words, COUNT_OF(main_words), slice_first(words, at));
    struct slice under = symbol_of(per_words, COUNT_OF(per_words), slice_from(words, at + per.len));
    if (over.len + under.len >= PROM_UNIT_MAX_BYTES) {
        return words;
    }
    if (over.len > 0) {
        memcpy(buf, over.ptr, over.len);
    }
    buf[over.len] = '/';
    if (under.len > 0) {
        memcpy(buf + over.len + 1, under.ptr, under.len);
    }
    return slice_of(buf, over.len + 1 + under.len);
}

/* `text` without '_' and `word` at its end, if something stands before them. */
static struct slice without(struct slice text, struct slice word)
{
    if (word.len == 0 || text.len <= word.len + 1) {
        return text;
    }
    size_t at = text.len - word.len;
    bool is_word = text.ptr[at - 1] == '_' && slice_equal(slice_from(text, at), word);
    return is_word ? slice_first(text, at - 1) : text;
}

struct slice prom_unit_trim(struct slice name, bool is_sum, struct slice words)
{
    struct slice bare = is_sum ? without(name, SLICE_LITERAL("total")) : name;
    return without(bare, words);
}
