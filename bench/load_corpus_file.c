/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_corpus_file — see load_corpus_file.h. Reading splits `name:value|type` only as far as the
 * books need it; whether the server takes the line is the server's business.
 */
#include "bench/load_corpus_file.h"

#include <errno.h>
#include <stdio.h>

#include "bench/file_read.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define CORPUS_VALUE_MAX_DIGITS 9u

int corpus_file_write(const struct corpus *c, const char *path, const char *remark)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return -errno;
    }
    bool is_written = fprintf(file, "# %s\n", remark) > 0;
    for (uint32_t i = 0; i < c->datagram_count && is_written; i++) {
        const struct corpus_datagram *d = &c->datagrams[i];
        is_written = fwrite(c->bytes + d->offset, 1, d->len, file) == d->len;
        is_written = is_written && fputc('\n', file) != EOF;
    }
    if (fclose(file) != 0 || !is_written) {
        return -EIO;
    }
    return 0;
}

static bool corpus_kind_from_text(struct slice text, uint8_t *kind)
{
    static const char *const names[CORPUS_KIND_COUNT] = {"c", "g", "ms", "h", "d", "s"};
    for (uint8_t i = 0; i < CORPUS_KIND_COUNT; i++) {
        if (slice_is_text(text, names[i])) {
            *kind = i;
            return true;
        }
    }
    return false;
}

static bool corpus_value_from_text(struct slice text, uint32_t *value)
{
    if (text.len == 0 || text.len > CORPUS_VALUE_MAX_DIGITS) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        *value = *value * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return true;
}

static int corpus_parse_line(struct corpus *c, struct slice text)
{
    const size_t name_bytes = slice_find(text, ':');
    if (name_bytes == 0 || name_bytes == text.len) {
        return FAULT_MALFORMED;
    }
    const struct slice after_name = slice_from(text, name_bytes + 1);
    const size_t value_bytes = slice_find(after_name, '|');
    if (value_bytes == after_name.len) {
        return FAULT_MALFORMED;
    }
    const struct slice after_value = slice_from(after_name, value_bytes + 1);
    const size_t kind_bytes = slice_find(after_value, '|');
    struct corpus_line line = {0};
    if (!corpus_kind_from_text(slice_first(after_value, kind_bytes), &line.kind)) {
        return FAULT_MALFORMED;
    }
    if (kind_bytes + 1 < after_value.len && after_value.ptr[kind_bytes + 1] == '@') {
        return FAULT_UNSUPPORTED;
    }
    if (!corpus_value_from_text(slice_first(after_name, value_bytes), &line.value) &&
        line.kind == CORPUS_KIND_COUNTER) {
        return FAULT_UNSUPPORTED;
    }
    return corpus_add_line(c, text, slice_first(text, name_bytes), line);
}

int corpus_parse(struct corpus *c, struct slice text)
{
    int err = 0;
    while (text.len > 0 && err == 0) {
        const size_t len = slice_find(text, '\n');
        const struct slice line = slice_first(text, len);
        text = slice_from(text, len == text.len ? len : len + 1);
        if (len == 0) {
            err = corpus_end_datagram(c);
        } else if (c->line_count > 0 || line.ptr[0] != '#') {
            err = corpus_parse_line(c, line);
        }
    }
    return err != 0 ? err : corpus_end_datagram(c);
}

int corpus_file_read(struct corpus *c, const char *path)
{
    struct file_bytes file;
    int err = file_read(path, CORPUS_MAX_BYTES, &file);
    if (err != 0) {
        return err;
    }
    err = corpus_parse(c, slice_of(file.bytes, file.len));
    mem_free(file.bytes);
    return err;
}
