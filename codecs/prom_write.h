/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write — OTLP metrics become WriteRequests of Prometheus remote write 1.0.
 *
 * One batch at a time: its parts are added, then its requests are taken. A series is in one
 * request only, with its samples in the order of their times, so that requests of a batch may go
 * side by side. Names, labels and kinds are those of the Collector's translation: cumulative
 * numbers, classic histograms, exponential ones as native histograms, summaries, `target_info`.
 * Source: Prometheus "Remote-Write 1.0"; OpenTelemetry "Prometheus and OpenMetrics compatibility".
 *
 *     prom_write_clear(pw);
 *     prom_write_add(pw, part->bytes, part->item_count);  …
 *     while (prom_write_next(pw, &body, &item_count)) { … }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_labels.h"
#include "codecs/prom_write_set.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* The series of one batch; about ten times the bytes they came in where there are histograms. */
#define PROM_WRITE_BATCH_MAX_BYTES (256 * 1024 * 1024)
/* What a refused name is shown as. */
#define PROM_WRITE_SAMPLE_BYTES 64

struct prom_write_label {
    struct slice name;
    struct slice value;
};

/* Frozen; everything is borrowed until prom_write_fini. */
struct prom_write_options {
    struct slice namespace;
    bool has_suffixes;             /* of units and kinds, on names */
    bool has_scope_labels;         /* otel_scope_… */
    bool has_resource_labels;      /* every resource attribute becomes a label … */
    bool leaves_out_service_attrs; /* … but those that job and instance were made of */
    bool has_target_info;
    bool has_metadata;        /* in requests of its own, behind the others */
    size_t request_max_bytes; /* series that are not taken apart go alone where they are larger */
    const struct prom_write_label *external_labels;
    size_t external_label_count;
};

/* Why points are refused. */
enum prom_write_refusal {
    PROM_WRITE_DELTA,     /* sums and histograms that are not cumulative */
    PROM_WRITE_NAME,      /* nothing of the metric's name may stand in one */
    PROM_WRITE_LABELS,    /* too many, or too long */
    PROM_WRITE_SCALE,     /* buckets coarser than native histograms have them */
    PROM_WRITE_MALFORMED, /* undecodable, without a value, counts that do not add up */
    PROM_WRITE_MEMORY,
    PROM_WRITE_REFUSAL_COUNT,
};

/* What became of the items of a batch. */
struct prom_write_tally {
    uint64_t written_count;
    uint64_t refused_counts[PROM_WRITE_REFUSAL_COUNT];
    /* What is no item, and has no room: too many labels, too long, or no memory. */
    uint64_t left_out_infos;    /* `target_info` of resources */
    uint64_t left_out_metadata; /* descriptions of metrics */
};

/* The insides are the codec's own. One thread at a time. */
struct prom_write {
    const struct prom_write_options *options;
    struct prom_write_tally tally;
    uint8_t delta_name[PROM_WRITE_SAMPLE_BYTES]; /* of a metric refused as PROM_WRITE_DELTA */
    size_t delta_name_len;
    struct arena tree;    /* the resource under way */
    struct arena scratch; /* of the point under way */
    struct prom_labels labels;
    struct prom_labels exemplar;
    struct prom_labels_wire wire; /* labels of the point under way */
    struct bytes name;            /* of the metric under way */
    struct bytes key;
    struct bytes piece;
    struct bytes text;
    struct prom_write_set series;
    struct prom_write_set metadata;
    const struct prom_write_group *next_series; /* what the next request begins with */
    const struct prom_write_group *next_metadata;
    uint64_t described_count; /* metrics in the request taken last, where it is one of metadata */
    uint64_t latest_unix_ns;  /* of the resource under way */
    bool is_sealed;           /* requests are being taken */
};

/* `hash_seed` is random, one per process. 0 or -ENOMEM; prom_write_fini is fine after either. */
WEIR_MUST_USE int prom_write_init(struct prom_write *pw, const struct prom_write_options *options,
                                  uint64_t hash_seed);
void prom_write_fini(struct prom_write *pw);

/* Forgets the batch and its tally. */
void prom_write_clear(struct prom_write *pw);

/*
 * Takes in one export request; `item_count` are the data points it was counted to have. What
 * became of each of them is added to the tally. Not after the first prom_write_next.
 */
void prom_write_add(struct prom_write *pw, struct slice request, uint64_t item_count);

/*
 * prom_write_next — the next WriteRequest.
 *
 *   out          cleared and filled; out->err is the caller's to look at
 *   item_count   how many data points it holds; each is in one request
 *
 * False when there is none left.
 */
bool prom_write_next(struct prom_write *pw, struct bytes *out, uint64_t *item_count);
