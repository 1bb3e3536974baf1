/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_stats — object by object, each with the list of the members that matter in it.
 */
#include "io/receivers/ecs_metrics_stats.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"
#include "io/receivers/ecs_metrics_json.h"

#define MIB_BYTES (UINT64_C(1024) * 1024)
#define PERCENT 100.0
#define INTERFACE_COUNTS 8

/* The order of these is the order of the counts of ecs_figures. */
_Static_assert(ECS_COUNT_CPU_USER == ECS_COUNT_CPU_TOTAL + 2, "usage_names");
_Static_assert(ECS_COUNT_MEMORY_LIMIT == ECS_COUNT_MEMORY_USAGE + 2, "memory_names");
_Static_assert(ECS_COUNT_TX_DROPPED == ECS_COUNT_RX_BYTES + INTERFACE_COUNTS - 1,
               "interface_names");

enum usage_member { USAGE_TOTAL, USAGE_KERNEL, USAGE_USER, USAGE_PER_CPU };
static const char *const usage_names[] = {"total_usage", "usage_in_kernelmode", "usage_in_usermode",
                                          "percpu_usage"};

enum cpu_member { CPU_USAGE, CPU_SYSTEM, CPU_ONLINE };
static const char *const cpu_names[] = {"cpu_usage", "system_cpu_usage", "online_cpus"};

enum memory_member { MEMORY_USAGE, MEMORY_MAX, MEMORY_LIMIT, MEMORY_DETAIL };
static const char *const memory_names[] = {"usage", "max_usage", "limit", "stats"};

enum detail_member { DETAIL_CACHE, DETAIL_INACTIVE };
static const char *const detail_names[] = {"cache", "inactive_file"};

static const char *const interface_names[INTERFACE_COUNTS] = {
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};

enum rate_member { RATE_RX, RATE_TX };
static const char *const rate_names[] = {"rx_bytes_per_sec", "tx_bytes_per_sec"};

static const char *const disk_names[] = {"io_service_bytes_recursive"};

enum transfer_member { TRANSFER_OP, TRANSFER_VALUE };
static const char *const transfer_names[] = {"op", "value"};

enum stats_member {
    STATS_ID,
    STATS_READ,
    STATS_PREREAD,
    STATS_CPU,
    STATS_PRECPU,
    STATS_MEMORY,
    STATS_DISK,
    STATS_NETWORKS,
    STATS_RATES,
};
static const char *const stats_names[] = {"id",          "read",         "preread",
                                          "cpu_stats",   "precpu_stats", "memory_stats",
                                          "blkio_stats", "networks",     "network_rate_stats"};

/* At one of the two instants. */
struct cpu_reading {
    uint64_t usage_ns[3]; /* total, kernel, user */
    uint64_t system_ns;
    uint64_t core_count;
    uint64_t online_count;
    bool has_usage;
};

/* What becomes figures once all of it is there. */
struct stats_reading {
    struct ecs_json *json;
    struct ecs_figures *out;
    struct cpu_reading cpu;
    struct cpu_reading cpu_before;
    uint64_t read_unix_ns; /* 0: never */
    uint64_t preread_unix_ns;
    uint64_t detail_bytes[2]; /* by detail_member; UINT64_MAX: absent */
    bool has_id;
    bool has_detail;
};

static void add_count(uint64_t *sum, uint64_t value)
{
    *sum = value < INT64_MAX - *sum ? *sum + value : INT64_MAX;
}

/* --- objects ---------------------------------------------------------------------------------- */

/* Members that are all counts; out[i] is that of names[i]. */
static void read_counts(struct ecs_json *json, struct ecs_names names, uint64_t *out)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, names)) {
        ecs_json_take_u64(json, &out[json->index]);
    }
}

static uint64_t count_items(struct ecs_json *json)
{
    uint64_t count = 0;
    if (ecs_json_enter_list(json)) {
        while (ecs_json_next_item(json)) {
            ecs_json_pass(json);
            count++;
        }
    }
    return count;
}

static void read_usage(struct ecs_json *json, struct cpu_reading *cpu)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    cpu->has_usage = true;
    while (ecs_json_next(json, ECS_NAMES(usage_names))) {
        if (json->index == USAGE_PER_CPU) {
            cpu->core_count = count_items(json);
        } else {
            ecs_json_take_u64(json, &cpu->usage_ns[json->index]);
        }
    }
}

static void read_cpu(struct ecs_json *json, struct cpu_reading *cpu)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(cpu_names))) {
        if (json->index == CPU_USAGE) {
            read_usage(json, cpu);
        } else {
            ecs_json_take_u64(json,
                              json->index == CPU_SYSTEM ? &cpu->system_ns : &cpu->online_count);
        }
    }
}

static void read_memory(struct stats_reading *reading)
{
    struct ecs_json *json = reading->json;
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(memory_names))) {
        if (json->index == MEMORY_DETAIL) {
            reading->has_detail = json->token == JSON_TOKEN_OBJECT_OPEN;
            read_counts(json, ECS_NAMES(detail_names), reading->detail_bytes);
        } else {
            ecs_json_take_u64(json, &reading->out->counts[ECS_COUNT_MEMORY_USAGE + json->index]);
        }
    }
}

static void read_networks(struct ecs_json *json, struct ecs_figures *out)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES_ALL)) {
        uint64_t counts[INTERFACE_COUNTS] = {0};
        read_counts(json, ECS_NAMES(interface_names), counts);
        for (uint32_t i = 0; i < INTERFACE_COUNTS; i++) {
            add_count(&out->counts[ECS_COUNT_RX_BYTES + i], counts[i]);
        }
    }
}

static void read_rates(struct ecs_json *json, struct ecs_figures *out)
{
    bool is_there = false;
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(rate_names))) {
        ecs_json_take_f64(json, &out->levels[ECS_LEVEL_RX_RATE + json->index], &is_there);
    }
}

/* What the disk did in one direction; "Total", "Sync" and the like say it again. */
static uint64_t *direction_of(struct ecs_json *json, struct ecs_figures *out)
{
    struct json_text op = json->reader.text;
    if (json->token != JSON_TOKEN_STRING) {
        ecs_json_pass(json);
        return NULL;
    }
    if (json_text_equals(op, SLICE_LITERAL("Read")) ||
        json_text_equals(op, SLICE_LITERAL("read"))) {
        return &out->counts[ECS_COUNT_READ_BYTES];
    }
    if (json_text_equals(op, SLICE_LITERAL("Write")) ||
        json_text_equals(op, SLICE_LITERAL("write"))) {
        return &out->counts[ECS_COUNT_WRITE_BYTES];
    }
    return NULL;
}

static void read_transfer(struct ecs_json *json, struct ecs_figures *out)
{
    uint64_t value_bytes = 0;
    uint64_t *sum = NULL;
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(transfer_names))) {
        if (json->index == TRANSFER_OP) {
            sum = direction_of(json, out);
        } else {
            ecs_json_take_u64(json, &value_bytes);
        }
    }
    if (sum != NULL) {
        add_count(sum, value_bytes);
    }
}

static void read_disk(struct ecs_json *json, struct ecs_figures *out)
{
    if (!ecs_json_enter(json)) {
        return;
    }
    while (ecs_json_next(json, ECS_NAMES(disk_names))) {
        if (!ecs_json_enter_list(json)) {
            continue;
        }
        while (ecs_json_next_item(json)) {
            read_transfer(json, out);
        }
    }
}

static bool read_id(struct ecs_json *json)
{
    bool has_id = json->token == JSON_TOKEN_STRING && json->reader.text.raw.len > 0;
    ecs_json_pass(json);
    return has_id;
}

static void read_member(struct stats_reading *reading)
{
    struct ecs_json *json = reading->json;
    switch ((enum stats_member)json->index) {
    case STATS_ID:
        reading->has_id = read_id(json);
        break;
    case STATS_READ:
        ecs_json_take_time(json, &reading->read_unix_ns);
        break;
    case STATS_PREREAD:
        ecs_json_take_time(json, &reading->preread_unix_ns);
        break;
    case STATS_CPU:
        read_cpu(json, &reading->cpu);
        break;
    case STATS_PRECPU:
        read_cpu(json, &reading->cpu_before);
        break;
    case STATS_MEMORY:
        read_memory(reading);
        break;
    case STATS_DISK:
        read_disk(json, reading->out);
        break;
    case STATS_NETWORKS:
        read_networks(json, reading->out);
        break;
    case STATS_RATES:
        read_rates(json, reading->out);
        break;
    }
}

/* --- figures ---------------------------------------------------------------------------------- */

/* What can be taken back at once is not in use; without a word about that nothing is known. */
static uint64_t memory_utilized_mib(const struct stats_reading *reading)
{
    uint64_t usage_bytes = reading->out->counts[ECS_COUNT_MEMORY_USAGE];
    uint64_t idle_bytes = reading->detail_bytes[DETAIL_CACHE];
    if (!reading->has_detail) {
        return 0;
    }
    if (idle_bytes == UINT64_MAX) {
        idle_bytes = reading->detail_bytes[DETAIL_INACTIVE];
    }
    if (idle_bytes == UINT64_MAX) {
        idle_bytes = 0;
    }
    return idle_bytes < usage_bytes ? (usage_bytes - idle_bytes) / MIB_BYTES : 0;
}

/* 0 for the first reading of a container, and when its counter began anew. */
static double vcpu_of(const struct stats_reading *reading)
{
    uint64_t now_ns = reading->cpu.usage_ns[USAGE_TOTAL];
    uint64_t before_ns = reading->cpu_before.usage_ns[USAGE_TOTAL];
    bool is_known = reading->cpu.has_usage && reading->cpu_before.has_usage &&
                    reading->preread_unix_ns > 0 &&
                    reading->read_unix_ns > reading->preread_unix_ns && now_ns >= before_ns;
    if (!is_known) {
        return 0;
    }
    return (double)(now_ns - before_ns) /
           (double)(reading->read_unix_ns - reading->preread_unix_ns);
}

static void finish(struct stats_reading *reading)
{
    struct ecs_figures *out = reading->out;
    const struct cpu_reading *cpu = &reading->cpu;
    out->counts[ECS_COUNT_MEMORY_UTILIZED] = memory_utilized_mib(reading);
    if (cpu->has_usage) {
        for (uint32_t i = 0; i < COUNT_OF(cpu->usage_ns); i++) {
            out->counts[ECS_COUNT_CPU_TOTAL + i] = cpu->usage_ns[i];
        }
        out->counts[ECS_COUNT_CPU_SYSTEM] = cpu->system_ns;
        out->counts[ECS_COUNT_CPU_CORES] = cpu->core_count;
        out->counts[ECS_COUNT_CPU_ONLINE] = cpu->online_count;
    }
    out->levels[ECS_LEVEL_VCPU] = vcpu_of(reading);
    out->levels[ECS_LEVEL_CPU_UTILIZED] = out->levels[ECS_LEVEL_VCPU] * PERCENT;
}

enum ecs_stats ecs_stats_read(struct ecs_json *json, struct ecs_figures *out)
{
    struct ecs_figures figures = {0};
    struct stats_reading reading = {
        .json = json, .out = &figures, .detail_bytes = {UINT64_MAX, UINT64_MAX}};
    uint32_t odd_count = json->odd_count;
    if (ecs_json_enter(json)) {
        while (ecs_json_next(json, ECS_NAMES(stats_names))) {
            read_member(&reading);
        }
    }
    bool is_odd = json->odd_count > odd_count;
    json->odd_count = odd_count;
    if (is_odd) {
        return ECS_STATS_ODD;
    }
    if (!reading.has_id) {
        return ECS_STATS_NONE;
    }
    finish(&reading);
    *out = figures;
    return ECS_STATS_GOOD;
}

void ecs_figures_add(struct ecs_figures *sum, const struct ecs_figures *figures)
{
    for (uint32_t i = 0; i < ECS_COUNT_LIMIT; i++) {
        add_count(&sum->counts[i], figures->counts[i]);
    }
    for (uint32_t i = 0; i < ECS_LEVEL_LIMIT; i++) {
        if (i != ECS_LEVEL_CPU_UTILIZED) {
            sum->levels[i] += figures->levels[i];
        }
    }
}
