/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_stack — the text of a stack trace becomes frames, by the language it was printed in.
 *
 * Frames are written as they are found; an exception that the trace names as the cause of another
 * is written behind it, tied by its id. Lines that are no frames are passed over, and what a line
 * lacks is empty: the text is a stranger's.
 */
#include <string.h>

#include "codecs/xray_trace_parts.h"
#include "core/base/number.h"

/* The exception at whose end the document stands. */
struct writer {
    struct xray_trace *t;
    bool has_stack; /* its list of frames is open */
};

struct frame {
    struct slice path;
    struct slice label;
    int64_t line;
};

/* --- text ------------------------------------------------------------------------------------- */

/* The next line without its end; false behind the last one. */
static bool take_line(struct slice *rest, struct slice *line)
{
    if (rest->len == 0) {
        return false;
    }
    size_t end = slice_find(*rest, '\n');
    *line = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    if (line->len > 0 && line->ptr[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

/* The last line, and what stands before it; false before the first one. */
static bool take_last_line(struct slice *rest, struct slice *line)
{
    if (rest->ptr == NULL) {
        return false;
    }
    size_t begin = rest->len;
    while (begin > 0 && rest->ptr[begin - 1] != '\n') {
        begin--;
    }
    *line = slice_from(*rest, begin);
    *rest = begin > 0 ? slice_first(*rest, begin - 1) : (struct slice){0};
    return true;
}

static bool has_prefix(struct slice text, const char *prefix)
{
    return slice_has_prefix(text, slice_of(prefix, strlen(prefix)));
}

static struct slice skip(struct slice text, size_t count)
{
    return slice_from(text, count < text.len ? count : text.len);
}

static bool ends_with(struct slice text, uint8_t c)
{
    return text.len > 0 && text.ptr[text.len - 1] == c;
}

/* Offset of the last `c`, or the length where there is none. */
static size_t find_last(struct slice text, uint8_t c)
{
    for (size_t i = text.len; i > 0; i--) {
        if (text.ptr[i - 1] == c) {
            return i - 1;
        }
    }
    return text.len;
}

/* Offset of the first `words`, or the length where there are none. */
static size_t find_words(struct slice text, const char *words)
{
    const uint8_t *found = text.len == 0 ? NULL : memmem(text.ptr, text.len, words, strlen(words));
    return found == NULL ? text.len : (size_t)(found - text.ptr);
}

/* 0 for what is no number. */
static int64_t number_of(struct slice text)
{
    int64_t number = 0;
    return number_parse_i64(text, &number) == 0 ? number : 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_frame(struct writer *w, const struct frame *frame)
{
    struct json_out *out = &w->t->out;
    if (!w->has_stack) {
        json_out_key(out, SLICE_LITERAL("stack"));
        json_out_open(out, '[');
        w->has_stack = true;
    }
    json_out_open(out, '{');
    json_out_key(out, SLICE_LITERAL("path"));
    json_out_string(out, frame->path);
    json_out_key(out, SLICE_LITERAL("line"));
    json_out_i64(out, frame->line);
    json_out_key(out, SLICE_LITERAL("label"));
    json_out_string(out, frame->label);
    json_out_close(out, '}');
}

static void close_stack(struct writer *w)
{
    if (w->has_stack) {
        json_out_close(&w->t->out, ']');
        w->has_stack = false;
    }
}

/* The exception that is open was caused by another one, which is open now. */
static void put_cause(struct writer *w, struct slice type, struct slice message)
{
    struct json_out *out = &w->t->out;
    struct xray_id_text id = xray_trace_make_id(w->t);
    close_stack(w);
    xray_put_text(out, SLICE_LITERAL("cause"), xray_id_slice(&id));
    json_out_close(out, '}');
    json_out_open(out, '{');
    xray_put_text(out, SLICE_LITERAL("id"), xray_id_slice(&id));
    json_out_key(out, SLICE_LITERAL("type"));
    json_out_string(out, type);
    json_out_key(out, SLICE_LITERAL("message"));
    json_out_string(out, message);
}

/* --- java, php -------------------------------------------------------------------------------- */

static bool is_java_frame(struct slice line)
{
    return has_prefix(line, "\tat ") && slice_find(line, '(') < line.len && ends_with(line, ')');
}

/* `\tat module/package.Class.method(File.java:17)` */
static void put_java_frame(struct writer *w, struct slice line)
{
    size_t paren = slice_find(line, '(');
    struct slice label = slice_of(line.ptr + 4, paren < 4 ? 0 : paren - 4);
    size_t slash = slice_find(label, '/');
    label = slash < label.len ? slice_from(label, slash + 1) : label;
    struct slice place = slice_from(line, paren + 1);
    place = slice_first(place, place.len > 0 ? place.len - 1 : 0); /* without the ')' */
    size_t colon = slice_find(place, ':');
    struct slice digits = skip(place, colon + 1);
    digits = has_prefix(digits, " ") ? slice_from(digits, 1) : digits;
    struct frame frame = {
        .path = slice_first(place, colon), .label = label, .line = number_of(digits)};
    put_frame(w, &frame);
}

/*
 * `Caused by: Type: message`, and further lines of the message up to a frame. *line is the frame;
 * false where the text ends before one.
 */
static bool put_java_cause(struct writer *w, struct slice *rest, struct slice *line)
{
    struct bytes *message = &w->t->scratch;
    struct slice type = slice_from(*line, sizeof("Caused by: ") - 1);
    size_t colon = slice_find(type, ':');
    struct slice words = skip(type, colon + 2);
    bool has_frame = false;
    bytes_clear(message);
    bytes_append(message, words.ptr, words.len);
    while (!has_frame && take_line(rest, line)) {
        has_frame = is_java_frame(*line);
        if (!has_frame) {
            bytes_append(message, line->ptr, line->len);
        }
    }
    put_cause(w, slice_first(type, colon), message->err == 0 ? bytes_slice(message) : words);
    return has_frame;
}

static void put_java(struct writer *w, struct slice trace)
{
    struct slice rest = trace;
    struct slice line;
    bool has_line = take_line(&rest, &line) && take_line(&rest, &line);
    while (has_line) {
        if (has_prefix(line, "Caused by: ")) {
            has_line = put_java_cause(w, &rest, &line);
            continue; /* with the frame that ended the message */
        }
        if (is_java_frame(line)) {
            put_java_frame(w, line);
        }
        has_line = take_line(&rest, &line);
    }
}

/* --- python ----------------------------------------------------------------------------------- */

/* `  File "PATH", line 17, in LABEL` */
static void put_python_frame(struct writer *w, struct slice line)
{
    size_t first = slice_find(line, ',');
    struct slice rest = skip(line, first + 1);
    size_t second = slice_find(rest, ',');
    struct slice label = skip(rest, second + 1);
    bool has_three_parts = second < rest.len && slice_find(label, ',') == label.len;
    if (first == line.len || !has_three_parts) {
        return;
    }
    struct slice number = slice_first(rest, second);
    struct slice path = skip(slice_first(line, first), sizeof("  File \"") - 1);
    struct frame frame = {
        .path = path.len > 0 ? slice_first(path, path.len - 1) : path,
        .label = has_prefix(label, " in ") ? slice_from(label, 4) : (struct slice){0},
        .line = has_prefix(number, " line ") ? number_of(slice_from(number, 6)) : 0,
    };
    put_frame(w, &frame);
}

/*
 * `rest` ends before the line that says an exception was raised while another one was handled; that
 * other one, with its frames, stands above. Between its last frame and an empty line is what it
 * said: behind the line of source, `Type: message`. Leaves `rest` at the end of its last frame.
 */
static bool put_python_cause(struct writer *w, struct slice *rest)
{
    struct slice above = *rest;
    struct slice line;
    bool is_frame = false;
    while (!is_frame && take_last_line(&above, &line)) {
        is_frame = has_prefix(line, "  File ");
    }
    if (!is_frame) {
        return false;
    }
    const uint8_t *end = rest->ptr + rest->len;
    struct slice words = skip(slice_of(line.ptr, (size_t)(end - line.ptr)), line.len + 1);
    words = skip(words, slice_find(words, '\n') + 1);
    struct slice blank;
    if (!take_last_line(&words, &blank)) {
        return false;
    }
    size_t colon = slice_find(words, ':');
    if (words.len == 0 || colon == words.len) {
        return false;
    }
    put_cause(w, slice_first(words, colon), skip(words, colon + 2));
    *rest = slice_of(rest->ptr, (size_t)(line.ptr - rest->ptr) + line.len);
    return true;
}

/* The innermost frame comes first in X-Ray and last in Python. */
static void put_python(struct writer *w, struct slice trace)
{
    struct slice rest = trace;
    struct slice line;
    bool has_more = trace.len > 0 && take_last_line(&rest, &line);
    while (has_more && take_last_line(&rest, &line)) {
        if (has_prefix(line, "  File ")) {
            put_python_frame(w, line);
        } else if (has_prefix(line, "During handling of the above exception, another exception "
                                    "occurred:")) {
            has_more = rest.ptr != NULL && put_python_cause(w, &rest);
        }
    }
}

/* --- javascript ------------------------------------------------------------------------------- */

/* `    at label (path:17:4)` or `    at path:17:4` */
static void put_javascript_frame(struct writer *w, struct slice line)
{
    struct slice place = skip(line, sizeof("    at ") - 1);
    size_t paren = slice_find(place, '(');
    struct frame frame = {0};
    if (paren < place.len && !ends_with(place, ')')) {
        return;
    }
    if (paren < place.len) {
        frame.label = slice_first(place, paren);
        place = slice_of(place.ptr + paren + 1, place.len - paren - 2);
    }
    size_t first = slice_find(place, ':');
    struct slice rest = skip(place, first + 1);
    size_t second = slice_find(rest, ':');
    frame.path = place;
    if (first < place.len && second < rest.len) {
        frame.path = slice_first(place, first);
        frame.line = number_of(slice_first(rest, second));
    } else if (first == place.len && find_words(place, "native") < place.len) {
        frame.path = SLICE_LITERAL("native");
    }
    if (frame.path.len > 0 || frame.label.len > 0 || frame.line != 0) {
        put_frame(w, &frame);
    }
}

static void put_javascript(struct writer *w, struct slice trace)
{
    struct slice rest = trace;
    struct slice line;
    bool has_line = take_line(&rest, &line);
    while (has_line && take_line(&rest, &line)) {
        if (has_prefix(line, "    at ")) {
            put_javascript_frame(w, line);
        }
    }
}

/* --- dotnet ----------------------------------------------------------------------------------- */

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text = slice_from(text, 1);
    }
    while (ends_with(text, ' ') || ends_with(text, '\t')) {
        text.len--;
    }
    return text;
}

/* `at Label() in path:line 17`, or only `at Label()` */
static void put_dotnet_frame(struct writer *w, struct slice line)
{
    struct frame frame = {0};
    size_t in = find_words(line, " in ");
    struct slice label = skip(slice_first(line, in), 3);
    if (in == line.len) {
        size_t paren = find_last(label, ')');
        if (paren < label.len) {
            frame.label = slice_first(label, paren + 1);
            put_frame(w, &frame);
        }
        return;
    }
    struct slice place = slice_from(line, in + 4);
    place = slice_first(place, find_words(place, " in "));
    size_t colon = find_last(place, ':');
    struct slice number = skip(place, colon + 1);
    frame.label = label;
    frame.path = slice_first(place, colon);
    frame.line = number_of(has_prefix(number, "line") ? skip(number, 5) : number);
    put_frame(w, &frame);
}

static void put_dotnet(struct writer *w, struct slice trace)
{
    struct slice rest = trace;
    struct slice line;
    bool has_line = take_line(&rest, &line);
    while (has_line && take_line(&rest, &line)) {
        line = trim(line);
        if (has_prefix(line, "at ")) {
            put_dotnet_frame(w, line);
        }
    }
}

/* --- go --------------------------------------------------------------------------------------- */

/* `goroutine 1 [running]:` */
static bool is_goroutine(struct slice line)
{
    return has_prefix(line, "goroutine") && find_words(line, "running") < line.len &&
           ends_with(line, ':');
}

static bool is_path_byte(uint8_t c)
{
    return c != ':' && c > ' ';
}

/* The first `path:digits`; without one the frame keeps those of the one before. */
static void read_go_place(struct slice line, struct frame *frame)
{
    for (size_t i = 1; i + 1 < line.len; i++) {
        bool is_number = line.ptr[i + 1] >= '0' && line.ptr[i + 1] <= '9';
        if (line.ptr[i] != ':' || !is_number || !is_path_byte(line.ptr[i - 1])) {
            continue;
        }
        size_t begin = i;
        while (begin > 0 && is_path_byte(line.ptr[begin - 1])) {
            begin--;
        }
        size_t end = i + 1;
        while (end < line.len && line.ptr[end] >= '0' && line.ptr[end] <= '9') {
            end++;
        }
        frame->path = slice_of(line.ptr + begin, i - begin);
        frame->line = number_of(slice_of(line.ptr + i + 1, end - i - 1));
        return;
    }
}

static void put_go(struct writer *w, struct slice trace)
{
    struct slice rest = trace;
    struct slice line;
    struct frame frame = {0};
    bool has_line = take_line(&rest, &line) && take_line(&rest, &line);
    while (has_line) {
        if (is_goroutine(line) && !take_line(&rest, &line)) {
            return;
        }
        frame.label = line;
        if (!take_line(&rest, &line)) {
            return;
        }
        read_go_place(line, &frame);
        put_frame(w, &frame);
        has_line = take_line(&rest, &line);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

void xray_stack_put(struct xray_trace *t, struct slice language, struct slice trace)
{
    static const struct {
        const char *language;
        void (*put)(struct writer *w, struct slice trace);
    } rows[] = {
        {"java", put_java},
        {"php", put_java},
        {"python", put_python},
        {"go", put_go},
        {"javascript", put_javascript},
        {"nodejs", put_javascript},
        {"webjs", put_javascript},
        {"dotnet", put_dotnet},
    };
    struct writer writer = {.t = t};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (slice_is_text(language, rows[i].language)) {
            rows[i].put(&writer, trace);
            break;
        }
    }
    close_stack(&writer);
}
