/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/probabilistic_sampler_processor and sampler: each mode on spans and
 * records, what is written into them, priorities, and what cannot be judged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/processors/probabilistic_sampler_processor.h"
#include "core/processors/sampling.h"
#include "tests/core/processors/processor_rig.h"

#define EVEN "fefefefefefefefefe80000000000000" /* taken at 50 %, not at 49 % */
#define TOP "111111111111111111ffffffffffffff"  /* taken at every probability */

static struct rig rig;

/* Sixteen bytes from 32 digits, as field `number`. */
static struct slice trace_id(uint32_t number, const char *digits)
{
    uint8_t id[16] = {0};
    for (size_t i = 0; i < strlen(digits); i++) {
        uint8_t byte = (uint8_t)digits[i];
        uint8_t nibble = (uint8_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
        id[i / 2] = (uint8_t)(id[i / 2] << 4 | nibble);
    }
    return field_message(number, slice_of(id, strlen(digits) / 2));
}

static struct slice a_span(const char *id, const char *state, struct slice attrs)
{
    return item_of(JOIN(trace_id(1, id), state[0] == '\0' ? NOTHING : field_text(3, state),
                        field_text(5, "op"), attrs));
}

/* `after` NULL: it goes. */
static void check_span(const char *config, const char *id, const char *before, const char *after,
                       struct slice attrs)
{
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES, config);
    struct slice expected = after == NULL ? NOTHING : request_of(NOTHING, a_span(id, after, attrs));
    rig_check(&rig, request_of(NOTHING, a_span(id, before, attrs)), expected);
    assert_int_equal(counter_read(&rig.processor->stats.items_sampled), after == NULL ? 1 : 0);
    rig_close(&rig);
}

#define PROPORTIONAL(rest) "{mode: proportional, " rest "}"
#define EQUALIZING(rest) "{mode: equalizing, " rest "}"

static void check_both(const char *rest, const char *id, const char *before, const char *after)
{
    char config[256];
    (void)snprintf(config, sizeof(config), "{mode: proportional, %s}", rest);
    check_span(config, id, before, after, NOTHING);
    (void)snprintf(config, sizeof(config), "{mode: equalizing, %s}", rest);
    check_span(config, id, before, after, NOTHING);
}

static void test_spans_are_told_their_threshold(void **state)
{
    (void)state;
    check_both("sampling_percentage: 100", EVEN, "", "ot=th:0");
    check_both("sampling_percentage: 200", EVEN, "", "ot=th:0");
    check_both("sampling_percentage: 50", EVEN, "", "ot=th:8");
    check_both("sampling_percentage: 49", EVEN, "", NULL);
    check_both("sampling_percentage: 50", EVEN, "a=b", "ot=th:8,a=b");
    check_both("sampling_percentage: 1, sampling_precision: 14", EVEN, "ot=rv:FD70A3D70A3D71",
               "ot=rv:FD70A3D70A3D71;th:fd70a3d70a3d71");
    check_both("sampling_percentage: 1", EVEN, "ot=rv:FD70A3D70A3D71",
               "ot=rv:FD70A3D70A3D71;th:fd70a");
    check_both("sampling_percentage: 1, sampling_precision: 3", EVEN, "ot=rv:FD70A3D70A3D71", NULL);
    check_both("sampling_percentage: 40, sampling_precision: 3", EVEN, "ot=rv:a0000000000000",
               "ot=rv:a0000000000000;th:99a");
    check_both("sampling_percentage: 0", TOP, "", NULL);
    check_both("", TOP, "", NULL);
}

static void test_earlier_sampling_counts(void **state)
{
    (void)state;
    check_span(EQUALIZING("sampling_percentage: 50"), EVEN,
               "ot=rv:90000000000000;th:80000000000000", "ot=rv:90000000000000;th:8", NOTHING);
    check_span(PROPORTIONAL("sampling_percentage: 50"), EVEN,
               "ot=rv:90000000000000;th:80000000000000", NULL, NOTHING);
    check_span(EQUALIZING("sampling_percentage: 25"), TOP, "ot=th:8", "ot=th:c", NOTHING);
    check_span(PROPORTIONAL("sampling_percentage: 25"), TOP, "ot=th:8", "ot=th:e", NOTHING);
    /* Equalizing never raises what was sampled less. */
    check_span(EQUALIZING("sampling_percentage: 50"), TOP, "ot=th:c", "ot=th:c", NOTHING);
    /* A product below 2^-56 takes nothing. */
    check_span(PROPORTIONAL("sampling_percentage: 0.0625"), TOP, "ot=th:fffffffffffff8", NULL,
               NOTHING);
    check_span(EQUALIZING("sampling_percentage: 0.0625"), TOP, "ot=th:fffffffffffff8",
               "ot=th:fffffffffffff8", NOTHING);
}

static void test_what_cannot_be_judged_fails_as_told(void **state)
{
    (void)state;
    check_both("sampling_percentage: 100", "", "", NULL);
    check_both("sampling_percentage: 100", "00000000000000000000000000000000", "", NULL);
    check_both("sampling_percentage: 1, fail_closed: false", "", "", "ot=th:0");
    check_both("sampling_percentage: 100", EVEN, "ot=th:-1", NULL);
    check_both("sampling_percentage: 1, fail_closed: false", EVEN, "ot=th:-1", "ot=th:-1");
    /* A threshold that would not have let this span through. */
    check_both("sampling_percentage: 100", EVEN, "ot=rv:40000000000000;th:8", NULL);
    check_both("sampling_percentage: 100, fail_closed: false", EVEN, "ot=rv:40000000000000;th:8",
               "ot=rv:40000000000000;th:0");
}

static void test_span_priority_decides(void **state)
{
    (void)state;
    const char *none = "{mode: equalizing}";
    const char *all = "{sampling_percentage: 100, mode: proportional}";
    struct {
        const char *config;
        const char *text;
        const char *after;
    } cases[] = {
        {none, "1", "ot=th:0"}, {none, "0.5", "ot=th:0"}, {all, "0", NULL},
        {all, "-1", "ot=th:0"}, {all, "x", "ot=th:0"},    {none, "-1", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES, cases[i].config);
        struct slice attr = attr_text(9, "sampling.priority", cases[i].text);
        struct slice after = cases[i].after == NULL
                                 ? NOTHING
                                 : request_of(NOTHING, a_span(EVEN, cases[i].after, attr));
        rig_check(&rig, request_of(NOTHING, a_span(EVEN, "", attr)), after);
        rig_close(&rig);
    }
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES, all);
    struct slice spans[] = {
        a_span(TOP, "ot=th:0", attr_int(9, "sampling.priority", 0)),
        a_span(TOP, "ot=th:0", attr_int(9, "sampling.priority", 2)),
        a_span(TOP, "ot=th:0", attr_double(9, "sampling.priority", 0)),
        a_span(TOP, "ot=th:0", attr_bool(9, "sampling.priority", false)),
    };
    rig_check(&rig, request_of(NOTHING, JOIN(spans[0], spans[1], spans[2], spans[3])),
              request_of(NOTHING, JOIN(spans[1], spans[3])));
    rig_close(&rig);
}

static void test_hash_seed_takes_the_share_and_says_so(void **state)
{
    (void)state;
    uint32_t taken = 0;
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES,
             "{sampling_percentage: 10, hash_seed: 22}");
    for (uint32_t i = 1; i <= 2000; i++) {
        char digits[33];
        (void)snprintf(digits, sizeof(digits), "%032x", i * 2654435761u);
        struct slice id = slice_from(trace_id(1, digits), 2);
        uint64_t randomness = sampling_hash_randomness(22, id);
        bool is_taken = (sampling_hash(22, id) & 0x3FFF) < 1638;
        char rv[SAMPLING_DIGITS];
        char text[64];
        sampling_format_randomness(randomness, rv);
        (void)snprintf(text, sizeof(text), "ot=rv:%.14s;th:e668", rv);
        rig_check(&rig, request_of(NOTHING, a_span(digits, "", NOTHING)),
                  is_taken ? request_of(NOTHING, a_span(digits, text, NOTHING)) : NOTHING);
        taken += is_taken ? 1 : 0;
        if (i % 20 == 0) { /* dumps take a megabyte each */
            rig_close(&rig);
            rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES,
                     "{sampling_percentage: 10, hash_seed: 22, mode: hash_seed}");
        }
    }
    assert_in_range(taken, 140, 260);
    rig_close(&rig);
    check_span("{sampling_percentage: 100}", EVEN, "ot=th:8", NULL, NOTHING);
    check_span("{sampling_percentage: 100, fail_closed: false}", EVEN, "ot=th:8", "ot=th:8",
               NOTHING);
    check_span("{sampling_percentage: 0.001, fail_closed: false}", EVEN, "", NULL, NOTHING);
}

static struct slice record(struct slice id, struct slice attrs)
{
    return item_of(JOIN(field_text(3, "INFO"), attrs, id));
}

/* `after` without bytes: it goes. Closes the rig. */
static void check_record(struct slice id, struct slice before, struct slice after)
{
    struct slice expected = after.ptr == NULL ? NOTHING : request_of(NOTHING, record(id, after));
    rig_check(&rig, request_of(NOTHING, record(id, before)), expected);
    rig_close(&rig);
}

#define RECORD(config, id, before, after)                                                          \
    do {                                                                                           \
        rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_LOGS, config);                  \
        check_record(id, before, after);                                                           \
    } while (0)

static struct slice threshold(const char *text)
{
    return attr_text(6, "sampling.threshold", text);
}

static struct slice randomness(uint32_t seed, struct slice bytes)
{
    char text[SAMPLING_DIGITS + 1] = {0};
    sampling_format_randomness(sampling_hash_randomness(seed, bytes), text);
    return attr_text(6, "sampling.randomness", text);
}

static void test_records_are_told_in_attributes(void **state)
{
    (void)state;
    RECORD("{mode: proportional, sampling_percentage: 50}", trace_id(9, EVEN), NOTHING,
           threshold("8"));
    RECORD("{mode: proportional, sampling_percentage: 49}", trace_id(9, EVEN), NOTHING, NOTHING);
    RECORD("{mode: proportional, sampling_percentage: 50}", trace_id(9, TOP), threshold("c"),
           threshold("e"));
    RECORD("{mode: equalizing, sampling_percentage: 100}", trace_id(9, EVEN), threshold("x"),
           NOTHING);
    RECORD("{mode: equalizing, sampling_percentage: 50}", NOTHING,
           attr_text(6, "sampling.randomness", "f0000000000000"),
           JOIN(attr_text(6, "sampling.randomness", "f0000000000000"), threshold("8")));
    RECORD("{sampling_percentage: 100, hash_seed: 49, attribute_source: record,"
           " from_attribute: id}",
           trace_id(9, EVEN), attr_text(6, "id", "1234"),
           JOIN(attr_text(6, "id", "1234"), randomness(49, slice_of_text("1234")), threshold("0")));
    RECORD("{sampling_percentage: 100, from_attribute: id}", NOTHING, attr_int(6, "id", 1234),
           JOIN(attr_int(6, "id", 1234), randomness(0, slice_of_text("1234")), threshold("0")));
    RECORD("{sampling_percentage: 100, attribute_source: record, from_attribute: id}",
           trace_id(9, EVEN), attr_text(6, "other", "x"), NOTHING);
    RECORD("{sampling_percentage: 100, from_attribute: id}", trace_id(9, EVEN),
           attr_text(6, "id", "1234"),
           JOIN(attr_text(6, "id", "1234"), randomness(0, slice_from(trace_id(9, EVEN), 2)),
                threshold("0")));
}

static void test_record_priority_is_a_percentage(void **state)
{
    (void)state;
    struct slice high;
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_LOGS,
             "{mode: equalizing, sampling_percentage: 1, sampling_priority: prio}");
    high = attr_int(6, "prio", 50);
    check_record(trace_id(9, EVEN), high, JOIN(high, threshold("8")));
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_LOGS,
             "{mode: equalizing, sampling_percentage: 100, sampling_priority: prio}");
    high = attr_double(6, "prio", 49);
    check_record(trace_id(9, EVEN), high, NOTHING);
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_LOGS,
             "{mode: equalizing, sampling_percentage: 100, sampling_priority: prio}");
    high = attr_int(6, "prio", 0);
    check_record(trace_id(9, EVEN), high, JOIN(high, threshold("0")));
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    processor_new_fn *fn = probabilistic_sampler_processor_new;
    rig_check_refused(fn, SIGNAL_METRICS, "{sampling_percentage: 1}", "not metrics");
    rig_check_refused(fn, SIGNAL_TRACES, "{sampling_percentage: -1}", "not negative");
    rig_check_refused(fn, SIGNAL_TRACES, "{sampling_percentage: 1e-20}", "smallest percentage");
    rig_check_refused(fn, SIGNAL_TRACES, "{mode: hashseed}", "did you mean 'hash_seed'");
    rig_check_refused(fn, SIGNAL_TRACES, "{sampling_precision: 0}", "1 to 14");
    rig_check_refused(fn, SIGNAL_TRACES, "{sampling_precision: 15}", "sampling_precision");
    rig_check_refused(fn, SIGNAL_TRACES, "{attribute_source: trace}", "attribute_source");
    rig_check_refused(fn, SIGNAL_TRACES, "{sampling_percent: 1}", "unknown key");
}

static void test_clone_and_refused_memory(void **state)
{
    (void)state;
    rig_open(&rig, probabilistic_sampler_processor_new, SIGNAL_TRACES,
             "{mode: equalizing, sampling_percentage: 50}");
    struct processor *prototype = rig.processor;
    struct processor *clone = NULL;
    mem_fail_nth(1);
    assert_true(prototype->ops->clone(prototype, &clone) != 0);
    mem_fail_nth(0);
    assert_null(clone);
    assert_int_equal(prototype->ops->clone(prototype, &rig.processor), 0);
    rig_check(&rig, request_of(NOTHING, a_span(EVEN, "", NOTHING)),
              request_of(NOTHING, a_span(EVEN, "ot=th:8", NOTHING)));
    rig.processor->ops->close(rig.processor);
    rig.processor = prototype;
    rig_close(&rig);
    struct config_reader reader;
    rig_init(&rig);
    rig_reader(&rig, "{}", &reader);
    mem_fail_nth(1);
    assert_true(probabilistic_sampler_processor_new(&reader, "x", SIGNAL_TRACES, &rig.processor) !=
                0);
    mem_fail_nth(0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans_are_told_their_threshold),
        cmocka_unit_test(test_earlier_sampling_counts),
        cmocka_unit_test(test_what_cannot_be_judged_fails_as_told),
        cmocka_unit_test(test_span_priority_decides),
        cmocka_unit_test(test_hash_seed_takes_the_share_and_says_so),
        cmocka_unit_test(test_records_are_told_in_attributes),
        cmocka_unit_test(test_record_priority_is_a_percentage),
        cmocka_unit_test(test_configuration_is_judged),
        cmocka_unit_test(test_clone_and_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
