/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of /proc, as the kernel writes them and as it might.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "bench/proc_stat.h"
#include "core/base/fault.h"

static void test_stat_finds_the_name_and_the_ticks(void **state)
{
    (void)state;
    struct slice name = {0};
    uint64_t user = 0;
    uint64_t system = 0;
    const struct slice text =
        SLICE_LITERAL("77 (shard-0) S 1 77 77 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 1 0 5\n");
    assert_int_equal(proc_parse_stat(text, &name, &user, &system), 0);
    assert_true(slice_is_text(name, "shard-0"));
    assert_int_equal(user, 12);
    assert_int_equal(system, 34);
}

static void test_stat_survives_a_name_with_brackets(void **state)
{
    (void)state;
    struct slice name = {0};
    uint64_t user = 0;
    uint64_t system = 0;
    const struct slice text =
        SLICE_LITERAL("77 (a) (b) S 1 77 77 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 5\n");
    assert_int_equal(proc_parse_stat(text, &name, &user, &system), 0);
    assert_true(slice_is_text(name, "a) (b"));
    assert_int_equal(user, 1);
    assert_int_equal(proc_parse_stat(SLICE_LITERAL("77 (a) S 1"), &name, &user, &system),
                     FAULT_MALFORMED);
    assert_int_equal(proc_parse_stat(SLICE_LITERAL(""), &name, &user, &system), FAULT_MALFORMED);
}

static void test_status_reads_kilobytes(void **state)
{
    (void)state;
    const struct slice text = SLICE_LITERAL("VmHWM:\t  123 kB\nRssAnon:\t 4 kB\n");
    assert_int_equal(proc_parse_status(text, "RssAnon:"), 4096);
    assert_int_equal(proc_parse_status(text, "VmHWM:"), 123 * 1024);
    assert_int_equal(proc_parse_status(text, "VmRSS:"), 0);
}

static void test_udp_adds_the_sockets_of_one_port(void **state)
{
    (void)state;
    const struct slice text = SLICE_LITERAL(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
        "timeout inode ref pointer drops\n"
        "  1: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 9 2 0 5\n"
        "  2: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 9 2 0 7\n"
        "  3: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 9 2 0 9\n");
    uint32_t sockets = 0;
    assert_int_equal(proc_parse_udp(text, 8125, &sockets), 12);
    assert_int_equal(sockets, 2);
    sockets = 0;
    assert_int_equal(proc_parse_udp(text, 8126, &sockets), 0);
    assert_int_equal(sockets, 0);
}

static void test_sample_sees_this_process(void **state)
{
    (void)state;
    struct proc_sample sample;
    assert_int_equal(proc_sample_take(getpid(), &sample), 0);
    assert_true(sample.resident_bytes > 0);
    assert_true(sample.anonymous_bytes <= sample.resident_bytes);
    assert_int_equal(sample.thread_count[PROC_ROLE_OTHER], 1);
    assert_int_not_equal(proc_sample_take(-1, &sample), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat_finds_the_name_and_the_ticks),
        cmocka_unit_test(test_stat_survives_a_name_with_brackets),
        cmocka_unit_test(test_status_reads_kilobytes),
        cmocka_unit_test(test_udp_adds_the_sockets_of_one_port),
        cmocka_unit_test(test_sample_sees_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
