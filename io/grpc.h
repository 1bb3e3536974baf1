/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc — the words of gRPC over HTTP/2 that server and client share: status codes, message framing,
 * deadlines, the encodings of status texts and details.
 *
 * No I/O and no clock here. Sources: grpc/doc/PROTOCOL-HTTP2.md, statuscodes.md,
 * http-grpc-status-mapping.md; google/rpc/status.proto, error_details.proto.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Wire values. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};
#define GRPC_STATUS_COUNT 17

/* "UNAVAILABLE"; "UNKNOWN" for what is none. Static. */
const char *grpc_status_name(uint32_t status);

/* A grpc-status value; what is no number of the list is GRPC_UNKNOWN. */
enum grpc_status grpc_status_parse(struct slice text);

/* May an OTLP client send the same again? RESOURCE_EXHAUSTED only with RetryInfo. */
bool grpc_status_is_retryable(enum grpc_status status, bool has_retry_info);

/* For an answer without grpc-status: what its HTTP status, or an RST_STREAM's code, stands for. */
enum grpc_status grpc_status_of_http(uint32_t http_status);
enum grpc_status grpc_status_of_reset(uint32_t h2_code);

/* Is it application/grpc, alone or followed by '+' or ';'? */
bool grpc_is_content_type(struct slice value);

/* --- messages --------------------------------------------------------------------------------- */

#define GRPC_PREFIX_BYTES 5

/* The five bytes before a message of `wire_bytes`. */
void grpc_prefix_encode(uint8_t out[GRPC_PREFIX_BYTES], bool is_compressed, uint32_t wire_bytes);

enum grpc_step {
    GRPC_STEP_MORE,   /* all input is used up, the message is not whole */
    GRPC_STEP_PREFIX, /* the prefix is whole: decide, then grpc_message_begin */
    GRPC_STEP_DONE,   /* the message is whole; input beyond it was not taken */
    GRPC_STEP_BAD,    /* the prefix is whole and its flag neither 0 nor 1 */
};

/*
 * One length-prefixed message that arrives in pieces. Zeroed is the start. `memory` is owned: it
 * moves out by grpc_message_take, or goes with grpc_message_fini.
 */
struct grpc_message {
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_bytes; /* of it that are here */
    uint8_t flag;         /* 0 or 1 once the prefix is whole */
    bool is_begun;
    uint32_t wire_bytes; /* valid once the prefix is whole */
    uint32_t filled_bytes;
    uint8_t *memory; /* owned, wire_bytes of it; NULL for an empty message */
};

/* Takes from the front of *input what it can. After DONE and BAD it takes nothing more. */
enum grpc_step grpc_message_push(struct grpc_message *message, struct slice *input);

/* Makes room for the message announced by the prefix. 0 or -ENOMEM. */
WEIR_MUST_USE int grpc_message_begin(struct grpc_message *message);

/* Is it empty (nothing of it arrived), or cut (something of it, not all)? */
bool grpc_message_is_empty(const struct grpc_message *message);
bool grpc_message_is_cut(const struct grpc_message *message);

/* Moves the memory out (NULL for an empty message); the message is at its start again. */
void *grpc_message_take(struct grpc_message *message);
void grpc_message_fini(struct grpc_message *message);

/* --- header values ---------------------------------------------------------------------------- */

/* Digits, unit and no terminator. */
#define GRPC_TIMEOUT_MAX_BYTES 9

/* 1 to 8 digits and one of H M S m u n. 0, or FAULT_MALFORMED. Saturates at UINT64_MAX. */
WEIR_MUST_USE int grpc_timeout_parse(struct slice value, uint64_t *out_ns);

/* The finest unit that fits, rounded up; returns the length. */
size_t grpc_timeout_format(uint64_t timeout_ns, uint8_t out[GRPC_TIMEOUT_MAX_BYTES]);

/*
 * grpc-message: bytes outside 0x20–0x7E and '%' as %XX. Writes whole escapes only and at most `cap`
 * bytes (a longer text is cut, never inside a UTF-8 sequence that would leave half of it); returns
 * how many. Three times the text always suffices.
 */
size_t grpc_text_encode(struct slice text, uint8_t *out, size_t cap);

/* The reverse; malformed escapes stay as they are. Needs text.len bytes; returns how many. */
size_t grpc_text_decode(struct slice text, uint8_t *out);

/* Base64 of a `-bin` value, written without padding; returns how many bytes. */
size_t grpc_bin_encode(struct slice bytes, uint8_t *out, size_t cap);
#define GRPC_BIN_BYTES(len) (((len)*4 + 2) / 3)

/* Padded or not; `out` needs text.len bytes, or is NULL. 0 and *out_len, or FAULT_MALFORMED. */
WEIR_MUST_USE int grpc_bin_decode(struct slice text, uint8_t *out, size_t *out_len);

/* --- google.rpc.Status ------------------------------------------------------------------------ */

#define GRPC_NO_RETRY_DELAY UINT64_MAX

/* What grpc-status-details-bin says. */
struct grpc_details {
    uint32_t status;         /* as written: any number */
    struct slice text;       /* borrows from the bytes decoded */
    uint64_t retry_delay_ns; /* of RetryInfo, 0 where it names none; or GRPC_NO_RETRY_DELAY */
};

/*
 * google.rpc.Status with its RetryInfo as protobuf, not base64. Returns its length; 0 where it does
 * not fit `cap` (text.len + GRPC_DETAILS_EXTRA_BYTES suffices).
 */
#define GRPC_DETAILS_EXTRA_BYTES 96
size_t grpc_details_encode(const struct grpc_details *details, uint8_t *out, size_t cap);

/* The reverse; unknown details are stepped over. 0, FAULT_TRUNCATED or FAULT_MALFORMED. */
WEIR_MUST_USE int grpc_details_decode(struct slice bytes, struct grpc_details *out);
