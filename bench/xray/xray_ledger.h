/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ledger — which segments have arrived, each of which was sent once.
 *
 * A bit per number says that it came; one that comes again is counted as twice. The digest over the
 * identities that came is a second witness against the numbers: it is held against one made anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/otlp/otlp_ident.h"
#include "bench/xray/xray_ident.h"
#include "core/base/defs.h"

/* Segments of one run; the table has an eighth of that in bytes. */
#define XRAY_LEDGER_MAX_COUNT (UINT64_C(1) << 30)

/* Sink thread, until that has ended; zeroed is valid for fini. */
struct xray_ledger {
    uint64_t *words; /* owned; a bit per number */
    uint64_t sequence_limit;
    uint64_t seed;
    uint64_t item_count;     /* whatever arrived */
    uint64_t twice_count;    /* of them: numbers that had come before */
    uint64_t stranger_count; /* of them: no number of this run */
    struct ident_digest digest;
};

struct xray_balance {
    uint64_t sent_items;
    uint64_t arrived_items;   /* different ones of those that were sent */
    uint64_t lost_items;      /* sent and never arrived, whoever lost them */
    uint64_t duplicate_items; /* arrivals beyond the first */
    uint64_t stranger_items;  /* arrived and never sent */
    bool digest_matches;      /* those that arrived have the identities they were sent with */
};

/* For numbers below `sequence_limit`, which is 1 to XRAY_LEDGER_MAX_COUNT. 0 or -ENOMEM. */
WEIR_MUST_USE int xray_ledger_init(struct xray_ledger *ledger, uint64_t seed,
                                   uint64_t sequence_limit);
void xray_ledger_fini(struct xray_ledger *ledger);

/* Enters one arrival. */
void xray_ledger_take(struct xray_ledger *ledger, const struct xray_ident *ident);

/* Different numbers that have arrived so far. */
uint64_t xray_ledger_arrivals(const struct xray_ledger *ledger);

/* The numbers below `sent_count` were sent, each once. */
struct xray_balance xray_ledger_balance(const struct xray_ledger *ledger, uint64_t sent_count);
