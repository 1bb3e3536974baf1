/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/closed_doors: the steps that libcurl takes by itself, or that a peer can make it
 * take, end as a library's failure would; behind them nobody may stand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/defs.h"

#define GSS_FAILURE (UINT32_C(13) << 16)

struct gss_text {
    size_t len;
    const char *text;
};

/* As libcurl knows them; the arguments of the others do not count. */
uint32_t gss_display_status(uint32_t *minor, uint32_t status, int kind, const void *mechanism,
                            uint32_t *more, struct gss_text *out);
uintptr_t gss_import_name(void);
uintptr_t libssh2_init(void);
uintptr_t libssh2_session_init_ex(void);
uintptr_t BrotliDecoderCreateInstance(void);
uintptr_t RTMP_Alloc(void);
uintptr_t ldap_start_tls(void);

static void test_first_steps_fail_as_the_library_would(void **state)
{
    (void)state;
    assert_int_equal(libssh2_init(), 0); /* or libcurl would not start */
    assert_int_equal(libssh2_session_init_ex(), 0);
    assert_int_equal(BrotliDecoderCreateInstance(), 0);
    assert_int_equal(RTMP_Alloc(), 0);
    assert_int_equal(gss_import_name(), GSS_FAILURE);
}

static void test_kerberos_tells_why_once(void **state)
{
    (void)state;
    struct gss_text text = {0};
    uint32_t minor = 7;
    uint32_t more = 7;
    assert_int_equal(gss_display_status(&minor, GSS_FAILURE, 1, NULL, &more, &text), 0);
    assert_int_equal(more, 0);
    assert_int_equal(strlen(text.text), text.len);
    assert_true(text.len > 0);
}

static void test_door_nobody_can_stand_behind_panics(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        (void)ldap_start_tls();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_steps_fail_as_the_library_would),
        cmocka_unit_test(test_kerberos_tells_why_once),
        cmocka_unit_test(test_door_nobody_can_stand_behind_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
