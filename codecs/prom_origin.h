/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_origin — whose points a family has, as one text that outlives its page: resource, scope,
 * name, type, help and unit.
 *
 * A series that is gone must end under the same resource and name it had, though no page names them
 * any more. All series of a family share one origin, which lives as long as the last of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_tree.h"
#include "core/base/cursor.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct prom_origin {
    struct prom_key key; /* the family's */
    uint32_t use_count;  /* series that have it */
    uint32_t len;
    uint8_t text[];
};

static inline size_t prom_origin_used_bytes(const struct prom_origin *origin)
{
    return sizeof(*origin) + origin->len;
}

/* An origin with this text, owned by the caller; NULL where memory is refused. */
struct prom_origin *prom_origin_new(struct prom_key key, struct slice text);

/* Appends the text of a family's origin. */
void prom_origin_write(struct bytes *out, const struct prom_family_node *family);

/*
 * The family in the tree that the text names, made where it is missing; borrows from the text.
 * NULL where there is no room.
 */
struct prom_family_node *prom_origin_place(const struct prom_origin *origin,
                                           struct prom_tree *tree);

/* Labels as lengths and bytes, and back into an array of `tree`'s arena; items is NULL without
 * room. */
void prom_origin_pack_labels(struct bytes *out, struct prom_label_view labels);
struct prom_label_view prom_origin_unpack_labels(struct cursor *in, struct prom_tree *tree);
