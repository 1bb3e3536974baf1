/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sampling — questions from exchanges, answers to them.
 */
#include "io/receivers/otlp_sampling.h"

#include "core/base/mem.h"
#include "io/http1_server.h"
#include "io/receivers/otlp_http.h"
#include "io/receivers/otlp_shard.h"

/* A header that cannot be repeated to the client is left out: the body says the same. */
static void add_header(struct http1_exchange *exchange, const char *name, struct slice value)
{
    if (value.len > 0 && http1_exchange_add_header(exchange, name, value) != 0) {
        return;
    }
}

static void reply_exchange(void *to, const struct xray_told *told, void **memory)
{
    struct http1_exchange *exchange = to;
    add_header(exchange, "Content-Type", told->content_type);
    add_header(exchange, "X-Amzn-ErrorType", told->error_type);
    add_header(exchange, "X-Amzn-RequestId", told->request_id);
    if (*memory != NULL) {
        http1_respond(exchange, told->status, NULL, memory, told->body.len);
    } else {
        http1_respond_text(exchange, told->status, NULL, told->body);
    }
}

void otlp_sampling_take(struct otlp_port *port, struct http1_exchange *exchange)
{
    struct otlp_shard *shard = port->shard;
    const struct otlp_http_plan plan = {.is_sampling = true};
    struct xray_question question = {
        .path = http1_exchange_path(exchange),
        .to = exchange,
        .reply = reply_exchange,
    };
    /* A body in chunks shows its size only now. */
    if (otlp_http_is_too_large(&plan, http1_exchange_body(exchange).len, &shard->answer)) {
        counter_add(&shard->stats.proxy_refused, 1);
        http1_respond_text(exchange, shard->answer.status, shard->answer.content_type,
                           shard->answer.body);
        return;
    }
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        const char *name = xray_ask_header_name((enum xray_ask_header)i);
        (void)http1_exchange_header(exchange, name, &question.headers[i]); /* absent stays empty */
    }
    http1_exchange_take_body(exchange, &question.body_memory, &question.body_len);
    question.charged_bytes = question.body_len;
    xray_asker_ask(shard->asker, &question);
}
