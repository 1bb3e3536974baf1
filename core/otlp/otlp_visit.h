/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_visit — shows every resource, scope, metric and item of a part to a processor, which keeps,
 * drops or edits it.
 *
 * While a function of the visitor runs, the message it is about is the innermost open one of the
 * edit, so it may use otlp_attr_list_flush and otlp_edit_remove at once. A scope, metric or
 * resource that lost its last item goes too.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_edit.h"

enum otlp_verdict {
    OTLP_KEEP,
    OTLP_DROP, /* the resource, scope, metric or item goes, with all that is in it */
    OTLP_PASS, /* keep it, and do not visit what is in it */
};

/* Where the visit is; the fields for what is further inside are zero. Borrows from the source. */
struct otlp_place {
    enum signal signal;
    struct otlp_field group;       /* ResourceSpans, ResourceMetrics, ResourceLogs */
    struct otlp_field resource;    /* its Resource; of no bytes where it has none */
    struct otlp_field scope_group; /* ScopeSpans, ScopeMetrics, ScopeLogs */
    struct otlp_field scope;       /* its InstrumentationScope; of no bytes where it has none */
    struct otlp_field metric;      /* of SIGNAL_METRICS */
    enum otlp_data data;           /* which kind the metric holds; 0 for none */
    struct otlp_field item;        /* span, log record, data point */
    uint32_t item_attrs;           /* number of the item's attributes */
};

struct otlp_visitor;
typedef enum otlp_verdict(otlp_visit_fn)(struct otlp_visitor *visitor,
                                         const struct otlp_place *place, struct otlp_edit *edit);

/*
 * Embedded by the processor. NULL: nothing to say, keep. Without on_item, and for metrics without
 * on_metric, items are not stepped through one by one.
 */
struct otlp_visitor {
    otlp_visit_fn *on_resource; /* the Resource is open */
    otlp_visit_fn *on_scope;    /* the InstrumentationScope is open */
    otlp_visit_fn *on_metric;   /* the Metric is open; its points have not been visited */
    otlp_visit_fn *on_item;     /* the span, log record or data point is open */
};

struct otlp_tally {
    uint64_t dropped_count;        /* items that went, also with what was around them */
    uint64_t dropped_metric_count; /* of SIGNAL_METRICS */
};

/*
 * otlp_visit — one pass over the edit's source, a walked request.
 *
 * 0, or the edit's error: FAULT_LIMIT. The caller goes on with otlp_edit_apply.
 */
WEIR_MUST_USE int otlp_visit(struct otlp_visitor *visitor, enum signal signal,
                             struct otlp_edit *edit, struct otlp_tally *out);
