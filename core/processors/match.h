/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match — include and exclude: which spans, log records and data points a processor is about.
 *
 * A set of rules holds for an item when all its properties do; a property is a list of which one
 * text must match, or of attributes and scopes which all must. Selected is what include holds for,
 * if there is one, and exclude does not. Rules are frozen once read; any thread may use them, each
 * with a selection of its own. Texts borrow from the configuration's tree. Source: the Collector's
 * attributes and filter processors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/model/part.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_visit.h"

struct config_reader;
struct regex;

/* From the outside in, as a visit goes. */
enum match_level {
    MATCH_RESOURCE,
    MATCH_SCOPE,
    MATCH_METRIC,
    MATCH_ITEM,
};
#define MATCH_LEVEL_COUNT 4

/* One text of a list; all of these live in an arena. */
struct match_text {
    struct match_text *next;
    struct slice text;
    struct regex *regex; /* owned; NULL: the text itself */
};

struct match_attr {
    struct match_attr *next;
    struct slice key;
    struct otlp_value value;
    struct regex *regex; /* owned; NULL: the value itself */
    bool has_value;      /* false: being there is enough */
};

struct match_scope {
    struct match_scope *next;
    struct match_text name;
    struct match_text version;
    bool has_version;
};

/* One include or exclude. Zero is one that is not there. */
struct match_rules {
    struct match_text *services;
    struct match_text *span_names;
    struct match_text *span_kinds;
    struct match_text *metric_names;
    struct match_text *bodies;
    struct match_text *severity_texts;
    struct match_attr *attributes;
    struct match_attr *resources;
    struct match_scope *scopes;
    int32_t severity_min;
    bool has_severity;
    bool matches_undefined; /* records without severity count as severe enough */
    bool is_set;
    enum match_level last_level; /* the innermost one that a property is about */
};

/* How the keys of a section are spelled. */
enum match_style {
    MATCH_STYLE_ATTRIBUTES, /* attributes processor, and filter's spans */
    MATCH_STYLE_LOGS,       /* filter's logs */
    MATCH_STYLE_METRICS,    /* filter's metrics */
};

/*
 * match_rules_read — the section `key` (include, exclude), if it is there.
 *
 *   memory   takes what the rules point to
 *   signal   of the pipeline; a property that it does not have is refused
 *
 * 0 or -ENOMEM; match_rules_fini is due in either case.
 */
WEIR_MUST_USE int match_rules_read(struct match_rules *rules, struct config_reader *config,
                                   const char *key, enum match_style style, enum signal signal,
                                   struct arena *memory);

/* Frees the regular expressions. Idempotent; leaves zeros. */
void match_rules_fini(struct match_rules *rules);

/* One thread's way through a part: what held further out. Borrows rules and arena. */
struct match_selection {
    const struct match_rules *include;
    const struct match_rules *exclude;
    struct arena *arena; /* scratch for texts of structured values */
    bool includes[MATCH_LEVEL_COUNT];
    bool excludes[MATCH_LEVEL_COUNT];
    int err; /* 0 or FAULT_LIMIT; sticks */
};

/*
 * match_enter — goes into the place at `level`, from within the visitor's function for it; levels
 * that a visit skips may be skipped here too.
 *
 * At MATCH_ITEM: is it selected? Further out: may anything in there be selected?
 */
bool match_enter(struct match_selection *selection, enum match_level level,
                 const struct otlp_place *place);

/* Does either set of rules need to see single items? */
bool match_needs_items(const struct match_rules *include, const struct match_rules *exclude);
