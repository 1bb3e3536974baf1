/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_member — members that json_out has no call for.
 */
#include "codecs/xray_trace_parts.h"

void xray_put_raw(struct json_out *out, struct slice raw)
{
    ASSERT(!out->needs_comma);
    bytes_append(out->bytes, raw.ptr, raw.len);
    out->needs_comma = true;
}

void xray_put_text_or_null(struct json_out *out, struct slice key, struct slice text)
{
    json_out_key(out, key);
    if (text.len > 0) {
        json_out_string(out, text);
    } else {
        json_out_null(out);
    }
}
