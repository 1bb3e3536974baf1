/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/xray_intake: documents as they came and as spans, what is refused, lanes
 * and budgets without room; after every case exactly that is charged which stands in a lane, and
 * the book of items balances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/engine/budget.h"
#include "core/model/documents.h"
#include "core/otlp/otlp_walk.h"
#include "core/processors/shard_half.h"
#include "io/receivers/xray_intake.h"
#include "tests/support/otlp_stubs.h"

#define PIPELINES 3
#define SHARDS 2
#define SHARD_ID 1
#define BUDGET (UINT64_C(64) * 1024 * 1024)
#define HEADER "{\"format\": \"json\", \"version\": 1}\n"
#define SEGMENT                                                                                    \
    "{\"name\":\"a\",\"id\":\"0123456789abcdef\",\"trace_id\":"                                    \
    "\"1-5f84c7a1-0123456789abcdef01234567\",\"start_time\":1.5,\"end_time\":2.5}"
/* A segment with one subsegment: two spans. */
#define NESTED                                                                                     \
    "{\"name\":\"a\",\"id\":\"0123456789abcdef\",\"trace_id\":"                                    \
    "\"1-5f84c7a1-0123456789abcdef01234567\",\"start_time\":1.5,\"end_time\":2.5,"                 \
    "\"subsegments\":[{\"name\":\"b\",\"id\":\"0123456789abcde0\",\"start_time\":1.6,"             \
    "\"end_time\":1.7}]}"
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)
/* No document at all, but that is for X-Ray to say. */
#define ODD "not JSON at all\n\0\xff\n"
#define GOOD BYTES(HEADER SEGMENT)

/* A pipeline with one exporter and, where it wants OTLP, a stub as its processor on each shard. */
struct line {
    struct pipeline pipeline;
    struct stub_exporter exporter;
    struct stub_plan plan;
    struct stub_processor stub;
    struct shard_half halves[SHARDS];
};

static struct budget memory;
static struct receiver_stats stats;
static struct xray_intake intake;
static struct line lines[PIPELINES];

/* --- fixture ---------------------------------------------------------------------------------- */

static void open_line(struct line *line, bool takes_xray)
{
    *line = (struct line){.plan = {.err = 0}};
    stub_exporter_init(&line->exporter, STUB_TAKEN_MAX, false);
    line->exporter.exporter.encodings = takes_xray ? PART_ENCODING_BIT(PART_XRAY) : 0;
    stub_processor_init(&line->stub, &line->plan);
    struct exporter *routes[] = {&line->exporter.exporter};
    struct processor *prototypes[] = {&line->stub.processor};
    pipeline_init(&line->pipeline, "line", SIGNAL_TRACES, routes, 1);
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(shard_half_init(&line->halves[i], prototypes, takes_xray ? 0 : 1), 0);
    }
    line->pipeline.shard_halves = line->halves;
    line->pipeline.memory = &memory;
}

/* One pipeline per letter: 'x' takes documents, 'o' wants OTLP. */
static void open_intake(const char *kinds)
{
    const struct xray_intake_options options = {
        .shard_id = SHARD_ID,
        .receiver_id = "awsxray",
        .thread = "shard-1",
        .memory = &memory,
        .stats = &stats,
    };
    struct pipeline *pipelines[PIPELINES];
    uint32_t count = 0;
    budget_init(&memory, BUDGET);
    stats = (struct receiver_stats){0};
    assert_int_equal(xray_intake_init(&intake, &options), 0);
    for (; kinds[count] != '\0'; count++) {
        open_line(&lines[count], kinds[count] == 'x');
        pipelines[count] = &lines[count].pipeline;
    }
    for (uint32_t i = count; i < PIPELINES; i++) {
        open_line(&lines[i], true);
    }
    xray_intake_connect(&intake, pipelines, count);
    intake.now_unix_ns = 7;
}

static struct lane *lane_of(uint32_t index)
{
    return &lines[index].halves[SHARD_ID].lane;
}

static uint32_t lane_count(uint32_t index)
{
    return atomic_load(&lane_of(index)->tail) - atomic_load(&lane_of(index)->head);
}

/* The `k`-th part that waits in a lane. */
static const struct part *part_at(uint32_t index, uint32_t k)
{
    struct lane *lane = lane_of(index);
    assert_true(k < lane_count(index));
    return &lane->entries[(atomic_load(&lane->head) + k) & (lane->capacity_count - 1)];
}

static uint64_t refused_by(uint32_t reason)
{
    return counter_read(&stats.line_reasons[reason]);
}

static void check_balance(void)
{
    uint64_t charged_bytes = 0;
    uint64_t invalid_count = counter_read(&stats.invalid_memory);
    for (uint32_t i = 0; i < PIPELINES; i++) {
        for (uint32_t k = 0; k < lane_count(i); k++) {
            charged_bytes += part_at(i, k)->charged_bytes;
        }
    }
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        invalid_count += refused_by(i);
    }
    lease_fini(&intake.lease);
    assert_int_equal(budget_leased(&memory), charged_bytes);
    assert_int_equal(counter_read(&stats.items_decoded),
                     counter_read(&stats.items_forwarded) + invalid_count);
}

static void empty_lanes(void)
{
    for (uint32_t i = 0; i < PIPELINES; i++) {
        struct part *part = lane_peek(lane_of(i));
        while (part != NULL) {
            assert_int_equal(pipeline_push(&lines[i].pipeline, part, PIPELINE_PROCESSED, 1), 0);
            lane_pop(lane_of(i));
            stub_exporter_answer_all(&lines[i].exporter, DELIVERY_ACCEPTED);
            part = lane_peek(lane_of(i));
        }
    }
}

static void close_intake(void)
{
    xray_intake_flush(&intake);
    check_balance();
    empty_lanes();
    xray_intake_fini(&intake);
    xray_intake_fini(&intake);
    assert_int_equal(budget_leased(&memory), 0);
    for (uint32_t i = 0; i < PIPELINES; i++) {
        for (uint32_t k = 0; k < SHARDS; k++) {
            assert_true(lane_is_empty(&lines[i].halves[k].lane));
            shard_half_fini(&lines[i].halves[k]);
        }
        pipeline_fini(&lines[i].pipeline);
        assert_int_equal(atomic_load(&lines[i].plan.open_count), 0);
    }
}

static void take(struct slice datagram)
{
    /* A copy of its own, so that nothing is read beyond its end or later. */
    uint8_t *copy = mem_alloc(datagram.len);
    assert_non_null(copy);
    memcpy(copy, datagram.ptr, datagram.len);
    xray_intake_take(&intake, slice_of(copy, datagram.len));
    mem_free(copy);
}

/* --- as they came ----------------------------------------------------------------------------- */

static void test_documents_cross_once_per_turn_byte_for_byte(void **state)
{
    (void)state;
    struct slice document;
    open_intake("x");
    take(GOOD);
    take(BYTES(HEADER ODD));
    assert_int_equal(lane_count(0), 0);
    assert_false(intake.has_sent);
    xray_intake_flush(&intake);
    assert_true(intake.has_sent);
    assert_int_equal(lane_count(0), 1);
    const struct part *part = part_at(0, 0);
    assert_int_equal(part->encoding, PART_XRAY);
    assert_int_equal(part->signal, SIGNAL_TRACES);
    assert_int_equal(part->item_count, 2);
    assert_int_equal(part->charged_bytes, part->bytes.len);
    struct documents_reader reader = documents_reader_of(part->bytes);
    assert_true(documents_next(&reader, &document));
    assert_true(slice_equal(document, BYTES(SEGMENT)));
    assert_true(documents_next(&reader, &document));
    assert_true(slice_equal(document, BYTES(ODD)));
    assert_false(documents_next(&reader, &document));
    assert_int_equal(reader.err, 0);
    xray_intake_flush(&intake); /* nothing is left */
    assert_int_equal(lane_count(0), 1);
    assert_int_equal(counter_read(&stats.items_forwarded), 2);
    assert_int_equal(counter_read(&stats.accepted_spans), 2);
    assert_int_equal(counter_read(&stats.refused_spans), 0);
    close_intake();
}

static void test_headers_are_checked_and_counted_by_reason(void **state)
{
    (void)state;
    static const struct {
        const char *datagram;
        const char *label;
    } CASES[] = {
        {"{\"format\": \"json\", \"version\": 1}", "no_header"},
        {"{\"format\": \"json\", \"version\": 2}\n{}", "bad_header"},
        {"hello\n{}", "bad_header"},
        {"{\"format\": \"json\", \"version\": 1}\n", "no_document"},
    };
    open_intake("x");
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint64_t decoded = counter_read(&stats.items_decoded);
        take(slice_of_text(CASES[i].datagram));
        assert_int_equal(counter_read(&stats.items_decoded), decoded + 1);
        uint64_t found = 0;
        for (uint32_t k = 0; k < XRAY_REASON_COUNT; k++) {
            bool is_this = strcmp(xray_intake_reason(k), CASES[i].label) == 0;
            found += is_this ? refused_by(k) : 0;
        }
        assert_true(found > 0);
    }
    assert_int_equal(counter_read(&stats.refused_spans), COUNT_OF(CASES));
    assert_int_equal(counter_read(&stats.items_forwarded), 0);
    close_intake();
}

static void test_every_reason_has_a_label_of_its_own(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XRAY_REASON_COUNT; i++) {
        assert_non_null(xray_intake_reason(i));
        assert_string_not_equal(xray_intake_reason(i), "none");
        assert_string_not_equal(xray_intake_reason(i), "memory_limit"); /* stats.def has it */
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(xray_intake_reason(i), xray_intake_reason(k));
        }
    }
    assert_null(xray_intake_reason(XRAY_REASON_COUNT));
    assert_null(xray_intake_reason(UINT32_MAX));
}

static void test_large_bursts_cross_before_the_turn_ends(void **state)
{
    (void)state;
    static char datagram[XRAY_DATAGRAM_MAX_BYTES];
    size_t header_len = sizeof(HEADER) - 1;
    uint32_t item_count = 0;
    memset(datagram, 'x', sizeof(datagram));
    memcpy(datagram, HEADER, header_len);
    open_intake("x");
    for (uint32_t i = 0; i < 20; i++) {
        take(slice_of(datagram, sizeof(datagram)));
    }
    take(slice_of(datagram, header_len + 1));
    xray_intake_flush(&intake);
    assert_true(lane_count(0) >= 5);
    for (uint32_t k = 0; k < lane_count(0); k++) {
        uint32_t count;
        assert_true(part_at(0, k)->bytes.len <= XRAY_GATHER_BYTES);
        assert_int_equal(documents_check(part_at(0, k)->bytes, &count), 0);
        assert_int_equal(count, part_at(0, k)->item_count);
        item_count += count;
    }
    assert_int_equal(item_count, 21);
    assert_int_equal(counter_read(&stats.items_forwarded), 21);
    close_intake();
}

/* --- as spans --------------------------------------------------------------------------------- */

static void test_pipeline_of_otlp_gets_spans(void **state)
{
    (void)state;
    struct otlp_counts counts;
    open_intake("o");
    take(GOOD);
    take(BYTES(HEADER NESTED));
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(0), 1);
    const struct part *part = part_at(0, 0);
    assert_int_equal(part->encoding, PART_OTLP);
    assert_int_equal(part->item_count, 3);
    assert_int_equal(otlp_walk(SIGNAL_TRACES, part->bytes, &counts, NULL), 0);
    assert_int_equal(counts.item_count, 3);
    assert_int_equal(atomic_load(&lines[0].plan.seen_count), 1);
    assert_int_equal(atomic_load(&lines[0].plan.now_unix_ns), 7);
    assert_int_equal(counter_read(&stats.items_decoded), 3);
    assert_int_equal(counter_read(&stats.items_forwarded), 3);
    close_intake();
}

static void test_refused_documents_are_counted_by_reason(void **state)
{
    (void)state;
    open_intake("o");
    take(BYTES(HEADER "{\"name\": ]}"));
    take(GOOD);
    take(BYTES(HEADER "{\"id\":\"0123456789abcdef\",\"start_time\":1}"));
    xray_intake_flush(&intake);
    assert_int_equal(refused_by(XRAY_REASON_DOCUMENT + XRAY_WHY_JSON - 1), 1);
    assert_int_equal(refused_by(XRAY_REASON_DOCUMENT + XRAY_WHY_NO_NAME - 1), 1);
    assert_int_equal(counter_read(&stats.items_decoded), 3);
    assert_int_equal(counter_read(&stats.items_forwarded), 1);
    assert_int_equal(part_at(0, 0)->item_count, 1);
    close_intake();
}

static void test_many_spans_cross_before_the_turn_ends(void **state)
{
    (void)state;
    uint64_t item_count = 0;
    open_intake("o");
    for (uint32_t i = 0; i < 4000; i++) {
        take(BYTES(HEADER NESTED));
    }
    xray_intake_flush(&intake);
    assert_true(lane_count(0) > 1);
    for (uint32_t k = 0; k < lane_count(0); k++) {
        struct otlp_counts counts;
        assert_int_equal(otlp_walk(SIGNAL_TRACES, part_at(0, k)->bytes, &counts, NULL), 0);
        assert_int_equal(counts.item_count, part_at(0, k)->item_count);
        item_count += counts.item_count;
    }
    assert_int_equal(item_count, 8000);
    close_intake();
}

static void test_processor_that_takes_all_ends_the_part(void **state)
{
    (void)state;
    open_intake("o");
    atomic_store(&lines[0].plan.drops_all, true);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(0), 0);
    assert_int_equal(counter_read(&stats.items_forwarded), 1);
    close_intake();
}

/* --- both ------------------------------------------------------------------------------------- */

static void test_each_pipeline_gets_what_it_takes(void **state)
{
    (void)state;
    open_intake("xox");
    take(BYTES(HEADER NESTED));
    take(BYTES(HEADER "no segment, but for X-Ray to judge"));
    xray_intake_flush(&intake);
    for (uint32_t i = 0; i < PIPELINES; i++) {
        assert_int_equal(lane_count(i), 1);
        assert_int_equal(part_at(i, 0)->encoding, i == 1 ? PART_OTLP : PART_XRAY);
        assert_int_equal(part_at(i, 0)->item_count, 2); /* documents; spans of the first */
    }
    assert_true(part_at(0, 0)->memory != part_at(2, 0)->memory);
    assert_int_equal(counter_read(&stats.items_decoded), 3); /* spans */
    assert_int_equal(counter_read(&stats.items_forwarded), 2);
    close_intake();
}

static void test_connecting_anew_changes_what_is_made(void **state)
{
    (void)state;
    open_intake("xo");
    struct pipeline *second[] = {&lines[1].pipeline};
    take(GOOD);
    xray_intake_flush(&intake);
    xray_intake_connect(&intake, second, 1);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(0), 1);
    assert_int_equal(lane_count(1), 2);
    close_intake();
}

/* --- pressure --------------------------------------------------------------------------------- */

static void fill_lane(uint32_t index, uint32_t leave_count)
{
    while (lane_room(lane_of(index)) > leave_count) {
        struct part part;
        assert_int_equal(part_copy(&part, BYTES("x"), SIGNAL_TRACES, 1), 0);
        lane_push(lane_of(index), &part);
    }
}

static void test_full_lane_drops_and_counts(void **state)
{
    (void)state;
    open_intake("x");
    fill_lane(0, 1);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(counter_read(&stats.items_forwarded), 1);
    take(GOOD);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(refused_by(XRAY_REASON_QUEUE_FULL), 2);
    assert_int_equal(counter_read(&stats.refused_spans), 2);
    check_balance();
    empty_lanes();
    take(GOOD);
    close_intake();
    assert_int_equal(counter_read(&stats.items_forwarded), 2);
}

static void test_pipeline_without_room_loses_its_share_alone(void **state)
{
    (void)state;
    open_intake("xox");
    fill_lane(0, 0);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(1), 1);
    assert_int_equal(lane_count(2), 1);
    assert_int_equal(counter_read(&stats.items_forwarded), 1);
    assert_int_equal(counter_read(&stats.refused_spans), 1); /* the share of the first */
    assert_int_equal(refused_by(XRAY_REASON_QUEUE_FULL), 0);
    close_intake();
}

static void test_no_budget_drops_and_counts(void **state)
{
    (void)state;
    open_intake("xo");
    uint64_t got_bytes = budget_lease(&memory, BUDGET - 10);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(0) + lane_count(1), 0);
    assert_int_equal(counter_read(&stats.invalid_memory), 1);
    assert_int_equal(counter_read(&stats.refused_spans), 2);
    budget_return(&memory, got_bytes);
    take(GOOD);
    xray_intake_flush(&intake);
    assert_int_equal(lane_count(0) + lane_count(1), 2);
    close_intake();
}

static void test_refused_memory_drops_and_counts(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 4; nth++) {
        open_intake("xo");
        mem_fail_nth(nth);
        xray_intake_take(&intake, GOOD);
        xray_intake_flush(&intake);
        mem_fail_nth(0);
        xray_intake_take(&intake, GOOD);
        xray_intake_flush(&intake);
        check_balance();
        assert_true(counter_read(&stats.items_forwarded) >= 1);
        assert_int_equal(lane_count(0) + lane_count(1), 3);
        assert_int_equal(counter_read(&stats.refused_spans), 1);
        close_intake();
    }
}

static void test_refused_memory_at_every_step_of_opening(void **state)
{
    (void)state;
    const struct xray_intake_options options = {.memory = &memory, .stats = &stats};
    budget_init(&memory, BUDGET);
    for (uint64_t nth = 1; nth < 30; nth++) {
        mem_fail_nth(nth);
        int err = xray_intake_init(&intake, &options);
        mem_fail_nth(0);
        xray_intake_fini(&intake);
        if (err == 0) {
            assert_true(nth > 2);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_cross_once_per_turn_byte_for_byte),
        cmocka_unit_test(test_headers_are_checked_and_counted_by_reason),
        cmocka_unit_test(test_every_reason_has_a_label_of_its_own),
        cmocka_unit_test(test_large_bursts_cross_before_the_turn_ends),
        cmocka_unit_test(test_pipeline_of_otlp_gets_spans),
        cmocka_unit_test(test_refused_documents_are_counted_by_reason),
        cmocka_unit_test(test_many_spans_cross_before_the_turn_ends),
        cmocka_unit_test(test_processor_that_takes_all_ends_the_part),
        cmocka_unit_test(test_each_pipeline_gets_what_it_takes),
        cmocka_unit_test(test_connecting_anew_changes_what_is_made),
        cmocka_unit_test(test_full_lane_drops_and_counts),
        cmocka_unit_test(test_pipeline_without_room_loses_its_share_alone),
        cmocka_unit_test(test_no_budget_drops_and_counts),
        cmocka_unit_test(test_refused_memory_drops_and_counts),
        cmocka_unit_test(test_refused_memory_at_every_step_of_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
