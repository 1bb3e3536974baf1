/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_config — key by key, with the Collector's defaults.
 *
 * Differs on purpose in one value: the proxy signs for X-Ray and for no other service.
 */
#include "io/receivers/xray_config.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/slice.h"

#define DEFAULT_ENDPOINT "localhost:2000"
#define USUAL_PORT 2000
#define DEFAULT_SERVICE "xray"
#define DEFAULT_SOCKET_BUFFER_BYTES (8 * 1024 * 1024)
#define DEFAULT_RULES_CACHE_NS (10 * CLOCK_NS_PER_S)
#define TEXTS_CHUNK_BYTES 1024
#define TEXTS_MAX_BYTES (1024 * 1024)

/* A copy that lives as long as the settings; where memory is short, an empty one and a mark. */
static const char *keep(struct xray_config *config, struct slice text)
{
    char *copy = arena_alloc(&config->texts, text.len + 1);
    if (copy == NULL) {
        config->is_short = true;
        return "";
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

static const char *read_text(struct config_reader *r, struct xray_config *config, const char *key)
{
    struct slice text;
    (void)config_read_text(r, key, NULL, &text);
    return keep(config, text);
}

static void read_endpoint(struct config_reader *r, struct xray_config *config,
                          struct xray_endpoint *out)
{
    struct config_endpoint endpoint = {0};
    struct slice text;
    out->is_default = !config_read_endpoint(r, "endpoint", DEFAULT_ENDPOINT, &endpoint);
    (void)config_read_text(r, "endpoint", DEFAULT_ENDPOINT, &text);
    config_check_port(r, "endpoint", endpoint.port, USUAL_PORT);
    out->text = keep(config, text);
    out->host = keep(config, endpoint.host);
    out->port = endpoint.port;
}

static bool is_region(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && !(byte >= '0' && byte <= '9') && byte != '-') {
            return false;
        }
    }
    return true;
}

static void read_tls(struct config_reader *proxy, struct xray_proxy_config *out)
{
    static const char *const others[] = {
        "ca_file", "ca_pem",      "cert_file",   "cert_pem",      "key_file",
        "key_pem", "min_version", "max_version", "cipher_suites", "reload_interval"};
    struct config_reader tls;
    struct slice name;
    (void)config_open_section(proxy, "tls", &tls);
    (void)config_read_bool(&tls, "insecure", false, &out->is_insecure);
    if (config_read_text(&tls, "server_name_override", NULL, &name)) {
        config_caution(&tls, "server_name_override",
                       "has no effect, as in the Collector: the certificate must be the host's");
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        config_known_unsupported(&tls, others[i]);
    }
    (void)config_reader_finish(&tls);
}

/* Finishes the reader, and answers as finishing does. */
static int read_proxy(struct config_reader *proxy, struct xray_config *config)
{
    struct xray_proxy_config *out = &config->proxy;
    struct slice service;
    read_endpoint(proxy, config, &out->endpoint);
    config_known_unsupported(proxy, "dialer"); /* of clients; the Collector reads it, no more */
    out->proxy_address = read_text(proxy, config, "proxy_address");
    read_tls(proxy, out);
    out->region = read_text(proxy, config, "region");
    if (!is_region(slice_of_text(out->region))) {
        config_refuse(proxy, "region", "a region has letters, digits and hyphens only");
    }
    out->role_arn = read_text(proxy, config, "role_arn");
    out->aws_endpoint = read_text(proxy, config, "aws_endpoint");
    (void)config_read_bool(proxy, "local_mode", false, &out->is_local_mode);
    (void)config_read_text(proxy, "service_name", DEFAULT_SERVICE, &service);
    if (!slice_is_text(service, DEFAULT_SERVICE)) {
        config_refuse(proxy, "service_name",
                      "the proxy signs for 'xray' only, so that nobody reaches other services");
    }
    out->service_name = DEFAULT_SERVICE;
    (void)config_read_bool(proxy, "allow_all_paths", false, &out->allows_all_paths);
    (void)config_read_duration_ns(proxy, "rules_cache", DEFAULT_RULES_CACHE_NS,
                                  &out->rules_cache_ns);
    return config_reader_finish(proxy);
}

static void read_socket(struct config_reader *r, struct xray_config *out)
{
    static const char *const transports[] = {"udp"};
    uint32_t transport;
    read_endpoint(r, out, &out->endpoint);
    (void)config_read_enum(r, "transport", CONFIG_WORDS(transports), 0, &transport);
    (void)config_read_bytes(r, "socket_buffer_size", 0, &out->socket_buffer_bytes);
    if (out->socket_buffer_bytes == 0) {
        out->socket_buffer_bytes = DEFAULT_SOCKET_BUFFER_BYTES;
    }
    if (out->socket_buffer_bytes > INT32_MAX) {
        config_refuse(r, "socket_buffer_size", "socket_buffer_size must be at most %d bytes",
                      INT32_MAX);
        out->socket_buffer_bytes = DEFAULT_SOCKET_BUFFER_BYTES;
    }
}

static int open_texts(struct xray_config *config)
{
    *config = (struct xray_config){0};
    return arena_init(&config->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
}

int xray_config_read(struct config_reader *r, struct xray_config *out)
{
    struct config_reader proxy;
    int err = open_texts(out);
    if (err != 0) {
        return err;
    }
    read_socket(r, out);
    (void)config_open_section(r, "proxy_server", &proxy);
    (void)read_proxy(&proxy, out); /* what it complains of is found by the next finish */
    err = config_reader_finish(r);
    return out->is_short ? -ENOMEM : err;
}

int xray_config_read_proxy(struct config_reader *r, struct xray_config *out)
{
    int err = open_texts(out);
    if (err != 0) {
        return err;
    }
    err = read_proxy(r, out);
    return out->is_short ? -ENOMEM : err;
}

void xray_config_fini(struct xray_config *config)
{
    arena_fini(&config->texts);
    *config = (struct xray_config){0};
}

struct receiver_place xray_endpoint_place(const struct xray_endpoint *endpoint, bool is_stream)
{
    return (struct receiver_place){
        .is_stream = is_stream,
        .host = slice_of_text(endpoint->host),
        .port = endpoint->port,
    };
}
