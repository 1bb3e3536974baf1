/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_config — what a metricstransform processor was told: transforms, and the
 * operations of each, in the order of the configuration.
 *
 * Frozen once read; any thread may look. Texts borrow from the configuration's tree, the structs
 * live in the arena. Source: the Collector's metricstransform processor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct config_reader;
struct regex;

/* What becomes of the metrics that a transform is about. */
enum transform_action {
    TRANSFORM_UPDATE,  /* they change */
    TRANSFORM_INSERT,  /* copies of them change and are added */
    TRANSFORM_COMBINE, /* one metric takes their points */
    TRANSFORM_GROUP,   /* they move to a resource of their own */
};

/* How the points that fall together become one. */
enum transform_aggregation {
    TRANSFORM_FIRST, /* nothing was said: the first one stays */
    TRANSFORM_SUM,
    TRANSFORM_MEAN,
    TRANSFORM_MIN,
    TRANSFORM_MAX,
    TRANSFORM_MEDIAN,
    TRANSFORM_COUNT,
};

enum transform_case {
    TRANSFORM_CASE_KEPT,
    TRANSFORM_CASE_LOWER,
    TRANSFORM_CASE_UPPER,
};

enum transform_operation_kind {
    TRANSFORM_ADD_LABEL,
    TRANSFORM_UPDATE_LABEL,
    TRANSFORM_DELETE_LABEL_VALUE,
    TRANSFORM_TOGGLE_TYPE,
    TRANSFORM_SCALE_VALUE,
    TRANSFORM_AGGREGATE_LABELS,
    TRANSFORM_AGGREGATE_VALUES,
};

/* One text of a list. */
struct transform_text {
    struct transform_text *next;
    struct slice text;
};

/* One member of a map: a label and its value, a value and the new one. */
struct transform_pair {
    struct transform_pair *next;
    struct slice key;
    struct slice value;
    struct regex *pattern; /* owned; of labels to match where match_type is regexp, else NULL */
};

struct transform_operation {
    struct transform_operation *next;
    enum transform_operation_kind kind;
    enum transform_aggregation aggregation;
    struct slice label;
    struct slice new_label; /* empty: the label keeps its name */
    struct slice new_value;
    struct slice label_value;
    struct transform_text *texts;  /* label_set or aggregated_values */
    struct transform_pair *values; /* value_actions */
    double scale;
};

struct transform {
    struct transform *next;
    enum transform_action action;
    struct slice include;
    struct regex *pattern; /* owned; all of `include` is its group 1. NULL: the name itself */
    uint32_t group_count;  /* of the pattern, that one included */
    struct transform_pair *labels;
    struct slice new_name; /* empty: metrics keep theirs */
    enum transform_aggregation aggregation;
    enum transform_case submatch_case;
    struct transform_pair *resource_labels;
    struct transform_operation *operations;
};

struct transform_config {
    struct arena memory; /* owned */
    struct transform *first;
};

/*
 * Reads `transforms`; does not finish the reader. 0 or -ENOMEM, complaints are in the report;
 * transform_config_fini is due in either case.
 */
WEIR_MUST_USE int transform_config_read(struct transform_config *out, struct config_reader *config);

/* Idempotent; fine on zeros. */
void transform_config_fini(struct transform_config *config);
