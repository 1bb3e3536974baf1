/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_report — see load_report.h. CPU time comes from schedstat where the kernel keeps it, because
 * ticks are too coarse for an idle process; user and system come from ticks.
 */
#include "bench/load_report.h"

#include <inttypes.h>
#include <stdio.h>

static double report_seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static double report_ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static uint64_t report_cpu_ns(const struct proc_cpu *first, const struct proc_cpu *last)
{
    if (last->run_ns > first->run_ns) {
        return last->run_ns - first->run_ns;
    }
    /* A thread that ended took its schedstat with it; ticks stay. */
    const uint64_t before = first->user_ns + first->system_ns;
    const uint64_t after = last->user_ns + last->system_ns;
    return after > before ? after - before : 0;
}

static double report_since(uint64_t first, uint64_t last)
{
    return last > first ? report_seconds(last - first) : 0;
}

struct load_figures load_report_figures(const struct load_result *r)
{
    struct load_figures f = {0};
    f.arrived_lines = (double)r->sent_lines - (r->has_sink ? r->lost_lines : 0);
    if (f.arrived_lines < 0) {
        f.arrived_lines = 0;
    }
    f.arrived_lines_per_s = report_ratio(f.arrived_lines, report_seconds(r->sending_ns));
    const double millions = f.arrived_lines / 1e6;
    const struct proc_sample *a = &r->first;
    const struct proc_sample *b = &r->last;
    const uint64_t shard_ns = report_cpu_ns(&a->role[PROC_ROLE_SHARD], &b->role[PROC_ROLE_SHARD]);
    const uint64_t egress_ns =
        report_cpu_ns(&a->role[PROC_ROLE_EGRESS], &b->role[PROC_ROLE_EGRESS]);
    f.cpu_per_million_s =
        report_ratio(report_seconds(report_cpu_ns(&a->process, &b->process)), millions);
    f.user_per_million_s =
        report_ratio(report_since(a->process.user_ns, b->process.user_ns), millions);
    f.system_per_million_s =
        report_ratio(report_since(a->process.system_ns, b->process.system_ns), millions);
    f.shard_per_million_s = report_ratio(report_seconds(shard_ns), millions);
    f.egress_per_million_s = report_ratio(report_seconds(egress_ns), millions);
    f.box_per_million_s = report_ratio(report_since(a->box_busy_ns, b->box_busy_ns), millions);
    f.egress_saturating_shards = report_ratio(report_seconds(shard_ns), report_seconds(egress_ns));
    const double idle_s = report_since(r->idle_first.taken_mono_ns, r->idle_last.taken_mono_ns);
    f.idle_core_percent =
        100 *
        report_ratio(report_seconds(report_cpu_ns(&r->idle_first.process, &r->idle_last.process)),
                     idle_s);
    return f;
}

static double report_mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static void report_table_server(const struct load_result *r, const struct load_figures *f)
{
    (void)fprintf(stderr,
                  "  cpu s/million   %.4f  (user %.4f system %.4f; shards %.4f egress %.4f; "
                  "box %.4f)\n",
                  f->cpu_per_million_s, f->user_per_million_s, f->system_per_million_s,
                  f->shard_per_million_s, f->egress_per_million_s, f->box_per_million_s);
    (void)fprintf(stderr,
                  "  memory MB       anonymous %.1f  resident %.1f  peak %.1f  cgroup peak %.1f\n",
                  report_mb(r->last.anonymous_bytes), report_mb(r->last.resident_bytes),
                  report_mb(r->last.resident_peak_bytes), report_mb(r->last.cgroup_peak_bytes));
    (void)fprintf(stderr,
                  "  egress full at  %.1f shards   (threads: shard %" PRIu32 ", egress %" PRIu32
                  ", other %" PRIu32 ")\n",
                  f->egress_saturating_shards, r->last.thread_count[PROC_ROLE_SHARD],
                  r->last.thread_count[PROC_ROLE_EGRESS], r->last.thread_count[PROC_ROLE_OTHER]);
    if (r->idle_last.taken_mono_ns != 0) {
        (void)fprintf(stderr,
                      "  idle            %.3f %% of a core, anonymous %.1f MB, resident "
                      "%.1f MB\n",
                      f->idle_core_percent, report_mb(r->idle_last.anonymous_bytes),
                      report_mb(r->idle_last.resident_bytes));
    }
    if (r->start_probe_us != 0) {
        (void)fprintf(stderr, "  first counted   %.2f ms after exec\n",
                      (double)r->start_probe_us / 1000);
    }
    (void)fprintf(stderr, "  end             status %d after %" PRIu64 " ms\n", r->exit_status,
                  r->drain_ms);
}

void load_report_table(const struct load_options *o, const struct load_result *r)
{
    const struct load_figures f = load_report_figures(r);
    (void)fprintf(stderr, "%s: %s, %" PRIu64 " corpus lines in %" PRIu64 " datagrams, %s\n",
                  o->name, load_transport_name(o->transport), r->corpus_lines, r->corpus_datagrams,
                  o->segment_max_count > 0 ? "segmented" : "unsegmented");
    (void)fprintf(stderr,
                  "  sent            %" PRIu64 " lines, %" PRIu64 " datagrams, %.1f MB in %.2f s "
                  "(%" PRIu64 " calls, %" PRIu64 " errors, %.0f ms behind)\n",
                  r->sent_lines, r->sent_datagrams, report_mb(r->sent_bytes),
                  report_seconds(r->sending_ns), r->call_count, r->error_count,
                  report_seconds(r->forgiven_ns) * 1000);
    if (r->has_sink) {
        (void)fprintf(stderr,
                      "  arrived         %.0f lines, %.3f million/s; sum %.0f of %.0f, "
                      "observations %" PRIu64 " of %" PRIu64 ", %" PRIu64 " names differ\n",
                      f.arrived_lines, f.arrived_lines_per_s / 1e6, r->arrived_counter_sum,
                      r->expected_counter_sum, r->arrived_observations, r->expected_observations,
                      r->wrong_name_count);
    }
    (void)fprintf(stderr,
                  "  lost            %.0f lines by value; kernel drops >= %" PRIu64
                  ", gateway %" PRIu64 "\n",
                  r->lost_lines, r->kernel_drops, r->gateway_drops);
    if (r->has_server) {
        report_table_server(r, &f);
    }
}

static void report_json_sample(const char *name, const struct proc_sample *s)
{
    printf(",\"%s\":{\"anonymous_bytes\":%" PRIu64 ",\"resident_bytes\":%" PRIu64
           ",\"resident_peak_bytes\":%" PRIu64 ",\"cgroup_peak_bytes\":%" PRIu64 "}",
           name, s->anonymous_bytes, s->resident_bytes, s->resident_peak_bytes,
           s->cgroup_peak_bytes);
}

static void report_json_load(const struct load_options *o, const struct load_result *r)
{
    printf("{\"name\":\"%s\",\"transport\":\"%s\",\"corpus\":\"%s\",\"seed\":%" PRIu64
           ",\"series\":%" PRIu32 ",\"tags\":%" PRIu32 ",\"line_bytes\":%" PRIu32
           ",\"corpus_lines\":%" PRIu64 ",\"corpus_datagrams\":%" PRIu64 ",\"flows\":%" PRIu32
           ",\"segment\":%" PRIu32 ",\"rate\":%" PRIu64 ",\"tick_us\":%" PRIu64,
           o->name, load_transport_name(o->transport),
           o->corpus_path != NULL ? o->corpus_path : "generated", o->corpus.seed,
           o->corpus.series_count, o->corpus.tag_count, o->corpus.line_bytes, r->corpus_lines,
           r->corpus_datagrams, o->flow_count, o->segment_max_count, o->rate_lines, o->tick_us);
    printf(",\"sent_lines\":%" PRIu64 ",\"sent_datagrams\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
           ",\"warmup_lines\":%" PRIu64 ",\"send_calls\":%" PRIu64 ",\"send_errors\":%" PRIu64
           ",\"send_last_error\":%d,\"sending_s\":%.6f,\"forgiven_s\":%.6f",
           r->sent_lines, r->sent_datagrams, r->sent_bytes, r->warmup_lines, r->call_count,
           r->error_count, r->last_error, report_seconds(r->sending_ns),
           report_seconds(r->forgiven_ns));
    printf(",\"expected_sum\":%.17g,\"arrived_sum\":%.17g,\"expected_observations\":%" PRIu64
           ",\"arrived_observations\":%" PRIu64 ",\"wrong_names\":%" PRIu64
           ",\"settled\":%s,\"lost_lines\":%.3f,\"kernel_drops\":%" PRIu64
           ",\"gateway_drops\":%" PRIu64,
           r->expected_counter_sum, r->arrived_counter_sum, r->expected_observations,
           r->arrived_observations, r->wrong_name_count, r->is_settled ? "true" : "false",
           r->lost_lines, r->kernel_drops, r->gateway_drops);
}

void load_report_json(const struct load_options *o, const struct load_result *r)
{
    const struct load_figures f = load_report_figures(r);
    report_json_load(o, r);
    printf(",\"arrived_lines\":%.3f,\"arrived_lines_per_s\":%.1f,\"cpu_s_per_million\":%.6f"
           ",\"user_s_per_million\":%.6f,\"system_s_per_million\":%.6f"
           ",\"shard_s_per_million\":%.6f,\"egress_s_per_million\":%.6f"
           ",\"box_s_per_million\":%.6f,\"egress_saturating_shards\":%.2f",
           f.arrived_lines, f.arrived_lines_per_s, f.cpu_per_million_s, f.user_per_million_s,
           f.system_per_million_s, f.shard_per_million_s, f.egress_per_million_s,
           f.box_per_million_s, f.egress_saturating_shards);
    printf(",\"idle_core_percent\":%.4f,\"start_probe_ms\":%.3f,\"drain_ms\":%" PRIu64
           ",\"exit_status\":%d",
           f.idle_core_percent, (double)r->start_probe_us / 1000, r->drain_ms, r->exit_status);
    report_json_sample("idle", &r->idle_last);
    report_json_sample("first", &r->first);
    report_json_sample("last", &r->last);
    report_json_sample("rest", &r->rest);
    printf("}\n");
    (void)fflush(stdout); /* a lost line shows as a missing figure */
}
