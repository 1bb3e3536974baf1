/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes — one owned buffer, doubled as it fills, never beyond its cap.
 *
 * Encoders and compressors append to it; an exporter keeps one per send slot and clears it between
 * requests.
 */
#include "codecs/bytes.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

/* The first allocation; most bodies are larger. */
#define FIRST_CAPACITY_BYTES 1024
/* Memory that moves on may have an eighth more than it needs. */
#define SLACK_DIVISOR 8

void bytes_init(struct bytes *bytes, size_t max_bytes)
{
    *bytes = (struct bytes){.max_bytes = max_bytes};
}

void bytes_fini(struct bytes *bytes)
{
    mem_free(bytes->ptr);
    *bytes = (struct bytes){0};
}

static int resize(struct bytes *bytes, size_t capacity)
{
    ASSERT(capacity >= bytes->len);
    uint8_t *ptr = mem_resize(bytes->ptr, capacity);
    if (ptr == NULL) {
        return -ENOMEM;
    }
    bytes->ptr = ptr;
    bytes->capacity_bytes = capacity;
    return 0;
}

void bytes_clear(struct bytes *bytes)
{
    bytes->len = 0;
    bytes->err = 0;
}

int bytes_reserve(struct bytes *bytes, size_t more)
{
    ASSERT(bytes->len <= bytes->capacity_bytes);
    if (more <= bytes->capacity_bytes - bytes->len) {
        return 0;
    }
    if (bytes->len > bytes->max_bytes || more > bytes->max_bytes - bytes->len) {
        return FAULT_LIMIT;
    }
    size_t needed = bytes->len + more;
    size_t capacity = bytes->capacity_bytes == 0 ? FIRST_CAPACITY_BYTES : bytes->capacity_bytes;
    while (capacity < needed && capacity <= bytes->max_bytes / 2) {
        capacity *= 2;
    }
    if (capacity < needed || capacity > bytes->max_bytes) {
        capacity = bytes->max_bytes;
    }
    return resize(bytes, capacity);
}

int bytes_reserve_exact(struct bytes *bytes, size_t more)
{
    ASSERT(bytes->len <= bytes->capacity_bytes);
    if (more <= bytes->capacity_bytes - bytes->len) {
        return 0;
    }
    if (bytes->len > bytes->max_bytes || more > bytes->max_bytes - bytes->len) {
        return FAULT_LIMIT;
    }
    return resize(bytes, bytes->len + more);
}

void *bytes_take(struct bytes *bytes, struct slice *content)
{
    size_t unused = bytes->capacity_bytes - bytes->len;
    if (bytes->len > 0 && unused > bytes->len / SLACK_DIVISOR) {
        (void)resize(bytes, bytes->len); /* a block that cannot shrink is as good */
    }
    void *memory = bytes->ptr;
    *content = bytes_slice(bytes);
    bytes_init(bytes, bytes->max_bytes);
    return memory;
}

void bytes_append(struct bytes *bytes, const void *ptr, size_t len)
{
    if (bytes->err != 0 || len == 0) {
        return;
    }
    bytes->err = bytes_reserve(bytes, len);
    if (bytes->err == 0) {
        memcpy(bytes->ptr + bytes->len, ptr, len);
        bytes->len += len;
    }
}

void bytes_append_byte(struct bytes *bytes, uint8_t byte)
{
    bytes_append(bytes, &byte, 1);
}
