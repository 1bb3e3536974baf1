/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket — claims out, answers home, the worst of them counts.
 */
#include "core/engine/ticket.h"

int ticket_returns_init(struct ticket_returns *returns, uint32_t claim_max)
{
    *returns = (struct ticket_returns){.claim_max = claim_max};
    return mailbox_init(&returns->box, claim_max);
}

void ticket_returns_fini(struct ticket_returns *returns)
{
    ASSERT(returns->claim_count == 0);
    mailbox_fini(&returns->box);
}

bool ticket_returns_have_room(const struct ticket_returns *returns, uint32_t count)
{
    return count <= returns->claim_max - returns->claim_count;
}

void ticket_open(struct ticket *ticket, ticket_done_fn *on_done)
{
    *ticket = (struct ticket){.on_done = on_done, .outstanding_count = 1, .worst = PART_ACCEPTED};
}

/* On the egress thread. The box has room for every claim that is out. */
static void claim_on_answer(struct part_claim *claim, enum part_fate fate)
{
    struct ticket_claim *own = CONTAINER_OF(claim, struct ticket_claim, claim);
    own->fate = fate;
    void *message = own;
    bool is_pushed = mailbox_try_push(&own->returns->box, &message);
    ASSERT(is_pushed);
}

void ticket_claim_hand_out(struct ticket *ticket, struct ticket_returns *returns,
                           struct ticket_claim *claim, struct part *part)
{
    ASSERT(ticket_returns_have_room(returns, 1));
    *claim = (struct ticket_claim){
        .claim = {.answer = claim_on_answer, .next = part->claims},
        .ticket = ticket,
        .returns = returns,
    };
    part->claims = &claim->claim;
    ticket->outstanding_count++;
    returns->claim_count++;
}

/* The ticket may be gone afterwards. */
static void settle(struct ticket *ticket, enum part_fate fate)
{
    ASSERT(ticket->outstanding_count > 0);
    ticket->worst = fate > ticket->worst ? fate : ticket->worst;
    ticket->outstanding_count--;
    if (ticket->outstanding_count == 0) {
        ticket->on_done(ticket, ticket->worst);
    }
}

void ticket_close(struct ticket *ticket, enum part_fate fate)
{
    settle(ticket, fate);
}

uint32_t ticket_collect(struct ticket_returns *returns)
{
    uint32_t count = 0;
    struct ticket_claim *claim = mailbox_take(&returns->box);
    while (claim != NULL) {
        ASSERT(returns->claim_count > 0);
        returns->claim_count--;
        count++;
        settle(claim->ticket, claim->fate);
        claim = mailbox_take(&returns->box);
    }
    return count;
}
