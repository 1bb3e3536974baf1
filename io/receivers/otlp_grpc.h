/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc — OTLP/gRPC: the three Export calls of a port's grpc_server.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/grpc_server.h"

struct otlp_port;
struct otlp_shard;

/* Makes the grpc_server of a port, which knows the services that have a pipeline. */
void otlp_grpc_init(struct otlp_port *port, struct loop *loop);

/* Is this the path of one of OTLP's services, whether or not it has a pipeline? */
bool otlp_grpc_is_path(struct slice path);

/* The pipelines changed: so did what is known. */
void otlp_grpc_update(struct otlp_shard *shard);
