/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_route — where an embedded metric document wants to be stored, and the time it speaks of.
 *
 * Client libraries write the log group and stream into their documents, for agents to read. Only
 * those members are looked at; the document itself is passed on as it came. Pure.
 * Source: CloudWatch "Embedded metric format specification", `_aws`; version 0 has them at the
 * root.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define LOG_ROUTE_NAME_MAX_BYTES 512

struct log_route {
    struct slice log_group;  /* borrows from `buf`; empty where the document names none */
    struct slice log_stream; /* likewise */
    uint64_t time_ms;
    bool has_time;
    char buf[2 * LOG_ROUTE_NAME_MAX_BYTES];
};

/*
 * log_route_read — fills `out` from a document, which is not changed.
 *
 * Names that are empty or longer than LOG_ROUTE_NAME_MAX_BYTES count as absent. Returns 0, or
 * FAULT_MALFORMED where the text is no JSON object, and then `out` is empty.
 */
WEIR_MUST_USE int log_route_read(struct slice document, struct log_route *out);
