/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_h2 — OTLP/HTTP on the streams of an h2_server: what curl, browsers and proxies send.
 *
 * The body is gathered into one buffer, charged as it grows; a stream that goes before its answer
 * leaves the request behind, which ends with its reply.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/bytes.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/receivers/otlp_http.h"
#include "io/receivers/otlp_shard.h"
#include "io/receivers/xray_asker.h"
#include "io/receivers/xray_proxy.h"

#define FIELDS_MAX (OTLP_HEADERS_MAX + 10)
#define TEXTS_BYTES 1024

/* Owned by its stream until the body is whole, then by the reply. */
struct otlp_h2_request {
    struct h2_stream_user user;
    struct otlp_port *port;
    struct otlp_shard *shard; /* the port's */
    struct h2_stream *stream; /* NULL: nobody waits any more */
    struct timer timeout;     /* for the whole of the body */
    struct otlp_http_plan plan;
    struct bytes body;
    uint64_t charged_bytes;
    bool is_taken; /* by the intake: its reply will come */
};

/* The fields of an answer; values are copied, because the head may go first. */
struct fields {
    struct h2_field items[FIELDS_MAX];
    size_t count;
    uint8_t texts[TEXTS_BYTES];
    size_t texts_used;
};

static void add_field(void *target, struct slice name, struct slice value)
{
    struct fields *fields = target;
    size_t len = name.len + value.len;
    if (fields->count == FIELDS_MAX || len > TEXTS_BYTES - fields->texts_used) {
        return; /* what does not fit is left out */
    }
    uint8_t *text = fields->texts + fields->texts_used;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.ptr[i];
        text[i] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 'a' - 'A') : byte;
    }
    if (value.len > 0) {
        memcpy(text + name.len, value.ptr, value.len);
    }
    fields->items[fields->count] = (struct h2_field){.name = slice_of(text, name.len),
                                                     .value = slice_of(text + name.len, value.len)};
    fields->count++;
    fields->texts_used += len;
}

static struct slice header_of(const struct h2_stream *stream, const char *name)
{
    struct slice value = {0};
    (void)h2_stream_header(stream, name, &value); /* absent stays empty */
    return value;
}

static struct otlp_http_head head_of(const struct otlp_port *port, const struct h2_stream *stream)
{
    const char *credentials = otlp_http_credentials(port);
    struct slice target = h2_stream_path(stream);
    size_t path_len = slice_find(target, '?');
    return (struct otlp_http_head){
        .method = h2_stream_method(stream),
        .path = slice_first(target, path_len),
        .query = slice_from(target, path_len < target.len ? path_len + 1 : path_len),
        .content_type = header_of(stream, "content-type"),
        .content_encoding = header_of(stream, "content-encoding"),
        .origin = header_of(stream, "origin"),
        .credentials = credentials != NULL ? header_of(stream, credentials) : (struct slice){0},
        .cors_method = header_of(stream, "access-control-request-method"),
        .cors_headers = header_of(stream, "access-control-request-headers"),
    };
}

static void respond(struct otlp_port *port, struct h2_stream *stream,
                    const struct otlp_http_answer *answer)
{
    struct fields fields = {.count = 0};
    struct otlp_http_head head = head_of(port, stream);
    if (answer->content_type != NULL) {
        add_field(&fields, SLICE_LITERAL("content-type"), slice_of_text(answer->content_type));
    }
    if (answer->challenge != NULL) {
        add_field(&fields, SLICE_LITERAL("www-authenticate"), slice_of_text(answer->challenge));
    }
    if (answer->retry_after_s > 0) {
        char text[16];
        int len = snprintf(text, sizeof(text), "%u", answer->retry_after_s);
        add_field(&fields, SLICE_LITERAL("retry-after"), slice_of(text, (size_t)len));
    }
    otlp_http_add_headers(port->shard->config, &head, &fields, add_field);
    const struct h2_response response = {
        .status = answer->status,
        .fields = fields.items,
        .field_count = fields.count,
        .body = answer->body,
    };
    h2_stream_respond(stream, &response, NULL);
}

/* The answer to a sampling call; *memory holds its body, or is NULL. */
static void respond_told(struct otlp_port *port, struct h2_stream *stream,
                         const struct xray_told *told, void **memory)
{
    struct fields fields = {.count = 0};
    struct otlp_http_head head = head_of(port, stream);
    const struct h2_field items[] = {
        {.name = SLICE_LITERAL("content-type"), .value = told->content_type},
        {.name = SLICE_LITERAL("x-amzn-errortype"), .value = told->error_type},
        {.name = SLICE_LITERAL("x-amzn-requestid"), .value = told->request_id},
    };
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        if (items[i].value.len > 0) {
            add_field(&fields, items[i].name, items[i].value);
        }
    }
    otlp_http_add_headers(port->shard->config, &head, &fields, add_field);
    const struct h2_response response = {
        .status = told->status,
        .fields = fields.items,
        .field_count = fields.count,
        .body = told->body,
    };
    h2_stream_respond(stream, &response, *memory != NULL ? memory : NULL);
}

static void request_free(struct otlp_h2_request *request)
{
    loop_timer_cancel(request->shard->worker->loop, &request->timeout);
    otlp_intake_release(&request->shard->intake, request->charged_bytes);
    bytes_fini(&request->body);
    mem_free(request);
}

static void send_reply(const struct otlp_reply *reply, const struct otlp_verdict *verdict)
{
    struct otlp_h2_request *request = reply->to;
    if (request->stream != NULL) {
        struct otlp_http_answer answer;
        otlp_http_word(verdict, reply->signal, reply->is_json, &answer);
        respond(request->port, request->stream, &answer);
    }
    request->shard->h2_request_count--;
    request_free(request);
}

/* Refused while its body comes: answered at once, the rest of it is thrown away. */
static void refuse(struct otlp_h2_request *request, const struct otlp_verdict *verdict)
{
    struct receiver_stats *stats = &request->shard->stats;
    bool is_pressure = verdict->status == GRPC_UNAVAILABLE;
    const struct otlp_reply reply = {
        .to = request, .signal = request->plan.signal, .is_json = request->plan.is_json};
    if (request->plan.is_sampling) {
        counter_add(&stats->proxy_refused, 1);
    } else {
        counter_add(&stats->wire_received, 1);
        counter_add(is_pressure ? &stats->wire_refused : &stats->wire_dropped_invalid, 1);
    }
    send_reply(&reply, verdict);
}

static void request_on_timeout(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct otlp_h2_request *request = CONTAINER_OF(timer, struct otlp_h2_request, timeout);
    struct otlp_verdict verdict;
    otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "the request body came too slowly");
    verdict.http_status = 408;
    refuse(request, &verdict);
}

static void reply_sampling(void *to, const struct xray_told *told, void **memory)
{
    struct otlp_h2_request *request = to;
    if (request->stream != NULL) {
        respond_told(request->port, request->stream, told, memory);
    }
    request->shard->h2_request_count--;
    request_free(request);
}

static void ask_proxy(struct otlp_h2_request *request)
{
    struct slice content;
    struct xray_question question = {
        .path = h2_stream_path(request->stream),
        .charged_bytes = request->charged_bytes,
        .to = request,
        .reply = reply_sampling,
    };
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        question.headers[i] =
            header_of(request->stream, xray_ask_header_name((enum xray_ask_header)i));
    }
    question.path = slice_first(question.path, slice_find(question.path, '?'));
    question.body_memory = bytes_take(&request->body, &content);
    question.body_len = content.len;
    request->charged_bytes = 0;
    request->is_taken = true;
    xray_asker_ask(request->shard->asker, &question);
}

static void hand_in(struct otlp_h2_request *request)
{
    loop_timer_cancel(request->shard->worker->loop, &request->timeout);
    if (request->plan.is_sampling) {
        ask_proxy(request);
        return;
    }
    struct slice content;
    struct otlp_body body = {
        .charged_bytes = request->charged_bytes,
        .kind = request->plan.kind,
        .max_bytes = request->shard->config->body_max_bytes,
    };
    body.memory = bytes_take(&request->body, &content);
    body.len = content.len;
    request->charged_bytes = 0;
    request->is_taken = true;
    const struct otlp_reply reply = {
        .send = send_reply,
        .to = request,
        .signal = request->plan.signal,
        .is_json = request->plan.is_json,
    };
    otlp_intake_take(&request->shard->intake, &body, &reply);
}

static void request_on_body(struct h2_stream_user *user, struct slice bytes, bool is_last)
{
    struct otlp_h2_request *request = CONTAINER_OF(user, struct otlp_h2_request, user);
    struct otlp_verdict verdict;
    h2_stream_consume(request->stream, bytes.len);
    if (bytes.len > 0 && !otlp_intake_charge(&request->shard->intake, bytes.len)) {
        otlp_verdict_postpone(&verdict, "data refused due to high memory usage");
        refuse(request, &verdict);
        return;
    }
    request->charged_bytes += bytes.len;
    bytes_append(&request->body, bytes.ptr, bytes.len);
    if (request->body.err == -ENOMEM) {
        otlp_verdict_postpone(&verdict, "data refused due to high memory usage");
        refuse(request, &verdict);
    } else if (request->body.err != 0) {
        otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "http: request body too large");
        refuse(request, &verdict);
    } else if (is_last) {
        hand_in(request);
    }
}

static void request_on_reset(struct h2_stream_user *user, uint32_t h2_code)
{
    (void)h2_code;
    struct otlp_h2_request *request = CONTAINER_OF(user, struct otlp_h2_request, user);
    request->stream = NULL;
    if (!request->is_taken) {
        request->shard->h2_request_count--;
        request_free(request);
    }
}

static const struct h2_stream_user_ops request_ops = {
    .on_body = request_on_body,
    .on_reset = request_on_reset,
};

void otlp_h2_take(struct otlp_port *port, struct h2_stream *stream)
{
    struct otlp_shard *shard = port->shard;
    struct otlp_http_head head = head_of(port, stream);
    struct otlp_http_plan plan;
    if (!otlp_http_judge(port, &head, &plan, &shard->answer)) {
        if (shard->answer.status != 204) {
            bool is_pressure = shard->answer.status == 503;
            counter_add(&shard->stats.wire_received, 1);
            counter_add(
                is_pressure ? &shard->stats.wire_refused : &shard->stats.wire_dropped_invalid, 1);
        }
        respond(port, stream, &shard->answer);
        return;
    }
    struct otlp_h2_request *request = mem_alloc(sizeof(*request));
    if (request == NULL) {
        h2_stream_reset(stream, H2_CODE_REFUSED_STREAM);
        return;
    }
    *request = (struct otlp_h2_request){.user = {.ops = &request_ops},
                                        .port = port,
                                        .shard = shard,
                                        .stream = stream,
                                        .plan = plan};
    bytes_init(&request->body,
               plan.is_sampling ? XRAY_PROXY_BODY_MAX_BYTES : shard->config->body_max_bytes);
    shard->h2_request_count++;
    h2_stream_attach(stream, &request->user);
    if (h2_stream_is_ended(stream)) {
        hand_in(request);
        return;
    }
    request->timeout.on_fire = request_on_timeout;
    uint64_t limit_ns =
        shard->config->read_timeout_ns != 0 ? shard->config->read_timeout_ns : OTLP_BODY_TIMEOUT_NS;
    struct loop *loop = shard->worker->loop;
    if (loop_timer_arm(loop, &request->timeout, loop_now_mono_ns(loop) + limit_ns) != 0) {
        struct otlp_verdict verdict;
        otlp_verdict_postpone(&verdict, "data refused due to high memory usage");
        refuse(request, &verdict);
    }
}
