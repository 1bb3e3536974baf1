/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_corpus_file — a corpus as text, so that a run can name what it sent and others can send it.
 *
 * One StatsD line per line, a blank line between datagrams, lines that begin with `# ` before the
 * first datagram are remarks. Counters with a plain integer value count towards what is expected;
 * other lines are sent as they are.
 */
#pragma once

#include "bench/load_corpus.h"

/* Writes `c` to `path` with `remark` (one line) on top; 0 or -errno. */
WEIR_MUST_USE int corpus_file_write(const struct corpus *c, const char *path, const char *remark);

/*
 * Fills the zeroed `c` from `path`; corpus_fini is due in any case. A counter with a sample rate or
 * a fraction cannot be checked by value: FAULT_UNSUPPORTED. Also -errno, -ENOMEM, FAULT_LIMIT, and
 * FAULT_MALFORMED for a line without name, value and type.
 */
WEIR_MUST_USE int corpus_file_read(struct corpus *c, const char *path);

/* The same from memory; `text` is borrowed until return. */
WEIR_MUST_USE int corpus_parse(struct corpus *c, struct slice text);
