/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_asker: two shards and an egress thread, a real proxy on it, a scripted server as
 * AWS; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/receivers/xray_asker.h"
#include "io/receivers/xray_config.h"
#include "io/receivers/xray_proxy_port.h"
#include "tests/support/http_stub.h"

#define SHARDS 2
#define BUDGET (UINT64_C(16) * 1024 * 1024)
#define RULES SLICE_LITERAL("/GetSamplingRules")
#define TARGETS SLICE_LITERAL("/SamplingTargets")
#define PATIENCE_MS 20000
#define LATE                                                                                       \
    {                                                                                              \
        .body = "late", .body_len = 4, .delay_ms = 300                                             \
    }
#define NEVER                                                                                      \
    {                                                                                              \
        .delay_ms = 60000                                                                          \
    }

/* What the shards were told; added up by them, read by the test between calls. */
struct answers {
    _Atomic uint32_t count;
    _Atomic uint32_t status_counts[600];
    char body[64]; /* of the last, under the lock, as the others */
    char type[64];
    char request_id[64];
};

struct shard {
    struct worker worker;
    struct worker_hook hook;
    struct xray_asker *asker;
    struct lease lease;
};

static struct shard shards[SHARDS];
static struct worker egress;
static struct budget memory;
static struct receiver_home home;
static struct xray_askers askers;
static struct xray_proxy_config config;
static struct xray_proxy_port ports[2];
static struct http_stub aws;
static struct answers answers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- threads ---------------------------------------------------------------------------------- */

static bool shard_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    xray_asker_collect(CONTAINER_OF(hook, struct shard, hook)->asker);
    return false;
}

static void add_hook(struct worker *worker, void *argument)
{
    struct shard *shard = argument;
    shard->hook.on_turn = shard_on_turn;
    shard->asker->is_open = true;
    worker_add_hook(worker, &shard->hook);
}

static void remove_hook(struct worker *worker, void *argument)
{
    struct shard *shard = argument;
    worker_remove_hook(worker, &shard->hook);
    lease_fini(&shard->lease);
}

static void start_worker(struct worker *worker, const char *name, uint32_t id)
{
    const struct worker_options options = {
        .name = name, .id = id, .loop = {.backend = loop_fixture_backend}, .cpu = -1};
    assert_int_equal(worker_start(worker, &options), 0);
}

static void open_port(uint32_t index)
{
    memset(&ports[index], 0, sizeof(ports[index]));
    assert_int_equal(xray_proxy_port_bind(&ports[index], "awsxray", &config, &home), 0);
    assert_int_equal(xray_proxy_port_start(&ports[index]), 0);
}

static void start(const struct http_stub_answer *script, size_t script_len)
{
    static const char *const names[SHARDS] = {"shard-0", "shard-1"};
    memset(&answers, 0, sizeof(answers));
    http_stub_start(&aws, &(struct http_stub_options){.script = script, .script_len = script_len});
    budget_init(&memory, BUDGET);
    start_worker(&egress, "egress-0", 0);
    home = (struct receiver_home){.egress = &egress, .memory = &memory};
    config = (struct xray_proxy_config){
        .endpoint = {.text = "127.0.0.1:0", .host = "127.0.0.1"},
        .region = "us-east-1",
        .aws_endpoint = aws.url,
        .proxy_address = "",
        .role_arn = "",
        .service_name = "xray",
        .rules_cache_ns = 10 * CLOCK_NS_PER_S,
    };
    assert_int_equal(xray_askers_init(&askers, SHARDS, &egress), 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        memset(&shards[i], 0, sizeof(shards[i]));
        start_worker(&shards[i].worker, names[i], i);
        shards[i].lease.budget = &memory;
        shards[i].asker = &askers.all[i];
        shards[i].asker->worker = &shards[i].worker;
        shards[i].asker->egress = &egress;
        shards[i].asker->memory = &memory;
        shards[i].asker->lease = &shards[i].lease;
        assert_int_equal(xray_asker_init(shards[i].asker), 0);
        worker_call(&shards[i].worker, &shards[i], add_hook);
    }
    open_port(0);
    xray_askers_connect(&askers, &ports[0].proxy);
}

#define START(script) start((script), COUNT_OF(script))

static void await_answers(uint32_t count)
{
    for (int i = 0; i < PATIENCE_MS && answers.count < count; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(answers.count, count);
}

static void await_requests(size_t count)
{
    for (int i = 0; i < PATIENCE_MS && http_stub_request_count(&aws) < count; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(http_stub_request_count(&aws), count);
}

static void await_done(const struct xray_proxy_port *port)
{
    for (int i = 0; i < PATIENCE_MS && !xray_proxy_port_is_done(port); i++) {
        (void)usleep(1000);
    }
    assert_true(xray_proxy_port_is_done(port));
}

static void collect_the_last(struct worker *worker, void *argument)
{
    (void)worker;
    struct shard *shard = argument;
    xray_asker_collect(shard->asker);
    assert_int_equal(shard->asker->out_count, 0);
}

static void finish(void)
{
    xray_askers_connect(&askers, NULL);
    xray_askers_give_up(&askers);
    for (uint32_t i = 0; i < SHARDS; i++) {
        worker_call(&shards[i].worker, &shards[i], collect_the_last);
        worker_call(&shards[i].worker, &shards[i], remove_hook);
        worker_stop(&shards[i].worker);
    }
    xray_askers_fini(&askers);
    xray_askers_fini(&askers);
    xray_proxy_port_stop(&ports[0]);
    xray_proxy_port_stop(&ports[1]);
    worker_stop(&egress);
    http_stub_stop(&aws);
    assert_int_equal(budget_leased(&memory), 0);
}

/* --- asking ----------------------------------------------------------------------------------- */

struct ask_call {
    struct shard *shard;
    struct slice path;
    const char *body;
    uint32_t count;
    uint64_t fail_nth;
};

static void copy_text(char *target, size_t cap, struct slice text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    memcpy(target, len > 0 ? text.ptr : (const uint8_t *)"", len);
    target[len] = '\0';
}

static void reply(void *to, const struct xray_told *told, void **body_memory)
{
    struct answers *own = to;
    assert_int_equal(*body_memory != NULL && told->body.ptr != *body_memory, 0);
    (void)pthread_mutex_lock(&lock);
    copy_text(own->body, sizeof(own->body), told->body);
    copy_text(own->type, sizeof(own->type), told->content_type);
    copy_text(own->request_id, sizeof(own->request_id), told->request_id);
    (void)pthread_mutex_unlock(&lock);
    own->status_counts[told->status]++;
    own->count++;
}

static void ask_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct ask_call *call = argument;
    size_t len = strlen(call->body);
    for (uint32_t i = 0; i < call->count; i++) {
        struct xray_question question = {
            .path = call->path,
            .headers = {[XRAY_ASK_CONTENT_TYPE] = SLICE_LITERAL("application/json")},
            .body_memory = mem_copy_text(call->body, len),
            .body_len = len,
            .charged_bytes = len,
            .to = &answers,
            .reply = reply,
        };
        bool is_charged = lease_take(&call->shard->lease, len);
        ASSERT(is_charged);
        mem_fail_nth(call->fail_nth);
        xray_asker_ask(call->shard->asker, &question);
        mem_fail_nth(0);
        ASSERT(question.body_memory == NULL); /* moved in, whatever became of it */
    }
}

static void ask(uint32_t shard_index, struct slice path, const char *body, uint32_t count)
{
    struct ask_call call = {
        .shard = &shards[shard_index], .path = path, .body = body, .count = count};
    worker_call(&shards[shard_index].worker, &call, ask_on_shard);
}

static void set_open(struct worker *worker, void *argument)
{
    (void)worker;
    struct shard *shard = argument;
    shard->asker->is_open = !shard->asker->is_open;
}

static void expect_text(const char *field, const char *wanted)
{
    char text[64];
    (void)pthread_mutex_lock(&lock);
    memcpy(text, field, sizeof(text));
    (void)pthread_mutex_unlock(&lock);
    assert_string_equal(text, wanted);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_a_question_crosses_and_its_answer_comes_home(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.headers = "Content-Type: application/json\r\nX-Amzn-RequestId: r-1\r\n",
         .body = "{\"a\":1}",
         .body_len = 7}};
    START(script);
    ask(0, TARGETS, "{\"b\":2}", 1);
    await_answers(1);
    assert_int_equal(answers.status_counts[200], 1);
    expect_text(answers.body, "{\"a\":1}");
    expect_text(answers.type, "application/json");
    expect_text(answers.request_id, "r-1");
    const struct http_stub_request *request = http_stub_request(&aws, 0);
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->target, "/SamplingTargets");
    assert_true(slice_is_text(slice_of(request->body, request->body_len), "{\"b\":2}"));
    assert_true(slice_is_text(http_stub_header(request, "Content-Type"), "application/json"));
    finish();
}

static void test_all_shards_share_one_call(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {LATE};
    START(script);
    ask(0, RULES, "{}", 20);
    ask(1, RULES, "{}", 20);
    await_answers(40);
    assert_int_equal(answers.status_counts[200], 40);
    assert_int_equal(http_stub_request_count(&aws), 1);
    assert_int_equal(counter_read(&ports[0].stats.proxy_answered), 1);
    assert_int_equal(counter_read(&ports[0].stats.proxy_cached), 39);
    finish();
}

static void test_another_proxy_takes_over_and_the_former_answers(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {
        {.body = "late", .body_len = 4, .is_held = true}, {.body = "new", .body_len = 3}};
    START(script);
    ask(0, RULES, "{}", 3);
    await_requests(1);
    open_port(1);
    xray_askers_connect(&askers, &ports[1].proxy);
    xray_proxy_port_drain(&ports[0]);
    ask(1, RULES, "{}", 1);
    await_answers(1);
    expect_text(answers.body, "new");
    assert_false(xray_proxy_port_is_done(&ports[0])); /* three still wait for it */
    http_stub_release(&aws);
    await_answers(4);
    expect_text(answers.body, "late");
    assert_int_equal(answers.status_counts[200], 4);
    await_done(&ports[0]);
    finish();
}

static void test_a_proxy_that_is_stopped_answers_what_it_has(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {NEVER};
    START(script);
    ask(0, RULES, "{}", 2);
    ask(1, TARGETS, "{}", 2);
    await_requests(3);
    xray_askers_connect(&askers, NULL);
    xray_proxy_port_stop(&ports[0]);
    await_answers(4);
    assert_int_equal(answers.status_counts[502], 4);
    finish();
}

static void test_what_is_given_up_is_answered_at_once(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {NEVER};
    START(script);
    ask(0, RULES, "{}", 2);
    ask(1, TARGETS, "{}", 2);
    await_requests(3);
    for (uint32_t i = 0; i < SHARDS; i++) {
        worker_call(&shards[i].worker, &shards[i], set_open);
    }
    xray_askers_give_up(&askers);
    await_answers(4);
    assert_int_equal(answers.status_counts[503], 4);
    assert_int_equal(counter_read(&ports[0].stats.proxy_failed), 4);
    xray_proxy_port_drain(&ports[0]); /* nobody waits for the calls any more */
    await_done(&ports[0]);
    finish();
}

static void test_who_cannot_ask_is_told_at_once(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {{.body = "good", .body_len = 4}};
    START(script);
    struct ask_call call = {
        .shard = &shards[0], .path = RULES, .body = "{}", .count = 1, .fail_nth = 1};
    worker_call(&shards[0].worker, &call, ask_on_shard);
    assert_int_equal(answers.status_counts[503], 1);
    worker_call(&shards[0].worker, &shards[0], set_open);
    ask(0, RULES, "{}", 1);
    assert_int_equal(answers.status_counts[503], 2);
    worker_call(&shards[0].worker, &shards[0], set_open);
    xray_askers_connect(&askers, NULL);
    ask(0, RULES, "{}", 1); /* it is taken by nobody's hand: there is a hook, and no proxy */
    await_answers(3);
    assert_int_equal(answers.status_counts[503], 3);
    xray_askers_connect(&askers, &ports[0].proxy);
    budget_set_max(&memory, 1);
    ask(0, RULES, "{}", 1); /* no room for the answer */
    await_answers(4);
    assert_int_equal(answers.status_counts[503], 4);
    budget_set_max(&memory, BUDGET);
    ask(0, RULES, "{}", 1);
    await_answers(5);
    assert_int_equal(answers.status_counts[200], 1);
    finish();
}

static void test_as_many_as_fit_and_one_more(void **state)
{
    (void)state;
    static const struct http_stub_answer script[] = {NEVER};
    START(script);
    ask(0, RULES, "{}", XRAY_ASKS_MAX);
    await_requests(1);
    assert_int_equal(answers.count, 0);
    ask(0, RULES, "{}", 1);
    assert_int_equal(answers.status_counts[503], 1);
    xray_proxy_port_stop(&ports[0]);
    await_answers(XRAY_ASKS_MAX + 1);
    assert_int_equal(answers.status_counts[502], XRAY_ASKS_MAX);
    ask(0, RULES, "{}", 1); /* the proxy is closed, and says so */
    await_answers(XRAY_ASKS_MAX + 2);
    assert_int_equal(answers.status_counts[503], 2);
    finish();
}

static void test_refused_memory_leaves_nothing(void **state)
{
    (void)state;
    int err = -1;
    for (uint64_t nth = 1; nth < 10 && err != 0; nth++) {
        struct xray_askers own = {0};
        mem_fail_nth(nth);
        err = xray_askers_init(&own, 1, NULL);
        err = err == 0 ? xray_asker_init(&own.all[0]) : err;
        mem_fail_nth(0);
        assert_true(nth > 3 || err == -ENOMEM);
        xray_askers_fini(&own);
    }
    assert_int_equal(err, 0);
}

#define TEST(name) cmocka_unit_test(test_##name)

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_crosses_and_its_answer_comes_home),
        TEST(all_shards_share_one_call),
        TEST(another_proxy_takes_over_and_the_former_answers),
        TEST(a_proxy_that_is_stopped_answers_what_it_has),
        TEST(what_is_given_up_is_answered_at_once),
        TEST(who_cannot_ask_is_told_at_once),
        TEST(as_many_as_fit_and_one_more),
        TEST(refused_memory_leaves_nothing),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return loop_fixture_main(run);
}
