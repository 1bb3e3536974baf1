/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_links — from an id in the settings to a receiver of the same graph.
 */
#include "tools/weir/graph_links.h"

#include <stdio.h>

#include "core/base/fault.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr
/* Ids that a misprint is compared with. */
#define CANDIDATES_MAX 128

/* The receiver of that type with the nearest id; empty where none is near. */
static struct slice nearest_of(const struct graph_config *config,
                               const struct receiver_reference *reference)
{
    struct slice ids[CANDIDATES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->component_count && count < COUNT_OF(ids); i++) {
        const struct graph_component *component = &config->components[i];
        if (component->kind == GRAPH_RECEIVER &&
            slice_is_text(component->id.type, reference->type)) {
            ids[count] = component->id.text;
            count++;
        }
    }
    return config_nearest(reference->id, ids, count);
}

static bool check_reference(const struct graph_config *config, struct config_report *report,
                            const char *owner_id, const struct receiver_reference *reference)
{
    const struct graph_component *found = graph_config_find(config, GRAPH_RECEIVER, reference->id);
    char hint[CONFIG_PATH_MAX_BYTES] = {0};
    struct slice nearest = nearest_of(config, reference);
    if (nearest.len > 0 && !slice_equal(nearest, reference->id)) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%.*s'?", SHOWN(nearest));
    }
    if (found == NULL) {
        config_error(report, reference->mark, hint,
                     "receivers.%s.%s references receiver '%.*s' which is not configured", owner_id,
                     reference->key, SHOWN(reference->id));
        return false;
    }
    if (!slice_is_text(found->id.type, reference->type)) {
        config_error(report, reference->mark, hint,
                     "receivers.%s.%s references receiver '%.*s', which has to be of type '%s'",
                     owner_id, reference->key, SHOWN(reference->id), reference->type);
        return false;
    }
    if (!found->is_referenced) {
        config_error(report, reference->mark, NULL,
                     "receivers.%s.%s references receiver '%.*s', which is in no pipeline",
                     owner_id, reference->key, SHOWN(reference->id));
        return false;
    }
    return true;
}

bool graph_names_others(const struct graph_receiver *entry)
{
    return entry->receiver->ops->join != NULL;
}

int graph_check_references(const struct graph *graph, struct config_report *report)
{
    int result = 0;
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct receiver_reference references[RECEIVER_REFERENCES_MAX];
        const struct receiver *receiver = graph->receivers[i]->receiver;
        uint32_t count = graph_names_others(graph->receivers[i])
                             ? receiver->ops->references(receiver, references)
                             : 0;
        for (uint32_t j = 0; j < count; j++) {
            if (!check_reference(&graph->config, report, receiver->id, &references[j])) {
                result = FAULT_CONFIG;
            }
        }
    }
    return result;
}

static struct receiver *find_receiver(const struct graph *graph, struct slice id)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        if (slice_is_text(id, graph->receivers[i]->id)) {
            return graph->receivers[i]->receiver;
        }
    }
    return NULL;
}

void graph_join_receivers(const struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct receiver_reference references[RECEIVER_REFERENCES_MAX];
        struct receiver *others[RECEIVER_REFERENCES_MAX] = {0};
        struct receiver *receiver = graph->receivers[i]->receiver;
        if (!graph_names_others(graph->receivers[i])) {
            continue;
        }
        uint32_t count = receiver->ops->references(receiver, references);
        ASSERT(count <= RECEIVER_REFERENCES_MAX);
        for (uint32_t j = 0; j < count; j++) {
            others[j] = find_receiver(graph, references[j].id);
            ASSERT(others[j] != NULL); /* checked when the graph was built */
        }
        receiver->ops->join(receiver, others);
    }
}
