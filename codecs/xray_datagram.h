/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_datagram — one datagram of an X-Ray SDK: a header line, a line feed, one document.
 *
 * Only the header is read. The document is not looked at, so that what leaves through the X-Ray
 * exporter leaves byte for byte as it came. Allocates nothing and keeps nothing. Format: X-Ray
 * daemon, `{"format": "json", "version": 1}`; names in any case, unknown members ignored.
 */
#pragma once

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Reason, label of its counter, words for a log line. */
#define XRAY_DATAGRAM_WHY_LIST(X)                                                                  \
    X(NONE, "none", "valid")                                                                       \
    X(NO_HEADER, "no_header", "no line feed ends a header")                                        \
    X(BAD_HEADER, "bad_header", "the header is not JSON of format json, version 1")                \
    X(NO_DOCUMENT, "no_document", "nothing follows the header")

#define XRAY_DATAGRAM_WHY_MEMBER(member, label, text) XRAY_DATAGRAM_WHY_##member,
enum xray_datagram_why { XRAY_DATAGRAM_WHY_LIST(XRAY_DATAGRAM_WHY_MEMBER) };
#undef XRAY_DATAGRAM_WHY_MEMBER
#define XRAY_DATAGRAM_WHY_LIMIT 4 /* one past the last reason */

/* The label and the words of the list; static, never NULL. */
const char *xray_datagram_why_label(enum xray_datagram_why why);
const char *xray_datagram_why_text(enum xray_datagram_why why);

/*
 * xray_datagram_read — finds the document of a datagram.
 *
 *   datagram   borrowed, of any length
 *   document   borrows from it; not empty; filled only on 0
 *   why        XRAY_DATAGRAM_WHY_NONE on 0
 *
 * 0 or FAULT_MALFORMED.
 */
WEIR_MUST_USE int xray_datagram_read(struct slice datagram, struct slice *document,
                                     enum xray_datagram_why *why);
