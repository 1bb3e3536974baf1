/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log — lines put together on the stack and written at once.
 *
 * A line grows field by field inside a fixed buffer that keeps room for its end; a field that does
 * not fit is taken back (a long text is cut) and the line is marked. Keys and values are escaped,
 * so that bytes from outside can neither end a line nor move a terminal's cursor.
 */
#include "core/base/log.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/number.h"

/* Kept free for `","cut":true}` and the newline. */
#define TAIL_BYTES 32

/* The process's settings; main writes, any thread reads, relaxed: each stands alone. */
static _Atomic uint8_t current_level = LOG_LEVEL_INFO;
static _Atomic uint8_t current_format = LOG_FORMAT_AUTO;

struct line {
    char *buf;
    size_t len;
    bool is_json;
    bool is_cut;
};

/* --- bytes ----------------------------------------------------------------------------------- */

/* All or nothing; false marks the line as cut. */
static bool put(struct line *line, const void *bytes, size_t len)
{
    if (len > LOG_LINE_MAX_BYTES - TAIL_BYTES - line->len) {
        line->is_cut = true;
        return false;
    }
    memcpy(line->buf + line->len, bytes, len);
    line->len += len;
    return true;
}

static bool put_text(struct line *line, const char *text)
{
    return put(line, text, strlen(text));
}

static char hex_digit(uint32_t nibble)
{
    return "0123456789abcdef"[nibble & 15];
}

/*
 * Bytes of the character at the start of `s` (not empty) that may stand as it is; 0 where its first
 * byte has to be escaped: controls (C1 too), quote, backslash, DEL, what is not UTF-8.
 */
static size_t plain_bytes(struct slice s)
{
    uint8_t lead = s.ptr[0];
    if (lead < 0x80) {
        return lead >= 0x20 && lead != '"' && lead != '\\' && lead != 0x7F ? 1 : 0;
    }
    bool is_c1 = lead == 0xC2 && s.len > 1 && s.ptr[1] < 0xA0;
    for (size_t len = 2; len <= 4 && len <= s.len && !is_c1; len++) {
        if (slice_is_utf8(slice_first(s, len))) {
            return len;
        }
    }
    return 0;
}

/* Writes the escape of one byte to `out` (6 bytes of room) and returns its length. */
static size_t escape_byte(uint8_t byte, bool is_json, char *out)
{
    const char *named = "\"\"\\\\\nn\rr\tt";
    for (size_t i = 0; named[i] != '\0'; i += 2) {
        if ((uint8_t)named[i] == byte) {
            out[0] = '\\';
            out[1] = named[i + 1];
            return 2;
        }
    }
    /* JSON has characters only: a byte that is none becomes the one with its number. */
    const char *prefix = is_json ? "\\u00" : "\\x";
    size_t len = strlen(prefix);
    memcpy(out, prefix, len);
    out[len] = hex_digit(byte >> 4);
    out[len + 1] = hex_digit(byte);
    return len + 2;
}

/* As much of `s` as fits, quoted. */
static bool put_quoted(struct line *line, struct slice s)
{
    /* Room for one longest escape and the closing quote, so that what is opened can be closed. */
    if (line->len > LOG_LINE_MAX_BYTES - TAIL_BYTES - 8) {
        line->is_cut = true;
        return false;
    }
    line->buf[line->len++] = '"';
    size_t at = 0;
    while (at < s.len && line->len <= LOG_LINE_MAX_BYTES - TAIL_BYTES - 7) {
        size_t plain = plain_bytes(slice_from(s, at));
        if (plain > 0) {
            memcpy(line->buf + line->len, s.ptr + at, plain);
            line->len += plain;
            at += plain;
        } else {
            line->len += escape_byte(s.ptr[at], line->is_json, line->buf + line->len);
            at++;
        }
    }
    line->is_cut = line->is_cut || at < s.len;
    line->buf[line->len++] = '"';
    return true;
}

/* May `s` stand in a text line without quotes? */
static bool is_bare(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = s.ptr[i];
        if (byte <= ' ' || byte >= 0x7F || byte == '"' || byte == '\\' || byte == '=') {
            return false;
        }
    }
    return s.len > 0;
}

static bool put_string(struct line *line, struct slice s)
{
    if (!line->is_json && is_bare(s) && put(line, s.ptr, s.len)) {
        return true;
    }
    return put_quoted(line, s);
}

/* --- fields ---------------------------------------------------------------------------------- */

static bool put_f64(struct line *line, double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(value, text, sizeof(text));
    /* JSON has no word for these; a string keeps what was meant. */
    if (line->is_json && !isfinite(value)) {
        return put_quoted(line, slice_of(text, len));
    }
    return put(line, text, len);
}

static bool put_value(struct line *line, const struct log_field *field)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    switch (field->kind) {
    case LOG_FIELD_TEXT:
        return put_string(line, field->text);
    case LOG_FIELD_U64:
        return put(line, text, number_format_u64(field->u64, text, sizeof(text)));
    case LOG_FIELD_I64:
        return put(line, text, number_format_i64(field->i64, text, sizeof(text)));
    case LOG_FIELD_F64:
        return put_f64(line, field->f64);
    case LOG_FIELD_BOOL:
        return put_text(line, field->boolean ? "true" : "false");
    }
    return false;
}

/* Whole or not at all, but for a text that is cut; a field behind a cut would lie about what fits.
 */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->len;
    if (line->is_cut) {
        return;
    }
    bool is_put =
        put_text(line, line->is_json ? "," : " ") && put_string(line, slice_of_text(field->key)) &&
        put_text(line, line->is_json ? ":" : "=") && !line->is_cut && put_value(line, field);
    if (!is_put) {
        line->len = before;
        line->is_cut = true;
    }
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "unknown";
}

static void put_head(struct line *line, uint64_t time_unix_ns, enum log_level level)
{
    bool is_put = true;
    if (line->is_json) {
        char time[CLOCK_RFC3339_BYTES];
        (void)clock_format_rfc3339(time_unix_ns, time, sizeof(time)); /* the room is right */
        is_put = put_text(line, "{\"time\":\"") && put_text(line, time) &&
                 put_text(line, "\",\"level\":\"") && put_text(line, level_name(level)) &&
                 put_text(line, "\"");
    } else {
        is_put = put_text(line, level_name(level));
    }
    ASSERT(is_put); /* an empty line has room for its head */
}

size_t log_format_line(enum log_format format, const struct log_entry *entry, char *buf)
{
    ASSERT(format != LOG_FORMAT_AUTO);
    struct line line = {.buf = buf, .is_json = format == LOG_FORMAT_JSON};
    put_head(&line, entry->time_unix_ns, entry->level);
    struct log_field named = LOG_TEXT("event", entry->event);
    put_field(&line, &named);
    for (size_t i = 0; i < entry->field_count; i++) {
        put_field(&line, &entry->fields[i]);
    }
    const char *cut = line.is_json ? ",\"cut\":true" : " cut=true";
    const char *end = line.is_json ? "}\n" : "\n";
    size_t cut_len = line.is_cut ? strlen(cut) : 0;
    ASSERT(cut_len + strlen(end) <= TAIL_BYTES);
    memcpy(buf + line.len, cut, cut_len);
    memcpy(buf + line.len + cut_len, end, strlen(end));
    return line.len + cut_len + strlen(end);
}

/* --- the process's log ----------------------------------------------------------------------- */

static enum log_format resolve(enum log_format format)
{
    if (format != LOG_FORMAT_AUTO) {
        return format;
    }
    return isatty(STDERR_FILENO) == 1 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

void log_init(const struct log_options *options)
{
    atomic_store_explicit(&current_level, (uint8_t)options->level, memory_order_relaxed);
    atomic_store_explicit(&current_format, (uint8_t)resolve(options->format), memory_order_relaxed);
}

bool log_is_enabled(enum log_level level)
{
    return (uint8_t)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count)
{
    if (!log_is_enabled(level)) {
        return;
    }
    char buf[LOG_LINE_MAX_BYTES];
    enum log_format format = atomic_load_explicit(&current_format, memory_order_relaxed);
    const struct log_entry entry = {
        .time_unix_ns = clock_unix_ns(),
        .level = level,
        .event = event,
        .fields = fields,
        .field_count = field_count,
    };
    size_t len = log_format_line(resolve(format), &entry, buf);
    /* A log that cannot be written has nobody to tell. */
    ssize_t written = write(STDERR_FILENO, buf, len);
    (void)written;
}

int log_level_parse(struct slice text, enum log_level *out)
{
    for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        if (slice_is_text(text, level_name(level))) {
            *out = level;
            return 0;
        }
    }
    return FAULT_MALFORMED;
}

int log_format_parse(struct slice text, enum log_format *out)
{
    static const char *const names[] = {
        [LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is_text(text, names[i])) {
            *out = (enum log_format)i;
            return 0;
        }
    }
    return FAULT_MALFORMED;
}

bool log_limit_admit(struct log_limit *limit, uint64_t now_mono_ns, uint64_t *suppressed_count)
{
    if (now_mono_ns < limit->quiet_until_mono_ns) {
        limit->suppressed_count++;
        return false;
    }
    *suppressed_count = limit->suppressed_count;
    *limit = (struct log_limit){.quiet_until_mono_ns =
                                    now_mono_ns + LOG_LIMIT_INTERVAL_MS * CLOCK_NS_PER_MS};
    return true;
}

const char *log_escape_sample(struct slice bytes, char *buf)
{
    size_t shown = bytes.len < LOG_SAMPLE_MAX_BYTES ? bytes.len : LOG_SAMPLE_MAX_BYTES;
    size_t len = 0;
    for (size_t i = 0; i < shown; i++) {
        uint8_t byte = bytes.ptr[i];
        if (byte >= 0x20 && byte < 0x7F && byte != '\\') {
            buf[len++] = (char)byte;
            continue;
        }
        buf[len++] = '\\';
        buf[len++] = 'x';
        buf[len++] = hex_digit(byte >> 4);
        buf[len++] = hex_digit(byte);
    }
    const char *end = shown < bytes.len ? "..." : "";
    memcpy(buf + len, end, strlen(end) + 1);
    return buf;
}
