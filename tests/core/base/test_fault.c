/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/fault: every code has a sentence, a panic says where.
 */
#include "core/base/fault.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/defs.h"

static void test_every_code_has_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (int code = FAULT_UNSUPPORTED; code <= FAULT_TRUNCATED; code++) {
        assert_string_not_equal(fault_text(code), "unknown fault");
        for (int other = code + 1; other <= FAULT_TRUNCATED; other++) {
            assert_string_not_equal(fault_text(code), fault_text(other));
        }
    }
}

static void test_kernel_codes_and_strangers_have_words(void **state)
{
    (void)state;
    assert_string_equal(fault_text(-ENOMEM), "Cannot allocate memory");
    assert_string_equal(fault_text(-9999), "unknown error");
    assert_string_equal(fault_text(-FAULT_BASE), "unknown fault");
    assert_string_equal(fault_text(FAULT_UNSUPPORTED - 1), "unknown fault");
}

static void test_panic_names_the_place_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL); /* the test framework catches it */
        weir_panic("somewhere.c", 42, "a == b");
    }
    assert_int_equal(close(ends[1]), 0);
    char text[256] = "";
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "file=somewhere.c line=42 expression=\"a == b\"\n"));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(close(ends[0]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_sentence_of_its_own),
        cmocka_unit_test(test_kernel_codes_and_strangers_have_words),
        cmocka_unit_test(test_panic_names_the_place_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
