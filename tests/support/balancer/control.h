/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control — what a test tells the balancer: one JSON object per line in, one per line out.
 *
 *     {"do": "set", …}           any of struct balancer_settings
 *     {"do": "listen", "name", "protocol": "tcp"|"udp", "port", "target_port", "check_port",
 *      "check": "http"|"tcp", "is_proxied", "is_check_proxied"}
 *     {"do": "register", "target", "address"}    {"do": "deregister", "target"}
 *     {"do": "counts"}           {"do": "connections"}
 *
 * Listeners first, then targets. An answer is {"is_done": true, …} or {"error": text}; the end of
 * the input ends the program.
 */
#pragma once

#include "tests/support/balancer/balancer.h"

struct control;

/* Reads commands from `fd` (borrowed) and answers on standard output. NULL without memory. */
WEIR_MUST_USE struct control *control_new(struct balancer *b, int fd);
void control_free(struct control *c);
