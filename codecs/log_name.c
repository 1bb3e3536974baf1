/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_name — a pattern is read from brace to brace; a brace without its partner is plain text.
 */
#include "codecs/log_name.h"

#include "core/base/number.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_field.h"

struct placeholder {
    struct slice name;
    struct slice attribute;
};

#define PLACEHOLDER(text, attr)                                                                    \
    {                                                                                              \
        .name = {.ptr = (const uint8_t *)(text), .len = sizeof(text) - 1}, .attribute = {          \
            .ptr = (const uint8_t *)(attr),                                                        \
            .len = sizeof(attr) - 1                                                                \
        }                                                                                          \
    }

static const struct placeholder placeholders[] = {
    PLACEHOLDER("ClusterName", "aws.ecs.cluster.name"),
    PLACEHOLDER("TaskId", "aws.ecs.task.id"),
    PLACEHOLDER("NodeName", "k8s.node.name"),
    PLACEHOLDER("PodName", "pod"),
    PLACEHOLDER("ServiceName", "service.name"),
    PLACEHOLDER("ContainerInstanceId", "aws.ecs.container.instance.id"),
    PLACEHOLDER("TaskDefinitionFamily", "aws.ecs.task.family"),
    PLACEHOLDER("InstanceId", "service.instance.id"),
    PLACEHOLDER("FaasName", "faas.name"),
    PLACEHOLDER("FaasVersion", "faas.version"),
};

static const struct placeholder *find_placeholder(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(placeholders); i++) {
        if (slice_equal(placeholders[i].name, name)) {
            return &placeholders[i];
        }
    }
    return NULL;
}

/*
 * The next piece of a pattern: text up to a placeholder, or the name inside one. An opening brace
 * counts when a closing one follows before the next opening one.
 */
static bool next_piece(struct slice *rest, struct slice *piece, bool *is_placeholder)
{
    if (rest->len == 0) {
        return false;
    }
    size_t open = slice_find(*rest, '{');
    *is_placeholder = false;
    if (open == 0) {
        struct slice inside = slice_from(*rest, 1);
        size_t close = slice_find(inside, '}');
        if (close < slice_find(inside, '{')) {
            *is_placeholder = true;
            *piece = slice_first(inside, close);
            *rest = slice_from(inside, close + 1);
            return true;
        }
        open = 1 + slice_find(inside, '{');
    }
    *piece = slice_first(*rest, open);
    *rest = slice_from(*rest, open);
    return true;
}

bool log_name_is_valid(struct slice pattern, struct slice *unknown)
{
    struct slice piece;
    bool is_placeholder = false;
    while (next_piece(&pattern, &piece, &is_placeholder)) {
        if (is_placeholder && find_placeholder(piece) == NULL) {
            *unknown = piece;
            return false;
        }
    }
    return true;
}

static bool is_allowed(uint8_t c, enum log_name_kind kind)
{
    static const char marks[] = "_-/.#";
    bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    bool is_digit = c >= '0' && c <= '9';
    switch (kind) {
    case LOG_NAME_GROUP:
        return is_letter || is_digit || memchr(marks, c, sizeof(marks) - 1) != NULL;
    case LOG_NAME_STREAM:
        return c >= 0x20 && c != 0x7F && c != ':' && c != '*';
    }
    return false;
}

/* A character that is not allowed and takes several bytes becomes as many underscores. */
static void put(struct slice text, enum log_name_kind kind, size_t *room_bytes, struct bytes *out)
{
    bool is_utf8 = slice_is_utf8(text);
    for (size_t i = 0; i<text.len && * room_bytes> 0; i++) {
        uint8_t c = text.ptr[i];
        bool is_good = is_allowed(c, kind) && (c < 0x80 || is_utf8);
        bytes_append_byte(out, is_good ? c : '_');
        (*room_bytes)--;
    }
}

/* The value of a scalar attribute as text; false where it is absent, empty, or no scalar. */
static bool find_text(struct slice message, uint32_t number, struct slice key, char *buf,
                      struct slice *out)
{
    struct otlp_attr attr;
    if (!otlp_attr_find(message, number, key, &attr)) {
        return false;
    }
    switch (attr.value.kind) {
    case OTLP_VALUE_STRING:
        *out = attr.value.bytes;
        break;
    case OTLP_VALUE_BOOL:
        *out = attr.value.boolean ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
        break;
    case OTLP_VALUE_INT:
        *out = slice_of(buf, number_format_i64(attr.value.integer, buf, NUMBER_TEXT_MAX_BYTES));
        break;
    case OTLP_VALUE_DOUBLE:
        *out = slice_of(buf, number_format_f64(attr.value.number, buf, NUMBER_TEXT_MAX_BYTES));
        break;
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        return false;
    }
    return out->len > 0;
}

static bool find_value(const struct placeholder *p, const struct log_name_source *source, char *buf,
                       struct slice *out)
{
    return find_text(source->resource, OTLP_RESOURCE_ATTRS, p->name, buf, out) ||
           find_text(source->resource, OTLP_RESOURCE_ATTRS, p->attribute, buf, out) ||
           find_text(source->record, OTLP_LOG_ATTRS, p->name, buf, out) ||
           find_text(source->record, OTLP_LOG_ATTRS, p->attribute, buf, out);
}

void log_name_fill(struct slice pattern, enum log_name_kind kind,
                   const struct log_name_source *source, struct bytes *out, bool *is_undefined)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    struct slice piece;
    bool is_placeholder = false;
    size_t room_bytes = LOG_NAME_MAX_BYTES;
    size_t start = out->len;
    while (next_piece(&pattern, &piece, &is_placeholder)) {
        if (is_placeholder) {
            const struct placeholder *p = find_placeholder(piece);
            ASSERT(p != NULL);
            if (!find_value(p, source, buf, &piece)) {
                piece = SLICE_LITERAL("undefined");
                *is_undefined = true;
            }
        }
        put(piece, kind, &room_bytes, out);
    }
    /* A cut may have gone through a character. */
    while (out->err == 0 && out->len > start &&
           !slice_is_utf8(slice_of(out->ptr + start, out->len - start))) {
        out->len--;
    }
}
