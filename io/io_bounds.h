/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_bounds — the limits of connections, loops and protocols, each with its unit.
 *
 * Like core/base/bounds.h, which it stands on, but for what only I/O knows: a limit that is hit has
 * a counter, and a test at it and one past it.
 */
#pragma once

#include "core/base/bounds.h"

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

/* --- HTTP client ----------------------------------------------------------------------------- */

/* Headers of one request: those of an exporter and those of its configuration. */
#define HTTP_HEADERS_MAX 128
/* Finished calls kept with their handles for the next request; about 6 KiB each. */
#define HTTP_CALLS_KEPT_MAX 16
/* Header lines of an answer that one caller looks at. */
#define HTTP_WANTED_HEADERS_MAX 8
/* What a peer asks us to wait is believed up to a day. */
#define HTTP_RETRY_AFTER_MAX_S 86400

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
/* For a first request, of a server that leaves: a round trip on a bad day. */
#define HTTP1_STOP_WAIT_MS 1000
/* What a refused client may still send, and for how long, before its connection is closed. */
#define HTTP1_LINGER_MS 1000
#define HTTP1_LINGER_MAX_BYTES 65536
#define HTTP1_EXTRA_HEADERS_MAX_BYTES 1024
/* A body slower than this is a slow loris: 20 MiB may take 85 minutes, a typical request 10 s. */
#define HTTP1_BODY_RATE_MIN_BYTES 4096
#define HTTP1_AGE_JITTER_PERCENT 10
/* What may arrive after a pause: every receive buffer of the loop. */
#define HTTP1_AHEAD_MAX_BYTES (LOOP_STREAM_BUFFER_COUNT * LOOP_STREAM_BUFFER_BYTES)

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
/* For a body over HTTP/2, where read_timeout does not say it. */
#define OTLP_BODY_TIMEOUT_NS UINT64_C(60000000000)

/* --- OTLP receiver -------------------------------------------------------------------------- */
