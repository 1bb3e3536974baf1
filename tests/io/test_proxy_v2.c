/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of proxy_v2: headers of every family, cut at every byte, and what is no header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "io/io_bounds.h"
#include "io/proxy_v2.h"

#define MARK PROXY_V2_SIGNATURE
#define IPV4 MARK "\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x30\x39\x10\xdd"
#define IPV6                                                                                       \
    MARK "\x21\x21\x00\x24"                                                                        \
         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                              \
         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"                                              \
         "\x30\x39\x10\xdd"

static struct proxy_v2 header;
static const char *why;

static enum parse decode(const void *bytes, size_t len)
{
    header = (struct proxy_v2){0};
    why = NULL;
    return proxy_v2_decode(slice_of(bytes, len), &header, &why);
}

/* Each shorter run wants more; whatever follows the header is left alone. */
static void expect_done(const char *bytes, size_t len)
{
    uint8_t longer[1024];
    assert_true(len + 5 < sizeof(longer));
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(decode(bytes, cut), PARSE_MORE);
        assert_int_equal(header.header_bytes, 0);
    }
    memcpy(longer, bytes, len);
    memcpy(longer + len, "POST ", 5);
    assert_int_equal(decode(longer, len + 5), PARSE_DONE);
    assert_int_equal(header.header_bytes, len);
    assert_null(why);
}

static void test_ipv4_names_the_client(void **state)
{
    (void)state;
    expect_done(IPV4, sizeof(IPV4) - 1);
    assert_true(header.has_source && !header.is_local);
    assert_int_equal(header.source.len, sizeof(struct sockaddr_in));
    assert_int_equal(header.source.in4.sin_family, AF_INET);
    assert_int_equal(ntohl(header.source.in4.sin_addr.s_addr), 0x0a010203);
    assert_int_equal(ntohs(header.source.in4.sin_port), 12345);
}

static void test_ipv6_names_the_client(void **state)
{
    (void)state;
    expect_done(IPV6, sizeof(IPV6) - 1);
    assert_true(header.has_source);
    char text[INET6_ADDRSTRLEN];
    assert_non_null(inet_ntop(AF_INET6, &header.source.in6.sin6_addr, text, sizeof(text)));
    assert_string_equal(text, "2001:db8::7");
    assert_int_equal(ntohs(header.source.in6.sin6_port), 12345);
    assert_int_equal(header.source.len, sizeof(struct sockaddr_in6));
}

static void test_extensions_are_passed_over(void **state)
{
    (void)state;
    static const char bytes[] =
        MARK "\x21\x11\x00\x1a\x0a\x01\x02\x03\x0a\x00\x00\x01\x30\x39\x10\xdd"
             "\xea\x00\x05\x01vpce\x03\x00\x00\x04\x00\x00";
    expect_done(bytes, sizeof(bytes) - 1);
    assert_true(header.has_source);
}

static void test_headers_without_an_address_of_use(void **state)
{
    (void)state;
    static const char health_check[] = MARK "\x20\x00\x00\x00";
    static const char odd_check[] = MARK "\x20\x00\x00\x05\xff\xff\xff\xff\xff";
    static const char unspecified[] = MARK "\x21\x00\x00\x00";
    static const char datagram[] =
        MARK "\x21\x12\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x30\x39\x10\xdd";
    expect_done(health_check, sizeof(health_check) - 1);
    assert_true(header.is_local && !header.has_source);
    expect_done(odd_check, sizeof(odd_check) - 1);
    assert_true(header.is_local);
    expect_done(unspecified, sizeof(unspecified) - 1);
    assert_true(!header.is_local && !header.has_source);
    expect_done(datagram, sizeof(datagram) - 1);
    assert_true(!header.has_source);
}

static void expect_bad(const char *bytes, size_t len, const char *expected)
{
    assert_int_equal(decode(bytes, len), PARSE_BAD);
    assert_string_equal(why, expected);
    assert_int_equal(header.header_bytes, 0);
}

static void test_what_is_no_header(void **state)
{
    (void)state;
    expect_bad("GET / HTTP/1.1", 14, "no PROXY header");
    expect_bad("G", 1, "no PROXY header");
    expect_bad("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", 33, "no PROXY header");
    expect_bad(MARK "\x11", 13, "unknown version or command");
    expect_bad(MARK "\x22", 13, "unknown version or command");
    expect_bad(MARK "\x21\x41\x00\x00", 16, "unknown address family");
    expect_bad(MARK "\x21\x13\x00\x00", 16, "unknown address family");
    expect_bad(MARK "\x21\x11\x00\x0b\0\0\0\0\0\0\0\0\0\0\0", 27, "addresses cut short");
    expect_bad(MARK "\x21\x00\x00\x02\x04\x00", 18, "malformed extension");
    expect_bad(MARK "\x21\x00\x00\x04\x04\x00\x02\x00", 20, "malformed extension");
}

static void test_the_longest_header_and_one_past(void **state)
{
    (void)state;
    static uint8_t bytes[PROXY_V2_MAX_BYTES + 8];
    uint32_t body_bytes = PROXY_V2_MAX_BYTES - 16;
    memcpy(bytes, MARK "\x20\x00", 14);
    bytes[14] = (uint8_t)(body_bytes >> 8);
    bytes[15] = (uint8_t)body_bytes;
    assert_int_equal(decode(bytes, PROXY_V2_MAX_BYTES - 1), PARSE_MORE);
    assert_int_equal(decode(bytes, PROXY_V2_MAX_BYTES), PARSE_DONE);
    bytes[14] = (uint8_t)((body_bytes + 1) >> 8);
    bytes[15] = (uint8_t)(body_bytes + 1);
    assert_int_equal(decode(bytes, 16), PARSE_BAD);
    assert_string_equal(why, "header too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_names_the_client),
        cmocka_unit_test(test_ipv6_names_the_client),
        cmocka_unit_test(test_extensions_are_passed_over),
        cmocka_unit_test(test_headers_without_an_address_of_use),
        cmocka_unit_test(test_what_is_no_header),
        cmocka_unit_test(test_the_longest_header_and_one_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
