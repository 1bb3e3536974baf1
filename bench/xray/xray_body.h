/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_body — the documents in the body of a PutTraceSegments call, and whose they are.
 *
 * Reads {"TraceSegmentDocuments": ["…", …]}: each document is JSON inside a JSON string. Shares
 * nothing with the code that writes such bodies, so that one does not hide the other's mistakes.
 * Source: AWS X-Ray API Reference, PutTraceSegments; RFC 8259.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/xray/xray_ident.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* The service takes no more at once. */
#define XRAY_BODY_DOCUMENTS_MAX_COUNT 50u

/* Steps through a body; borrows it. Zeroed is not valid: begin with xray_body_open. */
struct xray_body {
    struct slice left; /* behind the last document */
    bool is_first;
    bool is_done;
};

/* 0, or FAULT_MALFORMED where there is no array of documents. */
WEIR_MUST_USE int xray_body_open(struct xray_body *body, struct slice bytes);

/*
 * xray_body_next — the next document, with its escapes, as it stands between the quotes; borrows.
 * Returns 1, 0 at the end of the body, FAULT_MALFORMED.
 */
WEIR_MUST_USE int xray_body_next(struct xray_body *body, struct slice *document);

/*
 * xray_document_ident — the values of a document's own `id` and `trace_id`, not of those inside it.
 * False where one of them is missing or has another length.
 */
WEIR_MUST_USE bool xray_document_ident(struct slice document, struct xray_ident *out);
