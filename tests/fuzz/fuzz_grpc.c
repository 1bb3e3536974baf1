/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: grpc_message_push, grpc_timeout_parse, grpc_text_decode, grpc_bin_decode,
 * grpc_details_decode.
 *
 * A message comes together alike in one piece and byte by byte; texts, base64 and details that were
 * read are written and read back the same; a timeout formats to no less than itself.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES 4096

struct outcome {
    enum grpc_step step;
    uint8_t flag;
    uint32_t wire_bytes;
    uint32_t filled_bytes;
    size_t used_bytes;
};

static struct outcome push_all(struct slice all, size_t step_bytes, struct grpc_message *message)
{
    struct outcome o = {.step = GRPC_STEP_MORE};
    *message = (struct grpc_message){0};
    while (o.step == GRPC_STEP_MORE && o.used_bytes < all.len) {
        size_t left = all.len - o.used_bytes;
        struct slice input =
            slice_of(all.ptr + o.used_bytes, step_bytes < left ? step_bytes : left);
        size_t given = input.len;
        o.step = grpc_message_push(message, &input);
        if (o.step == GRPC_STEP_PREFIX && message->wire_bytes <= INPUT_MAX_BYTES) {
            int err = grpc_message_begin(message);
            ASSERT(err == 0);
            o.step = grpc_message_push(message, &input);
        }
        ASSERT(o.step != GRPC_STEP_MORE || input.len == 0);
        o.used_bytes += given - input.len;
    }
    o.flag = message->flag;
    o.wire_bytes = message->wire_bytes;
    o.filled_bytes = message->filled_bytes;
    return o;
}

static void check_message(struct slice all)
{
    struct grpc_message whole;
    struct grpc_message pieces;
    struct outcome a = push_all(all, SIZE_MAX, &whole);
    struct outcome b = push_all(all, 1, &pieces);
    ASSERT(a.step == b.step && a.flag == b.flag && a.wire_bytes == b.wire_bytes);
    ASSERT(a.filled_bytes == b.filled_bytes && a.used_bytes == b.used_bytes);
    ASSERT(a.filled_bytes == 0 || memcmp(whole.memory, pieces.memory, a.filled_bytes) == 0);
    grpc_message_fini(&whole);
    grpc_message_fini(&pieces);
}

static void check_timeout(struct slice all)
{
    uint64_t ns = 0;
    uint64_t again_ns = 0;
    uint8_t text[GRPC_TIMEOUT_MAX_BYTES];
    if (grpc_timeout_parse(all, &ns) == 0) {
        size_t len = grpc_timeout_format(ns, text);
        int err = grpc_timeout_parse(slice_of(text, len), &again_ns);
        ASSERT(err == 0);
        ASSERT(again_ns >= ns);
    }
}

static void check_text(struct slice all)
{
    static uint8_t encoded[3 * INPUT_MAX_BYTES];
    static uint8_t decoded[3 * INPUT_MAX_BYTES];
    size_t len = grpc_text_encode(all, encoded, sizeof(encoded));
    size_t back = grpc_text_decode(slice_of(encoded, len), decoded);
    ASSERT(slice_equal(slice_of(decoded, back), all));
    ASSERT(grpc_text_decode(all, decoded) <= all.len);
}

static void check_bin(struct slice all)
{
    static uint8_t encoded[2 * INPUT_MAX_BYTES];
    static uint8_t decoded[2 * INPUT_MAX_BYTES];
    size_t len = grpc_bin_encode(all, encoded, sizeof(encoded));
    size_t back = 0;
    int err = grpc_bin_decode(slice_of(encoded, len), decoded, &back);
    ASSERT(err == 0);
    ASSERT(slice_equal(slice_of(decoded, back), all));
    if (grpc_bin_decode(all, decoded, &back) == 0) {
        ASSERT(back <= all.len);
    }
}

static void check_details(struct slice all)
{
    static uint8_t encoded[INPUT_MAX_BYTES + GRPC_DETAILS_EXTRA_BYTES];
    struct grpc_details details;
    struct grpc_details again;
    if (grpc_details_decode(all, &details) != 0) {
        return;
    }
    size_t len = grpc_details_encode(&details, encoded, sizeof(encoded));
    int err = grpc_details_decode(slice_of(encoded, len), &again);
    ASSERT(err == 0);
    ASSERT(again.status == details.status && again.retry_delay_ns == details.retry_delay_ns);
    ASSERT(slice_equal(again.text, details.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX_BYTES) {
        return 0;
    }
    struct slice all = slice_of(data, size);
    check_message(all);
    check_timeout(all);
    check_text(all);
    check_bin(all);
    check_details(all);
    return 0;
}
