/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_field — stepping through the fields of a message that was walked, and the numbers they have.
 *
 *     struct pb_reader in = pb_reader_of(request);
 *     while (otlp_child_next(&in, OTLP_RESOURCES, &group)) {
 *         struct pb_reader scopes = pb_reader_of(group.content);
 *         while (otlp_child_next(&scopes, OTLP_SCOPES, &scope)) …
 *
 * Everything here is for bytes that otlp_walk accepted; anything else is our mistake and asserted.
 * All slices borrow from the bytes read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/pb_wire.h"

/* Numbers that all three signals share; enum otlp_data has the five kinds of a Metric's data. */
enum otlp_field_number {
    OTLP_RESOURCES = 1,  /* of a request: ResourceSpans, ResourceMetrics, ResourceLogs */
    OTLP_RESOURCE = 1,   /* of a ResourceX: its Resource */
    OTLP_SCOPES = 2,     /* of a ResourceX: ScopeSpans, ScopeMetrics, ScopeLogs */
    OTLP_SCOPE = 1,      /* of a ScopeX: its InstrumentationScope */
    OTLP_ITEMS = 2,      /* of a ScopeX: spans, log records; metrics */
    OTLP_SCHEMA_URL = 3, /* of a ResourceX and of a ScopeX */
    OTLP_POINTS = 1,     /* of each of a Metric's kinds of data */
    OTLP_OLD_SCOPES = 1000,
    OTLP_RESOURCE_ATTRS = 1,
    OTLP_SCOPE_ATTRS = 3,
    OTLP_SPAN_ATTRS = 9,
    OTLP_EVENT_ATTRS = 3,
    OTLP_LINK_ATTRS = 4,
    OTLP_LOG_ATTRS = 6,
    OTLP_KVLIST_VALUES = 1, /* of a KeyValueList */
    OTLP_ARRAY_VALUES = 1,  /* of an ArrayValue */
};

struct otlp_field {
    uint32_t number;
    uint32_t wire_type;   /* enum pb_wire_type */
    struct slice whole;   /* tag, length and content */
    struct slice content; /* what follows the tag, for PB_WIRE_BYTES what follows the length */
};

/* The next field of a message, whatever it is. False at the end. */
bool otlp_field_next(struct pb_reader *in, struct otlp_field *out);

/* The next length-delimited field `number`; others are stepped over. False at the end. */
bool otlp_child_next(struct pb_reader *in, uint32_t number, struct otlp_field *out);

/*
 * The last field `number` of a message, which is the one that counts for scalars and text. Where
 * there is none: false, and *out is a field of no bytes at the beginning of the message, which
 * otlp_edit_open can make real.
 */
bool otlp_field_find(struct slice message, uint32_t number, struct otlp_field *out);

/* The value of a varint, fixed32 or fixed64 field; 0 for the others. */
uint64_t otlp_field_u64(const struct otlp_field *field);

/* Is it the number of one of a Metric's kinds of data, enum otlp_data? */
bool otlp_is_data(uint32_t number);

/* The last member of the oneof `data` of a Metric. False where it has none. */
bool otlp_metric_data(struct slice metric, struct otlp_field *out);

/* The number of the attributes in a span, a log record, or a data point in `data`. */
uint32_t otlp_item_attrs(enum signal signal, enum otlp_data data);
