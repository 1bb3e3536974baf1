/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_json — a label's text that is JSON itself, inlined as what it says.
 */
#pragma once

#include <stdbool.h>

#include "codecs/json_out.h"
#include "core/base/slice.h"

/* Appends text that is JSON already as one value. */
void emf_json_raw(struct json_out *out, struct slice json);

/*
 * Appends the value that `text` spells, without blanks. False where it is no JSON, and then nothing
 * was appended.
 */
bool emf_json_inline(struct json_out *out, struct slice text);
