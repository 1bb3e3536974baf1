/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_plain — attribute values as the text that labels and logs show, without their type.
 *
 * Decoded values in, text out, in the Collector's spelling: texts as they are, lists and maps as
 * JSON. json_value writes the same kind of JSON from values that nobody decoded.
 */
#pragma once

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/otlp/proto/common.pb-c.h"

/* Shortest digits; an exponent below 1e-6 and from 1e21 on; NaN, Infinity, -Infinity. */
void otlp_plain_f64(struct bytes *out, double value);

/*
 * Appends a value: text as it is, whatever its bytes; bytes as base64; lists and maps as JSON with
 * sorted keys; NULL or empty is nothing. `scratch` is borrowed for sorting; where it refuses,
 * out->err says so.
 */
void otlp_plain_value(struct bytes *out,
                      const struct Opentelemetry__Proto__Common__V1__AnyValue *value,
                      struct arena *scratch);
