/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_rig — a real `otlp` receiver on two shards and an egress thread, with a pipeline per signal
 * that ends in an exporter of the test's.
 *
 * The port is one that was free a moment ago.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/budget.h"
#include "core/processors/shard_half.h"
#include "io/auth/authenticator_set.h"
#include "io/receivers/receiver.h"
#include "io/worker.h"
#include "tests/support/otlp_stubs.h"

#define OTLP_RIG_SHARDS 2
#define OTLP_RIG_BUDGET (UINT64_C(32) * 1024 * 1024)

/* One per signal. */
struct otlp_rig_line {
    struct pipeline pipeline;
    struct stub_exporter exporter;
    struct shard_half halves[OTLP_RIG_SHARDS];
};

struct otlp_rig {
    struct worker shards[OTLP_RIG_SHARDS];
    struct worker egress;
    struct receiver_home home;
    struct budget memory;
    struct otlp_rig_line lines[SIGNAL_COUNT];
    struct worker_hook hook;
    bool holds_answers; /* egress: exporters answer only by otlp_rig_release */
    struct receiver *receiver;
    struct authenticator_set authenticators;
    uint16_t port;
    int port_fd; /* keeps the port from everybody else until the receiver has it */
};

/* Which signals have a pipeline, by bit; and whether it answers late. */
struct otlp_rig_options {
    enum loop_backend backend;
    const char *yaml;  /* with %u for the port, once or twice; of the receiver */
    const char *token; /* of the authenticator "bearertokenauth"; NULL: there is none */
    uint32_t signals;  /* 0: all */
    bool answers_late;
};

/* Starts threads and receiver; fails the test where that does not work. */
void otlp_rig_open(struct otlp_rig *rig, const struct otlp_rig_options *options);

/* Everything but open: threads and pipelines, the receiver is made but not opened. */
void otlp_rig_prepare(struct otlp_rig *rig, const struct otlp_rig_options *options);

/* Drains, closes and checks that nothing is charged any more. */
void otlp_rig_close(struct otlp_rig *rig);

/* Gives the signals of these bits to the receiver, and no others. */
void otlp_rig_connect(struct otlp_rig *rig, uint32_t signals);

/* Exporters keep what they take until release. */
void otlp_rig_hold(struct otlp_rig *rig);
/* Answers all that is held, and goes on holding. Returns how many batches. */
uint32_t otlp_rig_release(struct otlp_rig *rig, enum delivery delivery);
/* Waits until so many batches are held. */
void otlp_rig_await_held(struct otlp_rig *rig, uint32_t count);
/* Waits until the exporter of the signal has seen so many items, or fails; then it saw no more. */
void otlp_rig_await_items(struct otlp_rig *rig, enum signal signal, uint64_t count);

/* A sum over the shards; `counter` is a member of the first shard's stats. */
uint64_t otlp_rig_count(const struct otlp_rig *rig, size_t counter_offset);
#define OTLP_RIG_COUNT(rig, field) otlp_rig_count(rig, offsetof(struct receiver_stats, field))

/* Until it is `count`: what servers count for themselves is published at the end of a turn. */
void otlp_rig_await_count(const struct otlp_rig *rig, size_t counter_offset, uint64_t count);
#define OTLP_RIG_AWAIT(rig, field, count)                                                          \
    otlp_rig_await_count(rig, offsetof(struct receiver_stats, field), count)
