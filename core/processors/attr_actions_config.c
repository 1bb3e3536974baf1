/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_actions_config — reads a list of actions, and says which keys an action lacks or has no use
 * for.
 */
#include <ctype.h>
#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/processors/attr_action.h"
#include "core/processors/config_value.h"

/* An action with its value; lists in values take more chunks. */
#define ACTIONS_CHUNK_BYTES 1024
#define WHY_BYTES 128

static const char *const kind_words[] = {
    [ATTR_INSERT] = "insert",   [ATTR_UPDATE] = "update", [ATTR_UPSERT] = "upsert",
    [ATTR_DELETE] = "delete",   [ATTR_HASH] = "hash",     [ATTR_EXTRACT] = "extract",
    [ATTR_CONVERT] = "convert",
};

static const char *const target_words[] = {
    [ATTR_TO_INT] = "int",
    [ATTR_TO_DOUBLE] = "double",
    [ATTR_TO_STRING] = "string",
};

/* What stands beside `action`, before it is judged. */
struct action_keys {
    struct slice key;
    struct slice from_attribute;
    struct slice pattern;
    struct otlp_value value;
    struct otlp_value default_value;
    uint32_t target;
    bool has_key;
    bool has_value;
    bool has_default;
    bool has_from_attribute;
    bool has_pattern;
    bool has_target;
};

/* The word in any case. False after a complaint. */
static bool read_kind(struct config_reader *r, enum attr_action_kind *out)
{
    struct slice text;
    struct slice candidates[COUNT_OF(kind_words)];
    bool is_written = config_require(r, "action");
    if (!config_read_text(r, "action", NULL, &text) || !is_written) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(kind_words); i++) {
        candidates[i] = slice_of_text(kind_words[i]);
        bool is_same = text.len == candidates[i].len;
        for (size_t j = 0; j < text.len && is_same; j++) {
            is_same = tolower(text.ptr[j]) == candidates[i].ptr[j];
        }
        if (is_same) {
            *out = (enum attr_action_kind)i;
            return true;
        }
    }
    struct slice nearest = config_nearest(text, candidates, COUNT_OF(candidates));
    config_refuse(r, "action", "there is no action '%.*s'; %s%.*s", (int)text.len,
                  (const char *)text.ptr, nearest.len > 0 ? "did you mean " : "see the manual",
                  (int)nearest.len, (const char *)nearest.ptr);
    return false;
}

/* 0 or -ENOMEM. */
static int read_keys(struct config_reader *r, struct arena *memory, struct action_keys *out)
{
    *out = (struct action_keys){0};
    out->has_key = config_read_text(r, "key", NULL, &out->key) && out->key.len > 0;
    out->has_from_attribute = config_read_text(r, "from_attribute", NULL, &out->from_attribute) &&
                              out->from_attribute.len > 0;
    out->has_pattern = config_read_text(r, "pattern", NULL, &out->pattern) && out->pattern.len > 0;
    out->has_target = config_read_enum(r, "converted_type", CONFIG_WORDS(target_words), ATTR_TO_INT,
                                       &out->target);
    config_known_unsupported(r, "from_context");
    int err = config_value_read(r, "value", memory, &out->value, &out->has_value);
    if (err == 0) {
        err = config_value_read(r, "default_value", memory, &out->default_value, &out->has_default);
    }
    return err;
}

/* Complains about a key that this action does not look at. */
static void refuse_idle(struct config_reader *r, bool is_there, const char *key, const char *word)
{
    if (is_there) {
        config_refuse(r, key, "action %s has no use for '%s'", word, key);
    }
}

static void require(struct config_reader *r, bool is_there, const char *key, const char *word)
{
    if (!is_there) {
        config_refuse(r, key, "action %s needs '%s'", word, key);
    }
}

static void check_set(struct config_reader *r, const struct action_keys *keys, const char *word)
{
    require(r, keys->has_key, "key", word);
    refuse_idle(r, keys->has_pattern, "pattern", word);
    refuse_idle(r, keys->has_target, "converted_type", word);
    if (keys->has_value && keys->has_from_attribute) {
        config_refuse(r, "value", "action %s takes one of 'value' and 'from_attribute'", word);
    }
    if (!keys->has_value && !keys->has_from_attribute && !config_has(r, "from_context")) {
        config_refuse(r, "value", "action %s needs 'value' or 'from_attribute'", word);
    }
    if (keys->has_default && !keys->has_from_attribute) {
        config_refuse(r, "default_value",
                      "'default_value' stands in for a missing "
                      "'from_attribute', and there is none");
    }
}

/* Keys against the action they stand beside. */
static void check_keys(struct config_reader *r, enum attr_action_kind kind,
                       const struct action_keys *keys)
{
    const char *word = kind_words[kind];
    if (kind == ATTR_INSERT || kind == ATTR_UPDATE || kind == ATTR_UPSERT) {
        check_set(r, keys, word);
        return;
    }
    refuse_idle(r, keys->has_value, "value", word);
    refuse_idle(r, keys->has_default, "default_value", word);
    refuse_idle(r, keys->has_from_attribute, "from_attribute", word);
    refuse_idle(r, keys->has_target && kind != ATTR_CONVERT, "converted_type", word);
    if (kind == ATTR_CONVERT) {
        refuse_idle(r, keys->has_pattern, "pattern", word);
        require(r, keys->has_target, "converted_type", word);
        require(r, keys->has_key, "key", word);
    } else if (kind == ATTR_EXTRACT) {
        require(r, keys->has_pattern, "pattern", word);
        require(r, keys->has_key, "key", word);
    } else if (!keys->has_key && !keys->has_pattern) {
        config_refuse(r, "key", "action %s needs 'key' or 'pattern'", word);
    }
}

/* Every group of an extract pattern names the attribute it fills. */
static void check_groups(struct config_reader *r, struct attr_action *action)
{
    uint32_t count = regex_group_count(action->pattern);
    if (count == 0) {
        config_refuse(r, "pattern", "the pattern of extract needs a group such as (?P<name>.*)");
    }
    if (count > ATTR_GROUPS_MAX) {
        config_refuse(r, "pattern", "a pattern of extract has at most %d groups", ATTR_GROUPS_MAX);
        count = ATTR_GROUPS_MAX;
    }
    for (uint32_t i = 1; i <= count; i++) {
        if (regex_group_name(action->pattern, i).len == 0) {
            config_refuse(r, "pattern",
                          "every group of extract needs a name, as in (?P<name>.*); "
                          "write (?:…) for one that only groups");
            break;
        }
    }
    action->group_count = count;
}

/* 0 or -ENOMEM. */
static int compile_pattern(struct config_reader *r, struct slice pattern,
                           struct attr_action *action)
{
    char why[WHY_BYTES];
    int err = regex_new(pattern, &action->pattern, why, sizeof(why));
    if (err == -ENOMEM) {
        return err;
    }
    if (err != 0) {
        config_refuse(r, "pattern", "not a regular expression: %s", why);
        return 0;
    }
    if (action->kind == ATTR_EXTRACT) {
        check_groups(r, action);
    }
    return 0;
}

static void append(struct attr_actions *actions, struct attr_action *action)
{
    if (actions->last == NULL) {
        actions->first = action;
    } else {
        actions->last->next = action;
    }
    actions->last = action;
    actions->count++;
}

/* 0 or -ENOMEM. */
static int read_action(struct attr_actions *actions, struct config_reader *r)
{
    struct action_keys keys;
    enum attr_action_kind kind = ATTR_INSERT;
    int err = read_keys(r, &actions->memory, &keys);
    struct attr_action *action = arena_alloc(&actions->memory, sizeof(*action));
    if (err != 0 || action == NULL) {
        return -ENOMEM;
    }
    if (!read_kind(r, &kind)) {
        return 0;
    }
    check_keys(r, kind, &keys);
    *action = (struct attr_action){
        .kind = kind,
        .key = keys.key,
        .from_attribute = keys.from_attribute,
        .value = keys.has_from_attribute ? keys.default_value : keys.value,
        .target = (enum attr_target)keys.target,
        .has_key = keys.has_key,
        .has_value = keys.has_from_attribute ? keys.has_default : keys.has_value,
    };
    append(actions, action); /* owned from here on, and its pattern with it */
    return keys.has_pattern ? compile_pattern(r, keys.pattern, action) : 0;
}

int attr_actions_read(struct attr_actions *actions, struct config_reader *config, const char *key)
{
    *actions = (struct attr_actions){0};
    int err = arena_init(&actions->memory, ACTIONS_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
    struct config_items items = config_open_list(config, key);
    struct config_reader r;
    while (err == 0 && config_next_section(&items, &r)) {
        err = read_action(actions, &r);
        (void)config_reader_finish(&r); /* counted by the section around it */
    }
    if (err == 0 && items.seen_count == 0) {
        config_refuse(config, key, "'%s' needs at least one action", key);
    }
    return err;
}

void attr_actions_fini(struct attr_actions *actions)
{
    for (struct attr_action *action = actions->first; action != NULL; action = action->next) {
        regex_free(action->pattern);
    }
    arena_fini(&actions->memory);
    *actions = (struct attr_actions){0};
}
