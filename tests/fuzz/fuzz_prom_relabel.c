/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: prom_relabel_new, prom_relabel_apply.
 *
 * Texts separated by zero bytes: an action, then expression, source, target, replacement of one
 * rule, then labels, a name and a value in turn. A rule that is accepted leaves a sorted list
 * without empty values, and gives the same twice.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/prom_relabel.h"
#include "core/base/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LABELS_MAX 20
#define ARENA_MAX_BYTES (1 << 22)

static struct slice next_text(struct slice *rest)
{
    size_t end = slice_find(*rest, 0);
    struct slice text = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    return text;
}

static void take_labels(struct slice rest, struct label_list *out)
{
    out->count = 0;
    while (rest.len > 0 && out->count < LABELS_MAX) {
        struct slice name = next_text(&rest);
        struct slice value = next_text(&rest);
        if (name.len > 0) {
            int err = label_list_set(out, name, value);
            ASSERT(err == 0);
        }
    }
}

static bool is_same(const struct label_list *a, const struct label_list *b)
{
    bool is_equal = a->count == b->count;
    for (uint32_t i = 0; i < a->count && is_equal; i++) {
        is_equal = slice_equal(a->items[i].name, b->items[i].name) &&
                   slice_equal(a->items[i].value, b->items[i].value);
    }
    return is_equal;
}

static void check(const struct prom_relabel *relabel, const struct label_list *before)
{
    static struct label_list results[2];
    struct arena arena;
    bool is_kept[2] = {false, false};
    int errs[2];
    int err = arena_init(&arena, 4096, ARENA_MAX_BYTES);
    ASSERT(err == 0);
    for (size_t i = 0; i < 2; i++) {
        results[i] = *before;
        errs[i] = prom_relabel_apply(relabel, &results[i], &arena, &is_kept[i]);
        ASSERT(errs[i] == 0 || errs[i] == FAULT_LIMIT);
    }
    if (errs[0] == 0 && errs[1] == 0) {
        ASSERT(label_list_is_valid(&results[0]));
        ASSERT(is_kept[0] == is_kept[1]);
        ASSERT(is_same(&results[0], &results[1]));
        for (uint32_t i = 0; i < results[0].count; i++) {
            ASSERT(results[0].items[i].name.len > 0);
            ASSERT(results[0].items[i].value.len > 0);
        }
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct label_list labels;
    char why[128];
    uint32_t index = 0;
    struct prom_relabel *relabel = NULL;
    struct slice rest = slice_of(data, size);
    struct prom_relabel_rule rule = prom_relabel_rule_default();
    (void)prom_relabel_action_parse(next_text(&rest), &rule.action); /* else replace */
    rule.regex = next_text(&rest);
    struct slice sources[2] = {next_text(&rest), SLICE_LITERAL("a")};
    rule.source_labels = sources;
    rule.source_label_count = sources[0].len > 0 ? 2 : 0;
    rule.target_label = next_text(&rest);
    rule.replacement = next_text(&rest);
    rule.modulus = rule.action == PROM_RELABEL_HASHMOD ? 7 : 0;
    take_labels(rest, &labels);
    int err = prom_relabel_new(&rule, 1, &relabel, &index, why, sizeof(why));
    ASSERT((err == 0) == (relabel != NULL));
    if (err == 0) {
        check(relabel, &labels);
        prom_relabel_free(relabel);
    }
    return 0;
}
