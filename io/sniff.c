/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sniff — each protocol is asked whether the bytes are its own, may become so, or cannot.
 *
 * The preface of HTTP/2 looks like a request line, so HTTP/2 is asked first and waited for. StatsD
 * has no mark of its own: it is what is left once nothing else is possible.
 */
#include "io/sniff.h"

#include "core/base/bounds.h"
#include "io/proxy_v2.h"

/* Longest method that is looked for; the registry's longest is UPDATEREDIRECTREF with 17. */
#define METHOD_MAX_BYTES 17
/* Record header and the type of the handshake message. */
#define TLS_HELLO_BYTES 6

enum answer { ANSWER_NO, ANSWER_MAYBE, ANSWER_YES };

/* Are the bytes the beginning of `mark`, or is it of them? */
static enum answer ask_prefix(struct slice bytes, struct slice mark)
{
    size_t len = bytes.len < mark.len ? bytes.len : mark.len;
    if (!slice_equal(slice_first(bytes, len), slice_first(mark, len))) {
        return ANSWER_NO;
    }
    return len == mark.len ? ANSWER_YES : ANSWER_MAYBE;
}

static enum answer ask_http2(struct slice bytes)
{
    return ask_prefix(bytes, SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
}

static enum answer ask_proxy(struct slice bytes)
{
    return ask_prefix(bytes, slice_of(PROXY_V2_SIGNATURE, PROXY_V2_SIGNATURE_BYTES));
}

/*
 *     16 03 vv  ll ll  01
 *     record    length ClientHello
 */
static enum answer ask_tls(struct slice bytes)
{
    static const uint8_t mark[] = {0x16, 0x03};
    enum answer answer = ask_prefix(bytes, slice_of(mark, sizeof(mark)));
    if (answer != ANSWER_YES) {
        return answer;
    }
    if (bytes.len > 2 && bytes.ptr[2] > 0x04) {
        return ANSWER_NO;
    }
    if (bytes.len < TLS_HELLO_BYTES) {
        return ANSWER_MAYBE;
    }
    return bytes.ptr[TLS_HELLO_BYTES - 1] == 0x01 ? ANSWER_YES : ANSWER_NO;
}

static bool is_method_byte(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || c == '-';
}

/*
 *     POST /v1/traces HTTP/1.1      OPTIONS * HTTP/1.1      POST http://host/v1/traces HTTP/1.1
 *         ^^                               ^^                   ^^^^^^
 */
static enum answer ask_http1(struct slice bytes)
{
    size_t len = 0;
    while (len < bytes.len && is_method_byte(bytes.ptr[len])) {
        len++;
    }
    if (len > METHOD_MAX_BYTES) {
        return ANSWER_NO;
    }
    if (len == bytes.len) {
        return ANSWER_MAYBE;
    }
    if (len == 0 || bytes.ptr[len] != ' ') {
        return ANSWER_NO;
    }
    struct slice target = slice_from(bytes, len + 1);
    if (target.len == 0) {
        return ANSWER_MAYBE;
    }
    if (target.ptr[0] == '/' || target.ptr[0] == '*') {
        return ANSWER_YES;
    }
    return ask_prefix(target, SLICE_LITERAL("http"));
}

/* Room for the longest method and the mark of an absolute target, and for the preface. */
_Static_assert(METHOD_MAX_BYTES + 1 + 4 <= SNIFF_MAX_BYTES, "HTTP/1 is told in time");
_Static_assert(PROXY_V2_SIGNATURE_BYTES <= SNIFF_MAX_BYTES, "PROXY is told in time");

enum sniff_kind sniff_protocol(struct slice bytes, uint32_t allowed)
{
    static const struct {
        enum sniff_kind kind;
        enum answer (*ask)(struct slice bytes);
    } marks[] = {
        {SNIFF_PROXY, ask_proxy},
        {SNIFF_TLS, ask_tls},
        {SNIFF_HTTP2, ask_http2},
        {SNIFF_HTTP1, ask_http1},
    };
    if (bytes.len == 0) {
        return SNIFF_MORE;
    }
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        bool is_allowed = (allowed & SNIFF_BIT(marks[i].kind)) != 0;
        enum answer answer = is_allowed ? marks[i].ask(bytes) : ANSWER_NO;
        if (answer == ANSWER_YES) {
            return marks[i].kind;
        }
        if (answer == ANSWER_MAYBE) {
            return SNIFF_MORE;
        }
    }
    return (allowed & SNIFF_BIT(SNIFF_STATSD)) != 0 ? SNIFF_STATSD : SNIFF_UNKNOWN;
}

const char *sniff_text(enum sniff_kind kind)
{
    switch (kind) {
    case SNIFF_MORE:
        return "more";
    case SNIFF_UNKNOWN:
        break;
    case SNIFF_HTTP1:
        return "HTTP/1.1";
    case SNIFF_HTTP2:
        return "HTTP/2";
    case SNIFF_TLS:
        return "TLS";
    case SNIFF_PROXY:
        return "PROXY";
    case SNIFF_STATSD:
        return "StatsD";
    }
    return "unknown";
}
