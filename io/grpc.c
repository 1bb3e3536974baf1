/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc — status codes and what they mean to a client; one length-prefixed message from its pieces.
 */
#include "io/grpc.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/h2.h"

struct status_row {
    const char *name;
    bool is_retryable;
};

/* Which of them OTLP clients may repeat: the OTLP specification, "Failures". */
static const struct status_row STATUSES[GRPC_STATUS_COUNT] = {
    [GRPC_OK] = {"OK", false},
    [GRPC_CANCELLED] = {"CANCELLED", true},
    [GRPC_UNKNOWN] = {"UNKNOWN", false},
    [GRPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", false},
    [GRPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", true},
    [GRPC_NOT_FOUND] = {"NOT_FOUND", false},
    [GRPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", false},
    [GRPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", false},
    [GRPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", false},
    [GRPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", false},
    [GRPC_ABORTED] = {"ABORTED", true},
    [GRPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", true},
    [GRPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", false},
    [GRPC_INTERNAL] = {"INTERNAL", false},
    [GRPC_UNAVAILABLE] = {"UNAVAILABLE", true},
    [GRPC_DATA_LOSS] = {"DATA_LOSS", true},
    [GRPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", false},
};

const char *grpc_status_name(uint32_t status)
{
    return status < GRPC_STATUS_COUNT ? STATUSES[status].name : STATUSES[GRPC_UNKNOWN].name;
}

enum grpc_status grpc_status_parse(struct slice text)
{
    uint32_t value = 0;
    if (text.len == 0 || text.len > 2) {
        return GRPC_UNKNOWN;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return GRPC_UNKNOWN;
        }
        value = value * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return value < GRPC_STATUS_COUNT ? (enum grpc_status)value : GRPC_UNKNOWN;
}

bool grpc_status_is_retryable(enum grpc_status status, bool has_retry_info)
{
    if (status == GRPC_RESOURCE_EXHAUSTED) {
        return has_retry_info;
    }
    return (uint32_t)status < GRPC_STATUS_COUNT && STATUSES[status].is_retryable;
}

enum grpc_status grpc_status_of_http(uint32_t http_status)
{
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

enum grpc_status grpc_status_of_reset(uint32_t h2_code)
{
    switch (h2_code) {
    case H2_CODE_NO_ERROR:
    case H2_CODE_PROTOCOL_ERROR:
    case H2_CODE_INTERNAL_ERROR:
    case H2_CODE_FLOW_CONTROL_ERROR:
    case H2_CODE_SETTINGS_TIMEOUT:
    case H2_CODE_FRAME_SIZE_ERROR:
    case H2_CODE_COMPRESSION_ERROR:
    case H2_CODE_CONNECT_ERROR:
        return GRPC_INTERNAL;
    case H2_CODE_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case H2_CODE_CANCEL:
        return GRPC_CANCELLED;
    case H2_CODE_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case H2_CODE_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_UNKNOWN;
    }
}

bool grpc_is_content_type(struct slice value)
{
    const struct slice prefix = SLICE_LITERAL("application/grpc");
    if (!slice_has_prefix(value, prefix)) {
        return false;
    }
    return value.len == prefix.len || value.ptr[prefix.len] == '+' || value.ptr[prefix.len] == ';';
}

/* --- messages --------------------------------------------------------------------------------- */

void grpc_prefix_encode(uint8_t out[GRPC_PREFIX_BYTES], bool is_compressed, uint32_t wire_bytes)
{
    out[0] = is_compressed ? 1 : 0;
    for (size_t i = 0; i < 4; i++) {
        out[1 + i] = (uint8_t)(wire_bytes >> (24 - 8 * i));
    }
}

/* Fills `out` up to `cap` from the front of *input; returns how many bytes stand in it. */
static size_t fill(uint8_t *out, size_t len, size_t cap, struct slice *input)
{
    size_t n = input->len < cap - len ? input->len : cap - len;
    if (n > 0) {
        memcpy(out + len, input->ptr, n);
        *input = slice_from(*input, n);
    }
    return len + n;
}

enum grpc_step grpc_message_push(struct grpc_message *message, struct slice *input)
{
    if (message->prefix_bytes < GRPC_PREFIX_BYTES) {
        message->prefix_bytes =
            (uint8_t)fill(message->prefix, message->prefix_bytes, GRPC_PREFIX_BYTES, input);
        if (message->prefix_bytes < GRPC_PREFIX_BYTES) {
            return GRPC_STEP_MORE;
        }
        message->flag = message->prefix[0];
        message->wire_bytes = (uint32_t)message->prefix[1] << 24 |
                              (uint32_t)message->prefix[2] << 16 |
                              (uint32_t)message->prefix[3] << 8 | message->prefix[4];
    }
    if (message->flag > 1) {
        return GRPC_STEP_BAD;
    }
    if (!message->is_begun) {
        return GRPC_STEP_PREFIX;
    }
    if (message->filled_bytes < message->wire_bytes) {
        message->filled_bytes =
            (uint32_t)fill(message->memory, message->filled_bytes, message->wire_bytes, input);
    }
    return message->filled_bytes == message->wire_bytes ? GRPC_STEP_DONE : GRPC_STEP_MORE;
}

int grpc_message_begin(struct grpc_message *message)
{
    ASSERT(message->prefix_bytes == GRPC_PREFIX_BYTES);
    ASSERT(!message->is_begun);
    if (message->wire_bytes > 0) {
        message->memory = mem_resize(NULL, message->wire_bytes); /* filled before it is read */
        if (message->memory == NULL) {
            return -ENOMEM;
        }
    }
    message->is_begun = true;
    return 0;
}

bool grpc_message_is_empty(const struct grpc_message *message)
{
    return message->prefix_bytes == 0;
}

bool grpc_message_is_cut(const struct grpc_message *message)
{
    bool is_whole =
        message->prefix_bytes == GRPC_PREFIX_BYTES && message->filled_bytes == message->wire_bytes;
    return message->prefix_bytes > 0 && !is_whole;
}

void *grpc_message_take(struct grpc_message *message)
{
    void *memory = message->memory;
    *message = (struct grpc_message){0};
    return memory;
}

void grpc_message_fini(struct grpc_message *message)
{
    mem_free(message->memory);
    *message = (struct grpc_message){0};
}
