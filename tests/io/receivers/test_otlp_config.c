/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/otlp_config: the defaults, where each key arrives, and what is refused.
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
#include "io/io_bounds.h"
#include "io/receivers/otlp_config.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define S CLOCK_NS_PER_S
#define MIB (1024 * 1024)
#define GRPC "protocols:\n  grpc:\n"
#define HTTP "protocols:\n  http:\n"

/* What a reading made of a text; printed borrows from the fixture below. */
struct reading {
    struct otlp_config config;
    int err;
    uint32_t error_count;
    uint32_t warning_count;
    const char *printed;
};

static struct config_fixture fixture;
static struct reading reading;

static void read_text(struct reading *out, const char *yaml, uint64_t fail_nth)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.otlp");
    mem_fail_nth(fail_nth);
    out->err = otlp_config_read(&reader, &out->config);
    mem_fail_nth(0);
    out->error_count = fixture.report.error_count;
    out->warning_count = fixture.report.warning_count;
    out->printed = config_fixture_printed(&fixture);
    config_fixture_fini(&fixture);
}

/* The settings of a text without fault; freed by the caller. */
static struct otlp_config *good_with(const char *yaml, uint32_t warning_count)
{
    read_text(&reading, yaml, 0);
    if (reading.err != 0 || reading.error_count != 0 || reading.warning_count != warning_count) {
        print_error("%s", reading.printed);
    }
    assert_int_equal(reading.err, 0);
    assert_int_equal(reading.error_count, 0);
    assert_int_equal(reading.warning_count, warning_count);
    return &reading.config;
}

static struct otlp_config *good(const char *yaml)
{
    return good_with(yaml, 0);
}

/* A text with errors, one of which says `words`. */
static void bad(const char *yaml, const char *words)
{
    read_text(&reading, yaml, 0);
    if (reading.err != FAULT_CONFIG || strstr(reading.printed, words) == NULL) {
        print_error("for '%s': %s", yaml, reading.printed);
    }
    assert_int_equal(reading.err, FAULT_CONFIG);
    assert_int_equal(reading.error_count, 1);
    assert_non_null(strstr(reading.printed, words));
    otlp_config_fini(&reading.config);
    otlp_config_fini(&reading.config);
}

static void check_endpoint(const struct otlp_config *config, enum otlp_protocol protocol,
                           const char *host, uint16_t port, bool is_default)
{
    const struct otlp_endpoint *endpoint = &config->endpoints[protocol];
    assert_true(endpoint->is_enabled);
    assert_true(slice_is_text(endpoint->host, host));
    assert_int_equal(endpoint->port, port);
    assert_int_equal(endpoint->is_default, is_default);
    assert_false(endpoint->is_path);
}

/* --- protocols and endpoints ------------------------------------------------------------------ */

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n  grpc:\n  http:\n");
    check_endpoint(config, OTLP_PROTOCOL_GRPC, "localhost", 4317, true);
    check_endpoint(config, OTLP_PROTOCOL_HTTP, "localhost", 4318, true);
    assert_true(slice_is_text(config->endpoints[OTLP_PROTOCOL_GRPC].text, "localhost:4317"));
    assert_int_equal(config->endpoints[0].family, SOCKET_FAMILY_ANY);
    assert_false(config->endpoints[0].tls.is_enabled || config->endpoints[1].tls.is_enabled);
    assert_int_equal(config->message_max_bytes, 4 * MIB);
    assert_int_equal(config->body_max_bytes, 20 * MIB);
    assert_true(slice_is_text(config->paths[SIGNAL_TRACES], "/v1/traces"));
    assert_true(slice_is_text(config->paths[SIGNAL_METRICS], "/v1/metrics"));
    assert_true(slice_is_text(config->paths[SIGNAL_LOGS], "/v1/logs"));
    assert_false(config->cors.is_enabled);
    assert_int_equal(config->header_count, 0);
    for (uint32_t i = 0; i < COMPRESS_KIND_COUNT; i++) {
        assert_true(config->takes_kind[i]);
    }
    assert_true(config->is_keep_alive);
    assert_int_equal(config->read_timeout_ns + config->read_header_timeout_ns +
                         config->write_timeout_ns + config->idle_timeout_ns,
                     0);
    assert_int_equal(config->age_max_ns, 300 * S);
    assert_false(config->has_health);
    otlp_config_fini(config);
}

static void test_defaults_of_connections(void **state)
{
    (void)state;
    struct otlp_config *config = good(GRPC);
    assert_int_equal(config->h2.age_max_ns, 300 * S);
    assert_int_equal(config->h2.age_grace_ns, 0);
    assert_int_equal(config->h2.idle_max_ns, 0);
    assert_int_equal(config->h2.keepalive_time_ns, 7200 * S);
    assert_int_equal(config->h2.keepalive_timeout_ns, 20 * S);
    assert_int_equal(config->h2.ping_min_ns, 0);
    assert_false(config->h2.may_ping_idle);
    assert_int_equal(config->h2.max_concurrent_streams, 0);
    assert_false(config->endpoints[OTLP_PROTOCOL_HTTP].is_enabled);
    otlp_config_fini(config);
    config = good(HTTP);
    assert_false(config->endpoints[OTLP_PROTOCOL_GRPC].is_enabled);
    assert_true(config->endpoints[OTLP_PROTOCOL_HTTP].is_enabled);
    otlp_config_fini(config);
}

static void test_one_protocol_is_needed(void **state)
{
    (void)state;
    bad("", "must specify at least one protocol");
    bad("protocols:\n", "must specify at least one protocol");
    bad("protocols: {}\n", "must specify at least one protocol");
    bad("protocols: {grpc: {enabled: false}}\n", "must specify at least one protocol");
    bad("protocols: {thrift: {}, http: }\n", "thrift");
    bad("protocols: {http: }\nendpoint: x:1\n", "endpoint");
}

static void test_endpoints(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n"
                                      "  grpc: {endpoint: '0.0.0.0:5000', transport: tcp4}\n"
                                      "  http: {endpoint: '[::1]:5001', transport: tcp6}\n");
    check_endpoint(config, OTLP_PROTOCOL_GRPC, "0.0.0.0", 5000, false);
    check_endpoint(config, OTLP_PROTOCOL_HTTP, "::1", 5001, false);
    assert_int_equal(config->endpoints[0].family, SOCKET_FAMILY_IPV4);
    assert_int_equal(config->endpoints[1].family, SOCKET_FAMILY_IPV6);
    assert_true(slice_is_text(config->endpoints[1].text, "[::1]:5001"));
    otlp_config_fini(config);
    config = good("protocols: {http: {endpoint: ':0'}}\n");
    check_endpoint(config, OTLP_PROTOCOL_HTTP, "", 0, false);
    otlp_config_fini(config);
    bad("protocols: {http: {endpoint: 'localhost:65536'}}\n", "endpoint");
    bad("protocols: {http: {transport: udp}}\n", "transport");
}

static void test_misprinted_port_is_noticed(void **state)
{
    (void)state;
    otlp_config_fini(good_with("protocols: {grpc: {endpoint: '0.0.0.0:4371'}}\n", 1));
    assert_non_null(strstr(reading.printed, "4317"));
    otlp_config_fini(good_with("protocols: {grpc: {endpoint: '0.0.0.0:4317'}}\n", 0));
}

static void test_unix_sockets(void **state)
{
    (void)state;
    char yaml[512];
    char path[SOCKET_PATH_MAX_BYTES + 2];
    struct otlp_config *config =
        good("protocols: {grpc: {endpoint: /run/weir.sock, transport: unix}}\n");
    const struct otlp_endpoint *endpoint = &config->endpoints[OTLP_PROTOCOL_GRPC];
    assert_true(endpoint->is_path);
    assert_false(endpoint->is_default);
    assert_true(slice_is_text(endpoint->text, "/run/weir.sock"));
    otlp_config_fini(config);
    bad("protocols: {grpc: {transport: unix}}\n", "must be the path of a socket");
    memset(path, 'p', sizeof(path));
    path[SOCKET_PATH_MAX_BYTES] = '\0';
    (void)snprintf(yaml, sizeof(yaml), "protocols: {grpc: {endpoint: %s, transport: unix}}\n",
                   path);
    otlp_config_fini(good(yaml));
    path[SOCKET_PATH_MAX_BYTES] = 'p';
    path[SOCKET_PATH_MAX_BYTES + 1] = '\0';
    (void)snprintf(yaml, sizeof(yaml), "protocols: {grpc: {endpoint: %s, transport: unix}}\n",
                   path);
    bad(yaml, "must be the path of a socket");
}

/* --- grpc ------------------------------------------------------------------------------------- */

static void test_every_key_of_grpc_arrives(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n"
                                      "  grpc:\n"
                                      "    max_recv_msg_size_mib: 7\n"
                                      "    max_concurrent_streams: 11\n"
                                      "    health_service: true\n"
                                      "    read_buffer_size: 524288\n"
                                      "    write_buffer_size: 1\n"
                                      "    keepalive:\n"
                                      "      server_parameters:\n"
                                      "        max_connection_idle: 1s\n"
                                      "        max_connection_age: 2s\n"
                                      "        max_connection_age_grace: 3s\n"
                                      "        time: 4s\n"
                                      "        timeout: 5s\n"
                                      "      enforcement_policy:\n"
                                      "        min_time: 6s\n"
                                      "        permit_without_stream: true\n");
    assert_int_equal(config->message_max_bytes, 7 * MIB);
    assert_int_equal(config->h2.max_concurrent_streams, 11);
    assert_true(config->has_health);
    assert_int_equal(config->h2.idle_max_ns, 1 * S);
    assert_int_equal(config->h2.age_max_ns, 2 * S);
    assert_int_equal(config->h2.age_grace_ns, 3 * S);
    assert_int_equal(config->h2.keepalive_time_ns, 4 * S);
    assert_int_equal(config->h2.keepalive_timeout_ns, 5 * S);
    assert_int_equal(config->h2.ping_min_ns, 6 * S);
    assert_true(config->h2.may_ping_idle);
    otlp_config_fini(config);
}

static void test_limits_of_grpc(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols: {grpc: {max_recv_msg_size_mib: 4095}}\n");
    assert_int_equal(config->message_max_bytes, UINT32_C(4095) * MIB);
    otlp_config_fini(config);
    config = good("protocols: {grpc: {max_recv_msg_size_mib: 0}}\n");
    assert_int_equal(config->message_max_bytes, 4 * MIB);
    otlp_config_fini(config);
    bad("protocols: {grpc: {max_recv_msg_size_mib: 4096}}\n", "max_recv_msg_size_mib");
    bad("protocols: {grpc: {max_recv_msg_size_mib: -1}}\n", "max_recv_msg_size_mib");
    bad("protocols: {grpc: {max_concurrent_streams: many}}\n", "max_concurrent_streams");
    bad("protocols: {grpc: {health_service: 7}}\n", "health_service");
    bad("protocols: {grpc: {keepalive: {server_parameters: {time: soon}}}}\n", "time");
    bad("protocols: {grpc: {keepalive: {server_parameters: {age: 1s}}}}\n", "age");
    bad("protocols: {grpc: {keepalive: {client_parameters: {}}}}\n", "client_parameters");
    bad("protocols: {grpc: {max_recv_msg_size: 4}}\n", "max_recv_msg_size_mib");
}

static void test_authenticators(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n"
                                      "  grpc: {auth: {authenticator: basicauth/one}}\n"
                                      "  http:\n");
    assert_true(
        slice_is_text(config->endpoints[OTLP_PROTOCOL_GRPC].authenticator, "basicauth/one"));
    assert_int_equal(config->endpoints[OTLP_PROTOCOL_HTTP].authenticator.len, 0);
    otlp_config_fini(config);
    bad("protocols: {http: {auth: {authenticator: ''}}}\n", "authenticator");
    bad("protocols: {http: {auth: {authenticator: a, request_params: [b]}}}\n", "request_params");
}

static void test_keys_that_are_known_and_not_supported(void **state)
{
    (void)state;
    bad("protocols: {grpc: {middlewares: [{id: x}]}}\n", "middlewares");
    bad("protocols: {http: {middlewares: [{id: x}]}}\n", "middlewares");
}

/* --- http ------------------------------------------------------------------------------------- */

static void test_every_key_of_http_arrives(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n"
                                      "  http:\n"
                                      "    traces_url_path: /t\n"
                                      "    metrics_url_path: m\n"
                                      "    logs_url_path: ''\n"
                                      "    max_request_body_size: 5\n"
                                      "    keep_alives_enabled: false\n"
                                      "    read_timeout: 1s\n"
                                      "    read_header_timeout: 2s\n"
                                      "    write_timeout: 3s\n"
                                      "    idle_timeout: 4s\n"
                                      "    max_connection_age: 5s\n"
                                      "    response_headers: {X-One: '1', x-two: a b}\n"
                                      "    compression_algorithms: [gzip, zstd]\n");
    assert_true(slice_is_text(config->paths[SIGNAL_TRACES], "/t"));
    assert_true(slice_is_text(config->paths[SIGNAL_METRICS], "/m"));
    assert_true(slice_is_text(config->paths[SIGNAL_LOGS], "/"));
    assert_int_equal(config->body_max_bytes, 5);
    assert_false(config->is_keep_alive);
    assert_int_equal(config->read_timeout_ns, 1 * S);
    assert_int_equal(config->read_header_timeout_ns, 2 * S);
    assert_int_equal(config->write_timeout_ns, 3 * S);
    assert_int_equal(config->idle_timeout_ns, 4 * S);
    assert_int_equal(config->age_max_ns, 5 * S);
    assert_int_equal(config->header_count, 2);
    assert_true(slice_is_text(config->headers[0].name, "X-One"));
    assert_true(slice_is_text(config->headers[0].value, "1"));
    assert_true(slice_is_text(config->headers[1].value, "a b"));
    static const bool wanted[COMPRESS_KIND_COUNT] = {
        [COMPRESS_NONE] = true, [COMPRESS_GZIP] = true, [COMPRESS_ZSTD] = true};
    assert_memory_equal(config->takes_kind, wanted, sizeof(wanted));
    otlp_config_fini(config);
}

static void test_limits_of_http(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols: {http: {max_request_body_size: 2147483647}}\n");
    assert_int_equal(config->body_max_bytes, INT32_MAX);
    otlp_config_fini(config);
    config = good("protocols: {http: {max_request_body_size: 0, max_connection_age: 0s}}\n");
    assert_int_equal(config->body_max_bytes, 20 * MIB);
    assert_int_equal(config->age_max_ns, 0);
    otlp_config_fini(config);
    bad("protocols: {http: {max_request_body_size: 2147483648}}\n", "max_request_body_size");
    bad("protocols: {http: {max_request_body_size: huge}}\n", "max_request_body_size");
    bad("protocols: {http: {read_timeout: -1s}}\n", "read_timeout");
    bad("protocols: {http: {keep_alives_enabled: perhaps}}\n", "keep_alives_enabled");
    bad("protocols: {http: {trace_url_path: /x}}\n", "traces_url_path");
}

static void test_compression_algorithms(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols: {http: {compression_algorithms: []}}\n");
    assert_true(config->takes_kind[COMPRESS_NONE]);
    assert_false(config->takes_kind[COMPRESS_GZIP]);
    otlp_config_fini(config);
    config = good("protocols: {http: {compression_algorithms: ['', snappy, deflate]}}\n");
    assert_true(config->takes_kind[COMPRESS_SNAPPY] && config->takes_kind[COMPRESS_DEFLATE]);
    assert_false(config->takes_kind[COMPRESS_ZLIB] || config->takes_kind[COMPRESS_ZSTD]);
    otlp_config_fini(config);
    otlp_config_fini(good_with("protocols: {http: {compression_algorithms: [lz4, gzip]}}\n", 1));
    bad("protocols: {http: {compression_algorithms: [br]}}\n", "knows no 'br'");
}

static void test_headers_that_cannot_be_sent_are_refused(void **state)
{
    (void)state;
    char yaml[4096];
    bad("protocols: {http: {response_headers: {'a b': x}}}\n", "'a b' is no header");
    bad("protocols: {http: {response_headers: {a: \"x\\ny\"}}}\n", "'a' is no header");
    size_t len =
        (size_t)snprintf(yaml, sizeof(yaml), "protocols:\n  http:\n    response_headers:\n");
    for (uint32_t i = 0; i <= OTLP_HEADERS_MAX; i++) {
        if (i == OTLP_HEADERS_MAX) {
            struct otlp_config *config = good(yaml);
            assert_int_equal(config->header_count, OTLP_HEADERS_MAX);
            otlp_config_fini(config);
        }
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "      x-%u: v\n", i);
    }
    bad(yaml, "more than 16 headers");
}

static void test_cors(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n  http:\n    cors:\n"
                                      "      allowed_origins: ['https://*.example.com', '*']\n"
                                      "      allowed_headers: [X-Key]\n"
                                      "      exposed_headers: [X-A, '', X-B]\n"
                                      "      max_age: 7200\n");
    assert_true(config->cors.is_enabled);
    assert_true(config->cors.allows_any_origin);
    assert_false(config->cors.allows_any_header);
    assert_int_equal(config->cors.origin_count, 2);
    assert_true(slice_is_text(config->cors.origins[0], "https://*.example.com"));
    assert_int_equal(config->cors.header_count, 1);
    assert_true(slice_is_text(config->cors.exposed, "X-A, , X-B"));
    assert_int_equal(config->cors.max_age_s, 7200);
    otlp_config_fini(config);
    config = good_with(HTTP "    cors: {allowed_headers: ['*']}\n", 1);
    assert_non_null(strstr(reading.printed, "without allowed_origins does nothing"));
    assert_false(config->cors.is_enabled);
    assert_true(config->cors.allows_any_header);
    otlp_config_fini(config);
    bad(HTTP "    cors: {max_age: -1}\n", "max_age");
    bad(HTTP "    cors: {origins: ['*']}\n", "origins");
}

static void test_as_many_origins_as_fit_and_one_more(void **state)
{
    (void)state;
    char yaml[4096];
    size_t len = (size_t)snprintf(yaml, sizeof(yaml), HTTP "    cors:\n      allowed_origins:\n");
    for (uint32_t i = 0; i <= OTLP_CORS_MAX; i++) {
        if (i == OTLP_CORS_MAX) {
            struct otlp_config *config = good(yaml);
            assert_int_equal(config->cors.origin_count, OTLP_CORS_MAX);
            otlp_config_fini(config);
        }
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "        - http://o%u\n", i);
    }
    bad(yaml, "more than 32 entries");
}

static void test_tls_belongs_to_its_endpoint(void **state)
{
    (void)state;
    struct otlp_config *config =
        good("protocols:\n  grpc: {tls: {cert_file: /c.pem, key_file: /k.pem}}\n  http:\n");
    assert_true(config->endpoints[OTLP_PROTOCOL_GRPC].tls.is_enabled);
    assert_false(config->endpoints[OTLP_PROTOCOL_HTTP].tls.is_enabled);
    otlp_config_fini(config);
}

/* --- one port --------------------------------------------------------------------------------- */

static void test_the_same_endpoint_is_one_port(void **state)
{
    (void)state;
    struct otlp_config *config =
        good("protocols: {grpc: {endpoint: '0.0.0.0:4317'}, http: {endpoint: '0.0.0.0:4317'}}\n");
    assert_true(config->endpoints[OTLP_PROTOCOL_HTTP].is_shared);
    assert_false(config->endpoints[OTLP_PROTOCOL_GRPC].is_shared);
    otlp_config_fini(config);
    config = good("protocols: {grpc: {endpoint: '0.0.0.0:0'}, http: {endpoint: '0.0.0.0:0'}}\n");
    assert_false(config->endpoints[OTLP_PROTOCOL_HTTP].is_shared); /* any port, twice */
    otlp_config_fini(config);
    config = good("protocols: {grpc: {endpoint: /tmp/s, transport: unix},\n"
                  "  http: {endpoint: /tmp/s, transport: unix}}\n");
    assert_true(config->endpoints[OTLP_PROTOCOL_HTTP].is_shared);
    otlp_config_fini(config);
    config = good("protocols: {grpc: {endpoint: 'a:4317', tls: {cert_file: c, key_file: k}},\n"
                  "  http: {endpoint: 'a:4317', tls: {cert_file: c, key_file: k}}}\n");
    assert_true(config->endpoints[OTLP_PROTOCOL_HTTP].is_shared);
    otlp_config_fini(config);
    config = good("protocols: {grpc: , http: }\n");
    assert_false(config->endpoints[OTLP_PROTOCOL_HTTP].is_shared);
    otlp_config_fini(config);
}

static void test_one_port_has_one_set_of_keys(void **state)
{
    (void)state;
    static const char words[] = "http has the endpoint of grpc";
    bad("protocols: {grpc: {endpoint: 'a:4317', proxy_protocol: true},\n"
        "  http: {endpoint: 'a:4317'}}\n",
        words);
    bad("protocols: {grpc: {endpoint: 'a:4317', auth: {authenticator: x}},\n"
        "  http: {endpoint: 'a:4317', auth: {authenticator: y}}}\n",
        words);
    bad("protocols: {grpc: {endpoint: 'a:4317', tls: {cert_file: c, key_file: k}},\n"
        "  http: {endpoint: 'a:4317'}}\n",
        words);
    bad("protocols: {grpc: {endpoint: 'a:4317', tls: {cert_file: c, key_file: k}},\n"
        "  http: {endpoint: 'a:4317', tls: {cert_file: c, key_file: other}}}\n",
        words);
}

static void test_a_proxy_header_belongs_to_its_endpoint(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols: {grpc: {proxy_protocol: true}, http: }\n");
    assert_true(config->endpoints[OTLP_PROTOCOL_GRPC].expects_proxy);
    assert_false(config->endpoints[OTLP_PROTOCOL_HTTP].expects_proxy);
    otlp_config_fini(config);
}

static void test_guests_are_named_with_their_place(void **state)
{
    (void)state;
    struct otlp_config *config = good("protocols:\n  grpc:\n  statsd: {receiver: statsd/edge}\n"
                                      "  xray: {receiver: awsxray}\n");
    assert_true(slice_is_text(config->statsd.receiver_id, "statsd/edge"));
    assert_int_equal(config->statsd.mark.line, 3);
    assert_int_equal(config->statsd.mark.column, 22);
    assert_true(slice_is_text(config->xray.receiver_id, "awsxray"));
    assert_int_equal(config->xray.mark.line, 4);
    otlp_config_fini(config);
    config = good(GRPC);
    assert_int_equal(config->statsd.receiver_id.len + config->xray.receiver_id.len, 0);
    otlp_config_fini(config);
    bad("protocols: {grpc: , statsd: {}}\n", "receiver");
    bad("protocols: {grpc: , xray: }\n", "receiver");
    bad("protocols: {grpc: , xray: {receiver: a, endpoint: b}}\n", "unknown key 'endpoint'");
    bad("protocols: {statsd: {receiver: statsd}}\n", "must specify at least one protocol");
}

static void test_refused_memory_is_never_a_different_setting(void **state)
{
    (void)state;
    /* Enough text for more than the arena's first chunk. */
    static char yaml[16384];
    size_t len = (size_t)snprintf(yaml, sizeof(yaml), HTTP "    cors:\n      exposed_headers:\n");
    for (uint32_t i = 0; i < OTLP_CORS_MAX; i++) {
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "        - x%0299u\n", i);
    }
    for (uint64_t nth = 1; nth < 100; nth++) {
        read_text(&reading, yaml, nth);
        bool is_whole = reading.config.cors.exposed.len == OTLP_CORS_MAX * 302 - 2;
        int err = reading.err;
        otlp_config_fini(&reading.config);
        if (err == 0) {
            assert_true(is_whole);
            assert_true(nth > 2);
            return;
        }
        assert_true(err == -ENOMEM || err == FAULT_CONFIG);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_collectors),
        cmocka_unit_test(test_defaults_of_connections),
        cmocka_unit_test(test_one_protocol_is_needed),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_misprinted_port_is_noticed),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_every_key_of_grpc_arrives),
        cmocka_unit_test(test_limits_of_grpc),
        cmocka_unit_test(test_authenticators),
        cmocka_unit_test(test_keys_that_are_known_and_not_supported),
        cmocka_unit_test(test_every_key_of_http_arrives),
        cmocka_unit_test(test_limits_of_http),
        cmocka_unit_test(test_compression_algorithms),
        cmocka_unit_test(test_headers_that_cannot_be_sent_are_refused),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_as_many_origins_as_fit_and_one_more),
        cmocka_unit_test(test_tls_belongs_to_its_endpoint),
        cmocka_unit_test(test_the_same_endpoint_is_one_port),
        cmocka_unit_test(test_one_port_has_one_set_of_keys),
        cmocka_unit_test(test_a_proxy_header_belongs_to_its_endpoint),
        cmocka_unit_test(test_guests_are_named_with_their_place),
        cmocka_unit_test(test_refused_memory_is_never_a_different_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
