/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_extension — type `awsproxy`: the sampling proxy alone, for applications whose segments
 * or spans come in by another way.
 *
 * To the program it is a receiver that no pipeline names: it is bound, started, drained and counted
 * as those are, and makes no telemetry. Its keys are those of `proxy_server` of `awsxray`, and it
 * signs what that one signs. Source: the Collector's `awsproxy`.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

/* Reads its keys and finishes the reader. 0 and *out, FAULT_CONFIG (reported) or -ENOMEM. */
WEIR_MUST_USE int xray_proxy_extension_new(struct config_reader *config, const char *id,
                                           struct receiver **out);
