/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client — calls: from the queue onto a link, their deadlines, and what is said in the end.
 *
 *     IDLE → WAITING → SENT → IDLE           answered, reset or lost
 *            WAITING ← SENT                  the peer did not look at it
 *            WAITING → FAILED → IDLE         no connection and no hope of one
 *                      SENT → EXPIRED → IDLE the deadline passed while the message was being sent
 */
#include "io/grpc_client.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/grpc_client_state.h"
#include "io/helper.h"
#include "io/io_bounds.h"
#include "io/resolve.h"

#define OWN_FIELDS_MAX 11
_Static_assert(GRPC_CLIENT_FIELDS_MAX + OWN_FIELDS_MAX <= H2_CLIENT_FIELDS_MAX,
               "metadata and our own fields fit one request");

/* --- lists ------------------------------------------------------------------------------------ */

static void list_push(struct grpc_call_list *list, struct grpc_client_call *call)
{
    call->next = NULL;
    call->previous = list->last;
    if (list->last != NULL) {
        list->last->next = call;
    } else {
        list->first = call;
    }
    list->last = call;
}

static void list_remove(struct grpc_call_list *list, struct grpc_client_call *call)
{
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        list->first = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    } else {
        list->last = call->previous;
    }
    call->next = NULL;
    call->previous = NULL;
}

static void leave_lists(struct grpc_client_call *call)
{
    if (call->state == GRPC_CALL_WAITING) {
        list_remove(&call->client->waiting, call);
    } else if (call->state == GRPC_CALL_FAILED) {
        list_remove(&call->client->failed, call);
    }
}

/* --- the end of a call ------------------------------------------------------------------------ */

static void finish(struct grpc_client_call *call, enum grpc_status status, struct slice text)
{
    struct grpc_answer answer = call->answer;
    struct grpc_client_result result = {
        .status = status,
        .text = text,
        .retry_delay_ns = answer.has_retry_info && answer.has_status ? answer.retry_delay_ns
                                                                     : GRPC_NO_RETRY_DELAY,
    };
    if (status == GRPC_OK && answer.is_message_done) {
        result.message = slice_of(answer.message.memory, answer.message.wire_bytes);
        result.is_compressed = answer.message.flag == 1;
        result.encoding = slice_of(answer.encoding, answer.encoding_len);
    }
    leave_lists(call);
    loop_timer_cancel(call->client->loop, &call->deadline);
    /* Its owner may start it anew from inside, so what was told must not stand in it. */
    call->answer = (struct grpc_answer){0};
    call->state = GRPC_CALL_IDLE;
    call->link = NULL;
    call->on_done(call, &result);
    grpc_answer_fini(&answer);
}

static void finish_expired(struct grpc_client_call *call)
{
    finish(call, GRPC_DEADLINE_EXCEEDED, SLICE_LITERAL("deadline exceeded"));
}

/* --- requests --------------------------------------------------------------------------------- */

static struct grpc_client_call *call_of(struct h2_request *request)
{
    return CONTAINER_OF(request, struct grpc_client_call, request);
}

static void request_on_field(struct h2_request *request, struct slice name, struct slice value)
{
    grpc_answer_take_field(&call_of(request)->answer, name, value);
}

static bool request_on_data(struct h2_request *request, struct slice bytes)
{
    return grpc_answer_take_body(&call_of(request)->answer, bytes);
}

static void wait_again(struct grpc_client_call *call)
{
    struct grpc_client *client = call->client;
    call->avoided_link_number = call->link->number;
    call->resend_count++;
    call->link = NULL;
    call->state = GRPC_CALL_WAITING;
    grpc_answer_fini(&call->answer);
    list_push(&client->waiting, call);
    grpc_client_kick(client);
}

static void request_on_end(struct h2_request *request, const struct h2_end *end)
{
    struct grpc_client_call *call = call_of(request);
    struct slice text;
    if (call->state == GRPC_CALL_EXPIRED && end->ending != H2_ENDED) {
        finish_expired(call);
        return;
    }
    if (end->ending == H2_UNSENT && call->resend_count < GRPC_CLIENT_RESENDS_MAX) {
        wait_again(call);
        return;
    }
    enum grpc_status status = grpc_answer_judge(&call->answer, end, &text);
    finish(call, status, text);
}

static const struct h2_request_ops request_ops = {
    .on_field = request_on_field,
    .on_data = request_on_data,
    .on_end = request_on_end,
};

static void add_field(struct h2_field *fields, size_t *count, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        fields[*count] =
            (struct h2_field){.name = slice_of_text(name), .value = slice_of_text(value)};
        (*count)++;
    }
}

/* Fills the fields of a request; returns how many. `timeout` takes the text of its deadline. */
static size_t make_fields(const struct grpc_client_call *call, struct h2_field *fields,
                          uint8_t timeout[GRPC_TIMEOUT_MAX_BYTES])
{
    const struct grpc_client_options *options = &call->client->options;
    size_t count = 0;
    add_field(fields, &count, ":method", "POST");
    add_field(fields, &count, ":scheme", options->tls != NULL ? "https" : "http");
    add_field(fields, &count, ":path", call->path);
    add_field(fields, &count, ":authority", options->authority);
    add_field(fields, &count, "te", "trailers");
    add_field(fields, &count, "content-type", "application/grpc");
    add_field(fields, &count, "user-agent", options->user_agent);
    add_field(fields, &count, "grpc-encoding", call->encoding);
    add_field(fields, &count, "grpc-accept-encoding", options->accept_encoding);
    if (call->deadline_mono_ns != UINT64_MAX) {
        uint64_t now_mono_ns = loop_now_mono_ns(call->client->loop);
        uint64_t left_ns =
            call->deadline_mono_ns > now_mono_ns ? call->deadline_mono_ns - now_mono_ns : 1;
        size_t len = grpc_timeout_format(left_ns, timeout);
        fields[count++] = (struct h2_field){.name = SLICE_LITERAL("grpc-timeout"),
                                            .value = slice_of(timeout, len)};
    }
    if (call->credential.name.len > 0) {
        fields[count++] = call->credential;
    }
    ASSERT(count <= OWN_FIELDS_MAX);
    for (size_t i = 0; i < options->field_count; i++) {
        if (!slice_equal(options->fields[i].name, call->credential.name)) {
            fields[count++] = options->fields[i];
        }
    }
    return count;
}

static int send_on(struct grpc_client_call *call, struct grpc_link *link)
{
    struct h2_field fields[H2_CLIENT_FIELDS_MAX];
    uint8_t timeout[GRPC_TIMEOUT_MAX_BYTES];
    size_t count = make_fields(call, fields, timeout);
    call->answer.max_bytes = call->client->options.answer_max_bytes;
    call->request = (struct h2_request){
        .ops = &request_ops,
        .head = slice_of(call->prefix, sizeof(call->prefix)),
        .body = call->pieces,
        .body_count = call->piece_count,
    };
    return h2_client_start(link->h2, &call->request, fields, count);
}

/* --- onto a link ------------------------------------------------------------------------------ */

/* False where the call stays in the queue. */
static bool try_send(struct grpc_client_call *call)
{
    struct grpc_link *link = grpc_pool_pick(call->client, call->avoided_link_number);
    if (link == NULL) {
        return false;
    }
    list_remove(&call->client->waiting, call);
    if (send_on(call, link) == 0) {
        call->state = GRPC_CALL_SENT;
        call->link = link;
    } else {
        /* What is refused with room there is memory, which is as good as no connection. */
        call->state = GRPC_CALL_FAILED;
        list_push(&call->client->failed, call);
        grpc_client_kick(call->client);
    }
    return true;
}

static void fail_waiting(struct grpc_client *client)
{
    while (client->waiting.first != NULL) {
        struct grpc_client_call *call = client->waiting.first;
        list_remove(&client->waiting, call);
        call->state = GRPC_CALL_FAILED;
        list_push(&client->failed, call);
    }
    grpc_client_kick(client);
}

void grpc_client_dispatch(struct grpc_client *client)
{
    /* In order: where the first finds no room, nobody behind it does, but for what it avoids. */
    struct grpc_client_call *call = client->waiting.first;
    while (call != NULL) {
        struct grpc_client_call *next = call->next;
        bool is_picky = call->avoided_link_number != 0;
        if (!try_send(call) && !is_picky) {
            break;
        }
        call = next;
    }
    if (client->waiting.first != NULL && !client->options.waits_for_ready &&
        !grpc_pool_has_hope(client)) {
        fail_waiting(client);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

void grpc_client_arm(struct grpc_client *client)
{
    uint64_t due_mono_ns = client->is_kicked ? 0 : grpc_pool_next_mono_ns(client);
    int err = loop_timer_arm(client->loop, &client->timer, due_mono_ns);
    ASSERT(err == 0); /* it is armed or was just now, so the heap has its place */
}

void grpc_client_kick(struct grpc_client *client)
{
    if (!client->is_kicked) {
        client->is_kicked = true;
        grpc_client_arm(client);
    }
}

/* Those that failed before this turn; whoever is told may start anew, or give up others. */
static void tell_failed(struct grpc_client *client)
{
    size_t count = 0;
    for (const struct grpc_client_call *c = client->failed.first; c != NULL; c = c->next) {
        count++;
    }
    for (; count > 0 && client->failed.first != NULL; count--) {
        finish(client->failed.first, GRPC_UNAVAILABLE, slice_of_text(client->last_text));
    }
}

static void on_due(struct timer *timer, uint64_t now_mono_ns)
{
    struct grpc_client *client = CONTAINER_OF(timer, struct grpc_client, timer);
    client->is_kicked = false;
    grpc_client_arm(client);
    grpc_pool_tend(client, now_mono_ns);
    grpc_client_dispatch(client);
    grpc_client_arm(client);
    tell_failed(client);
}

static void call_on_deadline(struct timer *timer, uint64_t now_mono_ns)
{
    struct grpc_client_call *call = CONTAINER_OF(timer, struct grpc_client_call, deadline);
    struct grpc_client *client = call->client;
    if (call->state == GRPC_CALL_SENT && !h2_client_try_cancel(call->link->h2, &call->request)) {
        call->state = GRPC_CALL_EXPIRED;
        uint64_t given_up_mono_ns = now_mono_ns + GRPC_CLIENT_GRACE_MS * CLOCK_NS_PER_MS;
        if (loop_timer_arm(client->loop, &call->deadline, given_up_mono_ns) == 0) {
            return;
        }
    }
    if (call->state == GRPC_CALL_EXPIRED) {
        h2_client_drop(call->link->h2, &call->request);
    }
    finish_expired(call);
}

/* --- public ----------------------------------------------------------------------------------- */

static void set_defaults(struct grpc_client_options *options)
{
    if (options->connect_timeout_ns == 0) {
        options->connect_timeout_ns = GRPC_CLIENT_CONNECT_MS * CLOCK_NS_PER_MS;
    }
    if (options->backoff_ns == 0) {
        options->backoff_ns = GRPC_CLIENT_BACKOFF_MS * CLOCK_NS_PER_MS;
    }
    if (options->resolve_every_ns == 0) {
        options->resolve_every_ns = GRPC_CLIENT_RESOLVE_EVERY_MS * CLOCK_NS_PER_MS;
    }
    if (options->answer_max_bytes == 0) {
        options->answer_max_bytes = GRPC_CLIENT_ANSWER_MAX_BYTES;
    }
}

int grpc_client_open(struct loop *loop, const struct grpc_client_options *options,
                     struct grpc_client **out)
{
    ASSERT(options->field_count <= GRPC_CLIENT_FIELDS_MAX);
    struct grpc_client *client = mem_alloc(sizeof(*client));
    if (client == NULL) {
        return -ENOMEM;
    }
    *client = (struct grpc_client){
        .options = *options,
        .loop = loop,
        .timer.on_fire = on_due,
        .resolve_due_mono_ns = UINT64_MAX,
        .keepalive_time_ns = options->keepalive_time_ns,
        .random_state = options->seed,
        .last_text = "no connection",
    };
    set_defaults(&client->options);
    int err = grpc_pool_open(client);
    if (err == 0) {
        err = loop_timer_arm(loop, &client->timer, UINT64_MAX);
    }
    if (err != 0) {
        grpc_client_close(client);
        return err;
    }
    *out = client;
    return 0;
}

void grpc_client_close(struct grpc_client *client)
{
    if (client == NULL) {
        return;
    }
    ASSERT(client->waiting.first == NULL && client->failed.first == NULL);
    loop_timer_cancel(client->loop, &client->timer);
    resolve_cancel(client->resolve);
    helper_port_close(client->port);
    grpc_pool_close(client);
    mem_free(client);
}

int grpc_client_start(struct grpc_client *client, struct grpc_client_call *call)
{
    ASSERT(call->state == GRPC_CALL_IDLE);
    uint64_t bytes = 0;
    for (size_t i = 0; i < call->piece_count; i++) {
        bytes += call->pieces[i].iov_len;
    }
    if (bytes > UINT32_MAX) {
        return FAULT_LIMIT;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(client->loop);
    call->deadline = (struct timer){.on_fire = call_on_deadline};
    call->deadline_mono_ns = call->timeout_ns == 0 ? UINT64_MAX : now_mono_ns + call->timeout_ns;
    if (call->timeout_ns != 0 &&
        loop_timer_arm(client->loop, &call->deadline, call->deadline_mono_ns) != 0) {
        return -ENOMEM;
    }
    grpc_prefix_encode(call->prefix, call->encoding != NULL, (uint32_t)bytes);
    call->client = client;
    call->link = NULL;
    call->avoided_link_number = 0;
    call->resend_count = 0;
    call->answer = (struct grpc_answer){0};
    call->state = GRPC_CALL_WAITING;
    client->called_mono_ns = now_mono_ns;
    list_push(&client->waiting, call);
    if (client->waiting.first == call) {
        grpc_client_dispatch(client);
    }
    return 0;
}

void grpc_client_cancel(struct grpc_client_call *call)
{
    if (call->state == GRPC_CALL_IDLE) {
        return;
    }
    if (call->state == GRPC_CALL_SENT || call->state == GRPC_CALL_EXPIRED) {
        h2_client_drop(call->link->h2, &call->request);
    }
    leave_lists(call);
    loop_timer_cancel(call->client->loop, &call->deadline);
    grpc_answer_fini(&call->answer);
    call->link = NULL;
    call->state = GRPC_CALL_IDLE;
}

uint32_t grpc_client_link_count(const struct grpc_client *client)
{
    return client->link_count;
}

uint32_t grpc_client_peer_count(const struct grpc_client *client)
{
    return client->peer_count;
}
