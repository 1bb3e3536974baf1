/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf — the encoder's life: made, fed, flushed; see emf.h.
 *
 * Between two flushes everything is in one arena whose first piece grows to what a batch needs, so
 * that soon nothing is allocated any more.
 */
#include "codecs/emf.h"

#include <errno.h>

#include "codecs/emf_intake.h"
#include "codecs/emf_state.h"
#include "core/base/mem.h"

#define ARENA_FIRST_BYTES (64 * 1024)
/* The first piece grows up to here and stays. */
#define ARENA_KEPT_MAX_BYTES (8 * 1024 * 1024)
/* Labels, metrics and buckets of one batch: some 300 bytes for a point with ten labels. */
#define ARENA_MAX_BYTES (512 * 1024 * 1024)
/* Labels of one point, as long as a request can be. */
#define SCRATCH_MAX_BYTES (64 * 1024 * 1024)

#define DROP_LABEL(name, label, text) [name] = label,
#define DROP_TEXT(name, label, text) [name] = text,

const char *emf_drop_label(enum emf_drop drop)
{
    static const char *const labels[] = {EMF_DROP_LIST(DROP_LABEL)};
    return labels[drop];
}

const char *emf_drop_text(enum emf_drop drop)
{
    static const char *const texts[] = {EMF_DROP_LIST(DROP_TEXT)};
    return texts[drop];
}

const char *emf_notice_label(enum emf_notice notice)
{
    static const char *const labels[] = {EMF_NOTICE_LIST(DROP_LABEL)};
    return labels[notice];
}

const char *emf_notice_text(enum emf_notice notice)
{
    static const char *const texts[] = {EMF_NOTICE_LIST(DROP_TEXT)};
    return texts[notice];
}

static int init(struct emf *emf)
{
    struct emf_labels *const lists[] = {&emf->resource, &emf->scope, &emf->point, &emf->merged,
                                        &emf->quantile};
    emf_delta_init(&emf->delta, emf->options.delta_series_max, emf->options.delta_idle_ns);
    bytes_init(&emf->scratch, SCRATCH_MAX_BYTES);
    emf->arena_first_bytes = ARENA_FIRST_BYTES;
    int err = arena_init(&emf->arena, emf->arena_first_bytes, ARENA_MAX_BYTES);
    for (size_t i = 0; i < COUNT_OF(lists) && err == 0; i++) {
        err = emf_labels_init(lists[i]);
    }
    if (err == 0) {
        err = emf_groups_init(&emf->groups, emf->hash_seed);
    }
    if (err == 0) {
        err = emf_writer_init(&emf->writer, &emf->options, emf->hash_seed, &emf->tally);
    }
    return err;
}

int emf_new(const struct emf_options *options, uint64_t hash_seed, struct emf **out)
{
    ASSERT(options->default_stream.len > 0);
    ASSERT(options->delta_idle_ns >= EMF_DELTA_IDLE_MIN_NS);
    *out = NULL;
    struct emf *emf = mem_alloc(sizeof(*emf));
    if (emf == NULL) {
        return -ENOMEM;
    }
    *emf = (struct emf){.options = *options, .hash_seed = hash_seed};
    int err = init(emf);
    if (err != 0) {
        emf_free(emf);
        return err;
    }
    *out = emf;
    return 0;
}

void emf_free(struct emf *emf)
{
    if (emf == NULL) {
        return;
    }
    emf_writer_fini(&emf->writer);
    emf_groups_fini(&emf->groups);
    emf_delta_fini(&emf->delta);
    emf_labels_fini(&emf->resource);
    emf_labels_fini(&emf->scope);
    emf_labels_fini(&emf->point);
    emf_labels_fini(&emf->merged);
    emf_labels_fini(&emf->quantile);
    bytes_fini(&emf->scratch);
    arena_fini(&emf->arena);
    mem_free(emf);
}

void emf_add_part(struct emf *emf, struct slice request, struct emf_now now)
{
    emf->now = now;
    emf_intake_request(emf, request);
    emf->tally.delta_series_count = emf->delta.series_count;
}

/* Empties the arena, with a larger first piece after a batch that did not fit into it. */
static void reset_arena(struct emf *emf)
{
    size_t bytes = emf->arena_first_bytes;
    if (arena_used_bytes(&emf->arena) <= bytes || bytes >= ARENA_KEPT_MAX_BYTES) {
        arena_reset(&emf->arena);
        return;
    }
    struct arena larger;
    if (arena_init(&larger, bytes * 2, ARENA_MAX_BYTES) != 0) {
        arena_fini(&larger);
        arena_reset(&emf->arena);
        return;
    }
    arena_fini(&emf->arena);
    emf->arena = larger;
    emf->arena_first_bytes = bytes * 2;
}

void emf_flush(struct emf *emf, void *context, emf_document_fn *on_document)
{
    emf_writer_begin(&emf->writer);
    for (struct emf_group *group = emf->groups.first; group != NULL; group = group->next) {
        emf_writer_write(&emf->writer, group, context, on_document);
    }
    emf_groups_clear(&emf->groups);
    reset_arena(emf);
    emf_delta_sweep(&emf->delta, (uint32_t)(emf->now.mono_ns / UINT64_C(1000000000)));
    emf->tally.delta_series_count = emf->delta.series_count;
}

const struct emf_tally *emf_tally_of(const struct emf *emf)
{
    return &emf->tally;
}
