/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_event — DogStatsD events and service checks.
 *
 *   _e{5,9}:title|some text|d:1656581400|h:host|p:low|t:error|k:key|s:source|#env:prod
 *      ^ ^  lengths in bytes, so title and text may hold pipes
 *   _sc|name|2|d:1656581400|h:host|#env:prod|m:message
 *
 * Lengths are held against what is left of the line, never added up. A field that is unknown or has
 * a value nobody knows leaves the default and the rest of the event alone, as in Datadog's own
 * server.
 */
#include "codecs/statsd_parts.h"
#include "core/base/number.h"

/* Fields that events and checks share; points into either. */
struct common {
    struct slice *host;
    struct slice *tags;
    struct slice *origin;
    uint64_t *time_unix_ns;
};

/* Returns whether `field` is one of the shared ones. */
static bool common_read(struct common common, struct slice field)
{
    if (field.ptr[0] == '#') {
        *common.tags = slice_from(field, 1);
        return true;
    }
    if (field.len < 2 || field.ptr[1] != ':') {
        return false;
    }
    struct slice value = slice_from(field, 2);
    switch (field.ptr[0]) {
    case 'd':
        (void)statsd_time_parse(value, common.time_unix_ns); /* a bad time is the receive time */
        return true;
    case 'h':
        *common.host = value;
        return true;
    case 'c':
        *common.origin = statsd_origin_of(value);
        return true;
    default:
        return false;
    }
}

static bool common_is_valid(struct common common, enum statsd_why *why)
{
    if (common.tags->len > STATSD_TAGS_MAX_BYTES) {
        *why = STATSD_WHY_TAGS_TOO_LONG;
    } else if (common.origin->len > STATSD_ORIGIN_MAX_BYTES) {
        *why = STATSD_WHY_ORIGIN_TOO_LONG;
    } else if (statsd_has_control_byte(*common.tags) || statsd_has_control_byte(*common.origin)) {
        *why = STATSD_WHY_BAD_TAGS;
    } else {
        return true;
    }
    return false;
}

static uint8_t alert_of(struct slice text)
{
    if (slice_is_text(text, "error")) {
        return STATSD_ALERT_ERROR;
    }
    if (slice_is_text(text, "warning")) {
        return STATSD_ALERT_WARNING;
    }
    return slice_is_text(text, "success") ? STATSD_ALERT_SUCCESS : STATSD_ALERT_INFO;
}

static void event_read_own(struct statsd_event *event, struct slice field)
{
    if (field.len < 2 || field.ptr[1] != ':') {
        return;
    }
    struct slice value = slice_from(field, 2);
    switch (field.ptr[0]) {
    case 'k':
        event->aggregation_key = value;
        break;
    case 'p':
        event->priority =
            slice_is_text(value, "low") ? STATSD_PRIORITY_LOW : STATSD_PRIORITY_NORMAL;
        break;
    case 's':
        event->source_type = value;
        break;
    case 't':
        event->alert = alert_of(value);
        break;
    default:
        break;
    }
}

/* Title and text; *rest becomes what follows them. */
static bool event_parse_body(struct slice *rest, struct statsd_event *event)
{
    struct slice body = slice_from(*rest, 3); /* behind `_e{` */
    size_t close = slice_find(body, '}');
    if (close + 1 >= body.len || body.ptr[close + 1] != ':') {
        return false;
    }
    struct slice text_digits = slice_first(body, close);
    struct slice title_digits = statsd_take_until(&text_digits, ',');
    uint64_t title_len = 0;
    uint64_t text_len = 0;
    if (number_parse_u64(title_digits, &title_len) != 0 ||
        number_parse_u64(text_digits, &text_len) != 0) {
        return false;
    }
    body = slice_from(body, close + 2);
    if (title_len == 0 || title_len >= body.len || body.ptr[title_len] != '|') {
        return false;
    }
    event->title = slice_first(body, title_len);
    body = slice_from(body, title_len + 1);
    if (text_len > body.len || (text_len < body.len && body.ptr[text_len] != '|')) {
        return false;
    }
    event->text = slice_first(body, text_len);
    *rest = slice_from(body, text_len);
    return true;
}

static bool event_parse(struct slice line, struct statsd_event *event, enum statsd_why *why)
{
    const struct common common = {
        .host = &event->host,
        .tags = &event->tags,
        .origin = &event->origin,
        .time_unix_ns = &event->time_unix_ns,
    };
    struct slice rest = line;
    if (!event_parse_body(&rest, event)) {
        *why = STATSD_WHY_BAD_EVENT;
        return false;
    }
    while (rest.len > 0) {
        struct slice field = statsd_take_until(&rest, '|');
        if (field.len > 0 && !common_read(common, field)) {
            event_read_own(event, field);
        }
    }
    if (!slice_is_utf8(line)) {
        *why = STATSD_WHY_INVALID_UTF8;
        return false;
    }
    return common_is_valid(common, why);
}

static bool check_parse(struct slice line, struct statsd_check *check, enum statsd_why *why)
{
    const struct common common = {
        .host = &check->host,
        .tags = &check->tags,
        .origin = &check->origin,
        .time_unix_ns = &check->time_unix_ns,
    };
    struct slice rest = slice_from(line, 4); /* behind `_sc|` */
    check->name = statsd_take_until(&rest, '|');
    struct slice status = statsd_take_until(&rest, '|');
    if (check->name.len == 0 || status.len != 1 || status.ptr[0] < '0' || status.ptr[0] > '3') {
        *why = STATSD_WHY_BAD_CHECK;
        return false;
    }
    check->status = (uint8_t)(status.ptr[0] - '0');
    while (rest.len > 0) {
        struct slice field = statsd_take_until(&rest, '|');
        if (field.len > 0 && !common_read(common, field) &&
            slice_has_prefix(field, SLICE_LITERAL("m:"))) {
            check->message = slice_from(field, 2);
        }
    }
    if (check->name.len > STATSD_NAME_MAX_BYTES) {
        *why = STATSD_WHY_NAME_TOO_LONG;
        return false;
    }
    if (statsd_has_control_byte(check->name)) {
        *why = STATSD_WHY_BAD_NAME;
        return false;
    }
    if (!slice_is_utf8(line)) {
        *why = STATSD_WHY_INVALID_UTF8;
        return false;
    }
    return common_is_valid(common, why);
}

void statsd_event_push(struct statsd_sink *sink, struct slice line)
{
    struct statsd_event event = {0};
    enum statsd_why why = STATSD_WHY_BAD_EVENT;
    if (!event_parse(line, &event, &why)) {
        statsd_refuse(sink, why, line);
        return;
    }
    ASSERT(event.title.len > 0);
    sink->counts.line_count++;
    sink->counts.event_count++;
    if (sink->on_event != NULL) {
        sink->on_event(sink, &event);
    }
}

void statsd_check_push(struct statsd_sink *sink, struct slice line)
{
    struct statsd_check check = {0};
    enum statsd_why why = STATSD_WHY_BAD_CHECK;
    if (!check_parse(line, &check, &why)) {
        statsd_refuse(sink, why, line);
        return;
    }
    ASSERT(check.name.len > 0);
    sink->counts.line_count++;
    sink->counts.check_count++;
    if (sink->on_check != NULL) {
        sink->on_check(sink, &check);
    }
}
