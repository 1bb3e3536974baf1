/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_config — keys of the `tls` section, and the words of cipher suites and curves.
 *
 * The configuration names suites as the registry does (TLS_ECDHE_RSA_WITH_…); those of TLS 1.3 are
 * known words without effect, because its suites cannot be chosen in the Collector either. Curves
 * are named P256, P-256, X25519 and so on.
 */
#include "io/tls_config.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/engine/config.h"

#define LIST_MAX_BYTES 2048

/* Names in OpenSSL's form, joined by ':'. */
struct joined {
    char text[LIST_MAX_BYTES];
    size_t len;
    bool is_cut;
};

static void join(struct joined *list, const char *name)
{
    size_t len = strlen(name);
    size_t room = sizeof(list->text) - list->len;
    if (len + 2 > room) {
        list->is_cut = true;
        return;
    }
    if (list->len > 0) {
        list->text[list->len++] = ':';
    }
    memcpy(list->text + list->len, name, len + 1);
    list->len += len;
}

static int copy_text(struct arena *texts, struct slice text, const char **out)
{
    char *copy = arena_alloc(texts, text.len + 1);
    if (copy == NULL) {
        return -ENOMEM;
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    *out = copy;
    return 0;
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
    return copy_text(texts, text, out);
}

/* --- cipher suites ---------------------------------------------------------------------------- */

static bool has_part(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* Those that Go keeps apart: no forward secrecy, broken ciphers, timing trouble. */
static bool is_insecure(const char *name)
{
    return strncmp(name, "TLS_RSA_", 8) == 0 || has_part(name, "_RC4_") ||
           has_part(name, "_3DES_") || has_part(name, "_CBC_SHA256");
}

static bool is_of_1_3(const char *name)
{
    static const char *const names[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                        "TLS_CHACHA20_POLY1305_SHA256"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void take_suite(struct config_reader *r, const char *name, bool allows_insecure,
                       struct joined *list)
{
    const char *own = OPENSSL_cipher_name(name);
    bool is_known = own != NULL && strcmp(own, "(NONE)") != 0;
    if (is_of_1_3(name)) {
        return;
    }
    if (!is_known) {
        config_refuse(r, "cipher_suites", "invalid TLS cipher suite: '%s'", name);
    } else if (is_insecure(name) && !allows_insecure) {
        config_refuse(r, "cipher_suites",
                      "TLS cipher suite '%s' needs include_insecure_cipher_suites", name);
    } else {
        join(list, own);
    }
}

static int read_suites(struct config_reader *r, struct arena *texts, const char **out)
{
    bool allows_insecure = false;
    config_read_bool(r, "include_insecure_cipher_suites", false, &allows_insecure);
    struct config_items items = config_open_list(r, "cipher_suites");
    struct joined list = {.len = 0};
    struct slice item;
    char name[128];
    while (config_next_text(&items, &item)) {
        size_t len = item.len < sizeof(name) ? item.len : sizeof(name) - 1;
        memcpy(name, item.ptr, len);
        name[len] = '\0';
        take_suite(r, name, allows_insecure, &list);
    }
    if (list.is_cut) {
        config_refuse(r, "cipher_suites", "too many cipher suites");
    }
    return list.len > 0 ? copy_text(texts, slice_of(list.text, list.len), out) : 0;
}

/* --- curves ----------------------------------------------------------------------------------- */

static int read_curves(struct config_reader *r, struct arena *texts, const char **out)
{
    static const struct {
        const char *word;
        const char *own;
    } curves[] = {
        {"P256", "P-256"}, {"P-256", "P-256"}, {"P384", "P-384"},    {"P-384", "P-384"},
        {"P521", "P-521"}, {"P-521", "P-521"}, {"X25519", "X25519"},
    };
    struct config_items items = config_open_list(r, "curve_preferences");
    struct joined list = {.len = 0};
    struct slice item;
    while (config_next_text(&items, &item)) {
        const char *own = NULL;
        for (size_t i = 0; i < COUNT_OF(curves); i++) {
            own = slice_is_text(item, curves[i].word) ? curves[i].own : own;
        }
        if (own != NULL) {
            join(&list, own);
        } else if (slice_is_text(item, "X25519MLKEM768")) {
            config_refuse(r, "curve_preferences", "curve X25519MLKEM768 is not supported yet");
        } else {
            config_refuse(r, "curve_preferences",
                          "invalid curve type: '%.*s'; known are P256, P384, P521, X25519",
                          (int)(item.len < 64 ? item.len : 64), (const char *)item.ptr);
        }
    }
    if (list.is_cut) {
        config_refuse(r, "curve_preferences", "too many curves");
    }
    return list.len > 0 ? copy_text(texts, slice_of(list.text, list.len), out) : 0;
}

/* --- what both sides have --------------------------------------------------------------------- */

static void read_versions(struct config_reader *r, struct tls_settings *s)
{
    static const char *const versions[] = {
        [TLS_VERSION_DEFAULT] = "", [TLS_VERSION_1_0] = "1.0", [TLS_VERSION_1_1] = "1.1",
        [TLS_VERSION_1_2] = "1.2",  [TLS_VERSION_1_3] = "1.3",
    };
    uint32_t least = TLS_VERSION_DEFAULT;
    uint32_t most = TLS_VERSION_DEFAULT;
    config_read_enum(r, "min_version", CONFIG_WORDS(versions), TLS_VERSION_DEFAULT, &least);
    config_read_enum(r, "max_version", CONFIG_WORDS(versions), TLS_VERSION_DEFAULT, &most);
    s->min_version = (enum tls_version)least;
    s->max_version = (enum tls_version)most;
    enum tls_version lowest = least == TLS_VERSION_DEFAULT ? TLS_VERSION_1_2 : s->min_version;
    if (s->max_version != TLS_VERSION_DEFAULT && lowest > s->max_version) {
        config_refuse(r, config_has(r, "min_version") ? "min_version" : "max_version",
                      "min_version is above max_version");
    }
}

static void refuse_both(struct config_reader *r, const char *pem_key, const char *file,
                        const char *pem)
{
    if (file != NULL && pem != NULL) {
        config_refuse(r, pem_key, "provide either a file or %s, not both", pem_key);
    }
}

static void judge(struct config_reader *r, const struct tls_settings *s)
{
    bool has_cert = s->cert_file != NULL || s->cert_pem != NULL;
    bool has_key = s->key_file != NULL || s->key_pem != NULL;
    refuse_both(r, "ca_pem", s->ca_file, s->ca_pem);
    refuse_both(r, "cert_pem", s->cert_file, s->cert_pem);
    refuse_both(r, "key_pem", s->key_file, s->key_pem);
    if (has_cert != has_key) {
        const char *key = has_cert ? "cert_file" : "key_file";
        config_refuse(r, key, "provide both certificate and key, or neither");
    }
    if (s->is_server && !has_cert && !has_key && r->is_present) {
        config_refuse(r, "cert_file",
                      "a server needs cert_file and key_file (or their _pem forms)");
    }
}

static int read_common(struct config_reader *r, struct arena *texts, struct tls_settings *s)
{
    const struct {
        const char *key;
        const char **out;
    } fields[] = {
        {"ca_file", &s->ca_file},   {"ca_pem", &s->ca_pem},     {"cert_file", &s->cert_file},
        {"cert_pem", &s->cert_pem}, {"key_file", &s->key_file}, {"key_pem", &s->key_pem},
    };
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        int field_err = read_text(r, fields[i].key, texts, fields[i].out);
        err = err == 0 ? field_err : err;
    }
    config_read_bool(r, "include_system_ca_certs_pool", false, &s->includes_system_cas);
    config_read_duration_ns(r, "reload_interval", 0, &s->reload_interval_ns);
    config_known_unsupported(r, "tpm");
    read_versions(r, s);
    int suites_err = read_suites(r, texts, &s->cipher_suites);
    int curves_err = read_curves(r, texts, &s->curve_preferences);
    err = err == 0 ? suites_err : err;
    return err == 0 ? curves_err : err;
}

/* --- either side ------------------------------------------------------------------------------ */

int tls_config_read_server(struct config_reader *parent, struct arena *texts,
                           struct tls_config *out)
{
    struct config_reader r;
    *out = (struct tls_config){.settings = {.is_server = true}};
    (void)config_open_section(parent, "tls", &r); /* null is absent: see below */
    out->is_enabled = config_has(parent, "tls");
    int err = read_common(&r, texts, &out->settings);
    int ca_err = read_text(&r, "client_ca_file", texts, &out->settings.client_ca_file);
    config_read_bool(&r, "client_ca_file_reload", false, &out->settings.reloads_client_ca);
    if (out->is_enabled) {
        judge(&r, &out->settings);
    }
    (void)config_reader_finish(&r); /* the parent's finish knows */
    return err == 0 ? ca_err : err;
}

int tls_config_read_client(struct config_reader *parent, struct arena *texts,
                           struct tls_config *out)
{
    struct config_reader r;
    struct tls_settings *s = &out->settings;
    bool is_insecure_wanted = false;
    *out = (struct tls_config){0};
    (void)config_open_section(parent, "tls", &r); /* absent reads as empty */
    int err = read_common(&r, texts, s);
    int name_err = read_text(&r, "server_name_override", texts, &s->server_name_override);
    config_read_bool(&r, "insecure", false, &is_insecure_wanted);
    config_read_bool(&r, "insecure_skip_verify", false, &s->skips_verification);
    judge(&r, s);
    (void)config_reader_finish(&r); /* the parent's finish knows */
    out->is_enabled = !is_insecure_wanted || s->ca_file != NULL || s->ca_pem != NULL;
    return err == 0 ? name_err : err;
}
