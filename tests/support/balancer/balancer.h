/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer — a load balancer of layer 4 for tests, with the manners of AWS's: every listener has
 * the same targets behind it, and each of these pairs, a member, is checked by itself.
 *
 * A flow is a client's address and port on one listener. Its target is picked by a hash and kept:
 * for datagrams until the flow was idle or the member takes no more of it, for TCP until the
 * connection ends. Every datagram is counted with exactly one member or as sent to nobody. One
 * thread, one epoll, one clock reading per turn; it is the judge of lost datagrams, so it shares no
 * code with what it balances but the memory allocator and the clock.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

#define BALANCER_LISTENERS_MAX 8
#define BALANCER_TARGETS_MAX 32
#define BALANCER_NAME_BYTES 32
#define BALANCER_UDP_BUCKETS_COUNT 4096

struct balancer;
struct check;
struct tcp_flow;
struct udp_flow;
struct udp_ring;
struct watch;

typedef void(watch_fn)(struct balancer *b, struct watch *w, uint32_t events);

/* A descriptor in the epoll set; embedded in what it belongs to. */
struct watch {
    int fd; /* owned; -1 when closed */
    watch_fn *on_event;
};

/* What a user of the real one sets on target groups; milliseconds, 0 is "at once" or "never". */
struct balancer_settings {
    uint32_t udp_idle_ms;
    uint32_t check_interval_ms;
    uint32_t check_timeout_ms;
    uint32_t healthy_threshold;
    uint32_t unhealthy_threshold;
    uint32_t unhealthy_linger_ms;     /* new flows go on to a member that failed its checks */
    uint32_t deregistered_linger_ms;  /* the same for one that was deregistered */
    uint32_t deregistration_delay_ms; /* flows that are there may go on for so long */
    uint32_t is_terminating;          /* connections that may not go on are reset; 0 or 1 */
};

#define MEMBER_STATES(X)                                                                           \
    X(ABSENT, "absent") /* deregistered, or never was there */                                     \
    X(INITIAL, "initial")                                                                          \
    X(HEALTHY, "healthy")                                                                          \
    X(UNHEALTHY, "unhealthy")                                                                      \
    X(DRAINING, "draining")

#define MEMBER_STATE(member, text) MEMBER_##member,
enum member_state { MEMBER_STATES(MEMBER_STATE) };
#undef MEMBER_STATE

/* All of one member since the beginning, whatever became of its registration. */
struct member_counts {
    uint64_t datagram_count; /* handed to the kernel for it */
    uint64_t datagram_bytes;
    uint64_t refused_datagram_count; /* of these: answered that nobody listens */
    uint64_t failed_datagram_count;  /* not of these: the kernel took them not */
    uint64_t connection_count;
    uint64_t refused_connection_count; /* of these: the target refused */
    uint64_t reset_connection_count;   /* of these: ended by us, as the member was gone */
    uint64_t bytes_to_target;
    uint64_t bytes_to_client;
    uint64_t check_passed_count;
    uint64_t check_failed_count;
};

struct member {
    enum member_state state;
    uint32_t successes_count; /* in a row */
    uint32_t failures_count;
    uint64_t since_mono_ns; /* of the state */
    uint64_t next_check_mono_ns;
    struct check *check; /* owned; NULL between checks */
    struct member_counts counts;
};

struct target {
    char name[BALANCER_NAME_BYTES];
    struct in_addr address;
};

enum listener_protocol { LISTENER_TCP, LISTENER_UDP };

enum check_kind {
    CHECK_HTTP, /* GET /, and any status from 200 to 399 */
    CHECK_TCP,  /* connects and closes */
};

struct listener {
    struct watch watch;
    char name[BALANCER_NAME_BYTES];
    enum listener_protocol protocol;
    enum check_kind check_kind;
    uint16_t port;
    uint16_t target_port;
    uint16_t check_port;
    bool is_proxied; /* a PROXY v2 header goes first on TCP connections */
    bool is_check_proxied;
    uint64_t datagram_count; /* received */
    uint64_t datagram_bytes;
    uint64_t nobody_datagram_count; /* of these: there was no target to send them to */
    uint64_t
        overrun_datagram_count; /* not of these: our own socket was full; no test may see one */
    uint64_t connection_count;
    uint64_t nobody_connection_count;            /* of these */
    struct member members[BALANCER_TARGETS_MAX]; /* by the target's index */
};

struct balancer {
    int epoll_fd;
    struct in_addr address;
    uint64_t now_mono_ns;
    bool is_over;
    struct balancer_settings settings;
    struct listener listeners[BALANCER_LISTENERS_MAX];
    uint32_t listener_count;
    struct target targets[BALANCER_TARGETS_MAX];
    uint32_t target_count;
    struct udp_ring *udp_ring;                              /* owned */
    struct udp_flow *udp_flows[BALANCER_UDP_BUCKETS_COUNT]; /* owned, chained */
    struct tcp_flow *tcp_flows;                             /* owned, listed */
    struct tcp_flow *tcp_dead;                              /* owned; freed between turns */
};

/* Events of `w` from now on. 0 or -errno. */
WEIR_MUST_USE int balancer_watch(struct balancer *b, struct watch *w, uint32_t events);

/* Closes the descriptor, if it is open. */
void balancer_unwatch(struct watch *w);

/*
 * A listener; `l` is filled but for its watch and its counters, and is copied. 0 or -errno as
 * bind or listen gave it, -ENOSPC when there are too many.
 */
WEIR_MUST_USE int balancer_listen(struct balancer *b, const struct listener *l);
