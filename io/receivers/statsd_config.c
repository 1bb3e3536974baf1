/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_config — key by key, with the Collector's defaults.
 *
 * Where it differs on purpose: a timer kind without an entry in timer_histogram_mapping becomes an
 * exponential histogram, not one gauge point per sample.
 */
#include "io/receivers/statsd_config.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/regex.h"
#include "core/model/histogram.h"

#define DEFAULT_ENDPOINT "localhost:8125"
#define DEFAULT_CARDINALITY 100000
#define DEFAULT_CONNECTIONS 4096
#define DEFAULT_SOCKET_BUFFER_BYTES (8 * 1024 * 1024)
#define CARDINALITY_MAX 50000000

static const char *const transport_words[] = {
    [STATSD_TRANSPORT_UDP] = "udp",
    [STATSD_TRANSPORT_UDP4] = "udp4",
    [STATSD_TRANSPORT_UDP6] = "udp6",
    [STATSD_TRANSPORT_TCP] = "tcp",
    [STATSD_TRANSPORT_TCP4] = "tcp4",
    [STATSD_TRANSPORT_TCP6] = "tcp6",
    [STATSD_TRANSPORT_UNIXGRAM] = "unixgram",
    [STATSD_TRANSPORT_UNIX] = "unix",
    [STATSD_TRANSPORT_UNIXSTREAM] = "unixstream",
};

static const double default_percentiles[] = {0, 10, 50, 90, 95, 100};

const char *statsd_transport_name(enum statsd_transport transport)
{
    ASSERT((size_t)transport < COUNT_OF(transport_words));
    return transport_words[transport];
}

/* --- endpoints ------------------------------------------------------------------------------- */

/* The endpoint of this section; true where it is usable. Errors are reported. */
static bool read_endpoint(struct config_reader *r, struct statsd_endpoint *out)
{
    uint32_t transport = STATSD_TRANSPORT_UDP;
    struct slice text;
    (void)config_read_enum(r, "transport", CONFIG_WORDS(transport_words), STATSD_TRANSPORT_UDP,
                           &transport);
    out->transport = (enum statsd_transport)transport;
    out->is_default = !config_read_text(r, "endpoint", DEFAULT_ENDPOINT, &text);
    out->text = mem_copy_text(text.ptr, text.len);
    if (out->text == NULL) {
        return false;
    }
    if (statsd_transport_is_path(out->transport)) {
        if (out->is_default || text.len == 0 || text.ptr[0] != '/') {
            config_refuse(r, "endpoint", "a unix socket needs an absolute path");
            return false;
        }
        return true;
    }
    struct config_endpoint endpoint;
    if (!config_parse_endpoint(text, &endpoint)) {
        config_refuse(r, "endpoint", "expected host:port, as in localhost:8125");
        return false;
    }
    out->port = endpoint.port;
    out->host = mem_copy_text(endpoint.host.ptr, endpoint.host.len);
    config_check_port(r, "endpoint", endpoint.port, 8125);
    return out->host != NULL;
}

/* The receiver's own endpoint and, beside it, those under `listeners`. */
static void read_endpoints(struct config_reader *r, struct statsd_config *out)
{
    bool has_own = config_has(r, "endpoint") || config_has(r, "transport");
    struct statsd_endpoint own = {0};
    bool is_usable = read_endpoint(r, &own);
    struct config_items items = config_open_list(r, "listeners");
    if (is_usable && (has_own || !items.is_present)) {
        out->endpoints[0] = own;
        out->endpoint_count = 1;
    } else {
        mem_free(own.text);
        mem_free(own.host);
    }
    struct config_reader section;
    while (config_next_section(&items, &section)) {
        if (out->endpoint_count == STATSD_LISTENERS_MAX) {
            config_refuse(r, "listeners", "more than 8 listeners");
            break;
        }
        struct statsd_endpoint *endpoint = &out->endpoints[out->endpoint_count];
        out->endpoint_count++;
        (void)read_endpoint(&section, endpoint);
        (void)config_reader_finish(&section);
    }
    /* An empty list; whatever else is wrong was said already. */
    if (out->endpoint_count == 0 && r->report->error_count == r->error_count_before) {
        config_refuse(r, "listeners", "expected at least one listener");
    }
}

/* --- timers ---------------------------------------------------------------------------------- */

static const char *const statsd_type_words[] = {"timing", "timer", "histogram", "distribution"};
static const uint8_t kind_of_word[] = {KIND_TIMING, KIND_TIMING, KIND_HISTOGRAM, KIND_DISTRIBUTION};

static const char *const observer_words[] = {"gauge", "summary", "histogram", "disabled"};
static const uint8_t aggregate_of_word[] = {AGGREGATE_SAMPLES, AGGREGATE_SUMMARY, AGGREGATE_EXPHIST,
                                            AGGREGATE_NONE};

static void set_default_percentiles(struct emit_options *emit, uint8_t kind)
{
    emit->percentile_count[kind] = COUNT_OF(default_percentiles);
    for (size_t i = 0; i < COUNT_OF(default_percentiles); i++) {
        emit->percentiles[kind][i] = default_percentiles[i];
    }
}

static void read_percentiles(struct config_reader *r, struct emit_options *emit, uint8_t kind)
{
    struct config_items items = config_open_list(r, "percentiles");
    if (!items.is_present) {
        return;
    }
    uint32_t count = 0;
    double percentile;
    while (config_next_f64(&items, &percentile)) {
        if (percentile < 0 || percentile > 100) {
            config_refuse(r, "percentiles", "a percentile lies between 0 and 100");
            continue;
        }
        if (count == EMIT_PERCENTILES_MAX) {
            config_refuse(r, "percentiles", "more than 32 percentiles");
            break;
        }
        emit->percentiles[kind][count] = percentile;
        count++;
    }
    emit->percentile_count[kind] = count;
}

/* The bounds of one entry, owned by the caller; NULL after a report. */
static double *read_bounds(struct config_reader *r, uint32_t *count)
{
    double bounds[HISTOGRAM_BOUNDS_MAX_COUNT];
    *count = 0;
    struct config_items items = config_open_list(r, "buckets");
    double bound;
    while (config_next_f64(&items, &bound)) {
        if (*count == HISTOGRAM_BOUNDS_MAX_COUNT) {
            config_refuse(r, "buckets", "too many bounds");
            return NULL;
        }
        bounds[*count] = bound;
        (*count)++;
    }
    if (*count == 0 || !histogram_bounds_are_valid(bounds, *count)) {
        config_refuse(r, "buckets", "expected bounds that grow from one to the next");
        return NULL;
    }
    double *copy = mem_alloc_array(*count, sizeof(copy[0]));
    for (uint32_t i = 0; copy != NULL && i < *count; i++) {
        copy[i] = bounds[i];
    }
    return copy;
}

static void read_explicit_bucket(struct config_reader *r, struct aggregate_config *out,
                                 uint8_t kind)
{
    char why[CONFIG_MESSAGE_MAX_BYTES];
    struct slice pattern;
    (void)config_read_regex(r, "matcher_pattern", "", &pattern);
    struct aggregate_bounds entry = {.kind_mask = (uint8_t)(1 << kind)};
    entry.bounds = read_bounds(r, &entry.bounds_count);
    if (regex_new(pattern, &entry.pattern, why, sizeof(why)) != 0) {
        config_refuse(r, "matcher_pattern", "%s", why);
    }
    if (out->bounds_count == AGGREGATE_BOUNDS_MAX) {
        config_refuse(r, "matcher_pattern", "more than 32 explicit_buckets in one receiver");
    }
    if (entry.bounds == NULL || entry.pattern == NULL ||
        out->bounds_count == AGGREGATE_BOUNDS_MAX) {
        mem_free(entry.bounds);
        regex_free(entry.pattern);
        return;
    }
    out->bounds[out->bounds_count] = entry;
    out->bounds_count++;
}

static void read_histogram(struct config_reader *r, struct aggregate_config *out, uint8_t kind)
{
    struct config_reader section;
    (void)config_open_section(r, "histogram", &section);
    uint32_t max_size;
    (void)config_read_u32(&section, "max_size", EXPHIST_BUCKETS_DEFAULT_COUNT,
                          EXPHIST_BUCKETS_MAX_COUNT, &max_size);
    if (max_size < EXPHIST_BUCKETS_MIN_COUNT) {
        config_refuse(&section, "max_size", "a histogram needs at least 2 buckets");
        max_size = EXPHIST_BUCKETS_MIN_COUNT;
    }
    out->exphist_max_size[kind] = max_size;
    struct config_items items = config_open_list(&section, "explicit_buckets");
    struct config_reader bucket;
    while (config_next_section(&items, &bucket)) {
        read_explicit_bucket(&bucket, out, kind);
        (void)config_reader_finish(&bucket);
    }
    (void)config_reader_finish(&section);
}

/* Returns the kind the entry is for. */
static uint8_t read_mapping(struct config_reader *r, struct statsd_config *out)
{
    uint32_t type = 0;
    uint32_t observer = 2;
    (void)config_require(r, "statsd_type");
    (void)config_read_enum(r, "statsd_type", CONFIG_WORDS(statsd_type_words), 0, &type);
    (void)config_read_enum(r, "observer_type", CONFIG_WORDS(observer_words), 0, &observer);
    uint8_t kind = kind_of_word[type];
    out->aggregate.aggregate_of[kind] = aggregate_of_word[observer];
    read_histogram(r, &out->aggregate, kind);
    struct config_reader summary;
    (void)config_open_section(r, "summary", &summary);
    read_percentiles(&summary, &out->emit, kind);
    (void)config_reader_finish(&summary);
    return kind;
}

/* Histograms and distributions are one category in the Collector: an entry for one is for both,
 * unless the other has its own. */
static void share_mapping(struct statsd_config *out, uint8_t from, uint8_t to)
{
    out->aggregate.aggregate_of[to] = out->aggregate.aggregate_of[from];
    out->aggregate.exphist_max_size[to] = out->aggregate.exphist_max_size[from];
    out->emit.percentile_count[to] = out->emit.percentile_count[from];
    for (size_t i = 0; i < EMIT_PERCENTILES_MAX; i++) {
        out->emit.percentiles[to][i] = out->emit.percentiles[from][i];
    }
    for (uint32_t i = 0; i < out->aggregate.bounds_count; i++) {
        struct aggregate_bounds *entry = &out->aggregate.bounds[i];
        if ((entry->kind_mask >> from & 1) != 0) {
            entry->kind_mask |= (uint8_t)(1 << to);
        }
    }
}

static void set_timer_defaults(struct statsd_config *out)
{
    static const uint8_t timer_kinds[] = {KIND_TIMING, KIND_HISTOGRAM, KIND_DISTRIBUTION};
    out->aggregate.aggregate_of[KIND_COUNTER] = AGGREGATE_SUM;
    out->aggregate.aggregate_of[KIND_GAUGE] = AGGREGATE_GAUGE;
    out->aggregate.aggregate_of[KIND_SET] = AGGREGATE_SET;
    for (size_t i = 0; i < COUNT_OF(timer_kinds); i++) {
        out->aggregate.aggregate_of[timer_kinds[i]] = AGGREGATE_EXPHIST;
        out->aggregate.exphist_max_size[timer_kinds[i]] = EXPHIST_BUCKETS_DEFAULT_COUNT;
        set_default_percentiles(&out->emit, timer_kinds[i]);
    }
}

static void read_timers(struct config_reader *r, struct statsd_config *out)
{
    set_timer_defaults(out);
    struct config_items items = config_open_list(r, "timer_histogram_mapping");
    struct config_reader mapping;
    bool has_entry[KIND_LIMIT] = {false};
    while (config_next_section(&items, &mapping)) {
        has_entry[read_mapping(&mapping, out)] = true;
        (void)config_reader_finish(&mapping);
    }
    if (has_entry[KIND_HISTOGRAM] && !has_entry[KIND_DISTRIBUTION]) {
        share_mapping(out, KIND_HISTOGRAM, KIND_DISTRIBUTION);
    }
    if (has_entry[KIND_DISTRIBUTION] && !has_entry[KIND_HISTOGRAM]) {
        share_mapping(out, KIND_DISTRIBUTION, KIND_HISTOGRAM);
    }
}

/* --- the rest -------------------------------------------------------------------------------- */

static void read_lines(struct config_reader *r, struct statsd_config *out)
{
    static const char *const dialects[] = {"auto", "etsy", "dogstatsd"};
    uint32_t dialect;
    (void)config_read_enum(r, "dialect", CONFIG_WORDS(dialects), STATSD_DIALECT_AUTO, &dialect);
    out->line.dialect = (uint8_t)dialect;
    out->gauge_base = dialect == STATSD_DIALECT_ETSY ? GAUGE_BASE_PREVIOUS : GAUGE_BASE_ZERO;
    (void)config_read_bool(r, "enable_simple_tags", false, &out->line.simple_tags);
    (void)config_read_bool(r, "influx_tags", false, &out->line.influx_tags);
    (void)config_read_bool(r, "librato_tags", false, &out->line.librato_tags);
    (void)config_read_bool(r, "signalfx_tags", false, &out->line.signalfx_tags);
}

static void read_aggregation(struct config_reader *r, struct statsd_config *out)
{
    static const char *const counter_types[] = {"int", "float"};
    uint32_t counter_type;
    (void)config_read_duration_ns(r, "aggregation_interval", 60 * CLOCK_NS_PER_S,
                                  &out->interval_ns);
    if (out->interval_ns < CLOCK_NS_PER_MS) {
        config_refuse(r, "aggregation_interval", "expected at least 1ms");
        out->interval_ns = 60 * CLOCK_NS_PER_S;
    }
    (void)config_read_bool(r, "enable_metric_type", false, &out->emit.adds_metric_type);
    (void)config_read_bool(r, "is_monotonic_counter", false, &out->emit.is_monotonic);
    (void)config_read_enum(r, "counter_type", CONFIG_WORDS(counter_types), COUNTER_TYPE_INT,
                           &counter_type);
    out->emit.counter_type = (enum counter_type)counter_type;
    (void)config_read_duration_ns(r, "counter_expiry", 0, &out->counter_expiry_ns);
    (void)config_read_duration_ns(r, "gauge_expiry", 0, &out->gauge_expiry_ns);
    (void)config_read_u32(r, "cardinality_limit", DEFAULT_CARDINALITY, CARDINALITY_MAX,
                          &out->cardinality_limit);
    if (out->cardinality_limit == 0) {
        config_refuse(r, "cardinality_limit", "expected at least 1");
        out->cardinality_limit = 1;
    }
    read_timers(r, out);
    struct slice replica;
    (void)config_read_text(r, "replica_attribute", "service.instance.id", &replica);
    out->replica_attribute = mem_copy_text(replica.ptr, replica.len);
}

static void read_sockets(struct config_reader *r, struct statsd_config *out)
{
    read_endpoints(r, out);
    /* 0622 as the Collector has it: everyone may write. */
    (void)config_read_u32(r, "socket_permissions", 0622, 0777, &out->socket_permissions);
    (void)config_read_bytes(r, "socket_buffer_size", 0, &out->socket_buffer_bytes);
    if (out->socket_buffer_bytes == 0) {
        out->socket_buffer_bytes = DEFAULT_SOCKET_BUFFER_BYTES;
    }
    (void)config_read_duration_ns(r, "max_connection_age", 0, &out->connection_max_age_ns);
    (void)config_read_u32(r, "max_connections", DEFAULT_CONNECTIONS, UINT32_MAX,
                          &out->connection_max_count);
}

int statsd_config_read(struct config_reader *r, struct statsd_config *out)
{
    *out = (struct statsd_config){
        .emit =
            {
                .scope_name = SLICE_LITERAL("github.com/open-telemetry/"
                                            "opentelemetry-collector-contrib/receiver/"
                                            "statsdreceiver"),
                .scope_version = SLICE_LITERAL(WEIR_VERSION),
            },
    };
    read_sockets(r, out);
    read_lines(r, out);
    read_aggregation(r, out);
    config_known_unsupported(r, "enable_ip_only_aggregation");
    config_known_unsupported(r, "ignore_host");
    int err = config_reader_finish(r);
    if (err == 0 && (out->replica_attribute == NULL || out->endpoint_count == 0)) {
        err = -ENOMEM;
    }
    if (err != 0) {
        statsd_config_fini(out);
    }
    return err;
}

void statsd_config_fini(struct statsd_config *config)
{
    for (uint32_t i = 0; i < STATSD_LISTENERS_MAX; i++) {
        mem_free(config->endpoints[i].text);
        mem_free(config->endpoints[i].host);
    }
    for (uint32_t i = 0; i < config->aggregate.bounds_count; i++) {
        mem_free(config->aggregate.bounds[i].bounds);
        regex_free(config->aggregate.bounds[i].pattern);
    }
    mem_free(config->replica_attribute);
    *config = (struct statsd_config){0};
}
