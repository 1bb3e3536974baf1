/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_parse: each kind of file as kernels write it, cut short,
 * of another shape, and with one entry more than there is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/receivers/container_insight_parse.h"

#define BIT(source) CONTAINER_INSIGHT_SOURCE_BIT(source)
#define NET_HEADER "Inter-| Receive | Transmit\n face |bytes |bytes\n"

static struct container_insight_sample sample;
static char big[256 * 1024];

static struct slice text_of(const char *text)
{
    return slice_of_text(text);
}

static void clear(void)
{
    memset(&sample, 0, sizeof(sample));
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_int_equal(container_insight_parse_number(text_of("18446744073709551615\n"), &value), 0);
    assert_int_equal(value, UINT64_MAX);
    assert_int_equal(container_insight_parse_number(text_of("5"), &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(container_insight_parse_number(text_of("max\n"), &value), -ENOENT);
    assert_int_equal(container_insight_parse_number(text_of("-1\n"), &value), -ENOENT);
    static const char *const bad[] = {"", "\n", "x\n", "18446744073709551616\n", "1.5\n", "-2\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(container_insight_parse_number(text_of(bad[i]), &value), FAULT_MALFORMED);
    }
    assert_int_equal(value, 5);
}

static void test_keys_that_are_asked_for(void **state)
{
    (void)state;
    uint64_t one = 7;
    uint64_t two = 7;
    const struct container_insight_key keys[] = {{"one", &one}, {"two", &two}};
    assert_int_equal(
        container_insight_parse_keys(text_of("zero x\none 1\n\ntwo 2"), keys, COUNT_OF(keys)), 0);
    assert_int_equal(one, 1);
    assert_int_equal(two, 2);
    assert_int_equal(container_insight_parse_keys(text_of("two 3\n"), keys, COUNT_OF(keys)), 0);
    assert_int_equal(one, 1);
    assert_int_equal(container_insight_parse_keys(text_of("one\n"), keys, COUNT_OF(keys)),
                     FAULT_MALFORMED);
}

static void test_quotas(void **state)
{
    (void)state;
    uint64_t quota = 0;
    uint64_t period = 0;
    assert_int_equal(container_insight_parse_quota(text_of("50000 100000\n"), &quota, &period), 0);
    assert_int_equal(quota, 50000);
    assert_int_equal(period, 100000);
    assert_int_equal(container_insight_parse_quota(text_of("max 100000\n"), &quota, &period),
                     -ENOENT);
    assert_int_equal(container_insight_parse_quota(text_of("1 0\n"), &quota, &period),
                     FAULT_MALFORMED);
    assert_int_equal(container_insight_parse_quota(text_of("1\n"), &quota, &period),
                     FAULT_MALFORMED);
}

static void test_cores_are_counted(void **state)
{
    (void)state;
    uint32_t count = 0;
    assert_int_equal(container_insight_parse_stat(
                         text_of("cpu  1 2\ncpu0 1\ncpu11 1\nintr 5\ncpufreq 1\n"), &count),
                     0);
    assert_int_equal(count, 2);
    assert_int_equal(container_insight_parse_stat(text_of("cpu  1 2\n"), &count), FAULT_MALFORMED);
}

static void test_memory_is_in_bytes(void **state)
{
    (void)state;
    struct container_insight_meminfo memory;
    assert_int_equal(
        container_insight_parse_meminfo(
            text_of("MemTotal:  8 kB\nMemFree: 1 kB\nSwapTotal: 4 kB\nSwapFree: 3 kB\n"), &memory),
        0);
    assert_int_equal(memory.total_bytes, 8192);
    assert_int_equal(memory.swap_total_bytes, 4096);
    assert_int_equal(memory.swap_free_bytes, 3072);
    static const char *const bad[] = {"", "MemFree: 1 kB\n", "MemTotal: x kB\n",
                                      "MemTotal: 18014398509481984 kB\n",
                                      "MemTotal: 1 kB\nSwapTotal: 1 kB\nSwapFree: 2 kB\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(container_insight_parse_meminfo(text_of(bad[i]), &memory),
                         FAULT_MALFORMED);
    }
}

static void test_interfaces(void **state)
{
    (void)state;
    clear();
    assert_int_equal(container_insight_parse_net_dev(
                         text_of(NET_HEADER "  lo: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                                            "eth0:10 20 30 40 5 6 7 8 50 60 70 80 13 14 15 16\n"
                                            "veth1: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                                            "docker0: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                                            "  a\xff: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                                            "ens5: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"),
                         &sample),
                     0);
    assert_int_equal(sample.interface_count, 2);
    assert_string_equal(sample.interfaces[0].name, "eth0");
    static const uint64_t expected[] = {10, 20, 30, 40, 50, 60, 70, 80};
    assert_memory_equal(sample.interfaces[0].counters, expected, sizeof(expected));
    assert_string_equal(sample.interfaces[1].name, "ens5");
    assert_int_equal(sample.interfaces[1].counters[CONTAINER_INSIGHT_TX_DROPPED], 12);
}

static void test_interfaces_of_another_shape(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "one line\n", NET_HEADER "eth0 1 2 3\n",
                                      NET_HEADER "eth0: 1 2 3\n",
                                      NET_HEADER "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        clear();
        assert_int_equal(container_insight_parse_net_dev(text_of(bad[i]), &sample),
                         FAULT_MALFORMED);
        assert_int_equal(sample.interface_count, 0);
    }
}

static void test_more_interfaces_than_there_is_room_for(void **state)
{
    (void)state;
    clear();
    size_t len = (size_t)snprintf(big, sizeof(big), NET_HEADER);
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_INTERFACES_MAX; i++) {
        len += (size_t)snprintf(big + len, sizeof(big) - len,
                                "e%u: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n", i);
    }
    len += (size_t)snprintf(big + len, sizeof(big) - len,
                            "veth1: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"); /* is not told anyway */
    assert_int_equal(container_insight_parse_net_dev(slice_of(big, len), &sample), 0);
    assert_int_equal(sample.interface_count, CONTAINER_INSIGHT_INTERFACES_MAX);
    assert_int_equal(sample.missing, 0);
    len +=
        (size_t)snprintf(big + len, sizeof(big) - len, "more: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n");
    assert_int_equal(container_insight_parse_net_dev(slice_of(big, len), &sample), 0);
    assert_int_equal(sample.interface_count, CONTAINER_INSIGHT_INTERFACES_MAX);
    assert_string_equal(sample.interfaces[CONTAINER_INSIGHT_INTERFACES_MAX - 1].name, "e127");
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_PROC));
}

static void test_disks_of_version_2(void **state)
{
    (void)state;
    clear();
    assert_int_equal(container_insight_parse_io_stat(
                         text_of("259:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 new\n"
                                 "8:16 rbytes=9\n253:0\n"),
                         &sample),
                     0);
    assert_int_equal(sample.disk_count, 3);
    const struct container_insight_disk *disk = &sample.disks[0];
    assert_string_equal(disk->name, "259:0");
    assert_int_equal(disk->bytes.counts[CONTAINER_INSIGHT_IO_READ], 1);
    assert_int_equal(disk->bytes.counts[CONTAINER_INSIGHT_IO_WRITE], 2);
    assert_int_equal(disk->bytes.counts[CONTAINER_INSIGHT_IO_TOTAL], 3);
    assert_int_equal(disk->operations.counts[CONTAINER_INSIGHT_IO_TOTAL], 7);
    assert_false(disk->bytes.has[CONTAINER_INSIGHT_IO_SYNC]);
    assert_true(sample.disks[1].bytes.has[CONTAINER_INSIGHT_IO_READ]);
    assert_false(sample.disks[1].bytes.has[CONTAINER_INSIGHT_IO_TOTAL]);
    static const char *const bad[] = {"259 rbytes=1\n", "a:b rbytes=1\n", "1:2 rbytes=x\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(container_insight_parse_io_stat(text_of(bad[i]), &sample),
                         FAULT_MALFORMED);
    }
}

static void test_disks_of_version_1(void **state)
{
    (void)state;
    clear();
    assert_int_equal(container_insight_parse_blkio(
                         text_of("259:0 Read 1\n259:0 Write 2\n259:0 Sync 3\n259:0 Async 4\n"
                                 "259:0 Discard 9\n259:0 Total 5\nTotal 5\n"),
                         true, &sample),
                     0);
    assert_int_equal(
        container_insight_parse_blkio(text_of("259:0 Read 6\n8:0 Read 7\n"), false, &sample), 0);
    assert_int_equal(sample.disk_count, 2);
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_IO_COUNT; i++) {
        assert_true(sample.disks[0].bytes.has[i]);
        assert_int_equal(sample.disks[0].bytes.counts[i], i + 1);
    }
    assert_int_equal(sample.disks[0].operations.counts[CONTAINER_INSIGHT_IO_READ], 6);
    assert_int_equal(sample.disks[1].operations.counts[CONTAINER_INSIGHT_IO_READ], 7);
    assert_false(sample.disks[1].bytes.has[CONTAINER_INSIGHT_IO_READ]);
    assert_int_equal(container_insight_parse_blkio(text_of("259:0 Read\n"), true, &sample),
                     FAULT_MALFORMED);
}

static void test_more_disks_than_there_is_room_for(void **state)
{
    (void)state;
    clear();
    size_t len = 0;
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_DISKS_MAX; i++) {
        len += (size_t)snprintf(big + len, sizeof(big) - len, "8:%u rbytes=1\n", i);
    }
    assert_int_equal(container_insight_parse_io_stat(slice_of(big, len), &sample), 0);
    assert_int_equal(sample.disk_count, CONTAINER_INSIGHT_DISKS_MAX);
    assert_int_equal(container_insight_parse_blkio(text_of("8:0 Read 1\n"), true, &sample), 0);
    assert_int_equal(sample.missing, 0);
    assert_int_equal(container_insight_parse_blkio(text_of("9:0 Read 1\n"), true, &sample), 0);
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_CGROUP));
    sample.missing = 0;
    assert_int_equal(container_insight_parse_io_stat(text_of("9:0 rbytes=1\n"), &sample), 0);
    assert_int_equal(sample.missing, BIT(CONTAINER_INSIGHT_CGROUP));
    assert_int_equal(sample.disk_count, CONTAINER_INSIGHT_DISKS_MAX);
}

static void test_disks_get_their_names(void **state)
{
    (void)state;
    clear();
    assert_int_equal(
        container_insight_parse_io_stat(text_of("259:0 rios=1\n8:0 rios=1\n"), &sample), 0);
    assert_int_equal(container_insight_parse_diskstats(
                         text_of(" 259   0 nvme0n1 1 2\n 259 1 nvme0n1p1 1\n"), &sample),
                     0);
    assert_string_equal(sample.disks[0].name, "/dev/nvme0n1");
    assert_string_equal(sample.disks[1].name, "8:0");
    assert_int_equal(container_insight_parse_diskstats(text_of("x\n"), &sample), FAULT_MALFORMED);
}

static void test_mounts(void **state)
{
    (void)state;
    struct container_insight_mount mounts[8];
    struct slice text = text_of("1 2 0:4 / / rw - overlay overlay rw\n"
                                "1 2 259:1 /x /etc/hosts rw,noatime - xfs /dev/nvme0n1p1 rw\n"
                                "1 2 259:1 /y /etc/hostname rw shared:1 master:2 - xfs "
                                "/dev/nvme0n1p1 rw\n"
                                "1 2 0:5 / /dev rw - tmpfs tmpfs rw\n"
                                "1 2 0:6 / /dev/shm rw - tmpfs shm rw\n"
                                "1 2 8:1 / /a\\040b rw - ext4 /dev/sd\\134a rw\n"
                                "1 2 8:2 / /c rw - vfat /dev/sdb rw\n"
                                "1 2 8:3 / /d rw - ext4 /dev/\\377 rw\n"
                                "1 2 8:4 / /e rw ext4 /dev/sdc rw\n"
                                "short\n");
    bool is_cut = true;
    assert_int_equal(container_insight_parse_mountinfo(text, mounts, COUNT_OF(mounts), &is_cut), 3);
    assert_false(is_cut);
    assert_string_equal(mounts[0].device, "/dev/nvme0n1p1");
    assert_string_equal(mounts[0].path, "/etc/hosts");
    assert_string_equal(mounts[1].device, "/dev/shm");
    assert_string_equal(mounts[1].path, "/dev/shm");
    assert_string_equal(mounts[2].device, "/dev/sd\\a");
    assert_string_equal(mounts[2].path, "/a b");
    assert_int_equal(container_insight_parse_mountinfo(text, mounts, 3, &is_cut), 3);
    assert_false(is_cut); /* what follows is none, or was there before */
    assert_int_equal(container_insight_parse_mountinfo(text, mounts, 2, &is_cut), 2);
    assert_true(is_cut);
    assert_string_equal(mounts[1].path, "/dev/shm");
    assert_int_equal(container_insight_parse_mountinfo(text_of(""), mounts, 2, &is_cut), 0);
    assert_false(is_cut);
}

static void test_names_at_their_limit(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct container_insight_mount mount;
        bool is_cut = true;
        char device[160];
        char line[512];
        (void)snprintf(device, sizeof(device), "/dev/%0*d",
                       (int)(CONTAINER_INSIGHT_NAME_MAX_BYTES - 5 + more), 1);
        (void)snprintf(line, sizeof(line), "1 2 8:1 / /a rw - ext4 %s rw\n", device);
        assert_int_equal(container_insight_parse_mountinfo(text_of(line), &mount, 1, &is_cut),
                         1 - more);
        assert_false(is_cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_keys_that_are_asked_for),
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_cores_are_counted),
        cmocka_unit_test(test_memory_is_in_bytes),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_interfaces_of_another_shape),
        cmocka_unit_test(test_more_interfaces_than_there_is_room_for),
        cmocka_unit_test(test_disks_of_version_2),
        cmocka_unit_test(test_disks_of_version_1),
        cmocka_unit_test(test_more_disks_than_there_is_room_for),
        cmocka_unit_test(test_disks_get_their_names),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_names_at_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
