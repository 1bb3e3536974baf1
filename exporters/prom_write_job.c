/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_job — see prom_write_job.h.
 *
 * After a failure that may pass no further request begins: an upstream that is down or throttles
 * is not asked more than it must be.
 */
#include "exporters/prom_write_job.h"

#include <errno.h>
#include <stdio.h>

#include "codecs/snappy.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/batch.h"
#include "exporters/exporter_bounds.h"
#include "io/loop.h"

#define FIRST_CAPACITY 8
/* Kept from batch to batch: so many requests, each buffer at most so large. */
#define REQUESTS_KEPT_MAX 8
#define BUFFER_KEPT_MAX_BYTES (1024 * 1024)

/* Frees the requests from that index on. */
static void free_requests(struct prom_write_job *job, size_t first)
{
    for (size_t i = first; i < job->capacity && job->requests[i] != NULL; i++) {
        bytes_fini(&job->requests[i]->body);
        mem_free(job->requests[i]);
        job->requests[i] = NULL;
    }
}

static void shrink(struct bytes *bytes)
{
    size_t max_bytes = bytes->max_bytes;
    if (bytes->capacity_bytes > BUFFER_KEPT_MAX_BYTES) {
        bytes_fini(bytes);
        bytes_init(bytes, max_bytes);
    }
}

void prom_write_job_trim(struct prom_write_job *job)
{
    ASSERT(job->open_count == 0);
    job->count = 0;
    free_requests(job, REQUESTS_KEPT_MAX);
    for (size_t i = 0; i < job->capacity && job->requests[i] != NULL; i++) {
        shrink(&job->requests[i]->body);
    }
    shrink(&job->plain);
}

void prom_write_job_fini(struct prom_write_job *job)
{
    ASSERT(job->open_count == 0);
    free_requests(job, 0);
    mem_free(job->requests);
    bytes_fini(&job->plain);
    bytes_fini(&job->delta_name);
    *job = (struct prom_write_job){0};
}

/* --- making requests -------------------------------------------------------------------------- */

static int grow(struct prom_write_job *job)
{
    size_t capacity = job->capacity == 0 ? FIRST_CAPACITY : job->capacity * 2;
    struct prom_write_request **requests =
        mem_resize(job->requests, capacity * sizeof(struct prom_write_request *));
    if (requests == NULL) {
        return -ENOMEM;
    }
    for (size_t i = job->capacity; i < capacity; i++) {
        requests[i] = NULL;
    }
    job->requests = requests;
    job->capacity = capacity;
    return 0;
}

/* One more request, of this batch or of an earlier one that needs it no longer. */
static struct prom_write_request *add_request(struct prom_write_job *job)
{
    if (job->count == job->capacity && grow(job) != 0) {
        return NULL;
    }
    struct prom_write_request *request = job->requests[job->count];
    if (request == NULL) {
        request = mem_alloc(sizeof(*request));
        if (request == NULL) {
            return NULL;
        }
        bytes_init(&request->body, PROM_WRITE_PLAIN_MAX_BYTES);
        job->requests[job->count] = request;
    }
    request->job = job;
    request->state = PROM_WRITE_IDLE;
    request->was_sent = false;
    bytes_clear(&request->body);
    job->count++;
    return request;
}

static int make_request(struct prom_write_job *job, uint64_t item_count)
{
    if (job->plain.err != 0) {
        return job->plain.err;
    }
    struct prom_write_request *request = add_request(job);
    if (request == NULL) {
        return -ENOMEM;
    }
    struct iovec plain = {.iov_base = job->plain.ptr, .iov_len = job->plain.len};
    request->item_count = item_count;
    request->described_count = job->write->described_count;
    int err = snappy_block_encode_iov(&plain, 1, &request->body);
    request->piece = (struct iovec){.iov_base = request->body.ptr, .iov_len = request->body.len};
    return err;
}

static const char *refusal_text(enum prom_write_refusal why)
{
    static const char *const texts[] = {
        [PROM_WRITE_DELTA] = "delta temporality",
        [PROM_WRITE_NAME] = "a metric without a name",
        [PROM_WRITE_LABELS] = "too many labels",
        [PROM_WRITE_SCALE] = "an exponential histogram with a scale below -4",
        [PROM_WRITE_MALFORMED] = "malformed points",
        [PROM_WRITE_MEMORY] = "no memory",
    };
    return texts[why];
}

static struct counter *counter_of(struct exporter_stats *stats, enum prom_write_refusal why)
{
    switch (why) {
    case PROM_WRITE_DELTA:
        return &stats->items_rejected_delta;
    case PROM_WRITE_NAME:
        return &stats->items_rejected_metric_name;
    case PROM_WRITE_LABELS:
        return &stats->items_rejected_labels;
    case PROM_WRITE_SCALE:
        return &stats->items_rejected_out_of_range;
    case PROM_WRITE_MALFORMED:
        return &stats->items_rejected_malformed_point;
    case PROM_WRITE_MEMORY:
        return &stats->items_rejected_memory;
    case PROM_WRITE_REFUSAL_COUNT:
        break;
    }
    return &stats->items_rejected;
}

static void take_tally(struct prom_write_job *job, const struct prom_write_tally *tally)
{
    uint64_t most = 0;
    job->rejects.count = 0;
    job->refused_items = 0;
    job->refused_why = NULL;
    for (int why = 0; why < PROM_WRITE_REFUSAL_COUNT; why++) {
        bool is_most = tally->refused_counts[why] > most;
        most = is_most ? tally->refused_counts[why] : most;
        job->refused_why = is_most ? refusal_text((enum prom_write_refusal)why) : job->refused_why;
        rejects_add(&job->rejects, counter_of(job->stats, (enum prom_write_refusal)why),
                    tally->refused_counts[why]);
        job->refused_items += tally->refused_counts[why];
    }
    job->left_out_infos = tally->left_out_infos;
    job->left_out_metadata = tally->left_out_metadata;
}

static void add_parts(struct prom_write_job *job, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        bool is_ours = part->encoding == PART_OTLP && part->signal == SIGNAL_METRICS;
        prom_write_add(job->write, is_ours ? part->bytes : (struct slice){0}, part->item_count);
    }
}

int prom_write_job_fill(struct prom_write_job *job, const struct batch *batch)
{
    uint64_t item_count = 0;
    int err = 0;
    prom_write_job_trim(job); /* the batch before may have been given up without a word to us */
    job->batch_items = batch->item_count;
    job->refusal[0] = '\0';
    job->refusal_status = 0;
    prom_write_clear(job->write);
    add_parts(job, batch);
    take_tally(job, &job->write->tally);
    bytes_clear(&job->delta_name);
    bytes_append(&job->delta_name, job->write->delta_name, job->write->delta_name_len);
    while (err == 0 && prom_write_next(job->write, &job->plain, &item_count)) {
        err = make_request(job, item_count);
    }
    prom_write_clear(job->write); /* its memory is the next batch's */
    if (err != 0) {
        job->count = 0;
        return -ENOMEM;
    }
    counter_add(&job->stats->left_out_infos, job->left_out_infos);
    counter_add(&job->stats->left_out_metadata, job->left_out_metadata);
    return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

void prom_write_job_report(const struct prom_write_job *job, struct send_slot *slot)
{
    uint64_t taken = 0;
    uint64_t refused = job->refused_items;
    for (size_t i = 0; i < job->count; i++) {
        const struct prom_write_request *request = job->requests[i];
        taken += request->state == PROM_WRITE_TAKEN ? request->item_count : 0;
        refused += request->state == PROM_WRITE_REFUSED ? request->item_count : 0;
    }
    slot->delivered_items = at_most(taken, job->batch_items);
    slot->rejected_items = at_most(refused, job->batch_items - slot->delivered_items);
    slot->rejects = &job->rejects;
}

/* An answer without a sentence has its status. */
static void say(char *reason, const char *what, uint32_t status, struct slice text)
{
    if (text.len == 0 && status != 0) {
        (void)snprintf(reason, PROM_WRITE_REASON_BYTES, "%sHTTP status %u", what, status);
        return;
    }
    (void)snprintf(reason, PROM_WRITE_REASON_BYTES, "%s%.*s", what, (int)at_most(text.len, 1024),
                   text.len > 0 ? (const char *)text.ptr : "");
}

static void finish(struct prom_write_job *job)
{
    ASSERT(job->open_count == 0);
    bool has_words = job->refusal[0] != '\0' || job->refused_why == NULL;
    struct send_result result = {
        .outcome = SEND_ACCEPTED,
        .status = job->refusal_status,
        .reason = slice_of_text(has_words ? job->refusal : job->refused_why),
    };
    if (job->has_failed) {
        result.outcome = SEND_RETRYABLE;
        result.status = job->failure_status;
        result.reason = slice_of_text(job->failure);
        result.retry_after_ns = job->retry_after_ms * CLOCK_NS_PER_MS;
    }
    job->on_done(job, &result);
}

static void job_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    finish(CONTAINER_OF(timer, struct prom_write_job, timer));
}

/* Retried is what may pass; see the head of the header. */
static bool is_retryable(uint32_t status)
{
    return status == 429 || (status >= 500 && status <= 599);
}

static void note_failure(struct prom_write_job *job, uint32_t status, struct slice reason)
{
    job->has_failed = true;
    job->failure_status = status;
    say(job->failure, "", status, reason);
}

/* Of metadata only where there is nothing to be said of points. */
static void refuse(struct prom_write_request *request, uint32_t status, struct slice reason)
{
    struct prom_write_job *job = request->job;
    bool is_metadata = request->described_count > 0;
    request->state = PROM_WRITE_REFUSED;
    counter_add(&job->stats->left_out_metadata, request->described_count);
    if (!is_metadata || (job->refusal[0] == '\0' && job->refused_why == NULL)) {
        job->refusal_status = status;
        say(job->refusal, is_metadata ? "metadata: " : "", status, reason);
    }
}

static void judge(struct prom_write_request *request, const struct http_result *result)
{
    struct prom_write_job *job = request->job;
    struct slice reason = result->fault != 0 ? slice_of_text(result->fault_text) : result->body;
    bool may_pass =
        result->fault != 0 ? !http_post_is_hopeless(result) : is_retryable(result->status);
    if (result->fault == 0 && result->status >= 200 && result->status <= 299) {
        request->state = PROM_WRITE_TAKEN;
    } else if (!may_pass || request->described_count > 0) {
        refuse(request, result->status, reason);
    } else {
        request->state = PROM_WRITE_IDLE;
        note_failure(job, result->status, reason);
        job->retry_after_ms = result->retry_after_ms > job->retry_after_ms ? result->retry_after_ms
                                                                           : job->retry_after_ms;
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static int begin_more(struct prom_write_job *job);

/* What was sent again on the way, because a kept connection ended without an answer. */
static void count_repeats(struct exporter_stats *stats, const struct http_result *result)
{
    counter_add(&stats->requests_sent, result->repeat_count);
    counter_add(&stats->requests_retried, result->repeat_count);
    counter_add(&stats->requests_repeated_unknown, result->repeat_count);
}

static void request_on_done(struct http_post *post, const struct http_result *result)
{
    struct prom_write_request *request = CONTAINER_OF(post, struct prom_write_request, post);
    struct prom_write_job *job = request->job;
    ASSERT(request->state == PROM_WRITE_SENDING);
    ASSERT(job->open_count > 0);
    job->open_count--;
    count_repeats(job->stats, result);
    judge(request, result);
    int err = begin_more(job);
    if (err != 0) {
        note_failure(job, 0, slice_of_text(fault_text(err)));
    }
    if (job->open_count == 0) {
        finish(job);
    }
}

static int begin(struct prom_write_request *request)
{
    struct prom_write_job *job = request->job;
    request->post = (struct http_post){
        .body = &request->piece,
        .body_count = 1,
        .timeout_ms = job->timeout_ms,
        .response_max_bytes = PROM_WRITE_RESPONSE_MAX_BYTES,
        .on_done = request_on_done,
    };
    int err = http_poster_start(job->poster, &request->post);
    if (err != 0) {
        return err;
    }
    struct exporter_stats *stats = job->stats;
    request->state = PROM_WRITE_SENDING;
    job->open_count++;
    counter_add(&stats->request_bytes, request->body.len);
    counter_add(&stats->requests_sent, 1);
    counter_add(&stats->requests_retried, request->was_sent ? 1 : 0);
    request->was_sent = true;
    return 0;
}

/* As many as may be under way. 0, or why one could not begin. */
static int begin_more(struct prom_write_job *job)
{
    int err = 0;
    while (err == 0 && !job->has_failed && job->next_index < job->count &&
           job->open_count < job->parallel_max) {
        struct prom_write_request *request = job->requests[job->next_index];
        err = request->state == PROM_WRITE_IDLE ? begin(request) : 0;
        job->next_index += err == 0 ? 1 : 0;
    }
    return err;
}

/* --- public ----------------------------------------------------------------------------------- */

void prom_write_job_init(struct prom_write_job *job)
{
    *job = (struct prom_write_job){.timer.on_fire = job_on_timer};
    bytes_init(&job->plain, PROM_WRITE_PLAIN_MAX_BYTES);
    bytes_init(&job->delta_name, PROM_WRITE_SAMPLE_BYTES);
}

int prom_write_job_start(struct prom_write_job *job, uint64_t timeout_ms)
{
    ASSERT(job->open_count == 0);
    job->timeout_ms = timeout_ms;
    job->next_index = 0;
    job->has_failed = false;
    job->retry_after_ms = 0;
    int err = begin_more(job);
    if (job->open_count == 0) {
        return err != 0 ? err : loop_timer_arm(job->loop, &job->timer, 0);
    }
    if (err != 0) {
        note_failure(job, 0, slice_of_text(fault_text(err)));
    }
    return 0;
}

void prom_write_job_cancel(struct prom_write_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct prom_write_request *request = job->requests[i];
        if (request->state == PROM_WRITE_SENDING) {
            http_poster_cancel(job->poster, &request->post);
            request->state = PROM_WRITE_IDLE;
        }
    }
    job->open_count = 0;
    loop_timer_cancel(job->loop, &job->timer);
}
