/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_receiver — type `awsxray`: segments of the X-Ray SDKs over UDP, and the proxy that signs
 * their sampling calls.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

struct xray_proxy;

/* Reads its keys and finishes the reader. 0 and *out, FAULT_CONFIG (reported) or -ENOMEM. */
WEIR_MUST_USE int xray_receiver_new(struct config_reader *config, const char *id,
                                    struct receiver **out);

/* Its sampling proxy, for calls that come on other receivers' ports; the egress thread's. Borrowed
 * until the receiver is closed. */
struct xray_proxy *xray_receiver_proxy(struct receiver *receiver);
