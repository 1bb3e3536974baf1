/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_exporter — the one job of the exporter, between the sender and the poster.
 *
 * A batch is translated with its first attempt, and again only where memory was short.
 */
#include "exporters/prom_write_exporter.h"

#include <errno.h>
#include <sys/random.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/http_client_config.h"
#include "exporters/http_post.h"
#include "exporters/prom_write_config.h"
#include "exporters/prom_write_job.h"
#include "exporters/sender_exporter.h"
#include "io/loop.h"

struct prom_write_exporter {
    struct sender_exporter common; /* first: see sender_exporter.h */
    struct prom_write_config config;
    struct prom_write write;
    struct prom_write_job job;
    struct authenticator *auth; /* borrowed; NULL: none */
    struct http_poster *poster; /* owned */
    struct send_slot *slot;     /* borrowed from the sender while under way */
    struct log_limit delta_limit;
    struct log_limit left_out_limit;
    bool is_filled; /* the job has the requests of the batch in hand */
};

static struct prom_write_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct prom_write_exporter, common.base);
}

/* --- attempts --------------------------------------------------------------------------------- */

static void job_on_done(struct prom_write_job *job, const struct send_result *result)
{
    struct prom_write_exporter *exporter = CONTAINER_OF(job, struct prom_write_exporter, job);
    struct send_slot *slot = exporter->slot;
    struct send_result outcome = *result;
    prom_write_job_report(job, slot);
    if (outcome.outcome == SEND_ACCEPTED && slot->delivered_items == 0 &&
        slot->rejected_items > 0) {
        outcome.outcome = SEND_REJECTED;
        slot->rejected_items = 0; /* the whole of it is refused, and counted as such */
    } else if (outcome.outcome == SEND_ACCEPTED) {
        outcome.rejected_items = slot->rejected_items;
    }
    sender_done(slot, &outcome);
    if (slot->state == SEND_STATE_IDLE) { /* neither tried again nor followed by another one */
        prom_write_job_trim(job);
    }
}

/* Where a client's metrics are not cumulative, nobody would know why they do not arrive. */
static void log_deltas(struct prom_write_exporter *exporter)
{
    struct slice name = bytes_slice(&exporter->job.delta_name);
    uint64_t suppressed_count = 0;
    if (name.len == 0 ||
        !log_limit_admit(&exporter->delta_limit, loop_now_mono_ns(exporter->common.base.loop),
                         &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_warn("prometheus_delta_refused", LOG_TEXT("exporter", exporter->common.base.id),
             LOG_TEXT("metric", log_escape_sample(name, sample)),
             LOG_TEXT("effect", "points with delta temporality are refused: remote write knows "
                                "cumulative ones only"),
             LOG_U64("suppressed", suppressed_count));
}

/* Whoever joins by them would not know why they are not there. */
static void log_left_out(struct prom_write_exporter *exporter)
{
    const struct prom_write_job *job = &exporter->job;
    uint64_t suppressed_count = 0;
    if (job->left_out_infos + job->left_out_metadata == 0 ||
        !log_limit_admit(&exporter->left_out_limit, loop_now_mono_ns(exporter->common.base.loop),
                         &suppressed_count)) {
        return;
    }
    log_warn("prometheus_left_out", LOG_TEXT("exporter", exporter->common.base.id),
             LOG_U64("target_infos", job->left_out_infos),
             LOG_U64("metadata", job->left_out_metadata),
             LOG_TEXT("effect", "what has too many labels, is too long or finds no memory is not "
                                "sent; the points are"),
             LOG_U64("suppressed", suppressed_count));
}

static int prom_write_send(struct sender *sender, struct send_slot *slot)
{
    struct prom_write_exporter *exporter = exporter_of(sender->exporter);
    exporter->slot = slot;
    exporter->is_filled = exporter->is_filled && slot->attempt_count > 1;
    if (!exporter->is_filled) {
        int err = prom_write_job_fill(&exporter->job, slot->batch);
        if (err != 0) {
            return err;
        }
        exporter->is_filled = true;
        log_deltas(exporter);
        log_left_out(exporter);
    }
    uint64_t timeout_ns = sender_attempt_timeout_ns(sender);
    uint64_t timeout_ms =
        timeout_ns / CLOCK_NS_PER_MS + (timeout_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0);
    prom_write_job_report(&exporter->job, slot); /* should it be given up at once */
    return prom_write_job_start(&exporter->job, timeout_ms);
}

static void prom_write_cancel(struct sender *sender, struct send_slot *slot)
{
    struct prom_write_exporter *exporter = exporter_of(sender->exporter);
    prom_write_job_cancel(&exporter->job);
    prom_write_job_report(&exporter->job, slot); /* it is given up */
}

static const struct sender_ops prom_write_sender_ops = {
    .send = prom_write_send,
    .cancel = prom_write_cancel,
    .counts_requests = true,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static struct http_poster_options poster_options(const struct prom_write_exporter *exporter)
{
    return (struct http_poster_options){
        .client = exporter->config.client,
        .auth = exporter->auth,
        .urls = &exporter->config.url,
        .url_count = 1,
        .headers = exporter->config.headers.lines,
        .header_count = exporter->config.headers.count,
    };
}

static int prom_write_link(struct exporter *base, struct authenticator *authenticator, char *why)
{
    struct prom_write_exporter *exporter = exporter_of(base);
    exporter->auth = authenticator;
    if (exporter->poster != NULL) {
        http_poster_set_auth(exporter->poster, authenticator);
        return 0;
    }
    const struct http_poster_options options = poster_options(exporter);
    return http_poster_check(&options, why);
}

static int prom_write_open(struct exporter *base, struct loop *loop)
{
    struct prom_write_exporter *exporter = exporter_of(base);
    uint64_t hash_seed = 0;
    base->loop = loop;
    int err = http_client_config_check_files(&exporter->config.client.tls, base->id);
    if (err != 0) {
        return err;
    }
    (void)getrandom(&hash_seed, sizeof(hash_seed), 0); /* never fails once the kernel is up */
    err = prom_write_init(&exporter->write, &exporter->config.write, hash_seed);
    if (err != 0) {
        return err;
    }
    const struct http_poster_options options = poster_options(exporter);
    err = http_poster_open(loop, &options, &exporter->poster);
    if (err != 0) {
        return err;
    }
    exporter->job.loop = loop;
    exporter->job.poster = exporter->poster;
    /* Replicas that start together must not retry together. */
    return sender_open(&exporter->common.sender, loop, hash_seed ^ loop_now_unix_ns(loop));
}

static void prom_write_close(struct exporter *base)
{
    struct prom_write_exporter *exporter = exporter_of(base);
    sender_close(&exporter->common.sender);
    http_poster_close(exporter->poster);
    prom_write_job_fini(&exporter->job);
    prom_write_fini(&exporter->write);
    prom_write_config_fini(&exporter->config);
    mem_free(exporter);
}

const struct exporter_ops prom_write_exporter_ops = {
    .type = "prometheusremotewrite",
    .link = prom_write_link,
    .open = prom_write_open,
    .submit = sender_exporter_submit,
    .drain = sender_exporter_drain,
    .is_idle = sender_exporter_is_idle,
    .close = prom_write_close,
};

int prom_write_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct prom_write_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    int err = prom_write_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        prom_write_config_fini(&exporter->config);
        mem_free(exporter);
        return err;
    }
    struct exporter *base = &exporter->common.base;
    *base = (struct exporter){
        .ops = &prom_write_exporter_ops,
        .id = id,
        .authenticator_id = exporter->config.authenticator_id,
    };
    prom_write_job_init(&exporter->job);
    exporter->job.stats = &base->stats;
    exporter->job.write = &exporter->write;
    exporter->job.on_done = job_on_done;
    exporter->job.parallel_max = exporter->config.parallel_requests;
    sender_init(&exporter->common.sender, base, &prom_write_sender_ops, &exporter->config.sender);
    *out = base;
    return 0;
}
