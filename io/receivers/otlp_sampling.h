/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sampling — sampling calls of X-Ray SDKs that came to a port of the OTLP receiver.
 *
 * A whole request becomes a question to the `awsxray` receiver's proxy on the egress thread; its
 * answer becomes the request's. What is a sampling call, and who may make it, is judged with all
 * other heads (otlp_http_judge). Shard-local.
 */
#pragma once

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/receivers/xray_asker.h"

struct http1_exchange;
struct otlp_port;

/* An exchange that was judged to be a sampling call, with its body; it is answered. */
void otlp_sampling_take(struct otlp_port *port, struct http1_exchange *exchange);
