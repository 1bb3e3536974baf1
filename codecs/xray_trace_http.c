/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_http — the `http` block, from old and stable semantic conventions alike.
 *
 * Attributes are taken in the order of the wire, the later of two spellings winning; they are
 * consumed also where there is no block in the end.
 */
#include <arpa/inet.h>
#include <string.h>

#include "codecs/xray_trace_parts.h"
#include "core/base/number.h"
#include "core/otlp/otlp_field.h"

/* Texts borrow from the attributes, numbers that were ports from `digits`. */
struct http {
    struct slice method;
    struct slice client_ip;
    struct slice user_agent;
    struct slice full_url;
    struct slice scheme;
    struct slice host; /* http.host */
    struct slice target;
    struct slice server_name;
    struct slice host_name;
    struct slice net_host_name;
    struct slice net_host_port;
    struct slice net_peer_name;
    struct slice net_peer_port;
    struct slice net_peer_ip;
    struct slice server_address;
    struct slice server_port;
    struct slice path;
    struct slice query;
    int64_t status;
    bool has_status;
    bool has_peer_ip; /* the client's address was not told by a header */
    bool is_block;
    bool has_url;
    char digits[3][NUMBER_TEXT_MAX_BYTES];
};

/* As the reference parses addresses: dotted IPv4 or IPv6 without a zone. */
static bool is_ip(struct slice text)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t parsed[sizeof(struct in6_addr)];
    if (text.len == 0 || text.len >= sizeof(address) || memchr(text.ptr, 0, text.len) != NULL) {
        return false;
    }
    memcpy(address, text.ptr, text.len);
    address[text.len] = '\0';
    return inet_pton(AF_INET, address, parsed) == 1 || inet_pton(AF_INET6, address, parsed) == 1;
}

/* A port as text or as a number. */
static struct slice port_text(const struct otlp_value *value, char *digits)
{
    if (value->kind == OTLP_VALUE_INT) {
        return slice_of(digits, number_format_i64(value->integer, digits, NUMBER_TEXT_MAX_BYTES));
    }
    return xray_value_text(value);
}

static void take_client_ip(struct http *http, struct slice address)
{
    if (http->client_ip.len == 0) {
        http->client_ip = address;
    }
    http->has_peer_ip = true;
    http->has_url = true;
}

static void take_status(struct http *http, const struct otlp_value *value)
{
    http->status = value->kind == OTLP_VALUE_INT ? value->integer : 0;
    http->has_status = true;
    http->is_block = true;
}

/* What says where a request went; false where the attribute is none of these. */
static bool take_place(struct http *http, const struct xray_attr *attr, bool is_server)
{
    struct slice text = xray_value_text(&attr->value);
    switch ((uint32_t)attr->id) {
    case XRAY_KEY_HOST_NAME:
        http->host_name = text;
        http->has_url = true;
        return true;
    case XRAY_KEY_NET_HOST_NAME:
        http->net_host_name = text;
        http->has_url = true;
        return true;
    case XRAY_KEY_NET_HOST_PORT:
        http->net_host_port = port_text(&attr->value, http->digits[0]);
        http->is_block = true;
        return true;
    case XRAY_KEY_NET_PEER_NAME:
        http->net_peer_name = text;
        http->has_url = true;
        return true;
    case XRAY_KEY_NET_PEER_PORT:
        http->net_peer_port = port_text(&attr->value, http->digits[1]);
        return true;
    case XRAY_KEY_NET_PEER_IP:
        http->net_peer_ip = text;
        take_client_ip(http, text);
        return true;
    case XRAY_KEY_NETWORK_PEER_ADDRESS:
        if (is_ip(text)) {
            take_client_ip(http, text);
        }
        return true;
    case XRAY_KEY_CLIENT_ADDRESS:
        http->client_ip = is_ip(text) ? text : http->client_ip;
        return true;
    case XRAY_KEY_SERVER_ADDRESS:
        http->server_address = text;
        http->has_url = http->has_url || is_server;
        return true;
    case XRAY_KEY_SERVER_PORT:
        http->server_port = port_text(&attr->value, http->digits[2]);
        return true;
    default:
        return false;
    }
}

/* What only HTTP has; each makes the block exist. */
static bool take_request(struct http *http, const struct xray_attr *attr)
{
    struct slice text = xray_value_text(&attr->value);
    switch ((uint32_t)attr->id) {
    case XRAY_KEY_HTTP_METHOD:
    case XRAY_KEY_HTTP_REQUEST_METHOD:
        http->method = text;
        break;
    case XRAY_KEY_HTTP_CLIENT_IP:
        http->client_ip = text;
        break;
    case XRAY_KEY_HTTP_USER_AGENT:
    case XRAY_KEY_USER_AGENT_ORIGINAL:
        http->user_agent = text;
        break;
    case XRAY_KEY_HTTP_STATUS_CODE:
    case XRAY_KEY_HTTP_RESPONSE_STATUS_CODE:
        take_status(http, &attr->value);
        break;
    case XRAY_KEY_HTTP_URL:
    case XRAY_KEY_URL_FULL:
        http->full_url = text;
        http->has_url = true;
        break;
    case XRAY_KEY_HTTP_SCHEME:
    case XRAY_KEY_URL_SCHEME:
        http->scheme = text;
        break;
    case XRAY_KEY_HTTP_HOST:
        http->host = text;
        http->has_url = true;
        break;
    case XRAY_KEY_HTTP_TARGET:
        http->target = text;
        break;
    case XRAY_KEY_HTTP_SERVER_NAME:
        http->server_name = text;
        http->has_url = true;
        break;
    case XRAY_KEY_URL_PATH:
        http->path = text;
        break;
    case XRAY_KEY_URL_QUERY:
        http->query = text;
        break;
    default:
        return false;
    }
    http->is_block = true;
    return true;
}

/* --- the URL ---------------------------------------------------------------------------------- */

static struct slice first_of(const struct slice *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len > 0) {
            return texts[i];
        }
    }
    return (struct slice){0};
}

static void append(struct bytes *bytes, struct slice text)
{
    bytes_append(bytes, text.ptr, text.len);
}

static void append_path(struct bytes *url, const struct http *http)
{
    if (http->target.len > 0) {
        append(url, http->target);
        return;
    }
    append(url, http->path.len > 0 ? http->path : SLICE_LITERAL("/"));
    if (http->query.len > 0) {
        append(url, http->query.ptr[0] == '?' ? (struct slice){0} : SLICE_LITERAL("?"));
        append(url, http->query);
    }
}

static bool is_usual_port(struct slice scheme, struct slice port)
{
    return (slice_is_text(scheme, "http") && slice_is_text(port, "80")) ||
           (slice_is_text(scheme, "https") && slice_is_text(port, "443"));
}

/* In t->scratch, unless the span has the whole of it. */
static struct slice make_url(struct xray_trace *t, const struct http *http)
{
    if (http->full_url.len > 0) {
        return http->full_url;
    }
    bool is_server = t->span.kind == XRAY_KIND_SERVER;
    const struct slice servers[] = {http->host, http->server_name, http->net_host_name,
                                    http->host_name, http->server_address};
    const struct slice peers[] = {http->host, http->net_peer_name, http->net_peer_ip};
    const struct slice server_ports[] = {http->net_host_port, http->server_port};
    struct slice host =
        is_server ? first_of(servers, COUNT_OF(servers)) : first_of(peers, COUNT_OF(peers));
    struct slice port =
        is_server ? first_of(server_ports, COUNT_OF(server_ports)) : http->net_peer_port;
    struct slice scheme = http->scheme.len > 0 ? http->scheme : SLICE_LITERAL("http");
    struct bytes *url = &t->scratch;
    bytes_clear(url);
    append(url, scheme);
    append(url, SLICE_LITERAL("://"));
    append(url, host);
    if (http->host.len == 0 && port.len > 0 && !is_usual_port(scheme, port)) {
        bytes_append_byte(url, ':');
        append(url, port);
    }
    append_path(url, http);
    return url->err == 0 ? bytes_slice(url) : (struct slice){0};
}

/* --- the length of what came back ------------------------------------------------------------- */

/* 0 unless both attributes say that a message of some size was received. */
static int64_t received_bytes(const struct xray_trace *t, struct slice message, uint32_t number)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    int64_t bytes = 0;
    bool is_received = false;
    while (otlp_attr_next(&in, number, &attr)) {
        enum xray_key id = xray_keys_find(&t->keys, attr.key);
        if (id == XRAY_KEY_MESSAGE_TYPE) {
            is_received = slice_is_text(xray_value_text(&attr.value), "RECEIVED");
        } else if (id == XRAY_KEY_MESSAGE_PAYLOAD_SIZE && attr.value.kind == OTLP_VALUE_INT) {
            bytes = attr.value.integer;
        }
    }
    return is_received ? bytes : 0;
}

static int64_t content_length(const struct xray_trace *t)
{
    int64_t bytes = received_bytes(t, t->span.content, OTLP_SPAN_ATTRS);
    struct pb_reader in = pb_reader_of(t->span.content);
    struct otlp_field event;
    while (bytes == 0 && otlp_child_next(&in, XRAY_SPAN_EVENTS, &event)) {
        bytes = received_bytes(t, event.content, OTLP_EVENT_ATTRS);
    }
    return bytes;
}

/* --- the block -------------------------------------------------------------------------------- */

static void put_request(struct xray_trace *t, const struct http *http)
{
    struct json_out *out = &t->out;
    json_out_key(out, SLICE_LITERAL("request"));
    json_out_open(out, '{');
    xray_put_text(out, SLICE_LITERAL("method"), http->method);
    if (http->has_url) {
        xray_put_text(out, SLICE_LITERAL("url"), make_url(t, http));
    }
    xray_put_text(out, SLICE_LITERAL("user_agent"), http->user_agent);
    xray_put_text(out, SLICE_LITERAL("client_ip"), http->client_ip);
    if (http->client_ip.len > 0 && !http->has_peer_ip) {
        json_out_key(out, SLICE_LITERAL("x_forwarded_for"));
        json_out_bool(out, true);
    }
    json_out_close(out, '}');
}

static void put_response(struct xray_trace *t, const struct http *http)
{
    struct json_out *out = &t->out;
    json_out_key(out, SLICE_LITERAL("response"));
    json_out_open(out, '{');
    if (http->has_status) {
        json_out_key(out, SLICE_LITERAL("status"));
        json_out_i64(out, http->status);
    }
    json_out_key(out, SLICE_LITERAL("content_length"));
    json_out_i64(out, content_length(t));
    json_out_close(out, '}');
}

void xray_trace_put_http(struct xray_trace *t)
{
    struct http http = {0};
    bool is_server = t->span.kind == XRAY_KIND_SERVER;
    for (size_t i = 0; i < t->attrs.count; i++) {
        struct xray_attr *attr = &t->attrs.attrs[i];
        bool is_known = attr->id != XRAY_KEY_OTHER && !attr->is_removed;
        if (is_known && (take_request(&http, attr) || take_place(&http, attr, is_server))) {
            attr->is_used = true;
        }
    }
    if (!http.is_block || t->role == XRAY_ROLE_SERVICE) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("http"));
    json_out_open(&t->out, '{');
    put_request(t, &http);
    put_response(t, &http);
    json_out_close(&t->out, '}');
}
