/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_count — reads just enough of an export request to know which items are in it.
 *
 * It goes from resource to scope to item and stops inside an item as soon as it has the identity.
 * A reader of its own, apart from the gateway's, so that a mistake there cannot hide here; it reads
 * what our own corpus has, and everything else as strangers.
 */
#pragma once

#include <stdint.h>

#include "bench/otlp/otlp_ledger.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"

#define OTLP_COUNT_BODIES_MAX_COUNT 256u

/* The bodies whose first item is in a request, as far as there is room. */
struct otlp_count_bodies {
    uint32_t count;
    uint32_t body_indices[OTLP_COUNT_BODIES_MAX_COUNT];
};

/*
 * otlp_count_request — enters every item of `request` (protobuf, decompressed, borrowed) into the
 * ledger, and tells in `bodies` which bodies begin in it. Returns 0, or FAULT_MALFORMED: what was
 * read before the mistake stays counted.
 */
WEIR_MUST_USE int otlp_count_request(enum signal signal, struct slice request,
                                     struct otlp_ledger *ledger, struct otlp_count_bodies *bodies);
