/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_config — the top level of a configuration as plain structs: who exists, who feeds whom.
 *
 * Reads receivers, processors, exporters, extensions and service, checks ids and references and
 * reports everything that does not fit, at once. It knows component types by name only; building
 * them is the graph's work. Owns one arena with its arrays; texts and nodes borrow from the tree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config_report.h"
#include "core/engine/config_tree.h"

enum graph_kind {
    GRAPH_RECEIVER,
    GRAPH_PROCESSOR,
    GRAPH_EXPORTER,
    GRAPH_CONNECTOR,
    GRAPH_EXTENSION,
};
#define GRAPH_KIND_COUNT 5

enum graph_signal {
    GRAPH_TRACES,
    GRAPH_METRICS,
    GRAPH_LOGS,
};

/* Component types by kind, from the program's tables. Each list ends with NULL; NULL is empty. */
struct graph_types {
    const char *const *known[GRAPH_KIND_COUNT];   /* can be used, aliases included */
    const char *const *planned[GRAPH_KIND_COUNT]; /* real types that are not supported yet */
};

/* "type" or "type/name"; all three borrow. */
struct graph_id {
    struct slice text;
    struct slice type;
    struct slice name; /* empty without one */
};

struct graph_component {
    enum graph_kind kind;
    struct graph_id id;
    const struct config_node *node; /* its settings; null for all defaults */
    struct config_mark mark;        /* of the key */
    bool is_referenced;             /* by a pipeline, or by service.extensions */
};

/* A place in a pipeline that names a component. */
struct graph_ref {
    uint32_t component_index; /* into graph_config.components */
    struct config_mark mark;
};

struct graph_refs {
    struct graph_ref *refs; /* in the arena */
    uint32_t count;
};

struct graph_pipeline {
    enum graph_signal signal;
    struct graph_id id; /* "metrics", "metrics/statsd" */
    struct config_mark mark;
    struct graph_refs receivers;
    struct graph_refs processors; /* in order */
    struct graph_refs exporters;
};

enum graph_log_level {
    GRAPH_LOG_DEBUG,
    GRAPH_LOG_INFO,
    GRAPH_LOG_WARN,
    GRAPH_LOG_ERROR,
};

/* service.telemetry, as far as it is supported. */
struct graph_telemetry {
    bool has_log_level; /* spelled out; else the command line or the default decides */
    enum graph_log_level log_level;
    bool has_log_encoding;
    bool is_log_json;
    bool is_metrics_on;           /* metrics.level is not none */
    struct slice metrics_host;    /* localhost */
    uint16_t metrics_port;        /* 8888 */
    bool is_metrics_host_default; /* not spelled out */
};

struct graph_config {
    struct arena arena; /* owned */
    struct graph_component *components;
    uint32_t component_count;
    struct graph_pipeline *pipelines;
    uint32_t pipeline_count;
    struct graph_refs extensions; /* service.extensions, in order */
    struct graph_telemetry telemetry;
};

/*
 * graph_config_read — reads and checks a whole configuration.
 *   graph    filled as far as possible; graph_config_fini in any case
 *   tree     loaded; outlives the graph
 *   types    borrowed during the call
 *
 * Returns 0, -ENOMEM, or FAULT_CONFIG where errors were reported. Settings of the components are
 * not looked at; configure functions do that, so that their complaints join the same report.
 */
WEIR_MUST_USE int graph_config_read(struct graph_config *graph, const struct config_tree *tree,
                                    const struct graph_types *types, struct config_report *report);
void graph_config_fini(struct graph_config *graph);

/* The component of that kind and id, or NULL. */
const struct graph_component *graph_config_find(const struct graph_config *graph,
                                                enum graph_kind kind, struct slice id);

/* "receivers", "processors", … — the section a kind is configured in. */
const char *graph_kind_section(enum graph_kind kind);
/* "receiver", "processor", … */
const char *graph_kind_name(enum graph_kind kind);
/* "traces", "metrics", "logs". */
const char *graph_signal_name(enum graph_signal signal);

/*
 * The id's parts, surrounding white space dropped. False where the type or name breaks the rules:
 * type ^[a-zA-Z][0-9a-zA-Z_]{0,62}$, name 1 to 1024 characters without space, control or symbols.
 */
bool graph_id_parse(struct slice text, struct graph_id *out);
