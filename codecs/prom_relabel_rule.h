/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_relabel_rule — what prom_relabel makes of its rules: texts of its own, expressions compiled.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_pattern.h"
#include "codecs/prom_relabel.h"
#include "core/base/arena.h"
#include "core/base/defs.h"

/* A rule with its texts in the arena of its list. */
struct prom_relabel_step {
    struct prom_relabel_rule rule;
    struct prom_pattern pattern;
};

struct prom_relabel {
    struct arena texts;
    struct prom_relabel_step *steps; /* in `texts`; they own their expressions */
    uint32_t step_count;
};

/* 0, or FAULT_CONFIG with a sentence in `why`: what Prometheus checks before it compiles. */
WEIR_MUST_USE int prom_relabel_rule_check(const struct prom_relabel_rule *rule, char *why,
                                          size_t why_cap);
