/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_json — tokens become members and values.
 */
#include "io/receivers/ecs_metrics_json.h"

#include <math.h>

#include "core/base/clock.h"
#include "core/base/number.h"
#include "io/aws/aws_time.h"

/* Where the fraction of an instant begins: 2024-03-01T10:00:00.123456789Z */
#define FRACTION_OFFSET 19
#define FRACTION_DIGITS_MAX 9

void ecs_json_init(struct ecs_json *json, struct slice text)
{
    *json = (struct ecs_json){.reader = json_of(text, JSON_UTF8_REPLACE)};
    json->token = json_next(&json->reader);
}

bool ecs_json_ends(struct ecs_json *json)
{
    return json_next(&json->reader) == JSON_TOKEN_END;
}

void ecs_json_pass(struct ecs_json *json)
{
    bool is_whole = json_skip(&json->reader, json->token);
    (void)is_whole; /* bad text is bad for whoever reads next */
}

/* The value in hand is not what is wanted. */
static void take_other(struct ecs_json *json)
{
    if (json->token != JSON_TOKEN_NULL) {
        json->odd_count++;
    }
    ecs_json_pass(json);
}

bool ecs_json_enter(struct ecs_json *json)
{
    if (json->token == JSON_TOKEN_OBJECT_OPEN) {
        return true;
    }
    take_other(json);
    return false;
}

bool ecs_json_enter_list(struct ecs_json *json)
{
    if (json->token == JSON_TOKEN_ARRAY_OPEN) {
        return true;
    }
    take_other(json);
    return false;
}

static uint32_t place_of(struct json_text key, struct ecs_names names)
{
    uint32_t place = 0;
    while (place < names.count && !json_text_equals(key, slice_of_text(names.names[place]))) {
        place++;
    }
    return place;
}

bool ecs_json_next(struct ecs_json *json, struct ecs_names names)
{
    while (json_next(&json->reader) == JSON_TOKEN_KEY) {
        json->key = json->reader.text;
        json->index = place_of(json->key, names);
        json->token = json_next(&json->reader);
        if (json->index < names.count || names.count == 0) {
            return true;
        }
        ecs_json_pass(json);
    }
    return false;
}

bool ecs_json_next_item(struct ecs_json *json)
{
    json->token = json_next(&json->reader);
    return json->token != JSON_TOKEN_ARRAY_CLOSE && json->token != JSON_TOKEN_BAD;
}

void ecs_json_take_u64(struct ecs_json *json, uint64_t *out)
{
    uint64_t value;
    if (json->token != JSON_TOKEN_NUMBER || number_parse_u64(json->reader.number, &value) != 0) {
        take_other(json);
        return;
    }
    *out = value < INT64_MAX ? value : INT64_MAX;
}

void ecs_json_take_i64(struct ecs_json *json, int64_t *out, bool *is_there)
{
    int64_t value;
    if (json->token != JSON_TOKEN_NUMBER || number_parse_i64(json->reader.number, &value) != 0) {
        take_other(json);
        return;
    }
    *out = value;
    *is_there = true;
}

void ecs_json_take_f64(struct ecs_json *json, double *out, bool *is_there)
{
    double value;
    if (json->token != JSON_TOKEN_NUMBER || number_parse_f64(json->reader.number, &value) != 0 ||
        fabs(value) > ECS_JSON_NUMBER_MAX) {
        take_other(json);
        return;
    }
    *out = value;
    *is_there = true;
}

void ecs_json_take_text(struct ecs_json *json, struct arena *arena, struct slice *out)
{
    struct slice value;
    if (json->token != JSON_TOKEN_STRING ||
        json_text_value(json->reader.text, arena, &value) != 0) {
        take_other(json);
        return;
    }
    *out = value;
}

void ecs_json_take_time(struct ecs_json *json, uint64_t *out_unix_ns)
{
    if (json->token != JSON_TOKEN_STRING) {
        take_other(json);
        return;
    }
    *out_unix_ns = ecs_time_parse(json->reader.text.raw); /* an escape is none of its characters */
}

uint64_t ecs_time_parse(struct slice text)
{
    uint64_t unix_s = 0;
    uint64_t fraction_ns = 0;
    if (aws_time_parse_rfc3339(text, &unix_s) != 0 || unix_s >= UINT64_MAX / CLOCK_NS_PER_S) {
        return 0;
    }
    if (text.ptr[FRACTION_OFFSET] == '.') {
        uint64_t unit_ns = CLOCK_NS_PER_S / 10;
        size_t limit = FRACTION_OFFSET + 1 + FRACTION_DIGITS_MAX;
        for (size_t i = FRACTION_OFFSET + 1; i < limit && i < text.len; i++) {
            if (text.ptr[i] < '0' || text.ptr[i] > '9') {
                break;
            }
            fraction_ns += (uint64_t)(text.ptr[i] - '0') * unit_ns;
            unit_ns /= 10;
        }
    }
    return unix_s * CLOCK_NS_PER_S + fraction_ns;
}
