/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/prom_write_job without an upstream: what is kept between batches.
 */
#include "exporters/prom_write_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/model/batch.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"

#define SEED 7
#define KEPT_REQUESTS 8
#define KEPT_BYTES (1024 * 1024)
/* Incompressible enough, and within what labels may hold. */
#define VALUE_BYTES 60000
#define REQUEST_BYTES (8 * 1024 * 1024)

static struct prom_write_options options;
static struct prom_write write;
static struct exporter_stats stats;
static struct prom_write_job job;

static int set_up(void **state)
{
    (void)state;
    options = (struct prom_write_options){.request_max_bytes = 1};
    stats = (struct exporter_stats){0};
    prom_write_job_init(&job);
    job.stats = &stats;
    job.write = &write;
    return prom_write_init(&write, &options, SEED);
}

static int tear_down(void **state)
{
    (void)state;
    prom_write_job_fini(&job);
    prom_write_job_fini(&job);
    prom_write_fini(&write);
    return 0;
}

static uint64_t draw(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* A gauge of that many series, each with a label of `value_bytes`. */
static void fill(uint32_t series_count, size_t value_bytes)
{
    const struct otlp_metric metric = {.name = SLICE_LITERAL("g"), .data = OTLP_DATA_GAUGE};
    const struct otlp_envelope envelope = {0};
    struct otlp_build b;
    struct part part;
    uint64_t seed = SEED;
    uint8_t *buf = mem_alloc(REQUEST_BYTES);
    char *value = mem_alloc(value_bytes);
    struct batch *batch = batch_new(SIGNAL_METRICS, 0);
    assert_true(buf != NULL && value != NULL && batch != NULL);
    otlp_build_init(&b, buf, REQUEST_BYTES);
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    for (uint32_t i = 0; i < series_count; i++) {
        for (size_t at = 0; at < value_bytes; at++) {
            value[at] = (char)(' ' + 1 + draw(&seed) % 90);
        }
        const struct attr attr = {.key = SLICE_LITERAL("v"), .value = slice_of(value, value_bytes)};
        const struct otlp_point point = {.time_unix_ns = 1000000, .attrs = &attr, .attr_count = 1};
        otlp_build_number(&b, &point, (struct otlp_number){.f64 = 1});
    }
    otlp_build_metric(&b, mark, &metric);
    assert_int_equal(b.err, 0);
    struct slice wire = otlp_envelope_end(&b, &envelope);
    assert_int_equal(part_copy(&part, wire, SIGNAL_METRICS, series_count), 0);
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(prom_write_job_fill(&job, batch), 0);
    batch_free(batch);
    mem_free(value);
    mem_free(buf);
}

static size_t kept_count(void)
{
    size_t count = 0;
    while (count < job.capacity && job.requests[count] != NULL) {
        count++;
    }
    for (size_t i = count; i < job.capacity; i++) {
        assert_null(job.requests[i]);
    }
    return count;
}

static void test_requests_beyond_a_few_are_freed(void **state)
{
    (void)state;
    fill(100, 10);
    assert_int_equal(job.count, 100);
    prom_write_job_trim(&job);
    assert_int_equal(job.count, 0);
    assert_int_equal(kept_count(), KEPT_REQUESTS);
    /* The next batch does the same where the one before ended unheard. */
    fill(100, 10);
    fill(2, 10);
    assert_int_equal(job.count, 2);
    assert_int_equal(kept_count(), KEPT_REQUESTS);
    fill(KEPT_REQUESTS + 1, 10);
    assert_int_equal(kept_count(), KEPT_REQUESTS + 1);
}

static void test_large_buffers_are_freed(void **state)
{
    (void)state;
    options.request_max_bytes = REQUEST_BYTES;
    fill(100, VALUE_BYTES);
    assert_int_equal(job.count, 1);
    assert_true(job.requests[0]->body.capacity_bytes > KEPT_BYTES);
    assert_true(job.plain.capacity_bytes > KEPT_BYTES);
    prom_write_job_trim(&job);
    assert_int_equal(job.requests[0]->body.capacity_bytes, 0);
    assert_int_equal(job.plain.capacity_bytes, 0);
    /* They work as before. */
    fill(1, VALUE_BYTES);
    assert_int_equal(job.count, 1);
    size_t capacity_bytes = job.plain.capacity_bytes;
    assert_in_range(capacity_bytes, 1, KEPT_BYTES);
    prom_write_job_trim(&job);
    assert_int_equal(job.plain.capacity_bytes, capacity_bytes);
    fill(100, VALUE_BYTES);
    assert_int_equal(job.count, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests_beyond_a_few_are_freed),
        TEST(test_large_buffers_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
