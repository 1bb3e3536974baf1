/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signed_request — a request waits for region and credentials, goes out signed, and comes back as
 * an answer with a class.
 *
 * Calls are kept for the next request. What a call waits for wakes it from a later turn, so on_done
 * never runs inside a start.
 */
#include "io/aws/signed_request.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "io/aws/aws_error.h"
#include "io/aws/aws_hub.h"
#include "io/aws/aws_time.h"
#include "io/aws/signed_attempt.h"
#include "io/http_client.h"
#include "io/loop.h"

/* Calls kept for the next requests; about 34 KiB each. */
#define CALLS_KEPT_MAX 16
#define RETRY_AFTER_MAX_MS UINT64_C(86400000)

struct aws_call {
    struct aws_client *client;
    struct aws_request *request; /* borrowed while under way */
    struct http_request http;
    struct signed_attempt attempt;
    struct waiter waiter; /* for the region, then for credentials */
    struct timer patience;
    uint64_t generation; /* of the set the attempt is signed with */
    int64_t skew_s;      /* that it is signed with */
    bool is_expiry_repeated;
    bool is_skew_repeated;
    uint32_t repeat_count; /* by the HTTP client, in all attempts */
    struct aws_call *next;
    struct aws_call *prev;
};

struct aws_client {
    struct loop *loop; /* borrowed */
    struct aws_client_options options;
    struct aws_hub *hub;                /* acquired */
    struct aws_identity *identity;      /* acquired */
    struct credentials *credentials;    /* of the identity */
    struct region_discovery *discovery; /* of the hub */
    struct waiter region_waiter;        /* while no setting names the region */
    struct waiter credentials_waiter;   /* of an eager one */
    struct http_client *http;           /* owned */
    struct sigv4_signer signer;         /* owned */
    struct aws_endpoint_env endpoint_env;
    struct aws_endpoint endpoint; /* made with the region */
    struct aws_region region;
    bool has_endpoint;
    bool has_failed_log; /* the endpoint cannot be made, and that was said */
    int64_t skew_s;      /* theirs minus ours */
    struct aws_call *calls;
    struct aws_call *spare;
    uint32_t spare_count;
    struct aws_client_stats stats;
};

/* --- calls ------------------------------------------------------------------------------------ */

static void call_free(struct aws_call *call)
{
    signed_attempt_fini(&call->attempt);
    mem_free(call);
}

static struct aws_call *take_call(struct aws_client *client)
{
    struct aws_call *call = client->spare;
    if (call == NULL) {
        return mem_alloc(sizeof(*call));
    }
    client->spare = call->next;
    client->spare_count--;
    return call;
}

/* The call is under way no more; its request may be started again. */
static void give_back_call(struct aws_call *call)
{
    struct aws_client *client = call->client;
    waiter_remove(&call->waiter);
    loop_timer_cancel(client->loop, &call->patience);
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        client->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->request->call = NULL;
    call->request = NULL;
    if (client->spare_count >= CALLS_KEPT_MAX) {
        call_free(call);
        return;
    }
    call->prev = NULL;
    call->next = client->spare;
    client->spare = call;
    client->spare_count++;
}

static void finish(struct aws_call *call, const struct aws_answer *answer)
{
    struct aws_request *request = call->request;
    give_back_call(call);
    request->on_done(request, answer);
}

static void finish_unsent(struct aws_call *call, enum aws_outcome outcome, const char *why)
{
    const struct aws_answer answer = {
        .outcome = outcome, .fault_text = why, .repeat_count = call->repeat_count};
    finish(call, &answer);
}

/* --- region and endpoint ---------------------------------------------------------------------- */

/* 0; -EAGAIN while the region is not known; FAULT_CONFIG where there is no endpoint to be made. */
static int settle_endpoint(struct aws_client *client)
{
    const char *why = NULL;
    if (client->has_endpoint) {
        return 0;
    }
    if (client->region.text[0] == '\0') {
        const struct aws_region *found = region_discovery_current(client->discovery);
        if (found == NULL) {
            return -EAGAIN;
        }
        client->region = *found;
    }
    int err = aws_endpoint_resolve(&client->endpoint_env, slice_of_text(client->options.endpoint),
                                   slice_of_text(client->region.text),
                                   slice_of_text(client->options.service), &client->endpoint, &why);
    if (err != 0) {
        if (!client->has_failed_log) {
            log_error("aws_endpoint_invalid", LOG_TEXT("service", client->options.service),
                      LOG_TEXT("reason", why));
        }
        client->has_failed_log = true;
        return FAULT_CONFIG;
    }
    log_info("aws_endpoint", LOG_TEXT("service", client->options.service),
             LOG_TEXT("region", client->region.text), LOG_TEXT("url", client->endpoint.url),
             LOG_TEXT("origin", client->endpoint.origin));
    client->has_endpoint = true;
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

static uint64_t now_unix_s(const struct aws_client *client)
{
    return loop_now_unix_ns(client->loop) / CLOCK_NS_PER_S;
}

static uint64_t timeout_ms_of(const struct aws_call *call)
{
    return call->request->timeout_ms > 0 ? call->request->timeout_ms
                                         : call->client->options.timeout_ms;
}

/* 0, and the answer comes from a later turn; else nothing is under way. */
static int send_signed(struct aws_call *call, const struct credential_set *set)
{
    struct aws_client *client = call->client;
    call->skew_s = client->skew_s;
    const struct signed_terms terms = {
        .endpoint = &client->endpoint,
        .keys = &set->keys,
        .region = slice_of_text(client->region.text),
        .service = slice_of_text(client->options.service),
        .unix_s = (uint64_t)((int64_t)now_unix_s(client) + call->skew_s),
    };
    int err =
        signed_attempt_prepare(&call->attempt, &client->signer, call->request, &terms, &call->http);
    if (err != 0) {
        return err;
    }
    call->http.timeout_ms = timeout_ms_of(call);
    call->http.response_max_bytes = call->request->response_max_bytes;
    err = http_client_start(client->http, &call->http);
    client->stats.attempt_count += err == 0 ? 1 : 0;
    return err;
}

/* Memory may be there again later; a request that cannot be signed never can. */
static void send_or_finish(struct aws_call *call, const struct credential_set *set)
{
    loop_timer_cancel(call->client->loop, &call->patience);
    int err = send_signed(call, set);
    if (err != 0) {
        bool is_ours = err == FAULT_MALFORMED || err == FAULT_LIMIT;
        finish_unsent(call, is_ours ? AWS_PERMANENT : AWS_TRANSIENT, fault_text(err));
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_patience_over(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct aws_call *call = CONTAINER_OF(timer, struct aws_call, patience);
    finish_unsent(call, AWS_NO_CREDENTIALS, "no credentials came in time");
}

static void finish_without_credentials(struct aws_call *call)
{
    const char *why = credentials_why(call->client->credentials);
    finish_unsent(call, AWS_NO_CREDENTIALS, why[0] != '\0' ? why : "there are no credentials");
}

static void on_credentials(struct waiter *waiter)
{
    struct aws_call *call = CONTAINER_OF(waiter, struct aws_call, waiter);
    const struct credential_set *set =
        credentials_current(call->client->credentials, &call->generation);
    if (set == NULL) {
        finish_without_credentials(call);
        return;
    }
    send_or_finish(call, set);
}

static void wait_for_credentials(struct aws_call *call)
{
    call->waiter.on_ready = on_credentials;
    credentials_wait(call->client->credentials, &call->waiter);
}

static void on_region(struct waiter *waiter)
{
    struct aws_call *call = CONTAINER_OF(waiter, struct aws_call, waiter);
    struct aws_client *client = call->client;
    int err = settle_endpoint(client);
    if (err != 0) {
        finish_unsent(call, err == -EAGAIN ? AWS_NO_CREDENTIALS : AWS_PERMANENT,
                      err == -EAGAIN ? client->discovery->why : "the endpoint cannot be made");
        return;
    }
    const struct credential_set *set = credentials_current(client->credentials, &call->generation);
    if (set == NULL) {
        wait_for_credentials(call);
        return;
    }
    send_or_finish(call, set);
}

static int arm_patience(struct aws_call *call)
{
    struct loop *loop = call->client->loop;
    call->patience.on_fire = on_patience_over;
    return loop_timer_arm(loop, &call->patience,
                          loop_now_mono_ns(loop) + timeout_ms_of(call) * CLOCK_NS_PER_MS);
}

/* As far as it goes now: sent, or waiting. On a failure it is neither. */
static int begin(struct aws_call *call)
{
    struct aws_client *client = call->client;
    int err = settle_endpoint(client);
    const struct credential_set *set = credentials_current(client->credentials, &call->generation);
    if (err == 0 && set != NULL) {
        return send_signed(call, set);
    }
    int armed = arm_patience(call);
    if (armed != 0) {
        return armed;
    }
    if (err == 0) {
        wait_for_credentials(call);
        return 0;
    }
    /* Where the endpoint cannot be made this only defers the answer. */
    call->waiter.on_ready = on_region;
    region_discovery_wait(client->discovery, &call->waiter);
    return 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Every answer tells the time over there. How far is the clock from what this attempt assumed? */
static int64_t learn_skew(struct aws_call *call, const struct http_result *result)
{
    struct aws_client *client = call->client;
    uint64_t theirs_unix_s = 0;
    if (aws_time_parse_http(result->headers[SIGNED_WANTED_DATE], &theirs_unix_s) != 0) {
        return 0;
    }
    client->skew_s = (int64_t)theirs_unix_s - (int64_t)now_unix_s(client);
    int64_t change_s = client->skew_s - call->skew_s;
    return change_s < 0 ? -change_s : change_s;
}

static bool is_skew(enum aws_error_class error_class, int64_t change_s)
{
    return (error_class == AWS_ERROR_SKEW && change_s > 0) ||
           (error_class == AWS_ERROR_SKEW_PERHAPS && change_s > AWS_SKEW_BLAMED_S);
}

/* True when the call goes on: repeated, or waiting to be. */
static bool try_repeat(struct aws_call *call, enum aws_error_class error_class, int64_t change_s)
{
    struct aws_client *client = call->client;
    if (is_skew(error_class, change_s) && !call->is_skew_repeated) {
        call->is_skew_repeated = true;
        const struct credential_set *set =
            credentials_current(client->credentials, &call->generation);
        client->stats.skew_count++;
        return set != NULL && send_signed(call, set) == 0;
    }
    if (error_class != AWS_ERROR_CREDENTIALS) {
        return false;
    }
    client->stats.expired_count++;
    if (!credentials_refuse(client->credentials, call->generation) || call->is_expiry_repeated ||
        arm_patience(call) != 0) {
        return false;
    }
    call->is_expiry_repeated = true;
    wait_for_credentials(call);
    return true;
}

static enum aws_outcome outcome_of(enum aws_error_class error_class)
{
    switch (error_class) {
    case AWS_ERROR_NONE:
        return AWS_OK;
    case AWS_ERROR_THROTTLE:
        return AWS_THROTTLED;
    case AWS_ERROR_TRANSIENT:
    case AWS_ERROR_SKEW:
        return AWS_TRANSIENT;
    case AWS_ERROR_CREDENTIALS:
        return AWS_NO_CREDENTIALS;
    case AWS_ERROR_SKEW_PERHAPS:
    case AWS_ERROR_PERMANENT:
        return AWS_PERMANENT;
    }
    return AWS_PERMANENT;
}

/* The longer of Retry-After and the service's own hint in milliseconds. */
static uint64_t retry_after_ms(const struct http_result *result)
{
    uint64_t hint_ms = 0;
    if (number_parse_u64(result->headers[SIGNED_WANTED_RETRY_AFTER], &hint_ms) != 0) {
        return result->retry_after_ms;
    }
    hint_ms = hint_ms < RETRY_AFTER_MAX_MS ? hint_ms : RETRY_AFTER_MAX_MS;
    return hint_ms > result->retry_after_ms ? hint_ms : result->retry_after_ms;
}

/* Failures before a connection stood: nothing of the request left this machine. */
static bool is_before_sending(int fault)
{
    return fault == -ECONNREFUSED || fault == -EHOSTUNREACH || fault == -ENETUNREACH ||
           fault == FAULT_MALFORMED;
}

static void take_failure(struct aws_call *call, const struct http_result *result)
{
    const struct aws_answer answer = {
        .outcome = AWS_TRANSIENT,
        .was_sent = call->repeat_count > 0 || !is_before_sending(result->fault),
        .repeat_count = call->repeat_count,
        .fault_text = result->fault_text,
    };
    call->client->stats.unanswered_count++;
    finish(call, &answer);
}

static void take_answer(struct aws_call *call, const struct http_result *result)
{
    struct aws_error error = {.code = ""};
    int64_t change_s = learn_skew(call, result);
    if (result->status / 100 != 2) {
        aws_error_read(result->headers[SIGNED_WANTED_ERROR_TYPE], result->body, &error);
    }
    enum aws_error_class error_class =
        aws_error_classify(result->status, slice_of_text(error.code));
    if (try_repeat(call, error_class, change_s)) {
        return;
    }
    const struct aws_answer answer = {
        .outcome = outcome_of(error_class),
        .status = result->status,
        .code = slice_of_text(error.code),
        .message = slice_of_text(error.message),
        .request_id = result->headers[SIGNED_WANTED_REQUEST_ID],
        .body = result->body,
        .content_type = result->content_type,
        .is_body_cut = result->is_body_cut,
        .retry_after_ms = retry_after_ms(result),
        .was_answered = true,
        .was_sent = true,
        .repeat_count = call->repeat_count,
        .fault_text = "",
    };
    finish(call, &answer);
}

static void call_on_done(struct http_request *http, const struct http_result *result)
{
    struct aws_call *call = CONTAINER_OF(http, struct aws_call, http);
    call->repeat_count += result->repeat_count;
    if (result->fault != 0) {
        take_failure(call, result);
        return;
    }
    take_answer(call, result);
}

/* --- public ----------------------------------------------------------------------------------- */

static int open_http(struct aws_client *client)
{
    const struct http_client_options as_sts = {
        .tls = {.ca_file = aws_hub_ca_file(client->hub),
                .insecure_skip_verify = client->options.insecure_skip_verify},
        .proxy_url = client->options.proxy_address,
    };
    const struct http_client_options *own = client->options.http;
    return http_client_open(client->loop, own != NULL ? own : &as_sts, &client->http);
}

static void on_found(struct waiter *waiter)
{
    (void)waiter; /* the search was begun early, so that who started weir hears of it early */
}

static int acquire_identity(struct aws_client *client)
{
    const char *sts_region = client->options.sts_region;
    bool has_sts_region = sts_region != NULL && sts_region[0] != '\0';
    const struct aws_identity_options options = {
        .role_arn = client->options.role_arn,
        .external_id = client->options.external_id,
        .session_name = client->options.session_name,
        .web_identity_token_file = client->options.web_identity_token_file,
        .region = has_sts_region ? sts_region : client->options.region,
        .proxy_address = client->options.proxy_address,
        .insecure_skip_verify = client->options.insecure_skip_verify,
    };
    int err = aws_hub_identity_acquire(client->hub, &options, &client->identity);
    if (err == 0) {
        client->credentials = aws_identity_credentials(client->identity);
    }
    if (err == 0 && client->options.is_eager) {
        client->credentials_waiter.on_ready = on_found;
        credentials_wait(client->credentials, &client->credentials_waiter);
    }
    return err;
}

/* The setting alone; the search for what is not set begins here. */
static int read_settings(struct aws_client *client)
{
    const struct aws_region_texts texts = {.setting = slice_of_text(client->options.region)};
    int err = aws_region_choose(&texts, &client->region);
    if (err == FAULT_MALFORMED) {
        log_error("aws_region_invalid", LOG_TEXT("region", client->options.region));
        return FAULT_CONFIG;
    }
    aws_endpoint_env_read(slice_of_text(client->options.service), &client->endpoint_env);
    /* A wrong endpoint is told at once, where the region needed for it is known. */
    err = settle_endpoint(client);
    if (err != -EAGAIN) {
        return err;
    }
    client->region_waiter.on_ready = on_found;
    region_discovery_wait(client->discovery, &client->region_waiter);
    return 0;
}

static int set_up(struct aws_client *client)
{
    int err = aws_hub_acquire(client->loop, &client->hub);
    if (err != 0) {
        return err;
    }
    client->discovery = aws_hub_region(client->hub, client->options.is_local_mode);
    err = read_settings(client);
    if (err == 0) {
        err = acquire_identity(client);
    }
    if (err == 0) {
        err = open_http(client);
    }
    return err == 0 ? sigv4_signer_init(&client->signer) : err;
}

int aws_client_open(struct loop *loop, const struct aws_client_options *options,
                    struct aws_client **out)
{
    ASSERT(options->service != NULL && options->service[0] != '\0');
    struct aws_client *client = mem_alloc(sizeof(*client));
    if (client == NULL) {
        return -ENOMEM;
    }
    *client = (struct aws_client){.loop = loop, .options = *options};
    if (client->options.timeout_ms == 0) {
        client->options.timeout_ms = AWS_TIMEOUT_DEFAULT_MS;
    }
    int err = set_up(client);
    if (err != 0) {
        aws_client_close(client);
        return err;
    }
    *out = client;
    return 0;
}

void aws_client_close(struct aws_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->calls != NULL) {
        aws_client_cancel(client, client->calls->request);
    }
    while (client->spare != NULL) {
        call_free(take_call(client));
    }
    http_client_close(client->http);
    waiter_remove(&client->region_waiter);
    waiter_remove(&client->credentials_waiter);
    if (client->hub != NULL) {
        aws_hub_identity_release(client->hub, client->identity);
    }
    aws_hub_release(client->hub);
    sigv4_signer_fini(&client->signer);
    mem_free(client);
}

int aws_client_start(struct aws_client *client, struct aws_request *request)
{
    ASSERT(request->call == NULL);
    ASSERT(request->on_done != NULL);
    int err = signed_attempt_check(request);
    if (err != 0) {
        return err;
    }
    struct aws_call *call = take_call(client);
    if (call == NULL) {
        return -ENOMEM;
    }
    *call = (struct aws_call){
        .client = client,
        .request = request,
        .attempt = call->attempt,
        .http.on_done = call_on_done,
        .next = client->calls,
    };
    if (call->next != NULL) {
        call->next->prev = call;
    }
    client->calls = call;
    request->call = call;
    err = begin(call);
    if (err != 0) {
        give_back_call(call);
    }
    return err;
}

void aws_client_cancel(struct aws_client *client, struct aws_request *request)
{
    struct aws_call *call = request->call;
    if (call == NULL) {
        return;
    }
    ASSERT(call->client == client);
    http_client_cancel(client->http, &call->http);
    give_back_call(call);
}

const char *aws_client_region(const struct aws_client *client)
{
    return client->region.text;
}

void aws_client_stats_read(const struct aws_client *client, struct aws_client_stats *out)
{
    *out = client->stats;
}
