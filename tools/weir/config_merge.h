/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_merge — several sources become one tree, later ones winning.
 *
 * Maps are merged member by member; scalars, lists and null replace what stood there.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config_tree.h"

/*
 * Merges `from` into `*into` (NULL at first). Nodes of `from` are moved; it is not to be used
 * again.
 */
void config_merge(struct config_node **into, struct config_node *from);

/*
 * Turns keys such as "processors::batch::timeout" of the map `root` into nested maps, in place.
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int config_split_keys(struct config_tree *tree, struct config_node *root);
