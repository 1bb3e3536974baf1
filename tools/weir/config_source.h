/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_source — from the command line and the environment to one resolved tree.
 *
 * Chooses the sources, fetches them (file:, env:, yaml: and bare paths), parses each, merges them
 * in order, applies --set last and expands ${…}. What goes wrong stands in the report.
 */
#pragma once

#include <stddef.h>

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "core/engine/config_tree.h"

/* What the user gave; everything borrowed until config_load returns. */
struct config_inputs {
    const char *const *uris; /* values of --config, in order */
    size_t uri_count;
    const char *const *sets; /* values of --set, in order */
    size_t set_count;
    const char *default_path; /* read where nothing was given and it exists; NULL for none */
    const char *preset_name;  /* the embedded default, used last; NULL for none */
    const char *preset_text;
};

/*
 * config_load — fills tree->root with the merged and expanded configuration.
 *   tree, report   initialised and empty; the report borrows the tree
 *   origin         filled with one line on what was chosen and why, for the log; borrows from tree
 *
 * Order: AOT_CONFIG_CONTENT where set (it replaces every --config), else --config, else
 * WEIR_CONFIG_CONTENT, else the default file, else the preset. Returns 0, -ENOMEM, or FAULT_CONFIG
 * with the reasons reported. Blocks on files: main thread only.
 */
WEIR_MUST_USE int config_load(struct config_tree *tree, struct config_report *report,
                              const struct config_inputs *inputs, struct slice *origin);

/*
 * config_source_fetch — the bytes behind one "scheme:rest", or a bare path.
 *   uri     file:PATH, env:NAME, yaml:TEXT; http and https are known and refused
 *   text    filled on 0; lives as long as the tree
 *   why     filled with a static or tree-owned sentence where the answer is FAULT_CONFIG
 *
 * Returns 0, -ENOMEM, -ENOENT for an environment variable that is not set, or FAULT_CONFIG.
 */
WEIR_MUST_USE int config_source_fetch(struct config_tree *tree, struct slice uri,
                                      struct slice *text, struct slice *why);
