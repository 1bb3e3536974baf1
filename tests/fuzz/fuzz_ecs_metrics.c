/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: ecs_task_read, ecs_task_read_stats (io/receivers/ecs_metrics_task.h), ecs_points_next
 * (io/receivers/ecs_metrics_points.h).
 *
 * Two documents with a NUL between them. Reading them twice gives the same points; points are a
 * valid request with as many items as they say; figures are finite and no larger than OTLP has
 * room for; a smaller buffer holds the same points, in more runs, or counts those it does not.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/otlp/otlp_walk.h"
#include "io/receivers/ecs_metrics_points.h"
#include "io/receivers/ecs_metrics_task.h"

#define RUN_BYTES (1024 * 1024)
#define SMALL_RUN_BYTES 4096
#define NOW_NS UINT64_C(1772445600000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ecs_task task;
static uint8_t first_run[RUN_BYTES];
static uint8_t second_run[RUN_BYTES];

static void check_figures(const struct ecs_figures *figures)
{
    for (uint32_t i = 0; i < ECS_COUNT_LIMIT; i++) {
        ASSERT(figures->counts[i] <= INT64_MAX);
    }
    for (uint32_t i = 0; i < ECS_LEVEL_LIMIT; i++) {
        ASSERT(isfinite(figures->levels[i]));
    }
}

static bool read_both(struct slice task_json, struct slice stats_json)
{
    if (ecs_task_read(&task, task_json) != 0 || ecs_task_read_stats(&task, stats_json) != 0) {
        return false;
    }
    ASSERT(task.container_count <= ECS_CONTAINERS_MAX);
    check_figures(&task.figures);
    for (uint32_t i = 0; i < task.container_count; i++) {
        if (task.containers[i].state == ECS_CONTAINER_RUNNING) {
            check_figures(&task.containers[i].figures);
        }
        ASSERT(isfinite(task.containers[i].duration_s));
    }
    return true;
}

/* How many points come in buffers of `cap` bytes, with those that found no room. The last run
 * stays at the end of `buf`, and *len is its length. */
static uint64_t count_points(uint8_t *buf, size_t cap, size_t *len)
{
    struct ecs_points points;
    struct slice run;
    uint64_t count = 0;
    *len = 0;
    ecs_points_begin(&points, &task, NOW_NS);
    while (ecs_points_next(&points, buf, cap, &run)) {
        struct otlp_counts counts;
        int err = otlp_walk(SIGNAL_METRICS, run, &counts, NULL);
        ASSERT(err == 0);
        ASSERT(!counts.is_irregular);
        ASSERT(counts.item_count == points.point_count);
        ASSERT(run.ptr + run.len == buf + cap);
        count += points.point_count;
        *len = run.len;
    }
    return count + points.too_large_count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    size_t at = slice_find(input, 0);
    struct slice task_json = slice_first(input, at);
    struct slice stats_json = slice_from(input, at < size ? at + 1 : at);
    size_t first_len;
    size_t second_len;
    int err = ecs_task_init(&task);
    ASSERT(err == 0);
    if (read_both(task_json, stats_json)) {
        uint64_t count = count_points(first_run, RUN_BYTES, &first_len);
        bool is_again = read_both(task_json, stats_json);
        ASSERT(is_again);
        ASSERT(count_points(second_run, RUN_BYTES, &second_len) == count);
        ASSERT(first_len == second_len);
        ASSERT(memcmp(first_run + RUN_BYTES - first_len, second_run + RUN_BYTES - first_len,
                      first_len) == 0);
        ASSERT(count_points(second_run, SMALL_RUN_BYTES, &second_len) == count);
        ASSERT(count >= ECS_TASK_POINTS);
    }
    ecs_task_fini(&task);
    return 0;
}
