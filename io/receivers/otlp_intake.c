/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_intake — bodies in, parts out, one answer each.
 */
#include "io/receivers/otlp_intake.h"

#include <errno.h>

#include "codecs/otlp_json.h"
#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_edit.h"
#include "core/otlp/otlp_normal.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/processors/shard_half.h"

#define SCRATCH_CHUNK_BYTES 4096
#define SCRATCH_MAX_BYTES (64 * 1024 * 1024)
/* What inflating is expected to need at first, in times of the packed size. */
#define INFLATE_GUESS 4
#define BUSY_TEXT "data refused due to high memory usage"
#define FULL_TEXT "the pipeline's queue is full"

/* A request whose answer waits for its delivery. */
struct otlp_waiter {
    struct ticket ticket;
    struct otlp_intake *intake;
    struct otlp_reply reply;
    uint64_t item_count;
    struct ticket_claim claims[]; /* one per pipeline */
};

int otlp_intake_init(struct otlp_intake *intake, uint32_t shard_id, struct budget *memory,
                     struct receiver_stats *stats)
{
    *intake =
        (struct otlp_intake){.shard_id = shard_id, .lease = {.budget = memory}, .stats = stats};
    int err = arena_init(&intake->scratch, SCRATCH_CHUNK_BYTES, SCRATCH_MAX_BYTES);
    return err == 0 ? ticket_returns_init(&intake->returns, TICKET_CLAIMS_MAX) : err;
}

void otlp_intake_fini(struct otlp_intake *intake)
{
    ASSERT(intake->waiting_count == 0);
    ticket_returns_fini(&intake->returns);
    arena_fini(&intake->scratch);
    if (intake->lease.budget != NULL) {
        lease_fini(&intake->lease);
    }
}

bool otlp_intake_charge(struct otlp_intake *intake, uint64_t bytes)
{
    return lease_take(&intake->lease, bytes);
}

void otlp_intake_release(struct otlp_intake *intake, uint64_t bytes)
{
    lease_give(&intake->lease, bytes);
}

bool otlp_intake_has(const struct otlp_intake *intake, enum signal signal)
{
    return intake->routes[signal].count > 0;
}

static void body_fini(struct otlp_intake *intake, struct otlp_body *body)
{
    mem_free(body->memory);
    lease_give(&intake->lease, body->charged_bytes);
    *body = (struct otlp_body){0};
}

/* --- unpacking -------------------------------------------------------------------------------- */

/*
 * Decoded bytes take the place of the body's own; what they need is charged beforehand up to a
 * guess, and settled when it is known. False where there is no room for them.
 */
static bool settle_charge(struct otlp_intake *intake, struct otlp_body *body, uint64_t needed_bytes)
{
    if (needed_bytes > body->charged_bytes) {
        if (!lease_take(&intake->lease, needed_bytes - body->charged_bytes)) {
            return false;
        }
    } else {
        lease_give(&intake->lease, body->charged_bytes - needed_bytes);
    }
    body->charged_bytes = needed_bytes;
    return true;
}

static void take_bytes(struct otlp_body *body, struct bytes *decoded)
{
    struct slice content;
    mem_free(body->memory);
    body->memory = bytes_take(decoded, &content);
    body->len = content.len;
}

static void refuse_unpacking(const struct otlp_body *body, const struct otlp_reply *reply, int err,
                             struct otlp_verdict *verdict)
{
    if (err == -ENOMEM) {
        otlp_verdict_postpone(verdict, BUSY_TEXT);
    } else if (err == FAULT_LIMIT && reply->is_grpc) {
        otlp_verdict_refuse(verdict, GRPC_RESOURCE_EXHAUSTED,
                            "grpc: received message after decompression larger than max %u",
                            body->max_bytes);
    } else if (err == FAULT_LIMIT) {
        otlp_verdict_refuse(verdict, GRPC_INVALID_ARGUMENT, "http: request body too large");
    } else if (reply->is_grpc) {
        otlp_verdict_refuse(verdict, GRPC_INTERNAL,
                            "grpc: failed to decompress the received message: corrupt %s data",
                            compress_name(body->kind));
    } else {
        otlp_verdict_refuse(verdict, GRPC_INVALID_ARGUMENT, "corrupt %s data in the request body",
                            compress_name(body->kind));
    }
}

static bool unpack(struct otlp_intake *intake, struct otlp_body *body,
                   const struct otlp_reply *reply, struct otlp_verdict *verdict)
{
    struct bytes unpacked;
    if (body->kind == COMPRESS_NONE) {
        return true;
    }
    uint64_t guess_bytes = (uint64_t)body->len * INFLATE_GUESS;
    guess_bytes = guess_bytes < body->max_bytes ? guess_bytes : body->max_bytes;
    if (!settle_charge(intake, body, body->len + guess_bytes)) {
        otlp_verdict_postpone(verdict, BUSY_TEXT);
        return false;
    }
    bytes_init(&unpacked, body->max_bytes);
    int err = decompress_bounded(body->kind, slice_of(body->memory, body->len), &unpacked);
    if (err == 0 && !settle_charge(intake, body, unpacked.len)) {
        err = -ENOMEM;
    }
    if (err != 0) {
        bytes_fini(&unpacked);
        refuse_unpacking(body, reply, err, verdict);
        return false;
    }
    take_bytes(body, &unpacked);
    body->kind = COMPRESS_NONE;
    return true;
}

#define REQUEST_NAME(package, message)                                                             \
    opentelemetry__proto__collector__##package##__v1__export_##message##_service_request
#define DESCRIPTOR_NAME(request) request##__descriptor
#define DESCRIPTOR_OF(request) DESCRIPTOR_NAME(request)
#define REQUEST_OF(name) DESCRIPTOR_OF(REQUEST_NAME(name, name))

static const ProtobufCMessageDescriptor *const descriptors[SIGNAL_COUNT] = {
    [SIGNAL_TRACES] = &REQUEST_OF(trace),
    [SIGNAL_METRICS] = &REQUEST_OF(metrics),
    [SIGNAL_LOGS] = &REQUEST_OF(logs),
};

static bool translate(struct otlp_intake *intake, struct otlp_body *body,
                      const struct otlp_reply *reply, struct otlp_verdict *verdict)
{
    struct bytes wire;
    struct otlp_json_why why = {0};
    if (!reply->is_json) {
        return true;
    }
    bytes_init(&wire, body->max_bytes);
    int err = otlp_json_decode(descriptors[reply->signal], slice_of(body->memory, body->len), &wire,
                               &why);
    if (err == 0 && !settle_charge(intake, body, wire.len)) {
        err = -ENOMEM;
    }
    if (err == 0) {
        take_bytes(body, &wire);
        return true;
    }
    bytes_fini(&wire);
    if (err == -ENOMEM) {
        otlp_verdict_postpone(verdict, BUSY_TEXT);
    } else if (err == FAULT_LIMIT) {
        otlp_verdict_refuse(verdict, GRPC_INVALID_ARGUMENT, "http: request body too large");
    } else {
        char text[OTLP_JSON_WHY_MAX_BYTES];
        (void)otlp_json_why_text(&why, text);
        otlp_verdict_refuse(verdict, GRPC_INVALID_ARGUMENT, "%s", text);
    }
    return false;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* Brings a valid but oddly spelled request into the one form that is read here. */
static int regularise(struct otlp_intake *intake, struct part *part)
{
    struct otlp_edit edit;
    otlp_edit_init(&edit, &intake->scratch, part->bytes);
    int err = otlp_regularise(&edit, part->signal);
    if (err == 0) {
        err = otlp_edit_apply(&edit, part, part->item_count);
    }
    arena_reset(&intake->scratch);
    return err;
}

/* The body as a part; the body is empty afterwards. False where it is no request, or of nothing. */
static bool make_part(struct otlp_intake *intake, struct otlp_body *body,
                      const struct otlp_reply *reply, struct otlp_verdict *verdict,
                      struct part *part)
{
    struct otlp_counts counts;
    enum otlp_why why = OTLP_WHY_NONE;
    struct slice bytes = slice_of(body->memory, body->len);
    int err = otlp_walk(reply->signal, bytes, &counts, &why);
    if (err != 0) {
        const char *prefix = reply->is_grpc ? "grpc: error unmarshalling request: " : "";
        otlp_verdict_refuse(verdict, reply->is_grpc ? GRPC_INTERNAL : GRPC_INVALID_ARGUMENT, "%s%s",
                            prefix, otlp_why_text(why));
        return false;
    }
    if (counts.item_count == 0 || counts.item_count > UINT32_MAX) {
        otlp_verdict_accept(verdict);
        return false;
    }
    *part = (struct part){
        .bytes = bytes,
        .memory = body->memory,
        .encoding = PART_OTLP,
        .signal = reply->signal,
        .item_count = (uint32_t)counts.item_count,
        .charged_bytes = body->charged_bytes,
    };
    *body = (struct otlp_body){0};
    if (counts.is_irregular && regularise(intake, part) != 0) {
        lease_give(&intake->lease, part->charged_bytes);
        part_fini(part);
        otlp_verdict_postpone(verdict, BUSY_TEXT);
        return false;
    }
    return true;
}

static void count_items(struct otlp_intake *intake, enum signal signal, uint64_t item_count,
                        bool is_accepted)
{
    struct receiver_stats *stats = intake->stats;
    struct counter *const counters[SIGNAL_COUNT][2] = {
        [SIGNAL_TRACES] = {&stats->refused_spans, &stats->accepted_spans},
        [SIGNAL_METRICS] = {&stats->refused_points, &stats->accepted_points},
        [SIGNAL_LOGS] = {&stats->refused_records, &stats->accepted_records},
    };
    counter_add(counters[signal][is_accepted ? 1 : 0], item_count);
}

static struct shard_half *half_of(const struct otlp_intake *intake, const struct pipeline *pipeline)
{
    return &pipeline->shard_halves[intake->shard_id];
}

/* Has every pipeline room for one part more? All or none, so that no client's repeat duplicates. */
static bool has_room(struct otlp_intake *intake, const struct otlp_routes *routes)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        if (lane_room(&half_of(intake, routes->pipelines[i])->lane) == 0) {
            return false;
        }
    }
    return true;
}

/*
 * Through the shard half and across; what nothing is left of ends here. The claim is handed out
 * last: those that are out are answered by the egress thread alone. `claim` may be NULL.
 */
static enum part_fate cross(struct otlp_intake *intake, struct pipeline *pipeline,
                            struct part *part, struct otlp_waiter *waiter,
                            struct ticket_claim *claim)
{
    struct shard_half *half = half_of(intake, pipeline);
    bool is_lost = false;
    if (!chain_process(&half->chain, part, intake->now_unix_ns, &is_lost)) {
        lease_give(&intake->lease, part->charged_bytes);
        part_fini(part);
        return is_lost ? PART_LOST : PART_ACCEPTED;
    }
    if (claim != NULL) {
        ticket_claim_hand_out(&waiter->ticket, &intake->returns, claim, part);
    }
    lane_push(&half->lane, part);
    intake->has_sent = true;
    return PART_ACCEPTED;
}

/* Copies are for all pipelines but the last one, which gets the part itself. */
static uint64_t copies_bytes(const struct otlp_routes *routes, const struct part *part)
{
    return (uint64_t)(routes->count - 1) * part->bytes.len;
}

/* A copy, charged already; false where there is no memory for it. */
static bool share(struct otlp_intake *intake, const struct part *part, struct part *copy)
{
    if (part_copy(copy, part->bytes, part->signal, part->item_count) != 0) {
        lease_give(&intake->lease, part->bytes.len);
        return false;
    }
    copy->charged_bytes = part->bytes.len;
    return true;
}

/* To every pipeline of the signal; the last one gets the part itself. `waiter` may be NULL. */
static enum part_fate send_part(struct otlp_intake *intake, struct part *part,
                                struct otlp_waiter *waiter)
{
    const struct otlp_routes *routes = &intake->routes[part->signal];
    enum part_fate worst = PART_ACCEPTED;
    for (uint32_t i = 0; i < routes->count; i++) {
        struct part copy = {0};
        struct part *own = part;
        if (i + 1 < routes->count) {
            if (!share(intake, part, &copy)) {
                worst = PART_LOST;
                continue;
            }
            own = &copy;
        }
        bool is_late = waiter != NULL && pipeline_answers_late(routes->pipelines[i]);
        enum part_fate fate =
            cross(intake, routes->pipelines[i], own, waiter, is_late ? &waiter->claims[i] : NULL);
        worst = fate > worst ? fate : worst;
    }
    return worst;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void verdict_of_fate(enum part_fate fate, uint64_t item_count, struct otlp_verdict *verdict)
{
    switch (fate) {
    case PART_ACCEPTED:
        otlp_verdict_accept(verdict);
        return;
    case PART_REJECTED:
        otlp_verdict_refuse(verdict, GRPC_OK, "the upstream refused the items");
        verdict->rejected_count = item_count;
        return;
    case PART_LOST:
        break;
    }
    otlp_verdict_postpone(verdict, "the items could not be delivered");
}

static void waiter_on_done(struct ticket *ticket, enum part_fate fate)
{
    struct otlp_waiter *waiter = CONTAINER_OF(ticket, struct otlp_waiter, ticket);
    struct otlp_verdict verdict;
    verdict_of_fate(fate, waiter->item_count, &verdict);
    waiter->intake->waiting_count--;
    waiter->reply.send(&waiter->reply, &verdict);
    mem_free(waiter);
}

static bool wants_ticket(const struct otlp_routes *routes)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        if (pipeline_answers_late(routes->pipelines[i])) {
            return true;
        }
    }
    return false;
}

static struct otlp_waiter *waiter_new(struct otlp_intake *intake, const struct otlp_reply *reply,
                                      uint64_t item_count)
{
    uint32_t count = intake->routes[reply->signal].count;
    if (!ticket_returns_have_room(&intake->returns, count)) {
        return NULL;
    }
    struct otlp_waiter *waiter = mem_alloc(sizeof(*waiter) + count * sizeof(struct ticket_claim));
    if (waiter != NULL) {
        waiter->intake = intake;
        waiter->reply = *reply;
        waiter->item_count = item_count;
        ticket_open(&waiter->ticket, waiter_on_done);
        intake->waiting_count++;
    }
    return waiter;
}

static void postpone_part(struct otlp_intake *intake, struct part *part,
                          const struct otlp_reply *reply, const char *text)
{
    struct otlp_verdict verdict;
    count_items(intake, part->signal, part->item_count, false);
    lease_give(&intake->lease, part->charged_bytes);
    part_fini(part);
    otlp_verdict_postpone(&verdict, text);
    reply->send(reply, &verdict);
}

static void deliver(struct otlp_intake *intake, struct part *part, const struct otlp_reply *reply)
{
    const struct otlp_routes *routes = &intake->routes[part->signal];
    struct otlp_verdict verdict;
    struct otlp_waiter *waiter = NULL;
    uint64_t item_count = part->item_count;
    if (!has_room(intake, routes)) {
        postpone_part(intake, part, reply, FULL_TEXT);
        return;
    }
    if (!lease_take(&intake->lease, copies_bytes(routes, part))) {
        postpone_part(intake, part, reply, BUSY_TEXT);
        return;
    }
    if (wants_ticket(routes)) {
        waiter = waiter_new(intake, reply, item_count);
        if (waiter == NULL) {
            lease_give(&intake->lease, copies_bytes(routes, part));
            postpone_part(intake, part, reply, BUSY_TEXT);
            return;
        }
    }
    count_items(intake, part->signal, item_count, true);
    counter_add(&intake->stats->items_decoded, item_count);
    counter_add(&intake->stats->items_forwarded, item_count);
    enum part_fate fate = send_part(intake, part, waiter);
    if (waiter != NULL) {
        ticket_close(&waiter->ticket, fate);
        return;
    }
    verdict_of_fate(fate, item_count, &verdict);
    reply->send(reply, &verdict);
}

/* The pipelines may have changed between a request's head and the end of its body. */
static bool has_pipeline(const struct otlp_intake *intake, const struct otlp_reply *reply,
                         struct otlp_verdict *verdict)
{
    if (otlp_intake_has(intake, reply->signal)) {
        return true;
    }
    otlp_verdict_refuse(verdict, GRPC_UNIMPLEMENTED, "the signal is in no pipeline");
    return false;
}

void otlp_intake_take(struct otlp_intake *intake, struct otlp_body *body,
                      const struct otlp_reply *reply)
{
    struct otlp_verdict verdict;
    struct part part = {0};
    counter_add(&intake->stats->wire_received, 1);
    counter_add(&intake->stats->wire_bytes, body->len);
    if (has_pipeline(intake, reply, &verdict) && unpack(intake, body, reply, &verdict) &&
        translate(intake, body, reply, &verdict) &&
        make_part(intake, body, reply, &verdict, &part)) {
        counter_add(&intake->stats->wire_parsed, 1);
        deliver(intake, &part, reply);
        return;
    }
    if (verdict.status == GRPC_UNAVAILABLE) {
        counter_add(&intake->stats->wire_refused, 1);
    } else {
        struct receiver_stats *stats = intake->stats;
        bool is_empty = verdict.status == GRPC_OK; /* a request of no items is a good one */
        counter_add(is_empty ? &stats->wire_parsed : &stats->wire_dropped_invalid, 1);
    }
    body_fini(intake, body);
    reply->send(reply, &verdict);
}

bool otlp_intake_collect(struct otlp_intake *intake)
{
    (void)ticket_collect(&intake->returns);
    return intake->waiting_count > 0;
}
