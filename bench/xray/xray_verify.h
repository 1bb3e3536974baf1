/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_verify — is a request signed as it must be? What the service would do with it.
 *
 * Signature Version 4, made anew from the request as it was received, on OpenSSL and nothing of
 * ours that signs. One thread; keeps the signing key of the last scope.
 * Source: AWS Signature Version 4, "Create a signed request".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define XRAY_VERIFY_HASH_BYTES 32u
#define XRAY_VERIFY_SCOPE_MAX_BYTES 128u

/* The key that signs; of AWS's own examples. */
#define XRAY_VERIFY_KEY_ID "AKIDEXAMPLE"
#define XRAY_VERIFY_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* Zeroed is valid. */
struct xray_verify {
    char scope[XRAY_VERIFY_SCOPE_MAX_BYTES]; /* date/region/service/aws4_request */
    size_t scope_len;
    uint8_t key[XRAY_VERIFY_HASH_BYTES]; /* of that scope */
};

/*
 * xray_verify_request — `head` is the request line and the headers with the empty line, `body` what
 * follows; both borrowed. False for a missing, odd or wrong signature.
 */
WEIR_MUST_USE bool xray_verify_request(struct xray_verify *verify, struct slice head,
                                       struct slice body);
