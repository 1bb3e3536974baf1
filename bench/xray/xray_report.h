/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_report — an X-Ray run as a table for people (stderr) and one JSON object per line (stdout).
 */
#pragma once

#include "bench/xray/xray_options.h"
#include "bench/xray/xray_run.h"

/* Figures that a report derives; what cannot be known is 0. */
struct xray_figures {
    double sent_per_s; /* during the load */
    double arrived_per_s;
    double items_per_core_s;  /* all that came, over all CPU time of the server */
    double cpu_per_million_s; /* seconds per million segments that came, as the next five */
    double user_per_million_s;
    double system_per_million_s;
    double shard_per_million_s;
    double egress_per_million_s;
    double other_per_million_s;
    double server_core_percent; /* during the load; 100 is one core */
    double bench_core_percent;
    uint64_t silent_items; /* lost, and neither the kernel nor the server counted it */
};

struct xray_figures xray_report_figures(const struct xray_result *r);

void xray_report_table(const struct xray_options *o, const struct xray_result *r);
void xray_report_json(const struct xray_options *o, const struct xray_result *r);
