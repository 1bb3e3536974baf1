/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_auth — from the id in an exporter's `auth` to the extension that shows who we are.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "tools/weir/graph.h"

/*
 * Hands every exporter the authenticator it names. The extension's settings become part of what the
 * exporter is compared by at a reload, so that it is built anew when they change. Main thread,
 * before open. 0, -ENOMEM, or FAULT_CONFIG after a complaint with its place.
 */
WEIR_MUST_USE int graph_auth_link(struct graph *graph, struct config_report *report);

/* The same for one that another graph has opened, whose settings are equal. Egress thread. */
void graph_auth_link_adopted(const struct graph *graph, struct exporter *exporter);
