/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_receiver — receiver type `prometheus`: goes to the targets of its jobs, as Prometheus
 * does, and sends on what their pages say.
 *
 * Everything happens on the egress thread, files apart, which the helper reads. Source: the
 * Collector's prometheus receiver.
 */
#pragma once

#include "core/base/defs.h"

struct config_reader;
struct receiver;

/*
 * Reads its keys and finishes the reader. On 0 moves out a receiver that ops->close frees; `id` is
 * borrowed as receiver.id. FAULT_CONFIG (reported) or -ENOMEM.
 */
WEIR_MUST_USE int prom_scrape_receiver_new(struct config_reader *config, const char *id,
                                           struct receiver **out);
