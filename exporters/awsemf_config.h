/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_config — the keys of the `awsemf` exporter, with the Collector's names and defaults.
 *
 * All but those that it shares with the other AWS exporters (aws_session.h) and with every exporter
 * (sender.h). Two keys are ours: `cumulative_expiration`, after which a cumulative series that was
 * not seen is forgotten (at least and by default 1h; the Collector forgets after five minutes), and
 * `cumulative_series_limit`. Owns every text and expression it hands out. Main thread, at start and
 * reload; frozen afterwards.
 */
#pragma once

#include <stdbool.h>

#include "codecs/emf.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "exporters/aws_logs_config.h"

struct config_reader;
struct awsemf_regex;

struct awsemf_config {
    struct emf_options emf; /* valid until fini */
    struct aws_logs_group_config group;
    bool is_stdout;               /* one line per event on stdout, nothing to CloudWatch */
    struct arena texts;           /* owned */
    struct awsemf_regex *regexes; /* owned; a list in `texts` */
};

/*
 * Reads the keys; does not finish the reader. Complaints go to its report. Returns 0 or -ENOMEM;
 * awsemf_config_fini is safe after either.
 */
WEIR_MUST_USE int awsemf_config_read(struct config_reader *r, struct awsemf_config *out);

/* Idempotent. */
void awsemf_config_fini(struct awsemf_config *config);
