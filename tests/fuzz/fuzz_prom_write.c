/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: prom_write_add, prom_write_next.
 *
 * The first byte chooses one of a few translations; the rest is a request. What otlp_walk accepts
 * becomes requests that are protobuf, with labels in order and in UTF-8 and no empty series; each
 * point is booked exactly once, and a second time gives the same bytes.
 */
#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_write.h"
#include "core/base/defs.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WRITERS 4
#define REQUEST_MAX_BYTES ((size_t)1 << 30)

static struct prom_write_options options[WRITERS];
static struct prom_write writers[WRITERS];
static struct bytes request;
static struct bytes all;
static struct bytes again;

/* Everything on, each in another way. */
static void make_writers(void)
{
    static struct prom_write_label labels[2];
    labels[0] = (struct prom_write_label){SLICE_LITERAL("zone"), SLICE_LITERAL("eu")};
    labels[1] = (struct prom_write_label){SLICE_LITERAL("Le"), SLICE_LITERAL("x")};
    bytes_init(&request, REQUEST_MAX_BYTES);
    bytes_init(&all, REQUEST_MAX_BYTES);
    bytes_init(&again, REQUEST_MAX_BYTES);
    for (size_t i = 0; i < WRITERS; i++) {
        options[i] = (struct prom_write_options){
            .namespace = i % 2 == 0 ? (struct slice){0} : SLICE_LITERAL("n.s"),
            .has_suffixes = i < 3,
            .has_scope_labels = i % 2 == 0,
            .has_resource_labels = i >= 2,
            .leaves_out_service_attrs = i == 3,
            .has_target_info = i != 1,
            .has_metadata = i % 2 == 1,
            .request_max_bytes = i == 0 ? 1 : 1000 * i,
            .external_labels = labels,
            .external_label_count = i == 2 ? 2 : 0,
        };
        int err = prom_write_init(&writers[i], &options[i], i);
        ASSERT(err == 0);
    }
}

static struct slice take_field(struct pb_reader *in, uint32_t *number)
{
    uint32_t wire_type = 0;
    struct slice field;
    int err = pb_read_tag(in, number, &wire_type);
    ASSERT(err == 0);
    ASSERT(wire_type == PB_WIRE_BYTES);
    err = pb_read_bytes(in, &field);
    ASSERT(err == 0);
    return field;
}

/* Name and value of a label, which comes behind `last`. */
static void check_label(struct slice label, struct slice *last)
{
    struct pb_reader in = pb_reader_of(label);
    uint32_t number = 0;
    struct slice name = take_field(&in, &number);
    ASSERT(number == 1);
    ASSERT(slice_compare(*last, name) < 0);
    struct slice value = take_field(&in, &number);
    ASSERT(number == 2);
    ASSERT(value.len > 0);
    ASSERT(slice_is_utf8(value));
    ASSERT(in.pos == in.end);
    *last = name;
}

static void check_series(struct slice series)
{
    struct pb_reader in = pb_reader_of(series);
    struct slice last = {0};
    uint32_t piece_count = 0;
    while (in.pos != in.end) {
        uint32_t number = 0;
        struct slice field = take_field(&in, &number);
        ASSERT(number >= 1);
        ASSERT(number <= 4);
        if (number == 1) {
            ASSERT(piece_count == 0);
            check_label(field, &last);
        } else {
            piece_count++;
        }
    }
    ASSERT(piece_count > 0);
}

static uint64_t take_requests(struct prom_write *pw, struct bytes *out)
{
    uint64_t sum = 0;
    uint64_t item_count = 0;
    bytes_clear(out);
    while (prom_write_next(pw, &request, &item_count)) {
        ASSERT(request.err == 0);
        ASSERT(request.len > 0);
        struct pb_reader in = pb_reader_of(bytes_slice(&request));
        while (in.pos != in.end) {
            uint32_t number = 0;
            struct slice field = take_field(&in, &number);
            ASSERT(number == 1 || number == 3);
            if (number == 1) {
                check_series(field);
            }
        }
        bytes_append(out, request.ptr, request.len);
        sum += item_count;
    }
    return sum;
}

static uint64_t add(struct prom_write *pw, struct slice body, uint64_t item_count,
                    struct bytes *out)
{
    prom_write_clear(pw);
    prom_write_add(pw, body, item_count);
    uint64_t written = pw->tally.written_count;
    uint64_t seen = written;
    for (size_t i = 0; i < PROM_WRITE_REFUSAL_COUNT; i++) {
        seen += pw->tally.refused_counts[i];
    }
    ASSERT(seen == item_count);
    uint64_t sent = take_requests(pw, out);
    ASSERT(sent == written);
    return sent;
}

static void check(struct prom_write *pw, struct slice body)
{
    struct otlp_counts counts;
    if (otlp_walk(SIGNAL_METRICS, body, &counts, NULL) != 0 || counts.is_irregular) {
        return; /* receivers bring such requests into regular form first */
    }
    uint64_t first = add(pw, body, counts.item_count, &all);
    uint64_t second = add(pw, body, counts.item_count, &again);
    ASSERT(first == second);
    ASSERT(slice_equal(bytes_slice(&all), bytes_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (request.max_bytes == 0) {
        make_writers();
    }
    check(&writers[data[0] % WRITERS], slice_of(data + 1, size - 1));
    return 0;
}
