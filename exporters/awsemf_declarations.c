/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_declarations — lists of lists, names and expressions become what the encoder looks at.
 */
#include "exporters/awsemf_declarations.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/regex.h"
#include "core/engine/config.h"
#include "exporters/awsemf_config.h"

/* Of one declaration; real ones have a handful. */
#define SETS_MAX 256
#define SELECTORS_MAX 256
#define MATCHERS_MAX 64
#define MATCHER_NAMES_MAX 64

struct awsemf_regex {
    struct awsemf_regex *next;
    struct regex *regex; /* owned */
};

void awsemf_declarations_fini(struct awsemf_config *config)
{
    for (struct awsemf_regex *item = config->regexes; item != NULL; item = item->next) {
        regex_free(item->regex);
    }
    config->regexes = NULL;
}

/*
 * A compiled expression that lives with the config. 0 or -ENOMEM; *out is NULL for one that is
 * none, which is reported.
 */
static int add_regex(struct config_reader *r, const char *key, struct slice pattern,
                     struct awsemf_config *config, struct regex **out)
{
    char why[CONFIG_PATH_MAX_BYTES] = {0};
    *out = NULL;
    struct awsemf_regex *item = arena_alloc(&config->texts, sizeof(*item));
    if (item == NULL) {
        return -ENOMEM;
    }
    int err = regex_new(pattern, &item->regex, why, sizeof(why));
    if (err != 0) {
        if (err != -ENOMEM) {
            config_refuse(r, key, "%s.%s: %s", r->path, key, why);
        }
        return err == -ENOMEM ? err : 0;
    }
    item->next = config->regexes;
    config->regexes = item;
    *out = item->regex;
    return 0;
}

/* --- dimensions ------------------------------------------------------------------------------- */

/* Puts `name` where it belongs; one that is there already stays alone. */
static void insert_name(struct slice *names, uint32_t *count, struct slice name)
{
    uint32_t at = *count;
    while (at > 0 && slice_compare(names[at - 1], name) > 0) {
        at--;
    }
    if (at > 0 && slice_equal(names[at - 1], name)) {
        return;
    }
    memmove(&names[at + 1], &names[at], (*count - at) * sizeof(names[0]));
    names[at] = name;
    (*count)++;
}

/* One set. 0 or -ENOMEM; *is_kept is false for one that was left out. */
static int read_set(struct config_reader *r, const struct config_node *list, struct arena *texts,
                    struct emf_dimension_set *out, bool *is_kept)
{
    struct slice names[EMF_DECLARED_DIMENSIONS_MAX + 1];
    *is_kept = false;
    *out = (struct emf_dimension_set){0};
    if (list->kind != CONFIG_LIST) {
        config_complain_type(r->report, list, r->path, "dimensions", "a list of lists");
        return 0;
    }
    for (const struct config_node *node = list->first; node != NULL; node = node->next) {
        struct slice name;
        if (!config_node_text(node, &name)) {
            config_complain_type(r->report, node, r->path, "dimensions", "a list of texts");
            return 0;
        }
        insert_name(names, &out->name_count, name);
        if (out->name_count > EMF_DECLARED_DIMENSIONS_MAX) {
            config_warn(r->report, list->mark, NULL,
                        "%s.dimensions: a set of more than %d dimensions is left out", r->path,
                        EMF_DECLARED_DIMENSIONS_MAX);
            return 0;
        }
    }
    struct slice *copy = arena_alloc_array(texts, out->name_count, sizeof(copy[0]));
    if (copy == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < out->name_count; i++) {
        copy[i] = arena_copy(texts, names[i]);
        if (copy[i].ptr == NULL) {
            return -ENOMEM;
        }
    }
    out->names = copy;
    *is_kept = true;
    return 0;
}

static int read_sets(struct config_reader *r, struct arena *texts, struct emf_declaration *out)
{
    const struct config_node *node = config_reader_ask(r, "dimensions");
    if (node == NULL) {
        return 0;
    }
    if (node->kind != CONFIG_LIST) {
        config_complain_type(r->report, node, r->path, "dimensions", "a list of lists");
        return 0;
    }
    if (node->child_count > SETS_MAX) {
        config_refuse(r, "dimensions", "%s.dimensions has more than %d sets", r->path, SETS_MAX);
        return 0;
    }
    struct emf_dimension_set *sets = arena_alloc_array(texts, node->child_count, sizeof(sets[0]));
    if (sets == NULL) {
        return -ENOMEM;
    }
    for (const struct config_node *list = node->first; list != NULL; list = list->next) {
        bool is_kept = false;
        int err = read_set(r, list, texts, &sets[out->set_count], &is_kept);
        if (err != 0) {
            return err;
        }
        out->set_count += is_kept ? 1 : 0;
    }
    out->sets = sets;
    return 0;
}

/* --- selectors and matchers ------------------------------------------------------------------- */

static int read_selectors(struct config_reader *r, struct awsemf_config *config,
                          struct emf_declaration *out)
{
    struct config_items items = config_open_list(r, "metric_name_selectors");
    const struct regex **selectors =
        arena_alloc_array(&config->texts, SELECTORS_MAX, sizeof(selectors[0]));
    struct slice pattern;
    if (selectors == NULL) {
        return -ENOMEM;
    }
    out->selectors = selectors;
    while (config_next_text(&items, &pattern)) {
        struct regex *regex = NULL;
        if (out->selector_count == SELECTORS_MAX) {
            config_refuse(r, "metric_name_selectors", "%s.metric_name_selectors has more than %d",
                          r->path, SELECTORS_MAX);
            return 0;
        }
        int err = add_regex(r, "metric_name_selectors", pattern, config, &regex);
        if (err != 0) {
            return err;
        }
        selectors[out->selector_count] = regex;
        out->selector_count += regex != NULL ? 1 : 0;
    }
    return 0;
}

static int read_label_names(struct config_reader *r, struct arena *texts,
                            struct emf_label_matcher *out)
{
    struct config_items items = config_open_list(r, "label_names");
    struct slice *names = arena_alloc_array(texts, MATCHER_NAMES_MAX, sizeof(names[0]));
    struct slice name;
    if (names == NULL) {
        return -ENOMEM;
    }
    out->names = names;
    while (config_next_text(&items, &name)) {
        if (out->name_count == MATCHER_NAMES_MAX) {
            config_refuse(r, "label_names", "%s.label_names has more than %d", r->path,
                          MATCHER_NAMES_MAX);
            return 0;
        }
        names[out->name_count] = arena_copy(texts, name);
        if (names[out->name_count].ptr == NULL) {
            return -ENOMEM;
        }
        out->name_count++;
    }
    return 0;
}

/* *is_whole is false where the matcher lacks names or an expression. */
static int read_matcher(struct config_reader *r, struct awsemf_config *config,
                        struct emf_label_matcher *out, bool *is_whole)
{
    struct slice pattern;
    struct regex *regex = NULL;
    *out = (struct emf_label_matcher){0};
    int err = read_label_names(r, &config->texts, out);
    config_read_text(r, "separator", ";", &out->separator);
    out->separator = arena_copy(&config->texts, out->separator);
    config_read_text(r, "regex", NULL, &pattern);
    *is_whole = out->name_count > 0 && pattern.len > 0;
    if (out->separator.ptr == NULL) {
        return -ENOMEM;
    }
    if (err == 0 && pattern.len > 0) {
        err = add_regex(r, "regex", pattern, config, &regex);
    }
    out->regex = regex;
    return err;
}

/* *is_whole is false where one of the matchers is not. */
static int read_matchers(struct config_reader *r, struct awsemf_config *config,
                         struct emf_declaration *out, bool *is_whole)
{
    struct config_items items = config_open_list(r, "label_matchers");
    struct config_reader section;
    struct emf_label_matcher *matchers = NULL;
    *is_whole = true;
    while (config_next_section(&items, &section)) {
        if (matchers == NULL) {
            matchers = arena_alloc_array(&config->texts, MATCHERS_MAX, sizeof(matchers[0]));
            out->matchers = matchers;
        }
        if (matchers == NULL) {
            return -ENOMEM;
        }
        if (out->matcher_count == MATCHERS_MAX) {
            config_refuse(r, "label_matchers", "%s.label_matchers has more than %d", r->path,
                          MATCHERS_MAX);
            return 0;
        }
        bool is_good = false;
        struct emf_label_matcher *matcher = &matchers[out->matcher_count];
        int err = read_matcher(&section, config, matcher, &is_good);
        (void)config_reader_finish(&section); /* the parent's finish knows */
        if (err != 0) {
            return err;
        }
        *is_whole = *is_whole && is_good;
        out->matcher_count += matcher->regex != NULL ? 1 : 0;
    }
    return 0;
}

/* --- declarations ----------------------------------------------------------------------------- */

/* *is_kept is false for one that was left out. */
static int read_declaration(struct config_reader *r, struct awsemf_config *config,
                            struct emf_declaration *out, bool *is_kept)
{
    bool has_whole_matchers = false;
    uint32_t errors_before = r->report->error_count;
    *out = (struct emf_declaration){0};
    int err = read_sets(r, &config->texts, out);
    err = err != 0 ? err : read_selectors(r, config, out);
    err = err != 0 ? err : read_matchers(r, config, out, &has_whole_matchers);
    if (err != 0) {
        return err;
    }
    *is_kept = out->selector_count > 0 && has_whole_matchers;
    bool is_quiet = r->report->error_count != errors_before;
    if (out->selector_count == 0 && !is_quiet) {
        config_warn(r->report, r->mark, NULL, "%s has no metric_name_selectors and is left out",
                    r->path);
    } else if (!has_whole_matchers && !is_quiet) {
        config_warn(r->report, r->mark, NULL,
                    "%s has a label matcher without label_names or regex and is left out", r->path);
    }
    return 0;
}

int awsemf_declarations_read(struct config_reader *r, struct awsemf_config *out)
{
    struct config_items items = config_open_list(r, "metric_declarations");
    struct config_reader section;
    struct emf_declaration *declarations = NULL;
    while (config_next_section(&items, &section)) {
        if (declarations == NULL) {
            declarations =
                arena_alloc_array(&out->texts, EMF_DECLARATIONS_MAX, sizeof(declarations[0]));
            out->emf.declarations = declarations;
        }
        if (declarations == NULL) {
            return -ENOMEM;
        }
        if (out->emf.declaration_count == EMF_DECLARATIONS_MAX) {
            config_refuse(r, "metric_declarations", "%s.metric_declarations has more than %d",
                          r->path, EMF_DECLARATIONS_MAX);
            return 0;
        }
        bool is_kept = false;
        int err =
            read_declaration(&section, out, &declarations[out->emf.declaration_count], &is_kept);
        (void)config_reader_finish(&section); /* the parent's finish knows */
        if (err != 0) {
            return err;
        }
        out->emf.declaration_count += is_kept ? 1 : 0;
    }
    return 0;
}
