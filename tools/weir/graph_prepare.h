/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_prepare — processors that have something to find out before anything flows find it out, or
 * take it over from one that did.
 */
#pragma once

#include "core/base/defs.h"

struct graph;

/*
 * graph_prepare — main thread; blocks for as long as the processors' settings allow, and not at all
 * where none has anything to find out. `old` is the graph that runs, or NULL; it does not notice.
 *
 * 0 or -ENOMEM. Halves that were opened before see the results.
 */
WEIR_MUST_USE int graph_prepare(struct graph *graph, const struct graph *old);
