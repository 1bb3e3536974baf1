/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/base/digest: the examples of FIPS 180-4, and one context for many texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts_have_known_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
