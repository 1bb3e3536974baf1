/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_rig — the owner of an h2_server in tests: answers by path, keeps what it saw.
 */
#include "tests/support/h2_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

#define BODY_MAX_BYTES (8 * 1024 * 1024)

struct h2_rig_request {
    struct h2_stream_user user;
    struct h2_rig *rig;
    struct h2_stream *stream;
    struct h2_rig_request *next;
    uint8_t *body;
    size_t body_len;
    size_t left_bytes; /* not consumed */
    bool is_echo;
    bool is_stall;
};

static void request_free(struct h2_rig_request *r)
{
    struct h2_rig_request **link = &r->rig->held;
    while (*link != r) {
        link = &(*link)->next;
    }
    *link = r->next;
    r->rig->open_count--;
    mem_free(r->body);
    mem_free(r);
}

static void echo(struct h2_rig_request *r)
{
    const struct h2_field fields[] = {
        {SLICE_LITERAL("content-type"), SLICE_LITERAL("text/plain")},
    };
    const struct h2_field trailers[] = {{SLICE_LITERAL("done"), SLICE_LITERAL("yes")}};
    const struct h2_response response = {
        .status = 200,
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .body = slice_of(r->body, r->body_len),
        .trailers = trailers,
        .trailer_count = COUNT_OF(trailers),
    };
    h2_stream_respond(r->stream, &response, NULL);
    request_free(r);
}

static void request_on_body(struct h2_stream_user *user, struct slice bytes, bool is_last)
{
    struct h2_rig_request *r = CONTAINER_OF(user, struct h2_rig_request, user);
    assert_true(r->body_len + bytes.len <= BODY_MAX_BYTES);
    uint8_t *body = bytes.len > 0 ? mem_resize(r->body, r->body_len + bytes.len) : NULL;
    if (body != NULL) {
        memcpy(body + r->body_len, bytes.ptr, bytes.len);
        r->body = body;
        r->body_len += bytes.len;
        r->rig->body_bytes += bytes.len;
    }
    if (r->is_stall) {
        r->left_bytes += bytes.len;
    } else {
        h2_stream_consume(r->stream, bytes.len);
    }
    if (is_last && r->is_echo) {
        echo(r);
    }
}

static void request_on_reset(struct h2_stream_user *user, uint32_t h2_code)
{
    struct h2_rig_request *r = CONTAINER_OF(user, struct h2_rig_request, user);
    r->rig->reset_count++;
    r->rig->reset_code = h2_code;
    request_free(r);
}

static const struct h2_stream_user_ops REQUEST_OPS = {
    .on_body = request_on_body,
    .on_reset = request_on_reset,
};

static void keep_head(struct h2_rig *rig, const struct h2_stream *stream)
{
    struct slice method = h2_stream_method(stream);
    struct slice path = h2_stream_path(stream);
    struct slice authority = h2_stream_authority(stream);
    struct slice scheme = h2_stream_scheme(stream);
    int len = snprintf(rig->last_head, sizeof(rig->last_head), "%.*s %.*s %.*s %.*s",
                       (int)method.len, (const char *)method.ptr, (int)path.len,
                       (const char *)path.ptr, (int)authority.len, (const char *)authority.ptr,
                       (int)scheme.len, (const char *)scheme.ptr);
    for (size_t i = 0; i < h2_stream_field_count(stream); i++) {
        struct h2_field f = h2_stream_field(stream, i);
        if (len < 0 || (size_t)len >= sizeof(rig->last_head)) {
            return;
        }
        len += snprintf(rig->last_head + len, sizeof(rig->last_head) - (size_t)len, " %.*s=%.*s",
                        (int)f.name.len, (const char *)f.name.ptr, (int)f.value.len,
                        (const char *)f.value.ptr);
    }
}

static void answer_big(struct h2_stream *stream)
{
    void *memory = mem_alloc(H2_RIG_BIG_BYTES);
    assert_non_null(memory);
    memset(memory, 'b', H2_RIG_BIG_BYTES);
    const struct h2_response response = {.status = 200, .body = slice_of(memory, H2_RIG_BIG_BYTES)};
    h2_stream_respond(stream, &response, &memory);
    assert_null(memory);
}

static void rig_on_head(struct h2_server *server, struct h2_stream *stream)
{
    struct h2_rig *rig = CONTAINER_OF(server, struct h2_rig, server);
    struct slice path = h2_stream_path(stream);
    rig->head_count++;
    keep_head(rig, stream);
    if (slice_is_text(path, "/none")) {
        return;
    }
    if (slice_is_text(path, "/early")) {
        const struct h2_response response = {.status = 413};
        h2_stream_respond(stream, &response, NULL);
        return;
    }
    if (slice_is_text(path, "/big")) {
        answer_big(stream);
        return;
    }
    struct h2_rig_request *r = mem_alloc(sizeof(*r));
    if (r == NULL) {
        return; /* a test made it fail */
    }
    r->user.ops = &REQUEST_OPS;
    r->rig = rig;
    r->stream = stream;
    r->is_echo = slice_is_text(path, "/echo");
    r->is_stall = slice_is_text(path, "/stall");
    r->next = rig->held;
    rig->held = r;
    rig->open_count++;
    h2_stream_attach(stream, &r->user);
    if (h2_stream_is_ended(stream) && r->is_echo) {
        echo(r);
    }
}

static void rig_on_closed(struct h2_server *server)
{
    CONTAINER_OF(server, struct h2_rig, server)->closed_count++;
}

static const struct h2_server_ops RIG_OPS = {
    .on_head = rig_on_head,
    .on_closed = rig_on_closed,
};

void h2_rig_open(struct h2_rig *rig, struct loop *loop, const struct h2_server_options *options)
{
    const struct h2_server_options none = {0};
    memset(rig, 0, sizeof(*rig));
    rig->loop = loop;
    assert_int_equal(
        h2_server_init(&rig->server, loop, options != NULL ? options : &none, &RIG_OPS), 0);
    h2_peer_open(&rig->peer, loop, &rig->server);
}

void h2_rig_release(struct h2_rig *rig)
{
    while (rig->held != NULL) {
        const struct h2_response response = {.status = 204};
        h2_stream_respond(rig->held->stream, &response, NULL);
        request_free(rig->held);
    }
}

void h2_rig_consume(struct h2_rig *rig)
{
    for (struct h2_rig_request *r = rig->held; r != NULL; r = r->next) {
        h2_stream_consume(r->stream, r->left_bytes);
        r->left_bytes = 0;
        r->is_stall = false;
    }
}

void h2_rig_settle(struct h2_rig *rig)
{
    static uint8_t count;
    const uint8_t opaque[8] = {'s', 'e', 't', 't', 'l', 'e', 0, ++count};
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "PING ACK 736574746c6500%02x", count);
    h2_peer_frame(&rig->peer, NGHTTP2_PING, 0, 0, slice_of(opaque, sizeof(opaque)));
    h2_peer_expect(&rig->peer, expected);
}

void h2_rig_close(struct h2_rig *rig)
{
    h2_server_abort(&rig->server);
    uint64_t until_mono_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_S;
    while (rig->closed_count == 0 && clock_mono_ns() < until_mono_ns) {
        assert_true(loop_turn(rig->loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(rig->closed_count, 1);
    assert_int_equal(rig->open_count, 0);
    h2_peer_close(&rig->peer);
    h2_server_fini(&rig->server);
}
