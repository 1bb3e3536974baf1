/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server_answer — answers of calls as HTTP/2 fields: Trailers-Only for everything but OK.
 *
 * Some clients notice a retryable status only in the first header block, which is why a refusal is
 * always Trailers-Only. Source: grpc/doc/PROTOCOL-HTTP2.md, "Responses".
 */
#include <string.h>

#include "core/base/mem.h"
#include "io/grpc_server_call.h"
#include "io/io_bounds.h"

#define STATUS_DIGITS_MAX 2
#define DETAILS_MAX_BYTES (GRPC_TEXT_MAX_BYTES + GRPC_DETAILS_EXTRA_BYTES)
/* An answer up to this size is put together on the stack. */
#define SMALL_ANSWER_BYTES 512

/* Rooms for what the fields of one answer point to. */
struct trailer_texts {
    uint8_t status[STATUS_DIGITS_MAX];
    uint8_t message[3 * GRPC_TEXT_MAX_BYTES];
    uint8_t details[DETAILS_MAX_BYTES];
    uint8_t details_text[GRPC_BIN_BYTES(DETAILS_MAX_BYTES)];
};

struct fields {
    struct h2_field list[H2_RESPONSE_FIELDS_MAX];
    size_t count;
};

static void add_field(struct fields *fields, struct slice name, struct slice value)
{
    ASSERT(fields->count < COUNT_OF(fields->list));
    fields->list[fields->count++] = (struct h2_field){.name = name, .value = value};
}

static struct slice status_text(enum grpc_status status, uint8_t out[STATUS_DIGITS_MAX])
{
    size_t len = 0;
    if (status >= 10) {
        out[len++] = (uint8_t)('0' + status / 10);
    }
    out[len++] = (uint8_t)('0' + status % 10);
    return slice_of(out, len);
}

/* Cut where a character ends. */
static struct slice cut_text(struct slice text)
{
    if (text.len <= GRPC_TEXT_MAX_BYTES) {
        return text;
    }
    size_t len = GRPC_TEXT_MAX_BYTES;
    while (len > 0 && (text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return slice_first(text, len);
}

static void add_details(struct fields *fields, struct trailer_texts *texts,
                        const struct grpc_details *details)
{
    size_t len = grpc_details_encode(details, texts->details, sizeof(texts->details));
    ASSERT(len > 0);
    size_t text_len = grpc_bin_encode(slice_of(texts->details, len), texts->details_text,
                                      sizeof(texts->details_text));
    add_field(fields, SLICE_LITERAL("grpc-status-details-bin"),
              slice_of(texts->details_text, text_len));
}

static void answer_trailers_only(struct grpc_server *server, struct h2_stream *stream,
                                 uint32_t http_status, const struct grpc_details *details,
                                 bool names_encodings)
{
    struct trailer_texts texts;
    struct fields fields = {0};
    struct slice text = cut_text(details->text);
    server->stats.answered_count[details->status]++;
    add_field(&fields, SLICE_LITERAL("content-type"), SLICE_LITERAL("application/grpc"));
    add_field(&fields, SLICE_LITERAL("grpc-status"),
              status_text((enum grpc_status)details->status, texts.status));
    if (text.len > 0) {
        size_t len = grpc_text_encode(text, texts.message, sizeof(texts.message));
        add_field(&fields, SLICE_LITERAL("grpc-message"), slice_of(texts.message, len));
    }
    if (details->retry_delay_ns != GRPC_NO_RETRY_DELAY) {
        struct grpc_details cut = *details;
        cut.text = text;
        add_details(&fields, &texts, &cut);
    }
    if (names_encodings) {
        add_field(&fields, SLICE_LITERAL("grpc-accept-encoding"),
                  slice_of_text(server->options.encodings));
    }
    const struct h2_response response = {
        .status = http_status,
        .fields = fields.list,
        .field_count = fields.count,
    };
    h2_stream_respond(stream, &response, NULL);
}

void grpc_server_refuse(struct grpc_server *server, struct h2_stream *stream,
                        const struct grpc_refusal *refusal)
{
    const struct grpc_details details = {
        .status = refusal->status,
        .text = grpc_text_slice(&refusal->text),
        .retry_delay_ns = refusal->retry_delay_ns,
    };
    answer_trailers_only(server, stream, refusal->http_status, &details, refusal->names_encodings);
}

void grpc_server_answer_status(struct grpc_server *server, struct h2_stream *stream,
                               enum grpc_status status, struct slice text, uint64_t retry_delay_ns)
{
    const struct grpc_details details = {
        .status = status,
        .text = text,
        .retry_delay_ns = retry_delay_ns,
    };
    answer_trailers_only(server, stream, 200, &details, false);
}

void grpc_server_answer_message(struct grpc_server *server, struct h2_stream *stream,
                                struct slice message)
{
    const struct h2_field fields[] = {
        {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/grpc")},
    };
    const struct h2_field trailers[] = {
        {SLICE_LITERAL("grpc-status"), SLICE_LITERAL("0")},
    };
    uint8_t small[SMALL_ANSWER_BYTES];
    void *memory = NULL;
    size_t body_len = GRPC_PREFIX_BYTES + message.len;
    uint8_t *body = small;
    if (body_len > sizeof(small)) {
        memory = mem_resize(NULL, body_len);
        body = memory;
    }
    if (body == NULL || message.len > UINT32_MAX) {
        mem_free(memory);
        grpc_server_answer_status(server, stream, GRPC_UNAVAILABLE, SLICE_LITERAL("out of memory"),
                                  GRPC_NO_RETRY_DELAY);
        return;
    }
    grpc_prefix_encode(body, false, (uint32_t)message.len);
    if (message.len > 0) {
        memcpy(body + GRPC_PREFIX_BYTES, message.ptr, message.len);
    }
    struct h2_response response = {
        .status = 200,
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .body = slice_of(body, body_len),
        .trailers = trailers,
        .trailer_count = COUNT_OF(trailers),
    };
    server->stats.answered_count[GRPC_OK]++;
    h2_stream_respond(stream, &response, &memory);
}
