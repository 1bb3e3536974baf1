/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition — evaluating compiled conditions; condition_parse.c compiles them.
 *
 * What is missing is nil, which equals only nil; what is of another type equals nothing and is
 * neither less nor greater. Whole and other numbers are compared as numbers.
 */
#include "core/processors/condition.h"

#include <string.h>

#include "core/base/regex.h"
#include "core/processors/value_text.h"

/* Fields that are read. */
enum {
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_STATUS = 15,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
    EVENT_NAME = 2,
    LOG_SEVERITY_NUMBER = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
    LOG_EVENT_NAME = 12,
    METRIC_NAME = 1,
    METRIC_DESCRIPTION = 2,
    METRIC_UNIT = 3,
    DATA_TEMPORALITY = 2,
    DATA_MONOTONIC = 3,
    POINT_DOUBLE = 4,
    POINT_INT = 6,
};

/* --- reading ---------------------------------------------------------------------------------- */

static struct slice bytes_field(struct slice message, uint32_t number)
{
    struct otlp_field field;
    bool is_there = otlp_field_find(message, number, &field);
    return is_there ? field.content : (struct slice){0};
}

static struct otlp_value text_field(struct slice message, uint32_t number)
{
    return (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = bytes_field(message, number)};
}

/* An enum or other whole number; 0 where it is not written. */
static struct otlp_value number_field(struct slice message, uint32_t number)
{
    struct otlp_field field;
    bool is_there = otlp_field_find(message, number, &field);
    return (struct otlp_value){.kind = OTLP_VALUE_INT,
                               .integer = is_there ? (int64_t)otlp_field_u64(&field) : 0};
}

static struct otlp_value attr_value(struct slice message, uint32_t number, struct slice key)
{
    struct otlp_attr attr = {0};
    bool is_there = otlp_attr_find(message, number, key, &attr);
    return is_there ? attr.value : (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
}

/* The value of a number point, if it is of the kind that the path is about. */
static struct otlp_value point_value(const struct otlp_place *place, uint32_t number)
{
    struct otlp_field field;
    struct otlp_value value = {.kind = OTLP_VALUE_EMPTY};
    bool is_number = place->data == OTLP_DATA_GAUGE || place->data == OTLP_DATA_SUM;
    if (!is_number || !otlp_field_find(place->item.content, number, &field)) {
        return value;
    }
    uint64_t bits = otlp_field_u64(&field);
    if (number == POINT_INT) {
        return (struct otlp_value){.kind = OTLP_VALUE_INT, .integer = (int64_t)bits};
    }
    value.kind = OTLP_VALUE_DOUBLE;
    memcpy(&value.number, &bits, sizeof(value.number));
    return value;
}

static int64_t type_number(enum otlp_data data)
{
    switch (data) {
    case OTLP_DATA_GAUGE:
        return 1;
    case OTLP_DATA_SUM:
        return 2;
    case OTLP_DATA_HISTOGRAM:
        return 3;
    case OTLP_DATA_EXPHIST:
        return 4;
    case OTLP_DATA_SUMMARY:
        return 5;
    }
    return 0; /* a metric without data */
}

static struct otlp_value metric_property(const struct otlp_place *place,
                                         enum condition_source source)
{
    struct otlp_field data;
    (void)otlp_metric_data(place->metric.content, &data); /* without one it is of no bytes */
    if (source == CONDITION_METRIC_TYPE) {
        return (struct otlp_value){.kind = OTLP_VALUE_INT, .integer = type_number(place->data)};
    }
    if (source == CONDITION_METRIC_TEMPORALITY) {
        bool has_one = place->data != OTLP_DATA_GAUGE && place->data != OTLP_DATA_SUMMARY;
        return number_field(has_one ? data.content : (struct slice){0}, DATA_TEMPORALITY);
    }
    struct otlp_value flag = number_field(
        place->data == OTLP_DATA_SUM ? data.content : (struct slice){0}, DATA_MONOTONIC);
    return (struct otlp_value){.kind = OTLP_VALUE_BOOL, .boolean = flag.integer != 0};
}

/* What a path says before its indexes; of attributes, the one that the first index names. */
static struct otlp_value read_source(const struct condition_operand *operand,
                                     const struct condition_place *at)
{
    const struct otlp_place *place = at->place;
    struct slice item = place->item.content;
    struct slice key = operand->indexes == NULL ? (struct slice){0} : operand->indexes->key;
    switch (operand->source) {
    case CONDITION_LITERAL:
        return operand->literal;
    case CONDITION_RESOURCE_ATTRS:
        return attr_value(place->resource.content, OTLP_RESOURCE_ATTRS, key);
    case CONDITION_SCOPE_ATTRS:
        return attr_value(place->scope.content, OTLP_SCOPE_ATTRS, key);
    case CONDITION_SCOPE_NAME:
        return text_field(place->scope.content, SCOPE_NAME);
    case CONDITION_SCOPE_VERSION:
        return text_field(place->scope.content, SCOPE_VERSION);
    case CONDITION_ITEM_ATTRS:
        return attr_value(item, place->item_attrs, key);
    case CONDITION_EVENT_ATTRS:
        return attr_value(at->event, OTLP_EVENT_ATTRS, key);
    case CONDITION_EVENT_NAME:
        return text_field(at->event, EVENT_NAME);
    case CONDITION_SPAN_NAME:
        return text_field(item, SPAN_NAME);
    case CONDITION_SPAN_KIND:
        return number_field(item, SPAN_KIND);
    case CONDITION_SPAN_STATUS_CODE:
        return number_field(bytes_field(item, SPAN_STATUS), STATUS_CODE);
    case CONDITION_SPAN_STATUS_MESSAGE:
        return text_field(bytes_field(item, SPAN_STATUS), STATUS_MESSAGE);
    case CONDITION_SPAN_TRACE_STATE:
        return text_field(item, SPAN_TRACE_STATE);
    case CONDITION_RECORD_BODY:
        return otlp_value_read(bytes_field(item, LOG_BODY));
    case CONDITION_RECORD_SEVERITY_NUMBER:
        return number_field(item, LOG_SEVERITY_NUMBER);
    case CONDITION_RECORD_SEVERITY_TEXT:
        return text_field(item, LOG_SEVERITY_TEXT);
    case CONDITION_RECORD_EVENT_NAME:
        return text_field(item, LOG_EVENT_NAME);
    case CONDITION_METRIC_NAME:
        return text_field(place->metric.content, METRIC_NAME);
    case CONDITION_METRIC_DESCRIPTION:
        return text_field(place->metric.content, METRIC_DESCRIPTION);
    case CONDITION_METRIC_UNIT:
        return text_field(place->metric.content, METRIC_UNIT);
    case CONDITION_METRIC_TYPE:
    case CONDITION_METRIC_TEMPORALITY:
    case CONDITION_METRIC_MONOTONIC:
        return metric_property(place, operand->source);
    case CONDITION_POINT_INT:
        return point_value(place, POINT_INT);
    case CONDITION_POINT_DOUBLE:
        return point_value(place, POINT_DOUBLE);
    }
    return (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
}

/* The member of a list or map; nil where there is none. */
static struct otlp_value read_index(const struct otlp_value *value,
                                    const struct condition_index *index)
{
    struct otlp_field field;
    if (value->kind == OTLP_VALUE_KVLIST && !index->is_position) {
        return attr_value(value->bytes, OTLP_KVLIST_VALUES, index->key);
    }
    if (value->kind == OTLP_VALUE_ARRAY && index->is_position) {
        struct pb_reader in = pb_reader_of(value->bytes);
        for (uint64_t i = 0; otlp_child_next(&in, OTLP_ARRAY_VALUES, &field); i++) {
            if (i == index->position) {
                return otlp_value_read(field.content);
            }
        }
    }
    return (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
}

static bool is_attrs(enum condition_source source)
{
    return source == CONDITION_RESOURCE_ATTRS || source == CONDITION_SCOPE_ATTRS ||
           source == CONDITION_ITEM_ATTRS || source == CONDITION_EVENT_ATTRS;
}

static struct otlp_value read_operand(const struct condition_operand *operand,
                                      const struct condition_place *at)
{
    struct otlp_value value = read_source(operand, at);
    const struct condition_index *index = operand->indexes;
    if (index != NULL && is_attrs(operand->source)) {
        index = index->next; /* the key of the attribute was the first */
    }
    while (index != NULL) {
        value = read_index(&value, index);
        index = index->next;
    }
    return value;
}

/* --- comparing -------------------------------------------------------------------------------- */

enum order {
    ORDER_NONE, /* of different types, or without one */
    ORDER_LESS,
    ORDER_SAME,
    ORDER_GREATER,
};

static enum order order_of(int difference)
{
    if (difference == 0) {
        return ORDER_SAME;
    }
    return difference < 0 ? ORDER_LESS : ORDER_GREATER;
}

static bool is_number(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_INT || value->kind == OTLP_VALUE_DOUBLE;
}

static double number_of(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_INT ? (double)value->integer : value->number;
}

static enum order compare_numbers(const struct otlp_value *a, const struct otlp_value *b)
{
    if (a->kind == OTLP_VALUE_INT && b->kind == OTLP_VALUE_INT) {
        return order_of((a->integer > b->integer) - (a->integer < b->integer));
    }
    double left = number_of(a);
    double right = number_of(b);
    if (!(left <= right || left >= right)) {
        return ORDER_NONE; /* not a number */
    }
    return order_of((left > right) - (left < right));
}

static enum order compare(const struct otlp_value *a, const struct otlp_value *b)
{
    if (is_number(a) && is_number(b)) {
        return compare_numbers(a, b);
    }
    if (a->kind != b->kind) {
        return ORDER_NONE;
    }
    switch (a->kind) {
    case OTLP_VALUE_STRING:
    case OTLP_VALUE_BYTES:
        return order_of(slice_compare(a->bytes, b->bytes));
    case OTLP_VALUE_BOOL:
        return order_of((int)a->boolean - (int)b->boolean);
    case OTLP_VALUE_EMPTY:
        return ORDER_SAME;
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_INT:
    case OTLP_VALUE_DOUBLE:
        break;
    }
    return otlp_value_equal(a, b) ? ORDER_SAME : ORDER_NONE;
}

static bool test_order(const struct condition_test *test, const struct condition_place *at)
{
    struct otlp_value left = read_operand(&test->left, at);
    struct otlp_value right = read_operand(&test->right, at);
    enum order order = compare(&left, &right);
    bool is_ordered = left.kind != OTLP_VALUE_EMPTY;
    switch (test->op) {
    case CONDITION_EQUAL:
        return order == ORDER_SAME;
    case CONDITION_UNEQUAL:
        return order != ORDER_SAME;
    case CONDITION_LESS:
        return order == ORDER_LESS;
    case CONDITION_LESS_EQUAL:
        return order == ORDER_LESS || (order == ORDER_SAME && is_ordered);
    case CONDITION_GREATER:
        return order == ORDER_GREATER;
    case CONDITION_GREATER_EQUAL:
        return order == ORDER_GREATER || (order == ORDER_SAME && is_ordered);
    case CONDITION_MATCHES:
    case CONDITION_IS_ROOT:
    case CONDITION_POINT_HAS:
    case CONDITION_POINT_SAYS:
        break;
    }
    return false;
}

/* --- functions -------------------------------------------------------------------------------- */

static bool test_match(const struct condition_test *test, struct condition_place *at)
{
    struct otlp_value value = read_operand(&test->left, at);
    struct slice text = {0};
    if (value.kind == OTLP_VALUE_EMPTY) {
        return false;
    }
    int err = value_text(&value, at->arena, &text);
    if (err != 0) {
        at->err = err;
        return false;
    }
    return regex_matches(test->regex, text);
}

static bool test_root(const struct condition_place *at)
{
    struct slice parent = bytes_field(at->place->item.content, SPAN_PARENT);
    bool is_zero = true;
    for (size_t i = 0; i < parent.len && is_zero; i++) {
        is_zero = parent.ptr[i] == 0;
    }
    return is_zero;
}

/* Has any point of the metric the attribute, and the value where one is asked for? */
static bool test_points(const struct condition_test *test, const struct condition_place *at)
{
    struct otlp_field data;
    struct otlp_field point;
    struct otlp_attr attr;
    if (!otlp_metric_data(at->place->metric.content, &data)) {
        return false;
    }
    uint32_t number = otlp_item_attrs(SIGNAL_METRICS, at->place->data);
    struct pb_reader in = pb_reader_of(data.content);
    while (otlp_child_next(&in, OTLP_POINTS, &point)) {
        if (otlp_attr_find(point.content, number, test->left.literal.bytes, &attr) &&
            (test->op == CONDITION_POINT_HAS ||
             compare(&attr.value, &test->right.literal) == ORDER_SAME)) {
            return true;
        }
    }
    return false;
}

static bool run_test(const struct condition_test *test, struct condition_place *at)
{
    switch (test->op) {
    case CONDITION_EQUAL:
    case CONDITION_UNEQUAL:
    case CONDITION_LESS:
    case CONDITION_LESS_EQUAL:
    case CONDITION_GREATER:
    case CONDITION_GREATER_EQUAL:
        return test_order(test, at);
    case CONDITION_MATCHES:
        return test_match(test, at);
    case CONDITION_IS_ROOT:
        return test_root(at);
    case CONDITION_POINT_HAS:
    case CONDITION_POINT_SAYS:
        return test_points(test, at);
    }
    return false;
}

bool condition_holds(const struct condition *condition, struct condition_place *at)
{
    bool holds = false;
    uint32_t i = 0;
    while (i < condition->step_count) {
        const struct condition_step *step = &condition->steps[i];
        i++;
        switch (step->kind) {
        case CONDITION_TEST:
            holds = run_test(step->test, at);
            break;
        case CONDITION_NOT:
            holds = !holds;
            break;
        case CONDITION_JUMP_IF_FALSE:
            i = holds ? i : step->target_index;
            break;
        case CONDITION_JUMP_IF_TRUE:
            i = holds ? step->target_index : i;
            break;
        }
    }
    return holds;
}

bool condition_any_holds(const struct condition *first, struct condition_place *at)
{
    const struct condition *condition = first;
    while (condition != NULL && !condition_holds(condition, at)) {
        condition = condition->next;
    }
    return condition != NULL;
}

void condition_fini_all(struct condition *first)
{
    for (struct condition *condition = first; condition != NULL; condition = condition->next) {
        for (uint32_t i = 0; i < condition->step_count; i++) {
            if (condition->steps[i].kind == CONDITION_TEST) {
                regex_free(condition->steps[i].test->regex);
                condition->steps[i].test->regex = NULL;
            }
        }
    }
}
