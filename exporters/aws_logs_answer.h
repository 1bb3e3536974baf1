/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_answer — which events of a request a successful PutLogEvents did not take.
 *
 * The service refuses events by their place in the request: too old or expired ones at its
 * beginning, too new ones at its end; what lies between was taken. Pure.
 * Source: CloudWatch Logs API, RejectedLogEventsInfo.
 */
#pragma once

#include <stddef.h>

#include "core/base/slice.h"

/*
 * The events from first_index on, before limit_index, were taken; maybe none. Those before
 * too_old_index were too old, from there to first_index expired, and from limit_index on too new.
 */
struct aws_logs_taken {
    size_t too_old_index;
    size_t first_index;
    size_t limit_index;
};

/*
 * aws_logs_answer_read — what the body of a success says about a request of `event_count` events.
 *
 * Never fails: what cannot be read refuses nothing, because the status said that all went well.
 * Places beyond the request are taken as its end.
 */
struct aws_logs_taken aws_logs_answer_read(struct slice body, size_t event_count);
