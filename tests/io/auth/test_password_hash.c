/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of password_hash: hashes made by other programs (openssl passwd, libcrypt, hashlib).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "io/auth/password_hash.h"

struct sample {
    const char *password;
    const char *stored;
    enum password_kind kind;
};

static const struct sample samples[] = {
    {"secret", "secret", PASSWORD_PLAIN},
    {"", "x", PASSWORD_PLAIN},
    {"secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", PASSWORD_SHA1},
    {"secret", "{SSHA}D4kSuvPIF4rZzl+dW9Km/1788fBwZXBwZXI=", PASSWORD_SHA1},
    {"secret", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", PASSWORD_APR1},
    {"a", "$apr1$x$16j9.5e7KiXmuYFAYpPJM/", PASSWORD_APR1},
    {"a rather long passphrase of 40 characters", "$apr1$saltsalt$pPQWIq8ntYCTyt2gdOPFU0",
     PASSWORD_APR1},
    {"secret", "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", PASSWORD_CRYPT},
    {"secret", "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", PASSWORD_CRYPT},
    {"secret", "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
     PASSWORD_CRYPT},
    {"secret",
     "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/"
     "x8v0/crpIjl8NJSAqXV/",
     PASSWORD_CRYPT},
    {"secret", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//", PASSWORD_CRYPT},
};

static bool fits(const char *password, const char *stored)
{
    return password_fits(slice_of_text(password), slice_of_text(stored));
}

static void test_each_kind_takes_its_password_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        const struct sample *s = &samples[i];
        assert_int_equal(password_kind_of(slice_of_text(s->stored)), s->kind);
        if (s->password[0] != '\0') {
            assert_true(fits(s->password, s->stored));
        }
        assert_false(fits("Secret", s->stored));
        assert_false(fits("secre", s->stored));
        assert_false(fits("", s->stored));
        assert_false(fits(s->stored, s->kind == PASSWORD_PLAIN ? "other" : s->stored));
    }
    assert_false(password_is_slow(PASSWORD_PLAIN) || password_is_slow(PASSWORD_SHA1));
    assert_true(password_is_slow(PASSWORD_APR1) && password_is_slow(PASSWORD_CRYPT));
}

static void test_cut_hashes_fit_nothing(void **state)
{
    (void)state;
    for (size_t i = 2; i < COUNT_OF(samples); i++) {
        struct slice stored = slice_of_text(samples[i].stored);
        for (size_t len = 0; len < stored.len; len++) {
            struct slice cut = slice_first(stored, len);
            if (password_kind_of(cut) != PASSWORD_PLAIN) {
                assert_false(password_fits(slice_of_text(samples[i].password), cut));
            }
        }
    }
}

static void test_unknown_marks_are_no_passwords(void **state)
{
    (void)state;
    static const char *const stored[] = {"", "$7$abc", "{MD5}abc", "$", "{", "$2x$04$abc"};
    for (size_t i = 0; i < COUNT_OF(stored); i++) {
        assert_int_equal(password_kind_of(slice_of_text(stored[i])), PASSWORD_UNKNOWN);
        assert_false(fits(stored[i], stored[i]));
    }
    assert_false(fits("x", "{SHA}"));
    assert_false(fits("x", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ"));
    assert_false(fits("x", "{SHA}****"));
    assert_false(fits("x", "$apr1$toolongsalt$h9FWgUz3n9YxylKLlR5SQ/"));
}

static void test_lengths_at_the_limit_and_one_past(void **state)
{
    (void)state;
    char text[PASSWORD_MAX_BYTES + 2];
    memset(text, 'p', sizeof(text));
    assert_true(
        password_fits(slice_of(text, PASSWORD_MAX_BYTES), slice_of(text, PASSWORD_HASH_MAX_BYTES)));
    assert_false(password_fits(slice_of(text, PASSWORD_MAX_BYTES + 1),
                               slice_of(text, PASSWORD_HASH_MAX_BYTES + 1)));
    assert_int_equal(password_kind_of(slice_of(text, PASSWORD_HASH_MAX_BYTES + 1)),
                     PASSWORD_UNKNOWN);
    assert_false(password_fits(slice_of("sec\0ret", 7), slice_of_text(samples[7].stored)));
    assert_false(password_fits(slice_of("secret\0", 7), slice_of_text(samples[7].stored)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_takes_its_password_only),
        cmocka_unit_test(test_cut_hashes_fit_nothing),
        cmocka_unit_test(test_unknown_marks_are_no_passwords),
        cmocka_unit_test(test_lengths_at_the_limit_and_one_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
