/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp_span — annotations, metadata and exceptions of one span.
 *
 * They have as many pieces as the sender likes, so the pieces are found front to back first and
 * written back to front then.
 */
#include "codecs/xray_to_otlp_parts.h"
#include "core/base/number.h"

#define TAG_EVENT 0x5A      /* Span 11 */
#define TAG_EVENT_NAME 0x12 /* Event 2 */

#define ROW(slot, own_form, text)                                                                  \
    [XRAY_EXCEPTION_##                                                                             \
        slot] = {.key = {.ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1},              \
                 .form = XRAY_FORM_##own_form}
/* All before the stack. */
#define EXCEPTION_SLOTS ((UINT64_C(1) << XRAY_EXCEPTION_STACK) - 1)

static const struct xray_row exception_rows[] = {
    ROW(ID, TEXT, "aws.xray.exception.id"),
    ROW(MESSAGE, TEXT, "exception.message"),
    ROW(TYPE, TEXT, "exception.type"),
    ROW(REMOTE, BOOL, "aws.xray.exception.remote"),
    ROW(TRUNCATED, INTEGER, "aws.xray.exception.truncated"),
    ROW(SKIPPED, INTEGER, "aws.xray.exception.skipped"),
    ROW(CAUSE, TEXT, "aws.xray.exception.cause"),
};

/* --- annotations ------------------------------------------------------------------------------ */

static struct xray_text name_of(const struct xray_to_otlp *t, uint32_t annotation)
{
    return t->segment.items[t->order[t->annotation_first + annotation]].key;
}

void xray_begin_annotations(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    t->has_dotted = false;
    t->order_count = 0;
    t->annotation_first = 0;
    t->annotation_count = 0;
    if (!xray_slots_have(slots, XRAY_SLOT_ANNOTATIONS)) {
        return;
    }
    t->annotation_count = xray_order_members(t, xray_item_index(slots->at[XRAY_SLOT_ANNOTATIONS]));
    for (uint32_t i = 0; i < t->annotation_count && !t->has_dotted; i++) {
        struct xray_text name = name_of(t, i);
        struct slice raw = xray_segment_raw(&t->segment, name);
        bool has_escapes = (name.flags & XRAY_FLAG_ESCAPES) != 0; /* one may be of a dot */
        t->has_dotted = has_escapes || slice_find(raw, '.') < raw.len;
    }
}

/* Halves the sorted annotations until the name is found or none is left. */
bool xray_is_annotated(struct xray_to_otlp *t, struct slice key)
{
    uint32_t first = 0;
    uint32_t limit = t->has_dotted ? t->annotation_count : 0;
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        size_t mark = t->text_len;
        int order = slice_compare(xray_text_undo(t, name_of(t, middle)), key);
        t->text_len = mark;
        if (order == 0) {
            return true;
        }
        first = order < 0 ? middle + 1 : first;
        limit = order < 0 ? limit : middle;
    }
    return false;
}

static void put_annotation(struct xray_to_otlp *t, const struct xray_item *item)
{
    size_t mark = t->text_len;
    struct slice name = xray_text_undo(t, item->key);
    double number = 0;
    switch (item->value.kind) {
    case XRAY_KIND_STRING:
        xray_attr_put_text(t, XRAY_TAG_SPAN_ATTR, name, xray_text_undo(t, item->value));
        break;
    case XRAY_KIND_TRUE:
    case XRAY_KIND_FALSE:
        xray_attr_put_bool(t, XRAY_TAG_SPAN_ATTR, name, item->value.kind == XRAY_KIND_TRUE);
        break;
    case XRAY_KIND_NUMBER:
        if (number_parse_f64(xray_segment_raw(&t->segment, item->value), &number) != 0) {
            xray_refuse(t, XRAY_WHY_NUMBER);
        }
        xray_attr_put_double(t, XRAY_TAG_SPAN_ATTR, name, number);
        break;
    default:
        break; /* X-Ray has no other values */
    }
    t->text_len = mark;
}

void xray_write_annotations(struct xray_to_otlp *t)
{
    struct slice list_key = SLICE_LITERAL("aws.xray.annotations");
    if (t->annotation_count == 0) {
        return;
    }
    if (!xray_is_annotated(t, list_key)) {
        size_t begin = otlp_build_mark(&t->build);
        for (uint32_t i = t->annotation_count; i > 0; i--) {
            size_t mark = t->text_len;
            xray_attr_put_element(t, xray_text_undo(t, name_of(t, i - 1)));
            t->text_len = mark;
        }
        xray_attr_close_array(t, begin, XRAY_TAG_SPAN_ATTR, list_key);
    }
    for (uint32_t i = t->annotation_count; i > 0; i--) {
        put_annotation(t, &t->segment.items[t->order[t->annotation_first + i - 1]]);
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

static void put_namespace(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_item *item = &t->segment.items[index];
    if (item->value.kind != XRAY_KIND_OBJECT) {
        return; /* null */
    }
    size_t mark = t->text_len;
    xray_text_put(t, SLICE_LITERAL("aws.xray.metadata."));
    struct slice name = xray_segment_raw(&t->segment, item->key);
    if ((item->key.flags & (XRAY_FLAG_ESCAPES | XRAY_FLAG_ILL_FORMED)) == 0) {
        xray_text_put(t, name);
    } else {
        (void)xray_text_undo(t, item->key); /* lands behind the prefix */
    }
    struct slice key = slice_of(t->texts + mark, t->text_len - mark);
    size_t json_mark = t->text_len;
    xray_json_put(t, index);
    struct slice json = slice_of(t->texts + json_mark, t->text_len - json_mark);
    if (!xray_is_annotated(t, key)) {
        xray_attr_put_text(t, XRAY_TAG_SPAN_ATTR, key, json);
    }
    t->text_len = mark;
}

void xray_write_metadata(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    if (!xray_slots_have(slots, XRAY_SLOT_METADATA)) {
        return;
    }
    uint32_t first = t->order_count;
    uint32_t count = xray_order_members(t, xray_item_index(slots->at[XRAY_SLOT_METADATA]));
    for (uint32_t i = count; i > 0; i--) {
        put_namespace(t, t->order[first + i - 1]);
    }
    t->order_count = first;
}

/* --- exceptions ------------------------------------------------------------------------------- */

static void put_string(struct xray_to_otlp *t, const struct xray_slots *slots, uint32_t slot)
{
    if (!xray_slots_have(slots, slot)) {
        return;
    }
    struct xray_text text = slots->at[slot];
    if ((text.flags & (XRAY_FLAG_ESCAPES | XRAY_FLAG_ILL_FORMED)) == 0) {
        xray_text_put(t, xray_segment_raw(&t->segment, text));
    } else {
        (void)xray_text_undo(t, text); /* lands at the end of the texts */
    }
}

/* "\tat label(path: line)\n" */
static void put_frame(struct xray_to_otlp *t, const struct xray_slots *frame)
{
    char line[NUMBER_TEXT_MAX_BYTES] = "<unknown>";
    size_t line_len = strlen(line);
    if (xray_slots_have(frame, XRAY_FRAME_LINE)) {
        int64_t number = 0;
        struct slice raw = xray_segment_raw(&t->segment, frame->at[XRAY_FRAME_LINE]);
        if (number_parse_i64(raw, &number) != 0) {
            xray_refuse(t, XRAY_WHY_NUMBER);
        }
        line_len = number_format_i64(number, line, sizeof(line));
    }
    xray_text_put(t, SLICE_LITERAL("\tat "));
    put_string(t, frame, XRAY_FRAME_LABEL);
    xray_text_put(t, SLICE_LITERAL("("));
    put_string(t, frame, XRAY_FRAME_PATH);
    xray_text_put(t, SLICE_LITERAL(": "));
    xray_text_put(t, slice_of(line, line_len));
    xray_text_put(t, SLICE_LITERAL(")\n"));
}

static void put_stacktrace(struct xray_to_otlp *t, const struct xray_slots *exception)
{
    if (!xray_slots_have(exception, XRAY_EXCEPTION_STACK) ||
        (exception->at[XRAY_EXCEPTION_STACK].flags & XRAY_FLAG_FILLED) == 0) {
        return;
    }
    size_t mark = t->text_len;
    put_string(t, exception, XRAY_EXCEPTION_TYPE);
    xray_text_put(t, SLICE_LITERAL(": "));
    put_string(t, exception, XRAY_EXCEPTION_MESSAGE);
    xray_text_put(t, SLICE_LITERAL("\n"));
    struct xray_list list = xray_segment_list(&t->segment, exception->at[XRAY_EXCEPTION_STACK]);
    struct xray_slots frame;
    while (xray_segment_next(&t->segment, &list, XRAY_OBJECT_FRAME, &frame)) {
        put_frame(t, &frame);
    }
    struct slice text = slice_of(t->texts + mark, t->text_len - mark);
    xray_attr_put_text(t, XRAY_TAG_EVENT_ATTR, SLICE_LITERAL("exception.stacktrace"), text);
    t->text_len = mark;
}

static void put_exception(struct xray_to_otlp *t, const struct xray_slots *exception)
{
    if (!xray_slots_have(exception, XRAY_EXCEPTION_ID)) {
        xray_refuse(t, XRAY_WHY_NO_EXCEPTION_ID);
        return;
    }
    size_t mark = otlp_build_mark(&t->build);
    put_stacktrace(t, exception);
    xray_attr_put_rows(t, XRAY_TAG_EVENT_ATTR, exception_rows, EXCEPTION_SLOTS, exception);
    otlp_build_text_field(&t->build, TAG_EVENT_NAME, SLICE_LITERAL("exception"));
    otlp_build_close(&t->build, mark, TAG_EVENT);
}

void xray_write_exceptions(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    if (!xray_slots_have(slots, XRAY_SLOT_EXCEPTIONS)) {
        return;
    }
    struct xray_segment *segment = &t->segment;
    struct xray_list list = xray_segment_list(segment, slots->at[XRAY_SLOT_EXCEPTIONS]);
    struct xray_list before = list;
    struct xray_slots exception;
    uint32_t count = 0;
    while (xray_segment_next(segment, &list, XRAY_OBJECT_EXCEPTION, &exception)) {
        ASSERT(segment->item_count + count < XRAY_ITEMS_MAX);
        segment->items[segment->item_count + count].limit_index =
            (uint32_t)(before.pos - segment->text);
        before = list;
        count++;
    }
    for (uint32_t i = count; i > 0; i--) {
        uint32_t offset = segment->items[segment->item_count + i - 1].limit_index;
        list.pos = segment->text + offset;
        bool is_there = xray_segment_next(segment, &list, XRAY_OBJECT_EXCEPTION, &exception);
        ASSERT(is_there);
        put_exception(t, &exception);
    }
}
