/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match — the properties of a place against the rules; match_config.c reads them.
 */
#include "core/processors/match.h"

#include "core/base/regex.h"
#include "core/processors/value_text.h"

/* Fields of what is matched. */
enum {
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    METRIC_NAME = 1,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    LOG_SEVERITY_NUMBER = 2,
    LOG_SEVERITY_TEXT = 3,
    LOG_BODY = 5,
};

#define SERVICE_NAME "service.name"
/* What the Collector compares where a resource has no service name. */
#define SERVICE_NONE "<nil-service-name>"

static struct slice text_field(struct slice message, uint32_t number)
{
    struct otlp_field field;
    bool is_there = otlp_field_find(message, number, &field);
    return is_there ? field.content : (struct slice){0};
}

static uint64_t number_field(struct slice message, uint32_t number)
{
    struct otlp_field field;
    return otlp_field_find(message, number, &field) ? otlp_field_u64(&field) : 0;
}

static bool is_text_match(const struct match_text *rule, struct slice text)
{
    return rule->regex != NULL ? regex_matches(rule->regex, text) : slice_equal(rule->text, text);
}

/* Does one of the list match? An empty list lets everything pass. */
static bool any_matches(const struct match_text *first, struct slice text)
{
    const struct match_text *rule = first;
    while (rule != NULL && !is_text_match(rule, text)) {
        rule = rule->next;
    }
    return first == NULL || rule != NULL;
}

/* The text of a value for the rules; empty where the arena is full, and then the error sticks. */
static struct slice text_of(struct match_selection *s, const struct otlp_value *value)
{
    struct slice text = {0};
    int err = value_text(value, s->arena, &text);
    s->err = s->err == 0 ? err : s->err;
    return text;
}

/* --- attributes ------------------------------------------------------------------------------- */

static bool is_attr_match(struct match_selection *s, const struct match_attr *rule,
                          const struct otlp_value *value)
{
    if (!rule->has_value) {
        return true;
    }
    if (rule->regex == NULL) {
        return otlp_value_equal(&rule->value, value);
    }
    switch (value->kind) {
    case OTLP_VALUE_STRING:
    case OTLP_VALUE_BOOL:
    case OTLP_VALUE_INT:
    case OTLP_VALUE_DOUBLE:
        return regex_matches(rule->regex, text_of(s, value));
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        break;
    }
    return false;
}

/* Do all rules find their attribute, field `number` of `message`? */
static bool all_attrs_match(struct match_selection *s, const struct match_attr *first,
                            struct slice message, uint32_t number)
{
    struct otlp_attr attr;
    bool is_match = true;
    for (const struct match_attr *rule = first; rule != NULL && is_match; rule = rule->next) {
        is_match = otlp_attr_find(message, number, rule->key, &attr) &&
                   is_attr_match(s, rule, &attr.value);
    }
    return is_match;
}

/* --- levels ----------------------------------------------------------------------------------- */

static bool resource_matches(struct match_selection *s, const struct match_rules *rules,
                             struct slice resource)
{
    struct otlp_attr attr;
    struct slice service = SLICE_LITERAL(SERVICE_NONE);
    if (rules->services != NULL &&
        otlp_attr_find(resource, OTLP_RESOURCE_ATTRS, SLICE_LITERAL(SERVICE_NAME), &attr)) {
        service = text_of(s, &attr.value);
    }
    return any_matches(rules->services, service) &&
           all_attrs_match(s, rules->resources, resource, OTLP_RESOURCE_ATTRS);
}

static bool scope_matches(const struct match_rules *rules, struct slice scope)
{
    bool is_match = true;
    for (const struct match_scope *rule = rules->scopes; rule != NULL && is_match;
         rule = rule->next) {
        is_match =
            is_text_match(&rule->name, text_field(scope, SCOPE_NAME)) &&
            (!rule->has_version || is_text_match(&rule->version, text_field(scope, SCOPE_VERSION)));
    }
    return is_match;
}

static struct slice kind_text(uint64_t kind)
{
    static const char *const names[] = {
        "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
    };
    return slice_of_text(kind < COUNT_OF(names) ? names[kind] : "");
}

static bool span_matches(const struct match_rules *rules, struct slice span)
{
    if (rules->span_names != NULL && !any_matches(rules->span_names, text_field(span, SPAN_NAME))) {
        return false;
    }
    return rules->span_kinds == NULL ||
           any_matches(rules->span_kinds, kind_text(number_field(span, SPAN_KIND)));
}

static bool severity_matches(const struct match_rules *rules, struct slice record)
{
    int32_t severity = (int32_t)(uint32_t)number_field(record, LOG_SEVERITY_NUMBER);
    return severity == 0 ? rules->matches_undefined : severity >= rules->severity_min;
}

static bool record_matches(struct match_selection *s, const struct match_rules *rules,
                           struct slice record)
{
    if (rules->bodies != NULL) {
        struct otlp_value body = otlp_value_read(text_field(record, LOG_BODY));
        if (!any_matches(rules->bodies, text_of(s, &body))) {
            return false;
        }
    }
    if (rules->severity_texts != NULL &&
        !any_matches(rules->severity_texts, text_field(record, LOG_SEVERITY_TEXT))) {
        return false;
    }
    return !rules->has_severity || severity_matches(rules, record);
}

static bool item_matches(struct match_selection *s, const struct match_rules *rules,
                         const struct otlp_place *place)
{
    bool is_match = true;
    switch (place->signal) {
    case SIGNAL_TRACES:
        is_match = span_matches(rules, place->item.content);
        break;
    case SIGNAL_LOGS:
        is_match = record_matches(s, rules, place->item.content);
        break;
    case SIGNAL_METRICS:
        break;
    }
    return is_match &&
           all_attrs_match(s, rules->attributes, place->item.content, place->item_attrs);
}

static bool level_matches(struct match_selection *s, const struct match_rules *rules,
                          enum match_level level, const struct otlp_place *place)
{
    switch (level) {
    case MATCH_RESOURCE:
        return resource_matches(s, rules, place->resource.content);
    case MATCH_SCOPE:
        return scope_matches(rules, place->scope.content);
    case MATCH_METRIC:
        return any_matches(rules->metric_names, text_field(place->metric.content, METRIC_NAME));
    case MATCH_ITEM:
        return item_matches(s, rules, place);
    }
    return false;
}

/* What holds at `level`: what held around it, and the rules for the level itself. */
static bool holds(struct match_selection *s, const struct match_rules *rules,
                  enum match_level level, const struct otlp_place *place, const bool *around)
{
    bool is_possible = level == MATCH_RESOURCE || around[level - 1];
    return is_possible && level_matches(s, rules, level, place);
}

/* A level that the visit skips has nothing to add. */
static void set_from(bool *levels, enum match_level level, bool value)
{
    for (uint32_t i = level; i < MATCH_LEVEL_COUNT; i++) {
        levels[i] = value;
    }
}

bool match_enter(struct match_selection *selection, enum match_level level,
                 const struct otlp_place *place)
{
    const struct match_rules *include = selection->include;
    const struct match_rules *exclude = selection->exclude;
    bool includes =
        !include->is_set || holds(selection, include, level, place, selection->includes);
    bool excludes = exclude->is_set && holds(selection, exclude, level, place, selection->excludes);
    set_from(selection->includes, level, includes);
    set_from(selection->excludes, level, excludes);
    return includes && !(excludes && level >= exclude->last_level);
}

bool match_needs_items(const struct match_rules *include, const struct match_rules *exclude)
{
    return (include->is_set && include->last_level == MATCH_ITEM) ||
           (exclude->is_set && exclude->last_level == MATCH_ITEM);
}
