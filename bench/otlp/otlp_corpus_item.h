/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_corpus_item — one span, log record or metric of a corpus, written backwards as otlp_build
 * does.
 */
#pragma once

#include <stdint.h>

#include "bench/otlp/otlp_corpus.h"
#include "core/otlp/otlp_build.h"

struct otlp_corpus_maker {
    const struct otlp_corpus_options *options; /* borrowed */
    uint32_t pad_bytes; /* what the last item needed, a good guess for the next */
};

/*
 * Writes items [first, limit) of one scope, numbers `sequence + first` and so on, as fields of a
 * ScopeX, and adds their identities to `digest`.
 */
void corpus_item_write_all(struct otlp_corpus_maker *maker, struct otlp_build *b, uint64_t first,
                           uint64_t limit, struct ident_digest *digest);

/* An attribute with a string or an integer, as field `tag`. */
void corpus_item_text_attr(struct otlp_build *b, uint32_t tag, const char *key, struct slice value);
void corpus_item_int_attr(struct otlp_build *b, uint32_t tag, const char *key, uint64_t value);
