/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_entry — a point whose labels and place are known becomes one or more metrics of groups.
 *
 * A number is checked and, of a cumulative series, becomes a difference; a histogram may come in
 * pieces, a summary in parts. However many metrics that makes, the point is booked once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/emf_key.h"
#include "codecs/emf_point.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_point.h"

/* What the parts of a detailed summary add to its name at most: _count. */
#define EMF_SUFFIX_MAX_CHARS 6

struct emf;
struct emf_labels;
struct emf_place;

/* The metric whose points are being read. */
struct emf_metric_now {
    struct slice name;
    struct slice unit;
    struct emf_key key;
    enum otlp_data data;
    bool is_cumulative;
    bool is_named; /* may stand in a document */
};

/* The point being read, once its labels are known. */
struct emf_point_now {
    const struct emf_metric_now *metric;
    const struct emf_labels *labels;
    struct emf_key labels_key;
    const struct emf_place *place;
    uint64_t time_ms;
    uint32_t resolution_s;
};

/*
 * Puts the point into its groups, or books in emf->tally why not.
 *   point     read from `content`
 *   content   the data point's bytes; borrowed as the request is
 */
void emf_entry_take(struct emf *emf, const struct emf_point_now *now, const struct emf_point *point,
                    struct slice content);
