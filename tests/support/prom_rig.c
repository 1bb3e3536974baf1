/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_rig — the parts that every test of the pull endpoint needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "exporters/prom_pull_exporter.h"
#include "io/loop.h"
#include "tests/support/exporter_books.h"
#include "tests/support/prom_rig.h"
#include "tools/weir/config_yaml.h"

/* Nothing on loopback takes this long; a test that waits for it has failed. */
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

struct prom_rig rig;
char *prom_rig_page;
char prom_rig_head[4096];
uint64_t prom_rig_turn_max_ns;
static uint8_t *wire;

bool prom_rig_init(void)
{
    wire = mem_alloc(PROM_RIG_WIRE_MAX_BYTES);
    prom_rig_page = mem_alloc(PROM_RIG_PAGE_MAX_BYTES);
    return wire != NULL && prom_rig_page != NULL;
}

void prom_rig_fini(void)
{
    mem_free(wire);
    mem_free(prom_rig_page);
}

/* --- life ------------------------------------------------------------------------------------- */

int prom_rig_configure(const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    uint32_t source_index = 0;
    config_fixture_init(&rig.config);
    struct slice text = slice_of_text(yaml);
    struct slice name = SLICE_LITERAL("test.yaml");
    assert_int_equal(config_tree_add_source(&rig.config.tree, name, text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&rig.config.tree, &rig.config.report, text, NULL, source_index, &node),
        0);
    config_reader_open(&reader, &rig.config.report, node, "exporters.prometheus");
    return prom_pull_exporter_new(&reader, "prometheus/test", &rig.exporter);
}

void prom_rig_open(void **state, const char *yaml)
{
    rig = (struct prom_rig){.loop = *state, .start_unix_ns = 1000, .time_unix_ns = 2000};
    int err = prom_rig_configure(yaml);
    if (err != 0) {
        print_error("%s\n", config_fixture_printed(&rig.config));
    }
    assert_int_equal(err, 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), 0);
    pipeline_init(&rig.pipeline, "test", SIGNAL_METRICS, &rig.exporter, 1);
}

void prom_rig_settle(void)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    bool is_idle = false;
    while (!is_idle && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        is_idle = rig.exporter->ops->is_idle(rig.exporter) && pipeline_is_idle(&rig.pipeline);
    }
    assert_true(is_idle);
}

void prom_rig_close(void)
{
    prom_rig_settle();
    assert_books_balance(&rig.exporter->stats);
    assert_int_equal(counter_read(&rig.exporter->stats.items_held), 0);
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + CLOCK_NS_PER_S);
    rig.exporter->ops->close(rig.exporter);
    rig.exporter = NULL;
    pipeline_fini(&rig.pipeline);
    config_fixture_fini(&rig.config);
    for (int i = 0; i < 8; i++) {
        assert_true(loop_turn(rig.loop, 0) >= 0);
    }
}

/* --- what goes in ----------------------------------------------------------------------------- */

static const struct otlp_envelope *envelope_now(void)
{
    static struct otlp_envelope envelope;
    envelope = (struct otlp_envelope){.resource_attrs = rig.resource,
                                      .resource_attr_count = rig.resource_count,
                                      .scope_name = SLICE_LITERAL("test.scope"),
                                      .scope_version = SLICE_LITERAL("1.2")};
    return &envelope;
}

size_t prom_rig_begin(void)
{
    otlp_build_init(&rig.build, wire, PROM_RIG_WIRE_MAX_BYTES);
    assert_int_equal(otlp_envelope_begin(&rig.build, envelope_now()), 0);
    return otlp_build_mark(&rig.build);
}

void prom_rig_submit(struct slice bytes, uint32_t item_count)
{
    struct batch *batch = batch_new(SIGNAL_METRICS, 0);
    struct part part;
    assert_non_null(batch);
    assert_int_equal(part_copy(&part, bytes, SIGNAL_METRICS, item_count), 0);
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
    assert_false(pipeline_is_idle(&rig.pipeline)); /* answered in a later turn */
    prom_rig_settle();
}

struct slice prom_rig_finish(size_t mark, const struct otlp_metric *metric)
{
    otlp_build_metric(&rig.build, mark, metric);
    assert_int_equal(rig.build.err, 0);
    return otlp_envelope_end(&rig.build, envelope_now());
}

void prom_rig_end(size_t mark, const struct otlp_metric *metric, uint32_t item_count)
{
    prom_rig_submit(prom_rig_finish(mark, metric), item_count);
}

/* --- what comes out --------------------------------------------------------------------------- */

int prom_rig_connect(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(prom_pull_exporter_port(rig.exporter)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void prom_rig_send(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
}

/* What is there is appended at *len. False once the server has closed. */
static bool gather(int fd, size_t *len)
{
    for (;;) {
        ssize_t n =
            recv(fd, prom_rig_page + *len, PROM_RIG_PAGE_MAX_BYTES - *len - 1, MSG_DONTWAIT);
        if (n <= 0) {
            prom_rig_page[*len] = '\0';
            return n < 0 && errno == EAGAIN;
        }
        *len += (size_t)n;
    }
}

void prom_rig_await_answer(int fd)
{
    char first;
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    ssize_t n = recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        n = recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    }
    assert_int_equal(n, 1);
}

/* Joins the chunks of `page`, in place. */
static void unwrap_chunks(char *body)
{
    char *out = prom_rig_page;
    char *at = body;
    for (;;) {
        char *data = NULL;
        size_t len = (size_t)strtoull(at, &data, 16);
        assert_true(data > at && data[0] == '\r' && data[1] == '\n');
        if (len == 0) {
            *out = '\0';
            return;
        }
        memmove(out, data + 2, len);
        out += len;
        at = data + 2 + len + 2;
    }
}

static void take_apart(void)
{
    char *body = strstr(prom_rig_page, "\r\n\r\n");
    assert_non_null(body);
    size_t head_len = (size_t)(body - prom_rig_page);
    assert_true(head_len < sizeof(prom_rig_head));
    memcpy(prom_rig_head, prom_rig_page, head_len);
    prom_rig_head[head_len] = '\0';
    if (strstr(prom_rig_head, "Transfer-Encoding: chunked") != NULL) {
        unwrap_chunks(body + 4);
    } else {
        memmove(prom_rig_page, body + 4, strlen(body + 4) + 1);
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void timed_turn(void)
{
    uint64_t begin_ns = cpu_ns();
    assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    uint64_t spent_ns = cpu_ns() - begin_ns;
    prom_rig_turn_max_ns = spent_ns > prom_rig_turn_max_ns ? spent_ns : prom_rig_turn_max_ns;
}

void prom_rig_ask(const char *request)
{
    prom_rig_turn_max_ns = 0;
    int fd = prom_rig_connect();
    prom_rig_send(fd, request);
    size_t len = 0;
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    bool is_open = true;
    while (is_open && clock_mono_ns() < deadline_mono_ns) {
        timed_turn();
        is_open = gather(fd, &len);
    }
    (void)close(fd);
    assert_false(is_open);
    take_apart();
}

void prom_rig_scrape(void)
{
    prom_rig_ask(PROM_RIG_GET "\r\n");
    assert_non_null(strstr(prom_rig_head, "200 OK"));
}
