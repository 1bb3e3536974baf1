/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_rig — one exporter made from YAML, behind a pipeline, on a real loop; for tests.
 */
#pragma once

#include "core/base/slice.h"
#include "core/engine/component.h"
#include "core/engine/pipeline.h"
#include "io/loop.h"
#include "tests/support/config_fixture.h"

typedef int(exporter_new_fn)(struct config_reader *config, const char *id, struct exporter **out);

struct exporter_rig {
    struct loop *loop; /* borrowed */
    struct config_fixture config;
    struct exporter *exporter;
    struct pipeline pipeline;
};

/* What `make` says about this section. After anything but 0 the rig is closed already. */
int rig_configure(struct exporter_rig *rig, struct loop *loop, exporter_new_fn *make,
                  const char *yaml);

/* Asserts that `make` refuses the section with these words in its report. */
void rig_assert_refused(struct exporter_rig *rig, exporter_new_fn *make, const char *yaml,
                        const char *words);

/* Configures, opens and puts a pipeline of `signal` in front; all of it must succeed. */
void rig_open(struct exporter_rig *rig, struct loop *loop, exporter_new_fn *make,
              enum signal signal, const char *yaml);

/* Submits a batch of parts with these bytes, `items_per_part` each. */
void rig_offer(struct exporter_rig *rig, const struct slice *parts, size_t part_count,
               uint32_t items_per_part);

/* Turns until the exporter is idle and the pipeline has its answers; fails when that takes long. */
void rig_settle(struct exporter_rig *rig);

/* Balances the books and closes everything. */
void rig_close(struct exporter_rig *rig);

#define RIG_STAT_IS(rig, field, value)                                                             \
    assert_int_equal(counter_read(&(rig)->exporter->stats.field), value)
