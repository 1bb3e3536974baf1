/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/ecs_metrics_{json,stats,task,points,config}: the documents of
 * tests/vectors/ecs_metrics as metrics, row by row; what is not as it should be; limits; memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codecs/bytes.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/metrics.pb-c.h"
#include "io/receivers/ecs_metrics_config.h"
#include "io/receivers/ecs_metrics_json.h"
#include "io/receivers/ecs_metrics_points.h"
#include "io/receivers/ecs_metrics_task.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define NOW_NS UINT64_C(1772445600000000000)
#define VECTORS WEIR_SOURCE_DIR "/tests/vectors/ecs_metrics/"
#define ARN "\"TaskARN\":\"arn:aws:ecs:eu-west-1:1:task/c/t\""
#define FILE_MAX_BYTES 65536
#define RUN_BYTES 65536

typedef Opentelemetry__Proto__Metrics__V1__MetricsData metrics_data;
typedef Opentelemetry__Proto__Metrics__V1__ResourceMetrics resource_metrics;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;

static struct ecs_task task;
static struct ecs_points points;
static struct bytes shown;
static uint8_t run_buf[RUN_BYTES];

static int set_up(void **state)
{
    (void)state;
    bytes_init(&shown, 1024 * 1024);
    return ecs_task_init(&task);
}

static int tear_down(void **state)
{
    (void)state;
    ecs_task_fini(&task);
    ecs_task_fini(&task);
    bytes_fini(&shown);
    return 0;
}

/* --- metrics as text -------------------------------------------------------------------------- */

static void show(const char *text)
{
    bytes_append(&shown, text, strlen(text));
}

static void show_slice(struct slice text)
{
    bytes_append(&shown, text.ptr, text.len);
}

static void show_integer(int64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    show("int ");
    bytes_append(&shown, text, number_format_i64(value, text, sizeof(text)));
}

static void show_attribute(const key_value *pair)
{
    show("  ");
    show_slice(pb_slice(pair->key));
    show(" =");
    if (pair->value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE) {
        show(" ");
        show_integer(pair->value->int_value);
    } else if (pair->value->string_value.len > 0) {
        show(" ");
        show_slice(pb_slice(pair->value->string_value));
    }
    show("\n");
}

static void show_metric(const metric_message *metric)
{
    bool is_sum = metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM;
    size_t count = is_sum ? metric->sum->n_data_points : metric->gauge->n_data_points;
    assert_int_equal(count, 1);
    const number_point *point =
        is_sum ? metric->sum->data_points[0] : metric->gauge->data_points[0];
    assert_true(point->time_unix_nano == NOW_NS);
    assert_false(point->has_start_time_unix_nano);
    assert_int_equal(point->n_attributes, 0);
    if (is_sum) {
        assert_int_equal(metric->sum->aggregation_temporality, OTLP_TEMPORALITY_CUMULATIVE);
        assert_false(metric->sum->is_monotonic);
    }
    show(is_sum ? "  sum " : "  gauge ");
    show_slice(pb_slice(metric->name));
    show(" ");
    show_slice(pb_slice(metric->unit));
    show(" ");
    if (point->value_case ==
        OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE) {
        char text[NUMBER_TEXT_MAX_BYTES];
        show("double ");
        bytes_append(&shown, text, number_format_f64(point->as_double, text, sizeof(text)));
    } else {
        show_integer(point->as_int);
    }
    show("\n");
}

static void show_resource(const resource_metrics *resource)
{
    assert_true(
        slice_is_text(pb_slice(resource->schema_url), "https://opentelemetry.io/schemas/1.21.0"));
    show("resource\n");
    for (size_t i = 0; i < resource->resource->n_attributes; i++) {
        show_attribute(resource->resource->attributes[i]);
    }
    assert_int_equal(resource->n_scope_metrics, 1);
    assert_int_equal(resource->scope_metrics[0]->scope->name.len, 0);
    for (size_t i = 0; i < resource->scope_metrics[0]->n_metrics; i++) {
        show_metric(resource->scope_metrics[0]->metrics[i]);
    }
}

/* A run is what it says, and is shown. */
static void show_run(struct slice run)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct otlp_counts counts;
    assert_int_equal(otlp_walk(SIGNAL_METRICS, run, &counts, NULL), 0);
    assert_false(counts.is_irregular);
    assert_int_equal(counts.item_count, points.point_count);
    assert_int_equal(arena_init(&arena, 65536, 16 * 1024 * 1024), 0);
    assert_int_equal(pb_decode(&opentelemetry__proto__metrics__v1__metrics_data__descriptor, run,
                               &arena, NULL, &message),
                     0);
    const metrics_data *data = (const metrics_data *)(const void *)message;
    for (size_t i = 0; i < data->n_resource_metrics; i++) {
        show_resource(data->resource_metrics[i]);
    }
    arena_fini(&arena);
}

/* All runs of the task, in buffers of `cap` bytes; how many there are. */
static uint32_t show_task(size_t cap)
{
    struct slice run;
    uint32_t count = 0;
    assert_true(cap <= sizeof(run_buf));
    bytes_clear(&shown);
    ecs_points_begin(&points, &task, NOW_NS);
    while (ecs_points_next(&points, run_buf, cap, &run)) {
        assert_true(run.len <= cap);
        show_run(run);
        count++;
    }
    assert_int_equal(shown.err, 0);
    return count;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_both(const char *task_json, const char *stats_json)
{
    assert_int_equal(ecs_task_read(&task, slice_of_text(task_json)), 0);
    assert_int_equal(ecs_task_read_stats(&task, slice_of_text(stats_json)), 0);
}

/* A task with one container "a" whose statistics have an id and, behind it, `members`. */
static const struct ecs_figures *figures_of(const char *members)
{
    char stats[4096];
    (void)snprintf(stats, sizeof(stats), "{\"a\":{\"id\":\"x\"%s}}", members);
    read_both("{" ARN ",\"Containers\":[{\"DockerId\":\"a\"}]}", stats);
    return task.containers[0].state == ECS_CONTAINER_RUNNING ? &task.containers[0].figures : NULL;
}

static struct slice read_file(const char *name, const char *ending, char *buf)
{
    char path[512];
    (void)snprintf(path, sizeof(path), VECTORS "%s.%s", name, ending);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(buf, 1, FILE_MAX_BYTES, file);
    assert_true(len > 0 && len < FILE_MAX_BYTES);
    (void)fclose(file);
    return slice_of(buf, len);
}

static const char *const vector_names[] = {"fargate", "ec2", "external"};

/* --- vectors ---------------------------------------------------------------------------------- */

static struct slice take_line(struct slice *rest)
{
    size_t at = slice_find(*rest, '\n');
    struct slice line = slice_first(*rest, at);
    *rest = slice_from(*rest, at < rest->len ? at + 1 : at);
    return line;
}

static void assert_shown(const char *name, struct slice wanted)
{
    struct slice found = bytes_slice(&shown);
    for (uint32_t number = 1; wanted.len > 0 || found.len > 0; number++) {
        struct slice wanted_line = take_line(&wanted);
        struct slice found_line = take_line(&found);
        if (!slice_equal(wanted_line, found_line)) {
            print_error("%s, line %u: '%.*s', not '%.*s'\n", name, number, (int)found_line.len,
                        (const char *)found_line.ptr, (int)wanted_line.len,
                        (const char *)wanted_line.ptr);
            fail();
        }
    }
}

static void test_vectors_become_their_metrics(void **state)
{
    (void)state;
    static char task_json[FILE_MAX_BYTES];
    static char stats_json[FILE_MAX_BYTES];
    static char wanted[FILE_MAX_BYTES];
    for (size_t i = 0; i < COUNT_OF(vector_names); i++) {
        const char *name = vector_names[i];
        assert_int_equal(ecs_task_read(&task, read_file(name, "task.json", task_json)), 0);
        memset(task_json, 'x', sizeof(task_json)); /* it is not borrowed */
        assert_int_equal(ecs_task_read_stats(&task, read_file(name, "stats.json", stats_json)), 0);
        memset(stats_json, 'x', sizeof(stats_json));
        assert_int_equal(show_task(RUN_BYTES), 1);
        assert_int_equal(points.too_large_count, 0);
        assert_shown(name, read_file(name, "metrics.txt", wanted));
    }
}

static void test_what_vectors_leave_out(void **state)
{
    (void)state;
    static char buf[FILE_MAX_BYTES];
    static const struct ecs_left_out wanted[] = {
        {.odd_values = 0}, {.no_stats = 1}, {.no_stats = 1}};
    for (size_t i = 0; i < COUNT_OF(vector_names); i++) {
        assert_int_equal(ecs_task_read(&task, read_file(vector_names[i], "task.json", buf)), 0);
        assert_int_equal(ecs_task_read_stats(&task, read_file(vector_names[i], "stats.json", buf)),
                         0);
        assert_memory_equal(&task.left_out, &wanted[i], sizeof(wanted[i]));
    }
}

/* Whatever is cut off, nothing is left that counts as a document. */
static void test_documents_that_end_early_are_refused(void **state)
{
    (void)state;
    static char task_json[FILE_MAX_BYTES];
    static char stats_json[FILE_MAX_BYTES];
    struct slice whole = read_file("fargate", "task.json", task_json);
    struct slice stats = read_file("fargate", "stats.json", stats_json);
    while (whole.len > 0 && whole.ptr[whole.len - 1] != '}') {
        whole.len--;
    }
    while (stats.len > 0 && stats.ptr[stats.len - 1] != '}') {
        stats.len--;
    }
    for (size_t len = 0; len < whole.len; len += 1 + len % 7) {
        assert_int_equal(ecs_task_read(&task, slice_first(whole, len)), FAULT_MALFORMED);
    }
    for (size_t len = 0; len < stats.len; len += 1 + len % 7) {
        assert_int_equal(ecs_task_read(&task, whole), 0);
        assert_int_equal(ecs_task_read_stats(&task, slice_first(stats, len)), FAULT_MALFORMED);
    }
}

static void test_what_is_no_document(void **state)
{
    (void)state;
    static const char *const TASKS[] = {"",
                                        "null",
                                        "[]",
                                        "1",
                                        "\"x\"",
                                        "{}",
                                        "{" ARN "} x",
                                        "{" ARN ",}",
                                        "<html></html>",
                                        "{\"TaskARN\":\"\"}",
                                        "{\"TaskARN\":null}",
                                        "{\"TaskARN\":7}",
                                        "{\"Cluster\":\"c\"}"};
    static const char *const STATS[] = {"", "null", "[]", "{\"a\":{}", "{\"a\":{}}}", "{a:1}"};
    for (size_t i = 0; i < COUNT_OF(TASKS); i++) {
        assert_int_equal(ecs_task_read(&task, slice_of_text(TASKS[i])), FAULT_MALFORMED);
    }
    for (size_t i = 0; i < COUNT_OF(STATS); i++) {
        assert_int_equal(ecs_task_read(&task, SLICE_LITERAL("{" ARN "}")), 0);
        assert_int_equal(ecs_task_read_stats(&task, slice_of_text(STATS[i])), FAULT_MALFORMED);
    }
}

static void test_a_task_without_containers_has_its_own_points(void **state)
{
    (void)state;
    read_both("{" ARN "}", "{}");
    assert_int_equal(show_task(RUN_BYTES), 1);
    assert_int_equal(points.point_count, 0); /* of the run that did not come */
    read_both("{" ARN ",\"Containers\":null}", "{\"a\":{\"id\":\"b\"}}");
    assert_int_equal(show_task(RUN_BYTES), 1);
    assert_int_equal(task.left_out.odd_values, 0);
}

/* --- what is not as it should be -------------------------------------------------------------- */

static void test_strange_members_of_a_task_are_counted(void **state)
{
    (void)state;
    read_both("{" ARN ",\"Cluster\":7,\"Family\":{\"Family\":\"x\"},\"Limits\":{\"CPU\":\"1\","
              "\"Memory\":-1},\"EphemeralStorageMetrics\":[1],\"Containers\":[4,"
              "{\"DockerId\":\"a\",\"ExitCode\":1.5,\"Limits\":{\"CPU\":1e19,\"Memory\":1.0}}]}",
              "{\"a\":{\"id\":\"x\"}}");
    assert_int_equal(task.left_out.odd_values, 9);
    assert_int_equal(task.container_count, 1);
    assert_false(task.containers[0].has_exit_code);
    assert_false(task.containers[0].limits.has_cpu || task.containers[0].limits.has_memory);
    assert_false(task.limits.has_cpu || task.limits.has_memory);
    assert_int_equal(show_task(RUN_BYTES), 1);
    read_both("{" ARN ",\"Containers\":{}}", "{}");
    assert_int_equal(task.left_out.odd_values, 1);
}

static void test_strange_figures_silence_their_container(void **state)
{
    (void)state;
    static const char *const ODD[] = {
        ",\"memory_stats\":[]",
        ",\"memory_stats\":{\"usage\":-1}",
        ",\"memory_stats\":{\"usage\":1.5}",
        ",\"memory_stats\":{\"usage\":1e3}",
        ",\"memory_stats\":{\"usage\":\"1\"}",
        ",\"memory_stats\":{\"usage\":18446744073709551616}",
        ",\"memory_stats\":{\"stats\":{\"cache\":{}}}",
        ",\"memory_stats\":{\"stats\":7}",
        ",\"cpu_stats\":{\"cpu_usage\":7}",
        ",\"cpu_stats\":{\"cpu_usage\":{\"percpu_usage\":{}}}",
        ",\"precpu_stats\":{\"online_cpus\":[]}",
        ",\"networks\":[]",
        ",\"networks\":{\"eth0\":7}",
        ",\"networks\":{\"eth0\":{\"rx_bytes\":true}}",
        ",\"network_rate_stats\":{\"rx_bytes_per_sec\":1e400}",
        ",\"network_rate_stats\":{\"tx_bytes_per_sec\":1.1e18}",
        ",\"network_rate_stats\":{\"tx_bytes_per_sec\":\"NaN\"}",
        ",\"blkio_stats\":{\"io_service_bytes_recursive\":{}}",
        ",\"blkio_stats\":{\"io_service_bytes_recursive\":[7]}",
        ",\"blkio_stats\":{\"io_service_bytes_recursive\":[{\"op\":\"Read\",\"value\":-1}]}",
        ",\"read\":7",
    };
    for (size_t i = 0; i < COUNT_OF(ODD); i++) {
        if (figures_of(ODD[i]) != NULL) {
            print_error("taken: %s\n", ODD[i]);
            fail();
        }
        assert_int_equal(task.containers[0].state, ECS_CONTAINER_ODD);
        assert_int_equal(task.left_out.odd_stats, 1);
        assert_int_equal(task.left_out.odd_values, 0);
        assert_int_equal(task.figures.counts[ECS_COUNT_MEMORY_USAGE], 0);
    }
    read_both("{" ARN ",\"Containers\":[{\"DockerId\":\"a\"},{\"DockerId\":\"b\"}]}",
              "{\"a\":{\"id\":\"a\",\"memory_stats\":{\"usage\":-1}},"
              "\"b\":{\"id\":\"b\",\"memory_stats\":{\"usage\":4}}}");
    assert_int_equal(task.containers[1].state, ECS_CONTAINER_RUNNING);
    assert_int_equal(task.figures.counts[ECS_COUNT_MEMORY_USAGE], 4);
}

static void test_absent_and_null_figures_are_zero(void **state)
{
    (void)state;
    static const char *const NONE[] = {
        "",
        ",\"memory_stats\":null,\"cpu_stats\":null,\"precpu_stats\":null,\"networks\":null,"
        "\"network_rate_stats\":null,\"blkio_stats\":null,\"read\":null,\"preread\":null",
        ",\"memory_stats\":{\"usage\":null,\"stats\":null},\"cpu_stats\":{\"cpu_usage\":null,"
        "\"online_cpus\":null},\"networks\":{\"eth0\":null},\"network_rate_stats\":{},"
        "\"blkio_stats\":{\"io_service_bytes_recursive\":[null,{\"op\":null,\"value\":3},"
        "{\"op\":\"Read\",\"value\":null},{\"op\":\"Discard\",\"value\":9}]}",
    };
    const struct ecs_figures zero = {0};
    for (size_t i = 0; i < COUNT_OF(NONE); i++) {
        const struct ecs_figures *figures = figures_of(NONE[i]);
        assert_non_null(figures);
        assert_memory_equal(figures, &zero, sizeof(zero));
    }
    read_both("{" ARN ",\"Containers\":[{\"DockerId\":\"a\"},{\"DockerId\":\"b\"},{}]}",
              "{\"a\":{\"id\":\"\",\"memory_stats\":{\"usage\":4}},\"b\":null}");
    assert_int_equal(task.left_out.no_stats, 3);
    assert_int_equal(task.figures.counts[ECS_COUNT_MEMORY_USAGE], 0);
}

static void test_counts_stop_at_the_most_that_otlp_has(void **state)
{
    (void)state;
    const struct ecs_figures *figures =
        figures_of(",\"memory_stats\":{\"usage\":9223372036854775807,\"limit\":"
                   "9223372036854775808,\"max_usage\":18446744073709551615},\"networks\":{"
                   "\"a\":{\"rx_bytes\":9223372036854775807},\"b\":{\"rx_bytes\":1}}");
    assert_non_null(figures);
    assert_true(figures->counts[ECS_COUNT_MEMORY_USAGE] == INT64_MAX);
    assert_true(figures->counts[ECS_COUNT_MEMORY_LIMIT] == INT64_MAX);
    assert_true(figures->counts[ECS_COUNT_MEMORY_MAX] == INT64_MAX);
    assert_true(figures->counts[ECS_COUNT_RX_BYTES] == INT64_MAX);
    assert_true(task.figures.counts[ECS_COUNT_MEMORY_LIMIT] == INT64_MAX);
}

static void test_memory_that_can_be_taken_back(void **state)
{
    (void)state;
    static const struct {
        const char *memory;
        uint64_t utilized_mib;
    } CASES[] = {
        {"\"usage\":3145728,\"stats\":{\"cache\":1048576,\"inactive_file\":2097152}", 2},
        {"\"usage\":3145728,\"stats\":{\"inactive_file\":2097152}", 1},
        {"\"usage\":3145728,\"stats\":{\"cache\":0,\"inactive_file\":2097152}", 3},
        {"\"usage\":3145728,\"stats\":{}", 3},
        {"\"usage\":3145728", 0},
        {"\"usage\":3145728,\"stats\":{\"cache\":3145728}", 0},
        {"\"usage\":3145728,\"stats\":{\"cache\":3145729}", 0},
        {"\"usage\":1048575,\"stats\":{}", 0},
        {"\"usage\":1048576,\"stats\":{}", 1},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char members[256];
        (void)snprintf(members, sizeof(members), ",\"memory_stats\":{%s}", CASES[i].memory);
        const struct ecs_figures *figures = figures_of(members);
        assert_non_null(figures);
        assert_int_equal(figures->counts[ECS_COUNT_MEMORY_UTILIZED], CASES[i].utilized_mib);
    }
}

static void test_processors_in_use_between_two_readings(void **state)
{
    (void)state;
    static const struct {
        const char *read;
        const char *preread;
        uint64_t total_ns;
        uint64_t before_ns;
        double vcpu;
    } CASES[] = {
        {"2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z", 5000000000, 1000000000, 2},
        {"2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00Z", 3, 1, 2},
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 5, 1, 0},
        {"2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 5, 1, 0},
        {"2026-01-01T00:00:02Z", "0001-01-01T00:00:00Z", 5, 1, 0},
        {"2026-01-01T00:00:02Z", "nonsense", 5, 1, 0},
        {"", "2026-01-01T00:00:00Z", 5, 1, 0},
        {"2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z", 1, 5, 0},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char members[512];
        (void)snprintf(members, sizeof(members),
                       ",\"read\":\"%s\",\"preread\":\"%s\",\"cpu_stats\":{\"cpu_usage\":"
                       "{\"total_usage\":%ju}},\"precpu_stats\":{\"cpu_usage\":"
                       "{\"total_usage\":%ju}}",
                       CASES[i].read, CASES[i].preread, (uintmax_t)CASES[i].total_ns,
                       (uintmax_t)CASES[i].before_ns);
        const struct ecs_figures *figures = figures_of(members);
        assert_non_null(figures);
        assert_int_equal(figures->counts[ECS_COUNT_CPU_TOTAL], CASES[i].total_ns);
        assert_true(figures->levels[ECS_LEVEL_VCPU] == CASES[i].vcpu);
        assert_true(figures->levels[ECS_LEVEL_CPU_UTILIZED] == CASES[i].vcpu * 100);
    }
    const struct ecs_figures *figures =
        figures_of(",\"read\":\"2026-01-01T00:00:02Z\",\"preread\":\"2026-01-01T00:00:00Z\","
                   "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":9}}");
    assert_non_null(figures);
    assert_int_equal(figures->counts[ECS_COUNT_CPU_TOTAL], 9); /* the first reading counts */
    assert_true(figures->levels[ECS_LEVEL_VCPU] == 0);
}

static void test_a_limit_near_nothing_keeps_figures_finite(void **state)
{
    (void)state;
    static const char STATS[] =
        "{\"a\":{\"id\":\"a\",\"read\":\"2026-01-01T00:00:00.000000001Z\","
        "\"preread\":\"2026-01-01T00:00:00Z\",\"cpu_stats\":{\"cpu_usage\":"
        "{\"total_usage\":9223372036854775807}},\"precpu_stats\":{\"cpu_usage\":{}}}}";
    read_both("{" ARN ",\"Limits\":{\"CPU\":1e18},\"Containers\":[{\"DockerId\":\"a\","
              "\"Limits\":{\"CPU\":1e-300}}]}",
              STATS);
    for (uint32_t i = 0; i < ECS_LEVEL_LIMIT; i++) {
        assert_true(isfinite(task.containers[0].figures.levels[i]));
        assert_true(isfinite(task.figures.levels[i]));
    }
    read_both("{" ARN ",\"Containers\":[{\"DockerId\":\"a\",\"Limits\":{\"CPU\":-1}}]}", STATS);
    assert_true(task.containers[0].figures.levels[ECS_LEVEL_CPU_UTILIZED] > 1e18);
    assert_true(task.figures.levels[ECS_LEVEL_CPU_UTILIZED] == 0);
}

static void test_images_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *image;
        const char *name;
        const char *tag;
    } CASES[] = {
        {"", "", ""},
        {"nginx", "nginx", "latest"},
        {"nginx:1.27", "nginx", "1.27"},
        {"host:5000/a/b", "host:5000/a/b", "latest"},
        {"host:5000/a/b:c", "host:5000/a/b", "c"},
        {"a@sha256:00", "a", "latest"},
        {"a:1@sha256:00", "a", "1"},
        {":", "", ""},
        {"@", "", "latest"},
        {"a:", "a", ""},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json), "{" ARN ",\"Containers\":[{\"Image\":\"%s\"}]}",
                       CASES[i].image);
        assert_int_equal(ecs_task_read(&task, slice_of_text(json)), 0);
        const struct slice *texts = task.containers[0].texts;
        assert_true(slice_is_text(texts[ECS_CONTAINER_IMAGE], CASES[i].name));
        assert_true(slice_is_text(texts[ECS_CONTAINER_IMAGE_TAG], CASES[i].tag));
    }
}

static void test_arns_that_are_none(void **state)
{
    (void)state;
    static const char *const ARNS[] = {"x", "arn:aws", "arn:aws:ecs", "arn:aws:ec2:r:1:task/t",
                                       "arn:gcp:ecs:r:1:task/t"};
    for (size_t i = 0; i < COUNT_OF(ARNS); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json), "{\"TaskARN\":\"%s\",\"LaunchType\":\"Ec2\"}", ARNS[i]);
        assert_int_equal(ecs_task_read(&task, slice_of_text(json)), 0);
        assert_int_equal(task.texts[ECS_TASK_REGION].len, 0);
        assert_int_equal(task.texts[ECS_TASK_ACCOUNT].len, 0);
        assert_int_equal(task.texts[ECS_TASK_ID].len, 0);
        assert_true(slice_is_text(task.texts[ECS_TASK_ARN], ARNS[i]));
        assert_true(slice_is_text(task.texts[ECS_TASK_LAUNCH_TYPE_SMALL], "ec2"));
    }
}

static void test_times(void **state)
{
    (void)state;
    const uint64_t day_ns = UINT64_C(1767225600) * CLOCK_NS_PER_S;
    static const char *const NONE[] = {"",
                                       "x",
                                       "2026-01-01",
                                       "0001-01-01T00:00:00Z",
                                       "1969-12-31T23:59:59Z",
                                       "2600-01-01T00:00:00Z",
                                       "2026-01-01T00:00:00",
                                       "2026-01-01T00:00:00.Z"};
    assert_true(ecs_time_parse(SLICE_LITERAL("2026-01-01T00:00:00Z")) == day_ns);
    assert_true(ecs_time_parse(SLICE_LITERAL("2026-01-01T00:00:00.5Z")) == day_ns + 500000000);
    assert_true(ecs_time_parse(SLICE_LITERAL("2026-01-01T00:00:00.000000001Z")) == day_ns + 1);
    assert_true(ecs_time_parse(SLICE_LITERAL("2026-01-01T00:00:00.0000000019Z")) == day_ns + 1);
    assert_true(ecs_time_parse(SLICE_LITERAL("2026-01-01T02:00:00.25+02:00")) ==
                day_ns + 250000000);
    for (size_t i = 0; i < COUNT_OF(NONE); i++) {
        assert_true(ecs_time_parse(slice_of_text(NONE[i])) == 0);
    }
}

static void test_containers_that_ended(void **state)
{
    (void)state;
    read_both("{" ARN ",\"Containers\":["
              "{\"StartedAt\":\"2026-01-01T00:00:00Z\",\"FinishedAt\":\"2026-01-01T00:00:01.5Z\"},"
              "{\"StartedAt\":\"2026-01-01T00:00:02Z\",\"FinishedAt\":\"2026-01-01T00:00:00Z\"},"
              "{\"StartedAt\":\"2026-01-01T00:00:00Z\",\"FinishedAt\":\"yesterday\"},"
              "{\"StartedAt\":\"\",\"FinishedAt\":\"2026-01-01T00:00:00Z\"},"
              "{\"StartedAt\":\"2026-01-01T00:00:00Z\"}]}",
              "{}");
    assert_true(task.containers[0].duration_s == 1.5);
    assert_true(task.containers[1].duration_s == -2);
    assert_int_equal(task.left_out.odd_times, 1);
    assert_int_equal(task.left_out.no_stats, 2);
    assert_int_equal(show_task(RUN_BYTES), 1);
}

static void test_members_given_twice(void **state)
{
    (void)state;
    read_both("{" ARN ",\"Containers\":[{},{}],\"Containers\":[{\"DockerId\":\"a\","
              "\"DockerId\":\"b\"}],\"Family\":\"x\",\"Family\":\"y\"}",
              "{\"b\":{\"id\":\"b\",\"memory_stats\":{\"usage\":1}},"
              "\"b\":{\"id\":\"b\",\"memory_stats\":{\"usage\":2}}}");
    assert_int_equal(task.container_count, 1);
    assert_true(slice_is_text(task.texts[ECS_TASK_FAMILY], "y"));
    assert_int_equal(task.figures.counts[ECS_COUNT_MEMORY_USAGE], 2);
}

/* --- limits ----------------------------------------------------------------------------------- */

/* A task with `count` containers, each using as many bytes as its place says. */
static void read_many(uint32_t count, const char *name)
{
    struct bytes task_json;
    struct bytes stats_json;
    char text[512];
    bytes_init(&task_json, 1024 * 1024);
    bytes_init(&stats_json, 1024 * 1024);
    bytes_append(&task_json, "{" ARN ",\"Containers\":[", strlen("{" ARN ",\"Containers\":["));
    bytes_append_byte(&stats_json, '{');
    for (uint32_t i = 0; i < count; i++) {
        const char *comma = i > 0 ? "," : "";
        int len = snprintf(text, sizeof(text), "%s{\"DockerId\":\"c%u\",\"Name\":\"%s\"}", comma, i,
                           name);
        bytes_append(&task_json, text, (size_t)len);
        len =
            snprintf(text, sizeof(text),
                     "%s\"c%u\":{\"id\":\"c%u\",\"memory_stats\":{\"usage\":%u}}", comma, i, i, i);
        bytes_append(&stats_json, text, (size_t)len);
    }
    bytes_append(&task_json, "]}", 2);
    bytes_append_byte(&stats_json, '}');
    assert_int_equal(task_json.err, 0);
    assert_int_equal(ecs_task_read(&task, bytes_slice(&task_json)), 0);
    assert_int_equal(ecs_task_read_stats(&task, bytes_slice(&stats_json)), 0);
    bytes_fini(&task_json);
    bytes_fini(&stats_json);
}

static void test_containers_at_the_limit_and_one_past_it(void **state)
{
    (void)state;
    read_many(ECS_CONTAINERS_MAX, "x");
    assert_int_equal(task.container_count, ECS_CONTAINERS_MAX);
    assert_int_equal(task.left_out.too_many, 0);
    assert_int_equal(task.figures.counts[ECS_COUNT_MEMORY_USAGE],
                     ECS_CONTAINERS_MAX * (ECS_CONTAINERS_MAX - 1) / 2);
    read_many(ECS_CONTAINERS_MAX + 1, "x");
    assert_int_equal(task.container_count, ECS_CONTAINERS_MAX);
    assert_int_equal(task.left_out.too_many, 1);
}

/* Runs hold what fits, in any buffer that holds one resource, and nothing comes twice. */
static void test_runs_of_every_size_hold_the_same(void **state)
{
    (void)state;
    static char whole[RUN_BYTES * 4];
    uint32_t run_count = 0;
    read_many(10, "x");
    assert_int_equal(show_task(RUN_BYTES), 1);
    size_t whole_len = shown.len;
    memcpy(whole, shown.ptr, whole_len);
    for (size_t cap = 3500; cap < 40000; cap += 501) {
        uint32_t count = show_task(cap);
        assert_int_equal(points.too_large_count, 0);
        assert_true(run_count == 0 || count <= run_count);
        assert_int_equal(shown.len, whole_len); /* the runs come last first */
        run_count = count;
    }
    assert_int_equal(run_count, 1);
    assert_int_equal(show_task(RUN_BYTES), 1);
    assert_memory_equal(shown.ptr, whole, whole_len);
}

static void test_resources_without_room_are_counted(void **state)
{
    (void)state;
    char name[301];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    read_many(3, name);
    assert_int_equal(show_task(16), 0);
    assert_int_equal(points.too_large_count, 3 * ECS_CONTAINER_POINTS + ECS_TASK_POINTS);
    size_t cap = 1; /* which has room for the task, but not for a container */
    while (points.too_large_count != 3 * ECS_CONTAINER_POINTS) {
        cap++;
        assert_true(cap < RUN_BYTES);
        (void)show_task(cap);
    }
    assert_int_equal(show_task(cap), 1);
    read_many(3, ""); /* and now for these, too */
    while (points.too_large_count != 0) {
        cap++;
        assert_true(cap < RUN_BYTES);
        (void)show_task(cap);
    }
}

static void test_refused_memory(void **state)
{
    (void)state;
    static uint8_t large[200000];
    struct ecs_task other;
    mem_fail_nth(1);
    assert_int_equal(ecs_task_init(&other), -ENOMEM);
    mem_fail_nth(0);
    ecs_task_fini(&other);
    memset(large, ' ', sizeof(large));
    mem_fail_nth(1);
    assert_int_equal(ecs_task_read(&task, slice_of(large, sizeof(large))), FAULT_LIMIT);
    mem_fail_nth(0);
    assert_int_equal(ecs_task_read(&task, slice_of(large, sizeof(large))), FAULT_MALFORMED);
    read_both("{" ARN "}", "{}");
}

/* --- settings --------------------------------------------------------------------------------- */

static struct config_fixture fixture;

static int read_settings(const char *yaml, struct ecs_metrics_config *config)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.awsecscontainermetrics");
    return ecs_metrics_config_read(&reader, config);
}

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        uint64_t interval_ms;
    } GOOD[] = {
        {"", 20000}, {"collection_interval: 40s", 40000}, {"collection_interval: 100ms", 100}};
    static const struct {
        const char *yaml;
        const char *words;
    } BAD[] = {
        {"collection_interval: 0s", "collection_interval must be at least 100ms"},
        {"collection_interval: 99ms", "collection_interval must be at least 100ms"},
        {"collection_interval: often", "collection_interval"},
        {"instance_level_metrics: true", "not supported yet"},
        {"interval: 20s", "unknown key 'interval'"},
    };
    struct ecs_metrics_config config;
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        assert_int_equal(read_settings(GOOD[i].yaml, &config), 0);
        assert_true(config.interval_ns == GOOD[i].interval_ms * CLOCK_NS_PER_MS);
        config_fixture_fini(&fixture);
    }
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        assert_int_equal(read_settings(BAD[i].yaml, &config), FAULT_CONFIG);
        const char *printed = config_fixture_printed(&fixture);
        if (strstr(printed, BAD[i].words) == NULL) {
            print_error("for '%s': %s", BAD[i].yaml, printed);
            fail();
        }
        assert_int_equal(fixture.report.error_count, 1);
        config_fixture_fini(&fixture);
    }
}

#define TASK_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TASK_TEST(test_vectors_become_their_metrics),
        TASK_TEST(test_what_vectors_leave_out),
        TASK_TEST(test_documents_that_end_early_are_refused),
        TASK_TEST(test_what_is_no_document),
        TASK_TEST(test_a_task_without_containers_has_its_own_points),
        TASK_TEST(test_strange_members_of_a_task_are_counted),
        TASK_TEST(test_strange_figures_silence_their_container),
        TASK_TEST(test_absent_and_null_figures_are_zero),
        TASK_TEST(test_counts_stop_at_the_most_that_otlp_has),
        TASK_TEST(test_memory_that_can_be_taken_back),
        TASK_TEST(test_processors_in_use_between_two_readings),
        TASK_TEST(test_a_limit_near_nothing_keeps_figures_finite),
        TASK_TEST(test_images_are_taken_apart),
        TASK_TEST(test_arns_that_are_none),
        TASK_TEST(test_containers_that_ended),
        TASK_TEST(test_members_given_twice),
        TASK_TEST(test_containers_at_the_limit_and_one_past_it),
        TASK_TEST(test_runs_of_every_size_hold_the_same),
        TASK_TEST(test_resources_without_room_are_counted),
        TASK_TEST(test_refused_memory),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
