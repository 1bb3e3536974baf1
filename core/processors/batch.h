/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch — gathers parts of one signal until there are enough items or enough time has passed.
 *
 * First in the egress half of a pipeline, on its egress thread; it remembers other data, so it is
 * no struct processor. Large parts are handed on as they are, small ones are copied together, so
 * that a batch has some 256 parts at most whatever the senders do. A maximum size is kept by
 * cutting between items (core/otlp/otlp_split.h). Keys and defaults are the Collector's batch
 * processor's.
 *
 *     err = batcher_push(&b, &part, now);
 *     while ((batch = batcher_take(&b, now, false)) != NULL) …
 *     arm a timer for batcher_next_deadline(&b);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "core/model/batch.h"
#include "core/model/part.h"
#include "core/otlp/otlp_split.h"

struct batcher;
struct config_reader;

struct batch_config {
    uint32_t send_batch_size;     /* items that close a batch; 0: any */
    uint32_t send_batch_max_size; /* items of a batch; 0: no limit */
    uint64_t timeout_ns;          /* after the first item; 0: at once */
};

/* Reads the section and finishes the reader. `out` is filled; 0 or FAULT_CONFIG, reported. */
WEIR_MUST_USE int batch_config_read(struct config_reader *config, struct batch_config *out);

/*
 * What a part carries besides its bytes goes along when the bytes are copied: called once for each
 * copy, before a source that has been copied whole is freed.
 *
 *   source    as it was pushed
 *   target    the part that now has some or all of its bytes; others may be in there too
 *   is_last   nothing of `source` is left to copy, and it is freed next
 */
typedef void(batcher_copied_fn)(struct batcher *batcher, struct part *source, struct part *target,
                                bool is_last);

/* Egress-local. */
struct batcher {
    struct batch_config config;
    enum signal signal;
    batcher_copied_fn *on_copied; /* may be NULL */
    struct batch *open;           /* owned; NULL while empty */
    struct part gather;           /* owned; small parts copied together, not in `open` yet */
    size_t gather_cap_bytes;
    struct part cut;         /* owned; what is being split; its items come before those of `open` */
    struct otlp_split split; /* borrows from `cut`, which is OTLP */
    struct slice cut_rest;   /* likewise, of documents: those not dealt out yet */
    uint64_t cut_item_count; /* of `cut`, not dealt out yet */
    struct arena scratch;    /* owned; for splitting */
    uint64_t item_count;     /* in all of the above */
    uint64_t first_mono_ns;  /* of what is pending; UINT64_MAX while empty */
    uint64_t close_by_mono_ns;
    uint64_t retry_mono_ns;         /* memory was refused; not asked for before then */
    struct counter sent_by_size;    /* batches */
    struct counter sent_by_timeout; /* those that were forced, too */
    struct counter sent_oversized;  /* that could not be cut for want of scratch memory */
};

/* 0 or -ENOMEM; batcher_fini is fine after either. `on_copied` may be NULL. */
WEIR_MUST_USE int batcher_init(struct batcher *b, const struct batch_config *config,
                               enum signal signal, batcher_copied_fn *on_copied);

/* Frees what is pending; the caller has taken and counted it before. Idempotent. */
void batcher_fini(struct batcher *b);

/* Moves *part in and zeroes it. 0 or -ENOMEM, and then nothing moved. */
WEIR_MUST_USE int batcher_push(struct batcher *b, struct part *part, uint64_t now_mono_ns);

/* What is pending now is to leave no later than this: somebody waits for an acknowledgement. */
void batcher_close_by(struct batcher *b, uint64_t deadline_mono_ns);

/* Bytes of the parts that are pending; one that is being cut counts whole until its end. */
uint64_t batcher_held_bytes(const struct batcher *b);

/* When batcher_take has something to give next; UINT64_MAX while nothing is pending. */
uint64_t batcher_next_deadline(const struct batcher *b);

/*
 * The next batch that is due, moved out; NULL where none is, or where memory is refused, and then
 * it is due again a little later. `force`: whatever is pending is due. To be called until NULL.
 */
WEIR_MUST_USE struct batch *batcher_take(struct batcher *b, uint64_t now_mono_ns, bool force);
