/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_process — the server under test: started, waited for, ended, by its own pid.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/defs.h"

struct server_process {
    pid_t pid; /* 0 while there is none */
    uint64_t exec_mono_ns;
    int exit_status; /* as waitpid gave it, once it has ended */
};

/* Where it runs and what it writes to. All borrowed during the call. */
struct server_place {
    const char *cpus;        /* list; NULL: anywhere */
    const char *log_path;    /* appended to; NULL: stderr */
    const char *cgroup_path; /* directory with cgroup.procs; NULL: the caller's cgroup */
};

/*
 * Starts `command` (NULL-terminated, found by PATH) at its place. It dies with the calling thread.
 * 0 or -errno.
 */
WEIR_MUST_USE int server_start(struct server_process *server, const struct server_place *place,
                               char *const *command);

/* Polls `ready` (udp:PORT, tcp:PORT, unix:PATH or http://host:port/path). 0, -ETIMEDOUT, -ESRCH. */
WEIR_MUST_USE int server_await(struct server_process *server, const char *ready,
                               uint32_t timeout_ms);

/* SIGTERM, then SIGKILL after `timeout_ms`. Returns how long it took, in milliseconds. */
uint64_t server_stop(struct server_process *server, uint32_t timeout_ms);

/* Pins the calling thread, and those it starts, to a list such as "0-1,3". 0 or -errno. */
WEIR_MUST_USE int server_pin_self(const char *cpus);
