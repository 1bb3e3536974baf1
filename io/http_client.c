/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client — transfers, sockets and the one timer of a curl multi handle.
 *
 * libcurl says which sockets to watch and when to call back; the loop does both and hands readiness
 * to curl_multi_socket_action. Finished transfers are collected after each such call, outside of
 * libcurl, so that callbacks may start and cancel requests. Settings of a transfer: http_call.c.
 */
#include "io/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/http_call.h"
#include "io/io_bounds.h"

/* A socket of libcurl's on the loop. Outlives the client by a turn, so it frees itself. */
struct http_poll {
    struct loop_poll poll;
    struct http_client *client; /* borrowed; NULL once stopped */
    struct http_poll *next;
    struct http_poll *prev;
};

struct http_client {
    struct loop *loop; /* borrowed */
    CURLM *multi;      /* owned */
    struct http_client_options options;
    struct timer timer;
    struct http_poll *polls; /* owned until stopped */
    struct http_call *calls; /* owned; under way */
    struct http_call *spare; /* owned; handles for the next requests */
    uint32_t spare_count;
    struct log_limit refusal_limit;
    bool is_dispatching;
    bool has_library;
};

/* --- calls ----------------------------------------------------------------------------------- */

static void link_call(struct http_client *client, struct http_call *call)
{
    call->prev = NULL;
    call->next = client->calls;
    if (call->next != NULL) {
        call->next->prev = call;
    }
    client->calls = call;
}

static void unlink_call(struct http_client *client, struct http_call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        client->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->next = NULL;
    call->prev = NULL;
}

static struct http_call *take_call(struct http_client *client)
{
    struct http_call *call = client->spare;
    if (call == NULL) {
        return http_call_new();
    }
    client->spare = call->next;
    client->spare_count--;
    call->next = NULL;
    return call;
}

static void give_back_call(struct http_client *client, struct http_call *call)
{
    if (client->spare_count >= HTTP_CALLS_KEPT_MAX) {
        http_call_free(call);
        return;
    }
    http_call_clear(call);
    call->next = client->spare;
    client->spare = call;
    client->spare_count++;
}

/* Takes the transfer out of libcurl; the call is the caller's then. */
static void detach_call(struct http_client *client, struct http_call *call)
{
    CURLMcode code = curl_multi_remove_handle(client->multi, call->easy);
    ASSERT(code == CURLM_OK);
    unlink_call(client, call);
    call->request->call = NULL;
}

static void finish_call(struct http_client *client, CURL *easy, CURLcode code)
{
    char *private_data = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data); /* set for every handle */
    struct http_call *call = (void *)private_data;
    struct http_result result;
    http_call_read_result(call, code, &result);
    struct http_request *request = call->request;
    detach_call(client, call);
    client->is_dispatching = true;
    request->on_done(request, &result);
    client->is_dispatching = false;
    give_back_call(client, call);
}

static void collect_finished(struct http_client *client)
{
    int left_count = 0;
    const CURLMsg *message = curl_multi_info_read(client->multi, &left_count);
    while (message != NULL) {
        if (message->msg == CURLMSG_DONE) {
            finish_call(client, message->easy_handle, message->data.result);
        }
        message = curl_multi_info_read(client->multi, &left_count);
    }
}

/* --- sockets and the timer -------------------------------------------------------------------- */

static void poll_on_ready(struct loop_poll *poll, uint32_t events)
{
    struct http_client *client = CONTAINER_OF(poll, struct http_poll, poll)->client;
    int bits = (events & LOOP_POLL_READ) != 0 ? CURL_CSELECT_IN : 0;
    bits |= (events & LOOP_POLL_WRITE) != 0 ? CURL_CSELECT_OUT : 0;
    bits |= (events & LOOP_POLL_ERROR) != 0 ? CURL_CSELECT_ERR : 0;
    int running_count = 0;
    /* What fails here fails in a transfer, which says so by itself. */
    (void)curl_multi_socket_action(client->multi, poll->fd, bits, &running_count);
    collect_finished(client);
}

static void poll_on_closed(struct loop_poll *poll)
{
    mem_free(CONTAINER_OF(poll, struct http_poll, poll));
}

static void poll_stop(struct http_client *client, struct http_poll *poll)
{
    if (poll->prev != NULL) {
        poll->prev->next = poll->next;
    } else {
        client->polls = poll->next;
    }
    if (poll->next != NULL) {
        poll->next->prev = poll->prev;
    }
    poll->client = NULL;
    loop_poll_stop(client->loop, &poll->poll);
}

static struct http_poll *poll_new(struct http_client *client, curl_socket_t fd)
{
    struct http_poll *poll = mem_alloc(sizeof(*poll));
    if (poll == NULL) {
        return NULL;
    }
    *poll = (struct http_poll){
        .poll = {.fd = fd, .on_ready = poll_on_ready, .on_closed = poll_on_closed},
        .client = client,
        .next = client->polls,
    };
    if (poll->next != NULL) {
        poll->next->prev = poll;
    }
    client->polls = poll;
    return poll;
}

/* A poll that the loop never took has no on_closed to wait for. */
static void poll_discard(struct http_client *client, struct http_poll *poll)
{
    bool was_taken = poll->poll.slot != NULL;
    poll_stop(client, poll);
    if (!was_taken) {
        mem_free(poll);
    }
}

/* The loop refused to watch or to call back: the request at hand runs into its timeout. */
static void note_refusal(struct http_client *client, int err)
{
    uint64_t suppressed_count = 0;
    uint64_t now_mono_ns = loop_now_mono_ns(client->loop);
    if (err != 0 && log_limit_admit(&client->refusal_limit, now_mono_ns, &suppressed_count)) {
        log_error("http_client_starved", LOG_FAULT("reason", err),
                  LOG_U64("suppressed", suppressed_count));
    }
}

/*
 * Always answers 0: anything else would end every transfer of the handle for good. A socket that
 * cannot be watched (no memory, too many sources) is left to the timeout of its request.
 */
static int client_on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner)
{
    (void)easy;
    struct http_client *client = owner;
    struct http_poll *poll = socket_owner;
    if (what == CURL_POLL_REMOVE) {
        if (poll != NULL) {
            (void)curl_multi_assign(client->multi, fd, NULL); /* fails when curl forgot it first */
            poll_discard(client, poll);
        }
        return 0;
    }
    if (poll == NULL) {
        poll = poll_new(client, fd);
        if (poll == NULL) {
            note_refusal(client, -ENOMEM);
            return 0;
        }
        (void)curl_multi_assign(client->multi, fd,
                                poll); /* the socket is known: curl just named it */
    }
    uint32_t events = (what & CURL_POLL_IN) != 0 ? LOOP_POLL_READ : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? LOOP_POLL_WRITE : 0;
    note_refusal(client, loop_poll_watch(client->loop, &poll->poll, events));
    return 0;
}

static void client_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct http_client *client = CONTAINER_OF(timer, struct http_client, timer);
    int running_count = 0;
    (void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running_count);
    collect_finished(client);
}

static int client_on_timeout(CURLM *multi, long timeout_ms, void *owner)
{
    (void)multi;
    struct http_client *client = owner;
    if (timeout_ms < 0) {
        loop_timer_cancel(client->loop, &client->timer);
        return 0;
    }
    uint64_t wait_ns = (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
    uint64_t deadline_mono_ns = loop_now_mono_ns(client->loop) + wait_ns;
    note_refusal(client, loop_timer_arm(client->loop, &client->timer, deadline_mono_ns));
    return 0;
}

/* --- public ---------------------------------------------------------------------------------- */

static int set_up_multi(struct http_client *client)
{
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        return -ENOMEM;
    }
    CURLMcode codes[] = {
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, client_on_socket),
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client),
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, client_on_timeout),
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client),
    };
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (codes[i] != CURLM_OK) {
            return FAULT_LIBRARY;
        }
    }
    return 0;
}

int http_client_open(struct loop *loop, const struct http_client_options *options,
                     struct http_client **out)
{
    struct http_client *client = mem_alloc(sizeof(*client));
    if (client == NULL) {
        return -ENOMEM;
    }
    *client = (struct http_client){
        .loop = loop,
        .options = *options,
        .timer.on_fire = client_on_timer,
    };
    /* Counted by libcurl, and safe from any thread since 7.84. */
    client->has_library = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    int err = client->has_library ? set_up_multi(client) : FAULT_LIBRARY;
    if (err != 0) {
        http_client_close(client);
        return err;
    }
    *out = client;
    return 0;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    ASSERT(!client->is_dispatching);
    while (client->calls != NULL) {
        http_client_cancel(client, client->calls->request);
    }
    while (client->spare != NULL) {
        http_call_free(take_call(client));
    }
    if (client->multi != NULL) {
        /* The sockets leave the loop while they are still open; then libcurl closes them. */
        (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, NULL);
        (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, NULL);
        while (client->polls != NULL) {
            poll_discard(client, client->polls);
        }
        (void)curl_multi_cleanup(client->multi); /* nothing is left that could be refused */
    }
    loop_timer_cancel(client->loop, &client->timer);
    if (client->has_library) {
        curl_global_cleanup();
    }
    mem_free(client);
}

int http_client_start(struct http_client *client, struct http_request *request)
{
    ASSERT(request->call == NULL);
    ASSERT(request->on_done != NULL);
    ASSERT(request->header_count <= HTTP_HEADERS_MAX);
    ASSERT(request->wanted_header_count <= HTTP_WANTED_HEADERS_MAX);
    struct http_call *call = take_call(client);
    if (call == NULL) {
        return -ENOMEM;
    }
    int err = http_call_prepare(call, &client->options, request);
    if (err == 0 && curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        err = FAULT_LIBRARY;
    }
    if (err != 0) {
        give_back_call(client, call);
        return err;
    }
    link_call(client, call);
    request->call = call;
    return 0;
}

void http_client_cancel(struct http_client *client, struct http_request *request)
{
    struct http_call *call = request->call;
    if (call == NULL) {
        return;
    }
    detach_call(client, call);
    give_back_call(client, call);
}
