/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/attributes_processor and attr_actions: every action on every kind of
 * value, on every kind of item, and what the configuration refuses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/attributes_processor.h"
#include "tests/core/processors/processor_rig.h"

static struct rig rig;

/* A span with attributes `before` must come out with `after`. Closes the rig. */
static void check_span(struct slice before, struct slice after)
{
    rig_check(&rig, request_of(NOTHING, item_of(JOIN(field_text(5, "op"), before))),
              request_of(NOTHING, item_of(JOIN(field_text(5, "op"), after))));
    rig_close(&rig);
}

/* Opens first, because what is built lives in the rig. */
#define CHECK(actions, before, after)                                                              \
    do {                                                                                           \
        rig_open(&rig, attributes_processor_new, SIGNAL_TRACES, "{actions: " actions "}");         \
        check_span(before, after);                                                                 \
    } while (0)

static void test_insert_adds_what_is_missing(void **state)
{
    (void)state;
    CHECK("[{key: a, value: x, action: insert}]", NOTHING, attr_text(9, "a", "x"));
    CHECK("[{key: a, value: x, action: insert}]", attr_text(9, "a", "y"), attr_text(9, "a", "y"));
    CHECK("[{key: a, from_attribute: b, action: INSERT}]", attr_int(9, "b", 7),
          JOIN(attr_int(9, "b", 7), attr_int(9, "a", 7)));
    CHECK("[{key: a, from_attribute: b, action: Insert}]", attr_int(9, "c", 7),
          attr_int(9, "c", 7));
    CHECK("[{key: a, from_attribute: b, default_value: 1.5, action: insert}]", NOTHING,
          attr_double(9, "a", 1.5));
    CHECK("[{key: a, from_attribute: b, default_value: 1.5, action: insert}]",
          attr_bool(9, "b", false), JOIN(attr_bool(9, "b", false), attr_bool(9, "a", false)));
}

static void test_values_keep_their_type(void **state)
{
    (void)state;
    struct slice list;
    CHECK("[{key: a, value: 42, action: upsert}]", NOTHING, attr_int(9, "a", 42));
    CHECK("[{key: a, value: -1, action: upsert}]", NOTHING, attr_int(9, "a", -1));
    CHECK("[{key: a, value: \"42\", action: upsert}]", NOTHING, attr_text(9, "a", "42"));
    CHECK("[{key: a, value: 2.5e3, action: upsert}]", NOTHING, attr_double(9, "a", 2500));
    CHECK("[{key: a, value: true, action: upsert}]", NOTHING, attr_bool(9, "a", true));
    CHECK("[{key: a, value: False, action: upsert}]", NOTHING, attr_bool(9, "a", false));
    CHECK("[{key: a, value: \"\", action: upsert}]", NOTHING, attr_text(9, "a", ""));
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES,
             "{actions: [{key: a, value: [1, x, [true], {k: 2.5, e: }], action: upsert}]}");
    struct slice inner = field_message(5, field_message(1, field_varint(2, 1)));
    struct slice map =
        field_message(6, JOIN(attr_double(1, "k", 2.5), attr_value(1, "e", NOTHING)));
    list = field_message(5, JOIN(field_message(1, field_varint(3, 1)),
                                 field_message(1, field_text(1, "x")), field_message(1, inner),
                                 field_message(1, map)));
    check_span(NOTHING, attr_value(9, "a", list));
    CHECK("[{key: a, value: [], action: upsert}]", NOTHING,
          attr_value(9, "a", field_message(5, NOTHING)));
}

static void test_update_changes_what_is_there(void **state)
{
    (void)state;
    CHECK("[{key: a, value: x, action: update}]", NOTHING, NOTHING);
    CHECK("[{key: a, value: x, action: update}]", JOIN(attr_int(9, "a", 1), attr_text(9, "b", "y")),
          JOIN(attr_text(9, "a", "x"), attr_text(9, "b", "y")));
    CHECK("[{key: a, value: x, action: update}]", JOIN(attr_int(9, "a", 1), attr_int(9, "a", 2)),
          JOIN(attr_text(9, "a", "x"), attr_int(9, "a", 2)));
    CHECK("[{key: a, from_attribute: b, action: update}]", attr_text(9, "a", "x"),
          attr_text(9, "a", "x"));
}

static void test_upsert_adds_or_changes(void **state)
{
    (void)state;
    CHECK("[{key: a, value: x, action: upsert}]", NOTHING, attr_text(9, "a", "x"));
    CHECK("[{key: a, value: x, action: upsert}]", attr_int(9, "a", 1), attr_text(9, "a", "x"));
    CHECK("[{key: a, from_attribute: a, action: upsert}]", attr_int(9, "a", 1),
          attr_int(9, "a", 1));
}

static void test_delete_takes_every_one_out(void **state)
{
    (void)state;
    CHECK("[{key: a, action: delete}]", attr_int(9, "a", 1), NOTHING);
    CHECK("[{key: a, action: delete}]", attr_int(9, "b", 1), attr_int(9, "b", 1));
    CHECK("[{key: a, action: delete}]",
          JOIN(attr_int(9, "a", 1), attr_int(9, "b", 2), attr_int(9, "a", 3)), attr_int(9, "b", 2));
    CHECK("[{pattern: ^http., action: delete}]",
          JOIN(attr_int(9, "http.a", 1), attr_int(9, "b", 2), attr_int(9, "http.c", 3)),
          attr_int(9, "b", 2));
    CHECK("[{key: b, pattern: ^http., action: delete}]",
          JOIN(attr_int(9, "http.a", 1), attr_int(9, "b", 2), attr_int(9, "c", 3)),
          attr_int(9, "c", 3));
}

/* sha256sum of the bytes named beside each. */
#define HASH_OF_X "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
#define HASH_OF_1_BYTE "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a"
#define HASH_OF_1_IN_8 "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8"
#define HASH_OF_1_5 "e163f8cb0f7067a7fc78ca859a77f849aea3214f38fb75b884e4a16be725c905"

static void test_hash_replaces_values(void **state)
{
    (void)state;
    CHECK("[{key: a, action: hash}]", attr_text(9, "a", "x"), attr_text(9, "a", HASH_OF_X));
    CHECK("[{key: a, action: hash}]", attr_bool(9, "a", true), attr_text(9, "a", HASH_OF_1_BYTE));
    CHECK("[{key: a, action: hash}]", attr_int(9, "a", 1), attr_text(9, "a", HASH_OF_1_IN_8));
    CHECK("[{key: a, action: hash}]", attr_double(9, "a", 1.5), attr_text(9, "a", HASH_OF_1_5));
    CHECK("[{key: a, action: hash}]", attr_text(9, "a", ""), attr_text(9, "a", ""));
    CHECK("[{key: a, action: hash}]", attr_value(9, "a", field_message(5, NOTHING)),
          attr_text(9, "a", ""));
    CHECK("[{pattern: user, action: hash}]",
          JOIN(attr_text(9, "user.id", "x"), attr_text(9, "id", "x")),
          JOIN(attr_text(9, "user.id", HASH_OF_X), attr_text(9, "id", "x")));
    CHECK("[{key: b, action: hash}]", attr_text(9, "a", "x"), attr_text(9, "a", "x"));
}

static void test_extract_makes_new_keys(void **state)
{
    (void)state;
    CHECK("[{key: url, pattern: \"^/(?P<tenant>[a-z]+)/(?P<page>.*)$\", action: extract}]",
          JOIN(attr_text(9, "url", "/acme/1"), attr_int(9, "page", 9)),
          JOIN(attr_text(9, "url", "/acme/1"), attr_text(9, "page", "1"),
               attr_text(9, "tenant", "acme")));
    CHECK("[{key: url, pattern: \"^/(?P<tenant>[a-z]+)$\", action: extract}]",
          attr_text(9, "url", "acme"), attr_text(9, "url", "acme"));
    CHECK("[{key: url, pattern: \"(?P<tenant>.*)\", action: extract}]", attr_int(9, "url", 1),
          attr_int(9, "url", 1));
    CHECK("[{key: url, pattern: \"(?P<url>b+)\", action: extract}]", attr_text(9, "url", "abbc"),
          attr_text(9, "url", "bb"));
}

static void test_convert_changes_types(void **state)
{
    (void)state;
    CHECK("[{key: a, converted_type: int, action: convert}]", attr_text(9, "a", "-12"),
          attr_int(9, "a", -12));
    CHECK("[{key: a, converted_type: int, action: convert}]", attr_double(9, "a", -2.9),
          attr_int(9, "a", -2));
    CHECK("[{key: a, converted_type: int, action: convert}]", attr_double(9, "a", 1e300),
          attr_double(9, "a", 1e300));
    CHECK("[{key: a, converted_type: int, action: convert}]", attr_bool(9, "a", true),
          attr_int(9, "a", 1));
    CHECK("[{key: a, converted_type: int, action: convert}]", attr_text(9, "a", "x"),
          attr_text(9, "a", "x"));
    CHECK("[{key: a, converted_type: double, action: convert}]", attr_text(9, "a", "1.5"),
          attr_double(9, "a", 1.5));
    CHECK("[{key: a, converted_type: double, action: convert}]", attr_int(9, "a", 3),
          attr_double(9, "a", 3));
    CHECK("[{key: a, converted_type: double, action: convert}]", attr_bool(9, "a", false),
          attr_double(9, "a", 0));
    CHECK("[{key: a, converted_type: string, action: convert}]", attr_int(9, "a", -3),
          attr_text(9, "a", "-3"));
    CHECK("[{key: a, converted_type: string, action: convert}]", attr_bool(9, "a", true),
          attr_text(9, "a", "true"));
    CHECK("[{key: a, converted_type: string, action: convert}]", attr_double(9, "a", 0.25),
          attr_text(9, "a", "0.25"));
    CHECK("[{key: a, converted_type: string, action: convert}]",
          attr_value(9, "a", field_text(7, "ab")), attr_text(9, "a", "YWI="));
    CHECK("[{key: a, converted_type: string, action: convert}]", attr_value(9, "a", NOTHING),
          attr_text(9, "a", ""));
    CHECK("[{key: b, converted_type: string, action: convert}]", attr_int(9, "a", 1),
          attr_int(9, "a", 1));
}

static void test_lists_convert_to_json(void **state)
{
    (void)state;
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES,
             "{actions: [{key: a, converted_type: string, action: convert}]}");
    struct slice inner = field_message(5, field_message(1, field_text(1, "q\"\n\x01")));
    struct slice map = field_message(
        6, JOIN(attr_value(1, "k", inner), attr_int(1, "n", 2), attr_value(1, "z", NOTHING)));
    struct slice list =
        field_message(5, JOIN(field_message(1, map), field_message(1, field_varint(2, 0))));
    check_span(attr_value(9, "a", list),
               attr_text(9, "a", "[{\"k\":[\"q\\\"\\n\\u0001\"],\"n\":2,\"z\":null},false]"));
}

static void test_actions_run_in_order(void **state)
{
    (void)state;
    CHECK("[{key: a, value: x, action: insert}, {key: b, from_attribute: a, action: upsert},"
          " {key: a, action: delete}, {key: a, value: 2, action: insert}]",
          attr_int(9, "z", 1),
          JOIN(attr_int(9, "z", 1), attr_text(9, "b", "x"), attr_int(9, "a", 2)));
}

static void test_untouched_parts_keep_their_memory(void **state)
{
    (void)state;
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES,
             "{actions: [{key: a, action: delete}, {key: b, value: 1, action: upsert}]}");
    struct slice request = request_of(NOTHING, item_of(attr_int(9, "b", 1)));
    struct processor_turn turn = {.arena = &rig.scratch};
    assert_int_equal(part_copy(&rig.part, request, SIGNAL_TRACES, 1), 0);
    const void *memory = rig.part.memory;
    assert_int_equal(rig.processor->ops->process(rig.processor, &turn, &rig.part), 0);
    assert_ptr_equal(rig.part.memory, memory);
    rig_close(&rig);
}

/* Field numbers of attributes and of the kind of data. */
static void check_points(uint32_t data, uint32_t number)
{
    rig_open(&rig, attributes_processor_new, SIGNAL_METRICS,
             "{actions: [{key: a, value: x, action: upsert}]}");
    struct slice time = field_fixed64(3, 17);
    struct slice before = field_message(1, JOIN(time, attr_int(number, "b", 1)));
    struct slice after =
        field_message(1, JOIN(time, attr_int(number, "b", 1), attr_text(number, "a", "x")));
    rig_check(&rig, request_of(NOTHING, metric_of("m", data, JOIN(before, before))),
              request_of(NOTHING, metric_of("m", data, JOIN(after, after))));
    rig_close(&rig);
}

static void test_every_kind_of_item_has_its_field(void **state)
{
    (void)state;
    check_points(5, 7);
    check_points(7, 7);
    check_points(9, 9);
    check_points(10, 1);
    check_points(11, 7);
    rig_open(&rig, attributes_processor_new, SIGNAL_LOGS,
             "{actions: [{key: a, value: x, action: upsert}]}");
    rig_check(&rig, request_of(attr_int(1, "r", 1), item_of(field_text(3, "INFO"))),
              request_of(attr_int(1, "r", 1),
                         item_of(JOIN(field_text(3, "INFO"), attr_text(6, "a", "x")))));
    rig_close(&rig);
}

static void test_include_and_exclude_select(void **state)
{
    (void)state;
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES,
             "{include: {match_type: regexp, span_names: [\"^op\"]},"
             " exclude: {match_type: strict, attributes: [{key: keep, value: true}]},"
             " actions: [{key: a, value: 1, action: upsert}]}");
    struct slice name = field_text(5, "op");
    struct slice kept = item_of(JOIN(name, attr_bool(9, "keep", true)));
    struct slice other = item_of(field_text(5, "other"));
    rig_check(&rig, request_of(NOTHING, JOIN(item_of(name), kept, other)),
              request_of(NOTHING, JOIN(item_of(JOIN(name, attr_int(9, "a", 1))), kept, other)));
    rig_close(&rig);
}

static void test_clone_does_the_same(void **state)
{
    (void)state;
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES, "{actions: [{key: a, action: hash}]}");
    struct processor *prototype = rig.processor;
    assert_int_equal(prototype->ops->clone(prototype, &rig.processor), 0);
    assert_string_equal(rig.processor->ops->type, "attributes");
    rig_check(&rig, request_of(NOTHING, item_of(attr_text(9, "a", "x"))),
              request_of(NOTHING, item_of(attr_text(9, "a", HASH_OF_X))));
    rig.processor->ops->close(rig.processor);
    rig.processor = prototype;
    rig_close(&rig);
}

static void check_refused(const char *text, const char *words)
{
    rig_check_refused(attributes_processor_new, SIGNAL_TRACES, text, words);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    check_refused("{}", "needs at least one action");
    check_refused("{actions: []}", "needs at least one action");
    check_refused("{actions: [{key: a}]}", "action");
    check_refused("{actions: [{key: a, action: inset, value: 1}]}", "did you mean insert");
    check_refused("{actions: [{key: a, action: insert}]}", "'value' or 'from_attribute'");
    check_refused("{actions: [{action: insert, value: 1}]}", "needs 'key'");
    check_refused("{actions: [{key: a, action: insert, value: 1, from_attribute: b}]}", "one of");
    check_refused("{actions: [{key: a, action: insert, value: 1, default_value: 2}]}",
                  "stands in for");
    check_refused("{actions: [{key: a, action: insert, from_context: client.address}]}",
                  "known but not supported yet");
    check_refused("{actions: [{key: a, action: update, value: 1, pattern: x}]}", "no use for");
    check_refused("{actions: [{action: delete}]}", "'key' or 'pattern'");
    check_refused("{actions: [{key: a, action: delete, value: 1}]}", "no use for 'value'");
    check_refused("{actions: [{key: a, action: hash, converted_type: int}]}", "no use for");
    check_refused("{actions: [{key: a, action: delete, pattern: \"(\"}]}", "regular expression");
    check_refused("{actions: [{key: a, action: extract}]}", "needs 'pattern'");
    check_refused("{actions: [{key: a, action: extract, pattern: \"a\"}]}", "needs a group");
    check_refused("{actions: [{key: a, action: extract, pattern: \"(a)\"}]}", "needs a name");
    check_refused("{actions: [{key: a, action: convert}]}", "needs 'converted_type'");
    check_refused("{actions: [{key: a, action: convert, converted_type: bool}]}", "converted_type");
    check_refused("{actions: [{key: a, action: insert, value: 1, vlaue: 2}]}", "unknown key");
    check_refused("{actions: [{key: a, action: insert, value: .inf}]}", "out of range");
    check_refused("{actions: [{key: a, action: delete}], include: {match_type: strict}}",
                  "names nothing");
}

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    const char *text = "{include: {match_type: regexp, span_names: [a]},"
                       " exclude: {match_type: strict, attributes: [{key: k, value: [1, {a: b}]}]},"
                       " actions: [{key: a, pattern: \"(?P<n>.)\", action: extract}]}";
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct config_reader reader;
        rig_init(&rig);
        rig_reader(&rig, text, &reader);
        mem_fail_nth(nth);
        err = attributes_processor_new(&reader, "test", SIGNAL_TRACES, &rig.processor);
        mem_fail_nth(0);
        assert_true(err == 0 || rig.processor == NULL);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

static void test_a_full_arena_leaves_the_part_alone(void **state)
{
    (void)state;
    rig_open(&rig, attributes_processor_new, SIGNAL_TRACES, "{actions: [{key: a, action: hash}]}");
    struct slice request = request_of(NOTHING, item_of(attr_text(9, "a", "x")));
    arena_fini(&rig.scratch); /* refuses from here on */
    struct processor_turn turn = {.arena = &rig.scratch};
    assert_int_equal(part_copy(&rig.part, request, SIGNAL_TRACES, 1), 0);
    assert_int_equal(rig.processor->ops->process(rig.processor, &turn, &rig.part), FAULT_LIMIT);
    assert_true(slice_equal(rig.part.bytes, request));
    assert_int_equal(rig.part.item_count, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_adds_what_is_missing),
        cmocka_unit_test(test_values_keep_their_type),
        cmocka_unit_test(test_update_changes_what_is_there),
        cmocka_unit_test(test_upsert_adds_or_changes),
        cmocka_unit_test(test_delete_takes_every_one_out),
        cmocka_unit_test(test_hash_replaces_values),
        cmocka_unit_test(test_extract_makes_new_keys),
        cmocka_unit_test(test_convert_changes_types),
        cmocka_unit_test(test_lists_convert_to_json),
        cmocka_unit_test(test_actions_run_in_order),
        cmocka_unit_test(test_untouched_parts_keep_their_memory),
        cmocka_unit_test(test_every_kind_of_item_has_its_field),
        cmocka_unit_test(test_include_and_exclude_select),
        cmocka_unit_test(test_clone_does_the_same),
        cmocka_unit_test(test_configuration_is_judged),
        cmocka_unit_test(test_every_refused_allocation_is_survived),
        cmocka_unit_test(test_a_full_arena_leaves_the_part_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
