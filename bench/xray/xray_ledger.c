/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ledger — see xray_ledger.h.
 */
#include "bench/xray/xray_ledger.h"

#include <errno.h>

#include "core/base/mem.h"

#define WORD_BITS 64u

int xray_ledger_init(struct xray_ledger *ledger, uint64_t seed, uint64_t sequence_limit)
{
    ASSERT(sequence_limit > 0 && sequence_limit <= XRAY_LEDGER_MAX_COUNT);
    *ledger = (struct xray_ledger){.seed = seed, .sequence_limit = sequence_limit};
    const size_t word_count = (size_t)((sequence_limit + WORD_BITS - 1) / WORD_BITS);
    ledger->words = mem_alloc_array(word_count, sizeof(*ledger->words));
    return ledger->words == NULL ? -ENOMEM : 0;
}

void xray_ledger_fini(struct xray_ledger *ledger)
{
    mem_free(ledger->words);
    *ledger = (struct xray_ledger){0};
}

static bool ledger_has(const struct xray_ledger *ledger, uint64_t sequence)
{
    return (ledger->words[sequence / WORD_BITS] >> sequence % WORD_BITS & 1) != 0;
}

void xray_ledger_take(struct xray_ledger *ledger, const struct xray_ident *ident)
{
    const uint64_t sequence = xray_ident_sequence(ledger->seed, ident);
    ledger->item_count++;
    if (sequence >= ledger->sequence_limit) {
        ledger->stranger_count++;
        return;
    }
    if (ledger_has(ledger, sequence)) {
        ledger->twice_count++;
        return;
    }
    ledger->words[sequence / WORD_BITS] |= UINT64_C(1) << sequence % WORD_BITS;
    ident_digest_add(&ledger->digest, slice_of(ident, sizeof(*ident)));
}

uint64_t xray_ledger_arrivals(const struct xray_ledger *ledger)
{
    return ledger->item_count - ledger->twice_count - ledger->stranger_count;
}

struct xray_balance xray_ledger_balance(const struct xray_ledger *ledger, uint64_t sent_count)
{
    ASSERT(sent_count <= ledger->sequence_limit);
    struct xray_balance balance = {
        .sent_items = sent_count,
        .duplicate_items = ledger->twice_count,
    };
    struct ident_digest expected = {0};
    for (uint64_t sequence = 0; sequence < sent_count; sequence++) {
        if (!ledger_has(ledger, sequence)) {
            continue;
        }
        struct xray_ident ident;
        xray_ident_of(ledger->seed, sequence, &ident);
        ident_digest_add(&expected, slice_of(&ident, sizeof(ident)));
        balance.arrived_items++;
    }
    balance.lost_items = sent_count - balance.arrived_items;
    balance.stranger_items =
        ledger->stranger_count + xray_ledger_arrivals(ledger) - balance.arrived_items;
    balance.digest_matches = ident_digest_equal(expected, ledger->digest);
    return balance;
}
