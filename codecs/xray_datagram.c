/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_datagram — the header line of an X-Ray datagram.
 *
 * SDKs write the header in one of two spellings, which are compared; any other goes through the
 * JSON reader. Format: X-Ray daemon and the Collector's awsxray receiver, whose reader knows names
 * in any case, lets the last of several members count, and takes null for "leave it as it is".
 */
#include "codecs/xray_datagram.h"

#include "core/base/fault.h"
#include "core/base/json.h"
#include "core/base/number.h"

/* Longer names than ours do not matter. */
#define WORD_MAX_BYTES 8

#define XRAY_DATAGRAM_WHY_ONE(member, label, text) +1
_Static_assert(XRAY_DATAGRAM_WHY_LIMIT == 0 XRAY_DATAGRAM_WHY_LIST(XRAY_DATAGRAM_WHY_ONE),
               "one past the last reason");

struct header {
    bool is_json;
    bool is_version_1;
};

const char *xray_datagram_why_label(enum xray_datagram_why why)
{
#define XRAY_DATAGRAM_WHY_LABEL(member, label, text) [XRAY_DATAGRAM_WHY_##member] = label,
    static const char *const labels[] = {XRAY_DATAGRAM_WHY_LIST(XRAY_DATAGRAM_WHY_LABEL)};
    ASSERT(why < XRAY_DATAGRAM_WHY_LIMIT);
    return labels[why];
}

const char *xray_datagram_why_text(enum xray_datagram_why why)
{
#define XRAY_DATAGRAM_WHY_WORDS(member, label, text) [XRAY_DATAGRAM_WHY_##member] = text,
    static const char *const texts[] = {XRAY_DATAGRAM_WHY_LIST(XRAY_DATAGRAM_WHY_WORDS)};
    ASSERT(why < XRAY_DATAGRAM_WHY_LIMIT);
    return texts[why];
}

/* Does the text, escapes undone, spell `expected` in any case of ASCII? */
static bool is_word(struct json_text text, struct slice expected)
{
    uint8_t word[WORD_MAX_BYTES];
    size_t len = 0;
    while (text.raw.len > 0) {
        uint8_t piece[JSON_PIECE_MAX_BYTES];
        size_t piece_len = json_text_take(&text, piece);
        if (piece_len > 1 || len == expected.len) {
            return false;
        }
        word[len] = piece[0] >= 'A' && piece[0] <= 'Z' ? (uint8_t)(piece[0] | 0x20) : piece[0];
        len++;
    }
    return slice_equal(slice_of(word, len), expected);
}

/* The member that was just named. False: of a wrong type, or not JSON. */
static bool read_member(struct json_reader *json, struct header *header)
{
    bool is_format = is_word(json->text, SLICE_LITERAL("format"));
    bool is_version = is_word(json->text, SLICE_LITERAL("version"));
    enum json_token token = json_next(json);
    if (token == JSON_TOKEN_NULL || (!is_format && !is_version)) {
        return json_skip(json, token);
    }
    if (is_format) {
        header->is_json = token == JSON_TOKEN_STRING && is_word(json->text, SLICE_LITERAL("json"));
        return token == JSON_TOKEN_STRING;
    }
    int64_t version = 0; /* 1.0 is none */
    if (token != JSON_TOKEN_NUMBER || number_parse_i64(json->number, &version) != 0) {
        return false;
    }
    header->is_version_1 = version == 1;
    return true;
}

static bool is_header(struct slice line)
{
    struct json_reader json = json_of(line, JSON_UTF8_REPLACE);
    struct header header = {0};
    if (json_next(&json) != JSON_TOKEN_OBJECT_OPEN) {
        return false;
    }
    enum json_token token = json_next(&json);
    while (token == JSON_TOKEN_KEY) {
        if (!read_member(&json, &header)) {
            return false;
        }
        token = json_next(&json);
    }
    bool is_over = token == JSON_TOKEN_OBJECT_CLOSE && json_next(&json) == JSON_TOKEN_END;
    return is_over && header.is_json && header.is_version_1;
}

/* The length of one of the two usual headers, line feed included; 0 where neither stands there. */
static size_t usual_header_len(struct slice datagram)
{
    struct slice compact = SLICE_LITERAL("{\"format\":\"json\",\"version\":1}\n");
    struct slice spaced = SLICE_LITERAL("{\"format\": \"json\", \"version\": 1}\n");
    if (slice_has_prefix(datagram, spaced)) {
        return spaced.len;
    }
    return slice_has_prefix(datagram, compact) ? compact.len : 0;
}

/* The length of the header, line feed included; 0 where it is refused. */
static size_t other_header_len(struct slice datagram, enum xray_datagram_why *why)
{
    size_t line_len = slice_find(datagram, '\n');
    if (line_len == datagram.len) {
        *why = XRAY_DATAGRAM_WHY_NO_HEADER;
        return 0;
    }
    if (!is_header(slice_first(datagram, line_len))) {
        *why = XRAY_DATAGRAM_WHY_BAD_HEADER;
        return 0;
    }
    return line_len + 1;
}

int xray_datagram_read(struct slice datagram, struct slice *document, enum xray_datagram_why *why)
{
    size_t header_len = usual_header_len(datagram);
    *why = XRAY_DATAGRAM_WHY_NONE;
    if (header_len == 0) {
        header_len = other_header_len(datagram, why);
    }
    if (header_len == 0) {
        return FAULT_MALFORMED;
    }
    if (header_len == datagram.len) {
        *why = XRAY_DATAGRAM_WHY_NO_DOCUMENT;
        return FAULT_MALFORMED;
    }
    *document = slice_from(datagram, header_len);
    return 0;
}
