/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bounds — every limit of weir that is not configuration, with its unit in its name and the
 * arithmetic behind it. What exceeds one is counted where it happens.
 */
#pragma once

/* --- StatsD ---------------------------------------------------------------------------------- */

/* A line is at most one datagram. */
#define STATSD_LINE_MAX_BYTES 65535
/* Longest metric name, tag text and set member kept. DogStatsD clients stay below 1 KiB. */
#define STATSD_NAME_MAX_BYTES 1024
#define STATSD_TAGS_MAX_BYTES 8192
#define STATSD_MEMBER_MAX_BYTES 4096
#define STATSD_TAGS_MAX_COUNT 128
/* A container id is 64 hexadecimal digits; the inode form may stand beside it. */
#define STATSD_ORIGIN_MAX_BYTES 255
/* Lines tokenised before they are decoded. 128 × 28 bytes = 3.5 KiB of stack. */
#define STATSD_SPAN_BURST_MAX 128
/* 1/rate is capped here, so that one line cannot claim more than a million events. */
#define STATSD_WEIGHT_MAX 1000000

/* --- series ---------------------------------------------------------------------------------- */

/* Points hashed, prefetched and applied together. 128 × 80 bytes = 10 KiB, inside L1. */
#define POINT_BURST_MAX 128
/* Series that cross from shard to egress in one slice. */
#define SEAL_SLICE_SERIES_MAX 4096
/* Overflow series of one table, beside the configured limit; one per metric name and kind. */
#define SERIES_OVERFLOW_MAX_COUNT 1024
#define SAMPLES_PER_SERIES_MAX 1000
#define SET_EXACT_MAX_COUNT 2048
#define HLL_PRECISION_BITS 14
/* Raw samples one summary keeps: 4096 × 16 bytes = 64 KiB; beyond it quantiles are estimates. */
#define SUMMARY_SAMPLES_MAX 4096
/* Buckets of the exponential histogram a full summary folds into: 0.7 % error in 6 decades. */
#define SUMMARY_FOLDED_BUCKETS_MAX 1024
/* Explicit bounds of one histogram: (1024 + 1) × 8 bytes fits a 16 KiB block. */
#define HISTOGRAM_BOUNDS_MAX_COUNT 1024
/* Buckets per side of an exponential histogram, as the Collector limits them. */
#define EXPHIST_BUCKETS_MIN_COUNT 2
#define EXPHIST_BUCKETS_MAX_COUNT 16384
#define EXPHIST_BUCKETS_DEFAULT_COUNT 160
/* Blocks of a sketch pool: 64 B holds a small set, 256 KiB the largest histogram twice over. */
#define SKETCH_POOL_BLOCK_MIN_BYTES 64
#define SKETCH_POOL_BLOCK_MAX_BYTES (256 * 1024)

/* --- configuration --------------------------------------------------------------------------- */

/* One source text. Real configurations are a few KiB; 4 MiB bounds what a wrong path can cost. */
#define CONFIG_TEXT_MAX_BYTES (4 * 1024 * 1024)
#define CONFIG_SOURCES_MAX 64
/* Aliases are copied, so this is what stops an alias bomb. 64 Ki × 160 bytes = 10 MiB. */
#define CONFIG_NODES_MAX 65536
#define CONFIG_DEPTH_MAX 64
/* Keys of one map; duplicates are looked for pairwise. */
#define CONFIG_MAP_KEYS_MAX 2048
#define CONFIG_ANCHORS_MAX 256
/* Known keys of one section: awsemf, the widest, has about 40. */
#define CONFIG_KEYS_PER_SECTION_MAX 80
#define CONFIG_PATH_MAX_BYTES 192
/* Complaints shown; the rest is counted. */
#define CONFIG_ISSUES_MAX 100
#define CONFIG_MESSAGE_MAX_BYTES 512
/* Expansions in one value and texts nested in one another: ${env:${env:WHICH}}. */
#define CONFIG_EXPANSIONS_MAX 1000
#define CONFIG_EXPANSION_DEPTH_MAX 32
#define CONFIG_VALUE_MAX_BYTES (1024 * 1024)
/* All memory of one tree: texts, nodes and complaints. */
#define CONFIG_TREE_MAX_BYTES (64 * 1024 * 1024)
#define CONFIG_ARENA_CHUNK_BYTES 32768

/* --- base ------------------------------------------------------------------------------------ */

/* Chunks of an arena double up to this. Bigger saves no calls worth having and wastes tails. */
#define ARENA_CHUNK_MAX_BYTES (256 * 1024)
/* A log line is one write; 4 KiB is what a pipe takes in one piece (PIPE_BUF). */
#define LOG_LINE_MAX_BYTES 4096
#define LOG_LIMIT_INTERVAL_MS 10000
#define LOG_SAMPLE_MAX_BYTES 64
/* Brackets inside each other in one JSON text; a message of PB_DEPTH_MAX levels needs 127. */
#define JSON_DEPTH_MAX 128
#define REGEX_PATTERN_MAX_BYTES 4096
/* RE2's own bound of {n,m}. */
#define REGEX_REPEAT_MAX 1000
#define REGEX_NESTING_MAX 100
/* Steps of one match at a few ns each: about a millisecond at worst. */
#define REGEX_MATCH_STEPS_MAX 100000
#define REGEX_MATCH_HEAP_MAX_KIB 1024

/* --- windows --------------------------------------------------------------------------------- */

/* Wall and monotonic clock may differ by this much over a window before it counts as a step. */
#define SEAL_CLOCK_DRIFT_MS 1000

/* --- protobuf -------------------------------------------------------------------------------- */

/* Messages inside messages. A span's attribute stands 6 deep, each list in a value adds 2 or 3. */
#define PB_DEPTH_MAX 64
/* Fields of one message type; OTLP's largest has 16. */
#define PB_FIELDS_MAX 32
/* One emitted part: 4 096 series at about 120 bytes, with room for histograms of 160 buckets. */
#define EMIT_PART_MAX_BYTES (4 * 1024 * 1024)
/* Of that buffer this much stays resident between windows. */
#define EMIT_KEPT_BYTES (64 * 1024)

/* --- admission -------------------------------------------------------------------------------- */

/* A thread leases the memory budget in blocks of this. */
#define LEASE_BLOCK_BYTES (256 * 1024)
/* Parts on their way from one shard to the egress; 1 024 × 96 bytes. */
#define LANE_PARTS_MAX 1024
/* Requests of one shard that wait for their delivery. */
#define TICKET_CLAIMS_MAX 4096

/* Scratch of the processors of one thread and pipeline, for one part at a time. */
#define CHAIN_SCRATCH_CHUNK_BYTES 65536
#define CHAIN_SCRATCH_MAX_BYTES (256 * 1024 * 1024)

/* A batch that somebody waits for closes within this. */
#define BATCH_CLOSE_BY_MS 10

/* --- batches ---------------------------------------------------------------------------------- */

/* Parts of a batch, about; each is an iovec, and the kernel takes 1 024 in one call. */
#define BATCH_PARTS_MAX 256
/* Parts below this are copied together, at 0.1 µs each; above it an iovec costs less. */
#define BATCH_COPY_BYTES 4096
/* Likewise once half of the parts are taken. */
#define BATCH_COPY_MORE_BYTES 65536
/* One buffer of parts copied together; doubles from the first to the second. */
#define BATCH_GATHER_MIN_BYTES 16384
#define BATCH_GATHER_MAX_BYTES (256 * 1024)
/* What a cut needs beside its output: the pieces' list of copies. */
#define BATCH_SCRATCH_CHUNK_BYTES 65536
#define BATCH_SCRATCH_MAX_BYTES (64 * 1024 * 1024)
/* A batch that found no memory is tried again after this. */
#define BATCH_RETRY_MS 10

/* --- conditions ------------------------------------------------------------------------------- */

/* One condition of a filter; it is compiled into at most as many steps of 24 bytes. */
#define CONDITION_TEXT_MAX_BYTES 8192
/* Parentheses, `not`, `and` and `or` that wait for their right side. */
#define CONDITION_DEPTH_MAX 64
#define CONDITION_PATH_MAX_BYTES 128

/* --- metric transforms ------------------------------------------------------------------------ */

/* Groups of a pattern with the whole match; 64 slices are 1 KiB of stack. */
#define TRANSFORM_GROUPS_MAX 64

/* --- resource detection ----------------------------------------------------------------------- */

/* Tags an EC2 instance can have are 50; the other lists of its configuration are shorter. */
#define RESOURCE_DETECT_TEXTS_MAX 64
/* Keys and values of one detector: the environment gives at most 128 KiB to one variable. */
#define RESOURCE_DETECTED_MAX_BYTES (512 * 1024)

/* --- Prometheus pages ------------------------------------------------------------------------- */

/* Labels of one sample with those of its target; 256 × 32 bytes = 8 KiB of stack. */
#define LABEL_LIST_MAX_COUNT 256
#define PROM_TARGET_LABELS_MAX_COUNT 128
/* One line of a page; with it name, labels and help. */
#define PROM_LINE_MAX_BYTES (256 * 1024)
/* What a page is while it is worked on: 1 million series at about 250 bytes. */
#define PROM_SCRAPE_MAX_BYTES (256 * 1024 * 1024)
/* One turn on a page: some 600 samples, about 0.4 ms; and one part of what it becomes. */
#define PROM_TURN_MAX_BYTES (64 * 1024)
#define PROM_PART_MAX_BYTES (1024 * 1024)
/* What is remembered of one target. */
#define PROM_TARGET_SERIES_MAX 1000000
#define PROM_TARGET_MAX_BYTES (256 * 1024 * 1024)
/* A series that is gone keeps its start for this long. */
#define PROM_SERIES_KEPT_MS (5 * 60 * 1000)
/* Rules of one list; its texts are bounded by the configuration. */
#define PROM_RELABEL_RULES_MAX 1000
/* What target_info adds to a resource. */
#define PROM_TARGET_INFO_MAX_BYTES (64 * 1024)
