/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/debug_exporter: what stands on its outputs, what each key changes, and outputs
 * that stand still or break; the books balance at the end of each.
 */
#include "exporters/debug_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/support/exporter_books.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/loop_fixture.h"

/* A resource, a scope, a gauge "m" with one point of 5. */
#define PART                                                                                       \
    "\x0A\x16\x12\x14\x12\x12\x0A\x01m\x2A\x0D\x0A\x0B\x31\x05\x00\x00\x00\x00\x00\x00\x00\x40"    \
    "\x00"
#define PART_LEN (sizeof(PART) - 1)
#define NORMAL_TEXT "ResourceMetrics #0\nScopeMetrics #0\nm{} 5\n"
#define SUMMARY_TAIL                                                                               \
    "\tinfo\tMetrics\t{\"resource metrics\": 1, \"metrics\": 1, \"data points\": 1}\n"
#define TIME_LEN 24

static struct exporter_rig rig;
static char path[64];
static const struct slice part = {(const uint8_t *)PART, PART_LEN};

static int open_path(void **state)
{
    (void)snprintf(path, sizeof(path), "/tmp/weir_debug_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    return loop_fixture_open(state);
}

static int close_path(void **state)
{
    (void)unlink(path);
    return loop_fixture_close(state);
}

#define DEBUG_TEST(function) cmocka_unit_test_setup_teardown(function, open_path, close_path)

/* Not through the logger, into the file; `more` holds further keys with a comma in front. */
static void open_debug(void **state, const char *more)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml), "{use_internal_logger: false, output_paths: [%s]%s}", path,
                   more);
    rig_open(&rig, *state, debug_exporter_new, SIGNAL_METRICS, yaml);
}

static const char *read_output(void)
{
    static char got[16384];
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(got, 1, sizeof(got) - 1, in);
    got[len] = '\0';
    (void)fclose(in);
    return got;
}

static size_t count_of_text(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

/* --- text ------------------------------------------------------------------------------------- */

static void test_basic_is_one_summary_per_batch(void **state)
{
    open_debug(state, "");
    rig_offer(&rig, &part, 1, 1);
    RIG_STAT_IS(&rig, items_held, 1);
    assert_false(pipeline_is_idle(&rig.pipeline)); /* answered in a later turn */
    rig_settle(&rig);
    const char *got = read_output();
    assert_int_equal(strlen(got), TIME_LEN + strlen(SUMMARY_TAIL));
    assert_string_equal(got + TIME_LEN, SUMMARY_TAIL);
    assert_int_equal(got[TIME_LEN - 1], 'Z');
    RIG_STAT_IS(&rig, items_delivered, 1);
    rig_close(&rig);
}

static void test_normal_and_detailed_add_a_block(void **state)
{
    open_debug(state, ", verbosity: normal");
    const struct slice both[] = {part, part};
    rig_offer(&rig, both, 2, 1);
    rig_settle(&rig);
    const char *got = read_output() + TIME_LEN;
    assert_string_equal(got, "\tinfo\tMetrics\t{\"resource metrics\": 2, \"metrics\": 2, "
                             "\"data points\": 2}\n" NORMAL_TEXT
                             "ResourceMetrics #1\nScopeMetrics #0\nm{} 5\n");
    rig_close(&rig);
    open_debug(state, ", verbosity: detailed");
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    assert_non_null(strstr(read_output(), "\n     -> DataType: Gauge\nNumberDataPoints #0\n"));
    rig_close(&rig);
}

static void test_traces_and_logs_have_their_words(void **state)
{
    static const struct {
        enum signal signal;
        const char *text;
    } cases[] = {{SIGNAL_TRACES, "\tTraces\t{\"resource spans\": 1, \"spans\": 0}\n"},
                 {SIGNAL_LOGS, "\tLogs\t{\"resource logs\": 1, \"log records\": 0}\n"}};
    static const struct slice empty = {(const uint8_t *)"\x0A\x00", 2};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof(yaml), "{use_internal_logger: false, output_paths: [%s]}",
                       path);
        rig_open(&rig, *state, debug_exporter_new, cases[i].signal, yaml);
        rig_offer(&rig, &empty, 1, 1);
        rig_settle(&rig);
        assert_non_null(strstr(read_output(), cases[i].text));
        rig_close(&rig);
    }
}

/* Runs `yaml` with `fd` led into the file, and returns what was written there. */
static const char *capture(void **state, int fd, const char *yaml)
{
    int kept = dup(fd);
    int file = open(path, O_WRONLY | O_TRUNC | O_APPEND);
    assert_true(kept >= 0 && file >= 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(file, fd), fd);
    rig_open(&rig, *state, debug_exporter_new, SIGNAL_METRICS, yaml);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    rig_close(&rig);
    assert_int_equal(dup2(kept, fd), fd);
    (void)close(kept);
    (void)close(file);
    return read_output();
}

static void test_internal_logger_is_the_default_and_blocks_go_to_stderr(void **state)
{
    const char *got = capture(state, STDERR_FILENO, "{verbosity: normal}");
    assert_non_null(strstr(got, "Metrics"));
    assert_non_null(strstr(got, "resource metrics"));
    assert_non_null(strstr(got, "data points"));
    assert_string_equal(got + strlen(got) - strlen(NORMAL_TEXT), NORMAL_TEXT);
    got = capture(state, STDERR_FILENO, "{}");
    assert_null(strstr(got, "ScopeMetrics #0"));
    assert_int_equal(count_of_text(got, "\n"), 1);
}

static void test_output_paths_default_to_stdout_and_may_be_several(void **state)
{
    char yaml[256];
    const char *got = capture(state, STDOUT_FILENO, "{use_internal_logger: false}");
    assert_string_equal(got + TIME_LEN, SUMMARY_TAIL);
    (void)snprintf(yaml, sizeof(yaml), "{use_internal_logger: false, output_paths: [stderr, %s]}",
                   path);
    got = capture(state, STDERR_FILENO, yaml);
    assert_int_equal(count_of_text(got, SUMMARY_TAIL), 2);
}

/* A log line of the process may come between two writes, and must not come between half lines. */
static void test_every_write_ends_where_a_line_ends(void **state)
{
    enum { PART_COUNT = 300 };
    static uint8_t many[PART_COUNT * PART_LEN];
    for (size_t i = 0; i < PART_COUNT; i++) {
        memcpy(&many[i * PART_LEN], PART, PART_LEN);
    }
    int fds[2];
    assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK), 0); /* each write is read by itself */
    int kept = dup(STDOUT_FILENO);
    (void)fflush(stdout);
    assert_int_equal(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
    rig_open(&rig, *state, debug_exporter_new, SIGNAL_METRICS,
             "{use_internal_logger: false, verbosity: normal}");
    const struct slice parts = {many, sizeof(many)};
    rig_offer(&rig, &parts, 1, PART_COUNT);
    rig_settle(&rig);
    rig_close(&rig);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    char got[8192];
    size_t write_count = 0;
    size_t total_bytes = 0;
    for (ssize_t n = read(fds[0], got, sizeof(got)); n > 0; n = read(fds[0], got, sizeof(got))) {
        assert_int_equal(got[n - 1], '\n');
        write_count++;
        total_bytes += (size_t)n;
    }
    assert_true(write_count > 2);
    assert_true(total_bytes > PART_COUNT * strlen("m{} 5\n"));
    (void)close(kept);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* --- sampling --------------------------------------------------------------------------------- */

static void test_sampling_shows_the_first_and_then_every_nth(void **state)
{
    static const struct {
        const char *keys;
        size_t shown_count; /* of 12 */
    } cases[] = {
        {"", 12},
        {", sampling_initial: 5, sampling_thereafter: 3", 5 + 2},
        {", sampling_thereafter: 5", 2 + 2},
        {", sampling_initial: 0, sampling_thereafter: 12", 1},
        {", sampling_initial: 12, sampling_thereafter: 0", 12},
        {", sampling_initial: 11, sampling_thereafter: 0", 11},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(truncate(path, 0), 0);
        open_debug(state, cases[i].keys);
        for (int n = 0; n < 12; n++) {
            rig_offer(&rig, &part, 1, 1);
        }
        rig_settle(&rig);
        assert_int_equal(count_of_text(read_output(), SUMMARY_TAIL), cases[i].shown_count);
        RIG_STAT_IS(&rig, items_delivered, 12); /* what is not shown is not lost */
        rig_close(&rig);
    }
}

static void test_sampling_begins_anew_each_second(void **state)
{
    open_debug(state, ", sampling_initial: 1, sampling_thereafter: 0");
    rig_offer(&rig, &part, 1, 1);
    rig_offer(&rig, &part, 1, 1);
    loop_fixture_run(rig.loop, CLOCK_NS_PER_S + 50 * CLOCK_NS_PER_MS);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    assert_int_equal(count_of_text(read_output(), SUMMARY_TAIL), 2);
    rig_close(&rig);
}

/* --- trouble ---------------------------------------------------------------------------------- */

/* A FIFO in place of the file; the reader's end, which nobody reads from. */
static int open_still_fifo(void)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static size_t read_all(int fd)
{
    static char sink[65536];
    size_t total = 0;
    for (ssize_t n = read(fd, sink, sizeof(sink)); n > 0; n = read(fd, sink, sizeof(sink))) {
        total += (size_t)n;
    }
    return total;
}

static void test_an_output_that_stands_still_is_waited_for(void **state)
{
    int fd = open_still_fifo();
    open_debug(state, "");
    size_t batch_count = 2000; /* about 190 KiB, more than a pipe holds */
    for (size_t i = 0; i < batch_count; i++) {
        rig_offer(&rig, &part, 1, 1);
        if (i % 32 == 31) {
            assert_true(loop_turn(rig.loop, 0) >= 0);
        }
    }
    loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    assert_in_range(counter_read(&rig.exporter->stats.items_held), 1, batch_count);
    assert_books_balance(&rig.exporter->stats);
    size_t total = 0;
    for (int i = 0; i < 100 && !rig.exporter->ops->is_idle(rig.exporter); i++) {
        total += read_all(fd);
        loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    }
    total += read_all(fd);
    assert_int_equal(total, batch_count * (TIME_LEN + strlen(SUMMARY_TAIL)));
    RIG_STAT_IS(&rig, items_delivered, batch_count);
    rig_close(&rig);
    (void)close(fd);
}

static void test_a_long_standstill_pushes_back_and_drain_gives_up(void **state)
{
    int fd = open_still_fifo();
    open_debug(state, ", verbosity: detailed");
    uint64_t offered_count = 0;
    while (!pipeline_is_holding(&rig.pipeline) && offered_count < 100000) {
        rig_offer(&rig, &part, 1, 1);
        offered_count++;
        if (offered_count % 32 == 0) {
            assert_true(loop_turn(rig.loop, 0) >= 0);
        }
    }
    assert_true(pipeline_is_holding(&rig.pipeline));
    uint64_t started_mono_ns = clock_mono_ns();
    rig.exporter->ops->drain(rig.exporter, started_mono_ns + 100 * CLOCK_NS_PER_MS);
    uint64_t held_count = counter_read(&rig.exporter->stats.items_held);
    assert_in_range(held_count, 1, offered_count);
    uint64_t waited_ns = 0;
    while (!rig.exporter->ops->is_idle(rig.exporter) && waited_ns < LOOP_FIXTURE_PATIENCE_NS) {
        loop_fixture_run(rig.loop, 10 * CLOCK_NS_PER_MS);
        waited_ns = clock_mono_ns() - started_mono_ns;
    }
    assert_in_range(waited_ns, 0, 5 * CLOCK_NS_PER_S);
    RIG_STAT_IS(&rig, items_dropped_shutdown, held_count);
    assert_true(pipeline_retry(&rig.pipeline));
    rig_close(&rig);
    (void)close(fd);
}

static void test_a_broken_output_is_counted(void **state)
{
    int fd = open_still_fifo();
    open_debug(state, "");
    (void)close(fd);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_retry, 1);
    RIG_STAT_IS(&rig, items_delivered, 0);
    rig_close(&rig);
}

static void test_an_output_that_cannot_be_opened_fails_the_opening(void **state)
{
    const char *yaml = "{use_internal_logger: false, output_paths: [/proc/version/x]}";
    assert_int_equal(rig_configure(&rig, *state, debug_exporter_new, yaml), 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, *state), -ENOTDIR);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

static void test_broken_wire_is_rejected(void **state)
{
    static const struct slice broken = {(const uint8_t *)"\x0A\x7F", 2};
    open_debug(state, "");
    rig_offer(&rig, &broken, 1, 3);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected, 3);
    RIG_STAT_IS(&rig, items_delivered, 1);
    rig_close(&rig);
}

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } cases[] = {
        {"{verbosity: loud}", "verbosity"},
        {"{sampling_initial: -1}", "sampling_initial"},
        {"{sampling_thereafter: often}", "sampling_thereafter"},
        {"{output_paths: [stdout]}", "output_paths needs use_internal_logger: false"},
        {"{use_internal_logger: false, output_paths: [a, b, c, d, e, f, g, h, i]}",
         "more than 8 outputs"},
        {"{sending_queue: {}}", "sending_queue"},
        {"{verbosty: normal}", "verbosity"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig_assert_refused(&rig, debug_exporter_new, cases[i].yaml, cases[i].words);
    }
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    for (uint64_t nth = 1; nth < 8; nth++) {
        assert_int_equal(rig_configure(&rig, *state, debug_exporter_new,
                                       "{use_internal_logger: false, output_paths: [/dev/null]}"),
                         0);
        mem_fail_nth(nth);
        int err = rig.exporter->ops->open(rig.exporter, *state);
        mem_fail_nth(0);
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            rig.exporter->ops->close(rig.exporter);
            config_fixture_fini(&rig.config);
            continue;
        }
        pipeline_init(&rig.pipeline, "test", SIGNAL_METRICS, &rig.exporter, 1);
        struct batch *batch = batch_new(SIGNAL_METRICS, 0);
        struct part copy;
        assert_int_equal(part_copy(&copy, part, SIGNAL_METRICS, 1), 0);
        assert_int_equal(batch_push(batch, &copy), 0);
        mem_fail_nth(nth);
        assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
        mem_fail_nth(0);
        assert_true(pipeline_retry(&rig.pipeline)); /* refused before, perhaps; not now */
        rig_settle(&rig);
        RIG_STAT_IS(&rig, items_delivered, 1);
        rig_close(&rig);
    }
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        DEBUG_TEST(test_basic_is_one_summary_per_batch),
        DEBUG_TEST(test_normal_and_detailed_add_a_block),
        DEBUG_TEST(test_traces_and_logs_have_their_words),
        DEBUG_TEST(test_internal_logger_is_the_default_and_blocks_go_to_stderr),
        DEBUG_TEST(test_output_paths_default_to_stdout_and_may_be_several),
        DEBUG_TEST(test_every_write_ends_where_a_line_ends),
        DEBUG_TEST(test_sampling_shows_the_first_and_then_every_nth),
        DEBUG_TEST(test_sampling_begins_anew_each_second),
        DEBUG_TEST(test_an_output_that_stands_still_is_waited_for),
        DEBUG_TEST(test_a_long_standstill_pushes_back_and_drain_gives_up),
        DEBUG_TEST(test_a_broken_output_is_counted),
        DEBUG_TEST(test_an_output_that_cannot_be_opened_fails_the_opening),
        DEBUG_TEST(test_broken_wire_is_rejected),
        DEBUG_TEST(test_bad_configuration_is_refused_with_words),
        DEBUG_TEST(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    return loop_fixture_main(run_group);
}
