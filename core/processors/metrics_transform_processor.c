/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_processor — opens scope after scope, and keeps the books of what became of
 * their points.
 */
#include "core/processors/metrics_transform_processor.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/processors/metrics_transform_scope.h"

struct metrics_transform {
    struct processor processor;
    const struct transform_config *config; /* `own`, or that of the prototype */
    struct transform_config *own;          /* owned; NULL in a clone */
};

/* --- one part --------------------------------------------------------------------------------- */

/* The scopes of an open ResourceMetrics; it closes. 0 or FAULT_LIMIT. */
static int process_group(struct transform_run *run, const struct otlp_field *group,
                         struct otlp_edit *edit)
{
    struct pb_reader in = pb_reader_of(group->content);
    struct otlp_field scope_group;
    bool is_any_left = false;
    bool is_any_gone = false;
    while (otlp_child_next(&in, OTLP_SCOPES, &scope_group)) {
        bool is_emptied = false;
        otlp_edit_open(edit, &scope_group);
        int err = transform_scope_apply(run, group, &scope_group, edit, &is_emptied);
        if (err != 0) {
            return err;
        }
        if (is_emptied) {
            otlp_edit_close_dropped(edit);
        } else {
            otlp_edit_close(edit);
        }
        is_any_gone |= is_emptied;
        is_any_left |= !is_emptied;
    }
    if (is_any_gone && !is_any_left) {
        otlp_edit_close_dropped(edit);
    } else {
        otlp_edit_close(edit);
    }
    return 0;
}

/* What moved, behind everything else of the part. 0 or FAULT_LIMIT. */
static int insert_moved(struct transform_run *run, struct otlp_edit *edit)
{
    for (const struct transform_moved *m = run->moved; m != NULL; m = m->next) {
        struct slice bytes = {0};
        int err = transform_moved_encode(m, run->arena, &bytes);
        if (err != 0) {
            return err;
        }
        otlp_edit_insert(edit, edit->source.ptr + edit->source.len, bytes);
    }
    return 0;
}

static int process_groups(struct transform_run *run, struct otlp_edit *edit)
{
    struct pb_reader in = pb_reader_of(edit->source);
    struct otlp_field group;
    while (otlp_child_next(&in, OTLP_RESOURCES, &group)) {
        otlp_edit_open(edit, &group);
        int err = process_group(run, &group, edit);
        if (err != 0) {
            return err;
        }
    }
    return insert_moved(run, edit);
}

/* How many items the part has afterwards. 0, or FAULT_LIMIT where a part cannot count them. */
static int count_left(const struct transform_tally *tally, uint32_t item_count, uint32_t *out)
{
    uint64_t given = (uint64_t)item_count + tally->added_count;
    uint64_t gone = tally->filtered_count + tally->merged_count;
    ASSERT(gone <= given);
    if (given - gone > UINT32_MAX) {
        return FAULT_LIMIT;
    }
    *out = (uint32_t)(given - gone);
    return 0;
}

static void note_tally(struct processor_stats *stats, const struct transform_tally *tally)
{
    counter_add(&stats->items_added, tally->added_count);
    counter_add(&stats->items_filtered, tally->filtered_count);
    counter_add(&stats->items_aggregated, tally->merged_count);
    counter_add(&stats->items_uncombined, tally->uncombined_count);
}

static int metrics_transform_process(struct processor *processor, struct processor_turn *turn,
                                     struct part *part)
{
    struct metrics_transform *self = CONTAINER_OF(processor, struct metrics_transform, processor);
    struct transform_run run;
    struct otlp_edit edit;
    uint32_t item_count = 0;
    ASSERT(part->encoding == PART_OTLP);
    ASSERT(part->signal == SIGNAL_METRICS);
    transform_run_init(&run, self->config, turn->arena);
    otlp_edit_init(&edit, turn->arena, part->bytes);
    int err = process_groups(&run, &edit);
    if (err == 0) {
        err = count_left(&run.tally, part->item_count, &item_count);
    }
    if (err == 0) {
        err = otlp_edit_apply(&edit, part, item_count);
    }
    if (err == 0) {
        note_tally(&processor->stats, &run.tally);
    }
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

static void config_free(struct transform_config *config)
{
    if (config == NULL) {
        return;
    }
    transform_config_fini(config);
    mem_free(config);
}

static void metrics_transform_close(struct processor *processor)
{
    struct metrics_transform *self = CONTAINER_OF(processor, struct metrics_transform, processor);
    config_free(self->own);
    mem_free(self);
}

/* An instance over a configuration that somebody else owns. */
static int instance_new(const struct transform_config *config, const struct processor_ops *ops,
                        const char *id, enum signal signal, struct metrics_transform **out)
{
    struct metrics_transform *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor = (struct processor){.ops = ops, .id = id, .signal = signal};
    self->config = config;
    *out = self;
    return 0;
}

static int metrics_transform_clone(const struct processor *prototype, struct processor **out)
{
    const struct metrics_transform *source =
        (const struct metrics_transform *)(const void *)prototype; /* embedded first */
    struct metrics_transform *self = NULL;
    int err = instance_new(source->config, prototype->ops, prototype->id, prototype->signal, &self);
    *out = err == 0 ? &self->processor : NULL;
    return err;
}

static const struct processor_ops metrics_transform_ops = {
    .type = "metricstransform",
    .process = metrics_transform_process,
    .clone = metrics_transform_clone,
    .close = metrics_transform_close,
};

int metrics_transform_processor_new(struct config_reader *config, const char *id,
                                    enum signal signal, struct processor **out)
{
    struct metrics_transform *self = NULL;
    *out = NULL;
    struct transform_config *own = mem_alloc(sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    int err = transform_config_read(own, config);
    if (signal != SIGNAL_METRICS) {
        config_refuse(config, "", "metricstransform takes metrics, not traces or logs");
    }
    int config_err = config_reader_finish(config);
    err = err == 0 ? config_err : err;
    if (err == 0) {
        err = instance_new(own, &metrics_transform_ops, id, signal, &self);
    }
    if (err != 0) {
        config_free(own);
        return err;
    }
    self->own = own;
    *out = &self->processor;
    return 0;
}
