/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_rig — see xray_rig.h.
 */
#include "tests/support/xray_rig.h"

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
#include "core/model/documents.h"
#include "core/otlp/otlp_walk.h"
#include "io/receivers/xray_receiver.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

static struct config_fixture fixture;

/* --- the egress thread ------------------------------------------------------------------------ */

static void look_at_documents(struct xray_rig_line *line, const struct part *part)
{
    struct documents_reader reader = documents_reader_of(part->bytes);
    struct slice document;
    uint32_t count = 0;
    while (documents_next(&reader, &document)) {
        for (size_t i = 0; i < document.len; i++) {
            line->byte_sum += document.ptr[i];
        }
        memcpy(line->last, document.ptr, document.len);
        line->last_bytes = document.len;
        count++;
    }
    line->broken_count += reader.err != 0 || count != part->item_count;
}

static void look_at_part(struct xray_rig_line *line, const struct part *part, bool is_documents)
{
    struct otlp_counts counts = {0};
    line->part_count++;
    line->item_count += part->item_count;
    if (is_documents) {
        line->broken_count += part->encoding != PART_XRAY;
        look_at_documents(line, part);
        return;
    }
    bool is_whole =
        part->encoding == PART_OTLP && otlp_walk(SIGNAL_TRACES, part->bytes, &counts, NULL) == 0;
    line->broken_count += !is_whole || counts.item_count != part->item_count;
}

static void take_lane(struct xray_rig_line *line, struct lane *lane, bool is_documents)
{
    struct part *part = lane_peek(lane);
    while (part != NULL) {
        look_at_part(line, part, is_documents);
        int err = pipeline_push(&line->pipeline, part, PIPELINE_PROCESSED, 1);
        ASSERT(err == 0); /* its exporter answers at once */
        stub_exporter_answer_all(&line->exporter, DELIVERY_ACCEPTED);
        lane_pop(lane);
        part = lane_peek(lane);
    }
}

static bool egress_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct xray_rig *rig = CONTAINER_OF(hook, struct xray_rig, hook);
    for (uint32_t i = 0; i < XRAY_RIG_LINES; i++) {
        for (uint32_t k = 0; k < XRAY_RIG_SHARDS; k++) {
            take_lane(&rig->lines[i], &rig->lines[i].halves[k].lane, i == 0);
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

struct items_call {
    const struct xray_rig_line *line;
    uint64_t count;
};

static void count_items(struct worker *worker, void *argument)
{
    (void)worker;
    struct items_call *call = argument;
    call->count = call->line->item_count;
}

void xray_rig_await_items(struct xray_rig *rig, uint32_t line, uint64_t count)
{
    struct items_call call = {.line = &rig->lines[line]};
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    worker_call(&rig->egress, &call, count_items);
    while (call.count < count && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
        worker_call(&rig->egress, &call, count_items);
    }
    assert_int_equal(call.count, count);
}

/* --- life ------------------------------------------------------------------------------------- */

static uint16_t free_port(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void start_worker(struct worker *worker, const char *name, uint32_t id,
                         enum loop_backend backend)
{
    const struct worker_options options = {
        .name = name, .id = id, .loop = {.backend = backend}, .cpu = -1};
    assert_int_equal(worker_start(worker, &options), 0);
}

static void open_line(struct xray_rig *rig, uint32_t index)
{
    struct xray_rig_line *line = &rig->lines[index];
    stub_exporter_init(&line->exporter, STUB_TAKEN_MAX, false);
    line->exporter.exporter.encodings = index == 0 ? PART_ENCODING_BIT(PART_XRAY) : 0;
    struct exporter *routes[] = {&line->exporter.exporter};
    pipeline_init(&line->pipeline, "line", SIGNAL_TRACES, routes, 1);
    for (uint32_t i = 0; i < XRAY_RIG_SHARDS; i++) {
        assert_int_equal(shard_half_init(&line->halves[i], NULL, 0), 0);
    }
    line->pipeline.shard_halves = line->halves;
    line->pipeline.memory = &rig->memory;
}

static void make_receiver(struct xray_rig *rig)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "endpoint: 127.0.0.1:%u\n"
                   "proxy_server: {endpoint: '127.0.0.1:%u', region: us-east-1,\n"
                   "  aws_endpoint: 'http://127.0.0.1:1', local_mode: true}\n",
                   rig->port, rig->proxy_port);
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(text), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.awsxray");
    int err = xray_receiver_new(&reader, "awsxray", &rig->receiver);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&fixture));
    }
    assert_int_equal(err, 0);
    config_fixture_fini(&fixture);
}

void xray_rig_prepare(struct xray_rig *rig, enum loop_backend backend)
{
    static const char *const names[XRAY_RIG_SHARDS] = {"shard-0", "shard-1"};
    memset(rig, 0, sizeof(*rig));
    budget_init(&rig->memory, XRAY_RIG_BUDGET);
    for (uint32_t i = 0; i < XRAY_RIG_LINES; i++) {
        open_line(rig, i);
    }
    for (uint32_t i = 0; i < XRAY_RIG_SHARDS; i++) {
        start_worker(&rig->shards[i], names[i], i, backend);
    }
    start_worker(&rig->egress, "egress-0", 0, backend);
    rig->hook.on_turn = egress_on_turn;
    worker_call(&rig->egress, &rig->hook, add_hook);
    rig->home = (struct receiver_home){
        .shards = rig->shards,
        .shard_count = XRAY_RIG_SHARDS,
        .egress = &rig->egress,
        .memory = &rig->memory,
    };
    rig->port = free_port(SOCK_DGRAM);
    rig->proxy_port = free_port(SOCK_STREAM);
    make_receiver(rig);
}

void xray_rig_connect(struct xray_rig *rig, uint32_t lines)
{
    struct pipeline *pipelines[XRAY_RIG_LINES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < XRAY_RIG_LINES; i++) {
        if ((lines >> i & 1) != 0) {
            pipelines[count] = &rig->lines[i].pipeline;
            count++;
        }
    }
    rig->receiver->ops->connect(rig->receiver, pipelines, count);
}

void xray_rig_open(struct xray_rig *rig, enum loop_backend backend, uint32_t lines)
{
    xray_rig_prepare(rig, backend);
    assert_int_equal(rig->receiver->ops->open(rig->receiver, &rig->home), 0);
    xray_rig_connect(rig, lines);
    assert_int_equal(rig->receiver->ops->start(rig->receiver), 0);
}

void xray_rig_reload(struct xray_rig *rig, uint32_t lines)
{
    assert_null(rig->older);
    rig->older = rig->receiver;
    make_receiver(rig);
    assert_int_equal(rig->receiver->ops->open(rig->receiver, &rig->home), 0);
    xray_rig_connect(rig, lines);
    assert_int_equal(rig->receiver->ops->start(rig->receiver), 0);
    rig->older->ops->drain(rig->older, true);
}

static void check_books(const struct receiver *receiver)
{
    uint64_t invalid_count =
        xray_rig_count(receiver, offsetof(struct receiver_stats, invalid_memory));
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        invalid_count += xray_rig_count(receiver, offsetof(struct receiver_stats, line_reasons[0]) +
                                                      i * sizeof(struct counter));
    }
    assert_int_equal(
        xray_rig_count(receiver, offsetof(struct receiver_stats, wire_received)),
        xray_rig_count(receiver, offsetof(struct receiver_stats, wire_parsed)) +
            xray_rig_count(receiver, offsetof(struct receiver_stats, wire_dropped_truncated)));
    assert_int_equal(xray_rig_count(receiver, offsetof(struct receiver_stats, items_decoded)),
                     xray_rig_count(receiver, offsetof(struct receiver_stats, items_forwarded)) +
                         invalid_count);
}

/* Until it is drained; it need not have been told yet. */
static void drain(struct receiver *receiver, bool has_successor)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    receiver->ops->drain(receiver, has_successor);
    while (!receiver->ops->is_drained(receiver) && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(receiver->ops->is_drained(receiver));
    check_books(receiver);
}

void xray_rig_end_older(struct xray_rig *rig, uint64_t *received, uint64_t *forwarded)
{
    drain(rig->older, true);
    *received = xray_rig_count(rig->older, offsetof(struct receiver_stats, wire_received));
    *forwarded = xray_rig_count(rig->older, offsetof(struct receiver_stats, items_forwarded));
    rig->older->ops->close(rig->older);
    rig->older = NULL;
}

void xray_rig_close(struct xray_rig *rig)
{
    if (rig->receiver != NULL && rig->receiver->counters_count > 0) {
        drain(rig->receiver, false);
    }
    if (rig->receiver != NULL) {
        rig->receiver->ops->close(rig->receiver);
    }
    worker_wake(&rig->egress);
    worker_call(&rig->egress, &rig->hook, remove_hook);
    egress_on_turn(&rig->hook, &rig->egress); /* what was left in lanes; nobody else is there */
    worker_stop(&rig->egress);
    for (uint32_t i = 0; i < XRAY_RIG_SHARDS; i++) {
        worker_stop(&rig->shards[i]);
    }
    for (uint32_t i = 0; i < XRAY_RIG_LINES; i++) {
        assert_int_equal(rig->lines[i].broken_count, 0);
        for (uint32_t k = 0; k < XRAY_RIG_SHARDS; k++) {
            shard_half_fini(&rig->lines[i].halves[k]);
        }
        pipeline_fini(&rig->lines[i].pipeline);
    }
    assert_int_equal(budget_leased(&rig->memory), 0);
}

/* --- the client ------------------------------------------------------------------------------- */

int xray_rig_client(const struct xray_rig *rig)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons(rig->port),
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)),
                     0);
    return fd;
}

uint64_t xray_rig_count(const struct receiver *receiver, size_t counter_offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < receiver->counters_count; i++) {
        const char *stats = (const char *)receiver->counters[i].stats;
        sum += counter_read((const struct counter *)(const void *)(stats + counter_offset));
    }
    return sum;
}

void xray_rig_await_count(const struct xray_rig *rig, size_t counter_offset, uint64_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (xray_rig_count(rig->receiver, counter_offset) < count &&
           clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_int_equal(xray_rig_count(rig->receiver, counter_offset), count);
}
