/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/base/memory_limit: trees of files as the kernel shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fault.h"
#include "core/base/memory_limit.h"

#define KIB UINT64_C(1024)

static char root[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/weir_memory_limit_XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[96];
    (void)snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

/* Writes a file below the root, with the folders on the way. */
static void put_file(const char *path, const char *text)
{
    char full[512];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check(uint64_t expected, enum memory_limit_source expected_source)
{
    uint64_t bytes = 1;
    enum memory_limit_source source;
    assert_int_equal(memory_limit_read(root, &bytes, &source), 0);
    assert_int_equal(bytes, expected);
    assert_int_equal(source, expected_source);
}

static void test_the_machine_is_the_last_resort(void **state)
{
    (void)state;
    put_file("/proc/meminfo", "MemFree:   5 kB\nMemTotal:       16384 kB\nSwap: 1 kB\n");
    check(16384 * KIB, MEMORY_LIMIT_MACHINE);
    put_file("/proc/self/cgroup", "0::/\n");
    put_file("/sys/fs/cgroup/memory.max", "max\n");
    check(16384 * KIB, MEMORY_LIMIT_MACHINE);
}

static void test_the_smallest_limit_of_version_2_counts(void **state)
{
    (void)state;
    put_file("/proc/meminfo", "MemTotal: 16384 kB\n");
    put_file("/proc/self/cgroup", "0::/a.slice/b.scope\n");
    put_file("/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n");
    put_file("/sys/fs/cgroup/a.slice/memory.max", "1048576\n");
    check(1048576, MEMORY_LIMIT_CGROUP_V2);
    put_file("/sys/fs/cgroup/a.slice/b.scope/memory.max", "4096\n");
    check(4096, MEMORY_LIMIT_CGROUP_V2);
}

static void test_a_container_sees_its_group_at_the_root(void **state)
{
    (void)state;
    put_file("/proc/meminfo", "MemTotal: 16384 kB\n");
    put_file("/proc/self/cgroup", "0::/kubepods/pod1\n");
    put_file("/sys/fs/cgroup/memory.max", "2097152\n");
    check(2097152, MEMORY_LIMIT_CGROUP_V2);
}

static void test_version_1_is_read_too(void **state)
{
    (void)state;
    put_file("/proc/meminfo", "MemTotal: 16384 kB\n");
    put_file("/proc/self/cgroup", "11:cpu,cpuacct:/ecs\n4:memory:/ecs/task\n1:name=systemd:/x\n");
    put_file("/sys/fs/cgroup/memory/ecs/task/memory.limit_in_bytes", "8192\n");
    put_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check(8192, MEMORY_LIMIT_CGROUP_V1);
    put_file("/sys/fs/cgroup/memory/ecs/task/memory.limit_in_bytes", "9223372036854771712\n");
    check(16384 * KIB, MEMORY_LIMIT_MACHINE);
}

static void test_nonsense_is_no_limit(void **state)
{
    (void)state;
    uint64_t bytes = 1;
    enum memory_limit_source source;
    assert_int_equal(memory_limit_read(root, &bytes, &source), FAULT_UNSUPPORTED);
    assert_int_equal(bytes, 0);
    put_file("/proc/meminfo", "MemTotal: many kB\n");
    put_file("/proc/self/cgroup", "0:\n::\nx\n0::relative\n");
    assert_int_equal(memory_limit_read(root, &bytes, &source), FAULT_UNSUPPORTED);
    put_file("/sys/fs/cgroup/memory.max", "lots\n");
    put_file("/proc/self/cgroup", "0::/");
    assert_int_equal(memory_limit_read(root, &bytes, &source), FAULT_UNSUPPORTED);
}

static void test_this_machine_has_memory(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    enum memory_limit_source source;
    assert_int_equal(memory_limit_read("", &bytes, &source), 0);
    assert_true(bytes > 16 * KIB * KIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_machine_is_the_last_resort, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_smallest_limit_of_version_2_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_container_sees_its_group_at_the_root, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_version_1_is_read_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense_is_no_limit, set_up, tear_down),
        cmocka_unit_test(test_this_machine_has_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
