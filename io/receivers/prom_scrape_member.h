/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_member — one target that is scraped, again and again.
 *
 * Its times lie on a grid of the interval, at an offset that is the target's own, so that targets
 * do not come all at once. Egress-local.
 *
 *     RESTING ─▶ (WAITING for a slot) ─▶ FETCHING ─▶ PAGING ─▶ RESTING
 *        └── told to leave, from any state: what there was ends on the bench ─▶ freed
 *
 * A slot is taken from FETCHING to the end of PAGING. A target whose last scrape still has one when
 * the next is due leaves that one out, and it is counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/compress.h"
#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/timer.h"
#include "core/engine/lease.h"
#include "io/http_client.h"
#include "io/receivers/prom_scrape_bench.h"
#include "io/receivers/prom_scrape_endpoint.h"

struct prom_pool;
struct pull_receiver;

/* Scrapes of one receiver at a time. */
#define PROM_SCRAPES_IN_FLIGHT_MAX 256
/* A page where the configuration does not say how large it may be; Prometheus has no limit. */
#define PROM_BODY_DEFAULT_MAX_BYTES (UINT64_C(64) * 1024 * 1024)
#define PROM_MEMBER_HEADERS_MAX 5
#define PROM_TIMEOUT_LINE_BYTES 80

enum prom_member_state {
    PROM_MEMBER_RESTING,
    PROM_MEMBER_WAITING,
    PROM_MEMBER_FETCHING,
    PROM_MEMBER_PAGING,
};

/* What became of a scrape; each has a counter. */
enum prom_outcome {
    PROM_OUTCOME_OK,
    PROM_OUTCOME_UNREACHABLE,
    PROM_OUTCOME_TIMEOUT,
    PROM_OUTCOME_STATUS,
    PROM_OUTCOME_TOO_LARGE,
    PROM_OUTCOME_ENCODING,
    PROM_OUTCOME_BAD_PAGE,
    PROM_OUTCOME_LIMIT,
    PROM_OUTCOME_TARGETS,
    PROM_OUTCOME_SECRET,
    PROM_OUTCOME_MEMORY,
};

struct prom_member {
    struct prom_pool *pool;      /* borrowed */
    struct prom_bench_item item; /* owns its target */
    enum prom_member_state state;
    bool is_leaving;
    bool was_down;    /* the last time; so that only changes are logged */
    uint64_t hash;    /* of the key */
    struct slice key; /* owned, with what follows */
    const char *url;
    const char *instance; /* for the log */
    uint64_t interval_ns;
    uint64_t timeout_ns;
    struct timer timer; /* of the next scrape */
    struct http_request request;
    const char *headers[PROM_MEMBER_HEADERS_MAX];
    char timeout_line[PROM_TIMEOUT_LINE_BYTES];
    char *authorization; /* owned; while fetching */
    char *moved_url;     /* owned; where a redirect led to */
    uint32_t redirect_count;
    uint64_t begun_mono_ns;
    uint64_t begun_unix_ns;
    void *body;                 /* owned; while paging */
    uint64_t body_bytes;        /* charged for it */
    enum compress_kind packing; /* of the body, until the bench begins with it */
    enum prom_outcome outcome;  /* of what is under way */
    struct prom_member *next;   /* of the pool's */
    struct prom_member *prev;
    struct prom_member *next_waiting; /* of the hub's, while waiting */
    struct prom_member *prev_waiting;
};

/* What the members of one receiver share. */
struct prom_hub {
    struct pull_receiver *pull; /* borrowed */
    struct loop *loop;          /* borrowed */
    struct prom_bench bench;
    struct lease memory; /* charged for answers as they come, and for pages until they are done */
    uint64_t seed;
    uint32_t busy_count; /* slots taken */
    uint32_t target_count;
    struct prom_member *first_waiting;
    struct prom_member *last_waiting;
    struct log_limit complaints;
};

/*
 * prom_member_new — a target that rests; nothing happens before prom_member_start.
 *
 *   endpoint   copied
 *   hash       of its key
 *
 * 0, FAULT_LIMIT or -ENOMEM.
 */
WEIR_MUST_USE int prom_member_new(struct prom_pool *pool, const struct prom_endpoint *endpoint,
                                  uint64_t hash, struct prom_member **out);

/* Begins with the first instant of its own on the grid. */
void prom_member_start(struct prom_member *member);

/* No scrape follows; its series end, and prom_pool_forget is called from a later turn. */
void prom_member_leave(struct prom_member *member);

/* A page came, packed in `packing`; it lies in member->body, which is charged already. */
void prom_member_take(struct prom_member *member, enum prom_format format,
                      enum compress_kind packing, struct slice page);

/* It is unpacked: `memory` moves in, in the place of the body, and is charged; `page` lies in it.
 */
void prom_member_unpacked(struct prom_member *member, void *memory, struct slice page);

/* The page on the bench proves to be none; otherwise as prom_member_fail. */
void prom_member_spoil(struct prom_member *member, enum prom_outcome outcome, const char *reason,
                       uint64_t number);

/* None came. `reason` and `number`, which belongs to it, are for the log; borrowed until return. */
void prom_member_fail(struct prom_member *member, enum prom_outcome outcome, const char *reason,
                      uint64_t number);

/* Frees it, whatever it does; a scrape under way is counted. The bench must not have it any more.
 */
void prom_member_free(struct prom_member *member);
