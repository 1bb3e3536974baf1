/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_run — see load_run.h. The generator runs on the calling thread, the sink on one of its own;
 * both stay on the CPUs they were given, away from the server's.
 */
#include "bench/load_run.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/http_get.h"
#include "bench/load_address.h"
#include "bench/load_corpus_file.h"
#include "bench/load_probe.h"
#include "bench/proc_clock.h"
#include "bench/server_process.h"
#include "core/base/mem.h"

#define RUN_READY_MS 20000u
#define RUN_STOP_MS 60000u
#define RUN_SETTLE_POLL_MS 20u
#define RUN_SECOND_NS UINT64_C(1000000000)

/* All owned; run_fini ends what was begun. */
struct run {
    const struct load_options *o;
    const atomic_bool *cancel;
    struct load_result *out;
    struct corpus corpus;
    struct sink *sink;
    struct server_process server;
    struct load_sender sender;
    struct load_probe probe;
    pthread_t sink_thread;
    bool has_sink_thread;
};

int load_run_corpus(const struct load_options *o, struct corpus *corpus)
{
    if (o->corpus_path != NULL && access(o->corpus_path, R_OK) == 0) {
        return corpus_file_read(corpus, o->corpus_path);
    }
    int err = corpus_build(corpus, &o->corpus);
    if (err != 0 || o->corpus_path == NULL) {
        return err;
    }
    char remark[256];
    (void)snprintf(remark, sizeof(remark),
                   "weir-bench corpus seed=%" PRIu64 " series=%" PRIu32 " tags=%" PRIu32
                   " line-bytes=%" PRIu32 " lines-per-datagram=%" PRIu32 " datagram-bytes=%" PRIu32,
                   o->corpus.seed, o->corpus.series_count, o->corpus.tag_count,
                   o->corpus.line_bytes, o->corpus.lines_per_datagram, o->corpus.datagram_bytes);
    return corpus_file_write(corpus, o->corpus_path, remark);
}

static void *run_sink_main(void *sink)
{
    sink_run(sink);
    return NULL;
}

static int run_start_sink(struct run *run)
{
    const struct load_options *o = run->o;
    run->sink = mem_alloc(sizeof(*run->sink));
    if (run->sink == NULL) {
        return -ENOMEM;
    }
    const struct sink_options options = {
        .address = o->sink,
        .refuse_count = o->refuse_count,
        .retry_after_s = o->retry_after_s,
        .delay_ms = o->delay_ms,
    };
    int err = sink_init(run->sink, &options);
    if (err != 0) {
        return err;
    }
    err = pthread_create(&run->sink_thread, NULL, run_sink_main, run->sink);
    if (err != 0) {
        return -err;
    }
    run->has_sink_thread = true;
    run->out->has_sink = true;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", (int)run->sink->port);
    return setenv("WEIR_BENCH_SINK", url, 1) == 0 ? 0 : -errno;
}

static uint16_t run_target_port(const struct load_options *o)
{
    struct load_address address;
    if (o->transport != LOAD_TRANSPORT_UDP || load_address_parse(o->target, &address) != 0) {
        return 0;
    }
    return load_address_port(&address);
}

static int run_start_server(struct run *run)
{
    const struct load_options *o = run->o;
    int err = server_start(&run->server,
                           &(struct server_place){
                               .cpus = o->server_cpus,
                               .log_path = o->server_log,
                               .cgroup_path = o->server_cgroup,
                           },
                           o->command);
    if (err != 0) {
        return err;
    }
    run->out->has_server = true;
    if (o->probes_start != 0) {
        err = load_probe_run(&run->probe, o->target, run->server.exec_mono_ns);
        if (err != 0) {
            return err;
        }
    }
    char ready[160];
    const bool is_path =
        o->transport == LOAD_TRANSPORT_UNIX || o->transport == LOAD_TRANSPORT_UNIXGRAM;
    const char *port = strrchr(o->target, ':');
    const char *kind = o->transport == LOAD_TRANSPORT_UDP ? "udp" : "tcp";
    (void)snprintf(ready, sizeof(ready), "%s:%s", is_path ? "unix" : kind,
                   is_path || port == NULL ? o->target : port + 1);
    err = server_await(&run->server, o->ready != NULL ? o->ready : ready, RUN_READY_MS);
    if (err != 0) {
        (void)fprintf(stderr, "weir-bench: the server did not become ready\n");
    }
    return err;
}

static void run_wait(const struct run *run, uint64_t seconds)
{
    const uint64_t until_ns = proc_mono_ns() + seconds * RUN_SECOND_NS;
    while (proc_mono_ns() < until_ns && !atomic_load_explicit(run->cancel, memory_order_relaxed)) {
        proc_sleep_ms(RUN_SETTLE_POLL_MS);
    }
}

/* A sample of a process that is gone stays zero: the exit status tells why. */
static void run_sample(const struct run *run, struct proc_sample *out)
{
    if (run->out->has_server && proc_sample_take(run->server.pid, out) != 0) {
        *out = (struct proc_sample){0};
    }
}

static void run_send(struct run *run)
{
    const struct load_options *o = run->o;
    struct load_sender *s = &run->sender;
    struct load_goal goal = {
        .rate_lines = o->warmup_rate_lines,
        .tick_us = o->tick_us,
        .duration_ns = LOAD_DURATION_MAX_S * RUN_SECOND_NS,
        .line_count = o->warmup_passes * run->corpus.line_count,
        .cancel = run->cancel,
    };
    if (goal.line_count > 0) {
        (void)load_sender_run(s, &goal); /* what a warm-up is forgiven matters to nobody */
        run->out->warmup_lines = corpus_lines_until(&run->corpus, s->position);
    }
    const struct load_sender warm = *s;
    goal.rate_lines = o->rate_lines;
    goal.duration_ns = o->duration_s * RUN_SECOND_NS;
    goal.line_count = o->count_lines;
    run_sample(run, &run->out->first);
    const uint64_t started_ns = proc_mono_ns();
    run->out->forgiven_ns = load_sender_run(s, &goal);
    run->out->sending_ns = proc_mono_ns() - started_ns;
    run->out->sent_lines = corpus_lines_until(&run->corpus, s->position) - run->out->warmup_lines;
    run->out->sent_datagrams = s->sent_datagrams - warm.sent_datagrams;
    run->out->sent_bytes = s->sent_bytes - warm.sent_bytes;
    run->out->call_count = s->call_count - warm.call_count;
    run->out->error_count = s->error_count;
    run->out->last_error = s->last_error;
}

/* The probe's own lines lie outside the corpus; they may only add to what has arrived. */
static void run_settle(struct run *run, const struct totals *expected)
{
    const uint64_t until_ns = proc_mono_ns() + run->o->settle_s * RUN_SECOND_NS;
    const double counter_sum = totals_counter_sum(expected);
    const uint64_t observations = totals_histogram_count(expected);
    while (run->sink != NULL && !run->out->is_settled && proc_mono_ns() < until_ns &&
           !atomic_load_explicit(run->cancel, memory_order_relaxed)) {
        run->out->is_settled =
            atomic_load_explicit(&run->sink->counter_sum, memory_order_relaxed) >= counter_sum &&
            atomic_load_explicit(&run->sink->histogram_count, memory_order_relaxed) >= observations;
        proc_sleep_ms(run->out->is_settled ? 1 : RUN_SETTLE_POLL_MS);
    }
}

static void run_read_drops(struct run *run)
{
    uint32_t socket_count = 0;
    run->out->kernel_drops = proc_udp_drops(run_target_port(run->o), &socket_count);
    struct file_bytes body;
    if (run->o->metrics == NULL || http_get(run->o->metrics, &body) != 200) {
        return;
    }
    run->out->gateway_drops = http_metrics_sum(slice_of(body.bytes, body.len), "weir_", "dropped");
    http_get_free(&body);
}

/* Name by name, what arrived against what was sent. */
static void run_compare(struct run *run, const struct totals *expected)
{
    struct load_result *out = run->out;
    out->expected_counter_sum = totals_counter_sum(expected);
    out->expected_observations = totals_histogram_count(expected);
    if (run->sink == NULL) {
        return;
    }
    for (uint32_t i = 0; i < expected->count; i++) {
        const struct totals_entry *sent = &expected->entries[i];
        const struct totals_entry *got =
            totals_find(&run->sink->totals, totals_name(expected, sent));
        const double sum = got == NULL ? 0 : got->counter_sum;
        const uint64_t observations = got == NULL ? 0 : got->histogram_count;
        out->arrived_counter_sum += sum;
        out->arrived_observations += observations;
        out->wrong_name_count += sum != sent->counter_sum || observations != sent->histogram_count;
    }
    uint64_t counter_lines = 0;
    for (uint32_t i = 0; i < run->corpus.line_count; i++) {
        counter_lines += run->corpus.lines[i].kind == CORPUS_KIND_COUNTER;
    }
    const double pass_sum = totals_counter_sum(&run->corpus.names);
    const double mean = pass_sum > 0 ? pass_sum / (double)counter_lines : 1;
    out->lost_lines = (out->expected_counter_sum - out->arrived_counter_sum) / mean +
                      (double)out->expected_observations - (double)out->arrived_observations;
}

/* The server goes first, so that its last flush still finds the sink. */
static void run_end(struct run *run)
{
    if (run->server.pid != 0) {
        run->out->drain_ms = server_stop(&run->server, RUN_STOP_MS);
        run->out->exit_status = run->server.exit_status;
    }
    if (run->has_sink_thread) {
        sink_stop(run->sink);
        (void)pthread_join(run->sink_thread, NULL); /* ours, joined once */
        run->has_sink_thread = false;
    }
}

static void run_fini(struct run *run)
{
    run_end(run);
    load_sender_fini(&run->sender);
    load_probe_fini(&run->probe);
    if (run->sink != NULL) {
        sink_fini(run->sink);
        mem_free(run->sink);
    }
    corpus_fini(&run->corpus);
}

static int run_measure(struct run *run)
{
    const struct load_options *o = run->o;
    if (o->idle_s > 0) {
        run_sample(run, &run->out->idle_first);
        run_wait(run, o->idle_s);
        run_sample(run, &run->out->idle_last);
    }
    int err = load_sender_init(&run->sender, o, &run->corpus);
    if (err != 0) {
        return err;
    }
    run_send(run);
    struct totals expected = {0};
    err = corpus_expect(&run->corpus, run->sender.position, &expected);
    if (err != 0) {
        totals_fini(&expected);
        return err;
    }
    run_settle(run, &expected);
    run_sample(run, &run->out->last);
    run_read_drops(run);
    run_wait(run, o->rest_s);
    run_sample(run, &run->out->rest);
    run_end(run);
    run_compare(run, &expected);
    if (run->sink != NULL) {
        run->out->start_probe_us = load_probe_result_us(&run->probe, &run->sink->totals);
    }
    totals_fini(&expected);
    return 0;
}

int load_run(const struct load_options *o, const atomic_bool *cancel, struct load_result *out)
{
    *out = (struct load_result){0};
    struct run run = {.o = o, .cancel = cancel, .out = out};
    int err = load_run_corpus(o, &run.corpus);
    if (err == 0 && run.corpus.datagram_count == 0) {
        err = -ENODATA;
    }
    if (err == 0 && o->bench_cpus != NULL) {
        err = server_pin_self(o->bench_cpus);
    }
    if (err == 0 && o->command != NULL && o->is_without_sink == 0) {
        err = run_start_sink(&run);
    }
    if (err == 0 && o->command != NULL) {
        err = run_start_server(&run);
    }
    if (err == 0) {
        out->corpus_lines = run.corpus.line_count;
        out->corpus_datagrams = run.corpus.datagram_count;
        err = run_measure(&run);
    }
    run_fini(&run);
    return err;
}
