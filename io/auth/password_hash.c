/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password_hash — each kind's way from a password to what is stored.
 *
 * Sources: RFC 2307 section 5.3 ({SHA}, {SSHA}); the MD5 crypt scheme of FreeBSD, which Apache
 * marks with $apr1$; crypt(5) for the rest.
 */
#include "io/auth/password_hash.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "io/tls.h"

#define SHA1_BYTES 20
#define MD5_BYTES 16
#define APR1_MARK "$apr1$"
#define APR1_SALT_MAX_BYTES 8
#define APR1_ROUNDS 1000
#define APR1_TEXT_BYTES 22

static bool has_mark(struct slice stored, const char *mark)
{
    return slice_has_prefix(stored, slice_of_text(mark));
}

enum password_kind password_kind_of(struct slice stored)
{
    static const char *const crypt_marks[] = {"$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$"};
    if (stored.len == 0 || stored.len > PASSWORD_HASH_MAX_BYTES) {
        return PASSWORD_UNKNOWN;
    }
    if (has_mark(stored, "{SHA}") || has_mark(stored, "{SSHA}")) {
        return PASSWORD_SHA1;
    }
    if (has_mark(stored, APR1_MARK)) {
        return PASSWORD_APR1;
    }
    for (size_t i = 0; i < COUNT_OF(crypt_marks); i++) {
        if (has_mark(stored, crypt_marks[i])) {
            return PASSWORD_CRYPT;
        }
    }
    /* A mark that nobody here knows is not taken for a password. */
    return stored.ptr[0] == '$' || stored.ptr[0] == '{' ? PASSWORD_UNKNOWN : PASSWORD_PLAIN;
}

bool password_is_slow(enum password_kind kind)
{
    return kind == PASSWORD_APR1 || kind == PASSWORD_CRYPT;
}

/* --- {SHA}, {SSHA} ---------------------------------------------------------------------------- */

static bool fits_sha1(struct slice password, struct slice stored)
{
    struct slice text = slice_from(stored, slice_find(stored, '}') + 1);
    uint8_t raw[PASSWORD_HASH_MAX_BYTES + 3];
    if (text.len == 0 || text.len % 4 != 0) {
        return false;
    }
    int raw_len = EVP_DecodeBlock(raw, text.ptr, (int)text.len);
    for (size_t i = text.len; i > 0 && text.ptr[i - 1] == '=' && raw_len > 0; i--) {
        raw_len--; /* padding decodes to zeros */
    }
    if (raw_len < SHA1_BYTES) {
        return false;
    }
    uint8_t message[PASSWORD_MAX_BYTES + sizeof(raw)];
    size_t salt_len = (size_t)raw_len - SHA1_BYTES;
    memcpy(message, password.ptr, password.len);
    memcpy(message + password.len, raw + SHA1_BYTES, salt_len);
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool is_made =
        EVP_Digest(message, password.len + salt_len, digest, NULL, EVP_sha1(), NULL) == 1;
    OPENSSL_cleanse(message, password.len);
    return is_made && CRYPTO_memcmp(digest, raw, SHA1_BYTES) == 0;
}

/* --- apr1 ------------------------------------------------------------------------------------- */

struct apr1 {
    EVP_MD_CTX *md;
    struct slice password;
    struct slice salt;
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool has_failed;
};

static void md5_begin(struct apr1 *a)
{
    a->has_failed = a->has_failed || EVP_DigestInit_ex(a->md, EVP_md5(), NULL) != 1;
}

static void md5_add(struct apr1 *a, struct slice bytes)
{
    a->has_failed = a->has_failed || EVP_DigestUpdate(a->md, bytes.ptr, bytes.len) != 1;
}

static void md5_end(struct apr1 *a)
{
    a->has_failed = a->has_failed || EVP_DigestFinal_ex(a->md, a->digest, NULL) != 1;
}

static void apr1_first(struct apr1 *a)
{
    md5_begin(a);
    md5_add(a, a->password);
    md5_add(a, a->salt);
    md5_add(a, a->password);
    md5_end(a);
    uint8_t inner[MD5_BYTES];
    memcpy(inner, a->digest, sizeof(inner));
    md5_begin(a);
    md5_add(a, a->password);
    md5_add(a, slice_of_text(APR1_MARK));
    md5_add(a, a->salt);
    for (size_t left = a->password.len; left > 0;) {
        size_t len = left < MD5_BYTES ? left : MD5_BYTES;
        md5_add(a, slice_of(inner, len));
        left -= len;
    }
    for (size_t bits = a->password.len; bits > 0; bits >>= 1) {
        /* A quirk of the scheme: a zero byte, or the first byte of the password. */
        md5_add(a, (bits & 1) != 0 ? slice_of("", 1) : slice_first(a->password, 1));
    }
    md5_end(a);
}

static void apr1_round(struct apr1 *a, uint32_t round)
{
    uint8_t before[MD5_BYTES];
    memcpy(before, a->digest, sizeof(before));
    struct slice last = slice_of(before, sizeof(before));
    bool is_odd = (round & 1) != 0;
    md5_begin(a);
    md5_add(a, is_odd ? a->password : last);
    if (round % 3 != 0) {
        md5_add(a, a->salt);
    }
    if (round % 7 != 0) {
        md5_add(a, a->password);
    }
    md5_add(a, is_odd ? last : a->password);
    md5_end(a);
}

static void put_digits(uint32_t bits, size_t count, char **at)
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < count; i++) {
        *(*at)++ = digits[bits & 0x3F];
        bits >>= 6;
    }
}

static void apr1_text(const uint8_t *digest, char *out)
{
    static const uint8_t order[][3] = {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};
    char *at = out;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        put_digits((uint32_t)digest[order[i][0]] << 16 | (uint32_t)digest[order[i][1]] << 8 |
                       digest[order[i][2]],
                   4, &at);
    }
    put_digits(digest[11], 2, &at);
}

static bool fits_apr1(struct slice password, struct slice stored)
{
    struct slice rest = slice_from(stored, sizeof(APR1_MARK) - 1);
    size_t salt_len = slice_find(rest, '$');
    if (salt_len > APR1_SALT_MAX_BYTES || rest.len != salt_len + 1 + APR1_TEXT_BYTES) {
        return false;
    }
    struct apr1 a = {
        .md = EVP_MD_CTX_new(), .password = password, .salt = slice_first(rest, salt_len)};
    if (a.md == NULL) {
        return false;
    }
    apr1_first(&a);
    for (uint32_t round = 0; round < APR1_ROUNDS && !a.has_failed; round++) {
        apr1_round(&a, round);
    }
    EVP_MD_CTX_free(a.md);
    char text[APR1_TEXT_BYTES];
    apr1_text(a.digest, text);
    return !a.has_failed &&
           tls_secret_equal(slice_of(text, sizeof(text)), slice_from(rest, salt_len + 1));
}

/* --- libcrypt --------------------------------------------------------------------------------- */

static bool fits_crypt(struct slice password, struct slice stored)
{
    char phrase[PASSWORD_MAX_BYTES + 1];
    char setting[PASSWORD_HASH_MAX_BYTES + 1];
    if (slice_find(password, 0) != password.len) {
        return false; /* it would end there */
    }
    memcpy(phrase, password.ptr, password.len);
    phrase[password.len] = '\0';
    memcpy(setting, stored.ptr, stored.len);
    setting[stored.len] = '\0';
    struct crypt_data data = {0};
    const char *made = crypt_r(phrase, setting, &data);
    bool is_equal = made != NULL && tls_secret_equal(slice_of_text(made), stored);
    OPENSSL_cleanse(phrase, sizeof(phrase));
    OPENSSL_cleanse(&data, sizeof(data));
    return is_equal;
}

bool password_fits(struct slice password, struct slice stored)
{
    if (password.len > PASSWORD_MAX_BYTES || stored.len > PASSWORD_HASH_MAX_BYTES) {
        return false;
    }
    password.ptr = password.len > 0 ? password.ptr : (const uint8_t *)"";
    switch (password_kind_of(stored)) {
    case PASSWORD_UNKNOWN:
        break;
    case PASSWORD_PLAIN:
        return tls_secret_equal(password, stored);
    case PASSWORD_SHA1:
        return fits_sha1(password, stored);
    case PASSWORD_APR1:
        return fits_apr1(password, stored);
    case PASSWORD_CRYPT:
        return fits_crypt(password, stored);
    }
    return false;
}
