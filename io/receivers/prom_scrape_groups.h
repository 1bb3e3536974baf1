/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_groups — lists of targets with labels, as a static_config holds one and a file of
 * file_sd_configs a list of them, in YAML or JSON.
 *
 * A file is read as strictly as Prometheus reads it: only `targets` and `labels` in a group, texts
 * where texts are due. Everything handed out lives in the caller's arena. Sources: Prometheus,
 * "Configuration", <static_config> and <file_sd_config>; YAML 1.1, RFC 8259.
 */
#pragma once

#include <stdint.h>

#include "codecs/label_list.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Targets of one file, and labels of one group. */
#define PROM_GROUP_TARGETS_MAX 65536
#define PROM_GROUP_LABELS_MAX 256
#define PROM_GROUP_WHY_BYTES 160

/* Borrows from the arena it was made in. */
struct prom_group {
    struct slice file; /* that it stands in; empty for a static one */
    struct slice *targets;
    uint32_t target_count;
    struct label *labels;
    uint32_t label_count;
    struct prom_group *next;
};

/* A list of groups in the order written. */
struct prom_groups {
    struct prom_group *first;
    struct prom_group *last;
    uint32_t target_count; /* of all of them */
};

/* Links `group` at the end. */
void prom_groups_append(struct prom_groups *groups, struct prom_group *group);

/*
 * prom_groups_read — the groups of one file, appended.
 *
 *   file     its name, copied: the ending .json or .JSON says how to read it, any other is YAML
 *   text     borrowed until return
 *   arena    takes copies of everything
 *   why      on FAULT_MALFORMED and FAULT_LIMIT a NUL-terminated sentence
 *
 * Returns 0, FAULT_MALFORMED, FAULT_LIMIT or -ENOMEM; on a failure `groups` is what it was.
 */
WEIR_MUST_USE int prom_groups_read(struct slice file, struct slice text, struct arena *arena,
                                   struct prom_groups *groups, char why[PROM_GROUP_WHY_BYTES]);
