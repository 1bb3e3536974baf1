/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_value — attribute values and bodies as plain JSON, with their types: what people and AWS
 * read, not OTLP's own JSON with its wrappers.
 */
#pragma once

#include "codecs/json_out.h"
#include "core/otlp/otlp_attr.h"

/* Writes one value of a request that was walked; bytes as base64, an empty value as null. */
void json_value_write(struct json_out *out, const struct otlp_value *value);
