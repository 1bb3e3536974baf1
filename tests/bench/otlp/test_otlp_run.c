/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load against our own sink: every protocol balances, refusals come again, a dead sink comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/otlp/otlp_report.h"
#include "bench/otlp/otlp_run.h"
#include "core/base/mem.h"

static struct otlp_result *result;
static atomic_bool cancel;

static int parse_words(struct otlp_options *o, char **words)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return otlp_options_parse(o, count, words, 0);
}

static struct otlp_options base_options(enum otlp_protocol protocol)
{
    struct otlp_options o;
    char *words[] = {"--target", "sink",     "--bodies",    "8",          "--items-per-request",
                     "50",       "--warmup", "0",           "--duration", "10",
                     "--settle", "5",        "--resend-ms", "5",          "--count",
                     "200",      NULL};
    assert_int_equal(parse_words(&o, words), 0);
    o.protocol = protocol;
    return o;
}

static void check_balance(uint64_t acked_items)
{
    const struct otlp_balance *b = &result->balance;
    assert_int_equal(b->acked_items, acked_items);
    assert_int_equal(b->lost_items, 0);
    assert_int_equal(b->duplicate_items, 0);
    assert_int_equal(b->stranger_items, 0);
    assert_int_equal(result->sink_bad_requests, 0);
    assert_true(result->is_settled);
}

static void check_exact(const struct otlp_options *o)
{
    assert_int_equal(otlp_run(o, &cancel, result), 0);
    check_balance(200 * 50);
    assert_int_equal(result->balance.arrived_items, 200 * 50);
    assert_true(result->balance.digest_matches);
    const struct otlp_tally *tally = &result->tallies[OTLP_PHASE_MAIN];
    assert_int_equal(tally->submitted_count, 200);
    assert_int_equal(tally->outcome_counts[OTLP_OUTCOME_OK], 200);
    assert_int_equal(tally->latency.count, 200);
    assert_int_equal(result->deliveries[OTLP_PHASE_MAIN].count, 200);
}

static void test_grpc_balances(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    check_exact(&o);
    o.corpus.compression = COMPRESS_GZIP;
    o.corpus.signal = SIGNAL_METRICS;
    check_exact(&o);
    o.corpus.compression = COMPRESS_ZSTD;
    o.corpus.signal = SIGNAL_LOGS;
    check_exact(&o);
}

static void test_http_balances(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_HTTP);
    check_exact(&o);
    o.corpus.compression = COMPRESS_GZIP;
    o.corpus.signal = SIGNAL_LOGS;
    check_exact(&o);
}

static void test_large_bodies_balance(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    o.corpus.item_bytes = 16000; /* 800 kB a body, far beyond a frame and a socket's buffer */
    check_exact(&o);
    o.protocol = OTLP_PROTOCOL_HTTP;
    check_exact(&o);
}

static void test_a_delay_shows_in_the_latency(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    o.delay_ms = 30;
    check_exact(&o);
    assert_true(latency_quantile_ns(&result->tallies[OTLP_PHASE_MAIN].latency, 0) >= 30000000);
    o.protocol = OTLP_PROTOCOL_HTTP;
    check_exact(&o);
    assert_true(latency_quantile_ns(&result->tallies[OTLP_PHASE_MAIN].latency, 0) >= 30000000);
}

static void test_times_are_written_for_each_answer(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-times-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    o.times = path;
    o.delay_ms = 5;
    check_exact(&o);
    FILE *file = fdopen(fd, "r");
    assert_non_null(file);
    uint32_t count = 0;
    uint64_t due_ns = 0;
    uint64_t came_ns = 0;
    while (fscanf(file, "%" SCNu64 " %" SCNu64 "\n", &due_ns, &came_ns) == 2) {
        assert_in_range(came_ns - due_ns, 5000000, UINT64_C(10000000000));
        count++;
    }
    assert_true(feof(file));
    assert_int_equal(count, 200);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(path), 0);

    o.times = "/nowhere/times";
    assert_int_equal(otlp_run(&o, &cancel, result), -ENOENT);
}

static void test_a_rate_is_kept_and_latency_counts_from_the_schedule(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_HTTP);
    o.connection_count = 1;
    o.rate_items = 50 * 1000; /* 1 000 requests a second, and each takes 10 ms */
    o.duration_s = 1;
    o.count_requests = 0;
    o.delay_ms = 10;
    assert_int_equal(otlp_run(&o, &cancel, result), 0);
    const struct otlp_tally *tally = &result->tallies[OTLP_PHASE_MAIN];
    assert_true(tally->submitted_count <= 101);
    assert_int_equal(tally->submitted_count + tally->unsent_count, 1000);
    /* The last one that was answered had waited for nearly all of the second. */
    assert_true(tally->latency.max_ns > 500000000);
}

static void check_trouble(enum otlp_sink_trouble trouble, enum otlp_protocol protocol)
{
    struct otlp_options o = base_options(protocol);
    o.sink_trouble = (struct otlp_trouble_options){.kind = trouble, .for_s = 1};
    o.resends = 1;
    o.rate_items = 50 * 100; /* all are due within two seconds, the first of which is trouble */
    assert_int_equal(otlp_run(&o, &cancel, result), 0);
    const struct otlp_tally *tally = &result->tallies[OTLP_PHASE_MAIN];
    check_balance(200 * 50);
    assert_int_equal(tally->outcome_counts[OTLP_OUTCOME_FAILED], 0);
    const bool is_refusing = trouble == OTLP_SINK_TROUBLE_REFUSE;
    assert_int_equal(tally->outcome_counts[OTLP_OUTCOME_REFUSED] > 0, is_refusing);
    assert_int_equal(result->sink_refused_requests > 0, is_refusing);
    assert_int_equal(result->connect_error_count > 0, trouble == OTLP_SINK_TROUBLE_CLOSE);
    assert_true(result->broken_count > 0 || trouble != OTLP_SINK_TROUBLE_HANG);
}

static void test_trouble_passes_without_a_loss(void **state)
{
    (void)state;
    check_trouble(OTLP_SINK_TROUBLE_REFUSE, OTLP_PROTOCOL_GRPC);
    check_trouble(OTLP_SINK_TROUBLE_REFUSE, OTLP_PROTOCOL_HTTP);
    check_trouble(OTLP_SINK_TROUBLE_CLOSE, OTLP_PROTOCOL_GRPC);
    check_trouble(OTLP_SINK_TROUBLE_HANG, OTLP_PROTOCOL_GRPC);
}

static void test_a_run_survives_any_failed_allocation(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    o.connection_count = 2;
    o.corpus.body_count = 2;
    o.count_requests = 4;
    int err = -ENOMEM;
    uint64_t nth = 1;
    for (; err != 0 && nth < 100; nth++) {
        mem_fail_nth(nth);
        err = otlp_run(&o, &cancel, result);
        mem_fail_nth(0);
    }
    assert_int_equal(err, 0);
    assert_true(nth > 10);
}

static void test_options_are_bounded(void **state)
{
    (void)state;
    struct otlp_options o;
    char *good[] = {"--signal", "logs", "--compression", "zstd", "--sink-fail-how", "hang",
                    "--resend", "--",   "server",        NULL};
    assert_int_equal(parse_words(&o, good), 0);
    assert_int_equal(o.corpus.signal, SIGNAL_LOGS);
    assert_int_equal(o.corpus.compression, COMPRESS_ZSTD);
    assert_int_equal(o.sink_trouble.kind, OTLP_SINK_TROUBLE_HANG);
    assert_int_equal(o.resends, 1);
    assert_string_equal(o.command[0], "server");
    char *streams[] = {"--streams", "129", NULL};
    assert_int_equal(parse_words(&o, streams), -EINVAL);
    char *word[] = {"--protocol", "udp", NULL};
    assert_int_equal(parse_words(&o, word), -EINVAL);
    char *rate[] = {"--items-per-request", "1", "--rate", "2000000", NULL};
    assert_int_equal(parse_words(&o, rate), -EINVAL);
}

static void test_figures_are_of_what_arrived(void **state)
{
    (void)state;
    struct otlp_options o = base_options(OTLP_PROTOCOL_GRPC);
    *result = (struct otlp_result){.has_sink = true};
    result->tallies[OTLP_PHASE_MAIN].started_mono_ns = 1000;
    result->tallies[OTLP_PHASE_MAIN].ended_mono_ns = 1000 + UINT64_C(2000000000);
    result->tallies[OTLP_PHASE_MAIN].outcome_counts[OTLP_OUTCOME_OK] = 80000;
    result->arrived_items[OTLP_PHASE_MAIN] = 1000000;
    result->arrived_items[OTLP_PHASE_AFTER] = 4000000;
    result->arrived_items[OTLP_PHASE_COUNT] = 5000000;
    result->last.process.run_ns = UINT64_C(2000000000);
    result->main_end.process.run_ns = UINT64_C(1000000000);
    const struct otlp_figures f = otlp_report_figures(&o, result);
    assert_true(f.acked_items_per_s == 2e6);
    assert_true(f.arrived_items_per_s == 1.5e6);
    assert_true(f.cpu_per_million_s == 0.5);
    assert_true(f.items_per_core_s == 2e6);
    assert_true(f.server_core_percent == 50);
}

static int open_result(void **state)
{
    (void)state;
    result = mem_alloc(sizeof(*result));
    return result == NULL ? -1 : 0;
}

static int close_result(void **state)
{
    (void)state;
    mem_free(result);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpc_balances),
        cmocka_unit_test(test_http_balances),
        cmocka_unit_test(test_large_bodies_balance),
        cmocka_unit_test(test_a_delay_shows_in_the_latency),
        cmocka_unit_test(test_times_are_written_for_each_answer),
        cmocka_unit_test(test_a_rate_is_kept_and_latency_counts_from_the_schedule),
        cmocka_unit_test(test_trouble_passes_without_a_loss),
        cmocka_unit_test(test_a_run_survives_any_failed_allocation),
        cmocka_unit_test(test_options_are_bounded),
        cmocka_unit_test(test_figures_are_of_what_arrived),
    };
    return cmocka_run_group_tests(tests, open_result, close_result);
}
