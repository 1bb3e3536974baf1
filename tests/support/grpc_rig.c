/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_rig — see the header.
 */
#include "tests/support/grpc_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/loop.h"

/* Nothing on loopback takes this long; a test that waits for it has failed. */
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

struct grpc_rig grpc_rig;
const struct grpc_stub_answer grpc_rig_ok_script[1] = {{.body = "yes", .body_len = 3}};

/* --- a resolver of our own -------------------------------------------------------------------- */

/* Stands in for libc's in this program. Names are known once `known` says how many addresses. */
_Atomic uint32_t grpc_rig_known_count;
_Atomic uint32_t grpc_rig_lookup_count;

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        mem_free(info);
        info = next;
    }
}

static struct addrinfo *make_info(const char *text, uint32_t last)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *both = mem_alloc(sizeof(*both));
    assert_non_null(both);
    both->address.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, text, &both->address.sin_addr), 1);
    both->address.sin_addr.s_addr = htonl(ntohl(both->address.sin_addr.s_addr) + last);
    both->info.ai_addr = (void *)&both->address;
    both->info.ai_addrlen = sizeof(both->address);
    return &both->info;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    struct in_addr address;
    (void)service;
    if (inet_pton(AF_INET, node, &address) == 1) {
        *out = make_info(node, 0);
        return 0;
    }
    if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
        return EAI_NONAME;
    }
    (void)atomic_fetch_add(&grpc_rig_lookup_count, 1);
    uint32_t count = atomic_load(&grpc_rig_known_count);
    struct addrinfo *first = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct addrinfo *info = make_info("127.0.0.1", count - 1 - i);
        info->ai_next = first;
        first = info;
    }
    *out = first;
    return count > 0 ? 0 : EAI_NONAME;
}

/* --- the rig ---------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t cap, struct slice text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

void grpc_rig_on_done(struct grpc_client_call *base, const struct grpc_client_result *result)
{
    struct grpc_rig_call *call = CONTAINER_OF(base, struct grpc_rig_call, base);
    call->done_count++;
    grpc_rig.done_count++;
    call->status = result->status;
    call->message_len = result->message.len;
    call->is_compressed = result->is_compressed;
    call->retry_delay_ns = result->retry_delay_ns;
    copy_text(call->text, sizeof(call->text), result->text);
    copy_text(call->message, sizeof(call->message), result->message);
    copy_text(call->encoding, sizeof(call->encoding), result->encoding);
}

void grpc_rig_start_stub_with(struct grpc_stub_options options)
{
    grpc_stub_start(&grpc_rig.stub, &options);
}

void grpc_rig_start_stub(const struct grpc_stub_answer *script, size_t len)
{
    grpc_rig_start_stub_with((struct grpc_stub_options){.script = script, .script_len = len});
}

struct grpc_client_options grpc_rig_options(const char *host, uint16_t port)
{
    return (struct grpc_client_options){
        .host = host,
        .port = port,
        .authority = "test.example:4317",
        .user_agent = "test/1",
        .accept_encoding = "identity,gzip",
        .backoff_ns = GRPC_RIG_BACKOFF_NS,
    };
}

void grpc_rig_open_with(void **state, const struct grpc_client_options *options)
{
    grpc_rig.loop = *state;
    grpc_rig.done_count = 0;
    memset(grpc_rig.calls, 0, sizeof(grpc_rig.calls));
    assert_int_equal(grpc_client_open(grpc_rig.loop, options, &grpc_rig.client), 0);
}

void grpc_rig_open(void **state)
{
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
    grpc_rig_open_with(state, &options);
}

struct grpc_rig_call *grpc_rig_start_call(size_t index, const void *bytes, size_t len,
                                          uint64_t timeout_ns)
{
    struct grpc_rig_call *call = &grpc_rig.calls[index];
    union {
        const void *in;
        void *out;
    } base = {.in = bytes};
    call->piece = (struct iovec){.iov_base = base.out, .iov_len = len};
    call->base.path = GRPC_RIG_PATH;
    call->base.pieces = &call->piece;
    call->base.piece_count = 1;
    call->base.timeout_ns = timeout_ns;
    call->base.on_done = grpc_rig_on_done;
    uint64_t before_count = call->done_count;
    assert_int_equal(grpc_client_start(grpc_rig.client, &call->base), 0);
    assert_int_equal(call->done_count, before_count); /* never from inside */
    return call;
}

struct grpc_rig_call *grpc_rig_begin(size_t index)
{
    return grpc_rig_start_call(index, "hello", 5, 5 * CLOCK_NS_PER_S);
}

void grpc_rig_until_done(uint64_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (grpc_rig.done_count < count && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(grpc_rig.done_count, count);
}

/* One call from beginning to end. */
struct grpc_rig_call *grpc_rig_run_call(void)
{
    struct grpc_rig_call *call = grpc_rig_begin(0);
    grpc_rig_until_done(grpc_rig.done_count + 1);
    return call;
}

void grpc_rig_close_client(void)
{
    grpc_client_close(grpc_rig.client);
    grpc_rig.client = NULL;
    /* The loop needs some turns to let go of the sockets. */
    uint64_t end_mono_ns = clock_mono_ns() + 2 * CLOCK_NS_PER_MS;
    while (clock_mono_ns() < end_mono_ns) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
}

void grpc_rig_close(void)
{
    grpc_rig_close_client();
    grpc_stub_stop(&grpc_rig.stub);
}

void grpc_rig_assert_field(size_t index, const char *name, const char *value)
{
    struct slice got = grpc_stub_field(grpc_stub_request(&grpc_rig.stub, index), name);
    if (!slice_is_text(got, value)) {
        print_error("%s: %.*s\n", name, (int)got.len, (const char *)got.ptr);
    }
    assert_true(slice_is_text(got, value));
}
