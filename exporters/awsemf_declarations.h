/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_declarations — the key `metric_declarations` of the `awsemf` exporter.
 *
 * As in the Collector a declaration that selects nothing is left out with a warning, and so is a
 * set of more than ten dimensions; an expression that is none stops the start.
 */
#pragma once

#include "core/base/defs.h"

struct awsemf_config;
struct config_reader;

/* Fills out->emf.declarations and out->regexes. 0 or -ENOMEM. */
WEIR_MUST_USE int awsemf_declarations_read(struct config_reader *r, struct awsemf_config *out);

/* Frees the expressions. Idempotent. */
void awsemf_declarations_fini(struct awsemf_config *config);
