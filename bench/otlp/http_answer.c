/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer — see http_answer.h.
 */
#include "bench/otlp/http_answer.h"

#include <strings.h>

#define ANSWER_VERSION "HTTP/1.1 "
#define ANSWER_STATUS_DIGITS 3u
#define ANSWER_LENGTH_MAX_DIGITS 9u

static bool answer_number(struct slice text, size_t *value)
{
    size_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        sum = sum * 10 + (size_t)(text.ptr[i] - '0');
    }
    *value = sum;
    return text.len > 0 && text.len <= ANSWER_LENGTH_MAX_DIGITS;
}

static bool answer_is(struct slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

static enum parse answer_status_line(struct slice line, struct http_answer *out)
{
    const size_t version_len = sizeof(ANSWER_VERSION) - 1;
    size_t status = 0;
    if (!slice_has_prefix(line, SLICE_LITERAL(ANSWER_VERSION)) ||
        line.len < version_len + ANSWER_STATUS_DIGITS ||
        !answer_number(slice_of(line.ptr + version_len, ANSWER_STATUS_DIGITS), &status)) {
        return PARSE_BAD;
    }
    out->status = (uint32_t)status;
    return PARSE_DONE;
}

static enum parse answer_field(struct slice line, struct http_answer *out)
{
    const size_t colon = slice_find(line, ':');
    if (colon == line.len) {
        return PARSE_BAD;
    }
    const struct slice name = slice_first(line, colon);
    struct slice value = slice_from(line, colon + 1);
    while (value.len > 0 && value.ptr[0] == ' ') {
        value = slice_from(value, 1);
    }
    if (answer_is(name, "content-length")) {
        return answer_number(value, &out->body_bytes) ? PARSE_DONE : PARSE_BAD;
    }
    if (answer_is(name, "connection")) {
        out->wants_close = answer_is(value, "close");
    }
    return answer_is(name, "transfer-encoding") ? PARSE_BAD : PARSE_DONE;
}

enum parse http_answer_parse(struct slice bytes, struct http_answer *out)
{
    struct http_answer answer = {0};
    struct slice left = bytes;
    for (size_t line_index = 0;; line_index++) {
        const size_t len = slice_find(left, '\n');
        if (len == left.len) {
            return PARSE_MORE;
        }
        const bool has_return = len > 0 && left.ptr[len - 1] == '\r';
        const struct slice line = slice_first(left, has_return ? len - 1 : len);
        left = slice_from(left, len + 1);
        if (line.len == 0 && line_index > 0) {
            answer.head_bytes = bytes.len - left.len;
            *out = answer;
            return PARSE_DONE;
        }
        const enum parse parsed =
            line_index == 0 ? answer_status_line(line, &answer) : answer_field(line, &answer);
        if (parsed != PARSE_DONE) {
            return parsed;
        }
    }
}
