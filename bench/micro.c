/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro — see micro.h. Samples are kept in one array that is allocated before the clock starts.
 *
 * A sample is long enough (a millisecond) that reading the clock twice does not show, and short
 * enough that a run holds about a hundred of them, so the p99 sees what a mean hides.
 */
#include "bench/micro.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"

#define MICRO_SAMPLE_NS 1000000u
#define MICRO_RUN_DEFAULT_MS 100u
#define MICRO_RUN_MAX_MS 10000u
/* Calls per sample stay below this even for a call that the clock cannot see. */
#define MICRO_CALLS_MAX (UINT64_C(1) << 32)

struct micro_samples {
    double *op_ns; /* owned */
    uint32_t count;
    uint32_t capacity;
};

static uint64_t micro_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock and pointer */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int micro_compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Counts instructions of this thread in user space; -1 where that is not allowed. */
static int micro_open_counter(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t micro_read_counter(int fd)
{
    uint64_t count = 0;
    if (fd < 0 || read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return 0;
    }
    return count;
}

/* How many calls make one sample; doubles until the clock can see them. Also the warm-up. */
static uint64_t micro_calibrate(struct micro *micro, uint64_t *checksum)
{
    uint64_t calls = 1;
    for (;;) {
        uint64_t started_ns = micro_clock_ns();
        for (uint64_t i = 0; i < calls; i++) {
            *checksum += micro->call(micro);
        }
        uint64_t taken_ns = micro_clock_ns() - started_ns;
        if (taken_ns >= MICRO_SAMPLE_NS || calls >= MICRO_CALLS_MAX) {
            return calls;
        }
        calls *= 2;
    }
}

/* One run: samples until `run_ns` have passed. Returns the mean per operation. */
static double micro_one_run(struct micro *micro, uint64_t calls, uint64_t run_ns,
                            struct micro_samples *samples, uint64_t *checksum)
{
    const uint32_t first = samples->count;
    const double ops = (double)calls * (double)micro->op_count;
    double sum_ns = 0;
    uint64_t run_taken_ns = 0;
    /* Each run has its share of the samples, so that the last one is not left without. */
    const uint32_t share = samples->capacity / MICRO_RUN_COUNT;
    while (run_taken_ns < run_ns && samples->count - first < share) {
        uint64_t started_ns = micro_clock_ns();
        for (uint64_t i = 0; i < calls; i++) {
            *checksum += micro->call(micro);
        }
        uint64_t taken_ns = micro_clock_ns() - started_ns;
        run_taken_ns += taken_ns;
        sum_ns += (double)taken_ns;
        samples->op_ns[samples->count] = (double)taken_ns / ops;
        samples->count++;
    }
    return sum_ns / ops / (double)(samples->count - first);
}

int micro_measure(struct micro *micro, uint32_t run_ms, struct micro_result *out)
{
    ASSERT(micro->op_count > 0);
    ASSERT(run_ms > 0 && run_ms <= MICRO_RUN_MAX_MS);
    *out = (struct micro_result){0};
    struct micro_samples samples = {.capacity = MICRO_RUN_COUNT * (run_ms + 1)};
    samples.op_ns = mem_alloc_array(samples.capacity, sizeof(double));
    if (samples.op_ns == NULL) {
        return -ENOMEM;
    }
    double runs_ns[MICRO_RUN_COUNT];
    double allocs = 0;
    double instructions = 0;
    const int counter_fd = micro_open_counter();
    if (micro->reset != NULL) {
        micro->reset(micro);
    }
    const uint64_t calls = micro_calibrate(micro, &out->checksum);
    for (uint32_t run = 0; run < MICRO_RUN_COUNT; run++) {
        if (micro->reset != NULL) {
            micro->reset(micro);
        }
        const uint64_t allocs_before = mem_thread_alloc_count();
        const uint64_t instructions_before = micro_read_counter(counter_fd);
        (void)ioctl(counter_fd, PERF_EVENT_IOC_ENABLE, 0); /* -1 stays uncounted */
        runs_ns[run] =
            micro_one_run(micro, calls, (uint64_t)run_ms * 1000000u, &samples, &out->checksum);
        (void)ioctl(counter_fd, PERF_EVENT_IOC_DISABLE, 0);
        instructions += (double)(micro_read_counter(counter_fd) - instructions_before);
        allocs += (double)(mem_thread_alloc_count() - allocs_before);
    }
    if (counter_fd >= 0) {
        (void)close(counter_fd); /* only read from */
    }
    const double ops = (double)samples.count * (double)calls * (double)micro->op_count;
    out->iteration_count = (uint64_t)ops;
    out->op_allocs = allocs / ops;
    out->op_instructions = instructions / ops;
    qsort(runs_ns, MICRO_RUN_COUNT, sizeof(runs_ns[0]), micro_compare);
    qsort(samples.op_ns, samples.count, sizeof(double), micro_compare);
    out->least_ns = runs_ns[0];
    out->median_ns = runs_ns[MICRO_RUN_COUNT / 2];
    out->most_ns = runs_ns[MICRO_RUN_COUNT - 1];
    out->p99_ns = samples.op_ns[(uint64_t)samples.count * 99 / 100];
    mem_free(samples.op_ns);
    return 0;
}

static uint32_t micro_run_ms(void)
{
    const char *text = getenv("WEIR_MICRO_RUN_MS");
    if (text == NULL) {
        return MICRO_RUN_DEFAULT_MS;
    }
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10); /* libc's type */
    bool is_usable = end != text && *end == '\0' && value > 0 && value <= MICRO_RUN_MAX_MS;
    return is_usable ? (uint32_t)value : MICRO_RUN_DEFAULT_MS;
}

int micro_run(struct micro *micro)
{
    struct micro_result r;
    int err = micro_measure(micro, micro_run_ms(), &r);
    if (err != 0) {
        return err;
    }
    const char *commit = getenv("WEIR_COMMIT");
    printf("{\"name\":\"%s\",\"iterations\":%" PRIu64 ",\"runs\":%d,\"ns_per_op\":%.2f,"
           "\"ns_per_op_min\":%.2f,\"ns_per_op_max\":%.2f,\"ns_per_op_p99\":%.2f,",
           micro->name, r.iteration_count, MICRO_RUN_COUNT, r.median_ns, r.least_ns, r.most_ns,
           r.p99_ns);
    printf("\"budget_ns\":%.2f,\"bytes_per_op\":%" PRIu64 ",\"allocs_per_op\":%.6f,"
           "\"instructions_per_op\":%.1f,\"checksum\":%" PRIu64 ",",
           micro->budget_ns, micro->op_bytes, r.op_allocs, r.op_instructions, r.checksum);
    printf("\"compiler\":\"%s\",\"flags\":\"%s\",\"commit\":\"%s\"}\n", __VERSION__,
           WEIR_BENCH_FLAGS, commit != NULL ? commit : WEIR_BENCH_COMMIT);
    (void)fflush(stdout); /* a lost line shows as a missing figure */
    if (micro->needs_zero_allocs && r.op_allocs > 0) {
        return -EDOM;
    }
    return 0;
}
