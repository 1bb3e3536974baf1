/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_pace — how many lines a load at a given rate owes at a given time.
 *
 * Pure arithmetic on a clock that is handed in. A sender that fell behind by more than
 * PACE_BEHIND_MAX_NS is forgiven the rest (and says so), so that a stall does not end in one burst
 * which no real client would send.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_RATE_MAX_LINES UINT64_C(1000000000)
#define PACE_BEHIND_MAX_NS UINT64_C(20000000)

struct pace {
    uint64_t rate_lines;      /* per second; 0: as fast as it goes */
    uint64_t started_mono_ns; /* moves on when time is forgiven */
    uint64_t forgiven_ns;
};

/* `rate_lines` is at most PACE_RATE_MAX_LINES. */
void pace_init(struct pace *pace, uint64_t rate_lines, uint64_t now_mono_ns);

/* Lines that should have left by `now_mono_ns`; UINT64_MAX without a rate. */
uint64_t pace_due_lines(const struct pace *pace, uint64_t now_mono_ns);

/*
 * pace_owed_lines — what is due beyond `sent_lines`, 0 when ahead. Forgives what lies further back
 * than PACE_BEHIND_MAX_NS and adds that to forgiven_ns.
 */
uint64_t pace_owed_lines(struct pace *pace, uint64_t sent_lines, uint64_t now_mono_ns);
