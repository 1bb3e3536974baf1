/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_flow — two connections, the client's and the one to its target, and the bytes between them.
 *
 * The end of one side's bytes and a reset go through as they came. A client whose target refuses is
 * reset; the real balancer would refuse it in turn, which a process cannot do once it listens.
 */
#pragma once

#include <jansson.h>

#include "tests/support/balancer/balancer.h"

/* The listener's socket, bound and watched. 0 or -errno. */
WEIR_MUST_USE int tcp_flow_listen(struct balancer *b, struct listener *l);

/* Resets connections whose member takes no more of them, where that is wanted. */
void tcp_flow_sweep(struct balancer *b);

/* Frees what ended since; no event of this turn may be left. */
void tcp_flow_bury(struct balancer *b);

/* Resets everything. */
void tcp_flow_fini(struct balancer *b);

/* All there are, as [{"listener", "target", "client", "age_ms"}]; moves out, NULL without memory.
 */
WEIR_MUST_USE json_t *tcp_flow_list(const struct balancer *b);
