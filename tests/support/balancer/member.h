/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member — which targets a listener sends to, and which of them a new flow gets.
 *
 *     ABSENT ──register──▶ INITIAL ──checks pass──▶ HEALTHY ◀──pass──fail──▶ UNHEALTHY
 *        ▲                                                                       │
 *        └──delay over── DRAINING ◀──────────────── deregister, from any ────────┘
 *
 * A member that failed its checks, or was deregistered, gets new flows for a while: the balancer's
 * data plane learns late.
 */
#pragma once

#include "tests/support/balancer/balancer.h"

#define MEMBER_NONE (-1)

const char *member_state_text(enum member_state state);

/*
 * Puts a target behind every listener, checks to be passed first. A known name must come with the
 * address it had. 0; -EEXIST for another address, -ENOSPC when there are too many.
 */
WEIR_MUST_USE int member_register(struct balancer *b, const char *name, struct in_addr address);

/* 0, or -ENOENT for a name nobody registered. */
WEIR_MUST_USE int member_deregister(struct balancer *b, const char *name);

/* One check of it came to an end. */
void member_on_checked(struct balancer *b, struct member *m, bool is_passed);

/* A deregistration whose delay is over ends. */
void member_sweep(struct balancer *b);

/* May flows that the member has go on? While nobody is healthy, every registered member may. */
bool member_keeps_flows(const struct balancer *b, const struct listener *l, const struct member *m);

/* The target of a new flow from `client`, by its hash; MEMBER_NONE when there is nobody. */
int member_pick(const struct balancer *b, const struct listener *l,
                const struct sockaddr_in *client);

/* The hash of a client's address and port. */
uint64_t member_hash(const struct sockaddr_in *client);
