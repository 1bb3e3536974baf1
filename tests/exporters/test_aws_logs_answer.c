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
    } rows[] = {
        {"", 0, 10},
        {"{}", 0, 10},
        {"{\"nextSequenceToken\":\"1\"}", 0, 10},
        {INFO(""), 0, 10},
        {"{\"rejectedLogEventsInfo\":null}", 0, 10},
        {INFO("\"tooNewLogEventStartIndex\":7"), 0, 7},
        {INFO("\"tooNewLogEventStartIndex\":0"), 0, 0},
        {INFO("\"tooNewLogEventStartIndex\":10"), 0, 10},
        {INFO("\"tooOldLogEventEndIndex\":3"), 3, 10},
        {INFO("\"expiredLogEventEndIndex\":4,\"tooOldLogEventEndIndex\":3"), 4, 10},
        {INFO("\"tooOldLogEventEndIndex\":3,\"tooNewLogEventStartIndex\":8"), 3, 8},
        {INFO("\"tooOldLogEventEndIndex\":8,\"tooNewLogEventStartIndex\":3"), 3, 3},
        {INFO("\"tooOldLogEventEndIndex\":11"), 10, 10},
        {INFO("\"tooNewLogEventStartIndex\":99999999999999999999"), 0, 10},
        {INFO("\"tooNewLogEventStartIndex\":-1"), 0, 10},
        {INFO("\"tooNewLogEventStartIndex\":\"3\",\"a\":[{}],\"tooOldLogEventEndIndex\":1"), 1, 10},
        {INFO("\"tooNewLogEventStartIndex\":3") " x", 0, 3},
        {"{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":3", 0, 10},
        {"[1]", 0, 10},
        {"<html>", 0, 10},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aws_logs_taken taken = aws_logs_answer_read(slice_of_text(rows[i].body), 10);
        if (taken.first_index != rows[i].first || taken.limit_index != rows[i].limit) {
            fail_msg("%s: %zu to %zu", rows[i].body, taken.first_index, taken.limit_index);
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
