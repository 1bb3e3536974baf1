/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest — a context that is begun anew for each text.
 *
 * OpenSSL allocates by itself here. The context is made once; what version 3.0 still takes for each
 * text is one small block.
 */
#include "core/base/digest.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/fault.h"

/* RFC 2104, section 2. */
#define SHA256_BLOCK_BYTES 64
#define INNER_PAD 0x36
#define OUTER_PAD 0x5C

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

int digest_sha256_pieces(struct digest *digest, const struct slice *pieces, size_t piece_count,
                         uint8_t out[DIGEST_SHA256_BYTES])
{
    unsigned int written = 0;
    ASSERT(digest->context != NULL);
    bool is_good = EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1;
    for (size_t i = 0; i < piece_count && is_good; i++) {
        is_good = EVP_DigestUpdate(digest->context, pieces[i].ptr, pieces[i].len) == 1;
    }
    if (!is_good || EVP_DigestFinal_ex(digest->context, out, &written) != 1) {
        return FAULT_LIBRARY;
    }
    ASSERT(written == DIGEST_SHA256_BYTES);
    return 0;
}

int digest_sha256(struct digest *digest, struct slice bytes, uint8_t out[DIGEST_SHA256_BYTES])
{
    return digest_sha256_pieces(digest, &bytes, 1, out);
}

void digest_format_hex(const uint8_t hash[DIGEST_SHA256_BYTES], char out[DIGEST_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 0x0F];
    }
}

int digest_sha256_hex(struct digest *digest, struct slice bytes, char out[DIGEST_SHA256_HEX_BYTES])
{
    uint8_t hash[DIGEST_SHA256_BYTES];
    int err = digest_sha256(digest, bytes, hash);
    if (err != 0) {
        return err;
    }
    digest_format_hex(hash, out);
    return 0;
}

/* Every byte of a padded key exclusive-or `pad`, in place. */
static void mask_inplace(uint8_t block[SHA256_BLOCK_BYTES], uint8_t pad)
{
    for (size_t i = 0; i < SHA256_BLOCK_BYTES; i++) {
        block[i] = (uint8_t)(block[i] ^ pad);
    }
}

/* OpenSSL's own HMAC copies contexts, and with them allocates, for each code it makes. */
int digest_hmac_sha256(struct digest *digest, struct slice key, struct slice bytes,
                       uint8_t out[DIGEST_SHA256_BYTES])
{
    uint8_t block[SHA256_BLOCK_BYTES] = {0};
    uint8_t inner[DIGEST_SHA256_BYTES];
    int err = 0;
    if (key.len > sizeof(block)) {
        err = digest_sha256(digest, key, block);
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    if (err == 0) {
        mask_inplace(block, INNER_PAD);
        err = digest_sha256_pieces(
            digest, (const struct slice[]){slice_of(block, sizeof(block)), bytes}, 2, inner);
    }
    if (err == 0) {
        mask_inplace(block, INNER_PAD ^ OUTER_PAD);
        err = digest_sha256_pieces(
            digest,
            (const struct slice[]){slice_of(block, sizeof(block)), slice_of(inner, sizeof(inner))},
            2, out);
    }
    explicit_bzero(block, sizeof(block));
    return err;
}
