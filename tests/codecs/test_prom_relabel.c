/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_relabel: the vectors of tests/vectors/prom_relabel, limits and memory.
 *
 * A case is its rules (`rule:` action= source= sep= regex= mod= target= repl=), the labels before
 * (`in:`) and what becomes of them: `out:`, `dropped:`, or `refuse:` the index of the rule that is
 * refused, and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/bytes.h"
#include "codecs/prom_relabel.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/vectors.h"

#define RULES_MAX 8
#define SOURCES_MAX 8
#define TEXT_MAX_BYTES 4096
#define ARENA_MAX_BYTES (1 << 20)

/* A case being run. */
struct run {
    const struct vector *vector;
    struct prom_relabel_rule rules[RULES_MAX];
    struct slice sources[RULES_MAX][SOURCES_MAX];
    uint32_t rule_count;
    struct label_list labels;
};

static struct arena arena;
static struct run run;
static uint32_t vector_count;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 4096, ARENA_MAX_BYTES);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* --- vectors ---------------------------------------------------------------------------------- */

static struct slice plain(struct slice escaped)
{
    static uint8_t buf[TEXT_MAX_BYTES];
    size_t len = vector_unescape(escaped, buf, sizeof(buf));
    struct slice copy = arena_copy(&arena, slice_of(buf, len));
    assert_non_null(copy.ptr);
    return copy;
}

static void set_field(struct slice line, const char *key, struct slice *out)
{
    struct slice value;
    if (vector_field(line, key, &value)) {
        *out = plain(value);
    }
}

static void add_rule(struct slice line)
{
    struct slice text = {0};
    struct prom_relabel_rule *rule = &run.rules[run.rule_count];
    struct slice *sources = run.sources[run.rule_count];
    *rule = prom_relabel_rule_default();
    run.rule_count++;
    if (vector_field(line, "action", &text)) {
        assert_true(prom_relabel_action_parse(text, &rule->action));
    }
    if (vector_field(line, "mod", &text)) {
        assert_int_equal(number_parse_u64(text, &rule->modulus), 0);
    }
    set_field(line, "sep", &rule->separator);
    set_field(line, "regex", &rule->regex);
    set_field(line, "target", &rule->target_label);
    set_field(line, "repl", &rule->replacement);
    rule->source_labels = sources;
    if (vector_field(line, "source", &text)) {
        while (text.len > 0) {
            size_t end = slice_find(text, ',');
            sources[rule->source_label_count] = slice_first(text, end);
            rule->source_label_count++;
            text = slice_from(text, end < text.len ? end + 1 : end);
        }
    }
}

static void add_labels(struct slice line)
{
    while (line.len > 0) {
        size_t end = slice_find(line, ' ');
        struct slice field = slice_first(line, end);
        size_t at = slice_find(field, '=');
        int err =
            label_list_add(&run.labels, slice_first(field, at), plain(slice_from(field, at + 1)));
        assert_int_equal(err, 0);
        line = slice_from(line, end < line.len ? end + 1 : end);
    }
}

static void check(const char *key, struct slice expected, struct slice got)
{
    struct slice text = plain(expected);
    if (!slice_equal(text, got)) {
        fail_msg("%.*s: %s %.*s\nexpected %.*s", (int)run.vector->title.len,
                 (const char *)run.vector->title.ptr, key, (int)got.len, (const char *)got.ptr,
                 (int)text.len, (const char *)text.ptr);
    }
}

static const struct vector_line *line_of(const char *key)
{
    for (size_t i = 0; i < run.vector->line_count; i++) {
        if (slice_is_text(run.vector->lines[i].key, key)) {
            return &run.vector->lines[i];
        }
    }
    return NULL;
}

static void check_labels(struct slice expected)
{
    struct bytes out;
    bytes_init(&out, TEXT_MAX_BYTES);
    for (uint32_t i = 0; i < run.labels.count; i++) {
        const struct label *label = &run.labels.items[i];
        bytes_append(&out, ",", i > 0 ? 1 : 0);
        bytes_append(&out, label->name.ptr, label->name.len);
        bytes_append(&out, "=", 1);
        bytes_append(&out, label->value.ptr, label->value.len);
    }
    check("out", expected, bytes_slice(&out));
    bytes_fini(&out);
}

static void run_rules(const struct prom_relabel *relabel)
{
    bool is_kept = false;
    assert_int_equal(prom_relabel_apply(relabel, &run.labels, &arena, &is_kept), 0);
    assert_int_equal(is_kept, line_of("dropped") == NULL);
    if (is_kept) {
        assert_non_null(line_of("out"));
        check_labels(line_of("out")->text);
    }
}

static void run_vector(const struct vector *vector)
{
    char why[256];
    char said[300];
    uint32_t index = 0;
    struct prom_relabel *relabel = NULL;
    run.vector = vector;
    run.rule_count = 0;
    run.labels.count = 0;
    arena_reset(&arena);
    for (size_t i = 0; i < vector->line_count; i++) {
        if (slice_is_text(vector->lines[i].key, "rule")) {
            add_rule(vector->lines[i].text);
        } else if (slice_is_text(vector->lines[i].key, "in")) {
            add_labels(vector->lines[i].text);
        }
    }
    int err = prom_relabel_new(run.rules, run.rule_count, &relabel, &index, why, sizeof(why));
    const struct vector_line *refusal = line_of("refuse");
    if (refusal != NULL) {
        assert_int_equal(err, FAULT_CONFIG);
        assert_null(relabel);
        (void)snprintf(said, sizeof(said), "%u %s", index, why);
        check("refuse", refusal->text, slice_of_text(said));
        return;
    }
    if (err != 0) {
        fail_msg("%.*s: rule %u: %s", (int)vector->title.len, (const char *)vector->title.ptr,
                 index, why);
    }
    run_rules(relabel);
    prom_relabel_free(relabel);
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

static void test_relabel_does_what_the_vectors_say(void **state)
{
    (void)state;
    vector_count = 0;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/prom_relabel", run_file), 1);
    assert_true(vector_count > 40);
}

/* --- limits ----------------------------------------------------------------------------------- */

static int new_rules(const struct prom_relabel_rule *rules, uint32_t count,
                     struct prom_relabel **out)
{
    char why[128];
    uint32_t index = 0;
    return prom_relabel_new(rules, count, out, &index, why, sizeof(why));
}

static void test_texts_of_rules_are_copied(void **state)
{
    char target[] = "abc";
    char words[] = "x|y";
    struct slice source = SLICE_LITERAL("s");
    struct prom_relabel_rule rule = prom_relabel_rule_default();
    struct prom_relabel *relabel = NULL;
    bool is_kept = false;
    (void)state;
    rule.source_labels = &source;
    rule.source_label_count = 1;
    rule.target_label = slice_of(target, 3);
    rule.regex = slice_of(words, 3);
    rule.replacement = SLICE_LITERAL("$0");
    assert_int_equal(new_rules(&rule, 1, &relabel), 0);
    memset(target, '!', 3);
    memset(words, '!', 3);
    run.labels.count = 0;
    assert_int_equal(label_list_set(&run.labels, source, SLICE_LITERAL("y")), 0);
    assert_int_equal(prom_relabel_apply(relabel, &run.labels, &arena, &is_kept), 0);
    assert_true(slice_is_text(label_list_value(&run.labels, SLICE_LITERAL("abc")), "y"));
    prom_relabel_free(relabel);
}

/* A value that doubles with every rule: the arena is where it ends. */
static void test_apply_stops_where_the_arena_does(void **state)
{
    struct slice source = SLICE_LITERAL("a");
    struct prom_relabel_rule rules[64];
    struct prom_relabel *relabel = NULL;
    bool is_kept = false;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        rules[i] = prom_relabel_rule_default();
        rules[i].source_labels = &source;
        rules[i].source_label_count = 1;
        rules[i].target_label = source;
        rules[i].replacement = SLICE_LITERAL("$1$1");
    }
    assert_int_equal(new_rules(rules, COUNT_OF(rules), &relabel), 0);
    arena_reset(&arena);
    run.labels.count = 0;
    assert_int_equal(label_list_set(&run.labels, source, SLICE_LITERAL("x")), 0);
    assert_int_equal(prom_relabel_apply(relabel, &run.labels, &arena, &is_kept), FAULT_LIMIT);
    prom_relabel_free(relabel);
}

static void test_apply_stops_where_the_list_is_full(void **state)
{
    static char names[LABEL_LIST_MAX_COUNT][8];
    struct prom_relabel_rule rule = prom_relabel_rule_default();
    struct prom_relabel *relabel = NULL;
    bool is_kept = false;
    (void)state;
    rule.target_label = SLICE_LITERAL("x");
    rule.replacement = SLICE_LITERAL("y");
    assert_int_equal(new_rules(&rule, 1, &relabel), 0);
    for (uint32_t room = 1; room <= 2; room++) {
        run.labels.count = 0;
        for (uint32_t i = 0; i < LABEL_LIST_MAX_COUNT + 1 - room; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "l%u", i);
            assert_int_equal(
                label_list_set(&run.labels, slice_of_text(names[i]), SLICE_LITERAL("v")), 0);
        }
        assert_int_equal(prom_relabel_apply(relabel, &run.labels, &arena, &is_kept),
                         room == 1 ? FAULT_LIMIT : 0);
    }
    prom_relabel_free(relabel);
}

static void test_lists_of_rules_are_bounded(void **state)
{
    static struct prom_relabel_rule rules[PROM_RELABEL_RULES_MAX + 1];
    struct prom_relabel *relabel = NULL;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        rules[i] = prom_relabel_rule_default();
        rules[i].target_label = SLICE_LITERAL("a");
    }
    assert_int_equal(new_rules(rules, PROM_RELABEL_RULES_MAX, &relabel), 0);
    prom_relabel_free(relabel);
    assert_int_equal(new_rules(rules, PROM_RELABEL_RULES_MAX + 1, &relabel), FAULT_CONFIG);
    assert_null(relabel);
}

static void test_too_many_groups_are_refused(void **state)
{
    char pattern[4 * 70];
    struct prom_relabel_rule rule = prom_relabel_rule_default();
    struct prom_relabel *relabel = NULL;
    (void)state;
    for (size_t i = 0; i < 65; i++) {
        memcpy(pattern + 4 * i, "(a)?", 4);
    }
    rule.target_label = SLICE_LITERAL("a");
    rule.regex = slice_of(pattern, (size_t)4 * 64);
    assert_int_equal(new_rules(&rule, 1, &relabel), 0);
    prom_relabel_free(relabel);
    rule.regex = slice_of(pattern, (size_t)4 * 65);
    assert_int_equal(new_rules(&rule, 1, &relabel), FAULT_CONFIG);
    rule.regex = slice_of("a\0.", 3);
    assert_int_equal(new_rules(&rule, 1, &relabel), FAULT_CONFIG);
}

static void test_new_survives_every_refused_allocation(void **state)
{
    struct prom_relabel_rule rules[2] = {prom_relabel_rule_default(), prom_relabel_rule_default()};
    struct prom_relabel *relabel = NULL;
    int err = -ENOMEM;
    (void)state;
    rules[0].target_label = SLICE_LITERAL("a");
    rules[0].regex = SLICE_LITERAL("x(.*)y");
    rules[1].action = PROM_RELABEL_DROP;
    rules[1].regex = SLICE_LITERAL("x|y");
    for (uint64_t nth = 1; err != 0; nth++) {
        mem_fail_nth(nth);
        err = new_rules(rules, 2, &relabel);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true((err == 0) == (relabel != NULL));
        assert_true(nth < 100);
    }
    prom_relabel_free(relabel);
    prom_relabel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relabel_does_what_the_vectors_say),
        cmocka_unit_test(test_texts_of_rules_are_copied),
        cmocka_unit_test(test_apply_stops_where_the_arena_does),
        cmocka_unit_test(test_apply_stops_where_the_list_is_full),
        cmocka_unit_test(test_lists_of_rules_are_bounded),
        cmocka_unit_test(test_too_many_groups_are_refused),
        cmocka_unit_test(test_new_survives_every_refused_allocation),
    };
    return cmocka_run_group_tests_name("prom_relabel", tests, setup, teardown);
}
