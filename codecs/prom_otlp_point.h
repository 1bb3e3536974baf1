/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_otlp_point — one group as one data point, with its flag and its exemplars.
 */
#pragma once

#include "codecs/prom_tree.h"
#include "core/otlp/otlp_build.h"

/* Writes the point of a settled group; build->err tells whether there was room. */
void prom_otlp_write_point(struct otlp_build *b, const struct prom_group *group);
