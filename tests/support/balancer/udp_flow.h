/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp_flow — datagrams from one client socket, on their way to one target.
 *
 * Each flow has a connected socket of its own, so that the kernel's word that nobody listened comes
 * back to it, once per datagram. Unlike the real one, datagrams carry the balancer's address.
 * Nothing here answers a datagram, so nothing is sent back.
 */
#pragma once

#include "tests/support/balancer/balancer.h"

/* The buffers datagrams are read into. 0 or -ENOMEM. */
WEIR_MUST_USE int udp_flow_init(struct balancer *b);
void udp_flow_fini(struct balancer *b);

/* The listener's socket, bound and watched. 0 or -errno. */
WEIR_MUST_USE int udp_flow_listen(struct balancer *b, struct listener *l);

/* Forgets flows that were idle for too long. */
void udp_flow_sweep(struct balancer *b);

/* How many flows of the listener the target has now. */
uint64_t udp_flow_count(const struct balancer *b, const struct listener *l, uint32_t target_index);
