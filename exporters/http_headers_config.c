/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_headers_config — what a configuration may write into a request's head is checked here.
 *
 * Source: RFC 9110, field names and values.
 */
#include "exporters/http_headers_config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/engine/config.h"
#include "io/io_bounds.h"

static bool is_name(struct slice name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && memchr(marks, c, sizeof(marks) - 1) == NULL) {
            return false;
        }
    }
    return name.len > 0;
}

/* Nothing that would end the line. */
static bool is_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool is_reserved(struct slice name, const char *const *reserved)
{
    for (size_t i = 0; reserved[i] != NULL; i++) {
        if (name.len == strlen(reserved[i]) &&
            strncasecmp((const char *)name.ptr, reserved[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

int http_headers_add(struct http_headers *headers, struct arena *texts, struct slice name,
                     struct slice value)
{
    ASSERT(headers->count < HTTP_HEADERS_MAX);
    /* "Name;" is how an empty value is spelt: "Name:" would take the header away. */
    struct slice separator = value.len == 0 ? SLICE_LITERAL(";") : SLICE_LITERAL(": ");
    char *line = arena_alloc(texts, name.len + separator.len + value.len + 1);
    if (line == NULL) {
        return -ENOMEM;
    }
    memcpy(line, name.ptr, name.len);
    memcpy(line + name.len, separator.ptr, separator.len);
    if (value.len > 0) {
        memcpy(line + name.len + separator.len, value.ptr, value.len);
    }
    line[name.len + separator.len + value.len] = '\0';
    headers->lines[headers->count] = line;
    headers->count++;
    return 0;
}

bool http_headers_has(const struct http_headers *headers, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < headers->count; i++) {
        const char *line = headers->lines[i];
        if (strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';')) {
            return true;
        }
    }
    return false;
}

int http_headers_read(struct config_reader *r, struct arena *texts, size_t room,
                      const char *const *reserved, struct http_headers *out)
{
    ASSERT(room < HTTP_HEADERS_MAX);
    *out = (struct http_headers){
        .lines = arena_alloc_array(texts, HTTP_HEADERS_MAX, sizeof(out->lines[0])),
    };
    if (out->lines == NULL) {
        return -ENOMEM;
    }
    struct config_items items = config_open_map(r, "headers");
    struct slice name;
    struct slice value;
    int err = 0;
    while (err == 0 && config_next_pair(&items, &name, &value)) {
        if (out->count == HTTP_HEADERS_MAX - room) {
            config_refuse(r, "headers", "at most %d headers fit", (int)(HTTP_HEADERS_MAX - room));
            break;
        }
        if (!is_name(name) || !is_value(value)) {
            config_refuse(r, "headers", "a header's name must be a token and its value one line");
        } else if (is_reserved(name, reserved)) {
            config_caution(r, "headers", "%.*s cannot be changed and is left out", (int)name.len,
                           (const char *)name.ptr);
        } else {
            err = http_headers_add(out, texts, name, value);
        }
    }
    return err;
}
