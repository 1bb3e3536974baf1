/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_places — every pair of places, as the settings have them; names are not resolved.
 */
#include "tools/weir/graph_places.h"

#include "core/base/fault.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr

static bool is_every_address(struct slice host)
{
    return host.len == 0 || slice_is_text(host, "0.0.0.0") || slice_is_text(host, "::");
}

/* Of the other family than an address that is spelled out; names may be of either. */
static bool is_in6(struct slice host)
{
    return slice_find(host, ':') < host.len;
}

static struct slice plain_host(struct slice host)
{
    return slice_is_text(host, "localhost") ? SLICE_LITERAL("127.0.0.1") : host;
}

static bool is_same_host(struct slice a, struct slice b)
{
    if (slice_equal(plain_host(a), plain_host(b)) || a.len == 0 || b.len == 0) {
        return true;
    }
    return (is_every_address(a) || is_every_address(b)) && is_in6(a) == is_in6(b);
}

static bool is_same_place(const struct receiver_place *a, const struct receiver_place *b)
{
    return a->is_stream == b->is_stream && a->port == b->port && a->port != 0 &&
           is_same_host(a->host, b->host);
}

static uint32_t places_of(const struct receiver *receiver, struct receiver_place *out)
{
    return receiver->ops->places != NULL ? receiver->ops->places(receiver, out) : 0;
}

/* The place of `receiver` that `other` has too; NULL where there is none. */
static const struct receiver_place *find_shared(const struct receiver_place *places, uint32_t count,
                                                const struct receiver *other)
{
    struct receiver_place others[RECEIVER_PLACES_MAX];
    uint32_t other_count = places_of(other, others);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < other_count; j++) {
            if (is_same_place(&places[i], &others[j])) {
                return &places[i];
            }
        }
    }
    return NULL;
}

static struct config_mark mark_of(const struct graph *graph, const struct receiver *receiver)
{
    struct slice id = slice_of_text(receiver->id);
    const struct graph_component *found = graph_config_find(&graph->config, GRAPH_RECEIVER, id);
    if (found == NULL || !found->is_referenced) {
        found = graph_config_find(&graph->config, GRAPH_EXTENSION, id);
    }
    return found != NULL ? found->mark : (struct config_mark){0};
}

int graph_check_places(const struct graph *graph, struct config_report *report)
{
    int result = 0;
    for (uint32_t i = 1; i < graph->receiver_count; i++) {
        const struct receiver *receiver = graph->receivers[i]->receiver;
        struct receiver_place places[RECEIVER_PLACES_MAX];
        uint32_t count = places_of(receiver, places);
        for (uint32_t j = 0; j < i; j++) {
            const struct receiver *other = graph->receivers[j]->receiver;
            const struct receiver_place *shared = find_shared(places, count, other);
            if (shared == NULL) {
                continue;
            }
            config_error(report, mark_of(graph, receiver),
                         "give one of them an endpoint of its own",
                         "'%s' listens on %s port %d of '%.*s', where '%s' does", receiver->id,
                         shared->is_stream ? "TCP" : "UDP", (int)shared->port, SHOWN(shared->host),
                         other->id);
            result = FAULT_CONFIG;
        }
    }
    return result;
}
