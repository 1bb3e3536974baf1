/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/batch: when a batch closes, what is copied and what is handed on, cuts
 * between items, and refused memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/model/documents.h"
#include "core/otlp/otlp_walk.h"
#include "core/processors/batch.h"
#include "tests/core/processors/processor_rig.h"

#define MS CLOCK_NS_PER_MS
#define T0 UINT64_C(1000000000)

static struct rig rig;

struct fixture {
    struct batcher batcher;
    uint32_t copied_count;
    uint32_t finished_count;
};

static void count_copied(struct batcher *batcher, struct part *source, struct part *target,
                         bool is_last)
{
    struct fixture *f = CONTAINER_OF(batcher, struct fixture, batcher);
    assert_non_null(source->memory);
    assert_non_null(target->memory);
    assert_true(target->item_count > 0);
    f->copied_count++;
    f->finished_count += is_last ? 1 : 0;
}

static void open_fixture(struct fixture *f, const char *text)
{
    struct config_reader reader;
    struct batch_config config;
    *f = (struct fixture){0};
    rig_init(&rig);
    rig.signal = SIGNAL_TRACES;
    rig_reader(&rig, text, &reader);
    int err = batch_config_read(&reader, &config);
    assert_string_equal(config_fixture_printed(&rig.config), "");
    assert_int_equal(err, 0);
    assert_int_equal(batcher_init(&f->batcher, &config, SIGNAL_TRACES, count_copied), 0);
}

static void close_fixture(struct fixture *f)
{
    batcher_fini(&f->batcher);
    batcher_fini(&f->batcher);
    rig_close(&rig);
}

/* A request of `count` spans named by number from `first` on, each with `filler` bytes. */
static struct slice make_request(uint32_t first, uint32_t count, size_t filler)
{
    struct slice spans = {0};
    char *fill = arena_alloc(&rig.memory, filler + 1);
    assert_non_null(fill);
    memset(fill, 'x', filler);
    fill[filler] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%u", first + i);
        spans = JOIN(spans, item_of(JOIN(field_text(5, name), field_text(3, fill))));
    }
    return request_of(attr_text(1, "service.name", "a"), spans);
}

static void push(struct fixture *f, struct slice request, uint32_t item_count, uint64_t now)
{
    struct part part;
    assert_int_equal(part_copy(&part, request, SIGNAL_TRACES, item_count), 0);
    assert_int_equal(batcher_push(&f->batcher, &part, now), 0);
    assert_null(part.memory);
}

/* The batch's bytes as one request; checks the counts. */
static struct slice batch_request(const struct batch *batch)
{
    struct slice all = {0};
    struct otlp_counts counts;
    uint64_t items = 0;
    for (uint32_t i = 0; i < batch->part_count; i++) {
        all = JOIN(all, batch->parts[i].bytes);
        items += batch->parts[i].item_count;
    }
    assert_int_equal(otlp_walk(SIGNAL_TRACES, all, &counts, NULL), 0);
    assert_int_equal(counts.item_count, batch->item_count);
    assert_int_equal(items, batch->item_count);
    assert_int_equal(all.len, batch->bytes);
    return all;
}

static void check_none(struct fixture *f, uint64_t now)
{
    assert_null(batcher_take(&f->batcher, now, false));
}

static void check_taken(struct fixture *f, uint64_t now, bool force, uint64_t item_count)
{
    struct batch *batch = batcher_take(&f->batcher, now, force);
    assert_non_null(batch);
    assert_int_equal(batch->item_count, item_count);
    (void)batch_request(batch);
    batch_free(batch);
}

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{}");
    assert_int_equal(f.batcher.config.send_batch_size, 8192);
    assert_int_equal(f.batcher.config.send_batch_max_size, 0);
    assert_int_equal(f.batcher.config.timeout_ns, 200 * MS);
    close_fixture(&f);
}

static void test_time_closes_a_batch(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{timeout: 50ms}");
    assert_int_equal(batcher_next_deadline(&f.batcher), UINT64_MAX);
    check_none(&f, T0);
    assert_null(batcher_take(&f.batcher, T0, true));
    push(&f, make_request(0, 2, 10), 2, T0);
    push(&f, make_request(2, 1, 10), 1, T0 + 20 * MS);
    assert_int_equal(batcher_next_deadline(&f.batcher), T0 + 50 * MS);
    check_none(&f, T0 + 50 * MS - 1);
    check_taken(&f, T0 + 50 * MS, false, 3);
    assert_int_equal(counter_read(&f.batcher.sent_by_timeout), 1);
    assert_int_equal(counter_read(&f.batcher.sent_by_size), 0);
    assert_int_equal(batcher_next_deadline(&f.batcher), UINT64_MAX);
    assert_int_equal(batcher_held_bytes(&f.batcher), 0);
    close_fixture(&f);
}

static void test_size_closes_a_batch(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{send_batch_size: 4, metadata_cardinality_limit: 5}");
    push(&f, make_request(0, 3, 10), 3, T0);
    check_none(&f, T0);
    push(&f, make_request(3, 3, 10), 3, T0);
    assert_true(batcher_next_deadline(&f.batcher) <= T0);
    check_taken(&f, T0, false, 6); /* no maximum: not cut */
    assert_int_equal(counter_read(&f.batcher.sent_by_size), 1);
    check_none(&f, T0);
    close_fixture(&f);
}

static void test_no_timeout_sends_at_once(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{timeout: 0}");
    push(&f, make_request(0, 1, 10), 1, T0);
    check_taken(&f, T0, false, 1);
    close_fixture(&f);
    open_fixture(&f, "{send_batch_size: 0}");
    push(&f, make_request(0, 1, 10), 1, T0);
    check_taken(&f, T0, false, 1);
    close_fixture(&f);
}

static void test_force_and_waiting_answers_close_early(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{timeout: 10s}");
    push(&f, make_request(0, 1, 10), 1, T0);
    check_taken(&f, T0, true, 1);
    push(&f, make_request(1, 1, 10), 1, T0);
    batcher_close_by(&f.batcher, T0 + 10 * MS);
    batcher_close_by(&f.batcher, T0 + 20 * MS);
    assert_int_equal(batcher_next_deadline(&f.batcher), T0 + 10 * MS);
    check_taken(&f, T0 + 10 * MS, false, 1);
    push(&f, make_request(2, 1, 10), 1, T0 + 11 * MS);
    assert_int_equal(batcher_next_deadline(&f.batcher), T0 + 11 * MS + 10 * CLOCK_NS_PER_S);
    close_fixture(&f);
}

static void test_small_parts_are_copied_and_large_ones_kept(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{}");
    struct slice small = make_request(0, 1, 100);
    struct slice large = make_request(1, 1, BATCH_COPY_BYTES);
    push(&f, small, 1, T0);
    push(&f, small, 1, T0);
    push(&f, large, 1, T0);
    push(&f, small, 1, T0);
    assert_int_equal(f.copied_count, 3);
    assert_int_equal(f.finished_count, 3);
    assert_int_equal(batcher_held_bytes(&f.batcher), 3 * small.len + large.len);
    struct batch *batch = batcher_take(&f.batcher, T0, true);
    assert_non_null(batch);
    assert_int_equal(batch->part_count, 3);
    assert_true(slice_equal(batch_request(batch), JOIN(small, small, large, small)));
    batch_free(batch);
    close_fixture(&f);
}

static void test_many_parts_make_few_iovecs(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{send_batch_size: 100000}");
    struct slice middling = make_request(1, 1, BATCH_COPY_BYTES + 1);
    struct slice small = make_request(1, 1, 1);
    for (uint32_t i = 0; i < 2000; i++) {
        push(&f, i % 2 == 0 ? middling : small, 1, T0);
    }
    struct batch *batch = batcher_take(&f.batcher, T0, true);
    assert_non_null(batch);
    assert_int_equal(batch->item_count, 2000);
    assert_in_range(batch->part_count, 10, BATCH_PARTS_MAX);
    batch_free(batch);
    close_fixture(&f);
}

/* A run of `count` documents numbered from `first` on, each filled up to `len` bytes. */
static struct part make_run(uint32_t first, uint32_t count, size_t len)
{
    size_t cap = count * documents_size_bytes(len);
    uint8_t *memory = mem_alloc(cap);
    char *document = mem_alloc(len + 1);
    size_t used = 0;
    assert_non_null(memory);
    assert_non_null(document);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(document, len + 1, "%0*u", (int)len, first + i);
        documents_append(memory, cap, &used, slice_of(document, len));
    }
    mem_free(document);
    return (struct part){
        .bytes = slice_of(memory, used),
        .memory = memory,
        .encoding = PART_XRAY,
        .signal = SIGNAL_TRACES,
        .item_count = count,
    };
}

static void push_run(struct fixture *f, uint32_t first, uint32_t count, size_t len)
{
    struct part part = make_run(first, count, len);
    assert_int_equal(batcher_push(&f->batcher, &part, T0), 0);
    assert_null(part.memory);
}

/* The documents of a batch are whole and numbered from *next on, which goes on behind them. */
static void check_runs(const struct batch *batch, uint32_t *next)
{
    for (uint32_t i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        struct documents_reader reader = documents_reader_of(part->bytes);
        struct slice document;
        uint32_t count = 0;
        assert_int_equal(part->encoding, PART_XRAY);
        while (documents_next(&reader, &document)) {
            char number[24] = {0};
            assert_true(document.len < sizeof(number) || document.ptr[0] == '0');
            memcpy(number, document.ptr + document.len - 5, 5);
            assert_int_equal(strtoul(number, NULL, 10), *next);
            (*next)++;
            count++;
        }
        assert_int_equal(reader.err, 0);
        assert_int_equal(count, part->item_count);
    }
}

static void test_runs_of_documents_are_copied_together(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t next = 0;
    open_fixture(&f, "{}");
    for (uint32_t i = 0; i < 100; i++) {
        push_run(&f, 3 * i, 3, 10);
    }
    push_run(&f, 300, 1, BATCH_COPY_BYTES); /* too large to be copied */
    struct batch *batch = batcher_take(&f.batcher, T0, true);
    assert_non_null(batch);
    assert_int_equal(batch->part_count, 2);
    assert_int_equal(batch->item_count, 301);
    check_runs(batch, &next);
    assert_int_equal(next, 301);
    assert_int_equal(f.copied_count, 100);
    assert_int_equal(f.finished_count, 100);
    batch_free(batch);
    close_fixture(&f);
}

static void test_encodings_are_never_joined(void **state)
{
    (void)state;
    static const enum part_encoding ENCODINGS[] = {PART_OTLP, PART_XRAY, PART_OTLP, PART_EMF};
    struct fixture f;
    open_fixture(&f, "{}");
    for (uint32_t i = 0; i < 2 * COUNT_OF(ENCODINGS); i++) {
        struct part part = make_run(i, 1, 5);
        part.encoding = ENCODINGS[i / 2];
        assert_int_equal(batcher_push(&f.batcher, &part, T0), 0);
    }
    struct batch *batch = batcher_take(&f.batcher, T0, true);
    assert_non_null(batch);
    assert_int_equal(batch->part_count, COUNT_OF(ENCODINGS));
    for (uint32_t i = 0; i < COUNT_OF(ENCODINGS); i++) {
        assert_int_equal(batch->parts[i].encoding, ENCODINGS[i]);
        assert_int_equal(batch->parts[i].item_count, 2);
    }
    batch_free(batch);
    close_fixture(&f);
}

static void test_a_maximum_cuts_between_documents(void **state)
{
    (void)state;
    for (uint32_t max = 1; max <= 12; max++) {
        char text[64];
        struct fixture f;
        uint32_t next = 0;
        (void)snprintf(text, sizeof(text), "{send_batch_size: 1, send_batch_max_size: %u}", max);
        open_fixture(&f, text);
        push_run(&f, 0, 5, 8);
        push_run(&f, 5, 1, 2 * BATCH_COPY_BYTES);
        push_run(&f, 6, 5, BATCH_COPY_BYTES);
        struct batch *batch = batcher_take(&f.batcher, T0, true);
        while (batch != NULL) {
            assert_int_equal(batch->item_count, 11 - next < max ? 11 - next : max);
            check_runs(batch, &next);
            batch_free(batch);
            batch = batcher_take(&f.batcher, T0, true);
        }
        assert_int_equal(next, 11);
        assert_int_equal(f.batcher.item_count, 0);
        assert_int_equal(batcher_held_bytes(&f.batcher), 0);
        close_fixture(&f);
    }
}

static void test_a_cut_of_documents_that_finds_no_memory_loses_none(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct fixture f;
        uint32_t next = 0;
        uint64_t now = T0;
        open_fixture(&f, "{send_batch_size: 1, send_batch_max_size: 2}");
        push_run(&f, 0, 7, BATCH_COPY_BYTES);
        mem_fail_nth(nth);
        for (uint32_t i = 0; i < 20; i++) {
            struct batch *batch = batcher_take(&f.batcher, now, true);
            if (batch != NULL) {
                assert_true(batch->item_count <= 2);
                check_runs(batch, &next);
                batch_free(batch);
            }
            now += BATCH_RETRY_MS * MS;
        }
        mem_fail_nth(0);
        assert_int_equal(next, 7);
        close_fixture(&f);
    }
}

/* Takes all that is due; each batch but the last has `max` items. Names must come in order. */
static void check_cuts(struct fixture *f, uint64_t max, uint32_t total)
{
    uint32_t next = 0;
    struct batch *batch = batcher_take(&f->batcher, T0, true);
    while (batch != NULL) {
        uint64_t left = total - next;
        assert_int_equal(batch->item_count, left < max ? left : max);
        const char *text = rig_text(&rig, batch_request(batch));
        assert_non_null(strstr(text, "service.name"));
        for (uint64_t i = 0; i < batch->item_count; i++) {
            char name[24];
            (void)snprintf(name, sizeof(name), "name:\"s%u\"", next);
            text = strstr(text, name);
            assert_non_null(text);
            next++;
        }
        batch_free(batch);
        batch = batcher_take(&f->batcher, T0, true);
    }
    assert_int_equal(next, total);
    assert_int_equal(f->batcher.item_count, 0);
    assert_int_equal(batcher_held_bytes(&f->batcher), 0);
    assert_int_equal(batcher_next_deadline(&f->batcher), UINT64_MAX);
}

static void test_a_maximum_cuts_between_items(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{send_batch_size: 3, send_batch_max_size: 4}");
    push(&f, make_request(0, 2, 5), 2, T0);
    push(&f, make_request(2, 13, 5), 13, T0);
    check_cuts(&f, 4, 15);
    push(&f, make_request(0, 4, 5), 4, T0);
    check_cuts(&f, 4, 4);
    for (uint32_t i = 0; i < 7; i++) { /* large ones stay apart, and only some are cut */
        push(&f, make_request(i * 3, 3, BATCH_COPY_BYTES), 3, T0);
    }
    check_cuts(&f, 4, 21);
    assert_true(f.finished_count < f.copied_count);
    close_fixture(&f);
}

static void test_what_a_cut_leaves_waits_for_its_own_time(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{send_batch_size: 4, send_batch_max_size: 4, timeout: 100ms}");
    push(&f, make_request(0, 6, 5), 6, T0);
    check_taken(&f, T0 + MS, false, 4);
    check_none(&f, T0 + MS);
    assert_int_equal(batcher_next_deadline(&f.batcher), T0 + 101 * MS);
    check_taken(&f, T0 + 101 * MS, false, 2);
    close_fixture(&f);
}

static void test_refused_memory_loses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    for (uint64_t nth = 1; nth < 12; nth++) {
        uint64_t taken = 0;
        uint64_t pushed = 0;
        open_fixture(&f, "{send_batch_size: 4, send_batch_max_size: 4}");
        struct slice requests[] = {make_request(0, 3, 5), make_request(3, 6, BATCH_COPY_BYTES),
                                   make_request(9, 2, 5)};
        uint32_t counts[] = {3, 6, 2};
        struct part parts[3];
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(part_copy(&parts[i], requests[i], SIGNAL_TRACES, counts[i]), 0);
        }
        mem_fail_nth(nth);
        for (uint32_t i = 0; i < 3; i++) {
            int err = batcher_push(&f.batcher, &parts[i], T0);
            pushed += err == 0 ? counts[i] : 0;
            assert_true(err == 0 || parts[i].memory != NULL);
            part_fini(&parts[i]);
        }
        for (uint32_t i = 0; i < 20; i++) {
            struct batch *batch = batcher_take(&f.batcher, T0, true);
            taken += batch == NULL ? 0 : batch->item_count;
            assert_true(batch == NULL || batch->item_count <= 4);
            batch_free(batch);
        }
        mem_fail_nth(0);
        assert_int_equal(taken, pushed);
        close_fixture(&f);
    }
}

static void test_memory_is_asked_for_again_a_little_later(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "{send_batch_size: 1}");
    push(&f, make_request(0, 1, 5), 1, T0);
    mem_fail_nth(1);
    check_none(&f, T0);
    mem_fail_nth(0);
    assert_int_equal(batcher_next_deadline(&f.batcher), T0 + BATCH_RETRY_MS * MS);
    check_none(&f, T0 + 1);
    check_taken(&f, T0 + BATCH_RETRY_MS * MS, false, 1);
    close_fixture(&f);
}

static void check_refused(const char *text, const char *words)
{
    struct config_reader reader;
    struct batch_config config;
    rig_init(&rig);
    rig_reader(&rig, text, &reader);
    assert_true(batch_config_read(&reader, &config) != 0);
    assert_non_null(strstr(config_fixture_printed(&rig.config), words));
    rig_close(&rig);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    check_refused("{send_batch_size: 10, send_batch_max_size: 9}", "at least send_batch_size");
    check_refused("{metadata_keys: [a]}", "known but not supported yet");
    check_refused("{timeout: -1s}", "timeout");
    check_refused("{send_batch_sise: 1}", "unknown key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_collectors),
        cmocka_unit_test(test_time_closes_a_batch),
        cmocka_unit_test(test_size_closes_a_batch),
        cmocka_unit_test(test_no_timeout_sends_at_once),
        cmocka_unit_test(test_force_and_waiting_answers_close_early),
        cmocka_unit_test(test_small_parts_are_copied_and_large_ones_kept),
        cmocka_unit_test(test_many_parts_make_few_iovecs),
        cmocka_unit_test(test_runs_of_documents_are_copied_together),
        cmocka_unit_test(test_encodings_are_never_joined),
        cmocka_unit_test(test_a_maximum_cuts_between_documents),
        cmocka_unit_test(test_a_cut_of_documents_that_finds_no_memory_loses_none),
        cmocka_unit_test(test_a_maximum_cuts_between_items),
        cmocka_unit_test(test_what_a_cut_leaves_waits_for_its_own_time),
        cmocka_unit_test(test_refused_memory_loses_nothing),
        cmocka_unit_test(test_memory_is_asked_for_again_a_little_later),
        cmocka_unit_test(test_configuration_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
