/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_registry: order, limits, expiry, and cursors while series come and go.
 */
#include "exporters/prom_registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define SERIES_MAX 500

static struct prom_registry registry;

static int setup(void **state)
{
    (void)state;
    prom_registry_init(&registry, SERIES_MAX, 42);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(prom_registry_is_valid(&registry));
    prom_registry_fini(&registry);
    return 0;
}

static int try_add(const char *name, const char *labels, uint64_t now_mono_ns,
                   struct prom_series **out)
{
    const struct prom_family family = {.name = slice_of_text(name), .kind = PROM_KIND_GAUGE};
    struct prom_entry *entry = NULL;
    int err = prom_registry_family(&registry, &family, &entry);
    if (err != 0) {
        return err;
    }
    err = prom_registry_series(&registry, entry, slice_of_text(labels), now_mono_ns, out);
    prom_registry_tidy(&registry, entry);
    return err;
}

static struct prom_series *add(const char *name, const char *labels, uint64_t now_mono_ns)
{
    struct prom_series *series = NULL;
    assert_int_equal(try_add(name, labels, now_mono_ns, &series), 0);
    prom_value_set(&series->value, 1);
    return series;
}

/* "family/labels family/labels …" from the cursor on, at most `count_max`. */
static const char *read_on(struct prom_cursor *cursor, uint32_t count_max)
{
    static char text[1024];
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count_max; i++) {
        bool is_first = false;
        const struct prom_series *s = prom_cursor_next(&registry, cursor, &is_first);
        if (s == NULL) {
            break;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s/%.*s",
                                len == 0   ? ""
                                : is_first ? " | "
                                           : " ",
                                (int)s->entry->family.name.len, s->entry->family.name.ptr,
                                (int)s->labels_len, s->labels);
    }
    return text;
}

static void test_families_are_sorted_and_series_found_again(void **state)
{
    (void)state;
    struct prom_series *first = add("m", "a", 1);
    add("z", "", 2);
    add("b", "x", 3);
    assert_ptr_equal(add("m", "a", 4), first);
    assert_ptr_not_equal(add("m", "b", 5), first);
    assert_ptr_not_equal(add("n", "a", 6), first);
    struct prom_cursor cursor;
    prom_cursor_open(&registry, &cursor);
    assert_string_equal(read_on(&cursor, 100), "b/x | m/a m/b | n/a | z/");
    assert_string_equal(read_on(&cursor, 100), "");
    prom_cursor_close(&registry, &cursor);
    prom_cursor_close(&registry, &cursor);
    assert_int_equal(registry.series_count, 5);
}

static void test_kinds_of_one_name_conflict(void **state)
{
    (void)state;
    add("m", "a", 1);
    const struct prom_family other = {.name = SLICE_LITERAL("m"), .kind = PROM_KIND_COUNTER};
    struct prom_entry *entry = NULL;
    assert_int_equal(prom_registry_family(&registry, &other, &entry), -EEXIST);
    assert_int_equal(entry->family.kind, PROM_KIND_GAUGE);
}

static void test_series_are_limited(void **state)
{
    (void)state;
    char labels[16];
    struct prom_series *series = NULL;
    for (uint32_t i = 0; i < SERIES_MAX; i++) {
        (void)snprintf(labels, sizeof(labels), "%u", i);
        add("m", labels, i);
    }
    assert_int_equal(try_add("m", "one more", SERIES_MAX, &series), FAULT_LIMIT);
    assert_int_equal(try_add("other", "one more", SERIES_MAX, &series), FAULT_LIMIT);
    assert_int_equal(registry.entry_count, 1); /* no empty family stays behind */
    assert_int_equal(try_add("m", "7", SERIES_MAX, &series), 0);
}

static void test_the_oldest_expire_first_and_in_slices(void **state)
{
    (void)state;
    add("a", "1", 10);
    add("a", "2", 20);
    add("b", "1", 30);
    add("a", "1", 40); /* updated */
    assert_int_equal(prom_registry_expire(&registry, 20, 10), 0);
    assert_int_equal(prom_registry_expire(&registry, 41, 1), 1);
    struct prom_cursor cursor;
    prom_cursor_open(&registry, &cursor);
    assert_string_equal(read_on(&cursor, 100), "a/1 | b/1");
    prom_cursor_close(&registry, &cursor);
    assert_int_equal(prom_registry_expire(&registry, 41, 10), 2);
    assert_int_equal(registry.entry_count, 0);
    assert_int_equal(registry.series_count, 0);
}

static void test_cursors_survive_what_goes(void **state)
{
    (void)state;
    struct prom_cursor cursor;
    struct prom_cursor late;
    add("a", "1", 1);
    struct prom_series *second = add("a", "2", 2);
    struct prom_series *third = add("a", "3", 3);
    add("c", "1", 4);
    prom_cursor_open(&registry, &cursor);
    prom_cursor_open(&registry, &late);
    assert_string_equal(read_on(&cursor, 1), "a/1");
    prom_registry_remove(&registry, second); /* the one shown next */
    assert_string_equal(read_on(&cursor, 1), "a/3");
    prom_registry_remove(&registry, third); /* the one shown last */
    assert_int_equal(prom_registry_expire(&registry, 2, 10), 1);
    assert_int_equal(registry.entry_count, 2); /* "a" is empty, but a cursor stands in it */
    add("b", "1", 5);
    assert_string_equal(read_on(&cursor, 100), "b/1 | c/1");
    assert_int_equal(registry.entry_count, 2);
    assert_string_equal(read_on(&late, 1), "b/1");
    add("b", "2", 6);
    assert_int_equal(prom_registry_expire(&registry, 7, 10), 3);
    assert_string_equal(read_on(&late, 100), "");
    prom_cursor_close(&registry, &cursor);
    prom_cursor_close(&registry, &late);
    assert_int_equal(registry.entry_count, 0);
}

static void test_a_closed_cursor_lets_its_family_go(void **state)
{
    (void)state;
    struct prom_cursor cursor;
    struct prom_series *series = add("a", "1", 1);
    prom_cursor_open(&registry, &cursor);
    assert_string_equal(read_on(&cursor, 1), "a/1");
    prom_registry_remove(&registry, series);
    prom_registry_tidy(&registry, registry.entries[0]);
    assert_int_equal(registry.entry_count, 1);
    prom_cursor_close(&registry, &cursor);
    assert_int_equal(registry.entry_count, 0);
}

static void test_any_order_of_changes_keeps_it_valid(void **state)
{
    (void)state;
    uint64_t random = 99;
    struct prom_cursor cursor;
    prom_cursor_open(&registry, &cursor);
    for (uint64_t now = 1; now < 4000; now++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        char name[16];
        char labels[16];
        (void)snprintf(name, sizeof(name), "f%u", (uint32_t)(random >> 33) % 20);
        (void)snprintf(labels, sizeof(labels), "%u", (uint32_t)(random >> 45) % 30);
        struct prom_series *series = NULL;
        int err = try_add(name, labels, now, &series);
        assert_true(err == 0 || err == FAULT_LIMIT);
        if ((random >> 60) == 0) {
            (void)prom_registry_expire(&registry, now > 100 ? now - 100 : 0, 50);
        }
        if ((random >> 60) == 1 && read_on(&cursor, 7)[0] == '\0') {
            prom_cursor_close(&registry, &cursor);
            prom_cursor_open(&registry, &cursor);
        }
        if (now % 50 == 0) {
            assert_true(prom_registry_is_valid(&registry));
        }
    }
    prom_cursor_close(&registry, &cursor);
}

static void test_refused_memory_leaves_it_valid(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 8; nth++) {
        char labels[16];
        struct prom_series *series = NULL;
        (void)snprintf(labels, sizeof(labels), "%u", (uint32_t)nth);
        mem_fail_nth(nth);
        int err = try_add("m", labels, nth, &series);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(prom_registry_is_valid(&registry));
    }
    assert_true(registry.series_count > 0);
}

#define REGISTRY_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REGISTRY_TEST(test_families_are_sorted_and_series_found_again),
        REGISTRY_TEST(test_kinds_of_one_name_conflict),
        REGISTRY_TEST(test_series_are_limited),
        REGISTRY_TEST(test_the_oldest_expire_first_and_in_slices),
        REGISTRY_TEST(test_cursors_survive_what_goes),
        REGISTRY_TEST(test_a_closed_cursor_lets_its_family_go),
        REGISTRY_TEST(test_any_order_of_changes_keeps_it_valid),
        REGISTRY_TEST(test_refused_memory_leaves_it_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
