/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probabilistic_sampler_processor — keeps a share of spans or log records, so that other samplers
 * with the same settings keep the same ones. Configuration: README.md.
 */
#pragma once

#include "core/base/defs.h"
#include "core/model/part.h"

struct config_reader;
struct processor;

/*
 * Reads the keys and finishes the reader. 0 moves out a processor that its ops->close frees; it
 * borrows `id` and the configuration's tree. FAULT_CONFIG (reported, among others for metrics) or
 * -ENOMEM.
 */
WEIR_MUST_USE int probabilistic_sampler_processor_new(struct config_reader *config, const char *id,
                                                      enum signal signal, struct processor **out);
