/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of codecs/log_name and log_route: placeholders, characters, bounds; and what a metric
 * document says about where it belongs.
 */
#include "codecs/log_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "codecs/log_route.h"
#include "core/base/fault.h"

/* One attribute each: KeyValue {key, AnyValue {string}} as field 1 of a Resource, 6 of a record. */
#define RESOURCE_SERVICE                                                                           \
    "\x0A\x15\x0A\x0C"                                                                             \
    "service.name"                                                                                 \
    "\x12\x05\x0A\x03"                                                                             \
    "web"
#define RESOURCE_TASK                                                                              \
    "\x0A\x11\x0A\x06"                                                                             \
    "TaskId"                                                                                       \
    "\x12\x07\x0A\x05"                                                                             \
    "own:1"
#define RESOURCE_EMPTY                                                                             \
    "\x0A\x0D\x0A\x07"                                                                             \
    "PodName"                                                                                      \
    "\x12\x02\x0A\x00"
#define RESOURCE_NUMBER                                                                            \
    "\x0A\x11\x0A\x0B"                                                                             \
    "ClusterName"                                                                                  \
    "\x12\x02\x18\x2A"
#define RECORD_FAAS                                                                                \
    "\x32\x12\x0A\x09"                                                                             \
    "faas.name"                                                                                    \
    "\x12\x05\x0A\x03"                                                                             \
    "fn\xC3"

static struct bytes out;

static int setup(void **state)
{
    (void)state;
    bytes_init(&out, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_fini(&out);
    return 0;
}

static bool fill(const char *pattern, enum log_name_kind kind)
{
    static const struct log_name_source source = {
        .resource =
            {.ptr = (const uint8_t *)RESOURCE_SERVICE RESOURCE_TASK RESOURCE_EMPTY RESOURCE_NUMBER,
             .len = sizeof(RESOURCE_SERVICE RESOURCE_TASK RESOURCE_EMPTY RESOURCE_NUMBER) - 1},
        .record = {.ptr = (const uint8_t *)RECORD_FAAS, .len = sizeof(RECORD_FAAS) - 1},
    };
    bool is_undefined = false;
    bytes_clear(&out);
    log_name_fill(slice_of_text(pattern), kind, &source, &out, &is_undefined);
    assert_int_equal(out.err, 0);
    return is_undefined;
}

static void assert_filled(const char *pattern, enum log_name_kind kind, const char *wanted,
                          bool is_undefined)
{
    assert_int_equal(fill(pattern, kind), is_undefined);
    if (!slice_is_text(bytes_slice(&out), wanted)) {
        fail_msg("%s: %.*s instead of %s", pattern, (int)out.len, (const char *)out.ptr, wanted);
    }
}

static void test_placeholders_are_found_by_both_names(void **state)
{
    (void)state;
    assert_filled("/a/{ServiceName}", LOG_NAME_GROUP, "/a/web", false);
    assert_filled("{ServiceName}-{ServiceName}", LOG_NAME_GROUP, "web-web", false);
    assert_filled("{TaskId}", LOG_NAME_GROUP, "own_1", false);
    assert_filled("{ClusterName}", LOG_NAME_STREAM, "42", false);
    assert_filled("x/{FaasName}", LOG_NAME_GROUP, "x/fn_", false); /* from the record */
}

static void test_what_is_missing_or_empty_is_undefined(void **state)
{
    (void)state;
    assert_filled("{PodName}", LOG_NAME_STREAM, "undefined", true);
    assert_filled("a{NodeName}b{ServiceName}", LOG_NAME_STREAM, "aundefinedbweb", true);
}

static void test_characters_that_a_name_may_not_have_become_underscores(void **state)
{
    (void)state;
    assert_filled("a b:c*d_-/.#1", LOG_NAME_GROUP, "a_b_c_d_-/.#1", false);
    assert_filled("a b:c*d\n\xC3\xA4", LOG_NAME_STREAM, "a b_c_d_\xC3\xA4", false);
    assert_filled("\xC3\xA4", LOG_NAME_GROUP, "__", false);
}

static void test_braces_alone_are_text(void **state)
{
    (void)state;
    assert_filled("a{b", LOG_NAME_STREAM, "a{b", false);
    assert_filled("a}b", LOG_NAME_STREAM, "a}b", false);
    assert_filled("{", LOG_NAME_STREAM, "{", false);
    assert_filled("{a{ServiceName}", LOG_NAME_STREAM, "{aweb", false);
}

static void test_a_long_name_is_cut_at_a_character(void **state)
{
    (void)state;
    char pattern[LOG_NAME_MAX_BYTES + 2];
    memset(pattern, 'x', sizeof(pattern) - 1);
    pattern[sizeof(pattern) - 1] = '\0';
    assert_false(fill(pattern, LOG_NAME_GROUP));
    assert_int_equal(out.len, LOG_NAME_MAX_BYTES);
    pattern[LOG_NAME_MAX_BYTES - 1] = '\xC3';
    pattern[LOG_NAME_MAX_BYTES] = '\xA4';
    assert_false(fill(pattern, LOG_NAME_STREAM));
    assert_int_equal(out.len, LOG_NAME_MAX_BYTES - 1);
}

static void test_unknown_placeholders_are_named(void **state)
{
    (void)state;
    struct slice unknown = {0};
    assert_true(log_name_is_valid(SLICE_LITERAL("a/{TaskId}/{FaasVersion}{InstanceId}"), &unknown));
    assert_true(log_name_is_valid(SLICE_LITERAL("plain {"), &unknown));
    assert_false(log_name_is_valid(SLICE_LITERAL("a/{TaskId}/{taskid}"), &unknown));
    assert_true(slice_is_text(unknown, "taskid"));
    assert_false(log_name_is_valid(SLICE_LITERAL("{}"), &unknown));
    assert_int_equal(unknown.len, 0);
}

/* --- log_route -------------------------------------------------------------------------------- */

static void assert_route(const char *document, const char *group, const char *stream,
                         uint64_t time_ms)
{
    struct log_route route;
    assert_int_equal(log_route_read(slice_of_text(document), &route), 0);
    assert_true(slice_is_text(route.log_group, group));
    assert_true(slice_is_text(route.log_stream, stream));
    assert_int_equal(route.has_time, time_ms != 0);
    assert_int_equal(route.time_ms, time_ms);
}

static void test_routes_are_read_from_both_versions(void **state)
{
    (void)state;
    assert_route("{}", "", "", 0);
    assert_route("{\"_aws\":{\"Timestamp\":17,\"LogGroupName\":\"g\",\"LogStreamName\":\"s\","
                 "\"CloudWatchMetrics\":[{}]},\"LogGroupName\":\"root\",\"m\":1}",
                 "g", "s", 17);
    assert_route("{\"LogGroupName\":\"r\\/1\",\"Timestamp\":\"18\",\"Version\":\"0\"}", "r/1", "",
                 18);
    assert_route("{\"a\":{\"LogGroupName\":\"no\"},\"LogStreamName\":\"s\"}", "", "s", 0);
    assert_route("{\"_aws\":5,\"LogGroupName\":7,\"Timestamp\":1.5}", "", "", 0);
}

static void test_what_is_no_object_has_no_route(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[]", "1", "{", "{\"a\":1}{", "{\"LogGroupName\":\"g\""};
    struct log_route route;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(log_route_read(slice_of_text(bad[i]), &route), FAULT_MALFORMED);
        assert_int_equal(route.log_group.len, 0);
        assert_false(route.has_time);
    }
}

static void test_route_names_have_a_limit(void **state)
{
    (void)state;
    char document[LOG_ROUTE_NAME_MAX_BYTES + 64] = "{\"LogGroupName\":\"";
    size_t len = strlen(document);
    struct log_route route;
    memset(document + len, 'x', LOG_ROUTE_NAME_MAX_BYTES + 1);
    memcpy(document + len + LOG_ROUTE_NAME_MAX_BYTES, "\"}", 3);
    assert_int_equal(log_route_read(slice_of_text(document), &route), 0);
    assert_int_equal(route.log_group.len, LOG_ROUTE_NAME_MAX_BYTES);
    memcpy(document + len + LOG_ROUTE_NAME_MAX_BYTES, "x\"}", 4);
    assert_int_equal(log_route_read(slice_of_text(document), &route), 0);
    assert_int_equal(route.log_group.len, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_placeholders_are_found_by_both_names),
        TEST(test_what_is_missing_or_empty_is_undefined),
        TEST(test_characters_that_a_name_may_not_have_become_underscores),
        TEST(test_braces_alone_are_text),
        TEST(test_a_long_name_is_cut_at_a_character),
        TEST(test_unknown_placeholders_are_named),
        cmocka_unit_test(test_routes_are_read_from_both_versions),
        cmocka_unit_test(test_what_is_no_object_has_no_route),
        cmocka_unit_test(test_route_names_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
