/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: h2_server_adopt and what follows, grpc_server_take, grpc_server_read_head.
 *
 * The first byte picks how the input is cut and what is held, the second whether the preface is
 * given; the rest is what a peer sends. Every user hears of its stream's end exactly once, every
 * call is answered once, the gate's book balances, and nothing is left when the server is gone.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/channel.h"
#include "io/grpc_server.h"
#include "tests/support/fake_loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define CALLS_MAX 64
#define MESSAGE_MAX_BYTES 65536

static struct run {
    struct h2_server server;
    struct grpc_server grpc;
    struct grpc_call *held[CALLS_MAX];
    uint64_t admitted_bytes;
    bool is_closed;
    bool is_holding;
} run;

static enum grpc_admission run_on_admit(struct grpc_server *server, struct grpc_call *call,
                                        uint32_t wire_bytes)
{
    (void)server;
    (void)call;
    ASSERT(wire_bytes > 0 && wire_bytes <= MESSAGE_MAX_BYTES);
    if (wire_bytes % 7 == 6) {
        return GRPC_REFUSED;
    }
    run.admitted_bytes += wire_bytes;
    return GRPC_ADMITTED;
}

static void run_on_release(struct grpc_server *server, struct grpc_call *call, uint32_t wire_bytes)
{
    (void)server;
    (void)call;
    ASSERT(wire_bytes <= run.admitted_bytes);
    run.admitted_bytes -= wire_bytes;
}

static void run_on_call(struct grpc_server *server, struct grpc_call *call)
{
    (void)server;
    struct slice message = grpc_call_message(call);
    ASSERT(message.len <= run.admitted_bytes);
    run.admitted_bytes -= message.len;
    ASSERT(grpc_call_path(call).len > 0);
    for (size_t i = 0; i < CALLS_MAX && run.is_holding; i++) {
        if (run.held[i] == NULL) {
            run.held[i] = call;
            return;
        }
    }
    if (message.len > 0 && message.ptr[0] == 'f') {
        grpc_call_fail(call, GRPC_UNAVAILABLE, message, message.len);
        return;
    }
    grpc_call_respond(call, message);
}

static void run_on_cancel(struct grpc_server *server, struct grpc_call *call)
{
    (void)server;
    ASSERT(grpc_call_stream(call) == NULL);
}

static const struct grpc_server_ops GRPC_OPS = {
    .on_admit = run_on_admit,
    .on_release = run_on_release,
    .on_call = run_on_call,
    .on_cancel = run_on_cancel,
};

static void run_on_head(struct h2_server *server, struct h2_stream *stream)
{
    (void)server;
    for (size_t i = 0; i < h2_stream_field_count(stream); i++) {
        struct h2_field field = h2_stream_field(stream, i);
        ASSERT(field.name.len > 0 && field.name.ptr[0] != ':');
    }
    grpc_server_take(&run.grpc, stream);
}

static void run_on_closed(struct h2_server *server)
{
    (void)server;
    run.is_closed = true;
}

static const struct h2_server_ops SERVER_OPS = {
    .on_head = run_on_head,
    .on_closed = run_on_closed,
};

/* Has the channel until the server adopts it. */
static void nobody_on_receive(struct channel_user *user, struct slice bytes)
{
    (void)user;
    (void)bytes;
}

static void nobody_on_end(struct channel_user *user, int fault)
{
    (void)user;
    (void)fault;
}

static void nobody_on_closed(struct channel_user *user)
{
    (void)user;
}

static const struct channel_user_ops NOBODY_OPS = {
    .on_receive = nobody_on_receive,
    .on_end = nobody_on_end,
    .on_sent = nobody_on_end,
    .on_closed = nobody_on_closed,
};

static int start(struct loop *loop)
{
    static const struct grpc_method METHODS[] = {{"s", "m"}};
    static struct channel_user nobody = {.ops = &NOBODY_OPS};
    const struct grpc_server_options grpc_options = {
        .methods = METHODS,
        .method_count = COUNT_OF(METHODS),
        .message_max_bytes = MESSAGE_MAX_BYTES,
        .encodings = "identity,gzip",
        .refusal_text = "full",
        .refusal_delay_ns = CLOCK_NS_PER_S,
        .has_health = true,
    };
    const struct h2_server_options options = {.max_concurrent_streams = 50};
    run = (struct run){0};
    int err = h2_server_init(&run.server, loop, &options, &SERVER_OPS);
    ASSERT(err == 0);
    grpc_server_init(&run.grpc, loop, &grpc_options, &GRPC_OPS);
    const struct channel_options channel_options = {.role = CHANNEL_SERVER};
    struct channel *channel = NULL;
    int fd = fake_loop_new_fd(loop);
    err = channel_open(loop, fd, &channel_options, &nobody, &channel);
    ASSERT(err == 0);
    err = h2_server_adopt(&run.server, channel, slice_of(NULL, 0));
    ASSERT(err == 0);
    return fd;
}

static void answer_held(void)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct grpc_call *call = run.held[i];
        run.held[i] = NULL;
        if (call != NULL) {
            grpc_call_respond(call, SLICE_LITERAL("late"));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct loop *loop = fake_loop_open();
    ASSERT(loop != NULL);
    int fd = start(loop);
    run.is_holding = (data[0] & 1) != 0;
    size_t step = (size_t)(data[0] >> 1) + 1;
    if ((data[1] & 1) != 0) {
        fake_loop_input(loop, fd, slice_of(PREFACE, sizeof(PREFACE) - 1));
    }
    struct slice rest = slice_of(data + 2, size - 2);
    while (rest.len > 0) {
        size_t len = rest.len < step || step == 128 ? rest.len : step;
        fake_loop_input(loop, fd, slice_first(rest, len));
        fake_loop_settle(loop);
        rest = slice_from(rest, len);
    }
    answer_held();
    fake_loop_advance(loop, CLOCK_NS_PER_S);
    h2_server_drain(&run.server);
    fake_loop_advance(loop, 10 * CLOCK_NS_PER_S);
    h2_server_abort(&run.server);
    fake_loop_settle(loop);
    ASSERT(run.is_closed);
    answer_held();
    ASSERT(run.grpc.call_count == 0);
    ASSERT(run.admitted_bytes == 0);
    h2_server_fini(&run.server);
    fake_loop_settle(loop);
    loop_close(loop);
    return 0;
}
