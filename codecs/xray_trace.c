/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace — walking the spans of a request and putting their documents together.
 *
 * A document is written in one pass with its metadata last, so that one that is too large is cut
 * where its metadata begins. Owns the buffers that every block writes to.
 */
#include "codecs/xray_trace.h"

#include <errno.h>
#include <string.h>

#include "codecs/xray_trace_parts.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/base/regex.h"
#include "core/otlp/otlp_field.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_DIGITS 9
#define SCRATCH_MAX_BYTES XRAY_DOCUMENT_WORK_MAX_BYTES
#define STATUS_ERROR 2

enum {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_STATUS = 15,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
};

/* --- life ------------------------------------------------------------------------------------- */

int xray_trace_new(const struct xray_trace_options *options, struct xray_trace **out)
{
    char why[128];
    struct xray_trace *t = mem_alloc(sizeof(*t));
    if (t == NULL) {
        return -ENOMEM;
    }
    *t = (struct xray_trace){.options = *options, .random_state = options->seed};
    bytes_init(&t->document, XRAY_DOCUMENT_WORK_MAX_BYTES);
    bytes_init(&t->scratch, SCRATCH_MAX_BYTES);
    xray_keys_init(&t->keys);
    int err = regex_new(SLICE_LITERAL("^\\p{L}$"), &t->letter, why, sizeof(why));
    if (err != 0) {
        xray_trace_free(t);
        return -ENOMEM; /* the pattern is ours: nothing else can be wrong */
    }
    *out = t;
    return 0;
}

void xray_trace_free(struct xray_trace *t)
{
    if (t == NULL) {
        return;
    }
    regex_free(t->letter);
    xray_attrs_fini(&t->resource);
    xray_attrs_fini(&t->attrs);
    xray_attrs_fini(&t->event_attrs);
    bytes_fini(&t->document);
    bytes_fini(&t->scratch);
    mem_free(t);
}

/* A step of splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

struct xray_id_text xray_trace_make_id(struct xray_trace *t)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t id = next_random(&t->random_state);
    id = id == 0 ? 1 : id;
    struct xray_id_text text;
    for (size_t i = 0; i < sizeof(text.digits); i++) {
        text.digits[i] = digits[id >> (60 - 4 * i) & 15];
    }
    return text;
}

/* --- the span --------------------------------------------------------------------------------- */

static void read_status(struct xray_span *span, struct slice status)
{
    struct pb_reader in = pb_reader_of(status);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (field.number == STATUS_MESSAGE) {
            span->status_message = field.content;
        } else if (field.number == STATUS_CODE) {
            span->has_failed = otlp_field_u64(&field) == STATUS_ERROR;
        }
    }
}

static enum xray_span_kind kind_of(uint64_t number)
{
    return number <= XRAY_KIND_CONSUMER ? (enum xray_span_kind)number : XRAY_KIND_UNSPECIFIED;
}

static void read_span(struct xray_span *span, struct slice content)
{
    *span = (struct xray_span){.content = content};
    struct pb_reader in = pb_reader_of(content);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        switch (field.number) {
        case SPAN_TRACE_ID:
            span->trace_id = field.content;
            break;
        case SPAN_SPAN_ID:
            span->span_id = field.content;
            break;
        case SPAN_PARENT_ID:
            span->parent_id = xray_id_is_zero(field.content) ? (struct slice){0} : field.content;
            break;
        case SPAN_NAME:
            span->name = field.content;
            break;
        case SPAN_KIND:
            span->kind = kind_of(otlp_field_u64(&field));
            break;
        case SPAN_START:
            span->start_unix_ns = otlp_field_u64(&field);
            break;
        case SPAN_END:
            span->end_unix_ns = otlp_field_u64(&field);
            break;
        case SPAN_STATUS:
            read_status(span, field.content);
            break;
        default:
            break;
        }
    }
}

/* --- the document ----------------------------------------------------------------------------- */

/* Seconds with all the digits that nanoseconds have, without zeros at the end. */
static void put_time(struct json_out *out, struct slice key, uint64_t unix_ns)
{
    char text[NUMBER_TEXT_MAX_BYTES + NS_DIGITS + 1];
    size_t len = number_format_u64(unix_ns / NS_PER_S, text, NUMBER_TEXT_MAX_BYTES);
    uint64_t fraction = unix_ns % NS_PER_S;
    if (fraction != 0) {
        text[len] = '.';
        for (size_t i = NS_DIGITS; i > 0; i--) {
            text[len + i] = (char)('0' + fraction % 10);
            fraction /= 10;
        }
        len += 1 + NS_DIGITS;
        while (text[len - 1] == '0') {
            len--;
        }
    }
    json_out_key(out, key);
    xray_put_raw(out, slice_of(text, len));
}

/* A span without an end is as unfinished as one that says so: it must not pass for complete. */
static void put_times(struct xray_trace *t)
{
    struct xray_attr *flag = xray_attrs_find(&t->attrs, XRAY_KEY_AWS_IN_PROGRESS);
    bool is_in_progress = t->span.end_unix_ns == 0;
    if (flag != NULL && flag->value.kind == OTLP_VALUE_BOOL) {
        is_in_progress = is_in_progress || flag->value.boolean;
        flag->is_removed = true;
    }
    put_time(&t->out, SLICE_LITERAL("start_time"), t->span.start_unix_ns);
    if (is_in_progress) {
        json_out_key(&t->out, SLICE_LITERAL("in_progress"));
        json_out_bool(&t->out, true);
    } else {
        put_time(&t->out, SLICE_LITERAL("end_time"), t->span.end_unix_ns);
    }
}

static void put_service(struct xray_trace *t)
{
    const struct xray_attrs *resource = &t->resource;
    struct slice version = xray_attrs_text(resource, XRAY_KEY_SERVICE_VERSION);
    const struct xray_attr *tags = xray_attrs_find(resource, XRAY_KEY_CONTAINER_IMAGE_TAGS);
    struct otlp_field first;
    if (version.len == 0 && tags != NULL && tags->value.kind == OTLP_VALUE_ARRAY) {
        struct pb_reader in = pb_reader_of(tags->value.bytes);
        if (otlp_child_next(&in, OTLP_ARRAY_VALUES, &first)) {
            struct otlp_value value = otlp_value_read(first.content);
            version = xray_value_text(&value);
        }
    }
    if (version.len == 0) {
        version = xray_attrs_text(resource, XRAY_KEY_CONTAINER_IMAGE_TAG);
    }
    if (version.len > 0) {
        json_out_key(&t->out, SLICE_LITERAL("service"));
        json_out_open(&t->out, '{');
        xray_put_text(&t->out, SLICE_LITERAL("version"), version);
        json_out_close(&t->out, '}');
    }
}

/* Ids are the span's, unless the two documents of a local root need one in between. */
struct document_ids {
    struct slice own_text;    /* digits; empty: the span's */
    struct slice parent_text; /* likewise */
};

static void put_ids(struct xray_trace *t, const struct document_ids *ids)
{
    struct json_out *out = &t->out;
    json_out_key(out, SLICE_LITERAL("id"));
    if (ids->own_text.len > 0) {
        json_out_string(out, ids->own_text);
    } else {
        json_out_hex(out, t->span.span_id);
    }
    xray_trace_put_id(out, t->span.trace_id);
    if (ids->parent_text.len > 0) {
        xray_put_text(out, SLICE_LITERAL("parent_id"), ids->parent_text);
    } else if (t->span.parent_id.len > 0) {
        json_out_key(out, SLICE_LITERAL("parent_id"));
        json_out_hex(out, t->span.parent_id);
    }
}

/* Type and namespace say that it is a subsegment; a service of its own has neither. */
static void put_identity(struct xray_trace *t)
{
    struct xray_identity identity;
    xray_trace_identify(t, &identity);
    json_out_key(&t->out, SLICE_LITERAL("name"));
    json_out_string(&t->out, identity.name);
    if (t->role == XRAY_ROLE_LOCAL_ROOT || t->role == XRAY_ROLE_SERVICE) {
        return;
    }
    if (t->has_type || t->role == XRAY_ROLE_DEPENDENCY) {
        json_out_key(&t->out, SLICE_LITERAL("type"));
        json_out_string(&t->out, SLICE_LITERAL("subsegment"));
    }
    xray_put_text(&t->out, SLICE_LITERAL("namespace"), identity.namespace_name);
}

static void put_head(struct xray_trace *t, const struct document_ids *ids)
{
    put_ids(t, ids);
    put_identity(t);
    put_times(t);
    xray_trace_put_http(t);
    xray_trace_put_flags(t);
    xray_trace_put_cause(t);
    xray_trace_put_origin(t);
    xray_trace_put_aws(t);
    put_service(t);
    xray_trace_put_sql(t);
    xray_put_text(&t->out, SLICE_LITERAL("user"), xray_attrs_text(&t->attrs, XRAY_KEY_ENDUSER_ID));
    xray_attrs_remove(&t->attrs, XRAY_KEY_ENDUSER_ID);
    xray_trace_put_links(t);
    xray_trace_put_annotations(t);
}

/* How many bytes stand behind `begin`; more than allowed where the buffer could not take it. */
static size_t document_len(const struct xray_trace *t, size_t begin)
{
    return t->document.err == FAULT_LIMIT ? XRAY_DOCUMENT_MAX_BYTES + 1 : t->document.len - begin;
}

/* Metadata is what a document can do without. */
static void cut_to_size(struct xray_trace *t, size_t begin, size_t metadata_begin,
                        struct xray_trace_counts *counts)
{
    ASSERT(metadata_begin > begin);
    if (document_len(t, begin) <= XRAY_DOCUMENT_MAX_BYTES) {
        return;
    }
    t->document.len = metadata_begin;
    t->document.err = 0;
    bytes_append_byte(&t->document, '}');
    counts->trimmed_count++;
}

/* One document behind what stands in the buffer. 0, FAULT_LIMIT for one too large, -ENOMEM. */
static int put_document(struct xray_trace *t, const struct document_ids *ids,
                        struct xray_trace_counts *counts)
{
    size_t begin = t->document.len;
    bool has_parent = ids->parent_text.len > 0 || t->span.parent_id.len > 0;
    bool is_callee = t->span.kind == XRAY_KIND_SERVER || t->span.kind == XRAY_KIND_CONSUMER;
    t->has_type = has_parent && !is_callee;
    t->out = json_out_of(&t->document);
    json_out_open(&t->out, '{');
    put_head(t, ids);
    if (t->document.err != 0) {
        return t->document.err;
    }
    size_t metadata_begin = t->document.len;
    xray_trace_put_metadata(t);
    json_out_close(&t->out, '}');
    if (t->document.err == 0 || t->document.err == FAULT_LIMIT) {
        cut_to_size(t, begin, metadata_begin, counts);
    }
    if (t->document.err != 0) {
        return t->document.err;
    }
    return document_len(t, begin) > XRAY_DOCUMENT_MAX_BYTES ? FAULT_LIMIT : 0;
}

/* What says whom the service called is no business of the service's own document. */
static void hide_callee(struct xray_attrs *attrs)
{
    xray_attrs_remove(attrs, XRAY_KEY_AWS_REMOTE_SERVICE);
    xray_attrs_remove(attrs, XRAY_KEY_AWS_REMOTE_OPERATION);
    xray_attrs_remove(attrs, XRAY_KEY_REMOTE_TARGET);
    xray_attrs_remove(attrs, XRAY_KEY_K8S_REMOTE_NAMESPACE);
}

static bool is_local_root(const struct xray_trace *t)
{
    return slice_equal(xray_attrs_text(&t->attrs, XRAY_KEY_AWS_SPAN_KIND),
                       SLICE_LITERAL("LOCAL_ROOT"));
}

/* All documents of the span in hand, into the buffer; *first_len is the length of the first. */
static int put_documents(struct xray_trace *t, size_t *first_len, struct xray_trace_counts *counts)
{
    struct document_ids ids = {0};
    bool is_root = is_local_root(t);
    bool is_single =
        !is_root || t->span.kind == XRAY_KIND_SERVER || t->span.kind == XRAY_KIND_INTERNAL;
    bytes_clear(&t->document);
    if (is_single) {
        t->role = is_root ? XRAY_ROLE_LOCAL_ROOT : XRAY_ROLE_PLAIN;
        int err = put_document(t, &ids, counts);
        *first_len = t->document.len;
        return err;
    }
    struct xray_id_text service_id = xray_trace_make_id(t);
    t->role = XRAY_ROLE_DEPENDENCY;
    ids.parent_text = xray_id_slice(&service_id);
    int err = put_document(t, &ids, counts);
    *first_len = t->document.len;
    if (err != 0) {
        return err;
    }
    xray_attrs_restore(&t->attrs);
    hide_callee(&t->attrs);
    t->role = XRAY_ROLE_SERVICE;
    ids = (struct document_ids){.own_text = xray_id_slice(&service_id)};
    return put_document(t, &ids, counts);
}

/* --- the walk --------------------------------------------------------------------------------- */

static int hand_out(struct xray_trace *t, struct xray_trace_sink *sink, uint64_t span_index,
                    size_t first_len, struct xray_trace_counts *counts)
{
    struct slice all = bytes_slice(&t->document);
    int err = sink->on_document(sink, span_index, slice_first(all, first_len));
    counts->document_count++;
    if (err == 0 && first_len < all.len) {
        err = sink->on_document(sink, span_index, slice_from(all, first_len));
        counts->document_count++;
    }
    return err;
}

static int translate_span(struct xray_trace *t, struct slice content, uint64_t now_unix_ns,
                          struct xray_trace_sink *sink, struct xray_trace_counts *counts)
{
    uint64_t span_index = counts->span_count++;
    uint64_t trimmed_before_count = counts->trimmed_count;
    size_t first_len = 0;
    read_span(&t->span, content);
    if (!xray_trace_has_ids(t->span.trace_id, t->span.span_id)) {
        counts->bad_id_count++;
        return 0;
    }
    if (!xray_trace_has_good_time(t, t->span.trace_id, now_unix_ns) ||
        !xray_trace_links_have_good_time(t, now_unix_ns)) {
        counts->bad_time_count++;
        return 0;
    }
    int err = xray_attrs_load(&t->attrs, &t->keys, content, OTLP_SPAN_ATTRS);
    if (err != 0) {
        return err;
    }
    err = put_documents(t, &first_len, counts);
    if (err == FAULT_LIMIT) {
        counts->too_large_count++;
        counts->trimmed_count = trimmed_before_count;
        return 0;
    }
    return err != 0 ? err : hand_out(t, sink, span_index, first_len, counts);
}

static int translate_group(struct xray_trace *t, struct slice group, uint64_t now_unix_ns,
                           struct xray_trace_sink *sink, struct xray_trace_counts *counts)
{
    struct otlp_field resource;
    struct otlp_field scope;
    struct otlp_field span;
    (void)otlp_field_find(group, OTLP_RESOURCE, &resource); /* none is an empty one */
    int err = xray_attrs_load(&t->resource, &t->keys, resource.content, OTLP_RESOURCE_ATTRS);
    struct pb_reader scopes = pb_reader_of(group);
    while (err == 0 && otlp_child_next(&scopes, OTLP_SCOPES, &scope)) {
        struct pb_reader spans = pb_reader_of(scope.content);
        while (err == 0 && otlp_child_next(&spans, OTLP_ITEMS, &span)) {
            err = translate_span(t, span.content, now_unix_ns, sink, counts);
        }
    }
    return err;
}

int xray_trace_walk(struct xray_trace *t, struct slice request, uint64_t now_unix_ns,
                    struct xray_trace_sink *sink, struct xray_trace_counts *counts)
{
    struct pb_reader in = pb_reader_of(request);
    struct otlp_field group;
    int err = 0;
    while (err == 0 && otlp_child_next(&in, OTLP_RESOURCES, &group)) {
        err = translate_group(t, group.content, now_unix_ns, sink, counts);
    }
    return err;
}
