/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json — OTLP between its two spellings: protobuf wire bytes and OTLP/JSON.
 *
 * Works from the generated descriptors, so it knows every message of core/otlp/proto. OTLP/JSON is
 * protobuf's JSON with three deviations: trace and span ids are hexadecimal, enums are numbers, and
 * names are lowerCamelCase only. What comes in is read more leniently than that, as the Collector
 * does. Source: OTLP specification, "JSON Protobuf Encoding".
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/*
 * otlp_json_encode — appends the JSON text of one serialised message, without a line break.
 *
 *   descriptor   of the message in `wire`, e.g. an ExportMetricsServiceRequest
 *   wire         borrowed
 *   arena        scratch for the decoded tree; the caller resets it
 *   out          appended to; on a failure its content is worthless
 *
 * Written is what is present on the wire, except empty text and ids outside a oneof. Text that is
 * not UTF-8 gets U+FFFD. Returns 0, what pb_decode says about `wire`, or out->err (FAULT_LIMIT,
 * -ENOMEM).
 */
WEIR_MUST_USE int otlp_json_encode(const ProtobufCMessageDescriptor *descriptor, struct slice wire,
                                   struct arena *arena, struct bytes *out);

/* What was wrong with a JSON text, for the answer to whoever sent it. */
struct otlp_json_why {
    const char *reason; /* static, without a full stop; NULL when nothing was wrong */
    const char *field;  /* static, the schema's name of the member concerned; NULL for none */
    size_t offset_bytes;
};

/* Enough for otlp_json_why_text, with its terminator. */
#define OTLP_JSON_WHY_MAX_BYTES 192

/*
 * otlp_json_decode — appends one message, serialised, to `out`.
 *
 *   descriptor   of the message, e.g. an ExportTraceServiceRequest
 *   json         borrowed; one object (or null, an empty message). What follows it is not looked at
 *   out          appended to, up to out->max_bytes; on a failure out->len is what it was
 *   why          filled on every failure; NULL if the caller does not care
 *
 * Names are lowerCamelCase or as in the schema; unknown members are skipped, whatever they hold.
 * Numbers may be strings and enums may be names; doubles know NaN and [+-]Inf[inity] as strings,
 * whatever their case. Ids are hexadecimal of exactly their length or empty, `bytesValue` is base64
 * of either alphabet, padded or not. A member that is null is absent if it is text, an object or an
 * array, else an error; a null element of an array is an empty one. Text that is not UTF-8 gets
 * U+FFFD. Empty text and ids outside a oneof are not written; every other member is, also if it is
 * zero. Of a oneof only the last member is written. Members given twice follow one another on the
 * wire, where the last one counts, or messages merge and arrays join.
 *
 * Time is linear in json.len; beside `out` it takes at most json.len bytes while it works. The
 * result nests at most PB_DEPTH_MAX deep, so that pb_decode reads it.
 *
 * Returns 0; FAULT_MALFORMED; FAULT_LIMIT where the result would pass out->max_bytes; -ENOMEM;
 * out->err where it stuck before.
 */
WEIR_MUST_USE int otlp_json_decode(const ProtobufCMessageDescriptor *descriptor, struct slice json,
                                   struct bytes *out, struct otlp_json_why *why);

/*
 * otlp_json_why_text — a sentence for the sender: `invalid JSON at byte 17: traceId: …`.
 *
 *   buf   OTLP_JSON_WHY_MAX_BYTES; ends with a terminator
 *
 * Printable ASCII only, nothing of what was sent. Returns the length without the terminator.
 */
size_t otlp_json_why_text(const struct otlp_json_why *why, char *buf);
