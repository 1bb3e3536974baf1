/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_read: the vectors of tests/vectors/prom_read, and limits.
 *
 * A case is a page, line by line (`page:`), its `format:`, and what is read: each `line:` one line
 * that says something, `bad:` the number of the line where the page ends, and why. Pages stand in
 * memory of exactly their size, so that sanitizers see a byte read too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs/bytes.h"
#include "codecs/prom_read.h"
#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES (1 << 20)

static struct arena arena;
static struct prom_sample sample;
static struct bytes said; /* the line at hand in words */
static uint32_t vector_count;

static int setup(void **state)
{
    (void)state;
    bytes_init(&said, TEXT_MAX_BYTES);
    return arena_init(&arena, 4096, 64 << 20);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    bytes_fini(&said);
    return 0;
}

/* --- lines in words --------------------------------------------------------------------------- */

static void say(struct slice text)
{
    bytes_append(&said, text.ptr, text.len);
}

static void say_text(const char *text)
{
    say(slice_of_text(text));
}

static void say_number(double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(&said, text, number_format_f64(value, text, sizeof(text)));
}

static void say_time(bool has_time, uint64_t time_unix_ms)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    if (has_time) {
        say_text(" @");
        bytes_append(&said, text, number_format_u64(time_unix_ms, text, sizeof(text)));
    }
}

static void say_labels(const struct label_list *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        say_text(i > 0 ? "," : "");
        if (!slice_is_text(labels->items[i].name, "__name__")) {
            say(labels->items[i].name);
            say_text("=");
        }
        say(labels->items[i].value);
    }
    say_text(" ");
}

static void say_sample(void)
{
    assert_true(label_list_is_valid(&sample.labels));
    say_text("sample ");
    say_labels(&sample.labels);
    say_number(sample.value);
    say_time(sample.has_time, sample.time_unix_ms);
    if (sample.has_exemplar) {
        say_text(" # ");
        say_labels(&sample.exemplar.labels);
        say_number(sample.exemplar.value);
        say_time(sample.exemplar.has_time, sample.exemplar.time_unix_ms);
    }
}

static void say_meta(const char *kind, struct slice name, struct slice text)
{
    say_text(kind);
    say(name);
    say_text(" ");
    say(text);
}

static void say_line(enum prom_line line, const struct prom_meta *meta)
{
    bytes_clear(&said);
    switch (line) {
    case PROM_LINE_SAMPLE:
        say_sample();
        break;
    case PROM_LINE_HELP:
        say_meta("help ", meta->name, meta->text);
        break;
    case PROM_LINE_UNIT:
        say_meta("unit ", meta->name, meta->text);
        break;
    case PROM_LINE_TYPE:
        say_meta("type ", meta->name, slice_of_text(prom_type_name(meta->type)));
        break;
    case PROM_LINE_END:
    case PROM_LINE_BAD:
        break;
    }
}

static void say_trouble(const struct prom_reader *reader)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_clear(&said);
    bytes_append(&said, text, number_format_u64(reader->line, text, sizeof(text)));
    say_text(" ");
    say_text(prom_read_why_text(reader->why));
}

/* --- vectors ---------------------------------------------------------------------------------- */

static uint8_t text_buf[TEXT_MAX_BYTES];

/* What the case expects next, `key` and what it says; false at its end. */
static bool next_expected(const struct vector *vector, size_t *at, const char *key)
{
    while (*at < vector->line_count) {
        const struct vector_line *line = &vector->lines[*at];
        (*at)++;
        bool is_expectation = slice_is_text(line->key, "line") || slice_is_text(line->key, "bad");
        if (is_expectation) {
            size_t len = vector_unescape(line->text, text_buf, sizeof(text_buf));
            if (!slice_is_text(line->key, key) ||
                !slice_equal(bytes_slice(&said), slice_of(text_buf, len))) {
                fail_msg("%.*s: %s %.*s\nexpected %.*s", (int)vector->title.len,
                         (const char *)vector->title.ptr, key, (int)said.len,
                         (const char *)said.ptr, (int)len, (const char *)text_buf);
            }
            return true;
        }
    }
    return false;
}

/* The page in memory of its own size; freed by the caller. */
static uint8_t *page_of(const struct vector *vector, size_t *out_len)
{
    size_t total = 0;
    static uint8_t page[TEXT_MAX_BYTES];
    for (size_t i = 0; i < vector->line_count; i++) {
        if (slice_is_text(vector->lines[i].key, "page")) {
            total += vector_unescape(vector->lines[i].text, page + total, sizeof(page) - total);
            page[total] = '\n';
            total++;
        }
    }
    uint8_t *copy = mem_alloc(total + 1);
    assert_non_null(copy);
    memcpy(copy, page, total);
    *out_len = total;
    return copy;
}

static enum prom_format format_of(const struct vector *vector)
{
    for (size_t i = 0; i < vector->line_count; i++) {
        if (slice_is_text(vector->lines[i].key, "format")) {
            return PROM_FORMAT_OPENMETRICS;
        }
    }
    return PROM_FORMAT_TEXT;
}

static void run_vector(const struct vector *vector)
{
    size_t len = 0;
    size_t at = 0;
    struct prom_meta meta;
    arena_reset(&arena);
    uint8_t *page = page_of(vector, &len);
    struct prom_reader reader = prom_reader_of(slice_of(page, len), format_of(vector), &arena);
    enum prom_line line = prom_read_next(&reader, &sample, &meta);
    while (line != PROM_LINE_END && line != PROM_LINE_BAD) {
        say_line(line, &meta);
        if (!next_expected(vector, &at, "line")) {
            fail_msg("%.*s: too much: %.*s", (int)vector->title.len,
                     (const char *)vector->title.ptr, (int)said.len, (const char *)said.ptr);
        }
        line = prom_read_next(&reader, &sample, &meta);
    }
    if (line == PROM_LINE_BAD) {
        say_trouble(&reader);
        if (!next_expected(vector, &at, "bad")) {
            fail_msg("%.*s: refused: %.*s", (int)vector->title.len, (const char *)vector->title.ptr,
                     (int)said.len, (const char *)said.ptr);
        }
    }
    say_text("");
    bytes_clear(&said);
    say_text("(the end)");
    assert_false(next_expected(vector, &at, "end"));
    assert_int_equal(prom_read_next(&reader, &sample, &meta), line);
    mem_free(page);
}

static void run_file(const char *path)
{
    struct vectors vectors;
    struct vector vector;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &vector)) {
        run_vector(&vector);
        vector_count++;
    }
    vectors_close(&vectors);
}

static void test_read_does_what_the_vectors_say(void **state)
{
    (void)state;
    vector_count = 0;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/prom_read", run_file), 2);
    assert_true(vector_count > 60);
}

/* --- limits ----------------------------------------------------------------------------------- */

static struct prom_reader read_text(struct slice page)
{
    struct prom_meta meta;
    struct prom_reader reader = prom_reader_of(page, PROM_FORMAT_TEXT, &arena);
    while (prom_read_next(&reader, &sample, &meta) < PROM_LINE_END) {
        /* to the end */
    }
    return reader;
}

/* A line of `len` bytes whose value of a label fills it. */
static struct slice long_line(uint8_t *buf, size_t len)
{
    memset(buf, 'x', len);
    memcpy(buf, "a{b=\"", 5);
    memcpy(buf + len - 4, "\"} 1", 4);
    buf[len] = '\n';
    return slice_of(buf, len + 1);
}

static void test_read_takes_lines_up_to_the_limit(void **state)
{
    static uint8_t buf[PROM_LINE_MAX_BYTES + 2];
    (void)state;
    assert_int_equal(read_text(long_line(buf, PROM_LINE_MAX_BYTES)).why, PROM_READ_FINE);
    assert_int_equal(read_text(long_line(buf, PROM_LINE_MAX_BYTES + 1)).why, PROM_READ_LONG_LINE);
}

static void test_read_takes_labels_up_to_the_limit(void **state)
{
    (void)state;
    for (uint32_t extra = 0; extra < 2; extra++) {
        bytes_clear(&said);
        say_text("a{");
        /* The name is a label too. */
        for (uint32_t i = 0; i + 1 < LABEL_LIST_MAX_COUNT + extra; i++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "l%u=\"\",", i);
            say_text(text);
        }
        say_text("} 1\n");
        struct prom_reader reader = read_text(bytes_slice(&said));
        assert_int_equal(reader.why, extra == 0 ? PROM_READ_FINE : PROM_READ_LABEL_COUNT);
    }
}

static void test_read_says_when_the_arena_is_full(void **state)
{
    struct arena small;
    struct prom_meta meta;
    struct slice page = SLICE_LITERAL("a{b=\"\\n.............................\"} 1\n");
    (void)state;
    assert_int_equal(arena_init(&small, 64, 16), 0);
    struct prom_reader reader = prom_reader_of(page, PROM_FORMAT_TEXT, &small);
    assert_int_equal(prom_read_next(&reader, &sample, &meta), PROM_LINE_BAD);
    assert_int_equal(reader.why, PROM_READ_MEMORY);
    arena_fini(&small);
}

/* Whatever the page is cut to, it is read to its end and nothing behind it. */
static void test_read_survives_every_cut(void **state)
{
    struct slice page = SLICE_LITERAL("# HELP a \\n\n# TYPE \"a.b\" counter\n# UNIT a_s s\n"
                                      "{\"a.b\",\"c\"=\"\\\"d\",} 1e3 12.5 # {e=\"f\"} 1 2\n"
                                      "a_bucket{le=\"+Inf\"} NaN\n# EOF\n");
    (void)state;
    for (size_t len = 0; len <= page.len; len++) {
        uint8_t *copy = mem_alloc(len + 1);
        struct prom_meta meta;
        assert_non_null(copy);
        memcpy(copy, page.ptr, len);
        for (int format = PROM_FORMAT_TEXT; format <= PROM_FORMAT_OPENMETRICS; format++) {
            arena_reset(&arena);
            struct prom_reader reader =
                prom_reader_of(slice_of(copy, len), (enum prom_format)format, &arena);
            enum prom_line line = PROM_LINE_SAMPLE;
            while (line < PROM_LINE_END) {
                line = prom_read_next(&reader, &sample, &meta);
            }
            bool is_whole = len >= page.len - 1 && format == PROM_FORMAT_OPENMETRICS;
            assert_int_equal(line == PROM_LINE_END && format == PROM_FORMAT_OPENMETRICS, is_whole);
        }
        mem_free(copy);
    }
}

static void test_number_reads_what_go_reads(void **state)
{
    double value = 0;
    (void)state;
    assert_true(prom_read_number(SLICE_LITERAL("+Inf"), &value));
    assert_true(isinf(value) && value > 0);
    assert_true(prom_read_number(SLICE_LITERAL("-INFINITY"), &value));
    assert_true(isinf(value) && value < 0);
    assert_true(prom_read_number(SLICE_LITERAL("nAn"), &value));
    assert_true(isnan(value));
    assert_false(prom_read_number(SLICE_LITERAL("+nan"), &value));
    assert_false(prom_read_number(SLICE_LITERAL(""), &value));
    assert_false(prom_read_number(SLICE_LITERAL("+"), &value));
    assert_false(prom_read_number(SLICE_LITERAL(" 1"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_does_what_the_vectors_say),
        cmocka_unit_test(test_read_takes_lines_up_to_the_limit),
        cmocka_unit_test(test_read_takes_labels_up_to_the_limit),
        cmocka_unit_test(test_read_says_when_the_arena_is_full),
        cmocka_unit_test(test_read_survives_every_cut),
        cmocka_unit_test(test_number_reads_what_go_reads),
    };
    return cmocka_run_group_tests_name("prom_read", tests, setup, teardown);
}
