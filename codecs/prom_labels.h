/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_labels — attributes of a point, its scope and its resource become one sorted set of labels.
 *
 * Names are made legal; the set is sorted by name, so that equal sets give equal bytes and serve
 * as the key of a series, as text of a page or as fields of remote write. Where two sources give
 * one name, the one nearer to the point counts; where two attributes of one source end in the same
 * name, their values are joined by ';'. Labels without a value are left out: to Prometheus they
 * are the same as none. Values leave as well-formed UTF-8. Source: OpenTelemetry "Prometheus and
 * OpenMetrics compatibility".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/proto/common.pb-c.h"

/* Labels of one series, and their text. */
#define PROM_LABELS_MAX_COUNT 256
#define PROM_LABELS_MAX_BYTES 65536

/* Nearest first. */
enum prom_label_source {
    PROM_LABEL_OWN, /* what must stand there whatever an attribute says */
    PROM_LABEL_POINT,
    PROM_LABEL_SCOPE,
    PROM_LABEL_RESOURCE,
    PROM_LABEL_TARGET, /* job and instance */
    PROM_LABEL_CONST,
};

/* A name that Prometheus needs itself; an attribute's label of that name is "exported_…". */
enum prom_reserved {
    PROM_RESERVED_NONE,
    PROM_RESERVED_LE,       /* on histograms */
    PROM_RESERVED_QUANTILE, /* on summaries */
};

/* Offsets into prom_labels.text, which moves while it grows. */
struct prom_label {
    uint32_t name_offset;
    uint32_t name_len;
    uint32_t value_offset;
    uint32_t value_len;
    enum prom_label_source source;
};

struct prom_labels {
    struct bytes text;   /* names and values, raw */
    struct bytes joined; /* a value that had to be put together or mended */
    struct bytes result; /* of the last finish */
    uint32_t count;
    enum prom_reserved reserved; /* of the last finish */
    struct prom_label labels[PROM_LABELS_MAX_COUNT];
    uint16_t order[PROM_LABELS_MAX_COUNT]; /* of the last finish */
};

/* A point to come back to: the labels of a scope stay while its points come and go. */
struct prom_labels_mark {
    uint32_t count;
    size_t text_bytes;
    int err;
};

void prom_labels_init(struct prom_labels *labels);
void prom_labels_fini(struct prom_labels *labels);

struct prom_labels_mark prom_labels_mark(const struct prom_labels *labels);
/* Takes back what was added since, and what went wrong with it. */
void prom_labels_rewind(struct prom_labels *labels, struct prom_labels_mark mark);

/* One label; the name is made legal. Too many stick as an error until a rewind. */
void prom_labels_add(struct prom_labels *labels, enum prom_label_source source, struct slice name,
                     struct slice value);

/* The same with an attribute's value, in the Collector's text form; `arena` is scratch. */
void prom_labels_add_value(struct prom_labels *labels, enum prom_label_source source,
                           struct slice name,
                           const struct Opentelemetry__Proto__Common__V1__AnyValue *value,
                           struct arena *arena);

/* All of `pairs`. */
void prom_labels_add_attributes(struct prom_labels *labels, enum prom_label_source source,
                                struct Opentelemetry__Proto__Common__V1__KeyValue *const *pairs,
                                size_t count, struct arena *arena);

/* Characters of all names and values so far; a byte that is no UTF-8 counts as one. */
size_t prom_labels_characters(const struct prom_labels *labels);

/*
 * The text of all labels: `a="b",c="d"`, borrowed until the next finish.
 * 0; FAULT_LIMIT for too many labels or too much text; -ENOMEM.
 */
WEIR_MUST_USE int prom_labels_finish(struct prom_labels *labels, enum prom_reserved reserved,
                                     struct slice *out);

/* Label fields, and where two more belong in their order; borrowed until the next finish. */
struct prom_labels_wire {
    struct slice bytes;
    size_t name_at;     /* of __name__ */
    size_t reserved_at; /* of le or quantile, not before name_at */
};

/* All labels as fields of remote write's TimeSeries and Exemplar. Returns as prom_labels_finish. */
WEIR_MUST_USE int prom_labels_finish_wire(struct prom_labels *labels, enum prom_reserved reserved,
                                          struct prom_labels_wire *out);
