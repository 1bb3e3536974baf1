/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc — calls in, verdicts out.
 */
#include "io/receivers/otlp_grpc.h"

#include "core/base/clock.h"
#include "io/receivers/otlp_shard.h"

static const struct grpc_method all_methods[SIGNAL_COUNT] = {
    [SIGNAL_TRACES] = {"opentelemetry.proto.collector.trace.v1.TraceService", "Export"},
    [SIGNAL_METRICS] = {"opentelemetry.proto.collector.metrics.v1.MetricsService", "Export"},
    [SIGNAL_LOGS] = {"opentelemetry.proto.collector.logs.v1.LogsService", "Export"},
};

/* Does "/service/method" name the service of this signal? */
static bool has_service(struct slice path, enum signal signal)
{
    struct slice service = slice_of_text(all_methods[signal].service);
    return path.len > service.len + 1 && path.ptr[0] == '/' && path.ptr[service.len + 1] == '/' &&
           slice_has_prefix(slice_from(path, 1), service);
}

/* By the path: the place among the known methods may have changed while the message came. */
static enum signal signal_of(const struct grpc_call *call)
{
    enum signal signal = SIGNAL_TRACES;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if (has_service(grpc_call_path(call), (enum signal)i)) {
            signal = (enum signal)i;
        }
    }
    return signal;
}

static struct otlp_shard *shard_of(struct grpc_server *server)
{
    return CONTAINER_OF(server, struct otlp_port, grpc)->shard;
}

static enum grpc_status grpc_on_head(struct grpc_server *server, struct grpc_call *call,
                                     const char **text)
{
    struct otlp_port *port = CONTAINER_OF(server, struct otlp_port, grpc);
    struct slice value = {0};
    if (port->auth == NULL) {
        return GRPC_OK;
    }
    (void)grpc_call_header(call, authenticator_header(port->auth), &value); /* absent is empty */
    uint64_t now_mono_ns = loop_now_mono_ns(port->shard->worker->loop);
    enum auth_verdict verdict = authenticator_check(port->auth, value, now_mono_ns);
    *text = authenticator_verdict_text(port->auth, verdict);
    if (verdict == AUTH_GRANTED) {
        return GRPC_OK;
    }
    return verdict == AUTH_BUSY ? GRPC_UNAVAILABLE : GRPC_UNAUTHENTICATED;
}

/* gRPC's `snappy` is the framed form. */
static bool kind_of(struct slice encoding, enum compress_kind *out)
{
    if (slice_is_text(encoding, "snappy")) {
        *out = COMPRESS_SNAPPY;
        return true;
    }
    bool is_known = slice_is_text(encoding, "gzip") || slice_is_text(encoding, "zstd") ||
                    slice_is_text(encoding, "deflate");
    return is_known && compress_kind_of(encoding, out) == 0;
}

static enum grpc_admission grpc_on_admit(struct grpc_server *server, struct grpc_call *call,
                                         uint32_t wire_bytes)
{
    (void)call;
    bool is_charged = otlp_intake_charge(&shard_of(server)->intake, wire_bytes);
    return is_charged ? GRPC_ADMITTED : GRPC_REFUSED;
}

static void grpc_on_release(struct grpc_server *server, struct grpc_call *call, uint32_t wire_bytes)
{
    (void)call;
    otlp_intake_release(&shard_of(server)->intake, wire_bytes);
}

static void send_reply(const struct otlp_reply *reply, const struct otlp_verdict *verdict)
{
    struct grpc_call *call = reply->to;
    if (verdict->status != GRPC_OK) {
        grpc_call_fail(call, verdict->status, otlp_verdict_text(verdict), verdict->retry_delay_ns);
        return;
    }
    uint8_t buf[OTLP_VERDICT_TEXT_BYTES + 64];
    struct bytes out = {.ptr = buf, .capacity_bytes = sizeof(buf), .max_bytes = sizeof(buf)};
    if (verdict->rejected_count > 0) {
        otlp_verdict_encode_response(verdict, reply->signal, false, &out);
    }
    grpc_call_respond(call, bytes_slice(&out));
}

static void grpc_on_call(struct grpc_server *server, struct grpc_call *call)
{
    struct otlp_shard *shard = shard_of(server);
    struct slice encoding = grpc_call_encoding(call);
    struct otlp_body body = {
        .len = grpc_call_message(call).len,
        .max_bytes = shard->config->message_max_bytes,
    };
    const struct otlp_reply reply = {
        .send = send_reply,
        .to = call,
        .signal = signal_of(call),
        .is_grpc = true,
    };
    body.charged_bytes = body.len;
    if (grpc_call_is_compressed(call) && !kind_of(encoding, &body.kind)) {
        struct otlp_verdict verdict;
        otlp_verdict_refuse(&verdict, GRPC_UNIMPLEMENTED,
                            "grpc: Decompressor is not installed for grpc-encoding \"%.*s\"",
                            (int)(encoding.len < 64 ? encoding.len : 64),
                            (const char *)encoding.ptr);
        otlp_intake_release(&shard->intake, body.charged_bytes);
        counter_add(&shard->stats.wire_received, 1);
        counter_add(&shard->stats.wire_dropped_invalid, 1);
        send_reply(&reply, &verdict);
        return;
    }
    body.memory = grpc_call_take_message(call);
    otlp_intake_take(&shard->intake, &body, &reply);
}

static const struct grpc_server_ops grpc_ops = {
    .on_head = grpc_on_head,
    .on_admit = grpc_on_admit,
    .on_release = grpc_on_release,
    .on_call = grpc_on_call,
};

void otlp_grpc_update(struct otlp_shard *shard)
{
    size_t count = 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if (otlp_intake_has(&shard->intake, (enum signal)i)) {
            shard->methods[count] = all_methods[i];
            count++;
        }
    }
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        shard->ports[i].grpc.options.method_count = count;
    }
}

void otlp_grpc_init(struct otlp_port *port, struct loop *loop)
{
    const struct otlp_config *config = port->shard->config;
    const struct grpc_server_options options = {
        .methods = port->shard->methods,
        .message_max_bytes = config->message_max_bytes,
        .encodings = "identity,gzip,zstd,snappy,deflate",
        .refusal_text = "data refused due to high memory usage",
        .refusal_delay_ns = CLOCK_NS_PER_S,
        .has_health = config->has_health,
    };
    grpc_server_init(&port->grpc, loop, &options, &grpc_ops);
    port->grpc.is_serving = true;
}
