/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ask — one question to the sampling proxy, whoever puts it: an exchange on the proxy's own
 * port, or a shard that serves a port of another receiver.
 *
 * Embedded in its owner, who is told the answer exactly once. Loop-local, on the egress thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct xray_ask;
struct xray_proxy_call;

/* What of a client's head goes on to X-Ray, beside method and target. */
enum xray_ask_header {
    XRAY_ASK_CONTENT_TYPE,
    XRAY_ASK_ACCEPT,
    XRAY_ASK_TIMESTAMP,
};
#define XRAY_ASK_HEADER_COUNT 3

/* An answer; all slices are borrowed until the callback returns, and empty where there is none. */
struct xray_told {
    uint32_t status;
    struct slice content_type;
    struct slice body;
    struct slice error_type; /* X-Amzn-ErrorType */
    struct slice request_id; /* X-Amzn-RequestId */
};

/* The answer. The proxy is done with the ask, whose memory may go from inside. */
typedef void(xray_tell_fn)(struct xray_ask *ask, const struct xray_told *told);

struct xray_ask {
    xray_tell_fn *tell; /* set by the owner, as all up to the body */
    struct slice method;
    struct slice path;
    struct slice query;                          /* without the '?' */
    struct slice headers[XRAY_ASK_HEADER_COUNT]; /* empty: not there */
    struct slice body;            /* all of these borrowed while xray_proxy_ask runs */
    struct xray_proxy_call *call; /* the proxy's: whose answer it waits for */
    struct xray_ask *next;
    struct xray_ask *prev;
};

/* "content-type", "accept", "x-amzn-xray-timestamp"; static. */
const char *xray_ask_header_name(enum xray_ask_header header);

/* Is it a call for sampling rules or targets, to the letter? Nothing else is signed for strangers.
 */
bool xray_ask_is_sampling(struct slice method, struct slice path, struct slice query);

/* Is it the one whose answers may be shared? */
bool xray_ask_is_for_rules(struct slice method, struct slice path, struct slice query);
