/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_event — OTLP log records become log events: a group, a stream, a time and a message.
 *
 * The message is the record as one JSON object, with its scope and its resource; in raw mode the
 * body alone. What the records of a scope share is written once and copied. Stands before
 * PutLogEvents, knows nothing of it. Source: the Collector's awscloudwatchlogs exporter.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/json_out.h"
#include "codecs/log_route.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"

/* A message beyond this is cut, and says so at its end: 1 MiB less what the service adds. */
#define LOG_EVENT_MESSAGE_MAX_BYTES (1024 * 1024 - 26)
/* Of one record before the cut; attributes and body may not be larger than their request. */
#define LOG_EVENT_TEXT_MAX_BYTES (64 * 1024 * 1024)

/* Borrowed until log_events_fini; patterns as log_name.h has them, valid ones. */
struct log_event_options {
    struct slice group_pattern;
    struct slice stream_pattern;
    bool is_raw;
};

/* Borrowed until the callback returns. */
struct log_event {
    struct slice log_group;
    struct slice log_stream;
    uint64_t time_ms;     /* Unix time */
    struct slice message; /* UTF-8 unless raw; may be empty */
};

/* Once per record. Anything but 0 ends the walk and is what log_events_write returns. */
typedef int(log_event_fn)(void *context, const struct log_event *event);

/* Buffers that are used again from request to request. */
struct log_events {
    struct log_event_options options;
    struct bytes group;
    struct bytes stream;
    struct bytes message;
    struct bytes shared; /* members that all records of a scope have */
    struct log_route route;
    uint64_t cut_count; /* messages that were too long */
};

/* Allocates nothing. */
void log_events_init(struct log_events *events, const struct log_event_options *options);

/* Frees and leaves zeros. Idempotent. */
void log_events_fini(struct log_events *events);

/*
 * log_events_write — all records of one ExportLogsServiceRequest, in order.
 *
 *   request       accepted by otlp_walk; borrowed
 *   now_unix_ns   for records without a time of their own and without an observed one
 *
 * Returns 0; what `on_event` returned; -ENOMEM or FAULT_LIMIT where a record cannot be written.
 */
WEIR_MUST_USE int log_events_write(struct log_events *events, struct slice request,
                                   uint64_t now_unix_ns, void *context, log_event_fn *on_event);

/*
 * log_events_route — a metric document as received becomes an event; it is the message.
 *
 * Group and stream are those it names, else those of the patterns without attributes; its time is
 * its own, else `now_unix_ns`. Returns as log_events_write, or FAULT_MALFORMED where it is no JSON
 * object.
 */
WEIR_MUST_USE int log_events_route(struct log_events *events, struct slice document,
                                   uint64_t now_unix_ns, void *context, log_event_fn *on_event);
