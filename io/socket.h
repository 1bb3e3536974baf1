/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket — endpoints, and the opening and configuring of listening sockets.
 *
 * Everything here happens at boot or at drain, on any thread; descriptors come out non-blocking and
 * close-on-exec. Names are resolved with getaddrinfo, which may block: never on a shard.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"
#include "io/loop.h"

/* "host:port" taken apart. An empty host is kept: what it means is the caller's decision. */
struct socket_endpoint {
    char host[SOCKET_HOST_MAX_BYTES + 1]; /* without brackets, may hold "%zone" */
    uint16_t port;                        /* 0 lets the kernel pick one */
};

enum socket_family {
    SOCKET_FAMILY_ANY, /* dual-stack where the address is unspecified */
    SOCKET_FAMILY_IPV4,
    SOCKET_FAMILY_IPV6, /* IPv6 only */
};

/* Zero is a valid choice for each. */
struct socket_options {
    enum socket_family family;
    bool has_reuseport;            /* several sockets, one per shard, share the address */
    bool has_gro;                  /* UDP: let the kernel coalesce datagrams of one flow */
    uint32_t receive_buffer_bytes; /* wished for; 0 keeps the kernel's default */
    uint32_t permissions;          /* Unix: mode of the path; 0 keeps what the umask gives */
};

/* What came of it. */
struct socket_report {
    struct loop_address local;     /* with the port the kernel picked */
    uint32_t receive_buffer_bytes; /* effective */
    bool is_buffer_short;          /* below the wish: net.core.rmem_max is too small */
    bool has_gro;
};

/*
 * "host:port", "[v6]:port", ":port"; the port is a decimal number. 0, FAULT_MALFORMED, or
 * FAULT_LIMIT for a host longer than SOCKET_HOST_MAX_BYTES or a port above 65535.
 */
WEIR_MUST_USE int socket_parse_endpoint(struct slice text, struct socket_endpoint *out);

/*
 * The address to listen on. An empty host is the unspecified address: `::` (dual-stack) for ANY
 * where the machine has IPv6, else 0.0.0.0. Names prefer IPv4 for ANY. Blocks. 0, or
 * FAULT_MALFORMED with `*why_text` set to a static sentence when the name cannot be resolved.
 */
WEIR_MUST_USE int socket_resolve(const struct socket_endpoint *endpoint, enum socket_family family,
                                 struct loop_address *out, const char **why_text);

/*
 * Bound and ready for loop_dgram_start or loop_listener_start. Returns the descriptor (moves out)
 * or -errno. `report` may be NULL. TCP sockets get SO_REUSEADDR and listen.
 */
WEIR_MUST_USE int socket_open_udp(const struct loop_address *address,
                                  const struct socket_options *options,
                                  struct socket_report *report);
WEIR_MUST_USE int socket_open_tcp(const struct loop_address *address,
                                  const struct socket_options *options,
                                  struct socket_report *report);

/*
 * `path` NUL-terminated; `type` SOCK_DGRAM or SOCK_STREAM (which then listens). A socket file that
 * nobody listens on is removed first. -ENAMETOOLONG beyond SOCKET_PATH_MAX_BYTES, -EADDRINUSE where
 * somebody listens, -EEXIST where the path is no socket, or -errno.
 */
WEIR_MUST_USE int socket_open_unix(const char *path, int type, const struct socket_options *options,
                                   struct socket_report *report);

/* Port of an IPv4 or IPv6 address, 0 for others. */
uint16_t socket_port_of(const struct loop_address *address);

/* Datagrams the kernel dropped at this socket since it was opened (SO_MEMINFO). 0 or -errno. */
WEIR_MUST_USE int socket_read_drops(int fd, uint32_t *drop_count);

/* Whether nothing waits to be read (SIOCINQ). True for a descriptor that is no socket. */
bool socket_is_dry(int fd);

/*
 * Nothing new reaches this one socket any more; what is queued stays to be read. Over IP others of
 * its reuseport group take over, or the kernel answers that nobody listens; a Unix sender gets
 * EPERM. Where that fails, the kernel drops in silence. 0 or -errno.
 */
WEIR_MUST_USE int socket_refuse_all(int fd);

/*
 * Steers new datagrams, or new connections, of a reuseport group to one member, by a classic-BPF
 * program on the group. Set it on any member; the kernel numbers them from 0 in the order in which
 * they were bound, or began to listen.
 *
 * For members that leave before a successor's, which were bound behind them: hand on to the first
 * of those. When a member closes, the kernel puts its last member into the gap, so the first behind
 * the leaving keeps its number until all of them have closed; then nobody has it, and the kernel's
 * own hash decides again. Call socket_group_restore when more members are bound. 0 or -errno.
 */
WEIR_MUST_USE int socket_group_hand_on(int fd, uint32_t member);

/* Back to the kernel's own distribution. 0 or -errno (-ENOENT: there was no program). */
WEIR_MUST_USE int socket_group_restore(int fd);
