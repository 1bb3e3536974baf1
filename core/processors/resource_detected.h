/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detected — the attributes that one detector, or all of them together, found out.
 *
 * Filled once at start and copied from there; frozen afterwards, any thread may read. Owns
 * everything it holds. Keys and values are OTLP's, ready to be put into resources.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"

struct resource_detected_attr {
    struct resource_detected_attr *next;
    struct slice key;
    struct otlp_value value;
};

/* Zeroed: empty, and ready to be filled. */
struct resource_detected {
    struct arena memory; /* owned; opened by the first attribute */
    struct resource_detected_attr *first;
    struct resource_detected_attr *last;
    uint32_t count;
};

/* Leaves zeros. Idempotent. */
void resource_detected_fini(struct resource_detected *detected);

/* The attribute of that key, or NULL. */
const struct resource_detected_attr *
resource_detected_find(const struct resource_detected *detected, struct slice key);

/*
 * Sets an attribute, in the place of an earlier one of the same key; key and text are copied. 0,
 * -ENOMEM; FAULT_LIMIT beyond RESOURCE_DETECTED_MAX_BYTES; FAULT_MALFORMED for what is no UTF-8.
 */
WEIR_MUST_USE int resource_detected_put(struct resource_detected *detected, struct slice key,
                                        struct slice text);

/* The same with a list of texts. */
WEIR_MUST_USE int resource_detected_put_list(struct resource_detected *detected, struct slice key,
                                             const struct slice *texts, size_t count);

/* A copy of an attribute of another set, where this one has none of that key. As _put. */
WEIR_MUST_USE int resource_detected_merge(struct resource_detected *detected,
                                          const struct resource_detected_attr *attr);
