/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/resolve: literal addresses at once, names by the helper, with libc's own resolver and
 * the names every machine has.
 */
#include "io/io_bounds.h"
#include "io/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/helper.h"
#include "tests/support/loop_fixture.h"

static uint64_t done_count;
static int fault;
static char fault_text[128];
static struct loop_address addresses[RESOLVE_ADDRESSES_MAX];
static uint32_t address_count;

static void take_result(void *owner, const struct resolve_result *result)
{
    assert_ptr_equal(owner, &done_count);
    done_count++;
    fault = result->fault;
    (void)strncpy(fault_text, result->fault_text, sizeof(fault_text) - 1);
    address_count = result->address_count;
    memcpy(addresses, result->addresses, address_count * sizeof(addresses[0]));
}

static struct helper_port *open_port(void **state)
{
    struct helper_port *port = NULL;
    done_count = 0;
    assert_int_equal(helper_port_open(*state, &port), 0);
    return port;
}

static void test_literals_need_no_lookup(void **state)
{
    (void)state;
    struct loop_address address;
    char text[INET6_ADDRSTRLEN];
    assert_true(resolve_literal("192.0.2.7", 4317, &address));
    assert_int_equal(address.any.sa_family, AF_INET);
    assert_int_equal(address.in4.sin_port, htons(4317));
    assert_string_equal(inet_ntop(AF_INET, &address.in4.sin_addr, text, sizeof(text)), "192.0.2.7");
    assert_true(resolve_literal("2001:db8::1", 1, &address));
    assert_int_equal(address.any.sa_family, AF_INET6);
    assert_int_equal(address.in6.sin6_port, htons(1));
    assert_true(resolve_literal("fe80::1%lo", 1, &address));
    assert_int_not_equal(address.in6.sin6_scope_id, 0);
    assert_false(resolve_literal("localhost", 1, &address));
    assert_false(resolve_literal("", 1, &address));
    assert_false(resolve_literal("1.2.3.4.5", 1, &address));
}

static void test_a_name_becomes_addresses_with_the_port(void **state)
{
    struct helper_port *port = open_port(state);
    struct resolve *resolve = NULL;
    assert_int_equal(resolve_start(port, "localhost", 4317, &resolve, &done_count, take_result), 0);
    assert_int_equal(done_count, 0);
    loop_fixture_until(*state, &done_count);
    assert_int_equal(fault, 0);
    assert_true(address_count >= 1);
    for (uint32_t i = 0; i < address_count; i++) {
        bool is_v4 = addresses[i].any.sa_family == AF_INET;
        assert_int_equal(is_v4 ? addresses[i].in4.sin_port : addresses[i].in6.sin6_port,
                         htons(4317));
        for (uint32_t j = 0; j < i; j++) {
            assert_true(addresses[i].len != addresses[j].len ||
                        memcmp(&addresses[i].any, &addresses[j].any, addresses[i].len) != 0);
        }
    }
    helper_port_close(port);
    loop_fixture_run(*state, CLOCK_NS_PER_MS);
}

static void test_a_name_that_is_none_says_so(void **state)
{
    struct helper_port *port = open_port(state);
    struct resolve *resolve = NULL;
    assert_int_equal(resolve_start(port, "no such name", 1, &resolve, &done_count, take_result), 0);
    loop_fixture_until(*state, &done_count);
    assert_true(fault < 0);
    assert_int_equal(address_count, 0);
    assert_true(fault_text[0] != '\0');
    helper_port_close(port);
    loop_fixture_run(*state, CLOCK_NS_PER_MS);
}

static void test_a_cancelled_lookup_tells_nothing(void **state)
{
    struct helper_port *port = open_port(state);
    struct resolve *resolve = NULL;
    assert_int_equal(resolve_start(port, "localhost", 1, &resolve, &done_count, take_result), 0);
    resolve_cancel(resolve);
    resolve_cancel(NULL);
    struct resolve *second = NULL;
    assert_int_equal(resolve_start(port, "localhost", 1, &second, &done_count, take_result), 0);
    loop_fixture_until(*state, &done_count);
    assert_int_equal(done_count, 1);
    helper_port_close(port);
    loop_fixture_run(*state, CLOCK_NS_PER_MS);
}

static void test_limits_and_memory_are_answered(void **state)
{
    struct helper_port *port = open_port(state);
    struct resolve *resolve = NULL;
    char host[SOCKET_HOST_MAX_BYTES + 2];
    memset(host, 'a', sizeof(host));
    host[SOCKET_HOST_MAX_BYTES + 1] = '\0';
    assert_int_equal(resolve_start(port, host, 1, &resolve, &done_count, take_result),
                     -ENAMETOOLONG);
    mem_fail_nth(1);
    assert_int_equal(resolve_start(port, "localhost", 1, &resolve, &done_count, take_result),
                     -ENOMEM);
    mem_fail_nth(0);
    host[SOCKET_HOST_MAX_BYTES] = '\0';
    assert_int_equal(resolve_start(port, host, 1, &resolve, &done_count, take_result), 0);
    helper_port_close(port); /* discards it */
    loop_fixture_run(*state, CLOCK_NS_PER_MS);
    assert_int_equal(done_count, 0);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals_need_no_lookup),
        LOOP_TEST(test_a_name_becomes_addresses_with_the_port),
        LOOP_TEST(test_a_name_that_is_none_says_so),
        LOOP_TEST(test_a_cancelled_lookup_tells_nothing),
        LOOP_TEST(test_limits_and_memory_are_answered),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
