/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config — typed readers: a component's configure function reads like the list of its keys.
 *
 *     config_read_endpoint(r, "endpoint", "localhost:8125", &out->endpoint);
 *     config_read_duration_ns(r, "aggregation_interval", 60 * NS_PER_S, &out->interval_ns);
 *     struct config_reader queue;
 *     out->queue_enabled = config_open_optional(r, "sending_queue", true, &queue);
 *     config_read_u64(&queue, "queue_size", 1000, &out->queue_size);
 *     config_known_unsupported(&queue, "storage");
 *     config_reader_finish(&queue);
 *     return config_reader_finish(r);
 *
 * Each call gives the default where the key is absent or null, checks the type strictly, reports
 * what is wrong with its place and goes on. The keys asked for are the valid ones: finish reports
 * every other key of the section. A reader lives on the stack and owns nothing; what it hands out
 * borrows from the tree. Keys and defaults are literals. Main thread, at start and reload.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config_report.h"
#include "core/engine/config_scalar.h"
#include "core/engine/config_tree.h"

struct config_reader {
    struct config_report *report;
    const struct config_node *node; /* map; NULL where there is nothing to read */
    bool is_present;                /* the section was written, perhaps empty */
    struct config_mark mark;        /* of the section's key */
    uint32_t error_count_before;
    uint32_t key_count;
    const char *keys[CONFIG_KEYS_PER_SECTION_MAX]; /* borrowed literals */
    const char *docs;                              /* word of the manual page, or NULL */
    char path[CONFIG_PATH_MAX_BYTES];              /* "receivers.statsd", cut where too long */
};

/* A list or map being gone through; see config_open_list and config_open_map. */
struct config_items {
    struct config_report *report;
    const struct config_node *next; /* NULL at the end */
    struct slice rest;              /* what is left of a scalar standing for a list */
    const struct config_node *scalar;
    bool is_present;         /* the key was written and is not null */
    struct config_mark mark; /* of the item handed out last */
    uint32_t index;          /* of the item handed out last, from 0 */
    uint32_t seen_count;
    const char *docs;
    char path[CONFIG_PATH_MAX_BYTES];
};

/* --- sections -------------------------------------------------------------------------------- */

/*
 * Begins to read a section. Anything but a map, null or NULL is reported and reads as empty.
 *   path   copied; how complaints name the section, "receivers.statsd/edge"
 */
void config_reader_open(struct config_reader *r, struct config_report *report,
                        const struct config_node *node, const char *path);

/* The manual's word shown with complaints of this section and those opened from it; borrowed. */
void config_reader_set_docs(struct config_reader *r, const char *docs);

/* A sub-section that is always there; absent reads as empty. Returns whether it was written. */
bool config_open_section(struct config_reader *parent, const char *key, struct config_reader *out);

/*
 * A sub-section that can be on or off: absent gives `default_enabled`, null or a map means on,
 * unless its `enabled` says false. Returns whether it is on; `out` may be read and must be finished
 * in any case.
 */
bool config_open_optional(struct config_reader *parent, const char *key, bool default_enabled,
                          struct config_reader *out);

/*
 * Reports the keys nobody asked for, with the nearest valid one. Returns 0, or FAULT_CONFIG where
 * anything in this section or one opened from it was reported as an error since it was opened.
 */
int config_reader_finish(struct config_reader *r);

/* --- scalars: each returns true where the key was written and valid --------------------------- */

bool config_read_bool(struct config_reader *r, const char *key, bool value_default, bool *out);
bool config_read_u64(struct config_reader *r, const char *key, uint64_t value_default,
                     uint64_t *out);
/* As u64, with everything above `max` refused. */
bool config_read_u32(struct config_reader *r, const char *key, uint32_t value_default, uint32_t max,
                     uint32_t *out);
bool config_read_i64(struct config_reader *r, const char *key, int64_t value_default, int64_t *out);
bool config_read_f64(struct config_reader *r, const char *key, double value_default, double *out);
/* Negative durations are refused. */
bool config_read_duration_ns(struct config_reader *r, const char *key, uint64_t default_ns,
                             uint64_t *out_ns);
bool config_read_bytes(struct config_reader *r, const char *key, uint64_t default_bytes,
                       uint64_t *out_bytes);
/* Borrows from the tree or from the literal; `value_default` NULL gives the empty slice. */
bool config_read_text(struct config_reader *r, const char *key, const char *value_default,
                      struct slice *out);
/* host:port; `value_default` NULL gives an empty endpoint. */
bool config_read_endpoint(struct config_reader *r, const char *key, const char *value_default,
                          struct config_endpoint *out);
/* A regular expression in RE2's syntax; tried here, compiled again by who uses it. */
bool config_read_regex(struct config_reader *r, const char *key, const char *value_default,
                       struct slice *out);

/* One word of a list; the value is its index. */
struct config_words {
    const char *const *words;
    uint32_t count;
};
#define CONFIG_WORDS(array)                                                                        \
    ((struct config_words){.words = (array), .count = (uint32_t)COUNT_OF(array)})

/* Fills `out` with the index of the word; a word not in the list is reported with the nearest. */
bool config_read_enum(struct config_reader *r, const char *key, struct config_words words,
                      uint32_t default_index, uint32_t *out);

/* --- lists and maps --------------------------------------------------------------------------- */

/* A list; a scalar where texts are wanted counts as a list split at ','. */
struct config_items config_open_list(struct config_reader *r, const char *key);

/* A map with keys of the user's choice. */
struct config_items config_open_map(struct config_reader *r, const char *key);

/* Next text of a list; false at the end. Items that are no text are reported and passed over. */
bool config_next_text(struct config_items *items, struct slice *out);
/* Next number of a list, likewise. */
bool config_next_f64(struct config_items *items, double *out);
/* Next section of a list of maps; each must be finished. */
bool config_next_section(struct config_items *items, struct config_reader *out);
/* Next member of a map of texts. */
bool config_next_pair(struct config_items *items, struct slice *key, struct slice *value);
/* Next member of a map of sections; each must be finished. */
bool config_next_named(struct config_items *items, struct slice *key, struct config_reader *out);

/* --- judging ---------------------------------------------------------------------------------- */

bool config_has(const struct config_reader *r, const char *key);

/* A key we know of but do not support yet: valid, and an error where it is written. */
void config_known_unsupported(struct config_reader *r, const char *key);

/* Reports where the key is absent, null or empty. Returns whether it is there. */
bool config_require(struct config_reader *r, const char *key);

/* A complaint about the value of `key`; where it was not written, about the section. */
WEIR_PRINTF(3, 4)
void config_refuse(struct config_reader *r, const char *key, const char *format, ...);
WEIR_PRINTF(3, 4)
void config_caution(struct config_reader *r, const char *key, const char *format, ...);

/* Warns "did you mean 4317?" where the port read for `key` looks like a misprint of the usual one.
 */
void config_check_port(struct config_reader *r, const char *key, uint16_t port,
                       uint16_t usual_port);

/* --- for readers beyond these ----------------------------------------------------------------- */

/*
 * Marks `key` as a valid one. Returns its value, or NULL where it is absent or null. For what no
 * reader above covers; whoever uses the node checks its kind.
 */
const struct config_node *config_reader_ask(struct config_reader *r, const char *key);

/* The text a node gives to a text field, or false where it is not text. Null is not. */
bool config_node_text(const struct config_node *node, struct slice *out);

/*
 * "PATH.KEY must be WANTED, not the number '5'", at the node; the value is left out where the key
 * names a secret. `key` may be empty, and then the path stands alone.
 */
void config_complain_type(struct config_report *report, const struct config_node *node,
                          const char *path, const char *key, const char *wanted);
