/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_identity — see the header. P-256, valid for a day, files under /tmp.
 */
#include "tests/support/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/defs.h"

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ASSERT(extension != NULL);
    int is_added = X509_add_ext(certificate, extension, -1);
    ASSERT(is_added == 1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    ASSERT(certificate != NULL);
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    (void)X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0);
    (void)X509_set_issuer_name(certificate, subject);
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1");
    int signature_bytes = X509_sign(certificate, key, EVP_sha256());
    ASSERT(signature_bytes > 0);
    return certificate;
}

static void take_text(BIO *bio, char *out)
{
    int len = BIO_read(bio, out, TLS_IDENTITY_PEM_BYTES - 1);
    ASSERT(len > 0);
    out[len] = '\0';
    BIO_free(bio);
}

static void write_file(char *path, const char *text)
{
    (void)snprintf(path, TLS_IDENTITY_PATH_BYTES, "/tmp/weir_tls_XXXXXX");
    int fd = mkstemp(path);
    ASSERT(fd >= 0);
    ssize_t written = write(fd, text, strlen(text));
    ASSERT(written == (ssize_t)strlen(text));
    (void)close(fd);
}

void tls_identity_init(struct tls_identity *identity, const char *name)
{
    memset(identity, 0, sizeof(*identity));
    identity->key = EVP_EC_gen("P-256");
    ASSERT(identity->key != NULL);
    identity->certificate = make_certificate(identity->key, name);
    BIO *bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509(bio, identity->certificate);
    take_text(bio, identity->certificate_pem);
    bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL);
    take_text(bio, identity->key_pem);
    write_file(identity->certificate_file, identity->certificate_pem);
    write_file(identity->key_file, identity->key_pem);
}

void tls_identity_fini(struct tls_identity *identity)
{
    (void)unlink(identity->certificate_file);
    (void)unlink(identity->key_file);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    memset(identity, 0, sizeof(*identity));
}

SSL_CTX *tls_identity_server(struct tls_identity *identity, struct tls_identity *client_ca)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    ASSERT(context != NULL);
    int is_set = SSL_CTX_use_certificate(context, identity->certificate);
    ASSERT(is_set == 1);
    is_set = SSL_CTX_use_PrivateKey(context, identity->key);
    ASSERT(is_set == 1);
    if (client_ca != NULL) {
        is_set = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), client_ca->certificate);
        ASSERT(is_set == 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}
