/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nop_exporter — type `nop`: accepts and discards. For measuring, and for pipelines under repair.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"
#include "core/engine/config.h"

/* It has no keys. Reads and finishes the reader; 0 moves out, FAULT_CONFIG or -ENOMEM. */
WEIR_MUST_USE int nop_exporter_new(struct config_reader *config, const char *id,
                                   struct exporter **out);
