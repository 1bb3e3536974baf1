/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_build — from a resolved tree to components that are made but not opened; shared by graph.c
 * and graph_build.c only.
 */
#pragma once

#include "tools/weir/graph.h"

/* A tree lives as long as a component reads from it. Main thread only. */
struct graph_tree {
    struct config_tree tree;
    uint32_t user_count;
};

/* Opens the reader of a component's settings. 0 or -ENOMEM. */
WEIR_MUST_USE int graph_open_reader(struct config_reader *reader, struct config_report *report,
                                    const struct graph_component *component);

/* Settings as text, secrets included; compared, never shown. The caller's to free; NULL: -ENOMEM.
 */
WEIR_MUST_USE char *graph_settings_text(const struct config_node *node);

/* Closes it where it is open, and frees. NULL is fine. */
void graph_receiver_free(struct graph_receiver *entry);

/* It must not be open any more, unless it was never opened. NULL is fine. */
void graph_exporter_free(struct graph_exporter *entry);

/* What is left of a graph whose receivers are freed and whose exporters are closed. */
void graph_parts_free(struct graph *graph);
