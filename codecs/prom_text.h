/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_text — pages for a Prometheus that scrapes: text format 0.0.4 and OpenMetrics 1.0.
 *
 * One call per family and one per sample, appended to a buffer whose errors stick. The order of
 * samples is the caller's; labels come ready, escaped by prom_text_escape. Sources: Prometheus
 * "Exposition formats"; OpenMetrics 1.0.0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

enum prom_format {
    PROM_FORMAT_TEXT,
    PROM_FORMAT_OPENMETRICS,
};

enum prom_kind {
    PROM_KIND_GAUGE,
    PROM_KIND_COUNTER,
    PROM_KIND_HISTOGRAM,
    PROM_KIND_SUMMARY,
    PROM_KIND_UNKNOWN, /* "untyped" in the text format */
};

/* The Content-Type of a format; static. */
const char *prom_text_content_type(enum prom_format format);

/*
 * The format a client asks for by its Accept header: OpenMetrics where it is named with a quality
 * above 0 and not below that of plain text; text otherwise, also for an empty header.
 */
enum prom_format prom_text_negotiate(struct slice accept);

/* What the samples of one name have in common. Borrows. */
struct prom_family {
    struct slice name; /* as samples show it in the text format: counters mostly end in "_total" */
    struct slice help; /* may be empty: no HELP line */
    struct slice unit; /* OpenMetrics only, and only where the name ends in it */
    enum prom_kind kind;
};

/* HELP, TYPE and UNIT lines, before the first sample of the family. */
void prom_text_family(struct bytes *out, enum prom_format format, const struct prom_family *family);

/* Whose sample it is. */
struct prom_point {
    const struct prom_family *family;
    struct slice labels;   /* `a="b",c="d"` without braces, escaped; may be empty */
    uint64_t time_unix_ns; /* 0: no timestamp */
};

/* One gauge, counter or unknown. A counter ends in "_total" in OpenMetrics whatever its name. */
void prom_text_value(struct bytes *out, enum prom_format format, const struct prom_point *point,
                     double value);

/* A number or a count that a histogram or summary shows under its name and `suffix`. */
void prom_text_sum(struct bytes *out, enum prom_format format, const struct prom_point *point,
                   double sum);
void prom_text_count(struct bytes *out, enum prom_format format, const struct prom_point *point,
                     uint64_t count);

/* The cumulative count of what is ≤ `le`; INFINITY for the last. */
void prom_text_bucket(struct bytes *out, enum prom_format format, const struct prom_point *point,
                      double le, uint64_t count);

void prom_text_quantile(struct bytes *out, enum prom_format format, const struct prom_point *point,
                        double quantile, double value);

/* "# EOF" in OpenMetrics, nothing in the text format. */
void prom_text_end(struct bytes *out, enum prom_format format);

/* A label value between its quotes: backslash, quote and line feed escaped; bad UTF-8 as U+FFFD. */
void prom_text_escape(struct bytes *out, struct slice value);

/* Any text with bad UTF-8 as U+FFFD, and nothing escaped; at most three times as long. */
void prom_text_mend(struct bytes *out, struct slice text);

/* NaN, +Inf, -Inf, else the shortest digits; OpenMetrics wants a point or an exponent. */
void prom_text_number(struct bytes *out, enum prom_format format, double value);
