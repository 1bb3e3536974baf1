/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_stubs — what stands before and behind a pipeline in tests: an exporter that takes what it
 * has room for and answers when told, a processor that does as it is told, somebody who waits.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/engine/component.h"
#include "core/engine/processor.h"
#include "core/model/batch.h"

#define STUB_TAKEN_MAX 64

struct stub_exporter {
    struct exporter exporter;
    struct batch *taken[STUB_TAKEN_MAX]; /* oldest first */
    uint32_t taken_count;
    uint32_t room; /* how many batches it has at a time */
    uint64_t items_seen;
    uint64_t batches_seen;
    uint64_t bytes_seen;
};

void stub_exporter_init(struct stub_exporter *stub, uint32_t room, bool answers_late);

/* Answers the oldest batch it took; there must be one. */
void stub_exporter_answer(struct stub_exporter *stub, enum delivery delivery);
void stub_exporter_answer_all(struct stub_exporter *stub, enum delivery delivery);

/* What all clones of one processor do; borrowed by them. */
struct stub_plan {
    _Atomic bool drops_all; /* takes every item out */
    _Atomic int err;        /* refuses with this */
    int clone_err;
    uint32_t clones_before_err;   /* how many succeed before clone_err */
    _Atomic uint32_t open_count;  /* clones not closed */
    _Atomic uint32_t seen_count;  /* parts given to any of them */
    _Atomic uint64_t now_unix_ns; /* as it was told last */
    size_t arena_bytes;           /* asked of the arena for each part */
};

struct stub_processor {
    struct processor processor;
    struct stub_plan *plan;
};

/* A prototype, which is not closed; its clones are. */
void stub_processor_init(struct stub_processor *stub, struct stub_plan *plan);

struct stub_waiter {
    struct part_claim claim;
    uint32_t answer_count;
    enum part_fate fate;
};

/* `waiter` waits for the part. */
void stub_wait(struct part *part, struct stub_waiter *waiter);
