/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_bounds — the limits of queues, senders and the pull endpoint, each with its unit.
 */
#pragma once

#include "core/base/bounds.h"

/* --- exporters ------------------------------------------------------------------------------- */

/* Requests of one exporter in flight; each holds an encoded body. */
#define SENDER_CONSUMERS_MAX 1024
/* A body before or after compression; receivers commonly refuse above 20 MiB or 64 MiB. */
#define OTLP_HTTP_BODY_MAX_BYTES (256 * 1024 * 1024)
#define OTLP_GRPC_BODY_MAX_BYTES (256 * 1024 * 1024)
/* The Collector's exporter reads as much of an answer. */
#define OTLP_HTTP_RESPONSE_MAX_BYTES 65536
/* Where one exporter sends to: a URL for each signal, and one to spare. */
#define HTTP_POST_URLS_MAX 4
/* The decoded tree of a request on its way to JSON; about eight times its wire bytes. */
#define OTLP_HTTP_ARENA_MAX_BYTES (1024 * 1024 * 1024)
#define OTLP_HTTP_ARENA_CHUNK_BYTES 65536
/* Batches taken in one turn and answered in the next, for exporters that hold no batch longer. */
#define ANSWERS_MAX 64
/* One record of the file exporter, or the text of one batch. */
#define RECORD_MAX_BYTES (256 * 1024 * 1024)
/* The decoded tree of one batch on its way to text. */
#define RECORD_ARENA_MAX_BYTES (1024 * 1024 * 1024)
#define RECORD_ARENA_CHUNK_BYTES 65536
/* Encoded and not yet written: from here on batches are refused; one record may overshoot. */
#define FILE_PENDING_MAX_BYTES (16 * 1024 * 1024)
#define DEBUG_PENDING_MAX_BYTES (4 * 1024 * 1024)
/* So much is written at once, without waiting for the flush interval. */
#define FILE_WRITE_BYTES 65536
/* A file that refuses a write is tried again after this. */
#define FILE_RETRY_MS 1000
#define FILE_PATH_MAX_BYTES 4096
/* Old files removed per rotation; each costs one look through the directory. */
#define FILE_PRUNE_MAX 16
/* One write to standard output or error; a pipe that is ready takes PIPE_BUF without blocking. */
#define LINE_PIECE_MAX_BYTES 4096
#define DEBUG_RETRY_MS 50
#define DEBUG_OUTPUTS_MAX 8

/* --- pull endpoint ---------------------------------------------------------------------------- */

/* Series of one endpoint; about 250 bytes each with their labels, so 250 MB at the very worst. */
#define PROM_SERIES_MAX 1000000
/* A page leaves in pieces of about this size, one per turn. */
#define PROM_PIECE_BYTES 65536
#define PROM_PIECE_MAX_BYTES (4 * 1024 * 1024)
#define PROM_SCRAPES_MAX 8
/* Series that expire in one turn. */
#define PROM_EXPIRE_MAX_COUNT 1024
/* Buckets per sign of an exponential histogram, and its finest scale (8.3 % wide buckets): few and
 * lasting `le` values are worth more to Prometheus than fine ones. */
#define PROM_EXPHIST_BUCKETS_MAX 20
#define PROM_EXPHIST_SCALE_MAX 3
/* Typed structs of one resource with all its metrics. */
#define PROM_DECODE_MAX_BYTES (256 * 1024 * 1024)

/* --- remote write ----------------------------------------------------------------------------- */

/* One request before or after compression: a batch as codecs/prom_write holds it, at the most. */
#define PROM_WRITE_PLAIN_MAX_BYTES (512 * 1024 * 1024)
/* Upstreams say in a sentence or two what they refuse. */
#define PROM_WRITE_RESPONSE_MAX_BYTES 65536

/* --- X-Ray ------------------------------------------------------------------------------------ */

/* The documents of one batch, escaped; about twice the parts they were made from. */
#define XRAY_TEXT_MAX_BYTES (256 * 1024 * 1024)
/* An answer names at most 50 documents, each with a sentence. */
#define XRAY_RESPONSE_MAX_BYTES 65536
/* Names in one list of the configuration; X-Ray indexes 50 annotations per trace. */
#define XRAY_NAMES_MAX 1024
/* Telemetry is sent in this interval; of what could not be sent, so many records are kept. */
#define XRAY_TELEMETRY_INTERVAL_S 60
#define XRAY_TELEMETRY_KEPT_MAX 30
/* In a drain: how often to look whether the last record may go. */
#define XRAY_FAREWELL_TICK_MS 10
/* So long the last record may take, whatever time the drain has left. */
#define XRAY_FAREWELL_MAX_MS 2000
