/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/file_exporter: what stands in the file, what each key changes, rotation at its
 * limit, and files that refuse; the books balance at the end of each.
 */
#include "exporters/exporter_bounds.h"
#include "exporters/file_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codecs/compress.h"
#include "core/base/mem.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/loop_fixture.h"

#define MEGABYTE ((size_t)1024 * 1024)
/* A ResourceMetrics with an empty ScopeMetrics in it. */
#define PART "\x0A\x02\x12\x00"
#define PART_JSON "{\"scopeMetrics\":[{}]}"
#define ONE_LINE "{\"resourceMetrics\":[" PART_JSON "]}\n"
#define TWO_LINE "{\"resourceMetrics\":[" PART_JSON "," PART_JSON "]}\n"
#define PROTO_RECORD "\x00\x00\x00\x04" PART

static struct exporter_rig rig;
static char directory[64];
static char path[128];
static const struct slice parts[] = {{(const uint8_t *)PART, 4}, {(const uint8_t *)PART, 4}};

static int open_directory(void **state)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/weir_file_XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/out.json", directory);
    return loop_fixture_open(state);
}

/* Calls `visit` with the path of every file in the directory. */
static void visit_files(void (*visit)(const char *name, const char *file_path))
{
    DIR *dir = opendir(directory);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char file_path[512];
        (void)snprintf(file_path, sizeof(file_path), "%s/%s", directory, entry->d_name);
        visit(entry->d_name, file_path);
    }
    (void)closedir(dir);
}

static void remove_file(const char *name, const char *file_path)
{
    (void)name;
    (void)unlink(file_path); /* "." and ".." stay */
}

static int close_directory(void **state)
{
    visit_files(remove_file);
    (void)rmdir(directory);
    return loop_fixture_close(state);
}

#define FILE_TEST(function)                                                                        \
    cmocka_unit_test_setup_teardown(function, open_directory, close_directory)

/* `more` holds further keys in YAML's flow style, with a comma in front. */
static void open_file(void **state, const char *more)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml), "{path: %s%s}", path, more);
    rig_open(&rig, *state, file_exporter_new, SIGNAL_METRICS, yaml);
}

static size_t read_file(const char *name, void *buf, size_t cap)
{
    FILE *in = fopen(name, "rb");
    assert_non_null(in);
    size_t len = fread(buf, 1, cap, in);
    (void)fclose(in);
    return len;
}

static void assert_file(const char *name, const char *expected, size_t expected_len)
{
    char got[4096];
    assert_int_equal(read_file(name, got, sizeof(got)), expected_len);
    assert_memory_equal(got, expected, expected_len);
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "wb");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static uint64_t file_bytes(const char *name)
{
    struct stat status;
    assert_int_equal(stat(name, &status), 0);
    return (uint64_t)status.st_size;
}

/* --- formats ---------------------------------------------------------------------------------- */

static void test_json_is_one_request_per_line(void **state)
{
    open_file(state, ", flush_interval: 0s");
    rig_offer(&rig, parts, 1, 5);
    RIG_STAT_IS(&rig, items_held, 5);
    assert_false(pipeline_is_idle(&rig.pipeline)); /* answered in a later turn */
    rig_offer(&rig, parts, 2, 5);
    rig_settle(&rig);
    assert_file(path, ONE_LINE TWO_LINE, sizeof(ONE_LINE TWO_LINE) - 1);
    RIG_STAT_IS(&rig, items_delivered, 15);
    RIG_STAT_IS(&rig, requests_sent, 2);
    RIG_STAT_IS(&rig, request_bytes, sizeof(ONE_LINE TWO_LINE) - 1);
    rig_close(&rig);
}

static void test_proto_records_have_their_length_in_front(void **state)
{
    static const char expected[] = PROTO_RECORD "\x00\x00\x00\x08" PART PART;
    open_file(state, ", format: proto, flush_interval: 0s");
    rig_offer(&rig, parts, 1, 1);
    rig_offer(&rig, parts, 2, 1);
    rig_settle(&rig);
    assert_file(path, expected, sizeof(expected) - 1);
    rig_close(&rig);
}

static void test_compressed_records_have_their_length_in_front(void **state)
{
    uint8_t got[4096];
    struct bytes plain;
    open_file(state, ", compression: zstd, flush_interval: 0s");
    rig_offer(&rig, parts, 1, 1);
    rig_settle(&rig);
    size_t len = read_file(path, got, sizeof(got));
    assert_in_range(len, 5, 255);
    assert_memory_equal(got, "\0\0\0", 3);
    assert_int_equal(got[3], len - 4);
    bytes_init(&plain, 4096);
    assert_int_equal(decompress_bounded(COMPRESS_ZSTD, slice_of(got + 4, len - 4), &plain), 0);
    assert_true(slice_equal(bytes_slice(&plain),
                            slice_of(ONE_LINE, sizeof(ONE_LINE) - 2))); /* no line break */
    bytes_fini(&plain);
    rig_close(&rig);
}

static void test_traces_and_logs_are_requests_of_their_own(void **state)
{
    static const struct {
        enum signal signal;
        const char *line;
    } cases[] = {{SIGNAL_TRACES, "{\"resourceSpans\":[{\"scopeSpans\":[{}]}]}\n"},
                 {SIGNAL_LOGS, "{\"resourceLogs\":[{\"scopeLogs\":[{}]}]}\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof(yaml), "{path: %s, flush_interval: 0s}", path);
        rig_open(&rig, *state, file_exporter_new, cases[i].signal, yaml);
        rig_offer(&rig, parts, 1, 1);
        rig_settle(&rig);
        assert_file(path, cases[i].line, strlen(cases[i].line));
        rig_close(&rig);
    }
}

static void test_broken_wire_is_rejected_and_costs_nobody_else(void **state)
{
    static const struct slice broken = {(const uint8_t *)"\x0A\x7F", 2};
    open_file(state, ", flush_interval: 0s");
    rig_offer(&rig, &broken, 1, 3);
    rig_offer(&rig, parts, 1, 1);
    rig_settle(&rig);
    assert_file(path, ONE_LINE, sizeof(ONE_LINE) - 1);
    RIG_STAT_IS(&rig, items_rejected, 3);
    RIG_STAT_IS(&rig, items_delivered, 1);
    rig_close(&rig);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void test_append_keeps_what_is_there(void **state)
{
    write_file(path, "old\n");
    open_file(state, ", append: true, flush_interval: 0s");
    rig_offer(&rig, parts, 1, 1);
    rig_settle(&rig);
    assert_file(path, "old\n" ONE_LINE, 4 + sizeof(ONE_LINE) - 1);
    rig_close(&rig);
    open_file(state, "");
    assert_int_equal(file_bytes(path), 0);
    rig_close(&rig);
}

static void test_flush_interval_is_when_a_little_is_written(void **state)
{
    open_file(state, ", flush_interval: 1h");
    rig_offer(&rig, parts, 1, 1);
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    assert_true(pipeline_is_idle(&rig.pipeline)); /* answered, and held by the exporter */
    assert_int_equal(file_bytes(path), 0);
    RIG_STAT_IS(&rig, items_held, 1);
    rig_close(&rig);

    open_file(state, ", flush_interval: 200ms");
    uint64_t begin_mono_ns = loop_now_mono_ns(rig.loop);
    rig_offer(&rig, parts, 1, 1);
    rig_settle(&rig);
    assert_true(clock_mono_ns() - begin_mono_ns >= 200 * CLOCK_NS_PER_MS);
    assert_int_equal(file_bytes(path), sizeof(ONE_LINE) - 1);
    rig_close(&rig);
}

static void test_much_is_written_at_once_and_drain_writes_the_rest(void **state)
{
    static uint8_t big[FILE_WRITE_BYTES];
    open_file(state, ", format: proto, flush_interval: 1h");
    const struct slice part = slice_of(big, sizeof(big));
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    assert_int_equal(file_bytes(path), sizeof(big) + 4);
    rig_offer(&rig, parts, 1, 1);
    rig.exporter->ops->drain(rig.exporter, 0);
    assert_int_equal(file_bytes(path), sizeof(big) + 4 + 8);
    RIG_STAT_IS(&rig, items_delivered, 2);
    rig_settle(&rig);
    rig_offer(&rig, parts, 1, 1);
    rig_close(&rig); /* and so does close */
    assert_int_equal(file_bytes(path), sizeof(big) + 4 + 16);
}

static void test_create_directory_with_its_permissions(void **state)
{
    char parent[256];
    char yaml[512];
    struct stat status;
    (void)snprintf(parent, sizeof(parent), "%s/a", directory);
    (void)snprintf(yaml, sizeof(yaml), "{path: %s/b/out, flush_interval: 0s}", parent);
    assert_int_equal(rig_configure(&rig, *state, file_exporter_new, yaml), 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, *state), -ENOENT);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);

    (void)snprintf(yaml, sizeof(yaml),
                   "{path: %s/b/out, create_directory: true, directory_permissions: \"0700\"}",
                   parent);
    rig_open(&rig, *state, file_exporter_new, SIGNAL_METRICS, yaml);
    rig_close(&rig);
    assert_int_equal(stat(parent, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    (void)snprintf(yaml, sizeof(yaml), "%s/b/out", parent);
    assert_int_equal(unlink(yaml), 0);
    (void)snprintf(yaml, sizeof(yaml), "%s/b", parent);
    assert_int_equal(rmdir(yaml), 0);
    assert_int_equal(rmdir(parent), 0);
}

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } cases[] = {
        {"{}", "path"},
        {"{path: /tmp/x, format: xml}", "format"},
        {"{path: /tmp/x, compression: gzip}", "compression"},
        {"{path: /tmp/x, append: true, rotation: {}}", "append and rotation exclude each other"},
        {"{path: /tmp/x, directory_permissions: \"0798\"}", "octal"},
        {"{path: /tmp/x, directory_permissions: \"17777\"}", "octal"},
        {"{path: /tmp/x, rotation: {max_day: 1}}", "max_days"},
        {"{path: /tmp/x, rotation: {max_days: 36501}}", "max_days"},
        {"{path: /tmp/x, group_by: {enabled: true}}", "group_by"},
        {"{path: /tmp/x, encoding: otlp}", "encoding"},
        {"{path: /tmp/x, pth: 1}", "pth"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig_assert_refused(&rig, file_exporter_new, cases[i].yaml, cases[i].words);
    }
}

/* --- rotation --------------------------------------------------------------------------------- */

static int backup_count;
static char first_backup[512]; /* the lowest name */

static void count_backup(const char *name, const char *file_path)
{
    if (strncmp(name, "out-", 4) != 0) {
        return;
    }
    if (backup_count == 0 || strcmp(file_path, first_backup) < 0) {
        (void)snprintf(first_backup, sizeof(first_backup), "%s", file_path);
    }
    backup_count++;
}

/* Files beside the open one; the path of the first goes to `first` where there is one. */
static int count_backups(char *first, size_t cap)
{
    backup_count = 0;
    visit_files(count_backup);
    if (backup_count > 0) {
        (void)snprintf(first, cap, "%s", first_backup);
    }
    return backup_count;
}

/* Offers a proto record of `bytes` in all and waits until it is written. */
static void write_record(size_t bytes)
{
    static uint8_t big[2 * MEGABYTE];
    const struct slice part = slice_of(big, bytes - 4);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
}

static void test_rotation_at_the_limit_and_one_past_it(void **state)
{
    char first[512];
    open_file(state, ", format: proto, flush_interval: 0s, rotation: {max_megabytes: 1}");
    write_record(MEGABYTE - 100);
    write_record(100);
    assert_int_equal(count_backups(first, sizeof(first)), 0);
    assert_int_equal(file_bytes(path), MEGABYTE);
    write_record(5);
    assert_int_equal(count_backups(first, sizeof(first)), 1);
    assert_int_equal(file_bytes(first), MEGABYTE);
    assert_int_equal(file_bytes(path), 5);
    /* out-2006-01-02T15-04-05.000.json */
    assert_int_equal(strlen(first), strlen(directory) + strlen("/out-") + 23 + strlen(".json"));
    write_record(MEGABYTE - 4); /* 5 + 1 MiB - 4 is one byte too many */
    assert_int_equal(count_backups(first, sizeof(first)), 2);
    RIG_STAT_IS(&rig, items_delivered, 4);
    rig_close(&rig);
}

static void test_records_in_one_run_are_split_over_files(void **state)
{
    static uint8_t big[MEGABYTE - 4];
    char first[512];
    const struct slice part = slice_of(big, sizeof(big));
    open_file(state, ", format: proto, flush_interval: 0s, rotation: {max_megabytes: 1}");
    for (int i = 0; i < 5; i++) {
        rig_offer(&rig, &part, 1, 1);
    }
    rig_settle(&rig);
    /* Within one millisecond, perhaps: each has its own name all the same. */
    assert_int_equal(count_backups(first, sizeof(first)), 4);
    assert_int_equal(file_bytes(first), MEGABYTE);
    assert_int_equal(file_bytes(path), MEGABYTE);
    write_record(MEGABYTE + 1000); /* larger than a file: it has one of its own */
    assert_int_equal(file_bytes(path), MEGABYTE + 1000);
    rig_close(&rig);
}

static void test_rotation_goes_on_with_the_file_it_finds(void **state)
{
    write_file(path, "12345");
    open_file(state, ", format: proto, flush_interval: 0s, rotation: {}");
    write_record(8);
    assert_int_equal(file_bytes(path), 13);
    rig_close(&rig);
}

static void test_max_backups_and_max_days_remove_the_oldest(void **state)
{
    char old[256];
    char other[256];
    char first[512];
    (void)snprintf(old, sizeof(old), "%s/out-2001-02-03T04-05-06.789.json", directory);
    (void)snprintf(other, sizeof(other), "%s/out-2001-02-03T04-05-06.78x.json", directory);
    write_file(old, "");
    write_file(other, "");
    open_file(state, ", format: proto, flush_interval: 0s, "
                     "rotation: {max_megabytes: 1, max_backups: 2}");
    write_record(MEGABYTE);
    write_record(MEGABYTE);
    assert_int_equal(access(old, F_OK), 0); /* two of them are allowed */
    write_record(MEGABYTE);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(count_backups(first, sizeof(first)), 3); /* with the one that is not ours */
    rig_close(&rig);

    write_file(old, "");
    open_file(state, ", format: proto, flush_interval: 0s, "
                     "rotation: {max_megabytes: 1, max_backups: 0, max_days: 1}");
    write_record(MEGABYTE);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(count_backups(first, sizeof(first)), 4);
    rig_close(&rig);
}

static void test_localtime_names_old_files_by_the_local_clock(void **state)
{
    char first[512];
    time_t now = time(NULL);
    struct tm when;
    char hour[32];
    assert_int_equal(setenv("TZ", "XXX-11", 1), 0); /* eleven hours east, all year */
    tzset();
    (void)localtime_r(&now, &when);
    open_file(state, ", format: proto, flush_interval: 0s, "
                     "rotation: {max_megabytes: 1, localtime: true}");
    write_record(MEGABYTE);
    write_record(8);
    rig_close(&rig);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
    assert_int_equal(count_backups(first, sizeof(first)), 1);
    assert_true(strftime(hour, sizeof(hour), "%Y-%m-%dT%H", &when) > 0);
    if (when.tm_min < 59) {
        assert_non_null(strstr(first, hour));
    }
}

static void test_rotation_that_fails_is_tried_again(void **state)
{
    char gone[160];
    open_file(state, ", format: proto, flush_interval: 0s, rotation: {max_megabytes: 1}");
    write_record(MEGABYTE);
    (void)snprintf(gone, sizeof(gone), "%s.gone", directory);
    assert_int_equal(rename(directory, gone), 0); /* no directory: nothing can be opened */
    rig_offer(&rig, parts, 1, 1);
    loop_fixture_run(rig.loop, 5 * CLOCK_NS_PER_MS); /* the first try; another one in a second */
    RIG_STAT_IS(&rig, items_held, 1);
    assert_int_equal(rename(gone, directory), 0);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, requests_retried, 1);
    assert_file(path, PROTO_RECORD, 8);
    rig_close(&rig);
}

/* --- files that refuse ------------------------------------------------------------------------ */

static void assert_open_fails(void **state, const char *yaml, int expected)
{
    assert_int_equal(rig_configure(&rig, *state, file_exporter_new, yaml), 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, *state), expected);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

static void test_a_path_that_cannot_be_opened_fails_the_opening(void **state)
{
    char yaml[256];
    assert_open_fails(state, "{path: /proc/version/x}", -ENOTDIR);
    assert_open_fails(state, "{path: /tmp}", -EISDIR);
    assert_open_fails(state, "{path: /proc/version/x/y, create_directory: true}", -ENOTDIR);
    (void)snprintf(yaml, sizeof(yaml), "{path: %s}", path);
    assert_int_equal(chmod(directory, 0500), 0);
    uid_t user = geteuid();
    if (user == 0) {
        assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    }
    assert_open_fails(state, yaml, -EACCES);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(directory, 0700), 0);
}

static void test_a_full_disk_holds_then_pushes_back_then_is_booked(void **state)
{
    static uint8_t big[MEGABYTE];
    const struct slice part = slice_of(big, sizeof(big));
    rig_open(&rig, *state, file_exporter_new, SIGNAL_METRICS,
             "{path: /dev/full, format: proto, flush_interval: 0s}");
    uint64_t accepted_count = 0;
    while (!pipeline_is_holding(&rig.pipeline) && accepted_count < 100) {
        rig_offer(&rig, &part, 1, 1);
        assert_true(loop_turn(rig.loop, 0) >= 0);
        accepted_count += pipeline_is_holding(&rig.pipeline) ? 0 : 1;
    }
    assert_int_equal(accepted_count, FILE_PENDING_MAX_BYTES / MEGABYTE);
    RIG_STAT_IS(&rig, items_held, accepted_count);
    RIG_STAT_IS(&rig, items_delivered, 0);
    rig.exporter->ops->drain(rig.exporter, 0);
    RIG_STAT_IS(&rig, items_dropped_shutdown, accepted_count);
    assert_true(pipeline_retry(&rig.pipeline)); /* there is room again */
    rig_close(&rig);
}

static void test_a_file_size_limit_tears_no_record(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit limit = {.rlim_cur = 20, .rlim_max = before.rlim_max};
    open_file(state, ", format: proto, flush_interval: 0s");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 3; i++) {
        rig_offer(&rig, parts, 1, 1); /* 8 bytes each: two and a half fit */
    }
    loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, items_held, 1);
    rig.exporter->ops->drain(rig.exporter, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    RIG_STAT_IS(&rig, items_dropped_shutdown, 1);
    RIG_STAT_IS(&rig, items_held, 0);
    assert_file(path, PROTO_RECORD PROTO_RECORD, 16);
    rig_close(&rig);
}

static void test_a_torn_record_is_finished_when_there_is_room(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit limit = {.rlim_cur = 5, .rlim_max = before.rlim_max};
    open_file(state, ", format: proto, flush_interval: 0s");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rig_offer(&rig, parts, 1, 1);
    loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    RIG_STAT_IS(&rig, items_held, 1);
    rig_settle(&rig);
    assert_file(path, PROTO_RECORD, 8);
    RIG_STAT_IS(&rig, items_delivered, 1);
    rig_close(&rig);
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "{path: %s, compression: zstd, flush_interval: 0s}", path);
    for (uint64_t nth = 1; nth < 8; nth++) {
        assert_int_equal(rig_configure(&rig, *state, file_exporter_new, yaml), 0);
        mem_fail_nth(nth);
        int err = rig.exporter->ops->open(rig.exporter, *state);
        if (err == 0) {
            pipeline_init(&rig.pipeline, "test", SIGNAL_METRICS, &rig.exporter, 1);
            struct batch *batch = batch_new(SIGNAL_METRICS, 0);
            struct part part;
            if (batch != NULL && part_copy(&part, parts[0], SIGNAL_METRICS, 1) == 0 &&
                batch_push(batch, &part) != 0) {
                part_fini(&part);
            }
            if (batch != NULL) {
                assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
            }
            mem_fail_nth(0);
            assert_true(pipeline_retry(&rig.pipeline)); /* refused before, perhaps; not now */
            rig_settle(&rig);
            rig_close(&rig);
            continue;
        }
        mem_fail_nth(0);
        assert_int_equal(err, -ENOMEM);
        rig.exporter->ops->close(rig.exporter);
        config_fixture_fini(&rig.config);
    }
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_json_is_one_request_per_line),
        FILE_TEST(test_proto_records_have_their_length_in_front),
        FILE_TEST(test_compressed_records_have_their_length_in_front),
        FILE_TEST(test_traces_and_logs_are_requests_of_their_own),
        FILE_TEST(test_broken_wire_is_rejected_and_costs_nobody_else),
        FILE_TEST(test_append_keeps_what_is_there),
        FILE_TEST(test_flush_interval_is_when_a_little_is_written),
        FILE_TEST(test_much_is_written_at_once_and_drain_writes_the_rest),
        FILE_TEST(test_create_directory_with_its_permissions),
        FILE_TEST(test_bad_configuration_is_refused_with_words),
        FILE_TEST(test_rotation_at_the_limit_and_one_past_it),
        FILE_TEST(test_records_in_one_run_are_split_over_files),
        FILE_TEST(test_rotation_goes_on_with_the_file_it_finds),
        FILE_TEST(test_max_backups_and_max_days_remove_the_oldest),
        FILE_TEST(test_localtime_names_old_files_by_the_local_clock),
        FILE_TEST(test_rotation_that_fails_is_tried_again),
        FILE_TEST(test_a_path_that_cannot_be_opened_fails_the_opening),
        FILE_TEST(test_a_full_disk_holds_then_pushes_back_then_is_booked),
        FILE_TEST(test_a_file_size_limit_tears_no_record),
        FILE_TEST(test_a_torn_record_is_finished_when_there_is_room),
        FILE_TEST(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN); /* the limit is an error of write, not the end */
    return loop_fixture_main(run_group);
}
