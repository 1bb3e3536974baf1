/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_walk — one loop over fields with a stack of open messages, driven by otlp_schema.
 *
 * Nearly all bytes of a request are attributes, so the usual shapes of a KeyValue are checked at
 * one go, without opening its two messages; whatever looks otherwise takes the general way. Every
 * length is compared with what is left by subtraction before anything behind it is read.
 */
#include "core/otlp/otlp_walk.h"

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_field.h"
#include "core/otlp/otlp_schema.h"
#include "core/otlp/pb_wire.h"

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

struct walk_frame {
    const uint8_t *end;
    const uint8_t *row; /* of otlp_schema */
};

/* What is not needed for each field. */
struct walk {
    struct otlp_counts counts;
    struct otlp_counts old;   /* of what stands in old scopes of the open resource */
    struct otlp_counts *into; /* one of these two */
    uint64_t metric_base;     /* item_count where the open metric began */
    enum otlp_why why;
    bool is_old_next; /* the message about to be entered stands in field 1000 */
    /* Seen in the open resource, scope and metric. */
    bool has_resource;
    bool has_old_scopes;
    bool has_new_scopes;
    bool has_scope;
    bool has_data;
};

static const struct {
    int fault;
    const char *text;
} whys[] = {
#define WHY_ROW(name, fault, text) [name] = {fault, text},
    OTLP_WHY_LIST(WHY_ROW)
#undef WHY_ROW
};

const char *otlp_why_text(enum otlp_why why)
{
    ASSERT((size_t)why < COUNT_OF(whys));
    return whys[why].text;
}

/* Where the field steppers below end when they find trouble. */
WEIR_COLD static const uint8_t *refuse(struct walk *w, enum otlp_why why)
{
    w->why = why;
    return NULL;
}

/* The second and later bytes of a varint; `p` is behind its first one. */
static const uint8_t *skip_long_varint(struct walk *w, const uint8_t *p, const uint8_t *end)
{
    for (uint32_t i = 1; i < PB_VARINT_MAX_BYTES; i++) {
        if (p == end) {
            return refuse(w, OTLP_WHY_TRUNCATED);
        }
        if (*p++ < 0x80) {
            return p;
        }
    }
    return refuse(w, OTLP_WHY_VARINT);
}

static inline const uint8_t *skip_varint(struct walk *w, const uint8_t *p, const uint8_t *end)
{
    if (WEIR_UNLIKELY(p == end)) {
        return refuse(w, OTLP_WHY_TRUNCATED);
    }
    if (WEIR_LIKELY(*p < 0x80)) {
        return p + 1;
    }
    return skip_long_varint(w, p + 1, end);
}

static inline const uint8_t *skip_fixed(struct walk *w, const uint8_t *p, const uint8_t *end,
                                        size_t bytes)
{
    if (WEIR_UNLIKELY((size_t)(end - p) < bytes)) {
        return refuse(w, OTLP_WHY_TRUNCATED);
    }
    return p + bytes;
}

/* A length of several bytes, nearly always two: that of a span, or of a long text. */
static const uint8_t *read_long_length(struct walk *w, const uint8_t *p, const uint8_t *end,
                                       size_t *len)
{
    if (WEIR_LIKELY(end - p >= 2 && p[0] >= 0x80 && p[1] < 0x80)) {
        *len = (size_t)(p[0] & 0x7F) | (size_t)p[1] << 7;
        return *len <= (size_t)(end - p) - 2 ? p + 2 : refuse(w, OTLP_WHY_TRUNCATED);
    }
    struct pb_reader in = {.pos = p, .end = end};
    uint64_t value = 0;
    int err = pb_read_varint(&in, &value);
    if (err != 0) {
        return refuse(w, err == FAULT_TRUNCATED ? OTLP_WHY_TRUNCATED : OTLP_WHY_VARINT);
    }
    if (value > (uint64_t)(end - in.pos)) {
        return refuse(w, OTLP_WHY_TRUNCATED);
    }
    *len = (size_t)value;
    return in.pos;
}

/* The length of a field, checked against what is left; returns where its content begins. */
static inline const uint8_t *read_length(struct walk *w, const uint8_t *p, const uint8_t *end,
                                         size_t *len)
{
    if (WEIR_LIKELY(p != end && *p < 0x80 && *p < (size_t)(end - p))) {
        *len = *p;
        return p + 1;
    }
    return read_long_length(w, p, end, len);
}

static inline const uint8_t *skip_bytes(struct walk *w, const uint8_t *p, const uint8_t *end)
{
    size_t len = 0;
    p = read_length(w, p, end, &len);
    return p == NULL ? NULL : p + len;
}

static inline const uint8_t *skip_id(struct walk *w, const uint8_t *p, const uint8_t *end,
                                     size_t id_bytes)
{
    size_t len = 0;
    p = read_length(w, p, end, &len);
    if (WEIR_UNLIKELY(p != NULL && len != id_bytes && len != 0)) {
        return refuse(w, id_bytes == TRACE_ID_BYTES ? OTLP_WHY_TRACE_ID : OTLP_WHY_SPAN_ID);
    }
    return p == NULL ? NULL : p + len;
}

static const uint8_t *skip_packed_fixed64(struct walk *w, const uint8_t *p, const uint8_t *end)
{
    size_t len = 0;
    p = read_length(w, p, end, &len);
    if (p != NULL && len % sizeof(uint64_t) != 0) {
        return refuse(w, OTLP_WHY_PACKED);
    }
    return p == NULL ? NULL : p + len;
}

static const uint8_t *skip_packed_varints(struct walk *w, const uint8_t *p, const uint8_t *end)
{
    size_t len = 0;
    p = read_length(w, p, end, &len);
    if (p == NULL) {
        return NULL;
    }
    const uint8_t *run_end = p + len;
    while (p != run_end) {
        p = skip_varint(w, p, run_end);
        if (p == NULL) {
            return w->why == OTLP_WHY_TRUNCATED ? refuse(w, OTLP_WHY_PACKED) : NULL;
        }
    }
    return run_end;
}

/* Is [p, end) exactly one varint? */
static inline bool is_varint(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *last = end - 1;
    if (WEIR_UNLIKELY(end - p > PB_VARINT_MAX_BYTES)) {
        return false;
    }
    while (p < last && *p >= 0x80) {
        p++;
    }
    return p == last && *p < 0x80;
}

/*
 * Steps over a KeyValue of one of the shapes that senders write, `p` being at its length:
 *
 *     length 0A length key… 12 length { | 0A length text… | 10 varint | 18 varint | 21 8 bytes }
 *     ^p
 *
 * with lengths of one byte and nothing left over. NULL for any other, which may well be valid.
 */
static inline const uint8_t *skip_usual_attr(const uint8_t *p, const uint8_t *end)
{
    size_t room = (size_t)(end - p);
    if (WEIR_UNLIKELY(room < 5 || p[0] >= room || p[0] < 4 || p[0] >= 0x80)) {
        return NULL;
    }
    size_t len = p[0];
    size_t key_len = p[2];
    if (WEIR_UNLIKELY(p[1] != 0x0A || key_len > len - 4)) {
        return NULL;
    }
    const uint8_t *attr_end = p + 1 + len;
    const uint8_t *value = p + 3 + key_len;
    size_t value_len = len - 4 - key_len;
    if (WEIR_UNLIKELY(value[0] != 0x12 || value[1] != value_len || value_len < 2)) {
        return NULL;
    }
    bool is_usual = false;
    switch (value[2]) {
    case 0x0A:
        is_usual = value[3] == value_len - 2;
        break;
    case 0x10:
    case 0x18:
        is_usual = is_varint(value + 3, attr_end);
        break;
    case 0x21:
        is_usual = value_len == 1 + sizeof(double);
        break;
    default:
        break;
    }
    return is_usual ? attr_end : NULL;
}

/* A resource is over: its old scopes count where it has no others. */
static void settle_resource(struct walk *w)
{
    if (w->has_old_scopes && !w->has_new_scopes) {
        w->counts.item_count += w->old.item_count;
        w->counts.metric_count += w->old.metric_count;
        w->counts.is_irregular = true;
    }
    w->old = (struct otlp_counts){0};
    w->into = &w->counts;
    w->has_resource = false;
    w->has_old_scopes = false;
    w->has_new_scopes = false;
}

static void enter_scope_group(struct walk *w)
{
    w->has_scope = false;
    if (w->is_old_next) {
        w->has_old_scopes = true;
        w->into = &w->old;
        w->is_old_next = false;
        return;
    }
    w->has_new_scopes = true;
    w->into = &w->counts;
}

/*
 * Notes that something is there which may be there once. Inside of old scopes that says nothing as
 * long as nobody reads them.
 */
static void see(struct otlp_counts *counts, bool *has)
{
    counts->is_irregular |= *has;
    *has = true;
}

/* A message that is entered, of the types from OTLP_TYPE_FIRST_COUNTED on, but no item. */
static void count_outer(struct walk *w, uint32_t type)
{
    if (type <= OTLP_TYPE_SUMMARY) {
        see(w->into, &w->has_data);
        w->into->item_count = w->metric_base; /* it takes the place of earlier data */
    } else if (type == OTLP_TYPE_METRIC) {
        w->into->metric_count++;
        w->metric_base = w->into->item_count;
        w->has_data = false;
    } else if (type <= OTLP_TYPE_SCOPE_LOGS) {
        enter_scope_group(w);
    } else if (type <= OTLP_TYPE_RESOURCE_LOGS) {
        settle_resource(w);
        w->counts.resource_count++;
    } else {
        bool is_scope = type == OTLP_TYPE_SCOPE;
        see(is_scope ? w->into : &w->counts, is_scope ? &w->has_scope : &w->has_resource);
    }
}

static inline void count_message(struct walk *w, uint32_t type)
{
    if (WEIR_LIKELY(type <= OTLP_TYPE_SUMMARY_POINT)) {
        w->into->item_count++;
        return;
    }
    count_outer(w, type);
}

static bool is_known_number(const uint8_t *row, uint32_t number)
{
    if (number >= OTLP_SCHEMA_TAGS >> 3) {
        return false;
    }
    for (uint32_t wire_type = 0; wire_type <= PB_WIRE_FIXED32; wire_type++) {
        if (row[number << 3 | wire_type] != OTLP_ACTION_ODD) {
            return true;
        }
    }
    return false;
}

/* Is it the row of a ResourceX? *type is that of the scopes in it. */
static bool old_scope_type(const uint8_t *row, uint32_t *type)
{
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if (row == otlp_schema[OTLP_TYPE_RESOURCE_SPANS + i]) {
            *type = OTLP_TYPE_SCOPE_SPANS + i;
            return true;
        }
    }
    return false;
}

/* What to do behind a tag of several bytes; *p moves behind it unless that is OTLP_ACTION_ODD. */
static uint32_t read_long_tag(struct walk *w, const uint8_t **p, const uint8_t *end,
                              const uint8_t *row)
{
    const uint8_t *tag = *p;
    if (WEIR_LIKELY(end - tag >= 2 && tag[1] < 2)) {
        *p = tag + 2;
        return row[(tag[0] & 0x7F) | tag[1] << 7];
    }
    struct pb_reader in = {.pos = tag, .end = end};
    uint32_t number = 0;
    uint32_t wire_type = 0;
    uint32_t type = 0;
    if (pb_read_tag(&in, &number, &wire_type) != 0) {
        return OTLP_ACTION_ODD;
    }
    *p = in.pos;
    if (number < OTLP_SCHEMA_TAGS >> 3) {
        return row[number << 3 | wire_type]; /* spelled longer than need be */
    }
    if (number == OTLP_OLD_SCOPES && wire_type == PB_WIRE_BYTES && old_scope_type(row, &type)) {
        w->is_old_next = true;
        return OTLP_ACTION_MESSAGE + type;
    }
    return OTLP_ACTION_ODD;
}

static enum otlp_why why_of_tag(const uint8_t *tag, const uint8_t *end)
{
    struct pb_reader in = {.pos = tag, .end = end};
    uint64_t value = 0;
    int err = pb_read_varint(&in, &value);
    if (err != 0) {
        return err == FAULT_TRUNCATED ? OTLP_WHY_TRUNCATED : OTLP_WHY_VARINT;
    }
    return value >> 3 == 0 || value >> 3 > PB_FIELD_NUMBER_MAX ? OTLP_WHY_NUMBER
                                                               : OTLP_WHY_WIRE_UNKNOWN;
}

/* Why pb_skip_field did not get over a field of that type. */
static enum otlp_why why_of_skip(int err, uint32_t wire_type)
{
    if (err == FAULT_TRUNCATED) {
        return OTLP_WHY_TRUNCATED;
    }
    if (err == FAULT_LIMIT) {
        return OTLP_WHY_GROUP_DEPTH;
    }
    bool is_group = wire_type == PB_WIRE_GROUP_START || wire_type == PB_WIRE_GROUP_END;
    return is_group ? OTLP_WHY_GROUP : OTLP_WHY_VARINT;
}

/* A field that the row does not list, from its tag on: stepped over, or refused. */
static const uint8_t *skip_odd(struct walk *w, const uint8_t *tag, const uint8_t *end,
                               const uint8_t *row)
{
    struct pb_reader in = {.pos = tag, .end = end};
    uint32_t number = 0;
    uint32_t wire_type = 0;
    uint32_t ignored = 0;
    if (pb_read_tag(&in, &number, &wire_type) != 0) {
        return refuse(w, why_of_tag(tag, end));
    }
    bool is_old_scopes = number == OTLP_OLD_SCOPES && old_scope_type(row, &ignored);
    if (is_known_number(row, number) || is_old_scopes) {
        return refuse(w, OTLP_WHY_WIRE_TYPE);
    }
    int err = pb_skip_field(&in, number, wire_type, PB_DEPTH_MAX);
    return err == 0 ? in.pos : refuse(w, why_of_skip(err, wire_type));
}

/* A field that holds no message. `p` is behind its tag. */
static inline const uint8_t *skip_scalar(struct walk *w, uint32_t action, const uint8_t *p,
                                         const uint8_t *end)
{
    switch (action) {
    case OTLP_ACTION_VARINT:
        return skip_varint(w, p, end);
    case OTLP_ACTION_FIXED64:
        return skip_fixed(w, p, end, sizeof(uint64_t));
    case OTLP_ACTION_FIXED32:
        return skip_fixed(w, p, end, sizeof(uint32_t));
    case OTLP_ACTION_BYTES:
        return skip_bytes(w, p, end);
    case OTLP_ACTION_TRACE_ID:
        return skip_id(w, p, end, TRACE_ID_BYTES);
    case OTLP_ACTION_SPAN_ID:
        return skip_id(w, p, end, SPAN_ID_BYTES);
    case OTLP_ACTION_PACKED_VARINT:
        return skip_packed_varints(w, p, end);
    default:
        ASSERT(action == OTLP_ACTION_PACKED_FIXED64);
        return skip_packed_fixed64(w, p, end);
    }
}

/* As many usual attributes as stand in a row under `tag`, of one byte; *p is behind the first tag
 * before, and behind the last attribute after. False: there is one that is not usual behind *p. */
static inline bool skip_usual_attrs(uint8_t tag, const uint8_t **p, const uint8_t *end)
{
    const uint8_t *next = skip_usual_attr(*p, end);
    while (next != NULL && next != end && *next == tag) {
        *p = next + 1;
        next = skip_usual_attr(*p, end);
    }
    if (next == NULL) {
        return false;
    }
    *p = next;
    return true;
}

/* Reads everything in the message. False: w->why says what is wrong. */
static bool walk_message(struct walk *w, enum otlp_type root, struct slice bytes)
{
    struct walk_frame frames[PB_DEPTH_MAX]; /* filled as they open */
    struct walk_frame *top = frames;        /* [frames, top) wait for what is inside them */
    const uint8_t *row = otlp_schema[root];
    struct pb_reader in = pb_reader_of(bytes);
    const uint8_t *p = in.pos;
    const uint8_t *end = in.end;
    for (;;) {
        if (p == end) {
            if (top == frames) {
                return true;
            }
            top--;
            end = top->end;
            row = top->row;
            continue;
        }
        const uint8_t *tag = p;
        uint32_t action = *tag < 0x80 ? row[*p++] : read_long_tag(w, &p, end, row);
        if (action < OTLP_ACTION_MESSAGE) {
            p = action == OTLP_ACTION_ODD ? skip_odd(w, tag, end, row)
                                          : skip_scalar(w, action, p, end);
            if (WEIR_UNLIKELY(p == NULL)) {
                return false;
            }
            continue;
        }
        /* Two more messages are inside a usual attribute. A tag spelled longer is none. */
        if (action == OTLP_ACTION_MESSAGE + OTLP_TYPE_KEY_VALUE && *tag < 0x80 &&
            top - frames < PB_DEPTH_MAX - 2 && skip_usual_attrs(*tag, &p, end)) {
            continue;
        }
        size_t len = 0;
        p = read_length(w, p, end, &len);
        if (WEIR_UNLIKELY(p == NULL)) {
            return false;
        }
        if (WEIR_UNLIKELY(top - frames == PB_DEPTH_MAX - 1)) {
            w->why = OTLP_WHY_DEPTH;
            return false;
        }
        *top++ = (struct walk_frame){.end = end, .row = row};
        end = p + len;
        row = otlp_schema[action - OTLP_ACTION_MESSAGE];
        if (action >= OTLP_ACTION_MESSAGE + OTLP_TYPE_FIRST_COUNTED) {
            count_message(w, action - OTLP_ACTION_MESSAGE);
        }
    }
}

int otlp_walk(enum signal signal, struct slice request, struct otlp_counts *out, enum otlp_why *why)
{
    ASSERT((uint32_t)signal < SIGNAL_COUNT);
    struct walk w = {.why = OTLP_WHY_NONE};
    w.into = &w.counts;
    bool is_valid = walk_message(&w, OTLP_TYPE_TRACES_REQUEST + (uint32_t)signal, request);
    ASSERT(is_valid == (w.why == OTLP_WHY_NONE));
    if (why != NULL) {
        *why = w.why;
    }
    if (is_valid) {
        settle_resource(&w);
        *out = w.counts;
    }
    return whys[w.why].fault;
}
