/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_exchange — what the owner may ask of a request it was shown.
 *
 * Everything borrows from the connection; only the body can be moved out.
 */
#include "io/http1_connection.h"

static const struct http1_connection *connection_of(const struct http1_exchange *exchange)
{
    const char *at = (const char *)exchange - offsetof(struct http1_connection, exchange);
    const struct http1_connection *c = (const void *)at;
    ASSERT(c->is_exchange_open);
    return c;
}

struct slice http1_exchange_method(const struct http1_exchange *exchange)
{
    return http1_head_method(&connection_of(exchange)->head);
}

struct slice http1_exchange_path(const struct http1_exchange *exchange)
{
    return http1_head_path(&connection_of(exchange)->head);
}

struct slice http1_exchange_query(const struct http1_exchange *exchange)
{
    return http1_head_query(&connection_of(exchange)->head);
}

struct slice http1_exchange_body(const struct http1_exchange *exchange)
{
    return http1_buffer_slice(&connection_of(exchange)->body);
}

void http1_exchange_take_body(struct http1_exchange *exchange, void **memory, size_t *len)
{
    struct http1_connection *c = CONTAINER_OF(exchange, struct http1_connection, exchange);
    ASSERT(c->is_exchange_open);
    *memory = c->body.ptr;
    *len = c->body.len;
    c->body = (struct http1_buffer){0};
    c->charged_bytes = 0;
}

bool http1_exchange_header(const struct http1_exchange *exchange, const char *name,
                           struct slice *value)
{
    return http1_head_find(&connection_of(exchange)->head, name, value);
}

const struct http1_head *http1_exchange_head(const struct http1_exchange *exchange)
{
    return &connection_of(exchange)->head;
}

bool http1_exchange_is_local(const struct http1_exchange *exchange)
{
    return connection_of(exchange)->is_peer_local;
}

const struct loop_address *http1_exchange_peer(const struct http1_exchange *exchange)
{
    static const struct loop_address nobody;
    const struct http1_connection *c = connection_of(exchange);
    return c->channel != NULL ? channel_peer(c->channel) : &nobody;
}

bool http1_exchange_is_secure(const struct http1_exchange *exchange)
{
    const struct http1_connection *c = connection_of(exchange);
    return c->channel != NULL && channel_is_secure(c->channel);
}

bool http1_exchange_is_get(const struct http1_exchange *exchange)
{
    struct slice method = http1_exchange_method(exchange);
    return slice_is_text(method, "GET") || slice_is_text(method, "HEAD");
}
