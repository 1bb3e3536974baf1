/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_answer — three numbers in a small JSON object.
 */
#include "exporters/aws_logs_answer.h"

#include "core/base/json.h"
#include "core/base/number.h"

static size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

/* The reader stands behind the opening bracket of rejectedLogEventsInfo. */
static bool read_info(struct json_reader *in, size_t event_count, struct aws_logs_taken *taken)
{
    enum json_token token = json_next(in);
    while (token == JSON_TOKEN_KEY) {
        struct json_text name = in->text;
        uint64_t index = 0;
        token = json_next(in);
        if (token != JSON_TOKEN_NUMBER) {
            if (!json_skip(in, token)) {
                return false;
            }
        } else if (number_parse_u64(in->number, &index) != 0) {
            /* negative or no integer: nothing that points into the request */
        } else if (json_text_equals(name, SLICE_LITERAL("tooNewLogEventStartIndex"))) {
            taken->limit_index = at_most(index, taken->limit_index);
        } else if (json_text_equals(name, SLICE_LITERAL("tooOldLogEventEndIndex"))) {
            taken->too_old_index = at_most(index, event_count);
        } else if (json_text_equals(name, SLICE_LITERAL("expiredLogEventEndIndex"))) {
            taken->first_index = at_most(index, event_count);
        }
        token = json_next(in);
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

static bool read_members(struct json_reader *in, size_t event_count, struct aws_logs_taken *taken)
{
    enum json_token token = json_next(in);
    while (token == JSON_TOKEN_KEY) {
        bool is_info = json_text_equals(in->text, SLICE_LITERAL("rejectedLogEventsInfo"));
        token = json_next(in);
        bool is_good = is_info && token == JSON_TOKEN_OBJECT_OPEN
                           ? read_info(in, event_count, taken)
                           : json_skip(in, token);
        if (!is_good) {
            return false;
        }
        token = json_next(in);
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

struct aws_logs_taken aws_logs_answer_read(struct slice body, size_t event_count)
{
    struct aws_logs_taken all = {.limit_index = event_count};
    struct aws_logs_taken taken = all;
    struct json_reader in = json_of(body, JSON_UTF8_REPLACE);
    if (json_next(&in) != JSON_TOKEN_OBJECT_OPEN || !read_members(&in, event_count, &taken)) {
        return all;
    }
    if (taken.first_index < taken.too_old_index) {
        taken.first_index = taken.too_old_index; /* what is too old has expired as well */
    }
    taken.first_index = at_most(taken.first_index, taken.limit_index); /* the two ends met */
    taken.too_old_index = at_most(taken.too_old_index, taken.limit_index);
    return taken;
}
