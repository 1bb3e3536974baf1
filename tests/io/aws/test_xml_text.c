/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/xml_text: elements found among others, entities, and texts that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/fault.h"
#include "io/aws/xml_text.h"

static void check_inner(const char *xml, const char *name, const char *expected)
{
    struct slice inner;
    assert_true(xml_text_find(slice_of_text(xml), name, &inner));
    assert_true(slice_is_text(inner, expected));
}

static void check_none(const char *xml, const char *name)
{
    struct slice inner = SLICE_LITERAL("untouched");
    assert_false(xml_text_find(slice_of_text(xml), name, &inner));
    assert_true(slice_is_text(inner, "untouched"));
}

static void test_elements_are_found(void **state)
{
    (void)state;
    check_inner("<a>1</a>", "a", "1");
    check_inner("<x><a>1</a><a>2</a></x>", "a", "1");
    check_inner("<x><ab>0</ab><a b='>' c=\"/>\">1</a ></x>", "a", "1");
    check_inner("<n:x><n:a>1</n:a></n:x>", "a", "1");
    check_inner("<a><b>1</b></a>", "a", "<b>1</b>");
    check_inner("<a/><a>2</a>", "a", "");
    check_inner("<a></a>", "a", "");
    check_inner("<?xml version='1.0'?><!-- <a>no</a> --><a>1</a>", "a", "1");
    check_inner("<x><![CDATA[<a>no</a>]]></x><a>1</a>", "a", "1");
    check_inner("</a><a>1</a>", "a", "1");
}

static void test_what_is_not_there_is_not_found(void **state)
{
    (void)state;
    check_none("", "a");
    check_none("text", "a");
    check_none("<a>1", "a");
    check_none("<a>1</b>", "a");
    check_none("<a", "a");
    check_none("<", "a");
    check_none("<>", "a");
    check_none("</>", "a");
    check_none("<!-- <a>1</a>", "a");
    check_none("<a b='>1</a>", "a");
    check_none("<A>1</A>", "a");
}

static void check_copy(const char *inner, const char *expected)
{
    char buf[64];
    assert_int_equal(xml_text_copy(slice_of_text(inner), buf, sizeof(buf)), 0);
    assert_string_equal(buf, expected);
}

static void test_entities_are_undone(void **state)
{
    (void)state;
    check_copy("plain", "plain");
    check_copy("\n  trimmed inside too \t", "trimmed inside too");
    check_copy("", "");
    check_copy("&lt;&gt;&amp;&quot;&apos;", "<>&\"'");
    check_copy("&amp;lt;", "&lt;");
    check_copy("&#65;&#x42;&#x63;&#XE9;", "ABc&#XE9;");
    check_copy("&#xe9;&#8364;&#x1F600;", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    check_copy("&#x10FFFF;", "\xF4\x8F\xBF\xBF");
    check_copy("&#x110000;&#xD800;&#0;&#;&#x;&#:;&#x:;", "&#x110000;&#xD800;&#0;&#;&#x;&#:;&#x:;");
    check_copy("&unknown;&", "&unknown;&");
    check_copy("a&b;c", "a&b;c");
    check_copy("& far away ;", "& far away ;");
}

static void test_copies_end_at_their_room(void **state)
{
    (void)state;
    char buf[4];
    assert_int_equal(xml_text_copy(SLICE_LITERAL("123"), buf, sizeof(buf)), 0);
    assert_string_equal(buf, "123");
    assert_int_equal(xml_text_copy(SLICE_LITERAL("1234"), buf, sizeof(buf)), FAULT_LIMIT);
    assert_string_equal(buf, "123");
    assert_int_equal(xml_text_copy(SLICE_LITERAL("12&#233;"), buf, sizeof(buf)), FAULT_LIMIT);
    assert_string_equal(buf, "12");
    assert_int_equal(xml_text_copy(SLICE_LITERAL("1"), buf, 1), FAULT_LIMIT);
    assert_string_equal(buf, "");
}

static void check_no_text(struct slice inner)
{
    char buf[16] = "untouched";
    assert_int_equal(xml_text_copy(inner, buf, sizeof(buf)), FAULT_MALFORMED);
    assert_string_equal(buf, "");
}

static void test_what_is_no_text_is_refused(void **state)
{
    (void)state;
    check_no_text(SLICE_LITERAL("a<b/>c"));
    check_no_text(slice_of("a\0b", 3));
    check_no_text(SLICE_LITERAL("\xC3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_are_found),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_entities_are_undone),
        cmocka_unit_test(test_copies_end_at_their_room),
        cmocka_unit_test(test_what_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
