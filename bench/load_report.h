/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_report — a run as a table for people (stderr) and one JSON object per line (stdout).
 */
#pragma once

#include "bench/load_options.h"
#include "bench/load_run.h"

/* Figures that a report derives; nothing is divided by zero, what cannot be known is 0. */
struct load_figures {
    double arrived_lines; /* of the measured part */
    double arrived_lines_per_s;
    double
        cpu_per_million_s; /* of the server; seconds per million arrived lines, as the next four */
    double user_per_million_s;
    double system_per_million_s;
    double shard_per_million_s;
    double egress_per_million_s;
    double box_per_million_s;
    double idle_core_percent;
    double egress_saturating_shards; /* shards at full load that keep one egress thread busy */
};

struct load_figures load_report_figures(const struct load_result *r);

void load_report_table(const struct load_options *o, const struct load_result *r);
void load_report_json(const struct load_options *o, const struct load_result *r);
