/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: prom_groups_read, prom_endpoint_make, prom_duration_parse, prom_size_parse,
 * prom_redirect_resolve.
 *
 * The first byte says how the rest is read: as a list of targets in YAML or in JSON, or as one of
 * the short texts. What is read twice is the same; texts are UTF-8 and inside the arena's bound; a
 * target that is made has a URL that can be fetched and holds no byte that would end a line; a
 * duration that is written is read back; a redirect leads to http or https.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/http_client.h"
#include "io/receivers/prom_scrape_endpoint.h"
#include "io/receivers/prom_scrape_groups.h"
#include "io/receivers/prom_scrape_redirect.h"
#include "io/receivers/prom_scrape_units.h"

#define ARENA_BYTES (UINT64_C(16) * 1024 * 1024)
#define TARGETS_MADE_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct prom_param params[] = {
    {.name = "module", .values = (const char *[]){"a b", "c"}, .value_count = 2},
};

static const struct prom_job job = {
    .name = "job",
    .interval_ns = 60 * CLOCK_NS_PER_S,
    .timeout_ns = 10 * CLOCK_NS_PER_S,
    .metrics_path = "/metrics",
    .scheme = "http",
    .params = (struct prom_param *)(uintptr_t)params,
    .param_count = 1,
};

static void check_endpoint(const struct prom_group *group, uint32_t index)
{
    struct arena arena;
    struct prom_endpoint endpoint;
    const char *why = NULL;
    int err = arena_init(&arena, 4096, ARENA_BYTES);
    ASSERT(err == 0);
    enum prom_endpoint_state made = prom_endpoint_make(&job, group, index, &arena, &endpoint, &why);
    ASSERT(made != PROM_ENDPOINT_DROPPED);
    ASSERT((made == PROM_ENDPOINT_BAD) == (why != NULL));
    if (made == PROM_ENDPOINT_MADE) {
        ASSERT(http_url_is_valid(endpoint.url));
        for (const char *at = endpoint.url; *at != '\0'; at++) {
            ASSERT((uint8_t)*at > ' ' && (uint8_t)*at != 0x7F);
        }
        ASSERT(endpoint.timeout_ns <= endpoint.interval_ns);
        ASSERT(endpoint.label_count >= 1);
        for (uint32_t i = 0; i < endpoint.label_count; i++) {
            ASSERT(!slice_has_prefix(endpoint.labels[i].name, SLICE_LITERAL("__")));
            ASSERT(slice_is_utf8(endpoint.labels[i].value));
        }
    }
    arena_fini(&arena);
}

static void check_groups(const struct prom_groups *groups)
{
    uint32_t made_count = 0;
    uint32_t target_count = 0;
    for (const struct prom_group *group = groups->first; group != NULL; group = group->next) {
        target_count += group->target_count;
        for (uint32_t i = 0; i < group->label_count; i++) {
            ASSERT(group->labels[i].name.len > 0);
            ASSERT(slice_is_utf8(group->labels[i].name));
            ASSERT(slice_is_utf8(group->labels[i].value));
        }
        for (uint32_t i = 0; i < group->target_count && made_count < TARGETS_MADE_MAX; i++) {
            ASSERT(slice_is_utf8(group->targets[i]));
            check_endpoint(group, i);
            made_count++;
        }
    }
    ASSERT(target_count == groups->target_count);
    ASSERT(target_count <= PROM_GROUP_TARGETS_MAX);
}

static void check_list(const char *file, struct slice text)
{
    struct arena arena;
    struct prom_groups first = {0};
    struct prom_groups again = {0};
    char why[PROM_GROUP_WHY_BYTES];
    int err = arena_init(&arena, 4096, ARENA_BYTES);
    ASSERT(err == 0);
    err = prom_groups_read(slice_of_text(file), text, &arena, &first, why);
    ASSERT((err == 0) || (first.first == NULL && first.target_count == 0));
    if (err == 0) {
        check_groups(&first);
        err = prom_groups_read(slice_of_text(file), text, &arena, &again, why);
        ASSERT(err != 0 || again.target_count == first.target_count);
    }
    arena_fini(&arena);
}

static void check_texts(struct slice text)
{
    uint64_t ns = 0;
    uint64_t again_ns = 0;
    uint64_t bytes = 0;
    char written[PROM_DURATION_TEXT_BYTES];
    if (prom_duration_parse(text, &ns) == 0) {
        size_t len = prom_duration_format(ns, written);
        int err = prom_duration_parse(slice_of(written, len), &again_ns);
        ASSERT(err == 0);
        ASSERT(ns == again_ns);
    }
    int size_err = prom_size_parse(text, &bytes);
    ASSERT(size_err == 0 || bytes == 0);
    char *moved = prom_redirect_resolve("http://host:80/folder/page?query", text);
    ASSERT(moved == NULL || http_url_is_valid(moved));
    mem_free(moved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice text = slice_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        check_list("targets.json", text);
        break;
    case 1:
        check_list("targets.yaml", text);
        break;
    default:
        check_texts(text);
        break;
    }
    return 0;
}
