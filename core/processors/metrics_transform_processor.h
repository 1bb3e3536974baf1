/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_processor — renames metrics, changes and adds labels, scales values, merges
 * points, copies, combines and regroups metrics.
 *
 * Looks at one scope of one part at a time, as the Collector's does, so it runs on the shards. It
 * may hand on more items than it was given: copies are counted items_added, and in + added = out +
 * dropped. Configuration: README.md.
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
WEIR_MUST_USE int metrics_transform_processor_new(struct config_reader *config, const char *id,
                                                  enum signal signal, struct processor **out);
