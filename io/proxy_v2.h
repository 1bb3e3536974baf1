/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_v2 — the header by which a load balancer tells whose connection it forwards.
 *
 * Stands before the first byte of the protocol proper. Extensions (type-length-value) are checked
 * for their shape and passed over. Source: haproxy doc/proxy-protocol.txt section 2.2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"
#include "io/loop.h"

#define PROXY_V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define PROXY_V2_SIGNATURE_BYTES 12

struct proxy_v2 {
    size_t header_bytes; /* what follows is the protocol proper */
    bool is_local;       /* the balancer speaks for itself: a health check */
    /* False: an address we cannot use (LOCAL, AF_UNSPEC, datagrams); the connection's own counts.
     */
    bool has_source;
    struct loop_address source;
};

/*
 * proxy_v2_decode — the header at the beginning of `bytes`.
 *
 *   bytes   everything received so far, borrowed
 *   out     filled only on PARSE_DONE
 *   why     filled only on PARSE_BAD with a static phrase
 *
 * PARSE_MORE only for a true prefix of a header of at most PROXY_V2_MAX_BYTES.
 */
WEIR_MUST_USE enum parse proxy_v2_decode(struct slice bytes, struct proxy_v2 *out,
                                         const char **why);
