/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_corpus — see otlp_corpus.h. Each body is written in one scratch buffer and leaves it,
 * framed, in a block of its own size.
 */
#include "bench/otlp/otlp_corpus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/otlp/otlp_corpus_item.h"
#include "codecs/bytes.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"

/* Room for an item that is not padded, and for what stands around items. */
#define CORPUS_ITEM_ROOM_BYTES 1024u
#define CORPUS_GROUP_ROOM_BYTES 1024u

struct otlp_corpus_options otlp_corpus_default_options(void)
{
    return (struct otlp_corpus_options){
        .signal = SIGNAL_TRACES,
        .compression = COMPRESS_NONE,
        .body_count = 512,
        .item_count = 1000,
        .item_bytes = 388,
        .attr_count = 10,
        .group_count = 1,
        .seed = 1,
    };
}

static size_t corpus_scratch_bytes(const struct otlp_corpus_options *o)
{
    return (size_t)o->item_count * ((size_t)o->item_bytes + CORPUS_ITEM_ROOM_BYTES) +
           (size_t)o->group_count * CORPUS_GROUP_ROOM_BYTES;
}

static bool corpus_is_bounded(const struct otlp_corpus_options *o)
{
    const uint64_t item_bytes = o->item_bytes > 0 ? o->item_bytes : CORPUS_ITEM_ROOM_BYTES / 4;
    return o->body_count > 0 && o->body_count <= OTLP_CORPUS_BODIES_MAX_COUNT &&
           o->item_count > 0 && o->item_count <= OTLP_CORPUS_ITEMS_MAX_COUNT &&
           o->item_bytes <= OTLP_CORPUS_ITEM_MAX_BYTES &&
           o->attr_count <= OTLP_CORPUS_ATTRS_MAX_COUNT && o->group_count > 0 &&
           o->group_count <= OTLP_CORPUS_GROUPS_MAX_COUNT && o->group_count <= o->item_count &&
           (uint64_t)o->body_count * o->item_count * item_bytes <= OTLP_CORPUS_MAX_BYTES;
}

static void corpus_write_resource(struct otlp_build *b, uint64_t group)
{
    char host[32];
    const int len = snprintf(host, sizeof(host), "ip-10-0-%d-%d.internal", (int)(group % 200),
                             (int)(group / 200 % 200));
    ASSERT(len > 0);
    const size_t mark = otlp_build_mark(b);
    corpus_item_int_attr(b, 0x0A, "process.pid", 1000 + group % 30000);
    corpus_item_text_attr(b, 0x0A, "host.name", slice_of(host, (size_t)len));
    corpus_item_text_attr(b, 0x0A, "deployment.environment.name", SLICE_LITERAL("production"));
    corpus_item_text_attr(b, 0x0A, "telemetry.sdk.language", SLICE_LITERAL("java"));
    corpus_item_text_attr(b, 0x0A, "service.version", SLICE_LITERAL("2026.1.4"));
    corpus_item_text_attr(b, 0x0A, "service.name", SLICE_LITERAL("checkout"));
    otlp_build_close(b, mark, 0x0A);
}

/* Group by group from the last, each a ResourceX with one ScopeX. */
static void corpus_write_body(struct otlp_corpus_maker *maker, struct otlp_build *b,
                              uint32_t body_index, struct ident_digest *digest)
{
    const struct otlp_corpus_options *o = maker->options;
    const uint64_t sequence = (uint64_t)body_index * o->item_count;
    for (uint64_t g = o->group_count; g > 0; g--) {
        const uint64_t first = sequence + (g - 1) * o->item_count / o->group_count;
        const uint64_t limit = sequence + g * o->item_count / o->group_count;
        const size_t mark = otlp_build_mark(b);
        corpus_item_write_all(maker, b, first, limit, digest);
        const size_t scope_mark = otlp_build_mark(b);
        otlp_build_text_field(b, 0x12, SLICE_LITERAL("2.11.0"));
        otlp_build_text_field(b, 0x0A, SLICE_LITERAL("io.opentelemetry.spring-webmvc-6.0"));
        otlp_build_close(b, scope_mark, 0x0A);
        otlp_build_close(b, mark, 0x12);
        corpus_write_resource(b, (uint64_t)body_index * o->group_count + g - 1);
        otlp_build_close(b, mark, 0x0A);
    }
}

/* Prefix and body in one block. */
static int corpus_frame(struct otlp_body *body, struct slice wire, bool is_compressed)
{
    uint8_t *framed = mem_alloc(OTLP_CORPUS_PREFIX_BYTES + wire.len);
    if (framed == NULL) {
        return -ENOMEM;
    }
    framed[0] = is_compressed ? 1 : 0;
    for (uint32_t i = 0; i < 4; i++) {
        framed[1 + i] = (uint8_t)(wire.len >> (24 - 8 * i));
    }
    memcpy(framed + OTLP_CORPUS_PREFIX_BYTES, wire.ptr, wire.len);
    body->framed = slice_of(framed, OTLP_CORPUS_PREFIX_BYTES + wire.len);
    return 0;
}

static int corpus_make(struct otlp_corpus *corpus, struct otlp_corpus_maker *maker,
                       uint32_t body_index, void *scratch, struct bytes *packed)
{
    const struct otlp_corpus_options *o = &corpus->options;
    struct otlp_body *body = &corpus->bodies[body_index];
    struct otlp_build b;
    otlp_build_init(&b, scratch, corpus_scratch_bytes(o));
    corpus_write_body(maker, &b, body_index, &body->digest);
    if (b.err != 0) {
        return b.err;
    }
    struct slice wire = otlp_build_since(&b, 0);
    body->plain_bytes = wire.len;
    if (o->compression != COMPRESS_NONE) {
        const struct iovec iov = {.iov_base = b.head, .iov_len = wire.len};
        packed->len = 0;
        const int err = compress_iov(o->compression, &iov, 1, packed);
        if (err != 0) {
            return err;
        }
        wire = slice_of(packed->ptr, packed->len);
    }
    corpus->plain_bytes += body->plain_bytes;
    corpus->wire_bytes += wire.len;
    return corpus_frame(body, wire, o->compression != COMPRESS_NONE);
}

int otlp_corpus_build(struct otlp_corpus *corpus, const struct otlp_corpus_options *options)
{
    *corpus = (struct otlp_corpus){.options = *options};
    if (!corpus_is_bounded(options)) {
        return -EINVAL;
    }
    corpus->bodies = mem_alloc_array(options->body_count, sizeof(*corpus->bodies));
    void *scratch = mem_alloc(corpus_scratch_bytes(options));
    struct bytes packed;
    bytes_init(&packed, 2 * corpus_scratch_bytes(options));
    struct otlp_corpus_maker maker = {.options = &corpus->options};
    int err = corpus->bodies == NULL || scratch == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; err == 0 && i < options->body_count; i++) {
        err = corpus_make(corpus, &maker, i, scratch, &packed);
    }
    bytes_fini(&packed);
    mem_free(scratch);
    return err;
}

void otlp_corpus_fini(struct otlp_corpus *corpus)
{
    for (uint32_t i = 0; corpus->bodies != NULL && i < corpus->options.body_count; i++) {
        union {
            const uint8_t *in;
            void *out;
        } block = {.in = corpus->bodies[i].framed.ptr};
        mem_free(block.out);
    }
    mem_free(corpus->bodies);
    *corpus = (struct otlp_corpus){0};
}

struct slice otlp_corpus_body(const struct otlp_corpus *corpus, uint32_t body_index)
{
    ASSERT(body_index < corpus->options.body_count);
    return slice_from(corpus->bodies[body_index].framed, OTLP_CORPUS_PREFIX_BYTES);
}

double otlp_corpus_mean_item_bytes(const struct otlp_corpus *corpus)
{
    const struct otlp_corpus_options *o = &corpus->options;
    return (double)corpus->plain_bytes / ((double)o->body_count * o->item_count);
}
