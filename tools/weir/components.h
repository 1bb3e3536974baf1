/* SPDX-License-Identifier: Apache-2.0 */
/*
 * components — what this build knows: one row per receiver, exporter and extension type.
 *
 * The only place where types are registered. What the Collector has and weir will have, but does
 * not yet, is listed as planned, so that a configuration is told so.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/component.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "io/receivers/receiver.h"
#include "tools/weir/graph_config.h"

/* Reads its keys and finishes the reader. On 0 moves out a receiver that ops->close frees. */
typedef int(receiver_new_fn)(struct config_reader *config, const char *id, struct receiver **out);
typedef int(exporter_new_fn)(struct config_reader *config, const char *id, struct exporter **out);

typedef int(processor_new_fn)(struct config_reader *config, const char *id, enum signal signal,
                              struct processor **out);

/* The settings of an extension are read by the program itself. */
struct extension_health_check {
    struct config_endpoint endpoint;
    struct slice path;
};

/* Bits of what a type can make or take. */
#define SIGNAL_BIT(signal) (UINT32_C(1) << (signal))
#define SIGNALS_ALL                                                                                \
    (SIGNAL_BIT(SIGNAL_TRACES) | SIGNAL_BIT(SIGNAL_METRICS) | SIGNAL_BIT(SIGNAL_LOGS))

struct receiver_type {
    const char *type;
    receiver_new_fn *make;
    uint32_t signals;
};

struct processor_type {
    const char *type;
    processor_new_fn *make;
};

struct exporter_type {
    const char *type; /* an alias is a row of its own */
    exporter_new_fn *make;
    uint32_t signals;
    bool is_shared; /* one instance for all signals; else one for each, with a queue of its own */
};

/* NULL where the type is not known. */
const struct receiver_type *components_find_receiver(struct slice type);
/* An extension that listens: to the graph a receiver without pipelines. NULL for all others. */
const struct receiver_type *components_find_listening_extension(struct slice type);
const struct processor_type *components_find_processor(struct slice type);
const struct exporter_type *components_find_exporter(struct slice type);

/* Names by kind, for checking a configuration and for `weir components`. */
const struct graph_types *components_types(void);

int extension_health_check_read(struct config_reader *config, struct extension_health_check *out);
