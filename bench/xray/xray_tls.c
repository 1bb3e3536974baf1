/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_tls — see xray_tls.h. P-256, as the service's own certificates have mostly: its handshake is
 * cheap, and what is measured are connections that stay.
 */
#include "bench/xray/xray_tls.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#define TLS_CURVE "P-256"
#define TLS_NAME "localhost"
#define TLS_VALID_S (24L * 3600)

/* Self-signed; moves out, NULL on failure. */
static X509 *tls_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    if (certificate == NULL) {
        return NULL;
    }
    X509_NAME *name = X509_get_subject_name(certificate);
    const bool is_good =
        X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -TLS_VALID_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), TLS_VALID_S) != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)TLS_NAME, -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        X509_sign(certificate, key, EVP_sha256()) > 0;
    if (!is_good) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

SSL_CTX *xray_tls_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen(TLS_CURVE);
    X509 *certificate = key == NULL ? NULL : tls_certificate(key);
    const bool is_good = context != NULL && certificate != NULL &&
                         SSL_CTX_use_certificate(context, certificate) == 1 &&
                         SSL_CTX_use_PrivateKey(context, key) == 1;
    /* The context has its own counts of both. */
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!is_good) {
        SSL_CTX_free(context);
        return NULL;
    }
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}
