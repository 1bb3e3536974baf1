/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: pb_decode, pb_skip_field.
 *
 * The first byte chooses a message, the rest is its wire form. Decoding twice gives the same answer
 * and the same memory use; what decodes with a shallow limit decodes with a deep one; protobuf-c
 * packs the result, and the packed form decodes again to something that packs alike.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"

#define ARENA_MAX_BYTES (1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
    &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
    &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
    &google__rpc__status__descriptor,
};

static void check_round_trip(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *first = mem_alloc(len + 1);
    uint8_t *second = mem_alloc(len + 1);
    ASSERT(first != NULL && second != NULL);
    ASSERT(protobuf_c_message_pack(message, first) == len);
    ProtobufCMessage *again = NULL;
    int err = pb_decode(message->descriptor, slice_of(first, len), arena, NULL, &again);
    if (err != FAULT_LIMIT) { /* both trees share the arena's cap */
        ASSERT(err == 0);
        ASSERT(protobuf_c_message_get_packed_size(again) == len);
        ASSERT(protobuf_c_message_pack(again, second) == len);
        ASSERT(memcmp(first, second, len) == 0);
    }
    mem_free(first);
    mem_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *d = descriptors[data[0] % COUNT_OF(descriptors)];
    struct slice bytes = slice_of(data + 1, size - 1);
    struct arena arena;
    ASSERT(arena_init(&arena, 4096, ARENA_MAX_BYTES) == 0);
    struct pb_limits shallow = {.depth_max = 8};
    ProtobufCMessage *message = NULL;
    int shallow_err = pb_decode(d, bytes, &arena, &shallow, &message);
    arena_reset(&arena);
    int err = pb_decode(d, bytes, &arena, NULL, &message);
    ASSERT(shallow_err == err || shallow_err == FAULT_LIMIT);
    size_t used_bytes = arena_used_bytes(&arena);
    ASSERT(used_bytes <= ARENA_MAX_BYTES);
    arena_reset(&arena);
    ASSERT(pb_decode(d, bytes, &arena, NULL, &message) == err);
    ASSERT(arena_used_bytes(&arena) == used_bytes);
    if (err == 0) {
        check_round_trip(message, &arena);
    }
    arena_fini(&arena);
    return 0;
}
