/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_labels — the attributes of a point, its resource and its scope as sorted names and texts.
 *
 * A list has a fixed room that is taken once; texts are borrowed from the request or the batch's
 * arena. Added in any order, then finished: sorted bytewise, of one name the last one added stays.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/emf_key.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"

/* The label that carries the name of the instrumentation scope. */
#define EMF_LABEL_SCOPE SLICE_LITERAL("OTelLib")
/* Not a label: chooses between resolutions of 1 and 60 seconds. */
#define EMF_LABEL_RESOLUTION SLICE_LITERAL("aws.emf.storage_resolution")
#define EMF_RESOLUTION_DEFAULT_S 60

struct emf_label {
    struct slice name;
    struct slice value;
    uint32_t order; /* when it was added; decides between equal names */
    bool is_dimension;
};

struct emf_labels {
    struct emf_label *items; /* owned; EMF_LABELS_MAX of them */
    uint32_t count;
    uint32_t resolution_s; /* 0: not said */
    int err;               /* 0 or FAULT_LIMIT: more labels than fit; FAULT_OVERFLOW: arena full */
};

/* 0 or -ENOMEM; emf_labels_fini is safe after either, and twice. */
WEIR_MUST_USE int emf_labels_init(struct emf_labels *labels);
void emf_labels_fini(struct emf_labels *labels);

void emf_labels_clear(struct emf_labels *labels);

/* Both texts are borrowed until the next clear. Errors stick until then. */
void emf_labels_add(struct emf_labels *labels, struct slice name, struct slice value);

/*
 * The same with an attribute, whose value becomes text, in `arena` where it is none yet. The
 * storage resolution is taken aside.
 */
void emf_labels_add_attr(struct emf_labels *labels, const struct otlp_attr *attr,
                         struct arena *arena);

/* Sorts and drops what a later label of the same name replaces. */
void emf_labels_finish(struct emf_labels *labels);

/*
 * Fills `out` with the labels of both finished lists, of one name the one of `over`; finished too.
 */
void emf_labels_merge(struct emf_labels *out, const struct emf_labels *under,
                      const struct emf_labels *over);

/* The label of that name among `count` sorted ones, or NULL. */
const struct emf_label *emf_label_find(const struct emf_label *labels, uint32_t count,
                                       struct slice name);

/* The key of a finished list; `scratch` is overwritten, its errors are the caller's to look at. */
struct emf_key emf_labels_key(const struct emf_labels *labels, uint64_t seed,
                              struct bytes *scratch);
