/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_route — one pass over the root members, and those of `_aws`, which win.
 */
#include "codecs/log_route.h"

#include "core/base/fault.h"
#include "core/base/json.h"
#include "core/base/number.h"

/* Into its half of the buffer; a name that does not fit is none. */
static void take_name(const struct json_reader *in, char *buf, struct slice *out)
{
    size_t len = json_text_len(in->text);
    if (len > 0 && len <= LOG_ROUTE_NAME_MAX_BYTES) {
        *out = slice_of(buf, json_text_write(in->text, (uint8_t *)buf));
    }
}

/* A number, or digits as a string in version 0. */
static void take_time(const struct json_reader *in, enum json_token token, struct log_route *out)
{
    uint64_t time_ms = 0;
    struct slice digits = token == JSON_TOKEN_NUMBER ? in->number : in->text.raw;
    if (number_parse_u64(digits, &time_ms) == 0) {
        out->time_ms = time_ms;
        out->has_time = true;
    }
}

static void take_member(const struct json_reader *in, enum json_token token, struct json_text name,
                        struct log_route *out)
{
    bool is_text = token == JSON_TOKEN_STRING;
    if ((is_text || token == JSON_TOKEN_NUMBER) &&
        json_text_equals(name, SLICE_LITERAL("Timestamp"))) {
        take_time(in, token, out);
    } else if (is_text && json_text_equals(name, SLICE_LITERAL("LogGroupName"))) {
        take_name(in, out->buf, &out->log_group);
    } else if (is_text && json_text_equals(name, SLICE_LITERAL("LogStreamName"))) {
        take_name(in, out->buf + LOG_ROUTE_NAME_MAX_BYTES, &out->log_stream);
    }
}

/* Members of one object, the reader being behind its opening bracket. `_aws` is left to `aws`. */
static bool read_members(struct json_reader *in, struct log_route *out, struct json_reader *aws,
                         bool *has_aws)
{
    enum json_token token = json_next(in);
    while (token == JSON_TOKEN_KEY) {
        struct json_text name = in->text;
        token = json_next(in);
        if (aws != NULL && token == JSON_TOKEN_OBJECT_OPEN &&
            json_text_equals(name, SLICE_LITERAL("_aws"))) {
            *aws = *in;
            *has_aws = true;
        }
        take_member(in, token, name, out);
        if (!json_skip(in, token)) {
            return false;
        }
        token = json_next(in);
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

int log_route_read(struct slice document, struct log_route *out)
{
    struct json_reader in = json_of(document, JSON_UTF8_REPLACE);
    struct json_reader aws = {0};
    bool has_aws = false;
    out->log_group = (struct slice){0};
    out->log_stream = (struct slice){0};
    out->time_ms = 0;
    out->has_time = false;
    bool is_good = json_next(&in) == JSON_TOKEN_OBJECT_OPEN &&
                   read_members(&in, out, &aws, &has_aws) && json_next(&in) == JSON_TOKEN_END;
    if (!is_good) {
        out->log_group = (struct slice){0};
        out->log_stream = (struct slice){0};
        out->has_time = false;
        return FAULT_MALFORMED;
    }
    if (has_aws) {
        (void)read_members(&aws, out, NULL, NULL); /* it was read once before, so it is good */
    }
    return 0;
}
