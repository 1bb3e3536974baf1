/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detection_processor — adds to resources what is found out about the machine at start.
 *
 * What a gateway finds out describes the gateway. So, unlike in the Collector, what a client said
 * of itself stays, whatever `override` says: no `service.*` is replaced, and where the client sent
 * any of `container.*` or of `aws.ecs.task.*`, none of these is added beside it. Configuration:
 * README.md.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "core/model/part.h"

struct config_reader;
struct processor;
struct resource_detect_plan;
struct resource_detected;

/*
 * What finds out; it lives above this floor. Main thread; blocks for plan->timeout_ns at most.
 *
 *   out           empty; filled with what is wanted, also where some detectors failed
 *   is_complete   none of them did; not being on ECS or EC2 is no failure
 *
 * 0 or -ENOMEM.
 */
typedef int(resource_detect_fn)(const struct resource_detect_plan *plan,
                                struct resource_detected *out, bool *is_complete);

/*
 * Reads the keys and finishes the reader. 0 moves out a processor that its ops->close frees, after
 * all of its clones; it borrows `id` and the configuration's tree. Until it is prepared it adds
 * nothing. FAULT_CONFIG (reported) or -ENOMEM.
 */
WEIR_MUST_USE int resource_detection_processor_new(struct config_reader *config, const char *id,
                                                   enum signal signal, resource_detect_fn *detect,
                                                   struct processor **out);
