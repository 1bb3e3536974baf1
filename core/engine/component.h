/* SPDX-License-Identifier: Apache-2.0 */
/*
 * component — what an exporter is to a pipeline.
 *
 * An exporter lives on one egress thread, which makes every call here. It is a struct that embeds
 * `struct exporter`; CONTAINER_OF inside its module is the only way down. Registered by a row in
 * the table of tools/weir/components.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "core/model/batch.h"

struct authenticator;
struct config_node;
struct config_report;
struct exporter;
struct loop;

/* What became of a batch at one exporter. */
enum delivery {
    DELIVERY_ACCEPTED, /* the upstream has it */
    DELIVERY_REJECTED, /* the upstream refused it for good */
    DELIVERY_LOST,     /* given up here; sent again it might be accepted */
};

/* Room for a reason of exporter_ops.link. */
#define EXPORTER_WHY_BYTES 256

struct exporter_ops {
    const char *type; /* config key: "debug", "otlphttp" */
    /*
     * Optional; a must where `authenticator_id` may be set, whose extension this is. Before open;
     * and again, on the egress thread, at a reload that keeps the exporter: another one, of the
     * same settings. It lives until the next link, or longer than the exporter. 0, or FAULT_CONFIG
     * with `why` filled (EXPORTER_WHY_BYTES), which happens before open only.
     */
    int (*link)(struct exporter *exporter, struct authenticator *authenticator, char *why);
    /* Once, on the egress thread, before the first submit. May allocate. 0 or negative. */
    int (*open)(struct exporter *exporter, struct loop *loop);
    /*
     * Offers a batch. 0: the exporter shares it until it calls pipeline_done for it, exactly once,
     * from a later turn and never from inside submit. -EAGAIN: there is no room; nothing happened.
     * Must not block. The batch and its parts are read only.
     */
    int (*submit)(struct exporter *exporter, struct batch *batch);
    /*
     * Optional. Before open, on the egress thread: `old`, of the same type, runs on and will go if
     * the graph of `exporter` opens. True where `exporter` now shares with it what only one of them
     * can have, a listening address; `old` must not notice. Asked of one `old` after another.
     */
    bool (*take_over)(struct exporter *exporter, const struct exporter *old);
    /*
     * No more batches will come; what is held is delivered or given up before the deadline, with
     * short backoffs. May be called again; a deadline that has passed gives up at once.
     */
    void (*drain)(struct exporter *exporter, uint64_t deadline_mono_ns);
    /* Nothing queued and nothing in flight? */
    bool (*is_idle)(const struct exporter *exporter);
    /*
     * Gives up what is left (counted, each batch answered) and frees the exporter itself. Once;
     * safe after a failed open, and without one.
     */
    void (*close)(struct exporter *exporter);
};

/* Embedded first in every exporter. */
struct exporter {
    const struct exporter_ops *ops;
    const char *id;               /* as in the configuration: "otlphttp/gw"; owned by the graph */
    const char *authenticator_id; /* of the extension it wants; NULL: none. From its making on */
    struct loop *loop;            /* borrowed from open on */
    bool blocks_on_overflow;      /* a refusal holds the pipeline instead of losing its share */
    bool answers_late;            /* it has no queue: what it took is safe only when it answers */
    uint32_t encodings; /* PART_ENCODING_BITs it takes; 0: PART_OTLP alone. From its making on */
    struct exporter_stats stats;
    struct counter oldest_mono_ns; /* when what it has held longest was made; 0 for none */
};
