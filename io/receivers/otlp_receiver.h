/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_receiver — type `otlp`: traces, metrics and logs over gRPC and HTTP.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

/* Reads its keys and finishes the reader. 0 and *out, FAULT_CONFIG (reported) or -ENOMEM. */
WEIR_MUST_USE int otlp_receiver_new(struct config_reader *config, const char *id,
                                    struct receiver **out);
