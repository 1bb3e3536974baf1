/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_build — components from their settings, pipelines from the references between them.
 *
 * Every component is made, also one that nothing refers to, so that its settings are checked; only
 * those that are referenced are kept, as in the Collector.
 */
#include "tools/weir/graph_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/auth/basic_auth.h"
#include "io/auth/bearer_auth.h"
#include "io/auth/sigv4_auth.h"
#include "tools/weir/config_print.h"
#include "tools/weir/graph_auth.h"
#include "tools/weir/graph_links.h"
#include "tools/weir/graph_places.h"

static void tree_release(struct graph_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    ASSERT(tree->user_count > 0);
    tree->user_count--;
    if (tree->user_count == 0) {
        config_tree_fini(&tree->tree);
        mem_free(tree);
    }
}

void graph_receiver_free(struct graph_receiver *entry)
{
    if (entry == NULL) {
        return;
    }
    if (entry->receiver != NULL) {
        entry->receiver->ops->close(entry->receiver);
    }
    tree_release(entry->tree);
    mem_free(entry->id);
    mem_free(entry->settings);
    mem_free(entry->pipelines);
    mem_free(entry);
}

void graph_exporter_free(struct graph_exporter *entry)
{
    if (entry == NULL) {
        return;
    }
    if (entry->exporter != NULL) {
        entry->exporter->ops->close(entry->exporter);
    }
    tree_release(entry->tree);
    mem_free(entry->id);
    mem_free(entry->settings);
    mem_free(entry);
}

void graph_parts_free(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        graph_exporter_free(graph->exporters[i]);
    }
    for (uint32_t i = 0; i < graph->pipeline_count && graph->pipeline_ids != NULL; i++) {
        mem_free(graph->pipeline_ids[i]);
        graph_stage_fini(&graph->stages[i]);
    }
    for (uint32_t i = 0; i < graph->auth.count; i++) {
        authenticator_free(graph->auth.authenticators[i]);
        mem_free(graph->auth_ids[i]);
    }
    mem_free(graph->exporters);
    mem_free(graph->receivers);
    mem_free(graph->pipelines);
    mem_free(graph->stages);
    mem_free(graph->pipeline_ids);
    graph_config_fini(&graph->config);
    tree_release(graph->tree);
    mem_free(graph);
}

char *graph_settings_text(const struct config_node *node)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    if (stream == NULL) {
        return NULL;
    }
    config_print(node, CONFIG_FORMAT_JSON, false, stream);
    (void)fclose(stream); /* writes to memory only */
    char *copy = text == NULL ? NULL : mem_copy_text(text, len);
    mem_free(text);
    return copy;
}

static char *path_of(const struct graph_component *component)
{
    char path[CONFIG_PATH_MAX_BYTES];
    int len = snprintf(path, sizeof(path), "%s.%.*s", graph_kind_section(component->kind),
                       (int)component->id.text.len, (const char *)component->id.text.ptr);
    return mem_copy_text(path, len < (int)sizeof(path) ? (size_t)len : sizeof(path) - 1);
}

int graph_open_reader(struct config_reader *reader, struct config_report *report,
                      const struct graph_component *component)
{
    char *path = path_of(component);
    if (path == NULL) {
        return -ENOMEM;
    }
    config_reader_open(reader, report, component->node, path);
    mem_free(path);
    return 0;
}

static int build_receiver(struct graph *graph, struct config_report *report,
                          const struct graph_component *component, const struct receiver_type *type)
{
    struct config_reader reader;
    struct graph_receiver *entry = mem_alloc(sizeof(*entry));
    if (entry == NULL || graph_open_reader(&reader, report, component) != 0) {
        mem_free(entry);
        return -ENOMEM;
    }
    entry->id = mem_copy_text(component->id.text.ptr, component->id.text.len);
    entry->settings = graph_settings_text(component->node);
    entry->tree = graph->tree;
    graph->tree->user_count++;
    int err = entry->id == NULL || entry->settings == NULL
                  ? -ENOMEM
                  : type->make(&reader, entry->id, &entry->receiver);
    if (err != 0 || !component->is_referenced) {
        graph_receiver_free(entry);
        return err;
    }
    graph->receivers[graph->receiver_count] = entry;
    graph->receiver_count++;
    return 0;
}

static int build_exporter(struct graph *graph, struct config_report *report,
                          const struct graph_component *component, uint32_t signals)
{
    struct config_reader reader;
    struct graph_exporter *entry = mem_alloc(sizeof(*entry));
    if (entry == NULL || graph_open_reader(&reader, report, component) != 0) {
        mem_free(entry);
        return -ENOMEM;
    }
    entry->id = mem_copy_text(component->id.text.ptr, component->id.text.len);
    entry->settings = graph_settings_text(component->node);
    entry->signals = signals;
    entry->tree = graph->tree;
    graph->tree->user_count++;
    const struct exporter_type *type = components_find_exporter(component->id.type);
    int err = entry->id == NULL || entry->settings == NULL
                  ? -ENOMEM
                  : type->make(&reader, entry->id, &entry->exporter);
    if (err != 0 || !component->is_referenced) {
        graph_exporter_free(entry);
        return err;
    }
    graph->exporters[graph->exporter_count] = entry;
    graph->exporter_count++;
    return 0;
}

/* SIGNAL_BITs of the pipelines that name this component among `kind`. */
static uint32_t signals_of(const struct graph *graph, enum graph_kind kind, uint32_t index)
{
    uint32_t signals = 0;
    for (uint32_t i = 0; i < graph->config.pipeline_count; i++) {
        const struct graph_pipeline *pipeline = &graph->config.pipelines[i];
        const struct graph_refs *refs = kind == GRAPH_RECEIVER   ? &pipeline->receivers
                                        : kind == GRAPH_EXPORTER ? &pipeline->exporters
                                                                 : &pipeline->processors;
        for (uint32_t j = 0; j < refs->count; j++) {
            signals |= refs->refs[j].component_index == index ? SIGNAL_BIT(pipeline->signal) : 0;
        }
    }
    return signals;
}

/* One instance for all signals that use it, or one for each, as the type wants it. */
static int build_exporters(struct graph *graph, struct config_report *report, uint32_t index)
{
    const struct graph_component *component = &graph->config.components[index];
    const struct exporter_type *type = components_find_exporter(component->id.type);
    uint32_t signals = signals_of(graph, GRAPH_EXPORTER, index);
    if (type->is_shared || !component->is_referenced) {
        return build_exporter(graph, report, component, signals);
    }
    int err = 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT && err == 0; i++) {
        if ((signals & SIGNAL_BIT(i)) != 0) {
            err = build_exporter(graph, report, component, SIGNAL_BIT(i));
        }
    }
    return err;
}

/* A processor's settings are checked once here, and read again for each pipeline that has it. */
static int check_processor(struct graph *graph, struct config_report *report, uint32_t index)
{
    uint32_t signals = signals_of(graph, GRAPH_PROCESSOR, index);
    enum signal signal = SIGNAL_TRACES;
    if ((signals & SIGNAL_BIT(SIGNAL_TRACES)) == 0 && signals != 0) {
        signal = (signals & SIGNAL_BIT(SIGNAL_METRICS)) != 0 ? SIGNAL_METRICS : SIGNAL_LOGS;
    }
    return graph_stage_check(report, &graph->config.components[index], signal);
}

static bool is_processor(struct slice type)
{
    return components_find_processor(type) != NULL || slice_is_text(type, "batch") ||
           slice_is_text(type, "memory_limiter");
}

static int build_health(struct graph *graph, struct config_reader *reader, bool is_referenced)
{
    struct extension_health_check health;
    int err = extension_health_check_read(reader, &health);
    if (err == 0 && is_referenced) {
        graph->health = health;
        graph->has_health = true;
    }
    return err;
}

static const struct authenticator_type {
    const char *type;
    int (*configure)(struct config_reader *r, struct authenticator **out);
} authenticator_types[] = {
    {"basicauth", basic_auth_configure},
    {"bearertokenauth", bearer_auth_configure},
    {"sigv4auth", sigv4_auth_configure},
};

static const struct authenticator_type *find_authenticator(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(authenticator_types); i++) {
        if (slice_is_text(type, authenticator_types[i].type)) {
            return &authenticator_types[i];
        }
    }
    return NULL;
}

static int build_authenticator(struct graph *graph, struct config_reader *reader,
                               const struct graph_component *component)
{
    struct authenticator *authenticator = NULL;
    uint32_t index = graph->auth.count;
    if (index == AUTHENTICATORS_MAX) {
        config_refuse(reader, "", "more than %d authenticators", AUTHENTICATORS_MAX);
        return config_reader_finish(reader);
    }
    const struct authenticator_type *type = find_authenticator(component->id.type);
    ASSERT(type != NULL); /* is_extension */
    int err = type->configure(reader, &authenticator);
    char *id = err == 0 ? mem_copy_text(component->id.text.ptr, component->id.text.len) : NULL;
    if (err != 0 || id == NULL || !component->is_referenced) {
        authenticator_free(authenticator);
        mem_free(id);
        return err == 0 && id == NULL ? -ENOMEM : err;
    }
    graph->auth_ids[index] = id;
    graph->auth.ids[index] = id;
    graph->auth.authenticators[index] = authenticator;
    graph->auth.count++;
    return 0;
}

static int build_extension(struct graph *graph, struct config_report *report,
                           const struct graph_component *component)
{
    struct config_reader reader;
    const struct receiver_type *type = components_find_listening_extension(component->id.type);
    if (type != NULL) {
        return build_receiver(graph, report, component, type);
    }
    if (graph_open_reader(&reader, report, component) != 0) {
        return -ENOMEM;
    }
    if (slice_is_text(component->id.type, "health_check")) {
        return build_health(graph, &reader, component->is_referenced);
    }
    return build_authenticator(graph, &reader, component);
}

static bool is_extension(struct slice type)
{
    return components_find_listening_extension(type) != NULL ||
           slice_is_text(type, "health_check") || find_authenticator(type) != NULL;
}

/* Every receiver finds the extensions it names. */
static int link_receivers(struct graph *graph, struct config_report *report)
{
    int result = 0;
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct receiver *receiver = graph->receivers[i]->receiver;
        struct slice missing;
        if (receiver->ops->link == NULL || receiver->ops->link(receiver, &graph->auth, &missing)) {
            continue;
        }
        const struct graph_component *component =
            graph_config_find(&graph->config, GRAPH_RECEIVER, slice_of_text(receiver->id));
        config_error(report, component->mark, NULL,
                     "no authenticator '%.*s' among service.extensions that can check who comes in",
                     (int)missing.len, (const char *)missing.ptr);
        result = FAULT_CONFIG;
    }
    return result;
}

/* Makes all components; goes on after a bad one, so that everything is reported. */
static int build_components(struct graph *graph, struct config_report *report)
{
    int result = 0;
    for (uint32_t i = 0; i < graph->config.component_count; i++) {
        const struct graph_component *component = &graph->config.components[i];
        int err = 0;
        const struct receiver_type *receiver = components_find_receiver(component->id.type);
        if (component->kind == GRAPH_RECEIVER && receiver != NULL) {
            err = build_receiver(graph, report, component, receiver);
        } else if (component->kind == GRAPH_EXPORTER &&
                   components_find_exporter(component->id.type) != NULL) {
            err = build_exporters(graph, report, i);
        } else if (component->kind == GRAPH_PROCESSOR && is_processor(component->id.type)) {
            err = check_processor(graph, report, i);
        } else if (component->kind == GRAPH_EXTENSION && is_extension(component->id.type)) {
            err = build_extension(graph, report, component);
        }
        result = err != 0 ? err : result;
    }
    return result;
}

static struct exporter *find_route(const struct graph *graph, struct slice id,
                                   enum graph_signal signal)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        if (slice_is_text(id, graph->exporters[i]->id) &&
            (graph->exporters[i]->signals & SIGNAL_BIT(signal)) != 0) {
            return graph->exporters[i]->exporter;
        }
    }
    return NULL;
}

/* Every component of a pipeline has to know the pipeline's signal. */
static int check_signals(const struct graph *graph, struct config_report *report,
                         const struct graph_pipeline *source)
{
    int result = 0;
    for (uint32_t i = 0; i < source->receivers.count; i++) {
        const struct graph_ref *ref = &source->receivers.refs[i];
        struct slice type = graph->config.components[ref->component_index].id.type;
        if ((components_find_receiver(type)->signals & SIGNAL_BIT(source->signal)) == 0) {
            config_error(report, ref->mark, NULL, "receiver '%.*s' makes no %s", (int)type.len,
                         (const char *)type.ptr, graph_signal_name(source->signal));
            result = FAULT_CONFIG;
        }
    }
    for (uint32_t i = 0; i < source->exporters.count; i++) {
        const struct graph_ref *ref = &source->exporters.refs[i];
        struct slice type = graph->config.components[ref->component_index].id.type;
        if ((components_find_exporter(type)->signals & SIGNAL_BIT(source->signal)) == 0) {
            config_error(report, ref->mark, NULL, "exporter '%.*s' takes no %s", (int)type.len,
                         (const char *)type.ptr, graph_signal_name(source->signal));
            result = FAULT_CONFIG;
        }
    }
    return result;
}

static int build_pipeline(struct graph *graph, struct config_report *report, uint32_t index)
{
    const struct graph_pipeline *source = &graph->config.pipelines[index];
    struct exporter *routes[BATCH_ROUTES_MAX];
    int err = check_signals(graph, report, source);
    if (err != 0) {
        return err;
    }
    if (source->exporters.count > BATCH_ROUTES_MAX) {
        config_error(report, source->mark, NULL, "more than %d exporters", BATCH_ROUTES_MAX);
        return FAULT_CONFIG;
    }
    for (uint32_t i = 0; i < source->exporters.count; i++) {
        uint32_t at = source->exporters.refs[i].component_index;
        routes[i] = find_route(graph, graph->config.components[at].id.text, source->signal);
        ASSERT(routes[i] != NULL);
    }
    graph->pipeline_ids[index] = mem_copy_text(source->id.text.ptr, source->id.text.len);
    if (graph->pipeline_ids[index] == NULL) {
        return -ENOMEM;
    }
    pipeline_init(&graph->pipelines[index], graph->pipeline_ids[index], (enum signal)source->signal,
                  routes, source->exporters.count);
    return graph_stage_build(&graph->stages[index], report, &graph->config, source);
}

static bool pipeline_has_receiver(const struct graph *graph, uint32_t index, const char *id)
{
    const struct graph_refs *refs = &graph->config.pipelines[index].receivers;
    for (uint32_t i = 0; i < refs->count; i++) {
        uint32_t at = refs->refs[i].component_index;
        if (slice_is_text(graph->config.components[at].id.text, id)) {
            return true;
        }
    }
    return false;
}

/* Tells each receiver which pipelines name it. */
static int connect_receivers(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct graph_receiver *entry = graph->receivers[i];
        entry->pipelines = mem_alloc_array(graph->pipeline_count, sizeof(entry->pipelines[0]));
        if (entry->pipelines == NULL) {
            return -ENOMEM;
        }
        for (uint32_t j = 0; j < graph->pipeline_count; j++) {
            if (pipeline_has_receiver(graph, j, entry->id)) {
                entry->pipelines[entry->pipeline_count] = &graph->pipelines[j];
                entry->pipeline_count++;
            }
        }
    }
    return 0;
}

static int build_pipelines(struct graph *graph, struct config_report *report)
{
    graph->pipelines = mem_alloc_array(graph->config.pipeline_count, sizeof(graph->pipelines[0]));
    graph->pipeline_ids = mem_alloc_array(graph->config.pipeline_count, sizeof(char *));
    graph->stages = mem_alloc_array(graph->config.pipeline_count, sizeof(graph->stages[0]));
    if (graph->pipelines == NULL || graph->pipeline_ids == NULL || graph->stages == NULL) {
        return -ENOMEM;
    }
    graph->pipeline_count = graph->config.pipeline_count;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        int err = build_pipeline(graph, report, i);
        if (err != 0) {
            return err;
        }
    }
    return connect_receivers(graph);
}

static int make_room(struct graph *graph)
{
    uint32_t count = graph->config.component_count;
    graph->receivers = mem_alloc_array(count, sizeof(graph->receivers[0]));
    graph->exporters = mem_alloc_array((size_t)count * SIGNAL_COUNT, sizeof(graph->exporters[0]));
    return graph->receivers == NULL || graph->exporters == NULL ? -ENOMEM : 0;
}

static int build(struct graph *graph, struct config_report *report,
                 const struct config_inputs *inputs)
{
    int err = config_load(&graph->tree->tree, report, inputs, &graph->origin);
    if (err != 0) {
        return err;
    }
    int graph_err =
        graph_config_read(&graph->config, &graph->tree->tree, components_types(), report);
    err = make_room(graph);
    if (err != 0) {
        return err;
    }
    int component_err = build_components(graph, report);
    if (graph_err != 0 || component_err != 0) {
        return graph_err != 0 ? graph_err : component_err;
    }
    err = link_receivers(graph, report);
    int auth_err = graph_auth_link(graph, report);
    err = err != 0 ? err : auth_err;
    int references_err = graph_check_references(graph, report);
    err = err != 0 ? err : references_err;
    int places_err = graph_check_places(graph, report);
    err = err != 0 ? err : places_err;
    int pipelines_err = build_pipelines(graph, report);
    return err != 0 ? err : pipelines_err;
}

int graph_load(const struct config_inputs *inputs, bool is_strict, struct graph **out)
{
    struct graph *graph = mem_alloc(sizeof(*graph));
    struct config_report *report = mem_alloc(sizeof(*report));
    if (graph != NULL) {
        graph->tree = mem_alloc(sizeof(*graph->tree));
    }
    if (graph == NULL || report == NULL || graph->tree == NULL) {
        mem_free(graph);
        mem_free(report);
        return -ENOMEM;
    }
    graph->tree->user_count = 1;
    int err = config_tree_init(&graph->tree->tree);
    if (err == 0) {
        config_report_init(report, &graph->tree->tree);
        err = build(graph, report, inputs);
        config_report_print(report, stderr);
        if (err == 0 && !config_report_is_ok(report, is_strict)) {
            err = FAULT_CONFIG;
        }
    }
    mem_free(report);
    if (err != 0) {
        graph_free(graph);
        return err;
    }
    *out = graph;
    return 0;
}

const struct config_node *graph_root(const struct graph *graph)
{
    return graph->tree->tree.root;
}
