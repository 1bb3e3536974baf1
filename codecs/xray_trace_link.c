/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_link — ids, the time inside a trace id, and the links of a span to others.
 *
 * X-Ray writes the 16 bytes of a trace id in two parts, because once the first four were a time.
 */
#include "codecs/xray_trace_parts.h"
#include "core/otlp/otlp_field.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
    LINK_TRACE_ID = 1,
    LINK_SPAN_ID = 2,
};

bool xray_id_is_zero(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] != 0) {
            return false;
        }
    }
    return true;
}

bool xray_trace_has_ids(struct slice trace_id, struct slice span_id)
{
    return trace_id.len == XRAY_TRACE_ID_BYTES && span_id.len == XRAY_ID_BYTES &&
           !xray_id_is_zero(trace_id) && !xray_id_is_zero(span_id);
}

/* The first four bytes of an id made by X-Ray are the time of its trace. */
bool xray_trace_has_good_time(const struct xray_trace *t, struct slice trace_id,
                              uint64_t now_unix_ns)
{
    if (!t->options.checks_trace_time) {
        return true;
    }
    uint64_t trace_s = 0;
    for (size_t i = 0; i < 4; i++) {
        trace_s = trace_s << 8 | trace_id.ptr[i];
    }
    uint64_t now_s = now_unix_ns / NS_PER_S;
    return trace_s < now_s ? now_s - trace_s <= XRAY_TRACE_AGE_MAX_S
                           : trace_s - now_s <= XRAY_TRACE_FUTURE_MAX_S;
}

struct link {
    struct slice trace_id;
    struct slice span_id;
};

static struct link read_link(struct slice content)
{
    struct link link = {0};
    struct pb_reader in = pb_reader_of(content);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (field.number == LINK_TRACE_ID) {
            link.trace_id = field.content;
        } else if (field.number == LINK_SPAN_ID) {
            link.span_id = field.content;
        }
    }
    return link;
}

bool xray_trace_links_have_good_time(const struct xray_trace *t, uint64_t now_unix_ns)
{
    struct pb_reader in = pb_reader_of(t->span.content);
    struct otlp_field field;
    while (t->options.checks_trace_time && otlp_child_next(&in, XRAY_SPAN_LINKS, &field)) {
        struct link link = read_link(field.content);
        if (xray_trace_has_ids(link.trace_id, link.span_id) &&
            !xray_trace_has_good_time(t, link.trace_id, now_unix_ns)) {
            return false;
        }
    }
    return true;
}

/* At most a trace id. */
static void append_hex(struct bytes *bytes, struct slice id)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * XRAY_TRACE_ID_BYTES];
    ASSERT(id.len <= XRAY_TRACE_ID_BYTES);
    for (size_t i = 0; i < id.len; i++) {
        text[2 * i] = digits[id.ptr[i] >> 4];
        text[2 * i + 1] = digits[id.ptr[i] & 15];
    }
    bytes_append(bytes, text, 2 * id.len);
}

void xray_trace_put_id(struct json_out *out, struct slice trace_id)
{
    json_out_key(out, SLICE_LITERAL("trace_id"));
    bytes_append(out->bytes, "\"1-", 3);
    append_hex(out->bytes, slice_first(trace_id, 4));
    bytes_append_byte(out->bytes, '-');
    append_hex(out->bytes, slice_from(trace_id, 4));
    bytes_append_byte(out->bytes, '"');
    out->needs_comma = true;
}

static void put_link(struct json_out *out, struct slice content, const struct link *link)
{
    json_out_open(out, '{');
    xray_trace_put_id(out, link->trace_id);
    json_out_key(out, SLICE_LITERAL("id"));
    json_out_hex(out, link->span_id);
    struct pb_reader in = pb_reader_of(content);
    struct otlp_attr attr;
    bool has_attrs = false;
    while (otlp_attr_next(&in, OTLP_LINK_ATTRS, &attr)) {
        if (!has_attrs) {
            json_out_key(out, SLICE_LITERAL("attributes"));
            json_out_open(out, '{');
            has_attrs = true;
        }
        json_out_key(out, attr.key);
        json_value_write(out, &attr.value);
    }
    if (has_attrs) {
        json_out_close(out, '}');
    }
    json_out_close(out, '}');
}

/* Of a local root's two documents, one has them. */
static bool role_has_links(const struct xray_trace *t)
{
    switch (t->role) {
    case XRAY_ROLE_PLAIN:
    case XRAY_ROLE_LOCAL_ROOT:
        return true;
    case XRAY_ROLE_DEPENDENCY:
        return t->span.kind != XRAY_KIND_CONSUMER;
    case XRAY_ROLE_SERVICE:
        return t->span.kind == XRAY_KIND_CONSUMER;
    }
    return false;
}

void xray_trace_put_links(struct xray_trace *t)
{
    if (!role_has_links(t)) {
        return;
    }
    struct pb_reader in = pb_reader_of(t->span.content);
    struct otlp_field field;
    bool has_any = false;
    while (otlp_child_next(&in, XRAY_SPAN_LINKS, &field)) {
        struct link link = read_link(field.content);
        if (!xray_trace_has_ids(link.trace_id, link.span_id)) {
            continue; /* it leads nowhere */
        }
        if (!has_any) {
            json_out_key(&t->out, SLICE_LITERAL("links"));
            json_out_open(&t->out, '[');
            has_any = true;
        }
        put_link(&t->out, field.content, &link);
    }
    if (has_any) {
        json_out_close(&t->out, ']');
    }
}
