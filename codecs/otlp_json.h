/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json — OTLP between its two spellings: protobuf wire bytes and OTLP/JSON.
 *
 * Works from the generated descriptors, so it knows every message of core/otlp/proto. OTLP/JSON is
 * protobuf's JSON with three deviations: trace and span ids are hexadecimal, enums are numbers, and
 * names are lowerCamelCase only. Source: OTLP specification, "JSON Protobuf Encoding".
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

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
