/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_processor — one list of actions per resource; nothing further inside is looked at.
 */
#include "core/processors/resource_processor.h"

#include <errno.h>

#include "core/base/digest.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/processors/attr_actions.h"
#include "core/processors/edit_part.h"

struct resource_processor {
    struct processor processor;
    const struct attr_actions *actions; /* `own`, or those of the prototype */
    struct attr_actions own;            /* owned; empty in a clone */
    struct digest digest;               /* owned */
};

/* One visit. */
struct resource_visit {
    struct otlp_visitor visitor;
    struct resource_processor *processor;
    struct otlp_attr_list list;
    int err;
};

static enum otlp_verdict resource_on_resource(struct otlp_visitor *visitor,
                                              const struct otlp_place *place,
                                              struct otlp_edit *edit)
{
    struct resource_visit *visit = CONTAINER_OF(visitor, struct resource_visit, visitor);
    struct resource_processor *self = visit->processor;
    if (visit->err == 0) {
        visit->err =
            otlp_attr_list_load(&visit->list, place->resource.content, OTLP_RESOURCE_ATTRS);
    }
    if (visit->err == 0) {
        visit->err = attr_actions_apply(self->actions, &self->digest, &visit->list);
    }
    if (visit->err == 0) {
        otlp_attr_list_flush(&visit->list, edit);
    }
    return OTLP_PASS;
}

static int resource_process(struct processor *processor, struct processor_turn *turn,
                            struct part *part)
{
    struct resource_visit visit = {
        .visitor = {.on_resource = resource_on_resource},
        .processor = CONTAINER_OF(processor, struct resource_processor, processor),
    };
    uint64_t dropped = 0;
    otlp_attr_list_init(&visit.list, turn->arena);
    int err = edit_part(&visit.visitor, turn, part, &visit.err, &dropped);
    ASSERT(dropped == 0);
    return err;
}

static void resource_close(struct processor *processor)
{
    struct resource_processor *self = CONTAINER_OF(processor, struct resource_processor, processor);
    digest_fini(&self->digest);
    attr_actions_fini(&self->own);
    mem_free(self);
}

/* An instance without actions. */
static int instance_new(const struct processor_ops *ops, const char *id, enum signal signal,
                        struct resource_processor **out)
{
    struct resource_processor *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor = (struct processor){.ops = ops, .id = id, .signal = signal};
    int err = digest_init(&self->digest);
    if (err != 0) {
        mem_free(self);
        return err;
    }
    *out = self;
    return 0;
}

static int resource_clone(const struct processor *prototype, struct processor **out)
{
    const struct resource_processor *source =
        (const struct resource_processor *)(const void *)prototype; /* embedded first */
    struct resource_processor *self = NULL;
    int err = instance_new(prototype->ops, prototype->id, prototype->signal, &self);
    *out = NULL;
    if (err == 0) {
        self->actions = source->actions;
        *out = &self->processor;
    }
    return err;
}

static const struct processor_ops resource_processor_ops = {
    .type = "resource",
    .process = resource_process,
    .clone = resource_clone,
    .close = resource_close,
};

int resource_processor_new(struct config_reader *config, const char *id, enum signal signal,
                           struct processor **out)
{
    struct resource_processor *self = NULL;
    *out = NULL;
    int err = instance_new(&resource_processor_ops, id, signal, &self);
    if (err != 0) {
        return err;
    }
    self->actions = &self->own;
    err = attr_actions_read(&self->own, config, "attributes");
    int config_err = config_reader_finish(config);
    err = err == 0 ? config_err : err;
    if (err != 0) {
        resource_close(&self->processor);
        return err;
    }
    *out = &self->processor;
    return 0;
}
