/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_histogram — nanoseconds to count one value in an exponential histogram.
 *
 * `steady` draws latencies over three decades and knows its scale after a few values; `narrow`
 * stays inside a factor of two, at a finer scale; `fresh` starts over with each 64 values, which is
 * what a quiet timer does in each window.
 */
#include <math.h>
#include <stdio.h>

#include "bench/micro.h"
#include "core/model/exphist.h"

#define VALUE_COUNT 4096
#define FRESH_VALUE_COUNT 64
#define MAX_SIZE 160
#define POOL_BYTES (16u << 20)

struct histogram_case {
    struct micro micro;
    struct sketch_pool pool;
    struct exphist *hist; /* owned, in `pool` */
    uint32_t fresh_after; /* values of one histogram; 0: no limit */
    double values[VALUE_COUNT];
};

static void histogram_reset(struct micro *micro)
{
    struct histogram_case *c = CONTAINER_OF(micro, struct histogram_case, micro);
    exphist_give(c->hist, &c->pool);
    c->hist = exphist_new(&c->pool, MAX_SIZE);
    ASSERT(c->hist != NULL);
}

static uint64_t histogram_call(struct micro *micro)
{
    struct histogram_case *c = CONTAINER_OF(micro, struct histogram_case, micro);
    uint64_t failed_count = 0;
    for (uint32_t i = 0; i < VALUE_COUNT; i++) {
        if (c->fresh_after != 0 && i % c->fresh_after == 0) {
            histogram_reset(micro);
        }
        failed_count += exphist_add(c->hist, &c->pool, c->values[i], 1) != 0 ? 1 : 0;
    }
    ASSERT(failed_count == 0);
    return c->hist->count;
}

/* Values from `low` over `decades` powers of ten, evenly on the logarithmic scale. */
static void histogram_fill(struct histogram_case *c, double low, double decades)
{
    uint32_t state = 1;
    for (uint32_t i = 0; i < VALUE_COUNT; i++) {
        state = state * 1664525u + 1013904223u;
        c->values[i] = low * pow(10, decades * (double)(state >> 8) / (double)(1u << 24));
    }
}

static int histogram_measure(const char *name, double decades, uint32_t fresh_after)
{
    static struct histogram_case c;
    c = (struct histogram_case){
        .micro = {.name = name,
                  .op_count = VALUE_COUNT,
                  .needs_zero_allocs = true,
                  .call = histogram_call,
                  .reset = histogram_reset},
        .fresh_after = fresh_after,
    };
    int err = sketch_pool_init(&c.pool, POOL_BYTES);
    if (err != 0) {
        return err;
    }
    histogram_fill(&c, 1, decades);
    err = micro_run(&c.micro);
    exphist_give(c.hist, &c.pool);
    sketch_pool_fini(&c.pool);
    return err;
}

int main(void)
{
    int err = histogram_measure("histogram/exphist_steady", 3, 0);
    if (err == 0) {
        err = histogram_measure("histogram/exphist_narrow", log10(2), 0);
    }
    if (err == 0) {
        err = histogram_measure("histogram/exphist_fresh", 3, FRESH_VALUE_COUNT);
    }
    return err == 0 ? 0 : 1;
}
