/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_run — see otlp_run.h. The generator runs on the calling thread, each sink on one of its own;
 * all of them stay on the CPUs they were given, away from the server's.
 */
#include "bench/otlp/otlp_run.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench/http_get.h"
#include "bench/proc_clock.h"
#include "bench/server_process.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define RUN_READY_MS 20000u
#define RUN_STOP_MS 60000u
#define RUN_POLL_MS 20u
#define RUN_TIMES_BYTES 1048576u
#define RUN_SECOND_NS UINT64_C(1000000000)
#define RUN_SELF "sink"

/* A sink and its thread. */
struct run_sink {
    struct otlp_sink *sink; /* owned */
    pthread_t thread;
    bool is_running;
};

/* All owned; run_fini ends what was begun. */
struct run {
    const struct otlp_options *o;
    const atomic_bool *cancel;
    struct otlp_result *out;
    struct otlp_corpus corpus;
    struct otlp_load load;
    struct server_process server;
    struct run_sink main_sink;
    struct run_sink second_sink;
    FILE *times; /* NULL: nobody asked */
    bool has_load;
};

/* --- sinks ------------------------------------------------------------------------------------ */

static void *run_sink_main(void *sink)
{
    otlp_sink_run(sink);
    return NULL;
}

static int run_sink_start(struct run_sink *place, const struct otlp_sink_options *options)
{
    place->sink = mem_alloc(sizeof(*place->sink));
    if (place->sink == NULL) {
        return -ENOMEM;
    }
    int err = otlp_sink_init(place->sink, options);
    if (err != 0) {
        return err;
    }
    err = pthread_create(&place->thread, NULL, run_sink_main, place->sink);
    place->is_running = err == 0;
    return -err;
}

static void run_sink_stop(struct run_sink *place)
{
    if (place->is_running) {
        otlp_sink_stop(place->sink);
        (void)pthread_join(place->thread, NULL); /* ours, joined once */
        place->is_running = false;
    }
}

static void run_sink_end(struct run_sink *place)
{
    run_sink_stop(place);
    if (place->sink != NULL) {
        otlp_sink_fini(place->sink);
        mem_free(place->sink);
        place->sink = NULL;
    }
}

/* Tells the server's configuration where a sink is: NAME as a URL, NAME_ADDRESS as host:port. */
static int run_sink_export(const struct run_sink *place, const char *name)
{
    char url[64];
    char key[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", (int)place->sink->port);
    (void)snprintf(key, sizeof(key), "%s_ADDRESS", name);
    return setenv(name, url, 1) == 0 && setenv(key, url + strlen("http://"), 1) == 0 ? 0 : -errno;
}

static struct otlp_sink_options run_sink_options(const struct otlp_options *o)
{
    return (struct otlp_sink_options){
        .address = o->sink,
        .corpus = &o->corpus,
        .trouble = o->sink_trouble.kind,
        .trouble_at_ms = o->sink_trouble.at_s * 1000,
        .trouble_for_ms = o->sink_trouble.for_s * 1000,
        .delay_ms = o->delay_ms,
        .yields_cpu = o->sink_yields != 0,
    };
}

static int run_start_sinks(struct run *run)
{
    const struct otlp_options *o = run->o;
    const bool is_own_target = strcmp(o->target, RUN_SELF) == 0;
    if (o->is_without_sink != 0 || (o->command == NULL && !is_own_target)) {
        return 0;
    }
    struct otlp_sink_options options = run_sink_options(o);
    options.sent_mono_ns = run->load.sent_mono_ns;
    int err = run_sink_start(&run->main_sink, &options);
    if (err == 0) {
        err = run_sink_export(&run->main_sink, "WEIR_BENCH_SINK");
    }
    if (err != 0 || o->second_sink == NULL) {
        return err;
    }
    options = (struct otlp_sink_options){
        .address = o->second_sink,
        .trouble = o->second_trouble.kind,
        .trouble_at_ms = o->second_trouble.at_s * 1000,
        .trouble_for_ms = o->second_trouble.for_s * 1000,
    };
    err = run_sink_start(&run->second_sink, &options);
    return err != 0 ? err : run_sink_export(&run->second_sink, "WEIR_BENCH_SECOND_SINK");
}

/* --- server ----------------------------------------------------------------------------------- */

static int run_start_server(struct run *run)
{
    const struct otlp_options *o = run->o;
    if (o->command == NULL) {
        return 0;
    }
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
    char ready[32];
    (void)snprintf(ready, sizeof(ready), "tcp:%d",
                   (int)load_address_port(&run->load.options.target));
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

static uint64_t run_own_cpu_ns(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail with this pointer */
    return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * RUN_SECOND_NS +
           ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
}

/* --- load ------------------------------------------------------------------------------------- */

static uint64_t run_arrived(const struct run *run)
{
    const struct otlp_sink *sink = run->main_sink.sink;
    return sink == NULL ? 0 : atomic_load_explicit(&sink->item_count, memory_order_relaxed);
}

static void run_phase(struct run *run, enum otlp_phase_name name, const struct otlp_phase *phase)
{
    const bool is_run = phase->duration_ns > 0;
    if (is_run && run->main_sink.sink != NULL && name < OTLP_SINK_PHASES_MAX_COUNT) {
        atomic_store_explicit(&run->main_sink.sink->phase, (uint32_t)name, memory_order_relaxed);
    }
    run->out->arrived_items[name] = run_arrived(run);
    if (is_run) {
        otlp_load_run(&run->load, phase, run->cancel, &run->out->tallies[name]);
    }
    run->out->arrived_items[name + 1] = run_arrived(run);
}

static uint64_t run_rate(const struct otlp_options *o, uint64_t items)
{
    return items * 1000 / o->corpus.item_count;
}

static void run_load(struct run *run)
{
    const struct otlp_options *o = run->o;
    struct otlp_result *out = run->out;
    const struct otlp_phase warmup = {
        .rate_requests_milli = run_rate(o, o->rate_items),
        .duration_ns = o->warmup_s * RUN_SECOND_NS,
    };
    const struct otlp_phase main_phase = {
        .rate_requests_milli = run_rate(o, o->rate_items),
        .duration_ns = o->duration_s * RUN_SECOND_NS,
        .request_count = o->count_requests,
    };
    const struct otlp_phase after = {
        .rate_requests_milli = run_rate(o, o->after_rate_items),
        .duration_ns = o->after_duration_s * RUN_SECOND_NS,
        .skip_ns = o->after_skip_ms * 1000000,
    };
    const struct otlp_phase drain = {
        .duration_ns = o->settle_s * RUN_SECOND_NS,
        .is_draining = true,
    };
    run_phase(run, OTLP_PHASE_WARMUP, &warmup);
    run_sample(run, &out->first);
    const uint64_t cpu_ns = run_own_cpu_ns();
    if (run->main_sink.sink != NULL) {
        otlp_sink_start_clock(run->main_sink.sink);
    }
    if (run->second_sink.sink != NULL) {
        otlp_sink_start_clock(run->second_sink.sink);
    }
    run_phase(run, OTLP_PHASE_MAIN, &main_phase);
    out->bench_cpu_ns = run_own_cpu_ns() - cpu_ns;
    run_sample(run, &out->main_end);
    run_phase(run, OTLP_PHASE_AFTER, &after);
    run_phase(run, OTLP_PHASE_DRAIN, &drain);
    otlp_load_end(&run->load, &out->tallies[OTLP_PHASE_DRAIN]);
}

static uint64_t run_acked_items(const struct run *run)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < run->corpus.options.body_count; i++) {
        count += run->load.fates[i].acked_count;
    }
    return count * run->corpus.options.item_count;
}

static void run_settle(struct run *run)
{
    const uint64_t until_ns = proc_mono_ns() + run->o->settle_s * RUN_SECOND_NS;
    const uint64_t acked_items = run_acked_items(run);
    while (run->main_sink.sink != NULL && !run->out->is_settled && proc_mono_ns() < until_ns &&
           !atomic_load_explicit(run->cancel, memory_order_relaxed)) {
        run->out->is_settled = run_arrived(run) >= acked_items;
        proc_sleep_ms(run->out->is_settled ? 1 : RUN_POLL_MS);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void run_read_drops(struct run *run)
{
    struct file_bytes body;
    if (run->o->metrics == NULL || http_get(run->o->metrics, &body) != 200) {
        return;
    }
    run->out->gateway_drops = http_metrics_sum(slice_of(body.bytes, body.len), "weir_", "dropped");
    http_get_free(&body);
}

/* The server goes first, so that its last flush still finds the sinks. */
static void run_end(struct run *run)
{
    struct otlp_result *out = run->out;
    if (run->server.pid != 0) {
        out->drain_ms = server_stop(&run->server, RUN_STOP_MS);
        out->exit_status = run->server.exit_status;
    }
    run_sink_stop(&run->main_sink);
    run_sink_stop(&run->second_sink);
}

static void run_account(struct run *run)
{
    struct otlp_result *out = run->out;
    const struct otlp_sink *sink = run->main_sink.sink;
    out->corpus_plain_bytes = run->corpus.plain_bytes;
    out->corpus_wire_bytes = run->corpus.wire_bytes;
    out->mean_item_bytes = otlp_corpus_mean_item_bytes(&run->corpus);
    out->connect_error_count = run->load.connect_error_count;
    out->broken_count = run->load.broken_count;
    out->last_error = run->load.last_error;
    out->balance.acked_items = run_acked_items(run);
    if (run->second_sink.sink != NULL) {
        out->second_requests = run->second_sink.sink->request_count;
    }
    if (sink == NULL) {
        return;
    }
    out->has_sink = true;
    out->sink_requests = sink->request_count;
    out->sink_refused_requests = sink->refused_count;
    out->sink_bad_requests = sink->bad_count;
    memcpy(out->deliveries, sink->delivery, sizeof(out->deliveries));
    out->balance = otlp_ledger_balance(&sink->ledger, &run->corpus, run->load.fates);
}

static void run_fini(struct run *run)
{
    run_end(run);
    run_sink_end(&run->main_sink);
    run_sink_end(&run->second_sink);
    if (run->has_load) {
        otlp_load_fini(&run->load);
    }
    if (run->times != NULL) {
        (void)fclose(run->times); /* lines that are missing show as a smaller count */
    }
    otlp_corpus_fini(&run->corpus);
}

/* Written in large pieces, so that it hardly disturbs what it tells of. */
static int run_open_times(struct run *run)
{
    if (run->o->times == NULL) {
        return 0;
    }
    run->times = fopen(run->o->times, "w");
    if (run->times == NULL || setvbuf(run->times, NULL, _IOFBF, RUN_TIMES_BYTES) != 0) {
        const int err = -errno;
        (void)fprintf(stderr, "weir-bench: --times %s: %s\n", run->o->times, fault_text(err));
        return err;
    }
    return 0;
}

static int run_init_load(struct run *run)
{
    const struct otlp_options *o = run->o;
    struct otlp_load_options options = {
        .protocol = o->protocol,
        .connection_count = o->connection_count,
        .stream_count = o->stream_count,
        .resends = o->resends != 0,
        .resend_ms = o->resend_ms,
    };
    int err = run_open_times(run);
    options.times = run->times;
    if (err == 0 && strcmp(o->target, RUN_SELF) != 0) {
        err = load_address_parse(o->target, &options.target);
    }
    if (err == 0) {
        run->has_load = true;
        err = otlp_load_init(&run->load, &options, &run->corpus);
    }
    return err;
}

/* The port of our own sink is known only once it listens. */
static int run_aim_at_self(struct run *run)
{
    if (strcmp(run->o->target, RUN_SELF) != 0) {
        return 0;
    }
    return load_address_parse(getenv("WEIR_BENCH_SINK_ADDRESS"), &run->load.options.target);
}

int otlp_run(const struct otlp_options *o, const atomic_bool *cancel, struct otlp_result *out)
{
    *out = (struct otlp_result){0};
    struct run run = {.o = o, .cancel = cancel, .out = out};
    int err = otlp_corpus_build(&run.corpus, &o->corpus);
    if (err == 0 && o->bench_cpus != NULL) {
        err = server_pin_self(o->bench_cpus);
    }
    if (err == 0) {
        err = run_init_load(&run);
    }
    if (err == 0) {
        err = run_start_sinks(&run);
    }
    if (err == 0) {
        err = run_aim_at_self(&run);
    }
    if (err == 0) {
        err = run_start_server(&run);
    }
    if (err == 0) {
        run_load(&run);
        run_settle(&run);
        run_sample(&run, &out->last);
        out->arrived_items[OTLP_PHASE_COUNT] = run_arrived(&run);
        run_read_drops(&run);
        if (run_server_is_gone(&run)) {
            (void)fprintf(stderr, "weir-bench: the server ended during the run\n");
            err = -ESRCH;
        }
        run_end(&run);
        run_account(&run);
    }
    run_fini(&run);
    return err;
}

int otlp_run_sink(const struct otlp_options *o, const atomic_bool *cancel)
{
    int err = o->bench_cpus != NULL ? server_pin_self(o->bench_cpus) : 0;
    const struct otlp_sink_options options = run_sink_options(o);
    struct run_sink place = {0};
    if (err == 0) {
        err = run_sink_start(&place, &options);
    }
    if (err == 0) {
        (void)fprintf(stderr, "weir-bench: sink on port %d\n", (int)place.sink->port);
        otlp_sink_start_clock(place.sink);
        while (!atomic_load_explicit(cancel, memory_order_relaxed)) {
            proc_sleep_ms(RUN_POLL_MS);
        }
        run_sink_stop(&place);
        printf("{\"sink\":true,\"requests\":%" PRIu64 ",\"body_bytes\":%" PRIu64
               ",\"items\":%" PRIu64 ",\"strangers\":%" PRIu64 ",\"refused\":%" PRIu64
               ",\"bad\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "%016" PRIx64 "\"}\n",
               place.sink->request_count, place.sink->body_bytes, place.sink->ledger.item_count,
               place.sink->ledger.stranger_count, place.sink->refused_count, place.sink->bad_count,
               place.sink->ledger.digest.high, place.sink->ledger.digest.low);
        (void)fflush(stdout); /* a lost line shows as a missing figure */
    }
    run_sink_end(&place);
    return err;
}
