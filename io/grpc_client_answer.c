/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client_answer — fields by name, one length-prefixed message, and the order of precedence
 * among grpc-status, HTTP status and the stream's own end.
 */
#include "io/grpc_client_answer.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/number.h"
#include "io/h2_client.h"
#include "io/io_bounds.h"

void grpc_answer_fini(struct grpc_answer *answer)
{
    mem_free(answer->text);
    grpc_message_fini(&answer->message);
    *answer = (struct grpc_answer){.max_bytes = answer->max_bytes};
}

/* --- fields ----------------------------------------------------------------------------------- */

/* Text that finds no memory is text nobody reads. */
static void take_text(struct grpc_answer *answer, struct slice value)
{
    size_t len = value.len < GRPC_CLIENT_TEXT_MAX_BYTES ? value.len : GRPC_CLIENT_TEXT_MAX_BYTES;
    mem_free(answer->text);
    answer->text = len > 0 ? mem_alloc(len) : NULL;
    answer->text_len =
        answer->text != NULL ? grpc_text_decode(slice_first(value, len), answer->text) : 0;
}

static void take_details(struct grpc_answer *answer, struct slice value)
{
    struct grpc_details details;
    size_t len = 0;
    uint8_t *bytes = value.len > 0 ? mem_alloc(value.len) : NULL;
    if (bytes != NULL && grpc_bin_decode(value, bytes, &len) == 0 &&
        grpc_details_decode(slice_of(bytes, len), &details) == 0 &&
        details.retry_delay_ns != GRPC_NO_RETRY_DELAY) {
        answer->has_retry_info = true;
        answer->retry_delay_ns = details.retry_delay_ns;
    }
    mem_free(bytes);
}

static void take_http_status(struct grpc_answer *answer, struct slice value)
{
    uint64_t status = 0;
    if (number_parse_u64(value, &status) == 0 && status <= 999) {
        answer->http_status = (uint32_t)status;
    }
}

static void take_encoding(struct grpc_answer *answer, struct slice value)
{
    answer->encoding_len = 0;
    if (value.len <= sizeof(answer->encoding)) {
        memcpy(answer->encoding, value.ptr, value.len);
        answer->encoding_len = value.len;
    }
}

void grpc_answer_take_field(struct grpc_answer *answer, struct slice name, struct slice value)
{
    if (slice_is_text(name, ":status")) {
        take_http_status(answer, value);
    } else if (slice_is_text(name, "grpc-status")) {
        answer->has_status = true;
        answer->status = grpc_status_parse(value);
    } else if (slice_is_text(name, "grpc-message")) {
        take_text(answer, value);
    } else if (slice_is_text(name, "grpc-status-details-bin")) {
        take_details(answer, value);
    } else if (slice_is_text(name, "grpc-encoding")) {
        take_encoding(answer, value);
    } else if (slice_is_text(name, "content-type")) {
        answer->is_grpc = grpc_is_content_type(value);
    }
}

/* --- the message ------------------------------------------------------------------------------ */

static bool begin_message(struct grpc_answer *answer)
{
    if (answer->message.wire_bytes > answer->max_bytes) {
        answer->is_too_large = true;
        return false;
    }
    answer->has_no_memory = grpc_message_begin(&answer->message) != 0;
    return !answer->has_no_memory;
}

bool grpc_answer_take_body(struct grpc_answer *answer, struct slice bytes)
{
    if (!answer->is_grpc) {
        return true; /* a page of some proxy: its status says enough */
    }
    while (bytes.len > 0 && !answer->is_message_done) {
        enum grpc_step step = grpc_message_push(&answer->message, &bytes);
        switch (step) {
        case GRPC_STEP_MORE:
            return true;
        case GRPC_STEP_PREFIX:
            if (!begin_message(answer)) {
                return false;
            }
            break;
        case GRPC_STEP_DONE:
            answer->is_message_done = true;
            break;
        case GRPC_STEP_BAD:
            return true; /* the status that follows still counts */
        }
    }
    return true;
}

/* --- the status ------------------------------------------------------------------------------- */

static enum grpc_status say(struct slice *text, const char *words, enum grpc_status status)
{
    *text = slice_of_text(words);
    return status;
}

static enum grpc_status judge_reset(const struct h2_end *end, struct slice *text)
{
    *text = slice_of_text(h2_code_text(end->code));
    return grpc_status_of_reset(end->code);
}

static enum grpc_status judge_ended(const struct grpc_answer *answer, struct slice *text)
{
    if (answer->has_status) {
        *text = slice_of(answer->text, answer->text_len);
        return answer->status;
    }
    if (answer->http_status == 200 && !answer->is_grpc) {
        return say(text, "the answer is not gRPC", GRPC_UNKNOWN);
    }
    return say(text, "the answer has no grpc-status", grpc_status_of_http(answer->http_status));
}

enum grpc_status grpc_answer_judge(const struct grpc_answer *answer, const struct h2_end *end,
                                   struct slice *text)
{
    if (answer->is_too_large) {
        return say(text, "the answer is larger than the limit", GRPC_RESOURCE_EXHAUSTED);
    }
    if (answer->has_no_memory) {
        return say(text, "no memory for the answer", GRPC_UNAVAILABLE);
    }
    switch (end->ending) {
    case H2_ENDED:
        return judge_ended(answer, text);
    case H2_RESET:
        return judge_reset(end, text);
    case H2_UNSENT:
        return say(text, "the peer refuses streams", GRPC_UNAVAILABLE);
    case H2_LOST:
        return say(text, end->why_text, GRPC_UNAVAILABLE);
    case H2_CANCELLED:
        break;
    }
    return say(text, "cancelled", GRPC_CANCELLED);
}
