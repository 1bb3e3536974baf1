/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_exporter — encodes for the slots of a sender and hands the requests to a poster.
 *
 * Each slot keeps its request, its list of pieces and its encoded body; all of them are used again
 * for later batches. Scratch for JSON is shared, because encoding happens in one go.
 */
#include "exporters/otlp_http_exporter.h"

#include <errno.h>

#include "codecs/bytes.h"
#include "codecs/compress.h"
#include "codecs/otlp_json.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "exporters/batch_pieces.h"
#include "exporters/exporter_bounds.h"
#include "exporters/http_client_config.h"
#include "exporters/http_post.h"
#include "exporters/otlp_http_config.h"
#include "exporters/otlp_http_response.h"
#include "exporters/sender_exporter.h"
#include "io/loop.h"

/* The generator's names, cut to a length that fits a line. */
#define TRACES_REQUEST                                                                             \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)
#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define LOGS_REQUEST                                                                               \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor)

struct otlp_http_exporter;

/* What belongs to a send_slot of the same index. */
struct otlp_http_slot {
    struct http_post post;
    struct otlp_http_exporter *exporter;
    struct send_slot *send;     /* borrowed from the sender while under way */
    struct batch_pieces pieces; /* the parts, or `body` */
    struct bytes body;          /* compressed or JSON */
    bool is_encoded;
};

struct otlp_http_exporter {
    struct sender_exporter common; /* first: see sender_exporter.h */
    struct otlp_http_config config;
    struct authenticator *auth;   /* borrowed; NULL: none */
    struct http_poster *poster;   /* owned */
    struct otlp_http_slot *slots; /* owned; one per consumer */
    struct arena arena;           /* scratch of one encoding or one answer */
};

static struct otlp_http_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct otlp_http_exporter, common.base);
}

/* --- encoding --------------------------------------------------------------------------------- */

static int compress_pieces(struct otlp_http_slot *slot)
{
    bytes_clear(&slot->body);
    int err = compress_iov(slot->exporter->config.compression, slot->pieces.items,
                           slot->pieces.count, &slot->body);
    if (err == 0) {
        batch_pieces_replace(&slot->pieces, bytes_slice(&slot->body));
    }
    return err;
}

/* All pieces in a row: where they lie when there is one, else in `scratch`. */
static int gather(const struct otlp_http_slot *slot, struct bytes *scratch, struct slice *out)
{
    if (slot->pieces.count == 1) {
        *out = slice_of(slot->pieces.items[0].iov_base, slot->pieces.items[0].iov_len);
        return 0;
    }
    for (size_t i = 0; i < slot->pieces.count; i++) {
        bytes_append(scratch, slot->pieces.items[i].iov_base, slot->pieces.items[i].iov_len);
    }
    *out = bytes_slice(scratch);
    return scratch->err;
}

static int encode_json(struct otlp_http_slot *slot, enum signal signal)
{
    static const ProtobufCMessageDescriptor *const requests[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = TRACES_REQUEST,
        [SIGNAL_METRICS] = METRICS_REQUEST,
        [SIGNAL_LOGS] = LOGS_REQUEST,
    };
    struct bytes scratch;
    struct slice wire;
    bytes_init(&scratch, OTLP_HTTP_BODY_MAX_BYTES);
    arena_reset(&slot->exporter->arena);
    bytes_clear(&slot->body);
    int err = gather(slot, &scratch, &wire);
    if (err == 0) {
        err = otlp_json_encode(requests[signal], wire, &slot->exporter->arena, &slot->body);
    }
    bytes_fini(&scratch);
    arena_reset(&slot->exporter->arena);
    if (err == 0) {
        batch_pieces_replace(&slot->pieces, bytes_slice(&slot->body));
    }
    return err;
}

/* The JSON moves aside, because the compressed bytes go where it stood. */
static int compress_json(struct otlp_http_slot *slot)
{
    struct bytes json = slot->body;
    bytes_init(&slot->body, OTLP_HTTP_BODY_MAX_BYTES);
    int err = compress_pieces(slot);
    bytes_fini(&json);
    return err;
}

static int encode(struct otlp_http_slot *slot, const struct batch *batch)
{
    const struct otlp_http_config *config = &slot->exporter->config;
    int err = batch_pieces_list(&slot->pieces, batch);
    if (err == 0 && config->is_json) {
        err = encode_json(slot, batch->signal);
        if (err == 0 && config->compression != COMPRESS_NONE) {
            err = compress_json(slot);
        }
        return err;
    }
    if (err == 0 && config->compression != COMPRESS_NONE) {
        err = compress_pieces(slot);
    }
    return err;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void otlp_http_on_done(struct http_post *post, const struct http_result *result)
{
    struct otlp_http_slot *slot = CONTAINER_OF(post, struct otlp_http_slot, post);
    struct otlp_http_exporter *exporter = slot->exporter;
    const struct batch *batch = slot->send->batch;
    struct send_result outcome;
    if (result->fault != 0) {
        outcome = (struct send_result){
            .outcome = http_post_is_hopeless(result) ? SEND_REJECTED : SEND_RETRYABLE,
            .reason = slice_of_text(result->fault_text),
        };
    } else {
        arena_reset(&exporter->arena);
        otlp_http_read_response(result, batch->signal, batch->item_count, &exporter->arena,
                                &outcome);
    }
    sender_done(slot->send, &outcome);
}

static int otlp_http_send(struct sender *sender, struct send_slot *send)
{
    struct otlp_http_exporter *exporter = exporter_of(sender->exporter);
    struct otlp_http_slot *slot = &exporter->slots[send->index];
    if (exporter->config.urls[send->batch->signal] == NULL) {
        return FAULT_UNSUPPORTED;
    }
    slot->is_encoded = slot->is_encoded && send->attempt_count > 1;
    if (!slot->is_encoded) {
        int err = encode(slot, send->batch);
        if (err != 0) {
            return err;
        }
        slot->is_encoded = true;
    }
    uint64_t timeout_ns = sender_attempt_timeout_ns(sender);
    slot->send = send;
    slot->post = (struct http_post){
        .url_index = send->batch->signal,
        .body = slot->pieces.items,
        .body_count = slot->pieces.count,
        .timeout_ms = timeout_ns / CLOCK_NS_PER_MS + (timeout_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0),
        .response_max_bytes = OTLP_HTTP_RESPONSE_MAX_BYTES,
        .on_done = otlp_http_on_done,
    };
    int err = http_poster_start(exporter->poster, &slot->post);
    if (err == 0) {
        counter_add(&exporter->common.base.stats.request_bytes, batch_pieces_bytes(&slot->pieces));
    }
    return err;
}

static void otlp_http_cancel(struct sender *sender, struct send_slot *send)
{
    struct otlp_http_exporter *exporter = exporter_of(sender->exporter);
    http_poster_cancel(exporter->poster, &exporter->slots[send->index].post);
}

static const struct sender_ops otlp_http_sender_ops = {
    .send = otlp_http_send,
    .cancel = otlp_http_cancel,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static int open_slots(struct otlp_http_exporter *exporter)
{
    uint32_t count = exporter->config.sender.consumer_count;
    exporter->slots = mem_alloc_array(count, sizeof(struct otlp_http_slot));
    if (exporter->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        exporter->slots[i].exporter = exporter;
        bytes_init(&exporter->slots[i].body, OTLP_HTTP_BODY_MAX_BYTES);
    }
    return 0;
}

static void otlp_http_close(struct exporter *base)
{
    struct otlp_http_exporter *exporter = exporter_of(base);
    sender_close(&exporter->common.sender);
    http_poster_close(exporter->poster);
    uint32_t count = exporter->slots != NULL ? exporter->config.sender.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        batch_pieces_fini(&exporter->slots[i].pieces);
        bytes_fini(&exporter->slots[i].body);
    }
    mem_free(exporter->slots);
    arena_fini(&exporter->arena);
    otlp_http_config_fini(&exporter->config);
    mem_free(exporter);
}

static struct http_poster_options poster_options(const struct otlp_http_exporter *exporter)
{
    return (struct http_poster_options){
        .client = exporter->config.client,
        .auth = exporter->auth,
        .urls = exporter->config.urls,
        .url_count = SIGNAL_COUNT,
        .headers = exporter->config.headers.lines,
        .header_count = exporter->config.headers.count,
    };
}

static int otlp_http_link(struct exporter *base, struct authenticator *authenticator, char *why)
{
    struct otlp_http_exporter *exporter = exporter_of(base);
    exporter->auth = authenticator;
    if (exporter->poster != NULL) {
        http_poster_set_auth(exporter->poster, authenticator);
        return 0;
    }
    const struct http_poster_options options = poster_options(exporter);
    return http_poster_check(&options, why);
}

static int otlp_http_open(struct exporter *base, struct loop *loop)
{
    struct otlp_http_exporter *exporter = exporter_of(base);
    base->loop = loop;
    int err = http_client_config_check_files(&exporter->config.client.tls, base->id);
    if (err != 0) {
        return err;
    }
    err = arena_init(&exporter->arena, OTLP_HTTP_ARENA_CHUNK_BYTES, OTLP_HTTP_ARENA_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = open_slots(exporter);
    if (err != 0) {
        return err;
    }
    const struct http_poster_options options = poster_options(exporter);
    err = http_poster_open(loop, &options, &exporter->poster);
    if (err != 0) {
        return err;
    }
    /* Replicas that start together must not retry together; an address and a clock differ. */
    uint64_t seed = loop_now_unix_ns(loop) ^ (uint64_t)(uintptr_t)exporter;
    return sender_open(&exporter->common.sender, loop, seed);
}

const struct exporter_ops otlp_http_exporter_ops = {
    .type = "otlphttp",
    .link = otlp_http_link,
    .open = otlp_http_open,
    .submit = sender_exporter_submit,
    .drain = sender_exporter_drain,
    .is_idle = sender_exporter_is_idle,
    .close = otlp_http_close,
};

int otlp_http_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct otlp_http_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->common.base = (struct exporter){.ops = &otlp_http_exporter_ops, .id = id};
    int err = otlp_http_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        otlp_http_config_fini(&exporter->config);
        mem_free(exporter);
        return err;
    }
    exporter->common.base.authenticator_id = exporter->config.authenticator_id;
    sender_init(&exporter->common.sender, &exporter->common.base, &otlp_http_sender_ops,
                &exporter->config.sender);
    *out = &exporter->common.base;
    return 0;
}
