/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_response — partial success out of the message, the rest out of the status.
 *
 * The answers of the three signals have one shape on the wire: {partial_success = 1: {rejected = 1,
 * error_message = 2}}.
 */
#include "exporters/otlp_grpc_response.h"

#include "codecs/compress.h"
#include "core/otlp/pb_wire.h"

#define FIELD_PARTIAL_SUCCESS 1
#define FIELD_REJECTED 1
#define FIELD_ERROR_MESSAGE 2
#define GROUP_DEPTH_MAX 4

struct partial_success {
    uint64_t rejected; /* an int64 on the wire */
    struct slice message;
};

/* Both return 0 or what stopped them; what was read before stays. */
static int read_partial(struct slice bytes, struct partial_success *out)
{
    struct pb_reader in = pb_reader_of(bytes);
    while (in.pos != in.end) {
        uint32_t number = 0;
        uint32_t type = 0;
        int err = pb_read_tag(&in, &number, &type);
        if (err == 0 && number == FIELD_REJECTED && type == PB_WIRE_VARINT) {
            err = pb_read_varint(&in, &out->rejected);
        } else if (err == 0 && number == FIELD_ERROR_MESSAGE && type == PB_WIRE_BYTES) {
            err = pb_read_bytes(&in, &out->message);
        } else if (err == 0) {
            err = pb_skip_field(&in, number, type, GROUP_DEPTH_MAX);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_response(struct slice bytes, struct partial_success *out)
{
    struct pb_reader in = pb_reader_of(bytes);
    while (in.pos != in.end) {
        uint32_t number = 0;
        uint32_t type = 0;
        struct slice inner;
        int err = pb_read_tag(&in, &number, &type);
        if (err == 0 && number == FIELD_PARTIAL_SUCCESS && type == PB_WIRE_BYTES) {
            err = pb_read_bytes(&in, &inner);
            err = err == 0 ? read_partial(inner, out) : err;
        } else if (err == 0) {
            err = pb_skip_field(&in, number, type, GROUP_DEPTH_MAX);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* The empty slice for what cannot be read. */
static struct slice plain_message(const struct grpc_client_result *result, struct bytes *scratch)
{
    enum compress_kind kind = COMPRESS_NONE;
    if (!result->is_compressed) {
        return result->message;
    }
    bytes_clear(scratch);
    if (compress_kind_of(result->encoding, &kind) != 0 ||
        decompress_bounded(kind, result->message, scratch) != 0) {
        return slice_of(NULL, 0);
    }
    return bytes_slice(scratch);
}

static void read_acceptance(const struct grpc_client_result *result, uint64_t item_count,
                            struct bytes *scratch, struct send_result *out)
{
    struct partial_success partial = {0};
    if (read_response(plain_message(result, scratch), &partial) != 0) {
        return;
    }
    out->reason = partial.message;
    if (partial.rejected <= INT64_MAX) {
        out->rejected_items = partial.rejected < item_count ? partial.rejected : item_count;
    }
}

void otlp_grpc_read_result(const struct grpc_client_result *result, uint64_t item_count,
                           struct bytes *scratch, struct send_result *out)
{
    bool has_retry_info = result->retry_delay_ns != GRPC_NO_RETRY_DELAY;
    *out = (struct send_result){.status = (uint32_t)result->status, .reason = result->text};
    if (result->status == GRPC_OK) {
        out->outcome = SEND_ACCEPTED;
        read_acceptance(result, item_count, scratch, out);
        return;
    }
    if (!grpc_status_is_retryable(result->status, has_retry_info)) {
        out->outcome = SEND_REJECTED;
        return;
    }
    out->outcome = SEND_RETRYABLE;
    out->retry_after_ns = has_retry_info ? result->retry_delay_ns : 0;
}
