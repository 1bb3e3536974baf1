/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_attrs — loading attributes and knowing their names.
 *
 * Names are found in a small table made once per translator: one multiplication, mostly one
 * comparison.
 */
#include "codecs/xray_trace_attrs.h"

#include <errno.h>
#include <string.h>

#include "codecs/xray_trace.h"
#include "core/base/mem.h"

#define FIRST_CAPACITY 32

static const struct slice key_names[XRAY_KEY_COUNT] = {[XRAY_KEY_OTHER] = {0},
#define XRAY_KEY_NAME(name, text)                                                                  \
    [XRAY_KEY_##name] = {.ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1},
                                                       XRAY_KEY_LIST(XRAY_KEY_NAME)
#undef XRAY_KEY_NAME
};

_Static_assert(XRAY_KEY_COUNT <= XRAY_KEY_SLOTS / 2, "the table of names is too full");
_Static_assert(XRAY_KEY_COUNT <= UINT8_MAX, "a slot of the table of names is one byte");

/* FNV-1a: names are short, and whatever strangers send meets at most one full run of slots. */
static uint32_t hash_name(struct slice name)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ name.ptr[i]) * UINT32_C(16777619);
    }
    return hash ^ hash >> 15;
}

void xray_keys_init(struct xray_keys *keys)
{
    *keys = (struct xray_keys){0};
    for (uint32_t key = XRAY_KEY_OTHER + 1; key < XRAY_KEY_COUNT; key++) {
        uint32_t slot = hash_name(key_names[key]) % XRAY_KEY_SLOTS;
        while (keys->slots[slot] != XRAY_KEY_OTHER) {
            slot = (slot + 1) % XRAY_KEY_SLOTS;
        }
        keys->slots[slot] = (uint8_t)key;
    }
}

enum xray_key xray_keys_find(const struct xray_keys *keys, struct slice name)
{
    uint32_t slot = hash_name(name) % XRAY_KEY_SLOTS;
    while (keys->slots[slot] != XRAY_KEY_OTHER) {
        enum xray_key key = (enum xray_key)keys->slots[slot];
        if (slice_equal(key_names[key], name)) {
            return key;
        }
        slot = (slot + 1) % XRAY_KEY_SLOTS;
    }
    return XRAY_KEY_OTHER;
}

void xray_attrs_fini(struct xray_attrs *attrs)
{
    mem_free(attrs->attrs);
    *attrs = (struct xray_attrs){0};
}

/* Room for one more. */
static int grow(struct xray_attrs *attrs)
{
    if (attrs->count < attrs->capacity) {
        return 0;
    }
    size_t capacity = attrs->capacity == 0 ? FIRST_CAPACITY : 2 * attrs->capacity;
    struct xray_attr *grown = mem_resize(attrs->attrs, capacity * sizeof(grown[0]));
    if (grown == NULL) {
        return -ENOMEM;
    }
    attrs->attrs = grown;
    attrs->capacity = capacity;
    return 0;
}

int xray_attrs_load(struct xray_attrs *attrs, const struct xray_keys *keys, struct slice message,
                    uint32_t number)
{
    attrs->count = 0;
    memset(attrs->first, 0, sizeof(attrs->first));
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    while (otlp_attr_next(&in, number, &attr)) {
        if (attrs->count == XRAY_ATTRS_MAX_COUNT) {
            break;
        }
        int err = grow(attrs);
        if (err != 0) {
            return err;
        }
        enum xray_key id = xray_keys_find(keys, attr.key);
        attrs->attrs[attrs->count++] =
            (struct xray_attr){.key = attr.key, .value = attr.value, .id = id};
        if (attrs->first[id] == 0) {
            attrs->first[id] = (uint32_t)attrs->count;
        }
    }
    return 0;
}

void xray_attrs_restore(struct xray_attrs *attrs)
{
    for (size_t i = 0; i < attrs->count; i++) {
        attrs->attrs[i].is_used = false;
        attrs->attrs[i].is_removed = false;
    }
}

void xray_attrs_remove(struct xray_attrs *attrs, enum xray_key key)
{
    struct xray_attr *attr = xray_attrs_find(attrs, key);
    if (attr != NULL) {
        attr->is_removed = true;
    }
}

struct xray_attr *xray_attrs_find(const struct xray_attrs *attrs, enum xray_key key)
{
    ASSERT(key != XRAY_KEY_OTHER);
    ASSERT(key < XRAY_KEY_COUNT);
    uint32_t first = attrs->first[key];
    return first == 0 || attrs->attrs[first - 1].is_removed ? NULL : &attrs->attrs[first - 1];
}

struct xray_attr *xray_attrs_find_left(const struct xray_attrs *attrs, enum xray_key key)
{
    struct xray_attr *attr = xray_attrs_find(attrs, key);
    return attr == NULL || attr->is_used ? NULL : attr;
}

struct slice xray_attrs_text(const struct xray_attrs *attrs, enum xray_key key)
{
    const struct xray_attr *attr = xray_attrs_find(attrs, key);
    return attr == NULL ? (struct slice){0} : xray_value_text(&attr->value);
}

struct slice xray_attrs_take(struct xray_attrs *attrs, enum xray_key key)
{
    struct xray_attr *attr = xray_attrs_find_left(attrs, key);
    if (attr == NULL) {
        return (struct slice){0};
    }
    attr->is_used = true;
    return xray_value_text(&attr->value);
}
