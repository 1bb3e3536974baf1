/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_config — endpoints, encoding, compression and headers become what the exporter sends.
 *
 * Everything that a request needs besides its body is put together here, once.
 */
#include "exporters/otlp_http_config.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/engine/config.h"
#include "exporters/exporter_auth.h"
#include "exporters/http_client_config.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES CONFIG_VALUE_MAX_BYTES
#define TIMEOUT_DEFAULT_NS (30 * CLOCK_NS_PER_S)

/* `a` and `b` in one string of the config's. */
static const char *join(struct arena *texts, struct slice a, const char *b)
{
    size_t b_len = strlen(b);
    char *joined = arena_alloc(texts, a.len + b_len + 1);
    if (joined != NULL) {
        memcpy(joined, a.ptr, a.len);
        memcpy(joined + a.len, b, b_len + 1);
    }
    return joined;
}

/* --- endpoints -------------------------------------------------------------------------------- */

/* A URL of `key`, with `suffix` behind it; *out stays as it is where the key is absent. */
static int read_url(struct config_reader *r, const char *key, const char *suffix,
                    struct arena *texts, const char **out)
{
    struct slice text;
    if (!config_read_text(r, key, NULL, &text) || text.len == 0) {
        return 0;
    }
    if (suffix[0] == '/' && text.ptr[text.len - 1] == '/') {
        text.len--; /* one trailing slash is the suffix's own */
    }
    const char *url = join(texts, text, suffix);
    if (url == NULL) {
        return -ENOMEM;
    }
    if (strlen(url) != text.len + strlen(suffix) || !http_url_is_valid(url)) {
        config_refuse(r, key, "%s must be a URL such as http://localhost:4318", key);
        return 0;
    }
    *out = url;
    return 0;
}

static int read_endpoints(struct config_reader *r, struct otlp_http_config *out)
{
    static const struct {
        const char *key;
        const char *path;
    } signals[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = {"traces_endpoint", "/v1/traces"},
        [SIGNAL_METRICS] = {"metrics_endpoint", "/v1/metrics"},
        [SIGNAL_LOGS] = {"logs_endpoint", "/v1/logs"},
    };
    bool has_any = config_has(r, "endpoint");
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        int err = 0;
        if (!config_has(r, signals[i].key)) {
            err = read_url(r, "endpoint", signals[i].path, &out->texts, &out->urls[i]);
        }
        /* A signal's own endpoint is taken as it stands. */
        err = err != 0 ? err : read_url(r, signals[i].key, "", &out->texts, &out->urls[i]);
        if (err != 0) {
            return err;
        }
        has_any = has_any || config_has(r, signals[i].key);
    }
    if (!has_any) {
        (void)config_require(r, "endpoint"); /* says that it is missing */
    }
    (void)config_reader_ask(r, "endpoint"); /* a valid key, also where each signal has its own */
    return 0;
}

/* --- encoding --------------------------------------------------------------------------------- */

static void read_compression(struct config_reader *r, struct otlp_http_config *out)
{
    static const char *const names[] = {
        [COMPRESS_NONE] = "none",
        [COMPRESS_GZIP] = "gzip",
        [COMPRESS_ZSTD] = "zstd",
        "snappy",
        "x-snappy-framed",
        "zlib",
        "deflate",
        "lz4",
    };
    struct slice text;
    uint32_t index = COMPRESS_GZIP;
    if (config_has(r, "compression") && config_read_text(r, "compression", NULL, &text) &&
        text.len == 0) {
        out->compression = COMPRESS_NONE;
        return;
    }
    config_read_enum(r, "compression", CONFIG_WORDS(names), COMPRESS_GZIP, &index);
    if (index > COMPRESS_ZSTD) {
        config_refuse(r, "compression", "compression '%s' is known but not supported yet",
                      names[index]);
        index = COMPRESS_GZIP;
    }
    out->compression = (enum compress_kind)index;
}

static void read_encoding(struct config_reader *r, struct otlp_http_config *out)
{
    static const char *const encodings[] = {"proto", "json"};
    uint32_t index = 0;
    config_read_enum(r, "encoding", CONFIG_WORDS(encodings), 0, &index);
    out->is_json = index == 1;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* Of our own; and an authenticator's. */
#define HEADERS_ROOM 4

/* What the user spelt out wins, as in the Collector. */
static int add_own_header(struct otlp_http_config *out, const char *name, const char *value)
{
    if (http_headers_has(&out->headers, name)) {
        return 0;
    }
    return http_headers_add(&out->headers, &out->texts, slice_of_text(name), slice_of_text(value));
}

static int read_headers(struct config_reader *r, struct otlp_http_config *out)
{
    static const char *const reserved[] = {NULL};
    int err = http_headers_read(r, &out->texts, HEADERS_ROOM, reserved, &out->headers);
    if (err == 0) {
        const char *type = out->is_json ? "application/json" : "application/x-protobuf";
        err = add_own_header(out, "Content-Type", type);
    }
    if (err == 0 && out->compression != COMPRESS_NONE) {
        err = add_own_header(out, "Content-Encoding", compress_name(out->compression));
    }
    if (err == 0) {
        err = add_own_header(out, "User-Agent", "weir/" WEIR_VERSION);
    }
    return err;
}

/* --- public ----------------------------------------------------------------------------------- */

static void refuse_unsupported(struct config_reader *r)
{
    static const char *const keys[] = {
        "compression_params",  "cookies",
        "disable_keep_alives", "force_attempt_http2",
        "http2_ping_timeout",  "http2_read_idle_timeout",
        "idle_conn_timeout",   "max_conns_per_host",
        "max_idle_conns",      "max_idle_conns_per_host",
        "middlewares",         "profiles_endpoint",
        "read_buffer_size",    "write_buffer_size",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        config_known_unsupported(r, keys[i]);
    }
}

int otlp_http_config_read(struct config_reader *r, struct otlp_http_config *out)
{
    *out = (struct otlp_http_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = read_endpoints(r, out);
    read_encoding(r, out);
    read_compression(r, out);
    err = err != 0 ? err : read_headers(r, out);
    err = err != 0 ? err : http_client_config_read(r, &out->texts, &out->client);
    int auth_err = exporter_auth_read(r, &out->texts, &out->authenticator_id);
    err = err != 0 ? err : auth_err;
    sender_config_read(r, TIMEOUT_DEFAULT_NS, &out->sender);
    refuse_unsupported(r);
    return err;
}

void otlp_http_config_fini(struct otlp_http_config *config)
{
    arena_fini(&config->texts);
    *config = (struct otlp_http_config){0};
}
