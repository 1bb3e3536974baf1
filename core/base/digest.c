/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest — a context that is begun anew for each text.
 *
 * OpenSSL allocates by itself here; the context is made once, so hashing does not.
 */
#include "core/base/digest.h"

#include <openssl/evp.h>

#include <errno.h>

#include "core/base/fault.h"

int digest_init(struct digest *digest)
{
    *digest = (struct digest){0};
    digest->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (digest->algorithm == NULL) {
        return FAULT_LIBRARY;
    }
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL) {
        digest_fini(digest);
        return -ENOMEM;
    }
    return 0;
}

void digest_fini(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context); /* NULL is fine for both */
    EVP_MD_free(digest->algorithm);
    *digest = (struct digest){0};
}

int digest_sha256(struct digest *digest, struct slice bytes, uint8_t out[DIGEST_SHA256_BYTES])
{
    unsigned int written = 0;
    ASSERT(digest->context != NULL);
    if (EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) != 1 ||
        EVP_DigestUpdate(digest->context, bytes.ptr, bytes.len) != 1 ||
        EVP_DigestFinal_ex(digest->context, out, &written) != 1) {
        return FAULT_LIBRARY;
    }
    ASSERT(written == DIGEST_SHA256_BYTES);
    return 0;
}

int digest_sha256_hex(struct digest *digest, struct slice bytes, char out[DIGEST_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[DIGEST_SHA256_BYTES];
    int err = digest_sha256(digest, bytes, hash);
    if (err != 0) {
        return err;
    }
    for (size_t i = 0; i < sizeof(hash); i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 0x0F];
    }
    return 0;
}
