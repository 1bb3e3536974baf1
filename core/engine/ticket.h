/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket — a request that waits until everything it brought has met its fate.
 *
 * Shard-local: a request opens a ticket and hands out one claim for each part it sends to a
 * pipeline that acknowledges by delivery. Claims travel with the bytes, are answered on the egress
 * thread and come home through the lane; the last one ends the ticket. One of the two reference
 * counts on the data path.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/mailbox.h"
#include "core/model/part.h"

struct ticket;

/* Everything is answered; `fate` is the worst of it. From ticket_collect or ticket_close. */
typedef void(ticket_done_fn)(struct ticket *ticket, enum part_fate fate);

struct ticket {
    ticket_done_fn *on_done;
    uint32_t outstanding_count; /* claims not home yet, and 1 while it is open */
    enum part_fate worst;
};

/* Answers on their way home: the egress pushes, the shard collects. */
struct ticket_returns {
    struct mailbox box;
    uint32_t claim_count; /* shard-local: handed out and not home; never more than the box holds */
    uint32_t claim_max;
};

/* Embedded in its ticket's owner; the shard's but between hand-out and collection. */
struct ticket_claim {
    struct part_claim claim;
    struct ticket *ticket;
    struct ticket_returns *returns;
    enum part_fate fate; /* written by the egress thread before it comes home */
};

/* At most `claim_max` (a power of two) claims are out at a time. 0 or -ENOMEM. */
WEIR_MUST_USE int ticket_returns_init(struct ticket_returns *returns, uint32_t claim_max);
/* No claim may be out. Idempotent. */
void ticket_returns_fini(struct ticket_returns *returns);

/* Are `count` claims more to be had? */
bool ticket_returns_have_room(const struct ticket_returns *returns, uint32_t count);

/* Opens a ticket; ticket_close ends the handing out. */
void ticket_open(struct ticket *ticket, ticket_done_fn *on_done);

/* Hands out one claim for a part. There must be room. */
void ticket_claim_hand_out(struct ticket *ticket, struct ticket_returns *returns,
                           struct ticket_claim *claim, struct part *part);

/* No more claims; on_done comes at once where none is out. `fate` is the shard's own. */
void ticket_close(struct ticket *ticket, enum part_fate fate);

/* Shard only, once per turn: takes answers home. Returns how many. */
uint32_t ticket_collect(struct ticket_returns *returns);
