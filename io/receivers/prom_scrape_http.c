/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_http — key by key, with Prometheus' defaults.
 *
 * Differs in one of them: without proxy_url or proxy_from_environment no proxy is asked, which is
 * Prometheus' way too but not that of weir's exporters.
 */
#include "io/receivers/prom_scrape_http.h"

#include <string.h>
#include <strings.h>

/* --- texts ------------------------------------------------------------------------------------ */

const char *prom_texts_keep(struct prom_texts *texts, struct slice text)
{
    char *copy = arena_alloc(texts->arena, text.len + 1);
    if (copy == NULL) {
        texts->is_short = true;
        return "";
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

const char *prom_texts_read(struct config_reader *r, struct prom_texts *texts, const char *key)
{
    struct slice text;
    (void)config_read_text(r, key, NULL, &text);
    if (slice_find(text, 0) != text.len) {
        config_refuse(r, key, "%s must not hold a NUL byte", key);
        return "";
    }
    return text.len > 0 ? prom_texts_keep(texts, text) : "";
}

void *prom_texts_array(struct prom_texts *texts, size_t count, size_t element_bytes)
{
    void *array = count > 0 ? arena_alloc_array(texts->arena, count, element_bytes) : NULL;
    if (array != NULL) {
        memset(array, 0, count * element_bytes);
    }
    texts->is_short = texts->is_short || (array == NULL && count > 0);
    return array;
}

static bool is_set(const char *text)
{
    return text[0] != '\0';
}

/* --- who we are ------------------------------------------------------------------------------- */

/* Of a secret that goes into a header as it is. */
static bool is_header_text(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((uint8_t)*at < ' ' || (uint8_t)*at == 0x7F) {
            return false;
        }
    }
    return true;
}

static struct prom_secret read_secret(struct config_reader *r, struct prom_texts *texts,
                                      const char *key, const char *file_key)
{
    struct prom_secret secret = {
        .text = prom_texts_read(r, texts, key),
        .file = prom_texts_read(r, texts, file_key),
    };
    if (is_set(secret.text) && is_set(secret.file)) {
        config_refuse(r, file_key, "%s and %s exclude each other", key, file_key);
    }
    return secret;
}

static void read_basic(struct config_reader *r, struct prom_texts *texts,
                       struct prom_scrape_http *out)
{
    struct config_reader basic;
    if (config_open_section(r, "basic_auth", &basic)) {
        out->auth = PROM_AUTH_BASIC;
        out->username = read_secret(&basic, texts, "username", "username_file");
        out->secret = read_secret(&basic, texts, "password", "password_file");
    }
    config_known_unsupported(&basic, "username_ref");
    config_known_unsupported(&basic, "password_ref");
    (void)config_reader_finish(&basic); /* the parent's finish knows */
}

static void check_type(struct config_reader *r, const char *type)
{
    if (strcasecmp(type, "basic") == 0) {
        config_refuse(r, "type", "for basic authentication there is basic_auth");
    }
    if (!is_header_text(type) || strchr(type, ' ') != NULL) {
        config_refuse(r, "type", "type must be one word");
    }
}

static void read_typed(struct config_reader *r, struct prom_texts *texts,
                       struct prom_scrape_http *out)
{
    struct config_reader typed;
    if (config_open_section(r, "authorization", &typed)) {
        out->auth = PROM_AUTH_TYPED;
        const char *type = prom_texts_read(&typed, texts, "type");
        check_type(&typed, type);
        out->auth_type = is_set(type) ? type : "Bearer";
        out->secret = read_secret(&typed, texts, "credentials", "credentials_file");
        if (!is_header_text(out->secret.text)) {
            config_refuse(&typed, "credentials", "credentials must be printable");
        }
    }
    config_known_unsupported(&typed, "credentials_ref");
    (void)config_reader_finish(&typed); /* the parent's finish knows */
}

/* The older spelling of authorization. */
static void read_bearer(struct config_reader *r, struct prom_texts *texts,
                        struct prom_scrape_http *out)
{
    struct prom_secret secret = read_secret(r, texts, "bearer_token", "bearer_token_file");
    if (!is_set(secret.text) && !is_set(secret.file)) {
        return;
    }
    if (out->auth != PROM_AUTH_NONE) {
        config_refuse(r, is_set(secret.text) ? "bearer_token" : "bearer_token_file",
                      "at most one of basic_auth, authorization and bearer_token can be used");
        return;
    }
    if (!is_header_text(secret.text)) {
        config_refuse(r, "bearer_token", "bearer_token must be printable");
    }
    out->auth = PROM_AUTH_TYPED;
    out->auth_type = "Bearer";
    out->secret = secret;
}

static void read_auth(struct config_reader *r, struct prom_texts *texts,
                      struct prom_scrape_http *out)
{
    if (config_has(r, "basic_auth") && config_has(r, "authorization")) {
        config_refuse(r, "authorization",
                      "at most one of basic_auth, authorization and bearer_token can be used");
    }
    read_basic(r, texts, out);
    read_typed(r, texts, out);
    read_bearer(r, texts, out);
    config_known_unsupported(r, "oauth2");
    config_known_unsupported(r, "http_headers");
}

/* --- TLS -------------------------------------------------------------------------------------- */

static enum http_tls_version read_version(struct config_reader *r, const char *key)
{
    static const char *const versions[] = {
        [HTTP_TLS_DEFAULT] = "",  [HTTP_TLS_1_0] = "TLS10", [HTTP_TLS_1_1] = "TLS11",
        [HTTP_TLS_1_2] = "TLS12", [HTTP_TLS_1_3] = "TLS13",
    };
    uint32_t version = HTTP_TLS_DEFAULT;
    (void)config_read_enum(r, key, CONFIG_WORDS(versions), HTTP_TLS_DEFAULT, &version);
    return (enum http_tls_version)version;
}

static void judge_tls(struct config_reader *r, const struct http_tls_options *tls)
{
    bool has_cert = is_set(tls->cert_file) || is_set(tls->cert_pem);
    bool has_key = is_set(tls->key_file) || is_set(tls->key_pem);
    if (is_set(tls->ca_file) && is_set(tls->ca_pem)) {
        config_refuse(r, "ca", "ca and ca_file exclude each other");
    }
    if (is_set(tls->cert_file) && is_set(tls->cert_pem)) {
        config_refuse(r, "cert", "cert and cert_file exclude each other");
    }
    if (is_set(tls->key_file) && is_set(tls->key_pem)) {
        config_refuse(r, "key", "key and key_file exclude each other");
    }
    if (has_cert != has_key) {
        config_refuse(r, has_cert ? "cert_file" : "key_file",
                      "a certificate needs its key, and a key its certificate");
    }
    if (tls->max_version != HTTP_TLS_DEFAULT && tls->min_version > tls->max_version) {
        config_refuse(r, "min_version", "min_version is above max_version");
    }
}

static void read_tls(struct config_reader *parent, struct prom_texts *texts,
                     struct http_tls_options *out)
{
    struct config_reader r;
    (void)config_open_section(parent, "tls_config", &r);
    out->ca_file = prom_texts_read(&r, texts, "ca_file");
    out->ca_pem = prom_texts_read(&r, texts, "ca");
    out->cert_file = prom_texts_read(&r, texts, "cert_file");
    out->cert_pem = prom_texts_read(&r, texts, "cert");
    out->key_file = prom_texts_read(&r, texts, "key_file");
    out->key_pem = prom_texts_read(&r, texts, "key");
    (void)config_read_bool(&r, "insecure_skip_verify", false, &out->insecure_skip_verify);
    out->min_version = read_version(&r, "min_version");
    out->max_version = read_version(&r, "max_version");
    config_known_unsupported(&r, "server_name");
    config_known_unsupported(&r, "ca_ref");
    config_known_unsupported(&r, "cert_ref");
    config_known_unsupported(&r, "key_ref");
    judge_tls(&r, out);
    (void)config_reader_finish(&r); /* the parent's finish knows */
}

/* --- the way ---------------------------------------------------------------------------------- */

static void read_way(struct config_reader *r, struct prom_texts *texts,
                     struct prom_scrape_http *out)
{
    bool asks_environment;
    bool has_http2;
    out->client.proxy_url = prom_texts_read(r, texts, "proxy_url");
    (void)config_read_bool(r, "proxy_from_environment", false, &asks_environment);
    out->client.ignores_proxies = !asks_environment && !is_set(out->client.proxy_url);
    if (asks_environment && is_set(out->client.proxy_url)) {
        config_refuse(r, "proxy_from_environment",
                      "proxy_url and proxy_from_environment exclude each other");
    }
    config_known_unsupported(r, "no_proxy");
    config_known_unsupported(r, "proxy_connect_header");
    (void)config_read_bool(r, "follow_redirects", true, &out->follows_redirects);
    (void)config_read_bool(r, "enable_http2", true, &has_http2);
    if (!has_http2) {
        config_refuse(r, "enable_http2", "HTTP/2 cannot be turned off yet");
    }
}

void prom_scrape_http_read(struct config_reader *r, struct prom_texts *texts,
                           struct prom_scrape_http *out)
{
    *out = (struct prom_scrape_http){.auth_type = "", .username = {"", ""}, .secret = {"", ""}};
    read_auth(r, texts, out);
    read_tls(r, texts, &out->client.tls);
    read_way(r, texts, out);
}
