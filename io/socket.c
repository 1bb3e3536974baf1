/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket — endpoints, opening and configuring of listening sockets.
 *
 * socket_group.c has what concerns leaving: reuseport groups, filters, drops.
 */
#include "io/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "io/io_bounds.h"

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define PORT_DIGITS_MAX 5

_Static_assert(SOCKET_PATH_MAX_BYTES < sizeof(((struct sockaddr_un *)0)->sun_path), "terminator");

/* --- endpoints ------------------------------------------------------------------------------- */

static int parse_port(struct slice text, uint16_t *out)
{
    uint32_t port = 0;
    if (text.len == 0) {
        return FAULT_MALFORMED;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return FAULT_MALFORMED;
        }
        if (i >= PORT_DIGITS_MAX) {
            return FAULT_LIMIT;
        }
        port = port * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    if (port > UINT16_MAX) {
        return FAULT_LIMIT;
    }
    *out = (uint16_t)port;
    return 0;
}

/* Splits at the colon that belongs to the port; `*host` comes out without its brackets. */
static int split_endpoint(struct slice text, struct slice *host, struct slice *port)
{
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t close_offset = slice_find(text, ']');
        if (close_offset + 1 >= text.len || text.ptr[close_offset + 1] != ':') {
            return FAULT_MALFORMED;
        }
        *host = slice_of(text.ptr + 1, close_offset - 1);
        *port = slice_from(text, close_offset + 2);
        return host->len > 0 ? 0 : FAULT_MALFORMED;
    }
    size_t colon_offset = slice_find(text, ':');
    if (colon_offset == text.len) {
        return FAULT_MALFORMED;
    }
    *host = slice_first(text, colon_offset);
    *port = slice_from(text, colon_offset + 1);
    return 0; /* a second colon, an IPv6 address without brackets, is no digit of a port */
}

int socket_parse_endpoint(struct slice text, struct socket_endpoint *out)
{
    struct slice host;
    struct slice port;
    struct socket_endpoint endpoint = {0};
    *out = endpoint;
    int err = split_endpoint(text, &host, &port);
    if (err != 0) {
        return err;
    }
    if (host.len > SOCKET_HOST_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    if (slice_find(host, 0) != host.len) {
        return FAULT_MALFORMED;
    }
    if (host.len > 0) {
        memcpy(endpoint.host, host.ptr, host.len);
    }
    err = parse_port(port, &endpoint.port);
    if (err == 0) {
        *out = endpoint;
    }
    return err;
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    int err = bind(fd, (struct sockaddr *)&address, sizeof(address));
    (void)close(fd); /* nothing was sent */
    return err == 0;
}

static struct loop_address unspecified(enum socket_family family, uint16_t port)
{
    bool is_v6 = family == SOCKET_FAMILY_IPV6 || (family == SOCKET_FAMILY_ANY && has_ipv6());
    if (is_v6) {
        return (struct loop_address){
            .len = sizeof(struct sockaddr_in6),
            .in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any},
        };
    }
    return (struct loop_address){
        .len = sizeof(struct sockaddr_in),
        .in4 = {.sin_family = AF_INET, .sin_port = htons(port)},
    };
}

static int family_number(enum socket_family family)
{
    switch (family) {
    case SOCKET_FAMILY_ANY:
        return AF_UNSPEC;
    case SOCKET_FAMILY_IPV4:
        return AF_INET;
    case SOCKET_FAMILY_IPV6:
        return AF_INET6;
    }
    return AF_UNSPEC;
}

static const struct addrinfo *prefer_ipv4(const struct addrinfo *list)
{
    for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        if (entry->ai_family == AF_INET) {
            return entry;
        }
    }
    return list;
}

int socket_resolve(const struct socket_endpoint *endpoint, enum socket_family family,
                   struct loop_address *out, const char **why_text)
{
    if (endpoint->host[0] == '\0') {
        *out = unspecified(family, endpoint->port);
        return 0;
    }
    struct addrinfo hints = {.ai_family = family_number(family), .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    int refusal = getaddrinfo(endpoint->host, NULL, &hints, &list);
    if (refusal != 0) {
        *why_text = gai_strerror(refusal);
        return FAULT_MALFORMED;
    }
    const struct addrinfo *entry = prefer_ipv4(list);
    *out = (struct loop_address){.len = entry->ai_addrlen};
    memcpy(&out->any, entry->ai_addr, entry->ai_addrlen);
    if (entry->ai_family == AF_INET6) {
        out->in6.sin6_port = htons(endpoint->port);
    } else {
        out->in4.sin_port = htons(endpoint->port);
    }
    freeaddrinfo(list);
    return 0;
}

uint16_t socket_port_of(const struct loop_address *address)
{
    if (address->len == 0) {
        return 0;
    }
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->in4.sin_port);
    case AF_INET6:
        return ntohs(address->in6.sin6_port);
    default:
        return 0;
    }
}

/* --- opening --------------------------------------------------------------------------------- */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* The kernel doubles what it is told, for its own bookkeeping, and reports the double. */
static void set_receive_buffer(int fd, uint32_t wish_bytes, struct socket_report *report)
{
    int wish = wish_bytes < INT32_MAX ? (int)wish_bytes : INT32_MAX;
    if (wish > 0 && set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, wish) != 0) {
        (void)set_option(fd, SOL_SOCKET, SO_RCVBUF, wish); /* clamped; the report says to what */
    }
    int doubled = 0;
    socklen_t len = sizeof(doubled);
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &doubled, &len); /* 0 stays where it fails */
    report->receive_buffer_bytes = (uint32_t)doubled / 2;
    report->is_buffer_short = report->receive_buffer_bytes < (uint32_t)wish;
}

static int configure(int fd, const struct loop_address *address, int type,
                     const struct socket_options *options, struct socket_report *report)
{
    int err = 0;
    if (address->any.sa_family == AF_INET6) {
        err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->family == SOCKET_FAMILY_IPV6);
    }
    if (err == 0 && type == SOCK_STREAM) {
        err = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (err == 0 && options->has_reuseport) {
        err = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (type == SOCK_DGRAM && options->has_gro) {
        report->has_gro = set_option(fd, IPPROTO_UDP, UDP_GRO, 1) == 0; /* Linux 5.0 */
    }
    set_receive_buffer(fd, options->receive_buffer_bytes, report);
    return err;
}

static int bind_to(int fd, const struct loop_address *address, int type,
                   struct socket_report *report)
{
    if (bind(fd, &address->any, address->len) != 0) {
        return -errno;
    }
    if (type == SOCK_STREAM && listen(fd, SOCKET_LISTEN_BACKLOG) != 0) {
        return -errno;
    }
    report->local = (struct loop_address){
        .len = sizeof(report->local) - offsetof(struct loop_address, any),
    };
    return getsockname(fd, &report->local.any, &report->local.len) == 0 ? 0 : -errno;
}

static int open_inet(const struct loop_address *address, int type,
                     const struct socket_options *options, struct socket_report *report)
{
    struct socket_report result = {0}; /* apart: `address` may lie inside `*report` */
    int fd = socket(address->any.sa_family, type | SOCKET_FLAGS, 0);
    if (fd < 0) {
        return -errno;
    }
    int err = configure(fd, address, type, options, &result);
    if (err == 0) {
        err = bind_to(fd, address, type, &result);
    }
    if (err != 0) {
        (void)close(fd); /* it never carried anything */
        return err;
    }
    if (report != NULL) {
        *report = result;
    }
    return fd;
}

int socket_open_udp(const struct loop_address *address, const struct socket_options *options,
                    struct socket_report *report)
{
    return open_inet(address, SOCK_DGRAM, options, report);
}

int socket_open_tcp(const struct loop_address *address, const struct socket_options *options,
                    struct socket_report *report)
{
    return open_inet(address, SOCK_STREAM, options, report);
}

/* Removes the socket file of a process that is gone; anything else at the path stays. */
static int remove_stale(const struct loop_address *address, int type)
{
    struct stat status;
    if (lstat(address->sun.sun_path, &status) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -EEXIST;
    }
    int probe_fd = socket(AF_UNIX, type | SOCKET_FLAGS, 0);
    if (probe_fd < 0) {
        return -errno;
    }
    int fault = connect(probe_fd, &address->any, address->len) == 0 ? 0 : -errno;
    (void)close(probe_fd); /* only asked whether somebody is there */
    if (fault != -ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(address->sun.sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int bind_path(int fd, const struct loop_address *address, int type, uint32_t permissions)
{
    const char *path = address->sun.sun_path;
    int err = remove_stale(address, type);
    if (err != 0) {
        return err;
    }
    if (bind(fd, &address->any, address->len) != 0) {
        return -errno;
    }
    bool is_open = permissions == 0 || chmod(path, (mode_t)permissions) == 0;
    if (!is_open || (type == SOCK_STREAM && listen(fd, SOCKET_LISTEN_BACKLOG) != 0)) {
        err = -errno;
        (void)unlink(path); /* ours, and of no use */
    }
    return err;
}

int socket_open_unix(const char *path, int type, const struct socket_options *options,
                     struct socket_report *report)
{
    ASSERT(type == SOCK_DGRAM || type == SOCK_STREAM);
    struct loop_address address = {.sun.sun_family = AF_UNIX};
    size_t path_len = strlen(path);
    if (path_len == 0) {
        return -EINVAL;
    }
    if (path_len > SOCKET_PATH_MAX_BYTES) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun.sun_path, path, path_len);
    address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len + 1);
    int fd = socket(AF_UNIX, type | SOCKET_FLAGS, 0);
    if (fd < 0) {
        return -errno;
    }
    struct socket_report result = {.local = address};
    set_receive_buffer(fd, options->receive_buffer_bytes, &result);
    int err = bind_path(fd, &address, type, options->permissions);
    if (err != 0) {
        (void)close(fd); /* it never carried anything */
        return err;
    }
    if (report != NULL) {
        *report = result;
    }
    return fd;
}
