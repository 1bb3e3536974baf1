/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_tls — a context, a timer, and a job that looks whether the files changed.
 *
 * While the job is with the helper the whole is the job's, so that closing need not wait for it.
 */
#include "exporters/otlp_grpc_tls.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/io_bounds.h"

struct otlp_grpc_tls {
    struct helper_job job;
    struct tls_context *context; /* owned */
    struct helper_port *port;    /* owned; NULL where files are read once */
    struct loop *loop;           /* borrowed */
    const char *id;              /* borrowed */
    struct timer timer;
    uint64_t interval_ns;
    uint64_t now_mono_ns; /* for the job */
    int reloaded;         /* what came of it */
    char why[TLS_WHY_BYTES];
    bool is_busy; /* the job is with the helper */
};

static void tls_free(struct otlp_grpc_tls *tls)
{
    tls_context_free(tls->context);
    mem_free(tls);
}

/* Where there is no memory for the timer the files stay as they are. */
static void wait_for_change(struct otlp_grpc_tls *tls)
{
    uint64_t due_mono_ns = loop_now_mono_ns(tls->loop) + tls->interval_ns;
    if (loop_timer_arm(tls->loop, &tls->timer, due_mono_ns) != 0) {
        log_error("tls_reload_off", LOG_TEXT("exporter", tls->id), LOG_FAULT("reason", -ENOMEM));
    }
}

static void tls_work(struct helper_job *job)
{
    struct otlp_grpc_tls *tls = CONTAINER_OF(job, struct otlp_grpc_tls, job);
    tls->reloaded = tls_context_reload(tls->context, tls->now_mono_ns, tls->why);
}

static void tls_on_done(struct helper_job *job)
{
    struct otlp_grpc_tls *tls = CONTAINER_OF(job, struct otlp_grpc_tls, job);
    tls->is_busy = false;
    if (tls->reloaded > 0) {
        log_info("tls_reloaded", LOG_TEXT("exporter", tls->id));
    } else if (tls->reloaded < 0) {
        log_warn("tls_reload_failed", LOG_TEXT("exporter", tls->id), LOG_TEXT("reason", tls->why));
    }
    wait_for_change(tls);
}

static void tls_discard(struct helper_job *job)
{
    tls_free(CONTAINER_OF(job, struct otlp_grpc_tls, job));
}

static const struct helper_job_ops tls_job_ops = {
    .work = tls_work,
    .on_done = tls_on_done,
    .discard = tls_discard,
};

static void tls_on_due(struct timer *timer, uint64_t now_mono_ns)
{
    struct otlp_grpc_tls *tls = CONTAINER_OF(timer, struct otlp_grpc_tls, timer);
    tls->now_mono_ns = now_mono_ns;
    tls->is_busy = true;
    helper_submit(tls->port, &tls->job);
}

int otlp_grpc_tls_open(struct loop *loop, const struct tls_settings *settings, const char *id,
                       struct otlp_grpc_tls **out)
{
    struct otlp_grpc_tls *tls = mem_alloc(sizeof(*tls));
    if (tls == NULL) {
        return -ENOMEM;
    }
    *tls = (struct otlp_grpc_tls){
        .job.ops = &tls_job_ops,
        .loop = loop,
        .id = id,
        .timer.on_fire = tls_on_due,
        .interval_ns = settings->reload_interval_ns,
    };
    int err = tls_context_new(settings, &tls->context, tls->why);
    if (err != 0) {
        log_error("tls_unusable", LOG_TEXT("exporter", id), LOG_TEXT("reason", tls->why));
    } else if (tls->interval_ns != 0) {
        err = helper_port_open(loop, &tls->port);
    }
    if (err != 0) {
        tls_free(tls);
        return err;
    }
    if (tls->interval_ns != 0) {
        wait_for_change(tls);
    }
    *out = tls;
    return 0;
}

struct tls_context *otlp_grpc_tls_context(const struct otlp_grpc_tls *tls)
{
    return tls->context;
}

void otlp_grpc_tls_close(struct otlp_grpc_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    bool is_busy = tls->is_busy;
    loop_timer_cancel(tls->loop, &tls->timer);
    helper_port_close(tls->port); /* discards the job where it is busy, now or later */
    if (!is_busy) {
        tls_free(tls);
    }
}
