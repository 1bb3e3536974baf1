/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_otlp — the tree of a page as ResourceMetrics, in parts of bounded size.
 *
 * A part is written from its end, so the tree is walked from its newest point to its oldest; a
 * resource, scope or metric that does not fit is closed and goes on in the next part.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_tree.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_build.h"

struct prom_writer {
    uint8_t *buf; /* owned; PROM_PART_MAX_BYTES */
    struct otlp_build build;
    struct slice scope_version; /* borrowed */
    struct slice scheme;        /* borrowed */
    bool trims_suffixes;
    struct prom_group *at; /* the next point; NULL: everything is written */
    uint32_t point_count;  /* in the part */
    uint64_t ended_count;  /* of the page; so is the next */
    uint64_t too_large_count;
    bool is_full;
};

/* 0 or -ENOMEM. */
WEIR_MUST_USE int prom_writer_init(struct prom_writer *writer);
void prom_writer_fini(struct prom_writer *writer);

/* What is to be written; the texts are borrowed until the last part. */
struct prom_writer_job {
    struct prom_tree *tree;
    struct slice scope_version;
    struct slice scheme;
    bool trims_suffixes;
};

void prom_writer_begin(struct prom_writer *writer, const struct prom_writer_job *job);

/*
 * The next part, borrowed until the next call, and how many points it has; empty once everything is
 * written.
 */
struct slice prom_writer_next(struct prom_writer *writer, uint32_t *point_count);
