/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detected — a short list; a few dozen attributes are looked through from the front.
 */
#include "core/processors/resource_detected.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"

#define DETECTED_CHUNK_BYTES 1024
/* Of a string in an AnyValue, and of an AnyValue in an ArrayValue. */
#define TAG_STRING 0x0A
#define TAG_ARRAY_VALUE 0x0A
/* Two tags, two lengths. */
#define ELEMENT_HEAD_BYTES 24

void resource_detected_fini(struct resource_detected *detected)
{
    arena_fini(&detected->memory);
    *detected = (struct resource_detected){0};
}

static struct resource_detected_attr *find(const struct resource_detected *detected,
                                           struct slice key)
{
    struct resource_detected_attr *attr = detected->first;
    while (attr != NULL && !slice_equal(attr->key, key)) {
        attr = attr->next;
    }
    return attr;
}

const struct resource_detected_attr *
resource_detected_find(const struct resource_detected *detected, struct slice key)
{
    return find(detected, key);
}

/* 0 or -ENOMEM. */
static int open_memory(struct resource_detected *detected)
{
    if (detected->memory.max_bytes != 0) {
        return 0;
    }
    return arena_init(&detected->memory, DETECTED_CHUNK_BYTES, RESOURCE_DETECTED_MAX_BYTES);
}

/* `value` borrows from the arena already. */
static int put(struct resource_detected *detected, struct slice key, struct otlp_value value)
{
    struct resource_detected_attr *attr = find(detected, key);
    if (attr != NULL) {
        attr->value = value;
        return 0;
    }
    struct slice own_key = arena_copy(&detected->memory, key);
    attr = arena_alloc(&detected->memory, sizeof(*attr));
    if (own_key.ptr == NULL || attr == NULL) {
        return FAULT_LIMIT;
    }
    *attr = (struct resource_detected_attr){.key = own_key, .value = value};
    if (detected->last == NULL) {
        detected->first = attr;
    } else {
        detected->last->next = attr;
    }
    detected->last = attr;
    detected->count++;
    return 0;
}

/* The bytes of `value` are copied; those of its kind live in no arena yet. */
static int put_copy(struct resource_detected *detected, struct slice key, struct otlp_value value)
{
    ASSERT(value.kind == OTLP_VALUE_STRING || value.kind == OTLP_VALUE_ARRAY);
    int err = open_memory(detected);
    if (err != 0) {
        return err;
    }
    value.bytes = arena_copy(&detected->memory, value.bytes);
    return value.bytes.ptr == NULL ? FAULT_LIMIT : put(detected, key, value);
}

int resource_detected_put(struct resource_detected *detected, struct slice key, struct slice text)
{
    ASSERT(key.len > 0);
    if (!slice_is_utf8(key) || !slice_is_utf8(text)) {
        return FAULT_MALFORMED;
    }
    return put_copy(detected, key, (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = text});
}

int resource_detected_put_list(struct resource_detected *detected, struct slice key,
                               const struct slice *texts, size_t count)
{
    ASSERT(key.len > 0);
    int err = open_memory(detected);
    if (err != 0) {
        return err;
    }
    size_t cap = 1; /* an empty list has a pointer, too */
    for (size_t i = 0; i < count; i++) {
        if (!slice_is_utf8(texts[i])) {
            return FAULT_MALFORMED;
        }
        cap += texts[i].len + ELEMENT_HEAD_BYTES;
    }
    uint8_t *buf = arena_alloc(&detected->memory, cap);
    if (buf == NULL) {
        return FAULT_LIMIT;
    }
    struct otlp_build b;
    otlp_build_init(&b, buf, cap);
    for (size_t i = count; i > 0; i--) {
        size_t mark = otlp_build_mark(&b);
        otlp_build_text_field(&b, TAG_STRING, texts[i - 1]);
        otlp_build_close(&b, mark, TAG_ARRAY_VALUE);
    }
    ASSERT(b.err == 0);
    struct slice content = otlp_build_since(&b, 0);
    return put(detected, key, (struct otlp_value){.kind = OTLP_VALUE_ARRAY, .bytes = content});
}

int resource_detected_merge(struct resource_detected *detected,
                            const struct resource_detected_attr *attr)
{
    return find(detected, attr->key) != NULL ? 0 : put_copy(detected, attr->key, attr->value);
}
