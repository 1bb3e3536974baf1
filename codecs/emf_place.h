/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_place — where a document goes: namespace, log group and log stream, placeholders filled in.
 *
 * Found once per resource; a name with a placeholder that the resource cannot fill is found again
 * for each point, with its labels. Names come out as CloudWatch Logs takes them: other characters
 * become '_' and what is too long is cut, both counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/emf.h"
#include "codecs/emf_key.h"
#include "codecs/emf_labels.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct emf_place {
    struct slice space; /* the namespace */
    struct slice log_group;
    struct slice log_stream;
    struct emf_key key; /* of all of it */
    bool is_open;       /* a placeholder found nothing: labels may know more */
    bool was_changed;   /* a name had to be changed to be one */
    bool is_prometheus; /* the resource says receiver: prometheus */
};

/*
 * The namespace of a resource: as configured, else its service.namespace/service.name, either
 * alone, or "default". Borrows from its arguments or the arena; its ptr is NULL where that is full.
 *   resource   content of a Resource
 */
struct slice emf_place_namespace(const struct emf_options *options, struct slice resource,
                                 struct arena *arena);

/* Borrowed; what places are made from. */
struct emf_place_names {
    const struct emf_options *options;
    uint64_t hash_seed;
};

/*
 * emf_place_new — the names for a namespace.
 *
 *   resource   finished labels of the resource, all of them
 *   point      finished labels of a point, or NULL
 *   scratch    overwritten
 *
 * A placeholder {TaskId} is the attribute TaskId, else aws.ecs.task.id, first of the resource, then
 * of the point, else "undefined". Other text in braces stays. NULL where the arena is full.
 */
struct emf_place *emf_place_new(const struct emf_place_names *names, struct slice space,
                                const struct emf_labels *resource, const struct emf_labels *point,
                                struct bytes *scratch, struct arena *arena);
