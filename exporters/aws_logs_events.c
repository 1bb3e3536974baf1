/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_events — records over one text.
 *
 * Each text begins with a comma, so that events which lie behind one another in the text and in the
 * order of sending make one piece; the first of a request leaves its comma out.
 */
#include "exporters/aws_logs_events.h"

#include <errno.h>
#include <stdlib.h>

#include "codecs/json_out.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"

#define EVENTS_FIRST_COUNT 64
#define EVENT_HEAD ",{\"timestamp\":"
#define EVENT_MIDDLE ",\"message\":"
/* Escaped at a time; one byte becomes six at most. */
#define PIECE_BYTES 4096
#define ESCAPE_MAX_BYTES 6

/* --- adding ----------------------------------------------------------------------------------- */

static int reserve_event(struct aws_logs_events *events)
{
    if (events->count < events->capacity) {
        return 0;
    }
    size_t capacity = events->capacity == 0 ? EVENTS_FIRST_COUNT : events->capacity * 2;
    if (capacity > SIZE_MAX / sizeof(events->events[0])) {
        return -ENOMEM;
    }
    struct aws_logs_event *grown = mem_resize(events->events, capacity * sizeof(events->events[0]));
    if (grown == NULL) {
        return -ENOMEM;
    }
    events->events = grown;
    events->capacity = capacity;
    return 0;
}

static int refuse(struct aws_logs_events *events, const struct aws_logs_entry *entry,
                  enum aws_logs_refusal why)
{
    events->refused_count[why]++;
    events->last_refusal = why;
    events->refused_items += entry->item_count;
    return 0;
}

/* Fills `why` where the entry's time is nothing the service takes. */
static bool is_out_of_time(uint64_t time_ms, uint64_t now_unix_ms, enum aws_logs_refusal *why)
{
    if (time_ms > now_unix_ms) {
        *why = AWS_LOGS_TOO_NEW;
        return time_ms - now_unix_ms > AWS_LOGS_AHEAD_MAX_MS;
    }
    *why = AWS_LOGS_TOO_OLD;
    return now_unix_ms - time_ms > AWS_LOGS_AGE_MAX_MS;
}

/* What stands behind the backslash; 0 where there is none, 'u' where four digits follow. */
static const uint8_t escapes[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
    [0x06] = 'u', [0x07] = 'u', [0x08] = 'b', [0x09] = 't',  [0x0A] = 'n', [0x0B] = 'u',
    [0x0C] = 'f', [0x0D] = 'r', [0x0E] = 'u', [0x0F] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u', [0x1B] = 'u',  [0x1C] = 'u', [0x1D] = 'u',
    [0x1E] = 'u', [0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

/* Room for 6 bytes of text per byte of the piece is there already. */
static size_t escape_piece(struct slice piece, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = out;
    for (size_t i = 0; i < piece.len; i++) {
        uint8_t c = piece.ptr[i];
        uint8_t escape = escapes[c];
        if (WEIR_LIKELY(escape == 0)) {
            *to++ = c;
            continue;
        }
        *to++ = '\\';
        *to++ = escape;
        if (escape == 'u') {
            *to++ = '0';
            *to++ = '0';
            *to++ = (uint8_t)digits[c >> 4];
            *to++ = (uint8_t)digits[c & 15];
        }
    }
    return (size_t)(to - out);
}

/*
 * Documents have a quote every few bytes, for which json_out would append a piece at a time; this
 * is most of what an event costs.
 */
static void write_quoted(struct bytes *text, struct slice message)
{
    bytes_append_byte(text, '"');
    while (message.len > 0 && text->err == 0) {
        size_t len = message.len < PIECE_BYTES ? message.len : PIECE_BYTES;
        text->err = bytes_reserve(text, len * ESCAPE_MAX_BYTES);
        if (text->err == 0) {
            text->len += escape_piece(slice_first(message, len), text->ptr + text->len);
        }
        message = slice_from(message, len);
    }
    bytes_append_byte(text, '"');
}

/*
 * Returns the length of the message as the service will count it. Where bytes had to be replaced it
 * grew; its length with escapes is more than that, and near enough for text that was broken anyway.
 */
static size_t write_event(struct bytes *text, const struct aws_logs_entry *entry)
{
    char digits[NUMBER_TEXT_MAX_BYTES];
    struct json_out out = json_out_of(text);
    bytes_append(text, EVENT_HEAD, sizeof(EVENT_HEAD) - 1);
    bytes_append(text, digits, number_format_u64(entry->time_ms, digits, sizeof(digits)));
    bytes_append(text, EVENT_MIDDLE, sizeof(EVENT_MIDDLE) - 1);
    size_t before_bytes = text->len;
    size_t message_bytes = entry->message.len;
    if (slice_is_utf8(entry->message)) {
        write_quoted(text, entry->message);
    } else {
        json_out_string(&out, entry->message);
        message_bytes = text->len - before_bytes;
    }
    bytes_append_byte(text, '}');
    return message_bytes;
}

int aws_logs_events_add(struct aws_logs_events *events, const struct aws_logs_entry *entry,
                        uint64_t now_unix_ms)
{
    ASSERT(events->cut_count == 0);
    enum aws_logs_refusal why = AWS_LOGS_EMPTY;
    if (entry->message.len == 0) {
        return refuse(events, entry, AWS_LOGS_EMPTY);
    }
    if (entry->message.len > AWS_LOGS_MESSAGE_MAX_BYTES) {
        return refuse(events, entry, AWS_LOGS_TOO_LARGE);
    }
    if (is_out_of_time(entry->time_ms, now_unix_ms, &why)) {
        return refuse(events, entry, why);
    }
    int err = reserve_event(events);
    if (err != 0) {
        return err;
    }
    size_t offset = events->text.len;
    size_t message_bytes = write_event(&events->text, entry);
    err = events->text.err;
    if (err != 0 || message_bytes > AWS_LOGS_MESSAGE_MAX_BYTES) {
        events->text.len = offset;
        events->text.err = 0; /* what was there before is whole */
        return err != 0 ? err : refuse(events, entry, AWS_LOGS_TOO_LARGE);
    }
    events->events[events->count] = (struct aws_logs_event){
        .time_ms = entry->time_ms,
        .offset = offset,
        .len_bytes = (uint32_t)(events->text.len - offset),
        .message_bytes = (uint32_t)message_bytes,
        .stream_order = entry->stream_order,
        .item_count = entry->item_count,
        .stream = entry->stream,
    };
    events->count++;
    return 0;
}

/* --- sorting ---------------------------------------------------------------------------------- */

static int compare_events(const void *left, const void *right)
{
    const struct aws_logs_event *a = left;
    const struct aws_logs_event *b = right;
    if (a->stream_order != b->stream_order) {
        return a->stream_order < b->stream_order ? -1 : 1;
    }
    if (a->time_ms != b->time_ms) {
        return a->time_ms < b->time_ms ? -1 : 1;
    }
    /* Where the text lies tells who came first. */
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

void aws_logs_events_sort(struct aws_logs_events *events)
{
    ASSERT(events->cut_count == 0);
    bool is_sorted = true;
    for (size_t i = 1; i < events->count && is_sorted; i++) {
        is_sorted = compare_events(&events->events[i - 1], &events->events[i]) < 0;
    }
    if (!is_sorted) {
        qsort(events->events, events->count, sizeof(events->events[0]), compare_events);
    }
}

/* --- cutting ---------------------------------------------------------------------------------- */

bool aws_logs_events_cut(struct aws_logs_events *events, struct aws_logs_cut *cut)
{
    size_t i = events->cut_count;
    if (i == events->count) {
        return false;
    }
    const struct aws_logs_event *first = &events->events[i];
    size_t room_bytes = AWS_LOGS_REQUEST_MAX_BYTES;
    size_t next_offset = SIZE_MAX;
    *cut = (struct aws_logs_cut){.stream = first->stream, .first_index = i};
    for (; i < events->count && cut->count < AWS_LOGS_REQUEST_MAX_COUNT; i++) {
        const struct aws_logs_event *event = &events->events[i];
        size_t size_bytes = (size_t)event->message_bytes + AWS_LOGS_EVENT_OWN_BYTES;
        if (event->stream_order != first->stream_order || size_bytes > room_bytes ||
            event->time_ms - first->time_ms > AWS_LOGS_SPAN_MAX_MS) {
            break;
        }
        room_bytes -= size_bytes;
        cut->count++;
        cut->item_count += event->item_count;
        cut->text_bytes += event->len_bytes;
        cut->piece_count += event->offset == next_offset ? 0 : 1;
        next_offset = event->offset + event->len_bytes;
    }
    ASSERT(cut->count > 0);
    events->cut_count = i;
    return true;
}

void aws_logs_events_pieces(const struct aws_logs_events *events, const struct aws_logs_cut *cut,
                            struct iovec *pieces)
{
    size_t count = 0;
    size_t next_offset = SIZE_MAX;
    for (size_t i = 0; i < cut->count; i++) {
        const struct aws_logs_event *event = &events->events[cut->first_index + i];
        size_t comma_bytes = i == 0 ? 1 : 0;
        if (event->offset == next_offset) {
            pieces[count - 1].iov_len += event->len_bytes;
        } else {
            pieces[count] = (struct iovec){
                .iov_base = events->text.ptr + event->offset + comma_bytes,
                .iov_len = event->len_bytes - comma_bytes,
            };
            count++;
        }
        next_offset = event->offset + event->len_bytes;
    }
    ASSERT(count == cut->piece_count);
}

uint64_t aws_logs_events_items(const struct aws_logs_events *events, size_t first_index,
                               size_t count)
{
    ASSERT(first_index <= events->count);
    ASSERT(count <= events->count - first_index);
    uint64_t item_count = 0;
    for (size_t i = 0; i < count; i++) {
        item_count += events->events[first_index + i].item_count;
    }
    return item_count;
}

/* --- life ------------------------------------------------------------------------------------- */

void aws_logs_events_init(struct aws_logs_events *events)
{
    *events = (struct aws_logs_events){0};
    bytes_init(&events->text, AWS_LOGS_TEXT_MAX_BYTES);
}

void aws_logs_events_fini(struct aws_logs_events *events)
{
    bytes_fini(&events->text);
    mem_free(events->events);
    *events = (struct aws_logs_events){0};
}

void aws_logs_events_clear(struct aws_logs_events *events)
{
    bytes_clear(&events->text);
    events->count = 0;
    events->cut_count = 0;
    events->refused_items = 0;
    memset(events->refused_count, 0, sizeof(events->refused_count));
}

const char *aws_logs_refusal_label(enum aws_logs_refusal refusal)
{
    switch (refusal) {
    case AWS_LOGS_EMPTY:
        return "empty_message";
    case AWS_LOGS_TOO_LARGE:
        return "event_too_large";
    case AWS_LOGS_TOO_OLD:
        return "too_old";
    case AWS_LOGS_TOO_NEW:
        return "too_new";
    }
    return "";
}
