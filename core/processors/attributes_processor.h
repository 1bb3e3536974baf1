/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes_processor — changes the attributes of spans, log records and data points, of those
 * that include and exclude select. Configuration: README.md.
 */
#pragma once

#include "core/base/defs.h"
#include "core/model/part.h"

struct config_reader;
struct processor;

/*
 * Reads the keys and finishes the reader. 0 moves out a processor that its ops->close frees, after
 * all of its clones; it borrows `id` and the configuration's tree. FAULT_CONFIG (reported),
 * -ENOMEM or FAULT_LIBRARY.
 */
WEIR_MUST_USE int attributes_processor_new(struct config_reader *config, const char *id,
                                           enum signal signal, struct processor **out);
