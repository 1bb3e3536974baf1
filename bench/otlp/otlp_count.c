/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_count — see otlp_count.h. Nesting is as deep as the schema: each level is one function with
 * one loop.
 */
#include "bench/otlp/otlp_count.h"

#include <string.h>

#include "core/base/fault.h"

#define COUNT_TRACE_ID_BYTES 16u
#define COUNT_SPAN_ID_BYTES 8u
#define COUNT_VARINT_MAX_BITS 63u

/* Borrows; `is_bad` sticks. */
struct count_reader {
    const uint8_t *next;
    const uint8_t *end;
    bool is_bad;
};

struct count_field {
    uint32_t number;
    struct slice content; /* of length-delimited and fixed fields; of varints nothing */
};

struct counting {
    enum signal signal;
    struct otlp_ledger *ledger;
    struct otlp_count_bodies *bodies;
    int err;
};

static struct count_reader reader_of(struct slice bytes)
{
    return (struct count_reader){.next = bytes.ptr,
                                 .end = bytes.len == 0 ? bytes.ptr : bytes.ptr + bytes.len};
}

static uint64_t reader_varint(struct count_reader *in)
{
    uint64_t value = 0;
    uint32_t shift = 0;
    while (in->next != in->end && shift <= COUNT_VARINT_MAX_BITS) {
        const uint8_t byte = *in->next++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
        shift += 7;
    }
    in->is_bad = true;
    return 0;
}

/* False at the end and at a mistake. */
static bool reader_next(struct count_reader *in, struct count_field *out)
{
    if (in->is_bad || in->next == in->end) {
        return false;
    }
    const uint64_t tag = reader_varint(in);
    uint64_t len = 0;
    switch (tag & 7) {
    case 0:
        (void)reader_varint(in); /* its value is of no use to a counter */
        break;
    case 1:
        len = sizeof(uint64_t);
        break;
    case 2:
        len = reader_varint(in);
        break;
    case 5:
        len = sizeof(uint32_t);
        break;
    default:
        in->is_bad = true;
        return false;
    }
    if (in->is_bad || len > (size_t)(in->end - in->next)) {
        in->is_bad = true;
        return false;
    }
    *out = (struct count_field){.number = (uint32_t)(tag >> 3),
                                .content = slice_of(in->next, (size_t)len)};
    in->next += len;
    return true;
}

static void counting_note(struct counting *c, const struct count_reader *in, uint64_t sequence)
{
    if (in->is_bad) {
        c->err = FAULT_MALFORMED;
    }
    const uint32_t body_items = c->ledger->body_item_count;
    if (sequence != UINT64_MAX && sequence % body_items == 0 &&
        c->bodies->count < OTLP_COUNT_BODIES_MAX_COUNT) {
        c->bodies->body_indices[c->bodies->count] = (uint32_t)(sequence / body_items);
        c->bodies->count++;
    }
}

/* A span or a log record: trace id and span id in fields `first` and `first + 1`. */
static void count_identified(struct counting *c, struct slice item, uint32_t first)
{
    uint8_t ids[COUNT_TRACE_ID_BYTES + COUNT_SPAN_ID_BYTES] = {0};
    struct count_reader in = reader_of(item);
    struct count_field field;
    uint32_t found_count = 0;
    while (found_count < 2 && reader_next(&in, &field)) {
        if (field.number == first && field.content.len == COUNT_TRACE_ID_BYTES) {
            memcpy(ids, field.content.ptr, COUNT_TRACE_ID_BYTES);
            found_count++;
        } else if (field.number == first + 1 && field.content.len == COUNT_SPAN_ID_BYTES) {
            memcpy(ids + COUNT_TRACE_ID_BYTES, field.content.ptr, COUNT_SPAN_ID_BYTES);
            found_count++;
        }
    }
    counting_note(c, &in, otlp_ledger_take_id(c->ledger, slice_of(ids, sizeof(ids))));
}

/* A data point of any kind: start in field 2, time in field 3. */
static void count_point(struct counting *c, struct slice point)
{
    uint8_t times[2 * sizeof(uint64_t)] = {0};
    struct count_reader in = reader_of(point);
    struct count_field field;
    uint32_t found_count = 0;
    while (found_count < 2 && reader_next(&in, &field)) {
        if ((field.number == 2 || field.number == 3) && field.content.len == sizeof(uint64_t)) {
            memcpy(times + (field.number - 2) * sizeof(uint64_t), field.content.ptr,
                   sizeof(uint64_t));
            found_count++;
        }
    }
    counting_note(c, &in, otlp_ledger_take_time(c->ledger, slice_of(times, sizeof(times))));
}

static void count_points(struct counting *c, struct slice data)
{
    struct count_reader in = reader_of(data);
    struct count_field field;
    while (reader_next(&in, &field)) {
        if (field.number == 1) {
            count_point(c, field.content);
        }
    }
    c->err = in.is_bad ? FAULT_MALFORMED : c->err;
}

/* The kinds of data of a Metric are its fields 5, 7, 9, 10 and 11. */
static void count_metric(struct counting *c, struct slice metric)
{
    struct count_reader in = reader_of(metric);
    struct count_field field;
    while (reader_next(&in, &field)) {
        const uint32_t n = field.number;
        if (n == 5 || n == 7 || n == 9 || n == 10 || n == 11) {
            count_points(c, field.content);
        }
    }
    c->err = in.is_bad ? FAULT_MALFORMED : c->err;
}

static void count_scope(struct counting *c, struct slice scope)
{
    struct count_reader in = reader_of(scope);
    struct count_field field;
    while (reader_next(&in, &field)) {
        if (field.number != 2) {
            continue;
        }
        switch (c->signal) {
        case SIGNAL_TRACES:
            count_identified(c, field.content, 1);
            break;
        case SIGNAL_LOGS:
            count_identified(c, field.content, 9);
            break;
        case SIGNAL_METRICS:
            count_metric(c, field.content);
            break;
        }
    }
    c->err = in.is_bad ? FAULT_MALFORMED : c->err;
}

static void count_resource(struct counting *c, struct slice resource)
{
    struct count_reader in = reader_of(resource);
    struct count_field field;
    while (reader_next(&in, &field)) {
        if (field.number == 2) {
            count_scope(c, field.content);
        }
    }
    c->err = in.is_bad ? FAULT_MALFORMED : c->err;
}

int otlp_count_request(enum signal signal, struct slice request, struct otlp_ledger *ledger,
                       struct otlp_count_bodies *bodies)
{
    bodies->count = 0;
    struct counting c = {.signal = signal, .ledger = ledger, .bodies = bodies};
    struct count_reader in = reader_of(request);
    struct count_field field;
    while (c.err == 0 && reader_next(&in, &field)) {
        if (field.number == 1) {
            count_resource(&c, field.content);
        }
    }
    return in.is_bad ? FAULT_MALFORMED : c.err;
}
