/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_asker — errands between a shard and the egress thread.
 */
#include "io/receivers/xray_asker.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/receivers/xray_proxy.h"

/* Content type, error type and request id of an answer; those that do not fit are left out. */
#define TEXTS_BYTES 384

/* One question on its way; in one hand at a time, the shard's or the egress thread's. */
struct xray_errand {
    struct xray_ask ask; /* its slices point into `bytes` and the body */
    struct xray_asker *asker;
    /* The shard's. */
    void *to;
    xray_reply_fn *reply;
    void *body_memory; /* owned */
    uint64_t charged_bytes;
    /* The egress thread's. */
    struct xray_errand *next;
    struct xray_errand *prev;
    /* The answer: written there, read here. */
    struct xray_told told;
    void *answer_memory; /* owned */
    uint64_t answer_charged_bytes;
    size_t texts_used;
    uint8_t texts[TEXTS_BYTES];
    uint8_t bytes[]; /* of the headers */
};

/* --- the shard -------------------------------------------------------------------------------- */

static struct xray_told told_of_trouble(void)
{
    return (struct xray_told){
        .status = 503,
        .content_type = SLICE_LITERAL("application/json"),
        .body = SLICE_LITERAL("{\"message\":\"the gateway cannot take this request now\"}"),
    };
}

static void refuse(struct xray_asker *asker, struct xray_question *question)
{
    void *nothing = NULL;
    const struct xray_told told = told_of_trouble();
    mem_free(question->body_memory);
    lease_give(asker->lease, question->charged_bytes);
    question->body_memory = NULL;
    question->reply(question->to, &told, &nothing);
}

static struct xray_errand *errand_new(struct xray_asker *asker,
                                      const struct xray_question *question)
{
    size_t len = 0;
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        len += question->headers[i].len;
    }
    struct xray_errand *errand = mem_alloc(sizeof(*errand) + len);
    if (errand == NULL) {
        return NULL;
    }
    bool is_for_rules = slice_is_text(question->path, "/GetSamplingRules");
    errand->asker = asker;
    errand->to = question->to;
    errand->reply = question->reply;
    errand->body_memory = question->body_memory;
    errand->charged_bytes = question->charged_bytes;
    errand->ask.method = SLICE_LITERAL("POST");
    errand->ask.path =
        is_for_rules ? SLICE_LITERAL("/GetSamplingRules") : SLICE_LITERAL("/SamplingTargets");
    errand->ask.body = slice_of(question->body_memory, question->body_len);
    uint8_t *copy = errand->bytes;
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        struct slice value = question->headers[i];
        if (value.len > 0) {
            memcpy(copy, value.ptr, value.len);
            errand->ask.headers[i] = slice_of(copy, value.len);
            copy += value.len;
        }
    }
    return errand;
}

void xray_asker_ask(struct xray_asker *asker, struct xray_question *question)
{
    /* Whatever a port lets in, nothing but sampling calls is ever signed. */
    ASSERT(xray_ask_is_sampling(SLICE_LITERAL("POST"), question->path, (struct slice){0}));
    bool has_room = asker->is_open && asker->out_count < XRAY_ASKS_MAX;
    struct xray_errand *errand = has_room ? errand_new(asker, question) : NULL;
    if (errand == NULL) {
        refuse(asker, question);
        return;
    }
    question->body_memory = NULL;
    asker->out_count++;
    void *message = errand;
    bool is_pushed = mailbox_try_push(&asker->asks, &message);
    ASSERT(is_pushed); /* it has room for all that may be out */
    worker_wake(asker->egress);
}

static void deliver(struct xray_asker *asker, struct xray_errand *errand)
{
    ASSERT(asker->out_count > 0);
    asker->out_count--;
    mem_free(errand->body_memory);
    lease_give(asker->lease, errand->charged_bytes + errand->answer_charged_bytes);
    errand->reply(errand->to, &errand->told, &errand->answer_memory);
    mem_free(errand->answer_memory);
    mem_free(errand);
}

void xray_asker_collect(struct xray_asker *asker)
{
    for (uint32_t i = 0; i < XRAY_ASKS_MAX; i++) {
        struct xray_errand *errand = mailbox_take(&asker->answers);
        if (errand == NULL) {
            return;
        }
        deliver(asker, errand);
    }
}

/* --- the egress thread ------------------------------------------------------------------------ */

static void send_home(struct xray_errand *errand)
{
    struct xray_asker *asker = errand->asker;
    if (errand->prev != NULL) {
        errand->prev->next = errand->next;
    } else {
        asker->taken = errand->next;
    }
    if (errand->next != NULL) {
        errand->next->prev = errand->prev;
    }
    void *message = errand;
    bool is_pushed = mailbox_try_push(&asker->answers, &message);
    ASSERT(is_pushed); /* as above */
    worker_wake(asker->worker);
}

static struct slice keep_text(struct xray_errand *errand, struct slice text)
{
    if (text.len == 0 || text.len > TEXTS_BYTES - errand->texts_used) {
        return (struct slice){0};
    }
    uint8_t *copy = errand->texts + errand->texts_used;
    memcpy(copy, text.ptr, text.len);
    errand->texts_used += text.len;
    return slice_of(copy, text.len);
}

/* False where there is no memory for the body. */
static bool keep_body(struct xray_errand *errand, struct slice body)
{
    struct lease lease = {.budget = errand->asker->memory};
    if (body.len == 0) {
        return true;
    }
    if (!lease_take(&lease, body.len)) {
        return false;
    }
    errand->answer_memory = mem_alloc(body.len);
    if (errand->answer_memory != NULL) {
        memcpy(errand->answer_memory, body.ptr, body.len);
        errand->told.body = slice_of(errand->answer_memory, body.len);
        errand->answer_charged_bytes = body.len;
    } else {
        lease_give(&lease, body.len);
    }
    lease_fini(&lease);
    return errand->answer_memory != NULL;
}

static void tell_errand(struct xray_ask *ask, const struct xray_told *told)
{
    struct xray_errand *errand = CONTAINER_OF(ask, struct xray_errand, ask);
    if (keep_body(errand, told->body)) {
        errand->told.status = told->status;
        errand->told.content_type = keep_text(errand, told->content_type);
        errand->told.error_type = keep_text(errand, told->error_type);
        errand->told.request_id = keep_text(errand, told->request_id);
    } else {
        errand->told = told_of_trouble();
    }
    send_home(errand);
}

static void tell_given_up(struct xray_errand *errand)
{
    errand->told = told_of_trouble();
    send_home(errand);
}

static struct xray_errand *take(struct xray_asker *asker)
{
    struct xray_errand *errand = mailbox_take(&asker->asks);
    if (errand != NULL) {
        errand->prev = NULL;
        errand->next = asker->taken;
        if (errand->next != NULL) {
            errand->next->prev = errand;
        }
        asker->taken = errand;
    }
    return errand;
}

/* All that has come, to the proxy of now; who has none to ask is told so. */
static void take_all(struct xray_askers *askers)
{
    for (uint32_t i = 0; i < askers->count; i++) {
        struct xray_errand *errand = take(&askers->all[i]);
        while (errand != NULL) {
            errand->ask.tell = tell_errand;
            if (askers->proxy != NULL) {
                xray_proxy_ask(askers->proxy, &errand->ask);
            } else {
                tell_given_up(errand);
            }
            errand = take(&askers->all[i]);
        }
    }
}

static bool askers_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    take_all(CONTAINER_OF(hook, struct xray_askers, hook));
    return false;
}

struct askers_call {
    struct xray_askers *askers;
    struct xray_proxy *proxy;
};

static void connect_on_egress(struct worker *worker, void *argument)
{
    const struct askers_call *call = argument;
    struct xray_askers *askers = call->askers;
    take_all(askers);
    askers->proxy = call->proxy;
    if (!askers->is_hooked && call->proxy != NULL) {
        askers->hook = (struct worker_hook){.on_turn = askers_on_turn};
        worker_add_hook(worker, &askers->hook);
        askers->is_hooked = true;
    }
}

static void give_up_on_egress(struct worker *worker, void *argument)
{
    struct xray_askers *askers = argument;
    askers->proxy = NULL;
    take_all(askers);
    for (uint32_t i = 0; i < askers->count; i++) {
        while (askers->all[i].taken != NULL) {
            struct xray_errand *errand = askers->all[i].taken;
            xray_proxy_forget(&errand->ask);
            tell_given_up(errand);
        }
    }
    if (askers->is_hooked) {
        worker_remove_hook(worker, &askers->hook);
        askers->is_hooked = false;
    }
}

/* --- main thread ------------------------------------------------------------------------------ */

int xray_askers_init(struct xray_askers *askers, uint32_t count, struct worker *egress)
{
    *askers = (struct xray_askers){.egress = egress};
    askers->all = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, count * sizeof(askers->all[0]));
    if (askers->all == NULL) {
        return -ENOMEM;
    }
    askers->count = count;
    return 0;
}

int xray_asker_init(struct xray_asker *asker)
{
    int err = mailbox_init(&asker->asks, XRAY_ASKS_MAX);
    return err == 0 ? mailbox_init(&asker->answers, XRAY_ASKS_MAX) : err;
}

void xray_askers_connect(struct xray_askers *askers, struct xray_proxy *proxy)
{
    struct askers_call call = {.askers = askers, .proxy = proxy};
    if (askers->egress != NULL) {
        worker_call(askers->egress, &call, connect_on_egress);
    }
}

void xray_askers_give_up(struct xray_askers *askers)
{
    if (askers->egress != NULL) {
        worker_call(askers->egress, askers, give_up_on_egress);
    }
}

void xray_askers_fini(struct xray_askers *askers)
{
    for (uint32_t i = 0; i < askers->count; i++) {
        struct xray_asker *asker = &askers->all[i];
        ASSERT(asker->out_count == 0);
        mailbox_fini(&asker->asks);
        mailbox_fini(&asker->answers);
    }
    mem_free(askers->all);
    *askers = (struct xray_askers){0};
}
