/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_metric — a metric that may change: its name, its points, and how the changes
 * are written down.
 *
 * Reading goes as far as somebody asks: to rename a metric nobody looks at its points, and their
 * labels are read where a transform is about labels. Bytes that do not change are not copied, and
 * what is not understood stays. Everything lives in the arena of the turn and borrows from the
 * part.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_edit.h"
#include "core/otlp/otlp_field.h"
#include "core/processors/metrics_transform_config.h"
#include "core/processors/metrics_transform_hist.h"

enum transform_number_kind {
    TRANSFORM_NO_NUMBER, /* a point without a value */
    TRANSFORM_INT,
    TRANSFORM_DOUBLE,
};

/* The value of a point of a gauge or a sum. */
struct transform_number {
    enum transform_number_kind kind;
    union {
        int64_t integer;
        double number;
    };
};

/* A point that became part of another one; of it only the exemplars are left. Frozen. */
struct transform_absorbed {
    const struct transform_absorbed *next;
    struct slice point;
    double exemplar_scale;
};

/* What of a point is to be written anew, beside its labels and absorbed points. */
enum transform_change {
    TRANSFORM_CHANGED_VALUE = 1,
    TRANSFORM_CHANGED_START = 2,
    TRANSFORM_CHANGED_HIST = 4,
};

struct transform_point {
    struct transform_point *next;  /* of the metric */
    struct otlp_field field;       /* as it came */
    struct otlp_attr_list labels;  /* once loaded */
    struct transform_number value; /* where changed */
    uint64_t start_unix_ns;        /* where changed */
    const struct transform_hist *hist;
    const struct transform_absorbed *absorbed;
    uint32_t changes; /* of enum transform_change */
    bool has_labels;  /* they are loaded */
    bool is_removed;  /* it stays in the list, so that its bytes can be taken out */
    bool is_foreign;  /* it came with another metric */
};

struct transform_metric {
    struct transform_metric *next; /* of the scope */
    struct otlp_field field;       /* as it came; of a copy, what it is a copy of */
    struct otlp_field data_field;
    enum otlp_data data; /* 0: none */
    struct slice name;   /* as it is now */
    struct transform_point *points;
    bool has_points; /* they are listed */
    bool is_renamed;
    bool is_removed;
    bool is_copy; /* it has no place in the part yet */
};

/* Fills `out` from a Metric of the part, points not yet listed. */
void transform_metric_read(struct transform_metric *out, const struct otlp_field *field);

/* Lists the points. Idempotent. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_metric_load(struct transform_metric *metric, struct arena *arena);

/* Points that are left. */
uint64_t transform_metric_count(const struct transform_metric *metric);

/* The first point from `point` on that is left; both may be NULL. */
static inline struct transform_point *transform_point_left(struct transform_point *point)
{
    while (point != NULL && point->is_removed) {
        point = point->next;
    }
    return point;
}

/* How many of the points that are left a transform is about. */
struct transform_match {
    uint64_t match_count;
    uint64_t left_count;
};

/* Lists and looks at points only where the transform asks for labels. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_metric_match(struct transform_metric *metric, const struct transform *t,
                                         struct arena *arena, struct transform_match *out);

/*
 * A metric of its own with those points of `source` that the transform is about. 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_metric_copy(struct transform_metric *source, const struct transform *t,
                                        struct arena *arena, struct transform_metric **out);

/*
 * As transform_metric_copy, and those points leave `source`, which goes with the last of them. 0 or
 * FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_metric_split(struct transform_metric *source, const struct transform *t,
                                         struct arena *arena, struct transform_metric **out);

/*
 * Gives the listed points of `source`, a copy, to `target`, of the same kind, behind its own.
 *
 *   end   where the list of `target` ends: the pointer that is NULL
 *
 * Returns where it ends then.
 */
struct transform_point **transform_metric_append(struct transform_metric *target,
                                                 struct transform_point **end,
                                                 struct transform_metric *source);

/*
 * Writes the changes of a metric that is no copy into the edit, whose source has its bytes. Errors
 * stick to the edit.
 */
void transform_metric_write(struct transform_metric *metric, struct otlp_edit *edit);

/*
 * Puts the copies in a list of metrics that are left at `at` of the innermost open message of the
 * edit, a scope group. 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_metric_insert_copies(struct transform_metric *metrics,
                                                 const uint8_t *at, struct otlp_edit *edit);

/* --- points ----------------------------------------------------------------------------------- */

/* Loads the labels of a point of `data`. Idempotent. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_point_load(struct transform_point *point, enum otlp_data data,
                                       struct arena *arena);

/* The value as it is now. */
struct transform_number transform_point_number(const struct transform_point *point);
void transform_point_set_number(struct transform_point *point, struct transform_number value);

/* The start time as it is now; 0 where there is none. */
uint64_t transform_point_start(const struct transform_point *point);
void transform_point_set_start(struct transform_point *point, uint64_t start_unix_ns);

uint64_t transform_point_time(const struct transform_point *point);

/* The numbers of a histogram's point as they are now. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_point_hist(const struct transform_point *point, enum otlp_data data,
                                       struct arena *arena, const struct transform_hist **out);
void transform_point_set_hist(struct transform_point *point, const struct transform_hist *hist);

/* Makes `other` part of `point`, which keeps its exemplars. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_point_absorb(struct transform_point *point,
                                         struct transform_point *other, struct arena *arena);

/* Writes the changes of a point of `data`, whose bytes the edit's source has. Errors stick. */
void transform_point_write(struct transform_point *point, enum otlp_data data,
                           struct otlp_edit *edit);

/* --- edits of single fields ------------------------------------------------------------------- */

/*
 * Room for the changes of one point or so. There may be an edit for each point of a part, and the
 * arena would keep the list of each.
 */
#define TRANSFORM_SPLICES 16

/* As otlp_edit_init; borrows `room` until the edit is finished. */
void transform_edit_init(struct otlp_edit *edit, struct arena *arena, struct slice source,
                         struct otlp_splice room[TRANSFORM_SPLICES]);

/* What an edit leaves, in the arena. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_edit_finish(struct otlp_edit *edit, struct slice *out);
