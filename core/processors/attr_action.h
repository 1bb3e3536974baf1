/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_action — one action of a list; shared by the file that reads actions and the one that
 * applies them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/regex.h"
#include "core/base/slice.h"
#include "core/processors/attr_actions.h"

/* Named groups of one extract pattern. */
#define ATTR_GROUPS_MAX 64

enum attr_action_kind {
    ATTR_INSERT,
    ATTR_UPDATE,
    ATTR_UPSERT,
    ATTR_DELETE,
    ATTR_HASH,
    ATTR_EXTRACT,
    ATTR_CONVERT,
};

enum attr_target {
    ATTR_TO_INT,
    ATTR_TO_DOUBLE,
    ATTR_TO_STRING,
};

/* Lives in the arena of its list. */
struct attr_action {
    struct attr_action *next;
    enum attr_action_kind kind;
    struct slice key;            /* borrowed from the configuration */
    struct slice from_attribute; /* likewise; empty for none */
    struct otlp_value value;     /* `value`, or `default_value` beside from_attribute */
    struct regex *pattern;       /* owned; of delete, hash and extract, else NULL */
    enum attr_target target;     /* of convert */
    uint32_t group_count;        /* of extract */
    bool has_key;
    bool has_value;
};
