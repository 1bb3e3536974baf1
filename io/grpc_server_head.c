/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server_head — what the head of a call must be like, in the order and words of grpc-go.
 *
 * Clients and their operators know these texts. Duplicate authorities and `connection` fields never
 * come here: nghttp2 resets such a stream with PROTOCOL_ERROR, which gRPC allows, too.
 */
#include <string.h>

#include "core/base/fault.h"
#include "io/grpc_server_call.h"
#include "io/io_bounds.h"

#define HEALTH_SERVICE "grpc.health.v1.Health"
#define HEALTH_METHOD "Check"

/* --- texts ------------------------------------------------------------------------------------ */

static void add_byte(struct grpc_text *text, char byte)
{
    if (text->len < sizeof(text->bytes)) {
        text->bytes[text->len++] = byte;
    }
}

void grpc_text_add(struct grpc_text *text, const char *words)
{
    for (; *words != '\0'; words++) {
        add_byte(text, *words);
    }
}

static void add_plain(struct grpc_text *text, struct slice bytes)
{
    size_t len = bytes.len < GRPC_QUOTE_MAX_BYTES ? bytes.len : GRPC_QUOTE_MAX_BYTES;
    for (size_t i = 0; i < len; i++) {
        bool is_printable = bytes.ptr[i] >= 0x20 && bytes.ptr[i] < 0x7f;
        add_byte(text, is_printable ? (char)bytes.ptr[i] : '?');
    }
}

void grpc_text_quote(struct grpc_text *text, struct slice bytes)
{
    static const char HEX[] = "0123456789abcdef";
    size_t len = bytes.len < GRPC_QUOTE_MAX_BYTES ? bytes.len : GRPC_QUOTE_MAX_BYTES;
    add_byte(text, '"');
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = bytes.ptr[i];
        if (byte < 0x20 || byte > 0x7e) {
            const char escape[] = {'\\', 'x', HEX[byte >> 4], HEX[byte & 15], '\0'};
            grpc_text_add(text, escape);
            continue;
        }
        if (byte == '"' || byte == '\\') {
            add_byte(text, '\\');
        }
        add_byte(text, (char)byte);
    }
    add_byte(text, '"');
}

struct slice grpc_text_slice(const struct grpc_text *text)
{
    return slice_of(text->bytes, text->len);
}

static bool refuse(struct grpc_refusal *refusal, uint32_t http_status, enum grpc_status status,
                   const char *words)
{
    refusal->http_status = http_status;
    refusal->status = status;
    refusal->retry_delay_ns = GRPC_NO_RETRY_DELAY;
    refusal->names_encodings = false;
    refusal->text.len = 0;
    grpc_text_add(&refusal->text, words);
    return false;
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool has_content_type(const struct h2_stream *stream, struct grpc_refusal *refusal)
{
    struct slice value = {0};
    if (h2_stream_header(stream, "content-type", &value) && grpc_is_content_type(value)) {
        return true;
    }
    (void)refuse(refusal, 415, GRPC_INVALID_ARGUMENT, "invalid gRPC request content-type ");
    grpc_text_quote(&refusal->text, value);
    return false;
}

static bool has_timeout(const struct h2_stream *stream, uint64_t *out_ns,
                        struct grpc_refusal *refusal)
{
    struct slice value = {0};
    *out_ns = UINT64_MAX;
    if (!h2_stream_header(stream, "grpc-timeout", &value) ||
        grpc_timeout_parse(value, out_ns) == 0) {
        return true;
    }
    (void)refuse(refusal, 400, GRPC_INTERNAL, "malformed grpc-timeout: ");
    grpc_text_quote(&refusal->text, value);
    return false;
}

/* One or more of them, separated by commas. */
static bool is_base64_list(struct slice value)
{
    struct slice rest = value;
    bool is_last = false;
    while (!is_last) {
        size_t len = slice_find(rest, ',');
        size_t decoded_len = 0;
        if (grpc_bin_decode(slice_first(rest, len), NULL, &decoded_len) != 0) {
            return false;
        }
        is_last = len == rest.len;
        rest = is_last ? rest : slice_from(rest, len + 1);
    }
    return true;
}

static bool has_decodable_metadata(const struct h2_stream *stream, struct grpc_refusal *refusal)
{
    const struct slice suffix = SLICE_LITERAL("-bin");
    size_t count = h2_stream_field_count(stream);
    for (size_t i = 0; i < count; i++) {
        struct h2_field field = h2_stream_field(stream, i);
        bool is_binary = field.name.len > suffix.len &&
                         slice_equal(slice_from(field.name, field.name.len - suffix.len), suffix);
        if (is_binary && !is_base64_list(field.value)) {
            (void)refuse(refusal, 400, GRPC_INTERNAL, "malformed binary metadata in header ");
            grpc_text_quote(&refusal->text, field.name);
            return false;
        }
    }
    return true;
}

static bool is_post(const struct h2_stream *stream, struct grpc_refusal *refusal)
{
    struct slice method = h2_stream_method(stream);
    if (slice_is_text(method, "POST")) {
        return true;
    }
    (void)refuse(refusal, 405, GRPC_INTERNAL, "received a :method of ");
    grpc_text_quote(&refusal->text, method);
    grpc_text_add(&refusal->text, " which should be POST");
    return false;
}

/* Offset of the last '/', or s.len. */
static size_t find_last_slash(struct slice s)
{
    for (size_t i = s.len; i > 0; i--) {
        if (s.ptr[i - 1] == '/') {
            return i - 1;
        }
    }
    return s.len;
}

static bool find_method(const struct grpc_server *server, struct slice service, struct slice method,
                        size_t *out_index, bool *is_service_known)
{
    const struct grpc_server_options *options = &server->options;
    *is_service_known = false;
    for (size_t i = 0; i < options->method_count; i++) {
        if (!slice_is_text(service, options->methods[i].service)) {
            continue;
        }
        *is_service_known = true;
        if (slice_is_text(method, options->methods[i].method)) {
            *out_index = i;
            return true;
        }
    }
    if (options->has_health && slice_is_text(service, HEALTH_SERVICE)) {
        *is_service_known = true;
        *out_index = GRPC_METHOD_HEALTH;
        return slice_is_text(method, HEALTH_METHOD);
    }
    return false;
}

static bool has_method(const struct grpc_server *server, const struct h2_stream *stream,
                       size_t *out_index, struct grpc_refusal *refusal)
{
    struct slice path = h2_stream_path(stream);
    size_t slash = path.len > 0 && path.ptr[0] == '/' ? find_last_slash(path) : path.len;
    if (slash == path.len || slash == 0) {
        (void)refuse(refusal, 200, GRPC_UNIMPLEMENTED, "malformed method name: ");
        grpc_text_quote(&refusal->text, path);
        return false;
    }
    struct slice service = slice_from(slice_first(path, slash), 1);
    struct slice method = slice_from(path, slash + 1);
    bool is_service_known = false;
    if (find_method(server, service, method, out_index, &is_service_known)) {
        return true;
    }
    if (!is_service_known) {
        (void)refuse(refusal, 200, GRPC_UNIMPLEMENTED, "unknown service ");
        add_plain(&refusal->text, service);
        return false;
    }
    (void)refuse(refusal, 200, GRPC_UNIMPLEMENTED, "unknown method ");
    add_plain(&refusal->text, method);
    grpc_text_add(&refusal->text, " for service ");
    add_plain(&refusal->text, service);
    return false;
}

static bool is_listed(struct slice name, struct slice list)
{
    bool is_last = false;
    while (!is_last) {
        size_t len = slice_find(list, ',');
        if (slice_equal(slice_first(list, len), name)) {
            return true;
        }
        is_last = len == list.len;
        list = is_last ? list : slice_from(list, len + 1);
    }
    return false;
}

static bool has_encoding(const struct grpc_server *server, const struct h2_stream *stream,
                         struct slice *out, struct grpc_refusal *refusal)
{
    struct slice value = {0};
    *out = value;
    if (!h2_stream_header(stream, "grpc-encoding", &value) || value.len == 0 ||
        slice_is_text(value, "identity")) {
        return true;
    }
    *out = value;
    if (is_listed(value, slice_of_text(server->options.encodings))) {
        return true;
    }
    (void)refuse(refusal, 200, GRPC_UNIMPLEMENTED,
                 "grpc: Decompressor is not installed for grpc-encoding ");
    grpc_text_quote(&refusal->text, value);
    refusal->names_encodings = server->options.encodings != NULL;
    return false;
}

bool grpc_server_read_head(const struct grpc_server *server, const struct h2_stream *stream,
                           struct grpc_request_head *out, struct grpc_refusal *refusal)
{
    bool is_good = has_content_type(stream, refusal) &&
                   has_timeout(stream, &out->timeout_ns, refusal) &&
                   has_decodable_metadata(stream, refusal) && is_post(stream, refusal) &&
                   has_method(server, stream, &out->method_index, refusal) &&
                   has_encoding(server, stream, &out->encoding, refusal);
    if (is_good && out->timeout_ns == 0) {
        return refuse(refusal, 200, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
    }
    return is_good;
}
