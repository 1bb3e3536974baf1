/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_intake — the points of a request find their groups.
 */
#pragma once

#include "core/base/slice.h"

struct emf;

/* As emf_add_part, with the time taken from emf->now. */
void emf_intake_request(struct emf *emf, struct slice request);
