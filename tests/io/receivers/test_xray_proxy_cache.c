/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_proxy_cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/receivers/xray_proxy_cache.h"

static struct xray_proxy_cache cache;

static struct xray_proxy_rules *find(const char *key, uint64_t now)
{
    return xray_proxy_cache_find(&cache, slice_of_text(key), now);
}

static void store(struct xray_proxy_rules *rules, const char *body, uint64_t fresh_until)
{
    xray_proxy_rules_store(rules, SLICE_LITERAL("application/json"), slice_of_text(body),
                           fresh_until);
}

static int teardown(void **state)
{
    (void)state;
    xray_proxy_cache_fini(&cache);
    xray_proxy_cache_fini(&cache);
    return 0;
}

static void test_an_answer_is_found_by_its_key_while_fresh(void **state)
{
    (void)state;
    struct xray_proxy_rules *rules = find("{}", 1);
    assert_false(xray_proxy_rules_is_fresh(rules, 1));
    store(rules, "rules", 10);
    assert_ptr_equal(find("{}", 2), rules);
    assert_ptr_not_equal(find("", 2), rules);
    assert_true(xray_proxy_rules_is_fresh(rules, 9));
    assert_false(xray_proxy_rules_is_fresh(rules, 10));
    assert_true(slice_is_text(xray_proxy_rules_body(rules), "rules"));
    assert_true(slice_is_text(xray_proxy_rules_type(rules), "application/json"));
}

static void test_the_longest_unused_entry_makes_room(void **state)
{
    (void)state;
    char key[12];
    for (int i = 0; i < XRAY_PROXY_CACHE_ENTRIES; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        store(find(key, (uint64_t)(10 + i)), key, 1000);
    }
    struct xray_proxy_rules *first = find("0", 50); /* used again: "1" is the oldest now */
    struct xray_proxy_rules *second = find("1", 11);
    struct xray_proxy_rules *given = find("new", 60);
    assert_ptr_equal(given, second);
    assert_false(given->has_answer);
    assert_ptr_equal(find("0", 61), first);
    assert_true(first->has_answer);
}

static void test_busy_entries_are_not_given_away(void **state)
{
    (void)state;
    char key[12];
    for (int i = 0; i < XRAY_PROXY_CACHE_ENTRIES; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        find(key, 1)->call = (struct xray_proxy_call *)(void *)key; /* whatever is not NULL */
    }
    assert_null(find("new", 2));
    struct xray_proxy_rules *rules = find("3", 2);
    rules->call = NULL;
    rules->is_pinned = true;
    assert_null(find("new", 2));
    rules->is_pinned = false;
    assert_ptr_equal(find("new", 2), rules);
    for (int i = 0; i < XRAY_PROXY_CACHE_ENTRIES; i++) {
        cache.entries[i].call = NULL;
    }
}

static void test_a_key_has_a_limit(void **state)
{
    (void)state;
    static char key[XRAY_PROXY_CACHE_KEY_MAX_BYTES + 1];
    memset(key, 'k', sizeof(key));
    assert_non_null(xray_proxy_cache_find(&cache, slice_of(key, sizeof(key) - 1), 1));
    assert_null(xray_proxy_cache_find(&cache, slice_of(key, sizeof(key)), 1));
}

static void test_an_answer_too_large_leaves_the_last_good_one(void **state)
{
    (void)state;
    static char big[XRAY_PROXY_CACHE_ANSWER_MAX_BYTES + 1];
    static char type[XRAY_PROXY_CACHE_TYPE_MAX_BYTES + 1];
    memset(type, 't', sizeof(type));
    struct xray_proxy_rules *rules = find("{}", 1);
    store(rules, "good", 10);
    xray_proxy_rules_store(rules, (struct slice){0}, slice_of(big, sizeof(big)), 99);
    xray_proxy_rules_store(rules, slice_of(type, sizeof(type)), SLICE_LITERAL("x"), 99);
    assert_true(slice_is_text(xray_proxy_rules_body(rules), "good"));
    assert_int_equal(rules->fresh_until_mono_ns, 10);
    mem_fail_nth(1);
    store(rules, "other", 99);
    mem_fail_nth(0);
    assert_true(slice_is_text(xray_proxy_rules_body(rules), "good"));
    xray_proxy_rules_store(rules, slice_of(type, sizeof(type) - 1), slice_of(big, sizeof(big) - 1),
                           99);
    assert_int_equal(xray_proxy_rules_body(rules).len, sizeof(big) - 1);
}

static void test_what_is_held_is_stale_until_stored_again(void **state)
{
    (void)state;
    struct xray_proxy_rules *rules = find("{}", 1);
    store(rules, "good", 10);
    xray_proxy_rules_hold(rules, 30);
    assert_true(rules->is_stale);
    assert_true(xray_proxy_rules_is_fresh(rules, 29));
    assert_true(slice_is_text(xray_proxy_rules_body(rules), "good"));
    store(rules, "new", 50);
    assert_false(rules->is_stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_an_answer_is_found_by_its_key_while_fresh, teardown),
        cmocka_unit_test_teardown(test_the_longest_unused_entry_makes_room, teardown),
        cmocka_unit_test_teardown(test_busy_entries_are_not_given_away, teardown),
        cmocka_unit_test_teardown(test_a_key_has_a_limit, teardown),
        cmocka_unit_test_teardown(test_an_answer_too_large_leaves_the_last_good_one, teardown),
        cmocka_unit_test_teardown(test_what_is_held_is_stale_until_stored_again, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
