/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/prom_scrape_receiver: scripted targets on loopback and a real egress
 * thread; what is asked, what becomes of every kind of answer, files that change, limits, closing
 * at any step, refused memory; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codecs/bytes.h"
#include "codecs/compress.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/receivers/prom_scrape_member.h"
#include "io/receivers/pull_receiver.h"
#include "tests/support/config_fixture.h"
#include "tests/support/http_stub.h"
#include "tests/support/prom_scrape_rig.h"

#define TEXT_TYPE "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
#define ANSWER(page)                                                                               \
    {                                                                                              \
        .headers = TEXT_TYPE, .body = (page), .body_len = sizeof(page) - 1                         \
    }

static struct prom_rig rig;
static struct http_stub stub;
static char folder[64];

static void start_stub(const struct http_stub_answer *script, size_t script_len)
{
    const struct http_stub_options options = {.script = script, .script_len = script_len};
    http_stub_start(&stub, &options);
}

/* One job every 200 ms, which a busy machine keeps, whose only target is the stub. */
static const char *job_text(const char *keys)
{
    static char yaml[4096];
    (void)snprintf(yaml, sizeof(yaml),
                   "config:\n"
                   "  global: {scrape_interval: 200ms}\n"
                   "  scrape_configs:\n"
                   "    - {job_name: a, %s%s static_configs: [{targets: ['127.0.0.1:%u']}]}\n",
                   keys, keys[0] != '\0' ? "," : "", stub.port);
    return yaml;
}

/* For scripts of which no answer may come too late: it would be missing in what is counted. */
#define PATIENT "scrape_interval: 600ms, scrape_timeout: 600ms"

static void start_job(const char *keys)
{
    prom_rig_start(&rig, loop_fixture_backend, job_text(keys));
}

static void close_all(void)
{
    prom_rig_close(&rig);
    http_stub_stop(&stub);
}

static void check_header(size_t index, const char *name, const char *value)
{
    struct slice found = http_stub_header(http_stub_request(&stub, index), name);
    if (!slice_is_text(found, value)) {
        print_error("%s: %.*s\n", name, (int)found.len, (const char *)found.ptr);
    }
    assert_true(slice_is_text(found, value));
}

static void await_requests(size_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (http_stub_request_count(&stub) < count && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(http_stub_request_count(&stub) >= count);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void test_page_becomes_points(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        ANSWER("# TYPE load gauge\nload{host=\"a\"} 1.5\n# TYPE hits_total counter\n"
               "hits_total 7\n"),
        ANSWER("# TYPE load gauge\nload{host=\"a\"} 2.5\n"),
    };
    start_stub(script, COUNT_OF(script));
    start_job(PATIENT);
    char instance[64];
    (void)snprintf(instance, sizeof(instance), "127.0.0.1:%u", stub.port);
    prom_rig_await_value(&rig, "load", instance, 2.5);
    prom_rig_await_end(&rig, "hits_total", instance, 1);
    assert_true(prom_rig_look(&rig, "hits_total", instance).value == 7);
    assert_true(prom_rig_look(&rig, "up", instance).value == 1);
    assert_int_equal(prom_rig_look(&rig, "load", instance).attr_count, 1);
    assert_int_equal(prom_rig_look(&rig, "scrape_body_size_bytes", NULL).point_count, 0);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 1);
    assert_true(PROM_RIG_COUNT(&rig, wire_bytes) > 50);
    close_all();
}

static void test_request_is_that_of_prometheus(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    start_stub(script, 1);
    start_job("metrics_path: /probe, params: {module: [http_2xx]}, scrape_timeout: 25ms,"
              "basic_auth: {username: me, password: 'open sesame'}");
    prom_rig_await_value(&rig, "a", NULL, 1);
    const struct http_stub_request *request = http_stub_request(&stub, 0);
    assert_string_equal(request->method, "GET");
    assert_string_equal(request->target, "/probe?module=http_2xx");
    check_header(0, "Accept",
                 "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                 "application/openmetrics-text;version=0.0.1;q=0.5,"
                 "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
    check_header(0, "Accept-Encoding", "gzip");
    check_header(0, "User-Agent", "weir/" WEIR_VERSION);
    check_header(0, "X-Prometheus-Scrape-Timeout-Seconds", "0.025");
    check_header(0, "Authorization", "Basic bWU6b3BlbiBzZXNhbWU=");
    close_all();
}

static void test_compression_can_be_off(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    start_stub(script, 1);
    start_job("enable_compression: false, authorization: {type: Token, credentials: t}");
    prom_rig_await_value(&rig, "a", NULL, 1);
    check_header(0, "Accept-Encoding", "identity");
    check_header(0, "Authorization", "Token t");
    close_all();
}

static void test_compressed_page_is_read(void **state)
{
    (void)state;
    static const char page[] = "packed 42\n";
    struct bytes packed;
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)page, .iov_len = sizeof(page) - 1};
    bytes_init(&packed, 4096);
    assert_int_equal(compress_iov(COMPRESS_GZIP, &piece, 1, &packed), 0);
    const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE "Content-Encoding: gzip\r\n",
         .body = packed.ptr,
         .body_len = packed.len},
    };
    start_stub(script, 1);
    start_job("");
    prom_rig_await_value(&rig, "packed", NULL, 42);
    close_all();
    bytes_fini(&packed);
}

static void test_fallback_format_counts_where_none_is_said(void **state)
{
    (void)state;
    static const char page[] = "# TYPE a counter\na_total 3\n# EOF\n";
    static const struct http_stub_answer script[] = {
        {.body = page, .body_len = sizeof(page) - 1},
    };
    start_stub(script, 1);
    start_job("fallback_scrape_protocol: OpenMetricsText1.0.0");
    prom_rig_await_value(&rig, "a_total", NULL, 3);
    close_all();
    start_stub(script, 1);
    start_job(""); /* text, where "# EOF" is a comment and a counter may have any name */
    prom_rig_await_value(&rig, "a_total", NULL, 3);
    close_all();
}

static void test_extra_metrics_are_sent_where_wanted(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    start_stub(script, 1);
    start_job("extra_scrape_metrics: true, sample_limit: 9");
    prom_rig_await_value(&rig, "scrape_sample_limit", NULL, 9);
    prom_rig_await_value(&rig, "scrape_body_size_bytes", NULL, 4);
    close_all();
}

/* --- failures --------------------------------------------------------------------------------- */

static void test_target_goes_down_and_comes_back(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        ANSWER("a 1\n"),
        {.status = 500},
        {.hangs_up = true},
        {.headers = TEXT_TYPE "Content-Encoding: gzip\r\n", .body = "no gzip", .body_len = 7},
        {.headers = TEXT_TYPE "Content-Encoding: rot13\r\n", .body = "n 1\n", .body_len = 4},
        ANSWER("a {\n"),
        ANSWER("a 2\n"),
    };
    start_stub(script, COUNT_OF(script));
    start_job(PATIENT);
    prom_rig_await_value(&rig, "a", NULL, 2);
    prom_rig_await_value(&rig, "up", NULL, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_status), 1);
    /* libcurl asks once more by itself where a kept connection ended unanswered. */
    assert_true(PROM_RIG_COUNT(&rig, scrapes_unreachable) <= 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_encoding), 2);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_bad_page), 1);
    assert_true(PROM_RIG_COUNT(&rig, scrapes_ok) >= 2);
    assert_int_equal(prom_rig_look(&rig, "a", NULL).end_count, 1);
    close_all();
}

static void test_nobody_listens(void **state)
{
    (void)state;
    int held_fd = http_stub_hold_port(&stub.port);
    start_job("");
    PROM_RIG_AWAIT(&rig, scrapes_unreachable, 3);
    assert_true(prom_rig_look(&rig, "up", NULL).value == 0);
    assert_true(prom_rig_look(&rig, "up", NULL).point_count >= 2);
    prom_rig_close(&rig);
    (void)close(held_fd);
}

static void test_slow_target_is_given_up(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE, .body = "a 1\n", .body_len = 4, .delay_ms = 300},
    };
    start_stub(script, 1);
    start_job("scrape_timeout: 30ms");
    PROM_RIG_AWAIT(&rig, scrapes_timeout, 2);
    assert_true(prom_rig_look(&rig, "up", NULL).value == 0);
    close_all();
}

static void test_page_at_the_limit_and_past_it(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        ANSWER("a 1234567890\n"), /* 13 bytes: met exactly is passed */
        ANSWER("a 123456789\n"),
    };
    start_stub(script, COUNT_OF(script));
    start_job(PATIENT ", body_size_limit: 13B");
    prom_rig_await_value(&rig, "a", NULL, 123456789);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_too_large), 1);
    close_all();
}

static void test_unpacked_page_past_the_limit(void **state)
{
    (void)state;
    static char page[100000];
    memset(page, '\n', sizeof(page));
    struct bytes packed;
    const struct iovec piece = {.iov_base = page, .iov_len = sizeof(page)};
    bytes_init(&packed, 4096);
    assert_int_equal(compress_iov(COMPRESS_GZIP, &piece, 1, &packed), 0);
    const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE "Content-Encoding: gzip\r\n",
         .body = packed.ptr,
         .body_len = packed.len},
    };
    start_stub(script, 1);
    start_job("body_size_limit: 50KB");
    PROM_RIG_AWAIT(&rig, scrapes_too_large, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_ok), 0);
    close_all();
    bytes_fini(&packed);
}

static void test_limits_of_samples_and_labels(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        ANSWER("a 1\nb 1\nc 1\n"),
        ANSWER("a{x=\"1\",y=\"2\",z=\"3\"} 1\n"),
        ANSWER("a 5\nb 1\n"),
    };
    start_stub(script, COUNT_OF(script));
    start_job(PATIENT ", sample_limit: 2, label_limit: 5");
    prom_rig_await_value(&rig, "a", NULL, 5);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_limit), 2);
    close_all();
}

static void test_too_many_targets_are_all_down(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    start_stub(script, 1);
    prom_rig_start(&rig, loop_fixture_backend,
                   "config: {scrape_configs: [{job_name: a, scrape_interval: 50ms, target_limit: 1,"
                   "static_configs: [{targets: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:2']}]}]}");
    PROM_RIG_AWAIT(&rig, scrapes_targets, 4);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrapes_unreachable), 0);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 2); /* who is named twice is one */
    assert_true(prom_rig_look(&rig, "up", "127.0.0.1:1").value == 0);
    close_all();
}

/* --- too much --------------------------------------------------------------------------------- */

static void start_many(uint32_t count, uint16_t port, const char *keys)
{
    prom_rig_start(&rig, loop_fixture_backend, prom_rig_many(count, port, keys));
}

static void test_more_targets_than_slots(void **state)
{
    (void)state;
    uint16_t port;
    int fd = prom_rig_listen(&port);
    start_many(PROM_SCRAPES_IN_FLIGHT_MAX + 44, port, "scrape_interval: 300ms");
    PROM_RIG_AWAIT(&rig, scrapes_timeout, PROM_SCRAPES_IN_FLIGHT_MAX + 44);
    PROM_RIG_AWAIT(&rig, scrapes_skipped, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), PROM_SCRAPES_IN_FLIGHT_MAX + 44);
    prom_rig_close(&rig); /* while some wait */
    (void)close(fd);
}

static void test_full_pipelines_hold_scrapes_back(void **state)
{
    (void)state;
    uint16_t nobody;
    int held_fd = http_stub_hold_port(&nobody);
    start_many(20, nobody, "scrape_interval: 20ms");
    prom_rig_set_room(&rig, 0);
    PROM_RIG_AWAIT(&rig, scrapes_skipped, 100);
    prom_rig_set_room(&rig, STUB_TAKEN_MAX);
    uint64_t count = PROM_RIG_COUNT(&rig, scrapes_unreachable);
    PROM_RIG_AWAIT(&rig, scrapes_unreachable, count + 100);
    assert_int_equal(PROM_RIG_COUNT(&rig, line_reasons[PULL_WHY_QUEUE_FULL]), 0);
    prom_rig_close(&rig);
    (void)close(held_fd);
}

static void test_memory_that_is_leased_out_fails_scrapes(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    start_stub(script, 1);
    prom_rig_prepare(&rig, loop_fixture_backend, job_text(""));
    budget_set_max(&rig.memory, 0);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    rig.receiver->ops->connect(rig.receiver, rig.list, 1);
    assert_int_equal(rig.receiver->ops->start(rig.receiver), 0);
    PROM_RIG_AWAIT(&rig, scrapes_memory, 1);
    assert_true(prom_rig_look(&rig, "up", NULL).value == 0);
    budget_set_max(&rig.memory, PROM_RIG_BUDGET);
    prom_rig_await_value(&rig, "a", NULL, 1);
    close_all();
}

/* --- redirects -------------------------------------------------------------------------------- */

static struct http_stub other;

static void start_other(const struct http_stub_answer *script)
{
    const struct http_stub_options options = {.script = script, .script_len = 1};
    http_stub_start(&other, &options);
}

static void test_redirects_are_followed_and_secrets_are_not(void **state)
{
    (void)state;
    static const struct http_stub_answer page = ANSWER("moved 9\n");
    char headers[128];
    start_other(&page);
    (void)snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%u/there\r\n", other.port);
    const struct http_stub_answer script[] = {
        {.status = 302, .headers = "Location: /here\r\n"},
        {.status = 307, .headers = headers},
    };
    start_stub(script, COUNT_OF(script));
    start_job(PATIENT ", bearer_token: secret");
    prom_rig_await_value(&rig, "moved", NULL, 9);
    assert_string_equal(http_stub_request(&stub, 1)->target, "/here");
    check_header(1, "Authorization", "Bearer secret");
    assert_string_equal(http_stub_request(&other, 0)->target, "/there");
    assert_int_equal(http_stub_header(http_stub_request(&other, 0), "Authorization").len, 0);
    close_all();
    http_stub_stop(&other);
}

static void test_circle_of_redirects_ends(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.status = 301, .headers = "Location: /again\r\n"},
    };
    start_stub(script, 1);
    start_job("scrape_interval: 3s, scrape_timeout: 3s");
    PROM_RIG_AWAIT(&rig, scrapes_status, 1);
    assert_int_equal(http_stub_request_count(&stub), 11);
    close_all();
}

static void test_redirects_are_not_followed_where_not_wanted(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.status = 301, .headers = "Location: /again\r\n"},
    };
    start_stub(script, 1);
    start_job("follow_redirects: false");
    PROM_RIG_AWAIT(&rig, scrapes_status, 2);
    assert_string_equal(http_stub_request(&stub, 1)->target, "/metrics");
    close_all();
}

/* --- files ------------------------------------------------------------------------------------ */

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-prom-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* As those who write such files do: whole, or not at all. */
static void write_file(const char *name, const char *text)
{
    char aside[160];
    (void)snprintf(aside, sizeof(aside), "%s/.new", folder);
    FILE *file = fopen(aside, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(aside, path_of(name)), 0);
}

static void remove_folder(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)unlink(path_of(names[i]));
    }
    assert_int_equal(rmdir(folder), 0);
}

static void start_files(const char *keys)
{
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml),
                   "config: {scrape_configs: [{job_name: a, scrape_interval: 500ms, %s"
                   "file_sd_configs: [{files: ['%s/*.json', '%s/b.yml'],"
                   "refresh_interval: 20ms}]}]}\n",
                   keys, folder, folder);
    prom_rig_start(&rig, loop_fixture_backend, yaml);
}

static void test_targets_come_and_go_with_their_files(void **state)
{
    (void)state;
    static const char *const names[] = {"a.json", "b.yml"};
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    char text[256];
    make_folder();
    start_stub(script, 1);
    start_files("relabel_configs: [{source_labels: [__meta_filepath], target_label: file}],");
    (void)usleep(60000);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 0);
    (void)snprintf(text, sizeof(text),
                   "[{\"targets\": [\"127.0.0.1:%u\"], \"labels\": {\"instance\": \"one\"}}]",
                   stub.port);
    write_file("a.json", text);
    prom_rig_await_value(&rig, "a", "one", 1);
    assert_int_equal(prom_rig_look(&rig, "a", "one").attr_count, 1); /* file */
    (void)snprintf(text, sizeof(text), "- targets: ['127.0.0.1:%u']\n  labels: {instance: two}\n",
                   stub.port);
    write_file("b.yml", text);
    prom_rig_await_value(&rig, "up", "two", 1);
    assert_int_equal(prom_rig_look(&rig, "up", "one").end_count, 0);
    write_file("a.json", "[{]");
    PROM_RIG_AWAIT(&rig, scrape_file_faults, 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 2); /* what was read last counts on */
    assert_int_equal(unlink(path_of("a.json")), 0);
    prom_rig_await_end(&rig, "a", "one", 1);
    prom_rig_await_end(&rig, "up", "one", 1);
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 1);
    close_all();
    remove_folder(names, COUNT_OF(names));
}

static void test_unchanged_targets_go_on_undisturbed(void **state)
{
    (void)state;
    static const char *const names[] = {"b.yml"};
    static const struct http_stub_answer script[] = {ANSWER("# TYPE a counter\na 5\n")};
    char text[256];
    make_folder();
    start_stub(script, 1);
    (void)snprintf(text, sizeof(text), "[{targets: ['127.0.0.1:%u']}]\n", stub.port);
    write_file("b.yml", text);
    start_files("");
    prom_rig_await_value(&rig, "a", NULL, 5);
    (void)snprintf(text, sizeof(text), "[{targets: ['127.0.0.1:1', '127.0.0.1:%u']}]\n", stub.port);
    write_file("b.yml", text);
    prom_rig_await_value(&rig, "up", "127.0.0.1:1", 0);
    assert_int_equal(prom_rig_look(&rig, "a", NULL).end_count, 0);
    close_all();
    remove_folder(names, COUNT_OF(names));
}

static void fail_nth(struct worker *worker, void *argument)
{
    (void)worker;
    mem_fail_nth(*(uint64_t *)argument);
}

static void await_no_target(void)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (PROM_RIG_COUNT(&rig, scrape_targets) > 0 && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_int_equal(PROM_RIG_COUNT(&rig, scrape_targets), 0);
}

/* Some of them are asked at the time, the others wait for their turn. */
static void test_targets_leave_while_they_are_asked_or_wait(void **state)
{
    (void)state;
    static const char *const names[] = {"b.yml"};
    static char text[32768];
    uint16_t port;
    int fd = prom_rig_listen(&port);
    size_t len = 0;
    for (uint32_t i = 0; i < PROM_SCRAPES_IN_FLIGHT_MAX + 44; i++) {
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len,
                             "- targets: ['127.0.0.1:%u']\n  labels: {__param_i: '%u'}\n", port, i);
    }
    make_folder();
    write_file("b.yml", text);
    start_files("");
    PROM_RIG_AWAIT(&rig, scrapes_skipped, 44);
    assert_int_equal(unlink(path_of("b.yml")), 0);
    await_no_target();
    /* One that leaves may make room for one that waits, and which is then asked itself. */
    assert_in_range(PROM_RIG_COUNT(&rig, scrapes_given_up), 1, PROM_SCRAPES_IN_FLIGHT_MAX + 44);
    prom_rig_close(&rig);
    (void)close(fd);
    remove_folder(names, COUNT_OF(names));
}

/* The steps from a list to its targets take fewer allocations than that, on either thread. */
#define LIST_ALLOCATIONS 16

/* A list comes and goes, while the thread that `refuse` chooses is refused its nth allocation. */
static void check_lists_survive_refused_memory(void (*refuse)(uint64_t nth))
{
    static const char *const names[] = {"b.yml"};
    start_files("");
    (void)usleep(60000); /* the first look found nothing; what follows is quiet but for the files */
    for (uint64_t nth = 1; nth < LIST_ALLOCATIONS; nth++) {
        refuse(nth);
        write_file("b.yml", "[{targets: ['127.0.0.1:1'], labels: {l: v}}]\n");
        PROM_RIG_AWAIT(&rig, scrape_targets, 1);
        assert_int_equal(unlink(path_of("b.yml")), 0);
        await_no_target();
        (void)usleep(20000);
    }
    refuse(0);
    prom_rig_close(&rig);
    remove_folder(names, COUNT_OF(names));
}

static void fail_on_egress(uint64_t nth)
{
    worker_call(&rig.egress, &nth, fail_nth);
}

static void test_targets_that_found_no_memory_come_later(void **state)
{
    (void)state;
    make_folder();
    check_lists_survive_refused_memory(fail_on_egress);
}

/* A job that makes the helper's thread fail. */
static struct {
    struct helper_job job;
    struct helper_port *port; /* the egress thread's */
    uint64_t nth;
    _Atomic uint64_t done_count;
} failing;

static void failing_work(struct helper_job *job)
{
    (void)job;
    mem_fail_nth(failing.nth);
}

static void failing_on_done(struct helper_job *job)
{
    (void)job;
    atomic_fetch_add(&failing.done_count, 1);
}

static void submit_failing(struct worker *worker, void *argument)
{
    static const struct helper_job_ops ops = {
        .work = failing_work, .on_done = failing_on_done, .discard = failing_on_done};
    struct helper_port *port = NULL;
    failing.job.ops = &ops;
    failing.nth = *(const uint64_t *)argument;
    int err = helper_port_open(worker->loop, &port);
    ASSERT(err == 0);
    failing.port = port;
    helper_submit(port, &failing.job);
}

static void close_port(struct worker *worker, void *argument)
{
    (void)worker;
    (void)argument;
    helper_port_close(failing.port);
}

static void fail_on_helper(uint64_t nth)
{
    uint64_t before = atomic_load(&failing.done_count);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    worker_call(&rig.egress, &nth, submit_failing);
    while (atomic_load(&failing.done_count) == before && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_int_equal(atomic_load(&failing.done_count), before + 1);
    worker_call(&rig.egress, NULL, close_port);
}

static void test_lists_that_found_no_memory_are_read_later(void **state)
{
    (void)state;
    make_folder();
    check_lists_survive_refused_memory(fail_on_helper);
}

static void test_secret_is_read_from_its_file(void **state)
{
    (void)state;
    static const char *const names[] = {"token"};
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    char keys[256];
    make_folder();
    start_stub(script, 1);
    (void)snprintf(keys, sizeof(keys), "authorization: {credentials_file: %s}", path_of("token"));
    start_job(keys);
    PROM_RIG_AWAIT(&rig, scrapes_secret, 1);
    assert_int_equal(http_stub_request_count(&stub), 0);
    prom_rig_close(&rig);
    write_file("token", "  first\n");
    start_job(keys);
    prom_rig_await_value(&rig, "a", NULL, 1);
    check_header(0, "Authorization", "Bearer first");
    close_all();
    remove_folder(names, COUNT_OF(names));
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_closing_at_every_step(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.headers = TEXT_TYPE, .body = "a 1\n", .body_len = 4, .delay_ms = 100},
    };
    start_stub(script, 1);
    prom_rig_prepare(&rig, loop_fixture_backend, job_text(""));
    prom_rig_close(&rig); /* never opened */

    prom_rig_prepare(&rig, loop_fixture_backend, job_text(""));
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    prom_rig_close(&rig); /* never started */

    start_job("");
    prom_rig_close(&rig); /* perhaps before the first scrape */

    start_job("");
    await_requests(1);
    prom_rig_close(&rig); /* while it is asked */
    http_stub_stop(&stub);
}

static void test_missing_file_of_tls_is_told(void **state)
{
    (void)state;
    prom_rig_prepare(&rig, loop_fixture_backend,
                     "config: {scrape_configs: [{job_name: a, tls_config: {ca_file: /nowhere}}]}");
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), -ENOENT);
    prom_rig_close(&rig);
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {ANSWER("a 1\n")};
    uint64_t none = 0;
    start_stub(script, 1);
    for (uint64_t nth = 1; nth < 100; nth++) {
        prom_rig_prepare(&rig, loop_fixture_backend, job_text("bearer_token: a"));
        worker_call(&rig.egress, &nth, fail_nth);
        int err = rig.receiver->ops->open(rig.receiver, &rig.home);
        worker_call(&rig.egress, &none, fail_nth);
        bool is_whole = err == 0 && PROM_RIG_COUNT(&rig, scrape_targets) == 1;
        assert_true(is_whole || err == -ENOMEM);
        prom_rig_close(&rig);
        if (is_whole && nth > 20) {
            http_stub_stop(&stub);
            return;
        }
    }
    fail();
}

static void test_reasons_have_labels(void **state)
{
    (void)state;
    prom_rig_prepare(&rig, loop_fixture_backend, "config: {scrape_configs: [{job_name: a}]}");
    uint32_t count = 0;
    while (rig.receiver->ops->line_reason(count) != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            assert_string_not_equal(rig.receiver->ops->line_reason(i),
                                    rig.receiver->ops->line_reason(count));
        }
        count++;
    }
    assert_true(count > 10 && count <= STATS_LINE_REASON_MAX);
    prom_rig_close(&rig);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_becomes_points),
        cmocka_unit_test(test_request_is_that_of_prometheus),
        cmocka_unit_test(test_compression_can_be_off),
        cmocka_unit_test(test_compressed_page_is_read),
        cmocka_unit_test(test_fallback_format_counts_where_none_is_said),
        cmocka_unit_test(test_extra_metrics_are_sent_where_wanted),
        cmocka_unit_test(test_target_goes_down_and_comes_back),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_slow_target_is_given_up),
        cmocka_unit_test(test_page_at_the_limit_and_past_it),
        cmocka_unit_test(test_unpacked_page_past_the_limit),
        cmocka_unit_test(test_limits_of_samples_and_labels),
        cmocka_unit_test(test_too_many_targets_are_all_down),
        cmocka_unit_test(test_more_targets_than_slots),
        cmocka_unit_test(test_full_pipelines_hold_scrapes_back),
        cmocka_unit_test(test_memory_that_is_leased_out_fails_scrapes),
        cmocka_unit_test(test_redirects_are_followed_and_secrets_are_not),
        cmocka_unit_test(test_circle_of_redirects_ends),
        cmocka_unit_test(test_redirects_are_not_followed_where_not_wanted),
        cmocka_unit_test(test_targets_come_and_go_with_their_files),
        cmocka_unit_test(test_unchanged_targets_go_on_undisturbed),
        cmocka_unit_test(test_targets_leave_while_they_are_asked_or_wait),
        cmocka_unit_test(test_targets_that_found_no_memory_come_later),
        cmocka_unit_test(test_lists_that_found_no_memory_are_read_later),
        cmocka_unit_test(test_secret_is_read_from_its_file),
        cmocka_unit_test(test_closing_at_every_step),
        cmocka_unit_test(test_missing_file_of_tls_is_told),
        cmocka_unit_test(test_refused_memory_is_told),
        cmocka_unit_test(test_reasons_have_labels),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
