/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_json — see emf_json.h. Tokens are copied as they stand, so numbers keep their digits.
 */
#include "codecs/emf_json.h"

#include "core/base/json.h"

void emf_json_raw(struct json_out *out, struct slice json)
{
    if (out->needs_comma) {
        bytes_append_byte(out->bytes, ',');
    }
    bytes_append(out->bytes, json.ptr, json.len);
    out->needs_comma = true;
}

static void put_text(struct json_out *out, struct slice raw, bool is_key)
{
    if (out->needs_comma) {
        bytes_append_byte(out->bytes, ',');
    }
    bytes_append_byte(out->bytes, '"');
    bytes_append(out->bytes, raw.ptr, raw.len);
    bytes_append_byte(out->bytes, '"');
    if (is_key) {
        bytes_append_byte(out->bytes, ':');
    }
    out->needs_comma = !is_key;
}

/* Copies one token. False at the end and for what is no JSON. */
static bool copy_token(struct json_out *out, struct json_reader *in, enum json_token token)
{
    switch (token) {
    case JSON_TOKEN_BAD:
    case JSON_TOKEN_END:
        return false;
    case JSON_TOKEN_OBJECT_OPEN:
        json_out_open(out, '{');
        break;
    case JSON_TOKEN_OBJECT_CLOSE:
        json_out_close(out, '}');
        break;
    case JSON_TOKEN_ARRAY_OPEN:
        json_out_open(out, '[');
        break;
    case JSON_TOKEN_ARRAY_CLOSE:
        json_out_close(out, ']');
        break;
    case JSON_TOKEN_KEY:
    case JSON_TOKEN_STRING:
        put_text(out, in->text.raw, token == JSON_TOKEN_KEY);
        break;
    case JSON_TOKEN_NUMBER:
        emf_json_raw(out, in->number);
        break;
    case JSON_TOKEN_TRUE:
        json_out_bool(out, true);
        break;
    case JSON_TOKEN_FALSE:
        json_out_bool(out, false);
        break;
    case JSON_TOKEN_NULL:
        emf_json_raw(out, SLICE_LITERAL("null"));
        break;
    }
    return true;
}

bool emf_json_inline(struct json_out *out, struct slice text)
{
    struct json_reader in = json_of(text, JSON_UTF8_REFUSE);
    size_t len_before = out->bytes->len;
    bool needed_comma = out->needs_comma;
    enum json_token token = json_next(&in);
    while (copy_token(out, &in, token)) {
        token = json_next(&in);
    }
    if (token == JSON_TOKEN_END) {
        return true;
    }
    out->bytes->len = len_before;
    out->needs_comma = needed_comma;
    return false;
}
