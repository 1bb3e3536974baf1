/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_delta — what each cumulative series said last, and the difference to what it says now.
 *
 * One hash table with open addressing; a series is its key, see emf_key.h. A value is kept as long
 * as the series is seen at least once per idle time, however seldom that is; a few slots are looked
 * at per sweep. A series beyond the limit is refused, never put in the place of another.
 */
#pragma once

#include <stdint.h>

#include "codecs/emf_key.h"
#include "core/base/defs.h"
#include "core/otlp/otlp_point.h"

enum emf_delta_answer {
    EMF_DELTA_DONE,
    EMF_DELTA_FIRST, /* not seen before: the output is the value itself */
    EMF_DELTA_FULL,  /* no room for another series, or no memory */
};

struct emf_delta_slot;

struct emf_delta {
    struct emf_delta_slot *slots; /* owned; NULL until the first series */
    uint32_t slot_count;          /* a power of two */
    uint32_t series_count;
    uint32_t series_max;
    uint32_t idle_s;
    uint32_t sweep_index; /* slot that the next sweep begins with */
};

/* `series_max` is 1 … EMF_DELTA_SERIES_MAX. Takes no memory yet. */
void emf_delta_init(struct emf_delta *delta, uint32_t series_max, uint64_t idle_ns);
void emf_delta_fini(struct emf_delta *delta);

/*
 * emf_delta_number — the difference of a sum to what it was; the value itself after a decrease,
 * which is how a restart shows. Between integers it is one, unless it overflows.
 *
 *   now_s   monotonic clock
 *   out     filled but for EMF_DELTA_FULL
 */
WEIR_MUST_USE enum emf_delta_answer emf_delta_number(struct emf_delta *delta, struct emf_key key,
                                                     struct otlp_number value, uint32_t now_s,
                                                     struct otlp_number *out);

struct emf_delta_pair {
    double sum;
    uint64_t count;
};

/* The same for a summary; it restarts when its count decreases. */
WEIR_MUST_USE enum emf_delta_answer emf_delta_summary(struct emf_delta *delta, struct emf_key key,
                                                      struct emf_delta_pair value, uint32_t now_s,
                                                      struct emf_delta_pair *out);

/* Looks at the next slots, at most EMF_DELTA_SWEEP_SLOTS, and forgets series idle for too long. */
#define EMF_DELTA_SWEEP_SLOTS 65536
void emf_delta_sweep(struct emf_delta *delta, uint32_t now_s);
