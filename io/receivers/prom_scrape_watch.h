/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_watch — the files of a job: lists of targets, and secrets.
 *
 * They are looked at again and again, on the helper's thread, and read where they changed. A list
 * that cannot be read leaves the targets it had; one that is gone takes them along. A watch is with
 * its owner or with the helper, and owns everything it knows: it may outlive who asked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/helper.h"
#include "io/receivers/prom_scrape_job.h"

#define PROM_WATCH_FILE_MAX_BYTES (16 * 1024 * 1024)
#define PROM_WATCH_FILES_MAX 4096
#define PROM_WATCH_SECRET_MAX_BYTES 8192
/* How often, where refresh_interval does not ask for more. */
#define PROM_WATCH_EVERY_MS 5000

struct prom_watch;

/* On the owner's thread: the watch is its own again. */
typedef void(prom_watch_done_fn)(struct prom_watch *watch, void *owner);

/* Does the job name any file? */
bool prom_watch_is_needed(const struct prom_job *job);

/* 0 or -ENOMEM. `owner` is on_done's. */
WEIR_MUST_USE int prom_watch_new(const struct prom_job *job, void *owner,
                                 prom_watch_done_fn *on_done, struct prom_watch **out);

/* NULL is fine. Where it is with the helper, it is freed when it comes back. */
void prom_watch_free(struct prom_watch *watch);

/* Has the files looked at; on_done follows unless the port is closed before. It is not with the
 * helper already. */
void prom_watch_start(struct prom_watch *watch, struct helper_port *port);

/* The rest is for on_done, and for whenever the watch is its owner's. */

/* Did the lists of targets change at the last look? True at the first one. */
bool prom_watch_has_changed(const struct prom_watch *watch);

/* All groups of all files, linked anew; borrows until the next start. */
struct prom_groups prom_watch_groups(struct prom_watch *watch);

/* Files that could not be read, or are no lists, at the last look. */
uint32_t prom_watch_fault_count(const struct prom_watch *watch);

/*
 * What a secret is now, without blanks around it; borrows until the next start. False where its
 * file cannot be read.
 */
bool prom_watch_username(const struct prom_watch *watch, struct slice *out);
bool prom_watch_secret(const struct prom_watch *watch, struct slice *out);

/* How long to wait between two looks. */
uint64_t prom_watch_interval_ns(const struct prom_job *job);
