/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_head — see sink_head.h. Header names are compared without regard to case, values as they
 * are.
 */
#include "bench/sink_head.h"

#include <string.h>
#include <strings.h>

#define HEAD_LENGTH_MAX_DIGITS 12u

static struct slice head_trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 &&
           (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' || s.ptr[s.len - 1] == '\r')) {
        s = slice_first(s, s.len - 1);
    }
    return s;
}

static bool head_is(struct slice name, const char *text)
{
    return name.len == strlen(text) && strncasecmp((const char *)name.ptr, text, name.len) == 0;
}

static bool head_length(struct slice text, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        *value = *value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return text.len > 0 && text.len <= HEAD_LENGTH_MAX_DIGITS;
}

static enum parse head_field(struct slice line, struct sink_head *out)
{
    const size_t colon = slice_find(line, ':');
    if (colon == line.len) {
        return PARSE_BAD;
    }
    const struct slice name = slice_first(line, colon);
    const struct slice value = head_trim(slice_from(line, colon + 1));
    if (head_is(name, "content-length")) {
        return head_length(value, &out->body_bytes) ? PARSE_DONE : PARSE_BAD;
    }
    if (head_is(name, "transfer-encoding")) {
        return PARSE_BAD;
    }
    if (head_is(name, "content-type")) {
        out->content_type = value;
    } else if (head_is(name, "content-encoding")) {
        out->content_encoding = value;
    } else if (head_is(name, "connection")) {
        out->wants_close = head_is(value, "close");
    } else if (head_is(name, "expect")) {
        out->expects_continue = head_is(value, "100-continue");
    }
    return PARSE_DONE;
}

static enum parse head_request_line(struct slice line, struct sink_head *out)
{
    if (!slice_has_prefix(line, SLICE_LITERAL("POST "))) {
        return PARSE_BAD;
    }
    const struct slice rest = slice_from(line, sizeof("POST ") - 1);
    out->path = slice_first(rest, slice_find(rest, ' '));
    return out->path.len < rest.len ? PARSE_DONE : PARSE_BAD;
}

enum parse sink_head_parse(struct slice bytes, struct sink_head *out)
{
    struct sink_head head = {0};
    struct slice left = bytes;
    for (size_t line_index = 0;; line_index++) {
        const size_t len = slice_find(left, '\n');
        if (len == left.len) {
            return PARSE_MORE;
        }
        const struct slice line = head_trim(slice_first(left, len));
        left = slice_from(left, len + 1);
        if (line.len == 0 && line_index > 0) {
            head.head_bytes = bytes.len - left.len;
            *out = head;
            return PARSE_DONE;
        }
        const enum parse parsed =
            line_index == 0 ? head_request_line(line, &head) : head_field(line, &head);
        if (parsed != PARSE_DONE) {
            return parsed;
        }
    }
}
