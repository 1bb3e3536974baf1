/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client_config — client TLS settings and the proxy, as configtls and confighttp name them.
 *
 * Whether TLS is spoken is decided by the scheme of the URL, so `insecure` has nothing to decide
 * here: it is read because configurations carry it beside http:// endpoints.
 */
#include "exporters/http_client_config.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/engine/config.h"

const char *http_text_copy(struct arena *texts, struct slice text)
{
    char *copy = arena_alloc(texts, text.len + 1);
    if (copy != NULL) {
        if (text.len > 0) {
            memcpy(copy, text.ptr, text.len);
        }
        copy[text.len] = '\0';
    }
    return copy;
}

static int read_text(struct config_reader *r, const char *key, struct arena *texts,
                     const char **out)
{
    struct slice text;
    *out = NULL;
    if (!config_read_text(r, key, NULL, &text) || text.len == 0) {
        return 0;
    }
    if (slice_find(text, 0) != text.len) {
        config_refuse(r, key, "%s must not hold a NUL byte", key);
        return 0;
    }
    *out = http_text_copy(texts, text);
    return *out == NULL ? -ENOMEM : 0;
}

static void refuse_both(struct config_reader *r, const char *file_key, const char *pem_key,
                        bool has_both)
{
    if (has_both) {
        config_refuse(r, pem_key, "%s and %s exclude each other", file_key, pem_key);
    }
}

static void judge_tls(struct config_reader *r, const struct http_tls_options *tls)
{
    bool has_cert = tls->cert_file != NULL || tls->cert_pem != NULL;
    bool has_key = tls->key_file != NULL || tls->key_pem != NULL;
    refuse_both(r, "ca_file", "ca_pem", tls->ca_file != NULL && tls->ca_pem != NULL);
    refuse_both(r, "cert_file", "cert_pem", tls->cert_file != NULL && tls->cert_pem != NULL);
    refuse_both(r, "key_file", "key_pem", tls->key_file != NULL && tls->key_pem != NULL);
    if (has_cert != has_key) {
        const char *key = tls->cert_pem != NULL || tls->key_pem != NULL ? "cert_pem" : "cert_file";
        config_refuse(r, key, "a certificate needs its key, and a key its certificate");
    }
    if (tls->min_version != HTTP_TLS_DEFAULT && tls->max_version != HTTP_TLS_DEFAULT &&
        tls->min_version > tls->max_version) {
        config_refuse(r, "min_version", "min_version is above max_version");
    }
}

static void read_versions(struct config_reader *r, struct http_tls_options *tls)
{
    static const char *const versions[] = {
        [HTTP_TLS_DEFAULT] = "", [HTTP_TLS_1_0] = "1.0", [HTTP_TLS_1_1] = "1.1",
        [HTTP_TLS_1_2] = "1.2",  [HTTP_TLS_1_3] = "1.3",
    };
    uint32_t least = HTTP_TLS_DEFAULT;
    uint32_t most = HTTP_TLS_DEFAULT;
    config_read_enum(r, "min_version", CONFIG_WORDS(versions), HTTP_TLS_DEFAULT, &least);
    config_read_enum(r, "max_version", CONFIG_WORDS(versions), HTTP_TLS_DEFAULT, &most);
    tls->min_version = (enum http_tls_version)least;
    tls->max_version = (enum http_tls_version)most;
}

static int read_tls(struct config_reader *parent, struct arena *texts, struct http_tls_options *out)
{
    static const char *const unsupported[] = {
        "cipher_suites",   "include_insecure_cipher_suites", "curve_preferences",
        "reload_interval", "server_name_override",           "tpm",
    };
    const struct {
        const char *key;
        const char **out;
    } fields[] = {
        {"ca_file", &out->ca_file},   {"ca_pem", &out->ca_pem},     {"cert_file", &out->cert_file},
        {"cert_pem", &out->cert_pem}, {"key_file", &out->key_file}, {"key_pem", &out->key_pem},
    };
    struct config_reader r;
    bool is_insecure = false;
    int err = 0;
    (void)config_open_section(parent, "tls", &r);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        int field_err = read_text(&r, fields[i].key, texts, fields[i].out);
        err = err == 0 ? field_err : err;
    }
    config_read_bool(&r, "include_system_ca_certs_pool", false, &out->includes_system_cas);
    config_read_bool(&r, "insecure", false, &is_insecure);
    config_read_bool(&r, "insecure_skip_verify", false, &out->insecure_skip_verify);
    read_versions(&r, out);
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        config_known_unsupported(&r, unsupported[i]);
    }
    judge_tls(&r, out);
    (void)config_reader_finish(&r); /* the parent's finish knows */
    return err;
}

int http_client_config_read(struct config_reader *r, struct arena *texts,
                            struct http_client_options *out)
{
    *out = (struct http_client_options){0};
    int err = read_tls(r, texts, &out->tls);
    int proxy_err = read_text(r, "proxy_url", texts, &out->proxy_url);
    return err == 0 ? proxy_err : err;
}

int http_client_config_check_files(const struct http_tls_options *tls, const char *exporter_id)
{
    const char *const files[] = {tls->ca_file, tls->cert_file, tls->key_file};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            int fault = -errno;
            log_error("tls_file_unreadable", LOG_TEXT("exporter", exporter_id),
                      LOG_TEXT("file", files[i]), LOG_FAULT("reason", fault));
            return fault;
        }
    }
    return 0;
}
