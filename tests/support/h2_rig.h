/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_rig — an h2_server on a real loop whose owner does what a request's path asks for.
 *
 *     /echo    200 with the body that came, when it is whole, and a trailer "done: yes"
 *     /hold    nothing, until the test calls h2_rig_release
 *     /stall   takes no byte of the body
 *     /early   413 at once, without reading the body
 *     /big     200 with H2_RIG_BIG_BYTES, moved in
 *     /none    neither a user nor an answer
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/h2_server.h"
#include "tests/support/h2_peer.h"

#define H2_RIG_BIG_BYTES 300000
#define H2_RIG_POST                                                                                \
    ":method: POST\n:scheme: http\n:path: /echo\n:authority: weir\ncontent-type: text/plain\n"
#define H2_RIG_GET(path) ":method: GET\n:scheme: http\n:path: " path "\n:authority: weir\n"

struct h2_rig {
    struct h2_server server;
    struct loop *loop;
    struct h2_peer peer;
    uint64_t head_count;
    uint64_t body_bytes;
    uint64_t reset_count;
    uint32_t reset_code; /* of the last */
    uint64_t closed_count;
    uint64_t open_count; /* requests the rig holds */
    struct h2_rig_request *held;
    char last_head[4096]; /* "POST /echo weir http name=value …" */
};

/* Opens a server and one peer that has sent nothing yet. */
void h2_rig_open(struct h2_rig *rig, struct loop *loop, const struct h2_server_options *options);
/* Answers everything that is held with 204. */
void h2_rig_release(struct h2_rig *rig);
/* Takes what /stall left. */
void h2_rig_consume(struct h2_rig *rig);
/* Aborts and waits until nothing is left. */
void h2_rig_close(struct h2_rig *rig);
/* A PING there and back: everything sent before it has been dealt with. */
void h2_rig_settle(struct h2_rig *rig);
