/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_actions — what each action does to a list of attributes.
 *
 * The keys of an action are read in attr_actions_config.c.
 */
#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/processors/attr_action.h"
#include "core/processors/value_text.h"

/* --- values ----------------------------------------------------------------------------------- */

static struct otlp_value text_value(struct slice text)
{
    return (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = text};
}

/* What insert, update and upsert set. False where there is nothing to set. */
static bool find_source(const struct attr_action *action, const struct otlp_attr_list *list,
                        struct otlp_value *out)
{
    if (action->from_attribute.len > 0) {
        const struct otlp_attr *attr = otlp_attr_list_find(list, action->from_attribute);
        if (attr != NULL) {
            *out = attr->value;
            return true;
        }
    }
    *out = action->value;
    return action->has_value;
}

/* The bytes that are hashed; `buf` holds those of numbers. Lists, maps and bytes have none. */
static struct slice hash_input(const struct otlp_value *value, uint8_t buf[8])
{
    uint64_t bits = 0;
    size_t len = 8;
    switch (value->kind) {
    case OTLP_VALUE_STRING:
        return value->bytes;
    case OTLP_VALUE_BOOL:
        bits = value->boolean ? 1 : 0;
        len = 1;
        break;
    case OTLP_VALUE_INT:
        bits = (uint64_t)value->integer;
        break;
    case OTLP_VALUE_DOUBLE:
        memcpy(&bits, &value->number, sizeof(bits));
        break;
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        len = 0;
        break;
    }
    for (size_t i = 0; i < len; i++) {
        buf[i] = (uint8_t)(bits >> (8 * i));
    }
    return slice_of(buf, len);
}

/* --- convert ---------------------------------------------------------------------------------- */

/* Towards zero. False for what no int64_t is near. */
static bool number_to_integer(double number, int64_t *out)
{
    double limit = 9223372036854775808.0; /* 2^63 */
    if (!(number >= -limit && number < limit)) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool convert_to_int(const struct otlp_value *value, struct otlp_value *out)
{
    *out = (struct otlp_value){.kind = OTLP_VALUE_INT};
    switch (value->kind) {
    case OTLP_VALUE_STRING:
        return number_parse_i64(value->bytes, &out->integer) == 0;
    case OTLP_VALUE_BOOL:
        out->integer = value->boolean ? 1 : 0;
        return true;
    case OTLP_VALUE_DOUBLE:
        return number_to_integer(value->number, &out->integer);
    case OTLP_VALUE_INT:
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        break;
    }
    return false;
}

static bool convert_to_double(const struct otlp_value *value, struct otlp_value *out)
{
    *out = (struct otlp_value){.kind = OTLP_VALUE_DOUBLE};
    switch (value->kind) {
    case OTLP_VALUE_STRING:
        return number_parse_f64(value->bytes, &out->number) == 0;
    case OTLP_VALUE_BOOL:
        out->number = value->boolean ? 1 : 0;
        return true;
    case OTLP_VALUE_INT:
        out->number = (double)value->integer;
        return true;
    case OTLP_VALUE_DOUBLE:
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        break;
    }
    return false;
}

static int apply_convert(const struct attr_action *action, struct otlp_attr_list *list)
{
    struct otlp_attr *attr = otlp_attr_list_find(list, action->key);
    struct otlp_value value = {0};
    bool is_converted = false;
    int err = 0;
    if (attr == NULL) {
        return 0;
    }
    switch (action->target) {
    case ATTR_TO_INT:
        is_converted = convert_to_int(&attr->value, &value);
        break;
    case ATTR_TO_DOUBLE:
        is_converted = convert_to_double(&attr->value, &value);
        break;
    case ATTR_TO_STRING:
        value.kind = OTLP_VALUE_STRING;
        err = value_text(&attr->value, list->arena, &value.bytes);
        is_converted = err == 0;
        break;
    }
    if (is_converted) {
        otlp_attr_list_set(list, attr, value);
    }
    return err;
}

/* --- the other actions ------------------------------------------------------------------------ */

static int apply_set(const struct attr_action *action, struct otlp_attr_list *list)
{
    struct otlp_value value;
    if (!find_source(action, list, &value)) {
        return 0;
    }
    struct otlp_attr *attr = otlp_attr_list_find(list, action->key);
    if (attr == NULL) {
        bool is_added = action->kind != ATTR_UPDATE;
        return is_added ? otlp_attr_list_put(list, action->key, value) : 0;
    }
    if (action->kind != ATTR_INSERT) {
        otlp_attr_list_set(list, attr, value);
    }
    return 0;
}

/* Is the attribute one of those that delete or hash are about? */
static bool is_meant(const struct attr_action *action, const struct otlp_attr *attr)
{
    if (attr->is_removed) {
        return false;
    }
    return (action->has_key && slice_equal(attr->key, action->key)) ||
           (action->pattern != NULL && regex_matches(action->pattern, attr->key));
}

static void apply_delete(const struct attr_action *action, struct otlp_attr_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_meant(action, &list->attrs[i])) {
            otlp_attr_list_remove(list, &list->attrs[i]);
        }
    }
}

static int hash_attr(struct digest *digest, struct otlp_attr_list *list, struct otlp_attr *attr)
{
    uint8_t buf[8];
    struct slice input = hash_input(&attr->value, buf);
    if (input.len == 0) {
        otlp_attr_list_set(list, attr, text_value((struct slice){0}));
        return 0;
    }
    char *hex = arena_alloc(list->arena, DIGEST_SHA256_HEX_BYTES);
    if (hex == NULL) {
        return FAULT_LIMIT;
    }
    int err = digest_sha256_hex(digest, input, hex);
    if (err == 0) {
        otlp_attr_list_set(list, attr, text_value(slice_of(hex, DIGEST_SHA256_HEX_BYTES)));
    }
    return err;
}

static int apply_hash(const struct attr_action *action, struct digest *digest,
                      struct otlp_attr_list *list)
{
    int err = 0;
    for (size_t i = 0; i < list->count && err == 0; i++) {
        if (is_meant(action, &list->attrs[i])) {
            err = hash_attr(digest, list, &list->attrs[i]);
        }
    }
    return err;
}

static int apply_extract(const struct attr_action *action, struct otlp_attr_list *list)
{
    struct slice caught[ATTR_GROUPS_MAX];
    const struct otlp_attr *attr = otlp_attr_list_find(list, action->key);
    if (attr == NULL || attr->value.kind != OTLP_VALUE_STRING ||
        !regex_captures(action->pattern, attr->value.bytes, caught, action->group_count)) {
        return 0;
    }
    int err = 0;
    for (uint32_t i = 0; i < action->group_count && err == 0; i++) {
        struct slice name = regex_group_name(action->pattern, i + 1);
        err = otlp_attr_list_put(list, name, text_value(caught[i]));
    }
    return err;
}

int attr_actions_apply(const struct attr_actions *actions, struct digest *digest,
                       struct otlp_attr_list *list)
{
    int err = 0;
    for (const struct attr_action *action = actions->first; action != NULL && err == 0;
         action = action->next) {
        switch (action->kind) {
        case ATTR_INSERT:
        case ATTR_UPDATE:
        case ATTR_UPSERT:
            err = apply_set(action, list);
            break;
        case ATTR_DELETE:
            apply_delete(action, list);
            break;
        case ATTR_HASH:
            err = apply_hash(action, digest, list);
            break;
        case ATTR_EXTRACT:
            err = apply_extract(action, list);
            break;
        case ATTR_CONVERT:
            err = apply_convert(action, list);
            break;
        }
    }
    return err;
}
