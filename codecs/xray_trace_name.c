/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_name — what a document is called, and whose call it describes.
 *
 * The first attribute that has something to say wins; only the span's own name is cleaned.
 */
#include <string.h>

#include "codecs/xray_trace_parts.h"
#include "core/base/json_text.h"
#include "core/base/regex.h"

#define NAME_MAX_BYTES 200

static bool is_aws_api(const struct xray_trace *t)
{
    return slice_equal(xray_attrs_text(&t->attrs, XRAY_KEY_RPC_SYSTEM), SLICE_LITERAL("aws-api"));
}

/* --- the host of a connection string ---------------------------------------------------------- */

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* RFC 3986: a letter, then letters, digits, plus, minus and dots. */
static bool is_scheme(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_rest = is_digit(c) || c == '+' || c == '-' || c == '.';
        if (!is_letter(c) && (i == 0 || !is_rest)) {
            return false;
        }
    }
    return text.len > 0;
}

/* What stands between "//" and the path; false where `url` has no such part. */
static bool take_authority(struct slice url, struct slice *out)
{
    size_t colon = slice_find(url, ':');
    struct slice rest = url;
    if (!slice_has_prefix(url, SLICE_LITERAL("//"))) {
        if (colon == url.len || !is_scheme(slice_first(url, colon))) {
            return false;
        }
        rest = slice_from(url, colon + 1);
    }
    if (!slice_has_prefix(rest, SLICE_LITERAL("//"))) {
        return false;
    }
    rest = slice_from(rest, 2);
    size_t len = 0;
    while (len < rest.len && memchr("/?#", rest.ptr[len], 3) == NULL) {
        len++;
    }
    *out = slice_first(rest, len);
    return true;
}

static bool is_port(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool is_host(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7F || memchr("<>\"%", text.ptr[i], 4) != NULL) {
            return false;
        }
    }
    return true;
}

/* Empty where the text is no URL, or one without a host. */
static struct slice host_of(struct slice url)
{
    struct slice authority;
    if (!take_authority(url, &authority)) {
        return (struct slice){0};
    }
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.ptr[i - 1] == '@') {
            authority = slice_from(authority, i);
            break;
        }
    }
    if (authority.len > 0 && authority.ptr[0] == '[') {
        size_t close = slice_find(authority, ']');
        bool is_closed = close < authority.len;
        return is_closed ? slice_of(authority.ptr + 1, close - 1) : (struct slice){0};
    }
    size_t colon = slice_find(authority, ':');
    struct slice host = slice_first(authority, colon);
    struct slice port =
        colon < authority.len ? slice_from(authority, colon + 1) : (struct slice){0};
    return is_port(port) && is_host(host) ? host : (struct slice){0};
}

/* --- candidates ------------------------------------------------------------------------------- */

static struct slice without_prefix(struct slice text, struct slice prefix)
{
    return slice_has_prefix(text, prefix) ? slice_from(text, prefix.len) : text;
}

static struct slice remote_service(const struct xray_trace *t)
{
    struct slice name = xray_attrs_text(&t->attrs, XRAY_KEY_AWS_REMOTE_SERVICE);
    if (!is_aws_api(t)) {
        return name;
    }
    struct slice bare = without_prefix(name, SLICE_LITERAL("AWS.SDK."));
    return bare.len < name.len ? bare : without_prefix(name, SLICE_LITERAL("AWS::"));
}

static struct slice database(struct xray_trace *t)
{
    struct slice name = xray_attrs_text(&t->attrs, XRAY_KEY_DB_NAME);
    struct slice connection = xray_attrs_text(&t->attrs, XRAY_KEY_DB_CONNECTION_STRING);
    struct slice host = host_of(without_prefix(connection, SLICE_LITERAL("jdbc:")));
    if (name.len == 0 || host.len == 0) {
        return name;
    }
    bytes_clear(&t->scratch);
    bytes_append(&t->scratch, name.ptr, name.len);
    bytes_append_byte(&t->scratch, '@');
    bytes_append(&t->scratch, host.ptr, host.len);
    return t->scratch.err == 0 ? bytes_slice(&t->scratch) : name;
}

static bool is_name_byte(uint8_t c)
{
    return is_letter(c) || is_digit(c) || memchr(" _.:/%&#=+-@", c, 12) != NULL;
}

/* How many bytes of `text` belong together, and whether they may stand in a name. */
static size_t judge_character(const struct xray_trace *t, struct slice text, bool *is_kept)
{
    bool is_good = true;
    if (text.ptr[0] < 0x80) {
        *is_kept = is_name_byte(text.ptr[0]);
        return 1;
    }
    size_t len = json_text_sequence_len(text.ptr, text.len, &is_good);
    *is_kept = is_good && regex_matches(t->letter, slice_first(text, len));
    return len;
}

/* The span's name, without what X-Ray refuses in names. */
static struct slice clean_name(struct xray_trace *t)
{
    struct slice rest = t->span.name;
    bytes_clear(&t->scratch);
    while (rest.len > 0) {
        bool is_kept = false;
        size_t len = judge_character(t, rest, &is_kept);
        if (is_kept && len > NAME_MAX_BYTES - t->scratch.len) {
            break;
        }
        if (is_kept) {
            bytes_append(&t->scratch, rest.ptr, len);
        }
        rest = slice_from(rest, len);
    }
    bool has_any = t->scratch.err == 0 && t->scratch.len > 0;
    return has_any ? bytes_slice(&t->scratch) : SLICE_LITERAL("span");
}

/* The first of the given attributes that has a text. */
static struct slice first_text(const struct xray_attrs *attrs, const enum xray_key *keys,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice text = xray_attrs_text(attrs, keys[i]);
        if (text.len > 0) {
            return text;
        }
    }
    return (struct slice){0};
}

static struct slice local_name(const struct xray_trace *t)
{
    bool is_root = t->role == XRAY_ROLE_LOCAL_ROOT && t->span.kind == XRAY_KIND_INTERNAL;
    if (t->span.kind == XRAY_KIND_SERVER || is_root) {
        return xray_attrs_text(&t->attrs, XRAY_KEY_AWS_LOCAL_SERVICE);
    }
    bool is_remote = xray_is_outgoing(t->span.kind) || t->span.kind == XRAY_KIND_CONSUMER;
    /* The call of a local root is named after whom it called, whatever its kind. */
    if (is_remote || t->role == XRAY_ROLE_DEPENDENCY) {
        return remote_service(t);
    }
    return (struct slice){0};
}

/* The service of a local root's call is named after itself, where it says its name. */
static struct slice service_name(const struct xray_trace *t)
{
    if (t->role != XRAY_ROLE_SERVICE) {
        return (struct slice){0};
    }
    struct slice name = xray_attrs_text(&t->attrs, XRAY_KEY_AWS_LOCAL_SERVICE);
    return name.len > 0 ? name : xray_attrs_text(&t->resource, XRAY_KEY_SERVICE_NAME);
}

static struct slice choose_name(struct xray_trace *t, bool *is_aws)
{
    static const enum xray_key later[] = {XRAY_KEY_RPC_SERVICE, XRAY_KEY_HTTP_HOST,
                                          XRAY_KEY_NET_PEER_NAME};
    *is_aws = false;
    struct slice name = service_name(t);
    name = name.len > 0 ? name : local_name(t);
    name = name.len > 0 ? name : xray_attrs_text(&t->attrs, XRAY_KEY_PEER_SERVICE);
    if (name.len == 0) {
        name = xray_attrs_text(&t->attrs, XRAY_KEY_AWS_SERVICE);
        *is_aws = name.len > 0;
    }
    name = name.len > 0 ? name : database(t);
    if (name.len == 0 && t->span.kind == XRAY_KIND_SERVER) {
        name = xray_attrs_text(&t->resource, XRAY_KEY_SERVICE_NAME);
    }
    name = name.len > 0 ? name : first_text(&t->attrs, later, COUNT_OF(later));
    return name.len > 0 ? name : clean_name(t);
}

void xray_trace_identify(struct xray_trace *t, struct xray_identity *out)
{
    bool is_aws_named = false;
    *out = (struct xray_identity){.name = choose_name(t, &is_aws_named)};
    if (is_aws_api(t) || is_aws_named) {
        out->namespace_name = SLICE_LITERAL("aws");
    } else if (xray_is_outgoing(t->span.kind) || t->role == XRAY_ROLE_DEPENDENCY) {
        out->namespace_name = SLICE_LITERAL("remote");
    }
}
