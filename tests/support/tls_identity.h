/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_identity — a self-signed certificate for 127.0.0.1 with its key, made on the spot.
 *
 * Tests use it as a server's identity, as a client's, and as the authority that vouches for either.
 */
#pragma once

#include <openssl/ssl.h>

#define TLS_IDENTITY_PEM_BYTES 4096
#define TLS_IDENTITY_PATH_BYTES 64

struct tls_identity {
    X509 *certificate; /* owned */
    EVP_PKEY *key;     /* owned */
    char certificate_pem[TLS_IDENTITY_PEM_BYTES];
    char key_pem[TLS_IDENTITY_PEM_BYTES];
    char certificate_file[TLS_IDENTITY_PATH_BYTES];
    char key_file[TLS_IDENTITY_PATH_BYTES];
};

/* `name` becomes the certificate's CN and subject alternative IP 127.0.0.1 is added. */
void tls_identity_init(struct tls_identity *identity, const char *name);

/* Removes the files. */
void tls_identity_fini(struct tls_identity *identity);

/* A server's context; with `client_ca` the client must show a certificate it vouches for. */
SSL_CTX *tls_identity_server(struct tls_identity *identity, struct tls_identity *client_ca);
