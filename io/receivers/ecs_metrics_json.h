/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_json — stepping through the documents that tell about an ECS task.
 *
 * Stands on core/base/json. A member is known by its place in a list of names; its value is taken
 * where it is what is wanted, and else noted as odd and stepped over, so that one strange member
 * does not cost the document. Bad text ends every loop and is seen by ecs_json_ends. Null and
 * absent are the same.
 *
 *     ecs_json_init(&json, document);
 *     if (ecs_json_enter(&json)) {
 *         while (ecs_json_next(&json, ECS_NAMES(names))) {
 *             … one of the takers below, by json.index …
 *         }
 *     }
 *     is_good = ecs_json_ends(&json);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/json.h"
#include "core/base/slice.h"

/* No figure of a task is beyond this; what is keeps sums and quotients finite. */
#define ECS_JSON_NUMBER_MAX 1e18

struct ecs_names {
    const char *const *names;
    uint32_t count; /* 0: every member is wanted */
};
#define ECS_NAMES(array) ((struct ecs_names){.names = (array), .count = (uint32_t)COUNT_OF(array)})
#define ECS_NAMES_ALL ((struct ecs_names){.names = NULL, .count = 0})

struct ecs_json {
    struct json_reader reader;
    enum json_token token; /* the first of the value in hand, which one taker has to take */
    struct json_text key;  /* name of the member in hand */
    uint32_t index;        /* its place in the names; 0 where every member is wanted */
    uint32_t odd_count;    /* values that were not what they should be */
};

/* The document's value is in hand. Borrows the text. */
void ecs_json_init(struct ecs_json *json, struct slice text);

/* Was that the whole document, and all of it JSON? */
WEIR_MUST_USE bool ecs_json_ends(struct ecs_json *json);

/* The value in hand is an object: its members follow. False, and it is taken, where it is none. */
WEIR_MUST_USE bool ecs_json_enter(struct ecs_json *json);

/* The next member that is wanted, its value in hand; false at the end of the object. */
WEIR_MUST_USE bool ecs_json_next(struct ecs_json *json, struct ecs_names names);

/* As the two above, for a list. */
WEIR_MUST_USE bool ecs_json_enter_list(struct ecs_json *json);
WEIR_MUST_USE bool ecs_json_next_item(struct ecs_json *json);

/* Takers: each takes the value in hand, and writes *out where it is what is wanted. */

/* Whole and not negative; above INT64_MAX it counts as that, which is the most that OTLP has. */
void ecs_json_take_u64(struct ecs_json *json, uint64_t *out);
/* As above; sets *is_there. */
void ecs_json_take_i64(struct ecs_json *json, int64_t *out, bool *is_there);
/* Within ECS_JSON_NUMBER_MAX of 0. Sets *is_there. */
void ecs_json_take_f64(struct ecs_json *json, double *out, bool *is_there);
/* A text, borrowed from the document or in `arena`. */
void ecs_json_take_text(struct ecs_json *json, struct arena *arena, struct slice *out);
/* An instant, in nanoseconds since 1970; 0 for one before that, and for what is none. */
void ecs_json_take_time(struct ecs_json *json, uint64_t *out_unix_ns);
/* Whatever it is. */
void ecs_json_pass(struct ecs_json *json);

/* As of ecs_json_take_time: RFC 3339 with up to nine digits of a second, "" and nonsense are 0. */
uint64_t ecs_time_parse(struct slice text);
