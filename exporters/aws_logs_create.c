/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_create — one request per group, used for each step in turn.
 */
#include "exporters/aws_logs_create.h"

#include "codecs/json_out.h"
#include "core/base/log.h"

#define RESPONSE_MAX_BYTES 65536
#define TEXT(text)                                                                                 \
    {                                                                                              \
        .ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1                                 \
    }
#define TARGET(operation)                                                                          \
    {                                                                                              \
        {.name = TEXT("Content-Type"), .value = TEXT("application/x-amz-json-1.1")},               \
        {                                                                                          \
            .name = TEXT("X-Amz-Target"), .value = TEXT("Logs_20140328." operation)                \
        }                                                                                          \
    }
#define HEADER_COUNT 2

struct operation {
    const char *name;
    struct aws_header headers[HEADER_COUNT];
};

static const struct operation operations[] = {
    [AWS_LOGS_STEP_IDLE] = {.name = ""},
    [AWS_LOGS_STEP_STREAM] = {.name = "CreateLogStream", .headers = TARGET("CreateLogStream")},
    [AWS_LOGS_STEP_GROUP] = {.name = "CreateLogGroup", .headers = TARGET("CreateLogGroup")},
    [AWS_LOGS_STEP_RETENTION] = {.name = "PutRetentionPolicy",
                                 .headers = TARGET("PutRetentionPolicy")},
    [AWS_LOGS_STEP_STREAM_AGAIN] = {.name = "CreateLogStream",
                                    .headers = TARGET("CreateLogStream")},
};

/* --- bodies ----------------------------------------------------------------------------------- */

static void write_group(struct json_out *out, const struct aws_logs_group_config *config)
{
    if (config->group_class != NULL) {
        json_out_key(out, SLICE_LITERAL("logGroupClass"));
        json_out_string(out, slice_of_text(config->group_class));
    }
    if (config->tag_count == 0) {
        return;
    }
    json_out_key(out, SLICE_LITERAL("tags"));
    json_out_open(out, '{');
    for (size_t i = 0; i < config->tag_count; i++) {
        json_out_key(out, config->tags[i].key);
        json_out_string(out, config->tags[i].value);
    }
    json_out_close(out, '}');
}

static int write_body(struct aws_logs_group *group, enum aws_logs_step step)
{
    const struct aws_logs_group_config *config = group->creator->config;
    bytes_clear(&group->body);
    struct json_out out = json_out_of(&group->body);
    json_out_open(&out, '{');
    json_out_key(&out, SLICE_LITERAL("logGroupName"));
    json_out_string(&out, group->name);
    switch (step) {
    case AWS_LOGS_STEP_STREAM:
    case AWS_LOGS_STEP_STREAM_AGAIN:
        json_out_key(&out, SLICE_LITERAL("logStreamName"));
        json_out_string(&out, group->wanted->name);
        break;
    case AWS_LOGS_STEP_GROUP:
        write_group(&out, config);
        break;
    case AWS_LOGS_STEP_RETENTION:
        json_out_key(&out, SLICE_LITERAL("retentionInDays"));
        json_out_u64(&out, config->retention_days);
        break;
    case AWS_LOGS_STEP_IDLE:
        break;
    }
    json_out_close(&out, '}');
    return group->body.err;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void create_on_done(struct aws_request *request, const struct aws_answer *answer);

static int enter(struct aws_logs_group *group, enum aws_logs_step step)
{
    ASSERT(step != AWS_LOGS_STEP_IDLE);
    ASSERT(group->wanted != NULL);
    int err = write_body(group, step);
    if (err != 0) {
        return err;
    }
    group->piece = (struct iovec){.iov_base = group->body.ptr, .iov_len = group->body.len};
    group->request = (struct aws_request){
        .method = "POST",
        .path = "/",
        .headers = operations[step].headers,
        .header_count = HEADER_COUNT,
        .body = &group->piece,
        .body_count = 1,
        .timeout_ms = group->creator->timeout_ms,
        .response_max_bytes = RESPONSE_MAX_BYTES,
        .on_done = create_on_done,
    };
    err = aws_client_start(group->creator->client, &group->request);
    if (err == 0) {
        group->step = step;
    }
    return err;
}

/* The stream at the head of the line is decided. */
static void finish(struct aws_logs_group *group, const struct aws_logs_created *result)
{
    struct aws_logs_stream *stream = group->wanted;
    ASSERT(stream != NULL);
    group->wanted = stream->wanted;
    stream->wanted = NULL;
    group->creator->on_created(group->creator, stream, result);
}

static void go_idle_or_on(struct aws_logs_group *group)
{
    static const struct aws_logs_created again = {.creation = AWS_LOGS_AGAIN,
                                                  .operation = "CreateLogStream"};
    while (group->wanted != NULL) {
        if (enter(group, AWS_LOGS_STEP_STREAM) == 0) {
            return;
        }
        finish(group, &again);
    }
    group->step = AWS_LOGS_STEP_IDLE;
}

static void decide(struct aws_logs_group *group, enum aws_logs_creation creation,
                   const struct aws_answer *answer)
{
    struct aws_logs_created result = {.creation = creation};
    if (creation != AWS_LOGS_CREATED) {
        result.operation = operations[group->step].name;
        result.code = answer->code;
        result.retry_after_ms = answer->retry_after_ms;
    }
    finish(group, &result);
    go_idle_or_on(group);
}

static void enter_or_wait(struct aws_logs_group *group, enum aws_logs_step step,
                          const struct aws_answer *answer)
{
    if (enter(group, step) != 0) {
        decide(group, AWS_LOGS_AGAIN, answer);
    }
}

static void after_group(struct aws_logs_group *group, bool was_missing,
                        const struct aws_answer *answer)
{
    if (was_missing) {
        group->creator->created_groups++;
        log_info("log_group_created", LOG_SLICE("log_group", group->name));
    }
    /* Whoever made a group says how long it keeps its events. */
    bool needs_retention = was_missing && group->creator->config->retention_days > 0;
    enter_or_wait(group, needs_retention ? AWS_LOGS_STEP_RETENTION : AWS_LOGS_STEP_STREAM_AGAIN,
                  answer);
}

static void log_retention(const struct aws_logs_group *group, const struct aws_answer *answer)
{
    if (answer->outcome != AWS_OK) {
        char sample[LOG_SAMPLE_TEXT_BYTES];
        log_warn("log_retention_not_set", LOG_SLICE("log_group", group->name),
                 LOG_TEXT("reason", log_escape_sample(answer->code, sample)));
    }
}

static void create_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct aws_logs_group *group = CONTAINER_OF(request, struct aws_logs_group, request);
    bool is_there = answer->outcome == AWS_PERMANENT &&
                    slice_is_text(answer->code, "ResourceAlreadyExistsException");
    bool is_missing = answer->outcome == AWS_PERMANENT &&
                      slice_is_text(answer->code, "ResourceNotFoundException");
    /* Another call about the same name is being worked on. */
    bool is_aborted = slice_is_text(answer->code, "OperationAbortedException");
    enum aws_logs_step step = group->step;
    ASSERT(step != AWS_LOGS_STEP_IDLE);
    if (step == AWS_LOGS_STEP_RETENTION) {
        log_retention(group, answer);
        enter_or_wait(group, AWS_LOGS_STEP_STREAM_AGAIN, answer);
    } else if (answer->outcome == AWS_OK || is_there) {
        if (step == AWS_LOGS_STEP_GROUP) {
            after_group(group, !is_there, answer);
            return;
        }
        group->creator->created_streams += is_there ? 0 : 1;
        decide(group, AWS_LOGS_CREATED, answer);
    } else if (step == AWS_LOGS_STEP_STREAM && is_missing) {
        enter_or_wait(group, AWS_LOGS_STEP_GROUP, answer);
    } else {
        bool is_final = answer->outcome == AWS_PERMANENT && !is_aborted && !is_missing;
        decide(group, is_final ? AWS_LOGS_REFUSED : AWS_LOGS_AGAIN, answer);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

int aws_logs_create(struct aws_logs_creator *creator, struct aws_logs_stream *stream)
{
    struct aws_logs_group *group = stream->group;
    struct aws_logs_stream **link = &group->wanted;
    while (*link != NULL) {
        if (*link == stream) {
            return 0;
        }
        link = &(*link)->wanted;
    }
    *link = stream;
    group->creator = creator;
    if (group->step != AWS_LOGS_STEP_IDLE) {
        return 0;
    }
    int err = enter(group, AWS_LOGS_STEP_STREAM);
    if (err != 0) {
        group->wanted = NULL; /* it was alone, for the group was idle */
    }
    return err;
}

void aws_logs_create_cancel(struct aws_logs_creator *creator, struct aws_logs_group *group)
{
    if (group->step != AWS_LOGS_STEP_IDLE) {
        aws_client_cancel(creator->client, &group->request);
    }
    while (group->wanted != NULL) {
        struct aws_logs_stream *stream = group->wanted;
        group->wanted = stream->wanted;
        stream->wanted = NULL;
    }
    group->step = AWS_LOGS_STEP_IDLE;
}
