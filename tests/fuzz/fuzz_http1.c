/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: http1_head_parse, http1_chunks_decode.
 *
 * Reading in one piece and byte by byte gives the same answer, reason and fields; spans lie inside
 * the head; a chunked body behind it unwraps alike in one piece and in pieces.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"
#include "io/http1.h"
#include "io/http1_chunks.h"
#include "io/io_bounds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum parse parse;
    enum http1_why why;
    size_t used_bytes;
    size_t data_bytes;
    uint64_t data_sum; /* of the bytes, weighted by their place */
};

static void check_head(const struct http1_head *head, struct slice all)
{
    ASSERT(head->head_bytes <= all.len);
    ASSERT(head->head_bytes <= HTTP1_HEAD_MAX_BYTES);
    ASSERT(head->header_count <= HTTP1_HEADERS_MAX);
    for (uint32_t i = 0; i < head->header_count; i++) {
        struct http1_field f = head->headers[i];
        ASSERT((uint32_t)f.name.offset + f.name.len < head->head_bytes);
        ASSERT((uint32_t)f.value.offset + f.value.len < head->head_bytes);
    }
    ASSERT(http1_head_method(head).len > 0);
    ASSERT(http1_head_path(head).len > 0);
    ASSERT(http1_head_query(head).len < http1_head_target(head).len);
}

static struct outcome unwrap(struct slice all, size_t step)
{
    struct http1_chunks chunks = {0};
    struct outcome o = {.parse = PARSE_MORE};
    while (o.parse == PARSE_MORE && o.used_bytes < all.len) {
        size_t left = all.len - o.used_bytes;
        struct slice in = slice_of(all.ptr + o.used_bytes, step < left ? step : left);
        while (o.parse == PARSE_MORE && in.len > 0) {
            size_t before = in.len;
            struct slice piece;
            o.parse = http1_chunks_decode(&chunks, &in, &piece, &o.why);
            o.used_bytes += before - in.len;
            for (size_t i = 0; i < piece.len; i++) {
                o.data_sum += ++o.data_bytes * piece.ptr[i];
            }
        }
    }
    return o;
}

static void check_chunks(struct slice body)
{
    struct outcome whole = unwrap(body, body.len);
    ASSERT(whole.used_bytes <= body.len);
    ASSERT(whole.data_bytes <= whole.used_bytes);
    for (size_t step = 1; step < 4; step++) {
        struct outcome pieces = unwrap(body, step);
        ASSERT(pieces.parse == whole.parse);
        ASSERT(pieces.why == whole.why);
        ASSERT(pieces.used_bytes == whole.used_bytes);
        ASSERT(pieces.data_sum == whole.data_sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of(data, size);
    static struct http1_head whole;
    static struct http1_head dripped;
    whole = (struct http1_head){0};
    dripped = (struct http1_head){0};
    enum http1_why why = HTTP1_WHY_NONE;
    enum parse parse = http1_head_parse(&whole, all, &why);

    enum http1_why dripped_why = HTTP1_WHY_NONE;
    enum parse dripped_parse = PARSE_MORE;
    for (size_t len = 0; len <= size && dripped_parse == PARSE_MORE; len++) {
        dripped_parse = http1_head_parse(&dripped, slice_first(all, len), &dripped_why);
    }
    ASSERT(parse == dripped_parse);
    ASSERT(why == dripped_why);
    check_chunks(all);
    if (parse == PARSE_DONE) {
        http1_head_rebase(&dripped, data);
        check_head(&whole, all);
        ASSERT(memcmp(&whole, &dripped, sizeof(whole)) == 0);
        check_chunks(slice_from(all, whole.head_bytes));
    }
    return 0;
}
