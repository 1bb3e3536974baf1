/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check — health checks of members: connect and close, or GET / and a status from 200 to 399.
 *
 * Every member has its own, so a target with three listeners is asked three times per interval, as
 * by the nodes of a real balancer. A proxied check says LOCAL before anything else.
 */
#pragma once

#include "tests/support/balancer/balancer.h"

/* Starts the checks that are due and ends those that take too long. */
void check_sweep(struct balancer *b);

/* Ends a check without a verdict; NULL is fine. */
void check_free(struct check *c);
