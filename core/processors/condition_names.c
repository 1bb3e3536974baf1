/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition_names — paths and named numbers of OTTL, as tables.
 */
#include "core/processors/condition.h"

/* Contexts from which a path can be read. */
#define BIT(context) (1u << (context))
#define FROM_ALL ((1u << CONDITION_CONTEXT_COUNT) - 1)
#define FROM_INSIDE_SCOPE (FROM_ALL & ~BIT(CONDITION_RESOURCE))
#define FROM_METRIC (BIT(CONDITION_METRIC) | BIT(CONDITION_POINT))
#define FROM_SPAN (BIT(CONDITION_SPAN) | BIT(CONDITION_EVENT))

struct path {
    const char *name;
    uint32_t contexts;
    enum condition_source source;
};

static const struct path paths[] = {
    {"resource.attributes", FROM_ALL, CONDITION_RESOURCE_ATTRS},
    {"scope.attributes", FROM_INSIDE_SCOPE, CONDITION_SCOPE_ATTRS},
    {"scope.name", FROM_INSIDE_SCOPE, CONDITION_SCOPE_NAME},
    {"scope.version", FROM_INSIDE_SCOPE, CONDITION_SCOPE_VERSION},
    {"instrumentation_scope.attributes", FROM_INSIDE_SCOPE, CONDITION_SCOPE_ATTRS},
    {"instrumentation_scope.name", FROM_INSIDE_SCOPE, CONDITION_SCOPE_NAME},
    {"instrumentation_scope.version", FROM_INSIDE_SCOPE, CONDITION_SCOPE_VERSION},
    {"span.attributes", FROM_SPAN, CONDITION_ITEM_ATTRS},
    {"span.name", FROM_SPAN, CONDITION_SPAN_NAME},
    {"span.kind", FROM_SPAN, CONDITION_SPAN_KIND},
    {"span.status.code", FROM_SPAN, CONDITION_SPAN_STATUS_CODE},
    {"span.status.message", FROM_SPAN, CONDITION_SPAN_STATUS_MESSAGE},
    {"span.trace_state", FROM_SPAN, CONDITION_SPAN_TRACE_STATE},
    {"spanevent.attributes", BIT(CONDITION_EVENT), CONDITION_EVENT_ATTRS},
    {"spanevent.name", BIT(CONDITION_EVENT), CONDITION_EVENT_NAME},
    {"log.attributes", BIT(CONDITION_RECORD), CONDITION_ITEM_ATTRS},
    {"log.body", BIT(CONDITION_RECORD), CONDITION_RECORD_BODY},
    {"log.severity_number", BIT(CONDITION_RECORD), CONDITION_RECORD_SEVERITY_NUMBER},
    {"log.severity_text", BIT(CONDITION_RECORD), CONDITION_RECORD_SEVERITY_TEXT},
    {"log.event_name", BIT(CONDITION_RECORD), CONDITION_RECORD_EVENT_NAME},
    {"metric.name", FROM_METRIC, CONDITION_METRIC_NAME},
    {"metric.description", FROM_METRIC, CONDITION_METRIC_DESCRIPTION},
    {"metric.unit", FROM_METRIC, CONDITION_METRIC_UNIT},
    {"metric.type", FROM_METRIC, CONDITION_METRIC_TYPE},
    {"metric.aggregation_temporality", FROM_METRIC, CONDITION_METRIC_TEMPORALITY},
    {"metric.is_monotonic", FROM_METRIC, CONDITION_METRIC_MONOTONIC},
    {"datapoint.attributes", BIT(CONDITION_POINT), CONDITION_ITEM_ATTRS},
    {"datapoint.value_int", BIT(CONDITION_POINT), CONDITION_POINT_INT},
    {"datapoint.value_double", BIT(CONDITION_POINT), CONDITION_POINT_DOUBLE},
};

bool condition_find_path(struct slice name, enum condition_context context,
                         enum condition_source *out)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if ((paths[i].contexts & BIT(context)) != 0 && slice_is_text(name, paths[i].name)) {
            *out = paths[i].source;
            return true;
        }
    }
    return false;
}

const char *condition_prefix(enum condition_context context)
{
    static const char *const prefixes[] = {
        [CONDITION_RESOURCE] = "resource", [CONDITION_SCOPE] = "scope",
        [CONDITION_METRIC] = "metric",     [CONDITION_POINT] = "datapoint",
        [CONDITION_SPAN] = "span",         [CONDITION_EVENT] = "spanevent",
        [CONDITION_RECORD] = "log",
    };
    return prefixes[context];
}

struct named_number {
    const char *name;
    int64_t value;
};

static const struct named_number numbers[] = {
    {"SPAN_KIND_UNSPECIFIED", 0},
    {"SPAN_KIND_INTERNAL", 1},
    {"SPAN_KIND_SERVER", 2},
    {"SPAN_KIND_CLIENT", 3},
    {"SPAN_KIND_PRODUCER", 4},
    {"SPAN_KIND_CONSUMER", 5},
    {"STATUS_CODE_UNSET", 0},
    {"STATUS_CODE_OK", 1},
    {"STATUS_CODE_ERROR", 2},
    {"SEVERITY_NUMBER_UNSPECIFIED", 0},
    {"SEVERITY_NUMBER_TRACE", 1},
    {"SEVERITY_NUMBER_TRACE2", 2},
    {"SEVERITY_NUMBER_TRACE3", 3},
    {"SEVERITY_NUMBER_TRACE4", 4},
    {"SEVERITY_NUMBER_DEBUG", 5},
    {"SEVERITY_NUMBER_DEBUG2", 6},
    {"SEVERITY_NUMBER_DEBUG3", 7},
    {"SEVERITY_NUMBER_DEBUG4", 8},
    {"SEVERITY_NUMBER_INFO", 9},
    {"SEVERITY_NUMBER_INFO2", 10},
    {"SEVERITY_NUMBER_INFO3", 11},
    {"SEVERITY_NUMBER_INFO4", 12},
    {"SEVERITY_NUMBER_WARN", 13},
    {"SEVERITY_NUMBER_WARN2", 14},
    {"SEVERITY_NUMBER_WARN3", 15},
    {"SEVERITY_NUMBER_WARN4", 16},
    {"SEVERITY_NUMBER_ERROR", 17},
    {"SEVERITY_NUMBER_ERROR2", 18},
    {"SEVERITY_NUMBER_ERROR3", 19},
    {"SEVERITY_NUMBER_ERROR4", 20},
    {"SEVERITY_NUMBER_FATAL", 21},
    {"SEVERITY_NUMBER_FATAL2", 22},
    {"SEVERITY_NUMBER_FATAL3", 23},
    {"SEVERITY_NUMBER_FATAL4", 24},
    {"METRIC_DATA_TYPE_NONE", 0},
    {"METRIC_DATA_TYPE_GAUGE", 1},
    {"METRIC_DATA_TYPE_SUM", 2},
    {"METRIC_DATA_TYPE_HISTOGRAM", 3},
    {"METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4},
    {"METRIC_DATA_TYPE_SUMMARY", 5},
    {"AGGREGATION_TEMPORALITY_UNSPECIFIED", 0},
    {"AGGREGATION_TEMPORALITY_DELTA", 1},
    {"AGGREGATION_TEMPORALITY_CUMULATIVE", 2},
};

bool condition_find_number(struct slice name, int64_t *out)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (slice_is_text(name, numbers[i].name)) {
            *out = numbers[i].value;
            return true;
        }
    }
    return false;
}
