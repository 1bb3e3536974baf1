/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: otlp_json_decode, otlp_json_encode (codecs/otlp_json.h).
 *
 * The first byte picks a message, the rest is its JSON. What is accepted decodes as protobuf, and
 * goes to JSON and back unchanged; what is refused has a reason inside the text; the bound holds.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/fault.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"

#define ARENA_MAX_BYTES (1 << 24)
#define OUT_MAX_BYTES (1 << 22)
#define SMALL_MAX_BYTES 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
    &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
    &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
    &opentelemetry__proto__trace__v1__span__descriptor,
    &opentelemetry__proto__metrics__v1__metric__descriptor,
    &opentelemetry__proto__logs__v1__log_record__descriptor,
    &opentelemetry__proto__common__v1__any_value__descriptor,
    &google__rpc__status__descriptor,
};

static void check_refusal(const struct otlp_json_why *why, size_t json_len)
{
    char text[OTLP_JSON_WHY_MAX_BYTES];
    ASSERT(why->reason != NULL);
    ASSERT(why->offset_bytes <= json_len);
    size_t len = otlp_json_why_text(why, text);
    ASSERT(len < sizeof(text) && text[len] == '\0');
}

/* JSON of ours, decoded, gives the same JSON again. */
static void check_round_trip(const ProtobufCMessageDescriptor *d, struct slice wire,
                             struct arena *arena)
{
    struct bytes first;
    struct bytes again;
    struct bytes second;
    bytes_init(&first, OUT_MAX_BYTES);
    bytes_init(&again, OUT_MAX_BYTES);
    bytes_init(&second, OUT_MAX_BYTES);
    if (otlp_json_encode(d, wire, arena, &first) == 0) {
        ASSERT(otlp_json_decode(d, bytes_slice(&first), &again, NULL) == 0);
        ASSERT(otlp_json_encode(d, bytes_slice(&again), arena, &second) == 0);
        ASSERT(slice_equal(bytes_slice(&first), bytes_slice(&second)));
    }
    bytes_fini(&first);
    bytes_fini(&again);
    bytes_fini(&second);
}

static void check_bound(const ProtobufCMessageDescriptor *d, struct slice json, size_t len)
{
    struct bytes small;
    bytes_init(&small, SMALL_MAX_BYTES);
    int err = otlp_json_decode(d, json, &small, NULL);
    ASSERT(small.capacity_bytes <= SMALL_MAX_BYTES);
    ASSERT(err == 0 ? small.len == len : small.len == 0);
    bytes_fini(&small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *d = descriptors[data[0] % COUNT_OF(descriptors)];
    struct slice json = slice_of(data + 1, size - 1);
    struct bytes wire;
    struct arena arena;
    struct otlp_json_why why;
    bytes_init(&wire, OUT_MAX_BYTES);
    ASSERT(arena_init(&arena, 4096, ARENA_MAX_BYTES) == 0);
    int err = otlp_json_decode(d, json, &wire, &why);
    ASSERT((err == 0) == (why.reason == NULL));
    check_bound(d, json, wire.len);
    if (err == 0) {
        ProtobufCMessage *message = NULL;
        int decode_err = pb_decode(d, bytes_slice(&wire), &arena, NULL, &message);
        ASSERT(decode_err == 0 || decode_err == FAULT_LIMIT); /* the arena's cap */
        check_round_trip(d, bytes_slice(&wire), &arena);
    } else {
        check_refusal(&why, json.len);
    }
    arena_fini(&arena);
    bytes_fini(&wire);
    return 0;
}
