/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_event — messages written member by member in the order of the reference, straight from the
 * wire.
 */
#include "codecs/log_event.h"

#include "codecs/json_value.h"
#include "codecs/log_name.h"
#include "core/base/bounds.h"
#include "core/otlp/otlp_field.h"

#define NS_PER_MS 1000000

/* Field numbers of LogRecord and InstrumentationScope. */
enum {
    RECORD_TIME = 1,
    RECORD_SEVERITY_NUMBER = 2,
    RECORD_SEVERITY_TEXT = 3,
    RECORD_BODY = 5,
    RECORD_DROPPED_COUNT = 7,
    RECORD_FLAGS = 8,
    RECORD_TRACE_ID = 9,
    RECORD_SPAN_ID = 10,
    RECORD_OBSERVED_TIME = 11,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
};

/* --- attributes ------------------------------------------------------------------------------- */

/* A member with all attributes of a message; nothing where it has none. */
static void write_attrs(struct json_out *out, struct slice name, struct slice message,
                        uint32_t number)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    bool is_open = false;
    while (otlp_attr_next(&in, number, &attr)) {
        if (!is_open) {
            json_out_key(out, name);
            json_out_open(out, '{');
            is_open = true;
        }
        json_out_key(out, attr.key);
        json_value_write(out, &attr.value);
    }
    if (is_open) {
        json_out_close(out, '}');
    }
}

/* --- what records share ----------------------------------------------------------------------- */

static struct slice text_of(struct slice message, uint32_t number)
{
    struct otlp_field field;
    return otlp_field_find(message, number, &field) ? field.content : (struct slice){0};
}

static uint64_t number_of(struct slice message, uint32_t number)
{
    struct otlp_field field;
    return otlp_field_find(message, number, &field) ? otlp_field_u64(&field) : 0;
}

static void write_text(struct json_out *out, struct slice name, struct slice text)
{
    if (text.len > 0) {
        json_out_key(out, name);
        json_out_string(out, text);
    }
}

/* Members without the brackets of the object they will stand in. */
static void write_shared(struct log_events *events, struct slice resource, struct slice scope)
{
    bytes_clear(&events->shared);
    struct json_out out = json_out_of(&events->shared);
    struct slice name = text_of(scope, SCOPE_NAME);
    if (name.len > 0) {
        json_out_key(&out, SLICE_LITERAL("scope"));
        json_out_open(&out, '{');
        write_text(&out, SLICE_LITERAL("name"), name);
        write_text(&out, SLICE_LITERAL("version"), text_of(scope, SCOPE_VERSION));
        write_attrs(&out, SLICE_LITERAL("attributes"), scope, OTLP_SCOPE_ATTRS);
        json_out_close(&out, '}');
    }
    write_attrs(&out, SLICE_LITERAL("resource"), resource, OTLP_RESOURCE_ATTRS);
}

/* --- one record ------------------------------------------------------------------------------- */

static void write_number(struct json_out *out, struct slice name, uint64_t number)
{
    if (number != 0) {
        json_out_key(out, name);
        json_out_u64(out, number);
    }
}

static void write_id(struct json_out *out, struct slice name, struct slice id)
{
    uint8_t any = 0;
    for (size_t i = 0; i < id.len; i++) {
        any |= id.ptr[i];
    }
    if (any != 0) {
        json_out_key(out, name);
        json_out_hex(out, id);
    }
}

static void write_message(struct log_events *events, struct slice record)
{
    struct json_out out = json_out_of(&events->message);
    struct otlp_value body = otlp_value_read(text_of(record, RECORD_BODY));
    json_out_open(&out, '{');
    if (body.kind != OTLP_VALUE_EMPTY) {
        json_out_key(&out, SLICE_LITERAL("body"));
        json_value_write(&out, &body);
    }
    write_number(&out, SLICE_LITERAL("severity_number"), number_of(record, RECORD_SEVERITY_NUMBER));
    write_text(&out, SLICE_LITERAL("severity_text"), text_of(record, RECORD_SEVERITY_TEXT));
    write_number(&out, SLICE_LITERAL("dropped_attributes_count"),
                 number_of(record, RECORD_DROPPED_COUNT));
    write_number(&out, SLICE_LITERAL("flags"), number_of(record, RECORD_FLAGS));
    write_id(&out, SLICE_LITERAL("trace_id"), text_of(record, RECORD_TRACE_ID));
    write_id(&out, SLICE_LITERAL("span_id"), text_of(record, RECORD_SPAN_ID));
    write_attrs(&out, SLICE_LITERAL("attributes"), record, OTLP_LOG_ATTRS);
    if (events->shared.len > 0) {
        if (out.needs_comma) {
            bytes_append_byte(&events->message, ',');
        }
        bytes_append(&events->message, events->shared.ptr, events->shared.len);
    }
    json_out_close(&out, '}');
}

/* Text as it is, borrowed; anything else as JSON. */
static struct slice raw_message(struct log_events *events, struct slice record)
{
    struct otlp_value body = otlp_value_read(text_of(record, RECORD_BODY));
    if (body.kind == OTLP_VALUE_STRING) {
        return body.bytes;
    }
    if (body.kind != OTLP_VALUE_EMPTY) {
        struct json_out out = json_out_of(&events->message);
        json_value_write(&out, &body);
    }
    return bytes_slice(&events->message);
}

static uint64_t time_of(struct slice record, uint64_t now_unix_ns)
{
    uint64_t unix_ns = number_of(record, RECORD_TIME);
    unix_ns = unix_ns != 0 ? unix_ns : number_of(record, RECORD_OBSERVED_TIME);
    return (unix_ns != 0 ? unix_ns : now_unix_ns) / NS_PER_MS;
}

/* The beginning, at a character's end, and the reference's remark behind it. */
static struct slice cut_message(struct log_events *events, struct slice message)
{
    static const char remark[] = "[Truncated...]";
    if (message.len <= LOG_EVENT_MESSAGE_MAX_BYTES) {
        return message;
    }
    size_t len = LOG_EVENT_MESSAGE_MAX_BYTES - (sizeof(remark) - 1);
    for (int i = 0; i < 3 && (message.ptr[len] & 0xC0) == 0x80; i++) {
        len--;
    }
    events->cut_count++;
    if (message.ptr == events->message.ptr) {
        events->message.len = len;
    } else {
        bytes_clear(&events->message);
        bytes_append(&events->message, message.ptr, len);
    }
    bytes_append(&events->message, remark, sizeof(remark) - 1);
    return bytes_slice(&events->message);
}

static int write_record(struct log_events *events, struct slice record, uint64_t now_unix_ns,
                        struct log_event *event)
{
    bytes_clear(&events->message);
    if (events->options.is_raw) {
        event->message = raw_message(events, record);
    } else {
        write_message(events, record);
        event->message = bytes_slice(&events->message);
    }
    if (events->message.err != 0) {
        return events->message.err;
    }
    event->message = cut_message(events, event->message);
    event->time_ms = time_of(record, now_unix_ns);
    return events->message.err;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool fill_names(struct log_events *events, const struct log_name_source *source)
{
    bool is_undefined = false;
    bytes_clear(&events->group);
    bytes_clear(&events->stream);
    log_name_fill(events->options.group_pattern, LOG_NAME_GROUP, source, &events->group,
                  &is_undefined);
    log_name_fill(events->options.stream_pattern, LOG_NAME_STREAM, source, &events->stream,
                  &is_undefined);
    return is_undefined;
}

static int names_error(const struct log_events *events)
{
    return events->group.err != 0 ? events->group.err : events->stream.err;
}

/* A metric document in a body knows better than the patterns; its stream counts with its group. */
static void apply_route(struct log_events *events, struct log_event *event)
{
    if (event->message.len == 0 || event->message.ptr[0] != '{' ||
        log_route_read(event->message, &events->route) != 0 || events->route.log_group.len == 0) {
        return;
    }
    event->log_group = events->route.log_group;
    if (events->route.log_stream.len > 0) {
        event->log_stream = events->route.log_stream;
    }
}

/* --- the walk --------------------------------------------------------------------------------- */

struct walk {
    struct log_events *events;
    struct log_name_source source;
    bool is_undefined; /* a record may know what its resource does not */
    uint64_t now_unix_ns;
    void *context;
    log_event_fn *on_event;
};

static int visit_record(struct walk *walk, struct slice record)
{
    struct log_events *events = walk->events;
    struct log_event event = {0};
    int err = write_record(events, record, walk->now_unix_ns, &event);
    if (walk->is_undefined) {
        walk->source.record = record;
        (void)fill_names(events, &walk->source);
    }
    err = err != 0 ? err : names_error(events);
    if (err != 0) {
        return err;
    }
    event.log_group = bytes_slice(&events->group);
    event.log_stream = bytes_slice(&events->stream);
    if (events->options.is_raw) {
        apply_route(events, &event);
    }
    return walk->on_event(walk->context, &event);
}

static int visit_scope(struct walk *walk, struct slice group)
{
    if (!walk->events->options.is_raw) {
        write_shared(walk->events, walk->source.resource, text_of(group, OTLP_SCOPE));
    }
    int err = walk->events->shared.err;
    struct pb_reader in = pb_reader_of(group);
    struct otlp_field record;
    while (err == 0 && otlp_child_next(&in, OTLP_ITEMS, &record)) {
        err = visit_record(walk, record.content);
    }
    return err;
}

int log_events_write(struct log_events *events, struct slice request, uint64_t now_unix_ns,
                     void *context, log_event_fn *on_event)
{
    struct walk walk = {
        .events = events,
        .now_unix_ns = now_unix_ns,
        .context = context,
        .on_event = on_event,
    };
    struct pb_reader in = pb_reader_of(request);
    struct otlp_field group;
    int err = 0;
    while (err == 0 && otlp_child_next(&in, OTLP_RESOURCES, &group)) {
        struct pb_reader scopes = pb_reader_of(group.content);
        struct otlp_field scope;
        walk.source = (struct log_name_source){.resource = text_of(group.content, OTLP_RESOURCE)};
        walk.is_undefined = fill_names(events, &walk.source);
        while (err == 0 && otlp_child_next(&scopes, OTLP_SCOPES, &scope)) {
            err = visit_scope(&walk, scope.content);
        }
    }
    return err;
}

int log_events_route(struct log_events *events, struct slice document, uint64_t now_unix_ns,
                     void *context, log_event_fn *on_event)
{
    int err = log_route_read(document, &events->route);
    if (err != 0) {
        return err;
    }
    const struct log_route *route = &events->route;
    (void)fill_names(events, &(struct log_name_source){0});
    err = names_error(events);
    if (err != 0) {
        return err;
    }
    struct log_event event = {
        .log_group = route->log_group.len > 0 ? route->log_group : bytes_slice(&events->group),
        .log_stream = route->log_stream.len > 0 ? route->log_stream : bytes_slice(&events->stream),
        .time_ms = route->has_time ? route->time_ms : now_unix_ns / NS_PER_MS,
        .message = document,
    };
    return on_event(context, &event);
}

/* --- life ------------------------------------------------------------------------------------- */

void log_events_init(struct log_events *events, const struct log_event_options *options)
{
    *events = (struct log_events){.options = *options};
    bytes_init(&events->group, 2 * LOG_NAME_MAX_BYTES);
    bytes_init(&events->stream, 2 * LOG_NAME_MAX_BYTES);
    bytes_init(&events->message, LOG_EVENT_TEXT_MAX_BYTES);
    bytes_init(&events->shared, LOG_EVENT_TEXT_MAX_BYTES);
}

void log_events_fini(struct log_events *events)
{
    bytes_fini(&events->group);
    bytes_fini(&events->stream);
    bytes_fini(&events->message);
    bytes_fini(&events->shared);
    *events = (struct log_events){0};
}
