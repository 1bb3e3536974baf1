/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_call — a small HTTP request that is repeated where trying again soon may help.
 *
 * For metadata endpoints and STS: no answer, 429 and 5xx are tried again after a short pause, three
 * attempts in all. Loop-local.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/timer.h"
#include "io/http_client.h"

#define RETRY_CALL_ATTEMPTS_MAX 3
/* Before the second attempt; twice as much before the third. */
#define RETRY_CALL_PAUSE_MS 100
#define RETRY_CALL_RESPONSE_MAX_BYTES 65536

struct loop;
struct retry_call;

/* Once per started call, from a later turn; it may be started again from inside. */
typedef void(retry_call_fn)(struct retry_call *call, const struct http_result *result);

/* Embedded in its owner, who fills loop, client, on_done and `http` but for its on_done. */
struct retry_call {
    struct loop *loop;          /* borrowed */
    struct http_client *client; /* borrowed until it is done or cancelled */
    retry_call_fn *on_done;
    struct http_request http;
    struct timer timer; /* private, and so is what follows */
    uint32_t attempt_count;
};

/* 0, or as http_client_start, and then no on_done follows. */
WEIR_MUST_USE int retry_call_start(struct retry_call *call);

/* No on_done follows. Fine for one that is not under way. */
void retry_call_cancel(struct retry_call *call);
