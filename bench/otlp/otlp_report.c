/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_report — see otlp_report.h. Rates are those of the main phase: what is still on its way at
 * the end of it does not count. CPU time runs until everything has arrived, for all that came.
 */
#include "bench/otlp/otlp_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "bench/proc_use.h"

static double report_phase_s(const struct otlp_result *r, enum otlp_phase_name name)
{
    return proc_use_since_s(r->tallies[name].started_mono_ns, r->tallies[name].ended_mono_ns);
}

static double report_phase_items(const struct otlp_options *o, const struct otlp_result *r,
                                 enum otlp_phase_name name)
{
    if (r->has_sink) {
        return (double)(r->arrived_items[name + 1] - r->arrived_items[name]);
    }
    return (double)r->tallies[name].outcome_counts[OTLP_OUTCOME_OK] * o->corpus.item_count;
}

/* What CPU time is held against: all that came while the clocks ran, the end of it included. */
static double report_all_items(const struct otlp_options *o, const struct otlp_result *r)
{
    if (r->has_sink) {
        return (double)(r->arrived_items[OTLP_PHASE_COUNT] - r->arrived_items[OTLP_PHASE_MAIN]);
    }
    double items = 0;
    for (int name = OTLP_PHASE_MAIN; name < OTLP_PHASE_COUNT; name++) {
        items += report_phase_items(o, r, (enum otlp_phase_name)name);
    }
    return items;
}

struct otlp_figures otlp_report_figures(const struct otlp_options *o, const struct otlp_result *r)
{
    const struct otlp_tally *tally = &r->tallies[OTLP_PHASE_MAIN];
    const struct proc_use use = proc_use_between(&r->first, &r->last);
    const struct proc_use load = proc_use_between(&r->first, &r->main_end);
    const double main_s = report_phase_s(r, OTLP_PHASE_MAIN);
    const double items = report_phase_items(o, r, OTLP_PHASE_MAIN);
    const double all_items = report_all_items(o, r);
    const double millions = all_items / 1e6;
    const double after_s = report_phase_s(r, OTLP_PHASE_AFTER);
    const double rate = proc_use_ratio(items, main_s);
    const double after_rate = proc_use_ratio(report_phase_items(o, r, OTLP_PHASE_AFTER), after_s);
    return (struct otlp_figures){
        .acked_items_per_s = proc_use_ratio(
            (double)tally->outcome_counts[OTLP_OUTCOME_OK] * o->corpus.item_count, main_s),
        .arrived_items_per_s = rate,
        .cpu_per_million_s = proc_use_ratio(use.cpu_s, millions),
        .user_per_million_s = proc_use_ratio(use.user_s, millions),
        .system_per_million_s = proc_use_ratio(use.system_s, millions),
        .shard_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_SHARD], millions),
        .egress_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_EGRESS], millions),
        .other_per_million_s = proc_use_ratio(use.role_s[PROC_ROLE_OTHER], millions),
        .items_per_core_s = proc_use_ratio(all_items, use.cpu_s),
        .server_core_percent = 100 * proc_use_ratio(load.cpu_s, main_s),
        .bench_core_percent = 100 * proc_use_ratio((double)r->bench_cpu_ns / 1e9, main_s),
        .after_rate_ratio = proc_use_ratio(after_rate, rate),
    };
}

static double report_mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static void report_table_latency(const char *title, const struct latency *latency)
{
    (void)fprintf(stderr, "  %-15s p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms (%" PRIu64 ")\n",
                  title, (double)latency_quantile_ns(latency, 0.5) / 1e6,
                  (double)latency_quantile_ns(latency, 0.99) / 1e6,
                  (double)latency_quantile_ns(latency, 0.999) / 1e6, (double)latency->max_ns / 1e6,
                  latency->count);
}

static void report_table_tally(const char *title, const struct otlp_tally *tally)
{
    if (tally->ended_mono_ns == 0) {
        return;
    }
    (void)fprintf(
        stderr,
        "  %-15s %" PRIu64 " requests in %.2f s, %.0f MB: ok %" PRIu64 ", refused %" PRIu64
        ", failed %" PRIu64 ", unanswered %" PRIu64 "; unsent %" PRIu64 ", sent again %" PRIu64
        "\n",
        title, tally->submitted_count,
        proc_use_since_s(tally->started_mono_ns, tally->ended_mono_ns),
        report_mb(tally->wire_bytes), tally->outcome_counts[OTLP_OUTCOME_OK],
        tally->outcome_counts[OTLP_OUTCOME_REFUSED], tally->outcome_counts[OTLP_OUTCOME_FAILED],
        tally->outcome_counts[OTLP_OUTCOME_UNANSWERED], tally->unsent_count, tally->resent_count);
}

static void report_table_server(const struct otlp_result *r, const struct otlp_figures *f)
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
    (void)fprintf(stderr, "  end             status %d after %" PRIu64 " ms; dropped %" PRIu64 "\n",
                  r->exit_status, r->drain_ms, r->gateway_drops);
}

void otlp_report_table(const struct otlp_options *o, const struct otlp_result *r)
{
    const struct otlp_figures f = otlp_report_figures(o, r);
    const struct otlp_balance *b = &r->balance;
    (void)fprintf(stderr,
                  "%s: %s %s, %" PRIu32 " bodies of %" PRIu32 " items of %.0f bytes, "
                  "%.0f MB (%.0f sent)\n",
                  o->name, otlp_protocol_name(o->protocol), otlp_signal_name(o->corpus.signal),
                  o->corpus.body_count, o->corpus.item_count, r->mean_item_bytes,
                  report_mb(r->corpus_plain_bytes), report_mb(r->corpus_wire_bytes));
    report_table_tally("warm-up", &r->tallies[OTLP_PHASE_WARMUP]);
    report_table_tally("load", &r->tallies[OTLP_PHASE_MAIN]);
    if (o->rate_items > 0) {
        report_table_latency("sent late by", &r->tallies[OTLP_PHASE_MAIN].lateness);
    }
    report_table_latency("answered", &r->tallies[OTLP_PHASE_MAIN].latency);
    if (r->has_sink) {
        report_table_latency("delivered", &r->deliveries[OTLP_PHASE_MAIN]);
    }
    if (r->tallies[OTLP_PHASE_AFTER].ended_mono_ns != 0) {
        report_table_tally("second phase", &r->tallies[OTLP_PHASE_AFTER]);
        report_table_latency("answered", &r->tallies[OTLP_PHASE_AFTER].latency);
        report_table_latency("delivered", &r->deliveries[OTLP_PHASE_AFTER]);
    }
    report_table_tally("drain", &r->tallies[OTLP_PHASE_DRAIN]);
    (void)fprintf(stderr, "  rate            acknowledged %.3f, arrived %.3f million/s\n",
                  f.acked_items_per_s / 1e6, f.arrived_items_per_s / 1e6);
    if (r->has_sink) {
        (void)fprintf(
            stderr,
            "  balance         acknowledged %" PRIu64 ", arrived %" PRIu64 ", lost %" PRIu64
            ", unacknowledged %" PRIu64 ", twice %" PRIu64 ", strangers %" PRIu64 "; digest %s\n",
            b->acked_items, b->arrived_items, b->lost_items, b->unacked_items, b->duplicate_items,
            b->stranger_items, b->digest_matches ? "same" : "differs");
    }
    if (r->has_server) {
        report_table_server(r, &f);
    }
}

static void report_json_latency(const char *name, const struct latency *latency)
{
    printf(",\"%s_p50_ms\":%.4f,\"%s_p99_ms\":%.4f,\"%s_p999_ms\":%.4f,\"%s_max_ms\":%.4f", name,
           (double)latency_quantile_ns(latency, 0.5) / 1e6, name,
           (double)latency_quantile_ns(latency, 0.99) / 1e6, name,
           (double)latency_quantile_ns(latency, 0.999) / 1e6, name, (double)latency->max_ns / 1e6);
}

static void report_json_tally(const char *name, const struct otlp_tally *t)
{
    printf(",\"%s\":{\"seconds\":%.6f,\"sent_requests\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
           ",\"ok\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"unanswered\":%" PRIu64 ",\"unsent\":%" PRIu64 ",\"resent\":%" PRIu64 "}",
           name, proc_use_since_s(t->started_mono_ns, t->ended_mono_ns), t->submitted_count,
           t->wire_bytes, t->outcome_counts[OTLP_OUTCOME_OK],
           t->outcome_counts[OTLP_OUTCOME_REFUSED], t->outcome_counts[OTLP_OUTCOME_FAILED],
           t->outcome_counts[OTLP_OUTCOME_UNANSWERED], t->unsent_count, t->resent_count);
}

static void report_json_sample(const char *name, const struct proc_sample *s)
{
    printf(",\"%s\":{\"anonymous_bytes\":%" PRIu64 ",\"resident_bytes\":%" PRIu64
           ",\"resident_peak_bytes\":%" PRIu64 ",\"cgroup_peak_bytes\":%" PRIu64 "}",
           name, s->anonymous_bytes, s->resident_bytes, s->resident_peak_bytes,
           s->cgroup_peak_bytes);
}

static void report_json_load(const struct otlp_options *o, const struct otlp_result *r)
{
    printf("{\"name\":\"%s\",\"protocol\":\"%s\",\"signal\":\"%s\",\"compression\":\"%s\""
           ",\"seed\":%" PRIu64 ",\"bodies\":%" PRIu32 ",\"items_per_request\":%" PRIu32
           ",\"item_bytes\":%.2f,\"connections\":%" PRIu32 ",\"streams\":%" PRIu32
           ",\"rate\":%" PRIu64,
           o->name, otlp_protocol_name(o->protocol), otlp_signal_name(o->corpus.signal),
           compress_name(o->corpus.compression), o->corpus.seed, o->corpus.body_count,
           o->corpus.item_count, r->mean_item_bytes, o->connection_count, o->stream_count,
           o->rate_items);
    report_json_tally("warmup", &r->tallies[OTLP_PHASE_WARMUP]);
    report_json_tally("load", &r->tallies[OTLP_PHASE_MAIN]);
    report_json_tally("after", &r->tallies[OTLP_PHASE_AFTER]);
    report_json_tally("drain", &r->tallies[OTLP_PHASE_DRAIN]);
    report_json_latency("late", &r->tallies[OTLP_PHASE_MAIN].lateness);
    report_json_latency("ack", &r->tallies[OTLP_PHASE_MAIN].latency);
    report_json_latency("delivery", &r->deliveries[OTLP_PHASE_MAIN]);
    report_json_latency("after_ack", &r->tallies[OTLP_PHASE_AFTER].latency);
    report_json_latency("after_delivery", &r->deliveries[OTLP_PHASE_AFTER]);
}

static void report_json_balance(const struct otlp_result *r)
{
    const struct otlp_balance *b = &r->balance;
    printf(",\"acked_items\":%" PRIu64 ",\"arrived_items\":%" PRIu64 ",\"lost_items\":%" PRIu64
           ",\"unacked_items\":%" PRIu64 ",\"duplicate_items\":%" PRIu64
           ",\"stranger_items\":%" PRIu64 ",\"digest_matches\":%s,\"settled\":%s",
           b->acked_items, b->arrived_items, b->lost_items, b->unacked_items, b->duplicate_items,
           b->stranger_items, b->digest_matches ? "true" : "false",
           r->is_settled ? "true" : "false");
    printf(",\"sink_requests\":%" PRIu64 ",\"sink_refused\":%" PRIu64 ",\"sink_bad\":%" PRIu64
           ",\"second_requests\":%" PRIu64 ",\"connect_errors\":%" PRIu64
           ",\"broken_connections\":%" PRIu64 ",\"last_error\":%d,\"gateway_drops\":%" PRIu64,
           r->sink_requests, r->sink_refused_requests, r->sink_bad_requests, r->second_requests,
           r->connect_error_count, r->broken_count, r->last_error, r->gateway_drops);
}

void otlp_report_json(const struct otlp_options *o, const struct otlp_result *r)
{
    const struct otlp_figures f = otlp_report_figures(o, r);
    report_json_load(o, r);
    report_json_balance(r);
    printf(",\"acked_items_per_s\":%.1f,\"arrived_items_per_s\":%.1f,\"items_per_core_s\":%.1f"
           ",\"cpu_s_per_million\":%.6f,\"user_s_per_million\":%.6f,\"system_s_per_million\":%.6f"
           ",\"shard_s_per_million\":%.6f,\"egress_s_per_million\":%.6f"
           ",\"other_s_per_million\":%.6f,\"server_core_percent\":%.2f"
           ",\"bench_core_percent\":%.2f,\"after_rate_ratio\":%.4f",
           f.acked_items_per_s, f.arrived_items_per_s, f.items_per_core_s, f.cpu_per_million_s,
           f.user_per_million_s, f.system_per_million_s, f.shard_per_million_s,
           f.egress_per_million_s, f.other_per_million_s, f.server_core_percent,
           f.bench_core_percent, f.after_rate_ratio);
    printf(",\"drain_ms\":%" PRIu64 ",\"exit_status\":%d", r->drain_ms, r->exit_status);
    report_json_sample("first", &r->first);
    report_json_sample("last", &r->last);
    printf("}\n");
    (void)fflush(stdout); /* a lost line shows as a missing figure */
}
