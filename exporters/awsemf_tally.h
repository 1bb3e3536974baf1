/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_tally — what the encoder dropped and changed, as counters of its exporter.
 *
 * The encoder counts for itself, since it was made; after each batch the difference goes to the
 * self-metrics. A point that is lost is a reason of the batch's book; one that did what it came for
 * (a first value, the end of a series) is only told of, for its batch books it as delivered.
 * Egress-local; owns nothing.
 */
#pragma once

#include <stdint.h>

#include "codecs/emf.h"
#include "core/engine/stats.h"
#include "exporters/rejects.h"

/*
 * awsemf_tally_take — books what came between `before` and `after`, two tallies of one encoder.
 *
 *   stats     its changes, and points that are no loss, are counted at once
 *   rejects   takes the points that are lost, by reason; the sender books them with their batch
 *   why       set to the label of the last reason in `rejects`, static; else left as it was
 *
 * Returns how many points are lost.
 */
uint64_t awsemf_tally_take(const struct emf_tally *before, const struct emf_tally *after,
                           struct exporter_stats *stats, struct rejects *rejects, const char **why);
