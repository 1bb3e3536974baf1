/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc — OTLP/gRPC: the three Export calls of a port's grpc_server.
 */
#pragma once

#include "core/base/defs.h"
#include "io/grpc_server.h"

struct otlp_port;
struct otlp_shard;

/* Makes the grpc_server of a port, which knows the services that have a pipeline. */
void otlp_grpc_init(struct otlp_port *port, struct loop *loop);

/* The pipelines changed: so did what is known. */
void otlp_grpc_update(struct otlp_shard *shard);
