/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_docs — the documents of one batch, and what has become of each.
 *
 * Made once per batch, escaped as they will be sent, and kept until the batch is decided: what is
 * sent again is sent as it was. Several requests share them. A document lives so:
 *
 *     PENDING → TAKEN → DELIVERED | REJECTED
 *                  ├──→ RETRY → PENDING         in the batch's next attempt
 *                  └──→ PENDING                 its request was too large: in smaller company
 *
 * Egress-local; the buffers are used again for the next batch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/xray_trace.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/batch.h"

enum xray_doc_state {
    XRAY_DOC_PENDING,
    XRAY_DOC_TAKEN, /* by a request, sent or about to be */
    XRAY_DOC_RETRY,
    XRAY_DOC_DELIVERED,
    XRAY_DOC_REJECTED,
};

/* Of a REJECTED one. */
enum xray_doc_why {
    XRAY_DOC_WITH_REQUEST, /* the request was, for reasons of its own */
    XRAY_DOC_UNPROCESSED,  /* the service named it */
    XRAY_DOC_TOO_LARGE,    /* alone in a request that was too large */
};
#define XRAY_DOC_WHY_COUNT 3

struct xray_doc {
    size_t offset_bytes; /* in the text: its comma */
    size_t len;          /* comma and quotes included */
    uint64_t item_index; /* of its span in the batch; a span may have two documents */
    enum xray_doc_state state;
    enum xray_doc_why why;
    bool was_sent;       /* once at least */
    bool is_unknown;     /* it was sent, and no answer came */
    uint8_t company_max; /* documents of a request that has it; 0: XRAY_PUT_DOCUMENTS_MAX */
};

struct xray_docs {
    struct bytes text;
    struct xray_doc *docs; /* owned */
    size_t count;
    size_t capacity;
    size_t next_index; /* none before it is PENDING */
    /* Items that became no document. */
    uint64_t too_large_items;
    uint64_t bad_time_items;
    uint64_t bad_id_items;
    uint64_t trimmed_count;  /* documents without their metadata */
    const char *refused_why; /* static; of the most that were refused; NULL for none */
};

void xray_docs_init(struct xray_docs *docs);

/* Idempotent. */
void xray_docs_fini(struct xray_docs *docs);

/*
 * xray_docs_fill — all documents of a batch, PENDING.
 *
 *   trace   translates its spans; segments that came as such are taken as they are
 *
 * Returns 0; -ENOMEM; FAULT_LIMIT for more than XRAY_TEXT_MAX_BYTES; FAULT_UNSUPPORTED for other
 * encodings; FAULT_MALFORMED where a part is no run of documents.
 */
WEIR_MUST_USE int xray_docs_fill(struct xray_docs *docs, const struct batch *batch,
                                 struct xray_trace *trace, uint64_t now_unix_ns);

/* What is to be sent again is PENDING again. */
void xray_docs_restart(struct xray_docs *docs);

/*
 * xray_docs_take — the next PENDING ones, TAKEN from now on: at most XRAY_PUT_DOCUMENTS_MAX, no
 * more than any of them may go with, and together at most XRAY_PUT_BODY_MAX_BYTES unless the first
 * is longer.
 *
 *   taken   room for XRAY_PUT_DOCUMENTS_MAX; borrowed until the next fill
 *
 * Returns how many, 0 when none is left.
 */
size_t xray_docs_take(struct xray_docs *docs, struct xray_doc **taken);

/*
 * xray_docs_split — the documents of a request that was too large: each may go again at once, in
 * half as large a company; one that was alone is REJECTED. `taken` as xray_docs_take gave them.
 */
void xray_docs_split(struct xray_docs *docs, struct xray_doc *const *taken, size_t count);

/* What is PENDING waits for the batch's next attempt. */
void xray_docs_postpone(struct xray_docs *docs);

static inline struct slice xray_doc_text(const struct xray_docs *docs, const struct xray_doc *doc)
{
    return slice_of(docs->text.ptr + doc->offset_bytes, doc->len);
}

/* What is known of the batch's items. */
struct xray_docs_sum {
    uint64_t delivered_items;                 /* all their documents were taken */
    uint64_t rejected_items;                  /* a document was refused, or none was made */
    uint64_t rejected_by[XRAY_DOC_WHY_COUNT]; /* those of the first kind, by why */
    bool has_retry;
};

void xray_docs_sum_up(const struct xray_docs *docs, struct xray_docs_sum *out);
