/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: xray_to_otlp_append (codecs/xray_to_otlp.h), xray_datagram_read
 * (codecs/xray_datagram.h).
 *
 * The bytes are a document, and a datagram too. What is accepted passes the walk of OTLP with as
 * many spans as were promised, decodes, and gives the same bytes again; what is refused has a
 * reason and appends nothing; an output that is too small takes nothing.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/xray_datagram.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_trace.pb-c.h"

#define OUT_MAX_BYTES (1 << 20)
#define ARENA_MAX_BYTES (1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(struct slice spans, uint32_t span_count)
{
    struct otlp_counts counts = {0};
    struct arena arena;
    ProtobufCMessage *message = NULL;
    ASSERT(otlp_walk(SIGNAL_TRACES, spans, &counts, NULL) == 0);
    ASSERT(counts.item_count == span_count);
    ASSERT(counts.resource_count == 1);
    ASSERT(!counts.is_irregular);
    ASSERT(arena_init(&arena, 4096, ARENA_MAX_BYTES) == 0);
    ASSERT(
        pb_decode(
            &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
            spans, &arena, NULL, &message) == 0);
    arena_fini(&arena);
}

/* What was appended behind a byte that was there. */
static void check_again(struct xray_to_otlp *t, struct slice document, struct slice spans)
{
    struct bytes out;
    uint32_t span_count = 0;
    const char *why = NULL;
    bytes_init(&out, spans.len + 1);
    bytes_append_byte(&out, 'x');
    ASSERT(xray_to_otlp_append(t, document, &out, &span_count, &why) == 0);
    ASSERT(slice_equal(slice_from(bytes_slice(&out), 1), spans));
    bytes_fini(&out);
    bytes_init(&out, spans.len - 1);
    ASSERT(xray_to_otlp_append(t, document, &out, &span_count, &why) == FAULT_LIMIT);
    ASSERT(out.len == 0 && span_count == 0 && why == NULL);
    bytes_fini(&out);
}

static void check_datagram(struct slice datagram)
{
    struct slice document = {0};
    enum xray_datagram_why why = XRAY_DATAGRAM_WHY_NONE;
    if (xray_datagram_read(datagram, &document, &why) == 0) {
        ASSERT(why == XRAY_DATAGRAM_WHY_NONE);
        ASSERT(document.len > 0);
        ASSERT(document.ptr + document.len == datagram.ptr + datagram.len);
        ASSERT(document.ptr[-1] == '\n');
    } else {
        ASSERT(why != XRAY_DATAGRAM_WHY_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xray_to_otlp *t;
    struct slice document = slice_of(data, size);
    struct bytes out;
    uint32_t span_count = 0;
    const char *why = NULL;
    if (t == NULL) {
        t = xray_to_otlp_new();
        ASSERT(t != NULL);
    }
    check_datagram(document);
    bytes_init(&out, OUT_MAX_BYTES);
    int err = xray_to_otlp_append(t, document, &out, &span_count, &why);
    ASSERT(span_count > 0);
    if (err == 0) {
        ASSERT(why == NULL);
        check_spans(bytes_slice(&out), span_count);
        check_again(t, document, bytes_slice(&out));
    } else {
        ASSERT(err == FAULT_MALFORMED);
        ASSERT(why != NULL && why == xray_why_label(xray_to_otlp_why(t)));
        ASSERT(out.len == 0 && out.err == 0);
    }
    bytes_fini(&out);
    return 0;
}
