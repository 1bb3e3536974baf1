/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detection_processor — per resource: which identities did the client send, then each
 * attribute that was detected is added, replaces what is there, or stays out.
 */
#include "core/processors/resource_detection_processor.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/processors/edit_part.h"
#include "core/processors/resource_detect_plan.h"
#include "core/processors/resource_detected.h"

/* Whose identity an attribute is part of. */
enum identity {
    IDENTITY_NONE,
    IDENTITY_SERVICE,
    IDENTITY_CONTAINER,
    IDENTITY_TASK,
    IDENTITY_COUNT,
};

static const char *const identity_prefixes[] = {
    [IDENTITY_NONE] = "",
    [IDENTITY_SERVICE] = "service.",
    [IDENTITY_CONTAINER] = "container.",
    [IDENTITY_TASK] = "aws.ecs.task.",
};

/* Frozen once prepared; clones share it. */
struct settings {
    struct resource_detect_plan plan;
    resource_detect_fn *detect;
    struct resource_detected detected; /* owned */
    bool is_complete;                  /* no detector failed */
};

struct resource_detection {
    struct processor processor;
    const struct settings *settings; /* `own`, or that of the prototype */
    struct settings *own;            /* owned; NULL in a clone */
};

/* One visit. */
struct detection_visit {
    struct otlp_visitor visitor;
    const struct settings *settings;
    struct otlp_attr_list list;
    bool was_sent[IDENTITY_COUNT]; /* with the resource at hand */
    int err;
};

/* --- one part --------------------------------------------------------------------------------- */

static enum identity identity_of(struct slice key)
{
    enum identity identity = IDENTITY_COUNT - 1;
    while (identity != IDENTITY_NONE &&
           !slice_has_prefix(key, slice_of_text(identity_prefixes[identity]))) {
        identity--;
    }
    return identity;
}

static void note_identities(struct detection_visit *visit)
{
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        visit->was_sent[i] = false;
    }
    for (size_t i = 0; i < visit->list.count; i++) {
        visit->was_sent[identity_of(visit->list.attrs[i].key)] = true;
    }
}

/* May an attribute be written where the client sent none, or another one, of the key? */
static bool may_write(const struct detection_visit *visit, enum identity identity, bool is_sent)
{
    switch (identity) {
    case IDENTITY_NONE:
        return !is_sent || visit->settings->plan.overrides;
    case IDENTITY_SERVICE:
        return !is_sent;
    case IDENTITY_CONTAINER:
    case IDENTITY_TASK:
        return !visit->was_sent[identity]; /* half of one thing and half of another is neither */
    case IDENTITY_COUNT:
        break;
    }
    return false;
}

static int add_detected(struct detection_visit *visit)
{
    int err = 0;
    note_identities(visit);
    for (const struct resource_detected_attr *attr = visit->settings->detected.first;
         attr != NULL && err == 0; attr = attr->next) {
        struct otlp_attr *sent = otlp_attr_list_find(&visit->list, attr->key);
        if (!may_write(visit, identity_of(attr->key), sent != NULL)) {
            continue;
        }
        if (sent != NULL) {
            otlp_attr_list_set(&visit->list, sent, attr->value);
        } else {
            err = otlp_attr_list_put(&visit->list, attr->key, attr->value);
        }
    }
    return err;
}

static enum otlp_verdict detection_on_resource(struct otlp_visitor *visitor,
                                               const struct otlp_place *place,
                                               struct otlp_edit *edit)
{
    struct detection_visit *visit = CONTAINER_OF(visitor, struct detection_visit, visitor);
    if (visit->err == 0) {
        visit->err =
            otlp_attr_list_load(&visit->list, place->resource.content, OTLP_RESOURCE_ATTRS);
    }
    if (visit->err == 0) {
        visit->err = add_detected(visit);
    }
    if (visit->err == 0) {
        otlp_attr_list_flush(&visit->list, edit);
    }
    return OTLP_PASS;
}

static int detection_process(struct processor *processor, struct processor_turn *turn,
                             struct part *part)
{
    const struct resource_detection *self =
        CONTAINER_OF(processor, struct resource_detection, processor);
    struct detection_visit visit = {
        .visitor = {.on_resource = detection_on_resource},
        .settings = self->settings,
    };
    uint64_t dropped = 0;
    if (self->settings->detected.count == 0) {
        return 0;
    }
    otlp_attr_list_init(&visit.list, turn->arena);
    int err = edit_part(&visit.visitor, turn, part, &visit.err, &dropped);
    ASSERT(dropped == 0);
    return err;
}

/* --- finding out ------------------------------------------------------------------------------ */

static const struct settings *settings_of(const struct processor *processor)
{
    /* embedded first */
    return ((const struct resource_detection *)(const void *)processor)->settings;
}

static int copy_detected(struct resource_detected *to, const struct resource_detected *from)
{
    int err = 0;
    for (const struct resource_detected_attr *attr = from->first; attr != NULL && err == 0;
         attr = attr->next) {
        err = resource_detected_merge(to, attr);
    }
    return err;
}

static bool detection_inherit(struct processor *prototype, const struct processor *elder,
                              bool is_sibling)
{
    struct settings *own = CONTAINER_OF(prototype, struct resource_detection, processor)->own;
    const struct settings *source = settings_of(elder);
    ASSERT(own != NULL);
    if (!resource_detect_plan_equal(&own->plan, &source->plan) ||
        !(is_sibling || source->is_complete)) {
        return false; /* a reload is a chance for what failed before */
    }
    if (copy_detected(&own->detected, &source->detected) != 0) {
        resource_detected_fini(&own->detected);
        return false;
    }
    own->is_complete = source->is_complete;
    return true;
}

static int detection_prepare(struct processor *prototype)
{
    struct settings *own = CONTAINER_OF(prototype, struct resource_detection, processor)->own;
    ASSERT(own != NULL);
    ASSERT(own->detected.count == 0);
    return own->detect(&own->plan, &own->detected, &own->is_complete);
}

/* --- life ------------------------------------------------------------------------------------- */

static void settings_free(struct settings *settings)
{
    if (settings != NULL) {
        resource_detected_fini(&settings->detected);
        mem_free(settings);
    }
}

static void detection_close(struct processor *processor)
{
    struct resource_detection *self = CONTAINER_OF(processor, struct resource_detection, processor);
    settings_free(self->own);
    mem_free(self);
}

static int detection_clone(const struct processor *prototype, struct processor **out)
{
    struct resource_detection *self = mem_alloc(sizeof(*self));
    *out = NULL;
    if (self == NULL) {
        return -ENOMEM;
    }
    *self = (struct resource_detection){
        .processor = {.ops = prototype->ops, .id = prototype->id, .signal = prototype->signal},
        .settings = settings_of(prototype),
    };
    *out = &self->processor;
    return 0;
}

static const struct processor_ops resource_detection_ops = {
    .type = "resourcedetection",
    .process = detection_process,
    .inherit = detection_inherit,
    .prepare = detection_prepare,
    .clone = detection_clone,
    .close = detection_close,
};

int resource_detection_processor_new(struct config_reader *config, const char *id,
                                     enum signal signal, resource_detect_fn *detect,
                                     struct processor **out)
{
    *out = NULL;
    struct settings *settings = mem_alloc(sizeof(*settings));
    struct resource_detection *self = mem_alloc(sizeof(*self));
    if (settings == NULL || self == NULL) {
        mem_free(settings);
        mem_free(self);
        return -ENOMEM;
    }
    *settings = (struct settings){.detect = detect};
    resource_detect_plan_read(&settings->plan, config);
    *self = (struct resource_detection){
        .processor = {.ops = &resource_detection_ops, .id = id, .signal = signal},
        .settings = settings,
        .own = settings,
    };
    int err = config_reader_finish(config);
    if (err != 0) {
        detection_close(&self->processor);
        return err;
    }
    *out = &self->processor;
    return 0;
}
