/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_config — the older spellings (metrics.include, traces.span) and the newer one
 * (trace_conditions).
 */
#include "core/processors/filter_config.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/engine/config.h"

#define RULES_CHUNK_BYTES 1024

/* A condition cannot fail here, it is true or false; so all of them mean the same. */
static const char *const error_words[] = {"ignore", "silent", "propagate"};

/* Contexts of each signal from the outside in, as the newer spelling looks for one. */
struct signal_contexts {
    enum condition_context contexts[4];
    uint32_t count;
};

static const struct signal_contexts contexts_of[SIGNAL_COUNT] = {
    [SIGNAL_TRACES] = {{CONDITION_RESOURCE, CONDITION_SCOPE, CONDITION_SPAN, CONDITION_EVENT}, 4},
    [SIGNAL_METRICS] = {{CONDITION_RESOURCE, CONDITION_SCOPE, CONDITION_METRIC, CONDITION_POINT},
                        4},
    [SIGNAL_LOGS] = {{CONDITION_RESOURCE, CONDITION_SCOPE, CONDITION_RECORD}, 3},
};

/* One list of conditions being read. */
struct reading {
    struct config_reader *r;
    struct arena *memory;
    struct filter_rules *rules;
    const struct signal_contexts *contexts;
};

static void add_condition(struct filter_rules *rules, struct condition *condition)
{
    struct condition **end = &rules->conditions[condition->context];
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = condition;
    rules->has_conditions = true;
}

/* Compiles `text` for one of the contexts; the last one's complaint is reported. 0 or -ENOMEM. */
static int read_condition(struct reading *in, const struct signal_contexts *contexts,
                          struct slice text, struct config_mark mark)
{
    char why[CONDITION_WHY_BYTES] = "";
    struct condition *condition = NULL;
    bool is_inferred = contexts->count > 1;
    for (uint32_t i = 0; i < contexts->count && condition == NULL; i++) {
        int err =
            condition_parse(text, contexts->contexts[i], is_inferred, in->memory, &condition, why);
        if (err == -ENOMEM) {
            return err;
        }
    }
    if (condition == NULL) {
        config_error(in->r->report, mark,
                     is_inferred ? "paths need their context here, as in span.name" : NULL, "%s",
                     why);
        return 0;
    }
    add_condition(in->rules, condition);
    return 0;
}

/* The list of texts at `key`, all of one context. 0 or -ENOMEM. */
static int read_list(struct reading *in, struct config_reader *r, const char *key,
                     const struct signal_contexts *contexts)
{
    struct slice text;
    struct config_items items = config_open_list(r, key);
    int err = 0;
    while (err == 0 && config_next_text(&items, &text)) {
        err = read_condition(in, contexts, text, items.mark);
    }
    return err;
}

/* As read_list, for one context. */
static int read_context_list(struct reading *in, struct config_reader *r, const char *key,
                             enum condition_context context)
{
    struct signal_contexts one = {.contexts = {context}, .count = 1};
    return read_list(in, r, key, &one);
}

static void read_error_mode(struct config_reader *r)
{
    uint32_t mode = 0;
    (void)config_read_enum(r, "error_mode", CONFIG_WORDS(error_words), 0, &mode);
}

/* {context, conditions, error_mode}. 0 or -ENOMEM. */
static int read_group(struct reading *in, struct config_reader *r)
{
    struct signal_contexts contexts = *in->contexts;
    struct slice name = {0};
    read_error_mode(r);
    if (config_read_text(r, "context", NULL, &name) && name.len > 0) {
        contexts.count = 0;
        for (uint32_t i = 0; i < in->contexts->count; i++) {
            if (slice_is_text(name, condition_prefix(in->contexts->contexts[i]))) {
                contexts.contexts[0] = in->contexts->contexts[i];
                contexts.count = 1;
            }
        }
        if (contexts.count == 0) {
            config_refuse(r, "context", "there is no context '%.*s' for this signal", (int)name.len,
                          (const char *)name.ptr);
            contexts = *in->contexts;
        }
    }
    return read_list(in, r, "conditions", &contexts);
}

/* A list of texts, or of groups. 0 or -ENOMEM. */
static int read_newer(struct reading *in, const char *key)
{
    const struct config_node *node = config_reader_ask(in->r, key);
    bool has_groups = node != NULL && node->kind == CONFIG_LIST && node->first != NULL &&
                      node->first->kind == CONFIG_MAP;
    if (!has_groups) {
        return read_list(in, in->r, key, in->contexts);
    }
    struct config_reader r;
    struct config_items items = config_open_list(in->r, key);
    int err = 0;
    while (err == 0 && config_next_section(&items, &r)) {
        err = read_group(in, &r);
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    return err;
}

/* include and exclude of a section. 0 or -ENOMEM. */
static int read_matches(struct reading *in, struct config_reader *r, enum match_style style,
                        enum signal signal)
{
    int err = match_rules_read(&in->rules->include, r, "include", style, signal, in->memory);
    if (err == 0) {
        err = match_rules_read(&in->rules->exclude, r, "exclude", style, signal, in->memory);
    }
    if (in->rules->has_conditions && (in->rules->include.is_set || in->rules->exclude.is_set)) {
        config_refuse(in->r, "",
                      "conditions and include/exclude for the same signal exclude each "
                      "other");
    }
    return err;
}

static int read_metrics(struct reading *in)
{
    struct config_reader r;
    int err = read_newer(in, "metric_conditions");
    (void)config_open_section(in->r, "metrics", &r);
    err = err == 0 ? read_context_list(in, &r, "resource", CONDITION_RESOURCE) : err;
    err = err == 0 ? read_context_list(in, &r, "metric", CONDITION_METRIC) : err;
    err = err == 0 ? read_context_list(in, &r, "datapoint", CONDITION_POINT) : err;
    err = err == 0 ? read_matches(in, &r, MATCH_STYLE_METRICS, SIGNAL_METRICS) : err;
    (void)config_reader_finish(&r); /* counted by the section around it */
    return err;
}

static int read_logs(struct reading *in)
{
    struct config_reader r;
    int err = read_newer(in, "log_conditions");
    (void)config_open_section(in->r, "logs", &r);
    err = err == 0 ? read_context_list(in, &r, "resource", CONDITION_RESOURCE) : err;
    err = err == 0 ? read_context_list(in, &r, "log_record", CONDITION_RECORD) : err;
    err = err == 0 ? read_matches(in, &r, MATCH_STYLE_LOGS, SIGNAL_LOGS) : err;
    (void)config_reader_finish(&r); /* counted by the section around it */
    return err;
}

static int read_traces(struct reading *in)
{
    struct config_reader r;
    int err = read_newer(in, "trace_conditions");
    (void)config_open_section(in->r, "traces", &r);
    err = err == 0 ? read_context_list(in, &r, "resource", CONDITION_RESOURCE) : err;
    err = err == 0 ? read_context_list(in, &r, "span", CONDITION_SPAN) : err;
    err = err == 0 ? read_context_list(in, &r, "spanevent", CONDITION_EVENT) : err;
    (void)config_reader_finish(&r); /* counted by the section around it */
    (void)config_open_section(in->r, "spans", &r);
    err = err == 0 ? read_matches(in, &r, MATCH_STYLE_ATTRIBUTES, SIGNAL_TRACES) : err;
    (void)config_reader_finish(&r); /* likewise */
    return err;
}

int filter_config_read(struct filter_config *out, struct config_reader *config)
{
    *out = (struct filter_config){0};
    static int (*const readers[SIGNAL_COUNT])(struct reading *) = {
        [SIGNAL_TRACES] = read_traces,
        [SIGNAL_METRICS] = read_metrics,
        [SIGNAL_LOGS] = read_logs,
    };
    int err = arena_init(&out->memory, RULES_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
    read_error_mode(config);
    config_known_unsupported(config, "profiles");
    config_known_unsupported(config, "profile_conditions");
    for (uint32_t i = 0; i < SIGNAL_COUNT && err == 0; i++) {
        struct reading in = {.r = config,
                             .memory = &out->memory,
                             .rules = &out->rules[i],
                             .contexts = &contexts_of[i]};
        err = readers[i](&in);
    }
    return err;
}

void filter_config_fini(struct filter_config *config)
{
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        match_rules_fini(&config->rules[i].include);
        match_rules_fini(&config->rules[i].exclude);
        for (uint32_t j = 0; j < CONDITION_CONTEXT_COUNT; j++) {
            condition_fini_all(config->rules[i].conditions[j]);
        }
    }
    arena_fini(&config->memory);
    *config = (struct filter_config){0};
}
