/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_build — an SSL_CTX: PEM texts are read whole and bounded, then taken apart in memory.
 *
 * Whatever is refused is told with the setting's name, never with a key's content. Versions below
 * 1.2 need a lower security level, which is what whoever asks for them wants.
 */
#include "io/tls_build.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

/* --- stamps ----------------------------------------------------------------------------------- */

static struct tls_stamp stamp_of(const char *path)
{
    struct stat st;
    if (path == NULL || stat(path, &st) != 0) {
        return (struct tls_stamp){0};
    }
    return (struct tls_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size_bytes = (uint64_t)st.st_size,
        .changed_s = st.st_mtim.tv_sec,
        .changed_ns = st.st_mtim.tv_nsec,
    };
}

static bool is_same(struct tls_stamp a, struct tls_stamp b)
{
    return a.device == b.device && a.inode == b.inode && a.size_bytes == b.size_bytes &&
           a.changed_s == b.changed_s && a.changed_ns == b.changed_ns;
}

void tls_stamps_take(const struct tls_settings *settings, struct tls_stamps *out)
{
    *out = (struct tls_stamps){
        .ca = stamp_of(settings->ca_file),
        .cert = stamp_of(settings->cert_file),
        .key = stamp_of(settings->key_file),
        .client_ca = stamp_of(settings->client_ca_file),
    };
}

bool tls_stamps_differ(const struct tls_settings *settings, const struct tls_stamps *before,
                       uint32_t which)
{
    struct tls_stamps now;
    tls_stamps_take(settings, &now);
    bool is_own_same = is_same(now.ca, before->ca) && is_same(now.cert, before->cert) &&
                       is_same(now.key, before->key);
    bool is_client_ca_same = is_same(now.client_ca, before->client_ca);
    return ((which & TLS_STAMP_OWN) != 0 && !is_own_same) ||
           ((which & TLS_STAMP_CLIENT_CA) != 0 && !is_client_ca_same);
}

/* --- texts ------------------------------------------------------------------------------------ */

WEIR_PRINTF(3, 4)
static int refuse(char *why, int fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, TLS_WHY_BYTES, format, args); /* cut where too long */
    va_end(args);
    ERR_clear_error();
    return fault;
}

/* A PEM text in memory: of a file, or of the settings themselves. */
struct pem {
    char *text; /* owned, wiped when freed */
    size_t len;
};

static void pem_fini(struct pem *pem)
{
    if (pem->text != NULL) {
        OPENSSL_cleanse(pem->text, pem->len);
        mem_free(pem->text);
    }
    *pem = (struct pem){0};
}

/* Grows by reading; a growing copy of a key is wiped with each move. */
static int read_whole(int fd, struct pem *pem)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return -errno;
    }
    if (st.st_size < 0 || st.st_size > TLS_PEM_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    size_t cap = (size_t)st.st_size;
    pem->text = mem_alloc(cap + 1);
    if (pem->text == NULL) {
        return -ENOMEM;
    }
    while (pem->len < cap) {
        ssize_t got = read(fd, pem->text + pem->len, cap - pem->len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        pem->len += (size_t)got;
    }
    return 0;
}

static int load(const char *what, const char *path, const char *text, struct pem *out, char *why)
{
    *out = (struct pem){0};
    if (text != NULL) {
        out->len = strlen(text);
        out->text = mem_copy_text(text, out->len);
        return out->text != NULL ? 0 : refuse(why, -ENOMEM, "out of memory");
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : read_whole(fd, out);
    if (fd >= 0) {
        (void)close(fd); /* only read */
    }
    if (err != 0) {
        pem_fini(out);
        return refuse(why, err, "failed to load %s %s: %s", what, path, fault_text(err));
    }
    return 0;
}

/* Keys under a password would need somebody to ask. OpenSSL's signature. */
static int no_password(char *buf, int cap, int is_writing, void *context)
{
    (void)buf;
    (void)cap;
    (void)is_writing;
    (void)context;
    return -1;
}

/* --- authorities ------------------------------------------------------------------------------ */

struct authorities {
    SSL_CTX *ctx;
    bool is_for_clients; /* they are named to clients, too */
};

static bool add_authority(const struct authorities *target, X509 *certificate)
{
    bool is_added = X509_STORE_add_cert(SSL_CTX_get_cert_store(target->ctx), certificate) == 1;
    if (is_added && target->is_for_clients) {
        is_added = SSL_CTX_add_client_CA(target->ctx, certificate) == 1;
    }
    return is_added;
}

static int add_authorities(const struct authorities *target, const char *what, const char *path,
                           const char *text, char *why)
{
    struct pem pem;
    int err = load(what, path, text, &pem, why);
    if (err != 0) {
        return err;
    }
    BIO *bio = BIO_new_mem_buf(pem.text, (int)pem.len);
    uint32_t count = 0;
    bool is_fine = bio != NULL;
    while (is_fine) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (certificate == NULL) {
            break;
        }
        is_fine = add_authority(target, certificate);
        X509_free(certificate);
        count++;
    }
    (void)BIO_free(bio);
    pem_fini(&pem);
    if (!is_fine || count == 0) {
        return refuse(why, FAULT_MALFORMED, "failed to parse %s%s%s: no certificates", what,
                      path != NULL ? " " : "", path != NULL ? path : "");
    }
    ERR_clear_error(); /* the end of the text looks like an error */
    return 0;
}

static int set_authorities(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    bool has_ca = s->ca_file != NULL || s->ca_pem != NULL;
    struct authorities target = {.ctx = ctx, .is_for_clients = s->is_server};
    int err = 0;
    if (s->is_server) {
        if (s->client_ca_file == NULL) {
            return 0;
        }
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        return add_authorities(&target, "client_ca_file", s->client_ca_file, NULL, why);
    }
    SSL_CTX_set_verify(ctx, s->skips_verification ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (has_ca) {
        err = add_authorities(&target, s->ca_pem != NULL ? "ca_pem" : "ca_file", s->ca_file,
                              s->ca_pem, why);
    }
    if (err == 0 && (!has_ca || s->includes_system_cas) &&
        SSL_CTX_set_default_verify_paths(ctx) != 1) {
        err = refuse(why, FAULT_LIBRARY, "the system's certificates cannot be used");
    }
    return err;
}

/* --- identity --------------------------------------------------------------------------------- */

static bool use_chain(SSL_CTX *ctx, BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    bool is_fine = certificate != NULL && SSL_CTX_use_certificate(ctx, certificate) == 1;
    X509_free(certificate);
    while (is_fine) {
        X509 *next = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (next == NULL) {
            break;
        }
        is_fine = SSL_CTX_add0_chain_cert(ctx, next) == 1; /* moves in */
        if (!is_fine) {
            X509_free(next);
        }
    }
    return is_fine;
}

static int set_certificate(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    const char *what = s->cert_pem != NULL ? "cert_pem" : "cert_file";
    struct pem pem;
    int err = load(what, s->cert_file, s->cert_pem, &pem, why);
    if (err != 0) {
        return err;
    }
    BIO *bio = BIO_new_mem_buf(pem.text, (int)pem.len);
    bool is_fine = bio != NULL && use_chain(ctx, bio);
    (void)BIO_free(bio);
    pem_fini(&pem);
    if (!is_fine) {
        return refuse(why, FAULT_MALFORMED, "failed to parse %s: no usable certificate", what);
    }
    ERR_clear_error(); /* the end of the text looks like an error */
    return 0;
}

static int set_key(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    const char *what = s->key_pem != NULL ? "key_pem" : "key_file";
    struct pem pem;
    int err = load(what, s->key_file, s->key_pem, &pem, why);
    if (err != 0) {
        return err;
    }
    BIO *bio = BIO_new_mem_buf(pem.text, (int)pem.len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    (void)BIO_free(bio);
    pem_fini(&pem);
    if (key == NULL) {
        return refuse(why, FAULT_MALFORMED, "failed to parse %s: no usable private key", what);
    }
    bool is_fine = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    if (!is_fine) {
        return refuse(why, FAULT_MALFORMED, "private key does not match the certificate");
    }
    return 0;
}

static int set_identity(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    bool has_cert = s->cert_file != NULL || s->cert_pem != NULL;
    bool has_key = s->key_file != NULL || s->key_pem != NULL;
    if (has_cert != has_key) {
        return refuse(why, FAULT_CONFIG, "provide both certificate and key, or neither");
    }
    if (!has_cert) {
        return s->is_server ? refuse(why, FAULT_CONFIG, "a server needs a certificate and a key")
                            : 0;
    }
    int err = set_certificate(s, ctx, why);
    return err != 0 ? err : set_key(s, ctx, why);
}

/* --- protocol --------------------------------------------------------------------------------- */

static int version_of(enum tls_version version, int value_default)
{
    switch (version) {
    case TLS_VERSION_DEFAULT:
        break;
    case TLS_VERSION_1_0:
        return TLS1_VERSION;
    case TLS_VERSION_1_1:
        return TLS1_1_VERSION;
    case TLS_VERSION_1_2:
        return TLS1_2_VERSION;
    case TLS_VERSION_1_3:
        return TLS1_3_VERSION;
    }
    return value_default;
}

static int set_versions(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    int least = version_of(s->min_version, TLS1_2_VERSION);
    int most = version_of(s->max_version, TLS1_3_VERSION);
    if (least > most) {
        return refuse(why, FAULT_CONFIG, "min_version is above max_version");
    }
    if (least < TLS1_2_VERSION) {
        SSL_CTX_set_security_level(ctx, 0);
    }
    bool is_fine = SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
                   SSL_CTX_set_max_proto_version(ctx, most) == 1;
    if (is_fine && s->cipher_suites != NULL) {
        is_fine = SSL_CTX_set_cipher_list(ctx, s->cipher_suites) == 1;
    }
    if (!is_fine) {
        return refuse(why, FAULT_CONFIG, "the cipher suites cannot be used: %s",
                      s->cipher_suites != NULL ? s->cipher_suites : "");
    }
    union {
        const char *from;
        char *to;
    } groups = {.from = s->curve_preferences}; /* OpenSSL's macro casts the const away */
    if (groups.from != NULL && SSL_CTX_set1_groups_list(ctx, groups.to) != 1) {
        return refuse(why, FAULT_CONFIG, "the curves cannot be used: %s", s->curve_preferences);
    }
    return 0;
}

/* Protocols as they stand in the extension, by the bits of enum tls_alpn. */
static const struct slice alpn_names[] = {
    [TLS_ALPN_NONE] = {0},
    [TLS_ALPN_H2] = {.ptr = (const uint8_t *)"\x02h2", .len = 3},
    [TLS_ALPN_HTTP1] = {.ptr = (const uint8_t *)"\x08http/1.1", .len = 9},
    [TLS_ALPN_H2 | TLS_ALPN_HTTP1] = {.ptr = (const uint8_t *)"\x02h2\x08http/1.1", .len = 12},
};

/* Our order decides. OpenSSL's signature. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned int in_len, void *context)
{
    (void)ssl;
    const struct slice *names = context;
    union {
        const unsigned char **read;
        unsigned char **written;
    } at = {.read = out}; /* OpenSSL's helper knows no const; it only points */
    int found = SSL_select_next_proto(at.written, out_len, names->ptr, (unsigned int)names->len, in,
                                      in_len);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_alpn(const struct tls_settings *s, SSL_CTX *ctx, char *why)
{
    ASSERT(s->alpn < COUNT_OF(alpn_names));
    const struct slice *names = &alpn_names[s->alpn];
    if (names->len == 0) {
        return 0;
    }
    if (s->is_server) {
        union {
            const struct slice *from;
            void *to;
        } context = {.from = names}; /* given back to select_protocol, which only reads */
        SSL_CTX_set_alpn_select_cb(ctx, select_protocol, context.to);
        return 0;
    }
    if (SSL_CTX_set_alpn_protos(ctx, names->ptr, (unsigned int)names->len) != 0) {
        return refuse(why, -ENOMEM, "out of memory");
    }
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void set_habits(const struct tls_settings *s, SSL_CTX *ctx)
{
    static const unsigned char session_context[] = "weir";
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Tickets resume sessions without a cache, which all threads would have to lock. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, TLS_HANDSHAKE_MAX_BYTES / 2);
    if (s->is_server) {
        /* Without it a resumed session of a client with a certificate is refused; cannot fail for
         * so short a text. */
        (void)SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
    }
}

int tls_build(const struct tls_settings *settings, SSL_CTX **out, char *why)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(settings->is_server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL) {
        return refuse(why, -ENOMEM, "out of memory");
    }
    set_habits(settings, ctx);
    int err = set_versions(settings, ctx, why);
    err = err != 0 ? err : set_alpn(settings, ctx, why);
    err = err != 0 ? err : set_authorities(settings, ctx, why);
    err = err != 0 ? err : set_identity(settings, ctx, why);
    if (err != 0) {
        SSL_CTX_free(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}
