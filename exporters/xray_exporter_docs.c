/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_docs — filling, picking and counting the documents of a batch.
 *
 * Documents stand in one text in their order, so that neighbours leave as one piece.
 */
#include "exporters/xray_exporter_docs.h"

#include <errno.h>

#include "codecs/xray_put.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/documents.h"
#include "exporters/exporter_bounds.h"

#define FIRST_CAPACITY 64

void xray_docs_init(struct xray_docs *docs)
{
    *docs = (struct xray_docs){0};
    bytes_init(&docs->text, XRAY_TEXT_MAX_BYTES);
}

void xray_docs_fini(struct xray_docs *docs)
{
    bytes_fini(&docs->text);
    mem_free(docs->docs);
    *docs = (struct xray_docs){0};
}

/* --- filling ---------------------------------------------------------------------------------- */

static int add(struct xray_docs *docs, struct slice document, uint64_t item_index)
{
    if (docs->count == docs->capacity) {
        size_t capacity = docs->capacity == 0 ? FIRST_CAPACITY : 2 * docs->capacity;
        struct xray_doc *grown = mem_resize(docs->docs, capacity * sizeof(grown[0]));
        if (grown == NULL) {
            return -ENOMEM;
        }
        docs->docs = grown;
        docs->capacity = capacity;
    }
    size_t offset_bytes = docs->text.len;
    xray_put_append(&docs->text, document);
    if (docs->text.err != 0) {
        return docs->text.err;
    }
    docs->docs[docs->count++] = (struct xray_doc){
        .offset_bytes = offset_bytes,
        .len = docs->text.len - offset_bytes,
        .item_index = item_index,
    };
    return 0;
}

/* The end of a walk through the spans of one part. */
struct docs_sink {
    struct xray_trace_sink sink;
    struct xray_docs *docs;
};

static int sink_on_document(struct xray_trace_sink *sink, uint64_t span_index,
                            struct slice document)
{
    struct docs_sink *own = CONTAINER_OF(sink, struct docs_sink, sink);
    return add(own->docs, document, span_index);
}

/* Items = spans, or segments that came as such; counts->span_count is that of both. */
static int add_segments(struct xray_docs *docs, struct slice run, struct xray_trace_counts *counts)
{
    struct documents_reader reader = documents_reader_of(run);
    struct slice document;
    int err = 0;
    while (err == 0 && documents_next(&reader, &document)) {
        uint64_t item_index = counts->span_count++;
        if (document.len > XRAY_DOCUMENT_MAX_BYTES) {
            counts->too_large_count++;
        } else {
            err = add(docs, document, item_index);
        }
    }
    return err != 0 ? err : reader.err;
}

static const char *main_reason(const struct xray_trace_counts *counts)
{
    if (counts->too_large_count > 0) {
        return "documents over 64 KiB";
    }
    if (counts->bad_time_count > 0) {
        return "invalid xray traceid";
    }
    return counts->bad_id_count > 0 ? "spans without ids" : NULL;
}

int xray_docs_fill(struct xray_docs *docs, const struct batch *batch, struct xray_trace *trace,
                   uint64_t now_unix_ns)
{
    struct docs_sink sink = {.sink.on_document = sink_on_document, .docs = docs};
    struct xray_trace_counts counts = {0};
    bytes_clear(&docs->text);
    docs->count = 0;
    docs->next_index = 0;
    for (uint32_t i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        int err = FAULT_UNSUPPORTED;
        if (part->encoding == PART_OTLP && part->signal == SIGNAL_TRACES) {
            err = xray_trace_walk(trace, part->bytes, now_unix_ns, &sink.sink, &counts);
        } else if (part->encoding == PART_XRAY) {
            err = add_segments(docs, part->bytes, &counts);
        }
        if (err != 0) {
            return err;
        }
    }
    docs->too_large_items = counts.too_large_count;
    docs->bad_time_items = counts.bad_time_count;
    docs->bad_id_items = counts.bad_id_count;
    docs->trimmed_count = counts.trimmed_count;
    docs->refused_why = main_reason(&counts);
    return 0;
}

/* --- picking ---------------------------------------------------------------------------------- */

void xray_docs_restart(struct xray_docs *docs)
{
    docs->next_index = 0;
    for (size_t i = 0; i < docs->count; i++) {
        if (docs->docs[i].state == XRAY_DOC_RETRY) {
            docs->docs[i].state = XRAY_DOC_PENDING;
        }
    }
}

size_t xray_docs_take(struct xray_docs *docs, struct xray_doc **taken)
{
    size_t count = 0;
    size_t count_max = XRAY_PUT_DOCUMENTS_MAX;
    size_t left_bytes = XRAY_PUT_BODY_MAX_BYTES;
    for (; docs->next_index < docs->count && count < count_max; docs->next_index++) {
        struct xray_doc *doc = &docs->docs[docs->next_index];
        if (doc->state != XRAY_DOC_PENDING) {
            continue;
        }
        size_t company_max = doc->company_max != 0 ? doc->company_max : XRAY_PUT_DOCUMENTS_MAX;
        if (count > 0 && (doc->len > left_bytes || count >= company_max)) {
            break;
        }
        count_max = company_max < count_max ? company_max : count_max;
        left_bytes -= doc->len < left_bytes ? doc->len : left_bytes;
        doc->state = XRAY_DOC_TAKEN;
        taken[count++] = doc;
    }
    return count;
}

void xray_docs_split(struct xray_docs *docs, struct xray_doc *const *taken, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xray_doc *doc = taken[i];
        size_t index = (size_t)(doc - docs->docs);
        ASSERT(doc->state == XRAY_DOC_TAKEN);
        if (count == 1) {
            doc->state = XRAY_DOC_REJECTED;
            doc->why = XRAY_DOC_TOO_LARGE;
            return;
        }
        doc->state = XRAY_DOC_PENDING;
        doc->company_max = (uint8_t)((count + 1) / 2);
        docs->next_index = index < docs->next_index ? index : docs->next_index;
    }
}

void xray_docs_postpone(struct xray_docs *docs)
{
    for (; docs->next_index < docs->count; docs->next_index++) {
        struct xray_doc *doc = &docs->docs[docs->next_index];
        if (doc->state == XRAY_DOC_PENDING) {
            doc->state = XRAY_DOC_RETRY;
        }
    }
}

/* --- counting --------------------------------------------------------------------------------- */

/* The documents of one item stand next to each other. */
static size_t item_end(const struct xray_docs *docs, size_t begin)
{
    size_t end = begin + 1;
    while (end < docs->count && docs->docs[end].item_index == docs->docs[begin].item_index) {
        end++;
    }
    return end;
}

void xray_docs_sum_up(const struct xray_docs *docs, struct xray_docs_sum *out)
{
    *out = (struct xray_docs_sum){
        .rejected_items = docs->too_large_items + docs->bad_time_items + docs->bad_id_items,
    };
    size_t begin = 0;
    while (begin < docs->count) {
        size_t end = item_end(docs, begin);
        size_t delivered_count = 0;
        size_t rejected_count = 0;
        enum xray_doc_why why = XRAY_DOC_WITH_REQUEST;
        for (size_t i = begin; i < end; i++) {
            delivered_count += docs->docs[i].state == XRAY_DOC_DELIVERED ? 1 : 0;
            if (docs->docs[i].state == XRAY_DOC_REJECTED) {
                rejected_count++;
                why = docs->docs[i].why;
            }
            out->has_retry = out->has_retry || docs->docs[i].state == XRAY_DOC_RETRY;
        }
        out->delivered_items += delivered_count == end - begin ? 1 : 0;
        out->rejected_items += rejected_count > 0 ? 1 : 0;
        out->rejected_by[why] += rejected_count > 0 ? 1 : 0;
        begin = end;
    }
}
