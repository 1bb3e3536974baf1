/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_send — sends a corpus over its flows, round and round, and knows what left.
 *
 * All flows share one position in the corpus and take turns per system call, so what was sent is
 * always a whole number of passes and the beginning of one more: that is what makes the check by
 * value possible. One thread; blocking calls with a time limit. A corpus whose datagrams must
 * differ from pass to pass has a stamp, which overwrites what differs right before they leave.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/load_corpus.h"
#include "bench/load_options.h"
#include "core/base/defs.h"

/* Flows at a stop: a peer that takes nothing for this long ends the load. */
#define LOAD_SEND_STALL_S 5
#define LOAD_SEND_ERRORS_MAX 1000u

/*
 * A stamp, embedded in what it works on. `apply` is called before each system call of a datagram
 * socket, with the datagrams it may send: `count` from `index` on, in pass `pass_count`. Those that
 * did not leave come again, with the same numbers.
 */
struct load_stamp {
    void (*apply)(struct load_stamp *stamp, uint64_t pass_count, uint32_t index, uint32_t count);
};

struct load_sender {
    const struct corpus *corpus; /* borrowed until load_sender_fini */
    struct load_stamp *stamp;    /* the same; NULL: datagrams leave as they are */
    int *fds;                    /* owned array of owned descriptors */
    struct corpus_position position;
    uint64_t sent_datagrams; /* for streams: runs of lines */
    uint64_t sent_bytes;
    uint64_t call_count;
    uint64_t error_count;
    uint64_t refused_count;   /* of them: ECONNREFUSED, a report about an earlier datagram */
    int last_error;           /* negative */
    uint32_t error_run_count; /* since the last success */
    uint32_t fd_count;
    uint32_t next_flow;
    uint32_t segment_max_count;
    bool is_stream;
    bool is_broken; /* a stream ended inside a line, or errors would not end */
};

/* When to stop; the first that is reached. */
struct load_goal {
    uint64_t rate_lines;
    uint64_t tick_us;
    uint64_t duration_ns;
    uint64_t line_count;       /* 0: any */
    const atomic_bool *cancel; /* borrowed; set by a signal */
};

/* Opens the flows; 0 or negative, and then load_sender_fini is still due. */
WEIR_MUST_USE int load_sender_init(struct load_sender *s, const struct load_options *o,
                                   const struct corpus *corpus);
void load_sender_fini(struct load_sender *s);

/* Sends until `goal` is reached; adds to the sender's counts. Returns what pacing forgave, in ns.
 */
uint64_t load_sender_run(struct load_sender *s, const struct load_goal *goal);
