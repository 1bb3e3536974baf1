/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_canonical — method, path, query, headers and payload hash in the one spelling that client
 * and service agree on, whatever a request looked like.
 *
 * The first half of a signature; sigv4_sign.c is the second. Owns nothing: it writes into the
 * buffers of the signer, which never grow and so never move. What could be read in two ways is
 * refused here, because a signature vouches for one of them.
 * Source: AWS Signature Version 4, "Create a canonical request"; RFC 3986 2.3, RFC 9110 5.
 */
#include "codecs/sigv4_canonical.h"

#include <string.h>

#include "core/base/fault.h"

#define DELETE 0x7F
#define WORD_BYTES sizeof(uint64_t)
#define EACH_BYTE UINT64_C(0x0101010101010101)

struct query_pair {
    struct slice name; /* in signer->work, encoded */
    struct slice value;
};

/* A header on its way to its place in the order. */
struct entry {
    struct slice name; /* as given */
    struct slice value;
    bool is_plain; /* the value is canonical as it is */
};

static bool is_letter_or_digit(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9110 5.6.2: what method and header names are made of. */
static bool is_token(struct slice text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        if (!is_letter_or_digit(text.ptr[i]) &&
            memchr(others, text.ptr[i], sizeof(others) - 1) == NULL) {
            return false;
        }
    }
    return text.len > 0;
}

/* Has one of eight bytes a value below 0x21, or that of DEL? Session tokens are long. */
static bool has_other_byte(const uint8_t bytes[WORD_BYTES])
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t without_del = word ^ EACH_BYTE * DELETE;
    uint64_t is_low = (word - EACH_BYTE * (' ' + 1)) & ~word;
    uint64_t is_del = (without_del - EACH_BYTE) & ~without_del;
    return ((is_low | is_del) & EACH_BYTE * 0x80) != 0;
}

/* Nothing but bytes that a value keeps as they are: no blanks, no control characters. */
static bool is_plain(struct slice text)
{
    size_t i = 0;
    for (; text.len - i >= WORD_BYTES; i += WORD_BYTES) {
        if (has_other_byte(text.ptr + i)) {
            return false;
        }
    }
    for (; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] == DELETE) {
            return false;
        }
    }
    return true;
}

/* --- path and query ------------------------------------------------------------------------- */

static bool is_unreserved(uint8_t c)
{
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void append_escaped(struct bytes *out, uint8_t c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char escape[] = {'%', digits[c >> 4], digits[c & 0x0F]};
    bytes_append(out, escape, sizeof(escape));
}

/* The path, each byte that is neither unreserved nor a slash escaped. */
static void append_path(struct bytes *out, struct slice path)
{
    size_t start = 0;
    for (size_t i = 0; i < path.len; i++) {
        if (is_unreserved(path.ptr[i]) || path.ptr[i] == '/') {
            continue;
        }
        bytes_append(out, path.ptr + start, i - start);
        append_escaped(out, path.ptr[i]);
        start = i + 1;
    }
    bytes_append(out, path.ptr + start, path.len - start);
}

/* Resolves one segment against what stands in `work`: "/a/b". */
static void normalise_segment(struct bytes *work, struct slice segment)
{
    if (segment.len == 0 || slice_is_text(segment, ".")) {
        return;
    }
    if (!slice_is_text(segment, "..")) {
        bytes_append_byte(work, '/');
        bytes_append(work, segment.ptr, segment.len);
        return;
    }
    const uint8_t *slash = work->len == 0 ? NULL : memrchr(work->ptr, '/', work->len);
    work->len = slash == NULL ? 0 : (size_t)(slash - work->ptr);
}

/* The path without empty and dot segments; a slash at its end stays. Borrows from `work`. */
static struct slice normalise_path(struct bytes *work, struct slice path)
{
    bytes_clear(work);
    struct slice rest = path;
    while (rest.len > 0) {
        size_t end = slice_find(rest, '/');
        normalise_segment(work, slice_first(rest, end));
        rest = slice_from(rest, end < rest.len ? end + 1 : end);
    }
    if (work->len == 0 || path.ptr[path.len - 1] == '/') {
        bytes_append_byte(work, '/');
    }
    return bytes_slice(work);
}

static int write_path(struct sigv4_signer *signer, const struct sigv4_request *request)
{
    struct slice path = request->path.len == 0 ? SLICE_LITERAL("/") : request->path;
    if (path.ptr[0] != '/') {
        return FAULT_MALFORMED;
    }
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        if (c < ' ' || c == DELETE || c == '?' || c == '#') {
            return FAULT_MALFORMED;
        }
    }
    if (request->is_path_normalised) {
        path = normalise_path(&signer->work, path);
        if (signer->work.err != 0) {
            return signer->work.err;
        }
    }
    append_path(&signer->canonical, path);
    return 0;
}

static int hex_value(uint8_t c)
{
    uint8_t lower = c | 0x20;
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Undoes the escapes of a name or value and escapes it anew, so that one spelling remains. */
static int append_recoded(struct bytes *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < ' ' || c == DELETE || c == '#') {
            return FAULT_MALFORMED;
        }
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
            if (low < 0) {
                return FAULT_MALFORMED;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        if (is_unreserved(c)) {
            bytes_append_byte(out, c);
        } else {
            append_escaped(out, c);
        }
    }
    return out->err;
}

static int take_recoded(struct bytes *work, struct slice text, struct slice *out)
{
    size_t start = work->len;
    int err = append_recoded(work, text);
    if (err == 0) {
        *out = slice_from(bytes_slice(work), start);
    }
    return err;
}

static int compare_pairs(const struct query_pair *a, const struct query_pair *b)
{
    int order = slice_compare(a->name, b->name);
    return order != 0 ? order : slice_compare(a->value, b->value);
}

/* Reads the query into `pairs`, in order; each goes to its place as it comes. */
static int read_query(struct bytes *work, struct slice query, struct query_pair *pairs,
                      size_t *count)
{
    bytes_clear(work);
    *count = 0;
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice text = slice_first(query, end);
        query = slice_from(query, end < query.len ? end + 1 : end);
        if (text.len == 0) {
            continue;
        }
        if (*count == SIGV4_QUERY_PAIRS_MAX) {
            return FAULT_LIMIT;
        }
        struct query_pair pair = {0};
        size_t equals = slice_find(text, '=');
        int err = take_recoded(work, slice_first(text, equals), &pair.name);
        if (err == 0 && equals < text.len) {
            err = take_recoded(work, slice_from(text, equals + 1), &pair.value);
        }
        if (err != 0) {
            return err;
        }
        size_t at = (*count)++;
        for (; at > 0 && compare_pairs(&pairs[at - 1], &pair) > 0; at--) {
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = pair;
    }
    return 0;
}

static int write_query(struct sigv4_signer *signer, struct slice query)
{
    struct query_pair pairs[SIGV4_QUERY_PAIRS_MAX];
    size_t count = 0;
    int err = read_query(&signer->work, query, pairs, &count);
    if (err != 0) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            bytes_append_byte(&signer->canonical, '&');
        }
        bytes_append(&signer->canonical, pairs[i].name.ptr, pairs[i].name.len);
        bytes_append_byte(&signer->canonical, '=');
        bytes_append(&signer->canonical, pairs[i].value.ptr, pairs[i].value.len);
    }
    return 0;
}

/* --- headers --------------------------------------------------------------------------------- */

static uint8_t lower_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static int compare_names(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < common; i++) {
        int difference = lower_of(a.ptr[i]) - lower_of(b.ptr[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static void append_name(struct bytes *out, struct slice name)
{
    if (bytes_reserve(out, name.len) != 0) {
        out->err = FAULT_LIMIT;
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        out->ptr[out->len + i] = lower_of(name.ptr[i]);
    }
    out->len += name.len;
}

/*
 * Steps over blanks and folds. A fold is a line break, blanks, and then text: a line of nothing but
 * blanks could pass for the end of the headers.
 */
static int skip_blanks(struct slice value, size_t *pos)
{
    bool is_folded = false;
    size_t i = *pos;
    for (;
         i < value.len && (is_blank(value.ptr[i]) || value.ptr[i] == '\r' || value.ptr[i] == '\n');
         i++) {
        if (is_blank(value.ptr[i])) {
            continue;
        }
        i += value.ptr[i] == '\r' ? 1 : 0;
        bool is_fold = value.len - i > 1 && value.ptr[i] == '\n' && is_blank(value.ptr[i + 1]);
        if (is_folded || !is_fold) {
            return FAULT_MALFORMED;
        }
        is_folded = true;
    }
    *pos = i;
    return is_folded && i == value.len ? FAULT_MALFORMED : 0;
}

static int append_value(struct bytes *out, const struct entry *entry)
{
    struct slice value = entry->value;
    if (entry->is_plain) {
        bytes_append(out, value.ptr, value.len);
        return 0;
    }
    size_t pos = 0;
    size_t start = out->len;
    while (pos < value.len) {
        int err = skip_blanks(value, &pos);
        if (err != 0) {
            return err;
        }
        size_t end = pos;
        while (end < value.len && value.ptr[end] > ' ' && value.ptr[end] != DELETE) {
            end++;
        }
        if (end == pos) {
            return pos == value.len ? 0 : FAULT_MALFORMED; /* another control character */
        }
        if (out->len > start) {
            bytes_append_byte(out, ' ');
        }
        bytes_append(out, value.ptr + pos, end - pos);
        pos = end;
    }
    return 0;
}

static bool is_of_signer(struct slice name)
{
    return compare_names(name, SLICE_LITERAL("x-amz-date")) == 0 ||
           compare_names(name, SLICE_LITERAL("x-amz-security-token")) == 0 ||
           compare_names(name, SLICE_LITERAL("authorization")) == 0;
}

/* Puts a header behind those of a smaller or the same name. */
static void sort_in(struct entry *entries, size_t *count, struct entry entry)
{
    size_t at = (*count)++;
    for (; at > 0 && compare_names(entries[at - 1].name, entry.name) > 0; at--) {
        entries[at] = entries[at - 1];
    }
    entries[at] = entry;
}

static int read_headers(const struct sigv4_request *request, struct entry *entries, size_t *count)
{
    size_t host_count = 0;
    if (request->header_count > SIGV4_HEADERS_MAX - *count) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sigv4_header *header = &request->headers[i];
        if (!is_token(header->name) || is_of_signer(header->name)) {
            return FAULT_MALFORMED;
        }
        bool is_host = compare_names(header->name, SLICE_LITERAL("host")) == 0;
        host_count += is_host && header->value.len > 0 ? 1 : 0;
        sort_in(entries, count,
                (struct entry){.name = header->name,
                               .value = header->value,
                               .is_plain = is_plain(header->value)});
    }
    return host_count == 1 ? 0 : FAULT_MALFORMED;
}

static bool is_repeated(const struct entry *entries, size_t at)
{
    return at > 0 && compare_names(entries[at - 1].name, entries[at].name) == 0;
}

static int write_headers(struct bytes *out, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_repeated(entries, i)) {
            out->len--; /* the line break of the value before */
            bytes_append_byte(out, ',');
        } else {
            append_name(out, entries[i].name);
            bytes_append_byte(out, ':');
        }
        int err = append_value(out, &entries[i]);
        if (err != 0) {
            return err;
        }
        bytes_append_byte(out, '\n');
        if (out->err != 0) {
            return out->err;
        }
    }
    return 0;
}

static struct slice write_names(struct bytes *out, const struct entry *entries, size_t count)
{
    size_t start = out->len;
    for (size_t i = 0; i < count; i++) {
        if (is_repeated(entries, i)) {
            continue;
        }
        if (i > 0) {
            bytes_append_byte(out, ';');
        }
        append_name(out, entries[i].name);
    }
    return slice_from(bytes_slice(out), start);
}

static bool is_hash_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (hex_value(c) < 0 || lower_of(c) != c) {
            return false;
        }
    }
    return text.len == DIGEST_SHA256_HEX_BYTES;
}

int sigv4_canonical_write(struct sigv4_signer *signer, const struct sigv4_request *request,
                          struct slice amz_date, struct slice session_token,
                          struct slice *signed_names)
{
    struct entry entries[SIGV4_HEADERS_MAX];
    size_t count = 0;
    struct bytes *out = &signer->canonical;
    ASSERT(amz_date.len == SIGV4_AMZ_DATE_BYTES);
    /* The token is sent as it is, so there is nothing to fold or to trim. */
    if (!is_token(request->method) || !is_hash_hex(request->payload_hash_hex) ||
        !is_plain(session_token)) {
        return FAULT_MALFORMED;
    }
    sort_in(
        entries, &count,
        (struct entry){.name = SLICE_LITERAL("x-amz-date"), .value = amz_date, .is_plain = true});
    if (session_token.len > 0) {
        sort_in(entries, &count,
                (struct entry){.name = SLICE_LITERAL("x-amz-security-token"),
                               .value = session_token,
                               .is_plain = true});
    }
    int err = read_headers(request, entries, &count);
    if (err != 0) {
        return err;
    }
    bytes_clear(out);
    bytes_append(out, request->method.ptr, request->method.len);
    bytes_append_byte(out, '\n');
    err = write_path(signer, request);
    if (err == 0) {
        bytes_append_byte(out, '\n');
        err = write_query(signer, request->query);
    }
    if (err == 0) {
        bytes_append_byte(out, '\n');
        err = write_headers(out, entries, count);
    }
    if (err != 0) {
        return err;
    }
    bytes_append_byte(out, '\n');
    *signed_names = write_names(out, entries, count);
    bytes_append_byte(out, '\n');
    bytes_append(out, request->payload_hash_hex.ptr, request->payload_hash_hex.len);
    return out->err;
}
