/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_rig — a prometheus exporter behind a pipeline, with a writer of parts on one side and a
 * client that scrapes on the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/engine/pipeline.h"
#include "core/otlp/otlp_point.h"
#include "tests/support/config_fixture.h"

#define PROM_RIG_WIRE_MAX_BYTES (16 * 1024 * 1024)
#define PROM_RIG_PAGE_MAX_BYTES (64 * 1024 * 1024)
#define PROM_RIG_GET "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

struct prom_rig {
    struct loop *loop;
    struct config_fixture config;
    struct exporter *exporter;
    struct pipeline pipeline;
    struct otlp_build build;
    const struct attr *resource; /* of the parts written next; borrowed */
    size_t resource_count;
    uint64_t start_unix_ns; /* of the points written next */
    uint64_t time_unix_ns;
};

extern struct prom_rig rig;
/* Body of the last answer, joined where it was chunked; and its head. */
extern char *prom_rig_page;
extern char prom_rig_head[4096];
/* The longest turn of the last request, by the CPU: others on the machine make no turn longer. */
extern uint64_t prom_rig_turn_max_ns;

/* Buffers for the whole program. False when memory is refused. */
bool prom_rig_init(void);
void prom_rig_fini(void);

/* The code of prom_pull_exporter_new for this section. */
int prom_rig_configure(const char *yaml);
/* Configures and opens on the loop that *state is; fails the test where that fails. */
void prom_rig_open(void **state, const char *yaml);
/* Turns until the exporter is idle and every batch answered. */
void prom_rig_settle(void);
/* Settles, checks the books, drains and closes. */
void prom_rig_close(void);

/* Opens an envelope with the resource of the rig; returns the mark for its metric. */
size_t prom_rig_begin(void);
/* Makes a batch of what was written since and submits it. */
void prom_rig_end(size_t mark, const struct otlp_metric *metric, uint32_t item_count);
/* The same without submitting: the bytes of the part. */
struct slice prom_rig_finish(size_t mark, const struct otlp_metric *metric);
/* Submits a batch of one part with these bytes and settles. */
void prom_rig_submit(struct slice bytes, uint32_t item_count);

/* A client's socket, connected to the endpoint. */
int prom_rig_connect(void);
void prom_rig_send(int fd, const char *request);
/* Turns until an answer begins to come, which stays unread. */
void prom_rig_await_answer(int fd);
/* Sends, turns until the server closes, and takes the answer apart. */
void prom_rig_ask(const char *request);
/* Asks for the page and expects 200. */
void prom_rig_scrape(void);
