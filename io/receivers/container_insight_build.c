/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_build — resource by resource, metric by metric.
 *
 * A resource whose metrics do not fit is taken back whole, and those behind it are left out.
 */
#include "io/receivers/container_insight_build.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"

#define RESOURCE_ATTRS_MAX 16
#define METRIC_NAME_MAX_BYTES 96
#define MILLICORES_PER_CORE 1000
/* The share of a core in a cgroup is 1024 where a millicore's is 1000. */
#define SHARES_PER_MILLICORE 1.024
/* A shorter time between two looks tells nothing about a rate. */
#define RATE_TIME_MIN_NS 50000

/* What a metric is called behind the prefix of its kind, and CloudWatch's word for its unit. */
struct metric_def {
    const char *name;
    const char *unit;
};

struct building {
    struct otlp_build b;
    const struct container_insight_labels *labels;
    uint64_t time_unix_ns;
    uint64_t elapsed_ns; /* 0: too short for rates */
    const char *prefix;
    uint32_t point_count;
    uint32_t left_out_count;
    struct attr attrs[RESOURCE_ATTRS_MAX];
    size_t attr_count;
    char time_text[NUMBER_TEXT_MAX_BYTES];
    size_t resource_mark;
    uint32_t resource_first_point;
    bool is_open;
};

/* --- points ----------------------------------------------------------------------------------- */

static void put_number(struct building *x, const struct metric_def *def, struct otlp_number number)
{
    char name[METRIC_NAME_MAX_BYTES];
    int len = snprintf(name, sizeof(name), "%s%s", x->prefix, def->name);
    ASSERT(len > 0 && (size_t)len < sizeof(name));
    const struct otlp_point point = {.time_unix_ns = x->time_unix_ns};
    const struct otlp_metric metric = {
        .name = slice_of(name, (size_t)len),
        .unit = slice_of_text(def->unit),
        .data = OTLP_DATA_GAUGE,
    };
    if (!x->is_open) { /* there is no room any more */
        x->left_out_count++;
        return;
    }
    size_t mark = otlp_build_mark(&x->b);
    otlp_build_number(&x->b, &point, number);
    otlp_build_metric(&x->b, mark, &metric);
    x->point_count++;
}

static void put_f64(struct building *x, const struct metric_def *def, double value)
{
    put_number(x, def, (struct otlp_number){.f64 = value});
}

/* Levels are doubles, as the Collector has them; only limits and counts of tasks are integers. */
static void put_level(struct building *x, const struct metric_def *def, uint64_t value)
{
    put_f64(x, def, (double)value);
}

static void put_integer(struct building *x, const struct metric_def *def, uint64_t value)
{
    put_number(x, def, (struct otlp_number){.i64 = (int64_t)value, .is_integer = true});
}

/* What a counter grew by in a second; false where that cannot be told. */
static bool rate_of(const struct building *x, uint64_t before, uint64_t now, double *out)
{
    if (x->elapsed_ns == 0 || now < before) {
        return false;
    }
    *out = (double)(now - before) * (double)CLOCK_NS_PER_S / (double)x->elapsed_ns;
    return true;
}

static void put_rate(struct building *x, const struct metric_def *def, uint64_t before,
                     uint64_t now)
{
    double rate = 0;
    if (rate_of(x, before, now, &rate)) {
        put_f64(x, def, rate);
    }
}

/* --- resources -------------------------------------------------------------------------------- */

static void add_attr(struct building *x, const char *key, const char *value)
{
    ASSERT(x->attr_count < RESOURCE_ATTRS_MAX);
    x->attrs[x->attr_count] =
        (struct attr){.key = slice_of_text(key), .value = slice_of_text(value), .has_value = true};
    x->attr_count++;
}

static void add_known(struct building *x, const char *key, const char *value)
{
    if (value[0] != '\0') {
        add_attr(x, key, value);
    }
}

/* Who and when; what all resources have. */
static void set_common(struct building *x)
{
    const struct container_insight_labels *labels = x->labels;
    x->attr_count = 0;
    add_known(x, "ClusterName", labels->instance.cluster);
    add_known(x, "ContainerInstanceId", labels->instance.id.text);
    add_known(x, "InstanceId", labels->instance_id);
    add_known(x, "InstanceType", labels->instance_type);
    add_attr(x, "AutoScalingGroupName", labels->auto_scaling_group);
    add_known(x, "NodeName", labels->node_name);
    add_attr(x, "Timestamp", x->time_text);
    add_attr(x, "Version", "0");
}

static struct otlp_envelope envelope_of(const struct building *x)
{
    return (struct otlp_envelope){.resource_attrs = x->attrs, .resource_attr_count = x->attr_count};
}

/* Attributes that are its own are added before. */
static void open_resource(struct building *x, const char *prefix, const char *type,
                          const char *sources)
{
    add_attr(x, "Type", type);
    add_attr(x, "Sources", sources);
    x->prefix = prefix;
    x->resource_mark = otlp_build_mark(&x->b);
    x->resource_first_point = x->point_count;
    const struct otlp_envelope envelope = envelope_of(x);
    x->is_open = x->b.err == 0 && otlp_envelope_begin(&x->b, &envelope) == 0;
    x->b.err = x->is_open ? 0 : FAULT_LIMIT;
}

/* Gone where it holds nothing, or did not fit. */
static void close_resource(struct building *x)
{
    const struct otlp_envelope envelope = envelope_of(x);
    if (!x->is_open) {
        return;
    }
    int err = x->b.err;
    bool is_kept = err == 0 && x->point_count > x->resource_first_point;
    if (err != 0) {
        x->left_out_count += x->point_count - x->resource_first_point;
        otlp_build_rewind(&x->b, x->b.envelope_mark);
    }
    (void)otlp_envelope_end(&x->b, &envelope);
    if (!is_kept) {
        otlp_build_rewind(&x->b, x->resource_mark);
        x->point_count = x->resource_first_point;
    }
    x->b.err = err;
    x->is_open = false;
}

/* --- the instance ----------------------------------------------------------------------------- */

static void build_cpu(struct building *x, const struct container_insight_sample *before,
                      const struct container_insight_sample *now)
{
    static const struct metric_def total = {"cpu_usage_total", ""};
    static const struct metric_def user = {"cpu_usage_user", ""};
    static const struct metric_def system = {"cpu_usage_system", ""};
    static const struct metric_def utilization = {"cpu_utilization", "Percent"};
    static const struct metric_def limit = {"cpu_limit", ""};
    const uint64_t ns_per_millicore = CLOCK_NS_PER_S / MILLICORES_PER_CORE;
    const struct container_insight_cpu *old = &before->cpu;
    const struct container_insight_cpu *cpu = &now->cpu;
    double rate = 0;
    if (now->core_count > 0) {
        put_integer(x, &limit, (uint64_t)now->core_count * MILLICORES_PER_CORE);
    }
    if (!cpu->is_known || !old->is_known) {
        return;
    }
    if (rate_of(x, old->total_ns, cpu->total_ns, &rate)) {
        put_f64(x, &total, rate / (double)ns_per_millicore);
        if (now->core_count > 0) {
            put_f64(x, &utilization, rate / (double)CLOCK_NS_PER_S / now->core_count * 100);
        }
    }
    if (rate_of(x, old->user_ns, cpu->user_ns, &rate)) {
        put_f64(x, &user, rate / (double)ns_per_millicore);
    }
    if (rate_of(x, old->system_ns, cpu->system_ns, &rate)) {
        put_f64(x, &system, rate / (double)ns_per_millicore);
    }
}

static uint64_t working_set_of(const struct container_insight_memory *memory)
{
    bool is_sane = memory->usage_bytes > memory->inactive_file_bytes;
    return is_sane ? memory->usage_bytes - memory->inactive_file_bytes : 0;
}

static void build_memory_levels(struct building *x, const struct container_insight_memory *memory,
                                uint64_t capacity_bytes)
{
    const struct {
        struct metric_def def;
        uint64_t value;
    } levels[] = {
        {{"memory_usage", "Bytes"}, memory->usage_bytes},
        {{"memory_cache", "Bytes"}, memory->cache_bytes},
        {{"memory_rss", "Bytes"}, memory->rss_bytes},
        {{"memory_max_usage", "Bytes"}, memory->max_usage_bytes},
        {{"memory_swap", "Bytes"}, memory->swap_bytes},
        {{"memory_failcnt", "Count"}, memory->limit_hit_count},
        {{"memory_mapped_file", "Bytes"}, memory->mapped_file_bytes},
        {{"memory_working_set", "Bytes"}, working_set_of(memory)},
    };
    static const struct metric_def utilization = {"memory_utilization", "Percent"};
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        put_level(x, &levels[i].def, levels[i].value);
    }
    if (capacity_bytes > 0) {
        put_f64(x, &utilization, (double)working_set_of(memory) / (double)capacity_bytes * 100);
    }
}

/* The kernel has one count of faults, which stands under two names; both are Container Insights'.
 */
static void build_memory_rates(struct building *x, const struct container_insight_memory *old,
                               const struct container_insight_memory *memory)
{
    static const struct metric_def faults[] = {{"memory_pgfault", "Count/Second"},
                                               {"memory_hierarchical_pgfault", "Count/Second"}};
    static const struct metric_def majors[] = {{"memory_pgmajfault", "Count/Second"},
                                               {"memory_hierarchical_pgmajfault", "Count/Second"}};
    static const struct metric_def failures = {"memory_failures_total", "Count/Second"};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        put_rate(x, &faults[i], old->fault_count, memory->fault_count);
        put_rate(x, &majors[i], old->major_fault_count, memory->major_fault_count);
    }
    put_rate(x, &failures, old->fault_count + old->major_fault_count,
             memory->fault_count + memory->major_fault_count);
}

static void build_memory(struct building *x, const struct container_insight_sample *before,
                         const struct container_insight_sample *now)
{
    static const struct metric_def limit = {"memory_limit", "Bytes"};
    if (now->memory_capacity_bytes > 0) {
        put_integer(x, &limit, now->memory_capacity_bytes);
    }
    if (now->memory.is_known) {
        build_memory_levels(x, &now->memory, now->memory_capacity_bytes);
    }
    if (now->memory.is_known && before->memory.is_known) {
        build_memory_rates(x, &before->memory, &now->memory);
    }
}

static void build_tasks(struct building *x, const struct container_insight_sample *now)
{
    static const struct metric_def count = {"number_of_running_tasks", "Count"};
    static const struct metric_def cpu = {"cpu_reserved_capacity", "Percent"};
    static const struct metric_def memory = {"memory_reserved_capacity", "Percent"};
    const struct container_insight_reserved *reserved = &now->reserved;
    if (now->has_running_count) {
        put_integer(x, &count, now->running_task_count);
    }
    if (reserved->is_known && now->core_count > 0) {
        double shares = (double)now->core_count * MILLICORES_PER_CORE * SHARES_PER_MILLICORE;
        put_f64(x, &cpu, (double)reserved->cpu_shares / shares * 100);
    }
    if (reserved->is_known && now->memory_capacity_bytes > 0) {
        double capacity = (double)now->memory_capacity_bytes;
        put_f64(x, &memory, (double)reserved->memory_bytes / capacity * 100);
    }
}

/* --- network ---------------------------------------------------------------------------------- */

static const struct metric_def traffic_defs[CONTAINER_INSIGHT_TRAFFIC_COUNT] = {
    [CONTAINER_INSIGHT_RX_BYTES] = {"network_rx_bytes", "Bytes/Second"},
    [CONTAINER_INSIGHT_RX_PACKETS] = {"network_rx_packets", "Count/Second"},
    [CONTAINER_INSIGHT_RX_ERRORS] = {"network_rx_errors", "Count/Second"},
    [CONTAINER_INSIGHT_RX_DROPPED] = {"network_rx_dropped", "Count/Second"},
    [CONTAINER_INSIGHT_TX_BYTES] = {"network_tx_bytes", "Bytes/Second"},
    [CONTAINER_INSIGHT_TX_PACKETS] = {"network_tx_packets", "Count/Second"},
    [CONTAINER_INSIGHT_TX_ERRORS] = {"network_tx_errors", "Count/Second"},
    [CONTAINER_INSIGHT_TX_DROPPED] = {"network_tx_dropped", "Count/Second"},
};
static const struct metric_def traffic_total = {"network_total_bytes", "Bytes/Second"};

/* Rates of one interface, or sums of them. */
struct traffic {
    double rates[CONTAINER_INSIGHT_TRAFFIC_COUNT];
    bool has[CONTAINER_INSIGHT_TRAFFIC_COUNT];
};

static void put_traffic(struct building *x, const struct traffic *traffic)
{
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_TRAFFIC_COUNT; i++) {
        if (traffic->has[i]) {
            put_f64(x, &traffic_defs[i], traffic->rates[i]);
        }
    }
    if (traffic->has[CONTAINER_INSIGHT_RX_BYTES] && traffic->has[CONTAINER_INSIGHT_TX_BYTES]) {
        put_f64(x, &traffic_total,
                traffic->rates[CONTAINER_INSIGHT_RX_BYTES] +
                    traffic->rates[CONTAINER_INSIGHT_TX_BYTES]);
    }
}

static const struct container_insight_interface *
find_interface(const struct container_insight_sample *sample, const char *name)
{
    for (uint32_t i = 0; i < sample->interface_count; i++) {
        if (strcmp(sample->interfaces[i].name, name) == 0) {
            return &sample->interfaces[i];
        }
    }
    return NULL;
}

static struct traffic traffic_of(const struct building *x,
                                 const struct container_insight_sample *before,
                                 const struct container_insight_interface *now)
{
    struct traffic traffic = {0};
    const struct container_insight_interface *old = find_interface(before, now->name);
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_TRAFFIC_COUNT && old != NULL; i++) {
        traffic.has[i] = rate_of(x, old->counters[i], now->counters[i], &traffic.rates[i]);
    }
    return traffic;
}

/* The sum over the interfaces, among the metrics of the instance. */
static void build_traffic_sum(struct building *x, const struct container_insight_sample *before,
                              const struct container_insight_sample *now)
{
    struct traffic sum = {0};
    for (uint32_t i = 0; i < now->interface_count; i++) {
        struct traffic one = traffic_of(x, before, &now->interfaces[i]);
        for (uint32_t k = 0; k < CONTAINER_INSIGHT_TRAFFIC_COUNT; k++) {
            sum.rates[k] += one.has[k] ? one.rates[k] : 0;
            sum.has[k] = sum.has[k] || one.has[k];
        }
    }
    put_traffic(x, &sum);
}

static void build_interfaces(struct building *x, const struct container_insight_sample *before,
                             const struct container_insight_sample *now)
{
    for (uint32_t i = 0; i < now->interface_count; i++) {
        struct traffic traffic = traffic_of(x, before, &now->interfaces[i]);
        set_common(x);
        add_attr(x, "interface", now->interfaces[i].name);
        open_resource(x, "instance_interface_", "InstanceNet", "[\"cadvisor\",\"calculated\"]");
        put_traffic(x, &traffic);
        close_resource(x);
    }
}

/* --- disks ------------------------------------------------------------------------------------ */

static const struct metric_def io_bytes_defs[CONTAINER_INSIGHT_IO_COUNT] = {
    [CONTAINER_INSIGHT_IO_READ] = {"diskio_io_service_bytes_read", "Bytes/Second"},
    [CONTAINER_INSIGHT_IO_WRITE] = {"diskio_io_service_bytes_write", "Bytes/Second"},
    [CONTAINER_INSIGHT_IO_SYNC] = {"diskio_io_service_bytes_sync", "Bytes/Second"},
    [CONTAINER_INSIGHT_IO_ASYNC] = {"diskio_io_service_bytes_async", "Bytes/Second"},
    [CONTAINER_INSIGHT_IO_TOTAL] = {"diskio_io_service_bytes_total", "Bytes/Second"},
};
static const struct metric_def io_operations_defs[CONTAINER_INSIGHT_IO_COUNT] = {
    [CONTAINER_INSIGHT_IO_READ] = {"diskio_io_serviced_read", "Count/Second"},
    [CONTAINER_INSIGHT_IO_WRITE] = {"diskio_io_serviced_write", "Count/Second"},
    [CONTAINER_INSIGHT_IO_SYNC] = {"diskio_io_serviced_sync", "Count/Second"},
    [CONTAINER_INSIGHT_IO_ASYNC] = {"diskio_io_serviced_async", "Count/Second"},
    [CONTAINER_INSIGHT_IO_TOTAL] = {"diskio_io_serviced_total", "Count/Second"},
};

static void put_io(struct building *x, const struct metric_def *defs,
                   const struct container_insight_io_counters *old,
                   const struct container_insight_io_counters *now)
{
    for (uint32_t i = 0; i < CONTAINER_INSIGHT_IO_COUNT; i++) {
        if (old->has[i] && now->has[i]) {
            put_rate(x, &defs[i], old->counts[i], now->counts[i]);
        }
    }
}

static const struct container_insight_disk *find_disk(const struct container_insight_sample *sample,
                                                      const struct container_insight_disk *like)
{
    for (uint32_t i = 0; i < sample->disk_count; i++) {
        const struct container_insight_disk *disk = &sample->disks[i];
        if (disk->major == like->major && disk->minor == like->minor) {
            return disk;
        }
    }
    return NULL;
}

static void build_disks(struct building *x, const struct container_insight_sample *before,
                        const struct container_insight_sample *now)
{
    for (uint32_t i = 0; i < now->disk_count; i++) {
        const struct container_insight_disk *disk = &now->disks[i];
        const struct container_insight_disk *old = find_disk(before, disk);
        if (old == NULL) {
            continue;
        }
        set_common(x);
        add_attr(x, "device", disk->name);
        open_resource(x, "instance_", "InstanceDiskIO", "[\"cadvisor\"]");
        put_io(x, io_bytes_defs, &old->bytes, &disk->bytes);
        put_io(x, io_operations_defs, &old->operations, &disk->operations);
        close_resource(x);
    }
}

/* --- file systems ----------------------------------------------------------------------------- */

static void put_filesystem(struct building *x, const struct container_insight_filesystem *fs)
{
    const struct {
        struct metric_def def;
        uint64_t value;
    } levels[] = {
        {{"filesystem_usage", "Bytes"}, fs->usage_bytes},
        {{"filesystem_capacity", "Bytes"}, fs->capacity_bytes},
        {{"filesystem_available", "Bytes"}, fs->available_bytes},
        {{"filesystem_inodes", "Count"}, fs->inode_count},
        {{"filesystem_inodes_free", "Count"}, fs->inode_free_count},
    };
    static const struct metric_def utilization = {"filesystem_utilization", "Percent"};
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        put_level(x, &levels[i].def, levels[i].value);
    }
    if (fs->capacity_bytes > 0) {
        put_f64(x, &utilization, (double)fs->usage_bytes / (double)fs->capacity_bytes * 100);
    }
}

static void build_filesystems(struct building *x, const struct container_insight_sample *now)
{
    for (uint32_t i = 0; i < now->filesystem_count; i++) {
        set_common(x);
        add_attr(x, "device", now->filesystems[i].device);
        add_attr(x, "fstype", "vfs"); /* the Collector's word for all but a few */
        open_resource(x, "instance_", "InstanceFS", "[\"cadvisor\",\"calculated\"]");
        put_filesystem(x, &now->filesystems[i]);
        close_resource(x);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

int container_insight_build(const struct container_insight_labels *labels,
                            const struct container_insight_sample *before,
                            const struct container_insight_sample *now, uint8_t *buf, size_t cap,
                            struct container_insight_metrics *out)
{
    uint64_t elapsed_ns =
        now->time_mono_ns > before->time_mono_ns ? now->time_mono_ns - before->time_mono_ns : 0;
    struct building x = {
        .labels = labels,
        .time_unix_ns = now->time_unix_ns,
        .elapsed_ns = elapsed_ns > RATE_TIME_MIN_NS ? elapsed_ns : 0,
    };
    size_t len = number_format_u64(now->time_unix_ns / CLOCK_NS_PER_MS, x.time_text,
                                   sizeof(x.time_text) - 1);
    x.time_text[len] = '\0';
    otlp_build_init(&x.b, buf, cap);
    set_common(&x);
    open_resource(&x, "instance_", "Instance",
                  "[\"cadvisor\",\"/proc\",\"ecsagent\",\"calculated\"]");
    build_cpu(&x, before, now);
    build_memory(&x, before, now);
    build_tasks(&x, now);
    build_traffic_sum(&x, before, now);
    close_resource(&x);
    build_interfaces(&x, before, now);
    build_disks(&x, before, now);
    build_filesystems(&x, now);
    *out = (struct container_insight_metrics){.bytes = otlp_build_since(&x.b, 0),
                                              .point_count = x.point_count,
                                              .left_out_count = x.left_out_count};
    return x.b.err;
}
