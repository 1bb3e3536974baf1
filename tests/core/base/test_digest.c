/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/digest: the examples of FIPS 180-4 and of RFC 4231, and one context for many
 * texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/digest.h"

static void check_hash(struct digest *digest, const char *text, const char *expected)
{
    char hex[DIGEST_SHA256_HEX_BYTES];
    uint8_t raw[DIGEST_SHA256_BYTES];
    assert_int_equal(digest_sha256_hex(digest, slice_of_text(text), hex), 0);
    assert_memory_equal(hex, expected, sizeof(hex));
    assert_int_equal(digest_sha256(digest, slice_of_text(text), raw), 0);
    assert_int_equal(raw[0] >> 4, expected[0] <= '9' ? expected[0] - '0' : expected[0] - 'a' + 10);
}

static void test_known_texts_have_known_hashes(void **state)
{
    (void)state;
    struct digest digest;
    assert_int_equal(digest_init(&digest), 0);
    check_hash(&digest, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hash(&digest, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash(&digest, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_hash(&digest, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_fini(&digest);
    digest_fini(&digest);
    assert_null(digest.context);
}

static void test_pieces_hash_as_one_text(void **state)
{
    (void)state;
    struct digest digest;
    uint8_t hash[DIGEST_SHA256_BYTES];
    char hex[DIGEST_SHA256_HEX_BYTES];
    const struct slice pieces[] = {SLICE_LITERAL("a"), {0}, SLICE_LITERAL("bc")};
    assert_int_equal(digest_init(&digest), 0);
    assert_int_equal(digest_sha256_pieces(&digest, pieces, COUNT_OF(pieces), hash), 0);
    digest_format_hex(hash, hex);
    assert_memory_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                        sizeof(hex));
    assert_int_equal(digest_sha256_pieces(&digest, NULL, 0, hash), 0);
    digest_format_hex(hash, hex);
    assert_memory_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                        sizeof(hex));
    digest_fini(&digest);
}

static void check_hmac(struct digest *digest, struct slice key, struct slice text,
                       const char *expected)
{
    uint8_t code[DIGEST_SHA256_BYTES];
    char hex[DIGEST_SHA256_HEX_BYTES];
    assert_int_equal(digest_hmac_sha256(digest, key, text, code), 0);
    digest_format_hex(code, hex);
    assert_memory_equal(hex, expected, sizeof(hex));
}

/* RFC 4231, 4.2 to 4.8; 4.6 cuts its code and adds nothing here. */
static void test_known_texts_have_known_codes(void **state)
{
    (void)state;
    struct digest digest;
    uint8_t key[131];
    uint8_t text[50];
    assert_int_equal(digest_init(&digest), 0);
    memset(key, 0x0B, 20);
    check_hmac(&digest, slice_of(key, 20), SLICE_LITERAL("Hi There"),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac(&digest, SLICE_LITERAL("Jefe"), SLICE_LITERAL("what do ya want for nothing?"),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xAA, sizeof(key));
    memset(text, 0xDD, sizeof(text));
    check_hmac(&digest, slice_of(key, 20), slice_of(text, sizeof(text)),
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_hmac(&digest, slice_of(key, sizeof(key)),
               SLICE_LITERAL("Test Using Larger Than Block-Size Key - Hash Key First"),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_hmac(&digest, slice_of(key, sizeof(key)),
               SLICE_LITERAL("This is a test using a larger than block-size key and a larger than "
                             "block-size data. The key needs to be hashed before being used by the "
                             "HMAC algorithm."),
               "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    check_hmac(&digest, (struct slice){0}, (struct slice){0},
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    digest_fini(&digest);
}

/* A block is 64 bytes: up to there a key counts as it is, beyond it its hash does. */
static void test_keys_of_one_block_are_not_hashed(void **state)
{
    (void)state;
    struct digest digest;
    uint8_t key[65];
    uint8_t hash[DIGEST_SHA256_BYTES];
    uint8_t code[DIGEST_SHA256_BYTES];
    uint8_t code_of_hash[DIGEST_SHA256_BYTES];
    memset(key, 'k', sizeof(key));
    assert_int_equal(digest_init(&digest), 0);
    for (size_t len = sizeof(key) - 1; len <= sizeof(key); len++) {
        assert_int_equal(digest_sha256(&digest, slice_of(key, len), hash), 0);
        assert_int_equal(
            digest_hmac_sha256(&digest, slice_of(key, len), SLICE_LITERAL("text"), code), 0);
        assert_int_equal(digest_hmac_sha256(&digest, slice_of(hash, sizeof(hash)),
                                            SLICE_LITERAL("text"), code_of_hash),
                         0);
        assert_int_equal(memcmp(code, code_of_hash, sizeof(code)) == 0, len == sizeof(key));
    }
    digest_fini(&digest);
}

static void test_a_code_may_replace_its_key(void **state)
{
    (void)state;
    struct digest digest;
    uint8_t key[DIGEST_SHA256_BYTES] = {1, 2, 3};
    uint8_t apart[DIGEST_SHA256_BYTES];
    assert_int_equal(digest_init(&digest), 0);
    struct slice slice = slice_of(key, sizeof(key));
    assert_int_equal(digest_hmac_sha256(&digest, slice, SLICE_LITERAL("text"), apart), 0);
    assert_int_equal(digest_hmac_sha256(&digest, slice, SLICE_LITERAL("text"), key), 0);
    assert_memory_equal(key, apart, sizeof(key));
    digest_fini(&digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts_have_known_hashes),
        cmocka_unit_test(test_pieces_hash_as_one_text),
        cmocka_unit_test(test_known_texts_have_known_codes),
        cmocka_unit_test(test_keys_of_one_block_are_not_hashed),
        cmocka_unit_test(test_a_code_may_replace_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
