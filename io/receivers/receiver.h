/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver — what a receiver is to the program.
 *
 * A receiver has a part on every shard (sockets, parsing, its tables) and a part on the egress
 * thread (merge, emission). The main thread calls everything here; a receiver reaches its parts by
 * worker_call. It is a struct that embeds `struct receiver`, registered by a row in the table of
 * tools/weir/components.c.
 *
 * Life: open → start → (connect …) → drain → is_drained → close. Sockets are bound by open, before
 * exporters open, so that datagrams wait in the kernel from then on. A receiver that names others
 * is started after them, and drained and closed before them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config_tree.h"
#include "core/engine/pipeline.h"
#include "core/engine/stats.h"
#include "io/worker.h"

/* Who works for the receiver; frozen after start. */
struct receiver_home {
    struct worker *shards; /* borrowed; shard_count of them */
    uint32_t shard_count;
    struct worker *egress;     /* borrowed */
    uint64_t hash_seed;        /* one per process */
    const char *instance_id;   /* of this gateway, for what is born here */
    bool binds_any;            /* hosts not spelled out bind to every address */
    uint64_t sketch_max_bytes; /* per shard, for histograms, sets and the like */
    struct budget *memory;     /* borrowed; bytes of requests and of what waits to leave */
};

/* One set of counters and the thread that writes it. */
struct receiver_counters {
    const struct receiver_stats *stats; /* borrowed from the receiver */
    const char *thread;                 /* "shard-0", "egress-0" */
};

/* A metric name with many series; `name` borrows until the next call. */
struct receiver_offender {
    char name[128]; /* cut where longer */
    uint64_t series_count;
};

/* Another receiver that one names in its settings. */
struct receiver_reference {
    const char *key;         /* static; where it is named, as in "protocols.statsd.receiver" */
    const char *type;        /* static; which type it has to be */
    struct slice id;         /* borrowed from the settings */
    struct config_mark mark; /* where the id is written */
};
#define RECEIVER_REFERENCES_MAX 4

/* Where one listens, as its settings say: a port of TCP or of UDP. */
struct receiver_place {
    bool is_stream;
    struct slice host; /* borrowed from the receiver; empty: every address */
    uint16_t port;     /* 0: one that the kernel picks */
};
#define RECEIVER_PLACES_MAX 8

struct authenticator_set;
struct receiver;

struct receiver_ops {
    const char *type; /* config key: "statsd" */
    /*
     * Optional. Before open: its places, each once; `out` has room for RECEIVER_PLACES_MAX. Two
     * receivers may not have the same, since the kernel would deal out to both. Returns how many.
     */
    uint32_t (*places)(const struct receiver *receiver, struct receiver_place *out);
    /*
     * Optional. Before open, and again with every reload: looks its extensions up, which live as
     * long as the graph. false: *missing names one that is not there, or is no server's.
     */
    bool (*link)(struct receiver *receiver, const struct authenticator_set *set,
                 struct slice *missing);
    /*
     * Optional, with `join`: the other receivers that it names, in an order that stays the same;
     * `out` has room for RECEIVER_REFERENCES_MAX. Returns how many.
     */
    uint32_t (*references)(const struct receiver *receiver, struct receiver_reference *out);
    /*
     * Optional. After open and before start, and at every reload before anything drains: those of
     * `references`, in their order, all of them started. They take the places of earlier ones, and
     * live at least until this receiver is told to drain, to halt or to close.
     */
    void (*join)(struct receiver *receiver, struct receiver *const *others);
    /* Binds and makes all parts; the threads run already. 0, or negative after a log line. */
    int (*open)(struct receiver *receiver, struct receiver_home *home);
    /* Optional. About once a second, from the main thread, which may read files: are they new? */
    void (*refresh)(struct receiver *receiver, uint64_t now_mono_ns);
    /* Where what is born goes from now on; called before start, and at every reload. */
    void (*connect)(struct receiver *receiver, struct pipeline *const *pipelines,
                    uint32_t pipeline_count);
    /* Begins to receive. 0, or negative after a log line. */
    int (*start)(struct receiver *receiver);
    /* Tells peers with connections to go elsewhere; everything is still read. */
    void (*send_away)(struct receiver *receiver);
    /*
     * Stops receiving (sockets leave their group, are read empty, then closed) and flushes the open
     * window with its true times. Returns at once. With a successor, another receiver has bound the
     * same addresses and takes over.
     */
    void (*drain)(struct receiver *receiver, bool has_successor);
    /* Has everything reached the pipelines? */
    bool (*is_drained)(const struct receiver *receiver);
    /*
     * Optional. Takes nothing in any more, from its return on; what it handed on before may still
     * be answered to it. Before close, where peers wait for answers.
     */
    void (*halt)(struct receiver *receiver);
    /*
     * Frees the receiver itself; what is not drained is given up. Once; safe after a failed open,
     * and without one.
     */
    void (*close)(struct receiver *receiver);
    /* Labels of weir_items_invalid by the index of receiver_stats.line_reasons; NULL at the end. */
    const char *(*line_reason)(uint32_t index);
    /* The metric names with the most series, worst first; returns how many were filled. */
    uint32_t (*offenders)(struct receiver *receiver, struct receiver_offender *out, uint32_t max);
};

/* Embedded first in every receiver. */
struct receiver {
    const struct receiver_ops *ops;
    const char *id;                     /* as in the configuration; owned by the graph */
    const char *transport;              /* label; static */
    struct receiver_counters *counters; /* owned by the receiver; filled by open */
    uint32_t counters_count;
};
