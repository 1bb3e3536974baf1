/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_rig — see prom_scrape_rig.h.
 */
#include "tests/support/prom_scrape_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/metrics.pb-c.h"
#include "io/receivers/prom_scrape_receiver.h"
#include "io/receivers/pull_receiver.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

typedef Opentelemetry__Proto__Metrics__V1__MetricsData metrics_data;
typedef Opentelemetry__Proto__Metrics__V1__ResourceMetrics resource_metrics;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;

static struct config_fixture fixture;

/* --- the egress thread ------------------------------------------------------------------------ */

static void copy_text(char *out, size_t cap, struct slice text)
{
    (void)snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.ptr);
}

static void read_instance(const resource_metrics *resource, char *out, size_t cap)
{
    out[0] = '\0';
    for (size_t i = 0; i < resource->resource->n_attributes; i++) {
        const key_value *attr = resource->resource->attributes[i];
        if (slice_is_text(pb_slice(attr->key), "service.instance.id")) {
            copy_text(out, cap, pb_slice(attr->value->string_value));
        }
    }
}

static struct prom_rig_series *find(struct prom_rig *rig, const char *name, const char *instance)
{
    for (uint32_t i = 0; i < rig->series_count; i++) {
        struct prom_rig_series *series = &rig->series[i];
        bool is_wanted = instance == NULL || strcmp(series->instance, instance) == 0;
        if (is_wanted && strcmp(series->name, name) == 0) {
            return series;
        }
    }
    return NULL;
}

static struct prom_rig_series *series_of(struct prom_rig *rig, const char *name,
                                         const char *instance)
{
    struct prom_rig_series *series = find(rig, name, instance);
    if (series == NULL) {
        ASSERT(rig->series_count < PROM_RIG_SERIES_MAX);
        series = &rig->series[rig->series_count];
        rig->series_count++;
        (void)snprintf(series->name, sizeof(series->name), "%s", name);
        (void)snprintf(series->instance, sizeof(series->instance), "%s", instance);
    }
    return series;
}

static void look_at_points(struct prom_rig_series *series, number_point *const *points,
                           size_t point_count)
{
    for (size_t i = 0; i < point_count; i++) {
        bool is_end = (points[i]->flags & 1) != 0;
        series->end_count += is_end ? 1 : 0;
        series->point_count += is_end ? 0 : 1;
        series->attr_count = (uint32_t)points[i]->n_attributes;
        if (!is_end) {
            series->value = points[i]->as_double;
        }
    }
}

static void look_at_metric(struct prom_rig *rig, const metric_message *metric, const char *instance)
{
    char name[64];
    copy_text(name, sizeof(name), pb_slice(metric->name));
    struct prom_rig_series *series = series_of(rig, name, instance);
    if (metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE) {
        look_at_points(series, metric->gauge->data_points, metric->gauge->n_data_points);
    }
    if (metric->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM) {
        look_at_points(series, metric->sum->data_points, metric->sum->n_data_points);
    }
}

static void look_at_part(struct prom_rig *rig, const struct part *part)
{
    ProtobufCMessage *message = NULL;
    arena_reset(&rig->arena);
    int err = pb_decode(&opentelemetry__proto__metrics__v1__metrics_data__descriptor, part->bytes,
                        &rig->arena, NULL, &message);
    ASSERT(err == 0);
    const metrics_data *data = (const metrics_data *)(const void *)message;
    for (size_t i = 0; i < data->n_resource_metrics; i++) {
        char instance[64];
        const resource_metrics *resource = data->resource_metrics[i];
        read_instance(resource, instance, sizeof(instance));
        for (size_t k = 0; k < resource->n_scope_metrics; k++) {
            for (size_t m = 0; m < resource->scope_metrics[k]->n_metrics; m++) {
                look_at_metric(rig, resource->scope_metrics[k]->metrics[m], instance);
            }
        }
    }
}

static bool rig_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct prom_rig *rig = CONTAINER_OF(hook, struct prom_rig, hook);
    for (uint32_t i = 0; i < rig->exporter.taken_count; i++) {
        for (uint32_t k = 0; k < rig->exporter.taken[i]->part_count; k++) {
            look_at_part(rig, &rig->exporter.taken[i]->parts[k]);
        }
    }
    stub_exporter_answer_all(&rig->exporter, DELIVERY_ACCEPTED);
    (void)pipeline_retry(&rig->pipeline);
    return false;
}

static void add_hook(struct worker *worker, void *argument)
{
    worker_add_hook(worker, argument);
}

static void remove_hook(struct worker *worker, void *argument)
{
    worker_remove_hook(worker, argument);
}

struct look_call {
    struct prom_rig *rig;
    const char *name;
    const char *instance;
    struct prom_rig_series found;
};

static void look(struct worker *worker, void *argument)
{
    (void)worker;
    struct look_call *call = argument;
    const struct prom_rig_series *series = find(call->rig, call->name, call->instance);
    call->found = series != NULL ? *series : (struct prom_rig_series){.point_count = 0};
}

struct prom_rig_series prom_rig_look(struct prom_rig *rig, const char *name, const char *instance)
{
    struct look_call call = {.rig = rig, .name = name, .instance = instance};
    worker_call(&rig->egress, &call, look);
    return call.found;
}

/* --- waiting ---------------------------------------------------------------------------------- */

void prom_rig_await_value(struct prom_rig *rig, const char *name, const char *instance,
                          double value)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    struct prom_rig_series found = prom_rig_look(rig, name, instance);
    while ((found.point_count == 0 || found.value != value) && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
        found = prom_rig_look(rig, name, instance);
    }
    if (found.point_count == 0 || found.value != value) {
        print_error("%s of %s: %llu points, the last %f\n", name,
                    instance != NULL ? instance : "any", (unsigned long long)found.point_count,
                    found.value);
    }
    assert_true(found.point_count > 0);
    assert_true(found.value == value);
}

void prom_rig_await_end(struct prom_rig *rig, const char *name, const char *instance,
                        uint64_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (prom_rig_look(rig, name, instance).end_count < count &&
           clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_int_equal(prom_rig_look(rig, name, instance).end_count, count);
}

uint64_t prom_rig_count(const struct prom_rig *rig, size_t counter_offset)
{
    const char *stats = (const char *)rig->receiver->counters[0].stats;
    return counter_read((const struct counter *)(const void *)(stats + counter_offset));
}

void prom_rig_await_count(struct prom_rig *rig, size_t counter_offset, uint64_t least)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (prom_rig_count(rig, counter_offset) < least && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(prom_rig_count(rig, counter_offset) >= least);
}

/* --- life ------------------------------------------------------------------------------------- */

static void make_receiver(struct prom_rig *rig, const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.prometheus");
    int err = prom_scrape_receiver_new(&reader, "prometheus", &rig->receiver);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&fixture));
    }
    assert_int_equal(err, 0);
    config_fixture_fini(&fixture);
}

void prom_rig_prepare(struct prom_rig *rig, enum loop_backend backend, const char *yaml)
{
    const struct worker_options options = {
        .name = "egress-0", .loop = {.backend = backend}, .cpu = -1};
    memset(rig, 0, sizeof(*rig));
    budget_init(&rig->memory, PROM_RIG_BUDGET);
    assert_int_equal(arena_init(&rig->arena, 65536, 64 * 1024 * 1024), 0);
    stub_exporter_init(&rig->exporter, STUB_TAKEN_MAX, false);
    rig->exporter.exporter.blocks_on_overflow = true;
    struct exporter *routes[] = {&rig->exporter.exporter};
    pipeline_init(&rig->pipeline, "metrics", SIGNAL_METRICS, routes, 1);
    rig->list[0] = &rig->pipeline;
    assert_int_equal(worker_start(&rig->egress, &options), 0);
    rig->hook.on_turn = rig_on_turn;
    worker_call(&rig->egress, &rig->hook, add_hook);
    rig->home = (struct receiver_home){.egress = &rig->egress, .memory = &rig->memory};
    make_receiver(rig, yaml);
}

void prom_rig_start(struct prom_rig *rig, enum loop_backend backend, const char *yaml)
{
    prom_rig_prepare(rig, backend, yaml);
    assert_int_equal(rig->receiver->ops->open(rig->receiver, &rig->home), 0);
    rig->receiver->ops->connect(rig->receiver, rig->list, 1);
    assert_int_equal(rig->receiver->ops->start(rig->receiver), 0);
}

const char *prom_rig_many(uint32_t count, uint16_t port, const char *keys)
{
    static char yaml[FIXTURE_TEXT_MAX_BYTES];
    size_t len = (size_t)snprintf(
        yaml, sizeof(yaml), "config: {scrape_configs: [{job_name: a, %s, static_configs: [", keys);
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                                "{targets: ['127.0.0.1:%u'], labels: {__param_i: '%u'}},", port, i);
    }
    (void)snprintf(yaml + len, sizeof(yaml) - len, "]}]}\n");
    return yaml;
}

int prom_rig_listen(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, len), 0);
    assert_int_equal(listen(fd, 4096), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void set_room(struct worker *worker, void *argument)
{
    struct prom_rig *rig = CONTAINER_OF(worker, struct prom_rig, egress);
    rig->exporter.room = *(const uint32_t *)argument;
}

void prom_rig_set_room(struct prom_rig *rig, uint32_t room)
{
    worker_call(&rig->egress, &room, set_room);
}

/* Parts that hold a resource and nothing else. */
static void fill_outbox(struct worker *worker, void *argument)
{
    static const uint8_t part[] = {0x0A, 0x02, 0x0A, 0x00};
    const struct prom_rig *rig = CONTAINER_OF(worker, struct prom_rig, egress);
    struct pull_receiver *pull = CONTAINER_OF(rig->receiver, struct pull_receiver, receiver);
    (void)argument;
    /* One is the pipeline's, one the spread's; the bench rests beyond half. */
    for (uint32_t i = 0; i < PULL_OUTBOX_PARTS_MAX / 2 + 3; i++) {
        int err = pull_push(pull, slice_of(part, sizeof(part)), 1);
        ASSERT(err == 0);
    }
}

void prom_rig_congest(struct prom_rig *rig)
{
    prom_rig_set_room(rig, 0);
    worker_call(&rig->egress, NULL, fill_outbox);
}

static void check_books(const struct prom_rig *rig)
{
    uint64_t invalid_count = 0;
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        invalid_count += prom_rig_count(rig, offsetof(struct receiver_stats, line_reasons[0]) +
                                                 i * sizeof(struct counter));
    }
    assert_int_equal(PROM_RIG_COUNT(rig, items_decoded),
                     PROM_RIG_COUNT(rig, items_forwarded) + invalid_count);
}

void prom_rig_close(struct prom_rig *rig)
{
    struct receiver *receiver = rig->receiver;
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    if (receiver->counters_count > 0) {
        receiver->ops->drain(receiver, false);
        while (!receiver->ops->is_drained(receiver) && clock_mono_ns() < deadline_mono_ns) {
            worker_wake(&rig->egress);
            (void)usleep(500);
        }
        assert_true(receiver->ops->is_drained(receiver));
        check_books(rig);
    }
    receiver->ops->close(receiver);
    worker_wake(&rig->egress);
    worker_call(&rig->egress, &rig->hook, remove_hook);
    worker_stop(&rig->egress);
    (void)rig_on_turn(&rig->hook, &rig->egress); /* nobody else is there */
    pipeline_fini(&rig->pipeline);
    arena_fini(&rig->arena);
    assert_int_equal(budget_leased(&rig->memory), 0);
}
