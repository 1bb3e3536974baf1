/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_update — a job's targets made anew and compared with those there are, some hundred
 * per turn, so that a list of any length does not hold the thread.
 *
 * Who is among both goes on undisturbed, who is new begins, who is gone leaves; in the end the pool
 * has its new list. Egress-local; of one pool one at a time.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "io/receivers/prom_scrape_groups.h"

struct prom_pool;
struct prom_update;

/*
 * prom_update_new — nothing happens yet.
 *
 *   files   copied; its groups are borrowed until the last turn
 *
 * 0 or -ENOMEM.
 */
WEIR_MUST_USE int prom_update_new(struct prom_pool *pool, const struct prom_groups *files,
                                  struct prom_update **out);

/* Goes on; true while there is more to do. The last turn gives the pool its new list. */
bool prom_update_turn(struct prom_update *update);

/* Was memory refused so far? Then targets are missing, and another update may find them. */
bool prom_update_is_short(const struct prom_update *update);

/* NULL is fine. Before its last turn: the pool's members can only be freed any more. */
void prom_update_free(struct prom_update *update);
