/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_relabel_rule — rules as they are configured: defaults, what fits together, and compiling.
 *
 * A combination of keys that means nothing is refused, as Prometheus refuses it: it is mostly a
 * rule that was meant to do something else.
 */
#include "codecs/prom_relabel_rule.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "codecs/prom_template.h"
#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

static const char *const action_names[] = {
    [PROM_RELABEL_REPLACE] = "replace",     [PROM_RELABEL_KEEP] = "keep",
    [PROM_RELABEL_DROP] = "drop",           [PROM_RELABEL_KEEPEQUAL] = "keepequal",
    [PROM_RELABEL_DROPEQUAL] = "dropequal", [PROM_RELABEL_HASHMOD] = "hashmod",
    [PROM_RELABEL_LABELMAP] = "labelmap",   [PROM_RELABEL_LABELDROP] = "labeldrop",
    [PROM_RELABEL_LABELKEEP] = "labelkeep", [PROM_RELABEL_LOWERCASE] = "lowercase",
    [PROM_RELABEL_UPPERCASE] = "uppercase",
};

bool prom_relabel_action_parse(struct slice text, enum prom_relabel_action *out)
{
    for (size_t i = 0; i < COUNT_OF(action_names); i++) {
        struct slice name = slice_of_text(action_names[i]);
        if (name.len == text.len &&
            strncasecmp((const char *)name.ptr, (const char *)text.ptr, name.len) == 0) {
            *out = (enum prom_relabel_action)i;
            return true;
        }
    }
    return false;
}

struct prom_relabel_rule prom_relabel_rule_default(void)
{
    return (struct prom_relabel_rule){
        .action = PROM_RELABEL_REPLACE,
        .separator = SLICE_LITERAL(";"),
        .regex = SLICE_LITERAL("(.*)"),
        .replacement = SLICE_LITERAL("$1"),
    };
}

/* --- what fits together ----------------------------------------------------------------------- */

static bool has_target(enum prom_relabel_action action)
{
    return action == PROM_RELABEL_REPLACE || action == PROM_RELABEL_KEEPEQUAL ||
           action == PROM_RELABEL_DROPEQUAL || action == PROM_RELABEL_HASHMOD ||
           action == PROM_RELABEL_LOWERCASE || action == PROM_RELABEL_UPPERCASE;
}

static bool is_default_template(const struct prom_relabel_rule *rule)
{
    return slice_is_text(rule->replacement, "$1");
}

/* Besides the expression, the sources and the target. */
static bool is_bare(const struct prom_relabel_rule *rule)
{
    return rule->modulus == 0 && slice_is_text(rule->separator, ";") && is_default_template(rule);
}

static const char *trouble_with_target(const struct prom_relabel_rule *rule)
{
    if (!has_target(rule->action)) {
        return NULL;
    }
    if (rule->target_label.len == 0) {
        return "this action needs 'target_label'";
    }
    bool is_plain = prom_template_is_plain(rule->target_label);
    if (!slice_is_utf8(rule->target_label) || (rule->action != PROM_RELABEL_REPLACE && !is_plain)) {
        return "'target_label' is not the name of a label";
    }
    return NULL;
}

static const char *trouble_with(const struct prom_relabel_rule *rule)
{
    switch (rule->action) {
    case PROM_RELABEL_HASHMOD:
        return rule->modulus == 0 ? "hashmod needs a 'modulus' above 0" : NULL;
    case PROM_RELABEL_LOWERCASE:
    case PROM_RELABEL_UPPERCASE:
        return is_default_template(rule) ? NULL : "this action has no 'replacement'";
    case PROM_RELABEL_KEEPEQUAL:
    case PROM_RELABEL_DROPEQUAL:
        return is_bare(rule) && slice_is_text(rule->regex, "(.*)")
                   ? NULL
                   : "this action has only 'source_labels' and 'target_label'";
    case PROM_RELABEL_LABELDROP:
    case PROM_RELABEL_LABELKEEP:
        return is_bare(rule) && rule->source_label_count == 0 && rule->target_label.len == 0
                   ? NULL
                   : "this action has only 'regex'";
    case PROM_RELABEL_LABELMAP:
        return rule->replacement.len > 0 && slice_is_utf8(rule->replacement)
                   ? NULL
                   : "'replacement' is not the name of a label";
    case PROM_RELABEL_REPLACE:
    case PROM_RELABEL_KEEP:
    case PROM_RELABEL_DROP:
        break;
    }
    return NULL;
}

int prom_relabel_rule_check(const struct prom_relabel_rule *rule, char *why, size_t why_cap)
{
    const char *trouble = trouble_with_target(rule);
    if (trouble == NULL) {
        trouble = trouble_with(rule);
    }
    if (trouble == NULL && !slice_is_utf8(rule->replacement)) {
        trouble = "'replacement' is not UTF-8";
    }
    if (trouble == NULL) {
        return 0;
    }
    (void)snprintf(why, why_cap, "%s", trouble); /* cut where the caller's room ends */
    return FAULT_CONFIG;
}

/* --- compiling -------------------------------------------------------------------------------- */

/* A copy of the rule whose texts live in `texts`. */
static int copy_rule(struct arena *texts, const struct prom_relabel_rule *rule,
                     struct prom_relabel_rule *out)
{
    *out = *rule;
    out->separator = arena_copy(texts, rule->separator);
    out->target_label = arena_copy(texts, rule->target_label);
    out->replacement = arena_copy(texts, rule->replacement);
    out->regex = (struct slice){0};
    struct slice *sources =
        arena_alloc_array(texts, rule->source_label_count, sizeof(*rule->source_labels));
    bool is_whole = out->separator.ptr != NULL && out->target_label.ptr != NULL &&
                    out->replacement.ptr != NULL && sources != NULL;
    for (uint32_t i = 0; i < rule->source_label_count && is_whole; i++) {
        sources[i] = arena_copy(texts, rule->source_labels[i]);
        is_whole = sources[i].ptr != NULL;
    }
    out->source_labels = sources;
    return is_whole ? 0 : -ENOMEM;
}

static int add_step(struct prom_relabel *relabel, const struct prom_relabel_rule *rule, char *why,
                    size_t why_cap)
{
    int err = prom_relabel_rule_check(rule, why, why_cap);
    if (err != 0) {
        return err;
    }
    struct prom_relabel_step *step = &relabel->steps[relabel->step_count];
    err = copy_rule(&relabel->texts, rule, &step->rule);
    if (err != 0) {
        return err;
    }
    err = prom_pattern_init(&step->pattern, rule->regex, &relabel->texts, why, why_cap);
    if (err != 0) {
        return err;
    }
    relabel->step_count++;
    return 0;
}

/* Big enough for whatever a configuration of its size can hold. */
#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES (4 * (size_t)CONFIG_TEXT_MAX_BYTES)

static int relabel_init(struct prom_relabel *relabel, const struct prom_relabel_rule *rules,
                        uint32_t rule_count, char *why, size_t why_cap)
{
    int err = arena_init(&relabel->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    if (rule_count > PROM_RELABEL_RULES_MAX) {
        (void)snprintf(why, why_cap, "more than %d rules", PROM_RELABEL_RULES_MAX);
        return FAULT_CONFIG;
    }
    relabel->steps = arena_alloc_array(&relabel->texts, rule_count, sizeof(*relabel->steps));
    if (relabel->steps == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < rule_count; i++) {
        err = add_step(relabel, &rules[i], why, why_cap);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int prom_relabel_new(const struct prom_relabel_rule *rules, uint32_t rule_count,
                     struct prom_relabel **out, uint32_t *rule_index, char *why, size_t why_cap)
{
    *out = NULL;
    *rule_index = 0;
    (void)snprintf(why, why_cap, "out of memory"); /* overwritten by whoever knows better */
    struct prom_relabel *relabel = mem_alloc(sizeof(*relabel));
    if (relabel == NULL) {
        return -ENOMEM;
    }
    int err = relabel_init(relabel, rules, rule_count, why, why_cap);
    if (err != 0) {
        *rule_index = relabel->step_count;
        prom_relabel_free(relabel);
        return err;
    }
    *out = relabel;
    return 0;
}

void prom_relabel_free(struct prom_relabel *relabel)
{
    if (relabel == NULL) {
        return;
    }
    for (uint32_t i = 0; i < relabel->step_count; i++) {
        prom_pattern_fini(&relabel->steps[i].pattern);
    }
    arena_fini(&relabel->texts);
    mem_free(relabel);
}
