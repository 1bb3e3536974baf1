/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_scrape: the vectors of tests/vectors/prom_scrape, limits, turns, and memory.
 *
 * A case is rules (see scrape_rig.h), then pages: `page:` lines and what was fetched, `scrape:
 * at=MS [took=MS] [openmetrics] [failed|gone]`. Behind it stands what comes of it: `out:` every
 * point, in the order of the lines where it is not `sorted:`, and, where they are of interest, all
 * of `about:`, `head:` and `result:`, as prom_dump.h writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs/prom_target.h"
#include "codecs/prom_text.h"
#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/scrape_rig.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES (1 << 16)
#define LINES_MAX 64
#define NS_PER_MS UINT64_C(1000000)

static struct scrape_rig rig;
static struct bytes page_text;
static uint32_t vector_count;

static int setup(void **state)
{
    (void)state;
    scrape_rig_init(&rig);
    bytes_init(&page_text, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scrape_rig_fini(&rig);
    bytes_fini(&page_text);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    scrape_rig_clear(&rig);
    bytes_clear(&page_text);
    return 0;
}

/* --- vectors ---------------------------------------------------------------------------------- */

struct expectations {
    struct bytes out;
    struct bytes about;
    struct bytes head;
    struct bytes result;
    bool is_sorted;
    bool is_open; /* a page was scraped, and what came of it is being read */
};

static struct expectations expected;

static int compare_slices(const void *a, const void *b)
{
    const struct slice *left = a;
    const struct slice *right = b;
    return slice_compare(*left, *right);
}

/* The lines of `text` in order, in the same place. */
static void sort_lines(struct bytes *text)
{
    static uint8_t copy[TEXT_MAX_BYTES];
    struct slice lines[LINES_MAX];
    size_t count = 0;
    assert_true(text->len <= sizeof(copy));
    memcpy(copy, text->ptr, text->len);
    struct slice rest = slice_of(copy, text->len);
    while (rest.len > 0) {
        size_t end = slice_find(rest, '\n');
        assert_true(count < LINES_MAX);
        lines[count] = slice_first(rest, end);
        count++;
        rest = slice_from(rest, end < rest.len ? end + 1 : end);
    }
    qsort(lines, count, sizeof(lines[0]), compare_slices);
    bytes_clear(text);
    for (size_t i = 0; i < count; i++) {
        bytes_append(text, lines[i].ptr, lines[i].len);
        bytes_append(text, "\n", 1);
    }
}

static void check(const struct vector *vector, const char *key, const struct bytes *wanted,
                  const struct bytes *got)
{
    if (!slice_equal(bytes_slice(wanted), bytes_slice(got))) {
        fail_msg("%.*s: %s\n%.*s\nexpected\n%.*s", (int)vector->title.len,
                 (const char *)vector->title.ptr, key, (int)got->len, (const char *)got->ptr,
                 (int)wanted->len, (const char *)wanted->ptr);
    }
}

static void check_page(const struct vector *vector)
{
    if (!expected.is_open) {
        return;
    }
    if (expected.is_sorted) {
        sort_lines(&rig.dump.points);
    }
    check(vector, "out", &expected.out, &rig.dump.points);
    if (expected.about.len > 0) {
        check(vector, "about", &expected.about, &rig.dump.abouts);
    }
    if (expected.head.len > 0) {
        check(vector, "head", &expected.head, &rig.dump.heads);
    }
    if (expected.result.len > 0) {
        bytes_append(&rig.said, "\n", 1);
        check(vector, "result", &expected.result, &rig.said);
    }
    bytes_clear(&expected.out);
    bytes_clear(&expected.about);
    bytes_clear(&expected.head);
    bytes_clear(&expected.result);
    expected.is_sorted = false;
    expected.is_open = false;
}

static void put_line(struct bytes *out, struct slice text)
{
    static uint8_t buf[TEXT_MAX_BYTES];
    size_t len = vector_unescape(text, buf, sizeof(buf));
    bytes_append(out, buf, len);
    bytes_append(out, "\n", 1);
}

static uint64_t number_field(struct slice text, const char *key)
{
    struct slice value;
    uint64_t number = 0;
    if (vector_field(text, key, &value)) {
        assert_int_equal(number_parse_u64(value, &number), 0);
    }
    return number;
}

static bool has_word(struct slice text, const char *word)
{
    return memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

/* From memory of exactly its size, which nobody may read behind. */
static void scrape(struct slice text)
{
    uint8_t *body = mem_alloc(page_text.len + 1);
    struct prom_page page = {
        .format = has_word(text, "openmetrics") ? PROM_FORMAT_OPENMETRICS : PROM_FORMAT_TEXT,
        .body = slice_of(body, page_text.len),
        .time_unix_ns = number_field(text, "at") * NS_PER_MS,
        .duration_ns = number_field(text, "took") * NS_PER_MS,
    };
    assert_non_null(body);
    if (page_text.len > 0) {
        memcpy(body, page_text.ptr, page_text.len);
    }
    if (has_word(text, "failed")) {
        page.fetch = PROM_FETCH_FAILED;
    } else if (has_word(text, "gone")) {
        page.fetch = PROM_FETCH_GONE;
    }
    scrape_rig_run(&rig, &page);
    mem_free(body);
    bytes_clear(&page_text);
    expected.is_open = true;
}

static void take_line(const struct vector *vector, const struct vector_line *line)
{
    if (slice_is_text(line->key, "page")) {
        check_page(vector);
        put_line(&page_text, line->text);
    } else if (slice_is_text(line->key, "scrape")) {
        check_page(vector);
        scrape(line->text);
    } else if (slice_is_text(line->key, "out")) {
        put_line(&expected.out, line->text);
    } else if (slice_is_text(line->key, "about")) {
        put_line(&expected.about, line->text);
    } else if (slice_is_text(line->key, "head")) {
        put_line(&expected.head, line->text);
    } else if (slice_is_text(line->key, "result")) {
        put_line(&expected.result, line->text);
    } else if (slice_is_text(line->key, "sorted")) {
        expected.is_sorted = true;
    } else if (!scrape_rig_rule(&rig, line->key, line->text)) {
        fail_msg("%.*s: what is %.*s?", (int)vector->title.len, (const char *)vector->title.ptr,
                 (int)line->key.len, (const char *)line->key.ptr);
    }
}

static void run_file(const char *path)
{
    struct vectors vectors;
    struct vector vector;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &vector)) {
        scrape_rig_clear(&rig);
        for (size_t i = 0; i < vector.line_count; i++) {
            take_line(&vector, &vector.lines[i]);
        }
        check_page(&vector);
        vector_count++;
    }
    vectors_close(&vectors);
}

static void test_scrape_does_what_the_vectors_say(void **state)
{
    (void)state;
    bytes_init(&expected.out, TEXT_MAX_BYTES);
    bytes_init(&expected.about, TEXT_MAX_BYTES);
    bytes_init(&expected.head, TEXT_MAX_BYTES);
    bytes_init(&expected.result, TEXT_MAX_BYTES);
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/prom_scrape", run_file), 3);
    assert_true(vector_count > 65);
    bytes_fini(&expected.out);
    bytes_fini(&expected.about);
    bytes_fini(&expected.head);
    bytes_fini(&expected.result);
}

/* --- size ------------------------------------------------------------------------------------- */

WEIR_PRINTF(2, 3) static void print(struct bytes *out, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert_true(len >= 0 && (size_t)len < sizeof(text));
    bytes_append(out, text, (size_t)len);
}

/* More than a part and a turn can hold: everything arrives, once, in pieces of bounded size. */
static void test_large_pages_take_turns_and_parts(void **state)
{
    const uint32_t series_count = 20000;
    (void)state;
    print(&page_text, "# TYPE hits_total counter\n");
    for (uint32_t i = 0; i < series_count; i++) {
        print(&page_text,
              "hits_total{instance_name=\"the-instance-number-%u\",method=\"get\"} %u\n", i, i * 3);
    }
    scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
    const struct prom_scrape_result *result = prom_scrape_result(rig.scrape);
    assert_int_equal(result->point_count, series_count + 5);
    assert_true(rig.part_count > 1);
    assert_true(rig.turn_count > page_text.len / PROM_TURN_MAX_BYTES + rig.part_count);
    for (uint32_t i = 0; i < series_count; i += 997) {
        char line[160];
        int len = snprintf(line, sizeof(line),
                           "sum hits_total{instance_name=the-instance-number-%u,method=get} %u "
                           "@1000 from=1000\n",
                           i, i * 3);
        assert_non_null(memmem(rig.dump.points.ptr, rig.dump.points.len, line, (size_t)len));
    }
    assert_int_equal(prom_target_series_count(rig.target), series_count + 5);
    /* The same again adds nothing, and what is gone ends in as many parts. */
    size_t used_bytes = prom_target_used_bytes(rig.target);
    scrape_rig_text(&rig, bytes_slice(&page_text), 2000);
    assert_int_equal(prom_scrape_result(rig.scrape)->added_series_count, 0);
    assert_int_equal(prom_target_used_bytes(rig.target), used_bytes);
    scrape_rig_text(&rig, (struct slice){0}, 3000);
    assert_int_equal(prom_scrape_result(rig.scrape)->ended_count, series_count);
    scrape_rig_text(&rig, (struct slice){0}, 3000 + PROM_SERIES_KEPT_MS);
    assert_int_equal(prom_target_series_count(rig.target), 5);
    assert_true(prom_target_used_bytes(rig.target) < used_bytes);
}

/* While old series are forgotten, others move in the table: those that end with the same page, long
 * after they were seen, are said all the same. */
static void test_series_end_while_others_are_forgotten(void **state)
{
    const uint32_t count = 20;
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        scrape_rig_clear(&rig);
        for (uint32_t half = 0; half < 2; half++) {
            bytes_clear(&page_text);
            for (uint32_t i = 0; i < count; i++) {
                print(&page_text, "m{half=\"%u\",round=\"%u\",i=\"%u\"} 1\n", half, round, i);
            }
            scrape_rig_text(&rig, bytes_slice(&page_text), 1000 + half);
        }
        scrape_rig_text(&rig, (struct slice){0}, 2000 + PROM_SERIES_KEPT_MS);
        assert_int_equal(prom_scrape_result(rig.scrape)->ended_count, count);
        for (uint32_t i = 0; i < count; i++) {
            char line[96];
            int len = snprintf(line, sizeof(line), "gauge m{half=1,i=%u,round=%u} @%u ended\n", i,
                               round, 2000 + PROM_SERIES_KEPT_MS);
            assert_non_null(memmem(rig.dump.points.ptr, rig.dump.points.len, line, (size_t)len));
        }
        assert_int_equal(prom_target_series_count(rig.target), count + 5);
    }
}

/* Metrics so large that a part ends inside of them, under a resource and scope of some size. */
static void test_parts_end_inside_of_metrics(void **state)
{
    const uint32_t group_count = 300;
    (void)state;
    print(&page_text, "# HELP h words\n# TYPE h histogram\n");
    for (uint32_t i = 0; i < group_count; i++) {
        for (uint32_t j = 0; j < 300; j++) {
            print(&page_text, "h_bucket{g=\"%u\",le=\"%u\"} 1\n", i, j);
        }
        print(&page_text, "h_count{g=\"%u\"} %u\n", i, i + 1);
    }
    scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
    assert_int_equal(prom_scrape_result(rig.scrape)->point_count, group_count + 5);
    assert_true(rig.part_count > 1);
    /* Each part says again whose points they are. */
    uint32_t about_count = 0;
    struct slice rest = bytes_slice(&rig.dump.abouts);
    while (rest.len > 0) {
        size_t end = slice_find(rest, '\n');
        assert_true(slice_is_text(slice_first(rest, end), "h type=histogram help=words"));
        about_count++;
        rest = slice_from(rest, end + 1);
    }
    assert_int_equal(about_count, rig.part_count);
}

/* A histogram whose buckets alone are more than a part: left out, counted, and the rest goes on. */
static void test_a_point_beyond_a_part_is_left_out(void **state)
{
    (void)state;
    print(&page_text, "# TYPE h histogram\n");
    for (uint32_t i = 0; i < PROM_PART_MAX_BYTES / 16; i++) {
        print(&page_text, "h_bucket{le=\"%u\"} 1\n", i);
    }
    print(&page_text, "h_count 1\n# TYPE a gauge\na 1\n");
    scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
    const struct prom_scrape_result *result = prom_scrape_result(rig.scrape);
    assert_int_equal(result->drops[PROM_DROP_TOO_LARGE], 1);
    assert_int_equal(result->point_count, 1 + 5);
    assert_non_null(memmem(rig.dump.points.ptr, rig.dump.points.len, "gauge a 1", 9));
}

static void test_target_info_is_bounded(void **state)
{
    static char value[PROM_TARGET_INFO_MAX_BYTES];
    (void)state;
    memset(value, 'x', sizeof(value));
    print(&page_text, "target_info{aa=\"");
    bytes_append(&page_text, value, sizeof(value) - 3); /* with "aa" one byte is left */
    print(&page_text, "\",b=\"12\"} 1\na 1\n");
    scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
    assert_true(rig.dump.heads.len > sizeof(value) - 3);
    assert_null(memmem(rig.dump.heads.ptr, rig.dump.heads.len, ",b=", 3));
}

/* Name, two labels of the target, and the page's: one more than a list can hold refuses the page.
 */
static void test_samples_take_labels_up_to_the_limit(void **state)
{
    (void)state;
    for (uint32_t extra = 0; extra < 2; extra++) {
        bytes_clear(&page_text);
        print(&page_text, "a{");
        for (uint32_t i = 0; i < LABEL_LIST_MAX_COUNT - 3 + extra; i++) {
            print(&page_text, "l%u=\"v\",", i);
        }
        print(&page_text, "} 1\n");
        scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
        assert_int_equal(prom_scrape_result(rig.scrape)->why,
                         extra == 0 ? PROM_SCRAPE_FINE : PROM_SCRAPE_LABEL_LIMIT);
    }
}

static void test_targets_take_labels_up_to_the_limit(void **state)
{
    static struct label labels[PROM_TARGET_LABELS_MAX_COUNT + 1];
    static char names[PROM_TARGET_LABELS_MAX_COUNT + 1][8];
    struct prom_target *target = NULL;
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(labels); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "l%u", i);
        labels[i] = (struct label){slice_of_text(names[i]), SLICE_LITERAL("v")};
    }
    assert_int_equal(prom_target_new(&rig.rules, labels, PROM_TARGET_LABELS_MAX_COUNT,
                                     SLICE_LITERAL("http"), &target),
                     0);
    prom_target_free(target);
    assert_int_equal(
        prom_target_new(&rig.rules, labels, COUNT_OF(labels), SLICE_LITERAL("http"), &target),
        FAULT_LIMIT);
    assert_null(target);
}

/* A target with room for what families say, and for none of their series: nothing stays behind. */
static void test_families_without_room_for_series_leave_nothing(void **state)
{
    static char value[2000];
    (void)state;
    memset(value, 'x', sizeof(value));
    scrape_rig_text(&rig, SLICE_LITERAL("first 1\n"), 1000);
    size_t others_bytes = rig.target->used_bytes;
    size_t spare_bytes = PROM_TARGET_MAX_BYTES - prom_target_used_bytes(rig.target) - 1000;
    rig.target->used_bytes += spare_bytes; /* as if other series had it */
    size_t used_bytes = prom_target_used_bytes(rig.target);
    for (uint32_t i = 0; i < 100; i++) {
        bytes_clear(&page_text);
        print(&page_text, "first 1\nfamily_%u{long=\"", i);
        bytes_append(&page_text, value, sizeof(value));
        print(&page_text, "\"} 1\n");
        scrape_rig_text(&rig, bytes_slice(&page_text), 2000 + i);
        assert_int_equal(prom_scrape_result(rig.scrape)->why, PROM_SCRAPE_FINE);
        assert_int_equal(prom_scrape_result(rig.scrape)->untracked_count, 1);
        assert_int_equal(prom_target_used_bytes(rig.target), used_bytes);
    }
    rig.target->used_bytes -= spare_bytes;
    assert_int_equal(rig.target->used_bytes, others_bytes);
}

/* Rules that make 300 KB of text of each sample, and throw it away: memory of the page all the
 * same. */
static void test_pages_are_bounded_in_memory(void **state)
{
    struct slice key = SLICE_LITERAL("relabel");
    const uint32_t sample_bytes = 300000; /* 8^6 and the steps before it, about */
    const uint32_t counts[] = {PROM_SCRAPE_MAX_BYTES / sample_bytes - 50,
                               PROM_SCRAPE_MAX_BYTES / sample_bytes + 50, 1};
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(scrape_rig_rule(
            &rig, key, SLICE_LITERAL("source=t regex=(.+) target=t repl=$1$1$1$1$1$1$1$1")));
    }
    assert_true(scrape_rig_rule(&rig, key, SLICE_LITERAL("action=labeldrop regex=t")));
    for (uint32_t round = 0; round < COUNT_OF(counts); round++) {
        bytes_clear(&page_text);
        for (uint32_t i = 0; i < counts[round]; i++) {
            print(&page_text, "a{t=\"x\",i=\"%u\"} 1\n", i);
        }
        scrape_rig_text(&rig, bytes_slice(&page_text), 1000 + round);
        assert_int_equal(prom_scrape_result(rig.scrape)->why,
                         round == 1 ? PROM_SCRAPE_MEMORY : PROM_SCRAPE_FINE);
    }
}

/* --- giving up -------------------------------------------------------------------------------- */

static void test_a_page_can_be_abandoned_in_every_turn(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6000; i++) {
        print(&page_text, "a{b=\"%u\",c=\"............................................\"} 1\n", i);
    }
    const struct prom_page page = {.body = bytes_slice(&page_text), .time_unix_ns = NS_PER_MS};
    scrape_rig_text(&rig, bytes_slice(&page_text), 1);
    uint32_t turn_count = rig.turn_count;
    assert_true(turn_count > 5);
    for (uint32_t turns = 0; turns < turn_count; turns++) {
        prom_scrape_begin(rig.scrape, rig.target, &page);
        for (uint32_t i = 0; i < turns; i++) {
            assert_true(prom_scrape_turn(rig.scrape, &rig.sink));
        }
        prom_scrape_abandon(rig.scrape);
    }
    scrape_rig_text(&rig, bytes_slice(&page_text), 1000);
    assert_int_equal(prom_scrape_result(rig.scrape)->point_count, 6000 + 5);
}

static void put_everything(void)
{
    static const char text[] =
        "# HELP a words\n# TYPE a counter\na{b=\"\\n\"} 1\n# TYPE h histogram\n"
        "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_count 1\n# TYPE s summary\n"
        "s{quantile=\"0.5\"} 1\ns_count 1\ng{otel_scope_name=\"l\",otel_scope_x=\"y\"} 1\n"
        "target_info{x=\"y\"} 1\notel_scope_info{otel_scope_name=\"m\",x=\"y\"} 1\n";
    bytes_append(&page_text, text, sizeof(text) - 1);
}

static void test_benches_survive_every_refused_allocation(void **state)
{
    int err = -ENOMEM;
    struct prom_scrape *scrape = NULL;
    struct prom_target *target = NULL;
    (void)state;
    for (uint64_t nth = 1; err != 0; nth++) {
        mem_fail_nth(nth);
        err = prom_scrape_new(1, &scrape);
        if (err == 0) {
            err = prom_target_new(&rig.rules, rig.labels, rig.label_count, SLICE_LITERAL("http"),
                                  &target);
        }
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(err == 0 || target == NULL);
        if (err != 0) {
            prom_scrape_free(scrape);
        }
        assert_true(nth < 50);
    }
    prom_target_free(target);
    prom_scrape_free(scrape);
    prom_target_free(NULL);
    prom_scrape_free(NULL);
}

/* Whatever memory is refused, a page ends, and the one after it is whole. */
static void test_pages_survive_every_refused_allocation(void **state)
{
    bool was_refused = true;
    (void)state;
    put_everything();
    struct slice page = bytes_slice(&page_text);
    rig.is_dumb = true;
    for (uint64_t nth = 1; was_refused; nth++) {
        struct prom_scrape *fresh = NULL;
        scrape_rig_clear(&rig);
        assert_int_equal(prom_scrape_new(1, &fresh), 0);
        prom_scrape_free(rig.scrape);
        rig.scrape = fresh;
        scrape_rig_text(&rig, (struct slice){0}, 500); /* makes the target */
        uint64_t before = mem_thread_alloc_count();
        mem_fail_nth(nth);
        scrape_rig_text(&rig, page, 1000);
        mem_fail_nth(0);
        was_refused = mem_thread_alloc_count() - before >= nth;
        scrape_rig_text(&rig, page, 2000);
        const struct prom_scrape_result *result = prom_scrape_result(rig.scrape);
        assert_int_equal(result->why, PROM_SCRAPE_FINE);
        assert_int_equal(result->point_count, 4 + 5);
        assert_int_equal(result->untracked_count, 0);
        scrape_rig_text(&rig, (struct slice){0}, 3000);
        assert_int_equal(prom_scrape_result(rig.scrape)->ended_count, 4);
        assert_true(nth < 200);
    }
    rig.is_dumb = false;
}

/* --- our own pages ---------------------------------------------------------------------------- */

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

static double random_value(void)
{
    double value = (double)random_below(1 << 30) * pow(10, (int)random_below(40) - 20);
    switch (random_below(12)) {
    case 0:
        return INFINITY;
    case 1:
        return NAN;
    case 2:
        return 0;
    default:
        return random_below(2) == 0 ? value : -value;
    }
}

/* What is expected of the page that is being written. */
static struct bytes wanted;

static void want_number(double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(&wanted, text, number_format_f64(value, text, sizeof(text)));
}

static void write_gauge(enum prom_format format, const struct prom_family *family, uint32_t index)
{
    double value = random_value();
    char labels[32];
    (void)snprintf(labels, sizeof(labels), "a=\"\\\"%u\"", index);
    const struct prom_point point = {.family = family, .labels = slice_of_text(labels)};
    prom_text_value(&page_text, format, &point, value);
    print(&wanted,
          family->kind == PROM_KIND_COUNTER ? "sum m%u_total{a=\"%u} " : "gauge m%u{a=\"%u} ",
          index, index);
    want_number(value);
    print(&wanted, family->kind == PROM_KIND_COUNTER ? " @1000 from=1000\n" : " @1000\n");
}

static void write_histogram(enum prom_format format, const struct prom_family *family,
                            uint32_t index)
{
    const struct prom_point point = {.family = family};
    uint32_t bucket_count = random_below(6);
    uint32_t total = 0;
    print(&wanted, "hist m%u count=", index);
    uint32_t counts[6];
    for (uint32_t i = 0; i <= bucket_count; i++) {
        counts[i] = random_below(1000);
        total += counts[i];
    }
    double sum = random_below(1 << 20) / 8.0;
    print(&wanted, "%u sum=", total);
    want_number(sum);
    uint32_t running = 0;
    for (uint32_t i = 0; i < bucket_count; i++) {
        running += counts[i];
        prom_text_bucket(&page_text, format, &point, i + 0.25, running);
        print(&wanted, " %u.25:%u", i, counts[i]);
    }
    prom_text_bucket(&page_text, format, &point, INFINITY, total);
    prom_text_sum(&page_text, format, &point, sum);
    prom_text_count(&page_text, format, &point, total);
    print(&wanted, " inf:%u @1000 from=1000\n", counts[bucket_count]);
}

static void write_summary(enum prom_format format, const struct prom_family *family, uint32_t index)
{
    const struct prom_point point = {.family = family};
    double value = random_value();
    prom_text_quantile(&page_text, format, &point, 0.5, value);
    prom_text_sum(&page_text, format, &point, 2.5);
    prom_text_count(&page_text, format, &point, index);
    print(&wanted, "summary m%u count=%u sum=2.5 0.5=", index, index);
    want_number(value);
    print(&wanted, " @1000 from=1000\n");
}

static void write_family(enum prom_format format, uint32_t index)
{
    char name[32];
    enum prom_kind kind = (enum prom_kind)random_below(PROM_KIND_UNKNOWN + 1);
    bool is_counter = kind == PROM_KIND_COUNTER;
    (void)snprintf(name, sizeof(name), is_counter ? "m%u_total" : "m%u", index);
    const struct prom_family family = {
        .name = slice_of_text(name), .help = SLICE_LITERAL("a \\ \"b\"\nc"), .kind = kind};
    prom_text_family(&page_text, format, &family);
    switch (kind) {
    case PROM_KIND_GAUGE:
    case PROM_KIND_UNKNOWN:
    case PROM_KIND_COUNTER:
        write_gauge(format, &family, index);
        break;
    case PROM_KIND_HISTOGRAM:
        write_histogram(format, &family, index);
        break;
    case PROM_KIND_SUMMARY:
        write_summary(format, &family, index);
        break;
    }
}

/* What prom_text writes means the same when it is read. */
static void test_our_own_pages_come_back(void **state)
{
    (void)state;
    bytes_init(&wanted, 1 << 20);
    for (uint32_t round = 0; round < 200; round++) {
        enum prom_format format = round % 2 == 0 ? PROM_FORMAT_TEXT : PROM_FORMAT_OPENMETRICS;
        bytes_clear(&page_text);
        bytes_clear(&wanted);
        for (uint32_t i = 0; i < 20; i++) {
            write_family(format, i);
        }
        prom_text_end(&page_text, format);
        scrape_rig_clear(&rig);
        const struct prom_page page = {
            .format = format, .body = bytes_slice(&page_text), .time_unix_ns = 1000 * NS_PER_MS};
        scrape_rig_run(&rig, &page);
        if (!slice_equal(bytes_slice(&rig.dump.points), bytes_slice(&wanted))) {
            fail_msg("%.*s\ngives\n%.*sinstead of\n%.*s", (int)page_text.len,
                     (const char *)page_text.ptr, (int)rig.dump.points.len,
                     (const char *)rig.dump.points.ptr, (int)wanted.len, (const char *)wanted.ptr);
        }
    }
    bytes_fini(&wanted);
}

/* --- words ------------------------------------------------------------------------------------ */

static void test_the_content_type_says_the_format(void **state)
{
    (void)state;
    assert_int_equal(prom_scrape_format(SLICE_LITERAL("application/openmetrics-text; version=1")),
                     PROM_FORMAT_OPENMETRICS);
    assert_int_equal(prom_scrape_format(SLICE_LITERAL("application/openmetrics-text ;a=b")),
                     PROM_FORMAT_OPENMETRICS);
    assert_int_equal(prom_scrape_format(SLICE_LITERAL("text/plain; version=0.0.4")),
                     PROM_FORMAT_TEXT);
    assert_int_equal(prom_scrape_format((struct slice){0}), PROM_FORMAT_TEXT);
}

static void test_reasons_have_labels(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PROM_SCRAPE_WHY_COUNT; i++) {
        assert_non_null(prom_scrape_why_label((enum prom_scrape_why)i));
    }
    for (uint32_t i = 0; i < PROM_DROP_COUNT; i++) {
        assert_non_null(prom_drop_label((enum prom_drop)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_scrape_does_what_the_vectors_say, clear),
        cmocka_unit_test_setup(test_large_pages_take_turns_and_parts, clear),
        cmocka_unit_test_setup(test_series_end_while_others_are_forgotten, clear),
        cmocka_unit_test_setup(test_parts_end_inside_of_metrics, clear),
        cmocka_unit_test_setup(test_a_point_beyond_a_part_is_left_out, clear),
        cmocka_unit_test_setup(test_target_info_is_bounded, clear),
        cmocka_unit_test_setup(test_samples_take_labels_up_to_the_limit, clear),
        cmocka_unit_test_setup(test_targets_take_labels_up_to_the_limit, clear),
        cmocka_unit_test_setup(test_families_without_room_for_series_leave_nothing, clear),
        cmocka_unit_test_setup(test_pages_are_bounded_in_memory, clear),
        cmocka_unit_test_setup(test_a_page_can_be_abandoned_in_every_turn, clear),
        cmocka_unit_test_setup(test_benches_survive_every_refused_allocation, clear),
        cmocka_unit_test_setup(test_pages_survive_every_refused_allocation, clear),
        cmocka_unit_test_setup(test_our_own_pages_come_back, clear),
        cmocka_unit_test_setup(test_the_content_type_says_the_format, clear),
        cmocka_unit_test_setup(test_reasons_have_labels, clear),
    };
    return cmocka_run_group_tests_name("prom_scrape", tests, setup, teardown);
}
