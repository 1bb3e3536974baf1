/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 — request heads read line by line, each line once; whatever is ambiguous is refused.
 *
 * A line is looked at when its LF is there; the search for the LF goes on where it stopped, so a
 * head that drips in byte by byte costs no more than one that comes whole. Sources: RFC 9112
 * sections 2 to 7, RFC 9110 sections 5 and 10.1.1.
 */
#include "io/http1.h"

#include <string.h>

#include "core/base/number.h"
#include "io/io_bounds.h"

_Static_assert(HTTP1_HEAD_MAX_BYTES <= UINT16_MAX, "spans are 16 bits wide");

/* Fields that change how the message is read, and so may stand once only. */
enum {
    SEEN_HOST = 1,
    SEEN_LENGTH = 2,
    SEEN_CODING = 4,
};

#define WHY_STATUS(name, status, text) [HTTP1_WHY_##name] = status,
static const uint16_t why_status[] = {HTTP1_WHYS(WHY_STATUS)};
#undef WHY_STATUS
#define WHY_TEXT(name, status, text) [HTTP1_WHY_##name] = text,
static const char *const why_text[] = {HTTP1_WHYS(WHY_TEXT)};
#undef WHY_TEXT

uint32_t http1_why_status(enum http1_why why)
{
    ASSERT((size_t)why < COUNT_OF(why_status));
    return why_status[why];
}

const char *http1_why_text(enum http1_why why)
{
    ASSERT((size_t)why < COUNT_OF(why_text));
    return why_text[why];
}

/* --- characters ------------------------------------------------------------------------------- */

static bool is_token_byte(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_byte(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* Visible ASCII without blanks: what a target is made of once it is encoded. */
static bool is_target_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7F) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Field content: anything but control characters; tabs are blanks. */
static bool is_field_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

bool http1_text_equal(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool http1_next_element(struct slice *rest, struct slice *out)
{
    while (rest->len > 0) {
        size_t comma = slice_find(*rest, ',');
        struct slice element = trim(slice_first(*rest, comma));
        *rest = slice_from(*rest, comma < rest->len ? comma + 1 : comma);
        if (element.len > 0) {
            *out = element;
            return true;
        }
    }
    return false;
}

/* --- spans ------------------------------------------------------------------------------------ */

static struct http1_span span_of(const struct http1_head *head, struct slice s)
{
    if (s.len == 0) {
        return (struct http1_span){0};
    }
    ASSERT(s.ptr >= head->base);
    size_t offset = (size_t)(s.ptr - head->base);
    ASSERT(offset <= HTTP1_HEAD_MAX_BYTES && s.len <= HTTP1_HEAD_MAX_BYTES - offset);
    return (struct http1_span){.offset = (uint16_t)offset, .len = (uint16_t)s.len};
}

static struct slice slice_at(const struct http1_head *head, struct http1_span span)
{
    return slice_of(head->base + span.offset, span.len);
}

struct slice http1_head_method(const struct http1_head *head)
{
    return slice_at(head, head->method);
}

struct slice http1_head_target(const struct http1_head *head)
{
    return slice_at(head, head->target);
}

struct slice http1_head_name_at(const struct http1_head *head, uint32_t index)
{
    ASSERT(index < head->header_count);
    return slice_at(head, head->headers[index].name);
}

struct slice http1_head_value_at(const struct http1_head *head, uint32_t index)
{
    ASSERT(index < head->header_count);
    return slice_at(head, head->headers[index].value);
}

bool http1_head_find(const struct http1_head *head, const char *name, struct slice *value)
{
    struct slice wanted = slice_of_text(name);
    for (uint32_t i = 0; i < head->header_count; i++) {
        if (http1_text_equal(http1_head_name_at(head, i), wanted)) {
            *value = http1_head_value_at(head, i);
            return true;
        }
    }
    return false;
}

/* Bytes of "http://authority" in front of the path; 0 for a target in origin form. */
static size_t authority_bytes(struct slice target)
{
    size_t scheme = 0;
    if (target.len >= 7 && http1_text_equal(slice_first(target, 7), SLICE_LITERAL("http://"))) {
        scheme = 7;
    } else if (target.len >= 8 &&
               http1_text_equal(slice_first(target, 8), SLICE_LITERAL("https://"))) {
        scheme = 8;
    }
    size_t end = scheme;
    while (scheme > 0 && end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?') {
        end++;
    }
    return end > scheme ? end : 0;
}

struct slice http1_head_path(const struct http1_head *head)
{
    struct slice target = http1_head_target(head);
    struct slice rest = slice_from(target, authority_bytes(target));
    struct slice path = slice_first(rest, slice_find(rest, '?'));
    return path.len > 0 ? path : SLICE_LITERAL("/");
}

struct slice http1_head_query(const struct http1_head *head)
{
    struct slice target = http1_head_target(head);
    size_t mark = slice_find(target, '?');
    return slice_from(target, mark < target.len ? mark + 1 : mark);
}

/* --- the request line ------------------------------------------------------------------------- */

static enum http1_why read_version(struct http1_head *head, struct slice text)
{
    bool is_http = text.len == 8 && slice_has_prefix(text, SLICE_LITERAL("HTTP/")) &&
                   text.ptr[6] == '.' && text.ptr[5] >= '0' && text.ptr[5] <= '9' &&
                   text.ptr[7] >= '0' && text.ptr[7] <= '9';
    if (!is_http) {
        return HTTP1_WHY_REQUEST_LINE;
    }
    if (text.ptr[5] != '1' || text.ptr[7] > '1') {
        return HTTP1_WHY_VERSION;
    }
    head->minor_version = (uint32_t)(text.ptr[7] - '0');
    head->is_keep_alive = head->minor_version == 1;
    return HTTP1_WHY_NONE;
}

/* METHOD SP target SP HTTP/1.1, one blank each. */
static enum http1_why read_request_line(struct http1_head *head, struct slice line)
{
    size_t method_len = slice_find(line, ' ');
    struct slice method = slice_first(line, method_len);
    if (method_len == line.len || !is_token(method)) {
        return HTTP1_WHY_REQUEST_LINE;
    }
    struct slice rest = slice_from(line, method_len + 1);
    size_t target_len = slice_find(rest, ' ');
    if (target_len == rest.len) {
        return HTTP1_WHY_REQUEST_LINE;
    }
    struct slice target = slice_first(rest, target_len);
    if (!is_target_text(target)) {
        return HTTP1_WHY_TARGET;
    }
    bool is_asterisk = slice_is_text(target, "*") && slice_is_text(method, "OPTIONS");
    if (target.ptr[0] != '/' && !is_asterisk && authority_bytes(target) == 0) {
        return HTTP1_WHY_TARGET;
    }
    head->method = span_of(head, method);
    head->target = span_of(head, target);
    head->has_request_line = true;
    return read_version(head, slice_from(rest, target_len + 1));
}

/* --- fields ----------------------------------------------------------------------------------- */

static bool is_first(struct http1_head *head, uint32_t bit)
{
    bool is_new = (head->seen & bit) == 0;
    head->seen |= bit;
    return is_new;
}

static enum http1_why read_length(struct http1_head *head, struct slice value)
{
    /* A list of equal lengths would be allowed; nobody needs it and proxies disagree about it. */
    if (!is_first(head, SEEN_LENGTH) || number_parse_u64(value, &head->content_length) != 0) {
        return HTTP1_WHY_LENGTH;
    }
    return HTTP1_WHY_NONE;
}

static enum http1_why read_coding(struct http1_head *head, struct slice value)
{
    if (!is_first(head, SEEN_CODING) || head->minor_version == 0) {
        return HTTP1_WHY_FRAMING;
    }
    if (!http1_text_equal(value, SLICE_LITERAL("chunked"))) {
        return HTTP1_WHY_CODING;
    }
    return HTTP1_WHY_NONE;
}

static void read_connection(struct http1_head *head, struct slice value)
{
    struct slice element;
    while (http1_next_element(&value, &element)) {
        if (http1_text_equal(element, SLICE_LITERAL("close"))) {
            head->is_keep_alive = false;
            return;
        }
        if (http1_text_equal(element, SLICE_LITERAL("keep-alive")) && head->minor_version == 0) {
            head->is_keep_alive = true;
        }
    }
}

/* The fields that say where the message ends and what comes after it. */
static enum http1_why read_known(struct http1_head *head, struct slice name, struct slice value)
{
    if (http1_text_equal(name, SLICE_LITERAL("content-length"))) {
        return read_length(head, value);
    }
    if (http1_text_equal(name, SLICE_LITERAL("transfer-encoding"))) {
        return read_coding(head, value);
    }
    if (http1_text_equal(name, SLICE_LITERAL("host"))) {
        return is_first(head, SEEN_HOST) ? HTTP1_WHY_NONE : HTTP1_WHY_HOST;
    }
    if (http1_text_equal(name, SLICE_LITERAL("connection"))) {
        read_connection(head, value);
    } else if (http1_text_equal(name, SLICE_LITERAL("expect"))) {
        head->expects_continue = http1_text_equal(value, SLICE_LITERAL("100-continue"));
        return head->expects_continue ? HTTP1_WHY_NONE : HTTP1_WHY_EXPECT;
    }
    return HTTP1_WHY_NONE;
}

static enum http1_why read_field(struct http1_head *head, struct slice line)
{
    if (is_blank(line.ptr[0])) {
        return HTTP1_WHY_FOLDED;
    }
    size_t colon = slice_find(line, ':');
    struct slice name = slice_first(line, colon);
    if (colon == line.len || !is_token(name)) {
        return HTTP1_WHY_HEADER;
    }
    struct slice value = trim(slice_from(line, colon + 1));
    if (!is_field_text(value)) {
        return HTTP1_WHY_HEADER;
    }
    if (head->header_count == HTTP1_HEADERS_MAX) {
        return HTTP1_WHY_HEADERS_MANY;
    }
    head->headers[head->header_count++] =
        (struct http1_field){.name = span_of(head, name), .value = span_of(head, value)};
    return read_known(head, name, value);
}

/* The empty line was met: do the fields agree with one another? */
static enum http1_why finish_head(struct http1_head *head)
{
    if (head->minor_version == 1 && (head->seen & SEEN_HOST) == 0) {
        return HTTP1_WHY_HOST;
    }
    if ((head->seen & SEEN_CODING) != 0) {
        head->framing = HTTP1_FRAMING_CHUNKED;
        return (head->seen & SEEN_LENGTH) != 0 ? HTTP1_WHY_FRAMING : HTTP1_WHY_NONE;
    }
    bool has_body = (head->seen & SEEN_LENGTH) != 0 && head->content_length > 0;
    head->framing = has_body ? HTTP1_FRAMING_LENGTH : HTTP1_FRAMING_NONE;
    /* A client of HTTP/1.0 would take the 100 for the answer. */
    head->expects_continue = head->expects_continue && head->minor_version == 1;
    return HTTP1_WHY_NONE;
}

/* --- the head --------------------------------------------------------------------------------- */

/* One line without its CR LF. Returns why it is bad; *is_end for the line that ends the head. */
static enum http1_why read_line(struct http1_head *head, struct slice line, bool *is_end)
{
    if (memchr(line.ptr, '\r', line.len) != NULL) {
        return HTTP1_WHY_LINE_END;
    }
    if (!head->has_request_line) {
        if (line.len == 0) { /* left over from the body before, by clients of old */
            return head->line_start == 0 ? HTTP1_WHY_NONE : HTTP1_WHY_REQUEST_LINE;
        }
        return read_request_line(head, line);
    }
    *is_end = line.len == 0;
    return *is_end ? finish_head(head) : read_field(head, line);
}

/* Another protocol shows in its first byte; no need to wait for the line's end. */
static bool is_hopeless(const struct http1_head *head, struct slice bytes)
{
    if (head->has_request_line || bytes.len <= head->line_start) {
        return false;
    }
    uint8_t first = bytes.ptr[head->line_start];
    return first != '\r' && !is_token_byte(first);
}

/* No LF yet: can this still become a head? */
static enum parse judge_rest(const struct http1_head *head, struct slice bytes, enum http1_why *why)
{
    if (bytes.len >= HTTP1_HEAD_MAX_BYTES) {
        *why = head->has_request_line ? HTTP1_WHY_HEAD_LONG : HTTP1_WHY_TARGET_LONG;
        return PARSE_BAD;
    }
    return PARSE_MORE;
}

enum parse http1_head_parse(struct http1_head *head, struct slice bytes, enum http1_why *why)
{
    ASSERT(head->head_bytes == 0);
    ASSERT(head->scanned_bytes <= bytes.len);
    head->base = bytes.ptr;
    size_t limit = bytes.len < HTTP1_HEAD_MAX_BYTES ? bytes.len : HTTP1_HEAD_MAX_BYTES;
    bool is_end = false;
    while (!is_end) {
        if (is_hopeless(head, bytes)) {
            *why = HTTP1_WHY_REQUEST_LINE;
            return PARSE_BAD;
        }
        struct slice unseen = slice_from(slice_first(bytes, limit), head->scanned_bytes);
        size_t feed = head->scanned_bytes + slice_find(unseen, '\n');
        if (feed == limit) {
            head->scanned_bytes = (uint32_t)limit;
            return judge_rest(head, bytes, why);
        }
        struct slice line = slice_from(slice_first(bytes, feed), head->line_start);
        if (line.len == 0 || line.ptr[line.len - 1] != '\r') {
            *why = HTTP1_WHY_LINE_END;
            return PARSE_BAD;
        }
        enum http1_why reason = read_line(head, slice_first(line, line.len - 1), &is_end);
        if (reason != HTTP1_WHY_NONE) {
            *why = reason;
            return PARSE_BAD;
        }
        head->line_start = (uint32_t)feed + 1;
        head->scanned_bytes = head->line_start;
    }
    head->head_bytes = head->line_start;
    return PARSE_DONE;
}
