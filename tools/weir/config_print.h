/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_print — the resolved configuration as YAML or JSON, for `weir config`.
 *
 * Shows what the components will read: merged, expanded, without comments. Borrows everything.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "core/engine/config_tree.h"

enum config_format {
    CONFIG_FORMAT_YAML,
    CONFIG_FORMAT_JSON,
};

/*
 * config_print — writes the tree below `root` (NULL prints null), ended by a newline.
 *   is_masked   what stands under a key that names a secret, each value of `headers`, and the user
 *               part of a URL are shown as [REDACTED]
 *
 * Parsing the output gives the same tree where nothing was masked and no value holds "${".
 */
void config_print(const struct config_node *root, enum config_format format, bool is_masked,
                  FILE *out);
