/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_config — components, pipelines and references of a configuration, checked by name.
 *
 * Goes through everything even after a complaint, so that one run shows all of them. The settings
 * of service.telemetry are read in telemetry_config.c. Owns the arena with its arrays.
 */
#include "tools/weir/graph_config.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "core/engine/config.h"
#include "tools/weir/telemetry_config.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr
#define GRAPH_ARENA_CHUNK_BYTES 16384
#define TYPE_MAX_BYTES 63
#define NAME_MAX_BYTES 4096 /* 1024 characters */
#define TYPES_MAX_COUNT 128

static const char *const sections[GRAPH_KIND_COUNT] = {
    [GRAPH_RECEIVER] = "receivers",   [GRAPH_PROCESSOR] = "processors",
    [GRAPH_EXPORTER] = "exporters",   [GRAPH_CONNECTOR] = "connectors",
    [GRAPH_EXTENSION] = "extensions",
};
static const char *const kind_names[GRAPH_KIND_COUNT] = {
    [GRAPH_RECEIVER] = "receiver",   [GRAPH_PROCESSOR] = "processor", [GRAPH_EXPORTER] = "exporter",
    [GRAPH_CONNECTOR] = "connector", [GRAPH_EXTENSION] = "extension",
};
static const char *const signal_names[] = {
    [GRAPH_TRACES] = "traces",
    [GRAPH_METRICS] = "metrics",
    [GRAPH_LOGS] = "logs",
};

struct graph_reader {
    struct graph_config *graph;
    const struct graph_types *types;
    struct config_report *report;
    int err; /* 0 or -ENOMEM */
};

const char *graph_kind_section(enum graph_kind kind)
{
    return sections[kind];
}

const char *graph_kind_name(enum graph_kind kind)
{
    return kind_names[kind];
}

const char *graph_signal_name(enum graph_signal signal)
{
    return signal_names[signal];
}

/* --- ids -------------------------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_space(text.ptr[0])) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool is_type(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_inner = (c >= '0' && c <= '9') || c == '_';
        if (!is_letter(c) && (i == 0 || !is_inner)) {
            return false;
        }
    }
    return text.len > 0 && text.len <= TYPE_MAX_BYTES;
}

/* Symbols in Unicode's sense: of ASCII these; punctuation is allowed. */
static bool is_name(struct slice text)
{
    size_t char_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c <= ' ' || c == 0x7F || strchr("$+<=>^`|~", c) != NULL) {
            return false;
        }
        char_count += (c & 0xC0) != 0x80 ? 1 : 0;
    }
    return text.len > 0 && text.len <= NAME_MAX_BYTES && char_count <= 1024 && slice_is_utf8(text);
}

bool graph_id_parse(struct slice text, struct graph_id *out)
{
    text = trim(text);
    size_t slash = slice_find(text, '/');
    struct graph_id id = {.text = text, .type = trim(slice_first(text, slash))};
    if (!is_type(id.type)) {
        return false;
    }
    if (slash < text.len) {
        id.name = trim(slice_from(text, slash + 1));
        if (!is_name(id.name)) {
            return false;
        }
    }
    *out = id;
    return true;
}

/* --- components ------------------------------------------------------------------------------- */

static bool is_listed(const char *const *types, struct slice type)
{
    for (size_t i = 0; types != NULL && types[i] != NULL; i++) {
        if (slice_is_text(type, types[i])) {
            return true;
        }
    }
    return false;
}

/* "did you mean 'x'?" or, where nothing is near, all valid types. */
static void format_type_hint(const char *const *types, struct slice type, char *hint, size_t cap)
{
    struct slice valid[TYPES_MAX_COUNT];
    uint32_t count = 0;
    size_t len = 0;
    for (; types != NULL && types[count] != NULL && count < TYPES_MAX_COUNT; count++) {
        valid[count] = slice_of_text(types[count]);
    }
    struct slice nearest = config_nearest(type, valid, count);
    if (nearest.len > 0) {
        (void)snprintf(hint, cap, "did you mean '%.*s'?", SHOWN(nearest));
        return;
    }
    for (uint32_t i = 0; i < count && len < cap; i++) {
        len += (size_t)snprintf(hint + len, cap - len, "%s%s", i == 0 ? "valid types: " : ", ",
                                types[i]);
    }
}

static void check_type(struct graph_reader *g, const struct graph_component *c)
{
    const char *kind = kind_names[c->kind];
    if (is_listed(g->types->known[c->kind], c->id.type)) {
        return;
    }
    if (c->kind == GRAPH_EXPORTER && slice_is_text(c->id.type, "logging")) {
        config_error(g->report, c->mark, "use 'debug' instead",
                     "the logging exporter has been deprecated, use the debug exporter instead");
        return;
    }
    if (is_listed(g->types->planned[c->kind], c->id.type)) {
        config_error(g->report, c->mark, NULL, "%s '%.*s' is known but not supported yet", kind,
                     SHOWN(c->id.type));
        return;
    }
    char hint[CONFIG_MESSAGE_MAX_BYTES] = {0};
    format_type_hint(g->types->known[c->kind], c->id.type, hint, sizeof(hint));
    config_error(g->report, c->mark, hint, "unknown %s type '%.*s' for id '%.*s'", kind,
                 SHOWN(c->id.type), SHOWN(c->id.text));
}

static void read_component(struct graph_reader *g, enum graph_kind kind,
                           const struct config_node *node)
{
    struct graph_component c = {.kind = kind, .node = node, .mark = node->key_mark};
    if (!graph_id_parse(node->key, &c.id)) {
        config_error(g->report, c.mark, "an id is a type, or type/name", "'%.*s' is no %s id",
                     SHOWN(node->key), kind_names[kind]);
        return;
    }
    if (graph_config_find(g->graph, kind, c.id.text) != NULL) {
        config_error(g->report, c.mark, NULL, "%s '%.*s' is configured twice", kind_names[kind],
                     SHOWN(c.id.text));
        return;
    }
    if (node->kind != CONFIG_MAP && node->kind != CONFIG_NULL) {
        char path[CONFIG_PATH_MAX_BYTES] = {0};
        int shown = c.id.text.len < TYPE_MAX_BYTES ? (int)c.id.text.len : TYPE_MAX_BYTES;
        (void)snprintf(path, sizeof(path), "%s.%.*s", sections[kind], shown,
                       (const char *)c.id.text.ptr);
        config_complain_type(g->report, node, path, "", "a map");
    }
    check_type(g, &c);
    g->graph->components[g->graph->component_count] = c;
    g->graph->component_count++;
}

static void read_components(struct graph_reader *g, struct config_reader *root)
{
    const struct config_node *nodes[GRAPH_KIND_COUNT];
    size_t count = 0;
    for (int kind = 0; kind < GRAPH_KIND_COUNT; kind++) {
        nodes[kind] = config_reader_ask(root, sections[kind]);
        if (nodes[kind] != NULL && nodes[kind]->kind != CONFIG_MAP) {
            config_complain_type(g->report, nodes[kind], sections[kind], "", "a map");
            nodes[kind] = NULL;
        }
        count += nodes[kind] == NULL ? 0 : nodes[kind]->child_count;
    }
    g->graph->components =
        arena_alloc_array(&g->graph->arena, count, sizeof(*g->graph->components));
    if (g->graph->components == NULL) {
        g->err = -ENOMEM;
        return;
    }
    for (int kind = 0; kind < GRAPH_KIND_COUNT; kind++) {
        const struct config_node *node = nodes[kind] == NULL ? NULL : nodes[kind]->first;
        for (; node != NULL; node = node->next) {
            read_component(g, (enum graph_kind)kind, node);
        }
    }
}

const struct graph_component *graph_config_find(const struct graph_config *graph,
                                                enum graph_kind kind, struct slice id)
{
    for (uint32_t i = 0; i < graph->component_count; i++) {
        if (graph->components[i].kind == kind && slice_equal(graph->components[i].id.text, id)) {
            return &graph->components[i];
        }
    }
    return NULL;
}

/* --- references ------------------------------------------------------------------------------- */

/* More than the texts a list, or a scalar split at ',', can hold. */
static size_t count_texts(const struct config_node *node)
{
    if (node == NULL || node->kind != CONFIG_SCALAR) {
        return node == NULL ? 0 : node->child_count;
    }
    size_t count = 1;
    struct slice text = node->original.ptr != NULL ? node->original : node->text;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == ',' ? 1 : 0;
    }
    return count;
}

static void complain_undefined(struct graph_reader *g, const char *path, enum graph_kind kind,
                               struct slice id, struct config_mark mark)
{
    const struct graph_config *graph = g->graph;
    struct slice defined[TYPES_MAX_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->component_count && count < COUNT_OF(defined); i++) {
        if (graph->components[i].kind == kind) {
            defined[count] = graph->components[i].id.text;
            count++;
        }
    }
    struct slice nearest = config_nearest(id, defined, count);
    char hint[CONFIG_PATH_MAX_BYTES] = {0};
    if (nearest.len > 0) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%.*s'?", SHOWN(nearest));
    }
    config_error(g->report, mark, hint, "%s references %s '%.*s' which is not configured", path,
                 kind_names[kind], SHOWN(id));
}

/* One reference, appended where it is good. */
static void read_ref(struct graph_reader *g, const char *path, enum graph_kind kind,
                     struct graph_ref ref, struct slice id, struct graph_refs *out)
{
    id = trim(id);
    const struct graph_component *found = graph_config_find(g->graph, kind, id);
    if (found == NULL) {
        bool is_end = kind == GRAPH_RECEIVER || kind == GRAPH_EXPORTER;
        if (!is_end || graph_config_find(g->graph, GRAPH_CONNECTOR, id) == NULL) {
            complain_undefined(g, path, kind, id, ref.mark);
        }
        return; /* a connector was complained about where it is configured */
    }
    ref.component_index = (uint32_t)(found - g->graph->components);
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->refs[i].component_index != ref.component_index) {
            continue;
        }
        /* Twice the same processor would work twice; a second receiver or exporter does nothing. */
        if (kind == GRAPH_PROCESSOR) {
            config_error(g->report, ref.mark, NULL, "%s references processor '%.*s' multiple times",
                         path, SHOWN(id));
        } else {
            config_warn(g->report, ref.mark, NULL, "%s references %s '%.*s' multiple times", path,
                        kind_names[kind], SHOWN(id));
        }
        return;
    }
    g->graph->components[ref.component_index].is_referenced = true;
    out->refs[out->count] = ref;
    out->count++;
}

/* Returns how many were written, good or not. */
static uint32_t read_refs(struct graph_reader *g, struct config_reader *r, const char *key,
                          enum graph_kind kind, struct graph_refs *out)
{
    struct config_items items = config_open_list(r, key);
    size_t count = count_texts(config_node_find(r->node, slice_of_text(key)));
    struct slice id;
    out->refs = arena_alloc_array(&g->graph->arena, count, sizeof(*out->refs));
    if (out->refs == NULL) {
        g->err = -ENOMEM;
        return 0;
    }
    while (config_next_text(&items, &id)) {
        ASSERT(out->count < count);
        read_ref(g, r->path, kind, (struct graph_ref){.mark = items.mark}, id, out);
    }
    return items.seen_count;
}

/* --- pipelines -------------------------------------------------------------------------------- */

static bool read_signal(struct graph_reader *g, const struct config_node *node,
                        struct graph_pipeline *pipeline)
{
    pipeline->mark = node->key_mark;
    if (!graph_id_parse(node->key, &pipeline->id)) {
        config_error(g->report, node->key_mark, "an id is a signal, or signal/name",
                     "'%.*s' is no pipeline id", SHOWN(node->key));
        return false;
    }
    struct slice valid[COUNT_OF(signal_names)];
    for (uint32_t i = 0; i < COUNT_OF(signal_names); i++) {
        valid[i] = slice_of_text(signal_names[i]);
        if (slice_equal(pipeline->id.type, valid[i])) {
            pipeline->signal = (enum graph_signal)i;
            return true;
        }
    }
    if (slice_is_text(pipeline->id.type, "profiles")) {
        config_error(g->report, node->key_mark, NULL,
                     "pipelines of profiles are known but not supported yet");
        return false;
    }
    struct slice nearest = config_nearest(pipeline->id.type, valid, COUNT_OF(valid));
    char hint[CONFIG_PATH_MAX_BYTES] = "valid signals: traces, metrics, logs";
    if (nearest.len > 0) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%.*s'?", SHOWN(nearest));
    }
    config_error(g->report, node->key_mark, hint, "unknown signal '%.*s' of pipeline '%.*s'",
                 SHOWN(pipeline->id.type), SHOWN(pipeline->id.text));
    return false;
}

static void read_pipeline(struct graph_reader *g, const struct config_node *node)
{
    struct graph_pipeline pipeline = {0};
    if (!read_signal(g, node, &pipeline)) {
        return;
    }
    char path[CONFIG_PATH_MAX_BYTES] = {0};
    int shown = node->key.len < sizeof(path) / 2 ? (int)node->key.len : (int)sizeof(path) / 2;
    (void)snprintf(path, sizeof(path), "service.pipelines.%.*s", shown,
                   (const char *)node->key.ptr);
    struct config_reader r;
    config_reader_open(&r, g->report, node, path);
    uint32_t receiver_count = read_refs(g, &r, "receivers", GRAPH_RECEIVER, &pipeline.receivers);
    (void)read_refs(g, &r, "processors", GRAPH_PROCESSOR, &pipeline.processors); /* may be none */
    uint32_t exporter_count = read_refs(g, &r, "exporters", GRAPH_EXPORTER, &pipeline.exporters);
    if (receiver_count == 0) {
        config_error(g->report, r.mark, NULL, "%s must have at least one receiver", path);
    }
    if (exporter_count == 0) {
        config_error(g->report, r.mark, NULL, "%s must have at least one exporter", path);
    }
    (void)config_reader_finish(&r); /* what it complains about is in the report */
    g->graph->pipelines[g->graph->pipeline_count] = pipeline;
    g->graph->pipeline_count++;
}

static void read_pipelines(struct graph_reader *g, struct config_reader *service)
{
    const struct config_node *node = config_reader_ask(service, "pipelines");
    size_t count = node != NULL && node->kind == CONFIG_MAP ? node->child_count : 0;
    if (node != NULL && node->kind != CONFIG_MAP) {
        config_complain_type(g->report, node, "service.pipelines", "", "a map");
        return;
    }
    if (count == 0) {
        config_error(g->report, service->mark, NULL, "service must have at least one pipeline");
        return;
    }
    g->graph->pipelines = arena_alloc_array(&g->graph->arena, count, sizeof(*g->graph->pipelines));
    if (g->graph->pipelines == NULL) {
        g->err = -ENOMEM;
        return;
    }
    for (const struct config_node *child = node->first; child != NULL; child = child->next) {
        read_pipeline(g, child);
    }
}

int graph_config_read(struct graph_config *graph, const struct config_tree *tree,
                      const struct graph_types *types, struct config_report *report)
{
    *graph = (struct graph_config){0};
    struct graph_reader g = {.graph = graph, .types = types, .report = report};
    uint32_t error_count = report->error_count;
    int err = arena_init(&graph->arena, GRAPH_ARENA_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    struct config_reader root;
    struct config_reader service;
    config_reader_open(&root, report, tree->root, "");
    read_components(&g, &root);
    (void)config_open_section(&root, "service", &service); /* absent: no pipelines, reported */
    if (g.err == 0) {
        (void)read_refs(&g, &service, "extensions", GRAPH_EXTENSION, &graph->extensions);
        read_pipelines(&g, &service);
        telemetry_config_read(&graph->telemetry, &service);
        (void)config_reader_finish(&service); /* counted below with everything else */
        (void)config_reader_finish(&root);
    }
    if (g.err != 0) {
        return g.err;
    }
    return report->error_count > error_count ? FAULT_CONFIG : 0;
}

void graph_config_fini(struct graph_config *graph)
{
    arena_fini(&graph->arena);
    *graph = (struct graph_config){0};
}
