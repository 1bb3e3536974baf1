/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_statsd_line — the vectors of tests/vectors/statsd_line, each read whole, between neighbours
 * and flush against an unreadable page, with every tokeniser this machine has and with point arrays
 * of several sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "codecs/statsd_line.h"
#include "codecs/statsd_scan.h"
#include "core/base/number.h"
#include "tests/support/vectors.h"

#define INPUT_MAX_BYTES 70000
#define TEXT_MAX_BYTES 256
#define RECORDS_MAX 64
#define FIELD_MAX_BYTES 9000
/* Room for texts that live in the sink, not in the input. */
#define KEPT_MAX_BYTES 65536

/* What came out, copied when it came; slices borrow from the input or from `kept`. */
struct record {
    struct statsd_sink sink;
    struct point points[RECORDS_MAX];
    struct statsd_event events[RECORDS_MAX];
    struct statsd_check checks[RECORDS_MAX];
    enum statsd_why bad[RECORDS_MAX];
    size_t point_count;
    size_t event_count;
    size_t check_count;
    size_t bad_count;
    struct point array[POINT_BURST_MAX];
    uint8_t kept[KEPT_MAX_BYTES];
    size_t kept_bytes;
};

static struct record record;

static void record_on_points(struct statsd_sink *sink)
{
    struct record *r = CONTAINER_OF(sink, struct record, sink);
    for (uint32_t i = 0; i < sink->point_count; i++) {
        assert_true(r->point_count < RECORDS_MAX);
        struct point *p = &r->points[r->point_count++];
        *p = sink->points[i];
        assert_true(p->name.len <= KEPT_MAX_BYTES - r->kept_bytes);
        memcpy(r->kept + r->kept_bytes, p->name.ptr, p->name.len);
        p->name.ptr = r->kept + r->kept_bytes;
        r->kept_bytes += p->name.len;
    }
}

static void record_on_event(struct statsd_sink *sink, const struct statsd_event *event)
{
    struct record *r = CONTAINER_OF(sink, struct record, sink);
    assert_true(r->event_count < RECORDS_MAX);
    r->events[r->event_count++] = *event;
}

static void record_on_check(struct statsd_sink *sink, const struct statsd_check *check)
{
    struct record *r = CONTAINER_OF(sink, struct record, sink);
    assert_true(r->check_count < RECORDS_MAX);
    r->checks[r->check_count++] = *check;
}

static void record_on_bad(struct statsd_sink *sink, enum statsd_why why, struct slice line)
{
    struct record *r = CONTAINER_OF(sink, struct record, sink);
    assert_true(r->bad_count < RECORDS_MAX);
    (void)line;
    r->bad[r->bad_count++] = why;
}

static void record_start(struct record *r, uint32_t point_cap)
{
    r->sink = (struct statsd_sink){
        .points = r->array,
        .point_cap = point_cap,
        .on_points = record_on_points,
        .on_event = record_on_event,
        .on_check = record_on_check,
        .on_bad = record_on_bad,
    };
    r->point_count = 0;
    r->event_count = 0;
    r->check_count = 0;
    r->bad_count = 0;
    r->kept_bytes = 0;
}

/* The first equation of the three books, and that the callbacks saw what was counted. */
static void check_book(const struct statsd_counts *counts)
{
    uint64_t invalid = 0;
    for (size_t i = 0; i < STATSD_WHY_LIMIT; i++) {
        invalid += counts->invalid_count[i];
    }
    assert_int_equal(counts->line_count,
                     counts->metric_count + counts->event_count + counts->check_count + invalid);
    assert_true(counts->point_count >= counts->metric_count);
}

static void record_decode(const struct statsd_options *options, struct slice bytes)
{
    statsd_decode(options, bytes, &record.sink);
    statsd_flush(&record.sink);
    check_book(&record.sink.counts);
    assert_int_equal(record.sink.counts.point_count, record.point_count);
    assert_int_equal(record.sink.counts.event_count, record.event_count);
    assert_int_equal(record.sink.counts.check_count, record.check_count);
}

static void check_text(struct slice line, const char *key, struct slice actual)
{
    static uint8_t expected[FIELD_MAX_BYTES];
    struct slice value = {0};
    size_t len = 0;
    if (vector_field(line, key, &value)) {
        len = vector_unescape(value, expected, sizeof(expected));
    }
    if (!slice_equal(slice_of(expected, len), actual)) {
        fail_msg("%s is \"%.*s\" instead of \"%.*s\"", key, (int)actual.len,
                 (const char *)actual.ptr, (int)len, (const char *)expected);
    }
}

static void check_number(struct slice line, const char *key, double fallback, double actual)
{
    struct slice value = {0};
    double expected = fallback;
    if (vector_field(line, key, &value)) {
        assert_int_equal(number_parse_f64(value, &expected), 0);
    }
    if (expected < actual || expected > actual) {
        fail_msg("%s is %.17g instead of %.17g", key, actual, expected);
    }
}

static void check_time(struct slice line, uint64_t actual)
{
    struct slice value = {0};
    uint64_t expected = 0;
    if (vector_field(line, "time", &value)) {
        assert_int_equal(number_parse_u64(value, &expected), 0);
    }
    assert_int_equal(actual, expected);
}

static void check_point(struct slice line, const struct point *p)
{
    static const char *const kinds[KIND_LIMIT] = {"",          "counter",      "gauge", "timing",
                                                  "histogram", "distribution", "set"};
    static const char *const styles[] = {"", "equals"};
    assert_true(p->kind > 0 && p->kind < KIND_LIMIT);
    assert_true(p->tag_style < COUNT_OF(styles));
    check_text(line, "kind", slice_of_text(kinds[p->kind]));
    check_text(line, "name", p->name);
    check_text(line, "tags", p->tags);
    check_text(line, "origin", p->origin);
    check_text(line, "style", slice_of_text(styles[p->tag_style]));
    check_text(line, "member", p->kind == KIND_SET ? p->member : (struct slice){0});
    check_number(line, "value", 0, p->kind == KIND_SET ? 0 : p->value);
    check_number(line, "weight", 1, p->weight);
    check_number(line, "delta", 0, p->is_delta);
    check_time(line, p->time_unix_ns);
}

static void check_event(struct slice line, const struct statsd_event *e)
{
    check_text(line, "title", e->title);
    check_text(line, "text", e->text);
    check_text(line, "host", e->host);
    check_text(line, "key", e->aggregation_key);
    check_text(line, "source", e->source_type);
    check_text(line, "tags", e->tags);
    check_text(line, "origin", e->origin);
    check_number(line, "priority", 0, e->priority);
    check_number(line, "alert", 0, e->alert);
    check_time(line, e->time_unix_ns);
}

static void check_check(struct slice line, const struct statsd_check *c)
{
    check_text(line, "name", c->name);
    check_text(line, "host", c->host);
    check_text(line, "tags", c->tags);
    check_text(line, "message", c->message);
    check_text(line, "origin", c->origin);
    check_number(line, "status", 0, c->status);
    check_time(line, c->time_unix_ns);
}

/* Compares the record with what the vector says; the first `skipped` points are neighbours. */
static void check_vector(const struct vector *v, size_t skipped)
{
    size_t points = skipped;
    size_t events = 0;
    size_t checks = 0;
    size_t bad = 0;
    for (size_t i = 0; i < v->line_count; i++) {
        struct slice key = v->lines[i].key;
        struct slice text = v->lines[i].text;
        if (slice_is_text(key, "out")) {
            assert_true(points < record.point_count);
            check_point(text, &record.points[points++]);
        } else if (slice_is_text(key, "event")) {
            assert_true(events < record.event_count);
            check_event(text, &record.events[events++]);
        } else if (slice_is_text(key, "check")) {
            assert_true(checks < record.check_count);
            check_check(text, &record.checks[checks++]);
        } else if (slice_is_text(key, "bad")) {
            assert_true(bad < record.bad_count);
            assert_true(slice_is_text(text, statsd_why_label(record.bad[bad])));
            assert_true(record.sink.counts.invalid_count[record.bad[bad]] > 0);
            bad++;
        } else if (slice_is_text(key, "count")) {
            const struct statsd_counts *counts = &record.sink.counts;
            check_number(text, "rate_out_of_range", 0, (double)counts->rate_out_of_range_count);
            check_number(text, "weight_capped", 0, (double)counts->weight_capped_count);
        }
    }
    /* The neighbour behind the vector is the one point more. */
    assert_int_equal(record.point_count, points + (skipped != 0));
    assert_int_equal(record.event_count, events);
    assert_int_equal(record.check_count, checks);
    assert_int_equal(record.bad_count, bad);
}

static bool has_key(const struct vector *v, const char *key, struct slice *text)
{
    for (size_t i = 0; i < v->line_count; i++) {
        if (slice_is_text(v->lines[i].key, key)) {
            *text = v->lines[i].text;
            return true;
        }
    }
    return false;
}

static struct statsd_options options_of(const struct vector *v)
{
    struct statsd_options options = {0};
    struct slice text = {0};
    struct slice value = {0};
    if (!has_key(v, "opt", &text)) {
        return options;
    }
    if (vector_field(text, "dialect", &value)) {
        options.dialect =
            slice_is_text(value, "etsy") ? STATSD_DIALECT_ETSY : STATSD_DIALECT_DOGSTATSD;
    }
    options.influx_tags = vector_field(text, "influx_tags", &value);
    options.librato_tags = vector_field(text, "librato_tags", &value);
    options.signalfx_tags = vector_field(text, "signalfx_tags", &value);
    return options;
}

/* A copy of `bytes` that ends where an unreadable page begins and cannot be written to. */
struct fence {
    uint8_t *map;
    size_t map_bytes;
    struct slice bytes;
};

static void fence_init(struct fence *f, struct slice bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (bytes.len + page - 1) / page * page;
    f->map_bytes = room + page;
    void *map =
        mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    f->map = map;
    uint8_t *at = f->map + room - bytes.len;
    memcpy(at, bytes.ptr, bytes.len);
    assert_int_equal(mprotect(f->map, f->map_bytes, PROT_READ), 0);
    assert_int_equal(mprotect(f->map + room, page, PROT_NONE), 0);
    f->bytes = slice_of(at, bytes.len);
}

static void fence_fini(struct fence *f)
{
    (void)munmap(f->map, f->map_bytes); /* a leak in a test at worst */
}

/* Neighbours must come out as they went in, whatever stands between them. */
static void check_between_neighbours(const struct vector *v, const struct statsd_options *options,
                                     struct slice input)
{
    static const char before[] = "before.it:41|c\n";
    static const char after[] = "\nafter.it:42|c";
    static uint8_t buf[INPUT_MAX_BYTES + 64];
    size_t len = sizeof(before) - 1;
    memcpy(buf, before, len);
    memcpy(buf + len, input.ptr, input.len);
    len += input.len;
    memcpy(buf + len, after, sizeof(after) - 1);
    len += sizeof(after) - 1;
    record_decode(options, slice_of(buf, len));
    check_vector(v, 1);
    check_point(slice_of_text("kind=counter name=before.it value=41"), &record.points[0]);
    check_point(slice_of_text("kind=counter name=after.it value=42"),
                &record.points[record.point_count - 1]);
}

static void run_vector(const struct vector *v)
{
    static uint8_t buf[INPUT_MAX_BYTES];
    static const uint32_t point_caps[] = {1, 3, POINT_BURST_MAX};
    struct slice text = {0};
    if (!has_key(v, "in", &text)) {
        fail_msg("line %u: a case without `in`", v->line_number);
    }
    struct slice input = slice_of(buf, vector_unescape(text, buf, sizeof(buf)));
    struct statsd_options options = options_of(v);
    struct fence fence;
    fence_init(&fence, input);
    for (size_t i = 0; statsd_scan_at(i) != NULL; i++) {
        options.scan = statsd_scan_at(i);
        for (size_t k = 0; k < COUNT_OF(point_caps); k++) {
            record_start(&record, point_caps[k]);
            record_decode(&options, fence.bytes);
            check_vector(v, 0);
            record_start(&record, point_caps[k]);
            check_between_neighbours(v, &options, input);
        }
    }
    fence_fini(&fence);
}

static size_t vector_total;

static void run_file(const char *path)
{
    struct vectors vectors;
    assert_int_equal(vectors_open(&vectors, path), 0);
    static struct vector v;
    while (vectors_next(&vectors, &v)) {
        /* The last line printed names the case that failed. */
        print_message("  %s:%u %.*s\n", strrchr(path, '/') + 1, v.line_number, (int)v.title.len,
                      (const char *)v.title.ptr);
        run_vector(&v);
        vector_total++;
    }
    vectors_close(&vectors);
}

static void test_vectors_decode_as_written(void **state)
{
    (void)state;
    assert_true(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/statsd_line", run_file) >= 6);
    assert_true(vector_total > 200);
}

/* --- packed lines longer than the array ------------------------------------------------------ */

struct packed {
    struct statsd_sink sink;
    struct point array[POINT_BURST_MAX];
    uint32_t seen;
    uint32_t call_count;
};

static void packed_on_points(struct statsd_sink *sink)
{
    struct packed *p = CONTAINER_OF(sink, struct packed, sink);
    p->call_count++;
    for (uint32_t i = 0; i < sink->point_count; i++) {
        assert_true(sink->points[i].value == (double)p->seen); /* both are small integers */
        assert_true(slice_is_text(sink->points[i].name, "packed"));
        assert_true(slice_is_text(sink->points[i].tags, "a:b"));
        p->seen++;
    }
}

/* "packed:0:1:2…|d|#a:b", or with a bad value at the end. */
static size_t packed_write(char *buf, size_t cap, uint32_t count, bool is_bad)
{
    size_t len = (size_t)snprintf(buf, cap, "packed");
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)snprintf(buf + len, cap - len, ":%u", i);
    }
    return len + (size_t)snprintf(buf + len, cap - len, "%s|d|#a:b", is_bad ? ":x" : "");
}

static void test_packed_values_come_in_order_through_any_array(void **state)
{
    (void)state;
    static char buf[STATSD_LINE_MAX_BYTES];
    static struct packed p;
    const uint32_t counts[] = {1, 127, 128, 129, 5000, 10000};
    const uint32_t caps[] = {1, 7, 128};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        size_t len = packed_write(buf, sizeof(buf), counts[i], false);
        for (size_t k = 0; k < COUNT_OF(caps); k++) {
            p = (struct packed){.sink = {.point_cap = caps[k], .on_points = packed_on_points}};
            p.sink.points = p.array;
            statsd_decode(&(struct statsd_options){0}, slice_of(buf, len), &p.sink);
            statsd_flush(&p.sink);
            assert_int_equal(p.seen, counts[i]);
            assert_int_equal(p.sink.counts.point_count, counts[i]);
            assert_int_equal(p.sink.counts.metric_count, 1);
            assert_int_equal(p.call_count, (counts[i] + caps[k] - 1) / caps[k]);
        }
    }
}

static void test_packed_line_with_one_bad_value_hands_out_none(void **state)
{
    (void)state;
    static char buf[STATSD_LINE_MAX_BYTES];
    static struct packed p;
    size_t len = packed_write(buf, sizeof(buf), 5000, true);
    p = (struct packed){.sink = {.point_cap = 128, .on_points = packed_on_points}};
    p.sink.points = p.array;
    statsd_decode(&(struct statsd_options){0}, slice_of(buf, len), &p.sink);
    assert_int_equal(p.sink.point_count, 0);
    assert_int_equal(p.call_count, 0);
    assert_int_equal(p.sink.counts.invalid_count[STATSD_WHY_BAD_NUMBER], 1);
    check_book(&p.sink.counts);
}

static void test_array_fills_over_several_datagrams(void **state)
{
    (void)state;
    record_start(&record, 4);
    const struct statsd_options options = {0};
    for (size_t i = 0; i < 6; i++) {
        statsd_decode(&options, SLICE_LITERAL("a:1|c"), &record.sink);
        assert_int_equal(record.point_count, i < 4 ? 0 : 4);
    }
    statsd_flush(&record.sink);
    assert_int_equal(record.point_count, 6);
    statsd_flush(&record.sink);
    assert_int_equal(record.point_count, 6);
}

static void test_joined_names_survive_until_taken(void **state)
{
    (void)state;
    char line[1200];
    struct statsd_options options = {.signalfx_tags = true};
    for (uint32_t cap = 1; cap <= 5; cap++) {
        record_start(&record, cap);
        for (int i = 0; i < 40; i++) {
            /* Three values, so that the array is also taken in the middle of a line. */
            int len = snprintf(line, sizeof(line), "%0700d[a=%d]%d:1:2:3|c", 7, i, i + 10);
            record.point_count = 0;
            record.kept_bytes = 0;
            statsd_decode(&options, slice_of(line, (size_t)len), &record.sink);
            statsd_flush(&record.sink);
            int name_len = snprintf(line, sizeof(line), "%0700d%d", 7, i + 10);
            assert_int_equal(record.point_count, 3);
            for (size_t k = 0; k < 3; k++) {
                assert_true(slice_equal(record.points[k].name, slice_of(line, (size_t)name_len)));
            }
        }
    }
}

static void test_joined_names_of_one_datagram_do_not_overwrite_each_other(void **state)
{
    (void)state;
    static char buf[20000];
    const struct statsd_options options = {.signalfx_tags = true};
    for (uint32_t cap = 1; cap <= 6; cap++) {
        size_t len = 0;
        for (int i = 0; i < 20; i++) {
            len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%0*d[a=1]%d:1:2|c\n", 500 + i, 7,
                                    i + 10);
        }
        record_start(&record, cap);
        record_decode(&options, slice_of(buf, len));
        assert_int_equal(record.point_count, 40);
        for (int i = 0; i < 40; i++) {
            char name[1024];
            int name_len = snprintf(name, sizeof(name), "%0*d%d", 500 + i / 2, 7, i / 2 + 10);
            assert_true(slice_equal(record.points[i].name, slice_of(name, (size_t)name_len)));
        }
    }
}

/* --- tags at the birth of a series ----------------------------------------------------------- */

static void check_tags(const char *tags, enum tag_style style, bool simple_tags, int expected)
{
    const struct statsd_options options = {.simple_tags = simple_tags};
    enum statsd_why why = STATSD_WHY_MISSING_TYPE;
    bool is_valid = statsd_tags_are_valid(&options, slice_of_text(tags), style, &why);
    assert_int_equal(is_valid, expected < 0);
    if (!is_valid) {
        assert_int_equal((int)why, expected);
    }
}

static void test_tags_are_judged_by_the_options(void **state)
{
    (void)state;
    const enum tag_style dogstatsd = TAG_STYLE_DOGSTATSD;
    check_tags("", dogstatsd, false, -1);
    check_tags("a:b", dogstatsd, false, -1);
    check_tags(",a:b,,c:d,", dogstatsd, false, -1);
    check_tags("a:b:c", dogstatsd, false, -1);
    check_tags("a", dogstatsd, false, STATSD_WHY_BARE_TAG);
    check_tags("a:", dogstatsd, false, STATSD_WHY_BARE_TAG);
    check_tags("a:b,c", dogstatsd, false, STATSD_WHY_BARE_TAG);
    check_tags("a", dogstatsd, true, -1);
    check_tags("a:", dogstatsd, true, -1);
    check_tags(":b", dogstatsd, false, STATSD_WHY_EMPTY_KEY);
    check_tags(":b", dogstatsd, true, STATSD_WHY_EMPTY_KEY);
    check_tags(":", dogstatsd, true, STATSD_WHY_EMPTY_KEY);
    check_tags("a=b,c=d", TAG_STYLE_EQUALS, false, -1);
    check_tags("a:b", TAG_STYLE_EQUALS, false, STATSD_WHY_BARE_TAG);
    check_tags("=b", TAG_STYLE_EQUALS, true, STATSD_WHY_EMPTY_KEY);
}

static void test_tags_are_limited_in_count(void **state)
{
    (void)state;
    char buf[8 * (STATSD_TAGS_MAX_COUNT + 1)];
    size_t len = 0;
    for (int i = 0; i < STATSD_TAGS_MAX_COUNT; i++) {
        len += (size_t)snprintf(buf + len, sizeof(buf) - len, "k%d:v,", i);
    }
    const struct statsd_options options = {0};
    enum statsd_why why = STATSD_WHY_MISSING_TYPE;
    assert_true(statsd_tags_are_valid(&options, slice_of(buf, len), TAG_STYLE_DOGSTATSD, &why));
    len += (size_t)snprintf(buf + len, sizeof(buf) - len, "x:y");
    assert_false(statsd_tags_are_valid(&options, slice_of(buf, len), TAG_STYLE_DOGSTATSD, &why));
    assert_int_equal(why, STATSD_WHY_TOO_MANY_TAGS);
}

static void test_every_reason_has_a_label(void **state)
{
    (void)state;
    for (int i = 0; i < STATSD_WHY_LIMIT; i++) {
        assert_true(strlen(statsd_why_label((enum statsd_why)i)) > 0);
    }
    assert_string_equal(statsd_why_label(STATSD_WHY_BAD_CHECK), "bad_check");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_decode_as_written),
        cmocka_unit_test(test_packed_values_come_in_order_through_any_array),
        cmocka_unit_test(test_packed_line_with_one_bad_value_hands_out_none),
        cmocka_unit_test(test_array_fills_over_several_datagrams),
        cmocka_unit_test(test_joined_names_survive_until_taken),
        cmocka_unit_test(test_joined_names_of_one_datagram_do_not_overwrite_each_other),
        cmocka_unit_test(test_tags_are_judged_by_the_options),
        cmocka_unit_test(test_tags_are_limited_in_count),
        cmocka_unit_test(test_every_reason_has_a_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
