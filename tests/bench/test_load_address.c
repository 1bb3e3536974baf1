/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench reaches loopback and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench/load_address.h"

static void test_loopback_is_taken(void **state)
{
    (void)state;
    struct load_address a;
    assert_int_equal(load_address_parse("127.0.0.1:8125", &a), 0);
    assert_int_equal(load_address_port(&a), 8125);
    assert_int_equal(load_address_parse("127.255.255.255:1", &a), 0);
    assert_int_equal(load_address_parse("localhost:65535", &a), 0);
    assert_int_equal(load_address_parse("[::1]:8125", &a), 0);
    assert_int_equal(a.any.sa_family, AF_INET6);
    assert_int_equal(load_address_port(&a), 8125);
}

static void test_everything_else_is_refused(void **state)
{
    (void)state;
    struct load_address a;
    assert_int_equal(load_address_parse("128.0.0.1:8125", &a), -EACCES);
    assert_int_equal(load_address_parse("126.255.255.255:8125", &a), -EACCES);
    assert_int_equal(load_address_parse("0.0.0.0:8125", &a), -EACCES);
    assert_int_equal(load_address_parse("[::2]:8125", &a), -EINVAL);
    assert_int_equal(load_address_parse("example.com:8125", &a), -EINVAL);
    assert_int_equal(load_address_parse("127.0.0.1:65536", &a), -EINVAL);
    assert_int_equal(load_address_parse("127.0.0.1:", &a), -EINVAL);
    assert_int_equal(load_address_parse("127.0.0.1", &a), -EINVAL);
}

static void test_paths_end_where_the_kernel_ends_them(void **state)
{
    (void)state;
    struct load_address a;
    char path[109];
    memset(path, 'p', sizeof(path));
    path[107] = '\0';
    assert_int_equal(load_address_of_path(path, &a), 0);
    path[107] = 'p';
    path[108] = '\0';
    assert_int_equal(load_address_of_path(path, &a), -ENAMETOOLONG);
    assert_int_equal(load_address_of_path("", &a), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loopback_is_taken),
        cmocka_unit_test(test_everything_else_is_refused),
        cmocka_unit_test(test_paths_end_where_the_kernel_ends_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
