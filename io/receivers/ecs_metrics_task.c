/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_task — two documents, then the sums.
 *
 * The task's document stays in the arena, and its texts borrow from there. Region and account are
 * those of the task's ARN, in every partition.
 */
#include "io/receivers/ecs_metrics_task.h"

#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/receivers/ecs_metrics_json.h"

#define ARENA_CHUNK_BYTES 65536
/* The document, its texts with each bad byte replaced by three, and what alignment wastes. */
#define ARENA_MAX_BYTES (6 * (size_t)ECS_DOCUMENT_MAX_BYTES)

enum task_member {
    TASK_LIMITS = ECS_TASK_READ_COUNT,
    TASK_STORAGE,
    TASK_CONTAINERS,
    TASK_MEMBER_COUNT,
};
static const char *const task_names[TASK_MEMBER_COUNT] = {
    [ECS_TASK_CLUSTER] = "Cluster",
    [ECS_TASK_ARN] = "TaskARN",
    [ECS_TASK_FAMILY] = "Family",
    [ECS_TASK_REVISION] = "Revision",
    [ECS_TASK_SERVICE] = "ServiceName",
    [ECS_TASK_ZONE] = "AvailabilityZone",
    [ECS_TASK_PULL_STARTED] = "PullStartedAt",
    [ECS_TASK_PULL_STOPPED] = "PullStoppedAt",
    [ECS_TASK_STATUS] = "KnownStatus",
    [ECS_TASK_LAUNCH_TYPE] = "LaunchType",
    [TASK_LIMITS] = "Limits",
    [TASK_STORAGE] = "EphemeralStorageMetrics",
    [TASK_CONTAINERS] = "Containers",
};

enum container_member {
    CONTAINER_LIMITS = ECS_CONTAINER_READ_COUNT,
    CONTAINER_EXIT_CODE,
    CONTAINER_MEMBER_COUNT,
};
static const char *const container_names[CONTAINER_MEMBER_COUNT] = {
    [ECS_CONTAINER_NAME] = "Name",
    [ECS_CONTAINER_ID] = "DockerId",
    [ECS_CONTAINER_DOCKER_NAME] = "DockerName",
    [ECS_CONTAINER_IMAGE] = "Image",
    [ECS_CONTAINER_IMAGE_ID] = "ImageID",
    [ECS_CONTAINER_CREATED] = "CreatedAt",
    [ECS_CONTAINER_STARTED] = "StartedAt",
    [ECS_CONTAINER_FINISHED] = "FinishedAt",
    [ECS_CONTAINER_STATUS] = "KnownStatus",
    [CONTAINER_LIMITS] = "Limits",
    [CONTAINER_EXIT_CODE] = "ExitCode",
};

enum limit_member { LIMIT_CPU, LIMIT_MEMORY };
static const char *const limit_names[] = {"CPU", "Memory"};
static const char *const storage_names[] = {"Utilized", "Reserved"};

int ecs_task_init(struct ecs_task *task)
{
    *task = (struct ecs_task){0};
    return arena_init(&task->arena, ARENA_CHUNK_BYTES, ARENA_MAX_BYTES);
}

void ecs_task_fini(struct ecs_task *task)
{
    arena_fini(&task->arena);
    *task = (struct ecs_task){0};
}

/* --- texts ------------------------------------------------------------------------------------ */

static struct slice behind_last_slash(struct slice text)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '/') {
        at--;
    }
    return slice_from(text, at);
}

/* What stands before the next colon; takes both off. */
static struct slice take_part(struct slice *rest)
{
    size_t colon = slice_find(*rest, ':');
    struct slice part = slice_first(*rest, colon);
    *rest = slice_from(*rest, colon < rest->len ? colon + 1 : colon);
    return part;
}

/* arn:aws-cn:ecs:cn-north-1:123456789012:task/cluster/id; what is no such ARN tells nothing. */
static void split_arn(struct ecs_task *task)
{
    struct slice rest = task->texts[ECS_TASK_ARN];
    if (!slice_has_prefix(rest, SLICE_LITERAL("arn:aws"))) {
        return;
    }
    (void)take_part(&rest);
    (void)take_part(&rest);
    if (!slice_is_text(take_part(&rest), "ecs")) {
        return;
    }
    task->texts[ECS_TASK_REGION] = take_part(&rest);
    task->texts[ECS_TASK_ACCOUNT] = take_part(&rest);
    task->texts[ECS_TASK_ID] = behind_last_slash(rest);
}

static bool equals_any_case(struct slice text, struct slice small)
{
    bool is_equal = text.len == small.len;
    for (size_t i = 0; i < small.len && is_equal; i++) {
        uint8_t byte = text.ptr[i];
        bool is_capital = byte >= 'A' && byte <= 'Z';
        is_equal = (is_capital ? (uint8_t)(byte - 'A' + 'a') : byte) == small.ptr[i];
    }
    return is_equal;
}

static void derive_task_texts(struct ecs_task *task)
{
    static const char *const launch_types[] = {"ec2", "fargate"};
    struct slice *cluster = &task->texts[ECS_TASK_CLUSTER];
    if (slice_has_prefix(*cluster, SLICE_LITERAL("arn:aws"))) {
        *cluster = behind_last_slash(*cluster);
    }
    for (size_t i = 0; i < COUNT_OF(launch_types); i++) {
        struct slice type = slice_of_text(launch_types[i]);
        if (equals_any_case(task->texts[ECS_TASK_LAUNCH_TYPE], type)) {
            task->texts[ECS_TASK_LAUNCH_TYPE_SMALL] = type;
        }
    }
    split_arn(task);
}

/*
 * registry.example:5000/shop/front:1.4@sha256:…   repository, tag, digest
 *                                ^colon, unless a slash follows it: then it is a port's
 */
static void split_image(struct ecs_container *container)
{
    struct slice *image = &container->texts[ECS_CONTAINER_IMAGE];
    struct slice *tag = &container->texts[ECS_CONTAINER_IMAGE_TAG];
    if (image->len == 0) {
        return;
    }
    *image = slice_first(*image, slice_find(*image, '@'));
    *tag = SLICE_LITERAL("latest");
    for (size_t at = image->len; at > 0 && image->ptr[at - 1] != '/'; at--) {
        if (image->ptr[at - 1] == ':') {
            *tag = slice_from(*image, at);
            *image = slice_first(*image, at - 1);
            return;
        }
    }
}

/* --- the task's document ---------------------------------------------------------------------- */

static void read_limits(struct ecs_json *json, struct ecs_limits *out)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(limit_names))) {
        uint64_t memory_mib = UINT64_MAX;
        if (json->index == LIMIT_CPU) {
            ecs_json_take_f64(json, &out->cpu, &out->has_cpu);
            continue;
        }
        ecs_json_take_u64(json, &memory_mib);
        if (memory_mib != UINT64_MAX) {
            out->memory_mib = memory_mib;
            out->has_memory = true;
        }
    }
}

static void read_storage(struct ecs_json *json, uint64_t *out)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(storage_names))) {
        ecs_json_take_u64(json, &out[json->index]);
    }
}

static void read_container(struct ecs_task *task, struct ecs_json *json)
{
    if (task->container_count == ECS_CONTAINERS_MAX) {
        task->left_out.too_many++;
        ecs_json_pass(json);
        return;
    }
    if (!ecs_json_enter(json)) {
        return;
    }
    struct ecs_container *container = &task->containers[task->container_count];
    task->container_count++;
    *container = (struct ecs_container){0};
    while (ecs_json_next(json, ECS_NAMES(container_names))) {
        if (json->index == CONTAINER_LIMITS) {
            read_limits(json, &container->limits);
        } else if (json->index == CONTAINER_EXIT_CODE) {
            ecs_json_take_i64(json, &container->exit_code, &container->has_exit_code);
        } else {
            ecs_json_take_text(json, &task->arena, &container->texts[json->index]);
        }
    }
    split_image(container);
}

static void read_containers(struct ecs_task *task, struct ecs_json *json)
{
    task->container_count = 0; /* of members with one name the last counts */
    if (!ecs_json_enter_list(json)) {
        return;
    }
    while (ecs_json_next_item(json)) {
        read_container(task, json);
    }
}

static void read_task(struct ecs_task *task, struct ecs_json *json)
{
    while (ecs_json_next(json, ECS_NAMES(task_names))) {
        switch (json->index) {
        case TASK_LIMITS:
            read_limits(json, &task->limits);
            break;
        case TASK_STORAGE:
            read_storage(json, task->storage_mib);
            break;
        case TASK_CONTAINERS:
            read_containers(task, json);
            break;
        default:
            ecs_json_take_text(json, &task->arena, &task->texts[json->index]);
            break;
        }
    }
}

static void forget(struct ecs_task *task)
{
    arena_reset(&task->arena);
    memset(task->texts, 0, sizeof(task->texts));
    memset(task->storage_mib, 0, sizeof(task->storage_mib));
    task->limits = (struct ecs_limits){0};
    task->container_count = 0;
    task->figures = (struct ecs_figures){0};
    task->left_out = (struct ecs_left_out){0};
}

int ecs_task_read(struct ecs_task *task, struct slice json)
{
    struct ecs_json reader;
    forget(task);
    struct slice copy = arena_copy(&task->arena, json);
    if (copy.ptr == NULL) {
        return FAULT_LIMIT;
    }
    ecs_json_init(&reader, copy);
    if (!ecs_json_enter(&reader)) {
        return FAULT_MALFORMED;
    }
    read_task(task, &reader);
    if (!ecs_json_ends(&reader) || task->texts[ECS_TASK_ARN].len == 0) {
        return FAULT_MALFORMED;
    }
    task->left_out.odd_values = reader.odd_count;
    derive_task_texts(task);
    return 0;
}

/* --- the statistics --------------------------------------------------------------------------- */

static struct ecs_container *find_container(struct ecs_task *task, struct json_text id)
{
    for (uint32_t i = 0; i < task->container_count; i++) {
        if (json_text_equals(id, task->containers[i].texts[ECS_CONTAINER_ID])) {
            return &task->containers[i];
        }
    }
    return NULL;
}

static void take_stats(struct ecs_container *container, struct ecs_json *json)
{
    switch (ecs_stats_read(json, &container->figures)) {
    case ECS_STATS_NONE:
        break;
    case ECS_STATS_GOOD:
        container->state = ECS_CONTAINER_RUNNING;
        break;
    case ECS_STATS_ODD:
        container->state = ECS_CONTAINER_ODD;
        break;
    }
}

static void read_stats(struct ecs_task *task, struct ecs_json *json)
{
    while (ecs_json_next(json, ECS_NAMES_ALL)) {
        struct ecs_container *container = find_container(task, json->key);
        if (container == NULL) {
            ecs_json_pass(json); /* of no container of this task */
        } else {
            take_stats(container, json);
        }
    }
}

/* One without statistics: it is over, or it has just begun. */
static void look_at_ended(struct ecs_task *task, struct ecs_container *container)
{
    struct slice started = container->texts[ECS_CONTAINER_STARTED];
    struct slice finished = container->texts[ECS_CONTAINER_FINISHED];
    if (started.len == 0 || finished.len == 0) {
        task->left_out.no_stats++;
        return;
    }
    uint64_t started_unix_ns = ecs_time_parse(started);
    uint64_t finished_unix_ns = ecs_time_parse(finished);
    if (started_unix_ns == 0 || finished_unix_ns == 0) {
        task->left_out.odd_times++;
        return;
    }
    container->state = ECS_CONTAINER_STOPPED;
    container->duration_s = finished_unix_ns >= started_unix_ns
                                ? (double)(finished_unix_ns - started_unix_ns)
                                : -(double)(started_unix_ns - finished_unix_ns);
    container->duration_s /= (double)CLOCK_NS_PER_S;
}

/* What the task's document says beside the statistics. */
static void apply_limits(struct ecs_container *container)
{
    const struct ecs_limits *limits = &container->limits;
    double *levels = container->figures.levels;
    container->figures.counts[ECS_COUNT_MEMORY_RESERVED] = limits->memory_mib;
    levels[ECS_LEVEL_CPU_RESERVED] = limits->cpu;
    if (limits->cpu > 0) {
        double share = levels[ECS_LEVEL_CPU_UTILIZED] / limits->cpu;
        if (isfinite(share)) {
            levels[ECS_LEVEL_CPU_UTILIZED] = share;
        }
    }
}

static void finish_container(struct ecs_task *task, struct ecs_container *container)
{
    switch (container->state) {
    case ECS_CONTAINER_SILENT:
        look_at_ended(task, container);
        break;
    case ECS_CONTAINER_ODD:
        task->left_out.odd_stats++;
        break;
    case ECS_CONTAINER_RUNNING:
        apply_limits(container);
        ecs_figures_add(&task->figures, &container->figures);
        break;
    case ECS_CONTAINER_STOPPED:
        break;
    }
}

/* Beyond the sums: what is said of the task as a whole. */
static void finish_task(struct ecs_task *task)
{
    struct ecs_figures *sum = &task->figures;
    if (task->limits.has_memory) {
        sum->counts[ECS_COUNT_MEMORY_RESERVED] = task->limits.memory_mib;
    }
    if (task->limits.has_cpu) {
        sum->levels[ECS_LEVEL_CPU_RESERVED] = task->limits.cpu * ECS_UNITS_PER_VCPU;
    }
    if (sum->levels[ECS_LEVEL_CPU_RESERVED] > 0) {
        sum->levels[ECS_LEVEL_CPU_UTILIZED] = sum->levels[ECS_LEVEL_VCPU] * ECS_UNITS_PER_VCPU;
    }
    sum->counts[ECS_COUNT_STORAGE_UTILIZED] = task->storage_mib[0];
    sum->counts[ECS_COUNT_STORAGE_RESERVED] = task->storage_mib[1];
}

int ecs_task_read_stats(struct ecs_task *task, struct slice json)
{
    struct ecs_json reader;
    ecs_json_init(&reader, json);
    if (!ecs_json_enter(&reader)) {
        return FAULT_MALFORMED;
    }
    read_stats(task, &reader);
    if (!ecs_json_ends(&reader)) {
        return FAULT_MALFORMED;
    }
    for (uint32_t i = 0; i < task->container_count; i++) {
        finish_container(task, &task->containers[i]);
    }
    finish_task(task);
    return 0;
}
