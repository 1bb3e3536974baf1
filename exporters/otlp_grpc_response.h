/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_response — what a receiver of OTLP/gRPC answered: worth a repeat or not, how many items
 * were refused, and its words for the log.
 *
 * Source: OTLP specification, "OTLP/gRPC Response", "Failures", "OTLP/gRPC Throttling".
 */
#pragma once

#include <stdint.h>

#include "codecs/bytes.h"
#include "exporters/sender.h"
#include "io/grpc_client.h"

/*
 * otlp_grpc_read_result — what came of a call becomes the result of an attempt.
 *
 *   item_count   of the batch: no more can have been refused, whatever the peer says
 *   scratch      for a compressed answer; out->reason may borrow from it, or from `result`
 *
 * An answer that cannot be read changes nothing about what its status says.
 */
void otlp_grpc_read_result(const struct grpc_client_result *result, uint64_t item_count,
                           struct bytes *scratch, struct send_result *out);
