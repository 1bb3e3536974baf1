/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_labels — attributes of a point, its scope and its resource become one text of labels.
 *
 * Names are made legal; the text is sorted by name, so that equal sets give equal bytes and serve
 * as the key of a series. Where two sources give one name, the one nearer to the point counts;
 * where two attributes of one source end in the same name, their values are joined by ';'. Labels
 * without a value are left out: to Prometheus they are the same as none.
 */
#pragma once

#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/proto/common.pb-c.h"
#include "exporters/exporter_bounds.h"

/* Nearest first. */
enum prom_label_source {
    PROM_LABEL_POINT,
    PROM_LABEL_SCOPE,
    PROM_LABEL_RESOURCE,
    PROM_LABEL_TARGET, /* job and instance */
    PROM_LABEL_CONST,
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
    struct bytes result; /* what prom_labels_finish made */
    uint32_t count;
    struct prom_label labels[PROM_LABELS_MAX_COUNT];
    uint16_t order[PROM_LABELS_MAX_COUNT]; /* of prom_labels_finish */
};

/* A point to come back to: the labels of a scope stay while its points come and go. */
struct prom_labels_mark {
    uint32_t count;
    size_t text_bytes;
};

void prom_labels_init(struct prom_labels *labels);
void prom_labels_fini(struct prom_labels *labels);

struct prom_labels_mark prom_labels_mark(const struct prom_labels *labels);
/* Takes back what was added since, and any error. */
void prom_labels_rewind(struct prom_labels *labels, struct prom_labels_mark mark);

/* One label; the name is made legal. Too many stick as an error until a rewind. */
void prom_labels_add(struct prom_labels *labels, enum prom_label_source source, struct slice name,
                     struct slice value);

/* `pairs` as labels, values in the Collector's text form; `arena` is scratch. */
void prom_labels_add_attributes(struct prom_labels *labels, enum prom_label_source source,
                                struct Opentelemetry__Proto__Common__V1__KeyValue *const *pairs,
                                size_t count, struct arena *arena);

/*
 * The text of all labels: `a="b",c="d"`, borrowed until the next finish.
 *
 *   reserved   a name that Prometheus needs itself ("le", "quantile"), shown as "exported_…"; or
 *              NULL
 *
 * 0; FAULT_LIMIT for too many labels or too much text; -ENOMEM.
 */
WEIR_MUST_USE int prom_labels_finish(struct prom_labels *labels, const char *reserved,
                                     struct slice *out);
