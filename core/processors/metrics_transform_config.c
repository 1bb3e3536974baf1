/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_config — reads the list of transforms, and says which keys one lacks or has no
 * use for.
 *
 * What the Collector refuses is refused; what it reads and then never looks at is read too, with a
 * warning.
 */
#include "core/processors/metrics_transform_config.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/regex.h"
#include "core/engine/config.h"

#define TRANSFORMS_CHUNK_BYTES 1024
#define WHY_BYTES 128
#define VERSION_MARK "{{version}}"

enum match_type {
    MATCH_TYPE_UNSAID,
    MATCH_TYPE_STRICT,
    MATCH_TYPE_REGEXP,
};

static const char *const match_words[] = {"strict", "regexp"};

static const char *const action_words[] = {
    [TRANSFORM_UPDATE] = "update",
    [TRANSFORM_INSERT] = "insert",
    [TRANSFORM_COMBINE] = "combine",
    [TRANSFORM_GROUP] = "group",
};

/* The first one of each enum is what an empty text says, and what a missing key does. */
static const char *const aggregation_words[] = {"sum", "mean", "min", "max", "median", "count"};
_Static_assert(COUNT_OF(aggregation_words) == TRANSFORM_COUNT, "one word for each but the first");

static const char *const case_words[] = {"lower", "upper"};
_Static_assert(COUNT_OF(case_words) == TRANSFORM_CASE_UPPER, "one word for each but the first");

static const char *const operation_words[] = {
    [TRANSFORM_ADD_LABEL] = "add_label",
    [TRANSFORM_UPDATE_LABEL] = "update_label",
    [TRANSFORM_DELETE_LABEL_VALUE] = "delete_label_value",
    [TRANSFORM_TOGGLE_TYPE] = "toggle_scalar_data_type",
    [TRANSFORM_SCALE_VALUE] = "experimental_scale_value",
    [TRANSFORM_AGGREGATE_LABELS] = "aggregate_labels",
    [TRANSFORM_AGGREGATE_VALUES] = "aggregate_label_values",
};

/* Which operation looks at which key beside its action. */
#define BIT(kind) (UINT32_C(1) << (kind))
#define AGGREGATING (BIT(TRANSFORM_AGGREGATE_LABELS) | BIT(TRANSFORM_AGGREGATE_VALUES))

static const struct {
    const char *key;
    uint32_t kinds;
} operation_keys[] = {
    {"label", BIT(TRANSFORM_UPDATE_LABEL) | BIT(TRANSFORM_DELETE_LABEL_VALUE) |
                  BIT(TRANSFORM_AGGREGATE_VALUES)},
    {"new_label", BIT(TRANSFORM_ADD_LABEL) | BIT(TRANSFORM_UPDATE_LABEL)},
    {"new_value", BIT(TRANSFORM_ADD_LABEL) | BIT(TRANSFORM_AGGREGATE_VALUES)},
    {"label_value", BIT(TRANSFORM_DELETE_LABEL_VALUE)},
    {"label_set", BIT(TRANSFORM_AGGREGATE_LABELS)},
    {"aggregated_values", BIT(TRANSFORM_AGGREGATE_VALUES)},
    {"aggregation_type", AGGREGATING},
    {"experimental_scale", BIT(TRANSFORM_SCALE_VALUE)},
    {"value_actions", BIT(TRANSFORM_UPDATE_LABEL)},
};

/* One list of transforms being read. */
struct reading {
    struct config_reader *r;
    struct arena *memory;
    int err; /* 0 or -ENOMEM; sticks */
};

static void *take(struct reading *in, size_t bytes)
{
    void *memory = arena_alloc(in->memory, bytes);
    if (memory == NULL) {
        in->err = -ENOMEM;
        return NULL;
    }
    memset(memory, 0, bytes);
    return memory;
}

/* The place of the word, counted from 1; 0 where the key is missing or says nothing. */
static uint32_t read_word(struct reading *in, const char *key, struct config_words words)
{
    uint32_t index = 0;
    const struct config_node *node = config_reader_ask(in->r, key);
    bool is_empty = node != NULL && node->kind == CONFIG_SCALAR && node->text.len == 0;
    return !is_empty && config_read_enum(in->r, key, words, 0, &index) ? index + 1 : 0;
}

/* A required text that is not empty. */
static void require_text(struct reading *in, const char *key, struct slice text, const char *word)
{
    if (text.len == 0) {
        config_refuse(in->r, key, "action %s needs '%s'", word, key);
    }
}

/* --- texts, maps, patterns -------------------------------------------------------------------- */

static size_t find_mark(struct slice text)
{
    struct slice mark = SLICE_LITERAL(VERSION_MARK);
    size_t at = 0;
    while (at < text.len && !slice_has_prefix(slice_from(text, at), mark)) {
        at++;
    }
    return at;
}

/* The text with the program's version where it says so; as it was where it does not. */
static struct slice put_version(struct reading *in, struct slice text)
{
    struct slice version = SLICE_LITERAL(WEIR_VERSION);
    size_t mark_bytes = sizeof(VERSION_MARK) - 1;
    if (find_mark(text) == text.len) {
        return text;
    }
    size_t cap = text.len * (1 + version.len);
    uint8_t *copy = take(in, cap);
    if (copy == NULL) {
        return text;
    }
    size_t len = 0;
    while (text.len > 0) {
        size_t at = find_mark(text);
        bool is_marked = at < text.len;
        memcpy(copy + len, text.ptr, at);
        len += at;
        if (is_marked) {
            memcpy(copy + len, version.ptr, version.len);
            len += version.len;
        }
        text = slice_from(text, is_marked ? at + mark_bytes : at);
    }
    ASSERT(len <= cap);
    return slice_of(copy, len);
}

static struct transform_text *read_texts(struct reading *in, const char *key)
{
    struct transform_text *first = NULL;
    struct transform_text **end = &first;
    struct slice text;
    struct config_items items = config_open_list(in->r, key);
    while (in->err == 0 && config_next_text(&items, &text)) {
        struct transform_text *one = take(in, sizeof(*one));
        if (one != NULL) {
            one->text = text;
            *end = one;
            end = &one->next;
        }
    }
    return first;
}

static struct transform_pair *read_pairs(struct reading *in, const char *key)
{
    struct transform_pair *first = NULL;
    struct transform_pair **end = &first;
    struct slice name;
    struct slice value;
    struct config_items items = config_open_map(in->r, key);
    while (in->err == 0 && config_next_pair(&items, &name, &value)) {
        struct transform_pair *one = take(in, sizeof(*one));
        if (one != NULL) {
            one->key = name;
            one->value = value;
            *end = one;
            end = &one->next;
        }
    }
    return first;
}

/* value_actions, last one first: of two for the same value the later one counts. */
static struct transform_pair *read_value_actions(struct reading *in)
{
    struct transform_pair *first = NULL;
    struct config_reader r;
    struct config_items items = config_open_list(in->r, "value_actions");
    while (in->err == 0 && config_next_section(&items, &r)) {
        struct transform_pair *one = take(in, sizeof(*one));
        if (one != NULL) {
            (void)config_read_text(&r, "value", NULL, &one->key);
            (void)config_read_text(&r, "new_value", NULL, &one->value);
            one->value = put_version(in, one->value);
            one->next = first;
            first = one;
        }
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    return first;
}

static struct regex *compile(struct reading *in, const char *key, struct slice pattern)
{
    char why[WHY_BYTES];
    struct regex *regex = NULL;
    int err = regex_new(pattern, &regex, why, sizeof(why));
    if (err == -ENOMEM) {
        in->err = err;
    } else if (err != 0) {
        config_refuse(in->r, key, "not a regular expression: %s", why);
    }
    return regex;
}

/* In parentheses, so that what matched as a whole is a group as well. */
static void compile_include(struct reading *in, struct transform *t)
{
    struct regex *bare = compile(in, "include", t->include);
    if (bare == NULL) {
        return;
    }
    regex_free(bare); /* "a)(b" is no pattern, and in parentheses it would be */
    char *text = take(in, t->include.len + 2);
    if (text == NULL) {
        return;
    }
    text[0] = '(';
    memcpy(text + 1, t->include.ptr, t->include.len);
    text[t->include.len + 1] = ')';
    t->pattern = compile(in, "include", slice_of(text, t->include.len + 2));
    t->group_count = t->pattern == NULL ? 0 : regex_group_count(t->pattern);
    if (t->group_count > TRANSFORM_GROUPS_MAX) {
        config_refuse(in->r, "include", "a pattern has at most %d groups",
                      TRANSFORM_GROUPS_MAX - 1);
        t->group_count = TRANSFORM_GROUPS_MAX;
    }
}

static void compile_labels(struct reading *in, struct transform *t)
{
    for (struct transform_pair *one = t->labels; one != NULL; one = one->next) {
        one->pattern = compile(in, "experimental_match_labels", one->value);
    }
}

/* --- operations ------------------------------------------------------------------------------- */

static void warn_idle(struct reading *in, const char *key, const char *word)
{
    if (config_has(in->r, key)) {
        config_caution(in->r, key, "action %s has no use for '%s'", word, key);
    }
}

static void check_operation(struct reading *in, const struct transform_operation *op)
{
    const char *word = operation_words[op->kind];
    for (size_t i = 0; i < COUNT_OF(operation_keys); i++) {
        if ((operation_keys[i].kinds & BIT(op->kind)) == 0) {
            warn_idle(in, operation_keys[i].key, word);
        }
    }
    if (op->kind == TRANSFORM_UPDATE_LABEL) {
        require_text(in, "label", op->label, word);
    } else if (op->kind == TRANSFORM_ADD_LABEL) {
        require_text(in, "new_label", op->new_label, word);
        require_text(in, "new_value", op->new_value, word);
    } else if (op->kind == TRANSFORM_SCALE_VALUE && op->scale == 0) {
        config_refuse(in->r, "experimental_scale", "action %s needs 'experimental_scale', not 0",
                      word);
    }
}

static struct transform_operation *read_operation(struct reading *in)
{
    struct transform_operation *op = take(in, sizeof(*op));
    uint32_t kind = TRANSFORM_ADD_LABEL;
    if (op == NULL) {
        return NULL;
    }
    bool is_known = config_require(in->r, "action") &&
                    config_read_enum(in->r, "action", CONFIG_WORDS(operation_words), kind, &kind);
    (void)config_read_text(in->r, "label", NULL, &op->label);
    (void)config_read_text(in->r, "new_label", NULL, &op->new_label);
    (void)config_read_text(in->r, "new_value", NULL, &op->new_value);
    (void)config_read_text(in->r, "label_value", NULL, &op->label_value);
    (void)config_read_f64(in->r, "experimental_scale", 0, &op->scale);
    struct transform_text *label_set = read_texts(in, "label_set");
    struct transform_text *aggregated_values = read_texts(in, "aggregated_values");
    op->kind = (enum transform_operation_kind)kind;
    op->aggregation = (enum transform_aggregation)read_word(in, "aggregation_type",
                                                            CONFIG_WORDS(aggregation_words));
    op->new_value = put_version(in, op->new_value);
    op->texts = op->kind == TRANSFORM_AGGREGATE_LABELS ? label_set : aggregated_values;
    op->values = read_value_actions(in);
    if (is_known) {
        check_operation(in, op);
    }
    return op;
}

static void read_operations(struct reading *in, struct transform *t)
{
    struct transform_operation **end = &t->operations;
    struct config_reader r;
    struct config_items items = config_open_list(in->r, "operations");
    while (in->err == 0 && config_next_section(&items, &r)) {
        struct reading inner = {.r = &r, .memory = in->memory};
        *end = read_operation(&inner);
        in->err = inner.err;
        if (*end != NULL) {
            end = &(*end)->next;
        }
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
}

/* --- transforms ------------------------------------------------------------------------------- */

static void check_transform(struct reading *in, const struct transform *t)
{
    const char *word = action_words[t->action];
    bool is_combine = t->action == TRANSFORM_COMBINE;
    bool is_group = t->action == TRANSFORM_GROUP;
    if (t->action == TRANSFORM_INSERT || is_combine) {
        require_text(in, "new_name", t->new_name, word);
    }
    if (is_group && !config_has(in->r, "group_resource_labels")) {
        config_refuse(in->r, "group_resource_labels", "action group needs 'group_resource_labels'");
    }
    if (is_group) {
        warn_idle(in, "new_name", word);
        warn_idle(in, "operations", word);
    } else {
        warn_idle(in, "group_resource_labels", word);
    }
    if (!is_combine) {
        warn_idle(in, "aggregation_type", word);
        warn_idle(in, "submatch_case", word);
    }
}

static struct transform *read_transform(struct reading *in)
{
    struct transform *t = take(in, sizeof(*t));
    uint32_t action = TRANSFORM_UPDATE;
    if (t == NULL) {
        return NULL;
    }
    (void)config_require(in->r, "include");
    (void)config_read_text(in->r, "include", NULL, &t->include);
    uint32_t match_type = read_word(in, "match_type", CONFIG_WORDS(match_words));
    bool is_known = config_require(in->r, "action") &&
                    config_read_enum(in->r, "action", CONFIG_WORDS(action_words), action, &action);
    (void)config_read_text(in->r, "new_name", NULL, &t->new_name);
    t->action = (enum transform_action)action;
    t->aggregation = (enum transform_aggregation)read_word(in, "aggregation_type",
                                                           CONFIG_WORDS(aggregation_words));
    t->submatch_case =
        (enum transform_case)read_word(in, "submatch_case", CONFIG_WORDS(case_words));
    t->labels = read_pairs(in, "experimental_match_labels");
    t->resource_labels = read_pairs(in, "group_resource_labels");
    read_operations(in, t);
    if (is_known) {
        check_transform(in, t);
    }
    if (match_type == MATCH_TYPE_REGEXP && t->include.len > 0 && in->err == 0) {
        compile_include(in, t);
        compile_labels(in, t);
    }
    return t;
}

int transform_config_read(struct transform_config *out, struct config_reader *config)
{
    *out = (struct transform_config){0};
    int err = arena_init(&out->memory, TRANSFORMS_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
    struct transform **end = &out->first;
    struct config_reader r;
    struct config_items items = config_open_list(config, "transforms");
    while (err == 0 && config_next_section(&items, &r)) {
        struct reading in = {.r = &r, .memory = &out->memory};
        *end = read_transform(&in);
        err = in.err;
        if (*end != NULL) {
            end = &(*end)->next;
        }
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    return err;
}

void transform_config_fini(struct transform_config *config)
{
    for (struct transform *t = config->first; t != NULL; t = t->next) {
        regex_free(t->pattern);
        for (struct transform_pair *one = t->labels; one != NULL; one = one->next) {
            regex_free(one->pattern);
        }
    }
    arena_fini(&config->memory);
    *config = (struct transform_config){0};
}
