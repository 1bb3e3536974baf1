/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_relabel — relabel_configs and metric_relabel_configs: rules that rewrite labels, or drop
 * whom they belong to.
 *
 * The rules are Prometheus' own, in the order they are written; regular expressions are anchored at
 * both ends and '.' matches a line feed. A compiled list is frozen; one thread at a time applies
 * it. Source: Prometheus, "Configuration", relabel_config.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

enum prom_relabel_action {
    PROM_RELABEL_REPLACE,
    PROM_RELABEL_KEEP,
    PROM_RELABEL_DROP,
    PROM_RELABEL_KEEPEQUAL,
    PROM_RELABEL_DROPEQUAL,
    PROM_RELABEL_HASHMOD,
    PROM_RELABEL_LABELMAP,
    PROM_RELABEL_LABELDROP,
    PROM_RELABEL_LABELKEEP,
    PROM_RELABEL_LOWERCASE,
    PROM_RELABEL_UPPERCASE,
};

/* The action called `text`, in any case of ASCII as Prometheus reads it. False: there is none. */
bool prom_relabel_action_parse(struct slice text, enum prom_relabel_action *out);

/* One rule as it is configured. Borrows its texts until prom_relabel_new returns. */
struct prom_relabel_rule {
    enum prom_relabel_action action;
    const struct slice *source_labels; /* may be NULL where the count is 0 */
    uint32_t source_label_count;
    struct slice separator;    /* between the values of the source labels */
    struct slice regex;        /* RE2; see core/base/regex.h */
    uint64_t modulus;          /* of hashmod; 0: not given */
    struct slice target_label; /* may be empty where the action has none; "$1" in it for replace */
    struct slice replacement;  /* "$1", "${1}", "${name}", "$$" */
};

/* What Prometheus takes for what is not written: replace, ";", "(.*)", "$1". Texts are static. */
struct prom_relabel_rule prom_relabel_rule_default(void);

struct prom_relabel;

/*
 * prom_relabel_new — checks and compiles a list of rules.
 *
 *   rules       borrowed until return; their texts are copied
 *   out         moves out on 0, else set to NULL; freed with prom_relabel_free
 *   rule_index  on failure: which rule it is about
 *   why         on failure a NUL-terminated sentence for whoever wrote the configuration
 *
 * Returns 0; FAULT_CONFIG for a rule that Prometheus refuses or whose expression is not RE2;
 * -ENOMEM.
 */
WEIR_MUST_USE int prom_relabel_new(const struct prom_relabel_rule *rules, uint32_t rule_count,
                                   struct prom_relabel **out, uint32_t *rule_index, char *why,
                                   size_t why_cap);

/* NULL is fine. */
void prom_relabel_free(struct prom_relabel *relabel);

/*
 * prom_relabel_apply — runs the rules over `labels`, in place.
 *
 *   relabel   NULL: no rules, everything is kept
 *   labels    no empty values; after it the same holds. New texts live in `arena`, the others are
 *             still where they were. Worthless where it returns an error
 *   is_kept   filled on 0; false: a rule drops whom the labels belong to
 *
 * Returns 0; FAULT_LIMIT where labels or arena have no more room.
 */
WEIR_MUST_USE int prom_relabel_apply(const struct prom_relabel *relabel, struct label_list *labels,
                                     struct arena *arena, bool *is_kept);
