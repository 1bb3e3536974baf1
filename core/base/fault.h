/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault — the one space of result codes: 0, -errno as the kernel gave it, or a code of our own.
 *
 * Our codes lie below -FAULT_BASE, where no errno lies. Bytes have `enum parse`, batches have
 * `enum delivery`; this is for operations.
 */
#pragma once

#define FAULT_BASE 10000

enum fault {
    FAULT_TRUNCATED = -(FAULT_BASE + 1),  /* input ended inside a field */
    FAULT_OVERFLOW = -(FAULT_BASE + 2),   /* a size or number does not fit */
    FAULT_MALFORMED = -(FAULT_BASE + 3),  /* input breaks its format */
    FAULT_LIMIT = -(FAULT_BASE + 4),      /* a configured or built-in limit is reached */
    FAULT_CONFIG = -(FAULT_BASE + 5),     /* configuration refused; the details were reported */
    FAULT_CLOSED = -(FAULT_BASE + 6),     /* the other side is gone or going */
    FAULT_LIBRARY = -(FAULT_BASE + 7),    /* a library refused; the log has its words */
    FAULT_UNSUPPORTED = -(FAULT_BASE + 8) /* known, but not in this build or on this kernel */
};

/* What did the bytes say? Every parser answers with one of these. */
enum parse {
    PARSE_DONE, /* one whole thing was read */
    PARSE_MORE, /* the bytes end before the thing does */
    PARSE_BAD,  /* the bytes break the format; a reason stands beside */
};

/* A static sentence for a code of either kind, for logs; never NULL. `code` is 0 or negative. */
const char *fault_text(int code);
