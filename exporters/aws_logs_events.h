/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_events — the log events of one batch, cut into requests that PutLogEvents takes.
 *
 * Each event is written once, as the JSON it will be sent as; sorting moves only its record, and a
 * request borrows the text in runs as long as possible. What the service would refuse is refused
 * here, event by event, so that it costs its neighbours nothing. Pure; knows no time but the one
 * it is told. Source: CloudWatch Logs API, PutLogEvents.
 *
 *     aws_logs_events_add(&events, &entry, now_unix_ms) …
 *     aws_logs_events_sort(&events);
 *     while (aws_logs_events_cut(&events, &cut)) … aws_logs_events_pieces(&events, &cut, pieces)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Limits of one request. */
#define AWS_LOGS_REQUEST_MAX_BYTES 1048576
#define AWS_LOGS_REQUEST_MAX_COUNT 10000
#define AWS_LOGS_SPAN_MAX_MS (UINT64_C(24) * 3600 * 1000)
/* What the service adds to each message when it adds up a request. */
#define AWS_LOGS_EVENT_OWN_BYTES 26
#define AWS_LOGS_MESSAGE_MAX_BYTES (AWS_LOGS_REQUEST_MAX_BYTES - AWS_LOGS_EVENT_OWN_BYTES)
/* Events further away than this are refused one by one. */
#define AWS_LOGS_AGE_MAX_MS (UINT64_C(14) * 24 * 3600 * 1000)
#define AWS_LOGS_AHEAD_MAX_MS (UINT64_C(2) * 3600 * 1000)
/* Text of one batch as it is sent; a batch is bounded by its queue, this bounds the escapes. */
#define AWS_LOGS_TEXT_MAX_BYTES (512 * 1024 * 1024)

struct aws_logs_stream;

/* Why an event is not sent; the value is an index into refused_count. */
enum aws_logs_refusal {
    AWS_LOGS_EMPTY,     /* no message */
    AWS_LOGS_TOO_LARGE, /* alone beyond a request */
    AWS_LOGS_TOO_OLD,
    AWS_LOGS_TOO_NEW,
};
#define AWS_LOGS_REFUSAL_COUNT 4

/* Borrowed until add returns. */
struct aws_logs_entry {
    struct aws_logs_stream *stream; /* borrowed until the events are cleared */
    uint64_t stream_order;          /* of the stream; events of one stream are sent together */
    uint64_t time_ms;               /* Unix time */
    struct slice message;           /* bytes that are no UTF-8 are replaced */
    uint32_t item_count;            /* items of the batch that it stands for */
};

struct aws_logs_event {
    uint64_t time_ms;
    size_t offset; /* of its text, the comma before it included */
    uint32_t len_bytes;
    uint32_t message_bytes; /* as the service counts them */
    uint64_t stream_order;
    uint32_t item_count;
    struct aws_logs_stream *stream;
};

struct aws_logs_events {
    struct bytes text;             /* owned; {"timestamp":…,"message":"…"} each */
    struct aws_logs_event *events; /* owned */
    size_t count;
    size_t capacity;
    size_t cut_count; /* events that stand in a request */
    uint64_t refused_count[AWS_LOGS_REFUSAL_COUNT];
    uint64_t refused_items;
    enum aws_logs_refusal last_refusal; /* of the event that was refused last */
};

/* A request: neighbours in the sorted list, at least one. */
struct aws_logs_cut {
    struct aws_logs_stream *stream;
    size_t first_index;
    size_t count;
    size_t piece_count; /* runs of text */
    uint64_t item_count;
    uint64_t text_bytes;
};

/* Nothing is allocated yet. */
void aws_logs_events_init(struct aws_logs_events *events);

/* Frees and leaves zeros. Idempotent. */
void aws_logs_events_fini(struct aws_logs_events *events);

/* Forgets events and counts; keeps memory. */
void aws_logs_events_clear(struct aws_logs_events *events);

/*
 * aws_logs_events_add — takes a copy of one event, or refuses it and counts why.
 *
 * Returns 0 for both; -ENOMEM, or FAULT_LIMIT at AWS_LOGS_TEXT_MAX_BYTES, and then it was not
 * taken. Not after a cut.
 */
WEIR_MUST_USE int aws_logs_events_add(struct aws_logs_events *events,
                                      const struct aws_logs_entry *entry, uint64_t now_unix_ms);

/* By stream, then by time; what is equal keeps its order. */
void aws_logs_events_sort(struct aws_logs_events *events);

/* The next request; false when every event stands in one. The events must be sorted. */
bool aws_logs_events_cut(struct aws_logs_events *events, struct aws_logs_cut *cut);

/* Writes cut->piece_count pieces: the events with commas between them. They borrow the text. */
void aws_logs_events_pieces(const struct aws_logs_events *events, const struct aws_logs_cut *cut,
                            struct iovec *pieces);

/* Items of the `count` events from `first_index` on. */
uint64_t aws_logs_events_items(const struct aws_logs_events *events, size_t first_index,
                               size_t count);

/* Label of a counter; static. */
const char *aws_logs_refusal_label(enum aws_logs_refusal refusal);
