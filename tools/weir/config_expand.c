/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_expand — one pass over each value, left to right, with two small stacks.
 *
 * Frames are texts being read: the value itself and, on top of it, what an expression gave, because
 * that may hold expressions again. Opens are places in the output where a "${" began; at its "}"
 * what was written since then is the expression, nested ones already replaced. Owns one growing
 * buffer.
 */
#include "tools/weir/config_expand.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config_scalar.h"
#include "tools/weir/config_merge.h"
#include "tools/weir/config_source.h"
#include "tools/weir/config_yaml.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr
/* Of an expression quoted in a message. */
#define QUOTED_MAX_BYTES 64

struct expander {
    struct config_tree *tree;
    struct config_report *report;
    struct config_mark mark; /* of the value in hand */
    uint8_t *buf;            /* owned; the output */
    size_t len;
    size_t cap;
    struct slice frames[CONFIG_EXPANSION_DEPTH_MAX];
    uint32_t frame_count;
    size_t opens[CONFIG_EXPANSION_DEPTH_MAX]; /* offsets in the output */
    uint32_t open_count;
    uint32_t expansion_count; /* in this value */
    int err;                  /* 0, -ENOMEM, or FAULT_CONFIG once complained */
};

/* What an expression stands for. */
struct fetched {
    struct slice text;
    bool is_unset;
    bool is_yaml; /* "::" in keys separates levels */
};

enum outcome {
    OUTCOME_TEXT,  /* the output is the value's new text */
    OUTCOME_WHOLE, /* the value was one expression; `fetched` has what it stands for */
    OUTCOME_FAILED,
};

/* --- output ----------------------------------------------------------------------------------- */

static void refuse(struct expander *x, const char *message, struct slice shown)
{
    if (shown.len > QUOTED_MAX_BYTES) {
        shown = slice_first(shown, QUOTED_MAX_BYTES);
    }
    config_error(x->report, x->mark, NULL, "%s'%.*s'", message, SHOWN(shown));
    x->err = FAULT_CONFIG;
}

static void put(struct expander *x, struct slice text)
{
    if (x->err != 0 || text.len == 0) {
        return;
    }
    if (text.len > CONFIG_VALUE_MAX_BYTES - x->len) {
        refuse(x, "the value grows beyond 1 MiB by expansion: ", slice_of(x->buf, x->len));
        return;
    }
    if (x->len + text.len > x->cap) {
        size_t cap = (x->len + text.len) * 2;
        uint8_t *larger = mem_resize(x->buf, cap);
        if (larger == NULL) {
            x->err = -ENOMEM;
            return;
        }
        x->buf = larger;
        x->cap = cap;
    }
    memcpy(x->buf + x->len, text.ptr, text.len);
    x->len += text.len;
}

static void put_dollars(struct expander *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(x, SLICE_LITERAL("$"));
    }
}

/* --- what an expression stands for ------------------------------------------------------------ */

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return text.len > 0;
}

/* Offset of ":-", or the length. */
static size_t find_default(struct slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == ':' && text.ptr[i + 1] == '-') {
            return i;
        }
    }
    return text.len;
}

/* `body` is NAME or NAME:-default, in the tree. */
static void fetch_variable(struct expander *x, struct slice body, struct fetched *out)
{
    size_t at = find_default(body);
    struct slice name = config_tree_copy(x->tree, slice_first(body, at));
    if (name.ptr == NULL) {
        x->err = -ENOMEM;
        return;
    }
    if (!is_name(name)) {
        refuse(x, "this is no name of an environment variable: ", name);
        return;
    }
    const char *value = getenv((const char *)name.ptr);
    if (value != NULL) {
        out->text = config_tree_copy(x->tree, slice_of_text(value));
        x->err = out->text.ptr == NULL ? -ENOMEM : 0;
    } else if (at < body.len) {
        out->text = slice_from(body, at + 2);
    } else {
        out->is_unset = true;
        config_warn(x->report, x->mark, NULL,
                    "environment variable '%.*s' is not set and reads as empty", SHOWN(name));
    }
}

static void fetch_other(struct expander *x, struct slice uri, struct fetched *out)
{
    struct slice why;
    int err = config_source_fetch(x->tree, uri, &out->text, &why);
    if (err == FAULT_CONFIG) {
        size_t shown = uri.len < QUOTED_MAX_BYTES ? uri.len : QUOTED_MAX_BYTES;
        config_error(x->report, x->mark, NULL, "'%.*s': %.*s", (int)shown, (const char *)uri.ptr,
                     SHOWN(why));
    }
    x->err = err;
    /* Editors end files with a newline that no one means as part of a token. */
    struct slice *text = &out->text;
    bool is_file = slice_has_prefix(uri, SLICE_LITERAL("file:"));
    if (err == 0 && is_file && text->len > 0 && text->ptr[text->len - 1] == '\n') {
        text->len--;
    }
    out->is_yaml = slice_has_prefix(uri, SLICE_LITERAL("yaml:"));
}

static void fetch(struct expander *x, struct slice expression, struct fetched *out)
{
    static const char *const schemes[] = {"file:", "yaml:", "http:", "https:"};
    *out = (struct fetched){0};
    /* The output is written over while what it gave is read. */
    struct slice body = config_tree_copy(x->tree, expression);
    if (body.ptr == NULL) {
        x->err = -ENOMEM;
        return;
    }
    x->expansion_count++;
    if (x->expansion_count > CONFIG_EXPANSIONS_MAX) {
        refuse(x, "too many expansions in one value, the last one is ", body);
        return;
    }
    if (slice_has_prefix(body, SLICE_LITERAL("env:"))) {
        fetch_variable(x, slice_from(body, 4), out);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (slice_has_prefix(body, slice_of_text(schemes[i]))) {
            fetch_other(x, body, out);
            return;
        }
    }
    size_t colon = slice_find(body, ':');
    if (colon < body.len && find_default(body) != colon) {
        refuse(x,
               "valid forms are ${NAME}, ${env:NAME:-default}, ${file:PATH} and ${yaml:TEXT}, not ",
               body);
        return;
    }
    fetch_variable(x, body, out);
}

/* --- the pass --------------------------------------------------------------------------------- */

/* A run of dollars at the front of `frame`: pairs are dollars, an odd one before '{' opens. */
static void take_dollars(struct expander *x, struct slice *frame)
{
    size_t run = 0;
    while (run < frame->len && frame->ptr[run] == '$') {
        run++;
    }
    bool has_brace = run < frame->len && frame->ptr[run] == '{';
    *frame = slice_from(*frame, run);
    if (!has_brace || run % 2 == 0) {
        put_dollars(x, (run + 1) / 2);
        return;
    }
    put_dollars(x, run / 2);
    *frame = slice_from(*frame, 1);
    if (x->open_count == CONFIG_EXPANSION_DEPTH_MAX) {
        refuse(x, "expressions are nested too deeply in ", slice_of(x->buf, x->len));
        return;
    }
    x->opens[x->open_count] = x->len;
    x->open_count++;
}

/* At a '}' that closes an expression. True where that was the whole value. */
static bool close_expression(struct expander *x, struct fetched *out)
{
    x->open_count--;
    size_t start = x->opens[x->open_count];
    bool is_whole =
        x->open_count == 0 && start == 0 && x->frame_count == 1 && x->frames[0].len == 0;
    fetch(x, slice_of(x->buf + start, x->len - start), out);
    x->len = start;
    if (x->err != 0 || is_whole || out->text.len == 0) {
        return x->err == 0 && is_whole;
    }
    if (x->frame_count == CONFIG_EXPANSION_DEPTH_MAX) {
        refuse(x, "expansions lead into one another too deeply, at ", out->text);
        return false;
    }
    x->frames[x->frame_count] = out->text;
    x->frame_count++;
    return false;
}

/* Bytes at the front that mean nothing here. */
static size_t plain_bytes(const struct expander *x, struct slice text)
{
    size_t i = 0;
    while (i < text.len && text.ptr[i] != '$' && (text.ptr[i] != '}' || x->open_count == 0)) {
        i++;
    }
    return i;
}

/* What is left open at the end was not meant as an expression; it goes back as it was written. */
static enum outcome finish_text(struct expander *x, struct slice text)
{
    if (x->err == 0 && x->open_count > 0) {
        config_warn(x->report, x->mark, NULL, "'${' without '}' is taken as it is written");
        x->len = 0;
        put(x, text);
    }
    return x->err == 0 ? OUTCOME_TEXT : OUTCOME_FAILED;
}

static enum outcome expand_text(struct expander *x, struct slice text, struct fetched *out)
{
    x->len = 0;
    x->open_count = 0;
    x->expansion_count = 0;
    x->err = 0;
    x->frames[0] = text;
    x->frame_count = 1;
    while (x->frame_count > 0 && x->err == 0) {
        struct slice *frame = &x->frames[x->frame_count - 1];
        size_t plain = plain_bytes(x, *frame);
        put(x, slice_first(*frame, plain));
        *frame = slice_from(*frame, plain);
        if (frame->len == 0) {
            x->frame_count--;
        } else if (frame->ptr[0] == '$') {
            take_dollars(x, frame);
        } else {
            *frame = slice_from(*frame, 1);
            if (close_expression(x, out)) {
                return OUTCOME_WHOLE;
            }
        }
    }
    return finish_text(x, text);
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* Expansions around this one: a variable holding a list that names the variable never ends. */
static bool is_too_deep(const struct config_node *node)
{
    uint32_t depth = 0;
    for (; node != NULL; node = node->parent) {
        depth += node->from_expansion ? 1 : 0;
    }
    return depth >= CONFIG_EXPANSION_DEPTH_MAX;
}

/* Makes `node` what the fetched text says in YAML; text that is no YAML is a string. */
static void become_fetched(struct expander *x, struct config_node *node,
                           const struct fetched *fetched)
{
    struct config_node *parsed = NULL;
    node->from_expansion = true;
    node->was_quoted = false;
    node->original = fetched->text;
    node->text = fetched->text;
    if (fetched->is_unset) {
        node->kind = CONFIG_NULL;
        node->original = (struct slice){0};
        return;
    }
    int err = config_yaml_parse(x->tree, NULL, fetched->text, &x->mark, 0, &parsed);
    if (err == 0 && fetched->is_yaml) {
        err = config_split_keys(x->tree, parsed);
    }
    if (err == -ENOMEM) {
        x->err = err;
        return;
    }
    if (err != 0) {
        return;
    }
    bool is_text = parsed->kind == CONFIG_SCALAR &&
                   (parsed->was_quoted || config_scalar_type(parsed->text) == CONFIG_TYPE_TEXT);
    if (is_text) {
        return;
    }
    struct slice original = fetched->text;
    config_node_replace(node, parsed);
    node->from_expansion = true;
    node->original = original;
}

/* One value, again as long as what it became holds expressions. */
static void expand_node(struct expander *x, struct config_node *node)
{
    uint32_t round = 0;
    x->err = 0;
    x->mark = node->mark;
    while (x->err == 0 && node->kind == CONFIG_SCALAR &&
           slice_find(node->text, '$') != node->text.len) {
        struct fetched fetched = {0};
        struct slice text = node->text;
        if (round == CONFIG_EXPANSION_DEPTH_MAX || is_too_deep(node->parent)) {
            refuse(x, "expansions lead into one another too deeply, at ", text);
            return;
        }
        enum outcome outcome = expand_text(x, text, &fetched);
        if (outcome == OUTCOME_FAILED) {
            return;
        }
        if (outcome == OUTCOME_WHOLE) {
            become_fetched(x, node, &fetched);
            round++;
            continue;
        }
        node->text = config_tree_copy(x->tree, slice_of(x->buf, x->len));
        x->err = node->text.ptr == NULL ? -ENOMEM : 0;
        bool is_inserted = x->expansion_count > 0;
        node->from_expansion = node->from_expansion || is_inserted;
        node->original = node->from_expansion ? node->text : (struct slice){0};
        return;
    }
}

/* The walk reads; the tree is still ours to write. */
static struct config_node *next_node(struct config_node *root, struct config_node *current)
{
    if (current->first != NULL) {
        return current->first;
    }
    while (current != root && current->next == NULL) {
        current = current->parent;
    }
    return current == root ? NULL : current->next;
}

int config_expand(struct config_tree *tree, struct config_report *report, struct config_node *root)
{
    struct expander x = {.tree = tree, .report = report};
    struct config_node *node = root;
    while (node != NULL && x.err != -ENOMEM) {
        expand_node(&x, node);
        node = next_node(root, node);
    }
    mem_free(x.buf);
    return x.err == -ENOMEM ? -ENOMEM : 0;
}
