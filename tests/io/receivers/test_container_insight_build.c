/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_build: every metric's value and unit computed by hand,
 * who the host is in each resource, counters that fell, parts that are missing, full samples and
 * short buffers. Read back by the generated unpacker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/otlp/proto/metrics.pb-c.h"
#include "io/receivers/container_insight_build.h"

#define UNIX_NS UINT64_C(1700000000123456789)

typedef Opentelemetry__Proto__Metrics__V1__MetricsData metrics_data;
typedef Opentelemetry__Proto__Metrics__V1__ResourceMetrics resource_metrics;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;

static struct container_insight_labels labels;
static struct container_insight_sample before;
static struct container_insight_sample now;
static uint8_t output[CONTAINER_INSIGHT_OUTPUT_BYTES];
static struct container_insight_metrics metrics;
static metrics_data *data;

/* --- building and reading --------------------------------------------------------------------- */

/* Two looks, two seconds apart, at nothing. */
static int set_up(void **state)
{
    (void)state;
    memset(&before, 0, sizeof(before));
    memset(&now, 0, sizeof(now));
    before.time_mono_ns = CLOCK_NS_PER_S;
    now.time_mono_ns = 3 * CLOCK_NS_PER_S;
    now.time_unix_ns = UNIX_NS;
    labels = (struct container_insight_labels){.instance = {.cluster = "blue", .id = {"47c0"}},
                                               .instance_id = "i-1",
                                               .instance_type = "c7g.large",
                                               .node_name = "node"};
    return 0;
}

static void forget(void)
{
    if (data != NULL) {
        opentelemetry__proto__metrics__v1__metrics_data__free_unpacked(data, NULL);
        data = NULL;
    }
}

static int tear_down(void **state)
{
    (void)state;
    forget();
    return 0;
}

static int build_in(size_t cap)
{
    forget();
    int err = container_insight_build(&labels, &before, &now, output, cap, &metrics);
    data = opentelemetry__proto__metrics__v1__metrics_data__unpack(NULL, metrics.bytes.len,
                                                                   metrics.bytes.ptr);
    assert_non_null(data);
    uint32_t count = 0;
    for (size_t i = 0; i < data->n_resource_metrics; i++) {
        assert_int_equal(data->resource_metrics[i]->n_scope_metrics, 1);
        count += (uint32_t)data->resource_metrics[i]->scope_metrics[0]->n_metrics;
    }
    assert_int_equal(count, metrics.point_count);
    return err;
}

static void build(void)
{
    assert_int_equal(build_in(sizeof(output)), 0);
}

static bool is_text(ProtobufCBinaryData data_bytes, const char *text)
{
    return slice_is_text(slice_of(data_bytes.data, data_bytes.len), text);
}

/* NULL where there is none; good until the fourth next call. */
static const char *attribute(const resource_metrics *resource, const char *key)
{
    static char texts[4][512];
    static size_t next;
    for (size_t i = 0; i < resource->resource->n_attributes; i++) {
        if (is_text(resource->resource->attributes[i]->key, key)) {
            ProtobufCBinaryData value = resource->resource->attributes[i]->value->string_value;
            char *text = texts[next++ % COUNT_OF(texts)];
            assert_true(value.len < sizeof(texts[0]));
            for (size_t k = 0; k < value.len; k++) { /* of no bytes at all where it is empty */
                text[k] = (char)value.data[k];
            }
            text[value.len] = '\0';
            return text;
        }
    }
    return NULL;
}

/* The resource of that type; where `key` is not NULL, the one that says so. */
static const resource_metrics *find_resource(const char *type, const char *key, const char *value)
{
    for (size_t i = 0; i < data->n_resource_metrics; i++) {
        const resource_metrics *resource = data->resource_metrics[i];
        bool is_own = key == NULL || (attribute(resource, key) != NULL &&
                                      strcmp(attribute(resource, key), value) == 0);
        if (strcmp(attribute(resource, "Type"), type) == 0 && is_own) {
            return resource;
        }
    }
    return NULL;
}

static const metric_message *find_metric(const resource_metrics *resource, const char *name)
{
    for (size_t i = 0; resource != NULL && i < resource->scope_metrics[0]->n_metrics; i++) {
        const metric_message *metric = resource->scope_metrics[0]->metrics[i];
        if (is_text(metric->name, name)) {
            return metric;
        }
    }
    return NULL;
}

static const number_point *point_of(const resource_metrics *resource, const char *name,
                                    const char *unit)
{
    const metric_message *metric = find_metric(resource, name);
    if (metric == NULL) {
        print_error("no metric %s\n", name);
    }
    assert_non_null(metric);
    assert_true(is_text(metric->unit, unit));
    assert_int_equal(metric->gauge->n_data_points, 1);
    assert_int_equal(metric->gauge->data_points[0]->time_unix_nano, UNIX_NS);
    return metric->gauge->data_points[0];
}

static void check_f64(const resource_metrics *resource, const char *name, const char *unit,
                      double value)
{
    const number_point *point = point_of(resource, name, unit);
    if (fabs(point->as_double - value) > fabs(value) * 1e-12) {
        print_error("%s is %.17g\n", name, point->as_double);
    }
    assert_int_equal(point->value_case,
                     OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE);
    assert_true(fabs(point->as_double - value) <= fabs(value) * 1e-12);
}

static void check_integer(const resource_metrics *resource, const char *name, const char *unit,
                          int64_t value)
{
    const number_point *point = point_of(resource, name, unit);
    assert_int_equal(point->value_case,
                     OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT);
    assert_int_equal(point->as_int, value);
}

/* --- the instance ----------------------------------------------------------------------------- */

static void test_who_and_when(void **state)
{
    (void)state;
    now.core_count = 2;
    build();
    const resource_metrics *resource = find_resource("Instance", NULL, NULL);
    assert_string_equal(attribute(resource, "ClusterName"), "blue");
    assert_string_equal(attribute(resource, "ContainerInstanceId"), "47c0");
    assert_string_equal(attribute(resource, "InstanceId"), "i-1");
    assert_string_equal(attribute(resource, "InstanceType"), "c7g.large");
    assert_string_equal(attribute(resource, "AutoScalingGroupName"), "");
    assert_string_equal(attribute(resource, "NodeName"), "node");
    assert_string_equal(attribute(resource, "Timestamp"), "1700000000123");
    assert_string_equal(attribute(resource, "Version"), "0");
    assert_string_equal(attribute(resource, "Sources"),
                        "[\"cadvisor\",\"/proc\",\"ecsagent\",\"calculated\"]");
    assert_int_equal(resource->resource->n_attributes, 10);
    memset(&labels, 0, sizeof(labels));
    build();
    resource = find_resource("Instance", NULL, NULL);
    assert_null(attribute(resource, "ClusterName"));
    assert_null(attribute(resource, "ContainerInstanceId"));
    assert_null(attribute(resource, "InstanceId"));
    assert_int_equal(resource->resource->n_attributes, 5);
}

static void test_cpu(void **state)
{
    (void)state;
    now.core_count = 4;
    before.cpu = (struct container_insight_cpu){true, 1000000000, 500000000, 400000000};
    now.cpu = (struct container_insight_cpu){true, 4000000000, 1500000000, 900000000};
    build();
    const resource_metrics *resource = find_resource("Instance", NULL, NULL);
    check_integer(resource, "instance_cpu_limit", "", 4000);
    check_f64(resource, "instance_cpu_usage_total", "", 1500);
    check_f64(resource, "instance_cpu_usage_user", "", 500);
    check_f64(resource, "instance_cpu_usage_system", "", 250);
    check_f64(resource, "instance_cpu_utilization", "Percent", 37.5);
    assert_int_equal(metrics.point_count, 5);
}

static void test_memory(void **state)
{
    (void)state;
    now.memory_capacity_bytes = 10000;
    before.memory = (struct container_insight_memory){
        .is_known = true, .fault_count = 100, .major_fault_count = 10};
    now.memory = (struct container_insight_memory){.is_known = true,
                                                   .usage_bytes = 6000,
                                                   .max_usage_bytes = 7000,
                                                   .cache_bytes = 3000,
                                                   .rss_bytes = 2500,
                                                   .swap_bytes = 5,
                                                   .mapped_file_bytes = 600,
                                                   .inactive_file_bytes = 1000,
                                                   .limit_hit_count = 3,
                                                   .fault_count = 300,
                                                   .major_fault_count = 14};
    build();
    const resource_metrics *resource = find_resource("Instance", NULL, NULL);
    check_integer(resource, "instance_memory_limit", "Bytes", 10000);
    check_f64(resource, "instance_memory_usage", "Bytes", 6000);
    check_f64(resource, "instance_memory_max_usage", "Bytes", 7000);
    check_f64(resource, "instance_memory_cache", "Bytes", 3000);
    check_f64(resource, "instance_memory_rss", "Bytes", 2500);
    check_f64(resource, "instance_memory_swap", "Bytes", 5);
    check_f64(resource, "instance_memory_mapped_file", "Bytes", 600);
    check_f64(resource, "instance_memory_working_set", "Bytes", 5000);
    check_f64(resource, "instance_memory_failcnt", "Count", 3);
    check_f64(resource, "instance_memory_utilization", "Percent", 50);
    check_f64(resource, "instance_memory_pgfault", "Count/Second", 100);
    check_f64(resource, "instance_memory_pgmajfault", "Count/Second", 2);
    check_f64(resource, "instance_memory_hierarchical_pgfault", "Count/Second", 100);
    check_f64(resource, "instance_memory_hierarchical_pgmajfault", "Count/Second", 2);
    check_f64(resource, "instance_memory_failures_total", "Count/Second", 102);
    assert_int_equal(metrics.point_count, 15);
    now.memory.inactive_file_bytes = 6001;
    build();
    check_f64(find_resource("Instance", NULL, NULL), "instance_memory_working_set", "Bytes", 0);
}

static void test_tasks(void **state)
{
    (void)state;
    now.core_count = 2;
    now.memory_capacity_bytes = 1000;
    now.has_running_count = true;
    now.running_task_count = 3;
    now.reserved = (struct container_insight_reserved){
        .is_known = true, .cpu_shares = 512, .memory_bytes = 250};
    build();
    const resource_metrics *resource = find_resource("Instance", NULL, NULL);
    check_integer(resource, "instance_number_of_running_tasks", "Count", 3);
    check_f64(resource, "instance_cpu_reserved_capacity", "Percent", 25);
    check_f64(resource, "instance_memory_reserved_capacity", "Percent", 25);
    assert_int_equal(metrics.point_count, 5);
}

/* --- devices ---------------------------------------------------------------------------------- */

static void test_interfaces_and_their_sum(void **state)
{
    (void)state;
    static const char *const names[] = {
        "network_rx_bytes", "network_rx_packets", "network_rx_errors", "network_rx_dropped",
        "network_tx_bytes", "network_tx_packets", "network_tx_errors", "network_tx_dropped"};
    now.interface_count = 3;
    before.interface_count = 2;
    for (uint32_t k = 0; k < 3; k++) {
        (void)snprintf(now.interfaces[k].name, sizeof(now.interfaces[k].name), "eth%u", k);
        (void)snprintf(before.interfaces[k].name, sizeof(now.interfaces[k].name), "eth%u", k);
        for (uint32_t i = 0; i < CONTAINER_INSIGHT_TRAFFIC_COUNT; i++) {
            before.interfaces[k].counters[i] = 1000;
            now.interfaces[k].counters[i] = 1000 + (uint64_t)(k + 1) * (i + 1) * 20;
        }
    }
    build();
    assert_int_equal(data->n_resource_metrics, 3); /* the third was not there before */
    const resource_metrics *eth1 = find_resource("InstanceNet", "interface", "eth1");
    const resource_metrics *sum = find_resource("Instance", NULL, NULL);
    assert_string_equal(attribute(eth1, "Sources"), "[\"cadvisor\",\"calculated\"]");
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_TRAFFIC_COUNT; i++) {
        char name[64];
        const char *unit = i % 4 == 0 ? "Bytes/Second" : "Count/Second";
        (void)snprintf(name, sizeof(name), "instance_interface_%s", names[i]);
        check_f64(eth1, name, unit, 20 * (i + 1));
        (void)snprintf(name, sizeof(name), "instance_%s", names[i]);
        check_f64(sum, name, unit, 30 * (i + 1));
    }
    check_f64(eth1, "instance_interface_network_total_bytes", "Bytes/Second", 20 + 100);
    check_f64(sum, "instance_network_total_bytes", "Bytes/Second", 30 + 150);
    assert_int_equal(metrics.point_count, 27);
}

static void test_disks(void **state)
{
    (void)state;
    now.disk_count = 2;
    now.disks[0] = (struct container_insight_disk){
        .name = "/dev/nvme0n1",
        .major = 259,
        .bytes = {.counts = {100, 200, 300, 400, 500}, .has = {true, true, true, true, true}},
        .operations = {.counts = {10, 20, 30, 40, 50}, .has = {true, true, false, false, true}}};
    now.disks[1] = now.disks[0];
    now.disks[1].minor = 1;
    before.disk_count = 1;
    before.disks[0] = now.disks[0];
    memset(before.disks[0].bytes.counts, 0, sizeof(before.disks[0].bytes.counts));
    memset(before.disks[0].operations.counts, 0, sizeof(before.disks[0].operations.counts));
    build();
    assert_int_equal(data->n_resource_metrics, 1);
    const resource_metrics *disk = find_resource("InstanceDiskIO", "device", "/dev/nvme0n1");
    assert_string_equal(attribute(disk, "Sources"), "[\"cadvisor\"]");
    check_f64(disk, "instance_diskio_io_service_bytes_read", "Bytes/Second", 50);
    check_f64(disk, "instance_diskio_io_service_bytes_write", "Bytes/Second", 100);
    check_f64(disk, "instance_diskio_io_service_bytes_sync", "Bytes/Second", 150);
    check_f64(disk, "instance_diskio_io_service_bytes_async", "Bytes/Second", 200);
    check_f64(disk, "instance_diskio_io_service_bytes_total", "Bytes/Second", 250);
    check_f64(disk, "instance_diskio_io_serviced_read", "Count/Second", 5);
    check_f64(disk, "instance_diskio_io_serviced_write", "Count/Second", 10);
    check_f64(disk, "instance_diskio_io_serviced_total", "Count/Second", 25);
    assert_int_equal(metrics.point_count, 8);
}

static void test_file_systems(void **state)
{
    (void)state;
    now.filesystem_count = 2;
    now.filesystems[0] = (struct container_insight_filesystem){
        .device = "/dev/nvme0n1p1",
        .capacity_bytes = 1000,
        .usage_bytes = 250,
        .available_bytes = 700,
        .inode_count = 50,
        .inode_free_count = 40,
    };
    now.filesystems[1] = (struct container_insight_filesystem){.device = "/dev/shm"};
    build();
    const resource_metrics *fs = find_resource("InstanceFS", "device", "/dev/nvme0n1p1");
    assert_string_equal(attribute(fs, "fstype"), "vfs");
    assert_string_equal(attribute(fs, "Sources"), "[\"cadvisor\",\"calculated\"]");
    check_f64(fs, "instance_filesystem_usage", "Bytes", 250);
    check_f64(fs, "instance_filesystem_capacity", "Bytes", 1000);
    check_f64(fs, "instance_filesystem_available", "Bytes", 700);
    check_f64(fs, "instance_filesystem_inodes", "Count", 50);
    check_f64(fs, "instance_filesystem_inodes_free", "Count", 40);
    check_f64(fs, "instance_filesystem_utilization", "Percent", 25);
    assert_null(find_metric(find_resource("InstanceFS", "device", "/dev/shm"),
                            "instance_filesystem_utilization"));
}

/* --- what is not there ------------------------------------------------------------------------ */

static void test_nothing_known_says_nothing(void **state)
{
    (void)state;
    build();
    assert_int_equal(metrics.bytes.len, 0);
    assert_int_equal(metrics.point_count, 0);
}

static void test_counters_that_fell_have_no_rate(void **state)
{
    (void)state;
    now.core_count = 1;
    before.cpu = (struct container_insight_cpu){true, 1000, 500, 400};
    now.cpu = (struct container_insight_cpu){true, 999, 501, 400};
    build();
    const resource_metrics *resource = find_resource("Instance", NULL, NULL);
    assert_null(find_metric(resource, "instance_cpu_usage_total"));
    assert_null(find_metric(resource, "instance_cpu_utilization"));
    assert_non_null(find_metric(resource, "instance_cpu_usage_user"));
    check_f64(resource, "instance_cpu_usage_system", "", 0);
    before.cpu.is_known = false;
    build();
    assert_int_equal(metrics.point_count, 1); /* the limit */
}

static void test_too_short_a_time_has_no_rates(void **state)
{
    (void)state;
    before.cpu = (struct container_insight_cpu){true, 0, 0, 0};
    now.cpu = (struct container_insight_cpu){true, 1000, 500, 400};
    now.time_mono_ns = before.time_mono_ns + 50000;
    build();
    assert_int_equal(metrics.point_count, 0);
    now.time_mono_ns = before.time_mono_ns + 50001;
    build();
    assert_int_equal(metrics.point_count, 3);
    now.time_mono_ns = before.time_mono_ns - 1;
    build();
    assert_int_equal(metrics.point_count, 0);
}

static void fill_samples(void)
{
    now.core_count = 64;
    now.interface_count = before.interface_count = CONTAINER_INSIGHT_INTERFACES_MAX;
    now.disk_count = before.disk_count = CONTAINER_INSIGHT_DISKS_MAX;
    now.filesystem_count = CONTAINER_INSIGHT_FILESYSTEMS_MAX;
    for (uint32_t i = 0; i < now.interface_count; i++) {
        (void)snprintf(now.interfaces[i].name, sizeof(now.interfaces[i].name), "%0*u",
                       CONTAINER_INSIGHT_NAME_MAX_BYTES, i);
        before.interfaces[i] = now.interfaces[i];
    }
    for (uint32_t i = 0; i < now.disk_count; i++) {
        struct container_insight_disk *disk = &now.disks[i];
        (void)snprintf(disk->name, sizeof(disk->name), "%0*u", CONTAINER_INSIGHT_NAME_MAX_BYTES, i);
        disk->minor = i;
        memset(disk->bytes.has, true, sizeof(disk->bytes.has));
        memset(disk->operations.has, true, sizeof(disk->operations.has));
        before.disks[i] = *disk;
    }
    for (uint32_t i = 0; i < now.filesystem_count; i++) {
        (void)snprintf(now.filesystems[i].device, sizeof(now.filesystems[i].device), "%0*u",
                       CONTAINER_INSIGHT_NAME_MAX_BYTES, i);
        now.filesystems[i].capacity_bytes = UINT64_MAX;
    }
    char *const texts[] = {labels.instance.cluster, labels.instance_id, labels.instance_type,
                           labels.auto_scaling_group, labels.node_name};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        memset(texts[i], 'x', CONTAINER_INSIGHT_LABEL_MAX_BYTES);
        texts[i][CONTAINER_INSIGHT_LABEL_MAX_BYTES] = '\0';
    }
}

static void test_the_fullest_samples_fit(void **state)
{
    (void)state;
    fill_samples();
    build();
    assert_int_equal(metrics.point_count, 1 + 9 + CONTAINER_INSIGHT_INTERFACES_MAX * 9 +
                                              CONTAINER_INSIGHT_DISKS_MAX * 10 +
                                              CONTAINER_INSIGHT_FILESYSTEMS_MAX * 6);
}

static void test_what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    fill_samples();
    build();
    size_t whole = metrics.bytes.len;
    uint32_t whole_count = metrics.point_count;
    uint32_t last = 0;
    assert_int_equal(metrics.left_out_count, 0);
    for (size_t cap = 0; cap < whole; cap += whole / 97) {
        assert_int_equal(build_in(cap), FAULT_LIMIT);
        assert_true(metrics.bytes.len <= cap);
        assert_true(metrics.point_count >= last);
        assert_int_equal(metrics.point_count + metrics.left_out_count, whole_count);
        last = metrics.point_count;
    }
    assert_true(last > 0);
}

#define BUILD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUILD_TEST(test_who_and_when),
        BUILD_TEST(test_cpu),
        BUILD_TEST(test_memory),
        BUILD_TEST(test_tasks),
        BUILD_TEST(test_interfaces_and_their_sum),
        BUILD_TEST(test_disks),
        BUILD_TEST(test_file_systems),
        BUILD_TEST(test_nothing_known_says_nothing),
        BUILD_TEST(test_counters_that_fell_have_no_rate),
        BUILD_TEST(test_too_short_a_time_has_no_rates),
        BUILD_TEST(test_the_fullest_samples_fit),
        BUILD_TEST(test_what_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
