/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition — conditions on telemetry in a part of OTTL, the Collector's language for them:
 *
 *     attributes["http.route"] == "/health" and not IsMatch(name, "^GET ")
 *     severity_number < SEVERITY_NUMBER_WARN or resource.attributes["env"] != "prod"
 *
 * Compared are literals, names of numbers, and paths into an item and what is around it; joined by
 * and, or, not and parentheses. Arithmetic and other functions are refused by name. A condition is
 * compiled once into tests and jumps; frozen afterwards, any thread may evaluate it. Its memory is
 * an arena's, its texts borrow from what was parsed. Source: OpenTelemetry Collector, pkg/ottl.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_visit.h"

struct regex;

/* What a path without a prefix is about; those further out can be named with theirs. */
enum condition_context {
    CONDITION_RESOURCE,
    CONDITION_SCOPE,
    CONDITION_METRIC,
    CONDITION_POINT,
    CONDITION_SPAN,
    CONDITION_EVENT,
    CONDITION_RECORD,
};
#define CONDITION_CONTEXT_COUNT 7

/* Paths that can be read. */
enum condition_source {
    CONDITION_LITERAL,
    CONDITION_RESOURCE_ATTRS,
    CONDITION_SCOPE_ATTRS,
    CONDITION_SCOPE_NAME,
    CONDITION_SCOPE_VERSION,
    CONDITION_ITEM_ATTRS,
    CONDITION_EVENT_ATTRS,
    CONDITION_EVENT_NAME,
    CONDITION_SPAN_NAME,
    CONDITION_SPAN_KIND,
    CONDITION_SPAN_STATUS_CODE,
    CONDITION_SPAN_STATUS_MESSAGE,
    CONDITION_SPAN_TRACE_STATE,
    CONDITION_RECORD_BODY,
    CONDITION_RECORD_SEVERITY_NUMBER,
    CONDITION_RECORD_SEVERITY_TEXT,
    CONDITION_RECORD_EVENT_NAME,
    CONDITION_METRIC_NAME,
    CONDITION_METRIC_DESCRIPTION,
    CONDITION_METRIC_UNIT,
    CONDITION_METRIC_TYPE,
    CONDITION_METRIC_TEMPORALITY,
    CONDITION_METRIC_MONOTONIC,
    CONDITION_POINT_INT,
    CONDITION_POINT_DOUBLE,
};

/* One ["key"] or [0] behind a path. */
struct condition_index {
    struct condition_index *next;
    struct slice key;
    uint64_t position;
    bool is_position;
};

struct condition_operand {
    enum condition_source source;
    struct otlp_value literal;
    struct condition_index *indexes; /* of attributes the first one is the key */
};

enum condition_op {
    CONDITION_EQUAL,
    CONDITION_UNEQUAL,
    CONDITION_LESS,
    CONDITION_LESS_EQUAL,
    CONDITION_GREATER,
    CONDITION_GREATER_EQUAL,
    CONDITION_MATCHES,    /* IsMatch(left, regex) */
    CONDITION_IS_ROOT,    /* IsRootSpan() */
    CONDITION_POINT_HAS,  /* HasAttrKeyOnDatapoint(right) */
    CONDITION_POINT_SAYS, /* HasAttrOnDatapoint(left, right) */
};

struct condition_test {
    enum condition_op op;
    struct condition_operand left;
    struct condition_operand right;
    struct regex *regex; /* owned */
};

enum condition_step_kind {
    CONDITION_TEST,
    CONDITION_NOT,
    CONDITION_JUMP_IF_FALSE, /* `and`: what follows cannot change the answer */
    CONDITION_JUMP_IF_TRUE,  /* `or` */
};

struct condition_step {
    enum condition_step_kind kind;
    uint32_t target_index;       /* of a jump */
    struct condition_test *test; /* of a test */
};

/* One condition of a list; freed with condition_fini_all. */
struct condition {
    struct condition *next;
    enum condition_context context;
    struct condition_step *steps;
    uint32_t step_count;
};

#define CONDITION_WHY_BYTES 160

/*
 * condition_parse — compiles one condition.
 *
 *   text          borrowed as long as the condition lives
 *   context       of paths without a prefix
 *   needs_prefix  paths without one are refused
 *   memory        takes the condition
 *   out           set on 0; NULL otherwise, and nothing is left to free
 *   why           filled on the faults: a sentence with the place in the text
 *
 * Returns 0; FAULT_MALFORMED; FAULT_UNSUPPORTED for what OTTL has and this does not; FAULT_LIMIT;
 * -ENOMEM.
 */
WEIR_MUST_USE int condition_parse(struct slice text, enum condition_context context,
                                  bool needs_prefix, struct arena *memory, struct condition **out,
                                  char why[CONDITION_WHY_BYTES]);

/* Frees the regular expressions of a list. NULL is fine. */
void condition_fini_all(struct condition *first);

/* What is being looked at. */
struct condition_place {
    const struct otlp_place *place;
    struct slice event;  /* content of a span's event, in its context */
    struct arena *arena; /* scratch for texts of structured values */
    int err;             /* 0 or FAULT_LIMIT; sticks */
};

bool condition_holds(const struct condition *condition, struct condition_place *at);

/* Does one of the list, of whatever context, hold? */
bool condition_any_holds(const struct condition *first, struct condition_place *at);

/* A path by its full name ("span.status.code"), if it can be read from `context`. */
bool condition_find_path(struct slice name, enum condition_context context,
                         enum condition_source *out);

/* A named number, such as SPAN_KIND_SERVER. */
bool condition_find_number(struct slice name, int64_t *out);

/* "span", "log", …: how the paths of a context begin. */
const char *condition_prefix(enum condition_context context);
