/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_split — one request becomes several, cut between items, each with its resource and scope.
 *
 *     err = otlp_split_init(&split, part->signal, part->bytes);
 *     while (err == 0 && !otlp_split_is_done(&split)) {
 *         err = otlp_split_next(&split, arena, &limits, &piece);
 *         …
 *     }
 *     otlp_split_fini(&split);
 *
 * Items keep their order and their bytes; what stands around them (resource, scope, schema urls,
 * unknown fields, a metric's name, unit, temporality) is repeated in each piece. Limits may differ
 * from piece to piece, so that the first one can fill up what was begun. Time is linear in what is
 * read and written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_field.h"

/* Request, group, scope, metric, data. */
#define OTLP_SPLIT_LEVELS_MAX 5

struct otlp_split_limits {
    uint64_t item_max; /* spans, log records, data points; 0 = no limit */
    size_t bytes_max;  /* of the piece; 0 = no limit */
};

/* A message whose children are being dealt out. */
struct otlp_split_level {
    struct otlp_field field;
    const uint8_t *first; /* its first child */
    const uint8_t *next;  /* the first one that was neither dealt out nor opened */
    const uint8_t *limit; /* behind the last one */
    uint32_t child_number;
};

/* Borrows the request until fini. */
struct otlp_split {
    enum signal signal;
    struct slice request;
    void *memory; /* owned; the request in its regular form, where it was not */
    uint32_t depth;
    struct otlp_split_level levels[OTLP_SPLIT_LEVELS_MAX];
};

/*
 * Prepares `request`, which was walked and is borrowed until fini; `arena` is scratch and may be
 * reset afterwards. 0, -ENOMEM or FAULT_LIMIT, and then fini is still fine.
 */
WEIR_MUST_USE int otlp_split_init(struct otlp_split *split, enum signal signal,
                                  struct slice request, struct arena *arena);

/* Has everything been dealt out? */
bool otlp_split_is_done(const struct otlp_split *split);

/*
 * otlp_split_next — the next piece, a part with memory of its own.
 *
 *   limits   at most so many items and bytes; but at least one item, however large
 *   arena    scratch, may be reset afterwards
 *   out      moves out on 0
 *
 * A piece without items comes out only where the rest of the request has none. 0; -ENOMEM or
 * FAULT_LIMIT, and then nothing was dealt out.
 */
WEIR_MUST_USE int otlp_split_next(struct otlp_split *split, struct arena *arena,
                                  const struct otlp_split_limits *limits, struct part *out);

/* Idempotent. */
void otlp_split_fini(struct otlp_split *split);
