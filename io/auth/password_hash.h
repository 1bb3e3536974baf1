/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password_hash — the second field of a line in an htpasswd file: what kind it is, and whether a
 * password fits it.
 *
 * Known: bcrypt, SHA-256 and SHA-512 crypt and MD5 crypt by libcrypt; Apache's apr1, {SHA} and
 * {SSHA} by OpenSSL's digests; anything without a mark is the password itself.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Longest stored form: SHA-512 crypt has 123 bytes, {SSHA} may carry a long salt. */
#define PASSWORD_HASH_MAX_BYTES 511
#define PASSWORD_MAX_BYTES 511

enum password_kind {
    PASSWORD_UNKNOWN,
    PASSWORD_PLAIN,
    PASSWORD_SHA1, /* {SHA} and {SSHA} */
    PASSWORD_APR1,
    PASSWORD_CRYPT, /* what libcrypt takes */
};

enum password_kind password_kind_of(struct slice stored);

/* Does checking it take long enough to matter to a loop? From 0.2 ms to 100 ms and more. */
bool password_is_slow(enum password_kind kind);

/*
 * Whether `password` gives `stored`; in constant time as far as the bytes go. Both are borrowed and
 * within their limits; copies are wiped.
 */
bool password_fits(struct slice password, struct slice stored);
