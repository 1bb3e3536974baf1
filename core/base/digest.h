/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest — SHA-256 of bytes, with OpenSSL's algorithm looked up once instead of for each call.
 *
 * One thread at a time. Source: FIPS 180-4.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define DIGEST_SHA256_BYTES 32
#define DIGEST_SHA256_HEX_BYTES 64

struct evp_md_st;
struct evp_md_ctx_st;

struct digest {
    struct evp_md_st *algorithm;   /* owned */
    struct evp_md_ctx_st *context; /* owned */
};

/* 0, -ENOMEM, or FAULT_LIBRARY where the algorithm is not to be had. */
WEIR_MUST_USE int digest_init(struct digest *digest);

/* Idempotent; leaves zeros. */
void digest_fini(struct digest *digest);

/* The hash of `bytes` into `out`. 0 or FAULT_LIBRARY, and then `out` is not to be used. */
WEIR_MUST_USE int digest_sha256(struct digest *digest, struct slice bytes,
                                uint8_t out[DIGEST_SHA256_BYTES]);

/* As digest_sha256, spelled in lower-case hexadecimal without a terminator. */
WEIR_MUST_USE int digest_sha256_hex(struct digest *digest, struct slice bytes,
                                    char out[DIGEST_SHA256_HEX_BYTES]);
