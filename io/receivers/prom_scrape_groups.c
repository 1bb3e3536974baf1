/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_groups — one small machine over events, which two readers feed: libyaml's and ours
 * for JSON.
 *
 *     START ─▶ GROUPS ─▶ GROUP ─▶ TARGETS_DUE ─▶ TARGETS
 *                 │        └────▶ LABELS_DUE ──▶ LABELS ⇄ VALUE_DUE
 *                 └─▶ END
 */
#include "io/receivers/prom_scrape_groups.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "core/base/fault.h"
#include "core/base/json.h"

enum step {
    STEP_START,
    STEP_GROUPS,
    STEP_GROUP,
    STEP_TARGETS_DUE,
    STEP_TARGETS,
    STEP_LABELS_DUE,
    STEP_LABELS,
    STEP_VALUE_DUE,
    STEP_END,
};

enum event {
    EVENT_LIST,
    EVENT_LIST_END,
    EVENT_MAP,
    EVENT_MAP_END,
    EVENT_TEXT,
    EVENT_NULL,
};

/* A file being read. */
struct reading {
    enum step step;
    struct slice file;
    struct arena *arena;     /* borrowed */
    struct prom_groups read; /* what is whole */
    struct prom_group *group;
    struct label label; /* its name is known, its value is due */
    uint32_t target_capacity;
    uint32_t label_capacity;
    bool has_targets;
    bool has_labels;
    char *why;
    uint64_t line; /* 0: not known */
};

WEIR_PRINTF(2, 3)
static int bad(struct reading *reading, const char *format, ...)
{
    char text[PROM_GROUP_WHY_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* what is too long is cut */
    va_end(arguments);
    if (reading->line > 0) {
        (void)snprintf(reading->why, PROM_GROUP_WHY_BYTES, "line %llu: %.120s",
                       (unsigned long long)reading->line, text);
    } else {
        (void)snprintf(reading->why, PROM_GROUP_WHY_BYTES, "%.150s", text);
    }
    return FAULT_MALFORMED;
}

static int too_many(struct reading *reading, const char *what)
{
    (void)bad(reading, "more than the limit of %s", what);
    return FAULT_LIMIT;
}

/* --- what a group holds ----------------------------------------------------------------------- */

static int begin_group(struct reading *reading)
{
    struct prom_group *group = arena_alloc(reading->arena, sizeof(*group));
    if (group == NULL) {
        return -ENOMEM;
    }
    *group = (struct prom_group){.file = reading->file};
    reading->group = group;
    reading->target_capacity = 0;
    reading->label_capacity = 0;
    reading->has_targets = false;
    reading->has_labels = false;
    return 0;
}

/* Room for one more of `count` elements; what outgrew its place stays in the arena until it dies.
 */
static void *grow(struct reading *reading, const void *old, uint32_t count, uint32_t *capacity,
                  size_t element_bytes)
{
    uint32_t more = *capacity == 0 ? 4 : *capacity * 2;
    void *grown = arena_alloc_array(reading->arena, more, element_bytes);
    if (grown != NULL && count > 0) {
        memcpy(grown, old, count * element_bytes);
    }
    *capacity = grown != NULL ? more : *capacity;
    return grown;
}

static int add_target(struct reading *reading, struct slice text)
{
    struct prom_group *group = reading->group;
    if (reading->read.target_count + group->target_count == PROM_GROUP_TARGETS_MAX) {
        return too_many(reading, "targets");
    }
    if (group->target_count == reading->target_capacity) {
        group->targets = grow(reading, group->targets, group->target_count,
                              &reading->target_capacity, sizeof(group->targets[0]));
    }
    struct slice copy = arena_copy(reading->arena, text);
    if (group->targets == NULL || copy.ptr == NULL) {
        return -ENOMEM;
    }
    group->targets[group->target_count] = copy;
    group->target_count++;
    return 0;
}

static int name_label(struct reading *reading, struct slice name)
{
    const struct prom_group *group = reading->group;
    if (name.len == 0) {
        return bad(reading, "a label without a name");
    }
    if (group->label_count == PROM_GROUP_LABELS_MAX) {
        return too_many(reading, "labels");
    }
    for (uint32_t i = 0; i < group->label_count; i++) {
        if (slice_equal(group->labels[i].name, name)) {
            return bad(reading, "a label stands there twice");
        }
    }
    reading->label.name = arena_copy(reading->arena, name);
    reading->step = STEP_VALUE_DUE;
    return reading->label.name.ptr == NULL ? -ENOMEM : 0;
}

static int add_label(struct reading *reading, struct slice value)
{
    struct prom_group *group = reading->group;
    if (group->label_count == reading->label_capacity) {
        group->labels = grow(reading, group->labels, group->label_count, &reading->label_capacity,
                             sizeof(group->labels[0]));
    }
    reading->label.value = arena_copy(reading->arena, value);
    if (group->labels == NULL || reading->label.value.ptr == NULL) {
        return -ENOMEM;
    }
    group->labels[group->label_count] = reading->label;
    group->label_count++;
    reading->step = STEP_LABELS;
    return 0;
}

/* --- the machine ------------------------------------------------------------------------------ */

static int enter(struct reading *reading, bool *was_there, enum step step, const char *key)
{
    if (*was_there) {
        return bad(reading, "'%s' stands there twice", key);
    }
    *was_there = true;
    reading->step = step;
    return 0;
}

static int on_key(struct reading *reading, struct slice key)
{
    if (slice_is_text(key, "targets")) {
        return enter(reading, &reading->has_targets, STEP_TARGETS_DUE, "targets");
    }
    if (slice_is_text(key, "labels")) {
        return enter(reading, &reading->has_labels, STEP_LABELS_DUE, "labels");
    }
    int shown_len = key.len < 40 ? (int)key.len : 40;
    return bad(reading, "a group has no '%.*s'", shown_len, (const char *)key.ptr);
}

static int end_group(struct reading *reading)
{
    prom_groups_append(&reading->read, reading->group);
    reading->group = NULL;
    reading->step = STEP_GROUPS;
    return 0;
}

static int go_on(struct reading *reading, enum step step)
{
    reading->step = step;
    return 0;
}

static int on_text(struct reading *reading, struct slice text)
{
    switch (reading->step) {
    case STEP_GROUP:
        return on_key(reading, text);
    case STEP_TARGETS:
        return add_target(reading, text);
    case STEP_LABELS:
        return name_label(reading, text);
    case STEP_VALUE_DUE:
        return add_label(reading, text);
    case STEP_START:
    case STEP_GROUPS:
    case STEP_TARGETS_DUE:
    case STEP_LABELS_DUE:
    case STEP_END:
        break;
    }
    return bad(reading, "a text where a list or a map of targets is due");
}

/* Null stands for an empty file, list or map, and for an empty value. */
static int on_null(struct reading *reading)
{
    switch (reading->step) {
    case STEP_START:
        return go_on(reading, STEP_END);
    case STEP_TARGETS_DUE:
    case STEP_LABELS_DUE:
        return go_on(reading, STEP_GROUP);
    case STEP_VALUE_DUE:
        return add_label(reading, slice_of(NULL, 0));
    case STEP_GROUPS:
    case STEP_GROUP:
    case STEP_TARGETS:
    case STEP_LABELS:
    case STEP_END:
        break;
    }
    return bad(reading, "null where it means nothing");
}

static int on_open(struct reading *reading, enum event event)
{
    bool is_list = event == EVENT_LIST;
    if (is_list && reading->step == STEP_START) {
        return go_on(reading, STEP_GROUPS);
    }
    if (is_list && reading->step == STEP_TARGETS_DUE) {
        return go_on(reading, STEP_TARGETS);
    }
    if (!is_list && reading->step == STEP_GROUPS) {
        reading->step = STEP_GROUP;
        return begin_group(reading);
    }
    if (!is_list && reading->step == STEP_LABELS_DUE) {
        return go_on(reading, STEP_LABELS);
    }
    return bad(reading, "a %s where none is due", is_list ? "list" : "map");
}

/* The readers see to it that brackets match; what closes here was opened here. */
static int on_close(struct reading *reading)
{
    switch (reading->step) {
    case STEP_GROUPS:
        return go_on(reading, STEP_END);
    case STEP_GROUP:
        return end_group(reading);
    case STEP_TARGETS:
    case STEP_LABELS:
        return go_on(reading, STEP_GROUP);
    case STEP_START:
    case STEP_TARGETS_DUE:
    case STEP_LABELS_DUE:
    case STEP_VALUE_DUE:
    case STEP_END:
        break;
    }
    return bad(reading, "a value is missing");
}

static int take(struct reading *reading, enum event event, struct slice text)
{
    switch (event) {
    case EVENT_LIST:
    case EVENT_MAP:
        return on_open(reading, event);
    case EVENT_LIST_END:
    case EVENT_MAP_END:
        return on_close(reading);
    case EVENT_TEXT:
        return on_text(reading, text);
    case EVENT_NULL:
        return on_null(reading);
    }
    return FAULT_MALFORMED;
}

/* --- YAML ------------------------------------------------------------------------------------- */

static bool is_yaml_null(const yaml_event_t *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    for (size_t i = 0; i < COUNT_OF(nulls); i++) {
        if (slice_is_text(text, nulls[i])) {
            return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        }
    }
    return false;
}

static int take_yaml(struct reading *reading, const yaml_event_t *event)
{
    struct slice none = slice_of(NULL, 0);
    reading->line = event->start_mark.line + 1;
    switch ((int)event->type) { /* the library's; more than we take */
    case YAML_SEQUENCE_START_EVENT:
        return take(reading, EVENT_LIST, none);
    case YAML_SEQUENCE_END_EVENT:
        return take(reading, EVENT_LIST_END, none);
    case YAML_MAPPING_START_EVENT:
        return take(reading, EVENT_MAP, none);
    case YAML_MAPPING_END_EVENT:
        return take(reading, EVENT_MAP_END, none);
    case YAML_SCALAR_EVENT:
        return take(reading, is_yaml_null(event) ? EVENT_NULL : EVENT_TEXT,
                    slice_of(event->data.scalar.value, event->data.scalar.length));
    case YAML_ALIAS_EVENT:
        return bad(reading, "aliases are not supported here");
    default:
        return 0; /* where streams and documents begin and end */
    }
}

static int read_yaml(struct reading *reading, struct slice text)
{
    yaml_parser_t parser;
    int err = 0;
    bool is_over = false;
    if (yaml_parser_initialize(&parser) == 0) {
        return -ENOMEM;
    }
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    while (err == 0 && !is_over) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            reading->line = parser.problem_mark.line + 1;
            err = parser.error == YAML_MEMORY_ERROR
                      ? -ENOMEM
                      : bad(reading, "%s", parser.problem != NULL ? parser.problem : "no YAML");
            continue;
        }
        err = take_yaml(reading, &event);
        is_over = event.type == YAML_DOCUMENT_END_EVENT || event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return err;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int take_json_text(struct reading *reading, struct json_text text)
{
    struct slice value;
    int err = json_text_value(text, reading->arena, &value);
    return err != 0 ? -ENOMEM : take(reading, EVENT_TEXT, value);
}

static int take_json(struct reading *reading, const struct json_reader *json, enum json_token token)
{
    struct slice none = slice_of(NULL, 0);
    switch (token) {
    case JSON_TOKEN_ARRAY_OPEN:
        return take(reading, EVENT_LIST, none);
    case JSON_TOKEN_ARRAY_CLOSE:
        return take(reading, EVENT_LIST_END, none);
    case JSON_TOKEN_OBJECT_OPEN:
        return take(reading, EVENT_MAP, none);
    case JSON_TOKEN_OBJECT_CLOSE:
        return take(reading, EVENT_MAP_END, none);
    case JSON_TOKEN_KEY:
    case JSON_TOKEN_STRING:
        return take_json_text(reading, json->text);
    case JSON_TOKEN_NULL:
        return take(reading, EVENT_NULL, none);
    case JSON_TOKEN_NUMBER:
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        return bad(reading, "at byte %zu: a text is due", json->token_offset);
    case JSON_TOKEN_BAD:
        return bad(reading, "at byte %zu: %s", json->why_offset, json->why);
    case JSON_TOKEN_END:
        break;
    }
    return 0;
}

static int read_json(struct reading *reading, struct slice text)
{
    struct json_reader json = json_of(text, JSON_UTF8_REFUSE);
    enum json_token token = json_next(&json);
    int err = take_json(reading, &json, token);
    while (err == 0 && token != JSON_TOKEN_END) {
        token = json_next(&json);
        err = take_json(reading, &json, token);
    }
    return err;
}

/* --- public ----------------------------------------------------------------------------------- */

void prom_groups_append(struct prom_groups *groups, struct prom_group *group)
{
    group->next = NULL;
    if (groups->last != NULL) {
        groups->last->next = group;
    } else {
        groups->first = group;
    }
    groups->last = group;
    groups->target_count += group->target_count;
}

static bool is_json_name(struct slice file)
{
    struct slice end = file.len < 5 ? file : slice_from(file, file.len - 5);
    return slice_is_text(end, ".json") || slice_is_text(end, ".JSON");
}

int prom_groups_read(struct slice file, struct slice text, struct arena *arena,
                     struct prom_groups *groups, char why[PROM_GROUP_WHY_BYTES])
{
    struct reading reading = {.arena = arena, .why = why, .file = arena_copy(arena, file)};
    why[0] = '\0';
    if (reading.file.ptr == NULL) {
        return -ENOMEM;
    }
    int err = is_json_name(file) ? read_json(&reading, text) : read_yaml(&reading, text);
    if (err != 0) {
        return err;
    }
    struct prom_group *group = reading.read.first;
    while (group != NULL) {
        struct prom_group *next = group->next;
        prom_groups_append(groups, group);
        group = next;
    }
    return 0;
}
