/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_expand — ${env:NAME:-default}, ${NAME}, ${file:…} and ${yaml:…} in the values of a tree.
 *
 * A value that is one whole expression becomes what its text says in YAML and keeps the text for
 * fields that want text; inside a longer value the text is inserted. "$$" is a dollar. Keys are
 * left alone. Follows the Collector's confmap; bounded in count, depth and size.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "core/engine/config_tree.h"

/*
 * Expands every value below `root` in place. A variable that is not set reads as null and is warned
 * about; what cannot be expanded is reported and left as it was written. Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int config_expand(struct config_tree *tree, struct config_report *report,
                                struct config_node *root);
