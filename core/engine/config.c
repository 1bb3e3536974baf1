/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config — sections and scalars: looks a key up, checks its type, reports, falls back to the
 * default.
 *
 * Lists and maps are in config_items.c. What a message quotes is cut short and never a secret.
 */
#include "core/engine/config.h"

#include "core/base/fault.h"
#include "core/base/regex.h"

#include <stdarg.h>
#include <stdio.h>

/* Of a value quoted in a message. */
#define QUOTED_MAX_BYTES 64
/* Arguments of "%.*s" for a slice. */
#define SHOWN(s) (int)(s).len, (const char *)(s).ptr

/* --- helpers ---------------------------------------------------------------------------------- */

/* Remembers `key` as valid; returns its value, or NULL where it is absent or null. */
const struct config_node *config_reader_ask(struct config_reader *r, const char *key)
{
    bool is_asked = false;
    for (uint32_t i = 0; i < r->key_count && !is_asked; i++) {
        is_asked = strcmp(r->keys[i], key) == 0;
    }
    if (!is_asked) {
        ASSERT(r->key_count < CONFIG_KEYS_PER_SECTION_MAX);
        r->keys[r->key_count] = key;
        r->key_count++;
    }
    const struct config_node *node = config_node_find(r->node, slice_of_text(key));
    return node == NULL || node->kind == CONFIG_NULL ? NULL : node;
}

static const char *kind_words(const struct config_node *node)
{
    static const char *const words[] = {
        [CONFIG_TYPE_TEXT] = "the text",    [CONFIG_TYPE_NULL] = "null",
        [CONFIG_TYPE_BOOL] = "the boolean", [CONFIG_TYPE_INTEGER] = "the number",
        [CONFIG_TYPE_FLOAT] = "the number",
    };
    switch (node->kind) {
    case CONFIG_NULL:
        return "null";
    case CONFIG_LIST:
        return "a list";
    case CONFIG_MAP:
        return "a map";
    case CONFIG_SCALAR:
        break;
    }
    return words[node->was_quoted ? CONFIG_TYPE_TEXT : config_scalar_type(node->text)];
}

void config_complain_type(struct config_report *report, const struct config_node *node,
                          const char *path, const char *key, const char *wanted)
{
    bool is_secret = config_is_secret_key(slice_of_text(key));
    const char *dot = key[0] == '\0' ? "" : ".";
    if (node->kind != CONFIG_SCALAR || is_secret) {
        config_error(report, node->mark, NULL, "%s%s%s must be %s, not %s", path, dot, key, wanted,
                     is_secret ? "what is written there" : kind_words(node));
        return;
    }
    struct slice shown = slice_first(
        node->text, node->text.len < QUOTED_MAX_BYTES ? node->text.len : QUOTED_MAX_BYTES);
    config_error(report, node->mark, NULL, "%s%s%s must be %s, not %s '%.*s'%s", path, dot, key,
                 wanted, kind_words(node), SHOWN(shown), node->was_quoted ? " in quotes" : "");
}

/* A scalar that may be read as something else than text, or NULL after a complaint. */
static const struct config_node *ask_plain(struct config_reader *r, const char *key,
                                           const char *wanted)
{
    const struct config_node *node = config_reader_ask(r, key);
    if (node == NULL || (node->kind == CONFIG_SCALAR && !node->was_quoted)) {
        return node;
    }
    config_complain_type(r->report, node, r->path, key, wanted);
    return NULL;
}

/* "PARENT.KEY"; each half is cut where too long, it is for reading only. */
static void format_path(char *path, const char *parent, const char *key)
{
    int limit = CONFIG_PATH_MAX_BYTES / 2 - 2;
    (void)snprintf(path, CONFIG_PATH_MAX_BYTES, "%.*s%s%.*s", limit, parent,
                   parent[0] == '\0' ? "" : ".", limit, key);
}

/* --- sections --------------------------------------------------------------------------------- */

void config_reader_open(struct config_reader *r, struct config_report *report,
                        const struct config_node *node, const char *path)
{
    *r = (struct config_reader){.report = report, .error_count_before = report->error_count};
    format_path(r->path, "", path);
    if (node == NULL) {
        return;
    }
    r->is_present = true;
    r->mark = node->key.len > 0 ? node->key_mark : node->mark;
    if (node->kind == CONFIG_MAP) {
        r->node = node;
    } else if (node->kind != CONFIG_NULL) {
        config_complain_type(report, node, r->path, "", "a map");
    }
}

void config_reader_set_docs(struct config_reader *r, const char *docs)
{
    r->docs = docs;
}

bool config_open_section(struct config_reader *parent, const char *key, struct config_reader *out)
{
    (void)config_reader_ask(
        parent, key); /* null opens an empty section too, so the node is looked up again */
    char path[CONFIG_PATH_MAX_BYTES];
    format_path(path, parent->path, key);
    config_reader_open(out, parent->report, config_node_find(parent->node, slice_of_text(key)),
                       path);
    out->docs = parent->docs;
    /* What is missing in a section is shown there; the top level is nowhere in particular. */
    if (!out->is_present && parent->path[0] != '\0') {
        out->mark = parent->mark;
    }
    return out->is_present;
}

bool config_open_optional(struct config_reader *parent, const char *key, bool default_enabled,
                          struct config_reader *out)
{
    bool is_written = config_open_section(parent, key, out);
    bool is_enabled = is_written || default_enabled;
    (void)config_read_bool(out, "enabled", is_enabled, &is_enabled);
    return is_enabled;
}

/* Reports one key nobody asked for. */
static void complain_unknown(struct config_reader *r, const struct config_node *child)
{
    struct slice valid[CONFIG_KEYS_PER_SECTION_MAX];
    for (uint32_t i = 0; i < r->key_count; i++) {
        valid[i] = slice_of_text(r->keys[i]);
    }
    struct slice nearest = config_nearest(child->key, valid, r->key_count);
    char hint[CONFIG_MESSAGE_MAX_BYTES] = {0};
    size_t len = 0;
    if (nearest.len > 0) {
        len = (size_t)snprintf(hint, sizeof(hint), "did you mean '%.*s'?", SHOWN(nearest));
    } else if (r->key_count > 0) {
        len = (size_t)snprintf(hint, sizeof(hint), "valid keys:");
        for (uint32_t i = 0; i < r->key_count && len < sizeof(hint); i++) {
            len += (size_t)snprintf(hint + len, sizeof(hint) - len, "%s %s", i > 0 ? "," : "",
                                    r->keys[i]);
        }
    }
    if (r->docs != NULL && len < sizeof(hint)) {
        (void)snprintf(hint + len, sizeof(hint) - len, "%s(docs: %s)", len > 0 ? "  " : "",
                       r->docs);
    }
    const char *in = r->path[0] == '\0' ? "at the top level" : "in ";
    config_error(r->report, child->key_mark, hint, "unknown key '%.*s' %s%s", SHOWN(child->key), in,
                 r->path);
}

int config_reader_finish(struct config_reader *r)
{
    const struct config_node *child = r->node == NULL ? NULL : r->node->first;
    for (; child != NULL; child = child->next) {
        bool is_known = false;
        for (uint32_t i = 0; i < r->key_count && !is_known; i++) {
            is_known = slice_is_text(child->key, r->keys[i]);
        }
        if (!is_known) {
            complain_unknown(r, child);
        }
    }
    return r->report->error_count > r->error_count_before ? FAULT_CONFIG : 0;
}

/* --- scalars ---------------------------------------------------------------------------------- */

bool config_read_bool(struct config_reader *r, const char *key, bool value_default, bool *out)
{
    static const char wanted[] = "true or false";
    *out = value_default;
    const struct config_node *node = ask_plain(r, key, wanted);
    if (node == NULL) {
        return false;
    }
    if (!config_parse_bool(node->text, out)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    return true;
}

bool config_read_u64(struct config_reader *r, const char *key, uint64_t value_default,
                     uint64_t *out)
{
    static const char wanted[] = "a whole number, 0 or more";
    *out = value_default;
    const struct config_node *node = ask_plain(r, key, wanted);
    if (node == NULL) {
        return false;
    }
    if (!config_parse_u64(node->text, out)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    return true;
}

bool config_read_u32(struct config_reader *r, const char *key, uint32_t value_default, uint32_t max,
                     uint32_t *out)
{
    uint64_t value;
    *out = value_default;
    if (!config_read_u64(r, key, value_default, &value)) {
        return false;
    }
    if (value > max) {
        config_refuse(r, key, "%s.%s must be at most %u", r->path, key, max);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool config_read_i64(struct config_reader *r, const char *key, int64_t value_default, int64_t *out)
{
    static const char wanted[] = "a whole number";
    *out = value_default;
    const struct config_node *node = ask_plain(r, key, wanted);
    if (node == NULL) {
        return false;
    }
    if (!config_parse_i64(node->text, out)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    return true;
}

bool config_read_f64(struct config_reader *r, const char *key, double value_default, double *out)
{
    static const char wanted[] = "a number";
    *out = value_default;
    const struct config_node *node = ask_plain(r, key, wanted);
    if (node == NULL) {
        return false;
    }
    if (!config_parse_f64(node->text, out)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    return true;
}

bool config_read_duration_ns(struct config_reader *r, const char *key, uint64_t default_ns,
                             uint64_t *out_ns)
{
    static const char wanted[] = "a duration such as 10s, 500ms or 1m30s";
    *out_ns = default_ns;
    const struct config_node *node = config_reader_ask(r, key);
    if (node == NULL) {
        return false;
    }
    int64_t value_ns;
    if (node->kind != CONFIG_SCALAR || !config_parse_duration_ns(node->text, &value_ns)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    if (value_ns < 0) {
        config_refuse(r, key, "%s.%s must not be negative", r->path, key);
        return false;
    }
    int64_t bare;
    if (value_ns > 0 && config_parse_i64(node->text, &bare)) {
        config_caution(r, key, "%s.%s has no unit and means nanoseconds", r->path, key);
    }
    *out_ns = (uint64_t)value_ns;
    return true;
}

bool config_read_bytes(struct config_reader *r, const char *key, uint64_t default_bytes,
                       uint64_t *out_bytes)
{
    static const char wanted[] = "a size such as 65536, 64KiB or 10MB";
    *out_bytes = default_bytes;
    const struct config_node *node = config_reader_ask(r, key);
    if (node == NULL) {
        return false;
    }
    if (node->kind != CONFIG_SCALAR || !config_parse_bytes(node->text, out_bytes)) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    return true;
}

bool config_node_text(const struct config_node *node, struct slice *out)
{
    if (node->original.ptr != NULL) {
        *out = node->original; /* a text field gets what the variable held, letter by letter */
        return true;
    }
    if (node->kind != CONFIG_SCALAR) {
        return false;
    }
    bool is_text = node->was_quoted || node->from_expansion ||
                   config_scalar_type(node->text) == CONFIG_TYPE_TEXT;
    if (is_text) {
        *out = node->text;
    }
    return is_text;
}

bool config_read_text(struct config_reader *r, const char *key, const char *value_default,
                      struct slice *out)
{
    *out = slice_of_text(value_default);
    const struct config_node *node = config_reader_ask(r, key);
    if (node == NULL) {
        return false;
    }
    if (!config_node_text(node, out)) {
        bool is_scalar = node->kind == CONFIG_SCALAR;
        config_complain_type(r->report, node, r->path, key,
                             is_scalar ? "text (in quotes)" : "text");
        return false;
    }
    return true;
}

bool config_read_endpoint(struct config_reader *r, const char *key, const char *value_default,
                          struct config_endpoint *out)
{
    struct slice text;
    *out = (struct config_endpoint){0};
    if (value_default != NULL) {
        bool is_valid = config_parse_endpoint(slice_of_text(value_default), out);
        ASSERT(is_valid);
    }
    out->is_default = true;
    if (!config_read_text(r, key, value_default, &text)) {
        return false;
    }
    if (!config_parse_endpoint(text, out)) {
        config_refuse(r, key, "%s.%s must be host:port, not '%.*s'", r->path, key,
                      (int)(text.len < QUOTED_MAX_BYTES ? text.len : QUOTED_MAX_BYTES),
                      (const char *)text.ptr);
        return false;
    }
    return true;
}

bool config_read_regex(struct config_reader *r, const char *key, const char *value_default,
                       struct slice *out)
{
    if (!config_read_text(r, key, value_default, out)) {
        return false;
    }
    struct regex *regex = NULL;
    char why[CONFIG_PATH_MAX_BYTES] = {0};
    if (regex_new(*out, &regex, why, sizeof(why)) != 0) {
        config_refuse(r, key, "%s.%s: %s", r->path, key, why);
        *out = slice_of_text(value_default);
        return false;
    }
    regex_free(regex);
    return true;
}

bool config_read_enum(struct config_reader *r, const char *key, struct config_words words,
                      uint32_t default_index, uint32_t *out)
{
    struct slice text;
    struct slice valid[CONFIG_KEYS_PER_SECTION_MAX];
    ASSERT(words.count <= COUNT_OF(valid));
    *out = default_index;
    if (!config_read_text(r, key, NULL, &text)) {
        return false;
    }
    char list[CONFIG_PATH_MAX_BYTES] = {0};
    size_t len = 0;
    for (uint32_t i = 0; i < words.count; i++) {
        if (slice_is_text(text, words.words[i])) {
            *out = i;
            return true;
        }
        valid[i] = slice_of_text(words.words[i]);
        if (len < sizeof(list)) {
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "",
                                    words.words[i]);
        }
    }
    struct slice nearest = config_nearest(text, valid, words.count);
    char hint[CONFIG_PATH_MAX_BYTES] = {0};
    if (nearest.len > 0) {
        (void)snprintf(hint, sizeof(hint), "did you mean '%.*s'?", SHOWN(nearest));
    }
    const struct config_node *node = config_reader_ask(r, key);
    config_error(r->report, node->mark, hint, "%s.%s must be one of %s, not '%.*s'", r->path, key,
                 list, (int)(text.len < QUOTED_MAX_BYTES ? text.len : QUOTED_MAX_BYTES),
                 (const char *)text.ptr);
    return false;
}

/* --- judging ---------------------------------------------------------------------------------- */

bool config_has(const struct config_reader *r, const char *key)
{
    const struct config_node *node = config_node_find(r->node, slice_of_text(key));
    return node != NULL && node->kind != CONFIG_NULL;
}

void config_known_unsupported(struct config_reader *r, const char *key)
{
    if (config_reader_ask(r, key) != NULL) {
        const struct config_node *node = config_node_find(r->node, slice_of_text(key));
        config_error(r->report, node->key_mark, NULL,
                     "key '%s' in %s is known but not supported yet", key, r->path);
    }
}

bool config_require(struct config_reader *r, const char *key)
{
    const struct config_node *node = config_reader_ask(r, key);
    if (node == NULL) {
        config_error(r->report, r->mark, NULL, "key '%s' is missing in %s", key, r->path);
        return false;
    }
    if (node->kind == CONFIG_SCALAR && node->text.len == 0) {
        config_error(r->report, node->mark, NULL, "%s.%s must not be empty", r->path, key);
        return false;
    }
    return true;
}

/* Where a complaint about `key` points. */
static struct config_mark mark_of(const struct config_reader *r, const char *key)
{
    const struct config_node *node = config_node_find(r->node, slice_of_text(key));
    return node == NULL ? r->mark : node->mark;
}

void config_refuse(struct config_reader *r, const char *key, const char *format, ...)
{
    char message[CONFIG_MESSAGE_MAX_BYTES] = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args); /* cut where too long */
    va_end(args);
    config_error(r->report, mark_of(r, key), NULL, "%s", message);
}

void config_caution(struct config_reader *r, const char *key, const char *format, ...)
{
    char message[CONFIG_MESSAGE_MAX_BYTES] = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args); /* cut where too long */
    va_end(args);
    config_warn(r->report, mark_of(r, key), NULL, "%s", message);
}

void config_check_port(struct config_reader *r, const char *key, uint16_t port, uint16_t usual_port)
{
    if (config_is_port_misprint(port, usual_port)) {
        char hint[QUOTED_MAX_BYTES] = {0};
        (void)snprintf(hint, sizeof(hint), "did you mean %u?", (uint32_t)usual_port);
        config_warn(r->report, mark_of(r, key), hint, "port %u in %s.%s is unusual here",
                    (uint32_t)port, r->path, key);
    }
}
