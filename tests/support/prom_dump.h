/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_dump — OTLP metrics as lines of text, one per data point, for tests that compare them.
 *
 *   head    resource k=v,k=v            |  scope NAME VERSION k=v schema=…
 *   about   NAME type=counter unit=s help=…
 *   point   sum NAME{k=v} 3 @TIME from=START ended # k=v 0.5 @TIME trace=HEX span=HEX
 *           hist NAME{k=v} count=3 sum=1.5 0.1:1 1:1 inf:1 @TIME
 *           summary NAME{k=v} count=3 sum=1.5 0.5=2 @TIME
 *
 * Times are milliseconds. `sum~` is not monotonic. `up` and scrape_… are left out on request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/slice.h"

/* Lines of each kind, joined by line feeds. */
struct prom_dump {
    struct bytes heads;
    struct bytes abouts;
    struct bytes points;
    bool has_reports;     /* `up` and its like are wanted */
    uint64_t point_count; /* of all, also of those left out */
};

void prom_dump_init(struct prom_dump *dump);
void prom_dump_fini(struct prom_dump *dump);
void prom_dump_clear(struct prom_dump *dump);

/* Appends what is in an export request. Fails the test at hand for what is none. */
void prom_dump_add(struct prom_dump *dump, struct slice request);
