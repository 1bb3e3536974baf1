/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/prom_scrape_groups: lists of targets as YAML and as JSON say them, what is
 * refused, limits, refused memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/receivers/prom_scrape_groups.h"

#define ARENA_BYTES (64 * 1024 * 1024)

static struct arena arena;
static struct prom_groups groups;
static char why[PROM_GROUP_WHY_BYTES];

static int read_text(const char *file, const char *text)
{
    groups = (struct prom_groups){0};
    return prom_groups_read(slice_of_text(file), slice_of_text(text), &arena, &groups, why);
}

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena, 1024, ARENA_BYTES);
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void check_label(const struct prom_group *group, uint32_t index, const char *name,
                        const char *value)
{
    assert_true(index < group->label_count);
    assert_true(slice_is_text(group->labels[index].name, name));
    assert_true(slice_is_text(group->labels[index].value, value));
}

static void check_two_groups(const char *file)
{
    const struct prom_group *first = groups.first;
    assert_int_equal(groups.target_count, 3);
    assert_non_null(first);
    assert_int_equal(first->target_count, 2);
    assert_true(slice_is_text(first->file, file));
    assert_true(slice_is_text(first->targets[0], "10.0.0.1:9090"));
    assert_true(slice_is_text(first->targets[1], "[::1]:80"));
    assert_int_equal(first->label_count, 5);
    check_label(first, 0, "__metrics_path__", "/stats/prometheus");
    check_label(first, 1, "port", "9901");
    check_label(first, 2, "quoted", "null");
    check_label(first, 3, "nothing", "");
    check_label(first, 4, "word", "a/b \xC3\xA9");
    const struct prom_group *second = first->next;
    assert_ptr_equal(second, groups.last);
    assert_null(second->next);
    assert_int_equal(second->target_count, 1);
    assert_int_equal(second->label_count, 0);
}

static void test_yaml_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("/etc/ecs_sd_targets.yaml",
                               "# written by an observer\n"
                               "- targets:\n"
                               "    - 10.0.0.1:9090\n"
                               "    - '[::1]:80'\n"
                               "  labels:\n"
                               "    __metrics_path__: /stats/prometheus\n"
                               "    port: 9901\n"
                               "    quoted: 'null'\n"
                               "    nothing:\n"
                               "    word: \"a\\/b \\u00e9\"\n"
                               "- labels: ~\n"
                               "  targets: [b]\n"),
                     0);
    check_two_groups("/etc/ecs_sd_targets.yaml");
}

static void test_json_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("x.json", "[{\"targets\": [\"10.0.0.1:9090\", \"[::1]:80\"],\n"
                                         "  \"labels\": {\"__metrics_path__\":"
                                         " \"\\/stats\\/prometheus\", \"port\": \"9901\",\n"
                                         "  \"quoted\": \"null\", \"nothing\": null,"
                                         " \"word\": \"a/b \\u00e9\"}},\n"
                                         " {\"labels\": null, \"targets\": [\"b\"]}]"),
                     0);
    check_two_groups("x.json");
}

static void test_nothing_is_no_target(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "null", "[{}]", "[{\"targets\": []}]"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_text("a.json", texts[i]), 0);
        assert_int_equal(groups.target_count, 0);
        assert_int_equal(read_text("a.yml", texts[i]), 0);
        assert_int_equal(groups.target_count, 0);
    }
    assert_int_equal(read_text("a.yml", ""), 0);
    assert_int_equal(read_text("a.yml", "# nothing\n"), 0);
    assert_int_equal(read_text("a.json", ""), FAULT_MALFORMED);
}

static void check_bad(const char *file, const char *text, const char *words)
{
    assert_int_equal(read_text(file, text), FAULT_MALFORMED);
    if (strstr(why, words) == NULL) {
        print_error("for '%s': %s\n", text, why);
    }
    assert_non_null(strstr(why, words));
    assert_null(groups.first);
}

static void test_what_is_no_list_of_groups_is_refused(void **state)
{
    (void)state;
    check_bad("a.yaml", "targets: [a]\n", "a map where none is due");
    check_bad("a.yaml", "- targets: a\n", "line 1: a text where");
    check_bad("a.yaml", "- [a]\n", "a list where none is due");
    check_bad("a.yaml", "- targets: [[a]]\n", "a list where none is due");
    check_bad("a.yaml", "- labels: {a: [b]}\n", "a list where none is due");
    check_bad("a.yaml", "- labels: [b]\n", "a list where none is due");
    check_bad("a.yaml", "-\n", "null where");
    check_bad("a.yaml", "- targets: [a, ~]\n", "null where");
    check_bad("a.yaml", "- targets: [a]\n  lables: {a: b}\n", "line 2: a group has no 'lables'");
    check_bad("a.yaml", "- targets: [a]\n  targets: [a]\n", "'targets' stands there twice");
    check_bad("a.yaml", "- labels: {a: b, a: c}\n", "a label stands there twice");
    check_bad("a.yaml", "- labels: {'': b}\n", "a label without a name");
    check_bad("a.yaml", "- targets: &x [a]\n- targets: *x\n", "aliases");
    check_bad("a.yaml", "- targets: [a\n", "line 2");
    check_bad("a.yaml", "hello\n", "a text where");
    check_bad("a.json", "[{\"targets\": [1]}]", "at byte 14: a text is due");
    check_bad("a.json", "[{\"targets\": [true]}]", "a text is due");
    check_bad("a.json", "[{\"port\": \"1\"}]", "a group has no 'port'");
    check_bad("a.json", "[{\"targets\": [\"a\"]}", "at byte");
    check_bad("a.JSON", "- targets: [a]\n", "at byte");
    check_bad("a.json", "{}", "a map where none is due");
}

static int read_targets(uint32_t count)
{
    static char text[2 * PROM_GROUP_TARGETS_MAX + 64];
    size_t len = (size_t)snprintf(text, sizeof(text), "- targets: [");
    for (uint32_t i = 0; i < count; i++) {
        memcpy(text + len, "a,", 2);
        len += 2;
    }
    memcpy(text + len, "]\n", 3);
    return read_text("a.yml", text);
}

static void test_one_target_past_the_limit_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_targets(PROM_GROUP_TARGETS_MAX), 0);
    assert_int_equal(groups.target_count, PROM_GROUP_TARGETS_MAX);
    assert_int_equal(read_targets(PROM_GROUP_TARGETS_MAX + 1), FAULT_LIMIT);
    assert_non_null(strstr(why, "targets"));
    assert_null(groups.first);
}

static void make_labels(char *text, size_t cap, uint32_t count)
{
    size_t len = (size_t)snprintf(text, cap, "- labels: {");
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, cap - len, "l%u: v,", i);
    }
    (void)snprintf(text + len, cap - len, "}\n");
}

static void test_one_label_past_the_limit_is_refused(void **state)
{
    (void)state;
    static char text[16384];
    make_labels(text, sizeof(text), PROM_GROUP_LABELS_MAX);
    assert_int_equal(read_text("a.yml", text), 0);
    assert_int_equal(groups.first->label_count, PROM_GROUP_LABELS_MAX);
    make_labels(text, sizeof(text), PROM_GROUP_LABELS_MAX + 1);
    assert_int_equal(read_text("a.yml", text), FAULT_LIMIT);
    assert_non_null(strstr(why, "labels"));
}

static void test_full_arena_is_told(void **state)
{
    (void)state;
    const char *text = "- targets: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, b, c, d, e, f]\n"
                       "  labels: {a: b, c: d, e: f, g: h, i: j, k: l}\n";
    bool was_short = false;
    for (size_t max_bytes = 16; max_bytes < 4096; max_bytes += 16) {
        struct arena small;
        struct prom_groups read = {0};
        assert_int_equal(arena_init(&small, 16, max_bytes), 0);
        int err = prom_groups_read(slice_of_text("a.yml"), slice_of_text(text), &small, &read, why);
        arena_fini(&small);
        was_short = was_short || err == -ENOMEM;
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(err == 0 || read.first == NULL);
    }
    assert_true(was_short);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_yaml_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_no_target, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_list_of_groups_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_target_past_the_limit_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_label_past_the_limit_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_full_arena_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
