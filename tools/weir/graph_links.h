/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_links — receivers that name other receivers, whose traffic they take on their ports.
 *
 * Checked when a graph is built, joined whenever one is opened. Who names others starts after them
 * and goes before them. Main thread.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "tools/weir/graph.h"

/*
 * Every receiver that is named has to be there, of the right type, and in a pipeline. 0 or
 * FAULT_CONFIG after a complaint with its place.
 */
WEIR_MUST_USE int graph_check_references(const struct graph *graph, struct config_report *report);

/* Does this receiver name others? Then they are started before it, and drained after it. */
bool graph_names_others(const struct graph_receiver *entry);

/* Gives each receiver that names others those of this graph; all of them are started. */
void graph_join_receivers(const struct graph *graph);
