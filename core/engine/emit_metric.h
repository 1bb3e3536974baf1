/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit_metric — one merged series as one OTLP Metric; shared by emit.c and emit_metric.c only.
 */
#pragma once

#include "core/engine/emit.h"

/* Counts of both sides of an exponential histogram of the largest allowed size. */
#define EMIT_BUCKETS_BYTES (2 * EXPHIST_BUCKETS_MAX_COUNT * sizeof(uint64_t))

/*
 * Writes the series into the open envelope; build->err says whether it fitted. Returns how many
 * data points it has.
 */
uint32_t emit_metric(struct emit *emit, struct otlp_build *build, const struct merge_point *point);
