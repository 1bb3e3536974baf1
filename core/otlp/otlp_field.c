/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_field — steps from field to field of messages that were walked before.
 */
#include "core/otlp/otlp_field.h"

#include "core/base/bounds.h"

/* Steps over a field whose content needs no length. */
static void skip_value(struct pb_reader *in, const struct otlp_field *field)
{
    int err = pb_skip_field(in, field->number, field->wire_type, PB_DEPTH_MAX);
    ASSERT(err == 0);
}

bool otlp_field_next(struct pb_reader *in, struct otlp_field *out)
{
    if (in->pos == in->end) {
        return false;
    }
    const uint8_t *begin = in->pos;
    int err = pb_read_tag(in, &out->number, &out->wire_type);
    ASSERT(err == 0);
    if (WEIR_LIKELY(out->wire_type == PB_WIRE_BYTES)) {
        err = pb_read_bytes(in, &out->content);
        ASSERT(err == 0);
    } else {
        const uint8_t *content = in->pos;
        skip_value(in, out);
        out->content = slice_of(content, (size_t)(in->pos - content));
    }
    out->whole = slice_of(begin, (size_t)(in->pos - begin));
    return true;
}

bool otlp_child_next(struct pb_reader *in, uint32_t number, struct otlp_field *out)
{
    while (otlp_field_next(in, out)) {
        if (out->number == number && out->wire_type == PB_WIRE_BYTES) {
            return true;
        }
    }
    return false;
}

bool otlp_field_find(struct slice message, uint32_t number, struct otlp_field *out)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_field field;
    bool is_found = false;
    *out = (struct otlp_field){.number = number,
                               .wire_type = PB_WIRE_BYTES,
                               .whole = slice_of(message.ptr, 0),
                               .content = slice_of(message.ptr, 0)};
    while (otlp_field_next(&in, &field)) {
        if (field.number == number) {
            *out = field;
            is_found = true;
        }
    }
    return is_found;
}

uint64_t otlp_field_u64(const struct otlp_field *field)
{
    struct pb_reader in = pb_reader_of(field->content);
    uint64_t value = 0;
    uint32_t narrow = 0;
    int err = 0;
    switch (field->wire_type) {
    case PB_WIRE_VARINT:
        err = pb_read_varint(&in, &value);
        break;
    case PB_WIRE_FIXED64:
        err = pb_read_fixed64(&in, &value);
        break;
    case PB_WIRE_FIXED32:
        err = pb_read_fixed32(&in, &narrow);
        value = narrow;
        break;
    default:
        break;
    }
    ASSERT(err == 0 || field->content.len == 0);
    return value;
}

bool otlp_is_data(uint32_t number)
{
    return number == OTLP_DATA_GAUGE || number == OTLP_DATA_SUM || number == OTLP_DATA_HISTOGRAM ||
           number == OTLP_DATA_EXPHIST || number == OTLP_DATA_SUMMARY;
}

bool otlp_metric_data(struct slice metric, struct otlp_field *out)
{
    struct pb_reader in = pb_reader_of(metric);
    struct otlp_field field;
    bool is_found = false;
    *out = (struct otlp_field){.whole = slice_of(metric.ptr, 0)};
    while (otlp_field_next(&in, &field)) {
        if (otlp_is_data(field.number)) {
            *out = field;
            is_found = true;
        }
    }
    return is_found;
}

static uint32_t point_attrs(enum otlp_data data)
{
    switch (data) {
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUM:
    case OTLP_DATA_SUMMARY:
        return 7;
    case OTLP_DATA_HISTOGRAM:
        return 9;
    case OTLP_DATA_EXPHIST:
        return 1;
    }
    return 0; /* a metric without data */
}

uint32_t otlp_item_attrs(enum signal signal, enum otlp_data data)
{
    switch (signal) {
    case SIGNAL_TRACES:
        return OTLP_SPAN_ATTRS;
    case SIGNAL_LOGS:
        return OTLP_LOG_ATTRS;
    case SIGNAL_METRICS:
        return point_attrs(data);
    }
    return 0;
}
