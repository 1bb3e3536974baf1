/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_host, container_insight_cgroup and
 * container_insight_file: the folders of tests/vectors/container_insight looked at as a host's, for
 * both versions of control groups; each part missing by itself; files longer than the buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/receivers/container_insight_cgroup.h"
#include "io/receivers/container_insight_host.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/vectors/container_insight"
#define BIT(source) CONTAINER_INSIGHT_SOURCE_BIT(source)

static struct container_insight_tasks tasks;
static struct container_insight_sample sample;
static struct container_insight_buffer buffer;

static void look(const char *proc, const char *sys, const char *mountinfo)
{
    struct container_insight_host host;
    assert_int_equal(setenv("HOST_PROC", proc, 1), 0);
    assert_int_equal(setenv("HOST_SYS", sys, 1), 0);
    assert_int_equal(setenv("HOST_PROC_MOUNTINFO", mountinfo, 1), 0);
    assert_int_equal(container_insight_host_init(&host), 0);
    container_insight_host_read(&host, &tasks, &buffer, &sample);
    assert_true(sample.time_mono_ns > 0);
    assert_true(sample.time_unix_ns > 0);
}

static void know_tasks(void)
{
    FILE *file = fopen(FOLDER "/tasks.json", "rb");
    assert_non_null(file);
    size_t len = fread(buffer.bytes, 1, sizeof(buffer.bytes), file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(container_insight_agent_read_tasks(slice_of(buffer.bytes, len), &tasks), 0);
    assert_true(container_insight_id_keep(&tasks.cluster, SLICE_LITERAL("blue")));
}

static int forget_tasks(void **state)
{
    (void)state;
    memset(&tasks, 0, sizeof(tasks));
    return 0;
}

static void check_proc(void)
{
    assert_int_equal(sample.core_count, 4);
    assert_int_equal(sample.memory_capacity_bytes, UINT64_C(8000000) * 1024);
    assert_int_equal(sample.interface_count, 2);
    assert_string_equal(sample.interfaces[0].name, "eth0");
    assert_int_equal(sample.interfaces[0].counters[CONTAINER_INSIGHT_TX_BYTES], 500000);
    assert_string_equal(sample.interfaces[1].name, "ecs-eth0");
}

static void check_usage(void)
{
    assert_true(sample.cpu.is_known);
    assert_int_equal(sample.cpu.total_ns, UINT64_C(5000000000));
    assert_int_equal(sample.cpu.user_ns, UINT64_C(3000000000));
    assert_int_equal(sample.cpu.system_ns, UINT64_C(2000000000));
    assert_true(sample.memory.is_known);
    assert_int_equal(sample.memory.usage_bytes, UINT64_C(3000000000));
    assert_int_equal(sample.memory.cache_bytes, UINT64_C(2000000000));
    assert_int_equal(sample.memory.rss_bytes, UINT64_C(1000000000));
    assert_int_equal(sample.memory.mapped_file_bytes, UINT64_C(300000000));
    assert_int_equal(sample.memory.inactive_file_bytes, UINT64_C(500000000));
    assert_int_equal(sample.memory.swap_bytes, UINT64_C(102400000));
    assert_int_equal(sample.memory.fault_count, 4000);
    assert_int_equal(sample.memory.major_fault_count, 40);
    const struct container_insight_disk *disk = &sample.disks[0];
    assert_string_equal(disk->name, "/dev/nvme0n1");
    assert_int_equal(disk->bytes.counts[CONTAINER_INSIGHT_IO_READ], 1000000);
    assert_int_equal(disk->bytes.counts[CONTAINER_INSIGHT_IO_TOTAL], 3000000);
    assert_int_equal(disk->operations.counts[CONTAINER_INSIGHT_IO_WRITE], 200);
}

static void test_version_2(void **state)
{
    (void)state;
    know_tasks();
    look(FOLDER "/proc", FOLDER "/sys_v2", "/nonexistent");
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_FILESYSTEM));
    check_proc();
    check_usage();
    assert_int_equal(sample.disk_count, 2);
    assert_string_equal(sample.disks[1].name, "8:16");
    assert_false(sample.disks[0].bytes.has[CONTAINER_INSIGHT_IO_SYNC]);
    assert_int_equal(sample.memory.max_usage_bytes, 0);
    assert_true(sample.has_running_count);
    assert_int_equal(sample.running_task_count, 2);
    assert_true(sample.reserved.is_known);
    /* Half a core by quota; weight 39, which is what 1024 shares become, by and large. */
    assert_int_equal(sample.reserved.cpu_shares, 512 + 998);
    /* A limit of the task; a reservation and, where there is none, a limit of containers. */
    assert_int_equal(sample.reserved.memory_bytes, 536870912 + 134217728 + 67108864);
}

static void test_version_1(void **state)
{
    (void)state;
    know_tasks();
    look(FOLDER "/proc", FOLDER "/sys_v1", "/nonexistent");
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_FILESYSTEM));
    check_proc();
    check_usage();
    assert_int_equal(sample.disk_count, 1);
    assert_int_equal(sample.disks[0].bytes.counts[CONTAINER_INSIGHT_IO_SYNC], 2500000);
    assert_int_equal(sample.disks[0].operations.counts[CONTAINER_INSIGHT_IO_ASYNC], 50);
    assert_int_equal(sample.memory.max_usage_bytes, UINT64_C(3500000000));
    assert_int_equal(sample.memory.limit_hit_count, 7);
    assert_int_equal(sample.reserved.cpu_shares, 513 + 256); /* a quota is rounded up */
    assert_int_equal(sample.reserved.memory_bytes, 536870912 + 134217728 + 67108864);
}

static void test_what_asked_for_nothing_reserves_nothing(void **state)
{
    (void)state;
    tasks.is_known = true;
    tasks.running_count = 1;
    tasks.task_count = 1;
    assert_true(container_insight_id_keep(&tasks.tasks[0].id,
                                          SLICE_LITERAL("33333333333333333333333333333333")));
    look(FOLDER "/proc", FOLDER "/sys_v1", "/nonexistent");
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_FILESYSTEM));
    assert_true(sample.reserved.is_known);
    assert_int_equal(sample.reserved.cpu_shares, 0);
    assert_int_equal(sample.reserved.memory_bytes, 0);
}

static void test_a_task_without_a_cgroup_leaves_the_others(void **state)
{
    (void)state;
    know_tasks();
    assert_true(container_insight_id_keep(&tasks.tasks[0].id, SLICE_LITERAL("gone")));
    look(FOLDER "/proc", FOLDER "/sys_v2", "/nonexistent");
    assert_true((sample.missing & BIT(CONTAINER_INSIGHT_CGROUP)) != 0);
    assert_int_equal(sample.reserved.cpu_shares, 998);
    assert_int_equal(sample.reserved.memory_bytes, 134217728 + 67108864);
    assert_true(container_insight_id_keep(&tasks.tasks[1].id, SLICE_LITERAL("gone")));
    look(FOLDER "/proc", FOLDER "/sys_v2", "/nonexistent");
    assert_false(sample.reserved.is_known);
    know_tasks();
    tasks.is_cut = true;
    look(FOLDER "/proc", FOLDER "/sys_v2", "/nonexistent");
    assert_true((sample.missing & BIT(CONTAINER_INSIGHT_CGROUP)) != 0);
}

static void test_file_systems(void **state)
{
    (void)state;
    char folder[] = "/tmp/container_insightXXXXXX";
    char path[128];
    struct statvfs stat;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/mountinfo", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    (void)fprintf(file,
                  "1 2 8:1 / %s rw - ext4 /dev/sda1 rw\n"
                  "1 2 8:1 / /tmp rw - ext4 /dev/sda1 rw\n"
                  "1 2 8:2 / %s/none rw - xfs /dev/sdb1 rw\n",
                  folder, folder);
    assert_int_equal(fclose(file), 0);
    look(FOLDER "/proc", FOLDER "/sys_v2", path);
    assert_int_equal(statvfs(folder, &stat), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_FILESYSTEM));
    assert_int_equal(sample.filesystem_count, 1);
    const struct container_insight_filesystem *fs = &sample.filesystems[0];
    assert_string_equal(fs->device, "/dev/sda1");
    assert_int_equal(fs->capacity_bytes, stat.f_frsize * stat.f_blocks);
    assert_int_equal(fs->inode_count, stat.f_files);
    assert_true(fs->usage_bytes <= fs->capacity_bytes);
    assert_true(fs->available_bytes <= fs->capacity_bytes);
}

/* As many as there is room for, and one more. */
static void test_more_file_systems_than_there_is_room_for(void **state)
{
    (void)state;
    char path[] = "/tmp/container_insightXXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i <= CONTAINER_INSIGHT_FILESYSTEMS_MAX; i++) {
        char line[128];
        int len = snprintf(line, sizeof(line), "1 2 8:%u / /tmp rw - ext4 /dev/sd%u rw\n", i, i);
        assert_int_equal(write(fd, line, (size_t)len), len);
        if (i + 1 < CONTAINER_INSIGHT_FILESYSTEMS_MAX) {
            continue;
        }
        look(FOLDER "/proc", FOLDER "/sys_v2", path);
        bool is_cut = i == CONTAINER_INSIGHT_FILESYSTEMS_MAX;
        assert_int_equal(sample.filesystem_count, CONTAINER_INSIGHT_FILESYSTEMS_MAX);
        assert_int_equal(sample.missing, is_cut ? BIT(CONTAINER_INSIGHT_FILESYSTEM) : 0);
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_nothing_is_there(void **state)
{
    (void)state;
    know_tasks();
    look("/nonexistent", "/nonexistent", "/nonexistent");
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_PROC) | BIT(CONTAINER_INSIGHT_CGROUP) |
                                         BIT(CONTAINER_INSIGHT_FILESYSTEM));
    assert_int_equal(sample.core_count, 0);
    assert_int_equal(sample.memory_capacity_bytes, 0);
    assert_int_equal(sample.interface_count, 0);
    assert_int_equal(sample.disk_count, 0);
    assert_false(sample.cpu.is_known);
    assert_false(sample.memory.is_known);
    assert_false(sample.reserved.is_known);
    assert_true(sample.has_running_count);
}

static void test_no_cgroup_costs_its_own(void **state)
{
    (void)state;
    look(FOLDER "/proc", "/nonexistent", "/nonexistent");
    assert_int_equal(sample.missing,
                     BIT(CONTAINER_INSIGHT_CGROUP) | BIT(CONTAINER_INSIGHT_FILESYSTEM));
    check_proc();
    assert_false(sample.has_running_count);
}

static void test_this_machine_is_a_host_of_some_kind(void **state)
{
    (void)state;
    look("/proc", "/sys", "/proc/self/mountinfo");
    assert_true(sample.core_count > 0);
    assert_true(sample.memory_capacity_bytes > 0);
}

static void test_paths_that_are_too_long(void **state)
{
    (void)state;
    struct container_insight_host host;
    struct slice text;
    char path[PATH_MAX + 1];
    memset(path, 'a', PATH_MAX);
    path[PATH_MAX] = '\0';
    assert_int_equal(setenv("HOST_PROC", path, 1), 0);
    assert_int_equal(container_insight_host_init(&host), -ENAMETOOLONG);
    assert_int_equal(container_insight_file_read(&buffer, path, "x", &text), -ENAMETOOLONG);
    path[PATH_MAX - 1] = '\0';
    struct container_insight_cgroup cgroup = {.buffer = &buffer};
    container_insight_cgroup_find(&cgroup, path);
    assert_int_equal(cgroup.version, CONTAINER_INSIGHT_CGROUP_NONE);
    assert_int_equal(unsetenv("HOST_PROC"), 0);
}

/* As long as the buffer, and one byte longer: then the last line is left out. */
static void test_files_at_the_limit(void **state)
{
    (void)state;
    char path[] = "/tmp/container_insightXXXXXX";
    int fd = mkstemp(path);
    struct slice text;
    assert_true(fd >= 0);
    static char bytes[CONTAINER_INSIGHT_FILE_MAX_BYTES];
    memset(bytes, 'a', sizeof(bytes));
    bytes[9] = '\n';
    bytes[sizeof(bytes) - 1] = '\n';
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(container_insight_file_read(&buffer, path, NULL, &text), 0);
    assert_int_equal(text.len, sizeof(bytes));
    bytes[sizeof(bytes) - 1] = 'b';
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(container_insight_file_read(&buffer, path, NULL, &text), 0);
    assert_int_equal(text.len, 10);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(container_insight_file_read(&buffer, path, NULL, &text), -ENOENT);
    assert_int_equal(container_insight_file_read(&buffer, "/", NULL, &text), -EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_version_2, forget_tasks),
        cmocka_unit_test_setup(test_version_1, forget_tasks),
        cmocka_unit_test_setup(test_what_asked_for_nothing_reserves_nothing, forget_tasks),
        cmocka_unit_test_setup(test_a_task_without_a_cgroup_leaves_the_others, forget_tasks),
        cmocka_unit_test_setup(test_file_systems, forget_tasks),
        cmocka_unit_test_setup(test_more_file_systems_than_there_is_room_for, forget_tasks),
        cmocka_unit_test_setup(test_nothing_is_there, forget_tasks),
        cmocka_unit_test_setup(test_no_cgroup_costs_its_own, forget_tasks),
        cmocka_unit_test_setup(test_this_machine_is_a_host_of_some_kind, forget_tasks),
        cmocka_unit_test(test_paths_that_are_too_long),
        cmocka_unit_test(test_files_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
