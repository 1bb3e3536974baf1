/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock — the only place that asks what time it is.
 *
 * A loop asks once per turn and hands the answer down; model and codecs are told. Monotonic time
 * orders things inside the process, Unix time is for stamps and window edges.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S UINT64_C(1000000000)

/* Room for clock_format_rfc3339: "2024-02-29T12:34:56.789Z" and the terminator. */
#define CLOCK_RFC3339_BYTES 25

/* Nanoseconds since an arbitrary start, never going back. */
uint64_t clock_mono_ns(void);

/* Nanoseconds since 1970 in UTC; steps when the host's clock is set. 0 before 1970. */
uint64_t clock_unix_ns(void);

/*
 * The smallest multiple of `interval_ns` (> 0) that is ≥ `unix_ns`; an edge is its own. The end of
 * the window that an instant lies in is clock_align_up(unix_ns + 1, interval_ns). UINT64_MAX where
 * the multiple does not fit.
 */
uint64_t clock_align_up(uint64_t unix_ns, uint64_t interval_ns);

/*
 * UTC with milliseconds, cut and not rounded, NUL-terminated. Returns the length without the
 * terminator, or 0 with nothing written when `cap` < CLOCK_RFC3339_BYTES.
 */
size_t clock_format_rfc3339(uint64_t unix_ns, char *buf, size_t cap);
