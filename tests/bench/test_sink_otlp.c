/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests written byte by byte are added up; broken ones are refused at every cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bench/sink_otlp.h"
#include "core/base/fault.h"

#define WIRE_MAX_BYTES 512u

/* A message under construction; lengths stay below 128, so each is one byte. */
struct message {
    uint8_t bytes[WIRE_MAX_BYTES];
    size_t len;
};

static void put_byte(struct message *m, uint8_t byte)
{
    assert_true(m->len < WIRE_MAX_BYTES);
    m->bytes[m->len] = byte;
    m->len++;
}

static void put_fixed64(struct message *m, uint8_t tag, uint64_t value)
{
    put_byte(m, tag);
    for (uint32_t i = 0; i < 8; i++) {
        put_byte(m, (uint8_t)(value >> (8 * i)));
    }
}

static void put_double(struct message *m, uint8_t tag, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    put_fixed64(m, tag, bits);
}

static void put_bytes(struct message *m, uint8_t tag, const void *bytes, size_t len)
{
    assert_true(len < 128);
    put_byte(m, tag);
    put_byte(m, (uint8_t)len);
    for (size_t i = 0; i < len; i++) {
        put_byte(m, ((const uint8_t *)bytes)[i]);
    }
}

static void put_message(struct message *m, uint8_t tag, const struct message *inner)
{
    put_bytes(m, tag, inner->bytes, inner->len);
}

/* Wraps `data` of the given tag into Metric, ScopeMetrics, ResourceMetrics and the request. */
static struct message make_request(const char *name, uint8_t data_tag, const struct message *data)
{
    struct message metric = {0};
    struct message scope = {0};
    struct message resource = {0};
    struct message request = {0};
    put_message(&metric, data_tag, data);
    put_bytes(&metric, 0x0A, name, strlen(name)); /* behind the data: order is free */
    put_message(&scope, 0x12, &metric);
    put_message(&resource, 0x12, &scope);
    put_message(&request, 0x0A, &resource);
    return request;
}

static struct message make_sum(uint8_t temporality)
{
    struct message point = {0};
    struct message other = {0};
    struct message sum = {0};
    put_fixed64(&point, 0x19, 1700000000);
    put_fixed64(&point, 0x31, 40); /* as_int */
    put_double(&other, 0x21, 2.5); /* as_double */
    put_message(&sum, 0x0A, &point);
    put_message(&sum, 0x0A, &other);
    put_byte(&sum, 0x10);
    put_byte(&sum, temporality);
    return sum;
}

static int decode(const struct message *m, struct totals *totals, struct sink_counts *counts)
{
    return sink_otlp_decode(slice_of(m->bytes, m->len), totals, counts);
}

static void test_delta_sums_are_added_by_name(void **state)
{
    (void)state;
    struct totals totals = {0};
    struct sink_counts counts = {0};
    const struct message sum = make_sum(1);
    const struct message request = make_request("requests", 0x3A, &sum);
    assert_int_equal(decode(&request, &totals, &counts), 0);
    assert_int_equal(decode(&request, &totals, &counts), 0);
    const struct totals_entry *entry = totals_find(&totals, SLICE_LITERAL("requests"));
    assert_non_null(entry);
    assert_true(entry->counter_sum == 85);
    assert_int_equal(entry->point_count, 4);
    assert_int_equal(counts.sum_point_count, 4);
    assert_true(counts.counter_sum == 85);
    totals_fini(&totals);
}

static void test_cumulative_sums_are_counted_but_not_added(void **state)
{
    (void)state;
    struct totals totals = {0};
    struct sink_counts counts = {0};
    const struct message sum = make_sum(2);
    const struct message request = make_request("requests", 0x3A, &sum);
    assert_int_equal(decode(&request, &totals, &counts), 0);
    assert_int_equal(counts.cumulative_point_count, 2);
    assert_true(counts.counter_sum == 0);
    totals_fini(&totals);
}

static void test_observations_of_all_kinds_are_added(void **state)
{
    (void)state;
    const uint8_t tags[] = {0x4A, 0x52, 0x5A}; /* histogram, exponential, summary */
    struct totals totals = {0};
    struct sink_counts counts = {0};
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        struct message point = {0};
        struct message data = {0};
        put_fixed64(&point, 0x21, 10 + i);
        put_double(&point, 0x29, 99);
        put_message(&data, 0x0A, &point);
        const struct message request = make_request("latency", tags[i], &data);
        assert_int_equal(decode(&request, &totals, &counts), 0);
    }
    assert_int_equal(totals_histogram_count(&totals), 33);
    assert_int_equal(counts.observation_count, 33);
    assert_int_equal(counts.histogram_point_count, 2);
    assert_int_equal(counts.summary_point_count, 1);
    totals_fini(&totals);
}

static void test_a_cut_request_never_reads_past_its_end(void **state)
{
    (void)state;
    const struct message sum = make_sum(1);
    const struct message request = make_request("requests", 0x3A, &sum);
    for (size_t len = 1; len < request.len; len++) {
        struct totals totals = {0};
        struct sink_counts counts = {0};
        uint8_t exact[WIRE_MAX_BYTES];
        memcpy(exact + WIRE_MAX_BYTES - len, request.bytes, len);
        assert_int_equal(
            sink_otlp_decode(slice_of(exact + WIRE_MAX_BYTES - len, len), &totals, &counts),
            FAULT_MALFORMED);
        totals_fini(&totals);
    }
}

static void test_endless_varints_and_groups_are_refused(void **state)
{
    (void)state;
    struct totals totals = {0};
    struct sink_counts counts = {0};
    struct message endless = {0};
    for (size_t i = 0; i < 11; i++) {
        put_byte(&endless, 0xFF);
    }
    assert_int_equal(decode(&endless, &totals, &counts), FAULT_MALFORMED);
    struct message group = {0};
    put_byte(&group, 0x0B);
    assert_int_equal(decode(&group, &totals, &counts), FAULT_MALFORMED);
    totals_fini(&totals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delta_sums_are_added_by_name),
        cmocka_unit_test(test_cumulative_sums_are_counted_but_not_added),
        cmocka_unit_test(test_observations_of_all_kinds_are_added),
        cmocka_unit_test(test_a_cut_request_never_reads_past_its_end),
        cmocka_unit_test(test_endless_varints_and_groups_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
