/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf: the vectors of tests/vectors/emf, limits, lasting state and memory.
 *
 * A case is lines of emf_rig.h and otlp_text.h, and what comes out of them: `json:` is the next
 * document, `to:` what is said about it (group=, stream=, time=, points=), `flush:` ends a batch
 * that has no documents; `drops:` and `notices:` are all counters above zero at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "codecs/emf.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/emf_rig.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES 65536

/* --- vectors ---------------------------------------------------------------------------------- */

/* A case being run. */
struct run {
    struct emf_rig *rig;
    const struct vector *vector;
    size_t next_document;
    bool has_points; /* not flushed yet */
};

static void check_text(const struct run *run, struct slice got, struct slice expected)
{
    static uint8_t text[TEXT_MAX_BYTES];
    size_t len = vector_unescape(expected, text, sizeof(text));
    if (!slice_equal(got, slice_of(text, len))) {
        fail_msg("%.*s:\n%.*s\nexpected\n%.*s", (int)run->vector->title.len,
                 (const char *)run->vector->title.ptr, (int)got.len, (const char *)got.ptr,
                 (int)len, (const char *)text);
    }
}

static void check_number(const struct run *run, uint64_t got, struct slice expected)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_u64(got, text, sizeof(text));
    check_text(run, slice_of(text, len), expected);
}

static void flush(struct run *run)
{
    if (run->has_points) {
        assert_int_equal(run->next_document, run->rig->document_count);
        emf_rig_flush(run->rig);
        run->next_document = 0;
        run->has_points = false;
    }
}

static const struct emf_document *next_document(struct run *run)
{
    flush(run);
    if (run->next_document == run->rig->document_count) {
        fail_msg("%.*s: only %zu documents", (int)run->vector->title.len,
                 (const char *)run->vector->title.ptr, run->rig->document_count);
    }
    return &run->rig->documents[run->next_document].document;
}

static void check_to(struct run *run, struct slice fields)
{
    const struct emf_document *document = next_document(run);
    struct slice value;
    if (vector_field(fields, "group", &value)) {
        check_text(run, document->log_group, value);
    }
    if (vector_field(fields, "stream", &value)) {
        check_text(run, document->log_stream, value);
    }
    if (vector_field(fields, "time", &value)) {
        check_number(run, document->time_ms, value);
    }
    if (vector_field(fields, "points", &value)) {
        check_number(run, document->point_count, value);
    }
}

/* "label=count" of the counters above zero, with blanks between them. */
static void append_counter(char *text, size_t cap, const char *label, uint64_t count)
{
    size_t len = strlen(text);
    if (count > 0) {
        int added = snprintf(text + len, cap - len, "%s%s=%llu", len > 0 ? " " : "", label,
                             (unsigned long long)count);
        assert_true(added > 0);
    }
}

static void check_drops(const struct run *run, struct slice expected)
{
    char text[1024] = "";
    const struct emf_tally *tally = emf_tally_of(run->rig->emf);
    for (size_t i = 0; i < EMF_DROP_COUNT; i++) {
        append_counter(text, sizeof(text), emf_drop_label((enum emf_drop)i), tally->drops[i]);
    }
    check_text(run, slice_of_text(text), expected);
}

static void check_notices(const struct run *run, struct slice expected)
{
    char text[1024] = "";
    const struct emf_tally *tally = emf_tally_of(run->rig->emf);
    for (size_t i = 0; i < EMF_NOTICE_COUNT; i++) {
        append_counter(text, sizeof(text), emf_notice_label((enum emf_notice)i), tally->notices[i]);
    }
    check_text(run, slice_of_text(text), expected);
}

static void take_line(struct run *run, const struct vector_line *line)
{
    if (slice_is_text(line->key, "json")) {
        check_text(run, next_document(run)->message, line->text);
        run->next_document++;
    } else if (slice_is_text(line->key, "to")) {
        check_to(run, line->text);
    } else if (slice_is_text(line->key, "flush")) {
        flush(run);
    } else if (slice_is_text(line->key, "drops")) {
        flush(run);
        check_drops(run, line->text);
    } else if (slice_is_text(line->key, "notices")) {
        flush(run);
        check_notices(run, line->text);
    } else if (emf_rig_line(run->rig, line->key, line->text)) {
        run->has_points = true;
    } else {
        fail_msg("unknown key %.*s", (int)line->key.len, (const char *)line->key.ptr);
    }
}

static void run_file(const char *path)
{
    struct vectors vectors;
    struct vector vector;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &vector)) {
        struct run run = {.rig = emf_rig_new(), .vector = &vector};
        for (size_t i = 0; i < vector.line_count; i++) {
            take_line(&run, &vector.lines[i]);
        }
        flush(&run);
        if (run.next_document != run.rig->document_count) {
            const struct emf_document *left = &run.rig->documents[run.next_document].document;
            fail_msg("%.*s: one more document: %.*s", (int)vector.title.len,
                     (const char *)vector.title.ptr, (int)left->message.len,
                     (const char *)left->message.ptr);
        }
        emf_rig_free(run.rig);
    }
    vectors_close(&vectors);
}

static void test_vectors_become_documents(void **state)
{
    (void)state;
    assert_true(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/emf", run_file) >= 5);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void add_line(struct emf_rig *rig, const char *key, const char *fields)
{
    assert_true(emf_rig_line(rig, slice_of_text(key), slice_of_text(fields)));
}

static size_t occurrences(struct slice text, const char *word)
{
    size_t count = 0;
    struct slice needle = slice_of_text(word);
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        count += memcmp(text.ptr + i, needle.ptr, needle.len) == 0 ? 1 : 0;
    }
    return count;
}

static void add_gauges(struct emf_rig *rig, uint32_t count, const char *rest)
{
    for (uint32_t i = 0; i < count; i++) {
        char line[256];
        (void)snprintf(line, sizeof(line), "name=m%05u value=1 %s", i, rest);
        add_line(rig, "gauge", line);
    }
}

static void test_a_directive_has_at_most_100_metrics(void **state)
{
    (void)state;
    static const struct {
        uint32_t metrics;
        size_t directives;
    } cases[] = {{1, 1}, {100, 1}, {101, 2}, {200, 2}, {201, 3}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct emf_rig *rig = emf_rig_new();
        add_gauges(rig, cases[i].metrics, "@a=b");
        emf_rig_flush(rig);
        assert_int_equal(rig->document_count, 1);
        struct slice message = rig->documents[0].document.message;
        assert_int_equal(occurrences(message, "\"Dimensions\":[[\"a\"]]"), cases[i].directives);
        assert_int_equal(occurrences(message, "\"Name\":"), cases[i].metrics);
        assert_int_equal(rig->documents[0].document.point_count, cases[i].metrics);
        emf_rig_free(rig);
    }
}

/* One gauge with `count` labels. */
static void add_wide_gauge(struct emf_rig *rig, uint32_t count)
{
    static char line[65536];
    size_t len = (size_t)snprintf(line, sizeof(line), "name=m value=1");
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, " @l%04u=v", i);
    }
    assert_true(len < sizeof(line));
    add_line(rig, "gauge", line);
}

static void test_a_set_has_at_most_30_dimensions(void **state)
{
    (void)state;
    for (uint32_t count = 30; count <= 31; count++) {
        struct emf_rig *rig = emf_rig_new();
        add_wide_gauge(rig, count);
        emf_rig_flush(rig);
        assert_int_equal(rig->document_count, 1);
        const struct emf_tally *tally = emf_tally_of(rig->emf);
        struct slice message = rig->documents[0].document.message;
        assert_int_equal(occurrences(message, "_aws"), count == 30 ? 1 : 0);
        assert_int_equal(occurrences(message, "\":\"v\""), count);
        assert_int_equal(tally->notices[EMF_NOTICE_DIMENSIONS], count == 30 ? 0 : 1);
        assert_int_equal(tally->notices[EMF_NOTICE_PLAIN], count == 30 ? 0 : 1);
        emf_rig_free(rig);
    }
}

static void test_rollups_stay_where_there_are_too_many_labels_for_one_set(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_line(rig, "options", "namespace=N rollup=single");
    add_wide_gauge(rig, 31);
    emf_rig_flush(rig);
    struct slice message = rig->documents[0].document.message;
    assert_int_equal(occurrences(message, "[\"l"), 31);
    assert_int_equal(occurrences(message, "\",\"l00"), 30); /* members only: no set of several */
    emf_rig_free(rig);
}

static void test_a_point_has_at_most_1024_labels(void **state)
{
    (void)state;
    for (uint32_t count = EMF_LABELS_MAX; count <= EMF_LABELS_MAX + 1; count++) {
        struct emf_rig *rig = emf_rig_new();
        add_line(rig, "options", "namespace=N rollup=zero");
        add_wide_gauge(rig, count);
        emf_rig_flush(rig);
        bool fits = count == EMF_LABELS_MAX;
        assert_int_equal(rig->document_count, fits ? 1 : 0);
        assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_LABELS], fits ? 0 : 1);
        emf_rig_free(rig);
    }
}

static void test_a_document_beyond_1_mib_is_split_and_loses_nothing(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    /* Some 80 bytes each: 40 000 of them are about 3 MiB. */
    add_gauges(rig, 40000, "unit=Count @a=b");
    emf_rig_flush(rig);
    assert_true(rig->document_count >= 3);
    uint64_t points = 0;
    size_t names = 0;
    for (size_t i = 0; i < rig->document_count; i++) {
        struct slice message = rig->documents[i].document.message;
        points += rig->documents[i].document.point_count;
        names += occurrences(message, "\"Name\":");
        assert_int_equal(occurrences(message, "\"a\":\"b\""), 1);
        assert_true(occurrences(message, ":1,\"m") > 0);
    }
    assert_int_equal(points, 40000);
    assert_int_equal(names, 40000);
    assert_true(emf_tally_of(rig->emf)->notices[EMF_NOTICE_SPLIT] > 0);
    emf_rig_free(rig);
}

/* The size of a document with one gauge, but for a label that is still empty. */
static size_t measure_frame_bytes(void)
{
    struct emf_rig *rig = emf_rig_new();
    add_line(rig, "gauge", "name=m value=1 @a=b @big=");
    emf_rig_flush(rig);
    size_t len = rig->documents[0].document.message.len;
    emf_rig_free(rig);
    return len;
}

static void test_a_document_has_at_most_1_mib_and_what_cannot_be_split_is_dropped(void **state)
{
    (void)state;
    size_t frame_bytes = measure_frame_bytes();
    for (size_t over = 0; over <= 1; over++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "name=m value=1 @a=b @big=\\{%zu*x}",
                       EMF_MESSAGE_MAX_BYTES + over - frame_bytes);
        struct emf_rig *rig = emf_rig_new();
        add_line(rig, "gauge", line);
        emf_rig_flush(rig);
        assert_int_equal(rig->document_count, 1 - over);
        assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_TOO_LARGE], over);
        if (over == 0) {
            assert_int_equal(rig->documents[0].document.message.len, EMF_MESSAGE_MAX_BYTES);
        }
        emf_rig_free(rig);
    }
}

/* An exponential histogram with `count` buckets of one each. */
static void add_exphist(struct emf_rig *rig, uint32_t count)
{
    static char line[65536];
    size_t len = (size_t)snprintf(line, sizeof(line),
                                  "name=h scale=3 count=%u sum=5 min=1 max=1e9 pos=0:1", count);
    for (uint32_t i = 1; i < count; i++) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, ",0,1");
    }
    add_line(rig, "exphist", line);
}

static void test_a_metric_has_at_most_100_values(void **state)
{
    (void)state;
    static const struct {
        uint32_t buckets;
        size_t documents;
    } cases[] = {{100, 1}, {101, 2}, {200, 2}, {201, 3}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct emf_rig *rig = emf_rig_new();
        add_exphist(rig, cases[i].buckets);
        emf_rig_flush(rig);
        assert_int_equal(rig->document_count, cases[i].documents);
        uint64_t points = 0;
        size_t sums = 0;
        for (size_t d = 0; d < rig->document_count; d++) {
            points += rig->documents[d].document.point_count;
            sums += occurrences(rig->documents[d].document.message, "\"Sum\":5");
        }
        assert_int_equal(points, 1);
        assert_int_equal(sums, 1);
        struct slice last = rig->documents[cases[i].documents - 1].document.message;
        assert_int_equal(occurrences(last, "\"Min\":1,"), 1);
        assert_int_equal(occurrences(rig->documents[0].document.message, "\"Max\":1000000000,"), 1);
        emf_rig_free(rig);
    }
}

static void test_names_and_values_have_their_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t dropped;
        uint64_t mere_labels;
    } cases[] = {
        {"name=\\{1024*n} value=1", 0, 0},
        {"name=\\{1025*n} value=1", 1, 0},
        {"name=m value=1 @\\{250*l}=v", 0, 0},
        {"name=m value=1 @\\{251*l}=v", 0, 1},
        {"name=m value=1 @a=\\{1024*v}", 0, 0},
        {"name=m value=1 @a=\\{1025*v}", 0, 1},
        /* Characters count, not bytes. */
        {"name=m value=1 @a=\\{1024*\xC3\xA9}", 0, 0},
        {"name=m value=1 @a=\\{1025*\xC3\xA9}", 0, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct emf_rig *rig = emf_rig_new();
        add_line(rig, "gauge", cases[i].line);
        emf_rig_flush(rig);
        assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_NAME], cases[i].dropped);
        assert_int_equal(emf_tally_of(rig->emf)->notices[EMF_NOTICE_LABEL], cases[i].mere_labels);
        emf_rig_free(rig);
    }
}

static void test_log_names_are_cut_at_512_bytes(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_line(rig, "options", "namespace=N group=\\{600*g} stream=\\{511*s}\xC3\xA9");
    add_line(rig, "gauge", "name=m value=1");
    emf_rig_flush(rig);
    assert_int_equal(rig->documents[0].document.log_group.len, 512);
    assert_int_equal(rig->documents[0].document.log_stream.len, 511);
    emf_rig_free(rig);
}

/* --- running values --------------------------------------------------------------------------- */

/* The number that metric `m` of the only document has. */
static double only_value(struct emf_rig *rig)
{
    assert_int_equal(rig->document_count, 1);
    struct json_reader in = json_of(rig->documents[0].document.message, JSON_UTF8_REFUSE);
    double value = 0;
    for (enum json_token token = json_next(&in); token != JSON_TOKEN_END; token = json_next(&in)) {
        if (token == JSON_TOKEN_KEY && json_text_equals(in.text, SLICE_LITERAL("m"))) {
            assert_int_equal(json_next(&in), JSON_TOKEN_NUMBER);
            assert_int_equal(number_parse_f64(in.number, &value), 0);
        }
    }
    return value;
}

static void add_sum(struct emf_rig *rig, double value, bool is_integer)
{
    char line[128];
    (void)snprintf(line, sizeof(line),
                   is_integer ? "name=m temp=cum value=%.0f" : "name=m temp=cum value=%.17e",
                   value);
    add_line(rig, "sum", line);
    emf_rig_flush(rig);
}

static void check_deltas(bool is_integer)
{
    struct emf_rig *rig = emf_rig_new();
    uint32_t random = 12345;
    double total = 1000;
    double sent = 0;
    add_sum(rig, total, is_integer);
    assert_int_equal(rig->document_count, 0); /* the first value has no delta */
    for (int i = 0; i < 2000; i++) {
        random = random * 1664525u + 1013904223u;
        double step = (double)(random >> 8) / (is_integer ? 1 : 1e6);
        total += is_integer ? (double)(uint64_t)step : step;
        add_sum(rig, total, is_integer);
        double delta = only_value(rig);
        assert_true(delta >= 0);
        sent += delta;
    }
    double error = sent - (total - 1000);
    assert_true((error < 0 ? -error : error) <= (is_integer ? 0 : 1e-9 * total));
    emf_rig_free(rig);
}

static void test_deltas_add_up_to_the_cumulative_total(void **state)
{
    (void)state;
    check_deltas(true);
    check_deltas(false);
}

static void test_a_series_is_remembered_as_long_as_it_is_seen_once_an_hour(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_sum(rig, 10, true);
    rig->now.mono_ns += EMF_DELTA_IDLE_MIN_NS; /* many times five minutes */
    add_sum(rig, 15, true);
    assert_true(only_value(rig) == 5);
    rig->now.mono_ns += EMF_DELTA_IDLE_MIN_NS + UINT64_C(2000000000);
    emf_rig_flush(rig); /* forgets what is too old */
    assert_int_equal(emf_tally_of(rig->emf)->delta_series_count, 0);
    add_sum(rig, 20, true);
    assert_int_equal(rig->document_count, 0);
    emf_rig_free(rig);
}

static void add_series(struct emf_rig *rig, uint32_t first, uint32_t count, uint32_t value)
{
    for (uint32_t i = first; i < first + count; i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "name=m temp=cum value=%u @id=%u", value, i);
        add_line(rig, "sum", line);
    }
    emf_rig_flush(rig);
}

static void test_series_beyond_the_limit_are_counted_and_cost_no_other(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_line(rig, "options", "namespace=N series=1000");
    add_series(rig, 0, 1000, 1);
    assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_SERIES_LIMIT], 0);
    add_series(rig, 1000, 1, 1);
    assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_SERIES_LIMIT], 1);
    add_series(rig, 0, 1000, 3);
    assert_int_equal(rig->document_count, 1000);
    rig->now.mono_ns += 2 * EMF_DELTA_IDLE_MIN_NS;
    emf_rig_flush(rig);
    add_series(rig, 1000, 1, 2);
    assert_int_equal(emf_tally_of(rig->emf)->drops[EMF_DROP_SERIES_LIMIT], 1);
    assert_int_equal(emf_tally_of(rig->emf)->delta_series_count, 1);
    emf_rig_free(rig);
}

static void test_series_come_and_go_without_losing_others(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    uint32_t value = 1;
    add_series(rig, 0, 100, value);
    for (uint32_t round = 1; round < 20; round++) {
        rig->now.mono_ns += EMF_DELTA_IDLE_MIN_NS * 2 / 3;
        value++;
        add_series(rig, 100 * round, 300, 7); /* most of these are not seen again */
        add_series(rig, 0, 50, value);
        assert_int_equal(rig->document_count, 50);
        for (size_t i = 0; i < 50; i++) {
            assert_true(occurrences(rig->documents[i].document.message, "\"m\":1}") == 1 ||
                        round == 1);
        }
    }
    assert_true(emf_tally_of(rig->emf)->delta_series_count < 700);
    emf_rig_free(rig);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void test_a_steady_batch_allocates_nothing(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_gauges(rig, 300, "@a=b");
    add_series(rig, 0, 300, 1);
    struct otlp_text *text = &rig->text;
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 300; i++) {
            char line[128];
            (void)snprintf(line, sizeof(line), "name=m temp=cum value=%d @id=%u @n:i=%u", round, i,
                           i);
            add_line(rig, "sum", line);
        }
        add_exphist(rig, 150);
        uint64_t before = mem_thread_alloc_count();
        emf_add_part(rig->emf, bytes_slice(&text->request), rig->now);
        uint64_t after = mem_thread_alloc_count();
        assert_true(round < 3 || after == before);
        emf_rig_flush(rig); /* adds the same once more, and empties */
    }
    emf_rig_free(rig);
}

static void test_new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct emf_rig *rig = emf_rig_new();
    add_line(rig, "declare", "dims=a select=.");
    struct emf *emf = NULL;
    int failures = 0;
    for (uint64_t nth = 1; emf == NULL && nth < 100; nth++) {
        mem_fail_nth(nth);
        int err = emf_new(&rig->options, 7, &emf);
        mem_fail_nth(0);
        assert_int_equal(err == 0, emf != NULL);
        failures += err != 0 ? 1 : 0;
    }
    assert_true(failures > 8);
    emf_free(emf);
    emf_free(NULL);
    emf_rig_free(rig);
}

static void test_points_without_memory_are_booked(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct emf_rig *rig = emf_rig_new();
        emf_rig_flush(rig);
        add_series(rig, 0, 10, 1);
        add_gauges(rig, 400, "@a=b");
        add_exphist(rig, 300);
        for (uint32_t i = 0; i < 400; i++) {
            char line[128];
            (void)snprintf(line, sizeof(line), "name=m temp=cum value=1 @id=%u", i);
            add_line(rig, "sum", line);
        }
        emf_add_part(rig->emf, (struct slice){0}, rig->now);
        struct slice request = bytes_slice(&rig->text.request);
        mem_fail_nth(nth);
        emf_add_part(rig->emf, request, rig->now);
        mem_fail_nth(0);
        bytes_clear(&rig->text.request); /* checks the books */
        emf_rig_flush(rig);
        emf_rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_become_documents),
        cmocka_unit_test(test_a_directive_has_at_most_100_metrics),
        cmocka_unit_test(test_a_set_has_at_most_30_dimensions),
        cmocka_unit_test(test_rollups_stay_where_there_are_too_many_labels_for_one_set),
        cmocka_unit_test(test_a_point_has_at_most_1024_labels),
        cmocka_unit_test(test_a_document_beyond_1_mib_is_split_and_loses_nothing),
        cmocka_unit_test(test_a_document_has_at_most_1_mib_and_what_cannot_be_split_is_dropped),
        cmocka_unit_test(test_a_metric_has_at_most_100_values),
        cmocka_unit_test(test_names_and_values_have_their_lengths),
        cmocka_unit_test(test_log_names_are_cut_at_512_bytes),
        cmocka_unit_test(test_deltas_add_up_to_the_cumulative_total),
        cmocka_unit_test(test_a_series_is_remembered_as_long_as_it_is_seen_once_an_hour),
        cmocka_unit_test(test_series_beyond_the_limit_are_counted_and_cost_no_other),
        cmocka_unit_test(test_series_come_and_go_without_losing_others),
        cmocka_unit_test(test_a_steady_batch_allocates_nothing),
        cmocka_unit_test(test_new_survives_each_failed_allocation),
        cmocka_unit_test(test_points_without_memory_are_booked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
