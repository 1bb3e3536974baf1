/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_stream — one request and its answer: a head kept whole, a body that passes through, an
 * answer that waits for the peer's window.
 *
 * A head's fields are copied one behind the other, in place where they are few. The stream belongs
 * to its connection and is freed when nghttp2 closes it, after the answer's last byte.
 */
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/h2_server_connection.h"
#include "io/io_bounds.h"

/* ":status" and three digits. */
#define STATUS_DIGITS 3

/* --- life ------------------------------------------------------------------------------------- */

struct h2_stream *h2_stream_new(struct h2_connection *c, int32_t id)
{
    struct h2_stream *stream = h2_memory_alloc(&c->memory, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    /* All but the room for text. */
    memset(stream, 0, offsetof(struct h2_stream, head.inline_spans));
    stream->connection = c;
    stream->id = id;
    stream->head.spans = stream->head.inline_spans;
    stream->head.span_capacity = H2_HEAD_INLINE_FIELDS;
    stream->head.text = stream->head.inline_text;
    stream->head.text_capacity_bytes = H2_HEAD_INLINE_BYTES;
    stream->next = c->streams;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    c->streams = stream;
    c->stream_count++;
    return stream;
}

static void unlist_answer(struct h2_stream *stream)
{
    struct h2_connection *c = stream->connection;
    if (stream->answer_until_mono_ns == 0) {
        return;
    }
    stream->answer_until_mono_ns = 0;
    if (stream->next_answer != NULL) {
        stream->next_answer->previous_answer = stream->previous_answer;
    } else {
        c->last_answer = stream->previous_answer;
    }
    if (stream->previous_answer != NULL) {
        stream->previous_answer->next_answer = stream->next_answer;
    } else {
        c->first_answer = stream->next_answer;
    }
}

static void list_answer(struct h2_stream *stream)
{
    struct h2_connection *c = stream->connection;
    struct h2_server *server = c->server;
    stream->answer_until_mono_ns =
        loop_now_mono_ns(server->loop) + server->options.response_timeout_ns;
    stream->next_answer = NULL;
    stream->previous_answer = c->last_answer;
    if (c->last_answer != NULL) {
        c->last_answer->next_answer = stream;
    } else {
        c->first_answer = stream;
    }
    c->last_answer = stream;
    h2_connection_watch(c, stream->answer_until_mono_ns);
}

static void note_idle(struct h2_connection *c)
{
    const struct h2_server_options *options = &c->server->options;
    c->idle_since_mono_ns = loop_now_mono_ns(c->server->loop);
    if (options->idle_max_ns != 0 && c->session != NULL) {
        h2_connection_watch(c, c->idle_since_mono_ns + options->idle_max_ns);
    }
}

/* What came of the body and was not taken is nobody's: the connection gets it credited. */
static void release_body(struct h2_stream *stream)
{
    ASSERT(stream->unconsumed_bytes <= stream->connection->held_bytes);
    stream->connection->held_bytes -= stream->unconsumed_bytes;
    stream->unconsumed_bytes = 0;
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2_connection *c = stream->connection;
    unlist_answer(stream);
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        c->streams = stream->next;
    }
    release_body(stream);
    if (stream->head.spans != stream->head.inline_spans) {
        h2_memory_free(&c->memory, stream->head.spans);
    }
    if (stream->head.text != stream->head.inline_text) {
        h2_memory_free(&c->memory, stream->head.text);
    }
    mem_free(stream->body_memory);
    h2_memory_free(&c->memory, stream->answer_memory);
    h2_memory_free(&c->memory, stream);
    ASSERT(c->stream_count > 0);
    c->stream_count--;
    if (c->stream_count == 0) {
        note_idle(c);
    }
}

void h2_stream_tell_reset(struct h2_stream *stream, uint32_t code)
{
    struct h2_stream_user *user = stream->user;
    if (user != NULL) {
        stream->user = NULL;
        user->ops->on_reset(user, code);
    }
}

/* --- the head --------------------------------------------------------------------------------- */

static int grow_spans(struct h2_stream *stream)
{
    struct h2_head *head = &stream->head;
    struct h2_memory *memory = &stream->connection->memory;
    uint32_t capacity = head->span_capacity * 2;
    bool is_inline = head->spans == head->inline_spans;
    struct h2_span *spans =
        h2_memory_resize(memory, is_inline ? NULL : head->spans, capacity * sizeof(*spans));
    if (spans == NULL) {
        return -ENOMEM;
    }
    if (is_inline) {
        memcpy(spans, head->inline_spans, sizeof(head->inline_spans));
    }
    head->spans = spans;
    head->span_capacity = capacity;
    return 0;
}

static int grow_text(struct h2_stream *stream, size_t more_bytes)
{
    struct h2_head *head = &stream->head;
    struct h2_memory *memory = &stream->connection->memory;
    if (more_bytes > UINT32_MAX / 4 - head->text_len) {
        return -ENOMEM;
    }
    uint32_t capacity = head->text_capacity_bytes;
    while (capacity - head->text_len < more_bytes) {
        capacity *= 2;
    }
    bool is_inline = head->text == head->inline_text;
    uint8_t *text = h2_memory_resize(memory, is_inline ? NULL : head->text, capacity);
    if (text == NULL) {
        return -ENOMEM;
    }
    if (is_inline) {
        memcpy(text, head->inline_text, head->text_len);
    }
    head->text = text;
    head->text_capacity_bytes = capacity;
    return 0;
}

static void note_pseudo(struct h2_head *head, struct slice name, struct h2_span span)
{
    static const char *const NAMES[H2_PSEUDO_LIMIT] = {
        [H2_PSEUDO_METHOD] = ":method",
        [H2_PSEUDO_PATH] = ":path",
        [H2_PSEUDO_SCHEME] = ":scheme",
        [H2_PSEUDO_AUTHORITY] = ":authority",
    };
    head->pseudo_count++;
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        if (slice_is_text(name, NAMES[i])) {
            head->pseudo[i] = span;
        }
    }
}

int h2_stream_add_field(struct h2_stream *stream, struct slice name, struct slice value)
{
    struct h2_head *head = &stream->head;
    if (head->span_count == head->span_capacity) {
        int err = grow_spans(stream);
        if (err != 0) {
            return err;
        }
    }
    size_t len = name.len + value.len;
    if (len > head->text_capacity_bytes - head->text_len) {
        int err = grow_text(stream, len);
        if (err != 0) {
            return err;
        }
    }
    struct h2_span span = {
        .offset = head->text_len,
        .name_len = (uint32_t)name.len,
        .value_len = (uint32_t)value.len,
    };
    memcpy(head->text + head->text_len, name.ptr, name.len);
    if (value.len > 0) {
        memcpy(head->text + head->text_len + name.len, value.ptr, value.len);
    }
    head->text_len += (uint32_t)len;
    head->spans[head->span_count++] = span;
    if (name.len > 0 && name.ptr[0] == ':') {
        note_pseudo(head, name, span);
    }
    return 0;
}

static struct slice span_name(const struct h2_head *head, struct h2_span span)
{
    return slice_of(head->text + span.offset, span.name_len);
}

static struct slice span_value(const struct h2_head *head, struct h2_span span)
{
    return slice_of(head->text + span.offset + span.name_len, span.value_len);
}

struct slice h2_stream_method(const struct h2_stream *stream)
{
    return span_value(&stream->head, stream->head.pseudo[H2_PSEUDO_METHOD]);
}

struct slice h2_stream_path(const struct h2_stream *stream)
{
    return span_value(&stream->head, stream->head.pseudo[H2_PSEUDO_PATH]);
}

struct slice h2_stream_scheme(const struct h2_stream *stream)
{
    return span_value(&stream->head, stream->head.pseudo[H2_PSEUDO_SCHEME]);
}

struct slice h2_stream_authority(const struct h2_stream *stream)
{
    struct slice value = span_value(&stream->head, stream->head.pseudo[H2_PSEUDO_AUTHORITY]);
    if (value.len == 0) {
        (void)h2_stream_header(stream, "host", &value); /* absent: it stays empty */
    }
    return value;
}

size_t h2_stream_field_count(const struct h2_stream *stream)
{
    return stream->head.span_count - stream->head.pseudo_count;
}

struct h2_field h2_stream_field(const struct h2_stream *stream, size_t index)
{
    const struct h2_head *head = &stream->head;
    ASSERT(index < h2_stream_field_count(stream));
    struct h2_span span = head->spans[head->pseudo_count + index]; /* pseudo-headers come first */
    return (struct h2_field){.name = span_name(head, span), .value = span_value(head, span)};
}

bool h2_stream_header(const struct h2_stream *stream, const char *name, struct slice *value)
{
    size_t name_len = strlen(name);
    const struct h2_head *head = &stream->head;
    for (size_t i = head->pseudo_count; i < head->span_count; i++) {
        struct h2_span span = head->spans[i];
        if (span.name_len == name_len && memcmp(head->text + span.offset, name, name_len) == 0) {
            *value = span_value(head, span);
            return true;
        }
    }
    return false;
}

bool h2_stream_is_ended(const struct h2_stream *stream)
{
    return stream->is_head_ended;
}

struct channel *h2_stream_channel(const struct h2_stream *stream)
{
    return stream->connection->channel;
}

struct h2_server *h2_stream_server(const struct h2_stream *stream)
{
    return stream->connection->server;
}

void h2_stream_attach(struct h2_stream *stream, struct h2_stream_user *user)
{
    ASSERT(stream->user == NULL);
    ASSERT(!stream->is_answered);
    stream->user = user;
}

void h2_stream_consume(struct h2_stream *stream, size_t bytes)
{
    struct h2_connection *c = stream->connection;
    ASSERT(bytes <= stream->unconsumed_bytes);
    stream->unconsumed_bytes -= bytes;
    if (bytes == 0 || c->state >= H2_STATE_ENDING) {
        return;
    }
    c->held_bytes -= bytes;
    if (nghttp2_session_consume_stream(c->session, stream->id, bytes) != 0) {
        h2_connection_fail(c, H2_CODE_INTERNAL_ERROR, "out of memory");
        return;
    }
    h2_server_flush_later(c);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The last bytes are with nghttp2: the trailers follow, or this frame ends the stream. */
static int end_answer(struct h2_stream *stream, uint32_t *data_flags)
{
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailer_count == 0) {
        return 0;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_nv nva[H2_RESPONSE_FIELDS_MAX];
    for (size_t i = 0; i < stream->trailer_count; i++) {
        nva[i] = h2_nv(stream->trailers[i].name, stream->trailers[i].value);
    }
    return nghttp2_submit_trailer(stream->connection->session, stream->id, nva,
                                  stream->trailer_count);
}

/* Seven parameters, because nghttp2 asks for them. */
static ssize_t stream_on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t cap,
                              uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)id;
    (void)user_data;
    struct h2_stream *stream = source->ptr;
    size_t len = stream->body_left_bytes < cap ? stream->body_left_bytes : cap;
    if (len > 0) {
        memcpy(buf, stream->body, len);
        stream->body += len;
        stream->body_left_bytes -= len;
    }
    if (stream->body_left_bytes == 0 && end_answer(stream, data_flags) != 0) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)len;
}

static struct slice copy_text(uint8_t **at, struct slice text)
{
    struct slice copy = slice_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
        *at += text.len;
    }
    return copy;
}

/* Keeps what has to wait for the peer's window: trailers, and the body unless it moved in. */
static int keep_answer(struct h2_stream *stream, const struct h2_response *response,
                       bool is_body_moved)
{
    size_t bytes = response->trailer_count * sizeof(struct h2_field);
    for (size_t i = 0; i < response->trailer_count; i++) {
        bytes += response->trailers[i].name.len + response->trailers[i].value.len;
    }
    bytes += is_body_moved ? 0 : response->body.len;
    stream->body = response->body.ptr;
    stream->body_left_bytes = response->body.len;
    if (bytes == 0) {
        return 0;
    }
    stream->answer_memory = h2_memory_alloc(&stream->connection->memory, bytes);
    if (stream->answer_memory == NULL) {
        return -ENOMEM;
    }
    stream->trailers = stream->answer_memory;
    stream->trailer_count = response->trailer_count;
    uint8_t *at = (uint8_t *)(stream->trailers + stream->trailer_count);
    for (size_t i = 0; i < response->trailer_count; i++) {
        stream->trailers[i].name = copy_text(&at, response->trailers[i].name);
        stream->trailers[i].value = copy_text(&at, response->trailers[i].value);
    }
    if (!is_body_moved) {
        stream->body = copy_text(&at, response->body).ptr;
    }
    return 0;
}

static int submit_answer(struct h2_stream *stream, const struct h2_response *response)
{
    ASSERT(response->status >= 200 && response->status <= 599);
    ASSERT(response->field_count <= H2_RESPONSE_FIELDS_MAX);
    ASSERT(response->trailer_count <= H2_RESPONSE_FIELDS_MAX);
    uint8_t digits[STATUS_DIGITS] = {
        (uint8_t)('0' + response->status / 100),
        (uint8_t)('0' + response->status / 10 % 10),
        (uint8_t)('0' + response->status % 10),
    };
    nghttp2_nv nva[H2_RESPONSE_FIELDS_MAX + 1];
    nva[0] = h2_nv(SLICE_LITERAL(":status"), slice_of(digits, sizeof(digits)));
    for (size_t i = 0; i < response->field_count; i++) {
        nva[i + 1] = h2_nv(response->fields[i].name, response->fields[i].value);
    }
    bool has_data = response->body.len > 0 || response->trailer_count > 0;
    nghttp2_data_provider provider = {
        .source = {.ptr = stream},
        .read_callback = stream_on_read,
    };
    return nghttp2_submit_response(stream->connection->session, stream->id, nva,
                                   response->field_count + 1, has_data ? &provider : NULL);
}

void h2_stream_respond(struct h2_stream *stream, const struct h2_response *response, void **memory)
{
    struct h2_connection *c = stream->connection;
    ASSERT(!stream->is_answered);
    stream->is_answered = true;
    stream->user = NULL;
    bool is_body_moved = memory != NULL && *memory != NULL;
    if (is_body_moved) {
        stream->body_memory = *memory;
        *memory = NULL;
    }
    if (c->state >= H2_STATE_ENDING) {
        return;
    }
    if (keep_answer(stream, response, is_body_moved) != 0 || submit_answer(stream, response) != 0) {
        h2_stream_reset(stream, H2_CODE_INTERNAL_ERROR);
        return;
    }
    list_answer(stream);
    release_body(stream);
    h2_server_flush_later(c);
}

void h2_stream_reset(struct h2_stream *stream, enum h2_code code)
{
    struct h2_connection *c = stream->connection;
    stream->is_answered = true;
    stream->user = NULL;
    unlist_answer(stream);
    if (c->state >= H2_STATE_ENDING) {
        return;
    }
    release_body(stream);
    if (nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, stream->id, code) != 0) {
        h2_connection_fail(c, H2_CODE_INTERNAL_ERROR, "out of memory");
        return;
    }
    h2_server_flush_later(c);
}
