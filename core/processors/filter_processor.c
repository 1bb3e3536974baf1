/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_processor — asks the rules and conditions of each level on the way in.
 */
#include "core/processors/filter_processor.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/processors/edit_part.h"
#include "core/processors/filter_config.h"

#define SPAN_EVENTS 11

/* Frozen after reading; clones share it. */
struct settings {
    struct filter_config config;
    /*
     * For metrics, resources and names are judged apart: exclude drops what has one of the
     * resources, and what has one of the names. For the others these two are empty.
     */
    struct match_rules outer_include;
    struct match_rules outer_exclude;
    struct match_rules include;
    struct match_rules exclude;
    struct condition *const *conditions; /* lists by context; borrowed from config */
    bool has_item_rules;
    bool is_idle; /* nothing configured for this signal */
};

struct filter_processor {
    struct processor processor;
    const struct settings *settings; /* `own`, or that of the prototype */
    struct settings *own;            /* owned; NULL in a clone */
};

/* One visit. */
struct filter_visit {
    struct otlp_visitor visitor;
    const struct settings *settings;
    struct match_selection outer;
    struct match_selection selection;
    struct condition_place at;
    int err; /* 0 or FAULT_LIMIT; sticks */
};

/* --- one part --------------------------------------------------------------------------------- */

static void note_err(struct filter_visit *visit)
{
    int err = visit->selection.err != 0 ? visit->selection.err : visit->outer.err;
    err = err == 0 ? visit->at.err : err;
    visit->err = visit->err == 0 ? err : visit->err;
}

/* The verdict of rules and conditions for the place. */
static enum otlp_verdict judge(struct filter_visit *visit, enum match_level level,
                               enum condition_context context, const struct otlp_place *place)
{
    visit->at.place = place;
    bool is_dropped = !match_enter(&visit->outer, level, place) ||
                      !match_enter(&visit->selection, level, place) ||
                      condition_any_holds(visit->settings->conditions[context], &visit->at);
    note_err(visit);
    return is_dropped ? OTLP_DROP : OTLP_KEEP;
}

static enum otlp_verdict filter_on_resource(struct otlp_visitor *visitor,
                                            const struct otlp_place *place, struct otlp_edit *edit)
{
    (void)edit; /* dropping is the visit's business */
    struct filter_visit *visit = CONTAINER_OF(visitor, struct filter_visit, visitor);
    return judge(visit, MATCH_RESOURCE, CONDITION_RESOURCE, place);
}

static enum otlp_verdict filter_on_scope(struct otlp_visitor *visitor,
                                         const struct otlp_place *place, struct otlp_edit *edit)
{
    (void)edit; /* likewise */
    struct filter_visit *visit = CONTAINER_OF(visitor, struct filter_visit, visitor);
    return judge(visit, MATCH_SCOPE, CONDITION_SCOPE, place);
}

static enum otlp_verdict filter_on_metric(struct otlp_visitor *visitor,
                                          const struct otlp_place *place, struct otlp_edit *edit)
{
    (void)edit; /* likewise */
    struct filter_visit *visit = CONTAINER_OF(visitor, struct filter_visit, visitor);
    return judge(visit, MATCH_METRIC, CONDITION_METRIC, place);
}

static void drop_events(struct filter_visit *visit, const struct otlp_place *place,
                        struct otlp_edit *edit)
{
    const struct condition *conditions = visit->settings->conditions[CONDITION_EVENT];
    struct pb_reader in = pb_reader_of(place->item.content);
    struct otlp_field event;
    while (conditions != NULL && otlp_child_next(&in, SPAN_EVENTS, &event)) {
        visit->at.event = event.content;
        if (condition_any_holds(conditions, &visit->at)) {
            otlp_edit_remove(edit, event.whole);
        }
    }
    visit->at.event = (struct slice){0};
    note_err(visit);
}

static enum condition_context item_context(enum signal signal)
{
    switch (signal) {
    case SIGNAL_TRACES:
        return CONDITION_SPAN;
    case SIGNAL_METRICS:
        return CONDITION_POINT;
    case SIGNAL_LOGS:
        break;
    }
    return CONDITION_RECORD;
}

static enum otlp_verdict filter_on_item(struct otlp_visitor *visitor,
                                        const struct otlp_place *place, struct otlp_edit *edit)
{
    struct filter_visit *visit = CONTAINER_OF(visitor, struct filter_visit, visitor);
    enum otlp_verdict verdict = judge(visit, MATCH_ITEM, item_context(place->signal), place);
    if (verdict == OTLP_KEEP && place->signal == SIGNAL_TRACES) {
        drop_events(visit, place, edit);
    }
    return verdict;
}

static int filter_process(struct processor *processor, struct processor_turn *turn,
                          struct part *part)
{
    struct filter_processor *self = CONTAINER_OF(processor, struct filter_processor, processor);
    const struct settings *settings = self->settings;
    struct filter_visit visit = {
        .visitor = {.on_resource = filter_on_resource,
                    .on_scope = filter_on_scope,
                    .on_metric = filter_on_metric,
                    .on_item = settings->has_item_rules ? filter_on_item : NULL},
        .settings = settings,
        .outer = {.include = &settings->outer_include,
                  .exclude = &settings->outer_exclude,
                  .arena = turn->arena},
        .selection = {.include = &settings->include,
                      .exclude = &settings->exclude,
                      .arena = turn->arena},
        .at = {.arena = turn->arena},
    };
    uint64_t dropped = 0;
    if (settings->is_idle) {
        return 0;
    }
    int err = edit_part(&visit.visitor, turn, part, &visit.err, &dropped);
    counter_add(&processor->stats.items_filtered, dropped);
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

static void settings_free(struct settings *settings)
{
    if (settings == NULL) {
        return;
    }
    filter_config_fini(&settings->config);
    mem_free(settings);
}

static void filter_close(struct processor *processor)
{
    struct filter_processor *self = CONTAINER_OF(processor, struct filter_processor, processor);
    settings_free(self->own);
    mem_free(self);
}

/* An instance over settings that somebody else owns. */
static int instance_new(const struct settings *settings, const struct processor_ops *ops,
                        const char *id, enum signal signal, struct filter_processor **out)
{
    struct filter_processor *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor = (struct processor){.ops = ops, .id = id, .signal = signal};
    self->settings = settings;
    *out = self;
    return 0;
}

static int filter_clone(const struct processor *prototype, struct processor **out)
{
    const struct filter_processor *source =
        (const struct filter_processor *)(const void *)prototype; /* embedded first */
    struct filter_processor *self = NULL;
    int err =
        instance_new(source->settings, prototype->ops, prototype->id, prototype->signal, &self);
    *out = err == 0 ? &self->processor : NULL;
    return err;
}

static const struct processor_ops filter_processor_ops = {
    .type = "filter",
    .process = filter_process,
    .clone = filter_clone,
    .close = filter_close,
};

/* The part of metric rules that is about resources, and the rest; both borrow. */
static void part_rules(const struct match_rules *rules, struct match_rules *outer,
                       struct match_rules *inner)
{
    *outer = (struct match_rules){
        .resources = rules->resources,
        .is_set = rules->is_set && rules->resources != NULL,
        .last_level = MATCH_RESOURCE,
    };
    *inner = (struct match_rules){
        .metric_names = rules->metric_names,
        .is_set = rules->is_set && rules->metric_names != NULL,
        .last_level = MATCH_METRIC,
    };
}

/* Chooses what is for `signal`. */
static void settings_arrange(struct settings *settings, enum signal signal)
{
    const struct filter_rules *rules = &settings->config.rules[signal];
    settings->conditions = rules->conditions;
    settings->include = rules->include;
    settings->exclude = rules->exclude;
    if (signal == SIGNAL_METRICS) {
        part_rules(&rules->include, &settings->outer_include, &settings->include);
        part_rules(&rules->exclude, &settings->outer_exclude, &settings->exclude);
    }
    settings->has_item_rules = match_needs_items(&settings->include, &settings->exclude) ||
                               rules->conditions[item_context(signal)] != NULL ||
                               rules->conditions[CONDITION_EVENT] != NULL;
    settings->is_idle = !rules->include.is_set && !rules->exclude.is_set && !rules->has_conditions;
}

int filter_processor_new(struct config_reader *config, const char *id, enum signal signal,
                         struct processor **out)
{
    struct filter_processor *self = NULL;
    *out = NULL;
    struct settings *settings = mem_alloc(sizeof(*settings));
    if (settings == NULL) {
        return -ENOMEM;
    }
    int err = filter_config_read(&settings->config, config);
    int config_err = config_reader_finish(config);
    err = err == 0 ? config_err : err;
    if (err == 0) {
        settings_arrange(settings, signal);
        err = instance_new(settings, &filter_processor_ops, id, signal, &self);
    }
    if (err != 0) {
        settings_free(settings);
        return err;
    }
    self->own = settings;
    *out = &self->processor;
    return 0;
}
