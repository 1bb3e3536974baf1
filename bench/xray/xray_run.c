/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_run — see xray_run.h. The generator runs on the calling thread, the sink on one of its own;
 * both stay on the CPUs they were given, away from the server's.
 */
#include "bench/xray/xray_run.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "bench/http_get.h"
#include "bench/load_address.h"
#include "bench/load_send.h"
#include "bench/proc_clock.h"
#include "bench/server_process.h"
#include "bench/xray/xray_sink.h"
#include "core/base/mem.h"

#define RUN_READY_MS 20000u
#define RUN_STOP_MS 60000u
#define RUN_POLL_MS 20u
#define RUN_RESTLESS_NICE 5
/* Nothing more arrives: what is missing was lost. */
#define RUN_QUIET_NS UINT64_C(5000000000)
#define RUN_SECOND_NS UINT64_C(1000000000)

/* What the server is told. */
static const char *const run_environment[][2] = {
    {"AWS_ACCESS_KEY_ID", XRAY_VERIFY_KEY_ID},
    {"AWS_SECRET_ACCESS_KEY", XRAY_VERIFY_SECRET},
    {"AWS_REGION", "us-east-1"},
    {"AWS_EC2_METADATA_DISABLED", "true"},
};

/* All owned; run_fini ends what was begun. */
struct run {
    const struct xray_options *o;
    const atomic_bool *cancel;
    struct xray_result *out;
    struct xray_corpus corpus;
    struct load_sender sender;
    struct server_process server;
    struct xray_sink *sink;
    pthread_t sink_thread;
    bool has_sink_thread;
};

/* --- sink ------------------------------------------------------------------------------------- */

static void *run_sink_main(void *sink)
{
    xray_sink_run(sink);
    return NULL;
}

static int run_start_sink(struct run *run)
{
    const struct xray_options *o = run->o;
    run->sink = mem_alloc(sizeof(*run->sink));
    if (run->sink == NULL) {
        return -ENOMEM;
    }
    const struct xray_sink_options options = {
        .address = o->sink,
        .seed = o->corpus.seed,
        .item_limit = xray_options_item_limit(o),
        .is_plain = o->is_plain != 0,
        .takes_unsigned = o->takes_unsigned != 0,
    };
    int err = xray_sink_init(run->sink, &options);
    if (err != 0) {
        return err;
    }
    err = pthread_create(&run->sink_thread, NULL, run_sink_main, run->sink);
    run->has_sink_thread = err == 0;
    run->out->has_sink = err == 0;
    return -err;
}

static void run_stop_sink(struct run *run)
{
    if (run->has_sink_thread) {
        xray_sink_stop(run->sink);
        (void)pthread_join(run->sink_thread, NULL); /* ours, joined once */
        run->has_sink_thread = false;
    }
}

/* --- server ----------------------------------------------------------------------------------- */

/* Credentials and region, and nothing that would lead elsewhere than to the sink. */
static int run_set_environment(const struct run *run)
{
    char url[64] = "http://127.0.0.1:9"; /* discard: where nothing is to arrive */
    if (run->sink != NULL) {
        (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%d",
                       run->o->is_plain != 0 ? "http" : "https", (int)run->sink->port);
    }
    int err = setenv("WEIR_BENCH_AWS_ENDPOINT", url, 1);
    for (size_t i = 0; err == 0 && i < COUNT_OF(run_environment); i++) {
        err = setenv(run_environment[i][0], run_environment[i][1], 1);
    }
    (void)unsetenv("AWS_SESSION_TOKEN"); /* cannot fail with these names */
    (void)unsetenv("AWS_PROFILE");
    return err == 0 ? 0 : -errno;
}

static uint16_t run_target_port(const struct run *run)
{
    struct load_address address;
    return load_address_parse(run->o->target, &address) == 0 ? load_address_port(&address) : 0;
}

static int run_start_server(struct run *run)
{
    const struct xray_options *o = run->o;
    int err = run_set_environment(run);
    if (err != 0) {
        return err;
    }
    err = server_start(&run->server,
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
    char ready[32];
    (void)snprintf(ready, sizeof(ready), "udp:%d", (int)run_target_port(run));
    err = server_await(&run->server, o->ready != NULL ? o->ready : ready, RUN_READY_MS);
    if (err != 0) {
        (void)fprintf(stderr, "weir-bench: the server did not become ready\n");
    }
    return err;
}

/* True for a server that ended by itself; it can still be waited for. */
static bool run_server_is_gone(const struct run *run)
{
    siginfo_t info = {0};
    return run->server.pid != 0 &&
           waitid(P_PID, (id_t)run->server.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* A sample of a process that is gone stays zero: the exit status tells why. */
static void run_sample(const struct run *run, struct proc_sample *out)
{
    if (run->out->has_server && proc_sample_take(run->server.pid, out) != 0) {
        *out = (struct proc_sample){0};
    }
}

/*
 * What the server says that it gave up or refused, in items; the kernel's drops are apart. What its
 * pipeline had no room for is among the invalid.
 */
static void run_read_books(struct run *run)
{
    static const char *const names[] = {"weir_items_dropped", "weir_items_rejected",
                                        "weir_items_invalid", "weir_wire_dropped",
                                        "weir_processor_items_dropped"};
    struct file_bytes page = {0};
    if (run->o->metrics == NULL || http_get(run->o->metrics, &page) != 200) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        run->out->booked_items += http_metrics_sum(slice_of(page.bytes, page.len), names[i], "");
    }
    http_get_free(&page);
}

/* --- load ------------------------------------------------------------------------------------- */

static uint64_t run_own_cpu_ns(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail with this pointer */
    return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * RUN_SECOND_NS +
           ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
}

static uint64_t run_arrived(const struct run *run)
{
    return run->sink == NULL
               ? 0
               : atomic_load_explicit(&run->sink->arrived_count, memory_order_relaxed);
}

static uint64_t run_kernel_drops(const struct run *run)
{
    uint32_t socket_count = 0;
    return proc_udp_drops(run_target_port(run), &socket_count);
}

static int run_open_sender(struct run *run)
{
    const struct load_options options = {
        .target = run->o->target,
        .transport = LOAD_TRANSPORT_UDP,
        .flow_count = run->o->flow_count,
        .segment_max_count = run->o->segment_max_count,
    };
    const int err = load_sender_init(&run->sender, &options, &run->corpus.datagrams);
    run->sender.stamp = &run->corpus.stamp;
    return err;
}

/* Sends until time or numbers are over; how long that took. */
static uint64_t run_send(struct run *run, uint64_t duration_s, uint64_t count_items)
{
    const uint64_t left = xray_options_item_limit(run->o) - run->sender.sent_datagrams;
    const struct load_goal goal = {
        .rate_lines = run->o->rate_items,
        .tick_us = run->o->tick_us,
        .duration_ns = duration_s * RUN_SECOND_NS,
        .line_count = count_items != 0 && count_items < left ? count_items : left,
        .cancel = run->cancel,
    };
    const uint64_t started_ns = proc_mono_ns();
    if (duration_s > 0 && left > 0) {
        run->out->forgiven_ns += load_sender_run(&run->sender, &goal);
    }
    return proc_mono_ns() - started_ns;
}

static void run_load(struct run *run)
{
    struct xray_result *out = run->out;
    if (run->o->rate_items == 0) {
        /* One that never rests would keep the sink from its CPU, and the sink would be what limits.
         * Without the permission it does. */
        (void)setpriority(PRIO_PROCESS, 0, RUN_RESTLESS_NICE); /* of this thread only, in Linux */
    }
    (void)run_send(run, run->o->warmup_s, 0); /* how long a warm-up took matters to nobody */
    out->warmup_items = run->sender.sent_datagrams;
    out->forgiven_ns = 0;
    run_sample(run, &out->first);
    out->arrived_first = run_arrived(run);
    const uint64_t cpu_ns = run_own_cpu_ns();
    out->sending_ns = run_send(run, run->o->duration_s, run->o->count_items);
    out->bench_cpu_ns = run_own_cpu_ns() - cpu_ns;
    run_sample(run, &out->main_end);
    out->arrived_main_end = run_arrived(run);
    out->sent_items = run->sender.sent_datagrams;
    out->sent_bytes = run->sender.sent_bytes;
    out->call_count = run->sender.call_count;
    out->error_count = run->sender.error_count;
    out->last_error = run->sender.last_error;
}

/* Until all has arrived that the kernel did not drop, or nothing more comes. */
static void run_settle(struct run *run)
{
    struct xray_result *out = run->out;
    uint64_t arrived = run_arrived(run);
    uint64_t moved_ns = proc_mono_ns();
    const uint64_t until_ns = moved_ns + run->o->settle_s * RUN_SECOND_NS;
    while (run->sink != NULL && !out->is_settled && proc_mono_ns() < until_ns &&
           proc_mono_ns() - moved_ns < RUN_QUIET_NS &&
           !atomic_load_explicit(run->cancel, memory_order_relaxed)) {
        out->is_settled = arrived + run_kernel_drops(run) >= out->sent_items;
        proc_sleep_ms(out->is_settled ? 1 : RUN_POLL_MS);
        if (run_arrived(run) != arrived) {
            arrived = run_arrived(run);
            moved_ns = proc_mono_ns();
        }
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void run_account(struct run *run)
{
    struct xray_result *out = run->out;
    const struct xray_sink *sink = run->sink;
    if (sink == NULL) {
        out->balance.sent_items = out->sent_items;
        return;
    }
    out->sink_requests = sink->request_count;
    out->sink_other_requests = sink->other_request_count;
    out->sink_bad_requests = sink->bad_request_count;
    out->sink_bad_documents = sink->bad_document_count;
    out->sink_unsigned_requests = sink->unsigned_count;
    out->sink_body_bytes = sink->body_bytes;
    out->sink_broken_connections = sink->broken_count;
    out->balance = xray_ledger_balance(&sink->ledger, out->sent_items);
}

/* The server goes first, so that its last flush still finds the sink. */
static void run_end(struct run *run)
{
    if (run->server.pid != 0) {
        run->out->drain_ms = server_stop(&run->server, RUN_STOP_MS);
        run->out->exit_status = run->server.exit_status;
    }
    run_stop_sink(run);
}

static void run_fini(struct run *run)
{
    run_end(run);
    load_sender_fini(&run->sender);
    if (run->sink != NULL) {
        xray_sink_fini(run->sink);
        mem_free(run->sink);
    }
    xray_corpus_fini(&run->corpus);
}

static int run_measure(struct run *run)
{
    struct xray_result *out = run->out;
    const uint64_t drops_before = run_kernel_drops(run);
    run_load(run);
    run_settle(run);
    run_sample(run, &out->last);
    out->arrived_last = run_arrived(run);
    out->kernel_drops = run_kernel_drops(run) - drops_before;
    run_read_books(run);
    const bool is_gone = run_server_is_gone(run);
    if (is_gone) {
        (void)fprintf(stderr, "weir-bench: the server ended during the run\n");
    }
    run_end(run);
    run_account(run);
    return is_gone ? -ESRCH : 0;
}

int xray_run(const struct xray_options *o, const atomic_bool *cancel, struct xray_result *out)
{
    *out = (struct xray_result){0};
    struct run run = {.o = o, .cancel = cancel, .out = out};
    int err = xray_corpus_build(&run.corpus, &o->corpus, (uint64_t)time(NULL));
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
        err = run_open_sender(&run);
    }
    if (err == 0) {
        err = run_measure(&run);
    }
    run_fini(&run);
    return err;
}

int xray_run_sink(const struct xray_options *o, const atomic_bool *cancel)
{
    struct xray_result result = {0};
    struct run run = {.o = o, .cancel = cancel, .out = &result};
    int err = o->bench_cpus != NULL ? server_pin_self(o->bench_cpus) : 0;
    if (err == 0) {
        err = run_start_sink(&run);
    }
    if (err == 0) {
        (void)fprintf(stderr, "weir-bench: sink on port %d\n", (int)run.sink->port);
        while (!atomic_load_explicit(cancel, memory_order_relaxed)) {
            proc_sleep_ms(RUN_POLL_MS);
        }
        run_stop_sink(&run);
        const struct xray_ledger *ledger = &run.sink->ledger;
        printf("{\"sink\":true,\"requests\":%" PRIu64 ",\"other_requests\":%" PRIu64
               ",\"body_bytes\":%" PRIu64 ",\"items\":%" PRIu64 ",\"twice\":%" PRIu64
               ",\"strangers\":%" PRIu64 ",\"bad_requests\":%" PRIu64 ",\"bad_documents\":%" PRIu64
               ",\"unsigned\":%" PRIu64 "}\n",
               run.sink->request_count, run.sink->other_request_count, run.sink->body_bytes,
               ledger->item_count, ledger->twice_count, ledger->stranger_count,
               run.sink->bad_request_count, run.sink->bad_document_count, run.sink->unsigned_count);
        (void)fflush(stdout); /* a lost line shows as a missing figure */
    }
    run_fini(&run);
    return err;
}
