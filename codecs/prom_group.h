/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_group — a group whose page is read: its bounds in order, and whether it makes a point.
 */
#pragma once

#include "codecs/prom_scrape.h"
#include "codecs/prom_tree.h"
#include "core/base/arena.h"

/*
 * Fills boundaries and values, both in `arena`: ascending, each boundary once, without +Inf for
 * histograms. Answers why the group makes no point, PROM_DROP_COUNT where it makes one.
 */
enum prom_drop prom_group_settle(struct prom_group *group, struct arena *arena);
