/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_processor — drops resources, metrics, spans, span events, log records and data points.
 *
 * By include and exclude, or by lists of conditions; a resource or scope that lost its last item
 * goes too. Configuration: README.md.
 */
#pragma once

#include "core/base/defs.h"
#include "core/model/part.h"

struct config_reader;
struct processor;

/*
 * Reads the keys and finishes the reader. 0 moves out a processor that its ops->close frees, after
 * all of its clones; it borrows `id` and the configuration's tree. FAULT_CONFIG (reported) or
 * -ENOMEM.
 */
WEIR_MUST_USE int filter_processor_new(struct config_reader *config, const char *id,
                                       enum signal signal, struct processor **out);
