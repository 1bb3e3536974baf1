/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_call — an HTTP request, a timer between its attempts.
 */
#include "io/aws/retry_call.h"

#include <stdbool.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/loop.h"

static bool is_worth_repeating(const struct http_result *result)
{
    return result->fault != 0 || result->status == 429 || result->status >= 500;
}

static void call_on_done(struct http_request *request, const struct http_result *result)
{
    struct retry_call *call = CONTAINER_OF(request, struct retry_call, http);
    uint64_t pause_ns = RETRY_CALL_PAUSE_MS * CLOCK_NS_PER_MS * call->attempt_count;
    uint64_t due_mono_ns = loop_now_mono_ns(call->loop) + pause_ns;
    if (is_worth_repeating(result) && call->attempt_count < RETRY_CALL_ATTEMPTS_MAX &&
        loop_timer_arm(call->loop, &call->timer, due_mono_ns) == 0) {
        return;
    }
    call->on_done(call, result);
}

static void call_on_due(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct retry_call *call = CONTAINER_OF(timer, struct retry_call, timer);
    call->attempt_count++;
    int err = http_client_start(call->client, &call->http);
    if (err != 0) {
        const struct http_result result = {.fault = err, .fault_text = fault_text(err)};
        call->on_done(call, &result);
    }
}

int retry_call_start(struct retry_call *call)
{
    call->http.on_done = call_on_done;
    call->timer.on_fire = call_on_due;
    call->attempt_count = 1;
    return http_client_start(call->client, &call->http);
}

void retry_call_cancel(struct retry_call *call)
{
    if (call->loop == NULL) {
        return; /* never set up */
    }
    loop_timer_cancel(call->loop, &call->timer);
    http_client_cancel(call->client, &call->http);
}
