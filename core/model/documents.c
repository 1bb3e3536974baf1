/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents — a length, then that many bytes.
 */
#include "core/model/documents.h"

#include "core/base/fault.h"

void documents_append(uint8_t *memory, size_t cap_bytes, size_t *used_bytes, struct slice document)
{
    ASSERT(*used_bytes <= cap_bytes);
    ASSERT(documents_size_bytes(document.len) <= cap_bytes - *used_bytes);
    uint8_t *at = memory + *used_bytes;
    for (uint32_t i = 0; i < DOCUMENTS_PREFIX_BYTES; i++) {
        at[i] = (uint8_t)(document.len >> (8 * i));
    }
    if (document.len > 0) {
        memcpy(at + DOCUMENTS_PREFIX_BYTES, document.ptr, document.len);
    }
    *used_bytes += documents_size_bytes(document.len);
}

static uint32_t length_at(const uint8_t *at)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < DOCUMENTS_PREFIX_BYTES; i++) {
        len |= (uint32_t)at[i] << (8 * i);
    }
    return len;
}

bool documents_next(struct documents_reader *reader, struct slice *document)
{
    struct slice rest = reader->rest;
    *document = (struct slice){0};
    if (reader->err != 0 || rest.len == 0) {
        return false;
    }
    if (rest.len < DOCUMENTS_PREFIX_BYTES ||
        length_at(rest.ptr) > rest.len - DOCUMENTS_PREFIX_BYTES) {
        reader->err = FAULT_MALFORMED;
        return false;
    }
    *document = slice_of(rest.ptr + DOCUMENTS_PREFIX_BYTES, length_at(rest.ptr));
    reader->rest = slice_from(rest, documents_size_bytes(document->len));
    return true;
}

size_t documents_cut(struct slice run, uint32_t count_max, uint32_t *taken)
{
    struct documents_reader reader = documents_reader_of(run);
    struct slice document;
    uint32_t count = 0;
    while (count < count_max && documents_next(&reader, &document)) {
        count++;
    }
    *taken = count;
    ASSERT(reader.rest.len <= run.len);
    return run.len - reader.rest.len;
}

int documents_check(struct slice run, uint32_t *count)
{
    struct documents_reader reader = documents_reader_of(run);
    struct slice document;
    *count = 0;
    while (documents_next(&reader, &document)) {
        if (*count == UINT32_MAX) {
            return FAULT_MALFORMED;
        }
        (*count)++;
    }
    return reader.err;
}
