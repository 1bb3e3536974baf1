/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_config — target, TLS, metadata and connection settings become a gRPC client's options.
 *
 * Targets are what the Collector tolerates: host:port, with http://, https://, dns:/// or
 * passthrough:/// before it, and unix: with a path.
 */
#include "exporters/otlp_grpc_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/number.h"
#include "core/engine/config.h"
#include "exporters/exporter_auth.h"
#include "exporters/http_client_config.h"
#include "io/grpc.h"
#include "io/io_bounds.h"
#include "io/socket.h"
#include "io/tls.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES CONFIG_VALUE_MAX_BYTES
#define TIMEOUT_DEFAULT_NS (5 * CLOCK_NS_PER_S)
#define KEEPALIVE_DEFAULT_NS (10 * CLOCK_NS_PER_S)
/* "host:65535" */
#define PORT_TEXT_BYTES 6

/* --- the target ------------------------------------------------------------------------------- */

/* Cuts `prefix` off; whether it was there. */
static bool take_prefix(struct slice *text, const char *prefix)
{
    struct slice p = slice_of_text(prefix);
    if (!slice_has_prefix(*text, p)) {
        return false;
    }
    *text = slice_from(*text, p.len);
    return true;
}

static int set_path(struct config_reader *r, struct slice path, struct otlp_grpc_config *out)
{
    if (path.len == 0 || path.len > SOCKET_PATH_MAX_BYTES || slice_find(path, 0) != path.len) {
        config_refuse(r, "endpoint", "a Unix socket's path has 1 to %d bytes",
                      SOCKET_PATH_MAX_BYTES);
        return 0;
    }
    out->client.unix_path = http_text_copy(&out->texts, path);
    out->client.authority = "localhost";
    out->client.server_name = "localhost";
    return out->client.unix_path == NULL ? -ENOMEM : 0;
}

static int set_host(struct config_reader *r, struct slice text, struct otlp_grpc_config *out)
{
    struct socket_endpoint endpoint;
    if (slice_find(text, 0) != text.len || socket_parse_endpoint(text, &endpoint) != 0 ||
        endpoint.port == 0) {
        config_refuse(r, "endpoint",
                      "endpoint must be host:port such as localhost:4317, the port as a number");
        return 0;
    }
    config_check_port(r, "endpoint", endpoint.port, 4317);
    const char *host = endpoint.host[0] != '\0' ? endpoint.host : "localhost";
    out->client.host = http_text_copy(&out->texts, slice_of_text(host));
    out->client.port = endpoint.port;
    out->client.server_name = out->client.host;
    out->client.authority = http_text_copy(&out->texts, text);
    if (endpoint.host[0] == '\0' && out->client.authority != NULL) {
        char authority[sizeof("localhost:") + PORT_TEXT_BYTES];
        (void)snprintf(authority, sizeof(authority), "localhost:%u", (uint32_t)endpoint.port);
        out->client.authority = http_text_copy(&out->texts, slice_of_text(authority));
    }
    return out->client.host == NULL || out->client.authority == NULL ? -ENOMEM : 0;
}

/* `forces_tls`: the scheme says https, whatever `tls` says. */
static int read_target(struct config_reader *r, struct otlp_grpc_config *out, bool *forces_tls)
{
    struct slice text;
    *forces_tls = false;
    if (!config_require(r, "endpoint") || !config_read_text(r, "endpoint", NULL, &text)) {
        return 0;
    }
    if (take_prefix(&text, "unix://") || take_prefix(&text, "unix:")) {
        return set_path(r, text, out);
    }
    *forces_tls = take_prefix(&text, "https://");
    if (!*forces_tls && !take_prefix(&text, "http://") && !take_prefix(&text, "dns:///") &&
        !take_prefix(&text, "passthrough:///") && slice_has_prefix(text, SLICE_LITERAL("dns://"))) {
        config_refuse(r, "endpoint", "a name server of one's own is known but not supported yet");
        return 0;
    }
    return set_host(r, text, out);
}

/* Both for routing at the peer, and for its certificate where nothing else is said. */
static int read_authority(struct config_reader *r, struct otlp_grpc_config *out)
{
    struct slice text;
    struct socket_endpoint endpoint;
    if (out->tls.settings.server_name_override != NULL) {
        out->client.authority = out->tls.settings.server_name_override;
    }
    if (!config_read_text(r, "authority", NULL, &text) || text.len == 0) {
        return 0;
    }
    if (slice_find(text, 0) != text.len) {
        config_refuse(r, "authority", "authority must not hold a NUL byte");
        return 0;
    }
    out->client.authority = http_text_copy(&out->texts, text);
    bool has_port = socket_parse_endpoint(text, &endpoint) == 0;
    out->client.server_name = has_port ? http_text_copy(&out->texts, slice_of_text(endpoint.host))
                                       : out->client.authority;
    return out->client.authority == NULL || out->client.server_name == NULL ? -ENOMEM : 0;
}

/* --- metadata --------------------------------------------------------------------------------- */

/* What gRPC writes itself; its Go client leaves these out of a call's metadata, too. */
static bool is_reserved(struct slice name)
{
    static const char *const names[] = {"content-type", "te",         "user-agent",
                                        "host",         "connection", NULL};
    for (size_t i = 0; names[i] != NULL; i++) {
        if (slice_is_text(name, names[i])) {
            return true;
        }
    }
    return slice_has_prefix(name, SLICE_LITERAL("grpc-"));
}

/* gRPC's own alphabet, after lowering. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_word && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7E) {
            return false;
        }
    }
    return true;
}

static struct slice copy_lower(struct arena *texts, struct slice name)
{
    uint8_t *lower = arena_alloc(texts, name.len);
    for (size_t i = 0; lower != NULL && i < name.len; i++) {
        bool is_upper = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z';
        lower[i] = is_upper ? (uint8_t)(name.ptr[i] | 0x20) : name.ptr[i];
    }
    return slice_of(lower, lower != NULL ? name.len : 0);
}

static bool is_binary(struct slice name)
{
    return name.len >= 4 && memcmp(name.ptr + name.len - 4, "-bin", 4) == 0;
}

static struct slice copy_base64(struct arena *texts, struct slice value)
{
    size_t cap = GRPC_BIN_BYTES(value.len);
    uint8_t *text = arena_alloc(texts, cap);
    return slice_of(text, text != NULL ? grpc_bin_encode(value, text, cap) : 0);
}

/* Writes the field; false where it is left out, which was said. */
static bool judge_header(struct config_reader *r, struct slice name, struct slice value)
{
    if (!is_name(name) || (!is_binary(name) && !is_value(value))) {
        config_refuse(r, "headers",
                      "a header's name has letters, digits, '-', '_' and '.', its value printable "
                      "ASCII unless the name ends in -bin");
        return false;
    }
    if (is_reserved(name)) {
        config_caution(r, "headers", "'%.*s' is gRPC's own header and stays as it is",
                       (int)(name.len < 64 ? name.len : 64), (const char *)name.ptr);
        return false;
    }
    return true;
}

static int read_headers(struct config_reader *r, struct otlp_grpc_config *out)
{
    struct config_items items = config_open_map(r, "headers");
    struct slice name;
    struct slice value;
    struct h2_field *fields =
        arena_alloc_array(&out->texts, GRPC_CLIENT_FIELDS_MAX, sizeof(fields[0]));
    size_t count = 0;
    if (fields == NULL) {
        return -ENOMEM;
    }
    while (config_next_pair(&items, &name, &value)) {
        struct slice lower = copy_lower(&out->texts, name);
        if (lower.ptr == NULL) {
            return -ENOMEM;
        }
        if (!judge_header(r, lower, value)) {
            continue;
        }
        if (count == GRPC_CLIENT_FIELDS_MAX) {
            config_refuse(r, "headers", "at most %d headers fit", GRPC_CLIENT_FIELDS_MAX);
            break;
        }
        struct slice copy =
            is_binary(lower) ? copy_base64(&out->texts, value) : arena_copy(&out->texts, value);
        if (copy.ptr == NULL) {
            return -ENOMEM;
        }
        fields[count] = (struct h2_field){.name = lower, .value = copy};
        count++;
    }
    out->client.fields = fields;
    out->client.field_count = count;
    return 0;
}

static int read_user_agent(struct config_reader *r, struct otlp_grpc_config *out)
{
    struct slice text;
    out->client.user_agent = "weir/" WEIR_VERSION;
    if (!config_read_text(r, "user_agent", NULL, &text) || text.len == 0) {
        return 0;
    }
    if (!is_value(text)) {
        config_refuse(r, "user_agent", "user_agent must be printable ASCII");
        return 0;
    }
    out->client.user_agent = http_text_copy(&out->texts, text);
    return out->client.user_agent == NULL ? -ENOMEM : 0;
}

/* --- the connection --------------------------------------------------------------------------- */

static void read_compression(struct config_reader *r, struct otlp_grpc_config *out)
{
    static const struct {
        const char *encoding;
        enum compress_kind kind;
    } rows[] = {
        {NULL, COMPRESS_NONE},
        {"gzip", COMPRESS_GZIP},
        {"zstd", COMPRESS_ZSTD},
        /* What gRPC calls so is the framed form. */
        {"snappy", COMPRESS_SNAPPY_FRAMED},
    };
    static const char *const names[] = {"none", "gzip", "zstd", "snappy"};
    struct slice text;
    uint32_t index = 1;
    bool is_empty = config_has(r, "compression") &&
                    config_read_text(r, "compression", NULL, &text) && text.len == 0;
    if (is_empty) {
        index = 0;
    } else {
        config_read_enum(r, "compression", CONFIG_WORDS(names), 1, &index);
    }
    out->compression = rows[index].kind;
    out->encoding = rows[index].encoding;
    out->client.accept_encoding = "identity,gzip,zstd,snappy";
}

static void read_keepalive(struct config_reader *r, struct otlp_grpc_config *out)
{
    struct config_reader s;
    struct grpc_client_options *client = &out->client;
    uint64_t default_ns = config_open_section(r, "keepalive", &s) ? KEEPALIVE_DEFAULT_NS : 0;
    config_read_duration_ns(&s, "time", default_ns, &client->keepalive_time_ns);
    config_read_duration_ns(&s, "timeout", KEEPALIVE_DEFAULT_NS, &client->keepalive_timeout_ns);
    config_read_bool(&s, "permit_without_stream", false, &client->keepalive_without_calls);
    if (client->keepalive_timeout_ns == 0) {
        config_refuse(&s, "timeout", "timeout must be positive");
    }
    (void)config_reader_finish(&s); /* the parent's finish knows */
}

/* The Collector's buffers stand in front of its sockets; ours are the sockets' own. */
static void read_buffers(struct config_reader *r, struct otlp_grpc_config *out)
{
    config_read_u32(r, "read_buffer_size", 0, INT32_MAX, &out->client.receive_buffer_bytes);
    config_read_u32(r, "write_buffer_size", 0, INT32_MAX, &out->client.send_buffer_bytes);
}

static void read_balancer(struct config_reader *r, struct otlp_grpc_config *out)
{
    static const char *const names[] = {
        [GRPC_ROUND_ROBIN] = "round_robin",
        [GRPC_PICK_FIRST] = "pick_first",
    };
    uint32_t index = GRPC_ROUND_ROBIN;
    config_read_enum(r, "balancer_name", CONFIG_WORDS(names), GRPC_ROUND_ROBIN, &index);
    out->client.balancer = (enum grpc_balancer)index;
}

/* --- public ----------------------------------------------------------------------------------- */

int otlp_grpc_config_read(struct config_reader *r, struct otlp_grpc_config *out)
{
    bool forces_tls = false;
    *out = (struct otlp_grpc_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = read_target(r, out, &forces_tls);
    int tls_err = tls_config_read_client(r, &out->texts, &out->tls);
    err = err != 0 ? err : tls_err;
    out->tls.is_enabled = out->tls.is_enabled || forces_tls;
    out->tls.settings.alpn = TLS_ALPN_H2;
    err = err != 0 ? err : read_authority(r, out);
    err = err != 0 ? err : read_headers(r, out);
    err = err != 0 ? err : read_user_agent(r, out);
    read_compression(r, out);
    read_keepalive(r, out);
    read_buffers(r, out);
    read_balancer(r, out);
    config_read_bool(r, "wait_for_ready", false, &out->client.waits_for_ready);
    sender_config_read(r, TIMEOUT_DEFAULT_NS, &out->sender);
    int auth_err = exporter_auth_read(r, &out->texts, &out->authenticator_id);
    err = err != 0 ? err : auth_err;
    config_known_unsupported(r, "middlewares");
    return err;
}

void otlp_grpc_config_fini(struct otlp_grpc_config *config)
{
    arena_fini(&config->texts);
    *config = (struct otlp_grpc_config){0};
}
