/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of sniff: each opening at every length, so that nothing is told too early or told twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "io/sniff.h"

#define HTTP1 SNIFF_BIT(SNIFF_HTTP1)
#define HTTP2 SNIFF_BIT(SNIFF_HTTP2)
#define TLS SNIFF_BIT(SNIFF_TLS)
#define PROXY SNIFF_BIT(SNIFF_PROXY)
#define STATSD SNIFF_BIT(SNIFF_STATSD)
#define ALL (HTTP1 | HTTP2 | TLS | PROXY | STATSD)
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* `told_at`: how many bytes it takes. */
struct opening {
    const char *bytes;
    size_t len;
    uint32_t allowed;
    enum sniff_kind kind;
    size_t told_at;
};

#define OPENING(text, allowed, kind, told_at)                                                      \
    {                                                                                              \
        text, sizeof(text) - 1, allowed, kind, told_at                                             \
    }

static const struct opening openings[] = {
    OPENING(PREFACE "more", ALL, SNIFF_HTTP2, 24),
    OPENING(PREFACE, HTTP2, SNIFF_HTTP2, 24),
    OPENING(PREFACE, HTTP1, SNIFF_HTTP1, 5),
    OPENING(PREFACE, STATSD, SNIFF_STATSD, 1),
    OPENING("PRI * HTTP/2.1\r\n\r\nSM", ALL, SNIFF_HTTP1, 14),
    OPENING("PRI * HTTP/2.1\r\n\r\nSM", HTTP2 | STATSD, SNIFF_STATSD, 14),
    OPENING("POST /v1/traces HTTP/1.1\r\n", ALL, SNIFF_HTTP1, 6),
    OPENING("POST /v1/traces HTTP/1.1\r\n", HTTP2, SNIFF_UNKNOWN, 2),
    OPENING("OPTIONS * HTTP/1.1\r\n", ALL, SNIFF_HTTP1, 9),
    OPENING("GET http://host/path HTTP/1.1\r\n", ALL, SNIFF_HTTP1, 8),
    OPENING("GET httq://host/path HTTP/1.1\r\n", HTTP1, SNIFF_UNKNOWN, 8),
    OPENING("M-SEARCH * HTTP/1.1\r\n", HTTP1, SNIFF_HTTP1, 10),
    OPENING("UPDATEREDIRECTREF / HTTP/1.1\r\n", HTTP1, SNIFF_HTTP1, 19),
    OPENING("UPDATEREDIRECTREFX / HTTP/1.1\r\n", HTTP1, SNIFF_UNKNOWN, 18),
    OPENING("get / HTTP/1.1\r\n", HTTP1, SNIFF_UNKNOWN, 1),
    OPENING(" / HTTP/1.1\r\n", HTTP1, SNIFF_UNKNOWN, 1),
    OPENING("GET  / HTTP/1.1\r\n", HTTP1, SNIFF_UNKNOWN, 5),
    OPENING("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ALL, SNIFF_TLS, 6),
    OPENING("\x16\x03\x03\x02\x00\x01", TLS, SNIFF_TLS, 6),
    OPENING("\x16\x03\x03\x02\x00\x02", TLS | HTTP1, SNIFF_UNKNOWN, 6),
    OPENING("\x16\x03\x05\x02\x00\x01", TLS, SNIFF_UNKNOWN, 3),
    OPENING("\x16\x02\x01\x02\x00\x01", TLS, SNIFF_UNKNOWN, 2),
    OPENING("\x16\x03\x01\x02\x00\x01", HTTP1 | HTTP2, SNIFF_UNKNOWN, 1),
    OPENING("\r\n\r\n\0\r\nQUIT\n\x21\x11", ALL, SNIFF_PROXY, 12),
    OPENING("\r\n\r\n\0\r\nQUIT\n\x21\x11", HTTP1, SNIFF_UNKNOWN, 1),
    OPENING("\r\n\r\n\0\r\nQUIX\n\x21\x11", PROXY | STATSD, SNIFF_STATSD, 11),
    OPENING("page.views:1|c\n", ALL, SNIFF_STATSD, 1),
    OPENING("Page.views:1|c\n", ALL, SNIFF_STATSD, 2),
    OPENING("GET:1|c\n", ALL, SNIFF_STATSD, 4),
    OPENING("GET ok:1|c\n", ALL, SNIFF_STATSD, 5),
    OPENING("PRIMES:1|c\n", ALL, SNIFF_STATSD, 7),
    OPENING("AVERYLONGMETRICNAMEINDEED:1|c\n", ALL, SNIFF_STATSD, 18),
    OPENING("page.views:1|c\n", HTTP1 | HTTP2 | TLS, SNIFF_UNKNOWN, 1),
};

static void test_every_opening_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        const struct opening *o = &openings[i];
        for (size_t len = 0; len <= o->len; len++) {
            enum sniff_kind kind = sniff_protocol(slice_of(o->bytes, len), o->allowed);
            enum sniff_kind expected = len < o->told_at ? SNIFF_MORE : o->kind;
            if (kind != expected) {
                fail_msg("%zu bytes of '%.20s': %s, not %s", len, o->bytes, sniff_text(kind),
                         sniff_text(expected));
            }
        }
    }
}

static void test_what_is_told_stays_told(void **state)
{
    (void)state;
    uint32_t random = 1;
    static const char alphabet[] = "PRI * HTTP/2.0\r\n\r\nSM\x16\x03\x01GETPOST/abc:|\0";
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[SNIFF_MAX_BYTES + 4];
        size_t base_len = round % 3 == 0 ? round / 3 % SNIFF_MAX_BYTES : 0;
        memcpy(bytes, PREFACE, SNIFF_MAX_BYTES);
        for (size_t i = base_len; i < sizeof(bytes); i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (uint8_t)alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        uint32_t allowed = (random >> 8) & ALL;
        enum sniff_kind told = SNIFF_MORE;
        for (size_t len = 0; len <= sizeof(bytes); len++) {
            enum sniff_kind kind = sniff_protocol(slice_of(bytes, len), allowed);
            assert_true(told == SNIFF_MORE || kind == told);
            assert_true(kind != SNIFF_MORE || len < SNIFF_MAX_BYTES);
            assert_true(kind <= SNIFF_UNKNOWN || (allowed & SNIFF_BIT(kind)) != 0);
            told = kind;
        }
    }
}

static void test_nothing_allowed_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(sniff_protocol(slice_of("GET /", 5), 0), SNIFF_UNKNOWN);
    assert_int_equal(sniff_protocol(slice_of(NULL, 0), 0), SNIFF_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_opening_at_every_length),
        cmocka_unit_test(test_what_is_told_stays_told),
        cmocka_unit_test(test_nothing_allowed_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
