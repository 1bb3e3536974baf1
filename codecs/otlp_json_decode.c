/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json_decode — JSON tokens, led by a message's descriptor, become wire bytes.
 *
 * Everything is written once, front to back, with an own stack: one frame per open message or
 * packed run. Source: OTLP specification, "JSON Protobuf Encoding".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "codecs/otlp_json_field.h"
#include "codecs/otlp_json_wire.h"
#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/json.h"

/* Each message brings its object and at most one array around it. */
_Static_assert(JSON_DEPTH_MAX >= 2 * PB_DEPTH_MAX, "JSON nests deeper than the message it spells");

/* Messages, and a packed run innermost. */
#define FRAMES_MAX (PB_DEPTH_MAX + 1)

/* Where the oneof of a message stands, so that a later member can take its place. */
struct member {
    size_t first; /* offsets in the output; nothing where both are equal */
    size_t limit;
    size_t note_first; /* lengths noted inside */
    size_t note_limit;
    size_t extra_bytes;
};

struct frame {
    const ProtobufCMessageDescriptor *descriptor; /* NULL: a packed run of `list` */
    const ProtobufCFieldDescriptor *field;        /* whose value this is; NULL outermost */
    const ProtobufCFieldDescriptor *list;         /* whose elements come next; NULL: members do */
    size_t first;                                 /* offset of the tag */
    size_t body_first;
    size_t extra_bytes;  /* what the lengths noted inside take beyond their byte */
    struct member oneof; /* no message of the schema has two */
    uint32_t hint_index; /* of the field that probably comes next */
};

struct decoder {
    struct json_reader reader;
    struct otlp_json_wire wire;
    struct otlp_json_why why;
    uint32_t depth;
    struct frame frames[FRAMES_MAX];
};

static int refuse(struct decoder *d, const ProtobufCFieldDescriptor *field, const char *reason)
{
    ASSERT(reason != NULL);
    d->why = (struct otlp_json_why){.reason = reason,
                                    .field = field == NULL ? NULL : field->name,
                                    .offset_bytes = d->reader.token_offset};
    return FAULT_MALFORMED;
}

/* What the reader itself did not like. */
static int refuse_syntax(struct decoder *d)
{
    ASSERT(d->reader.why != NULL);
    d->why = (struct otlp_json_why){.reason = d->reader.why, .offset_bytes = d->reader.why_offset};
    return FAULT_MALFORMED;
}

static struct frame *top_frame(struct decoder *d)
{
    ASSERT(d->depth > 0);
    return &d->frames[d->depth - 1];
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Appends a few bytes, or says why not. */
static int put(struct decoder *d, const uint8_t *ptr, size_t len)
{
    int err = bytes_reserve(d->wire.out, len);
    if (err == 0) {
        bytes_append(d->wire.out, ptr, len);
    }
    return err;
}

/* A tag and a length of zero. */
static int put_empty(struct decoder *d, const ProtobufCFieldDescriptor *field)
{
    uint8_t head[OTLP_JSON_SCALAR_MAX_BYTES];
    size_t len = otlp_json_put_tag(head, field, PB_WIRE_BYTES);
    head[len++] = 0;
    return put(d, head, len);
}

/* Opens a message or a packed run: its tag and one byte for its length. */
static int push_frame(struct decoder *d, const ProtobufCFieldDescriptor *field,
                      const ProtobufCMessageDescriptor *descriptor)
{
    if (d->depth == (descriptor == NULL ? FRAMES_MAX : PB_DEPTH_MAX)) {
        return refuse(d, field, "nested too deeply");
    }
    struct frame f = {.descriptor = descriptor,
                      .field = field,
                      .list = descriptor == NULL ? field : NULL,
                      .first = d->wire.out->len};
    int err = field == NULL ? 0 : put_empty(d, field);
    f.body_first = d->wire.out->len;
    d->frames[d->depth++] = f;
    return err;
}

static bool is_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

/* The member of the oneof ends here. */
static void end_oneof(struct decoder *d, struct frame *f, size_t extra_bytes)
{
    f->oneof.limit = d->wire.out->len;
    f->oneof.note_limit = otlp_json_note_count(&d->wire);
    f->oneof.extra_bytes = extra_bytes;
}

/* Closes the innermost frame: its length becomes known. */
static int pop_frame(struct decoder *d)
{
    struct frame f = *top_frame(d);
    d->depth--;
    if (f.field == NULL) {
        ASSERT(d->depth == 0);
        d->frames[0].extra_bytes = f.extra_bytes;
        return 0;
    }
    if (f.descriptor == NULL && d->wire.out->len == f.body_first) {
        d->wire.out->len = f.first; /* an empty packed run is not written */
        return 0;
    }
    size_t len = d->wire.out->len - f.body_first + f.extra_bytes;
    int err = otlp_json_close_length(&d->wire, f.body_first, len, &f.extra_bytes);
    struct frame *outer = top_frame(d);
    outer->extra_bytes += f.extra_bytes;
    if (is_oneof(f.field)) {
        end_oneof(d, outer, f.extra_bytes);
    }
    return err;
}

/*
 * Takes out the oneof member that a new one replaces. What moves was written since that member
 * ended, so all such moves together are linear.
 */
static void remove_oneof(struct decoder *d, struct frame *f)
{
    const struct member *old = &f->oneof;
    if (old->limit > old->first) {
        otlp_json_cut(&d->wire, old->first, old->limit, old->note_first, old->note_limit);
        f->extra_bytes -= old->extra_bytes;
    }
    f->oneof = (struct member){0};
}

static void begin_oneof(struct decoder *d, struct frame *f)
{
    remove_oneof(d, f);
    f->oneof.first = d->wire.out->len;
    f->oneof.limit = d->wire.out->len;
    f->oneof.note_first = otlp_json_note_count(&d->wire);
}

/* --- values ----------------------------------------------------------------------------------- */

static int put_number(struct decoder *d, const ProtobufCFieldDescriptor *field,
                      enum json_token token)
{
    uint64_t wire = 0;
    const char *reason = otlp_json_parse_scalar(field, &d->reader, token, &wire);
    if (reason != NULL) {
        return refuse(d, field, reason);
    }
    enum pb_wire_type wire_type = otlp_json_wire_type(field->type);
    uint8_t scalar[OTLP_JSON_SCALAR_MAX_BYTES];
    bool is_packed = top_frame(d)->descriptor == NULL;
    size_t len = is_packed ? 0 : otlp_json_put_tag(scalar, field, wire_type);
    len += otlp_json_put_scalar(scalar + len, wire_type, wire);
    return put(d, scalar, len);
}

/* Text, ids and bytes; `is_kept` if it is written though empty. */
static int put_bytes(struct decoder *d, const ProtobufCFieldDescriptor *field,
                     enum json_token token, bool is_kept)
{
    enum otlp_json_spelling spelling = otlp_json_spelling_of(field->name);
    if (token != JSON_TOKEN_STRING) {
        return refuse(d, field, "a string is expected");
    }
    size_t len = 0;
    const char *reason = otlp_json_measure_bytes(spelling, d->reader.text, &len);
    if (reason != NULL) {
        return refuse(d, field, reason);
    }
    if (len == 0 && !is_kept) {
        return 0;
    }
    uint8_t head[OTLP_JSON_SCALAR_MAX_BYTES];
    size_t head_len = otlp_json_put_tag(head, field, PB_WIRE_BYTES);
    head_len += otlp_json_put_varint(head + head_len, len);
    int err = len > SIZE_MAX - head_len ? FAULT_LIMIT : bytes_reserve(d->wire.out, head_len + len);
    if (err != 0) {
        return err;
    }
    bytes_append(d->wire.out, head, head_len);
    otlp_json_write_bytes(spelling, d->reader.text, d->wire.out->ptr + d->wire.out->len);
    d->wire.out->len += len;
    return 0;
}

/* A value that is no message, of a member or an element. */
static int put_plain(struct decoder *d, const ProtobufCFieldDescriptor *field,
                     enum json_token token, bool is_kept)
{
    return field->type == PROTOBUF_C_TYPE_BYTES ? put_bytes(d, field, token, is_kept)
                                                : put_number(d, field, token);
}

/* --- structure -------------------------------------------------------------------------------- */

/* Members mostly come in the schema's order. */
static const ProtobufCFieldDescriptor *find_field(struct frame *f, struct slice key)
{
    const ProtobufCMessageDescriptor *d = f->descriptor;
    for (uint32_t i = 0; i < d->n_fields; i++) {
        uint32_t index =
            f->hint_index + i < d->n_fields ? f->hint_index + i : f->hint_index + i - d->n_fields;
        if (otlp_json_is_name(d->fields[index].name, key)) {
            f->hint_index = index + 1 == d->n_fields ? 0 : index + 1;
            return &d->fields[index];
        }
    }
    return NULL;
}

/* Is null as good as nothing here? */
static bool may_be_null(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return true;
    }
    if (field->type != PROTOBUF_C_TYPE_BYTES) {
        return false;
    }
    enum otlp_json_spelling spelling = otlp_json_spelling_of(field->name);
    return spelling == OTLP_JSON_TEXT || spelling == OTLP_JSON_BASE64;
}

static int open_list(struct decoder *d, struct frame *f, const ProtobufCFieldDescriptor *field,
                     enum json_token token)
{
    if (token != JSON_TOKEN_ARRAY_OPEN) {
        return refuse(d, field, "an array is expected");
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0) {
        return push_frame(d, field, NULL);
    }
    f->list = field;
    return 0;
}

static int take_single(struct decoder *d, struct frame *f, const ProtobufCFieldDescriptor *field,
                       enum json_token token)
{
    bool is_choice = is_oneof(field);
    if (is_choice) {
        begin_oneof(d, f);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return token == JSON_TOKEN_OBJECT_OPEN ? push_frame(d, field, field->descriptor)
                                               : refuse(d, field, "an object is expected");
    }
    int err = put_plain(d, field, token, is_choice);
    if (is_choice) {
        end_oneof(d, f, 0);
    }
    return err;
}

/* The member whose name was just read. */
static int take_member(struct decoder *d, struct frame *f)
{
    struct json_text key = d->reader.text;
    uint8_t buf[OTLP_JSON_NAME_MAX_BYTES];
    if (!json_text_is_plain(key) && json_text_len(key) <= sizeof(buf)) {
        key.raw = slice_of(buf, json_text_write(key, buf));
    }
    const ProtobufCFieldDescriptor *field = find_field(f, key.raw);
    enum json_token token = json_next(&d->reader);
    if (token == JSON_TOKEN_BAD) {
        return refuse_syntax(d);
    }
    if (field == NULL) {
        return json_skip(&d->reader, token) ? 0 : refuse_syntax(d);
    }
    if (token == JSON_TOKEN_NULL && may_be_null(field)) {
        return 0;
    }
    return field->label == PROTOBUF_C_LABEL_REPEATED ? open_list(d, f, field, token)
                                                     : take_single(d, f, field, token);
}

static int take_element(struct decoder *d, struct frame *f, enum json_token token)
{
    const ProtobufCFieldDescriptor *field = f->list;
    if (token == JSON_TOKEN_ARRAY_CLOSE) {
        f->list = NULL;
        return f->descriptor == NULL ? pop_frame(d) : 0;
    }
    if (token == JSON_TOKEN_NULL && otlp_json_wire_type(field->type) == PB_WIRE_BYTES) {
        return put_empty(d, field);
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return put_plain(d, field, token, true);
    }
    return token == JSON_TOKEN_OBJECT_OPEN ? push_frame(d, field, field->descriptor)
                                           : refuse(d, field, "an object is expected");
}

static int step(struct decoder *d)
{
    struct frame *f = top_frame(d);
    enum json_token token = json_next(&d->reader);
    if (token == JSON_TOKEN_BAD) {
        return refuse_syntax(d);
    }
    if (f->list != NULL) {
        return take_element(d, f, token);
    }
    if (token == JSON_TOKEN_OBJECT_CLOSE) {
        return pop_frame(d);
    }
    ASSERT(token == JSON_TOKEN_KEY);
    return take_member(d, f);
}

static int walk(struct decoder *d, const ProtobufCMessageDescriptor *descriptor)
{
    enum json_token token = json_next(&d->reader);
    if (token == JSON_TOKEN_BAD) {
        return refuse_syntax(d);
    }
    if (token == JSON_TOKEN_NULL) {
        return 0;
    }
    if (token != JSON_TOKEN_OBJECT_OPEN) {
        return refuse(d, NULL, "an object is expected");
    }
    int err = push_frame(d, NULL, descriptor);
    while (err == 0 && d->depth > 0) {
        err = step(d);
    }
    return err;
}

int otlp_json_decode(const ProtobufCMessageDescriptor *descriptor, struct slice json,
                     struct bytes *out, struct otlp_json_why *why)
{
    struct decoder d; /* its frames are filled as they open; 7 KiB are not cleared in vain */
    d.reader = json_of(json, JSON_UTF8_REPLACE);
    d.wire = (struct otlp_json_wire){.out = out, .base = out->len};
    bytes_init(&d.wire.notes, json.len);
    d.why = (struct otlp_json_why){0};
    d.depth = 0;
    d.frames[0].extra_bytes = 0;

    int err = out->err != 0 ? out->err : walk(&d, descriptor);
    if (err == 0) {
        err = otlp_json_widen(&d.wire, d.frames[0].extra_bytes);
    }
    bytes_fini(&d.wire.notes);
    if (err != 0) {
        out->len = d.wire.base;
    }
    if (err == FAULT_LIMIT) {
        d.why = (struct otlp_json_why){.reason = "the request is too large",
                                       .offset_bytes = d.reader.token_offset};
    } else if (err == -ENOMEM) {
        d.why.reason = "out of memory";
    }
    if (why != NULL) {
        *why = d.why;
    }
    return err;
}

size_t otlp_json_why_text(const struct otlp_json_why *why, char *buf)
{
    char field[OTLP_JSON_NAME_MAX_BYTES];
    size_t field_len = why->field == NULL ? 0 : otlp_json_camel(why->field, field);
    int len = snprintf(buf, OTLP_JSON_WHY_MAX_BYTES, "invalid JSON at byte %zu: %.*s%s%s",
                       why->offset_bytes, (int)field_len, field, field_len > 0 ? ": " : "",
                       why->reason == NULL ? "no reason" : why->reason);
    ASSERT(len > 0);
    ASSERT(len < OTLP_JSON_WHY_MAX_BYTES);
    return (size_t)len;
}
