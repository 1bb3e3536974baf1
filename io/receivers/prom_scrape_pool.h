/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_pool — a job at work: its connections, its files, and the targets they name.
 *
 * Whenever the files say something new the targets are made anew; see prom_scrape_update.
 * Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_scrape.h"
#include "core/base/defs.h"
#include "core/base/timer.h"
#include "io/helper.h"
#include "io/http_client.h"
#include "io/receivers/prom_scrape_config.h"
#include "io/receivers/prom_scrape_member.h"
#include "io/receivers/prom_scrape_update.h"
#include "io/receivers/prom_scrape_watch.h"

struct prom_pool {
    const struct prom_job *job; /* borrowed */
    struct prom_hub *hub;       /* borrowed */
    struct prom_rules rules;
    struct http_client *client; /* owned */
    struct helper_port *port;   /* owned; NULL without files */
    struct prom_watch *watch;   /* owned; NULL without files */
    struct timer watch_timer;
    struct prom_update *update; /* owned; NULL while none is under way */
    struct timer update_timer;
    struct prom_member **members; /* owned array, sorted by hash and key */
    uint32_t member_count;
    struct prom_member *all; /* owned; these and those who leave */
    char *authorization;     /* owned; the header line, NULL for none */
    bool lacks_secret;       /* one is wanted, and its file cannot be read */
    bool is_over_limit;      /* more targets than target_limit: none is asked */
    bool is_behind;          /* memory was short when the targets were to be made anew */
    bool is_started;
};

/* Makes what needs no files. 0 or negative; prom_pool_close either way. */
WEIR_MUST_USE int prom_pool_open(struct prom_pool *pool, const struct prom_scrape_config *config,
                                 const struct prom_job *job, struct prom_hub *hub);

/* Scrapes begin; where there are files, once they were looked at. */
void prom_pool_start(struct prom_pool *pool);

/* Gives everything up. The bench is closed already. Idempotent. */
void prom_pool_close(struct prom_pool *pool);

/* A new member of the pool, which owns it from now on; for prom_scrape_update. */
void prom_pool_link(struct prom_pool *pool, struct prom_member *member);

/* For members: the one that has left is freed. */
void prom_pool_forget(struct prom_pool *pool, struct prom_member *member);
