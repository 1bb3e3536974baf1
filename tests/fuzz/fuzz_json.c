/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: json_next, json_skip, json_text_* (core/base/json.h).
 *
 * Reading twice gives the same tokens; skipping a document ends where reading it ends; tokens lie
 * inside the text, in order; texts are well-formed once undone, as long as announced, and equal to
 * themselves; what the stricter policy accepts, the other one reads alike.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

struct run {
    uint64_t digest;
    bool is_good;
    size_t end_offset; /* of the outermost value; 0 if there was none */
};

static void digest_bytes(struct run *run, const void *ptr, size_t len)
{
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < len; i++) {
        run->digest = (run->digest ^ bytes[i]) * FNV_PRIME;
    }
    run->digest = (run->digest ^ len) * FNV_PRIME;
}

static void check_within(struct slice text, struct slice part)
{
    ASSERT(part.len == 0 || (part.ptr >= text.ptr && part.len <= text.len));
    ASSERT(part.len == 0 || (size_t)(part.ptr - text.ptr) <= text.len - part.len);
}

static void check_text(struct run *run, struct json_text text)
{
    size_t len = json_text_len(text);
    uint8_t *value = mem_alloc(len + 1);
    ASSERT(value != NULL);
    ASSERT(json_text_write(text, value) == len);
    ASSERT(len <= 3 * text.raw.len);
    ASSERT(slice_is_utf8(slice_of(value, len)));
    ASSERT(json_text_equals(text, slice_of(value, len)));
    ASSERT(!json_text_equals(text, slice_of(value, len + 1)));
    digest_bytes(run, value, len);
    mem_free(value);
}

static struct run read_all(struct slice text, enum json_utf8 utf8)
{
    struct json_reader reader = json_of(text, utf8);
    struct run run = {.digest = FNV_OFFSET};
    size_t before = 0;
    enum json_token token = json_next(&reader);
    while (token != JSON_TOKEN_BAD && token != JSON_TOKEN_END) {
        ASSERT(reader.depth <= JSON_DEPTH_MAX);
        ASSERT(reader.token_offset >= before);
        before = reader.token_offset;
        digest_bytes(&run, &token, sizeof(token));
        if (token == JSON_TOKEN_KEY || token == JSON_TOKEN_STRING) {
            check_within(text, reader.text.raw);
            check_text(&run, reader.text);
        } else if (token == JSON_TOKEN_NUMBER) {
            check_within(text, reader.number);
            digest_bytes(&run, reader.number.ptr, reader.number.len);
        }
        if (reader.depth == 0) {
            run.end_offset = (size_t)(reader.pos - reader.start);
        }
        token = json_next(&reader);
    }
    ASSERT(json_next(&reader) == token);
    ASSERT((reader.why != NULL) == (token == JSON_TOKEN_BAD));
    ASSERT(reader.why_offset <= text.len);
    run.is_good = token == JSON_TOKEN_END;
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct run strict = read_all(text, JSON_UTF8_REFUSE);
    struct run lenient = read_all(text, JSON_UTF8_REPLACE);
    struct run again = read_all(text, JSON_UTF8_REPLACE);
    ASSERT(lenient.digest == again.digest && lenient.is_good == again.is_good);
    ASSERT(!strict.is_good || (lenient.is_good && lenient.digest == strict.digest));
    struct json_reader reader = json_of(text, JSON_UTF8_REPLACE);
    bool is_skipped = json_skip(&reader, json_next(&reader));
    ASSERT(is_skipped == (lenient.end_offset > 0));
    ASSERT(!is_skipped || (size_t)(reader.pos - reader.start) == lenient.end_offset);
    return 0;
}
