/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_rig — a `prometheus` receiver on a real egress thread, one pipeline, and at its end
 * somebody who keeps what every metric said last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/engine/budget.h"
#include "core/engine/pipeline.h"
#include "io/receivers/receiver.h"
#include "io/worker.h"
#include "tests/support/otlp_stubs.h"

#define PROM_RIG_SERIES_MAX 512
#define PROM_RIG_BUDGET (UINT64_C(64) * 1024 * 1024)

/* One metric of one instance; attributes of points are left out. */
struct prom_rig_series {
    char name[64];
    char instance[64];
    double value;         /* of the last point with a value */
    uint64_t point_count; /* with a value */
    uint64_t end_count;   /* without a recorded value */
    uint32_t attr_count;  /* of the last point */
};

struct prom_rig {
    struct worker egress;
    struct receiver_home home;
    struct budget memory;
    struct stub_exporter exporter;
    struct pipeline pipeline;
    struct pipeline *list[1];
    struct worker_hook hook;
    struct arena arena;
    struct receiver *receiver;
    struct prom_rig_series series[PROM_RIG_SERIES_MAX];
    uint32_t series_count;
};

/* A thread and a receiver that is made, but not opened. `yaml` are its keys. */
void prom_rig_prepare(struct prom_rig *rig, enum loop_backend backend, const char *yaml);

/* Likewise; opens, connects and starts it. */
void prom_rig_start(struct prom_rig *rig, enum loop_backend backend, const char *yaml);

/* Keys of one job with `count` targets at a port, told apart by a parameter; until the next call.
 */
const char *prom_rig_many(uint32_t count, uint16_t port, const char *keys);

/* A port where connections are made and nothing is ever said; closed by the caller. */
int prom_rig_listen(uint16_t *port);

/* How many batches the end of the pipeline takes in a turn: 0 holds the pipeline. */
void prom_rig_set_room(struct prom_rig *rig, uint32_t room);

/* Holds the pipeline and fills the outbox until the bench rests; prom_rig_set_room ends it. */
void prom_rig_congest(struct prom_rig *rig);

/* Drains, where it was started; closes; checks the books and that nothing is charged any more. */
void prom_rig_close(struct prom_rig *rig);

/* What is known of it now; zeros where it never came. `instance` NULL: of any. */
struct prom_rig_series prom_rig_look(struct prom_rig *rig, const char *name, const char *instance);

/* Waits until the last value of the metric is this. */
void prom_rig_await_value(struct prom_rig *rig, const char *name, const char *instance,
                          double value);

/* Waits until the metric had so many points without a recorded value. */
void prom_rig_await_end(struct prom_rig *rig, const char *name, const char *instance,
                        uint64_t count);

/* Waits until a counter of the receiver is at least so much. */
void prom_rig_await_count(struct prom_rig *rig, size_t counter_offset, uint64_t least);
#define PROM_RIG_AWAIT(rig, field, least)                                                          \
    prom_rig_await_count(rig, offsetof(struct receiver_stats, field), least)

uint64_t prom_rig_count(const struct prom_rig *rig, size_t counter_offset);
#define PROM_RIG_COUNT(rig, field) prom_rig_count(rig, offsetof(struct receiver_stats, field))
