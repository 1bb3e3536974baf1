/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp — the spans of a segment document, written back to front.
 *
 * The last segment is written first, each span's last field first, then the resource; so every
 * length is known when it is due and nothing is moved. A refusal anywhere throws all of it away.
 * Mapping: the Collector's awsxray receiver.
 */
#include "codecs/xray_to_otlp.h"

#include "codecs/xray_to_otlp_parts.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"

#define TRACE_ID_BYTES 16
#define TRACE_ID_TEXT_BYTES 35
#define SPAN_ID_BYTES 8
#define NANOS_PER_SECOND 1e9
/* 2^64 ns. */
#define NANOS_LIMIT 18446744073709551616.0
#define STATUS_ERROR 2

enum span_kind { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };

enum {
    TAG_RESOURCE_SPANS = 0x0A, /* ExportTraceServiceRequest 1 */
    TAG_RESOURCE = 0x0A,       /* ResourceSpans 1 */
    TAG_SCOPE_SPANS = 0x12,    /* ResourceSpans 2 */
    TAG_SPAN = 0x12,           /* ScopeSpans 2 */
    TAG_TRACE_ID = 0x0A,
    TAG_SPAN_ID = 0x12,
    TAG_PARENT_ID = 0x22,
    TAG_NAME = 0x2A,
    TAG_KIND = 0x30,
    TAG_START = 0x39,
    TAG_END = 0x41,
    TAG_STATUS = 0x7A,
    TAG_STATUS_MESSAGE = 0x12, /* Status 2 */
    TAG_STATUS_CODE = 0x18,    /* Status 3 */
};

#define XRAY_WHY_ONE(member, label, text) +1
_Static_assert(XRAY_WHY_LIMIT == 0 XRAY_WHY_LIST(XRAY_WHY_ONE), "one past the last reason");

const char *xray_why_label(enum xray_why why)
{
#define XRAY_WHY_LABEL(member, label, text) [XRAY_WHY_##member] = label,
    static const char *const labels[] = {XRAY_WHY_LIST(XRAY_WHY_LABEL)};
    ASSERT(why < XRAY_WHY_LIMIT);
    return labels[why];
}

const char *xray_why_text(enum xray_why why)
{
#define XRAY_WHY_TEXT(member, label, text) [XRAY_WHY_##member] = text,
    static const char *const texts[] = {XRAY_WHY_LIST(XRAY_WHY_TEXT)};
    ASSERT(why < XRAY_WHY_LIMIT);
    return texts[why];
}

/* --- ids -------------------------------------------------------------------------------------- */

#define EVERY_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Eight hexadecimal digits of either case become four bytes, the first one lowest. Where there are
 * others among them, *bad gets bits.
 */
static inline uint64_t take_hex(const uint8_t *text, uint64_t *bad)
{
    uint64_t digits = xray_scan_word(text);
    uint64_t lower = digits | EVERY_BYTE(0x20);
    /* The top bit says that a byte is at least '0', past '9', at least 'a', past 'f'. */
    uint64_t is_digit = (digits + EVERY_BYTE(0x80 - '0')) & ~(digits + EVERY_BYTE(0x7F - '9'));
    uint64_t is_letter = (lower + EVERY_BYTE(0x80 - 'a')) & ~(lower + EVERY_BYTE(0x7F - 'f'));
    *bad |= ~((is_digit | is_letter) & ~digits) & EVERY_BYTE(0x80);
    uint64_t nibbles = (digits & EVERY_BYTE(0x0F)) + 9 * (digits >> 6 & EVERY_BYTE(1));
    uint64_t pairs = (nibbles << 4 | nibbles >> 8) & UINT64_C(0x00FF00FF00FF00FF);
    pairs = (pairs | pairs >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    return (uint32_t)(pairs | pairs >> 16);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first digits are the low bytes");

static uint64_t span_id_of(struct xray_to_otlp *t, struct xray_text text)
{
    size_t mark = t->text_len;
    struct slice id = xray_text_undo(t, text);
    t->text_len = mark;
    uint64_t bad = id.len != 2 * SPAN_ID_BYTES;
    uint64_t value = 0;
    if (bad == 0) {
        value = take_hex(id.ptr, &bad) | take_hex(id.ptr + 8, &bad) << 32;
    }
    if (bad != 0) {
        xray_refuse(t, XRAY_WHY_BAD_ID);
    }
    return value;
}

/* 1-5759e988-bd862e3fe1be46a994272793 */
static void trace_id_of(struct xray_to_otlp *t, struct xray_text text, uint64_t out[2])
{
    size_t mark = t->text_len;
    struct slice id = xray_text_undo(t, text);
    t->text_len = mark;
    uint64_t bad = id.len != TRACE_ID_TEXT_BYTES || id.ptr[1] != '-' || id.ptr[10] != '-';
    if (bad == 0) {
        out[0] = take_hex(id.ptr + 2, &bad) | take_hex(id.ptr + 11, &bad) << 32;
        out[1] = take_hex(id.ptr + 19, &bad) | take_hex(id.ptr + 27, &bad) << 32;
    }
    if (bad != 0) {
        xray_refuse(t, XRAY_WHY_BAD_TRACE_ID);
    }
}

/* The parent's id; 0 where there is none. */
static uint64_t parent_id_of(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_node *nodes = t->segment.nodes;
    if (index != 0) {
        return span_id_of(t, nodes[nodes[index].parent_index].slots.at[XRAY_SLOT_ID]);
    }
    const struct xray_slots *slots = &nodes[0].slots;
    bool has_parent = xray_slots_have(slots, XRAY_SLOT_PARENT_ID);
    return has_parent ? span_id_of(t, slots->at[XRAY_SLOT_PARENT_ID]) : 0;
}

static void put_span_id(struct otlp_build *b, uint8_t tag, uint64_t id)
{
    uint8_t *at = xray_room(b, 2 + SPAN_ID_BYTES);
    if (at != NULL) {
        at[0] = tag;
        at[1] = SPAN_ID_BYTES;
        memcpy(at + 2, &id, SPAN_ID_BYTES);
    }
}

static void put_ids(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_node *nodes = t->segment.nodes;
    const struct xray_slots *slots = &nodes[index].slots;
    const struct xray_slots *root = &nodes[0].slots;
    bool has_own_trace = xray_slots_have(slots, XRAY_SLOT_TRACE_ID);
    uint64_t trace_id[2] = {0};
    trace_id_of(t, (has_own_trace ? slots : root)->at[XRAY_SLOT_TRACE_ID], trace_id);
    uint64_t parent_id = parent_id_of(t, index);
    if (parent_id != 0) {
        put_span_id(&t->build, TAG_PARENT_ID, parent_id);
    }
    put_span_id(&t->build, TAG_SPAN_ID, span_id_of(t, slots->at[XRAY_SLOT_ID]));
    uint8_t *at = xray_room(&t->build, 2 + TRACE_ID_BYTES);
    if (at != NULL) {
        at[0] = TAG_TRACE_ID;
        at[1] = TRACE_ID_BYTES;
        memcpy(at + 2, &trace_id[0], sizeof(trace_id[0]));
        memcpy(at + 10, &trace_id[1], sizeof(trace_id[1]));
    }
}

/* --- kind, times, status ---------------------------------------------------------------------- */

/* Texts that only one spelling matters of. */
static bool is_text(struct xray_to_otlp *t, struct xray_text text, const char *expected)
{
    return json_text_equals(xray_segment_string(&t->segment, text), slice_of_text(expected));
}

static bool is_subsegment_type(struct xray_to_otlp *t, struct xray_text text)
{
    static const char expected[] = "subsegment";
    size_t mark = t->text_len;
    struct slice type = xray_text_undo(t, text);
    t->text_len = mark;
    bool is_same = type.len == sizeof(expected) - 1;
    for (size_t i = 0; is_same && i < type.len; i++) {
        uint8_t c = type.ptr[i];
        is_same = (c >= 'A' && c <= 'Z' ? c | 0x20 : c) == expected[i];
    }
    return is_same;
}

static bool is_subsegment(struct xray_to_otlp *t, uint32_t index)
{
    const struct xray_slots *slots = &t->segment.nodes[index].slots;
    return index != 0 ||
           (xray_slots_have(slots, XRAY_SLOT_PARENT_ID) && xray_slots_have(slots, XRAY_SLOT_TYPE) &&
            is_subsegment_type(t, slots->at[XRAY_SLOT_TYPE]));
}

/* *is_aws: the name is that of a service of AWS. */
static enum span_kind kind_of(struct xray_to_otlp *t, uint32_t index, bool *is_aws)
{
    const struct xray_slots *slots = &t->segment.nodes[index].slots;
    enum span_kind kind = xray_slots_have(slots, XRAY_SLOT_CLIENT_IP) ? KIND_SERVER : KIND_INTERNAL;
    *is_aws = false;
    if (xray_slots_have(slots, XRAY_SLOT_NAMESPACE)) {
        struct xray_text space = slots->at[XRAY_SLOT_NAMESPACE];
        *is_aws = is_text(t, space, "aws");
        if (*is_aws || is_text(t, space, "remote")) {
            kind = KIND_CLIENT;
        } else if (!is_text(t, space, "local")) {
            xray_refuse(t, XRAY_WHY_BAD_NAMESPACE);
        }
    }
    return is_subsegment(t, index) ? kind : KIND_SERVER;
}

static uint64_t nanos_of(struct xray_to_otlp *t, struct xray_text text)
{
    double seconds = 0;
    if (number_parse_f64(xray_segment_raw(&t->segment, text), &seconds) != 0) {
        xray_refuse(t, XRAY_WHY_NUMBER);
        return 0;
    }
    double nanos = seconds * NANOS_PER_SECOND;
    if (nanos < 0 || nanos >= NANOS_LIMIT) {
        xray_refuse(t, XRAY_WHY_BAD_TIME);
        return 0;
    }
    return (uint64_t)nanos;
}

/* Kind, start and end, in one piece. */
static void put_kind_and_times(struct xray_to_otlp *t, const struct xray_slots *slots,
                               enum span_kind kind)
{
    bool has_end = xray_slots_have(slots, XRAY_SLOT_END_TIME);
    uint64_t start = nanos_of(t, slots->at[XRAY_SLOT_START_TIME]);
    uint64_t end = has_end ? nanos_of(t, slots->at[XRAY_SLOT_END_TIME]) : 0;
    uint8_t *at = xray_room(&t->build, has_end ? 20 : 11);
    if (at == NULL) {
        return;
    }
    at[0] = TAG_KIND;
    at[1] = (uint8_t)kind;
    at[2] = TAG_START;
    memcpy(at + 3, &start, sizeof(start));
    if (has_end) {
        at[11] = TAG_END;
        memcpy(at + 12, &end, sizeof(end));
    }
}

/* Are the digits those of an HTTP status that is no error? So far the Collector counts from 100 to
 * 398. */
static bool is_good_status(struct xray_to_otlp *t, struct xray_text text)
{
    int64_t status = 0;
    if (number_parse_i64(xray_segment_raw(&t->segment, text), &status) != 0) {
        xray_refuse(t, XRAY_WHY_NUMBER);
    }
    return status >= 100 && status < 399;
}

static void put_status(struct xray_to_otlp *t, const struct xray_slots *slots)
{
    struct otlp_build *b = &t->build;
    bool has_cause = xray_slots_have(slots, XRAY_SLOT_CAUSE);
    bool is_error = has_cause;
    if (!is_error && xray_slots_have(slots, XRAY_SLOT_STATUS)) {
        is_error = !is_good_status(t, slots->at[XRAY_SLOT_STATUS]);
    }
    if (!is_error) {
        return;
    }
    size_t mark = otlp_build_mark(b);
    otlp_build_varint_field(b, TAG_STATUS_CODE, STATUS_ERROR);
    if (has_cause && slots->at[XRAY_SLOT_CAUSE].kind == XRAY_KIND_STRING) {
        size_t text_mark = t->text_len;
        struct slice message = xray_text_undo(t, slots->at[XRAY_SLOT_CAUSE]);
        otlp_build_text_field(b, TAG_STATUS_MESSAGE, message);
        t->text_len = text_mark;
    }
    otlp_build_close(b, mark, TAG_STATUS);
}

/* --- spans ------------------------------------------------------------------------------------ */

static void put_span(struct xray_to_otlp *t, uint32_t index)
{
    struct otlp_build *b = &t->build;
    const struct xray_slots *slots = &t->segment.nodes[index].slots;
    size_t mark = otlp_build_mark(b);
    t->text_len = 0;
    bool is_aws = false;
    enum span_kind kind = kind_of(t, index, &is_aws);
    struct slice name = xray_text_undo(t, slots->at[XRAY_SLOT_NAME]);
    xray_begin_annotations(t, slots);
    put_status(t, slots);
    xray_write_exceptions(t, slots);
    xray_write_metadata(t, slots);
    xray_write_annotations(t);
    xray_write_span_attrs(t, slots);
    if (is_aws && !xray_is_annotated(t, SLICE_LITERAL("aws.service"))) {
        xray_attr_put_text(t, XRAY_TAG_SPAN_ATTR, SLICE_LITERAL("aws.service"), name);
    }
    put_kind_and_times(t, slots, kind);
    otlp_build_text_field(b, TAG_NAME, name);
    put_ids(t, index);
    otlp_build_close(b, mark, TAG_SPAN);
}

/* Is everything there that a span cannot do without? */
static bool check_nodes(struct xray_to_otlp *t)
{
    static const struct {
        uint8_t slot;
        uint8_t why;
    } needed[] = {{XRAY_SLOT_NAME, XRAY_WHY_NO_NAME},
                  {XRAY_SLOT_ID, XRAY_WHY_NO_ID},
                  {XRAY_SLOT_START_TIME, XRAY_WHY_NO_START}};
    const struct xray_segment *segment = &t->segment;
    ASSERT(segment->node_count > 0);
    for (uint32_t i = 0; i < segment->node_count; i++) {
        for (size_t k = 0; k < COUNT_OF(needed); k++) {
            if (!xray_slots_have(&segment->nodes[i].slots, needed[k].slot)) {
                xray_refuse(t, (enum xray_why)needed[k].why);
            }
        }
    }
    if (!xray_slots_have(&segment->nodes[0].slots, XRAY_SLOT_TRACE_ID)) {
        xray_refuse(t, XRAY_WHY_NO_TRACE_ID);
    }
    return t->why == XRAY_WHY_NONE;
}

static void put_document(struct xray_to_otlp *t)
{
    struct otlp_build *b = &t->build;
    otlp_build_init(b, t->spans, XRAY_SPANS_MAX_BYTES);
    for (uint32_t i = t->segment.node_count; i > 0 && t->why == XRAY_WHY_NONE; i--) {
        put_span(t, i - 1);
    }
    otlp_build_close(b, 0, TAG_SCOPE_SPANS);
    t->text_len = 0;
    size_t mark = otlp_build_mark(b);
    xray_write_resource_attrs(t, &t->segment.nodes[0].slots);
    otlp_build_close(b, mark, TAG_RESOURCE);
    otlp_build_close(b, 0, TAG_RESOURCE_SPANS);
    if (b->err != 0) {
        xray_refuse(t, XRAY_WHY_SPANS);
    }
}

int xray_to_otlp_append(struct xray_to_otlp *t, struct slice document, struct bytes *out,
                        uint32_t *span_count, const char **why)
{
    t->why = XRAY_WHY_NONE;
    t->text_len = 0;
    *why = NULL;
    *span_count = 1;
    if (!xray_segment_read(&t->segment, document)) {
        t->why = t->segment.why;
    } else {
        *span_count = t->segment.node_count;
        if (check_nodes(t)) {
            put_document(t);
        }
    }
    if (t->why != XRAY_WHY_NONE) {
        *why = xray_why_label(t->why);
        return FAULT_MALFORMED;
    }
    struct slice spans = otlp_build_since(&t->build, 0);
    bytes_append(out, spans.ptr, spans.len);
    if (out->err != 0) {
        *span_count = 0;
    }
    return out->err;
}

enum xray_why xray_to_otlp_why(const struct xray_to_otlp *t)
{
    return t->why;
}

struct xray_to_otlp *xray_to_otlp_new(void)
{
    struct xray_to_otlp *t = mem_alloc(sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    *t = (struct xray_to_otlp){0};
    int err = xray_segment_init(&t->segment);
    t->spans = mem_alloc(XRAY_SPANS_MAX_BYTES);
    t->texts = mem_alloc(XRAY_SPANS_MAX_BYTES);
    t->order = mem_alloc(XRAY_ITEMS_MAX * sizeof(*t->order));
    if (err != 0 || t->spans == NULL || t->texts == NULL || t->order == NULL) {
        xray_to_otlp_free(t);
        return NULL;
    }
    return t;
}

void xray_to_otlp_free(struct xray_to_otlp *t)
{
    if (t == NULL) {
        return;
    }
    xray_segment_fini(&t->segment);
    mem_free(t->spans);
    mem_free(t->texts);
    mem_free(t->order);
    mem_free(t);
}
