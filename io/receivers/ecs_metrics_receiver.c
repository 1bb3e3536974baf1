/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_receiver — a cycle: the task's document, the statistics, points.
 *
 * What fails for a moment is tried again within the cycle (io/aws/retry_call); what fails then is
 * counted, and the next cycle begins anew. A cycle that finds the last one under way is left out.
 */
#include "io/receivers/ecs_metrics_receiver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/aws/retry_call.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "io/receivers/ecs_metrics_config.h"
#include "io/receivers/ecs_metrics_points.h"
#include "io/receivers/ecs_metrics_task.h"

#define URI_VARIABLE "ECS_CONTAINER_METADATA_URI_V4"
#define URL_MAX_BYTES 512
/* Of one attempt; less where the interval is shorter. */
#define TIMEOUT_MS 2000
/* Points handed on at once: those of some hundred containers. */
#define RUN_MAX_BYTES (1024 * 1024)

_Static_assert(ECS_METRICS_WHY_LIMIT <= STATS_LINE_REASON_MAX, "each reason has a counter");

struct ecs_metrics_receiver {
    struct pull_receiver pull;
    struct ecs_metrics_config config;
    char base[URL_MAX_BYTES]; /* of the endpoint */
    /* The egress thread's. */
    char url[URL_MAX_BYTES + 16];
    struct http_client *client; /* owned */
    struct retry_call call;
    uint8_t *run; /* owned; reserved, RUN_MAX_BYTES */
    struct ecs_task task;
    bool is_asking;
    struct log_limit complaints[ECS_METRICS_WHY_LIMIT];
};

static struct ecs_metrics_receiver *of(struct pull_receiver *pull)
{
    return CONTAINER_OF(pull, struct ecs_metrics_receiver, pull);
}

/* --- trouble ---------------------------------------------------------------------------------- */

static const char *ecs_metrics_reason(uint32_t index)
{
    static const char *const reasons[] = {
        [ECS_METRICS_WHY_UNREACHABLE] = "unreachable",
        [ECS_METRICS_WHY_TIMEOUT] = "timeout",
        [ECS_METRICS_WHY_THROTTLED] = "throttled",
        [ECS_METRICS_WHY_SERVER_ERROR] = "server_error",
        [ECS_METRICS_WHY_BAD_STATUS] = "bad_status",
        [ECS_METRICS_WHY_TOO_LARGE] = "too_large",
        [ECS_METRICS_WHY_BAD_TASK] = "bad_task",
        [ECS_METRICS_WHY_BAD_STATS] = "bad_stats",
        [ECS_METRICS_WHY_OVERRUN] = "overrun",
        [ECS_METRICS_WHY_ODD_VALUE] = "odd_value",
        [ECS_METRICS_WHY_ODD_STATS] = "odd_stats",
        [ECS_METRICS_WHY_ODD_TIME] = "odd_time",
        [ECS_METRICS_WHY_NO_STATS] = "no_stats",
        [ECS_METRICS_WHY_CONTAINER_LIMIT] = "container_limit",
    };
    if (index < PULL_WHY_LIMIT) {
        return pull_reason(index);
    }
    return index < COUNT_OF(reasons) ? reasons[index] : NULL;
}

/* Counts, and says so, but not every time. */
static void refuse(struct ecs_metrics_receiver *ecs, uint32_t why, uint64_t count,
                   const char *detail)
{
    uint64_t suppressed_count = 0;
    if (count == 0) {
        return;
    }
    pull_refuse(&ecs->pull, why, count);
    if (log_limit_admit(&ecs->complaints[why], loop_now_mono_ns(ecs->pull.loop),
                        &suppressed_count)) {
        log_warn("task_metrics_incomplete", LOG_TEXT("receiver", ecs->pull.receiver.id),
                 LOG_TEXT("reason", ecs_metrics_reason(why)), LOG_U64("count", count),
                 LOG_TEXT("detail", detail), LOG_U64("more", suppressed_count));
    }
}

/* A cycle ends without points. */
static void give_up(struct ecs_metrics_receiver *ecs, uint32_t why, const char *detail)
{
    ecs->is_asking = false;
    refuse(ecs, why, 1, detail);
}

/* 0 for a document, else the reason of its refusal. */
static uint32_t judge(const struct http_result *result)
{
    if (result->fault != 0) {
        return result->fault == -ETIMEDOUT ? ECS_METRICS_WHY_TIMEOUT : ECS_METRICS_WHY_UNREACHABLE;
    }
    if (result->status == 429) {
        return ECS_METRICS_WHY_THROTTLED;
    }
    if (result->status >= 500) {
        return ECS_METRICS_WHY_SERVER_ERROR;
    }
    if (result->status != 200) {
        return ECS_METRICS_WHY_BAD_STATUS;
    }
    return result->is_body_cut ? ECS_METRICS_WHY_TOO_LARGE : 0;
}

/*
 * Is it a document? If not, the cycle is over. No document counts as received on the wire: a drain
 * waits for silence there, and what weir fetches by itself is no input that could fall silent.
 */
static bool accept_answer(struct ecs_metrics_receiver *ecs, const struct http_result *result)
{
    char detail[URL_MAX_BYTES + 128];
    uint32_t why = judge(result);
    if (why == 0) {
        counter_add(&ecs->pull.stats.wire_bytes, result->body.len);
        return true;
    }
    if (result->fault != 0) {
        (void)snprintf(detail, sizeof(detail), "%s: %.100s", ecs->url, result->fault_text);
    } else {
        (void)snprintf(detail, sizeof(detail), "%s: answered %u", ecs->url, result->status);
    }
    give_up(ecs, why, detail);
    return false;
}

/* --- a cycle ---------------------------------------------------------------------------------- */

static void ask(struct ecs_metrics_receiver *ecs, const char *path, retry_call_fn *on_done)
{
    uint64_t interval_ms = ecs->config.interval_ns / CLOCK_NS_PER_MS;
    (void)snprintf(ecs->url, sizeof(ecs->url), "%s%s", ecs->base, path); /* it has the room */
    ecs->call = (struct retry_call){
        .loop = ecs->pull.loop,
        .client = ecs->client,
        .on_done = on_done,
        .http = {.method = "GET",
                 .url = ecs->url,
                 .timeout_ms = interval_ms < TIMEOUT_MS ? interval_ms : TIMEOUT_MS,
                 .response_max_bytes = ECS_DOCUMENT_MAX_BYTES},
    };
    int err = retry_call_start(&ecs->call);
    if (err != 0) {
        give_up(ecs, ECS_METRICS_WHY_UNREACHABLE, fault_text(err));
    }
}

static void push_points(struct ecs_metrics_receiver *ecs)
{
    struct ecs_points points;
    struct slice bytes;
    ecs_points_begin(&points, &ecs->task, loop_now_unix_ns(ecs->pull.loop));
    while (ecs_points_next(&points, ecs->run, RUN_MAX_BYTES, &bytes)) {
        int err = pull_push(&ecs->pull, bytes, points.point_count);
        (void)err; /* what finds no room is booked there */
    }
    refuse(ecs, ECS_METRICS_WHY_TOO_LARGE, points.too_large_count,
           "the texts of a container are longer than a run of points");
}

static void refuse_left_out(struct ecs_metrics_receiver *ecs)
{
    const struct ecs_left_out *left_out = &ecs->task.left_out;
    refuse(ecs, ECS_METRICS_WHY_ODD_VALUE, left_out->odd_values,
           "members of the task's document are not what they should be");
    refuse(ecs, ECS_METRICS_WHY_ODD_STATS, left_out->odd_stats,
           "figures of a container are not what they should be");
    refuse(ecs, ECS_METRICS_WHY_ODD_TIME, left_out->odd_times,
           "when a container began or ended is not to be read");
    refuse(ecs, ECS_METRICS_WHY_NO_STATS, left_out->no_stats,
           "a container has no figures and has not ended");
    refuse(ecs, ECS_METRICS_WHY_CONTAINER_LIMIT, left_out->too_many,
           "the task has more containers than are told apart");
}

static void ecs_on_stats(struct retry_call *call, const struct http_result *result)
{
    struct ecs_metrics_receiver *ecs = CONTAINER_OF(call, struct ecs_metrics_receiver, call);
    if (!accept_answer(ecs, result)) {
        return;
    }
    if (ecs_task_read_stats(&ecs->task, result->body) != 0) {
        give_up(ecs, ECS_METRICS_WHY_BAD_STATS, ecs->url);
        return;
    }
    ecs->is_asking = false;
    refuse_left_out(ecs);
    push_points(ecs);
}

static void ecs_on_task(struct retry_call *call, const struct http_result *result)
{
    struct ecs_metrics_receiver *ecs = CONTAINER_OF(call, struct ecs_metrics_receiver, call);
    if (!accept_answer(ecs, result)) {
        return;
    }
    int err = ecs_task_read(&ecs->task, result->body);
    if (err != 0) {
        bool is_short = err == FAULT_LIMIT;
        give_up(ecs, is_short ? (uint32_t)PULL_WHY_MEMORY : (uint32_t)ECS_METRICS_WHY_BAD_TASK,
                ecs->url);
        return;
    }
    ask(ecs, "/task/stats", ecs_on_stats);
}

static void ecs_metrics_collect(struct pull_receiver *pull, uint64_t now_mono_ns)
{
    struct ecs_metrics_receiver *ecs = of(pull);
    (void)now_mono_ns;
    if (ecs->is_asking) {
        refuse(ecs, ECS_METRICS_WHY_OVERRUN, 1, ecs->url);
        return;
    }
    ecs->is_asking = true;
    ask(ecs, "/task", ecs_on_task);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Without blanks around it, and without a slash at its end. False for what is no address. */
static bool take_base(struct ecs_metrics_receiver *ecs, const char *uri)
{
    size_t len = strlen(uri);
    while (len > 0 && is_blank(uri[0])) {
        uri++;
        len--;
    }
    while (len > 0 && (is_blank(uri[len - 1]) || uri[len - 1] == '/')) {
        len--;
    }
    if (len == 0 || len >= sizeof(ecs->base)) {
        return false;
    }
    memcpy(ecs->base, uri, len);
    ecs->base[len] = '\0';
    return http_url_is_valid(ecs->base);
}

static int ecs_metrics_check(struct pull_receiver *pull, const struct receiver_home *home)
{
    struct ecs_metrics_receiver *ecs = of(pull);
    const char *uri = getenv(URI_VARIABLE);
    (void)home;
    if (uri == NULL || !take_base(ecs, uri)) {
        log_error("task_metadata_missing", LOG_TEXT("receiver", pull->receiver.id),
                  LOG_TEXT("variable", URI_VARIABLE),
                  LOG_TEXT("message",
                           "The variable is not set to an address: awsecscontainermetrics works "
                           "inside an ECS task only, on Fargate from platform version 1.4.0 and "
                           "on EC2 from agent 1.39.0 on. Elsewhere take it out of the pipelines."));
        return FAULT_CONFIG;
    }
    log_info("own_task_only", LOG_TEXT("receiver", pull->receiver.id),
             LOG_TEXT("endpoint", ecs->base),
             LOG_TEXT("message", "The metrics are those of the task that weir runs in; no task is "
                                 "shown another's."));
    return 0;
}

static int ecs_metrics_open(struct pull_receiver *pull, struct loop *loop)
{
    struct ecs_metrics_receiver *ecs = of(pull);
    static const struct http_client_options options = {.ignores_proxies = true};
    ecs->run = mem_reserve(RUN_MAX_BYTES);
    int err = ecs->run != NULL ? ecs_task_init(&ecs->task) : -ENOMEM;
    if (err == 0) {
        err = http_client_open(loop, &options, &ecs->client);
    }
    if (err != 0) {
        log_error("receiver_open_failed", LOG_TEXT("receiver", pull->receiver.id),
                  LOG_FAULT("reason", err));
    }
    return err;
}

static void ecs_metrics_stop(struct pull_receiver *pull)
{
    struct ecs_metrics_receiver *ecs = of(pull);
    retry_call_cancel(&ecs->call);
    http_client_close(ecs->client);
    ecs->client = NULL;
    ecs_task_fini(&ecs->task);
    mem_unreserve(ecs->run, RUN_MAX_BYTES);
    ecs->run = NULL;
}

static void ecs_metrics_free(struct pull_receiver *pull)
{
    mem_free(of(pull));
}

static const struct pull_ops ecs_metrics_ops = {
    .type = "awsecscontainermetrics",
    .check = ecs_metrics_check,
    .open = ecs_metrics_open,
    .collect = ecs_metrics_collect,
    .stop = ecs_metrics_stop,
    .free = ecs_metrics_free,
    .reason = ecs_metrics_reason,
};

int ecs_metrics_receiver_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct ecs_metrics_receiver *ecs = mem_alloc(sizeof(*ecs));
    if (ecs == NULL) {
        return -ENOMEM;
    }
    int err = ecs_metrics_config_read(config, &ecs->config);
    if (err != 0) {
        mem_free(ecs);
        return err;
    }
    pull_receiver_init(&ecs->pull, &ecs_metrics_ops, id, "http", ecs->config.interval_ns);
    *out = &ecs->pull.receiver;
    return 0;
}
