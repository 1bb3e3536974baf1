/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pull_exporter — batches in, pages out.
 *
 * A batch is decided as soon as it is in the registry and answered from a timer of the next turn.
 * Another timer lets series expire in slices. Owns registry, server and scratch; after close it
 * lives on until the server's last callback where that has to come yet.
 */
#include "exporters/prom_pull_exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/pipeline.h"
#include "exporters/answers.h"
#include "exporters/exporter_bounds.h"
#include "exporters/prom_page.h"
#include "exporters/prom_pull_config.h"
#include "io/socket.h"

/* Expired series are not shown anyway; this is how soon their memory comes back. */
#define EXPIRE_EVERY_MAX_NS (10 * CLOCK_NS_PER_S)
#define EXPIRE_EVERY_MIN_NS (100 * CLOCK_NS_PER_MS)

struct prom_pull_exporter {
    struct exporter base;
    struct prom_pull_config config;
    struct prom_registry registry;
    struct prom_intake intake;
    struct http1_server server;
    struct timer answer_timer;
    struct timer expire_timer;
    struct answers answers;
    struct log_limit full_limit;
    uint32_t page_count;
    uint16_t port;
    int inherited_fd; /* owned until served on; the predecessor's socket once more, or -1 */
    bool shares_port; /* the predecessor listens on the same port of another address */
    bool is_serving;  /* the server's on_closed is yet to come */
    bool is_closed;   /* close was called: free it with the server */
};

static struct prom_pull_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct prom_pull_exporter, base);
}

/* --- scrapes ---------------------------------------------------------------------------------- */

static void page_on_closed(struct prom_page *page)
{
    struct prom_pull_exporter *exporter = page->owner;
    ASSERT(exporter->page_count > 0);
    exporter->page_count--;
}

static enum prom_format format_for(const struct prom_pull_exporter *exporter,
                                   const struct http1_exchange *exchange)
{
    struct slice accept = {0};
    if (!exporter->config.has_openmetrics || !http1_exchange_header(exchange, "Accept", &accept)) {
        return PROM_FORMAT_TEXT;
    }
    return prom_text_negotiate(accept);
}

static void refuse(struct http1_exchange *exchange, uint32_t status, const char *header,
                   const char *value)
{
    if (http1_exchange_add_header(exchange, header, slice_of_text(value)) != 0) {
        status = 500; /* a short literal always fits */
    }
    http1_respond_text(exchange, status, "text/plain; charset=utf-8", (struct slice){0});
}

static void serve_page(struct prom_pull_exporter *exporter, struct http1_exchange *exchange)
{
    enum prom_format format = format_for(exporter, exchange);
    const struct prom_page_options options = {
        .registry = &exporter->registry,
        .loop = exporter->base.loop,
        .format = format,
        .expiration_ns = exporter->config.expiration_ns,
        .has_timestamps = exporter->config.has_timestamps,
    };
    struct prom_page *page = NULL;
    if (exporter->page_count < PROM_SCRAPES_MAX) {
        page = prom_page_new(&options, exporter, page_on_closed);
    }
    if (page == NULL) {
        refuse(exchange, 503, "Retry-After", "1");
        return;
    }
    exporter->page_count++;
    int err =
        http1_respond_produced(exchange, 200, prom_text_content_type(format), &page->producer);
    if (err != 0) { /* the client is gone */
        exporter->page_count--;
        prom_page_free(page);
    }
}

static void server_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct prom_pull_exporter *exporter = CONTAINER_OF(server, struct prom_pull_exporter, server);
    if (!slice_is_text(http1_exchange_path(exchange), "/metrics")) {
        http1_respond_text(exchange, 404, "text/plain; charset=utf-8",
                           SLICE_LITERAL("the metrics are at /metrics\n"));
        return;
    }
    if (!http1_exchange_is_get(exchange)) {
        refuse(exchange, 405, "Allow", "GET, HEAD");
        return;
    }
    serve_page(exporter, exchange);
}

/* --- life ------------------------------------------------------------------------------------- */

static void exporter_free(struct prom_pull_exporter *exporter)
{
    prom_intake_fini(&exporter->intake);
    prom_registry_fini(&exporter->registry);
    prom_pull_config_fini(&exporter->config);
    if (exporter->inherited_fd >= 0) {
        (void)close(exporter->inherited_fd); /* the predecessor has its own */
    }
    mem_free(exporter);
}

static void server_on_closed(struct http1_server *server)
{
    struct prom_pull_exporter *exporter = CONTAINER_OF(server, struct prom_pull_exporter, server);
    exporter->is_serving = false;
    if (exporter->is_closed) {
        exporter_free(exporter);
    }
}

static void give_answers(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct prom_pull_exporter *exporter =
        CONTAINER_OF(timer, struct prom_pull_exporter, answer_timer);
    answers_give(&exporter->answers, &exporter->base);
}

static uint64_t expire_every_ns(const struct prom_pull_exporter *exporter)
{
    uint64_t every_ns = exporter->config.expiration_ns / 10;
    every_ns = every_ns < EXPIRE_EVERY_MAX_NS ? every_ns : EXPIRE_EVERY_MAX_NS;
    return every_ns > EXPIRE_EVERY_MIN_NS ? every_ns : EXPIRE_EVERY_MIN_NS;
}

static void expire(struct timer *timer, uint64_t now_mono_ns)
{
    struct prom_pull_exporter *exporter =
        CONTAINER_OF(timer, struct prom_pull_exporter, expire_timer);
    uint64_t age_ns = exporter->config.expiration_ns;
    uint64_t limit_mono_ns = now_mono_ns > age_ns ? now_mono_ns - age_ns : 0;
    size_t count = prom_registry_expire(&exporter->registry, limit_mono_ns, PROM_EXPIRE_MAX_COUNT);
    uint64_t wait_ns = count < PROM_EXPIRE_MAX_COUNT ? expire_every_ns(exporter) : 0;
    int err = loop_timer_arm(exporter->base.loop, timer, now_mono_ns + wait_ns);
    if (err != 0) {
        log_error("prometheus_expiry_stopped", LOG_TEXT("exporter", exporter->base.id),
                  LOG_FAULT("reason", err));
    }
}

/* A host that nobody spelled out is every address where the network in front decides. */
static bool binds_any(const struct config_endpoint *endpoint)
{
    const char *wish = getenv("WEIR_BIND_ANY");
    return endpoint->is_default && (getenv("ECS_CONTAINER_METADATA_URI_V4") != NULL ||
                                    (wish != NULL && strcmp(wish, "1") == 0));
}

/* A listening socket, or negative. */
static int listen_socket(struct prom_pull_exporter *exporter)
{
    int inherited_fd = exporter->inherited_fd;
    if (inherited_fd >= 0) {
        exporter->inherited_fd = -1;
        return inherited_fd;
    }
    const struct config_endpoint *wanted = &exporter->config.endpoint;
    struct socket_endpoint endpoint = {.port = wanted->port};
    if (wanted->host.len >= sizeof(endpoint.host)) {
        return -ENAMETOOLONG;
    }
    if (wanted->host.len > 0 && !binds_any(wanted)) {
        memcpy(endpoint.host, wanted->host.ptr, wanted->host.len);
    }
    struct loop_address address;
    const char *why_text = NULL;
    int err = socket_resolve(&endpoint, SOCKET_FAMILY_ANY, &address, &why_text);
    if (err != 0) {
        return err;
    }
    const struct socket_options options = {.has_reuseport = exporter->shares_port};
    struct socket_report report = {0};
    int fd = socket_open_tcp(&address, &options, &report);
    if (fd >= 0) {
        exporter->port = socket_port_of(&report.local);
    }
    return fd;
}

static int start_server(struct prom_pull_exporter *exporter)
{
    int fd = listen_socket(exporter);
    if (fd < 0) {
        log_error("bind_failed", LOG_TEXT("exporter", exporter->base.id),
                  LOG_SLICE("host", exporter->config.endpoint.host),
                  LOG_U64("port", exporter->config.endpoint.port), LOG_FAULT("reason", fd));
        return fd;
    }
    exporter->server.on_request = server_on_request;
    exporter->server.on_closed = server_on_closed;
    int err = http1_server_start(&exporter->server, exporter->base.loop, &fd, 1);
    if (err != 0) {
        (void)close(fd); /* nothing was written to it */
        return err;
    }
    exporter->is_serving = true;
    log_info("listening", LOG_TEXT("exporter", exporter->base.id),
             LOG_SLICE("host", exporter->config.endpoint.host), LOG_U64("port", exporter->port),
             LOG_TEXT("path", "/metrics"));
    return 0;
}

static bool has_same_host(const struct config_endpoint *a, const struct config_endpoint *b)
{
    return a->is_default == b->is_default && slice_equal(a->host, b->host);
}

/*
 * One socket under two descriptors: connections that wait for the predecessor are served by either,
 * so that none is refused. On another address of the same port the two sockets stand side by side.
 */
static bool prom_pull_take_over(struct exporter *base, const struct exporter *old_base)
{
    struct prom_pull_exporter *exporter = exporter_of(base);
    const char *at = (const char *)old_base - offsetof(struct prom_pull_exporter, base);
    const struct prom_pull_exporter *old = (const void *)at;
    const struct config_endpoint *wanted = &exporter->config.endpoint;
    bool has_same_port = wanted->port == old->config.endpoint.port;
    if (!old->is_serving || old->server.is_stopping || !has_same_port ||
        exporter->inherited_fd >= 0) {
        return false;
    }
    int fd = old->server.listeners[0].listener.fd;
    if (has_same_host(wanted, &old->config.endpoint)) {
        exporter->inherited_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        exporter->port = old->port;
        return exporter->inherited_fd >= 0;
    }
    int one = 1;
    bool can_share = wanted->port != 0 &&
                     setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, (socklen_t)sizeof(one)) == 0;
    exporter->shares_port = exporter->shares_port || can_share;
    return can_share;
}

static int prom_pull_open(struct exporter *base, struct loop *loop)
{
    struct prom_pull_exporter *exporter = exporter_of(base);
    base->loop = loop;
    uint64_t hash_seed = loop_now_mono_ns(loop); /* where the kernel has no better one */
    if (getrandom(&hash_seed, sizeof(hash_seed), 0) != (ssize_t)sizeof(hash_seed)) {
        log_warn("no_random_seed", LOG_TEXT("exporter", base->id));
    }
    prom_registry_init(&exporter->registry, PROM_SERIES_MAX, hash_seed);
    int err = prom_intake_init(&exporter->intake, &exporter->registry, &exporter->config.intake);
    if (err != 0) {
        return err;
    }
    exporter->answer_timer.on_fire = give_answers;
    exporter->expire_timer.on_fire = expire;
    err = loop_timer_arm(loop, &exporter->expire_timer,
                         loop_now_mono_ns(loop) + expire_every_ns(exporter));
    return err != 0 ? err : start_server(exporter);
}

static void report_full(struct prom_pull_exporter *exporter, uint64_t now_mono_ns)
{
    uint64_t suppressed_count = 0;
    if (log_limit_admit(&exporter->full_limit, now_mono_ns, &suppressed_count)) {
        log_warn("prometheus_series_limit", LOG_TEXT("exporter", exporter->base.id),
                 LOG_U64("series", exporter->registry.series_count),
                 LOG_U64("limit", exporter->registry.series_max),
                 LOG_U64("suppressed", suppressed_count));
    }
}

static int prom_pull_submit(struct exporter *base, struct batch *batch)
{
    struct prom_pull_exporter *exporter = exporter_of(base);
    uint64_t now_mono_ns = loop_now_mono_ns(base->loop);
    if (answers_is_full(&exporter->answers) ||
        loop_timer_arm(base->loop, &exporter->answer_timer, now_mono_ns) != 0) {
        return -EAGAIN;
    }
    struct prom_tally sum = {0};
    for (uint32_t i = 0; i < batch->part_count; i++) {
        struct prom_tally tally =
            prom_intake_part(&exporter->intake, &batch->parts[i], now_mono_ns);
        sum.delivered_count += tally.delivered_count;
        sum.rejected_count += tally.rejected_count;
        sum.memory_count += tally.memory_count;
    }
    counter_add(&base->stats.items_delivered, sum.delivered_count);
    counter_add(&base->stats.items_rejected, sum.rejected_count);
    counter_add(&base->stats.items_dropped_memory, sum.memory_count);
    if (sum.memory_count > 0) {
        report_full(exporter, now_mono_ns);
    }
    bool is_shown = sum.delivered_count > 0 || batch->item_count == 0;
    answers_push(&exporter->answers, batch, is_shown ? DELIVERY_ACCEPTED : DELIVERY_REJECTED);
    return 0;
}

static void prom_pull_drain(struct exporter *base, uint64_t deadline_mono_ns)
{
    (void)deadline_mono_ns; /* scrapes under way end by themselves or by the server's timeouts */
    struct prom_pull_exporter *exporter = exporter_of(base);
    if (exporter->is_serving) {
        http1_server_stop(&exporter->server);
    }
}

static bool prom_pull_is_idle(const struct exporter *base)
{
    const char *at = (const char *)base - offsetof(struct prom_pull_exporter, base);
    const struct prom_pull_exporter *exporter = (const void *)at;
    /* After drain, those who connected just before it are still to be shown a page. */
    bool is_leaving = exporter->is_serving && exporter->server.is_stopping;
    return exporter->answers.count == 0 && exporter->page_count == 0 && !is_leaving;
}

static void prom_pull_close(struct exporter *base)
{
    struct prom_pull_exporter *exporter = exporter_of(base);
    if (exporter->is_closed) {
        return;
    }
    exporter->is_closed = true;
    answers_give(&exporter->answers, base);
    if (base->loop != NULL) {
        loop_timer_cancel(base->loop, &exporter->answer_timer);
        loop_timer_cancel(base->loop, &exporter->expire_timer);
    }
    if (exporter->is_serving) {
        http1_server_abort(&exporter->server);
        return;
    }
    exporter_free(exporter);
}

const struct exporter_ops prom_pull_exporter_ops = {
    .type = "prometheus",
    .open = prom_pull_open,
    .submit = prom_pull_submit,
    .take_over = prom_pull_take_over,
    .drain = prom_pull_drain,
    .is_idle = prom_pull_is_idle,
    .close = prom_pull_close,
};

int prom_pull_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct prom_pull_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->base = (struct exporter){.ops = &prom_pull_exporter_ops, .id = id};
    exporter->inherited_fd = -1;
    int err = prom_pull_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        exporter_free(exporter);
        return err;
    }
    *out = &exporter->base;
    return 0;
}

uint16_t prom_pull_exporter_port(const struct exporter *exporter)
{
    const char *at = (const char *)exporter - offsetof(struct prom_pull_exporter, base);
    const struct prom_pull_exporter *self = (const void *)at;
    return self->port;
}
