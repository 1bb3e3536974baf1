/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_places — no two receivers of a graph listen in one place.
 *
 * Each shard has a socket of its own in a group that shares a port, so the kernel would let another
 * receiver join the group and deal out to both; each would see some of its clients. Main thread.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "tools/weir/graph.h"

/* 0, or FAULT_CONFIG after a complaint about each receiver that comes second. */
WEIR_MUST_USE int graph_check_places(const struct graph *graph, struct config_report *report);
