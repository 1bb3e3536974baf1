/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_report — a run in words for people (stderr) and in one JSON object for scripts (stdout).
 */
#pragma once

#include "bench/otlp/otlp_options.h"
#include "bench/otlp/otlp_run.h"

/* What the headline figures are made of; for tests and for both reports. */
struct otlp_figures {
    double acked_items_per_s; /* in the main phase, as the next */
    double arrived_items_per_s;
    double after_rate_ratio; /* arrivals in the second phase, per second, over those of the main */
    /*
     * Of the server, per million items that arrived (were acknowledged, if there is no sink) from
     * the main phase on, until the last of them had.
     */
    double cpu_per_million_s;
    double user_per_million_s;
    double system_per_million_s;
    double shard_per_million_s;
    double egress_per_million_s;
    double other_per_million_s;
    double items_per_core_s;    /* the same items, per second of CPU time */
    double server_core_percent; /* in the main phase, as the next */
    double bench_core_percent;
};

struct otlp_figures otlp_report_figures(const struct otlp_options *o, const struct otlp_result *r);

void otlp_report_table(const struct otlp_options *o, const struct otlp_result *r);
void otlp_report_json(const struct otlp_options *o, const struct otlp_result *r);
