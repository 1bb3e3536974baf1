/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_read — the pages of Prometheus' text format 0.0.4 and of OpenMetrics 1.0, line by line.
 *
 * The page is whole in memory and borrowed; texts with escapes are written out in an arena, all
 * others borrow from the page. Names in quotes, as Prometheus 3 writes those that are not ASCII
 * words, are read in both formats. What families mean is for prom_scrape. Sources: Prometheus
 * "Exposition formats"; OpenMetrics 1.0.0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "codecs/prom_text.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

enum prom_line {
    PROM_LINE_SAMPLE,
    PROM_LINE_HELP,
    PROM_LINE_TYPE,
    PROM_LINE_UNIT,
    PROM_LINE_END, /* of the page, which was fine */
    PROM_LINE_BAD, /* reader.why and reader.line say more; the page is over */
};

enum prom_read_why {
    PROM_READ_FINE,
    PROM_READ_LONG_LINE,
    PROM_READ_NAME,
    PROM_READ_LABELS,
    PROM_READ_LABEL_NAME,
    PROM_READ_LABEL_VALUE,
    PROM_READ_LABEL_TWICE,
    PROM_READ_LABEL_COUNT,
    PROM_READ_VALUE,
    PROM_READ_TIME,
    PROM_READ_TRAILING,
    PROM_READ_EXEMPLAR,
    PROM_READ_HELP,
    PROM_READ_TYPE,
    PROM_READ_UNIT,
    PROM_READ_COMMENT,
    PROM_READ_BLANK,
    PROM_READ_NO_EOF,
    PROM_READ_AFTER_EOF,
    PROM_READ_MEMORY, /* the arena has no room */
    PROM_READ_WHY_COUNT,
};

/* What is wrong, in words; static. */
const char *prom_read_why_text(enum prom_read_why why);

/* What a TYPE line can say. */
enum prom_type {
    PROM_TYPE_UNKNOWN, /* "untyped" in the text format */
    PROM_TYPE_COUNTER,
    PROM_TYPE_GAUGE,
    PROM_TYPE_HISTOGRAM,
    PROM_TYPE_GAUGEHISTOGRAM,
    PROM_TYPE_SUMMARY,
    PROM_TYPE_INFO,
    PROM_TYPE_STATESET,
    PROM_TYPE_COUNT,
};

/* "counter", "unknown": as OpenMetrics calls it; static. */
const char *prom_type_name(enum prom_type type);

/* A HELP, TYPE or UNIT line. */
struct prom_meta {
    struct slice name;   /* of the family, as written */
    struct slice text;   /* of HELP and UNIT; may be empty */
    enum prom_type type; /* of TYPE */
};

struct prom_exemplar {
    struct label_list labels;
    double value;
    uint64_t time_unix_ms;
    bool has_time;
};

/* A sample. About 16 KiB, so one is reused for all. */
struct prom_sample {
    struct label_list labels; /* "__name__" among them; values may be empty */
    double value;
    uint64_t time_unix_ms;
    bool has_time;
    bool has_exemplar;
    struct prom_exemplar exemplar; /* only where has_exemplar */
};

struct prom_reader {
    struct slice page; /* borrowed */
    size_t at;         /* first byte that is not read yet */
    uint32_t line;     /* of the last line read, from 1 */
    enum prom_format format;
    enum prom_read_why why;
    struct arena *arena; /* borrowed */
    bool has_eof;
};

/* A reader at the beginning of `page`. Both are borrowed until the last call. */
struct prom_reader prom_reader_of(struct slice page, enum prom_format format, struct arena *arena);

/*
 * prom_read_next — the next line that says something.
 *
 *   sample   filled on PROM_LINE_SAMPLE
 *   meta     filled on PROM_LINE_HELP, _TYPE and _UNIT
 *
 * Texts borrow from page and arena. After PROM_LINE_END and PROM_LINE_BAD it answers the same
 * again.
 */
enum prom_line prom_read_next(struct prom_reader *reader, struct prom_sample *sample,
                              struct prom_meta *meta);

/*
 * A number as Go reads it, which is what `le` and `quantile` hold too: also "NaN", "Inf", "+inf",
 * "-Infinity" in any case. False for what is none, and for one beyond the range of a double.
 */
bool prom_read_number(struct slice text, double *out);
