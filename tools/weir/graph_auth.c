/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_auth — a look into the set of the same graph, and one call.
 */
#include "tools/weir/graph_auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tools/weir/graph_build.h"

static struct authenticator *find(const struct graph *graph, const char *id)
{
    return authenticator_find(&graph->auth, slice_of_text(id));
}

/* What the exporter is compared by: its own settings and those of the extension. */
static int add_settings(const struct graph *graph, struct graph_exporter *entry)
{
    const struct graph_component *extension = graph_config_find(
        &graph->config, GRAPH_EXTENSION, slice_of_text(entry->exporter->authenticator_id));
    ASSERT(extension != NULL); /* the authenticator was made of it */
    char *added = graph_settings_text(extension->node);
    if (added == NULL) {
        return -ENOMEM;
    }
    size_t len = strlen(entry->settings);
    size_t added_len = strlen(added);
    char *both = mem_resize(entry->settings, len + added_len + 1);
    if (both != NULL) {
        memcpy(both + len, added, added_len + 1);
        entry->settings = both;
    }
    mem_free(added);
    return both != NULL ? 0 : -ENOMEM;
}

static int link_one(const struct graph *graph, struct graph_exporter *entry, char *why)
{
    struct exporter *exporter = entry->exporter;
    struct authenticator *authenticator = find(graph, exporter->authenticator_id);
    ASSERT(exporter->ops->link != NULL);
    if (authenticator == NULL) {
        (void)snprintf(why, EXPORTER_WHY_BYTES, "it is not among service.extensions");
        return FAULT_CONFIG;
    }
    int err = exporter->ops->link(exporter, authenticator, why);
    return err == 0 ? add_settings(graph, entry) : err;
}

/* An exporter may stand here once for each signal; one complaint is enough. */
static bool is_repeated(const struct graph *graph, uint32_t index)
{
    return index > 0 && strcmp(graph->exporters[index - 1]->id, graph->exporters[index]->id) == 0;
}

int graph_auth_link(struct graph *graph, struct config_report *report)
{
    int result = 0;
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        struct graph_exporter *entry = graph->exporters[i];
        char why[EXPORTER_WHY_BYTES] = {0};
        if (entry->exporter->authenticator_id == NULL) {
            continue;
        }
        int err = link_one(graph, entry, why);
        if (err == -ENOMEM) {
            return err;
        }
        if (err == 0 || is_repeated(graph, i)) {
            continue;
        }
        const struct graph_component *component =
            graph_config_find(&graph->config, GRAPH_EXPORTER, slice_of_text(entry->id));
        config_error(report, component->mark, NULL,
                     "exporters.%s cannot use the authenticator '%s': %s", entry->id,
                     entry->exporter->authenticator_id, why);
        result = FAULT_CONFIG;
    }
    return result;
}

void graph_auth_link_adopted(const struct graph *graph, struct exporter *exporter)
{
    char why[EXPORTER_WHY_BYTES];
    if (exporter->authenticator_id != NULL) {
        struct authenticator *authenticator = find(graph, exporter->authenticator_id);
        ASSERT(authenticator != NULL);
        int err = exporter->ops->link(exporter, authenticator, why);
        ASSERT(err == 0); /* it was before, and the settings are equal */
    }
}
