/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_report — every complaint about a configuration, collected, then shown at once.
 *
 * A complaint has a place, a sentence and perhaps a hint. Reading goes on after one, so that a user
 * sees all of them in one run. Entries live in the tree's arena; the report borrows the tree until
 * it is dropped and owns nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config_tree.h"

enum config_severity {
    CONFIG_ERROR,
    CONFIG_WARNING,
};

struct config_issue {
    enum config_severity severity;
    struct config_mark mark;
    struct slice message;
    struct slice hint; /* may be empty */
};

struct config_report {
    struct config_tree *tree; /* borrowed */
    struct config_issue issues[CONFIG_ISSUES_MAX];
    uint32_t issue_count;   /* kept in `issues`; the rest is only counted */
    uint32_t error_count;   /* all of them */
    uint32_t warning_count; /* all of them */
};

void config_report_init(struct config_report *report, struct config_tree *tree);

/*
 * config_error, config_warn — adds one complaint.
 *   mark     the place; {0} for none
 *   hint     a second line such as "did you mean 'x'?", copied; NULL for none
 *   format   one sentence without a full stop, copied; slices go in as %.*s
 */
WEIR_PRINTF(4, 5)
void config_error(struct config_report *report, struct config_mark mark, const char *hint,
                  const char *format, ...);
WEIR_PRINTF(4, 5)
void config_warn(struct config_report *report, struct config_mark mark, const char *hint,
                 const char *format, ...);

/* True where nothing stands in the way of starting; `is_strict` makes warnings count. */
bool config_report_is_ok(const struct config_report *report, bool is_strict);

/*
 * config_report_print — all complaints in the order of the text, each with its line and a caret,
 * and a closing count:
 *
 *   gateway.yaml:14:7: error: unknown key 'agregation_interval' in receivers.statsd
 *      14 |       agregation_interval: 60s
 *         |       ^~~~~~~~~~~~~~~~~~~
 *     did you mean 'aggregation_interval'?
 *   gateway.yaml: 1 error
 *
 * Prints nothing where there is nothing to say. What is not printable is shown as '?'.
 */
void config_report_print(const struct config_report *report, FILE *out);

/*
 * config_nearest — the candidate closest to `word` by edit distance (a swap of neighbours counts
 * one), or the empty slice where none is close enough to be a misprint of it.
 */
struct slice config_nearest(struct slice word, const struct slice *candidates, uint32_t count);
