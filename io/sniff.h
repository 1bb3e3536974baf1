/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sniff — which protocol do the first bytes of a connection belong to?
 *
 * A pure function over what has come so far; nothing is remembered and nothing is consumed. Used by
 * tcp_front, where one port serves several protocols. Sources: RFC 9113 section 3.4, RFC 9112
 * section 3, RFC 8446 section 5.1, the PROXY protocol's version 2.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* The longest look that is ever needed: the preface of HTTP/2. */
#define SNIFF_MAX_BYTES 24

enum sniff_kind {
    SNIFF_MORE,    /* these bytes begin more than one protocol, or none is sure yet */
    SNIFF_UNKNOWN, /* none of those that are allowed */
    SNIFF_HTTP1,   /* METHOD SP, then '/', '*' or an absolute target */
    SNIFF_HTTP2,   /* the whole preface */
    SNIFF_TLS,     /* 16 03 and a ClientHello */
    SNIFF_PROXY,   /* the signature of a PROXY header, version 2 */
    SNIFF_STATSD,  /* where allowed: whatever is none of the above */
};

/* Bits of what is allowed. */
#define SNIFF_BIT(kind) (UINT32_C(1) << (kind))

/*
 * sniff_protocol — judges the first bytes of a connection.
 *
 *   bytes    everything received so far, borrowed; may be empty
 *   allowed  SNIFF_BITs of HTTP1 to STATSD
 *
 * Adding bytes turns MORE into any answer and no other answer into another one. Never MORE with
 * SNIFF_MAX_BYTES or more.
 */
enum sniff_kind sniff_protocol(struct slice bytes, uint32_t allowed);

/* "HTTP/1.1", "HTTP/2", "TLS", "PROXY", "StatsD", "more", "unknown". */
const char *sniff_text(enum sniff_kind kind);
