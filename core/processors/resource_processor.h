/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_processor — changes the attributes of resources; where a request has none for its items,
 * one comes into being as soon as an action sets something. Configuration: README.md.
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
WEIR_MUST_USE int resource_processor_new(struct config_reader *config, const char *id,
                                         enum signal signal, struct processor **out);
