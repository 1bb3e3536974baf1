/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_yaml — YAML text becomes nodes of the configuration tree.
 *
 * Reads libyaml's events with a stack of its own, so that depth and node count are bounded before
 * anything is built, and every node keeps line and column. One document per text; duplicate keys
 * are errors; anchors, aliases and the merge key work as in go-yaml. Owns nothing: nodes are the
 * tree's.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config_report.h"
#include "core/engine/config_tree.h"

/*
 * config_yaml_parse — parses one document.
 *   text     borrowed; any bytes
 *   at       NULL: nodes are marked where they stand in source `source_index`;
 *            else every node gets this mark (text that came out of an expansion)
 *   report   gets what is wrong; NULL: nothing is reported, only the result tells
 *   out      filled on 0; an empty document is a null node
 *
 * Returns 0, -ENOMEM, or FAULT_CONFIG.
 */
WEIR_MUST_USE int config_yaml_parse(struct config_tree *tree, struct config_report *report,
                                    struct slice text, const struct config_mark *at,
                                    uint32_t source_index, struct config_node **out);
