/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_rig — see otlp_rig.h.
 */
#include "tests/support/otlp_rig.h"

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
#include "io/auth/authenticator.h"
#include "io/auth/bearer_auth.h"
#include "io/receivers/otlp_receiver.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

static struct config_fixture fixture;

/* --- the egress thread ------------------------------------------------------------------------ */

static void wake_shards(struct otlp_rig *rig)
{
    for (uint32_t i = 0; i < OTLP_RIG_SHARDS; i++) {
        worker_wake(&rig->shards[i]);
    }
}

static void take_lane(struct otlp_rig_line *line, struct lane *lane)
{
    struct part *part = lane_peek(lane);
    while (part != NULL && pipeline_push(&line->pipeline, part, PIPELINE_PROCESSED, 1) == 0) {
        lane_pop(lane);
        part = lane_peek(lane);
    }
}

static bool egress_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct otlp_rig *rig = CONTAINER_OF(hook, struct otlp_rig, hook);
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        struct otlp_rig_line *line = &rig->lines[i];
        (void)pipeline_retry(&line->pipeline);
        for (uint32_t k = 0; k < OTLP_RIG_SHARDS; k++) {
            take_lane(line, &line->halves[k].lane);
        }
        if (!rig->holds_answers && line->exporter.taken_count > 0) {
            stub_exporter_answer_all(&line->exporter, DELIVERY_ACCEPTED);
            wake_shards(rig);
        }
    }
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

static void hold_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    ((struct otlp_rig *)argument)->holds_answers = true;
}

struct egress_call {
    struct otlp_rig *rig;
    enum signal signal;
    enum delivery delivery;
    uint64_t count;
};

static void release_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct egress_call *call = argument;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        call->count += call->rig->lines[i].exporter.taken_count;
        stub_exporter_answer_all(&call->rig->lines[i].exporter, call->delivery);
    }
    wake_shards(call->rig);
}

static void count_held(struct worker *worker, void *argument)
{
    (void)worker;
    struct egress_call *call = argument;
    call->count = 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        call->count += call->rig->lines[i].exporter.taken_count;
    }
}

static void count_items(struct worker *worker, void *argument)
{
    (void)worker;
    struct egress_call *call = argument;
    call->count = call->rig->lines[call->signal].exporter.items_seen;
}

void otlp_rig_hold(struct otlp_rig *rig)
{
    worker_call(&rig->egress, rig, hold_on_egress);
}

uint32_t otlp_rig_release(struct otlp_rig *rig, enum delivery delivery)
{
    struct egress_call call = {.rig = rig, .delivery = delivery};
    worker_call(&rig->egress, &call, release_on_egress);
    return (uint32_t)call.count;
}

static void await_count(struct otlp_rig *rig, struct egress_call *call, worker_call_fn *fn,
                        uint64_t wanted)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    worker_call(&rig->egress, call, fn);
    while (call->count < wanted && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
        worker_call(&rig->egress, call, fn);
    }
    assert_int_equal(call->count, wanted);
}

void otlp_rig_await_held(struct otlp_rig *rig, uint32_t count)
{
    struct egress_call call = {.rig = rig};
    await_count(rig, &call, count_held, count);
}

void otlp_rig_await_items(struct otlp_rig *rig, enum signal signal, uint64_t count)
{
    struct egress_call call = {.rig = rig, .signal = signal};
    await_count(rig, &call, count_items, count);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Bound, and not listening: the receiver may bind it too, as it reuses addresses. */
static void hold_port(struct otlp_rig *rig)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    rig->port = ntohs(address.sin_port);
    rig->port_fd = fd;
}

static void start_worker(struct worker *worker, const char *name, uint32_t id,
                         enum loop_backend backend)
{
    const struct worker_options options = {
        .name = name, .id = id, .loop = {.backend = backend}, .cpu = -1};
    assert_int_equal(worker_start(worker, &options), 0);
}

static void open_line(struct otlp_rig *rig, enum signal signal, bool answers_late)
{
    struct otlp_rig_line *line = &rig->lines[signal];
    stub_exporter_init(&line->exporter, STUB_TAKEN_MAX, answers_late);
    struct exporter *routes[] = {&line->exporter.exporter};
    pipeline_init(&line->pipeline, "line", signal, routes, 1);
    for (uint32_t i = 0; i < OTLP_RIG_SHARDS; i++) {
        assert_int_equal(shard_half_init(&line->halves[i], NULL, 0), 0);
    }
    line->pipeline.shard_halves = line->halves;
    line->pipeline.memory = &rig->memory;
}

static void make_authenticator(struct otlp_rig *rig, const char *token)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    char text[256];
    (void)snprintf(text, sizeof(text), "token: %s\n", token);
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(text), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.bearertokenauth");
    assert_int_equal(bearer_auth_configure(&reader, &rig->authenticators.authenticators[0]), 0);
    rig->authenticators.ids[0] = "bearertokenauth";
    rig->authenticators.count = 1;
    config_fixture_fini(&fixture);
}

static void make_receiver(struct otlp_rig *rig, const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    char text[4096];
    const char *port = strstr(yaml, "%u");
    int before = port == NULL ? (int)strlen(yaml) : (int)(port - yaml);
    (void)snprintf(text, sizeof(text), "%.*s", before, yaml);
    if (port != NULL) {
        (void)snprintf(text, sizeof(text), "%.*s%u%s", before, yaml, rig->port, port + 2);
    }
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(text), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.otlp");
    int err = otlp_receiver_new(&reader, "otlp", &rig->receiver);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&fixture));
    }
    assert_int_equal(err, 0);
    config_fixture_fini(&fixture);
}

void otlp_rig_prepare(struct otlp_rig *rig, const struct otlp_rig_options *options)
{
    static const char *const names[OTLP_RIG_SHARDS] = {"shard-0", "shard-1"};
    memset(rig, 0, sizeof(*rig));
    budget_init(&rig->memory, OTLP_RIG_BUDGET);
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        open_line(rig, (enum signal)i, options->answers_late);
    }
    for (uint32_t i = 0; i < OTLP_RIG_SHARDS; i++) {
        start_worker(&rig->shards[i], names[i], i, options->backend);
    }
    start_worker(&rig->egress, "egress-0", 0, options->backend);
    rig->hook.on_turn = egress_on_turn;
    worker_call(&rig->egress, &rig->hook, add_hook);
    rig->home = (struct receiver_home){
        .shards = rig->shards,
        .shard_count = OTLP_RIG_SHARDS,
        .egress = &rig->egress,
        .memory = &rig->memory,
    };
    hold_port(rig);
    if (options->token != NULL) {
        make_authenticator(rig, options->token);
    }
    make_receiver(rig, options->yaml);
}

void otlp_rig_connect(struct otlp_rig *rig, uint32_t signals)
{
    struct pipeline *pipelines[SIGNAL_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if ((signals >> i & 1) != 0) {
            pipelines[count] = &rig->lines[i].pipeline;
            count++;
        }
    }
    rig->receiver->ops->connect(rig->receiver, pipelines, count);
}

void otlp_rig_open(struct otlp_rig *rig, const struct otlp_rig_options *options)
{
    struct slice missing = {0};
    otlp_rig_prepare(rig, options);
    assert_true(rig->receiver->ops->link(rig->receiver, &rig->authenticators, &missing));
    assert_int_equal(rig->receiver->ops->open(rig->receiver, &rig->home), 0);
    otlp_rig_connect(rig, options->signals == 0 ? 7 : options->signals);
    assert_int_equal(rig->receiver->ops->start(rig->receiver), 0);
}

static bool lanes_are_empty(const struct otlp_rig *rig)
{
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        for (uint32_t k = 0; k < OTLP_RIG_SHARDS; k++) {
            if (!lane_is_empty(&rig->lines[i].halves[k].lane)) {
                return false;
            }
        }
    }
    return true;
}

/* A receiver that was closed without a drain does not wake the egress for its last part. */
static void empty_lanes(struct otlp_rig *rig)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (!lanes_are_empty(rig) && clock_mono_ns() < deadline_mono_ns) {
        worker_wake(&rig->egress);
        (void)otlp_rig_release(rig, DELIVERY_ACCEPTED);
        (void)usleep(1000);
    }
    (void)otlp_rig_release(rig, DELIVERY_ACCEPTED);
}

void otlp_rig_close(struct otlp_rig *rig)
{
    if (rig->receiver != NULL && rig->receiver->counters_count > 0) {
        uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
        rig->receiver->ops->drain(rig->receiver, false);
        while (!rig->receiver->ops->is_drained(rig->receiver) &&
               clock_mono_ns() < deadline_mono_ns) {
            (void)otlp_rig_release(rig, DELIVERY_ACCEPTED);
            (void)usleep(1000);
        }
        assert_true(rig->receiver->ops->is_drained(rig->receiver));
    }
    if (rig->receiver != NULL) {
        rig->receiver->ops->close(rig->receiver);
    }
    (void)close(rig->port_fd);
    empty_lanes(rig);
    worker_call(&rig->egress, &rig->hook, remove_hook);
    worker_stop(&rig->egress);
    for (uint32_t i = 0; i < OTLP_RIG_SHARDS; i++) {
        worker_stop(&rig->shards[i]);
    }
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        for (uint32_t k = 0; k < OTLP_RIG_SHARDS; k++) {
            assert_true(lane_is_empty(&rig->lines[i].halves[k].lane));
            shard_half_fini(&rig->lines[i].halves[k]);
        }
        pipeline_fini(&rig->lines[i].pipeline);
    }
    authenticator_free(rig->authenticators.authenticators[0]);
    assert_int_equal(budget_leased(&rig->memory), 0);
}

uint64_t otlp_rig_count(const struct otlp_rig *rig, size_t counter_offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rig->receiver->counters_count; i++) {
        const char *stats = (const char *)rig->receiver->counters[i].stats;
        sum += counter_read((const struct counter *)(const void *)(stats + counter_offset));
    }
    return sum;
}

void otlp_rig_await_count(const struct otlp_rig *rig, size_t counter_offset, uint64_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (otlp_rig_count(rig, counter_offset) != count && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_int_equal(otlp_rig_count(rig, counter_offset), count);
}
