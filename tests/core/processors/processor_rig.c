/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processor_rig — see processor_rig.h. The configuration's parser is for tests: it trusts its text.
 */
#include "tests/core/processors/processor_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"

#define MEMORY_BYTES (64 << 20)
#define DUMP_BYTES (1 << 20)
#define FLOW_DEPTH_MAX 32

static struct arena *memory; /* of the rig opened last */

/* --- configuration ---------------------------------------------------------------------------- */

struct flow {
    struct config_tree *tree;
    struct slice text;
    size_t at;
};

static uint8_t peek(struct flow *flow)
{
    while (flow->at < flow->text.len && flow->text.ptr[flow->at] == ' ') {
        flow->at++;
    }
    return flow->at < flow->text.len ? flow->text.ptr[flow->at] : 0;
}

static struct slice take_quoted(struct flow *flow)
{
    uint8_t *copy = arena_alloc(memory, flow->text.len);
    size_t len = 0;
    uint8_t quote = flow->text.ptr[flow->at];
    flow->at++;
    while (flow->text.ptr[flow->at] != quote) {
        bool is_escape = quote == '"' && flow->text.ptr[flow->at] == '\\';
        flow->at += is_escape ? 1 : 0;
        copy[len] = flow->text.ptr[flow->at];
        len++;
        flow->at++;
    }
    flow->at++;
    return slice_of(copy, len);
}

static struct slice take_plain(struct flow *flow)
{
    size_t first = flow->at;
    while (flow->at < flow->text.len && strchr(",]}:", flow->text.ptr[flow->at]) == NULL) {
        flow->at++;
    }
    struct slice text = slice_of(flow->text.ptr + first, flow->at - first);
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

static struct slice take_scalar(struct flow *flow, bool *is_quoted)
{
    uint8_t first = peek(flow);
    *is_quoted = first == '"' || first == '\'';
    return *is_quoted ? take_quoted(flow) : take_plain(flow);
}

static struct config_node *take_node(struct flow *flow)
{
    struct config_mark mark = {.line = 1, .column = (uint32_t)flow->at + 1, .width_chars = 1};
    uint8_t first = peek(flow);
    enum config_kind kind = first == '{' ? CONFIG_MAP : first == '[' ? CONFIG_LIST : CONFIG_SCALAR;
    struct config_node *node = config_node_new(flow->tree, kind, mark);
    assert_non_null(node);
    if (kind == CONFIG_SCALAR) {
        node->text = take_scalar(flow, &node->was_quoted);
        bool is_null = !node->was_quoted && (node->text.len == 0 || slice_is_text(node->text, "~"));
        node->kind = is_null ? CONFIG_NULL : CONFIG_SCALAR;
        return node;
    }
    flow->at++;
    return node;
}

static void parse_flow(struct flow *flow, struct config_node *root)
{
    struct config_node *open[FLOW_DEPTH_MAX] = {root};
    uint32_t depth = 1;
    while (depth > 0) {
        struct config_node *parent = open[depth - 1];
        uint8_t next = peek(flow);
        if (next == '}' || next == ']') {
            flow->at++;
            depth--;
            continue;
        }
        if (next == ',') {
            flow->at++;
            continue;
        }
        struct slice key = {0};
        bool is_quoted = false;
        if (parent->kind == CONFIG_MAP) {
            key = take_scalar(flow, &is_quoted);
            assert_int_equal(peek(flow), ':');
            flow->at++;
        }
        struct config_node *node = take_node(flow);
        node->key = key;
        node->key_mark = node->mark;
        config_node_append(parent, node);
        if (node->kind == CONFIG_MAP || node->kind == CONFIG_LIST) {
            assert_true(depth < FLOW_DEPTH_MAX);
            open[depth] = node;
            depth++;
        }
    }
}

void rig_reader(struct rig *rig, const char *text, struct config_reader *out)
{
    uint32_t index;
    struct slice copy = config_tree_copy(&rig->config.tree, slice_of_text(text));
    struct flow flow = {.tree = &rig->config.tree, .text = copy};
    int err = config_tree_add_source(&rig->config.tree, SLICE_LITERAL("test"), copy, &index);
    assert_int_equal(err, 0);
    assert_int_equal(peek(&flow), '{');
    struct config_node *root = take_node(&flow);
    parse_flow(&flow, root);
    config_reader_open(out, &rig->config.report, root, "processors.test");
}

/* --- life ------------------------------------------------------------------------------------- */

void rig_init(struct rig *rig)
{
    *rig = (struct rig){0};
    config_fixture_init(&rig->config);
    assert_int_equal(arena_init(&rig->memory, 65536, MEMORY_BYTES), 0);
    assert_int_equal(arena_init(&rig->scratch, 4096, MEMORY_BYTES), 0);
    memory = &rig->memory;
}

int rig_try(struct rig *rig, processor_new_fn *fn, enum signal signal, const char *text)
{
    struct config_reader reader;
    rig_reader(rig, text, &reader);
    rig->signal = signal;
    return fn(&reader, "test", signal, &rig->processor);
}

void rig_open(struct rig *rig, processor_new_fn *fn, enum signal signal, const char *text)
{
    rig_init(rig);
    int err = rig_try(rig, fn, signal, text);
    assert_string_equal(config_fixture_printed(&rig->config), "");
    assert_int_equal(err, 0);
}

void rig_close(struct rig *rig)
{
    if (rig->processor != NULL) {
        rig->processor->ops->close(rig->processor);
    }
    part_fini(&rig->part);
    arena_fini(&rig->scratch);
    arena_fini(&rig->memory);
    config_fixture_fini(&rig->config);
}

void rig_check_refused(processor_new_fn *fn, enum signal signal, const char *text,
                       const char *words)
{
    struct rig rig;
    rig_init(&rig);
    int err = rig_try(&rig, fn, signal, text);
    const char *printed = config_fixture_printed(&rig.config);
    if (strstr(printed, words) == NULL) {
        print_error("%s\n%s\n", text, printed);
    }
    assert_non_null(strstr(printed, words));
    assert_true(err != 0);
    assert_null(rig.processor);
    rig_close(&rig);
}

/* --- running ---------------------------------------------------------------------------------- */

int rig_process(struct rig *rig, struct slice request)
{
    struct otlp_counts counts;
    struct processor_turn turn = {.arena = &rig->scratch, .now_unix_ns = 1};
    assert_int_equal(otlp_walk(rig->signal, request, &counts, NULL), 0);
    part_fini(&rig->part);
    int err = part_copy(&rig->part, request, rig->signal, (uint32_t)counts.item_count);
    assert_int_equal(err, 0);
    arena_reset(&rig->scratch);
    return rig->processor->ops->process(rig->processor, &turn, &rig->part);
}

struct slice rig_run(struct rig *rig, struct slice request)
{
    struct otlp_counts counts;
    enum otlp_why why;
    assert_int_equal(rig_process(rig, request), 0);
    assert_int_equal(otlp_walk(rig->signal, rig->part.bytes, &counts, &why), 0);
    assert_int_equal(counts.item_count, rig->part.item_count);
    return rig->part.bytes;
}

void rig_check(struct rig *rig, struct slice request, struct slice expected)
{
    struct slice out = rig_run(rig, request);
    const char *wanted = rig_text(rig, expected);
    assert_string_equal(rig_text(rig, out), wanted);
}

/* --- text ------------------------------------------------------------------------------------- */

static void dump_message(FILE *out, const ProtobufCMessage *message);

static void dump_bytes(FILE *out, const ProtobufCBinaryData *bytes)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < bytes->len; i++) {
        bool is_plain = bytes->data[i] >= 0x20 && bytes->data[i] < 0x7F;
        (void)fprintf(out, is_plain ? "%c" : "\\%02x", bytes->data[i]);
    }
    (void)fputc('"', out);
}

static void dump_value(FILE *out, ProtobufCType type, const void *member)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        dump_message(out, *(ProtobufCMessage *const *)member);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        dump_bytes(out, member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        (void)fprintf(out, "%.17g", *(const double *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_UINT64:
        (void)fprintf(out, "%lld", *(const long long *)member);
        break;
    default:
        (void)fprintf(out, "%d", *(const int *)member);
        break;
    }
}

static size_t element_bytes(ProtobufCType type)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_UINT64:
        return 8;
    default:
        return 4;
    }
}

static bool is_there(const ProtobufCFieldDescriptor *field, const char *base)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(void *const *)(const void *)(base + field->offset) != NULL;
    }
    return *(const protobuf_c_boolean *)(const void *)(base + field->quantifier_offset) != 0;
}

static void dump_field(FILE *out, const ProtobufCFieldDescriptor *field, const char *base)
{
    const char *member = base + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        if (is_there(field, base)) {
            (void)fprintf(out, "%s:", field->name);
            dump_value(out, field->type, member);
            (void)fputc(' ', out);
        }
        return;
    }
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const char *elements = *(const char *const *)(const void *)member;
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s:", field->name);
        dump_value(out, field->type, elements + i * element_bytes(field->type));
        (void)fputc(' ', out);
    }
}

static void dump_message(FILE *out, const ProtobufCMessage *message)
{
    (void)fputc('{', out);
    for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
        dump_field(out, &message->descriptor->fields[i], (const char *)message);
    }
    (void)fputc('}', out);
}

static const ProtobufCMessageDescriptor *descriptor_of(enum signal signal)
{
    static const ProtobufCMessageDescriptor *const descriptors[] = {
        &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
        &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
        &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
    };
    return descriptors[signal];
}

const char *rig_text(struct rig *rig, struct slice request)
{
    ProtobufCMessage *message = NULL;
    int err = pb_decode(descriptor_of(rig->signal), request, &rig->memory, NULL, &message);
    assert_int_equal(err, 0);
    char *text = arena_alloc(&rig->memory, DUMP_BYTES);
    assert_non_null(text);
    FILE *out = fmemopen(text, DUMP_BYTES, "w");
    assert_non_null(out);
    dump_message(out, message);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* --- requests --------------------------------------------------------------------------------- */

static struct otlp_build begin(size_t cap)
{
    struct otlp_build b;
    uint8_t *buf = arena_alloc(memory, cap);
    assert_non_null(buf);
    otlp_build_init(&b, buf, cap);
    return b;
}

struct slice field_message(uint32_t number, struct slice content)
{
    struct otlp_build b = begin(content.len + 24);
    otlp_build_text_field(&b, number << 3 | PB_WIRE_BYTES, content);
    return otlp_build_since(&b, 0);
}

struct slice field_text(uint32_t number, const char *text)
{
    return field_message(number, slice_of_text(text));
}

struct slice field_varint(uint32_t number, uint64_t value)
{
    struct otlp_build b = begin(24);
    otlp_build_varint_field(&b, number << 3 | PB_WIRE_VARINT, value);
    return otlp_build_since(&b, 0);
}

struct slice field_fixed64(uint32_t number, uint64_t value)
{
    struct otlp_build b = begin(24);
    otlp_build_fixed64_field(&b, number << 3 | PB_WIRE_FIXED64, value);
    return otlp_build_since(&b, 0);
}

struct slice field_double(uint32_t number, double value)
{
    struct otlp_build b = begin(24);
    otlp_build_double_field(&b, number << 3 | PB_WIRE_FIXED64, value);
    return otlp_build_since(&b, 0);
}

struct slice attr_value(uint32_t number, const char *key, struct slice value)
{
    return field_message(number, JOIN(field_text(1, key), field_message(2, value)));
}

struct slice attr_text(uint32_t number, const char *key, const char *text)
{
    return attr_value(number, key, field_text(1, text));
}

struct slice attr_bool(uint32_t number, const char *key, bool value)
{
    return attr_value(number, key, field_varint(2, value ? 1 : 0));
}

struct slice attr_int(uint32_t number, const char *key, int64_t value)
{
    return attr_value(number, key, field_varint(3, (uint64_t)value));
}

struct slice attr_double(uint32_t number, const char *key, double value)
{
    return attr_value(number, key, field_double(4, value));
}

struct slice join_slices(const struct slice *slices, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += slices[i].len;
    }
    uint8_t *buf = arena_alloc(memory, len);
    assert_non_null(buf);
    struct slice out = {.ptr = buf};
    for (size_t i = 0; i < count; i++) {
        if (slices[i].len > 0) {
            memcpy(buf + out.len, slices[i].ptr, slices[i].len);
        }
        out.len += slices[i].len;
    }
    return out;
}

struct slice item_of(struct slice content)
{
    return field_message(2, content);
}

struct slice metric_of(const char *name, uint32_t data, struct slice points)
{
    return item_of(JOIN(field_text(1, name), field_message(data, points)));
}

struct slice request_of(struct slice resource_attrs, struct slice items)
{
    struct slice scope = field_message(1, field_text(1, "lib"));
    struct slice resource = resource_attrs.len == 0 ? NOTHING : field_message(1, resource_attrs);
    return field_message(1, JOIN(resource, field_message(2, JOIN(scope, items))));
}
