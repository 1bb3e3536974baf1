/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server_health — grpc.health.v1.Health/Check for load balancers and orchestrators.
 *
 * Knows the services of the server and the whole of it (""). Watch is not offered: clients take
 * UNIMPLEMENTED for healthy. Source: grpc/doc/health-checking.md.
 */
#include "core/base/fault.h"
#include "core/otlp/pb_wire.h"
#include "io/grpc_server_call.h"

#define FIELD_SERVICE 1
#define STATE_SERVING 1
#define STATE_NOT_SERVING 2

static int read_service(struct slice message, struct slice *out)
{
    struct pb_reader in = pb_reader_of(message);
    *out = slice_of(NULL, 0);
    while (in.pos != in.end) {
        uint32_t number = 0;
        uint32_t wire_type = 0;
        int err = pb_read_tag(&in, &number, &wire_type);
        if (err == 0 && number == FIELD_SERVICE && wire_type == PB_WIRE_BYTES) {
            err = pb_read_bytes(&in, out);
        } else if (err == 0) {
            err = pb_skip_field(&in, number, wire_type, PB_DEPTH_MAX);
        }
        if (err != 0) {
            return FAULT_MALFORMED;
        }
    }
    return 0;
}

static bool is_known(const struct grpc_server *server, struct slice service)
{
    bool is_found = service.len == 0;
    for (size_t i = 0; i < server->options.method_count && !is_found; i++) {
        is_found = slice_is_text(service, server->options.methods[i].service);
    }
    return is_found;
}

void grpc_server_check_health(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    struct slice service;
    if (call->is_compressed) {
        grpc_call_fail(call, GRPC_UNIMPLEMENTED,
                       SLICE_LITERAL("compressed health checks are not supported"),
                       GRPC_NO_RETRY_DELAY);
        return;
    }
    if (read_service(grpc_call_message(call), &service) != 0) {
        grpc_call_fail(call, GRPC_INTERNAL,
                       SLICE_LITERAL("grpc: error unmarshalling request: malformed protobuf"),
                       GRPC_NO_RETRY_DELAY);
        return;
    }
    if (!is_known(server, service)) {
        grpc_call_fail(call, GRPC_NOT_FOUND, SLICE_LITERAL("unknown service"), GRPC_NO_RETRY_DELAY);
        return;
    }
    const uint8_t answer[] = {0x08, server->is_serving ? STATE_SERVING : STATE_NOT_SERVING};
    grpc_call_respond(call, slice_of(answer, sizeof(answer)));
}
