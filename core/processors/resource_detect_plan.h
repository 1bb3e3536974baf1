/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detect_plan — what is to be found out about the machine, in which order, and what of it
 * is wanted: the settings of the resource detection processor.
 *
 * Read once, frozen afterwards. Texts borrow from the configuration's tree, which outlives it. The
 * keys are those of the Collector's resource detection processor; core/processors/README.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct config_reader;

enum detector {
    DETECTOR_ENV,    /* OTEL_RESOURCE_ATTRIBUTES */
    DETECTOR_SYSTEM, /* this host */
    DETECTOR_ECS,    /* the metadata endpoint of an ECS task */
    DETECTOR_EC2,    /* the metadata service of an EC2 instance */
    DETECTOR_COUNT,
};

/* Where the system detector takes the host's name from. */
enum hostname_source {
    HOSTNAME_DNS,    /* the fully qualified name, from the hosts file or a lookup */
    HOSTNAME_OS,     /* the kernel's */
    HOSTNAME_CNAME,  /* the canonical name */
    HOSTNAME_LOOKUP, /* the name of the host's address */
    HOSTNAME_SOURCE_COUNT,
};

/* Texts of the user's, in order. */
struct resource_detect_texts {
    struct slice texts[RESOURCE_DETECT_TEXTS_MAX];
    uint32_t count;
};

/* Zeroed: no detector. */
struct resource_detect_plan {
    enum detector detectors[DETECTOR_COUNT]; /* each once; the first to find an attribute wins */
    uint32_t detector_count;
    uint32_t wanted_bits[DETECTOR_COUNT]; /* by place in the detector's list of attributes */
    enum hostname_source hostname_sources[HOSTNAME_SOURCE_COUNT];
    uint32_t hostname_source_count;
    struct resource_detect_texts tags;    /* regular expressions for keys of EC2 tags */
    struct resource_detect_texts allowed; /* if any, the only attributes that are added */
    uint64_t timeout_ns;                  /* of the whole detection; above 0 */
    bool overrides;                       /* what is detected replaces what was sent */
};

/*
 * resource_detect_plan_read — the keys of the section; the reader is not finished here. What is
 * wrong is reported to it.
 */
void resource_detect_plan_read(struct resource_detect_plan *plan, struct config_reader *config);

/* Do both ask for the same? How long, and what becomes of it, does not matter. */
bool resource_detect_plan_equal(const struct resource_detect_plan *a,
                                const struct resource_detect_plan *b);

/* Is this attribute of that detector wanted? One that has no switch is, unless not allowed. */
bool resource_detect_plan_wants(const struct resource_detect_plan *plan, enum detector detector,
                                struct slice key);

/* "env", "system", … */
const char *detector_name(enum detector detector);
