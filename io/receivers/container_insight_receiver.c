/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_receiver — cycles.
 *
 *     IDLE ── collect ──▶ ASKING ── answered, or no patience left ──▶ READING ── looked ──▶ IDLE
 *
 * The first cycle only remembers what it saw. A cycle that begins while the last one is under way
 * is left out and counted: the next one's rates span both.
 */
#include "io/receivers/container_insight_receiver.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/loop.h"
#include "io/receivers/container_insight_ask.h"
#include "io/receivers/container_insight_build.h"
#include "io/receivers/container_insight_config.h"
#include "io/receivers/container_insight_host.h"
#include "io/receivers/pull_receiver.h"

/* Answers are waited for so long at most, and no longer than half an interval. */
#define ASK_PATIENCE_NS (5 * CLOCK_NS_PER_S)

/* Behind those of all pull receivers. */
enum insight_why {
    INSIGHT_WHY_OVERRUN = PULL_WHY_LIMIT,
    INSIGHT_WHY_TOO_LARGE,
    INSIGHT_WHY_LIMIT,
};
_Static_assert(INSIGHT_WHY_LIMIT <= STATS_LINE_REASON_MAX, "each reason has a counter");

enum phase {
    PHASE_IDLE,
    PHASE_ASKING,
    PHASE_READING,
};

/* What goes to the helper and comes back. */
struct look {
    struct helper_job job;
    struct container_insight_receiver *owner; /* while it is under way; the loop's thread only */
    struct container_insight_host host;
    struct container_insight_tasks tasks;
    struct container_insight_sample sample;
    struct container_insight_buffer buffer;
};

struct container_insight_receiver {
    struct pull_receiver pull;
    struct container_insight_config config;
    struct container_insight_host host;
    struct container_insight_ask ask;
    struct helper_port *port; /* owned */
    struct look *look;        /* owned, but for PHASE_READING */
    uint8_t *output;          /* owned; CONTAINER_INSIGHT_OUTPUT_BYTES */
    struct container_insight_sample before;
    struct timer patience;
    enum phase phase;
    struct log_limit limits[CONTAINER_INSIGHT_SOURCE_COUNT];
    struct log_limit output_limit;
    struct log_limit overrun_limit;
};

static struct container_insight_receiver *of(struct pull_receiver *pull)
{
    return CONTAINER_OF(pull, struct container_insight_receiver, pull);
}

/* --- what is missing -------------------------------------------------------------------------- */

static const char *insight_reason(uint32_t index)
{
    static const char *const reasons[INSIGHT_WHY_LIMIT] = {
        [INSIGHT_WHY_OVERRUN] = "overrun",
        [INSIGHT_WHY_TOO_LARGE] = "too_large",
    };
    if (index < PULL_WHY_LIMIT) {
        return pull_reason(index);
    }
    return index < INSIGHT_WHY_LIMIT ? reasons[index] : NULL;
}

static struct counter *counter_of(struct receiver_stats *stats,
                                  enum container_insight_source source)
{
    switch (source) {
    case CONTAINER_INSIGHT_IDENTITY:
        return &stats->missing_identity;
    case CONTAINER_INSIGHT_AGENT:
        return &stats->missing_agent;
    case CONTAINER_INSIGHT_PROC:
        return &stats->missing_proc;
    case CONTAINER_INSIGHT_CGROUP:
        return &stats->missing_cgroup;
    case CONTAINER_INSIGHT_FILESYSTEM:
        return &stats->missing_filesystem;
    case CONTAINER_INSIGHT_SOURCE_COUNT:
        break;
    }
    ASSERT(false);
    return NULL;
}

static void complain(struct container_insight_receiver *self, enum container_insight_source source,
                     const char *why)
{
    static const char *const names[CONTAINER_INSIGHT_SOURCE_COUNT] = {
        [CONTAINER_INSIGHT_IDENTITY] = "instance_metadata",
        [CONTAINER_INSIGHT_AGENT] = "ecs_agent",
        [CONTAINER_INSIGHT_PROC] = "proc",
        [CONTAINER_INSIGHT_CGROUP] = "cgroup",
        [CONTAINER_INSIGHT_FILESYSTEM] = "filesystem",
    };
    uint64_t suppressed_count = 0;
    uint64_t now_mono_ns = loop_now_mono_ns(self->pull.loop);
    counter_add(counter_of(&self->pull.stats, source), 1);
    if (log_limit_admit(&self->limits[source], now_mono_ns, &suppressed_count)) {
        log_warn("source_missing", LOG_TEXT("receiver", self->pull.receiver.id),
                 LOG_TEXT("source", names[source]), LOG_TEXT("reason", why),
                 LOG_U64("more", suppressed_count));
    }
}

/* Once per cycle and source. */
static void complain_of(struct container_insight_receiver *self, uint32_t missing)
{
    static const char *const reasons[CONTAINER_INSIGHT_SOURCE_COUNT] = {
        [CONTAINER_INSIGHT_PROC] = "a file of the host's /proc cannot be read, is not understood, "
                                   "or tells of more interfaces than have room",
        [CONTAINER_INSIGHT_CGROUP] = "a file of the host's cgroups cannot be read, a task has "
                                     "none, or there are more disks or tasks than have room",
        [CONTAINER_INSIGHT_FILESYSTEM] = "no file system of the host, one that does not answer, or "
                                         "more than have room",
    };
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_SOURCE_COUNT; i++) {
        if ((missing & CONTAINER_INSIGHT_SOURCE_BIT(i)) != 0) {
            complain(self, (enum container_insight_source)i,
                     reasons[i] != NULL ? reasons[i] : self->ask.why);
        }
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

static void push_metrics(struct container_insight_receiver *self,
                         const struct container_insight_sample *now)
{
    struct container_insight_metrics metrics;
    uint64_t suppressed_count = 0;
    int err = container_insight_build(&self->ask.labels, &self->before, now, self->output,
                                      CONTAINER_INSIGHT_OUTPUT_BYTES, &metrics);
    pull_refuse(&self->pull, INSIGHT_WHY_TOO_LARGE, metrics.left_out_count);
    if (err != 0 && log_limit_admit(&self->output_limit, loop_now_mono_ns(self->pull.loop),
                                    &suppressed_count)) {
        log_warn("metrics_cut", LOG_TEXT("receiver", self->pull.receiver.id),
                 LOG_FAULT("reason", err), LOG_U64("points", metrics.left_out_count),
                 LOG_U64("more", suppressed_count));
    }
    (void)pull_push(&self->pull, metrics.bytes, metrics.point_count); /* booked there */
}

static void look_work(struct helper_job *job)
{
    struct look *look = CONTAINER_OF(job, struct look, job);
    container_insight_host_read(&look->host, &look->tasks, &look->buffer, &look->sample);
}

static void look_on_done(struct helper_job *job)
{
    struct look *look = CONTAINER_OF(job, struct look, job);
    struct container_insight_receiver *self = look->owner;
    ASSERT(self->phase == PHASE_READING);
    self->look = look;
    self->phase = PHASE_IDLE;
    complain_of(self, look->sample.missing);
    if (self->before.time_mono_ns != 0) {
        push_metrics(self, &look->sample);
    }
    memcpy(&self->before, &look->sample, sizeof(self->before));
}

static void look_discard(struct helper_job *job)
{
    mem_free(CONTAINER_OF(job, struct look, job));
}

static const struct helper_job_ops look_ops = {
    .work = look_work,
    .on_done = look_on_done,
    .discard = look_discard,
};

static void begin_look(struct container_insight_receiver *self)
{
    struct look *look = self->look;
    self->phase = PHASE_READING;
    loop_timer_cancel(self->pull.loop, &self->patience);
    look->job.ops = &look_ops;
    look->owner = self;
    memcpy(&look->tasks, &self->ask.tasks, sizeof(look->tasks));
    self->look = NULL;
    helper_submit(self->port, &look->job);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask_on_done(struct container_insight_ask *ask)
{
    struct container_insight_receiver *self =
        CONTAINER_OF(ask, struct container_insight_receiver, ask);
    complain_of(self, ask->missing);
    if (self->phase == PHASE_ASKING) {
        begin_look(self);
    }
}

/* The answers will count in the next cycle. */
static void on_impatience(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct container_insight_receiver *self =
        CONTAINER_OF(timer, struct container_insight_receiver, patience);
    if (self->phase == PHASE_ASKING) {
        begin_look(self);
    }
}

/* The look of the last cycle has not come back: the host hangs somewhere, or the helper is busy. */
static void leave_out_cycle(struct container_insight_receiver *self, uint64_t now_mono_ns)
{
    uint64_t suppressed_count = 0;
    pull_refuse(&self->pull, INSIGHT_WHY_OVERRUN, 1);
    if (log_limit_admit(&self->overrun_limit, now_mono_ns, &suppressed_count)) {
        log_warn("cycle_left_out", LOG_TEXT("receiver", self->pull.receiver.id),
                 LOG_TEXT("reason", "the last one is still under way"),
                 LOG_U64("more", suppressed_count));
    }
}

static void insight_collect(struct pull_receiver *pull, uint64_t now_mono_ns)
{
    struct container_insight_receiver *self = of(pull);
    uint64_t half_ns = self->config.interval_ns / 2;
    uint64_t patience_ns = half_ns < ASK_PATIENCE_NS ? half_ns : ASK_PATIENCE_NS;
    if (self->phase != PHASE_IDLE) {
        leave_out_cycle(self, now_mono_ns);
        return;
    }
    self->phase = PHASE_ASKING;
    self->patience.on_fire = on_impatience;
    if (loop_timer_arm(pull->loop, &self->patience, now_mono_ns + patience_ns) != 0) {
        begin_look(self);
    }
    if (!self->ask.is_under_way) {
        container_insight_ask_start(&self->ask);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int insight_open(struct pull_receiver *pull, struct loop *loop)
{
    struct container_insight_receiver *self = of(pull);
    self->ask.on_done = ask_on_done;
    self->look = mem_alloc(sizeof(*self->look));
    self->output = mem_alloc(CONTAINER_INSIGHT_OUTPUT_BYTES);
    int err = self->look != NULL && self->output != NULL ? 0 : -ENOMEM;
    if (err == 0) {
        self->look->host = self->host;
        err = helper_port_open(loop, &self->port);
    }
    if (err == 0) {
        err = container_insight_ask_open(&self->ask, loop);
    }
    if (err != 0) {
        log_error("receiver_failed", LOG_TEXT("receiver", pull->receiver.id),
                  LOG_FAULT("reason", err));
        return err;
    }
    log_info("looking_at_host", LOG_TEXT("receiver", pull->receiver.id),
             LOG_TEXT("proc", self->host.proc),
             LOG_TEXT("cgroup", self->host.sys[0] != '\0' ? self->host.sys : "usual places"),
             LOG_U64("interval_ms", self->config.interval_ns / CLOCK_NS_PER_MS));
    return 0;
}

static void insight_stop(struct pull_receiver *pull)
{
    struct container_insight_receiver *self = of(pull);
    loop_timer_cancel(pull->loop, &self->patience);
    container_insight_ask_close(&self->ask);
    helper_port_close(self->port); /* frees the look that is under way */
    self->port = NULL;
    self->phase = PHASE_IDLE;
}

static void insight_free(struct pull_receiver *pull)
{
    struct container_insight_receiver *self = of(pull);
    mem_free(self->look);
    mem_free(self->output);
    mem_free(self);
}

static const struct pull_ops insight_ops = {
    .type = "awscontainerinsightreceiver",
    .open = insight_open,
    .collect = insight_collect,
    .stop = insight_stop,
    .free = insight_free,
    .reason = insight_reason,
};

int container_insight_receiver_new(struct config_reader *config, const char *id,
                                   struct receiver **out)
{
    struct container_insight_receiver *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    int err = container_insight_config_read(config, &self->config);
    if (err == 0) {
        err = container_insight_host_init(&self->host);
    }
    if (err != 0) {
        mem_free(self);
        return err;
    }
    pull_receiver_init(&self->pull, &insight_ops, id, "http", self->config.interval_ns);
    *out = &self->pull.receiver;
    return 0;
}
