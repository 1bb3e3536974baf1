/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender_exporter — what exporters with one sender have in common: three of their ops.
 *
 * Embedded first in an exporter that sends through sender.h and has nothing of its own to do when
 * a batch is offered, drained or asked about. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/component.h"
#include "exporters/sender.h"

struct sender_exporter {
    struct exporter base;
    struct sender sender;
};

/* For exporter_ops, of exporters that begin with a sender_exporter. */
WEIR_MUST_USE int sender_exporter_submit(struct exporter *base, struct batch *batch);
void sender_exporter_drain(struct exporter *base, uint64_t deadline_mono_ns);
bool sender_exporter_is_idle(const struct exporter *base);
