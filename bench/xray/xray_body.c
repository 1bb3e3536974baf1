/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_body — see xray_body.h. The end of a document is found by looking at its quotes only; its
 * ids stand near its beginning, so that few characters are read one by one.
 */
#include "bench/xray/xray_body.h"

#include <string.h>

#include "core/base/fault.h"

#define DOCUMENTS_KEY "\"TraceSegmentDocuments\""
#define TRACE_ID_BYTES 35u
#define TRACE_DIGITS_OFFSET 11u
#define TEXT_MAX_BYTES 40u
#define UNICODE_DIGITS 4u

/* --- documents -------------------------------------------------------------------------------- */

static struct slice body_skip_blanks(struct slice s)
{
    while (s.len > 0 &&
           (s.ptr[0] == ' ' || s.ptr[0] == '\t' || s.ptr[0] == '\n' || s.ptr[0] == '\r')) {
        s = slice_from(s, 1);
    }
    return s;
}

/* Takes `byte` and the blanks around it; false where something else stands there. */
static bool body_take(struct slice *s, char byte)
{
    *s = body_skip_blanks(*s);
    if (s->len == 0 || s->ptr[0] != (uint8_t)byte) {
        return false;
    }
    *s = body_skip_blanks(slice_from(*s, 1));
    return true;
}

int xray_body_open(struct xray_body *body, struct slice bytes)
{
    const size_t key_len = sizeof(DOCUMENTS_KEY) - 1;
    *body = (struct xray_body){.left = bytes, .is_first = true};
    if (!body_take(&body->left, '{') ||
        !slice_has_prefix(body->left, SLICE_LITERAL(DOCUMENTS_KEY))) {
        return FAULT_MALFORMED;
    }
    body->left = slice_from(body->left, key_len);
    return body_take(&body->left, ':') && body_take(&body->left, '[') ? 0 : FAULT_MALFORMED;
}

static int body_end(struct xray_body *body)
{
    body->is_done = true;
    return body_take(&body->left, '}') && body->left.len == 0 ? 0 : FAULT_MALFORMED;
}

/* Where the string ends that begins at the front; its length where it does not. */
static size_t body_find_quote(struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        at += slice_find(slice_from(s, at), '"');
        size_t escape_count = 0;
        while (escape_count < at && s.ptr[at - 1 - escape_count] == '\\') {
            escape_count++;
        }
        if (at == s.len || escape_count % 2 == 0) {
            return at;
        }
        at++;
    }
    return s.len;
}

int xray_body_next(struct xray_body *body, struct slice *document)
{
    if (body->is_done) {
        return 0;
    }
    if (body_take(&body->left, ']')) {
        return body_end(body);
    }
    if (!body->is_first && !body_take(&body->left, ',')) {
        return FAULT_MALFORMED;
    }
    body->is_first = false;
    if (body->left.len == 0 || body->left.ptr[0] != '"') {
        return FAULT_MALFORMED;
    }
    body->left = slice_from(body->left, 1);
    const size_t len = body_find_quote(body->left);
    if (len == body->left.len) {
        return FAULT_MALFORMED;
    }
    *document = slice_first(body->left, len);
    body->left = slice_from(body->left, len + 1);
    return 1;
}

/* --- ids -------------------------------------------------------------------------------------- */

/* The document's own characters, the outer escapes taken off. */
struct reader {
    struct slice left;
    uint32_t depth;
};

/* -1 at the end. An escape for a control character or by number stands for a blank: none of them
 * can be in what is looked for. */
static int reader_next(struct reader *r)
{
    if (r->left.len == 0) {
        return -1;
    }
    const uint8_t c = r->left.ptr[0];
    r->left = slice_from(r->left, 1);
    if (c != '\\') {
        return c;
    }
    if (r->left.len == 0) {
        return -1;
    }
    const uint8_t escaped = r->left.ptr[0];
    r->left = slice_from(r->left, 1);
    if (escaped == 'u') {
        const size_t skip = r->left.len < UNICODE_DIGITS ? r->left.len : UNICODE_DIGITS;
        r->left = slice_from(r->left, skip);
    }
    return escaped == '"' || escaped == '\\' || escaped == '/' ? escaped : ' ';
}

/* A string whose first quote was read; its length, or TEXT_MAX_BYTES for all longer ones. */
static size_t reader_text(struct reader *r, char *text)
{
    size_t len = 0;
    for (int c = reader_next(r); c >= 0 && c != '"'; c = reader_next(r)) {
        if (c == '\\') {
            (void)reader_next(r); /* what it escapes is no quote that ends the string */
        }
        if (len < TEXT_MAX_BYTES) {
            text[len] = (char)c;
            len++;
        }
    }
    return len;
}

/* What was read last on the document's own level. */
enum wanted {
    WANTED_NONE = 0,
    WANTED_SEGMENT_ID = 1,
    WANTED_TRACE_ID = 2,
};
#define WANTED_BOTH 3u

static enum wanted document_key(const char *text, size_t len)
{
    const struct slice key = slice_of(text, len);
    if (slice_is_text(key, "id")) {
        return WANTED_SEGMENT_ID;
    }
    return slice_is_text(key, "trace_id") ? WANTED_TRACE_ID : WANTED_NONE;
}

/* Keeps a value that was wanted; false for one of another length. */
static bool document_keep(enum wanted wanted, const char *text, size_t len, struct xray_ident *out)
{
    if (wanted == WANTED_SEGMENT_ID) {
        memcpy(out->segment_id, text, sizeof(out->segment_id));
        return len == XRAY_SEGMENT_ID_BYTES;
    }
    memcpy(out->trace_digits, text + TRACE_DIGITS_OFFSET, sizeof(out->trace_digits));
    return len == TRACE_ID_BYTES;
}

/* A walk over one document. */
struct walk {
    struct reader reader;
    enum wanted key;
    bool is_value;
    uint32_t kept; /* bits of enum wanted */
};

/* A string on the document's own level; false for an id of another length. */
static bool document_text(struct walk *w, struct xray_ident *out)
{
    char text[TEXT_MAX_BYTES] = {0};
    const size_t len = reader_text(&w->reader, text);
    if (w->reader.depth != 1) {
        return true;
    }
    if (!w->is_value) {
        w->key = document_key(text, len);
        return true;
    }
    const enum wanted key = w->key;
    w->key = WANTED_NONE;
    if (key == WANTED_NONE) {
        return true;
    }
    w->kept |= (uint32_t)key;
    return document_keep(key, text, len, out);
}

bool xray_document_ident(struct slice document, struct xray_ident *out)
{
    struct walk w = {.reader.left = document};
    int c = reader_next(&w.reader);
    while (c >= 0 && w.kept != WANTED_BOTH) {
        if (c == '{' || c == '[') {
            w.reader.depth++;
        } else if (c == '}' || c == ']') {
            w.reader.depth--;
        } else if (c == ':' || c == ',') {
            w.is_value = c == ':';
        } else if (c == '"' && !document_text(&w, out)) {
            return false;
        }
        c = reader_next(&w.reader);
    }
    return w.kept == WANTED_BOTH;
}
