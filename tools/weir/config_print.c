/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_print — a loop over the tree that writes block YAML or indented JSON.
 *
 * A scalar is written plain only where every parser reads it back as the same thing; all others are
 * double-quoted, in the escapes that YAML and JSON share.
 */
#include "tools/weir/config_print.h"

#include "core/base/number.h"
#include "core/engine/config.h"

#define REDACTED "[REDACTED]"

struct printer {
    FILE *out;
    enum config_format format;
    bool is_masked;
};

/* --- scalars ---------------------------------------------------------------------------------- */

static void print_escaped(FILE *out, struct slice text)
{
    bool is_utf8 = slice_is_utf8(text);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"' || c == '\\') {
            (void)fprintf(out, "\\%c", c);
        } else if (c == '\n') {
            (void)fputs("\\n", out);
        } else if (c < 0x20 || c == 0x7F) {
            (void)fprintf(out, "\\u%04x", (uint32_t)c);
        } else {
            (void)fputc(c < 0x80 || is_utf8 ? c : '?', out);
        }
    }
}

static void print_quoted(FILE *out, struct slice text)
{
    (void)fputc('"', out);
    print_escaped(out, text);
    (void)fputc('"', out);
}

static bool is_plain_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./+-:", c) != NULL);
}

/* Whether YAML reads the text back unquoted, as one scalar. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_plain_byte(text.ptr[i])) {
            return false;
        }
    }
    if (text.len == 0 || text.ptr[text.len - 1] == ':') {
        return false;
    }
    /* "-", "---" and ":a" begin something else; "-5" is a number and is asked for by type. */
    return text.ptr[0] != '-' && text.ptr[0] != ':';
}

/* The place in a URL after "user:password@", or 0. `start` is filled with where the user begins. */
static size_t find_user(struct slice text, size_t *start)
{
    for (size_t i = 0; i + 3 <= text.len; i++) {
        if (memcmp(text.ptr + i, "://", 3) != 0) {
            continue;
        }
        *start = i + 3;
        size_t at = 0;
        for (size_t k = i + 3; k < text.len && text.ptr[k] != '/'; k++) {
            at = text.ptr[k] == '@' ? k : at;
        }
        return at;
    }
    return 0;
}

static void print_number(FILE *out, struct slice text, enum config_type type)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    size_t len = 0;
    int64_t integer;
    uint64_t natural;
    double number;
    if (type == CONFIG_TYPE_INTEGER && config_parse_i64(text, &integer)) {
        len = number_format_i64(integer, buf, sizeof(buf));
    } else if (type == CONFIG_TYPE_INTEGER && config_parse_u64(text, &natural)) {
        len = number_format_u64(natural, buf, sizeof(buf));
    } else if (config_parse_f64(text, &number)) {
        len = number_format_f64(number, buf, sizeof(buf));
    }
    if (len == 0) {
        print_quoted(out, text); /* infinities are no JSON */
        return;
    }
    (void)fwrite(buf, 1, len, out);
}

static void print_scalar(const struct printer *p, const struct config_node *node)
{
    struct slice text = node->text;
    size_t start = 0;
    size_t at = p->is_masked ? find_user(text, &start) : 0;
    if (at > 0) {
        (void)fputc('"', p->out);
        print_escaped(p->out, slice_first(text, start));
        (void)fputs(REDACTED, p->out);
        print_escaped(p->out, slice_from(text, at));
        (void)fputc('"', p->out);
        return;
    }
    enum config_type type = node->was_quoted ? CONFIG_TYPE_TEXT : config_scalar_type(node->text);
    if (type == CONFIG_TYPE_TEXT || type == CONFIG_TYPE_NULL) {
        bool is_safe = p->format == CONFIG_FORMAT_YAML && is_plain(text) &&
                       config_scalar_type(text) == CONFIG_TYPE_TEXT;
        if (is_safe) {
            (void)fwrite(text.ptr, 1, text.len, p->out);
        } else {
            print_quoted(p->out, text);
        }
        return;
    }
    bool flag;
    if (config_parse_bool(text, &flag)) {
        (void)fputs(flag ? "true" : "false", p->out);
    } else if (p->format == CONFIG_FORMAT_YAML) {
        (void)fwrite(text.ptr, 1, text.len, p->out); /* a number, as it was written */
    } else {
        print_number(p->out, text, type);
    }
}

/* Is what this node holds a secret? */
static bool is_secret(const struct printer *p, const struct config_node *node)
{
    if (!p->is_masked || node->kind == CONFIG_NULL) {
        return false;
    }
    if (node->key.ptr != NULL && config_is_secret_key(node->key)) {
        return true;
    }
    if (node->kind != CONFIG_SCALAR) {
        return false;
    }
    for (const struct config_node *up = node->parent; up != NULL; up = up->parent) {
        if (slice_is_text(up->key, "headers")) {
            return !slice_is_text(node->key, "name") && !slice_is_text(node->key, "key");
        }
    }
    return false;
}

/* --- structure -------------------------------------------------------------------------------- */

static void print_indent(FILE *out, uint32_t depth)
{
    (void)fprintf(out, "%*s", (int)depth * 2, "");
}

static void print_key(const struct printer *p, struct slice key)
{
    if (p->format == CONFIG_FORMAT_YAML && is_plain(key)) {
        (void)fwrite(key.ptr, 1, key.len, p->out);
    } else {
        print_quoted(p->out, key);
    }
}

/* What stands before a value: line break, indent, dash or key. `depth` is that of the parent. */
static void print_lead_yaml(const struct printer *p, const struct config_node *node, uint32_t depth)
{
    const struct config_node *parent = node->parent;
    /* The first member of a list's item stands behind the dash; everything else on its own line. */
    bool is_behind_dash = depth > 0 && parent->first == node && parent->parent != NULL &&
                          parent->parent->kind == CONFIG_LIST;
    bool is_first_line = depth == 0 && parent->first == node;
    if (!is_behind_dash) {
        (void)fputs(is_first_line ? "" : "\n", p->out);
        print_indent(p->out, depth);
    }
    if (parent->kind == CONFIG_LIST) {
        (void)fputs("- ", p->out);
        return;
    }
    print_key(p, node->key);
    bool is_block = (node->kind == CONFIG_MAP || node->kind == CONFIG_LIST) && node->first != NULL;
    (void)fputs(is_block && !is_secret(p, node) ? ":" : ": ", p->out);
}

static void print_lead_json(const struct printer *p, const struct config_node *node, uint32_t depth)
{
    (void)fputs(node->parent->first == node ? "\n" : ",\n", p->out);
    print_indent(p->out, depth + 1);
    if (node->parent->kind == CONFIG_MAP) {
        print_key(p, node->key);
        (void)fputs(": ", p->out);
    }
}

/* The value itself; of a map or list with children only its beginning. */
static void print_value(const struct printer *p, const struct config_node *node)
{
    if (is_secret(p, node)) {
        (void)fputs("\"" REDACTED "\"", p->out);
        return;
    }
    if (node->kind == CONFIG_NULL) {
        (void)fputs("null", p->out);
        return;
    }
    if (node->kind == CONFIG_SCALAR) {
        print_scalar(p, node);
        return;
    }
    bool is_map = node->kind == CONFIG_MAP;
    if (node->first == NULL) {
        (void)fputs(is_map ? "{}" : "[]", p->out);
    } else if (p->format == CONFIG_FORMAT_JSON) {
        (void)fputc(is_map ? '{' : '[', p->out);
    }
}

static void print_end(const struct printer *p, const struct config_node *node, uint32_t depth)
{
    if (p->format == CONFIG_FORMAT_JSON) {
        (void)fputc('\n', p->out);
        print_indent(p->out, depth);
        (void)fputc(node->kind == CONFIG_MAP ? '}' : ']', p->out);
    }
}

void config_print(const struct config_node *root, enum config_format format, bool is_masked,
                  FILE *out)
{
    static const struct config_node nothing = {.kind = CONFIG_NULL};
    const struct printer p = {.out = out, .format = format, .is_masked = is_masked};
    root = root == NULL ? &nothing : root;
    const struct config_node *node = root;
    uint32_t depth = 0; /* of `node`; its parent stands one less deep */
    print_value(&p, root);
    while (node != NULL) {
        if (node->first != NULL && !is_secret(&p, node)) {
            node = node->first;
            depth++;
        } else {
            while (node != root && node->next == NULL) {
                node = node->parent;
                depth--;
                print_end(&p, node, depth);
            }
            if (node == root) {
                break;
            }
            node = node->next;
        }
        if (format == CONFIG_FORMAT_JSON) {
            print_lead_json(&p, node, depth - 1);
        } else {
            print_lead_yaml(&p, node, depth - 1);
        }
        print_value(&p, node);
    }
    (void)fputc('\n', out);
}
