/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_report — see xray_report.h. CPU time runs from the start of the load until everything has
 * arrived, for all that came in that time.
 */
#include "bench/xray/xray_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "bench/proc_use.h"

static uint64_t report_less(uint64_t from, uint64_t take)
{
    return from > take ? from - take : 0;
}

struct xray_figures xray_report_figures(const struct xray_result *r)
{
    const double sending_s = (double)r->sending_ns / 1e9;
    const double items = r->has_sink ? (double)(r->arrived_last - r->arrived_first)
                                     : (double)(r->sent_items - r->warmup_items);
    const double millions = items / 1e6;
    const struct proc_use use = proc_use_between(&r->first, &r->last);
    const struct proc_use load = proc_use_between(&r->first, &r->main_end);
    return (struct xray_figures){
        .sent_per_s = proc_use_ratio((double)(r->sent_items - r->warmup_items), sending_s),
        .arrived_per_s =
            proc_use_ratio((double)(r->arrived_main_end - r->arrived_first), sending_s),
        .items_per_core_s = proc_use_ratio(items, use.cpu_s),
        .cpu_per_million_s = proc_use_ratio(use.cpu_s, millions),
        .user_per_million_s = proc_use_ratio(use.user_s, millions),
        .system_per_million_s = proc_use_ratio(use.system_s, millions),
        .shard_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_SHARD], millions),
        .egress_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_EGRESS], millions),
        .other_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_OTHER], millions),
        .server_core_percent = 100 * proc_use_ratio(load.cpu_s, sending_s),
        .bench_core_percent = 100 * proc_use_ratio((double)r->bench_cpu_ns / 1e9, sending_s),
        .silent_items = report_less(r->balance.lost_items, r->kernel_drops + r->booked_items),
    };
}

static double report_mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static void report_table_server(const struct xray_result *r, const struct xray_figures *f)
{
    (void)fprintf(stderr,
                  "  cpu s/million   %.4f  (user %.4f system %.4f; shards %.4f egress %.4f other "
                  "%.4f)\n",
                  f->cpu_per_million_s, f->user_per_million_s, f->system_per_million_s,
                  f->shard_per_million_s, f->egress_per_million_s, f->other_per_million_s);
    (void)fprintf(stderr, "  per core        %.3f million/s; server %.0f %%, bench %.0f %%\n",
                  f->items_per_core_s / 1e6, f->server_core_percent, f->bench_core_percent);
    (void)fprintf(stderr,
                  "  memory MB       anonymous %.1f  resident %.1f  peak %.1f  cgroup peak %.1f\n",
                  report_mb(r->last.anonymous_bytes), report_mb(r->last.resident_bytes),
                  report_mb(r->last.resident_peak_bytes), report_mb(r->last.cgroup_peak_bytes));
    (void)fprintf(stderr, "  end             status %d after %" PRIu64 " ms\n", r->exit_status,
                  r->drain_ms);
}

void xray_report_table(const struct xray_options *o, const struct xray_result *r)
{
    const struct xray_figures f = xray_report_figures(r);
    const struct xray_balance *b = &r->balance;
    (void)fprintf(stderr, "%s: %" PRIu32 " bodies of %" PRIu32 " bytes, %s, sink %s\n", o->name,
                  o->corpus.body_count, o->corpus.segment_bytes,
                  o->segment_max_count > 0 ? "segmented" : "unsegmented",
                  o->is_plain != 0 ? "plain" : "TLS");
    (void)fprintf(stderr,
                  "  sent            %" PRIu64 " segments (%" PRIu64 " of them to warm up), %.3f "
                  "million/s in %.2f s (%" PRIu64 " calls, %" PRIu64 " errors, %.0f ms behind)\n",
                  r->sent_items, r->warmup_items, f.sent_per_s / 1e6, (double)r->sending_ns / 1e9,
                  r->call_count, r->error_count, (double)r->forgiven_ns / 1e6);
    if (r->has_sink) {
        (void)fprintf(stderr,
                      "  balance         arrived %" PRIu64 " (%.3f million/s), lost %" PRIu64
                      ": kernel >= %" PRIu64 ", booked %" PRIu64 ", silent %" PRIu64
                      "; twice %" PRIu64 ", strangers %" PRIu64 "; digest %s\n",
                      b->arrived_items, f.arrived_per_s / 1e6, b->lost_items, r->kernel_drops,
                      r->booked_items, f.silent_items, b->duplicate_items, b->stranger_items,
                      b->digest_matches ? "same" : "differs");
        (void)fprintf(stderr,
                      "  sink            %" PRIu64 " requests, %.0f MB; other calls %" PRIu64
                      ", unsigned %" PRIu64 ", bad %" PRIu64 ", bad documents %" PRIu64 "\n",
                      r->sink_requests, report_mb(r->sink_body_bytes), r->sink_other_requests,
                      r->sink_unsigned_requests, r->sink_bad_requests, r->sink_bad_documents);
    }
    if (r->has_server) {
        report_table_server(r, &f);
    }
}

static void report_json_load(const struct xray_options *o, const struct xray_result *r)
{
    printf("{\"name\":\"%s\",\"seed\":%" PRIu64 ",\"bodies\":%" PRIu32 ",\"segment_bytes\":%" PRIu32
           ",\"flows\":%" PRIu32 ",\"segment\":%" PRIu32 ",\"tls\":%s,\"rate\":%" PRIu64
           ",\"tick_us\":%" PRIu64,
           o->name, o->corpus.seed, o->corpus.body_count, o->corpus.segment_bytes, o->flow_count,
           o->segment_max_count, o->is_plain != 0 ? "false" : "true", o->rate_items, o->tick_us);
    printf(",\"sent_items\":%" PRIu64 ",\"warmup_items\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
           ",\"send_calls\":%" PRIu64 ",\"send_errors\":%" PRIu64
           ",\"send_last_error\":%d,\"sending_s\":%.6f,\"forgiven_s\":%.6f",
           r->sent_items, r->warmup_items, r->sent_bytes, r->call_count, r->error_count,
           r->last_error, (double)r->sending_ns / 1e9, (double)r->forgiven_ns / 1e9);
}

static void report_json_balance(const struct xray_result *r, const struct xray_figures *f)
{
    const struct xray_balance *b = &r->balance;
    printf(",\"arrived_items\":%" PRIu64 ",\"lost_items\":%" PRIu64 ",\"silent_items\":%" PRIu64
           ",\"duplicate_items\":%" PRIu64 ",\"stranger_items\":%" PRIu64
           ",\"digest_matches\":%s,\"settled\":%s,\"kernel_drops\":%" PRIu64
           ",\"booked_items\":%" PRIu64,
           b->arrived_items, b->lost_items, f->silent_items, b->duplicate_items, b->stranger_items,
           b->digest_matches ? "true" : "false", r->is_settled ? "true" : "false", r->kernel_drops,
           r->booked_items);
    printf(",\"sink_requests\":%" PRIu64 ",\"sink_body_bytes\":%" PRIu64
           ",\"sink_other_requests\":%" PRIu64 ",\"sink_unsigned\":%" PRIu64
           ",\"sink_bad\":%" PRIu64 ",\"sink_bad_documents\":%" PRIu64
           ",\"sink_broken_connections\":%" PRIu64,
           r->sink_requests, r->sink_body_bytes, r->sink_other_requests, r->sink_unsigned_requests,
           r->sink_bad_requests, r->sink_bad_documents, r->sink_broken_connections);
}

static void report_json_sample(const char *name, const struct proc_sample *s)
{
    printf(",\"%s\":{\"anonymous_bytes\":%" PRIu64 ",\"resident_bytes\":%" PRIu64
           ",\"resident_peak_bytes\":%" PRIu64 ",\"cgroup_peak_bytes\":%" PRIu64 "}",
           name, s->anonymous_bytes, s->resident_bytes, s->resident_peak_bytes,
           s->cgroup_peak_bytes);
}

void xray_report_json(const struct xray_options *o, const struct xray_result *r)
{
    const struct xray_figures f = xray_report_figures(r);
    report_json_load(o, r);
    report_json_balance(r, &f);
    printf(",\"sent_items_per_s\":%.1f,\"arrived_items_per_s\":%.1f,\"items_per_core_s\":%.1f"
           ",\"cpu_s_per_million\":%.6f,\"user_s_per_million\":%.6f,\"system_s_per_million\":%.6f"
           ",\"shard_s_per_million\":%.6f,\"egress_s_per_million\":%.6f"
           ",\"other_s_per_million\":%.6f,\"server_core_percent\":%.2f"
           ",\"bench_core_percent\":%.2f",
           f.sent_per_s, f.arrived_per_s, f.items_per_core_s, f.cpu_per_million_s,
           f.user_per_million_s, f.system_per_million_s, f.shard_per_million_s,
           f.egress_per_million_s, f.other_per_million_s, f.server_core_percent,
           f.bench_core_percent);
    printf(",\"drain_ms\":%" PRIu64 ",\"exit_status\":%d", r->drain_ms, r->exit_status);
    report_json_sample("first", &r->first);
    report_json_sample("last", &r->last);
    printf("}\n");
    (void)fflush(stdout); /* a lost line shows as a missing figure */
}
