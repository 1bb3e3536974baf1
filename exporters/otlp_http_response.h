/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_response — what a receiver of OTLP/HTTP answered: which statuses are worth a repeat,
 * how many items were refused, and its words for the log.
 *
 * Source: OTLP specification, "OTLP/HTTP Response".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "exporters/sender.h"
#include "io/http_client.h"

/* 2xx is accepted; 429, 502, 503 and 504 are retryable; everything else is refused for good. */
enum send_outcome otlp_http_judge_status(uint32_t status);

/*
 * otlp_http_read_response — an HTTP answer becomes the result of an attempt.
 *
 *   result        borrowed; an answer came (fault 0)
 *   item_count    of the batch: no more can have been refused, whatever the peer says
 *   arena         scratch; out->reason may borrow from it, or from the answer
 *
 * A body that cannot be read, or was cut, changes nothing about what its status says.
 */
void otlp_http_read_response(const struct http_result *result, enum signal signal,
                             uint64_t item_count, struct arena *arena, struct send_result *out);
