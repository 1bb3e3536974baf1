/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_config — reads include and exclude in the three spellings the Collector has for them.
 *
 * The rules themselves are applied in match.c.
 */
#include <ctype.h>
#include <errno.h>

#include "core/base/regex.h"
#include "core/engine/config.h"
#include "core/processors/config_value.h"
#include "core/processors/match.h"

#define WHY_BYTES 128

enum match_type {
    MATCH_STRICT,
    MATCH_REGEXP,
    MATCH_EXPR,
};

static const char *const type_words[] = {
    [MATCH_STRICT] = "strict",
    [MATCH_REGEXP] = "regexp",
    [MATCH_EXPR] = "expr",
};

static const char *const signal_words[] = {
    [SIGNAL_TRACES] = "traces",
    [SIGNAL_METRICS] = "metrics",
    [SIGNAL_LOGS] = "logs",
};

/* Names of severities, four numbers each. */
static const char *const severity_words[] = {"trace", "debug", "info", "warn", "error", "fatal"};

/* One section being read. */
struct reading {
    struct config_reader *r;
    struct match_rules *rules;
    struct arena *memory;
    enum signal signal;
    bool is_regexp;
    bool is_empty; /* no property so far */
    int err;       /* 0 or -ENOMEM; sticks */
};

/* Notes a property at `level`, and refuses it where the signal has none such. */
static void note_property(struct reading *in, const char *key, enum match_level level,
                          bool fits_signal)
{
    if (!fits_signal) {
        config_refuse(in->r, key, "'%s' means nothing for %s", key, signal_words[in->signal]);
    }
    in->is_empty = false;
    in->rules->last_level = level > in->rules->last_level ? level : in->rules->last_level;
}

/* `text` as the match type has it. */
static struct match_text make_text(struct reading *in, struct slice text, struct config_mark mark)
{
    struct match_text out = {.text = text};
    char why[WHY_BYTES];
    int err = in->is_regexp ? regex_new(text, &out.regex, why, sizeof(why)) : 0;
    if (err == -ENOMEM) {
        in->err = err;
    } else if (err != 0) {
        config_error(in->r->report, mark, NULL, "not a regular expression: %s", why);
    }
    return out;
}

/* The list of texts at `key`. */
static struct match_text *read_texts(struct reading *in, const char *key, enum match_level level,
                                     bool fits_signal)
{
    struct match_text *first = NULL;
    struct match_text **end = &first;
    struct slice text;
    struct config_items items = config_open_list(in->r, key);
    while (in->err == 0 && config_next_text(&items, &text)) {
        struct match_text *rule = arena_alloc(in->memory, sizeof(*rule));
        if (rule == NULL) {
            in->err = -ENOMEM;
            break;
        }
        *rule = make_text(in, text, items.mark);
        *end = rule;
        end = &rule->next;
    }
    if (items.seen_count > 0) {
        note_property(in, key, level, fits_signal);
    }
    return first;
}

/* {key, value} of a list of attributes. */
static struct match_attr read_attr(struct reading *in, struct config_reader *r)
{
    struct match_attr attr = {0};
    (void)config_require(r, "key");
    (void)config_read_text(r, "key", NULL, &attr.key);
    int err = config_value_read(r, "value", in->memory, &attr.value, &attr.has_value);
    in->err = in->err == 0 ? err : in->err;
    if (attr.has_value && in->is_regexp && err == 0) {
        bool is_text = attr.value.kind == OTLP_VALUE_STRING;
        struct match_text text = {0};
        if (is_text) {
            text = make_text(in, attr.value.bytes, r->mark);
        } else {
            config_refuse(r, "value", "a regular expression must be text; put it in quotes");
        }
        attr.regex = text.regex;
    }
    return attr;
}

static struct match_attr *read_attrs(struct reading *in, const char *key, enum match_level level)
{
    struct match_attr *first = NULL;
    struct match_attr **end = &first;
    struct config_reader r;
    struct config_items items = config_open_list(in->r, key);
    while (in->err == 0 && config_next_section(&items, &r)) {
        struct match_attr *rule = arena_alloc(in->memory, sizeof(*rule));
        if (rule == NULL) {
            in->err = -ENOMEM;
        } else {
            *rule = read_attr(in, &r);
            *end = rule;
            end = &rule->next;
        }
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    if (items.seen_count > 0) {
        note_property(in, key, level, true);
    }
    return first;
}

/* {name, version} of a list of instrumentation scopes. */
static struct match_scope read_scope(struct reading *in, struct config_reader *r)
{
    struct match_scope scope = {0};
    struct slice text;
    if (config_require(r, "name") && config_read_text(r, "name", NULL, &text)) {
        scope.name = make_text(in, text, r->mark);
    }
    scope.has_version = config_read_text(r, "version", NULL, &text);
    if (scope.has_version) {
        scope.version = make_text(in, text, r->mark);
    }
    return scope;
}

static struct match_scope *read_scopes(struct reading *in, const char *key)
{
    struct match_scope *first = NULL;
    struct match_scope **end = &first;
    struct config_reader r;
    struct config_items items = config_open_list(in->r, key);
    while (in->err == 0 && config_next_section(&items, &r)) {
        struct match_scope *rule = arena_alloc(in->memory, sizeof(*rule));
        if (rule == NULL) {
            in->err = -ENOMEM;
        } else {
            *rule = read_scope(in, &r);
            *end = rule;
            end = &rule->next;
        }
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    if (items.seen_count > 0) {
        note_property(in, key, MATCH_SCOPE, true);
    }
    return first;
}

/* "9", "info", "INFO2". */
static bool parse_severity(struct slice text, int32_t *out)
{
    int64_t number = 0;
    if (config_parse_i64(text, &number)) {
        *out = (int32_t)number;
        return number >= 0 && number <= 24;
    }
    for (size_t i = 0; i < COUNT_OF(severity_words); i++) {
        struct slice word = slice_of_text(severity_words[i]);
        bool is_same = text.len == word.len || text.len == word.len + 1;
        for (size_t j = 0; j < word.len && is_same; j++) {
            is_same = tolower(text.ptr[j]) == word.ptr[j];
        }
        int32_t step = is_same && text.len > word.len ? text.ptr[word.len] - '0' : 1;
        bool is_step = text.len == word.len || (step >= 2 && step <= 4);
        if (is_same && is_step) {
            *out = 4 * (int32_t)i + step;
            return true;
        }
    }
    return false;
}

static void read_severity(struct reading *in, const char *key)
{
    struct config_reader r;
    struct slice text;
    bool is_there = config_open_section(in->r, key, &r);
    if (config_read_text(&r, "min", NULL, &text) && text.len > 0 &&
        !parse_severity(text, &in->rules->severity_min)) {
        config_refuse(&r, "min", "expected a severity such as INFO, WARN2 or 9");
    }
    (void)config_read_bool(&r, "match_undefined", false, &in->rules->matches_undefined);
    (void)config_reader_finish(&r); /* counted by the section around it */
    if (is_there) {
        in->rules->has_severity = true;
        note_property(in, key, MATCH_ITEM, in->signal == SIGNAL_LOGS);
    }
}

static void read_type(struct reading *in)
{
    uint32_t type = MATCH_STRICT;
    bool is_there = config_require(in->r, "match_type");
    (void)config_read_enum(in->r, "match_type", CONFIG_WORDS(type_words), MATCH_STRICT, &type);
    if (is_there && type == MATCH_EXPR) {
        config_refuse(in->r, "match_type", "match_type expr is known but not supported yet");
    }
    in->is_regexp = type == MATCH_REGEXP;
    struct config_reader cache; /* results are the same with and without one, so there is none */
    bool is_cached = false;
    uint64_t entries = 0;
    (void)config_open_section(in->r, "regexp", &cache);
    (void)config_read_bool(&cache, "cacheenabled", false, &is_cached);
    (void)config_read_u64(&cache, "cachemaxnumentries", 0, &entries);
    (void)config_reader_finish(&cache); /* counted by the section around it */
}

/* The attributes processor, and the spans of filter. */
static void read_full(struct reading *in)
{
    bool is_traces = in->signal == SIGNAL_TRACES;
    bool is_logs = in->signal == SIGNAL_LOGS;
    struct match_rules *rules = in->rules;
    rules->services = read_texts(in, "services", MATCH_RESOURCE, true);
    rules->resources = read_attrs(in, "resources", MATCH_RESOURCE);
    rules->scopes = read_scopes(in, "libraries");
    rules->metric_names =
        read_texts(in, "metric_names", MATCH_METRIC, in->signal == SIGNAL_METRICS);
    rules->span_names = read_texts(in, "span_names", MATCH_ITEM, is_traces);
    rules->span_kinds = read_texts(in, "span_kinds", MATCH_ITEM, is_traces);
    rules->attributes = read_attrs(in, "attributes", MATCH_ITEM);
    rules->bodies = read_texts(in, "log_bodies", MATCH_ITEM, is_logs);
    rules->severity_texts = read_texts(in, "log_severity_texts", MATCH_ITEM, is_logs);
    read_severity(in, "log_severity_number");
}

static void read_logs(struct reading *in)
{
    struct match_rules *rules = in->rules;
    rules->resources = read_attrs(in, "resource_attributes", MATCH_RESOURCE);
    rules->attributes = read_attrs(in, "record_attributes", MATCH_ITEM);
    rules->bodies = read_texts(in, "bodies", MATCH_ITEM, true);
    rules->severity_texts = read_texts(in, "severity_texts", MATCH_ITEM, true);
    read_severity(in, "severity_number");
}

static void read_metrics(struct reading *in)
{
    struct match_rules *rules = in->rules;
    rules->resources = read_attrs(in, "resource_attributes", MATCH_RESOURCE);
    rules->metric_names = read_texts(in, "metric_names", MATCH_METRIC, true);
    config_known_unsupported(in->r, "expressions");
}

int match_rules_read(struct match_rules *rules, struct config_reader *config, const char *key,
                     enum match_style style, enum signal signal, struct arena *memory)
{
    struct config_reader r;
    *rules = (struct match_rules){0};
    struct reading in = {
        .r = &r, .rules = rules, .memory = memory, .signal = signal, .is_empty = true};
    if (!config_open_section(config, key, &r)) {
        (void)config_reader_finish(&r); /* nothing to read */
        return 0;
    }
    rules->is_set = true;
    read_type(&in);
    switch (style) {
    case MATCH_STYLE_ATTRIBUTES:
        read_full(&in);
        break;
    case MATCH_STYLE_LOGS:
        read_logs(&in);
        break;
    case MATCH_STYLE_METRICS:
        read_metrics(&in);
        break;
    }
    if (in.is_empty && style == MATCH_STYLE_ATTRIBUTES) {
        config_refuse(&r, "", "'%s' names nothing to match", key);
    } else if (in.is_empty) {
        config_caution(&r, "", "'%s' names nothing to match and has no effect", key);
        rules->is_set = false;
    }
    (void)config_reader_finish(&r); /* counted by the section around it */
    return in.err;
}

static void free_texts(struct match_text *first)
{
    for (struct match_text *rule = first; rule != NULL; rule = rule->next) {
        regex_free(rule->regex);
    }
}

static void free_attrs(struct match_attr *first)
{
    for (struct match_attr *rule = first; rule != NULL; rule = rule->next) {
        regex_free(rule->regex);
    }
}

void match_rules_fini(struct match_rules *rules)
{
    free_texts(rules->services);
    free_texts(rules->span_names);
    free_texts(rules->span_kinds);
    free_texts(rules->metric_names);
    free_texts(rules->bodies);
    free_texts(rules->severity_texts);
    free_attrs(rules->attributes);
    free_attrs(rules->resources);
    for (struct match_scope *rule = rules->scopes; rule != NULL; rule = rule->next) {
        regex_free(rule->name.regex);
        regex_free(rule->version.regex);
    }
    *rules = (struct match_rules){0};
}
