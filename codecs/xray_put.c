/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_put — writing the bodies of two X-Ray calls.
 *
 * Escaping documents is the hot path of the exporter: eight bytes are looked at in one step.
 */
#include "codecs/xray_put.h"

#include <string.h>

#include "codecs/json_out.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* --- documents -------------------------------------------------------------------------------- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)
#define WORD_BYTES sizeof(uint64_t)
/* What one step may write beyond what it means to: a word, or the longest escape. */
#define STEP_MAX_BYTES (WORD_BYTES + 6)

/*
 * The high bit of each byte that needs an escape: below 0x20, a quote, a backslash. Above the
 * lowest of them there may be bits that mean nothing.
 */
static uint64_t find_escapes(uint64_t word)
{
    uint64_t quote = word ^ ONES * '"';
    uint64_t slash = word ^ ONES * '\\';
    uint64_t below = (word - ONES * 0x20) & ~word;
    return (below | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash)) & HIGHS;
}

/* Writes the escape of `c` to `target`; returns its length. */
static size_t escape(uint8_t c, uint8_t *target)
{
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        target[0] = '\\';
        target[1] = c;
        return 2;
    }
    const uint8_t text[6] = {'\\', 'u', '0', '0', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
    memcpy(target, text, sizeof(text));
    return sizeof(text);
}

/* Up to eight bytes of `text` from `i` on, behind them zeros, which end a run. */
static uint64_t load_word(struct slice text, size_t i)
{
    uint64_t word = 0;
    size_t left = text.len - i;
    memcpy(&word, text.ptr + i, left < WORD_BYTES ? left : WORD_BYTES);
    return word;
}

/* What stands between the quotes. */
static void append_escaped(struct bytes *out, struct slice text)
{
    size_t i = 0;
    while (i < text.len && out->err == 0) {
        /* Enough for all that is left, unless control characters make it longer. */
        out->err = bytes_reserve(out, 2 * (text.len - i) + STEP_MAX_BYTES);
        if (out->err != 0) {
            return;
        }
        const uint8_t *limit = out->ptr + out->capacity_bytes - STEP_MAX_BYTES;
        uint8_t *target = out->ptr + out->len;
        while (i < text.len && target <= limit) {
            uint64_t word = load_word(text, i);
            uint64_t found = find_escapes(word);
            size_t plain = found == 0 ? WORD_BYTES : (size_t)__builtin_ctzll(found) / 8;
            memcpy(target, &word, WORD_BYTES);
            target += plain;
            i += plain;
            if (found != 0 && i < text.len) {
                target += escape(text.ptr[i], target);
                i++;
            }
        }
        out->len = (size_t)(target - out->ptr);
    }
}

/* Most documents are; the others are looked at byte by byte. */
static bool is_ascii(struct slice text)
{
    uint64_t high_bits = 0;
    size_t i = 0;
    for (; text.len - i >= WORD_BYTES; i += WORD_BYTES) {
        uint64_t word = 0;
        memcpy(&word, text.ptr + i, WORD_BYTES);
        high_bits |= word;
    }
    for (; i < text.len; i++) {
        high_bits |= text.ptr[i];
    }
    return (high_bits & HIGHS) == 0;
}

void xray_put_append(struct bytes *out, struct slice document)
{
    if (!is_ascii(document) && !slice_is_utf8(document)) {
        /* One document must not spoil the request for the others. */
        struct json_out json = {.bytes = out, .needs_comma = true};
        json_out_string(&json, document);
        return;
    }
    bytes_append(out, ",\"", 2);
    append_escaped(out, document);
    bytes_append_byte(out, '"');
}

/* --- telemetry -------------------------------------------------------------------------------- */

static void put_text(struct json_out *out, struct slice key, struct slice text)
{
    if (text.len > 0) {
        json_out_key(out, key);
        json_out_string(out, text);
    }
}

static void put_count(struct json_out *out, struct slice key, uint64_t count)
{
    json_out_key(out, key);
    json_out_u64(out, count);
}

/* Milliseconds are more than the service looks at. */
static double seconds_of(uint64_t unix_ns)
{
    return (double)(unix_ns / NS_PER_MS) / (double)(NS_PER_S / NS_PER_MS);
}

static void put_record(struct json_out *out, const struct xray_telemetry_record *record)
{
    json_out_open(out, '{');
    json_out_key(out, SLICE_LITERAL("Timestamp"));
    json_out_f64(out, seconds_of(record->time_unix_ns));
    put_count(out, SLICE_LITERAL("SegmentsReceivedCount"), record->received_count);
    put_count(out, SLICE_LITERAL("SegmentsSentCount"), record->sent_count);
    put_count(out, SLICE_LITERAL("SegmentsSpilloverCount"), record->spillover_count);
    put_count(out, SLICE_LITERAL("SegmentsRejectedCount"), record->rejected_count);
    json_out_key(out, SLICE_LITERAL("BackendConnectionErrors"));
    json_out_open(out, '{');
    put_count(out, SLICE_LITERAL("TimeoutCount"), record->timeout_count);
    put_count(out, SLICE_LITERAL("ConnectionRefusedCount"), record->connection_refused_count);
    put_count(out, SLICE_LITERAL("HTTPCode4XXCount"), record->http_4xx_count);
    put_count(out, SLICE_LITERAL("HTTPCode5XXCount"), record->http_5xx_count);
    put_count(out, SLICE_LITERAL("UnknownHostCount"), record->unknown_host_count);
    put_count(out, SLICE_LITERAL("OtherCount"), record->other_count);
    json_out_close(out, '}');
    json_out_close(out, '}');
}

void xray_put_telemetry(struct bytes *out, const struct xray_telemetry_source *source,
                        const struct xray_telemetry_record *records, size_t count)
{
    struct json_out json = json_out_of(out);
    ASSERT(count <= XRAY_TELEMETRY_RECORDS_MAX);
    json_out_open(&json, '{');
    put_text(&json, SLICE_LITERAL("EC2InstanceId"), source->instance_id);
    put_text(&json, SLICE_LITERAL("Hostname"), source->hostname);
    put_text(&json, SLICE_LITERAL("ResourceARN"), source->resource_arn);
    json_out_key(&json, SLICE_LITERAL("TelemetryRecords"));
    json_out_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        put_record(&json, &records[i]);
    }
    json_out_close(&json, ']');
    json_out_close(&json, '}');
}
