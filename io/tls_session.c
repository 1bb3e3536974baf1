/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_session — OpenSSL between two memory ends: a borrowed slice to read, a buffer to write.
 *
 * One BIO of our own serves both ends, so ciphertext is not copied on its way in and grows in one
 * buffer on its way out. Owns the SSL and that buffer. Source: RFC 8446.
 */
#include "io/tls_session.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

/* First allocation of the output: a server's flight with a short chain. */
#define OUTPUT_MIN_BYTES 4096
/* A host name has at most 253 bytes. */
#define NAME_MAX_BYTES 256

struct tls_session {
    SSL *ssl;        /* owned */
    struct slice in; /* borrowed during tls_session_receive */
    uint8_t *out;    /* owned */
    size_t out_bytes;
    size_t out_capacity_bytes;
    uint64_t handshake_bytes; /* received before it was established */
    bool is_established;
    bool is_over; /* failed; OpenSSL is not asked any more */
    bool has_no_memory;
    char name[NAME_MAX_BYTES]; /* what the peer's certificate must be valid for */
    char why[TLS_WHY_BYTES];
};

/* --- the two ends ----------------------------------------------------------------------------- */

static int end_read(BIO *bio, char *buf, int cap)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (cap <= 0) {
        return 0;
    }
    if (s->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = s->in.len < (size_t)cap ? s->in.len : (size_t)cap;
    memcpy(buf, s->in.ptr, len);
    s->in = slice_from(s->in, len);
    return (int)len;
}

static bool has_room(struct tls_session *s, size_t bytes)
{
    size_t capacity = s->out_capacity_bytes > 0 ? s->out_capacity_bytes : OUTPUT_MIN_BYTES;
    while (bytes > capacity - s->out_bytes) {
        capacity *= 2; /* far from overflow: callers take the output after TLS_SEND_BYTES */
    }
    if (capacity == s->out_capacity_bytes) {
        return true;
    }
    uint8_t *out = mem_resize(s->out, capacity);
    if (out == NULL) {
        s->has_no_memory = true;
        return false;
    }
    s->out = out;
    s->out_capacity_bytes = capacity;
    return true;
}

static int end_write(BIO *bio, const char *bytes, int len)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0 || !has_room(s, (size_t)len)) {
        return -1;
    }
    memcpy(s->out + s->out_bytes, bytes, (size_t)len);
    s->out_bytes += (size_t)len;
    return len;
}

/* OpenSSL's own signature of a control function. */
static long end_control(BIO *bio, int command, long number, void *ptr)
{
    (void)bio;
    (void)number;
    (void)ptr;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int end_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *end_method; /* frozen after the first session */

static void make_end_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "slice");
    if (method != NULL) {
        (void)BIO_meth_set_read(method, end_read); /* setters of a fresh method cannot fail */
        (void)BIO_meth_set_write(method, end_write);
        (void)BIO_meth_set_ctrl(method, end_control);
        (void)BIO_meth_set_create(method, end_create);
    }
    end_method = method;
}

/* --- why -------------------------------------------------------------------------------------- */

static const char *verify_phrase(int64_t code)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "x509: certificate has expired or is not yet valid";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "x509: certificate signed by unknown authority";
    case X509_V_ERR_INVALID_PURPOSE:
        return "x509: certificate specifies an incompatible key usage";
    default:
        return NULL;
    }
}

static void tell_verify(struct tls_session *s, int64_t code)
{
    static const char lead[] = "tls: failed to verify certificate: ";
    if (code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        (void)snprintf(s->why, sizeof(s->why), "%sx509: certificate is not valid for %.150s", lead,
                       s->name);
        return;
    }
    const char *phrase = verify_phrase(code);
    const char *x509 = phrase != NULL ? "" : "x509: ";
    phrase = phrase != NULL ? phrase : X509_verify_cert_error_string(code);
    (void)snprintf(s->why, sizeof(s->why), "%s%s%s", lead, x509, phrase);
}

static const char *reason_phrase(int reason)
{
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "client didn't provide a certificate";
    case SSL_R_HTTP_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_BAD_RECORD_TYPE:
        return "first record does not look like a TLS handshake";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        return "the peer offers only versions that are not supported";
    case SSL_R_NO_SHARED_CIPHER:
        return "no cipher suite supported by both client and server";
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return "client requested unsupported application protocols";
    default:
        return NULL;
    }
}

/* OpenSSL 3.0 has no words for the alerts that came with 1.3. */
static const char *alert_phrase(int alert)
{
    switch (alert) {
    case SSL_AD_MISSING_EXTENSION:
        return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no application protocol";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

/* Did the peer say so? */
static bool is_alert(uint64_t error)
{
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
           reason <= SSL_AD_REASON_OFFSET + UINT8_MAX;
}

static void tell_reason(struct tls_session *s)
{
    uint64_t error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    if (is_alert(error)) {
        (void)snprintf(s->why, sizeof(s->why), "remote error: tls: %s",
                       alert_phrase(reason - SSL_AD_REASON_OFFSET));
        return;
    }
    const char *phrase = reason_phrase(reason);
    phrase = phrase != NULL ? phrase : ERR_reason_error_string(error);
    (void)snprintf(s->why, sizeof(s->why), "tls: %s", phrase != NULL ? phrase : "failed");
}

static int give_up(struct tls_session *s)
{
    s->is_over = true;
    int64_t code = SSL_get_verify_result(s->ssl);
    bool is_unproven = code != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE;
    uint64_t error = ERR_peek_last_error();
    s->has_no_memory = s->has_no_memory || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ||
                       ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE;
    if (s->has_no_memory) {
        (void)snprintf(s->why, sizeof(s->why), "out of memory");
    } else if (is_unproven && !is_alert(error) && !s->is_established) {
        tell_verify(s, code);
    } else {
        tell_reason(s);
    }
    ERR_clear_error();
    return FAULT_MALFORMED;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool set_server_name(struct tls_session *s, const char *server_name)
{
    size_t len = strlen(server_name);
    if (len == 0 || len >= sizeof(s->name)) {
        return false;
    }
    memcpy(s->name, server_name, len + 1);
    X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, server_name) == 1) {
        return true; /* an address is verified, and never sent as a name */
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, server_name, len) == 1 &&
           SSL_set_tlsext_host_name(s->ssl, s->name) == 1;
}

static int attach(struct tls_session *s, struct tls_context *context, const char *server_name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_end_method); /* fails for a wrong `once` only */
    s->ssl = tls_context_session(context);
    BIO *bio = end_method != NULL && s->ssl != NULL ? BIO_new(end_method) : NULL;
    if (bio == NULL) {
        return -ENOMEM;
    }
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio); /* moves in, counted once */
    if (tls_context_is_server(context)) {
        SSL_set_accept_state(s->ssl);
        return 0;
    }
    SSL_set_connect_state(s->ssl);
    const char *name = tls_context_server_name(context);
    name = name != NULL ? name : server_name;
    if (name == NULL) {
        return tls_context_verifies(context) ? FAULT_LIBRARY : 0;
    }
    return set_server_name(s, name) ? 0 : FAULT_LIBRARY;
}

int tls_session_new(struct tls_context *context, const char *server_name, struct tls_session **out)
{
    struct tls_session *s = mem_alloc(sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    ERR_clear_error();
    int err = attach(s, context, server_name);
    if (err == 0 && !tls_context_is_server(context)) {
        (void)SSL_do_handshake(s->ssl); /* writes the first flight, then wants to read */
        int refusal = s->has_no_memory ? -ENOMEM : FAULT_LIBRARY;
        err = s->out_bytes > 0 ? 0 : refusal;
    }
    ERR_clear_error();
    if (err != 0) {
        tls_session_free(s);
        return err;
    }
    *out = s;
    return 0;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL) {
        return;
    }
    SSL_free(session->ssl);
    mem_free(session->out);
    mem_free(session);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static int read_some(struct tls_session *s, uint8_t *plain, size_t cap, size_t *len)
{
    ERR_clear_error();
    if (SSL_read_ex(s->ssl, plain, cap, len) == 1) {
        return 0;
    }
    *len = 0;
    switch (SSL_get_error(s->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return FAULT_CLOSED;
    default:
        return give_up(s);
    }
}

int tls_session_receive(struct tls_session *session, struct slice *cipher, uint8_t *plain,
                        size_t cap, size_t *len)
{
    ASSERT(cap >= TLS_RECORD_BYTES);
    *len = 0;
    if (session->is_over) {
        return FAULT_MALFORMED;
    }
    session->in = *cipher;
    int err = read_some(session, plain, cap, len);
    if (!session->is_established) {
        session->handshake_bytes += cipher->len - session->in.len;
        session->is_established = err == 0 && SSL_is_init_finished(session->ssl) == 1;
    }
    *cipher = session->in;
    session->in = (struct slice){0};
    if (err == 0 && !session->is_established &&
        session->handshake_bytes > TLS_HANDSHAKE_MAX_BYTES) {
        (void)snprintf(session->why, sizeof(session->why), "tls: the handshake is too long");
        session->is_over = true;
        return FAULT_MALFORMED;
    }
    return err;
}

int tls_session_send(struct tls_session *session, struct slice bytes)
{
    ASSERT(bytes.len > 0 && bytes.len <= TLS_RECORD_BYTES);
    if (session->is_over) {
        return FAULT_LIBRARY;
    }
    ERR_clear_error();
    size_t written = 0;
    if (SSL_write_ex(session->ssl, bytes.ptr, bytes.len, &written) == 1) {
        ASSERT(written == bytes.len);
        return 0;
    }
    (void)give_up(session);
    return session->has_no_memory ? -ENOMEM : FAULT_LIBRARY;
}

void tls_session_close(struct tls_session *session)
{
    if (!session->is_over && session->is_established) {
        ERR_clear_error();
        (void)SSL_shutdown(session->ssl); /* 0 means sent; the answer is not waited for */
        ERR_clear_error();
    }
}

/* --- what it is ------------------------------------------------------------------------------- */

bool tls_session_is_established(const struct tls_session *session)
{
    return session->is_established;
}

size_t tls_session_output_bytes(const struct tls_session *session)
{
    return session->out_bytes;
}

void tls_session_take_output(struct tls_session *session, void **memory, size_t *len)
{
    *len = session->out_bytes;
    *memory = NULL;
    if (session->out_bytes > 0) {
        *memory = session->out;
        session->out = NULL;
        session->out_bytes = 0;
        session->out_capacity_bytes = 0;
    }
}

struct slice tls_session_alpn(const struct tls_session *session)
{
    const unsigned char *name = NULL;
    unsigned int len = 0; /* OpenSSL's signature */
    SSL_get0_alpn_selected(session->ssl, &name, &len);
    return slice_of(name, len);
}

const char *tls_session_why(const struct tls_session *session)
{
    return session->why;
}
