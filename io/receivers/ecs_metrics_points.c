/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_points — a table of metrics, tables of attributes, and bytes.
 *
 * Sums are cumulative, not monotonic and without a start, as they are in the Collector; all of a
 * resource's metrics stand in one scope without a name.
 */
#include "io/receivers/ecs_metrics_points.h"

#include <string.h>

#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"
#include "io/receivers/ecs_metrics_task.h"

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.21.0"
#define NAME_MAX_BYTES 64

enum {
    TAG_RESOURCE_METRICS = 0x0A, /* of a request: 1 */
    TAG_RESOURCE = 0x0A,         /* ResourceMetrics 1 */
    TAG_SCOPE_METRICS = 0x12,    /* ResourceMetrics 2 */
    TAG_SCHEMA_URL = 0x1A,       /* ResourceMetrics 3 */
    TAG_SCOPE = 0x0A,            /* ScopeMetrics 1 */
    TAG_ATTRIBUTE = 0x0A,        /* Resource 1 */
    TAG_KEY = 0x0A,              /* KeyValue 1 */
    TAG_VALUE = 0x12,            /* KeyValue 2 */
    TAG_INT_VALUE = 0x18,        /* AnyValue 3 */
};

/* --- metrics ---------------------------------------------------------------------------------- */

enum figure_kind {
    FIGURE_COUNT, /* a gauge of ecs_figures.counts */
    FIGURE_TOTAL, /* a sum of them */
    FIGURE_LEVEL, /* a gauge of ecs_figures.levels */
};

struct metric_row {
    const char *name; /* behind the prefix */
    const char *unit;
    enum figure_kind kind;
    uint32_t index; /* enum ecs_count or enum ecs_level */
};

/* The Collector's, in its order. The last two are a task's only. */
static const struct metric_row metric_rows[ECS_TASK_POINTS] = {
    {"memory.usage", "Bytes", FIGURE_COUNT, ECS_COUNT_MEMORY_USAGE},
    {"memory.usage.max", "Bytes", FIGURE_COUNT, ECS_COUNT_MEMORY_MAX},
    {"memory.usage.limit", "Bytes", FIGURE_COUNT, ECS_COUNT_MEMORY_LIMIT},
    {"memory.utilized", "MiB", FIGURE_COUNT, ECS_COUNT_MEMORY_UTILIZED},
    {"memory.reserved", "MiB", FIGURE_COUNT, ECS_COUNT_MEMORY_RESERVED},
    {"cpu.usage.total", "Nanoseconds", FIGURE_TOTAL, ECS_COUNT_CPU_TOTAL},
    {"cpu.usage.kernelmode", "Nanoseconds", FIGURE_TOTAL, ECS_COUNT_CPU_KERNEL},
    {"cpu.usage.usermode", "Nanoseconds", FIGURE_TOTAL, ECS_COUNT_CPU_USER},
    {"cpu.cores", "Count", FIGURE_COUNT, ECS_COUNT_CPU_CORES},
    {"cpu.onlines", "Count", FIGURE_COUNT, ECS_COUNT_CPU_ONLINE},
    {"cpu.usage.system", "Nanoseconds", FIGURE_TOTAL, ECS_COUNT_CPU_SYSTEM},
    {"cpu.utilized", "None", FIGURE_LEVEL, ECS_LEVEL_CPU_UTILIZED},
    {"cpu.reserved", "None", FIGURE_LEVEL, ECS_LEVEL_CPU_RESERVED},
    {"cpu.usage.vcpu", "vCPU", FIGURE_LEVEL, ECS_LEVEL_VCPU},
    {"network.rate.rx", "Bytes/Second", FIGURE_LEVEL, ECS_LEVEL_RX_RATE},
    {"network.rate.tx", "Bytes/Second", FIGURE_LEVEL, ECS_LEVEL_TX_RATE},
    {"network.io.usage.rx_bytes", "Bytes", FIGURE_TOTAL, ECS_COUNT_RX_BYTES},
    {"network.io.usage.rx_packets", "Count", FIGURE_TOTAL, ECS_COUNT_RX_PACKETS},
    {"network.io.usage.rx_errors", "Count", FIGURE_TOTAL, ECS_COUNT_RX_ERRORS},
    {"network.io.usage.rx_dropped", "Count", FIGURE_TOTAL, ECS_COUNT_RX_DROPPED},
    {"network.io.usage.tx_bytes", "Bytes", FIGURE_TOTAL, ECS_COUNT_TX_BYTES},
    {"network.io.usage.tx_packets", "Count", FIGURE_TOTAL, ECS_COUNT_TX_PACKETS},
    {"network.io.usage.tx_errors", "Count", FIGURE_TOTAL, ECS_COUNT_TX_ERRORS},
    {"network.io.usage.tx_dropped", "Count", FIGURE_TOTAL, ECS_COUNT_TX_DROPPED},
    {"storage.read_bytes", "Bytes", FIGURE_TOTAL, ECS_COUNT_READ_BYTES},
    {"storage.write_bytes", "Bytes", FIGURE_TOTAL, ECS_COUNT_WRITE_BYTES},
    {"ephemeral_storage.utilized", "MiB", FIGURE_COUNT, ECS_COUNT_STORAGE_UTILIZED},
    {"ephemeral_storage.reserved", "MiB", FIGURE_COUNT, ECS_COUNT_STORAGE_RESERVED},
};

static struct otlp_number number_of(const struct metric_row *row, const struct ecs_figures *figures)
{
    if (row->kind == FIGURE_LEVEL) {
        return (struct otlp_number){.f64 = figures->levels[row->index]};
    }
    return (struct otlp_number){.i64 = (int64_t)figures->counts[row->index], .is_integer = true};
}

static void write_metric(struct otlp_build *b, const char *prefix, const struct metric_row *row,
                         struct otlp_number number, uint64_t time_unix_ns)
{
    char name[NAME_MAX_BYTES];
    size_t prefix_len = strlen(prefix);
    size_t name_len = strlen(row->name);
    ASSERT(prefix_len + name_len <= sizeof(name));
    memcpy(name, prefix, prefix_len);
    memcpy(name + prefix_len, row->name, name_len);
    const struct otlp_point point = {.time_unix_ns = time_unix_ns};
    const struct otlp_metric metric = {
        .name = slice_of(name, prefix_len + name_len),
        .unit = slice_of_text(row->unit),
        .data = row->kind == FIGURE_TOTAL ? OTLP_DATA_SUM : OTLP_DATA_GAUGE,
        .temporality = OTLP_TEMPORALITY_CUMULATIVE,
    };
    size_t mark = otlp_build_mark(b);
    otlp_build_number(b, &point, number);
    otlp_build_metric(b, mark, &metric);
}

/* The first `count` rows of the table, last first. */
static void write_metrics(struct otlp_build *b, const struct ecs_points *points, const char *prefix,
                          const struct ecs_figures *figures, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--) {
        const struct metric_row *row = &metric_rows[i - 1];
        write_metric(b, prefix, row, number_of(row, figures), points->time_unix_ns);
    }
}

static void write_duration(struct otlp_build *b, const struct ecs_points *points, double duration_s)
{
    static const struct metric_row row = {"duration", "Seconds", FIGURE_LEVEL, 0};
    write_metric(b, "container.", &row, (struct otlp_number){.f64 = duration_s},
                 points->time_unix_ns);
}

/* --- attributes ------------------------------------------------------------------------------- */

struct text_row {
    const char *key;
    uint32_t text;    /* enum ecs_task_text or enum ecs_container_text */
    bool is_optional; /* left out where it is empty */
};

static const struct text_row task_rows[] = {
    {"aws.ecs.cluster.name", ECS_TASK_CLUSTER, false},
    {"aws.ecs.task.arn", ECS_TASK_ARN, false},
    {"aws.ecs.task.id", ECS_TASK_ID, false},
    {"aws.ecs.task.family", ECS_TASK_FAMILY, false},
    {"aws.ecs.task.version", ECS_TASK_REVISION, false},
    {"aws.ecs.task.revision", ECS_TASK_REVISION, false},
    {"aws.ecs.service.name", ECS_TASK_SERVICE, false},
    {"cloud.availability_zone", ECS_TASK_ZONE, false},
    {"aws.ecs.task.pull_started_at", ECS_TASK_PULL_STARTED, false},
    {"aws.ecs.task.pull_stopped_at", ECS_TASK_PULL_STOPPED, false},
    {"aws.ecs.task.known_status", ECS_TASK_STATUS, false},
    {"aws.ecs.task.launch_type", ECS_TASK_LAUNCH_TYPE, false},
    {"aws.ecs.launchtype", ECS_TASK_LAUNCH_TYPE_SMALL, true},
    {"cloud.region", ECS_TASK_REGION, false},
    {"cloud.account.id", ECS_TASK_ACCOUNT, false},
};

/* "know_status" is what the Collector calls it. */
static const struct text_row container_rows[] = {
    {"container.name", ECS_CONTAINER_NAME, false},
    {"container.id", ECS_CONTAINER_ID, false},
    {"aws.ecs.docker.name", ECS_CONTAINER_DOCKER_NAME, false},
    {"container.image.name", ECS_CONTAINER_IMAGE, false},
    {"aws.ecs.container.image.id", ECS_CONTAINER_IMAGE_ID, false},
    {"container.image.tag", ECS_CONTAINER_IMAGE_TAG, false},
    {"aws.ecs.container.created_at", ECS_CONTAINER_CREATED, false},
    {"aws.ecs.container.started_at", ECS_CONTAINER_STARTED, false},
    {"aws.ecs.container.finished_at", ECS_CONTAINER_FINISHED, true},
    {"aws.ecs.container.know_status", ECS_CONTAINER_STATUS, false},
};

static void write_texts(struct otlp_build *b, const struct text_row *rows, size_t count,
                        const struct slice *texts)
{
    for (size_t i = count; i > 0; i--) {
        const struct text_row *row = &rows[i - 1];
        if (!row->is_optional || texts[row->text].len > 0) {
            otlp_build_attribute(b, TAG_ATTRIBUTE, slice_of_text(row->key), texts[row->text]);
        }
    }
}

static void write_integer(struct otlp_build *b, struct slice key, int64_t value)
{
    size_t mark = otlp_build_mark(b);
    otlp_build_varint_field(b, TAG_INT_VALUE, (uint64_t)value);
    otlp_build_close(b, mark, TAG_VALUE);
    otlp_build_text_field(b, TAG_KEY, key);
    otlp_build_close(b, mark, TAG_ATTRIBUTE);
}

/* --- resources -------------------------------------------------------------------------------- */

/* Around the metrics written since `mark`: their scope, and a resource; `container` may be NULL. */
static void close_resource(struct otlp_build *b, size_t mark, const struct ecs_task *task,
                           const struct ecs_container *container)
{
    otlp_build_text_field(b, TAG_SCOPE, (struct slice){0});
    otlp_build_close(b, mark, TAG_SCOPE_METRICS);
    size_t resource_mark = otlp_build_mark(b);
    write_texts(b, task_rows, COUNT_OF(task_rows), task->texts);
    if (container != NULL) {
        if (container->has_exit_code) {
            write_integer(b, SLICE_LITERAL("aws.ecs.container.exit_code"), container->exit_code);
        }
        write_texts(b, container_rows, COUNT_OF(container_rows), container->texts);
    }
    otlp_build_close(b, resource_mark, TAG_RESOURCE);
}

static uint32_t write_container(struct otlp_build *b, const struct ecs_points *points,
                                const struct ecs_container *container)
{
    switch (container->state) {
    case ECS_CONTAINER_SILENT:
    case ECS_CONTAINER_ODD:
        return 0;
    case ECS_CONTAINER_RUNNING:
        write_metrics(b, points, "container.", &container->figures, ECS_CONTAINER_POINTS);
        return ECS_CONTAINER_POINTS;
    case ECS_CONTAINER_STOPPED:
        write_duration(b, points, container->duration_s);
        return 1;
    }
    return 0;
}

/* Writes the resource with that place, the task behind its containers. How many points it has. */
static uint32_t write_resource(struct otlp_build *b, const struct ecs_points *points,
                               uint32_t place)
{
    const struct ecs_task *task = points->task;
    const struct ecs_container *container = NULL;
    uint32_t point_count = ECS_TASK_POINTS;
    size_t mark = otlp_build_mark(b);
    otlp_build_text_field(b, TAG_SCHEMA_URL, SLICE_LITERAL(SCHEMA_URL));
    size_t scope_mark = otlp_build_mark(b);
    if (place < task->container_count) {
        container = &task->containers[place];
        point_count = write_container(b, points, container);
    } else {
        write_metrics(b, points, "ecs.task.", &task->figures, ECS_TASK_POINTS);
    }
    if (point_count == 0) {
        otlp_build_rewind(b, mark);
        return 0;
    }
    close_resource(b, scope_mark, task, container);
    otlp_build_close(b, mark, TAG_RESOURCE_METRICS);
    return point_count;
}

void ecs_points_begin(struct ecs_points *points, const struct ecs_task *task, uint64_t time_unix_ns)
{
    *points = (struct ecs_points){
        .task = task, .time_unix_ns = time_unix_ns, .left = task->container_count + 1};
}

bool ecs_points_next(struct ecs_points *points, void *buf, size_t cap, struct slice *out)
{
    struct otlp_build b;
    otlp_build_init(&b, buf, cap);
    points->point_count = 0;
    while (points->left > 0) {
        size_t mark = otlp_build_mark(&b);
        uint32_t count = write_resource(&b, points, points->left - 1);
        if (b.err != 0) {
            otlp_build_rewind(&b, mark);
            if (mark > 0) {
                break; /* the next run has more room */
            }
            points->too_large_count += count;
            count = 0;
        }
        points->point_count += count;
        points->left--;
    }
    *out = otlp_build_since(&b, 0);
    return points->point_count > 0;
}
