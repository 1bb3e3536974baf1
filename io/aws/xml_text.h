/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_text — the text of one element in the XML answers of the Query protocol (STS, EC2).
 *
 * Those answers are flat and machine-made: elements by name, text between them, five entities and
 * character references. Comments, CDATA and processing instructions are stepped over; document
 * type declarations are not understood. Allocates nothing, runs once over the text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/*
 * xml_text_find — what stands between the first <name …> and the </name> behind it; names are
 * compared without a prefix. An element that closes itself is empty.
 *
 *   inner   borrows from `xml`; filled only on true
 */
bool xml_text_find(struct slice xml, const char *name, struct slice *inner);

/*
 * xml_text_copy — `inner` with entities undone, blanks at its ends dropped, NUL-terminated. Unknown
 * entities stay as they stand.
 *
 * Returns 0; FAULT_LIMIT when it does not fit into `cap` (> 0), then `buf` holds what did fit;
 * FAULT_MALFORMED when the text holds an element, a NUL or bytes that are no UTF-8, then "".
 */
WEIR_MUST_USE int xml_text_copy(struct slice inner, char *buf, size_t cap);
