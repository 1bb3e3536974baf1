/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors — see vectors.h.
 */
#include "tests/support/vectors.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"

int vectors_open(struct vectors *vectors, const char *path)
{
    *vectors = (struct vectors){0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -errno;
    }
    int err = -EIO;
    if (fseek(file, 0, SEEK_END) == 0) {
        size_t len = (size_t)ftell(file);
        rewind(file);
        vectors->bytes = mem_alloc(len + 1);
        if (vectors->bytes != NULL && fread(vectors->bytes, 1, len, file) == len) {
            vectors->rest = slice_of(vectors->bytes, len);
            err = 0;
        }
    }
    (void)fclose(file); /* only read from */
    if (err != 0) {
        vectors_close(vectors);
    }
    return err;
}

void vectors_close(struct vectors *vectors)
{
    mem_free(vectors->bytes);
    *vectors = (struct vectors){0};
}

static struct slice take_line(struct vectors *vectors)
{
    size_t end = slice_find(vectors->rest, '\n');
    struct slice line = slice_first(vectors->rest, end);
    vectors->rest = slice_from(vectors->rest, end < vectors->rest.len ? end + 1 : end);
    vectors->line_number++;
    return line;
}

static struct slice without_leading_blanks(struct slice text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text = slice_from(text, 1);
    }
    return text;
}

bool vectors_next(struct vectors *vectors, struct vector *out)
{
    *out = (struct vector){0};
    while (vectors->rest.len > 0) {
        if (out->line_number != 0 && vectors->rest.ptr[0] == '=') {
            break;
        }
        struct slice line = take_line(vectors);
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        if (slice_has_prefix(line, SLICE_LITERAL("== "))) {
            out->title = slice_from(line, 3);
            out->line_number = vectors->line_number;
            continue;
        }
        size_t colon = slice_find(line, ':');
        if (colon == line.len || out->line_number == 0 || out->line_count == VECTOR_LINES_MAX) {
            fail_msg("vector file, line %u: no key, no case or too long a case",
                     vectors->line_number);
        }
        out->lines[out->line_count++] = (struct vector_line){
            .key = slice_first(line, colon),
            .text = without_leading_blanks(slice_from(line, colon + 1)),
        };
    }
    return out->line_number != 0;
}

int vectors_each_file(const char *folder, vectors_file_fn *on_file)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return -errno;
    }
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".vec") != 0) {
            continue;
        }
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name); /* cut: not found */
        on_file(path);
        count++;
    }
    (void)closedir(dir); /* only read from */
    return count;
}

static uint8_t hex_digit(uint8_t c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *found = memchr(digits, c, sizeof(digits) - 1);
    assert_non_null(found);
    return (uint8_t)(found - digits);
}

/* `text` stands behind "\{"; returns what follows the "}". */
static struct slice unescape_repeat(struct slice text, uint8_t *buf, size_t cap, size_t *len)
{
    size_t star = slice_find(text, '*');
    size_t close = slice_find(text, '}');
    assert_true(star < close && close < text.len);
    size_t count = 0;
    for (size_t i = 0; i < star; i++) {
        count = count * 10 + (size_t)(text.ptr[i] - '0');
    }
    size_t unit = close - star - 1;
    assert_true(count * unit <= cap - *len);
    for (size_t i = 0; i < count; i++) {
        memcpy(buf + *len, text.ptr + star + 1, unit);
        *len += unit;
    }
    return slice_from(text, close + 1);
}

static uint8_t simple_escape(uint8_t letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 's':
        return ' ';
    case '0':
        return '\0';
    default:
        assert_int_equal(letter, '\\');
        return '\\';
    }
}

size_t vector_unescape(struct slice text, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    while (text.len > 0) {
        assert_true(len < cap);
        if (text.ptr[0] != '\\' || text.len < 2) {
            buf[len++] = text.ptr[0];
            text = slice_from(text, 1);
        } else if (text.ptr[1] == '{') {
            text = unescape_repeat(slice_from(text, 2), buf, cap, &len);
        } else if (text.ptr[1] == 'x') {
            assert_true(text.len >= 4);
            buf[len++] = (uint8_t)(hex_digit(text.ptr[2]) << 4 | hex_digit(text.ptr[3]));
            text = slice_from(text, 4);
        } else {
            buf[len++] = simple_escape(text.ptr[1]);
            text = slice_from(text, 2);
        }
    }
    return len;
}

bool vector_field(struct slice text, const char *key, struct slice *value)
{
    while (text.len > 0) {
        size_t end = slice_find(text, ' ');
        struct slice field = slice_first(text, end);
        text = slice_from(text, end < text.len ? end + 1 : end);
        size_t equals = slice_find(field, '=');
        if (equals < field.len && slice_is_text(slice_first(field, equals), key)) {
            *value = slice_from(field, equals + 1);
            return true;
        }
    }
    return false;
}
