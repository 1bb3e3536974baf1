/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: container_insight_agent_read_* and container_insight_parse_* (io/receivers), and
 * container_insight_build behind them.
 *
 * The first byte chooses. Ids are parts of paths and nothing more; lists stay inside their room;
 * reading twice finds the same; names are texts; what was parsed can be told.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io/receivers/container_insight_agent.h"
#include "io/receivers/container_insight_build.h"
#include "io/receivers/container_insight_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const struct container_insight_id *id)
{
    ASSERT(memchr(id->text, '\0', sizeof(id->text)) != NULL);
    ASSERT(id->text[0] != '\0');
    ASSERT(strpbrk(id->text, "/.\\ \n") == NULL);
}

static void read_tasks(struct slice json)
{
    static struct container_insight_tasks tasks;
    static struct container_insight_tasks again;
    int err = container_insight_agent_read_tasks(json, &tasks);
    ASSERT((err == 0) == tasks.is_known);
    ASSERT(container_insight_agent_read_tasks(json, &again) == err);
    ASSERT(again.running_count == tasks.running_count && again.task_count == tasks.task_count);
    ASSERT(tasks.task_count <= CONTAINER_INSIGHT_TASKS_MAX);
    ASSERT(tasks.task_count <= tasks.running_count);
    ASSERT(tasks.container_count <= CONTAINER_INSIGHT_CONTAINERS_MAX);
    for (uint32_t i = 0; i < tasks.task_count; i++) {
        const struct container_insight_task *task = &tasks.tasks[i];
        check_id(&task->id);
        ASSERT(task->container_first <= tasks.container_count);
        ASSERT(task->container_count <= tasks.container_count - task->container_first);
    }
    for (uint32_t i = 0; i < tasks.container_count; i++) {
        check_id(&tasks.containers[i]);
    }
}

static void read_instance(struct slice json)
{
    struct container_insight_instance instance;
    if (container_insight_agent_read_instance(json, &instance) == 0) {
        check_id(&instance.id);
        ASSERT(slice_is_utf8(slice_of_text(instance.cluster)));
        ASSERT(instance.cluster[0] != '\0');
    } else {
        ASSERT(instance.cluster[0] == '\0' && instance.id.text[0] == '\0');
    }
}

static void check_mounts(struct slice text)
{
    static struct container_insight_mount mounts[CONTAINER_INSIGHT_FILESYSTEMS_MAX];
    bool is_cut = false;
    uint32_t count = container_insight_parse_mountinfo(text, mounts, COUNT_OF(mounts), &is_cut);
    ASSERT(count <= COUNT_OF(mounts));
    ASSERT(!is_cut || count == COUNT_OF(mounts));
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(slice_is_utf8(slice_of_text(mounts[i].device)));
        ASSERT(strncmp(mounts[i].device, "/dev/", 5) == 0);
        for (uint32_t k = 0; k < i; k++) {
            ASSERT(strcmp(mounts[i].device, mounts[k].device) != 0);
        }
    }
}

/* Most texts are no such file, and that is fine. */
static void ignore(int result)
{
    (void)result;
}

/* Every kind of file, whatever it is; then metrics of what came of it. */
static void parse_files(struct slice text)
{
    static struct container_insight_sample before;
    static struct container_insight_sample now;
    static uint8_t output[CONTAINER_INSIGHT_OUTPUT_BYTES];
    static const struct container_insight_labels labels;
    struct container_insight_meminfo memory;
    struct container_insight_metrics metrics;
    uint64_t numbers[2];
    memset(&now, 0, sizeof(now));
    ignore(container_insight_parse_stat(text, &now.core_count));
    ignore(container_insight_parse_meminfo(text, &memory));
    ignore(container_insight_parse_number(text, &numbers[0]));
    ignore(container_insight_parse_quota(text, &numbers[0], &numbers[1]));
    ignore(container_insight_parse_net_dev(text, &now));
    ignore(container_insight_parse_io_stat(text, &now));
    ignore(container_insight_parse_blkio(text, true, &now));
    ignore(container_insight_parse_blkio(text, false, &now));
    ignore(container_insight_parse_diskstats(text, &now));
    ASSERT(now.disk_count <= CONTAINER_INSIGHT_DISKS_MAX);
    ASSERT(now.interface_count <= CONTAINER_INSIGHT_INTERFACES_MAX);
    for (uint32_t i = 0; i < now.disk_count; i++) {
        ASSERT(slice_is_utf8(slice_of_text(now.disks[i].name)));
    }
    memcpy(&before, &now, sizeof(before));
    before.time_mono_ns = 1;
    now.time_mono_ns = UINT64_C(1000000000);
    ASSERT(container_insight_build(&labels, &before, &now, output, sizeof(output), &metrics) == 0);
    ASSERT((metrics.point_count == 0) == (metrics.bytes.len == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice text = slice_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_tasks(text);
        break;
    case 1:
        read_instance(text);
        break;
    case 2:
        check_mounts(text);
        break;
    default:
        parse_files(text);
        break;
    }
    return 0;
}
