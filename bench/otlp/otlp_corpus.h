/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_corpus — export requests to send: many different ones, made once, sent as they are.
 *
 * A body is one Export…ServiceRequest in protobuf, compressed where asked, behind the five bytes
 * that gRPC puts before a message. Items are spans, log records or data points as instrumented
 * HTTP servers send them, of one size, each with an identity of its own (otlp_ident.h). The same
 * options and seed make the same bytes. Follows opentelemetry-proto 1.x.
 */
#pragma once

#include <stdint.h>

#include "bench/otlp/otlp_ident.h"
#include "codecs/compress.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"

#define OTLP_CORPUS_BODIES_MAX_COUNT 65536u
#define OTLP_CORPUS_ITEMS_MAX_COUNT 20000u
#define OTLP_CORPUS_ITEM_MAX_BYTES 16384u
#define OTLP_CORPUS_ATTRS_MAX_COUNT 10u
#define OTLP_CORPUS_GROUPS_MAX_COUNT 100u
/* All bodies together, uncompressed. */
#define OTLP_CORPUS_MAX_BYTES (UINT64_C(4) << 30)
#define OTLP_CORPUS_PREFIX_BYTES 5u
#define OTLP_CORPUS_POINTS_PER_METRIC 10u

struct otlp_corpus_options {
    enum signal signal;
    enum compress_kind compression;
    uint32_t body_count;
    uint32_t item_count;  /* per body */
    uint32_t item_bytes;  /* tag and length included; 0: as long as it comes */
    uint32_t attr_count;  /* per item */
    uint32_t group_count; /* resources per body, at most item_count */
    uint64_t seed;
};

struct otlp_body {
    struct slice framed;        /* owned; the gRPC prefix, then the body */
    size_t plain_bytes;         /* before compression, without the prefix */
    struct ident_digest digest; /* over the identities of all items */
};

/* Frozen once built; zeroed is valid for fini. */
struct otlp_corpus {
    struct otlp_corpus_options options;
    struct otlp_body *bodies; /* owned; options.body_count */
    uint64_t plain_bytes;     /* of all bodies */
    uint64_t wire_bytes;      /* the same as sent, without prefixes */
};

/* 0; -EINVAL for options past a bound; -ENOMEM; FAULT_LIBRARY. otlp_corpus_fini is due anyway. */
WEIR_MUST_USE int otlp_corpus_build(struct otlp_corpus *corpus,
                                    const struct otlp_corpus_options *options);
void otlp_corpus_fini(struct otlp_corpus *corpus);

/* 512 bodies of 1 000 spans of 388 bytes with ten attributes. */
struct otlp_corpus_options otlp_corpus_default_options(void);

/* The body without its prefix. Borrows from the corpus. */
struct slice otlp_corpus_body(const struct otlp_corpus *corpus, uint32_t body_index);

/* Bytes of an uncompressed item on average, everything around it included. */
double otlp_corpus_mean_item_bytes(const struct otlp_corpus *corpus);
