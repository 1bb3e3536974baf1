/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_exporter — encodes for the slots of a sender and hands the calls to a gRPC client.
 *
 * Each slot keeps its call, its list of pieces and its compressed body; all of them are used again
 * for later batches.
 */
#include "exporters/otlp_grpc_exporter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/bytes.h"
#include "codecs/compress.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/batch_pieces.h"
#include "exporters/exporter_bounds.h"
#include "exporters/otlp_grpc_config.h"
#include "exporters/otlp_grpc_response.h"
#include "exporters/otlp_grpc_tls.h"
#include "exporters/sender_exporter.h"
#include "io/auth/authenticator.h"
#include "io/auth/sigv4_auth.h"
#include "io/grpc_client.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct otlp_grpc_exporter;

/* What belongs to a send_slot of the same index. */
struct otlp_grpc_slot {
    struct grpc_client_call call;
    struct otlp_grpc_exporter *exporter;
    struct send_slot *send;     /* borrowed from the sender while under way */
    struct batch_pieces pieces; /* the parts, or `body` */
    struct bytes body;          /* compressed */
    char *secret;               /* owned, wiped: what the authenticator shows; NULL without one */
    bool is_encoded;
};

struct otlp_grpc_exporter {
    struct sender_exporter common; /* first: see sender_exporter.h */
    struct otlp_grpc_config config;
    struct authenticator *auth;   /* borrowed; NULL: none */
    struct otlp_grpc_tls *tls;    /* owned; NULL in the clear */
    struct grpc_client *client;   /* owned */
    struct otlp_grpc_slot *slots; /* owned; one per consumer */
    struct bytes scratch;         /* of one answer */
};

static struct otlp_grpc_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct otlp_grpc_exporter, common.base);
}

/* --- encoding --------------------------------------------------------------------------------- */

static int encode(struct otlp_grpc_slot *slot, const struct batch *batch)
{
    enum compress_kind kind = slot->exporter->config.compression;
    int err = batch_pieces_list(&slot->pieces, batch);
    if (err != 0 || kind == COMPRESS_NONE) {
        return err;
    }
    bytes_clear(&slot->body);
    err = compress_iov(kind, slot->pieces.items, slot->pieces.count, &slot->body);
    if (err == 0) {
        batch_pieces_replace(&slot->pieces, bytes_slice(&slot->body));
    }
    return err;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What is shown may be another with each attempt. 0, or as authenticator_value. */
static int take_secret(struct otlp_grpc_slot *slot)
{
    struct authenticator *auth = slot->exporter->auth;
    if (auth == NULL) {
        return 0;
    }
    int len = authenticator_value(auth, slot->secret, AUTH_VALUE_MAX_BYTES + 1);
    if (len < 0) {
        return len;
    }
    slot->call.credential = (struct h2_field){
        .name = slice_of_text(authenticator_header(auth)),
        .value = slice_of(slot->secret, (size_t)len),
    };
    return 0;
}

static void forget_secret(struct otlp_grpc_slot *slot)
{
    if (slot->secret != NULL) {
        explicit_bzero(slot->secret, AUTH_VALUE_MAX_BYTES + 1);
    }
}

static void otlp_grpc_on_done(struct grpc_client_call *call,
                              const struct grpc_client_result *result)
{
    struct otlp_grpc_slot *slot = CONTAINER_OF(call, struct otlp_grpc_slot, call);
    struct send_result outcome;
    forget_secret(slot);
    otlp_grpc_read_result(result, slot->send->batch->item_count, &slot->exporter->scratch,
                          &outcome);
    sender_done(slot->send, &outcome);
}

static int otlp_grpc_send(struct sender *sender, struct send_slot *send)
{
    static const char *const paths[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        [SIGNAL_METRICS] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        [SIGNAL_LOGS] = "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    };
    struct otlp_grpc_exporter *exporter = exporter_of(sender->exporter);
    struct otlp_grpc_slot *slot = &exporter->slots[send->index];
    slot->is_encoded = slot->is_encoded && send->attempt_count > 1;
    if (!slot->is_encoded) {
        int err = encode(slot, send->batch);
        if (err != 0) {
            return err;
        }
        slot->is_encoded = true;
    }
    int secret_err = take_secret(slot);
    if (secret_err != 0) {
        return secret_err;
    }
    slot->send = send;
    slot->call.path = paths[send->batch->signal];
    slot->call.encoding = exporter->config.encoding;
    slot->call.pieces = slot->pieces.items;
    slot->call.piece_count = slot->pieces.count;
    slot->call.timeout_ns = sender_attempt_timeout_ns(sender);
    slot->call.on_done = otlp_grpc_on_done;
    int err = grpc_client_start(exporter->client, &slot->call);
    if (err == 0) {
        counter_add(&exporter->common.base.stats.request_bytes, batch_pieces_bytes(&slot->pieces));
    }
    return err;
}

static void otlp_grpc_cancel(struct sender *sender, struct send_slot *send)
{
    struct otlp_grpc_slot *slot = &exporter_of(sender->exporter)->slots[send->index];
    grpc_client_cancel(&slot->call);
    forget_secret(slot);
}

static const struct sender_ops otlp_grpc_sender_ops = {
    .send = otlp_grpc_send,
    .cancel = otlp_grpc_cancel,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static int open_slots(struct otlp_grpc_exporter *exporter)
{
    uint32_t count = exporter->config.sender.consumer_count;
    exporter->slots = mem_alloc_array(count, sizeof(struct otlp_grpc_slot));
    if (exporter->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        exporter->slots[i].exporter = exporter;
        bytes_init(&exporter->slots[i].body, OTLP_GRPC_BODY_MAX_BYTES);
        if (exporter->auth == NULL) {
            continue;
        }
        exporter->slots[i].secret = mem_alloc(AUTH_VALUE_MAX_BYTES + 1);
        if (exporter->slots[i].secret == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static void otlp_grpc_close(struct exporter *base)
{
    struct otlp_grpc_exporter *exporter = exporter_of(base);
    sender_close(&exporter->common.sender);
    grpc_client_close(exporter->client);
    otlp_grpc_tls_close(exporter->tls);
    uint32_t count = exporter->slots != NULL ? exporter->config.sender.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        batch_pieces_fini(&exporter->slots[i].pieces);
        bytes_fini(&exporter->slots[i].body);
        forget_secret(&exporter->slots[i]);
        mem_free(exporter->slots[i].secret);
    }
    mem_free(exporter->slots);
    bytes_fini(&exporter->scratch);
    otlp_grpc_config_fini(&exporter->config);
    mem_free(exporter);
}

static int open_client(struct otlp_grpc_exporter *exporter, struct loop *loop, uint64_t seed)
{
    struct grpc_client_options options = exporter->config.client;
    options.seed = seed;
    if (exporter->config.tls.is_enabled) {
        int err = otlp_grpc_tls_open(loop, &exporter->config.tls.settings, exporter->common.base.id,
                                     &exporter->tls);
        if (err != 0) {
            return err;
        }
        options.tls = otlp_grpc_tls_context(exporter->tls);
    }
    return grpc_client_open(loop, &options, &exporter->client);
}

/* Calls that wait or may be sent again name its header; the one before is about to be freed. */
static void name_credentials(struct otlp_grpc_exporter *exporter)
{
    uint32_t count = exporter->slots != NULL ? exporter->config.sender.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        exporter->slots[i].call.credential.name =
            slice_of_text(authenticator_header(exporter->auth));
    }
}

/* Why this authenticator cannot serve these calls; NULL where it can. */
static const char *objection(const struct otlp_grpc_exporter *exporter,
                             const struct authenticator *authenticator)
{
    if (!authenticator_is_client(authenticator)) {
        return "it checks who comes in, and has nothing to show when weir goes out";
    }
    if (sigv4_auth_settings(authenticator) != NULL) {
        return "it signs requests over HTTP, which a gRPC call is not: use otlphttp";
    }
    if (!exporter->config.tls.is_enabled) {
        return "its secret does not go over gRPC in the clear: the exporter needs tls";
    }
    return NULL;
}

static int otlp_grpc_link(struct exporter *base, struct authenticator *authenticator, char *why)
{
    struct otlp_grpc_exporter *exporter = exporter_of(base);
    const char *reason = objection(exporter, authenticator);
    if (reason != NULL) {
        (void)snprintf(why, EXPORTER_WHY_BYTES, "%s", reason);
        return FAULT_CONFIG;
    }
    exporter->auth = authenticator;
    name_credentials(exporter);
    return 0;
}

static int otlp_grpc_open(struct exporter *base, struct loop *loop)
{
    struct otlp_grpc_exporter *exporter = exporter_of(base);
    base->loop = loop;
    /* Replicas that start together must not retry together; an address and a clock differ. */
    uint64_t seed = loop_now_unix_ns(loop) ^ (uint64_t)(uintptr_t)exporter;
    bytes_init(&exporter->scratch, GRPC_CLIENT_ANSWER_MAX_BYTES);
    int err = open_slots(exporter);
    if (err != 0) {
        return err;
    }
    err = open_client(exporter, loop, seed);
    if (err != 0) {
        return err;
    }
    return sender_open(&exporter->common.sender, loop, seed);
}

const struct exporter_ops otlp_grpc_exporter_ops = {
    .type = "otlp",
    .link = otlp_grpc_link,
    .open = otlp_grpc_open,
    .submit = sender_exporter_submit,
    .drain = sender_exporter_drain,
    .is_idle = sender_exporter_is_idle,
    .close = otlp_grpc_close,
};

int otlp_grpc_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct otlp_grpc_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->common.base = (struct exporter){.ops = &otlp_grpc_exporter_ops, .id = id};
    int err = otlp_grpc_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        otlp_grpc_config_fini(&exporter->config);
        mem_free(exporter);
        return err;
    }
    exporter->common.base.authenticator_id = exporter->config.authenticator_id;
    sender_init(&exporter->common.sender, &exporter->common.base, &otlp_grpc_sender_ops,
                &exporter->config.sender);
    *out = &exporter->common.base;
    return 0;
}
