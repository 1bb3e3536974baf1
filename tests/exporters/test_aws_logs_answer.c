/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/aws_logs_answer: which events of a request of ten were taken.
 */
#include "exporters/aws_logs_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INFO(members) "{\"nextSequenceToken\":\"1\",\"rejectedLogEventsInfo\":{" members "}}"

static void test_bodies_say_what_was_taken(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t first;
        size_t limit;
        size_t too_old;
    } rows[] = {
        {"", 0, 10, 0},
        {"{}", 0, 10, 0},
        {"{\"nextSequenceToken\":\"1\"}", 0, 10, 0},
        {INFO(""), 0, 10, 0},
        {"{\"rejectedLogEventsInfo\":null}", 0, 10, 0},
        {INFO("\"tooNewLogEventStartIndex\":7"), 0, 7, 0},
        {INFO("\"tooNewLogEventStartIndex\":0"), 0, 0, 0},
        {INFO("\"tooNewLogEventStartIndex\":10"), 0, 10, 0},
        {INFO("\"tooOldLogEventEndIndex\":3"), 3, 10, 3},
        {INFO("\"expiredLogEventEndIndex\":4,\"tooOldLogEventEndIndex\":3"), 4, 10, 3},
        {INFO("\"tooOldLogEventEndIndex\":3,\"tooNewLogEventStartIndex\":8"), 3, 8, 3},
        {INFO("\"tooOldLogEventEndIndex\":8,\"tooNewLogEventStartIndex\":3"), 3, 3, 3},
        {INFO("\"tooOldLogEventEndIndex\":11"), 10, 10, 10},
        {INFO("\"expiredLogEventEndIndex\":4"), 4, 10, 0},
        {INFO("\"expiredLogEventEndIndex\":2,\"tooOldLogEventEndIndex\":5"), 5, 10, 5},
        {INFO("\"tooNewLogEventStartIndex\":99999999999999999999"), 0, 10, 0},
        {INFO("\"tooNewLogEventStartIndex\":-1"), 0, 10, 0},
        {INFO("\"tooNewLogEventStartIndex\":\"3\",\"a\":[{}],\"tooOldLogEventEndIndex\":1"), 1, 10,
         1},
        {INFO("\"tooNewLogEventStartIndex\":3") " x", 0, 3, 0},
        {"{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":3", 0, 10, 0},
        {"[1]", 0, 10, 0},
        {"<html>", 0, 10, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aws_logs_taken taken = aws_logs_answer_read(slice_of_text(rows[i].body), 10);
        if (taken.first_index != rows[i].first || taken.limit_index != rows[i].limit ||
            taken.too_old_index != rows[i].too_old) {
            fail_msg("%s: %zu to %zu, %zu too old", rows[i].body, taken.first_index,
                     taken.limit_index, taken.too_old_index);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_say_what_was_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
