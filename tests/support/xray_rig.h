/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_rig — a real `awsxray` receiver on two shards and an egress thread, with two pipelines that
 * end in exporters of the test's: one that takes documents, one that wants OTLP.
 *
 * The ports are some that were free a moment ago.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/engine/budget.h"
#include "core/processors/shard_half.h"
#include "io/receivers/receiver.h"
#include "io/worker.h"
#include "tests/support/otlp_stubs.h"

#define XRAY_RIG_SHARDS 2
#define XRAY_RIG_BUDGET (UINT64_C(32) * 1024 * 1024)
#define XRAY_RIG_LAST_BYTES 65536

/* Which pipelines, as bits. */
#define XRAY_RIG_DOCUMENTS 1
#define XRAY_RIG_SPANS 2
#define XRAY_RIG_LINES 2

struct xray_rig_line {
    struct pipeline pipeline;
    struct stub_exporter exporter;
    struct shard_half halves[XRAY_RIG_SHARDS];
    uint64_t item_count;   /* egress: what has arrived; documents or spans */
    uint64_t part_count;   /* egress */
    uint64_t byte_sum;     /* egress: of all bytes of documents */
    uint64_t broken_count; /* egress: parts that are not what they say */
    size_t last_bytes;     /* egress: of the last document */
    uint8_t last[XRAY_RIG_LAST_BYTES];
};

struct xray_rig {
    struct worker shards[XRAY_RIG_SHARDS];
    struct worker egress;
    struct receiver_home home;
    struct budget memory;
    struct xray_rig_line lines[XRAY_RIG_LINES];
    struct worker_hook hook;
    struct receiver *receiver;
    struct receiver *older; /* that `receiver` follows; see xray_rig_reload */
    uint16_t port;          /* of the datagrams */
    uint16_t proxy_port;
};

/* Threads, pipelines and a receiver that is made but not opened. */
void xray_rig_prepare(struct xray_rig *rig, enum loop_backend backend);

/* Likewise, and opens, connects to `lines` (XRAY_RIG_… bits) and starts it. */
void xray_rig_open(struct xray_rig *rig, enum loop_backend backend, uint32_t lines);

/* Gives these pipelines to the receiver, and no others. */
void xray_rig_connect(struct xray_rig *rig, uint32_t lines);

/* Opens another receiver at the same addresses and drains the first, which is then `older`. */
void xray_rig_reload(struct xray_rig *rig, uint32_t lines);

/* Waits until the older receiver is drained; what it counted is added to *stats; closes it. */
void xray_rig_end_older(struct xray_rig *rig, uint64_t *received, uint64_t *forwarded);

/* Drains, closes, and checks the books and that nothing is charged any more. */
void xray_rig_close(struct xray_rig *rig);

/* A client's socket, connected to the receiver. */
int xray_rig_client(const struct xray_rig *rig);

/* Waits until so many items arrived at the end of a line (0: documents, 1: spans), and no more. */
void xray_rig_await_items(struct xray_rig *rig, uint32_t line, uint64_t count);

/* Waits until the sum over all threads of one counter is `count`. */
void xray_rig_await_count(const struct xray_rig *rig, size_t counter_offset, uint64_t count);
#define XRAY_RIG_AWAIT(rig, field, count)                                                          \
    xray_rig_await_count(rig, offsetof(struct receiver_stats, field), count)

/* A sum over all threads. */
uint64_t xray_rig_count(const struct receiver *receiver, size_t counter_offset);
#define XRAY_RIG_COUNT(rig, field)                                                                 \
    xray_rig_count((rig)->receiver, offsetof(struct receiver_stats, field))
