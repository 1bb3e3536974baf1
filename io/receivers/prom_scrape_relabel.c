/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_relabel — key by key; what a rule may be is judged by who compiles it.
 */
#include "io/receivers/prom_scrape_relabel.h"

#include <errno.h>

#include "codecs/prom_relabel.h"

#define WHY_BYTES 256

static uint32_t item_count(struct config_reader *r, const char *key)
{
    const struct config_node *node = config_reader_ask(r, key);
    return node != NULL && node->kind == CONFIG_LIST ? node->child_count : 0;
}

static void read_sources(struct config_reader *r, struct prom_texts *texts,
                         struct prom_relabel_rule *rule)
{
    uint32_t capacity = item_count(r, "source_labels");
    struct slice *labels = prom_texts_array(texts, capacity, sizeof(*labels));
    struct config_items items = config_open_list(r, "source_labels");
    struct slice text;
    if (items.scalar != NULL) {
        config_refuse(r, "source_labels", "source_labels must be a list");
        return;
    }
    while (labels != NULL && config_next_text(&items, &text)) {
        labels[rule->source_label_count] = text;
        rule->source_label_count++;
    }
    rule->source_labels = labels;
}

static void read_action(struct config_reader *r, struct prom_relabel_rule *rule)
{
    struct slice action;
    (void)config_read_text(r, "action", "replace", &action);
    if (!prom_relabel_action_parse(action, &rule->action)) {
        config_refuse(r, "action",
                      "action must be one of replace, keep, drop, keepequal, dropequal, hashmod, "
                      "labelmap, labeldrop, labelkeep, lowercase, uppercase");
    }
}

/* Borrows from the configuration, but for the list of its sources. */
static void read_rule(struct config_reader *r, struct prom_texts *texts,
                      struct prom_relabel_rule *rule)
{
    struct slice text;
    *rule = prom_relabel_rule_default();
    read_sources(r, texts, rule);
    read_action(r, rule);
    /* A text that is written replaces the default even where it is empty. */
    struct {
        const char *key;
        struct slice *out;
    } fields[] = {
        {"separator", &rule->separator},
        {"regex", &rule->regex},
        {"target_label", &rule->target_label},
        {"replacement", &rule->replacement},
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (config_read_text(r, fields[i].key, NULL, &text)) {
            *fields[i].out = text;
        }
    }
    (void)config_read_u64(r, "modulus", 0, &rule->modulus);
    (void)config_reader_finish(r); /* the parent's finish knows */
}

static void compile(struct config_reader *r, const char *key, struct prom_texts *texts,
                    const struct prom_relabel_rule *rules, uint32_t count,
                    struct prom_relabel **out)
{
    char why[WHY_BYTES];
    uint32_t index = 0;
    int err = prom_relabel_new(rules, count, out, &index, why, sizeof(why));
    if (err == -ENOMEM) {
        texts->is_short = true;
    } else if (err != 0) {
        config_refuse(r, key, "%s[%u]: %s", key, index, why);
    }
}

void prom_scrape_relabel_read(struct config_reader *r, const char *key, struct prom_texts *texts,
                              struct prom_relabel **out)
{
    uint32_t capacity = item_count(r, key);
    struct prom_relabel_rule *rules = prom_texts_array(texts, capacity, sizeof(*rules));
    struct config_items items = config_open_list(r, key);
    struct config_reader rule;
    uint32_t count = 0;
    uint32_t error_count = r->report->error_count;
    *out = NULL;
    while (config_next_section(&items, &rule)) {
        ASSERT(count < capacity);
        if (rules == NULL) {
            break;
        }
        read_rule(&rule, texts, &rules[count]);
        count++;
    }
    if (count > 0 && r->report->error_count == error_count) {
        compile(r, key, texts, rules, count, out);
    }
}
