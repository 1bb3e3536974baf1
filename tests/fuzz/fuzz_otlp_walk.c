/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: otlp_walk, otlp_regularise, otlp_visit with otlp_edit, otlp_split.
 *
 * The first byte chooses a signal and the size of pieces, the rest is a request. The walk accepts
 * what pb_decode accepts, save ids and old scopes; a visit that says nothing changes nothing; a
 * regular request has the same items; pieces are valid and have as many items as the whole.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_normal.h"
#include "core/otlp/otlp_split.h"
#include "core/otlp/otlp_visit.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"

#define ARENA_MAX_BYTES (1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[SIGNAL_COUNT] = {
    &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
    &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
    &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
};

/* Field 1000 with wire type 2 or another one, anywhere. */
static bool may_have_old_scopes(struct slice request)
{
    for (size_t i = 1; i < request.len; i++) {
        if ((request.ptr[i - 1] & 0xF8) == 0xC0 && (request.ptr[i] & 0x7F) == 0x3E) {
            return true;
        }
    }
    return false;
}

static void check_decode(enum signal signal, struct slice request, int walk_err, enum otlp_why why,
                         struct arena *arena)
{
    ProtobufCMessage *message = NULL;
    int err = pb_decode(descriptors[signal], request, arena, NULL, &message);
    arena_reset(arena);
    if (walk_err == 0) {
        ASSERT(err == 0);
        return;
    }
    bool is_of_otlp = why == OTLP_WHY_TRACE_ID || why == OTLP_WHY_SPAN_ID;
    ASSERT(err != 0 || is_of_otlp || may_have_old_scopes(request));
}

static enum otlp_verdict keep(struct otlp_visitor *visitor, const struct otlp_place *place,
                              struct otlp_edit *edit)
{
    struct pb_reader in = pb_reader_of(place->item.content);
    struct otlp_attr attr;
    (void)visitor;
    (void)edit;
    while (place->item_attrs != 0 && otlp_attr_next(&in, place->item_attrs, &attr)) {
        ASSERT(attr.whole.len > 0);
    }
    return OTLP_KEEP;
}

static void check_visit(enum signal signal, struct slice request, struct arena *arena)
{
    struct otlp_visitor visitor = {
        .on_resource = keep, .on_scope = keep, .on_metric = keep, .on_item = keep};
    struct otlp_edit edit;
    struct otlp_tally tally;
    otlp_edit_init(&edit, arena, request);
    ASSERT(otlp_visit(&visitor, signal, &edit, &tally) == 0);
    ASSERT(!otlp_edit_is_changed(&edit));
    arena_reset(arena);
}

static void check_split(enum signal signal, struct slice request, uint64_t item_count,
                        const struct otlp_split_limits *limits, struct arena *arena)
{
    struct otlp_split split;
    int err = otlp_split_init(&split, signal, request, arena);
    uint64_t dealt_count = 0;
    ASSERT(err == 0);
    while (!otlp_split_is_done(&split)) {
        struct part piece;
        struct otlp_counts counts = {0};
        arena_reset(arena);
        ASSERT(otlp_split_next(&split, arena, limits, &piece) == 0);
        ASSERT(otlp_walk(signal, piece.bytes, &counts, NULL) == 0);
        ASSERT(counts.item_count == piece.item_count);
        ASSERT(piece.item_count <= limits->item_max);
        dealt_count += piece.item_count;
        part_fini(&piece);
    }
    ASSERT(dealt_count == item_count);
    otlp_split_fini(&split);
    arena_reset(arena);
}

static void check_regular(enum signal signal, struct slice request, uint64_t item_count,
                          struct arena *arena)
{
    struct otlp_edit edit;
    struct slice out = {0};
    void *memory = NULL;
    struct otlp_counts counts = {0};
    otlp_edit_init(&edit, arena, request);
    ASSERT(otlp_regularise(&edit, signal) == 0);
    ASSERT(otlp_edit_finish(&edit, &out, &memory) == 0);
    ASSERT(otlp_is_regular(signal, out));
    ASSERT(otlp_walk(signal, out, &counts, NULL) == 0);
    ASSERT(counts.item_count == item_count);
    ASSERT(!counts.is_irregular);
    mem_free(memory);
    arena_reset(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum signal signal = (enum signal)(data[0] % SIGNAL_COUNT);
    struct otlp_split_limits limits = {.item_max = 1 + data[0] / SIGNAL_COUNT % 8,
                                       .bytes_max = data[0] >= 128 ? data[0] : 0};
    struct slice request = slice_of(data + 1, size - 1);
    struct otlp_counts counts = {0};
    enum otlp_why why = OTLP_WHY_NONE;
    struct arena arena;
    ASSERT(arena_init(&arena, 4096, ARENA_MAX_BYTES) == 0);
    int err = otlp_walk(signal, request, &counts, &why);
    ASSERT((err == 0) == (why == OTLP_WHY_NONE));
    check_decode(signal, request, err, why, &arena);
    if (err == 0) {
        check_visit(signal, request, &arena);
        check_regular(signal, request, counts.item_count, &arena);
        check_split(signal, request, counts.item_count, &limits, &arena);
    }
    arena_fini(&arena);
    return 0;
}
