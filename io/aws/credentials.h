/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials — the current set of one identity, kept fresh for everybody on the loop who uses it.
 *
 * One fetch at a time whoever asks; a new set is fetched CREDENTIALS_LEAD_S before the old one
 * expires, and the old one is used until then. A failed fetch is repeated after 1 s, 2 s … 60 s.
 * Where sets come from is the source's matter. Loop-local.
 *
 *     EMPTY ── wait ──▶ fetching ── set ──▶ held ── lead time ──▶ held, fetching ──▶ held
 *       ▲                  └── failed, backoff ──┐  └── refused by the service ──▶ fetching
 *       └────────────────────────────────────────┘
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/timer.h"
#include "io/aws/credential_set.h"
#include "io/aws/waiter.h"

/* The SDKs' window, and up to so much more, so that a fleet does not ask all at once. */
#define CREDENTIALS_LEAD_S 300
#define CREDENTIALS_LEAD_JITTER_S 60
#define CREDENTIALS_BACKOFF_FIRST_S 1
#define CREDENTIALS_BACKOFF_MAX_S 60
/* A service that refuses every set does not make us fetch more often than that. */
#define CREDENTIALS_REFUSED_PAUSE_S 10

struct credential_source;
struct loop;

/*
 * Once per started fetch. `set` moves in; NULL for none, and then `why` says why
 * (borrowed until return).
 */
typedef void(credential_source_fn)(struct credential_source *source, struct credential_set *set,
                                   const char *why);

struct credential_source_ops {
    /* Begins a fetch where none is under way. Trouble is told by on_done, be it from inside. */
    void (*start)(struct credential_source *source);
    /* No on_done follows. Fine where nothing is under way. */
    void (*cancel)(struct credential_source *source);
};

/* Embedded in the concrete one. Loop's thread; may not block. */
struct credential_source {
    const struct credential_source_ops *ops;
    credential_source_fn *on_done; /* set by whoever uses it */
    void *owner;                   /* the user's */
};

/* Embedded in its owner. */
struct credentials {
    struct loop *loop;                /* borrowed; private, and so is what follows */
    struct credential_source *source; /* borrowed until fini */
    const char *name;                 /* borrowed: whose they are, for logs */
    struct credential_set *set;       /* owned */
    uint64_t generation;              /* counts sets */
    struct waiter_list waiters;
    struct timer timer; /* the next fetch */
    struct timer wake;  /* waiters are told */
    uint64_t random_state;
    uint64_t refused_until_mono_ns;
    uint32_t failure_count; /* since the last set */
    bool is_fetching;
    bool is_refused; /* the service no longer takes the set */
    char why[CREDENTIAL_WHY_BYTES];
};

/* Starts nothing. `seed` is for jitter. */
void credentials_init(struct credentials *c, struct loop *loop, struct credential_source *source,
                      const char *name, uint64_t seed);

/* Cancels a fetch; waiters are forgotten. Wipes the set. Idempotent. */
void credentials_fini(struct credentials *c);

/*
 * A set that is neither expired nor refused, else NULL. Borrows until the loop's next turn.
 *   generation   out: which one it is, for credentials_refuse
 */
const struct credential_set *credentials_current(const struct credentials *c, uint64_t *generation);

/*
 * Begins a fetch if there is no set, none is under way and none failed lately. `waiter` is told,
 * from a later turn, when that is decided.
 */
void credentials_wait(struct credentials *c, struct waiter *waiter);

/*
 * The service refused the set of that generation. True where trying again makes sense: there is a
 * newer one, or it is being fetched and can be waited for.
 */
WEIR_MUST_USE bool credentials_refuse(struct credentials *c, uint64_t generation);

/* Why there are none, for the one who wants some; "" where nothing failed. Borrows until a turn. */
const char *credentials_why(const struct credentials *c);
