/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text — an attribute value as text: what matching compares and `convert: string` writes.
 *
 * Text stays itself; true, 42, 1.5; bytes in base64; lists and maps as JSON, keys in the order
 * sent, numbers that JSON does not have as text. An empty value is the empty text.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"

/*
 * The text of `value`; borrows from the value where it is text already, else from the arena. 0 or
 * FAULT_LIMIT (the arena is full).
 */
WEIR_MUST_USE int value_text(const struct otlp_value *value, struct arena *arena,
                             struct slice *out);
