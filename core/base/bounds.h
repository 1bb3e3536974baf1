/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bounds — every limit of weir that is not configuration, with its unit in its name and the
 * arithmetic behind it. What exceeds one is counted where it happens.
 */
#pragma once

/* --- loop ------------------------------------------------------------------------------------ */

/* Timers, accepts or receives handled per source before the turn moves on. */
#define LOOP_BUDGET_EVENTS 64
/* Receives shown to one callback. 64 × 64 KiB = 4 MiB of input in the worst case. */
#define LOOP_DGRAM_BURST_MAX 64
/* A coalesced run of datagrams is at most 65 507 bytes of payload. */
#define LOOP_DGRAM_BUFFER_BYTES 65536
#define LOOP_DGRAM_BUFFER_COUNT 64
#define LOOP_STREAM_BUFFER_BYTES 16384
#define LOOP_STREAM_BUFFER_COUNT 32
#define LOOP_STREAM_IOV_MAX 16
/* A failing accept (no descriptors left) is tried again after this. */
#define LOOP_ACCEPT_PAUSE_MS 100
/* A turn longer than this counts as a stall. */
#define LOOP_STALL_MS 100
/* Buffers quiet for this long go back to the kernel. */
#define LOOP_TRIM_AFTER_MS 10000

/* --- StatsD ---------------------------------------------------------------------------------- */

/* A line is at most one datagram. */
#define STATSD_LINE_MAX_BYTES 65535
/* Longest metric name, tag text and set member kept. DogStatsD clients stay below 1 KiB. */
#define STATSD_NAME_MAX_BYTES 1024
#define STATSD_TAGS_MAX_BYTES 8192
#define STATSD_MEMBER_MAX_BYTES 4096
#define STATSD_TAGS_MAX_COUNT 128
/* 1/rate is capped here, so that one line cannot claim more than a million events. */
#define STATSD_WEIGHT_MAX 1000000

/* --- series ---------------------------------------------------------------------------------- */

/* Points hashed, prefetched and applied together. 128 × 80 bytes = 10 KiB, inside L1. */
#define POINT_BURST_MAX 128
/* Series that cross from shard to egress in one slice. */
#define SEAL_SLICE_SERIES_MAX 4096
#define SAMPLES_PER_SERIES_MAX 1000
#define SET_EXACT_MAX_COUNT 2048
#define HLL_PRECISION_BITS 14
