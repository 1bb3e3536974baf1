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
/* Sources of one loop: 64 Ki × 208 bytes of slots = 13 MiB when all are taken. */
#define LOOP_SOURCES_MAX 65536
/* Completions gathered before the first is dispatched; 512 × 16 bytes on the loop. */
#define LOOP_GATHER_MAX 512
/* After a busy turn datagrams may gather for this long, so that unbatched senders are batched. */
#define LOOP_LINGER_US 200
/* With room in the socket they may gather longer: 1 µs per LOOP_LINGER_ROOM_BYTES of its buffer. */
#define LOOP_LINGER_LONG_US 1000
#define LOOP_LINGER_ROOM_BYTES 2048
/* A shorter sleep costs more than it gathers: the kernel's default timer slack alone is 50 µs. */
#define LOOP_LINGER_MIN_US 50
/* Receives and bytes a linger aims for at most; far below the default socket buffer of 208 KiB. */
#define LOOP_LINGER_RECEIVES 32
#define LOOP_LINGER_BYTES 32768
/* Receives a linger has to be expected to bring, or the thread just blocks. */
#define LOOP_LINGER_WORTH 2
/* io_uring may end a linger early, at this many completions. */
#define LOOP_LINGER_COMPLETIONS 8

/* --- sockets --------------------------------------------------------------------------------- */

/* sun_path holds 108 bytes with its terminator. */
#define SOCKET_PATH_MAX_BYTES 107
#define SOCKET_HOST_MAX_BYTES 255
#define SOCKET_LISTEN_BACKLOG 1024
/* Datagrams counted at the final close of a socket before counting gives up. */
#define DGRAM_UNREAD_MAX 65536
/* A leaving socket that never runs dry (a sole member under load) is closed after this. */
#define DGRAM_DRAIN_MS 1000
/* How often the kernel's drop counter is read. */
#define DGRAM_DROPS_EVERY_MS 1000

/* --- streams --------------------------------------------------------------------------------- */

#define STREAM_CONNECTIONS_MAX 10000
/* Ages and silences of connections are looked at this often. */
#define STREAM_SWEEP_MS 1000
/* A connection told to go that keeps sending is closed after this. */
#define STREAM_LEAVE_MS 5000
/* Age jitter, per cent each way, so that connections made together do not leave together. */
#define STREAM_AGE_JITTER_PERCENT 10

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

/* --- HTTP client ----------------------------------------------------------------------------- */

/* Headers of one request: those of an exporter and those of its configuration. */
#define HTTP_HEADERS_MAX 128
/* Finished calls kept with their handles for the next request; about 6 KiB each. */
#define HTTP_CALLS_KEPT_MAX 16
/* What a peer asks us to wait is believed up to a day. */
#define HTTP_RETRY_AFTER_MAX_S 86400

/* --- exporters ------------------------------------------------------------------------------- */

/* Requests of one exporter in flight; each holds an encoded body. */
#define SENDER_CONSUMERS_MAX 1024
/* A body before or after compression; receivers commonly refuse above 20 MiB or 64 MiB. */
#define OTLP_HTTP_BODY_MAX_BYTES (256 * 1024 * 1024)
#define OTLP_GRPC_BODY_MAX_BYTES (256 * 1024 * 1024)
/* The Collector's exporter reads as much of an answer. */
#define OTLP_HTTP_RESPONSE_MAX_BYTES 65536
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
/* A pipe that is ready takes this much without blocking (PIPE_BUF). */
#define DEBUG_WRITE_BYTES 4096
#define DEBUG_RETRY_MS 50
#define DEBUG_OUTPUTS_MAX 8

/* --- TLS ------------------------------------------------------------------------------------- */

/* A handshake of a client that sends a chain of certificates stays below 20 KiB. */
#define TLS_HANDSHAKE_MAX_BYTES 131072
#define TLS_HANDSHAKE_TIMEOUT_MS 10000
/* After a failure: how long the peer may read the alert before its connection is closed. */
#define TLS_LINGER_MS 1000
/* Plaintext of one record (RFC 8446 section 5.1), and of the run of records encrypted at once. */
#define TLS_RECORD_BYTES 16384
#define TLS_SEND_BYTES 131072
/* A file or text with certificates or a key; a bundle of all public authorities has 230 KiB. */
#define TLS_PEM_MAX_BYTES (4 * 1024 * 1024)
#define TLS_WHY_BYTES 256

/* --- TCP fronts ------------------------------------------------------------------------------- */

#define TCP_FRONT_LISTENERS_MAX 4
#define TCP_FRONT_CONNECTIONS_MAX 10000
/* Whoever has not shown its protocol by then is closed; load balancers probe like that. */
#define TCP_FRONT_SILENCE_MS 10000
/* Signature, addresses and extensions of a PROXY header; balancers send about 100 bytes. */
#define PROXY_V2_MAX_BYTES 4096

/* --- authentication --------------------------------------------------------------------------- */

#define AUTH_TOKENS_MAX 256
#define AUTH_USERS_MAX 1024
#define AUTH_FILE_MAX_BYTES (1024 * 1024)
#define AUTH_VALUE_MAX_BYTES 8192

/* --- HTTP/1.1 servers ------------------------------------------------------------------------- */

/* Request line and headers of one request; offsets into it fit 16 bits. */
#define HTTP1_HEAD_MAX_BYTES 16384
#define HTTP1_HEADERS_MAX 100
#define HTTP1_CHUNK_LINE_MAX_BYTES 256
#define HTTP1_TRAILER_MAX_BYTES 8192
#define HTTP1_LISTENERS_MAX 8
/* 256 connections × (16 KiB head + 64 KiB body) = 20 MiB at the very worst. */
#define HTTP1_CONNECTIONS_MAX 256
#define HTTP1_BODY_MAX_BYTES 65536
#define HTTP1_HEAD_TIMEOUT_MS 10000
#define HTTP1_IDLE_TIMEOUT_MS 120000
#define HTTP1_SEND_TIMEOUT_MS 30000
/* What a refused client may still send, and for how long, before its connection is closed. */
#define HTTP1_LINGER_MS 1000
#define HTTP1_LINGER_MAX_BYTES 65536
#define HTTP1_EXTRA_HEADERS_MAX_BYTES 1024
/* A body slower than this is a slow loris: 20 MiB may take 85 minutes, a typical request 10 s. */
#define HTTP1_BODY_RATE_MIN_BYTES 4096
#define HTTP1_AGE_JITTER_PERCENT 10
/* What may arrive after a pause: every receive buffer of the loop. */
#define HTTP1_AHEAD_MAX_BYTES (LOOP_STREAM_BUFFER_COUNT * LOOP_STREAM_BUFFER_BYTES)

/* --- pull endpoint ---------------------------------------------------------------------------- */

/* Series of one endpoint; about 250 bytes each with their labels, so 250 MB at the very worst. */
#define PROM_SERIES_MAX 1000000
/* Labels of one series, and their text. */
#define PROM_LABELS_MAX_COUNT 256
#define PROM_LABELS_MAX_BYTES 65536
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

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

/* What one send gathers: some hundred small answers, or three frames of a body and their heads. */
#define H2_OUT_MAX_BYTES 65536
/* Acknowledgements of SETTINGS and PING waiting to be sent; a peer that makes more is flooding. */
#define H2_ACKS_WAITING_MAX 1000
/* CONTINUATION frames of one header block: 8 × 16 KiB is twice what a header list may have. */
#define H2_CONTINUATIONS_MAX 8
#define H2_SETTINGS_ENTRIES_MAX 32

/* --- gRPC and HTTP/2 clients ------------------------------------------------------------------ */

/* Addresses of one name; more backends than that stand behind a balancer of their own. */
#define RESOLVE_ADDRESSES_MAX 32
/* Requests of one connection, whatever the peer allows; see SENDER_CONSUMERS_MAX. */
#define H2_CLIENT_REQUESTS_MAX 1024
/* Fields of one request: HTTP_HEADERS_MAX of a configuration and ours. */
#define H2_CLIENT_FIELDS_MAX 144
/* One DATA frame, where the peer takes larger ones than 16 KiB. */
#define H2_CLIENT_FRAME_MAX_BYTES 65536
/* One send; what a socket buffer of ordinary size takes at once. */
#define H2_CLIENT_SEND_MAX_BYTES (256 * 1024)
/* What an answer's head and trailers may be together. */
#define H2_CLIENT_HEADER_LIST_MAX_BYTES 65536
/* nghttp2's state of one connection: 1 024 streams at about 1 KiB, tables, frames. */
#define H2_CLIENT_MEMORY_MAX_BYTES (16 * 1024 * 1024)
#define H2_CLIENT_DEBUG_MAX_BYTES 128
#define H2_CLIENT_WHY_MAX_BYTES 160
#define GRPC_CLIENT_FIELDS_MAX 128
/* A status text, and the name of an encoding: "x-snappy-framed" is the longest we know. */
#define GRPC_CLIENT_TEXT_MAX_BYTES 1024
#define GRPC_CLIENT_ENCODING_MAX_BYTES 16
#define GRPC_CLIENT_ANSWER_MAX_BYTES (4 * 1024 * 1024)
/* Connections to one address, opened where the peer's limit of streams is reached. */
#define GRPC_CLIENT_LINKS_PER_PEER_MAX 8
/* How often a call that no peer looked at goes out again before it counts as failed. */
#define GRPC_CLIENT_RESENDS_MAX 5
/* From dialing to the peer's SETTINGS; then 1 s × 1.6 … 120 s until the next attempt. */
#define GRPC_CLIENT_CONNECT_MS 20000
#define GRPC_CLIENT_BACKOFF_MS 1000
#define GRPC_CLIENT_BACKOFF_MAX_MS 120000
/* The least time between two lookups of a name, and the age at which a call asks for a new one. */
#define GRPC_CLIENT_RESOLVE_EVERY_MS 30000
/* After its deadline a message that is just being sent may be so for this long. */
#define GRPC_CLIENT_GRACE_MS 1000
#define H2_CONNECTIONS_MAX 10000
/* Open streams of one connection where the configuration names no number. */
#define H2_STREAMS_MAX 10000
/* A window of 1 MiB keeps 1 Gbit/s busy over 8 ms; the connection's lets four streams do so. */
#define H2_STREAM_WINDOW_BYTES (1024 * 1024)
#define H2_CONNECTION_WINDOW_BYTES (4 * 1024 * 1024)
#define H2_FRAME_BYTES 16384
#define H2_HEADER_LIST_MAX_BYTES 65536
/* A header list of so many times its limit is no mistake any more. */
#define H2_HEADER_LIST_FLOOD 4
/* About 2 KiB per open stream, head and answer included, so some 2 500 of them. */
#define H2_MEMORY_MAX_BYTES (8 * 1024 * 1024)
#define H2_RESPONSE_FIELDS_MAX 16
#define H2_KEEPALIVE_TIME_MS 7200000
#define H2_KEEPALIVE_TIMEOUT_MS 20000
#define H2_PREFACE_TIMEOUT_MS 10000
#define H2_RESPONSE_TIMEOUT_MS 30000
#define H2_AGE_JITTER_PERCENT 10
/* How long the peer may take to acknowledge that it was told to go. */
#define H2_LEAVE_MS 5000
/* How long a connection that has said its last word waits for the peer to close. */
#define H2_LINGER_MS 1000
/* Frames waiting to be sent; beyond it the connection is not read until the peer reads. */
#define H2_FRAMES_WAITING_MAX 500
/* Pings sooner than allowed before the peer is sent away. */
#define H2_PING_STRIKES_MAX 2
/* Without streams, where that is not permitted, pings are this far apart. */
#define H2_PING_IDLE_MS 7200000
/* Floods: so many at once, then so many per second. Real clients stay at a tenth of it. */
#define H2_RESETS_BURST 1000
#define H2_RESETS_PER_S 100
#define H2_SETTINGS_BURST 100
#define H2_SETTINGS_PER_S 10
#define H2_PINGS_BURST 500
#define H2_PINGS_PER_S 10
#define H2_EMPTY_DATA_BURST 1000
#define H2_EMPTY_DATA_PER_S 100
#define H2_SMALL_FRAMES_BURST 20000
#define H2_SMALL_FRAMES_PER_S 2000

/* --- gRPC ------------------------------------------------------------------------------------- */

/* The Collector's default, on the wire and unpacked. */
#define GRPC_MESSAGE_MAX_BYTES (4 * 1024 * 1024)
/* Of a status text; encoded it is up to three times as long, and stands in the details again. */
#define GRPC_TEXT_MAX_BYTES 1024
/* Of a method's or encoding's name quoted back in a status text. */
#define GRPC_QUOTE_MAX_BYTES 256
/* From a call's head to the last byte of its message, which holds memory all the while. */
#define GRPC_MESSAGE_TIMEOUT_MS 60000
/* A health check names a service; nobody is asked whether there is room for it. */
#define GRPC_HEALTH_MAX_BYTES 1024

/* Origins and headers of CORS, headers of every answer. */
#define OTLP_CORS_MAX 32
#define OTLP_HEADERS_MAX 16
#define OTLP_HEADER_NAME_MAX_BYTES 128
/* Pipelines of one signal that one receiver feeds. */
#define OTLP_PIPELINES_MAX 16
/* Of one shard, on all its ports. */
#define OTLP_CONNECTIONS_MAX 8192
/* The Collector has none; a connection that says nothing for ten minutes is forgotten. */
#define OTLP_IDLE_TIMEOUT_MS 600000

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
