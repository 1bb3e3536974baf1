/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_actions — the list of actions that the attributes and resource processors apply to one set
 * of attributes: insert, update, upsert, delete, hash, extract, convert.
 *
 * Read once; frozen afterwards, any thread may apply. Owns its memory; keys and texts borrow from
 * the configuration's tree, which outlives it. Source: the Collector's attributes processor.
 */
#pragma once

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/digest.h"
#include "core/otlp/otlp_attr.h"

struct attr_action;
struct config_reader;

struct attr_actions {
    struct arena memory;       /* owned; actions and their values */
    struct attr_action *first; /* in order; in the arena */
    struct attr_action *last;
    uint32_t count;
};

/*
 * attr_actions_read — the list at `key`, which must have at least one action.
 *
 * What is wrong is reported to the reader's report. 0 or -ENOMEM; attr_actions_fini is due in
 * either case.
 */
WEIR_MUST_USE int attr_actions_read(struct attr_actions *actions, struct config_reader *config,
                                    const char *key);

/* Idempotent; fine on zeros. */
void attr_actions_fini(struct attr_actions *actions);

/*
 * attr_actions_apply — all actions, in order, to a loaded list.
 *
 *   digest   of the calling thread, for hash
 *   list     changed; its arena takes new values. The caller flushes it.
 *
 * An action that does not apply (no such key, another type, no match) changes nothing. delete and
 * hash act on every attribute of that key, should a client have sent several; the others on the
 * first. 0; FAULT_LIMIT (the arena is full) or FAULT_LIBRARY, and then the list is half changed.
 */
WEIR_MUST_USE int attr_actions_apply(const struct attr_actions *actions, struct digest *digest,
                                     struct otlp_attr_list *list);
