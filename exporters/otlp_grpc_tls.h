/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_tls — the TLS context of one exporter, with its files read again when they change.
 *
 * Reading happens on the helper's thread. Egress-local otherwise.
 */
#pragma once

#include "core/base/defs.h"
#include "io/loop.h"
#include "io/tls.h"

struct otlp_grpc_tls;

/*
 * otlp_grpc_tls_open — builds the context; its first files are read here, at start.
 *
 *   id   of the exporter, for the log; borrowed until close
 *
 * 0 and *out moves out; what tls_context_new answers, which was logged; -ENOMEM.
 */
WEIR_MUST_USE int otlp_grpc_tls_open(struct loop *loop, const struct tls_settings *settings,
                                     const char *id, struct otlp_grpc_tls **out);

/* For connections to come; borrowed until close. */
struct tls_context *otlp_grpc_tls_context(const struct otlp_grpc_tls *tls);

/* NULL is fine. Sessions under way live on. The loop needs one more turn. */
void otlp_grpc_tls_close(struct otlp_grpc_tls *tls);
