/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_system — the host this process runs on, as the kernel, its files and DNS name it.
 *
 * Names that need a lookup are found on the helper's thread. Source: the Collector's system
 * detector.
 */
#pragma once

#include <limits.h>

#include "io/aws/detect_state.h"

struct helper_port;
struct hostname_job;
struct loop;

struct detect_system {
    struct detect_state state;
    struct loop *loop;
    struct helper_port *port;         /* owned; open while a lookup is wanted */
    struct hostname_job *job;         /* with the helper, its own owner then; NULL for none */
    char hostname[HOST_NAME_MAX + 1]; /* the kernel's */
};

/* The loop is borrowed until stop. */
void detect_system_init(struct detect_system *system, const struct resource_detect_plan *plan,
                        struct loop *loop);
