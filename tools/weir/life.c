/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life — start, the states of an orderly end, and reload.
 *
 * One timer looks every LIFE_TICK_MS at what the current state waits for; while nothing is wanted
 * it rests. Signals come through a descriptor, so that they are handled between turns.
 */
#include "tools/weir/life.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/memory_limit.h"
#include "io/aws/region_discovery.h"
#include "io/tls.h"
#include "tools/weir/admin.h"
#include "tools/weir/books.h"
#include "tools/weir/cpus.h"
#include "tools/weir/preset.h"
#include "tools/weir/process_info.h"

#define LIFE_TICK_MS 20
#define LIFE_TRIM_MS 10000
#define LIFE_REFRESH_MS 1000
#define LIFE_UNUSED_MAX_BYTES ((size_t)1024 * 1024)
/*
 * Sockets of a receiver that changed leave their group for 200 ms. Were the next ones to join it
 * meanwhile, nobody could tell the kernel which of them are to be left alone.
 */
#define LIFE_RELOAD_PAUSE_MS 400
/* Of the memory there is, for telemetry that waits, where no memory_limiter says it. */
#define MEMORY_SHARE_PERCENT 60
#define MEMORY_DEFAULT_BYTES (UINT64_C(1024) * 1024 * 1024)
#define SKETCH_MAX_BYTES (UINT64_C(4) * 1024 * 1024 * 1024)

const char *life_state_text(enum life_state state)
{
    static const char *const texts[] = {
#define LIFE_STATE_TEXT(member, text) [LIFE_##member] = text,
        LIFE_STATES(LIFE_STATE_TEXT)
#undef LIFE_STATE_TEXT
    };
    ASSERT((size_t)state < COUNT_OF(texts));
    return texts[state];
}

bool life_is_ready(const struct life *life)
{
    return life->state == LIFE_RUNNING && life->graph != NULL;
}

uint64_t life_received_total(const struct life *life)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < life->graph->receiver_count; i++) {
        const struct graph_receiver *entry = life->graph->receivers[i];
        for (uint32_t j = 0; entry != NULL && j < entry->receiver->counters_count; j++) {
            total += counter_read(&entry->receiver->counters[j].stats->wire_received);
        }
    }
    return total;
}

/* --- states ---------------------------------------------------------------------------------- */

static void arm_tick(struct life *life, uint64_t now_mono_ns)
{
    int err = loop_timer_arm(life->loop, &life->tick, now_mono_ns + LIFE_TICK_MS * CLOCK_NS_PER_MS);
    /* The heap has room for the main thread's few timers from the start. */
    ASSERT(err == 0);
}

static void enter(struct life *life, enum life_state state, uint64_t now_mono_ns)
{
    ASSERT(state > life->state);
    life->state = state;
    log_info("state", LOG_TEXT("state", life_state_text(state)));
    switch (state) {
    case LIFE_RUNNING:
        break;
    case LIFE_SETTLING:
        life->drain_deadline_mono_ns = now_mono_ns + life->cli->drain_timeout_ns;
        life->settle_until_mono_ns = now_mono_ns + cli_settle_max_ns(life->cli);
        life->quiet_since_mono_ns = now_mono_ns;
        life->received_before = life_received_total(life);
        graph_send_away(life->graph);
        break;
    case LIFE_FLUSHING:
        graph_drain_receivers(life->graph, NULL);
        break;
    case LIFE_DELIVERING:
        graph_drain_exporters(life->graph, life->drain_deadline_mono_ns);
        for (uint32_t i = 0; i < life->old_graph_count; i++) {
            graph_drain_exporters(life->old_graphs[i], life->drain_deadline_mono_ns);
        }
        break;
    case LIFE_ENDED:
        break;
    }
}

/* Old graphs go when nothing of theirs is left under way. */
static void sweep_old_graphs(struct life *life)
{
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < life->old_graph_count; i++) {
        struct graph *old = life->old_graphs[i];
        bool is_over = graph_receivers_are_drained(old);
        if (is_over && !old->is_draining_exporters) {
            old->is_draining_exporters = true;
            graph_drain_exporters(old, clock_mono_ns() + life->cli->drain_timeout_ns);
        }
        if (is_over && graph_exporters_are_idle(old)) {
            books_retire(old, &life->past);
            graph_free(old);
            continue;
        }
        life->old_graphs[kept_count] = old;
        kept_count++;
    }
    life->old_graph_count = kept_count;
}

static bool is_settled(struct life *life, uint64_t now_mono_ns)
{
    uint64_t received = life_received_total(life);
    if (received != life->received_before) {
        life->received_before = received;
        life->quiet_since_mono_ns = now_mono_ns;
    }
    return now_mono_ns - life->quiet_since_mono_ns >= cli_quiet_ns(life->cli) ||
           now_mono_ns >= life->settle_until_mono_ns;
}

static void step(struct life *life, uint64_t now_mono_ns)
{
    bool is_late = now_mono_ns >= life->drain_deadline_mono_ns;
    switch (life->state) {
    case LIFE_RUNNING:
    case LIFE_ENDED:
        break;
    case LIFE_SETTLING:
        if (is_settled(life, now_mono_ns) || is_late) {
            enter(life, LIFE_FLUSHING, now_mono_ns);
        }
        break;
    case LIFE_FLUSHING:
        if (graph_receivers_are_drained(life->graph) || is_late) {
            enter(life, LIFE_DELIVERING, now_mono_ns);
        }
        break;
    case LIFE_DELIVERING:
        /* Exporters give up at the deadline; a grace of one second lets them say so. */
        if ((graph_exporters_are_idle(life->graph) && life->old_graph_count == 0) ||
            now_mono_ns >= life->drain_deadline_mono_ns + CLOCK_NS_PER_S) {
            enter(life, LIFE_ENDED, now_mono_ns);
        }
        break;
    }
}

/* What a burst of telemetry needed goes back to the kernel, not only what the loops reserved. */
static void life_on_trim(struct timer *timer, uint64_t now_mono_ns)
{
    struct life *life = CONTAINER_OF(timer, struct life, trim);
    if (mem_unused_bytes() > LIFE_UNUSED_MAX_BYTES) {
        mem_trim();
    }
    int err = loop_timer_arm(life->loop, timer, now_mono_ns + LIFE_TRIM_MS * CLOCK_NS_PER_MS);
    ASSERT(err == 0); /* the heap has room for the main thread's few timers from the start */
}

/*
 * Only at the start: what runs already is not ended by a reload that wants more. The embedded
 * default has an X-Ray receiver, and runs where there is no AWS.
 */
static void end_without_region(struct life *life)
{
    bool is_embedded =
        !preset_is_on_aws() && slice_is_text(life->graph->origin, preset_default_name());
    if (life->state == LIFE_RUNNING && life->reload_count == 0 && !is_embedded &&
        !life->is_region_missing && region_discovery_has_failed()) {
        life->is_region_missing = true;
        log_error("region_missing", LOG_TEXT("message", "There is no AWS region: set AWS_REGION."));
    }
}

static void life_on_refresh(struct timer *timer, uint64_t now_mono_ns)
{
    struct life *life = CONTAINER_OF(timer, struct life, refresh);
    end_without_region(life);
    graph_refresh(life->graph, now_mono_ns);
    int err = loop_timer_arm(life->loop, timer, now_mono_ns + LIFE_REFRESH_MS * CLOCK_NS_PER_MS);
    ASSERT(err == 0); /* as above */
}

/* --- the log --------------------------------------------------------------------------------- */

/* What the configuration says of the log counts where no flag does. */
static void set_log(const struct life *life, const struct graph *graph)
{
    static const enum log_level levels[] = {
        [GRAPH_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [GRAPH_LOG_INFO] = LOG_LEVEL_INFO,
        [GRAPH_LOG_WARN] = LOG_LEVEL_WARN,
        [GRAPH_LOG_ERROR] = LOG_LEVEL_ERROR,
    };
    const struct graph_telemetry *telemetry = &graph->config.telemetry;
    struct log_options options = {.format = life->cli->log_format, .level = life->cli->log_level};
    if (!life->cli->has_log_level && telemetry->has_log_level) {
        options.level = levels[telemetry->log_level];
    }
    if (options.format == LOG_FORMAT_AUTO && telemetry->has_log_encoding) {
        options.format = telemetry->is_log_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    }
    log_init(&options);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Bytes of telemetry that may be held: what the graph's memory limiters say, or a share of all. */
static void limit_memory(struct life *life)
{
    uint64_t total_bytes = 0;
    enum memory_limit_source source;
    if (memory_limit_read("", &total_bytes, &source) != 0) {
        total_bytes = MEMORY_DEFAULT_BYTES;
    }
    uint64_t max_bytes = graph_memory_max_bytes(life->graph, total_bytes);
    bool is_configured = max_bytes != UINT64_MAX;
    max_bytes = is_configured ? max_bytes : total_bytes / 100 * MEMORY_SHARE_PERCENT;
    if (max_bytes != budget_max(&life->memory)) {
        budget_set_max(&life->memory, max_bytes);
        log_info("memory", LOG_U64("total_bytes", total_bytes),
                 LOG_U64("telemetry_max_bytes", max_bytes),
                 LOG_BOOL("by_memory_limiter", is_configured));
    }
}

/* --- reload ---------------------------------------------------------------------------------- */

static void reload(struct life *life)
{
    struct graph *fresh = NULL;
    if (life->old_graph_count == LIFE_OLD_GRAPHS_MAX) {
        life->reload_failed_count++;
        log_warn("reload_refused", LOG_TEXT("reason", "earlier graphs are still draining"));
        return;
    }
    int err = graph_load(&life->inputs, false, &fresh);
    if (err != 0) {
        life->reload_failed_count++;
        log_error("reload_failed", LOG_FAULT("reason", err),
                  LOG_TEXT("running", "the former configuration"));
        return;
    }
    struct graph *old = life->graph;
    err = graph_open(fresh, old, &life->home);
    if (err != 0) {
        life->reload_failed_count++;
        log_error("reload_failed", LOG_FAULT("reason", err),
                  LOG_TEXT("running", "the former configuration"));
        graph_free(fresh);
        return;
    }
    life->graph = fresh;
    life->reload_count++;
    limit_memory(life);
    set_log(life, fresh);
    graph_drain_receivers(old, fresh);
    life->old_graphs[life->old_graph_count] = old;
    life->old_graph_count++;
    arm_tick(life, loop_now_mono_ns(life->loop));
    log_info("reloaded", LOG_SLICE("config", fresh->origin));
}

/* At once, or after a pause since the last one; what is asked for meanwhile is one reload. */
static void reload_if_due(struct life *life, uint64_t now_mono_ns)
{
    if (!life->is_reload_wanted || life->state != LIFE_RUNNING ||
        now_mono_ns < life->reload_from_mono_ns) {
        return;
    }
    life->is_reload_wanted = false;
    life->reload_from_mono_ns = now_mono_ns + LIFE_RELOAD_PAUSE_MS * CLOCK_NS_PER_MS;
    reload(life);
}

/* --- the tick -------------------------------------------------------------------------------- */

static void life_on_tick(struct timer *timer, uint64_t now_mono_ns)
{
    struct life *life = CONTAINER_OF(timer, struct life, tick);
    sweep_old_graphs(life);
    reload_if_due(life, now_mono_ns);
    step(life, now_mono_ns);
    if (life->state != LIFE_ENDED &&
        (life->state != LIFE_RUNNING || life->old_graph_count > 0 || life->is_reload_wanted)) {
        arm_tick(life, now_mono_ns);
    }
}

/* --- signals --------------------------------------------------------------------------------- */

static void on_end_signal(struct life *life)
{
    if (life->state != LIFE_RUNNING) {
        log_warn("forced_end", LOG_TEXT("reason", "a second signal"));
        life->is_forced = true;
        return;
    }
    enter(life, LIFE_SETTLING, loop_now_mono_ns(life->loop));
    arm_tick(life, loop_now_mono_ns(life->loop));
}

static void life_on_signal(struct loop_poll *poll, uint32_t events)
{
    (void)events;
    struct life *life = CONTAINER_OF(poll, struct life, signals);
    struct signalfd_siginfo info;
    while (read(life->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            on_end_signal(life);
            break;
        case SIGHUP:
            life->is_reload_wanted = true;
            reload_if_due(life, loop_now_mono_ns(life->loop));
            arm_tick(life, loop_now_mono_ns(life->loop));
            break;
        case SIGUSR1:
            books_log(life->graph, &life->past, "status");
            break;
        default:
            break;
        }
    }
}

static void life_on_signals_closed(struct loop_poll *poll)
{
    (void)poll;
}

static int watch_signals(struct life *life)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGPIPE);
    /* Before any thread starts, so that all of them inherit it. SIGPIPE is an errno to us. */
    int err = -pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (err != 0) {
        return err;
    }
    (void)sigdelset(&set, SIGPIPE);
    /* A file at its size limit is an errno to us, too. */
    (void)signal(SIGXFSZ, SIG_IGN);
    life->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return life->signal_fd < 0 ? -errno : 0;
}

/* --- threads --------------------------------------------------------------------------------- */

/* Pinned when asked to, or when the mask is less than the host and leaves a CPU to egress. */
static bool wants_pinning(const struct life *life)
{
    bool is_subset;
    uint32_t mask_count = cpus_mask_count(&is_subset);
    return life->cli->is_pinned || (is_subset && mask_count > life->shard_count);
}

static int start_worker(struct life *life, struct worker *worker, uint32_t index,
                        enum loop_backend backend)
{
    bool is_shard = index < life->shard_count;
    char *name = life->thread_names[index];
    (void)snprintf(name, sizeof(life->thread_names[index]), is_shard ? "shard-%u" : "egress-%u",
                   is_shard ? index : 0);
    struct worker_options options = {
        .name = name,
        .id = is_shard ? index : 0,
        .cpu = wants_pinning(life) ? cpus_at(index) : -1,
        .loop = {.backend = backend},
        /* Clients wait for the shards; a batch may leave a moment later. */
        .yields_cpu = !is_shard,
    };
    int err = worker_start(worker, &options);
    if (err != 0) {
        log_error("thread_start_failed", LOG_TEXT("thread", name), LOG_FAULT("reason", err),
                  LOG_TEXT("io", worker->backend_text));
    }
    return err;
}

static int start_workers(struct life *life)
{
    life->shard_count = life->cli->shard_count != 0 ? life->cli->shard_count : cpus_usable_count();
    life->shards =
        mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, life->shard_count * sizeof(life->shards[0]));
    life->thread_names = mem_alloc_array(life->shard_count + 1, sizeof(life->thread_names[0]));
    if (life->shards == NULL || life->thread_names == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < life->shard_count; i++) {
        int err = start_worker(life, &life->shards[i], i, life->cli->backend);
        if (err != 0) {
            life->shard_count = i;
            return err;
        }
    }
    /* Egress speaks to few peers and to libcurl's descriptors: epoll serves it best. */
    return start_worker(life, &life->egress, life->shard_count, LOOP_BACKEND_EPOLL);
}

static void stop_workers(struct life *life)
{
    for (uint32_t i = 0; i < life->shard_count; i++) {
        worker_stop(&life->shards[i]);
    }
    worker_stop(&life->egress);
    mem_free(life->shards);
    mem_free(life->thread_names);
}

static bool binds_any(void)
{
    const char *wish = getenv("WEIR_BIND_ANY");
    return getenv("ECS_CONTAINER_METADATA_URI_V4") != NULL ||
           (wish != NULL && strcmp(wish, "1") == 0);
}

static void make_home(struct life *life)
{
    budget_init(&life->memory, 0);
    limit_memory(life);
    process_make_instance_id(life->instance_id, sizeof(life->instance_id));
    life->home = (struct receiver_home){
        .shards = life->shards,
        .shard_count = life->shard_count,
        .egress = &life->egress,
        .instance_id = life->instance_id,
        .binds_any = binds_any(),
        .sketch_max_bytes = SKETCH_MAX_BYTES,
        .memory = &life->memory,
    };
    (void)getrandom(&life->home.hash_seed, sizeof(life->home.hash_seed), 0);
    if (life->home.binds_any) {
        log_info("binds_any_address", LOG_TEXT("reason", "inside an ECS task, or WEIR_BIND_ANY=1"),
                 LOG_TEXT("applies_to", "hosts the configuration does not spell out"));
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static void log_start(const struct life *life)
{
    log_info("starting", LOG_TEXT("version", WEIR_VERSION), LOG_U64("shards", life->shard_count),
             LOG_TEXT("io", life->shards[0].backend_text), LOG_SLICE("config", life->graph->origin),
             LOG_U64("drain_timeout_ms", life->cli->drain_timeout_ns / CLOCK_NS_PER_MS));
}

static int open_all(struct life *life)
{
    const struct loop_options options = {.backend = LOOP_BACKEND_EPOLL};
    int err = loop_open(&options, &life->loop, NULL);
    if (err != 0) {
        return err;
    }
    life->started_unix_ns = loop_now_unix_ns(life->loop);
    life->started_mono_ns = loop_now_mono_ns(life->loop);
    life->tick.on_fire = life_on_tick;
    life->trim.on_fire = life_on_trim;
    life->refresh.on_fire = life_on_refresh;
    life_on_trim(&life->trim, life->started_mono_ns);
    life_on_refresh(&life->refresh, life->started_mono_ns);
    pulse_start(life);
    life->signals = (struct loop_poll){
        .fd = life->signal_fd, .on_ready = life_on_signal, .on_closed = life_on_signals_closed};
    err = loop_poll_watch(life->loop, &life->signals, LOOP_POLL_READ);
    if (err != 0) {
        return err;
    }
    err = start_workers(life);
    if (err != 0) {
        return err;
    }
    make_home(life);
    log_start(life);
    err = graph_open(life->graph, NULL, &life->home);
    if (err != 0) {
        return err;
    }
    err = admin_open(life, &life->admin);
    if (err == 0) {
        log_info("ready",
                 LOG_U64("after_ms", (clock_mono_ns() - life->started_mono_ns) / CLOCK_NS_PER_MS));
    }
    return err;
}

/* One turn; a wait that fails is tried again, and said. */
static void turn(struct life *life, uint64_t wait_max_ns)
{
    int handled = loop_turn(life->loop, wait_max_ns);
    uint64_t suppressed_count;
    if (handled < 0 && handled != -EINTR &&
        log_limit_admit(&life->turn_limit, clock_mono_ns(), &suppressed_count)) {
        log_error("wait_failed", LOG_FAULT("reason", handled));
    }
}

static void close_all(struct life *life)
{
    if (life->graph != NULL && life->egress.is_started) {
        for (uint32_t i = 0; i < life->old_graph_count; i++) {
            graph_abandon(life->old_graphs[i]);
        }
        graph_abandon(life->graph);
        pulse_stop(life); /* before the old graphs' books are in the past: it reads both */
        for (uint32_t i = 0; i < life->old_graph_count; i++) {
            books_retire(life->old_graphs[i], &life->past);
        }
        books_log(life->graph, &life->past, "books_closed");
    }
    admin_close(life->admin);
    graph_free(life->graph);
    for (uint32_t i = 0; i < life->old_graph_count; i++) {
        graph_free(life->old_graphs[i]);
    }
    stop_workers(life);
    if (life->loop != NULL) {
        loop_timer_cancel(life->loop, &life->tick);
        loop_timer_cancel(life->loop, &life->trim);
        loop_timer_cancel(life->loop, &life->refresh);
        loop_poll_stop(life->loop, &life->signals);
        for (uint32_t i = 0; i < 8; i++) {
            turn(life, 0); /* lets what was stopped close */
        }
        loop_close(life->loop);
    }
    if (life->signal_fd >= 0) {
        (void)close(life->signal_fd); /* nothing was written to it */
    }
}

int life_run(const struct cli *cli)
{
    static struct life life;
    life.cli = cli;
    life.signal_fd = -1;
    life.inputs = (struct config_inputs){
        .uris = cli->uris,
        .uri_count = cli->uri_count,
        .sets = cli->sets,
        .set_count = cli->set_count,
        .default_path = cli->default_path,
        .preset_name = preset_default_name(),
        .preset_text = preset_default_text(),
    };
    bool is_tls_counted = tls_use_mem(); /* nobody has used the library yet */
    ASSERT(is_tls_counted);
    int err = graph_load(&life.inputs, false, &life.graph);
    if (err != 0) {
        log_error("configuration_refused", LOG_FAULT("reason", err));
        return err == FAULT_CONFIG ? EXIT_CODE_CONFIG : EXIT_CODE_FAILED;
    }
    set_log(&life, life.graph);
    err = watch_signals(&life);
    if (err == 0) {
        err = open_all(&life);
    }
    if (err != 0) {
        log_error("start_failed", LOG_FAULT("reason", err));
    } else {
        while (life.state != LIFE_ENDED && !life.is_forced && !life.is_region_missing) {
            turn(&life, UINT64_MAX);
        }
    }
    close_all(&life);
    if (life.is_region_missing || err == FAULT_CONFIG) {
        return EXIT_CODE_CONFIG;
    }
    return err == 0 && !life.is_forced ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}
