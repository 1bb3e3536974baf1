/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_codes — the ErrorCode of an unprocessed document as one of a few counters.
 *
 * The service documents no list of codes; those that its users have met are counted by name, those
 * that pass with time together, all others together, so that no answer can make new labels. Owns
 * nothing.
 */
#pragma once

#include "codecs/xray_put.h"
#include "core/engine/stats.h"

/* Counts one entry of UnprocessedTraceSegments. */
void xray_codes_count(struct exporter_stats *stats, const struct xray_unprocessed *entry);
