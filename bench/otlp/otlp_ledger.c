/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_ledger — see otlp_ledger.h.
 */
#include "bench/otlp/otlp_ledger.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"

int otlp_ledger_init(struct otlp_ledger *ledger, const struct otlp_corpus_options *options)
{
    *ledger = (struct otlp_ledger){
        .seed = options->seed,
        .body_item_count = options->item_count,
        .sequence_limit = (uint64_t)options->body_count * options->item_count,
    };
    ledger->arrived_counts =
        mem_alloc_array((size_t)ledger->sequence_limit, sizeof(*ledger->arrived_counts));
    return ledger->arrived_counts == NULL ? -ENOMEM : 0;
}

void otlp_ledger_fini(struct otlp_ledger *ledger)
{
    mem_free(ledger->arrived_counts);
    *ledger = (struct otlp_ledger){0};
}

static uint64_t ledger_take(struct otlp_ledger *ledger, struct slice ident, uint64_t sequence)
{
    ledger->item_count++;
    if (sequence >= ledger->sequence_limit) {
        ledger->stranger_count++;
        return UINT64_MAX;
    }
    ident_digest_add(&ledger->digest, ident);
    ledger->arrived_counts[sequence]++;
    return sequence;
}

uint64_t otlp_ledger_take_id(struct otlp_ledger *ledger, struct slice ids)
{
    uint64_t span_id = 0;
    ASSERT(ids.len == 3 * sizeof(span_id));
    memcpy(&span_id, ids.ptr + 2 * sizeof(span_id), sizeof(span_id));
    return ledger_take(ledger, ids, ident_sequence_of(ledger->seed, span_id));
}

uint64_t otlp_ledger_take_time(struct otlp_ledger *ledger, struct slice times)
{
    uint64_t time_ns = 0;
    ASSERT(times.len == 2 * sizeof(time_ns));
    memcpy(&time_ns, times.ptr + sizeof(time_ns), sizeof(time_ns));
    return ledger_take(ledger, times, ident_sequence_of_time(time_ns));
}

uint32_t otlp_ledger_arrivals(const struct otlp_ledger *ledger, uint32_t body_index)
{
    const uint64_t sequence = (uint64_t)body_index * ledger->body_item_count;
    ASSERT(sequence < ledger->sequence_limit);
    return ledger->arrived_counts[sequence];
}

static void balance_item(struct otlp_balance *balance, const struct otlp_fate *fate,
                         uint64_t arrived_count)
{
    if (arrived_count <= fate->acked_count) {
        balance->lost_items += fate->acked_count - arrived_count;
        return;
    }
    const uint64_t excess_count = arrived_count - fate->acked_count;
    const uint64_t explained_count =
        excess_count < fate->uncertain_count ? excess_count : fate->uncertain_count;
    balance->unacked_items += explained_count;
    balance->duplicate_items += excess_count - explained_count;
}

struct otlp_balance otlp_ledger_balance(const struct otlp_ledger *ledger,
                                        const struct otlp_corpus *corpus,
                                        const struct otlp_fate *fates)
{
    const uint32_t item_count = corpus->options.item_count;
    struct otlp_balance balance = {
        .arrived_items = ledger->item_count,
        .stranger_items = ledger->stranger_count,
    };
    struct ident_digest expected = {0};
    for (uint32_t body = 0; body < corpus->options.body_count; body++) {
        ident_digest_add_many(&expected, corpus->bodies[body].digest, fates[body].acked_count);
        balance.acked_items += fates[body].acked_count * item_count;
        for (uint32_t item = 0; item < item_count; item++) {
            const uint64_t sequence = (uint64_t)body * item_count + item;
            balance_item(&balance, &fates[body], ledger->arrived_counts[sequence]);
        }
    }
    balance.digest_matches = ident_digest_equal(expected, ledger->digest);
    return balance;
}
