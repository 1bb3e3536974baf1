/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_rig — a gRPC client, a scripted server and calls between them; for tests.
 *
 * Brings a getaddrinfo of its own: names are known once a test says how many addresses they have,
 * 127.0.0.1 and those that follow it. One set of everything, reset when a client is opened.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "io/grpc_client.h"
#include "tests/support/grpc_stub.h"

#define GRPC_RIG_CALLS_MAX 64
#define GRPC_RIG_PATH "/weir.test.Service/Export"
#define GRPC_RIG_BACKOFF_NS (20 * CLOCK_NS_PER_MS)

struct grpc_rig_call {
    struct grpc_client_call base;
    struct iovec piece;
    uint64_t done_count;
    enum grpc_status status;
    char text[128];
    char message[64];
    size_t message_len;
    bool is_compressed;
    char encoding[16];
    uint64_t retry_delay_ns;
};

struct grpc_rig {
    struct grpc_stub stub;
    struct grpc_client *client;
    struct loop *loop;
    struct grpc_rig_call calls[GRPC_RIG_CALLS_MAX];
    uint64_t done_count; /* of all calls */
};

extern struct grpc_rig grpc_rig;
extern const struct grpc_stub_answer grpc_rig_ok_script[1];

/* Addresses of every name, and how often one was looked up. Crosses to the helper's thread. */
extern _Atomic uint32_t grpc_rig_known_count;
extern _Atomic uint32_t grpc_rig_lookup_count;

void grpc_rig_start_stub(const struct grpc_stub_answer *script, size_t len);
void grpc_rig_start_stub_with(struct grpc_stub_options options);

struct grpc_client_options grpc_rig_options(const char *host, uint16_t port);

/* A client for the stub, or as `options` say, on the loop of a test's *state. */
void grpc_rig_open(void **state);
void grpc_rig_open_with(void **state, const struct grpc_client_options *options);

/* Starts one of the calls; it must be accepted, and not told anything yet. */
struct grpc_rig_call *grpc_rig_start_call(size_t index, const void *bytes, size_t len,
                                          uint64_t timeout_ns);
struct grpc_rig_call *grpc_rig_begin(size_t index);

/* What the calls tell; for one that is started by hand. */
void grpc_rig_on_done(struct grpc_client_call *call, const struct grpc_client_result *result);

/* Turns until so many calls were done; fails when that takes long. */
void grpc_rig_until_done(uint64_t count);

/* The first call from beginning to end. */
struct grpc_rig_call *grpc_rig_run_call(void);

void grpc_rig_close_client(void);
/* The client and the stub. */
void grpc_rig_close(void);

/* What the stub got in a field of its request of that index. */
void grpc_rig_assert_field(size_t index, const char *name, const char *value);
