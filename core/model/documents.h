/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents — the layout of parts that carry documents as received: PART_XRAY and PART_EMF.
 *
 * A run of documents, each behind its length in four bytes, little-endian; their number is the
 * part's item_count. A document's own bytes are never looked at here.
 *
 *     struct documents_reader reader = documents_reader_of(part->bytes);
 *     struct slice document;
 *     while (documents_next(&reader, &document)) …
 *     if (reader.err != 0) …
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* The length before each document. */
#define DOCUMENTS_PREFIX_BYTES 4

/* Goes through a run once; sticky after the first fault. */
struct documents_reader {
    struct slice rest; /* borrows from the run */
    int err;           /* 0 or FAULT_MALFORMED: the run ends inside a length or a document */
};

/* What a document of `len` bytes, at most UINT32_MAX, takes up in a run. */
static inline size_t documents_size_bytes(size_t len)
{
    ASSERT(len <= UINT32_MAX);
    return DOCUMENTS_PREFIX_BYTES + len;
}

/*
 * Writes one document behind the `*used_bytes` that are in `memory` already, and adds to them.
 * There must be room: documents_size_bytes(document.len) <= cap_bytes - *used_bytes.
 */
void documents_append(uint8_t *memory, size_t cap_bytes, size_t *used_bytes, struct slice document);

/* A reader at the beginning of `run`, which it borrows from. */
static inline struct documents_reader documents_reader_of(struct slice run)
{
    return (struct documents_reader){.rest = run};
}

/*
 * The next document, borrowed from the run. False at its end and where it is malformed, which
 * reader->err tells apart; `document` is empty then.
 */
WEIR_MUST_USE bool documents_next(struct documents_reader *reader, struct slice *document);

/*
 * documents_cut — the bytes of the first `count_max` documents, or of all where there are fewer.
 *
 *   taken   out: how many documents those bytes are
 *
 * A run that is malformed before that is cut behind its last whole document.
 */
size_t documents_cut(struct slice run, uint32_t count_max, uint32_t *taken);

/* 0 and their number, or FAULT_MALFORMED where `run` is no run of documents. */
WEIR_MUST_USE int documents_check(struct slice run, uint32_t *count);
