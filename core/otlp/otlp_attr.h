/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_attr — attributes of one message as a list of keys and typed values, and back to bytes.
 *
 * A processor loads the list of a span, reads and changes it as often as it likes, and flushes it:
 * only what changed is written, the other attributes stay where they are.
 *
 *     otlp_attr_list_init(&list, arena);
 *     err = otlp_attr_list_load(&list, span.content, OTLP_SPAN_ATTRS);
 *     struct otlp_attr *attr = otlp_attr_list_find(&list, key);
 *     …
 *     err = otlp_attr_list_flush(&list, edit);
 *
 * Values are views: they borrow from the bytes they were read from, or from wherever the caller
 * took them, until otlp_edit_finish. Key order and duplicates stay as sent; lookups hit the first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_field.h"

struct otlp_edit;

enum otlp_value_kind {
    OTLP_VALUE_EMPTY, /* no member set */
    OTLP_VALUE_STRING,
    OTLP_VALUE_BOOL,
    OTLP_VALUE_INT,
    OTLP_VALUE_DOUBLE,
    OTLP_VALUE_ARRAY,  /* bytes: fields OTLP_ARRAY_VALUES, each an AnyValue */
    OTLP_VALUE_KVLIST, /* bytes: fields OTLP_KVLIST_VALUES, each a KeyValue */
    OTLP_VALUE_BYTES,
};

/* An AnyValue. */
struct otlp_value {
    enum otlp_value_kind kind;
    union {
        struct slice bytes; /* string, bytes, and the content of arrays and lists */
        bool boolean;
        int64_t integer;
        double number;
    };
};

/* One KeyValue. */
struct otlp_attr {
    struct slice key;
    struct otlp_value value;
    struct slice whole; /* as it stands in the message, tag included; empty if it is new */
    bool is_changed;    /* its value is to be written anew */
    bool is_removed;
};

/* What the content of an AnyValue says. */
struct otlp_value otlp_value_read(struct slice any_value);

/* What the content of a KeyValue says; whole is left empty. */
struct otlp_attr otlp_attr_read(struct slice key_value);

/* The next attribute of a message whose attributes have field number `number`. False at the end. */
bool otlp_attr_next(struct pb_reader *in, uint32_t number, struct otlp_attr *out);

/* The first attribute with that key. */
bool otlp_attr_find(struct slice message, uint32_t number, struct slice key, struct otlp_attr *out);

/* Bytewise equality of kind and value; doubles by their bits. */
bool otlp_value_equal(const struct otlp_value *a, const struct otlp_value *b);

/* A KeyValue as field `number`, in the arena. Its ptr is NULL where the arena refuses. */
WEIR_MUST_USE struct slice otlp_attr_encode(struct arena *arena, uint32_t number, struct slice key,
                                            const struct otlp_value *value);

/* The attributes of one message. Borrows arena and bytes; may be loaded again and again. */
struct otlp_attr_list {
    struct arena *arena;
    struct otlp_attr *attrs; /* in the arena; removed ones stay in it, marked */
    size_t count;
    size_t cap;
    struct slice message;
    uint32_t number;
    bool is_changed;
};

/* An empty list over `arena`, which it borrows until its last use. */
void otlp_attr_list_init(struct otlp_attr_list *list, struct arena *arena);

/* Reads the attributes, field `number` of `message`. 0 or FAULT_LIMIT (the arena is full). */
WEIR_MUST_USE int otlp_attr_list_load(struct otlp_attr_list *list, struct slice message,
                                      uint32_t number);

/* The first one with that key that is not removed; borrowed until the next put or load. */
struct otlp_attr *otlp_attr_list_find(const struct otlp_attr_list *list, struct slice key);

/* Gives `attr`, one of the list, another value; an equal one changes nothing. */
void otlp_attr_list_set(struct otlp_attr_list *list, struct otlp_attr *attr,
                        struct otlp_value value);

/* Sets the first one with that key, or adds one behind all others. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int otlp_attr_list_put(struct otlp_attr_list *list, struct slice key,
                                     struct otlp_value value);

/* Takes `attr`, one of the list, out. */
void otlp_attr_list_remove(struct otlp_attr_list *list, struct otlp_attr *attr);

/*
 * Writes what changed into the edit, whose innermost open message must be the one that was loaded.
 * Once per load. Errors stick to the edit.
 */
void otlp_attr_list_flush(struct otlp_attr_list *list, struct otlp_edit *edit);
