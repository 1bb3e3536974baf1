/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender_exporter — the ops that only pass on.
 *
 * The base stands first, so that the way down is the same for all who embed it.
 */
#include "exporters/sender_exporter.h"

_Static_assert(offsetof(struct sender_exporter, base) == 0, "the way down is a cast");

int sender_exporter_submit(struct exporter *base, struct batch *batch)
{
    return sender_submit(&CONTAINER_OF(base, struct sender_exporter, base)->sender, batch);
}

void sender_exporter_drain(struct exporter *base, uint64_t deadline_mono_ns)
{
    sender_drain(&CONTAINER_OF(base, struct sender_exporter, base)->sender, deadline_mono_ns);
}

bool sender_exporter_is_idle(const struct exporter *base)
{
    const struct sender_exporter *exporter = (const void *)base;
    return sender_is_idle(&exporter->sender);
}
