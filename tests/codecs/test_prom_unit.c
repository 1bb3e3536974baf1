/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_unit: words to UCUM, and names without them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "codecs/prom_unit.h"

static void assert_ucum(const char *words, const char *expected)
{
    char buf[PROM_UNIT_MAX_BYTES];
    struct slice got = prom_unit_ucum(slice_of_text(words), buf);
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.len > 0 ? (const char *)got.ptr : "", expected, got.len);
}

static void test_words_become_symbols(void **state)
{
    (void)state;
    assert_ucum("seconds", "s");
    assert_ucum("bytes", "By");
    assert_ucum("celsius", "Cel");
    assert_ucum("ratio", "1");
    assert_ucum("percent", "%");
    assert_ucum("meters_per_second", "m/s");
    assert_ucum("frobs_per_minute", "frobs/m");
    assert_ucum("bytes_per_frob", "By/frob");
    assert_ucum("_per_second", "/s");
    assert_ucum("frobs", "frobs");
    assert_ucum("", "");
}

static void test_words_that_do_not_fit_stay(void **state)
{
    char words[2 * PROM_UNIT_MAX_BYTES + 1];
    (void)state;
    memset(words, 'x', sizeof(words));
    memcpy(words + 10, "_per_", 5);
    words[sizeof(words) - 1] = '\0';
    assert_ucum(words, words);
    /* At the limit: both parts and the stroke fill the buffer. */
    words[PROM_UNIT_MAX_BYTES - 1 + 5] = '\0';
    char buf[PROM_UNIT_MAX_BYTES];
    assert_int_equal(prom_unit_ucum(slice_of_text(words), buf).len, PROM_UNIT_MAX_BYTES);
    words[PROM_UNIT_MAX_BYTES - 1 + 5] = 'x';
    words[PROM_UNIT_MAX_BYTES + 5] = '\0';
    assert_ucum(words, words);
}

static void assert_trim(const char *name, bool is_sum, const char *words, const char *expected)
{
    struct slice got = prom_unit_trim(slice_of_text(name), is_sum, slice_of_text(words));
    assert_true(slice_is_text(got, expected));
}

static void test_names_lose_type_and_unit(void **state)
{
    (void)state;
    assert_trim("a_seconds_total", true, "seconds", "a");
    assert_trim("a_seconds_total", false, "seconds", "a_seconds_total");
    assert_trim("a_seconds", false, "seconds", "a");
    assert_trim("a_total", true, "", "a");
    assert_trim("_total", true, "", "_total");
    assert_trim("total", true, "", "total");
    assert_trim("seconds", false, "seconds", "seconds");
    assert_trim("aseconds", false, "seconds", "aseconds");
    assert_trim("a_bytes_per_second", false, "bytes_per_second", "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_become_symbols),
        cmocka_unit_test(test_words_that_do_not_fit_stay),
        cmocka_unit_test(test_names_lose_type_and_unit),
    };
    return cmocka_run_group_tests_name("prom_unit", tests, NULL, NULL);
}
