/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_intake — parts of OTLP metrics go into the registry of a pull endpoint.
 *
 * Decodes one resource at a time, names metrics and labels, and adds each point to its series.
 * Egress-local; owns its scratch memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_labels.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "exporters/prom_registry.h"

#define PROM_CONST_LABELS_MAX_COUNT 64

struct prom_const_label {
    struct slice name; /* borrowed from the owner of the options */
    struct slice value;
};

/* Frozen after start. */
struct prom_intake_options {
    struct slice namespace; /* borrowed */
    bool has_suffixes;
    bool has_scope_labels;
    bool has_resource_labels; /* every resource attribute becomes a label */
    uint32_t const_label_count;
    struct prom_const_label const_labels[PROM_CONST_LABELS_MAX_COUNT];
};

/* What became of the items of a part; the three sum up to its item_count. */
struct prom_tally {
    uint64_t delivered_count;
    uint64_t rejected_count; /* undecodable, contradictory, of a kind the name does not have */
    uint64_t memory_count;   /* the registry is full, or memory ran out */
};

struct prom_intake {
    const struct prom_intake_options *options; /* borrowed */
    struct prom_registry *registry;            /* borrowed */
    struct arena arena;                        /* of the resource under way */
    struct bytes name;                         /* of the metric under way, and its unit */
    struct prom_labels labels;
    struct prom_labels target; /* labels of target_info */
    struct log_limit conflict_limit;
    uint64_t now_mono_ns;
    struct prom_tally tally; /* of the part under way */
};

/* 0 or -ENOMEM; prom_intake_fini is fine in both cases. */
WEIR_MUST_USE int prom_intake_init(struct prom_intake *intake, struct prom_registry *registry,
                                   const struct prom_intake_options *options);
void prom_intake_fini(struct prom_intake *intake);

/* Takes in one part and says what became of its items. */
struct prom_tally prom_intake_part(struct prom_intake *intake, const struct part *part,
                                   uint64_t now_mono_ns);
