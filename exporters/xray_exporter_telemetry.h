/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_telemetry — PutTelemetryRecords: once a minute, what the exporter did in it.
 *
 * Counts from the first item on; what could not be sent is kept for the next minute, the oldest
 * records going first when there are too many. The last record goes when the exporter ends.
 * Nothing is counted or sent where it is off.
 * Egress-local; embedded in the exporter. Source: the X-Ray daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "codecs/xray_put.h"
#include "core/base/defs.h"
#include "core/base/timer.h"
#include "core/engine/stats.h"
#include "exporters/awsxray_config.h"
#include "exporters/exporter_bounds.h"
#include "io/aws/signed_request.h"

struct loop;

struct xray_telemetry {
    struct timer timer;
    struct aws_request request;
    struct aws_header header;
    struct iovec body;
    struct loop *loop;                   /* borrowed; NULL while closed or off */
    struct aws_client *client;           /* borrowed */
    const struct exporter_stats *stats;  /* borrowed */
    struct xray_telemetry_source source; /* borrowed texts */
    struct bytes text;                   /* of the body under way */
    struct xray_telemetry_record current;
    struct xray_telemetry_record kept[XRAY_TELEMETRY_KEPT_MAX]; /* oldest first */
    size_t kept_count;
    size_t sending_count;  /* of them, in the request under way */
    uint64_t dropped_seen; /* spill-over that earlier records told of */
    uint64_t interval_ns;
    uint64_t deadline_mono_ns; /* of the farewell */
    bool has_received;
    bool is_ending; /* the farewell was asked for */
    bool has_ended; /* its last record is made */
};

/* Arms the first minute where `config` enables it. 0 or -ENOMEM. */
WEIR_MUST_USE int xray_telemetry_open(struct xray_telemetry *telemetry, struct loop *loop,
                                      struct aws_client *client,
                                      const struct xray_telemetry_config *config,
                                      const struct exporter_stats *stats);

/*
 * xray_telemetry_end — the farewell: what was counted since the last minute is sent, with all that
 * waits, before the deadline; nothing of it is sent again after a failure. Nothing where it is off
 * or nothing was received. Once.
 */
void xray_telemetry_end(struct xray_telemetry *telemetry, uint64_t deadline_mono_ns);

/* No call under way? */
bool xray_telemetry_is_idle(const struct xray_telemetry *telemetry);

/* Idempotent; fine for one that was never opened. Before the client is closed. */
void xray_telemetry_close(struct xray_telemetry *telemetry);

void xray_telemetry_count_received(struct xray_telemetry *telemetry, uint64_t item_count);

/* A call succeeded: all its documents were sent, and some of them refused. */
void xray_telemetry_count_sent(struct xray_telemetry *telemetry, uint64_t document_count,
                               uint64_t rejected_count);

/* A call failed. */
void xray_telemetry_count_failure(struct xray_telemetry *telemetry,
                                  const struct aws_answer *answer);
