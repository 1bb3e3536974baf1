/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_ledger — what of a corpus has arrived, item by item, held against what was acknowledged.
 *
 * Bodies are sent again and again, so an item has a count: how often it came. Fewer than its body
 * was acknowledged is a loss. More is a copy that nobody acknowledged, as far as sendings without a
 * good answer explain it, and a duplicate beyond that. The digest is a second witness: it sees an
 * identity that was changed on the way.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/otlp/otlp_corpus.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Sink thread, until that has ended; zeroed is valid for fini. */
struct otlp_ledger {
    uint32_t *arrived_counts; /* owned; body_count × item_count */
    uint64_t sequence_limit;
    uint32_t body_item_count; /* items per body */
    uint64_t seed;
    uint64_t item_count;     /* whatever arrived, strangers included */
    uint64_t stranger_count; /* identities that the corpus does not have */
    struct ident_digest digest;
};

/* Of one body, as its sender saw it. */
struct otlp_fate {
    uint64_t acked_count;     /* sendings answered with success */
    uint64_t uncertain_count; /* sendings refused, failed or never answered */
};

/* Sendings of one body whose times are remembered at once. */
#define OTLP_SENT_RING_COUNT 64u

struct otlp_balance {
    uint64_t acked_items;
    uint64_t arrived_items;
    uint64_t lost_items;
    uint64_t unacked_items; /* arrived without a good answer */
    uint64_t duplicate_items;
    uint64_t stranger_items;
    bool digest_matches; /* exactly what was acknowledged arrived, byte for byte of its identity */
};

/* 0 or -ENOMEM. Copies what it needs of the options. */
WEIR_MUST_USE int otlp_ledger_init(struct otlp_ledger *ledger,
                                   const struct otlp_corpus_options *options);
void otlp_ledger_fini(struct otlp_ledger *ledger);

/*
 * otlp_ledger_take_id — an item with a trace id and a span id, 24 bytes side by side.
 * otlp_ledger_take_time — a data point; `times` are its start and its time, 16 bytes.
 * Each returns the item's number, UINT64_MAX for a stranger's.
 */
uint64_t otlp_ledger_take_id(struct otlp_ledger *ledger, struct slice ids);
uint64_t otlp_ledger_take_time(struct otlp_ledger *ledger, struct slice times);

/* How often a body's first item has arrived. */
uint32_t otlp_ledger_arrivals(const struct otlp_ledger *ledger, uint32_t body_index);

/* `fates` has one entry per body of the corpus. Both borrowed. */
struct otlp_balance otlp_ledger_balance(const struct otlp_ledger *ledger,
                                        const struct otlp_corpus *corpus,
                                        const struct otlp_fate *fates);
