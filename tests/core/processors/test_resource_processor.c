/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/processors/resource_processor: resources change, or come into being. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/processors/resource_processor.h"
#include "tests/core/processors/processor_rig.h"

static struct rig rig;

static struct slice a_span(void)
{
    return item_of(JOIN(field_text(5, "op"), attr_int(9, "env", 1)));
}

static void test_attributes_of_the_resource_change(void **state)
{
    (void)state;
    rig_open(&rig, resource_processor_new, SIGNAL_TRACES,
             "{attributes: [{key: env, value: prod, action: upsert},"
             " {key: secret, action: delete}]}");
    struct slice before =
        JOIN(attr_text(1, "env", "dev"), attr_text(1, "secret", "x"), field_varint(2, 7));
    rig_check(&rig, request_of(before, a_span()),
              request_of(JOIN(attr_text(1, "env", "prod"), field_varint(2, 7)), a_span()));
    rig_close(&rig);
}

static void test_a_missing_resource_comes_into_being(void **state)
{
    (void)state;
    rig_open(&rig, resource_processor_new, SIGNAL_LOGS,
             "{attributes: [{key: env, value: prod, action: insert}]}");
    struct slice record = item_of(field_text(3, "INFO"));
    rig_check(&rig, request_of(NOTHING, record), request_of(attr_text(1, "env", "prod"), record));
    rig_close(&rig);
}

static void test_a_missing_resource_stays_missing(void **state)
{
    (void)state;
    rig_open(&rig, resource_processor_new, SIGNAL_METRICS,
             "{attributes: [{key: env, action: delete}]}");
    struct slice items = metric_of("m", 5, field_message(1, field_fixed64(6, 1)));
    struct slice request = request_of(NOTHING, items);
    struct slice out = rig_run(&rig, request);
    assert_true(slice_equal(out, request));
    rig_close(&rig);
}

static void test_every_resource_of_a_request_is_seen(void **state)
{
    (void)state;
    rig_open(&rig, resource_processor_new, SIGNAL_TRACES,
             "{attributes: [{key: n, converted_type: string, action: convert}]}");
    struct slice before = JOIN(request_of(attr_int(1, "n", 1), a_span()),
                               request_of(attr_text(1, "n", "x"), a_span()),
                               request_of(attr_int(1, "n", 3), a_span()));
    struct slice after = JOIN(request_of(attr_text(1, "n", "1"), a_span()),
                              request_of(attr_text(1, "n", "x"), a_span()),
                              request_of(attr_text(1, "n", "3"), a_span()));
    rig_check(&rig, before, after);
    struct processor *prototype = rig.processor;
    assert_int_equal(prototype->ops->clone(prototype, &rig.processor), 0);
    rig_check(&rig, before, after);
    rig.processor->ops->close(rig.processor);
    rig.processor = prototype;
    rig_close(&rig);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    rig_check_refused(resource_processor_new, SIGNAL_TRACES, "{}", "at least one action");
    rig_check_refused(resource_processor_new, SIGNAL_TRACES,
                      "{attributes: [{key: a, action: delete}], include: {}}", "unknown key");
}

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    int err = -1;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct config_reader reader;
        rig_init(&rig);
        rig_reader(&rig, "{attributes: [{key: a, pattern: b, action: hash}]}", &reader);
        mem_fail_nth(nth);
        err = resource_processor_new(&reader, "test", SIGNAL_TRACES, &rig.processor);
        mem_fail_nth(0);
        assert_true(err == 0 || rig.processor == NULL);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes_of_the_resource_change),
        cmocka_unit_test(test_a_missing_resource_comes_into_being),
        cmocka_unit_test(test_a_missing_resource_stays_missing),
        cmocka_unit_test(test_every_resource_of_a_request_is_seen),
        cmocka_unit_test(test_configuration_is_judged),
        cmocka_unit_test(test_every_refused_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
