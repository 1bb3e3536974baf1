/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_document — a group of metrics becomes one log event, or several where one would be too large.
 *
 * Members stand in the order of their names: labels, metrics, and what the format itself needs. A
 * name that two of them have goes to the format first, then to the metric.
 */
#pragma once

#include <stdbool.h>

#include "codecs/bytes.h"
#include "codecs/emf.h"
#include "codecs/emf_dimensions.h"
#include "codecs/emf_group.h"
#include "codecs/emf_match.h"
#include "core/base/defs.h"

struct emf_writer {
    const struct emf_options *options; /* borrowed */
    struct emf_tally *tally;           /* borrowed */
    struct emf_match match;
    struct emf_dimensions dimensions;
    struct bytes message;      /* owned */
    struct bytes directives;   /* owned; the content of CloudWatchMetrics */
    struct bytes scratch;      /* owned */
    bool has_left_out;         /* the document under way lacks a set that was too large */
    struct emf_digits *digits; /* owned; see emf_value.h */
};

/* 0 or -ENOMEM; emf_writer_fini is safe after either, and twice. */
WEIR_MUST_USE int emf_writer_init(struct emf_writer *writer, const struct emf_options *options,
                                  uint64_t hash_seed, struct emf_tally *tally);
void emf_writer_fini(struct emf_writer *writer);

/* Before the groups of a batch. */
void emf_writer_begin(struct emf_writer *writer);

/* Hands out the documents of a group, once; books its points. */
void emf_writer_write(struct emf_writer *writer, struct emf_group *group, void *context,
                      emf_document_fn *on_document);

/* May a metric have that name? Some members are the format's own. */
bool emf_name_is_usable(const struct emf_options *options, bool is_prometheus, struct slice name);
