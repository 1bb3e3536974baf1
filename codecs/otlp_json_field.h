/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json_field — how one field of the schema looks in OTLP/JSON: its name, and its value when
 * that is no message.
 *
 * Shared by both directions of otlp_json and used by nobody else. Source: OTLP specification, "JSON
 * Protobuf Encoding"; protobuf's JSON mapping.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/json.h"
#include "core/base/slice.h"

/* Longer than any field name of the schema. */
#define OTLP_JSON_NAME_MAX_BYTES 64

/* The schema calls text `bytes` too; what a field of that type holds goes by its name. */
enum otlp_json_spelling {
    OTLP_JSON_TEXT,
    OTLP_JSON_TRACE_ID, /* hexadecimal, 16 bytes or none */
    OTLP_JSON_SPAN_ID,  /* hexadecimal, 8 bytes or none */
    OTLP_JSON_BASE64,
};

enum otlp_json_spelling otlp_json_spelling_of(const char *field_name);

/* snake_case of the schema → lowerCamelCase; `out` has OTLP_JSON_NAME_MAX_BYTES. The length. */
size_t otlp_json_camel(const char *field_name, char *out);

/* Is `key` the field's name, in lowerCamelCase or as in the schema? */
bool otlp_json_is_name(const char *field_name, struct slice key);

/*
 * otlp_json_parse_scalar — a number, an enum or a bool from the token the reader stands behind.
 *
 *   wire   the value as the wire has it: the varint (zigzag where the type says so) or the bits of
 *          the fixed width; filled on success only
 *
 * Returns NULL, or a static reason why the token is no such value.
 */
WEIR_MUST_USE const char *otlp_json_parse_scalar(const ProtobufCFieldDescriptor *field,
                                                 const struct json_reader *reader,
                                                 enum json_token token, uint64_t *wire);

/*
 * otlp_json_measure_bytes — how long the value of a `bytes` field is, given as `text`; checks it.
 * Returns NULL, or a static reason why the text is no such value.
 */
WEIR_MUST_USE const char *otlp_json_measure_bytes(enum otlp_json_spelling spelling,
                                                  struct json_text text, size_t *len);

/* Writes the value; `out` has the room that otlp_json_measure_bytes asked for. */
void otlp_json_write_bytes(enum otlp_json_spelling spelling, struct json_text text, uint8_t *out);
