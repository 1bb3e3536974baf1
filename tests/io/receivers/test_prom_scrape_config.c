/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/prom_scrape_config: the defaults, where each key arrives, what is refused,
 * and what is made of targets by their job's rules.
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
#include "io/receivers/prom_scrape_config.h"
#include "io/receivers/prom_scrape_endpoint.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define S CLOCK_NS_PER_S

static struct config_fixture fixture;
static struct prom_scrape_config config;

/* Reads a text; what was reported stays in the fixture until it is closed. */
static int read_text(const char *yaml, uint64_t fail_nth)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.prometheus");
    mem_fail_nth(fail_nth);
    int err = prom_scrape_config_read(&reader, &config);
    mem_fail_nth(0);
    return err;
}

static void close_text(void)
{
    prom_scrape_config_fini(&config);
    prom_scrape_config_fini(&config);
    config_fixture_fini(&fixture);
}

static const struct prom_job *good(const char *yaml)
{
    int err = read_text(yaml, 0);
    assert_string_equal(config_fixture_printed(&fixture), "");
    assert_int_equal(err, 0);
    return &config.jobs[0];
}

static const struct prom_job *good_job(const char *keys)
{
    char yaml[4096];
    (void)snprintf(yaml, sizeof(yaml), "config: {scrape_configs: [{job_name: a, %s}]}\n", keys);
    return good(yaml);
}

static void bad(const char *yaml, const char *words)
{
    assert_int_equal(read_text(yaml, 0), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&fixture);
    if (strstr(printed, words) == NULL) {
        print_error("for '%s': %s", yaml, printed);
    }
    assert_non_null(strstr(printed, words));
    if (fixture.report.error_count != 1) {
        print_error("for '%s': %s", yaml, printed);
    }
    assert_int_equal(fixture.report.error_count, 1);
    close_text();
}

static void bad_job(const char *keys, const char *words)
{
    char yaml[4096];
    (void)snprintf(yaml, sizeof(yaml), "config: {scrape_configs: [{job_name: a, %s}]}\n", keys);
    bad(yaml, words);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void check_default_accept(const struct prom_job *job)
{
    assert_string_equal(job->accept,
                        "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
                        "q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
}

static void test_defaults_are_prometheus_own(void **state)
{
    (void)state;
    const struct prom_job *job = good("config: {scrape_configs: [{job_name: a}]}\n");
    assert_int_equal(config.job_count, 1);
    assert_false(config.trims_suffixes);
    assert_int_equal(config.global.external_label_count, 0);
    assert_string_equal(job->name, "a");
    assert_int_equal(job->interval_ns, 60 * S);
    assert_int_equal(job->timeout_ns, 10 * S);
    assert_string_equal(job->metrics_path, "/metrics");
    assert_string_equal(job->scheme, "http");
    check_default_accept(job);
    assert_int_equal(job->param_count, 0);
    assert_int_equal(job->limits.body_bytes, 0);
    assert_int_equal(job->limits.samples, 0);
    assert_false(job->honors_labels);
    assert_true(job->honors_timestamps);
    assert_true(job->is_compressed);
    assert_false(job->reports_extra);
    assert_false(job->tracks_timestamps);
    assert_false(job->is_fallback_openmetrics);
    assert_int_equal(job->http.auth, PROM_AUTH_NONE);
    assert_true(job->http.follows_redirects);
    assert_true(job->http.client.ignores_proxies);
    assert_false(job->http.client.tls.insecure_skip_verify);
    assert_null(job->relabel);
    assert_null(job->metric_relabel);
    close_text();
}

static void test_jobs_fall_back_to_global(void **state)
{
    (void)state;
    (void)good("config:\n"
               "  global: {scrape_interval: 20s, scrape_timeout: 15s, body_size_limit: 10MB,\n"
               "    sample_limit: 1, target_limit: 2, label_limit: 3, label_name_length_limit: 4,\n"
               "    label_value_length_limit: 5, extra_scrape_metrics: true,\n"
               "    scrape_protocols: [PrometheusText0.0.4], external_labels: {site: a}}\n"
               "  scrape_configs:\n"
               "    - job_name: a\n"
               "    - {job_name: b, scrape_interval: 5s, body_size_limit: 1KB, sample_limit: 10,\n"
               "       target_limit: 20, label_limit: 30, label_name_length_limit: 40,\n"
               "       label_value_length_limit: 50, extra_scrape_metrics: false,\n"
               "       scrape_protocols: [PrometheusText1.0.0, OpenMetricsText1.0.0],\n"
               "       metric_name_escaping_scheme: dots}\n"
               "    - {job_name: c, scrape_interval: 0s, scrape_timeout: 1s}\n");
    const struct prom_job *a = &config.jobs[0];
    const struct prom_job *b = &config.jobs[1];
    assert_int_equal(a->interval_ns, 20 * S);
    assert_int_equal(a->timeout_ns, 15 * S);
    assert_int_equal(a->limits.body_bytes, 10 * 1024 * 1024);
    assert_int_equal(a->limits.samples, 1);
    assert_int_equal(a->limits.targets, 2);
    assert_int_equal(a->limits.labels, 3);
    assert_int_equal(a->limits.label_name_bytes, 4);
    assert_int_equal(a->limits.label_value_bytes, 5);
    assert_true(a->reports_extra);
    assert_string_equal(a->accept, "Accept: text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
    assert_int_equal(b->interval_ns, 5 * S);
    assert_int_equal(b->timeout_ns, 5 * S); /* never longer than the interval */
    assert_int_equal(b->limits.body_bytes, 1024);
    assert_int_equal(b->limits.samples, 10);
    assert_int_equal(b->limits.targets, 20);
    assert_int_equal(b->limits.labels, 30);
    assert_int_equal(b->limits.label_name_bytes, 40);
    assert_int_equal(b->limits.label_value_bytes, 50);
    assert_false(b->reports_extra);
    assert_string_equal(b->accept,
                        "Accept: text/plain;version=1.0.0;escaping=dots;q=0.6,"
                        "application/openmetrics-text;version=1.0.0;escaping=dots;q=0.5,*/*;q=0.4");
    assert_int_equal(config.jobs[2].interval_ns, 20 * S);
    assert_int_equal(config.jobs[2].timeout_ns, 1 * S);
    assert_int_equal(config.global.external_label_count, 1);
    assert_true(slice_is_text(config.global.external_labels[0].name, "site"));
    close_text();
}

static void test_every_key_of_a_job_arrives(void **state)
{
    (void)state;
    const struct prom_job *job =
        good_job("metrics_path: /stats, scheme: https, honor_labels: true, honor_timestamps: false,"
                 "track_timestamps_staleness: true, enable_compression: false,"
                 "fallback_scrape_protocol: OpenMetricsText1.0.0,"
                 "params: {module: [http_2xx, b], x: ['1']},"
                 "follow_redirects: false, enable_http2: true, proxy_url: 'http://out:3128',"
                 "tls_config: {ca_file: /ca, cert_file: /cert, key_file: /key,"
                 "  insecure_skip_verify: true, min_version: TLS12, max_version: TLS13},"
                 "scrape_native_histograms: false, convert_classic_histograms_to_nhcb: false,"
                 "always_scrape_classic_histograms: false, metric_name_validation_scheme: utf8,"
                 "static_configs: [{targets: ['h:1', 'h:2'], labels: {a: b}}, {targets: ['h:3']}],"
                 "file_sd_configs: [{files: [/a/*.json, b.yml], refresh_interval: 1m}],"
                 "relabel_configs: [{action: labeldrop, regex: x}],"
                 "metric_relabel_configs: [{target_label: a, replacement: b}]");
    assert_string_equal(job->metrics_path, "/stats");
    assert_string_equal(job->scheme, "https");
    assert_true(job->honors_labels);
    assert_false(job->honors_timestamps);
    assert_true(job->tracks_timestamps);
    assert_false(job->is_compressed);
    assert_true(job->is_fallback_openmetrics);
    assert_int_equal(job->param_count, 2);
    assert_string_equal(job->params[0].name, "module");
    assert_int_equal(job->params[0].value_count, 2);
    assert_string_equal(job->params[0].values[1], "b");
    assert_false(job->http.follows_redirects);
    assert_false(job->http.client.ignores_proxies);
    assert_string_equal(job->http.client.proxy_url, "http://out:3128");
    const struct http_tls_options *tls = &job->http.client.tls;
    assert_string_equal(tls->ca_file, "/ca");
    assert_string_equal(tls->cert_file, "/cert");
    assert_string_equal(tls->key_file, "/key");
    assert_true(tls->insecure_skip_verify);
    assert_int_equal(tls->min_version, HTTP_TLS_1_2);
    assert_int_equal(tls->max_version, HTTP_TLS_1_3);
    assert_int_equal(job->groups.target_count, 3);
    assert_int_equal(job->groups.first->label_count, 1);
    assert_true(slice_is_text(job->groups.first->targets[1], "h:2"));
    assert_int_equal(job->file_sd_count, 1);
    assert_int_equal(job->file_sds[0].pattern_count, 2);
    assert_string_equal(job->file_sds[0].patterns[0], "/a/*.json");
    assert_int_equal(job->file_sds[0].refresh_ns, 60 * S);
    assert_non_null(job->relabel);
    assert_non_null(job->metric_relabel);
    close_text();
}

static void test_secrets_arrive(void **state)
{
    (void)state;
    const struct prom_job *job = good_job("basic_auth: {username: u, password: p}");
    assert_int_equal(job->http.auth, PROM_AUTH_BASIC);
    assert_string_equal(job->http.username.text, "u");
    assert_string_equal(job->http.secret.text, "p");
    close_text();
    job = good_job("basic_auth: {username_file: /u, password_file: /p}");
    assert_string_equal(job->http.username.file, "/u");
    assert_string_equal(job->http.secret.file, "/p");
    close_text();
    job = good_job("authorization: {credentials: c}");
    assert_int_equal(job->http.auth, PROM_AUTH_TYPED);
    assert_string_equal(job->http.auth_type, "Bearer");
    assert_string_equal(job->http.secret.text, "c");
    close_text();
    job = good_job("authorization: {type: Token, credentials_file: /c}");
    assert_string_equal(job->http.auth_type, "Token");
    assert_string_equal(job->http.secret.file, "/c");
    close_text();
    job = good_job("bearer_token: t");
    assert_string_equal(job->http.auth_type, "Bearer");
    assert_string_equal(job->http.secret.text, "t");
    close_text();
    job = good_job("bearer_token_file: /t");
    assert_string_equal(job->http.secret.file, "/t");
    close_text();
}

static void test_keys_of_the_collector_arrive(void **state)
{
    (void)state;
    const struct prom_job *job = good("trim_metric_suffixes: true\n"
                                      "report_extra_scrape_metrics: true\n"
                                      "use_start_time_metric: false\n"
                                      "config: {scrape_configs: [{job_name: a}]}\n");
    assert_true(config.trims_suffixes);
    assert_true(job->reports_extra);
    close_text();
}

static void test_what_has_no_effect_is_said(void **state)
{
    (void)state;
    assert_int_equal(read_text("config: {global: {evaluation_interval: 15s},"
                               "scrape_configs: [{job_name: a, keep_dropped_targets: 5}]}\n",
                               0),
                     0);
    assert_int_equal(fixture.report.warning_count, 2);
    assert_int_equal(fixture.report.error_count, 0);
    close_text();
}

static void test_what_is_wrong_is_refused(void **state)
{
    (void)state;
    bad("", "scrape_configs");
    bad("config: {scrape_configs: []}\n", "scrape_configs");
    bad("config: {scrape_configs: [{}]}\n", "job_name");
    bad("config: {scrape_configs: [{job_name: ''}]}\n", "job_name");
    bad("config: {scrape_configs: [{job_name: a}, {job_name: a}]}\n", "another job 'a'");
    bad("config: {scrape_config: [], scrape_configs: [{job_name: a}]}\n", "scrape_configs");
    bad_job("scrape_intervall: 5s", "scrape_interval");
    bad_job("scrape_interval: 5", "duration");
    bad_job("scrape_interval: 1.5s", "duration");
    bad_job("scrape_interval: 5s, scrape_timeout: 6s", "greater than scrape_interval");
    bad("config: {global: {scrape_interval: 5s, scrape_timeout: 6s},"
        "scrape_configs: [{job_name: a}]}\n",
        "greater than scrape_interval");
    bad_job("body_size_limit: 100", "size");
    bad_job("sample_limit: -1", "sample_limit");
    bad_job("scheme: ftp", "scheme");
    bad_job("params: [a]", "params");
    bad_job("params: {a: b}", "must be a list");
    bad_job("static_configs: [{targets: 'a:1,b:2'}]", "targets must be a list");
    bad_job("static_configs: [{targets: ['http://a/metrics']}]", "no host:port");
    bad_job("static_configs: [{targets: ['a:1'], lables: {a: b}}]", "labels");
    bad_job("file_sd_configs: [{files: []}]", "files");
    bad_job("file_sd_configs: [{files: [a.txt]}]", "'a.txt' is no name");
    bad_job("file_sd_configs: [{files: ['/a*/b.json']}]", "is no name");
    bad_job("relabel_configs: [{action: kepp}]", "action must be one of");
    bad_job("relabel_configs: [{action: replace, regex: '('}]", "relabel_configs[0]");
    bad_job("metric_relabel_configs: [{action: hashmod, target_label: a}]",
            "metric_relabel_configs[0]");
    bad_job("relabel_configs: [{source_labels: a}]", "source_labels");
    bad_job("scrape_protocols: [Text]", "is none of");
    bad_job("scrape_protocols: []", "at least one");
    bad_job("scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]", "twice");
    bad_job("tls_config: {cert_file: /a}", "needs its key");
    bad_job("tls_config: {ca: a, ca_file: /a}", "exclude each other");
    bad_job("tls_config: {min_version: '1.2'}", "min_version");
    bad_job("basic_auth: {username: a, password: b, password_file: /c}", "exclude each other");
    bad_job("basic_auth: {username: a}, authorization: {credentials: b}", "at most one");
    bad_job("basic_auth: {username: a}, bearer_token: b", "at most one");
    bad_job("authorization: {type: Basic, credentials: b}", "basic_auth");
    bad_job("authorization: {credentials: \"a\\nHost: b\"}", "printable");
    bad_job("bearer_token: \"a\\r\"", "printable");
    bad_job("proxy_url: 'http://a', proxy_from_environment: true", "exclude each other");
}

static void test_what_is_not_there_yet_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "kubernetes_sd_configs: [{role: pod}]",
        "ec2_sd_configs: [{}]",
        "dns_sd_configs: [{}]",
        "http_sd_configs: [{url: x}]",
        "consul_sd_configs: [{}]",
        "oauth2: {client_id: a}",
        "http_headers: {a: {values: [b]}}",
        "no_proxy: a",
        "proxy_connect_header: {a: [b]}",
        "tls_config: {server_name: a}",
        "scrape_native_histograms: true",
        "convert_classic_histograms_to_nhcb: true",
        "always_scrape_classic_histograms: true",
        "scrape_classic_histograms: true",
        "scrape_failure_log_file: /a",
        "native_histogram_bucket_limit: 5",
        "metric_name_validation_scheme: legacy",
        "scrape_protocols: [PrometheusProto]",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        bad_job(keys[i], "known but not supported yet");
    }
    bad_job("enable_http2: false", "cannot be turned off yet");
    static const char *const outer[] = {
        "target_allocator: {endpoint: x}",
        "api_server: {enabled: true}",
        "use_start_time_metric: true",
        "start_time_metric_regex: x",
        "config: {rule_files: [a], scrape_configs: [{job_name: a}]}",
        "config: {remote_write: [{url: a}], scrape_configs: [{job_name: a}]}",
        "config: {global: {query_log_file: a}, scrape_configs: [{job_name: a}]}",
    };
    for (size_t i = 0; i < COUNT_OF(outer); i++) {
        char yaml[256];
        bool has_config = strncmp(outer[i], "config", 6) == 0;
        (void)snprintf(yaml, sizeof(yaml), "%s\n%s", outer[i],
                       has_config ? "" : "config: {scrape_configs: [{job_name: a}]}\n");
        bad(yaml, "known but not supported yet");
    }
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    const char *yaml = "config: {scrape_configs: [{job_name: a,"
                       "static_configs: [{targets: ['a:1']}],"
                       "relabel_configs: [{target_label: b, replacement: c}]}]}\n";
    for (uint64_t nth = 1; nth < 50; nth++) {
        int err = read_text(yaml, nth);
        close_text();
        if (err == 0) {
            assert_true(nth > 2);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

/* --- targets ---------------------------------------------------------------------------------- */

static struct arena arena;
static struct prom_endpoint endpoint;
static const char *why;

static enum prom_endpoint_state make(const char *keys)
{
    const struct prom_job *job = good_job(keys);
    assert_int_equal(arena_init(&arena, 4096, 1024 * 1024), 0);
    return prom_endpoint_make(job, job->groups.first, 0, &arena, &endpoint, &why);
}

static void end(void)
{
    arena_fini(&arena);
    close_text();
}

static void check_url(const char *keys, const char *url)
{
    assert_int_equal(make(keys), PROM_ENDPOINT_MADE);
    assert_string_equal(endpoint.url, url);
    end();
}

static void check_label(uint32_t index, const char *name, const char *value)
{
    assert_true(index < endpoint.label_count);
    assert_true(slice_is_text(endpoint.labels[index].name, name));
    assert_true(slice_is_text(endpoint.labels[index].value, value));
}

static void test_target_has_job_and_instance(void **state)
{
    (void)state;
    assert_int_equal(make("static_configs: [{targets: ['h:1'], labels: {site: x, none: ''}}]"),
                     PROM_ENDPOINT_MADE);
    assert_string_equal(endpoint.url, "http://h:1/metrics");
    assert_true(slice_is_text(endpoint.scheme, "http"));
    assert_int_equal(endpoint.interval_ns, 60 * S);
    assert_int_equal(endpoint.timeout_ns, 10 * S);
    assert_int_equal(endpoint.label_count, 3);
    check_label(0, "instance", "h:1");
    check_label(1, "job", "a");
    check_label(2, "site", "x");
    end();
}

static void test_labels_of_a_group_come_before_the_job(void **state)
{
    (void)state;
    assert_int_equal(
        make("static_configs: [{targets: ['h:1'], labels: {job: mine, instance: i,"
             "__scheme__: https, __metrics_path__: /m, __scrape_interval__: 7s,"
             "__scrape_timeout__: 3s, __param_a: b, __meta_x: y, __tmp: z, __address__: no}}]"),
        PROM_ENDPOINT_MADE);
    assert_string_equal(endpoint.url, "https://h:1/m?a=b");
    assert_int_equal(endpoint.interval_ns, 7 * S);
    assert_int_equal(endpoint.timeout_ns, 3 * S);
    assert_int_equal(endpoint.label_count, 2);
    check_label(0, "instance", "i");
    check_label(1, "job", "mine");
    end();
}

/* What an observer of ECS writes, and what its users make of it. */
static void test_rules_make_the_target(void **state)
{
    (void)state;
    assert_int_equal(
        make("static_configs: [{targets: ['10.0.0.1:32768'], labels: {"
             "__meta_ecs_cluster_name: c1, __meta_ecs_container_labels_app: web,"
             "__meta_ecs_port: '9901'}}],"
             "relabel_configs: ["
             "{source_labels: [__meta_ecs_cluster_name], action: replace,"
             "  target_label: ClusterName},"
             "{action: labelmap, regex: '__meta_ecs_container_labels_(.+)',"
             "  replacement: 'container_labels_$1'},"
             "{source_labels: [__address__, __meta_ecs_port], regex: '([^:]+)(?::\\d+)?;(\\d+)',"
             "  replacement: '${1}:$2', target_label: __address__},"
             "{target_label: __scheme__, replacement: https},"
             "{target_label: __metrics_path__, replacement: /stats/prometheus}]"),
        PROM_ENDPOINT_MADE);
    assert_string_equal(endpoint.url, "https://10.0.0.1:9901/stats/prometheus");
    assert_int_equal(endpoint.label_count, 4);
    check_label(0, "ClusterName", "c1");
    check_label(1, "container_labels_app", "web");
    check_label(2, "instance", "10.0.0.1:9901");
    check_label(3, "job", "a");
    end();
}

static void test_rules_drop_targets(void **state)
{
    (void)state;
    assert_int_equal(make("static_configs: [{targets: ['h:1']}],"
                          "relabel_configs: [{action: drop, source_labels: [__address__],"
                          "regex: 'h:.*'}]"),
                     PROM_ENDPOINT_DROPPED);
    end();
}

static void test_urls_are_written_as_prometheus_does(void **state)
{
    (void)state;
    check_url("static_configs: [{targets: [h]}]", "http://h/metrics");
    check_url("scheme: https, static_configs: [{targets: ['[::1]']}]", "https://[::1]/metrics");
    check_url("metrics_path: m, static_configs: [{targets: [h]}]", "http://h/m");
    check_url("metrics_path: '/a b?c=d', static_configs: [{targets: [h]}]", "http://h/a%20b%3Fc=d");
    check_url("params: {z: ['1', 2 3], a: ['x&y=\xC3\xA9']}, static_configs: [{targets: [h]}]",
              "http://h/metrics?a=x%26y%3D%C3%A9&z=1&z=2%203");
    check_url("params: {z: ['1', '2']}, static_configs: [{targets: [h]}],"
              "relabel_configs: [{target_label: __param_z, replacement: n},"
              "{target_label: __param_b, replacement: m}]",
              "http://h/metrics?b=m&z=n&z=2");
    check_url("params: {z: ['1']}, static_configs: [{targets: [h]}],"
              "relabel_configs: [{action: labeldrop, regex: __param_z}]",
              "http://h/metrics?z=1");
}

/* A job's parameters are for targets that say none of their own, and never take one away. */
static void test_targets_parameters_come_before_the_jobs(void **state)
{
    (void)state;
    check_url("params: {module: [usual, more], z: ['1']},"
              "static_configs: [{targets: [h], labels: {__param_module: own}}]",
              "http://h/metrics?module=own&module=more&z=1");
    check_url("params: {module: ['']},"
              "static_configs: [{targets: [h], labels: {__param_module: own}}]",
              "http://h/metrics?module=own");
    check_url("params: {module: ['']}, static_configs: [{targets: [h]}]",
              "http://h/metrics?module=");
}

static void check_refused(const char *replacement, const char *label, const char *words)
{
    char keys[512];
    (void)snprintf(keys, sizeof(keys),
                   "static_configs: [{targets: ['h:1']}], relabel_configs: [{target_label: %s,"
                   "replacement: \"%s\"}]",
                   label, replacement);
    assert_int_equal(make(keys), PROM_ENDPOINT_BAD);
    assert_non_null(strstr(why, words));
    end();
}

static void test_labels_that_say_nothing_are_refused(void **state)
{
    (void)state;
    check_refused("", "__address__", "__address__");
    check_refused("a/b", "__address__", "__address__");
    check_refused("u:p@h", "__address__", "__address__");
    check_refused("h\\r\\nX: y", "__address__", "__address__");
    check_refused("h:port", "__address__", "__address__");
    check_refused("ftp", "__scheme__", "__scheme__");
    check_refused("", "__scheme__", "__scheme__");
    check_refused("0", "__scrape_interval__", "__scrape_interval__");
    check_refused("x", "__scrape_timeout__", "__scrape_timeout__");
    check_refused("2m", "__scrape_timeout__", "greater than");
}

/* Trying again would not help: not the same as a refusal of memory. */
static void test_what_never_fits_is_bad(void **state)
{
    (void)state;
    static char keys[4 * PROM_URL_MAX_BYTES];
    static char yaml[4 * PROM_URL_MAX_BYTES + 64];
    size_t len = (size_t)snprintf(keys, sizeof(keys),
                                  "static_configs: [{targets: [h]}],"
                                  "metrics_path: /");
    memset(keys + len, 'p', PROM_URL_MAX_BYTES);
    (void)snprintf(yaml, sizeof(yaml), "config: {scrape_configs: [{job_name: a, %s}]}\n", keys);
    const struct prom_job *job = good(yaml);
    assert_int_equal(arena_init(&arena, 65536, 1 << 20), 0);
    assert_int_equal(prom_endpoint_make(job, job->groups.first, 0, &arena, &endpoint, &why),
                     PROM_ENDPOINT_BAD);
    assert_non_null(strstr(why, "URL"));
    arena_fini(&arena);
    close_text();
    len = (size_t)snprintf(keys, sizeof(keys), "static_configs: [{targets: [h], labels: {");
    for (uint32_t i = 0; i < PROM_GROUP_LABELS_MAX; i++) {
        len += (size_t)snprintf(keys + len, sizeof(keys) - len, "l%u: v,", i);
    }
    (void)snprintf(keys + len, sizeof(keys) - len, "}}]");
    (void)snprintf(yaml, sizeof(yaml), "config: {scrape_configs: [{job_name: a, %s}]}\n", keys);
    job = good(yaml);
    assert_int_equal(arena_init(&arena, 65536, 1 << 20), 0);
    assert_int_equal(prom_endpoint_make(job, job->groups.first, 0, &arena, &endpoint, &why),
                     PROM_ENDPOINT_BAD);
    assert_non_null(strstr(why, "labels"));
    arena_fini(&arena);
    close_text();
}

static void test_small_arena_is_told(void **state)
{
    (void)state;
    const struct prom_job *job = good_job("static_configs: [{targets: ['h:1']}]");
    bool was_full = false;
    for (size_t max_bytes = 16; max_bytes < 2048; max_bytes += 16) {
        assert_int_equal(arena_init(&arena, 16, max_bytes), 0);
        enum prom_endpoint_state made =
            prom_endpoint_make(job, job->groups.first, 0, &arena, &endpoint, &why);
        arena_fini(&arena);
        was_full = was_full || made == PROM_ENDPOINT_NO_ROOM;
        assert_true(made == PROM_ENDPOINT_NO_ROOM || made == PROM_ENDPOINT_MADE);
    }
    assert_true(was_full);
    close_text();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_prometheus_own),
        cmocka_unit_test(test_jobs_fall_back_to_global),
        cmocka_unit_test(test_every_key_of_a_job_arrives),
        cmocka_unit_test(test_secrets_arrive),
        cmocka_unit_test(test_keys_of_the_collector_arrive),
        cmocka_unit_test(test_what_has_no_effect_is_said),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_what_is_not_there_yet_is_refused_by_name),
        cmocka_unit_test(test_refused_memory_is_told),
        cmocka_unit_test(test_target_has_job_and_instance),
        cmocka_unit_test(test_labels_of_a_group_come_before_the_job),
        cmocka_unit_test(test_rules_make_the_target),
        cmocka_unit_test(test_rules_drop_targets),
        cmocka_unit_test(test_urls_are_written_as_prometheus_does),
        cmocka_unit_test(test_targets_parameters_come_before_the_jobs),
        cmocka_unit_test(test_labels_that_say_nothing_are_refused),
        cmocka_unit_test(test_what_never_fits_is_bad),
        cmocka_unit_test(test_small_arena_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
