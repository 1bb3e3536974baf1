/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_config — key by key, with the Collector's defaults.
 *
 * One default differs on purpose: connections live for five minutes, because weir stands behind a
 * load balancer that spreads connections, not requests.
 */
#include "io/receivers/otlp_config.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/io_bounds.h"

#define DEFAULT_GRPC "localhost:4317"
#define DEFAULT_HTTP "localhost:4318"
#define DEFAULT_BODY_BYTES (UINT64_C(20) * 1024 * 1024)
#define DEFAULT_AGE_NS (300 * CLOCK_NS_PER_S)
#define DEFAULT_PING_NS (7200 * CLOCK_NS_PER_S)
#define DEFAULT_PING_TIMEOUT_NS (20 * CLOCK_NS_PER_S)
#define MESSAGE_MAX_MIB 4095
#define MIB (1024 * 1024)
#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES (4 * MIB)

static const char *const transport_words[] = {"tcp", "tcp4", "tcp6", "unix"};

/* A copy that lives as long as the settings; where memory is short, an empty one and a mark. */
static struct slice keep(struct otlp_config *config, struct slice text)
{
    struct slice copy = arena_copy(&config->texts, text);
    if (copy.ptr == NULL) {
        config->is_short = true;
        return (struct slice){0};
    }
    return copy;
}

static void read_endpoint(struct config_reader *r, const char *value_default, uint16_t usual_port,
                          struct otlp_config *config, struct otlp_endpoint *out)
{
    uint32_t transport = 0;
    struct slice text;
    struct config_endpoint endpoint = {0};
    out->is_enabled = true;
    (void)config_read_enum(r, "transport", CONFIG_WORDS(transport_words), 0, &transport);
    out->is_path = transport == 3;
    out->family = transport == 1   ? SOCKET_FAMILY_IPV4
                  : transport == 2 ? SOCKET_FAMILY_IPV6
                                   : SOCKET_FAMILY_ANY;
    if (out->is_path) {
        out->is_default = !config_read_text(r, "endpoint", NULL, &text);
        if (text.len == 0 || text.len > SOCKET_PATH_MAX_BYTES) {
            config_refuse(r, "endpoint", "endpoint must be the path of a socket, at most %d bytes",
                          SOCKET_PATH_MAX_BYTES);
        }
        out->text = keep(config, text);
        return;
    }
    out->is_default = !config_read_endpoint(r, "endpoint", value_default, &endpoint);
    (void)config_read_text(r, "endpoint", value_default, &text);
    config_check_port(r, "endpoint", endpoint.port, usual_port);
    out->text = keep(config, text);
    out->host = keep(config, endpoint.host);
    out->port = endpoint.port;
}

static void read_keepalive(struct config_reader *grpc, struct h2_server_options *h2)
{
    struct config_reader keepalive;
    struct config_reader parameters;
    struct config_reader policy;
    (void)config_open_section(grpc, "keepalive", &keepalive);
    (void)config_open_section(&keepalive, "server_parameters", &parameters);
    (void)config_read_duration_ns(&parameters, "max_connection_idle", 0, &h2->idle_max_ns);
    (void)config_read_duration_ns(&parameters, "max_connection_age", DEFAULT_AGE_NS,
                                  &h2->age_max_ns);
    (void)config_read_duration_ns(&parameters, "max_connection_age_grace", 0, &h2->age_grace_ns);
    (void)config_read_duration_ns(&parameters, "time", DEFAULT_PING_NS, &h2->keepalive_time_ns);
    (void)config_read_duration_ns(&parameters, "timeout", DEFAULT_PING_TIMEOUT_NS,
                                  &h2->keepalive_timeout_ns);
    (void)config_reader_finish(&parameters);
    (void)config_open_section(&keepalive, "enforcement_policy", &policy);
    (void)config_read_duration_ns(&policy, "min_time", 0, &h2->ping_min_ns);
    (void)config_read_bool(&policy, "permit_without_stream", false, &h2->may_ping_idle);
    (void)config_reader_finish(&policy);
    (void)config_reader_finish(&keepalive);
}

static void read_auth(struct config_reader *r, struct otlp_config *config,
                      struct otlp_endpoint *endpoint)
{
    struct config_reader auth;
    struct slice id;
    bool is_present = config_open_section(r, "auth", &auth);
    (void)config_read_text(&auth, "authenticator", NULL, &id);
    config_known_unsupported(&auth, "request_params");
    if (is_present) {
        (void)config_require(&auth, "authenticator");
    }
    endpoint->authenticator = keep(config, id);
    (void)config_reader_finish(&auth);
}

static void read_common(struct config_reader *r, struct otlp_config *config,
                        struct otlp_endpoint *endpoint)
{
    if (tls_config_read_server(r, &config->texts, &endpoint->tls) != 0) {
        config_refuse(r, "tls", "out of memory");
    }
    (void)config_read_bool(r, "proxy_protocol", false, &endpoint->expects_proxy);
    read_auth(r, config, endpoint);
    config_known_unsupported(r, "include_metadata");
    config_known_unsupported(r, "middlewares");
}

static void read_unused(struct config_reader *r)
{
    uint64_t bytes;
    /* Buffers are the loop's; the keys stand in many configurations and change nothing here. */
    (void)config_read_u64(r, "read_buffer_size", 0, &bytes);
    (void)config_read_u64(r, "write_buffer_size", 0, &bytes);
}

static void read_grpc(struct config_reader *protocols, struct otlp_config *config)
{
    struct config_reader r;
    struct otlp_endpoint *endpoint = &config->endpoints[OTLP_PROTOCOL_GRPC];
    uint32_t message_mib = 0;
    bool is_enabled = config_open_optional(protocols, "grpc", false, &r);
    read_endpoint(&r, DEFAULT_GRPC, 4317, config, endpoint);
    endpoint->is_enabled = is_enabled;
    read_common(&r, config, endpoint);
    (void)config_read_u32(&r, "max_recv_msg_size_mib", 0, MESSAGE_MAX_MIB, &message_mib);
    config->message_max_bytes = (message_mib == 0 ? 4 : message_mib) * MIB;
    (void)config_read_u32(&r, "max_concurrent_streams", 0, UINT32_MAX,
                          &config->h2.max_concurrent_streams);
    read_keepalive(&r, &config->h2);
    (void)config_read_bool(&r, "health_service", false, &config->has_health);
    read_unused(&r);
    (void)config_reader_finish(&r);
}

/* --- http ------------------------------------------------------------------------------------- */

static void read_texts(struct config_reader *r, const char *key, struct otlp_config *config,
                       struct slice *out, uint32_t *count)
{
    struct config_items items = config_open_list(r, key);
    struct slice text;
    while (config_next_text(&items, &text)) {
        if (*count == OTLP_CORS_MAX) {
            config_refuse(r, key, "%s has more than %d entries", key, OTLP_CORS_MAX);
            return;
        }
        out[*count] = keep(config, text);
        (*count)++;
    }
}

static bool has_star(const struct slice *texts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is_text(texts[i], "*")) {
            return true;
        }
    }
    return false;
}

static struct slice join(struct otlp_config *config, const struct slice *texts, uint32_t count)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        len += texts[i].len + 2;
    }
    uint8_t *joined = count == 0 ? NULL : arena_alloc(&config->texts, len);
    config->is_short = config->is_short || (count > 0 && joined == NULL);
    size_t used = 0;
    for (uint32_t i = 0; joined != NULL && i < count; i++) {
        memcpy(joined + used, i == 0 ? "" : ", ", i == 0 ? 0 : 2);
        used += i == 0 ? 0 : 2;
        if (texts[i].len > 0) {
            memcpy(joined + used, texts[i].ptr, texts[i].len);
        }
        used += texts[i].len;
    }
    return slice_of(joined, used);
}

static void read_cors(struct config_reader *http, struct otlp_config *config)
{
    struct otlp_cors *cors = &config->cors;
    struct config_reader r;
    struct slice exposed[OTLP_CORS_MAX];
    uint32_t exposed_count = 0;
    (void)config_open_section(http, "cors", &r);
    read_texts(&r, "allowed_origins", config, cors->origins, &cors->origin_count);
    read_texts(&r, "allowed_headers", config, cors->headers, &cors->header_count);
    read_texts(&r, "exposed_headers", config, exposed, &exposed_count);
    (void)config_read_u64(&r, "max_age", 0, &cors->max_age_s);
    (void)config_reader_finish(&r);
    cors->is_enabled = cors->origin_count > 0;
    cors->allows_any_origin = has_star(cors->origins, cors->origin_count);
    cors->allows_any_header = has_star(cors->headers, cors->header_count);
    cors->exposed = join(config, exposed, exposed_count);
    if (cors->header_count > 0 && !cors->is_enabled) {
        config_caution(http, "cors", "allowed_headers without allowed_origins does nothing");
    }
}

/* A token of RFC 9110 and a value that may stand behind it. */
static bool is_header(struct slice name, struct slice value)
{
    bool is_good = name.len > 0 && name.len <= OTLP_HEADER_NAME_MAX_BYTES;
    for (size_t i = 0; is_good && i < name.len; i++) {
        uint8_t lower = name.ptr[i] | 0x20;
        bool is_plain =
            (lower >= 'a' && lower <= 'z') || (name.ptr[i] >= '0' && name.ptr[i] <= '9');
        is_good = is_plain || (name.ptr[i] != 0 && strchr("!#$%&'*+-.^_`|~", name.ptr[i]) != NULL);
    }
    for (size_t i = 0; is_good && i < value.len; i++) {
        is_good = (value.ptr[i] >= 0x20 && value.ptr[i] != 0x7f) || value.ptr[i] == '\t';
    }
    return is_good;
}

static void read_headers(struct config_reader *r, struct otlp_config *config)
{
    struct config_items items = config_open_map(r, "response_headers");
    struct slice name;
    struct slice value;
    while (config_next_pair(&items, &name, &value)) {
        if (!is_header(name, value)) {
            config_refuse(r, "response_headers", "'%.*s' is no header that can be sent",
                          (int)(name.len < 64 ? name.len : 64), (const char *)name.ptr);
            continue;
        }
        if (config->header_count == OTLP_HEADERS_MAX) {
            config_refuse(r, "response_headers", "response_headers has more than %d headers",
                          OTLP_HEADERS_MAX);
            return;
        }
        config->headers[config->header_count] =
            (struct otlp_header){.name = keep(config, name), .value = keep(config, value)};
        config->header_count++;
    }
}

static void read_compression(struct config_reader *r, struct otlp_config *config)
{
    struct config_items items = config_open_list(r, "compression_algorithms");
    struct slice name;
    for (uint32_t i = 0; i < COMPRESS_KIND_COUNT; i++) {
        config->takes_kind[i] = !items.is_present;
    }
    config->takes_kind[COMPRESS_NONE] = true;
    while (config_next_text(&items, &name)) {
        enum compress_kind kind;
        if (slice_is_text(name, "lz4")) {
            config_caution(r, "compression_algorithms", "'lz4' is not supported yet");
        } else if (compress_kind_of(name, &kind) != 0) {
            config_refuse(r, "compression_algorithms", "compression_algorithms knows no '%.*s'",
                          (int)name.len, (const char *)name.ptr);
        } else {
            config->takes_kind[kind] = true;
        }
    }
}

static void read_path(struct config_reader *r, const char *key, const char *value_default,
                      struct otlp_config *config, enum signal signal)
{
    struct slice path;
    (void)config_read_text(r, key, value_default, &path);
    uint8_t *copy = arena_alloc(&config->texts, path.len + 1);
    if (copy == NULL) {
        config->is_short = true;
        return;
    }
    bool has_slash = path.len > 0 && path.ptr[0] == '/';
    copy[0] = '/';
    if (path.len > 0) {
        memcpy(copy + (has_slash ? 0 : 1), path.ptr, path.len);
    }
    config->paths[signal] = slice_of(copy, path.len + (has_slash ? 0 : 1));
}

static void read_http(struct config_reader *protocols, struct otlp_config *config)
{
    struct config_reader r;
    struct otlp_endpoint *endpoint = &config->endpoints[OTLP_PROTOCOL_HTTP];
    uint64_t body_max_bytes = 0;
    bool is_enabled = config_open_optional(protocols, "http", false, &r);
    read_endpoint(&r, DEFAULT_HTTP, 4318, config, endpoint);
    endpoint->is_enabled = is_enabled;
    read_common(&r, config, endpoint);
    read_path(&r, "traces_url_path", "/v1/traces", config, SIGNAL_TRACES);
    read_path(&r, "metrics_url_path", "/v1/metrics", config, SIGNAL_METRICS);
    read_path(&r, "logs_url_path", "/v1/logs", config, SIGNAL_LOGS);
    read_cors(&r, config);
    read_headers(&r, config);
    read_compression(&r, config);
    (void)config_read_bytes(&r, "max_request_body_size", 0, &body_max_bytes);
    body_max_bytes = body_max_bytes == 0 ? DEFAULT_BODY_BYTES : body_max_bytes;
    if (body_max_bytes > INT32_MAX) {
        config_refuse(&r, "max_request_body_size", "max_request_body_size must be at most %d bytes",
                      INT32_MAX);
        body_max_bytes = INT32_MAX;
    }
    config->body_max_bytes = (uint32_t)body_max_bytes;
    (void)config_read_bool(&r, "keep_alives_enabled", true, &config->is_keep_alive);
    (void)config_read_duration_ns(&r, "read_timeout", 0, &config->read_timeout_ns);
    (void)config_read_duration_ns(&r, "read_header_timeout", 0, &config->read_header_timeout_ns);
    (void)config_read_duration_ns(&r, "write_timeout", 0, &config->write_timeout_ns);
    (void)config_read_duration_ns(&r, "idle_timeout", 0, &config->idle_timeout_ns);
    (void)config_read_duration_ns(&r, "max_connection_age", DEFAULT_AGE_NS, &config->age_max_ns);
    (void)config_reader_finish(&r);
}

/* --- what both share, and with whom ----------------------------------------------------------- */

static void read_guest(struct config_reader *protocols, const char *key, struct otlp_config *config,
                       struct otlp_guest *out)
{
    struct config_reader r;
    struct slice id;
    bool is_enabled = config_open_optional(protocols, key, false, &r);
    (void)config_read_text(&r, "receiver", NULL, &id);
    if (is_enabled && config_require(&r, "receiver")) {
        out->receiver_id = keep(config, id);
        out->mark = config_node_find(r.node, SLICE_LITERAL("receiver"))->mark;
    }
    (void)config_reader_finish(&r);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_tls(const struct tls_config *a, const struct tls_config *b)
{
    const struct tls_settings *s = &a->settings;
    const struct tls_settings *t = &b->settings;
    bool has_same_texts =
        is_same_text(s->ca_file, t->ca_file) && is_same_text(s->ca_pem, t->ca_pem) &&
        is_same_text(s->cert_file, t->cert_file) && is_same_text(s->cert_pem, t->cert_pem) &&
        is_same_text(s->key_file, t->key_file) && is_same_text(s->key_pem, t->key_pem) &&
        is_same_text(s->client_ca_file, t->client_ca_file) &&
        is_same_text(s->cipher_suites, t->cipher_suites) &&
        is_same_text(s->curve_preferences, t->curve_preferences);
    return a->is_enabled == b->is_enabled && has_same_texts &&
           s->includes_system_cas == t->includes_system_cas &&
           s->reloads_client_ca == t->reloads_client_ca && s->min_version == t->min_version &&
           s->max_version == t->max_version && s->reload_interval_ns == t->reload_interval_ns;
}

/* Written twice it is one address, and one port on it; any port (0) is another one each time. */
static void share_address(struct config_reader *protocols, struct otlp_config *config)
{
    const struct otlp_endpoint *grpc = &config->endpoints[OTLP_PROTOCOL_GRPC];
    struct otlp_endpoint *http = &config->endpoints[OTLP_PROTOCOL_HTTP];
    bool is_fixed = grpc->is_path || grpc->port != 0;
    http->is_shared = grpc->is_enabled && http->is_enabled && is_fixed &&
                      grpc->is_path == http->is_path && grpc->family == http->family &&
                      grpc->is_default == http->is_default && slice_equal(grpc->text, http->text);
    if (http->is_shared && (!is_same_tls(&grpc->tls, &http->tls) ||
                            !slice_equal(grpc->authenticator, http->authenticator) ||
                            grpc->expects_proxy != http->expects_proxy)) {
        config_refuse(protocols, "http",
                      "http has the endpoint of grpc, so tls, auth and proxy_protocol must be the "
                      "same for both");
    }
}

int otlp_config_read(struct config_reader *r, struct otlp_config *out)
{
    struct config_reader protocols;
    *out = (struct otlp_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    (void)config_open_section(r, "protocols", &protocols);
    read_grpc(&protocols, out);
    read_http(&protocols, out);
    read_guest(&protocols, "statsd", out, &out->statsd);
    read_guest(&protocols, "xray", out, &out->xray);
    share_address(&protocols, out);
    (void)config_reader_finish(&protocols);
    if (!out->endpoints[OTLP_PROTOCOL_GRPC].is_enabled &&
        !out->endpoints[OTLP_PROTOCOL_HTTP].is_enabled) {
        config_refuse(
            r, "protocols",
            "must specify at least one protocol when using the OTLP receiver: grpc, http");
    }
    err = config_reader_finish(r);
    return out->is_short ? -ENOMEM : err;
}

void otlp_config_fini(struct otlp_config *config)
{
    arena_fini(&config->texts);
    *config = (struct otlp_config){0};
}
