/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counts — the balancer's book as JSON: {listener: {…, "targets": {target: {…}}}}.
 */
#pragma once

#include <jansson.h>

#include "tests/support/balancer/balancer.h"

/* Moves out; NULL without memory. */
WEIR_MUST_USE json_t *counts_of(const struct balancer *b);
