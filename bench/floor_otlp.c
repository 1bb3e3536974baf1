/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_otlp — receives gRPC or HTTP/1.1 requests and answers them with success: the bench's sink
 * without its counting.
 */
#include <errno.h>
#include <stdio.h>

#include "bench/floor.h"
#include "bench/otlp/otlp_sink.h"
#include "core/base/mem.h"

int floor_otlp_run(struct floor_thread *thread)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", (int)thread->port);
    const struct otlp_sink_options options = {
        .address = address,
        .cancel = thread->is_stopping,
    };
    struct otlp_sink *sink = mem_alloc(sizeof(*sink));
    if (sink == NULL) {
        return -ENOMEM;
    }
    const int err = otlp_sink_init(sink, &options);
    if (err == 0) {
        otlp_sink_run(sink);
        thread->counts.receive_count = sink->request_count;
        thread->counts.datagram_count = sink->request_count;
        thread->counts.byte_count = sink->body_bytes;
    }
    otlp_sink_fini(sink);
    mem_free(sink);
    return err;
}
