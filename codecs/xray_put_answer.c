/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_put_answer — which documents the service did not take, and which of them may be sent again.
 *
 * Answers name documents by their ids, so an id is looked for in what was sent only when an answer
 * asks for it.
 */
#include <string.h>

#include "codecs/xray_put.h"
#include "core/base/json.h"
#include "core/base/json_text.h"

/* --- codes ------------------------------------------------------------------------------------ */

bool xray_put_can_succeed(struct slice code)
{
    static const char *const codes[] = {
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    };
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (slice_is_text(code, codes[i])) {
            return true;
        }
    }
    return false;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The text, cut at a character's end to what `target` holds. */
static size_t copy_text(struct json_text text, char *target)
{
    size_t len = 0;
    uint8_t piece[JSON_PIECE_MAX_BYTES];
    while (text.raw.len > 0) {
        size_t piece_len = json_text_take(&text, piece);
        if (piece_len > XRAY_UNPROCESSED_TEXT_MAX_BYTES - len) {
            break;
        }
        memcpy(target + len, piece, piece_len);
        len += piece_len;
    }
    return len;
}

static void read_member(struct json_text key, struct json_text text, struct xray_unprocessed *out)
{
    if (json_text_equals(key, SLICE_LITERAL("Id"))) {
        out->id_len = copy_text(text, out->id);
    } else if (json_text_equals(key, SLICE_LITERAL("ErrorCode"))) {
        out->code_len = copy_text(text, out->code);
    } else if (json_text_equals(key, SLICE_LITERAL("Message"))) {
        out->message_len = copy_text(text, out->message);
    }
}

/* The object was opened. False where the body is broken. */
static bool read_entry(struct json_reader *reader, struct xray_unprocessed *out)
{
    *out = (struct xray_unprocessed){0};
    enum json_token token = json_next(reader);
    while (token == JSON_TOKEN_KEY) {
        struct json_text key = reader->text;
        token = json_next(reader);
        if (token == JSON_TOKEN_STRING) {
            read_member(key, reader->text, out);
        } else if (!json_skip(reader, token)) {
            return false;
        }
        token = json_next(reader);
    }
    out->can_succeed = xray_put_can_succeed(slice_of(out->code, out->code_len));
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

/* The list was opened. */
static size_t read_entries(struct json_reader *reader, struct xray_unprocessed *entries, size_t cap)
{
    size_t count = 0;
    enum json_token token = json_next(reader);
    while (token != JSON_TOKEN_ARRAY_CLOSE && token != JSON_TOKEN_BAD) {
        struct xray_unprocessed spare;
        if (token == JSON_TOKEN_OBJECT_OPEN) {
            if (!read_entry(reader, count < cap ? &entries[count] : &spare)) {
                break;
            }
            count++;
        } else if (!json_skip(reader, token)) {
            break;
        }
        token = json_next(reader);
    }
    return count;
}

size_t xray_put_read_answer(struct slice body, struct xray_unprocessed *entries, size_t cap)
{
    struct json_reader reader = json_of(body, JSON_UTF8_REPLACE);
    if (json_next(&reader) != JSON_TOKEN_OBJECT_OPEN) {
        return 0;
    }
    size_t count = 0;
    enum json_token token = json_next(&reader);
    while (token == JSON_TOKEN_KEY) {
        struct json_text key = reader.text;
        token = json_next(&reader);
        if (token == JSON_TOKEN_ARRAY_OPEN &&
            json_text_equals(key, SLICE_LITERAL("UnprocessedTraceSegments"))) {
            return read_entries(&reader, entries, cap);
        }
        if (!json_skip(&reader, token)) {
            break;
        }
        token = json_next(&reader);
    }
    return count;
}

/* --- ids -------------------------------------------------------------------------------------- */

/* The document, its own escapes left in place. */
static bool unescape(struct slice appended, struct bytes *out)
{
    struct json_reader reader = json_of(slice_from(appended, 1), JSON_UTF8_REPLACE);
    if (json_next(&reader) != JSON_TOKEN_STRING) {
        return false;
    }
    size_t len = json_text_len(reader.text);
    if (bytes_reserve(out, len) != 0) {
        return false;
    }
    out->len = json_text_write(reader.text, out->ptr);
    return true;
}

static bool find_id(struct slice document, char *id, size_t cap, size_t *len)
{
    struct json_reader reader = json_of(document, JSON_UTF8_REPLACE);
    bool is_found = false;
    enum json_token token = json_next(&reader);
    token = token == JSON_TOKEN_OBJECT_OPEN ? json_next(&reader) : JSON_TOKEN_BAD;
    while (token == JSON_TOKEN_KEY) {
        bool is_id = json_text_equals(reader.text, SLICE_LITERAL("id"));
        token = json_next(&reader);
        if (is_id && token == JSON_TOKEN_STRING && json_text_len(reader.text) <= cap) {
            *len = json_text_write(reader.text, (uint8_t *)id);
            is_found = true;
        } else if (!json_skip(&reader, token)) {
            break;
        }
        token = json_next(&reader);
    }
    return is_found;
}

bool xray_put_find_id(struct slice appended, char *id, size_t cap, size_t *len)
{
    struct bytes document;
    bytes_init(&document, appended.len);
    bool is_found = unescape(appended, &document) && find_id(bytes_slice(&document), id, cap, len);
    bytes_fini(&document);
    return is_found;
}
