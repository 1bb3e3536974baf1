/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_intake — datagrams of one shard become parts: the header is checked, documents are gathered,
 * and once per turn they cross to the pipelines.
 *
 *     datagram ─▶ document ─┬─▶ run of documents (PART_XRAY) ─▶ pipelines that take them as they
 * are └─▶ spans (PART_OTLP) ───────────▶ pipelines that do not
 *
 * Datagrams cannot wait: what finds no room in a pipeline's lane or in the memory budget is dropped
 * and counted. Items are documents, or spans as soon as one pipeline wants them translated.
 * Shard-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/xray_datagram.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/engine/lease.h"
#include "core/engine/pipeline.h"
#include "core/engine/stats.h"
#include "io/io_bounds.h"

/* Longer than any datagram. */
#define XRAY_DATAGRAM_MAX_BYTES 65536
/* Gathered beyond this, it crosses before the turn ends: four of the largest documents. */
#define XRAY_GATHER_BYTES (256 * 1024)

/* Indices of receiver_stats.line_reasons: of the header, of the translation, then ours. */
#define XRAY_REASON_DATAGRAM 0
#define XRAY_REASON_DOCUMENT (XRAY_REASON_DATAGRAM + XRAY_DATAGRAM_WHY_LIMIT - 1)
#define XRAY_REASON_QUEUE_FULL (XRAY_DATAGRAM_WHY_LIMIT + XRAY_WHY_LIMIT - 2)
#define XRAY_REASON_COUNT (XRAY_REASON_QUEUE_FULL + 1)

/* What is gathered for those pipelines that take it in one encoding. */
struct xray_lot {
    enum part_encoding encoding;
    struct bytes bytes;
    uint32_t item_count;
    struct pipeline *pipelines[OTLP_PIPELINES_MAX]; /* borrowed */
    uint32_t pipeline_count;
};

struct xray_intake {
    uint32_t shard_id;
    const char *receiver_id; /* borrowed; for the log */
    const char *thread;      /* likewise */
    struct xray_lot documents;
    struct xray_lot spans;
    struct xray_to_otlp *translator; /* owned */
    struct lease lease;
    struct receiver_stats *stats; /* borrowed; this shard writes */
    uint64_t now_unix_ns;         /* of the turn; set by the owner */
    uint64_t now_mono_ns;         /* likewise */
    bool has_sent;                /* something crossed since it was last cleared: wake the egress */
    struct log_limit limits[XRAY_REASON_COUNT]; /* of samples in the log, by reason */
};

/* All borrowed for the intake's life. */
struct xray_intake_options {
    uint32_t shard_id;
    const char *receiver_id;
    const char *thread;
    struct budget *memory;
    struct receiver_stats *stats;
};

/* 0 or -ENOMEM; xray_intake_fini is fine after either. */
WEIR_MUST_USE int xray_intake_init(struct xray_intake *intake,
                                   const struct xray_intake_options *options);

/* Nothing may be gathered. Idempotent. */
void xray_intake_fini(struct xray_intake *intake);

/*
 * Where everything goes from now on: pipelines of traces, at most OTLP_PIPELINES_MAX, with a shard
 * half here. Nothing may be gathered.
 */
void xray_intake_connect(struct xray_intake *intake, struct pipeline *const *pipelines,
                         uint32_t pipeline_count);

/* One datagram of at most XRAY_DATAGRAM_MAX_BYTES; borrowed until return. */
void xray_intake_take(struct xray_intake *intake, struct slice datagram);

/* Sends what is gathered; once per turn. */
void xray_intake_flush(struct xray_intake *intake);

/* Label of a line reason; NULL from XRAY_REASON_COUNT on. */
const char *xray_intake_reason(uint32_t index);
