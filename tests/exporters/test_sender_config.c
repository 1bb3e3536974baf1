/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/sender_config: the Collector's defaults, and every key where it belongs.
 */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "exporters/sender.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define S CLOCK_NS_PER_S

static struct sender_config read_as(const char *yaml, int expected)
{
    static struct config_fixture fixture;
    struct config_reader reader;
    struct config_node *node = NULL;
    struct sender_config out;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "exporters.x");
    sender_config_read(&reader, 30 * S, &out);
    assert_int_equal(config_reader_finish(&reader), expected);
    config_fixture_fini(&fixture);
    return out;
}

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    struct sender_config config = read_as("", 0);
    assert_int_equal(config.timeout_ns, 30 * S);
    assert_true(config.is_queue_enabled);
    assert_int_equal(config.consumer_count, 10);
    assert_int_equal(config.queue_size_units, 1000);
    assert_int_equal(config.sizer, QUEUE_REQUESTS);
    assert_false(config.blocks_on_overflow);
    assert_true(config.retry.is_enabled);
    assert_int_equal(config.retry.initial_interval_ns, 5 * S);
    assert_int_equal(config.retry.max_interval_ns, 30 * S);
    assert_int_equal(config.retry.max_elapsed_ns, 300 * S);
    assert_true(config.retry.multiplier == 1.5);
    assert_true(config.retry.randomization_factor == 0.5);
}

static void test_every_key_arrives(void **state)
{
    (void)state;
    struct sender_config config =
        read_as("timeout: 7s\n"
                "sending_queue: {enabled: false, num_consumers: 3, queue_size: 44, sizer: bytes,"
                " block_on_overflow: true, wait_for_result: false}\n"
                "retry_on_failure: {enabled: false, initial_interval: 1s, max_interval: 2s,"
                " max_elapsed_time: 3s, multiplier: 4, randomization_factor: 0.25}\n",
                0);
    assert_int_equal(config.timeout_ns, 7 * S);
    assert_false(config.is_queue_enabled);
    assert_int_equal(config.consumer_count, 3);
    assert_int_equal(config.queue_size_units, 44);
    assert_int_equal(config.sizer, QUEUE_BYTES);
    assert_true(config.blocks_on_overflow);
    assert_false(config.retry.is_enabled);
    assert_int_equal(config.retry.initial_interval_ns, S);
    assert_int_equal(config.retry.max_interval_ns, 2 * S);
    assert_int_equal(config.retry.max_elapsed_ns, 3 * S);
    assert_true(config.retry.multiplier == 4);
    assert_true(config.retry.randomization_factor == 0.25);
}

static void test_max_elapsed_time_may_equal_the_intervals_and_0_is_for_ever(void **state)
{
    (void)state;
    (void)read_as("retry_on_failure: {max_elapsed_time: 30s}\n", 0);
    (void)read_as("retry_on_failure: {max_elapsed_time: 29s}\n", FAULT_CONFIG);
    struct sender_config config = read_as("retry_on_failure: {max_elapsed_time: 0}\n", 0);
    assert_int_equal(config.retry.max_elapsed_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_collectors),
        cmocka_unit_test(test_every_key_arrives),
        cmocka_unit_test(test_max_elapsed_time_may_equal_the_intervals_and_0_is_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
