/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_relabel — the rules at work on one list of labels.
 *
 * A function per action. New texts live in the caller's arena; a text that is merely cut out of
 * another, or copied from one label to the next, is borrowed again instead.
 */
#include "codecs/prom_relabel.h"

#include <openssl/evp.h>

#include <string.h>

#include "codecs/prom_relabel_rule.h"
#include "codecs/prom_template.h"
#include "core/base/fault.h"
#include "core/base/number.h"

#define MD5_BYTES 16

/* One list on its way through the rules. */
struct run {
    struct label_list *labels;
    struct arena *arena;
    const struct prom_relabel_step *step;
    struct slice joined; /* the values of the rule's source labels */
    bool is_kept;
};

/* The values of the source labels with the separator between; a single one is borrowed. */
static int join_sources(const struct prom_relabel_rule *rule, const struct label_list *labels,
                        struct arena *arena, struct slice *out)
{
    *out = (struct slice){0};
    if (rule->source_label_count == 0) {
        return 0;
    }
    if (rule->source_label_count == 1) {
        *out = label_list_value(labels, rule->source_labels[0]);
        return 0;
    }
    size_t total = (rule->source_label_count - 1) * rule->separator.len;
    for (uint32_t i = 0; i < rule->source_label_count; i++) {
        total += label_list_value(labels, rule->source_labels[i]).len;
    }
    uint8_t *text = arena_alloc(arena, total);
    if (text == NULL) {
        return FAULT_LIMIT;
    }
    *out = slice_of(text, total);
    for (uint32_t i = 0; i < rule->source_label_count; i++) {
        struct slice pieces[] = {i > 0 ? rule->separator : (struct slice){0},
                                 label_list_value(labels, rule->source_labels[i])};
        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            if (pieces[j].len > 0) {
                memcpy(text, pieces[j].ptr, pieces[j].len);
                text += pieces[j].len;
            }
        }
    }
    return 0;
}

static int apply_replace(struct run *run)
{
    struct slice groups[PROM_PATTERN_GROUPS_MAX];
    const struct prom_relabel_step *step = run->step;
    if (!prom_pattern_captures(&step->pattern, run->joined, groups)) {
        return 0;
    }
    const struct prom_match match = {.regex = step->pattern.regex,
                                     .whole = run->joined,
                                     .groups = groups,
                                     .group_count = step->pattern.group_count};
    struct slice target = {0};
    struct slice value = {0};
    int err = prom_template_expand(step->rule.target_label, &match, run->arena, &target);
    if (err == 0) {
        err = prom_template_expand(step->rule.replacement, &match, run->arena, &value);
    }
    if (err != 0) {
        return err;
    }
    if (target.len == 0) {
        return 0; /* no name for a label; Prometheus leaves it at that */
    }
    return label_list_set(run->labels, target, value);
}

/* The last eight bytes of the MD5, big-endian: Prometheus' choice of shards depends on it. */
static int apply_hashmod(struct run *run)
{
    uint8_t hash[MD5_BYTES] = {0};
    unsigned int len = 0;
    const void *text = run->joined.len > 0 ? (const void *)run->joined.ptr : "";
    if (EVP_Digest(text, run->joined.len, hash, &len, EVP_md5(), NULL) != 1) {
        return FAULT_LIMIT; /* memory; a build without MD5 has no use for this action */
    }
    uint64_t number = 0;
    for (size_t i = MD5_BYTES / 2; i < MD5_BYTES; i++) {
        number = number << 8 | hash[i];
    }
    char digits[NUMBER_TEXT_MAX_BYTES];
    size_t digit_count =
        number_format_u64(number % run->step->rule.modulus, digits, sizeof(digits));
    struct slice value = arena_copy(run->arena, slice_of(digits, digit_count));
    if (value.ptr == NULL) {
        return FAULT_LIMIT;
    }
    return label_list_set(run->labels, run->step->rule.target_label, value);
}

/* `text` with every part that the expression matches replaced; it is anchored: all or nothing. */
static int map_name(const struct run *run, struct slice text, struct slice *out)
{
    struct slice groups[PROM_PATTERN_GROUPS_MAX];
    const struct prom_relabel_step *step = run->step;
    *out = (struct slice){0};
    if (!prom_pattern_captures(&step->pattern, text, groups)) {
        return 0;
    }
    const struct prom_match match = {.regex = step->pattern.regex,
                                     .whole = text,
                                     .groups = groups,
                                     .group_count = step->pattern.group_count};
    return prom_template_expand(step->rule.replacement, &match, run->arena, out);
}

/* The names are matched as they were before the rule: what it sets is not mapped again. */
static int apply_labelmap(struct run *run)
{
    uint32_t count = run->labels->count;
    struct label *before = arena_alloc_array(run->arena, count, sizeof(*before));
    if (before == NULL) {
        return FAULT_LIMIT;
    }
    memcpy(before, run->labels->items, count * sizeof(*before));
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = {0};
        int err = map_name(run, before[i].name, &name);
        if (err == 0 && name.len > 0) {
            err = label_list_set(run->labels, name, before[i].value);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static void keep_names(struct label_list *labels, const struct prom_pattern *pattern,
                       bool is_wanted)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        if (prom_pattern_matches(pattern, labels->items[i].name) == is_wanted) {
            labels->items[kept] = labels->items[i];
            kept++;
        }
    }
    labels->count = kept;
}

static uint8_t cased(uint8_t c, bool is_upper)
{
    uint8_t first = is_upper ? 'a' : 'A';
    bool is_other_case = c >= first && c < first + 26;
    return is_other_case ? (uint8_t)(c ^ 0x20) : c;
}

static int apply_case(struct run *run, bool is_upper)
{
    uint8_t *text = arena_alloc(run->arena, run->joined.len);
    if (text == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < run->joined.len; i++) {
        text[i] = cased(run->joined.ptr[i], is_upper);
    }
    return label_list_set(run->labels, run->step->rule.target_label,
                          slice_of(text, run->joined.len));
}

static bool equals_target(const struct run *run)
{
    return slice_equal(run->joined, label_list_value(run->labels, run->step->rule.target_label));
}

static int apply_step(struct run *run)
{
    const struct prom_relabel_step *step = run->step;
    switch (step->rule.action) {
    case PROM_RELABEL_REPLACE:
        return apply_replace(run);
    case PROM_RELABEL_KEEP:
        run->is_kept = prom_pattern_matches(&step->pattern, run->joined);
        return 0;
    case PROM_RELABEL_DROP:
        run->is_kept = !prom_pattern_matches(&step->pattern, run->joined);
        return 0;
    case PROM_RELABEL_KEEPEQUAL:
        run->is_kept = equals_target(run);
        return 0;
    case PROM_RELABEL_DROPEQUAL:
        run->is_kept = !equals_target(run);
        return 0;
    case PROM_RELABEL_HASHMOD:
        return apply_hashmod(run);
    case PROM_RELABEL_LABELMAP:
        return apply_labelmap(run);
    case PROM_RELABEL_LABELDROP:
        keep_names(run->labels, &step->pattern, false);
        return 0;
    case PROM_RELABEL_LABELKEEP:
        keep_names(run->labels, &step->pattern, true);
        return 0;
    case PROM_RELABEL_LOWERCASE:
        return apply_case(run, false);
    case PROM_RELABEL_UPPERCASE:
        return apply_case(run, true);
    }
    return 0;
}

int prom_relabel_apply(const struct prom_relabel *relabel, struct label_list *labels,
                       struct arena *arena, bool *is_kept)
{
    struct run run = {.labels = labels, .arena = arena, .is_kept = true};
    uint32_t step_count = relabel == NULL ? 0 : relabel->step_count;
    for (uint32_t i = 0; i < step_count && run.is_kept; i++) {
        run.step = &relabel->steps[i];
        int err = join_sources(&run.step->rule, labels, arena, &run.joined);
        if (err == 0) {
            err = apply_step(&run);
        }
        if (err != 0) {
            return err;
        }
        ASSERT_SLOW(label_list_is_valid(labels));
    }
    *is_kept = run.is_kept;
    return 0;
}
