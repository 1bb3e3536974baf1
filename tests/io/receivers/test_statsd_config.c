/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/statsd_config: the defaults, where each key arrives, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/regex.h"
#include "io/receivers/statsd_config.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define S CLOCK_NS_PER_S

/* What a reading made of a text; printed borrows from the fixture below. */
struct reading {
    struct statsd_config config;
    int err;
    uint32_t error_count;
    uint32_t warning_count;
    const char *printed;
};

static struct config_fixture fixture;

static void read_text(struct reading *out, const char *yaml, uint64_t fail_nth)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.statsd");
    mem_fail_nth(fail_nth);
    out->err = statsd_config_read(&reader, &out->config);
    mem_fail_nth(0);
    out->error_count = fixture.report.error_count;
    out->warning_count = fixture.report.warning_count;
    out->printed = config_fixture_printed(&fixture);
    config_fixture_fini(&fixture);
}

static struct reading reading;

/* The settings of a text without fault; freed by the caller. */
static struct statsd_config *good(const char *yaml)
{
    read_text(&reading, yaml, 0);
    if (reading.err != 0 || reading.error_count != 0) {
        print_error("%s", reading.printed);
    }
    assert_int_equal(reading.err, 0);
    assert_int_equal(reading.error_count, 0);
    return &reading.config;
}

/* A text with exactly so many errors; `words` stands in the report. */
static void bad(const char *yaml, uint32_t error_count, const char *words)
{
    read_text(&reading, yaml, 0);
    if (reading.error_count != error_count || strstr(reading.printed, words) == NULL) {
        print_error("for '%s': %s", yaml, reading.printed);
    }
    assert_int_equal(reading.err, FAULT_CONFIG);
    assert_int_equal(reading.error_count, error_count);
    assert_non_null(strstr(reading.printed, words));
    assert_int_equal(reading.config.endpoint_count, 0); /* nothing is owned */
    assert_null(reading.config.replica_attribute);
}

static void assert_endpoint(const struct statsd_config *config, uint32_t index,
                            enum statsd_transport transport, const char *host, uint16_t port)
{
    const struct statsd_endpoint *endpoint = &config->endpoints[index];
    assert_true(index < config->endpoint_count);
    assert_int_equal(endpoint->transport, transport);
    assert_int_equal(endpoint->port, port);
    if (host == NULL) {
        assert_null(endpoint->host);
        return;
    }
    assert_string_equal(endpoint->host, host);
}

/* --- plain keys ------------------------------------------------------------------------------ */

static void test_defaults(void **state)
{
    (void)state;
    struct statsd_config *config = good("");
    assert_int_equal(config->endpoint_count, 1);
    assert_endpoint(config, 0, STATSD_TRANSPORT_UDP, "localhost", 8125);
    assert_string_equal(config->endpoints[0].text, "localhost:8125");
    assert_true(config->endpoints[0].is_default);
    assert_int_equal(config->socket_permissions, 0622);
    assert_int_equal(config->socket_buffer_bytes, 8 * 1024 * 1024);
    assert_int_equal(config->interval_ns, 60 * S);
    assert_int_equal(config->counter_expiry_ns, 0);
    assert_int_equal(config->gauge_expiry_ns, 0);
    assert_int_equal(config->cardinality_limit, 100000);
    assert_int_equal(config->connection_max_age_ns, 0);
    assert_int_equal(config->connection_max_count, 4096);
    assert_string_equal(config->replica_attribute, "service.instance.id");
    assert_int_equal(config->line.dialect, STATSD_DIALECT_AUTO);
    assert_false(config->line.simple_tags || config->line.influx_tags ||
                 config->line.librato_tags || config->line.signalfx_tags);
    assert_int_equal(config->gauge_base, GAUGE_BASE_ZERO);
    assert_false(config->emit.adds_metric_type);
    assert_false(config->emit.is_monotonic);
    assert_int_equal(config->emit.counter_type, COUNTER_TYPE_INT);
    assert_true(slice_is_text(config->emit.scope_name,
                              "github.com/open-telemetry/opentelemetry-collector-contrib/"
                              "receiver/statsdreceiver"));
    assert_true(slice_is_text(config->emit.scope_version, WEIR_VERSION));
    assert_int_equal(config->emit.resource_attr_count, 0);
    statsd_config_fini(config);
    statsd_config_fini(config);
    assert_null(config->replica_attribute);
}

static void test_timers_are_exponential_histograms_by_default(void **state)
{
    (void)state;
    static const double percentiles[] = {0, 10, 50, 90, 95, 100};
    struct statsd_config *config = good("");
    assert_int_equal(config->aggregate.aggregate_of[KIND_COUNTER], AGGREGATE_SUM);
    assert_int_equal(config->aggregate.aggregate_of[KIND_GAUGE], AGGREGATE_GAUGE);
    assert_int_equal(config->aggregate.aggregate_of[KIND_SET], AGGREGATE_SET);
    for (uint8_t kind = KIND_TIMING; kind <= KIND_DISTRIBUTION; kind++) {
        assert_int_equal(config->aggregate.aggregate_of[kind], AGGREGATE_EXPHIST);
        assert_int_equal(config->aggregate.exphist_max_size[kind], 160);
        assert_int_equal(config->emit.percentile_count[kind], COUNT_OF(percentiles));
        assert_memory_equal(config->emit.percentiles[kind], percentiles, sizeof(percentiles));
    }
    assert_int_equal(config->aggregate.bounds_count, 0);
    statsd_config_fini(config);
}

static void test_every_plain_key_arrives(void **state)
{
    (void)state;
    struct statsd_config *config = good("endpoint: 0.0.0.0:9125\n"
                                        "transport: tcp4\n"
                                        "socket_permissions: 511\n"
                                        "socket_buffer_size: 64KiB\n"
                                        "max_connection_age: 5m\n"
                                        "max_connections: 7\n"
                                        "dialect: dogstatsd\n"
                                        "enable_simple_tags: true\n"
                                        "influx_tags: true\n"
                                        "librato_tags: true\n"
                                        "signalfx_tags: true\n"
                                        "aggregation_interval: 10s\n"
                                        "enable_metric_type: true\n"
                                        "is_monotonic_counter: true\n"
                                        "counter_type: float\n"
                                        "counter_expiry: 1m\n"
                                        "gauge_expiry: 2m\n"
                                        "cardinality_limit: 12\n"
                                        "replica_attribute: replica\n");
    assert_int_equal(config->endpoint_count, 1);
    assert_endpoint(config, 0, STATSD_TRANSPORT_TCP4, "0.0.0.0", 9125);
    assert_false(config->endpoints[0].is_default);
    assert_int_equal(config->socket_permissions, 0777);
    assert_int_equal(config->socket_buffer_bytes, 65536);
    assert_int_equal(config->connection_max_age_ns, 300 * S);
    assert_int_equal(config->connection_max_count, 7);
    assert_int_equal(config->line.dialect, STATSD_DIALECT_DOGSTATSD);
    assert_int_equal(config->gauge_base, GAUGE_BASE_ZERO);
    assert_true(config->line.simple_tags && config->line.influx_tags && config->line.librato_tags &&
                config->line.signalfx_tags);
    assert_int_equal(config->interval_ns, 10 * S);
    assert_true(config->emit.adds_metric_type);
    assert_true(config->emit.is_monotonic);
    assert_int_equal(config->emit.counter_type, COUNTER_TYPE_FLOAT);
    assert_int_equal(config->counter_expiry_ns, 60 * S);
    assert_int_equal(config->gauge_expiry_ns, 120 * S);
    assert_int_equal(config->cardinality_limit, 12);
    assert_string_equal(config->replica_attribute, "replica");
    statsd_config_fini(config);
}

static void test_one_key_moves_one_setting(void **state)
{
    (void)state;
    struct statsd_config *config = good("influx_tags: true\n");
    assert_true(config->line.influx_tags);
    assert_false(config->line.simple_tags || config->line.librato_tags ||
                 config->line.signalfx_tags);
    statsd_config_fini(config);
    config = good("librato_tags: true\nis_monotonic_counter: true\ncounter_expiry: 1s\n");
    assert_true(config->line.librato_tags && config->emit.is_monotonic);
    assert_false(config->line.influx_tags || config->line.signalfx_tags ||
                 config->emit.adds_metric_type);
    assert_int_equal(config->gauge_expiry_ns, 0);
    statsd_config_fini(config);
}

static void test_etsy_gauges_outlive_their_window(void **state)
{
    (void)state;
    struct statsd_config *config = good("dialect: etsy\nreplica_attribute: ''\n");
    assert_int_equal(config->line.dialect, STATSD_DIALECT_ETSY);
    assert_int_equal(config->gauge_base, GAUGE_BASE_PREVIOUS);
    assert_string_equal(config->replica_attribute, "");
    statsd_config_fini(config);
}

static void test_limits_of_plain_keys(void **state)
{
    (void)state;
    struct statsd_config *config = good("aggregation_interval: 1ms\ncardinality_limit: 1\n"
                                        "socket_buffer_size: 0\nsocket_permissions: 0\n");
    assert_int_equal(config->interval_ns, CLOCK_NS_PER_MS);
    assert_int_equal(config->cardinality_limit, 1);
    assert_int_equal(config->socket_buffer_bytes, 8 * 1024 * 1024);
    assert_int_equal(config->socket_permissions, 0);
    statsd_config_fini(config);
    statsd_config_fini(good("cardinality_limit: 50000000\n"));
    bad("cardinality_limit: 50000001\n", 1, "cardinality_limit");
    bad("cardinality_limit: 0\n", 1, "at least 1");
    bad("aggregation_interval: 999us\n", 1, "at least 1ms");
    bad("aggregation_interval: 0s\n", 1, "at least 1ms");
    bad("aggregation_interval: -1s\n", 1, "aggregation_interval");
    bad("socket_permissions: 512\n", 1, "socket_permissions");
}

static void test_bad_values_of_plain_keys_are_all_reported(void **state)
{
    (void)state;
    bad("counter_type: stochastic_int\n", 1, "counter_type");
    bad("dialect: statsite\n", 1, "dialect");
    bad("transport: sctp\n", 1, "transport");
    bad("enable_simple_tags: maybe\n", 1, "enable_simple_tags");
    bad("counter_expiry: soon\n", 1, "counter_expiry");
    bad("gauge_expiry: [1s]\n", 1, "gauge_expiry");
    bad("max_connections: -1\n", 1, "max_connections");
    bad("max_connection_age: x\n", 1, "max_connection_age");
    bad("socket_buffer_size: large\n", 1, "socket_buffer_size");
    bad("replica_attribute: {a: b}\n", 1, "replica_attribute");
    bad("agregation_interval: 1s\n", 1, "did you mean 'aggregation_interval'");
    bad("enable_ip_only_aggregation: true\n", 1, "enable_ip_only_aggregation");
    bad("ignore_host: true\n", 1, "ignore_host");
    bad("counter_type: x\ndialect: y\ntransport: z\nnobody: 1\n", 4, "nobody");
}

/* --- endpoints ------------------------------------------------------------------------------- */

static void test_every_transport_has_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_stream;
        bool is_path;
    } wanted[] = {
        {"udp", false, false},     {"udp4", false, false}, {"udp6", false, false},
        {"tcp", true, false},      {"tcp4", true, false},  {"tcp6", true, false},
        {"unixgram", false, true}, {"unix", true, true},   {"unixstream", true, true},
    };
    for (uint32_t i = 0; i < COUNT_OF(wanted); i++) {
        char yaml[128];
        (void)snprintf(yaml, sizeof(yaml), "transport: %s\nendpoint: %s\n", wanted[i].name,
                       wanted[i].is_path ? "/run/s.sock" : "localhost:8125");
        struct statsd_config *config = good(yaml);
        assert_int_equal(config->endpoints[0].transport, i);
        assert_int_equal(statsd_transport_is_stream((enum statsd_transport)i), wanted[i].is_stream);
        assert_int_equal(statsd_transport_is_path((enum statsd_transport)i), wanted[i].is_path);
        assert_string_equal(statsd_transport_name((enum statsd_transport)i), wanted[i].name);
        assert_int_equal(config->endpoints[0].host == NULL, wanted[i].is_path);
        statsd_config_fini(config);
    }
}

static void test_listeners_stand_alone_or_beside_the_own_endpoint(void **state)
{
    (void)state;
    struct statsd_config *config = good("listeners:\n"
                                        "  - {endpoint: ':8126', transport: tcp}\n"
                                        "  - {endpoint: /run/s.sock, transport: unixgram}\n");
    assert_int_equal(config->endpoint_count, 2);
    assert_endpoint(config, 0, STATSD_TRANSPORT_TCP, "", 8126);
    assert_endpoint(config, 1, STATSD_TRANSPORT_UNIXGRAM, NULL, 0);
    assert_string_equal(config->endpoints[1].text, "/run/s.sock");
    statsd_config_fini(config);

    config = good("transport: udp6\nlisteners:\n  - {endpoint: '[::1]:9000', transport: tcp6}\n");
    assert_int_equal(config->endpoint_count, 2);
    assert_endpoint(config, 0, STATSD_TRANSPORT_UDP6, "localhost", 8125);
    assert_endpoint(config, 1, STATSD_TRANSPORT_TCP6, "::1", 9000);
    statsd_config_fini(config);
}

static void test_as_many_listeners_as_fit_and_one_more(void **state)
{
    (void)state;
    char yaml[1024] = "listeners:\n";
    for (uint32_t i = 0; i < STATSD_LISTENERS_MAX; i++) {
        size_t len = strlen(yaml);
        (void)snprintf(yaml + len, sizeof(yaml) - len, "  - {endpoint: ':%u'}\n", 9001 + i);
    }
    struct statsd_config *config = good(yaml);
    assert_int_equal(config->endpoint_count, STATSD_LISTENERS_MAX);
    assert_endpoint(config, STATSD_LISTENERS_MAX - 1, STATSD_TRANSPORT_UDP, "", 9008);
    statsd_config_fini(config);
    size_t len = strlen(yaml);
    (void)snprintf(yaml + len, sizeof(yaml) - len, "endpoint: ':9000'\n");
    bad(yaml, 1, "more than 8 listeners");
}

static void test_endpoints_that_nobody_could_listen_on(void **state)
{
    (void)state;
    bad("endpoint: localhost\n", 1, "host:port");
    bad("endpoint: localhost:65536\n", 1, "host:port");
    bad("endpoint: ''\n", 1, "host:port");
    bad("transport: unixgram\n", 1, "absolute path");
    bad("transport: unix\nendpoint: run/s.sock\n", 1, "absolute path");
    bad("listeners: [{endpoint: nowhere}, {endpoint: ':1'}]\n", 1, "host:port");
    bad("listeners: [{port: 8125}]\n", 1, "port");
    bad("listeners: []\n", 1, "at least one listener");
    bad("listeners: {a: b}\n", 1, "listeners");
    statsd_config_fini(good("endpoint: localhost:8152\n"));
    assert_int_equal(reading.warning_count, 1); /* two digits swapped */
}

/* --- timers ---------------------------------------------------------------------------------- */

static void test_observers_and_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *observer;
        uint8_t kind;
        uint8_t aggregate;
    } wanted[] = {
        {"timing", "gauge", KIND_TIMING, AGGREGATE_SAMPLES},
        {"timer", "summary", KIND_TIMING, AGGREGATE_SUMMARY},
        {"histogram", "histogram", KIND_HISTOGRAM, AGGREGATE_EXPHIST},
        {"distribution", "disabled", KIND_DISTRIBUTION, AGGREGATE_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        char yaml[160];
        (void)snprintf(yaml, sizeof(yaml),
                       "timer_histogram_mapping: [{statsd_type: %s, observer_type: %s}]\n",
                       wanted[i].type, wanted[i].observer);
        struct statsd_config *config = good(yaml);
        assert_int_equal(config->aggregate.aggregate_of[wanted[i].kind], wanted[i].aggregate);
        uint8_t other = wanted[i].kind == KIND_TIMING ? KIND_HISTOGRAM : KIND_TIMING;
        assert_int_equal(config->aggregate.aggregate_of[other], AGGREGATE_EXPHIST);
        statsd_config_fini(config);
    }
    bad("timer_histogram_mapping: [{observer_type: gauge}]\n", 1, "statsd_type");
    bad("timer_histogram_mapping: [{statsd_type: counter}]\n", 1, "statsd_type");
    bad("timer_histogram_mapping: [{statsd_type: timer, observer_type: x}]\n", 1, "observer_type");
    bad("timer_histogram_mapping: [{statsd_type: timer, type: x}]\n", 1, "type");
}

static const char mapping[] = "timer_histogram_mapping:\n"
                              "  - statsd_type: histogram\n"
                              "    observer_type: summary\n"
                              "    histogram:\n"
                              "      max_size: 20\n"
                              "      explicit_buckets:\n"
                              "        - {matcher_pattern: '^db\\.', buckets: [1, 2.5, 10]}\n"
                              "    summary: {percentiles: [99.9, 50]}\n";

static void test_entry_for_histograms_is_for_distributions_too(void **state)
{
    (void)state;
    static const double percentiles[] = {99.9, 50};
    static const double bounds[] = {1, 2.5, 10};
    struct statsd_config *config = good(mapping);
    for (uint8_t kind = KIND_HISTOGRAM; kind <= KIND_DISTRIBUTION; kind++) {
        assert_int_equal(config->aggregate.aggregate_of[kind], AGGREGATE_SUMMARY);
        assert_int_equal(config->aggregate.exphist_max_size[kind], 20);
        assert_int_equal(config->emit.percentile_count[kind], 2);
        assert_memory_equal(config->emit.percentiles[kind], percentiles, sizeof(percentiles));
    }
    assert_int_equal(config->aggregate.exphist_max_size[KIND_TIMING], 160);
    assert_int_equal(config->aggregate.bounds_count, 1);
    const struct aggregate_bounds *entry = &config->aggregate.bounds[0];
    assert_int_equal(entry->kind_mask, 1 << KIND_HISTOGRAM | 1 << KIND_DISTRIBUTION);
    assert_int_equal(entry->bounds_count, COUNT_OF(bounds));
    assert_memory_equal(entry->bounds, bounds, sizeof(bounds));
    assert_true(regex_matches(entry->pattern, slice_of_text("db.query")));
    assert_false(regex_matches(entry->pattern, slice_of_text("my.db.query")));
    statsd_config_fini(config);
}

static void test_kinds_with_entries_of_their_own_share_nothing(void **state)
{
    (void)state;
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml), "%s  - {statsd_type: distribution, observer_type: gauge}\n",
                   mapping);
    struct statsd_config *config = good(yaml);
    assert_int_equal(config->aggregate.aggregate_of[KIND_HISTOGRAM], AGGREGATE_SUMMARY);
    assert_int_equal(config->aggregate.aggregate_of[KIND_DISTRIBUTION], AGGREGATE_SAMPLES);
    assert_int_equal(config->aggregate.exphist_max_size[KIND_DISTRIBUTION], 160);
    assert_int_equal(config->emit.percentile_count[KIND_DISTRIBUTION], 6);
    assert_int_equal(config->aggregate.bounds[0].kind_mask, 1 << KIND_HISTOGRAM);
    statsd_config_fini(config);
}

/* A mapping for timings with `inside` in it. */
static const char *timing_with(const char *inside)
{
    static char yaml[8192];
    (void)snprintf(yaml, sizeof(yaml), "timer_histogram_mapping: [{statsd_type: timing, %s}]\n",
                   inside);
    return yaml;
}

static void test_limits_inside_a_mapping(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {2, 16384};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char inside[64];
        (void)snprintf(inside, sizeof(inside), "histogram: {max_size: %u}", sizes[i]);
        struct statsd_config *config = good(timing_with(inside));
        assert_int_equal(config->aggregate.exphist_max_size[KIND_TIMING], sizes[i]);
        statsd_config_fini(config);
    }
    bad(timing_with("histogram: {max_size: 1}"), 1, "at least 2");
    bad(timing_with("histogram: {max_size: 16385}"), 1, "max_size");
    statsd_config_fini(good(timing_with("summary: {percentiles: [0, 100]}")));
    bad(timing_with("summary: {percentiles: [-0.1, 50, 100.5]}"), 1, "between 0 and 100");
    bad(timing_with("summary: {percentiles: [fifty]}"), 1, "percentiles");
    struct statsd_config *config = good(timing_with("summary: {percentiles: []}"));
    assert_int_equal(config->emit.percentile_count[KIND_TIMING], 0);
    statsd_config_fini(config);

    char inside[512] = "summary: {percentiles: [1";
    for (uint32_t i = 1; i < EMIT_PERCENTILES_MAX; i++) {
        (void)strncat(inside, ", 2", sizeof(inside) - strlen(inside) - 1);
    }
    size_t len = strlen(inside);
    (void)snprintf(inside + len, sizeof(inside) - len, "]}");
    config = good(timing_with(inside));
    assert_int_equal(config->emit.percentile_count[KIND_TIMING], EMIT_PERCENTILES_MAX);
    statsd_config_fini(config);
    (void)snprintf(inside + len, sizeof(inside) - len, ", 3]}");
    bad(timing_with(inside), 1, "more than 32 percentiles");
}

static void test_explicit_buckets_that_are_refused(void **state)
{
    (void)state;
    bad(timing_with("histogram: {explicit_buckets: [{matcher_pattern: a}]}"), 1, "grow");
    bad(timing_with("histogram: {explicit_buckets: [{matcher_pattern: a, buckets: [2, 1]}]}"), 1,
        "grow");
    bad(timing_with("histogram: {explicit_buckets: [{matcher_pattern: a, buckets: [1, 1]}]}"), 1,
        "grow");
    read_text(&reading,
              timing_with("histogram: {explicit_buckets: [{matcher_pattern: '(', buckets: [1]}]}"),
              0);
    assert_int_equal(reading.err, FAULT_CONFIG);
    assert_true(reading.error_count >= 1);
    assert_non_null(strstr(reading.printed, "matcher_pattern"));
}

static void test_as_many_bucket_lists_as_fit_and_one_more(void **state)
{
    (void)state;
    static char inside[4096];
    size_t len = (size_t)snprintf(inside, sizeof(inside), "histogram: {explicit_buckets: [");
    for (uint32_t i = 0; i < AGGREGATE_BOUNDS_MAX; i++) {
        len += (size_t)snprintf(inside + len, sizeof(inside) - len,
                                "%s{matcher_pattern: p%u, buckets: [1]}", i == 0 ? "" : ", ", i);
    }
    (void)snprintf(inside + len, sizeof(inside) - len, "]}");
    struct statsd_config *config = good(timing_with(inside));
    assert_int_equal(config->aggregate.bounds_count, AGGREGATE_BOUNDS_MAX);
    assert_int_equal(config->aggregate.bounds[0].kind_mask, 1 << KIND_TIMING);
    statsd_config_fini(config);
    (void)snprintf(inside + len, sizeof(inside) - len, ", {matcher_pattern: q, buckets: [1]}]}");
    bad(timing_with(inside), 1, "more than 32");
}

static void test_refused_memory_leaves_nothing_owned(void **state)
{
    (void)state;
    uint32_t refused_count = 0;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        read_text(&reading, mapping, nth);
        refused_count += reading.err != 0 ? 1 : 0;
        if (reading.err != 0) {
            assert_int_equal(reading.config.endpoint_count, 0);
            assert_null(reading.config.replica_attribute);
        }
        statsd_config_fini(&reading.config);
    }
    assert_true(refused_count >= 3); /* text, host and replica attribute at least */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_timers_are_exponential_histograms_by_default),
        cmocka_unit_test(test_every_plain_key_arrives),
        cmocka_unit_test(test_one_key_moves_one_setting),
        cmocka_unit_test(test_etsy_gauges_outlive_their_window),
        cmocka_unit_test(test_limits_of_plain_keys),
        cmocka_unit_test(test_bad_values_of_plain_keys_are_all_reported),
        cmocka_unit_test(test_every_transport_has_its_name),
        cmocka_unit_test(test_listeners_stand_alone_or_beside_the_own_endpoint),
        cmocka_unit_test(test_as_many_listeners_as_fit_and_one_more),
        cmocka_unit_test(test_endpoints_that_nobody_could_listen_on),
        cmocka_unit_test(test_observers_and_kinds),
        cmocka_unit_test(test_entry_for_histograms_is_for_distributions_too),
        cmocka_unit_test(test_kinds_with_entries_of_their_own_share_nothing),
        cmocka_unit_test(test_limits_inside_a_mapping),
        cmocka_unit_test(test_explicit_buckets_that_are_refused),
        cmocka_unit_test(test_as_many_bucket_lists_as_fit_and_one_more),
        cmocka_unit_test(test_refused_memory_leaves_nothing_owned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
