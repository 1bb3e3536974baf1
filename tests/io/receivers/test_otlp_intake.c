/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/otlp_intake: bodies good and bad, one answer each, and after every case
 * exactly that is charged which stands in a lane.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/engine/budget.h"
#include "core/processors/shard_half.h"
#include "io/receivers/otlp_intake.h"
#include "tests/support/otlp_stubs.h"

#define PIPELINES 3
#define SHARDS 2
#define SHARD_ID 1
#define MAX_BYTES 1000
#define BUDGET (UINT64_C(64) * 1024 * 1024)
#define SPAN "\x0a\x06\x12\x04\x12\x02\x2a\x00" /* a request of one span */
#define POINT "\x0a\x08\x12\x06\x12\x04\x2a\x02\x0a\x00"
#define RECORD "\x0a\x04\x12\x02\x12\x00"
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)

/* A pipeline with one exporter and a stub as its only processor on each shard. */
struct line {
    struct pipeline pipeline;
    struct stub_exporter exporter;
    struct stub_plan plan;
    struct stub_processor stub;
    struct shard_half halves[SHARDS];
};

struct told {
    uint32_t count;
    struct otlp_verdict verdict;
};

static struct budget memory;
static struct receiver_stats stats;
static struct otlp_intake intake;
static struct line lines[PIPELINES];
static struct told told;

/* --- fixture ---------------------------------------------------------------------------------- */

static void open_line(struct line *line, enum signal signal, bool answers_late)
{
    *line = (struct line){.plan = {.err = 0}};
    stub_exporter_init(&line->exporter, STUB_TAKEN_MAX, answers_late);
    stub_processor_init(&line->stub, &line->plan);
    struct exporter *routes[] = {&line->exporter.exporter};
    struct processor *prototypes[] = {&line->stub.processor};
    pipeline_init(&line->pipeline, "line", signal, routes, 1);
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(shard_half_init(&line->halves[i], prototypes, 1), 0);
    }
    line->pipeline.shard_halves = line->halves;
    line->pipeline.memory = &memory;
}

/* `count` pipelines of a signal; those whose bit is set in `late` answer late. */
static void open_intake(enum signal signal, uint32_t count, uint32_t late)
{
    budget_init(&memory, BUDGET);
    stats = (struct receiver_stats){0};
    told = (struct told){0};
    assert_int_equal(otlp_intake_init(&intake, SHARD_ID, &memory, &stats), 0);
    for (uint32_t i = 0; i < PIPELINES; i++) {
        open_line(&lines[i], signal, (late >> i & 1) != 0);
        if (i < count) {
            intake.routes[signal].pipelines[i] = &lines[i].pipeline;
            intake.routes[signal].count++;
        }
    }
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

/* What stands in the lanes, and nothing else, is charged; every request is in one book. */
static void check_balance(void)
{
    uint64_t charged_bytes = 0;
    for (uint32_t i = 0; i < PIPELINES; i++) {
        struct lane *lane = lane_of(i);
        uint32_t head = atomic_load(&lane->head);
        for (uint32_t k = 0; k < lane_count(i); k++) {
            charged_bytes += lane->entries[(head + k) & (lane->capacity_count - 1)].charged_bytes;
        }
    }
    lease_fini(&intake.lease);
    assert_int_equal(budget_leased(&memory), charged_bytes);
    assert_int_equal(counter_read(&stats.wire_received),
                     counter_read(&stats.wire_parsed) + counter_read(&stats.wire_refused) +
                         counter_read(&stats.wire_dropped_invalid));
    assert_int_equal(arena_used_bytes(&intake.scratch), 0);
}

/* As the egress thread does: everything that crossed goes to the exporters. */
static void run_egress(void)
{
    for (uint32_t i = 0; i < PIPELINES; i++) {
        struct part *part = lane_peek(lane_of(i));
        while (part != NULL) {
            assert_int_equal(pipeline_push(&lines[i].pipeline, part, PIPELINE_PROCESSED, 1), 0);
            lane_pop(lane_of(i));
            part = lane_peek(lane_of(i));
        }
    }
}

static void close_intake(void)
{
    run_egress();
    for (uint32_t i = 0; i < PIPELINES; i++) {
        stub_exporter_answer_all(&lines[i].exporter, DELIVERY_ACCEPTED);
    }
    assert_false(otlp_intake_collect(&intake));
    otlp_intake_fini(&intake);
    otlp_intake_fini(&intake);
    assert_int_equal(budget_leased(&memory), 0);
    for (uint32_t i = 0; i < PIPELINES; i++) {
        for (uint32_t k = 0; k < SHARDS; k++) {
            shard_half_fini(&lines[i].halves[k]);
        }
        pipeline_fini(&lines[i].pipeline);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void record_reply(const struct otlp_reply *reply, const struct otlp_verdict *verdict)
{
    assert_ptr_equal(reply->to, &told);
    told.count++;
    told.verdict = *verdict;
}

static struct otlp_reply reply_of(enum signal signal, bool is_grpc, bool is_json)
{
    return (struct otlp_reply){.send = record_reply,
                               .to = &told,
                               .signal = signal,
                               .is_grpc = is_grpc,
                               .is_json = is_json};
}

static struct otlp_body body_of(struct slice bytes, enum compress_kind kind)
{
    struct otlp_body body = {
        .len = bytes.len, .charged_bytes = bytes.len, .kind = kind, .max_bytes = MAX_BYTES};
    assert_true(otlp_intake_charge(&intake, bytes.len));
    if (bytes.len > 0) {
        body.memory = mem_copy_text(bytes.ptr, bytes.len);
        assert_non_null(body.memory);
    }
    return body;
}

static void take(struct slice bytes, enum compress_kind kind, struct otlp_reply reply)
{
    struct otlp_body body = body_of(bytes, kind);
    told.count = 0;
    otlp_intake_take(&intake, &body, &reply);
}

static void take_grpc(struct slice bytes, enum compress_kind kind)
{
    take(bytes, kind, reply_of(SIGNAL_TRACES, true, false));
}

static void take_http(struct slice bytes, enum compress_kind kind)
{
    take(bytes, kind, reply_of(SIGNAL_TRACES, false, false));
}

static void take_json(const char *text)
{
    take(slice_of_text(text), COMPRESS_NONE, reply_of(SIGNAL_TRACES, false, true));
}

static void check_told(enum grpc_status status, const char *words)
{
    assert_int_equal(told.count, 1);
    if (told.verdict.status != status || strstr(told.verdict.text, words) == NULL) {
        print_error("%u '%.*s'\n", (uint32_t)told.verdict.status, (int)told.verdict.text_len,
                    told.verdict.text);
    }
    assert_int_equal(told.verdict.status, status);
    if (words[0] != '\0') {
        assert_non_null(strstr(told.verdict.text, words));
    }
    bool is_postponed = told.verdict.status == GRPC_UNAVAILABLE;
    assert_int_equal(told.verdict.retry_delay_ns != GRPC_NO_RETRY_DELAY, is_postponed);
    check_balance();
}

static void check_accepted(void)
{
    check_told(GRPC_OK, "");
    assert_int_equal(told.verdict.rejected_count, 0);
}

/* As that kind of compression has it; from a static buffer. */
static struct slice packed(enum compress_kind kind, struct slice bytes)
{
    static struct bytes out;
    bytes_fini(&out);
    bytes_init(&out, 1 << 20);
    struct iovec iov = {.iov_base = mem_copy_text(bytes.ptr, bytes.len), .iov_len = bytes.len};
    assert_int_equal(compress_iov(kind, &iov, 1, &out), 0);
    mem_free(iov.iov_base);
    return bytes_slice(&out);
}

/* A request of `count` spans, 8 bytes each. */
static struct slice spans_of(uint32_t count)
{
    static uint8_t bytes[8 * 1024];
    assert_true(count <= sizeof(bytes) / 8);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes + (size_t)i * 8, SPAN, 8);
    }
    return slice_of(bytes, (size_t)count * 8);
}

/* --- good ones -------------------------------------------------------------------------------- */

static void test_part_crosses_with_its_charge(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    take_grpc(spans_of(3), COMPRESS_NONE);
    check_accepted();
    assert_true(intake.has_sent);
    struct part *part = lane_peek(lane_of(0));
    assert_int_equal(part->item_count, 3);
    assert_int_equal(part->charged_bytes, 24);
    assert_int_equal(part->signal, SIGNAL_TRACES);
    assert_true(slice_equal(part->bytes, spans_of(3)));
    assert_null(part->claims);
    assert_int_equal(lines[0].plan.now_unix_ns, 7);
    assert_int_equal(counter_read(&stats.accepted_spans), 3);
    assert_int_equal(counter_read(&stats.items_decoded), 3);
    assert_int_equal(counter_read(&stats.items_forwarded), 3);
    assert_int_equal(counter_read(&stats.wire_bytes), 24);
    assert_int_equal(lane_count(1), 0);
    close_intake();
}

static void test_every_signal_has_its_counters(void **state)
{
    (void)state;
    static const struct {
        enum signal signal;
        struct slice request;
    } cases[] = {
        {SIGNAL_TRACES, {.ptr = (const uint8_t *)SPAN, .len = sizeof(SPAN) - 1}},
        {SIGNAL_METRICS, {.ptr = (const uint8_t *)POINT, .len = sizeof(POINT) - 1}},
        {SIGNAL_LOGS, {.ptr = (const uint8_t *)RECORD, .len = sizeof(RECORD) - 1}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        open_intake(cases[i].signal, 1, 0);
        take(cases[i].request, COMPRESS_NONE, reply_of(cases[i].signal, true, false));
        check_accepted();
        assert_int_equal(lane_count(0), 1);
        assert_int_equal(counter_read(&stats.accepted_spans), i == 0 ? 1 : 0);
        assert_int_equal(counter_read(&stats.accepted_points), i == 1 ? 1 : 0);
        assert_int_equal(counter_read(&stats.accepted_records), i == 2 ? 1 : 0);
        close_intake();
    }
}

static void test_every_compression_is_undone(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    for (uint32_t kind = COMPRESS_GZIP; kind < COMPRESS_KIND_COUNT; kind++) {
        struct slice wire = packed((enum compress_kind)kind, spans_of(100));
        take_http(wire, (enum compress_kind)kind);
        check_accepted();
        struct part *part = lane_peek(lane_of(0));
        assert_true(slice_equal(part->bytes, spans_of(100)));
        assert_int_equal(part->charged_bytes, 800); /* of what it is now */
        run_egress();
        stub_exporter_answer_all(&lines[0].exporter, DELIVERY_ACCEPTED);
    }
    close_intake();
}

static void test_json_becomes_protobuf(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    take_json("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"a\"},{}]}]}]}");
    check_accepted();
    struct part *part = lane_peek(lane_of(0));
    assert_int_equal(part->item_count, 2);
    assert_int_equal(part->charged_bytes, part->bytes.len);
    close_intake();
}

static void test_request_of_no_items_is_accepted_and_goes_nowhere(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 2, 3);
    take_grpc(BYTES(""), COMPRESS_NONE);
    check_accepted();
    take_http(BYTES("\x0a\x00"), COMPRESS_NONE);
    check_accepted();
    take_http(BYTES("\x0a\x02\x12\x00"), COMPRESS_NONE);
    check_accepted();
    take_json("{}");
    check_accepted();
    take_json("{\"resourceSpans\":[{}]}");
    check_accepted();
    take_http(packed(COMPRESS_GZIP, BYTES("\x0a\x00")), COMPRESS_GZIP);
    check_accepted();
    assert_int_equal(lane_count(0) + lane_count(1), 0);
    assert_false(intake.has_sent);
    assert_int_equal(counter_read(&stats.wire_parsed), 6);
    assert_int_equal(counter_read(&stats.items_decoded), 0);
    close_intake();
}

static void test_oddly_spelled_request_is_brought_into_form(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    /* A Resource in two pieces. */
    take_grpc(BYTES("\x0a\x0a\x0a\x00\x0a\x00\x12\x04\x12\x02\x2a\x00"), COMPRESS_NONE);
    check_accepted();
    struct part *part = lane_peek(lane_of(0));
    assert_int_equal(part->item_count, 1);
    assert_int_equal(part->bytes.len, 10); /* one of them is gone */
    close_intake();
}

/* --- bad ones --------------------------------------------------------------------------------- */

static void check_nothing_crossed(void)
{
    assert_int_equal(lane_count(0), 0);
    assert_false(intake.has_sent);
    assert_int_equal(counter_read(&stats.items_decoded), 0);
}

static void test_what_is_wrong_with_the_body_in_words_of_grpc(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    take_grpc(BYTES("\x1f\x8b no gzip"), COMPRESS_GZIP);
    check_told(GRPC_INTERNAL, "grpc: failed to decompress the received message: ");
    take_grpc(BYTES(""), COMPRESS_GZIP);
    check_told(GRPC_INTERNAL, "grpc: failed to decompress the received message: ");
    struct slice gzip = packed(COMPRESS_GZIP, spans_of(100));
    take_grpc(slice_first(gzip, gzip.len - 1), COMPRESS_GZIP);
    check_told(GRPC_INTERNAL, "corrupt gzip data");
    take_grpc(packed(COMPRESS_ZSTD, spans_of(126)), COMPRESS_ZSTD);
    check_told(GRPC_RESOURCE_EXHAUSTED,
               "grpc: received message after decompression larger than max 1000");
    take_grpc(BYTES("\x0a\x7f"), COMPRESS_NONE);
    check_told(GRPC_INTERNAL, "grpc: error unmarshalling request: ");
    take_grpc(BYTES("\x08\x01"), COMPRESS_NONE);
    check_told(GRPC_INTERNAL, "grpc: error unmarshalling request: ");
    take_grpc(BYTES("\x0a\x0b\x12\x09\x12\x07\x0a\x05"
                    "abcde"),
              COMPRESS_NONE);
    check_told(GRPC_INTERNAL, "grpc: error unmarshalling request: ");
    check_nothing_crossed();
    assert_int_equal(counter_read(&stats.wire_dropped_invalid), 7);
    close_intake();
}

static void test_what_is_wrong_with_the_body_in_words_of_http(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    take_http(BYTES("no gzip"), COMPRESS_GZIP);
    check_told(GRPC_INVALID_ARGUMENT, "corrupt gzip data");
    take_http(packed(COMPRESS_GZIP, spans_of(126)), COMPRESS_GZIP);
    check_told(GRPC_INVALID_ARGUMENT, "http: request body too large");
    take_http(BYTES("\x0a\x7f"), COMPRESS_NONE);
    check_told(GRPC_INVALID_ARGUMENT, "");
    assert_true(told.verdict.text_len > 0);
    assert_null(strstr(told.verdict.text, "grpc"));
    take_http(BYTES("\x0a\x0b\x12\x09\x12\x07\x12\x05"
                    "abcde"),
              COMPRESS_NONE);
    check_told(GRPC_INVALID_ARGUMENT, "");
    check_nothing_crossed();
    close_intake();
}

static void test_what_is_wrong_with_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "nonsense",
        "{\"resourceSpans\":7}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"xyz\"}]}]}]}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"abcd\"}]}]}]}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"startTimeUnixNano\":\"1.5\"}]}]}]}",
    };
    open_intake(SIGNAL_TRACES, 1, 0);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        take_json(texts[i]);
        check_told(GRPC_INVALID_ARGUMENT, "");
        assert_true(told.verdict.text_len > 0);
    }
    check_nothing_crossed();
    assert_int_equal(counter_read(&stats.wire_dropped_invalid), COUNT_OF(texts));
    close_intake();
}

static void test_limit_itself_is_fine_after_inflation(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    take_grpc(packed(COMPRESS_GZIP, spans_of(MAX_BYTES / 8)), COMPRESS_GZIP);
    check_accepted();
    assert_int_equal(lane_count(0), 1);
    close_intake();
}

static void test_signal_without_a_pipeline_goes_nowhere(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 0);
    assert_true(otlp_intake_has(&intake, SIGNAL_TRACES));
    assert_false(otlp_intake_has(&intake, SIGNAL_LOGS));
    take(BYTES(RECORD), COMPRESS_NONE, reply_of(SIGNAL_LOGS, true, false));
    check_told(GRPC_UNIMPLEMENTED, "");
    check_nothing_crossed();
    close_intake();
}

/* --- several pipelines ------------------------------------------------------------------------ */

static void test_every_pipeline_has_its_own_copy(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, PIPELINES, 0);
    take_grpc(spans_of(5), COMPRESS_NONE);
    check_accepted();
    const void *memories[PIPELINES];
    for (uint32_t i = 0; i < PIPELINES; i++) {
        struct part *part = lane_peek(lane_of(i));
        assert_true(slice_equal(part->bytes, spans_of(5)));
        assert_int_equal(part->charged_bytes, 40);
        memories[i] = part->memory;
    }
    assert_true(memories[0] != memories[1] && memories[1] != memories[2]);
    assert_int_equal(counter_read(&stats.accepted_spans), 5); /* once */
    close_intake();
}

static void test_processor_of_one_pipeline_is_none_of_the_others_business(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, PIPELINES, 0);
    lines[0].plan.drops_all = true;
    lines[2].plan.drops_all = true;
    take_grpc(spans_of(5), COMPRESS_NONE);
    check_accepted();
    assert_int_equal(lane_count(0), 0);
    assert_int_equal(lane_count(1), 1);
    assert_int_equal(lane_count(2), 0);
    lines[1].plan.err = -ENOMEM;
    take_grpc(spans_of(5), COMPRESS_NONE);
    check_told(GRPC_UNAVAILABLE, "");
    assert_int_equal(lane_count(1), 1);
    close_intake();
}

static void test_full_lane_refuses_for_all_pipelines(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, PIPELINES, 0);
    while (lane_room(lane_of(1)) > 0) {
        struct part part = {.signal = SIGNAL_TRACES};
        lane_push(lane_of(1), &part);
    }
    take_grpc(spans_of(4), COMPRESS_NONE);
    check_told(GRPC_UNAVAILABLE, "full");
    assert_int_equal(lane_count(0) + lane_count(2), 0); /* a repeat duplicates nothing */
    assert_int_equal(counter_read(&stats.refused_spans), 4);
    assert_int_equal(counter_read(&stats.accepted_spans), 0);
    assert_non_null(lane_peek(lane_of(1)));
    lane_pop(lane_of(1));
    take_grpc(spans_of(4), COMPRESS_NONE);
    check_accepted();
    assert_int_equal(lane_count(0), 1);
    while (lane_count(1) > 1) {
        assert_int_equal(lane_peek(lane_of(1))->item_count, 0);
        lane_pop(lane_of(1));
    }
    close_intake();
}

/* --- pressure --------------------------------------------------------------------------------- */

static void test_budget_that_is_used_up_refuses_until_there_is_room(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 2, 0);
    uint64_t taken_bytes = budget_lease(&memory, BUDGET - 100);
    assert_int_equal(taken_bytes, BUDGET - 100);
    assert_false(otlp_intake_charge(&intake, 101));
    struct slice wire = packed(COMPRESS_GZIP, spans_of(100));
    assert_true(wire.len < 100);
    struct otlp_reply reply = reply_of(SIGNAL_TRACES, false, false);
    struct otlp_body body = body_of(wire, COMPRESS_GZIP);
    told.count = 0;
    otlp_intake_take(&intake, &body, &reply);
    assert_int_equal(told.verdict.status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(told.verdict.text, "high memory usage"));
    body = body_of(spans_of(8), COMPRESS_NONE); /* room for one, not for its copy */
    otlp_intake_take(&intake, &body, &reply);
    assert_int_equal(told.verdict.status, GRPC_UNAVAILABLE);
    assert_int_equal(told.count, 2);
    assert_int_equal(lane_count(0) + lane_count(1), 0);
    lease_fini(&intake.lease);
    assert_int_equal(budget_leased(&memory), taken_bytes);
    budget_return(&memory, taken_bytes);
    take_http(wire, COMPRESS_GZIP);
    check_accepted();
    close_intake();
}

static void test_refused_memory_never_loses_a_request_or_a_byte(void **state)
{
    (void)state;
    static const char json[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}";
    uint64_t refused_count = 0;
    for (uint64_t nth = 1; nth < 60; nth++) {
        open_intake(SIGNAL_TRACES, 2, 2);
        struct slice wire = packed(COMPRESS_GZIP, slice_of_text(json));
        struct otlp_body body = body_of(wire, COMPRESS_GZIP);
        struct otlp_reply reply = reply_of(SIGNAL_TRACES, false, true);
        mem_fail_nth(nth);
        otlp_intake_take(&intake, &body, &reply);
        mem_fail_nth(0);
        check_balance();
        run_egress();
        stub_exporter_answer_all(&lines[0].exporter, DELIVERY_ACCEPTED);
        stub_exporter_answer_all(&lines[1].exporter, DELIVERY_ACCEPTED);
        assert_false(otlp_intake_collect(&intake));
        assert_int_equal(told.count, 1);
        assert_true(told.verdict.status == GRPC_OK || told.verdict.status == GRPC_UNAVAILABLE);
        bool is_refused = told.verdict.status == GRPC_UNAVAILABLE;
        refused_count += is_refused ? 1 : 0;
        assert_true(is_refused || lines[0].exporter.items_seen == 1);
        assert_true(is_refused || lines[1].exporter.items_seen == 1);
        close_intake();
    }
    assert_true(refused_count >= 4); /* inflating, translating, waiting, copying */
}

/* --- answers that come later ------------------------------------------------------------------ */

static void test_answer_waits_for_the_upstream(void **state)
{
    (void)state;
    static const struct {
        enum delivery delivery;
        enum grpc_status status;
        uint64_t rejected_count;
    } cases[] = {
        {DELIVERY_ACCEPTED, GRPC_OK, 0},
        {DELIVERY_REJECTED, GRPC_OK, 6},
        {DELIVERY_LOST, GRPC_UNAVAILABLE, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        open_intake(SIGNAL_TRACES, 1, 1);
        take_grpc(spans_of(6), COMPRESS_NONE);
        assert_int_equal(told.count, 0);
        assert_true(otlp_intake_collect(&intake));
        check_balance();
        run_egress();
        assert_true(otlp_intake_collect(&intake));
        stub_exporter_answer(&lines[0].exporter, cases[i].delivery);
        assert_int_equal(told.count, 0); /* it has yet to come home */
        assert_false(otlp_intake_collect(&intake));
        assert_int_equal(told.count, 1);
        assert_int_equal(told.verdict.status, cases[i].status);
        assert_int_equal(told.verdict.rejected_count, cases[i].rejected_count);
        assert_false(otlp_intake_collect(&intake));
        assert_int_equal(told.count, 1);
        close_intake();
    }
}

static void test_worst_of_several_upstreams_counts(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, PIPELINES, 5); /* the one in the middle has a queue */
    take_grpc(spans_of(2), COMPRESS_NONE);
    run_egress();
    stub_exporter_answer(&lines[2].exporter, DELIVERY_REJECTED);
    assert_true(otlp_intake_collect(&intake));
    stub_exporter_answer(&lines[1].exporter, DELIVERY_LOST); /* nobody waits for that */
    assert_true(otlp_intake_collect(&intake));
    stub_exporter_answer(&lines[0].exporter, DELIVERY_ACCEPTED);
    assert_false(otlp_intake_collect(&intake));
    check_told(GRPC_OK, "refused");
    assert_int_equal(told.verdict.rejected_count, 2);
    close_intake();
}

static void test_part_given_up_on_its_way_is_told(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 1, 1);
    take_grpc(spans_of(2), COMPRESS_NONE);
    pipeline_drop_part(&lines[0].pipeline, lane_peek(lane_of(0)), PART_LOST);
    lane_pop(lane_of(0));
    assert_false(otlp_intake_collect(&intake));
    check_told(GRPC_UNAVAILABLE, "");
    close_intake();
}

/* Claims are answered by the egress alone: what ends on the shard needs none. */
static void test_part_that_ends_on_the_shard_takes_no_claim(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 2, 3);
    lines[0].plan.drops_all = true;
    take_grpc(spans_of(2), COMPRESS_NONE);
    assert_int_equal(intake.returns.claim_count, 1);
    assert_int_equal(mailbox_count(&intake.returns.box), 0);
    assert_int_equal(told.count, 0);
    run_egress();
    stub_exporter_answer(&lines[1].exporter, DELIVERY_ACCEPTED);
    assert_false(otlp_intake_collect(&intake));
    check_accepted();
    lines[1].plan.drops_all = true;
    take_grpc(spans_of(2), COMPRESS_NONE);
    check_accepted(); /* at once */
    lines[1].plan.drops_all = false;
    lines[1].plan.err = -ENOMEM;
    take_grpc(spans_of(2), COMPRESS_NONE);
    check_told(GRPC_UNAVAILABLE, "");
    assert_int_equal(intake.returns.claim_count + intake.waiting_count, 0);
    close_intake();
}

static void test_too_many_waiting_requests_refuse_the_next(void **state)
{
    (void)state;
    open_intake(SIGNAL_TRACES, 2, 3);
    uint32_t free_count = 1;
    intake.returns.claim_count = TICKET_CLAIMS_MAX - free_count; /* one is left, two are needed */
    take_grpc(spans_of(2), COMPRESS_NONE);
    check_told(GRPC_UNAVAILABLE, "high memory usage");
    assert_int_equal(lane_count(0) + lane_count(1), 0);
    intake.returns.claim_count = TICKET_CLAIMS_MAX - 2;
    take_grpc(spans_of(2), COMPRESS_NONE);
    assert_int_equal(told.count, 0);
    intake.returns.claim_count = 2;
    close_intake();
    assert_int_equal(told.count, 1);
}

static void test_memory_refused_at_the_beginning(void **state)
{
    (void)state;
    budget_init(&memory, BUDGET);
    for (uint64_t nth = 1; nth < 10; nth++) {
        mem_fail_nth(nth);
        int err = otlp_intake_init(&intake, 0, &memory, &stats);
        mem_fail_nth(0);
        otlp_intake_fini(&intake);
        otlp_intake_fini(&intake);
        if (err == 0) {
            assert_int_equal(nth, 3); /* scratch and box */
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_crosses_with_its_charge),
        cmocka_unit_test(test_every_signal_has_its_counters),
        cmocka_unit_test(test_every_compression_is_undone),
        cmocka_unit_test(test_json_becomes_protobuf),
        cmocka_unit_test(test_request_of_no_items_is_accepted_and_goes_nowhere),
        cmocka_unit_test(test_oddly_spelled_request_is_brought_into_form),
        cmocka_unit_test(test_what_is_wrong_with_the_body_in_words_of_grpc),
        cmocka_unit_test(test_what_is_wrong_with_the_body_in_words_of_http),
        cmocka_unit_test(test_what_is_wrong_with_json),
        cmocka_unit_test(test_limit_itself_is_fine_after_inflation),
        cmocka_unit_test(test_signal_without_a_pipeline_goes_nowhere),
        cmocka_unit_test(test_every_pipeline_has_its_own_copy),
        cmocka_unit_test(test_processor_of_one_pipeline_is_none_of_the_others_business),
        cmocka_unit_test(test_full_lane_refuses_for_all_pipelines),
        cmocka_unit_test(test_budget_that_is_used_up_refuses_until_there_is_room),
        cmocka_unit_test(test_refused_memory_never_loses_a_request_or_a_byte),
        cmocka_unit_test(test_answer_waits_for_the_upstream),
        cmocka_unit_test(test_worst_of_several_upstreams_counts),
        cmocka_unit_test(test_part_given_up_on_its_way_is_told),
        cmocka_unit_test(test_part_that_ends_on_the_shard_takes_no_claim),
        cmocka_unit_test(test_too_many_waiting_requests_refuse_the_next),
        cmocka_unit_test(test_memory_refused_at_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
