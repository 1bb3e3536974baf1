/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_source — which texts count, where they come from, and in what order they are merged.
 *
 * Reads files and the environment; everything read becomes part of the tree's arena. Secrets that
 * arrive this way are shown only through config_report, which hides the values of secret keys.
 */
#include "tools/weir/config_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tools/weir/config_expand.h"
#include "tools/weir/config_merge.h"
#include "tools/weir/config_yaml.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr
#define READ_CHUNK_BYTES 65536
#define PATH_TEXT_MAX_BYTES 4096

struct loader {
    struct config_tree *tree;
    struct config_report *report;
    struct config_node *root; /* merged so far, NULL at first */
};

/* --- fetching --------------------------------------------------------------------------------- */

/* Reads an open file to its end into the tree. */
static int read_stream(struct config_tree *tree, FILE *in, struct slice *text, struct slice *why)
{
    uint8_t *buf = NULL;
    size_t len = 0;
    size_t got = 0;
    int err = 0;
    do {
        uint8_t *larger = mem_resize(buf, len + READ_CHUNK_BYTES);
        if (larger == NULL) {
            err = -ENOMEM;
            break;
        }
        buf = larger;
        got = fread(buf + len, 1, READ_CHUNK_BYTES, in);
        len += got;
        if (len > CONFIG_TEXT_MAX_BYTES) {
            *why = SLICE_LITERAL("is larger than 4 MiB");
            err = FAULT_CONFIG;
        }
    } while (got > 0 && err == 0);
    if (err == 0 && ferror(in) != 0) {
        *why = SLICE_LITERAL("cannot be read (is it a directory?)");
        err = FAULT_CONFIG;
    }
    if (err == 0) {
        *text = config_tree_copy(tree, slice_of(buf, len));
        err = text->ptr == NULL ? -ENOMEM : 0;
    }
    mem_free(buf);
    return err;
}

static int read_file(struct config_tree *tree, struct slice path, struct slice *text,
                     struct slice *why)
{
    char path_text[PATH_TEXT_MAX_BYTES];
    if (path.len == 0 || path.len >= sizeof(path_text) || slice_find(path, 0) != path.len) {
        *why = SLICE_LITERAL("is no path");
        return FAULT_CONFIG;
    }
    memcpy(path_text, path.ptr, path.len);
    path_text[path.len] = '\0';
    FILE *in = fopen(path_text, "re");
    if (in == NULL) {
        *why = slice_of_text(fault_text(-errno));
        return FAULT_CONFIG;
    }
    int err = read_stream(tree, in, text, why);
    (void)fclose(in); /* only read from */
    return err;
}

static int read_variable(struct config_tree *tree, struct slice name, struct slice *text)
{
    struct slice copy = config_tree_copy(tree, name);
    if (copy.ptr == NULL) {
        return -ENOMEM;
    }
    const char *value = getenv((const char *)copy.ptr);
    if (value == NULL) {
        return -ENOENT;
    }
    *text = config_tree_copy(tree, slice_of_text(value));
    return text->ptr == NULL ? -ENOMEM : 0;
}

/* Takes `prefix` off the front; false where it is not there. */
static bool take_prefix(struct slice *text, const char *prefix)
{
    struct slice word = slice_of_text(prefix);
    if (!slice_has_prefix(*text, word)) {
        return false;
    }
    *text = slice_from(*text, word.len);
    return true;
}

/* A scheme has two letters or more; "c:" is the beginning of a path. */
static size_t scheme_bytes(struct slice uri)
{
    size_t i = 0;
    while (i < uri.len &&
           ((uri.ptr[i] >= 'a' && uri.ptr[i] <= 'z') || (uri.ptr[i] >= 'A' && uri.ptr[i] <= 'Z') ||
            (i > 0 && uri.ptr[i] >= '0' && uri.ptr[i] <= '9'))) {
        i++;
    }
    return i >= 2 && i < uri.len && uri.ptr[i] == ':' ? i : 0;
}

int config_source_fetch(struct config_tree *tree, struct slice uri, struct slice *text,
                        struct slice *why)
{
    *why = (struct slice){0};
    if (take_prefix(&uri, "file:")) {
        return read_file(tree, uri, text, why);
    }
    if (take_prefix(&uri, "env:")) {
        return read_variable(tree, uri, text);
    }
    if (take_prefix(&uri, "yaml:")) {
        *text = config_tree_copy(tree, uri);
        return text->ptr == NULL ? -ENOMEM : 0;
    }
    if (take_prefix(&uri, "http:") || take_prefix(&uri, "https:")) {
        *why = SLICE_LITERAL("cannot be used: configuration over http is not supported yet");
        return FAULT_CONFIG;
    }
    if (scheme_bytes(uri) > 0) {
        *why = SLICE_LITERAL("has an unknown scheme; valid ones are file, env and yaml");
        return FAULT_CONFIG;
    }
    return read_file(tree, uri, text, why);
}

/* --- loading ---------------------------------------------------------------------------------- */

static int register_source(struct loader *l, struct slice name, struct slice text, uint32_t *index)
{
    int err = config_tree_add_source(l->tree, name, text, index);
    if (err == FAULT_LIMIT) {
        config_error(l->report, (struct config_mark){0}, NULL,
                     "more than %d sources of configuration", CONFIG_SOURCES_MAX);
        return FAULT_CONFIG;
    }
    return err;
}

/* Parses one text and merges it in. */
static int load_text(struct loader *l, struct slice name, struct slice text)
{
    uint32_t index = 0;
    struct config_node *root = NULL;
    int err = register_source(l, name, text, &index);
    if (err == 0) {
        err = config_yaml_parse(l->tree, l->report, text, NULL, index, &root);
    }
    if (err != 0 || root->kind == CONFIG_NULL) {
        return err;
    }
    if (root->kind != CONFIG_MAP) {
        config_error(l->report, root->mark, NULL, "a configuration must be a map");
        return FAULT_CONFIG;
    }
    err = config_split_keys(l->tree, root);
    if (err == 0) {
        config_merge(&l->root, root);
    }
    return err;
}

static int load_uri(struct loader *l, const char *uri_text)
{
    struct slice uri = slice_of_text(uri_text);
    struct slice text;
    struct slice why;
    int err = config_source_fetch(l->tree, uri, &text, &why);
    if (err == FAULT_CONFIG) {
        config_error(l->report, (struct config_mark){0}, NULL, "--config %s %s%.*s", uri_text,
                     why.len > 0 && why.ptr[0] >= 'A' && why.ptr[0] <= 'Z' ? "cannot be read: "
                                                                           : "",
                     SHOWN(why));
    }
    if (err == -ENOENT) {
        config_error(l->report, (struct config_mark){0}, NULL,
                     "--config %s names an environment variable that is not set", uri_text);
        err = FAULT_CONFIG;
    }
    if (err != 0) {
        return err;
    }
    struct slice name = uri;
    (void)take_prefix(&name, "file:"); /* people know files by their path */
    struct slice unused = name;
    if (take_prefix(&unused, "yaml:")) {
        name = SLICE_LITERAL("--config yaml:");
    }
    return load_text(l, name, text);
}

/* "a.b.c" becomes "a::b::c" in the tree; empty parts are refused by giving nothing. */
static int set_key(struct loader *l, struct slice path, struct slice *key)
{
    uint8_t *buf = arena_alloc(&l->tree->arena, path.len * 2 + 1);
    if (buf == NULL) {
        return -ENOMEM;
    }
    size_t len = 0;
    size_t part_len = 0;
    *key = (struct slice){0};
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '.') {
            buf[len] = path.ptr[i];
            len++;
            part_len++;
            continue;
        }
        if (part_len == 0) {
            return 0;
        }
        buf[len] = ':';
        buf[len + 1] = ':';
        len += 2;
        part_len = 0;
    }
    if (part_len > 0) {
        *key = slice_of(buf, len);
    }
    return 0;
}

static int load_set(struct loader *l, const char *argument)
{
    struct slice text = slice_of_text(argument);
    uint32_t index = 0;
    int err = register_source(l, SLICE_LITERAL("--set"), text, &index);
    if (err != 0) {
        return err;
    }
    size_t equals = slice_find(text, '=');
    struct config_mark mark = {.source_index = index, .line = 1, .column = 1};
    mark.width_chars = equals > 0 ? (uint32_t)equals : 1;
    struct slice key = {0};
    if (equals < text.len) {
        err = set_key(l, slice_first(text, equals), &key);
    }
    if (err != 0) {
        return err;
    }
    if (key.len == 0) {
        config_error(l->report, mark, NULL, "--set takes key.key.key=value");
        return FAULT_CONFIG;
    }
    struct config_mark value_mark = mark;
    value_mark.column = (uint32_t)equals + 2;
    value_mark.width_chars = text.len - equals > 1 ? (uint32_t)(text.len - equals - 1) : 1;
    struct config_node *map = config_node_new(l->tree, CONFIG_MAP, mark);
    struct config_node *value = NULL;
    err = config_yaml_parse(l->tree, l->report, slice_from(text, equals + 1), &value_mark, index,
                            &value);
    if (err != 0) {
        return err;
    }
    if (map == NULL) {
        return -ENOMEM;
    }
    value->key = key;
    value->key_mark = mark;
    config_node_append(map, value);
    err = config_split_keys(l->tree, map);
    if (err == 0) {
        config_merge(&l->root, map);
    }
    return err;
}

/* The first failure that is not about the configuration ends loading; complaints do not. */
static bool is_fatal(int err)
{
    return err != 0 && err != FAULT_CONFIG;
}

static int load_uris(struct loader *l, const struct config_inputs *inputs)
{
    int worst = 0;
    for (size_t i = 0; i < inputs->uri_count && !is_fatal(worst); i++) {
        int err = load_uri(l, inputs->uris[i]);
        worst = err != 0 ? err : worst;
    }
    return worst;
}

#define ORIGIN_MAX_BYTES 512

/* "gateway.yaml, env:NAME"; the text of a yaml: source is left out, it may hold secrets. */
static void describe_uris(const struct config_inputs *inputs, char *buf)
{
    size_t len = 0;
    for (size_t i = 0; i < inputs->uri_count && len + 1 < ORIGIN_MAX_BYTES; i++) {
        bool is_text = slice_has_prefix(slice_of_text(inputs->uris[i]), SLICE_LITERAL("yaml:"));
        int added = snprintf(buf + len, ORIGIN_MAX_BYTES - len, "%s%s", i == 0 ? "" : ", ",
                             is_text ? "yaml:" : inputs->uris[i]);
        len += added > 0 ? (size_t)added : 0;
    }
}

/* Loads what was chosen; `origin` says what and why; `buf` holds ORIGIN_MAX_BYTES for it. */
static int load_chosen(struct loader *l, const struct config_inputs *inputs, char *buf,
                       const char **origin)
{
    const char *adot = getenv("AOT_CONFIG_CONTENT");
    const char *own = getenv("WEIR_CONFIG_CONTENT");
    if (adot != NULL && adot[0] != '\0') {
        *origin = inputs->uri_count > 0 ? "AOT_CONFIG_CONTENT, which replaces --config"
                                        : "AOT_CONFIG_CONTENT";
        return load_text(l, SLICE_LITERAL("AOT_CONFIG_CONTENT"), slice_of_text(adot));
    }
    if (inputs->uri_count > 0) {
        describe_uris(inputs, buf);
        *origin = buf;
        return load_uris(l, inputs);
    }
    if (own != NULL && own[0] != '\0') {
        *origin = "WEIR_CONFIG_CONTENT";
        return load_text(l, SLICE_LITERAL("WEIR_CONFIG_CONTENT"), slice_of_text(own));
    }
    if (inputs->default_path != NULL && access(inputs->default_path, F_OK) == 0) {
        *origin = inputs->default_path;
        return load_uri(l, inputs->default_path);
    }
    if (inputs->preset_text != NULL) {
        const char *name = inputs->preset_name != NULL ? inputs->preset_name : "preset";
        *origin = name;
        return load_text(l, slice_of_text(name), slice_of_text(inputs->preset_text));
    }
    config_error(l->report, (struct config_mark){0}, "give one with --config FILE",
                 "there is no configuration");
    return FAULT_CONFIG;
}

int config_load(struct config_tree *tree, struct config_report *report,
                const struct config_inputs *inputs, struct slice *origin)
{
    ASSERT(tree->root == NULL);
    ASSERT(report->tree == tree);
    struct loader l = {.tree = tree, .report = report};
    const char *chosen = "nothing";
    char buf[ORIGIN_MAX_BYTES] = "";
    int err = load_chosen(&l, inputs, buf, &chosen);
    for (size_t i = 0; i < inputs->set_count && !is_fatal(err); i++) {
        int set_err = load_set(&l, inputs->sets[i]);
        err = set_err != 0 ? set_err : err;
    }
    if (is_fatal(err)) {
        return err;
    }
    *origin = config_tree_copy(tree, slice_of_text(chosen));
    if (l.root == NULL) {
        l.root = config_node_new(tree, CONFIG_MAP, (struct config_mark){0});
        if (l.root == NULL) {
            return -ENOMEM;
        }
    }
    tree->root = l.root;
    int expand_err = config_expand(tree, report, tree->root);
    if (expand_err != 0) {
        return expand_err;
    }
    return report->error_count > 0 ? FAULT_CONFIG : 0;
}
