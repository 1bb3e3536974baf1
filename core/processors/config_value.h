/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_value — a value of the configuration as an attribute value: what looks like a number, a
 * boolean, a list or a map in YAML is one, and what stands in quotes is text.
 *
 * At start only. Texts borrow from the configuration's tree, the content of lists and maps from the
 * arena it was built in.
 */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/otlp/otlp_attr.h"

struct config_reader;

/*
 * config_value_read — the value of `key`, which becomes a valid one of the section.
 *
 *   memory       takes the content of lists and maps
 *   out          filled where *is_present; the empty value otherwise
 *   is_present   the key was written and is not null
 *
 * A number out of range is reported, and reads as 0. Returns 0, or -ENOMEM where `memory` is full.
 */
WEIR_MUST_USE int config_value_read(struct config_reader *r, const char *key, struct arena *memory,
                                    struct otlp_value *out, bool *is_present);
