/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_probe — how soon after exec a server counts what it is sent.
 *
 * One counter of value 1 is sent every tenth of a millisecond from exec on. What was sent before
 * the socket was bound is lost, everything after waits in its buffer; so when k of n have arrived
 * upstream, the (n - k + 1)th was the first that counted, and its sending time is the answer.
 */
#pragma once

#include <stdint.h>

#include "bench/totals.h"
#include "core/base/defs.h"

/* Two seconds at most, and a hundred datagrams after the first that was not refused. */
#define LOAD_PROBE_MAX_COUNT 20000u

struct load_probe {
    uint64_t *sent_mono_ns; /* owned; one per datagram that left */
    uint32_t sent_count;
    uint64_t exec_mono_ns;
};

/* Sends to `target` (loopback UDP). 0 or negative; load_probe_fini is due in any case. */
WEIR_MUST_USE int load_probe_run(struct load_probe *probe, const char *target,
                                 uint64_t exec_mono_ns);

/* From what arrived; 0 when the probe did not run or nothing of it was counted. */
uint64_t load_probe_result_us(const struct load_probe *probe, const struct totals *arrived);

/* A zeroed probe is fine. */
void load_probe_fini(struct load_probe *probe);
