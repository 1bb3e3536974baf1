/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_port — binding, and calls to the egress thread.
 *
 * Whether every path is signed follows from the address that was really bound, not from how it was
 * written: only who is on this host reaches loopback.
 */
#include "io/receivers/xray_proxy_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "io/receivers/xray_config.h"
#include "io/socket.h"

/* Turns of the egress thread in which what is aborted must have closed. */
#define STOP_TURNS_MAX 10000

static struct xray_proxy_port *port_of(struct xray_proxy *proxy)
{
    return CONTAINER_OF(proxy, struct xray_proxy_port, proxy);
}

/* --- binding ---------------------------------------------------------------------------------- */

static bool is_loopback(const struct loop_address *address)
{
    if (address->any.sa_family == AF_INET) {
        return ntohl(address->in4.sin_addr.s_addr) >> 24 == 127;
    }
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
}

static int bind_failed(const struct xray_proxy_port *port, int err, const char *why)
{
    log_error("bind_failed", LOG_TEXT("receiver", port->proxy.receiver_id),
              LOG_TEXT("protocol", "sampling proxy"),
              LOG_TEXT("endpoint", port->proxy.config->endpoint.text),
              LOG_TEXT("reason", why != NULL ? why : fault_text(err)));
    return err;
}

static int resolve(struct xray_proxy_port *port, bool binds_any, struct loop_address *out)
{
    const struct xray_endpoint *endpoint = &port->proxy.config->endpoint;
    struct socket_endpoint where = {.port = endpoint->port};
    const char *why = NULL;
    size_t host_len = strlen(endpoint->host);
    if (host_len >= sizeof(where.host)) {
        return bind_failed(port, -ENAMETOOLONG, NULL);
    }
    if (!(endpoint->is_default && binds_any)) {
        memcpy(where.host, endpoint->host, host_len);
    }
    int err = socket_resolve(&where, SOCKET_FAMILY_ANY, out, &why);
    return err != 0 ? bind_failed(port, err, why) : 0;
}

int xray_proxy_port_bind(struct xray_proxy_port *port, const char *receiver_id,
                         const struct xray_proxy_config *config, const struct receiver_home *home)
{
    /* A reload binds the address again before the old listener is closed. */
    const struct socket_options options = {.has_reuseport = true};
    struct socket_report report = {0};
    struct loop_address address;
    port->egress = home->egress;
    port->fd = -1;
    port->proxy.config = config;
    port->proxy.receiver_id = receiver_id;
    int err = resolve(port, home->binds_any, &address);
    if (err != 0) {
        return err;
    }
    int fd = socket_open_tcp(&address, &options, &report);
    if (fd < 0) {
        return bind_failed(port, fd, NULL);
    }
    port->fd = fd;
    port->proxy.signs_all_paths = config->allows_all_paths || is_loopback(&report.local);
    log_info("listening", LOG_TEXT("receiver", receiver_id), LOG_TEXT("protocol", "sampling proxy"),
             LOG_TEXT("endpoint", config->endpoint.text),
             LOG_U64("port", socket_port_of(&report.local)),
             LOG_BOOL("all_paths", port->proxy.signs_all_paths));
    return 0;
}

/* --- on the egress thread --------------------------------------------------------------------- */

static bool port_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    xray_proxy_turn(&CONTAINER_OF(hook, struct xray_proxy_port, hook)->proxy);
    return false;
}

static void port_on_closed(struct xray_proxy *proxy)
{
    struct xray_proxy_port *port = port_of(proxy);
    port->is_open = false;
    atomic_store_explicit(&port->is_done, true, memory_order_release);
}

struct port_call {
    struct xray_proxy_port *port;
    int err;
    bool is_open;
};

static void start_on_egress(struct worker *worker, void *argument)
{
    struct port_call *call = argument;
    struct xray_proxy_port *port = call->port;
    port->proxy.loop = worker->loop;
    port->proxy.stats = &port->stats;
    port->proxy.on_closed = port_on_closed;
    call->err = xray_proxy_open(&port->proxy, port->fd);
    if (call->err == 0) {
        port->fd = -1;
        port->is_open = true;
        port->hook = (struct worker_hook){.on_turn = port_on_turn};
        worker_add_hook(worker, &port->hook);
        port->is_hooked = true;
    }
}

static void send_away_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct xray_proxy_port *port = argument;
    if (port->is_open) {
        xray_proxy_send_away(&port->proxy);
    }
}

static void drain_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct xray_proxy_port *port = argument;
    if (port->is_open) {
        xray_proxy_stop(&port->proxy);
    }
}

static void stop_on_egress(struct worker *worker, void *argument)
{
    struct port_call *call = argument;
    struct xray_proxy_port *port = call->port;
    if (port->is_open) {
        xray_proxy_abort(&port->proxy);
    }
    call->is_open = port->is_open;
    if (!port->is_open && port->is_hooked) {
        worker_remove_hook(worker, &port->hook);
        port->is_hooked = false;
    }
}

/* --- from the main thread --------------------------------------------------------------------- */

int xray_proxy_port_start(struct xray_proxy_port *port)
{
    ASSERT(port->fd >= 0);
    struct port_call call = {.port = port};
    worker_call(port->egress, &call, start_on_egress);
    return call.err;
}

void xray_proxy_port_send_away(struct xray_proxy_port *port)
{
    if (port->egress != NULL) {
        worker_call(port->egress, port, send_away_on_egress);
    }
}

void xray_proxy_port_drain(struct xray_proxy_port *port)
{
    if (port->egress != NULL) {
        worker_call(port->egress, port, drain_on_egress);
    }
}

bool xray_proxy_port_is_done(const struct xray_proxy_port *port)
{
    bool is_started = port->egress != NULL && port->fd < 0 && port->proxy.loop != NULL;
    return !is_started || atomic_load_explicit(&port->is_done, memory_order_acquire);
}

void xray_proxy_port_stop(struct xray_proxy_port *port)
{
    if (port->egress == NULL) {
        return;
    }
    struct port_call call = {.port = port, .is_open = true};
    for (uint32_t i = 0; i < STOP_TURNS_MAX && call.is_open; i++) {
        worker_call(port->egress, &call, stop_on_egress);
    }
    ASSERT(!call.is_open); /* what is aborted closes within a few turns */
    if (port->fd >= 0) {
        (void)close(port->fd); /* bound, and never served */
        port->fd = -1;
    }
    port->egress = NULL;
}
