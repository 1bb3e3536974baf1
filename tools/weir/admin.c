/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin — two small HTTP servers and what their paths mean.
 *
 * The health check has a door of its own in front: a load balancer that sends PROXY headers may do
 * so with its checks, and one that does not is welcome as well.
 */
#include "tools/weir/admin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/http1_server.h"
#include "io/socket.h"
#include "io/tcp_front.h"
#include "tools/weir/admin_page.h"

/* A page with every counter of 128 instances is well below this. */
#define PAGE_MAX_BYTES (8 * 1024 * 1024)
#define CLOSE_TURNS_MAX 500

static const char text_type[] = "text/plain; charset=utf-8";
static const char json_type[] = "application/json";
static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* One server: the pages, or the health check. */
struct admin_server {
    struct http1_server server;
    struct life *life; /* borrowed */
    char *path;        /* owned; of the health check, NULL elsewhere */
    bool is_started;
    bool is_closed;
    struct tcp_front front; /* of the health check */
    struct receiver_stats front_stats;
    bool has_front;
    uint64_t accept_failed_count;
    struct log_limit accept_failed;
};

struct admin {
    struct admin_server pages;
    struct admin_server health;
};

/* --- answers --------------------------------------------------------------------------------- */

typedef void(page_fn)(const struct life *life, struct bytes *out);

static void answer_page(const struct life *life, struct http1_exchange *exchange, uint32_t status,
                        const char *type, page_fn *page)
{
    struct bytes out;
    bytes_init(&out, PAGE_MAX_BYTES);
    page(life, &out);
    if (out.err != 0) {
        bytes_fini(&out);
        http1_respond_text(exchange, 503, text_type, slice_of_text("out of memory\n"));
        return;
    }
    void *memory = out.ptr;
    http1_respond(exchange, status, type, &memory, out.len);
}

static void answer_ready(const struct life *life, struct http1_exchange *exchange)
{
    if (life_is_ready(life)) {
        http1_respond_text(exchange, 200, text_type, slice_of_text("ready\n"));
        return;
    }
    char text[64];
    const char *state = life_state_text(life->state);
    size_t len = strlen(state);
    memcpy(text, state, len);
    text[len] = '\n';
    http1_respond_text(exchange, 503, text_type, slice_of(text, len + 1));
}

/* A signal to ourselves: the same way as from outside, after this answer is given. */
static void answer_action(struct http1_exchange *exchange, int signal_number)
{
    if (!http1_exchange_is_local(exchange)) {
        http1_respond_text(exchange, 403, text_type, slice_of_text("from this host only\n"));
        return;
    }
    http1_respond_text(exchange, 202, text_type, slice_of_text("accepted\n"));
    (void)kill(getpid(), signal_number); /* our own process */
}

static void answer_get(const struct life *life, struct http1_exchange *exchange, struct slice path)
{
    if (slice_is_text(path, "/metrics")) {
        answer_page(life, exchange, 200, metrics_type, admin_page_metrics);
    } else if (slice_is_text(path, "/api/v1/status")) {
        answer_page(life, exchange, 200, json_type, admin_page_status);
    } else if (slice_is_text(path, "/livez")) {
        http1_respond_text(exchange, 200, text_type, slice_of_text("alive\n"));
    } else if (slice_is_text(path, "/readyz")) {
        answer_ready(life, exchange);
    } else if (slice_is_text(path, "/")) {
        http1_respond_text(exchange, 200, "text/html; charset=utf-8", admin_page_html());
    } else {
        http1_respond_text(exchange, 404, text_type, slice_of_text("no such page\n"));
    }
}

static void pages_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct admin_server *admin = CONTAINER_OF(server, struct admin_server, server);
    struct slice path = http1_exchange_path(exchange);
    if (http1_exchange_is_get(exchange)) {
        answer_get(admin->life, exchange, path);
        return;
    }
    bool is_post = slice_is_text(http1_exchange_method(exchange), "POST");
    if (is_post && slice_is_text(path, "/-/reload")) {
        answer_action(exchange, SIGHUP);
    } else if (is_post && slice_is_text(path, "/-/drain")) {
        answer_action(exchange, SIGTERM);
    } else {
        http1_respond_text(exchange, 405, text_type, slice_of_text("method not allowed\n"));
    }
}

/* As the Collector's extension: with the path "/" every path answers, any method, and then closes.
 */
static void health_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct admin_server *admin = CONTAINER_OF(server, struct admin_server, server);
    if (strcmp(admin->path, "/") != 0 &&
        !slice_is_text(http1_exchange_path(exchange), admin->path)) {
        http1_respond_text(exchange, 404, text_type, slice_of_text("no such page\n"));
        return;
    }
    uint32_t status = life_is_ready(admin->life) ? 200 : 503;
    answer_page(admin->life, exchange, status, json_type, admin_page_health);
}

static void admin_on_closed(struct http1_server *server)
{
    struct admin_server *admin = CONTAINER_OF(server, struct admin_server, server);
    admin->is_closed = true;
}

/* --- life ------------------------------------------------------------------------------------ */

static int listen_at(const struct life *life, struct slice host, uint16_t port, bool is_default)
{
    struct socket_endpoint endpoint = {.port = port};
    struct loop_address address;
    const char *why = NULL;
    if (host.len >= sizeof(endpoint.host)) {
        return -ENAMETOOLONG;
    }
    if (host.len > 0 && !(is_default && life->home.binds_any)) {
        memcpy(endpoint.host, host.ptr, host.len);
    }
    int err = socket_resolve(&endpoint, SOCKET_FAMILY_ANY, &address, &why);
    if (err != 0) {
        return err;
    }
    const struct socket_options options = {0};
    return socket_open_tcp(&address, &options, NULL);
}

static bool front_on_protocol(struct tcp_front *front, enum sniff_kind kind,
                              struct channel *channel, struct slice first)
{
    (void)kind; /* there is only one */
    struct admin_server *server = CONTAINER_OF(front, struct admin_server, front);
    return http1_server_adopt(&server->server, channel, first) == 0;
}

/* The loop tries again by itself; until it succeeds, whoever asks sees no health. */
static void front_on_fault(struct tcp_front *front, int fault)
{
    struct admin_server *server = CONTAINER_OF(front, struct admin_server, front);
    uint64_t suppressed_count = 0;
    server->accept_failed_count++;
    if (log_limit_admit(&server->accept_failed, loop_now_mono_ns(front->loop), &suppressed_count)) {
        log_warn("accept_failed", LOG_TEXT("listener", front->name), LOG_FAULT("reason", fault),
                 LOG_U64("suppressed", suppressed_count));
    }
}

static void front_on_closed(struct tcp_front *front)
{
    CONTAINER_OF(front, struct admin_server, front)->has_front = false;
}

static int open_front(struct admin_server *server, int fd)
{
    server->front = (struct tcp_front){
        .loop = server->life->loop,
        .stats = &server->front_stats,
        .name = "health_check",
        .options = {.protocols = SNIFF_BIT(SNIFF_HTTP1), .allows_proxy = true},
        .on_protocol = front_on_protocol,
        .on_fault = front_on_fault,
        .on_closed = front_on_closed,
    };
    int err = tcp_front_open(&server->front, &fd, 1);
    server->has_front = err == 0;
    return err;
}

/* Behind the door of the health check, which has a path, or with a listener of its own. */
static int start_server(struct admin_server *server, int fd)
{
    bool has_front = server->path != NULL;
    int err = http1_server_start(&server->server, server->life->loop, &fd, has_front ? 0 : 1);
    server->is_started = err == 0;
    return err == 0 && has_front ? open_front(server, fd) : err;
}

static int serve(struct admin_server *server, struct life *life, const char *what, int fd,
                 uint16_t port)
{
    if (fd < 0) {
        log_error("bind_failed", LOG_TEXT("server", what), LOG_U64("port", port),
                  LOG_FAULT("reason", fd));
        return fd;
    }
    server->life = life;
    server->server.on_closed = admin_on_closed;
    int err = start_server(server, fd);
    if (err != 0) {
        (void)close(fd); /* nothing was written to it */
        return err;
    }
    log_info("serving", LOG_TEXT("server", what), LOG_U64("port", port));
    return 0;
}

int admin_open(struct life *life, struct admin **out)
{
    struct admin *admin = mem_alloc(sizeof(*admin));
    if (admin == NULL) {
        return -ENOMEM;
    }
    *out = admin;
    int err = 0;
    const struct graph_telemetry *telemetry = &life->graph->config.telemetry;
    if (telemetry->is_metrics_on) {
        admin->pages.server.on_request = pages_on_request;
        int fd = listen_at(life, telemetry->metrics_host, telemetry->metrics_port,
                           telemetry->is_metrics_host_default);
        err = serve(&admin->pages, life, "admin", fd, telemetry->metrics_port);
    }
    if (err == 0 && life->graph->has_health) {
        const struct extension_health_check *health = &life->graph->health;
        admin->health.server.on_request = health_on_request;
        admin->health.path = mem_copy_text(health->path.ptr, health->path.len);
        if (admin->health.path == NULL) {
            return -ENOMEM;
        }
        int fd = listen_at(life, health->endpoint.host, health->endpoint.port,
                           health->endpoint.is_default);
        err = serve(&admin->health, life, "health_check", fd, health->endpoint.port);
    }
    return err;
}

bool admin_health_refusals(const struct admin *admin, struct admin_refusals *out)
{
    if (admin == NULL || !admin->health.has_front) {
        return false;
    }
    const struct admin_server *server = &admin->health;
    const struct tcp_front_counts *counts = &server->front.counts;
    *out = (struct admin_refusals){
        .no_room_count =
            counter_read(&server->front_stats.connections_refused) + counts->turned_away_count,
        .accept_failed_count = server->accept_failed_count,
        .unknown_count = counts->unknown_count,
    };
    return true;
}

static bool is_gone(const struct admin_server *server)
{
    return (!server->is_started || server->is_closed) && !server->has_front;
}

void admin_close(struct admin *admin)
{
    if (admin == NULL) {
        return;
    }
    struct loop *loop = NULL;
    struct admin_server *servers[] = {&admin->pages, &admin->health};
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        if (servers[i]->is_started) {
            loop = servers[i]->life->loop;
            http1_server_abort(&servers[i]->server);
        }
        if (servers[i]->has_front) {
            tcp_front_stop(&servers[i]->front);
        }
    }
    for (uint32_t i = 0;
         i < CLOSE_TURNS_MAX && !(is_gone(&admin->pages) && is_gone(&admin->health)); i++) {
        if (loop_turn(loop, CLOCK_NS_PER_MS) < 0) {
            break;
        }
    }
    mem_free(admin->health.path);
    mem_free(admin);
}
