/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes_processor — loads the attributes of each selected item, applies the actions, flushes.
 */
#include "core/processors/attributes_processor.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/digest.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/processors/attr_actions.h"
#include "core/processors/edit_part.h"
#include "core/processors/match.h"

#define RULES_CHUNK_BYTES 1024

/* Frozen after reading; clones share it. */
struct settings {
    struct arena memory; /* owned; what the rules point to */
    struct attr_actions actions;
    struct match_rules include;
    struct match_rules exclude;
};

struct attributes_processor {
    struct processor processor;
    const struct settings *settings; /* `own`, or that of the prototype */
    struct settings *own;            /* owned; NULL in a clone */
    struct digest digest;            /* owned */
};

/* One visit. */
struct attributes_visit {
    struct otlp_visitor visitor;
    struct attributes_processor *processor;
    struct match_selection selection;
    struct otlp_attr_list list;
};

/* --- one part --------------------------------------------------------------------------------- */

static enum otlp_verdict go_into(struct otlp_visitor *visitor, enum match_level level,
                                 const struct otlp_place *place)
{
    struct attributes_visit *visit = CONTAINER_OF(visitor, struct attributes_visit, visitor);
    return match_enter(&visit->selection, level, place) ? OTLP_KEEP : OTLP_PASS;
}

static enum otlp_verdict attributes_on_resource(struct otlp_visitor *visitor,
                                                const struct otlp_place *place,
                                                struct otlp_edit *edit)
{
    (void)edit; /* resources are not this processor's */
    return go_into(visitor, MATCH_RESOURCE, place);
}

static enum otlp_verdict attributes_on_scope(struct otlp_visitor *visitor,
                                             const struct otlp_place *place, struct otlp_edit *edit)
{
    (void)edit; /* nor are scopes */
    return go_into(visitor, MATCH_SCOPE, place);
}

static enum otlp_verdict attributes_on_metric(struct otlp_visitor *visitor,
                                              const struct otlp_place *place,
                                              struct otlp_edit *edit)
{
    (void)edit; /* nor are metrics */
    return go_into(visitor, MATCH_METRIC, place);
}

static enum otlp_verdict attributes_on_item(struct otlp_visitor *visitor,
                                            const struct otlp_place *place, struct otlp_edit *edit)
{
    struct attributes_visit *visit = CONTAINER_OF(visitor, struct attributes_visit, visitor);
    struct attributes_processor *self = visit->processor;
    int *err = &visit->selection.err;
    if (*err != 0 || !match_enter(&visit->selection, MATCH_ITEM, place) || *err != 0) {
        return OTLP_KEEP;
    }
    *err = otlp_attr_list_load(&visit->list, place->item.content, place->item_attrs);
    if (*err == 0) {
        *err = attr_actions_apply(&self->settings->actions, &self->digest, &visit->list);
    }
    if (*err == 0) {
        otlp_attr_list_flush(&visit->list, edit);
    }
    return OTLP_KEEP;
}

static int attributes_process(struct processor *processor, struct processor_turn *turn,
                              struct part *part)
{
    struct attributes_processor *self =
        CONTAINER_OF(processor, struct attributes_processor, processor);
    struct attributes_visit visit = {
        .visitor = {.on_resource = attributes_on_resource,
                    .on_scope = attributes_on_scope,
                    .on_metric = attributes_on_metric,
                    .on_item = attributes_on_item},
        .processor = self,
        .selection = {.include = &self->settings->include,
                      .exclude = &self->settings->exclude,
                      .arena = turn->arena},
    };
    uint64_t dropped = 0;
    otlp_attr_list_init(&visit.list, turn->arena);
    int err = edit_part(&visit.visitor, turn, part, &visit.selection.err, &dropped);
    ASSERT(dropped == 0);
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

static void settings_free(struct settings *settings)
{
    if (settings == NULL) {
        return;
    }
    attr_actions_fini(&settings->actions);
    match_rules_fini(&settings->include);
    match_rules_fini(&settings->exclude);
    arena_fini(&settings->memory);
    mem_free(settings);
}

static void attributes_close(struct processor *processor)
{
    struct attributes_processor *self =
        CONTAINER_OF(processor, struct attributes_processor, processor);
    digest_fini(&self->digest);
    settings_free(self->own);
    mem_free(self);
}

/* An instance over settings that somebody else owns. */
static int instance_new(const struct settings *settings, const struct processor_ops *ops,
                        const char *id, enum signal signal, struct attributes_processor **out)
{
    struct attributes_processor *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor = (struct processor){.ops = ops, .id = id, .signal = signal};
    self->settings = settings;
    int err = digest_init(&self->digest);
    if (err != 0) {
        mem_free(self);
        return err;
    }
    *out = self;
    return 0;
}

static int attributes_clone(const struct processor *prototype, struct processor **out)
{
    const struct attributes_processor *source =
        (const struct attributes_processor *)(const void *)prototype; /* embedded first */
    struct attributes_processor *self = NULL;
    int err =
        instance_new(source->settings, prototype->ops, prototype->id, prototype->signal, &self);
    *out = err == 0 ? &self->processor : NULL;
    return err;
}

static const struct processor_ops attributes_processor_ops = {
    .type = "attributes",
    .process = attributes_process,
    .clone = attributes_clone,
    .close = attributes_close,
};

static int settings_read(struct settings *settings, struct config_reader *config,
                         enum signal signal)
{
    int err = arena_init(&settings->memory, RULES_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
    if (err == 0) {
        err = attr_actions_read(&settings->actions, config, "actions");
    }
    if (err == 0) {
        err = match_rules_read(&settings->include, config, "include", MATCH_STYLE_ATTRIBUTES,
                               signal, &settings->memory);
    }
    if (err == 0) {
        err = match_rules_read(&settings->exclude, config, "exclude", MATCH_STYLE_ATTRIBUTES,
                               signal, &settings->memory);
    }
    int config_err = config_reader_finish(config);
    return err == 0 ? config_err : err;
}

int attributes_processor_new(struct config_reader *config, const char *id, enum signal signal,
                             struct processor **out)
{
    struct attributes_processor *self = NULL;
    *out = NULL;
    struct settings *settings = mem_alloc(sizeof(*settings));
    if (settings == NULL) {
        return -ENOMEM;
    }
    int err = settings_read(settings, config, signal);
    if (err == 0) {
        err = instance_new(settings, &attributes_processor_ops, id, signal, &self);
    }
    if (err != 0) {
        settings_free(settings);
        return err;
    }
    self->own = settings;
    *out = &self->processor;
    return 0;
}
