/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_otlp_walk — nanoseconds to validate and count one item of an export request.
 *
 * Spans are 388 bytes on average and have ten attributes, as instrumented HTTP servers send them;
 * their texts differ in length, so that branches cannot be learned by heart. One case stays in the
 * second-level cache, one streams from memory as requests fresh from a socket do.
 */
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_walk.h"

#define SPANS_PER_REQUEST 1000
#define REQUEST_BYTES_MAX (SPANS_PER_REQUEST * 512)
#define REQUEST_COUNT_MAX 64
/* Budget of bench/README.md. */
#define SPAN_BUDGET_NS 110

struct walk_case {
    struct micro micro;
    size_t request_count;
    struct slice requests[REQUEST_COUNT_MAX];
};

static uint32_t scramble(uint32_t index)
{
    uint32_t mixed = index * 2654435761u;
    return mixed ^ mixed >> 15;
}

/* A text of `len` bytes and up to `more` further ones, printed nowhere. */
static struct slice some_text(uint32_t seed, uint32_t len, uint32_t more)
{
    static const char letters[] = "/api/v1/orders/checkout/items/0123456789abcdef0123456789/detail";
    return slice_of(letters + seed % 8, len + scramble(seed) % (more + 1));
}

static void text_attr(struct otlp_build *b, uint32_t tag, const char *key, struct slice value)
{
    otlp_build_attribute(b, tag, slice_of_text(key), value);
}

static void int_attr(struct otlp_build *b, uint32_t tag, const char *key, uint64_t value)
{
    size_t mark = otlp_build_mark(b);
    otlp_build_varint_field(b, 0x18, value);
    otlp_build_close(b, mark, 0x12);
    otlp_build_text_field(b, 0x0A, slice_of_text(key));
    otlp_build_close(b, mark, tag);
}

static void build_span(struct otlp_build *b, uint32_t index)
{
    size_t mark = otlp_build_mark(b);
    uint64_t id[2] = {index * UINT64_C(0x9E3779B97F4A7C15), index};
    otlp_build_text_field(b, 0x7A, (struct slice){0});
    int_attr(b, 0x4A, "thread.id", scramble(index));
    text_attr(b, 0x4A, "network.protocol.version", some_text(index, 3, 0));
    text_attr(b, 0x4A, "user_agent.original", some_text(index, 8, 8));
    text_attr(b, 0x4A, "client.address", some_text(index + 1, 9, 4));
    int_attr(b, 0x4A, "server.port", 8000 + scramble(index) % 90);
    text_attr(b, 0x4A, "server.address", some_text(index + 2, 10, 6));
    text_attr(b, 0x4A, "url.scheme", some_text(index, 4, 1));
    text_attr(b, 0x4A, "http.route", some_text(index + 3, 12, 10));
    int_attr(b, 0x4A, "http.response.status_code", 200);
    text_attr(b, 0x4A, "http.request.method", some_text(index, 3, 1));
    otlp_build_fixed64_field(b, 0x41, UINT64_C(1700000000000000000) + index);
    otlp_build_fixed64_field(b, 0x39, UINT64_C(1700000000000000000) + index);
    otlp_build_varint_field(b, 0x30, 2);
    otlp_build_text_field(b, 0x2A, some_text(index + 5, 8, 10));
    uint32_t flags = 0x101;
    otlp_build_bytes(b, &flags, sizeof(flags));
    otlp_build_varint(b, 16 << 3 | 5);
    otlp_build_text_field(b, 0x22, slice_of(id, sizeof(id[0])));
    otlp_build_text_field(b, 0x12, slice_of(id, sizeof(id[0])));
    otlp_build_text_field(b, 0x0A, slice_of(id, sizeof(id)));
    otlp_build_close(b, mark, 0x12);
}

/* One request of SPANS_PER_REQUEST spans. */
static struct slice build_request(uint32_t seed)
{
    uint8_t *memory = mem_alloc(REQUEST_BYTES_MAX);
    ASSERT(memory != NULL); /* a benchmark without memory is none */
    struct otlp_build b;
    otlp_build_init(&b, memory, REQUEST_BYTES_MAX);
    for (uint32_t i = SPANS_PER_REQUEST; i > 0; i--) {
        build_span(&b, seed * SPANS_PER_REQUEST + i);
    }
    otlp_build_close(&b, 0, 0x12);
    size_t mark = otlp_build_mark(&b);
    text_attr(&b, 0x0A, "service.name", SLICE_LITERAL("checkout"));
    otlp_build_close(&b, mark, 0x0A);
    otlp_build_close(&b, 0, 0x0A);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}

static uint64_t walk_call(struct micro *micro)
{
    const struct walk_case *c = CONTAINER_OF(micro, struct walk_case, micro);
    uint64_t sum = 0;
    for (size_t i = 0; i < c->request_count; i++) {
        struct otlp_counts counts = {0};
        sum += (uint64_t)otlp_walk(SIGNAL_TRACES, c->requests[i], &counts, NULL);
        sum += counts.item_count;
    }
    return sum;
}

static int walk_measure(const char *name, size_t request_count)
{
    static struct walk_case c;
    uint64_t bytes = 0;
    c = (struct walk_case){.request_count = request_count};
    for (size_t i = 0; i < request_count; i++) {
        c.requests[i] = build_request((uint32_t)i);
        bytes += c.requests[i].len;
    }
    uint64_t span_count = request_count * SPANS_PER_REQUEST;
    c.micro = (struct micro){.name = name,
                             .op_count = span_count,
                             .op_bytes = bytes / span_count,
                             .budget_ns = SPAN_BUDGET_NS,
                             .needs_zero_allocs = true,
                             .call = walk_call};
    ASSERT(walk_call(&c.micro) == span_count);
    return micro_run(&c.micro);
}

int main(void)
{
    int err = walk_measure("otlp_walk/span_cached", 1);
    if (err == 0) {
        err = walk_measure("otlp_walk/span_memory", REQUEST_COUNT_MAX);
    }
    return err == 0 ? 0 : 1;
}
