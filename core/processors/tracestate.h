/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracestate — the W3C `tracestate` text with OpenTelemetry's entry taken apart:
 * "ot=rv:…;th:…;others,vendor=…".
 *
 * Reads, lets the two sampling fields be set, writes again with `ot` in front. Slices borrow from
 * the text that was read. Source: W3C Trace Context Level 2, 3.3; OpenTelemetry, TraceState
 * handling.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define TRACESTATE_MAX_BYTES 1024
#define TRACESTATE_MEMBERS_MAX 32
#define TRACESTATE_OT_MAX_BYTES 256
/* Of at least three bytes each: a key, a colon, a semicolon. */
#define TRACESTATE_EXTRAS_MAX 86

struct tracestate {
    struct slice randomness;                     /* text of `rv`; empty for none */
    struct slice threshold;                      /* text of `th`; empty for none */
    uint64_t randomness_bits;                    /* what the text says, 56 bits */
    uint64_t threshold_bits;                     /* likewise */
    struct slice extras[TRACESTATE_EXTRAS_MAX];  /* other fields of `ot`, "key:value" */
    struct slice others[TRACESTATE_MEMBERS_MAX]; /* other members, "key=value", trimmed */
    uint32_t extra_count;
    uint32_t other_count;
};

/*
 * Reads `text`; empty is fine and says nothing. False where it breaks the syntax or a limit, or
 * where rv or th is no proper value; then `out` is not to be used.
 */
bool tracestate_parse(struct slice text, struct tracestate *out);

/* The text again, in the arena: rv, th, the extras, the others. Its ptr is NULL where the arena is
 * full. */
WEIR_MUST_USE struct slice tracestate_format(const struct tracestate *state, struct arena *arena);
