/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_job — the requests of one batch, each going its own way until all are decided.
 *
 *     IDLE → IN_LINE → SENDING ─┬─ taken, refused ──────────▶ DONE
 *      ▲                 ▲      ├─ no such stream ▶ CREATING ─┐
 *      │                 └──────┼─────────── made ────────────┤
 *      └──── throttled, failed ─┘ ◀──────── not made ─────────┘
 */
#include <errno.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "exporters/aws_logs.h"
#include "exporters/aws_logs_answer.h"
#include "io/loop.h"

#define RESPONSE_MAX_BYTES 65536
/* A stream that was made may stay unknown for a moment; after that the backoff is the sender's. */
#define RECOVERIES_MAX 2
#define TAIL "]}"

#define TEXT(text)                                                                                 \
    {                                                                                              \
        .ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1                                 \
    }

static const struct aws_header put_headers[] = {
    {.name = TEXT("Content-Type"), .value = TEXT("application/x-amz-json-1.1")},
    {.name = TEXT("X-Amz-Target"), .value = TEXT("Logs_20140328.PutLogEvents")},
    {.name = TEXT("x-amzn-logs-format"), .value = TEXT("json/emf")}, /* only for metrics */
};
#define PLAIN_HEADER_COUNT 2
#define EMF_HEADER_COUNT 3

/* --- the answer of a job ---------------------------------------------------------------------- */

/* "ThrottlingException: Rate exceeded"; the last one to fail has the word. */
static void say(char *reason, const char *first, struct slice second)
{
    (void)snprintf(reason, AWS_LOGS_REASON_MAX_BYTES, "%s%s%.*s", first,
                   first[0] != '\0' && second.len > 0 ? ": " : "", (int)second.len,
                   second.len > 0 ? (const char *)second.ptr : "");
}

/* Why most of the events that were never sent were not, for the log. */
static void say_refusal(struct aws_logs_job *job)
{
    enum aws_logs_refusal most = AWS_LOGS_EMPTY;
    for (int i = 1; i < AWS_LOGS_REFUSAL_COUNT; i++) {
        most = job->events.refused_count[i] > job->events.refused_count[most]
                   ? (enum aws_logs_refusal)i
                   : most;
    }
    if (job->refusal[0] == '\0' && job->events.refused_count[most] > 0) {
        say(job->refusal, "events refused", slice_of_text(aws_logs_refusal_label(most)));
    }
}

static void finish(struct aws_logs_job *job)
{
    ASSERT(job->open_count == 0);
    struct send_result result = {
        .outcome = SEND_ACCEPTED,
        .rejected_items = job->rejected_items + job->events.refused_items,
    };
    bool was_refused = job->was_refused || job->events.refused_items > 0;
    if (job->has_failed) {
        result.outcome = SEND_RETRYABLE;
        result.status = job->status;
        result.retry_after_ns = job->retry_after_ms * CLOCK_NS_PER_MS;
    } else if (job->taken_event_count == 0 && was_refused) {
        result.outcome = SEND_REJECTED;
        result.status = job->status;
    }
    say_refusal(job);
    result.reason = slice_of_text(job->has_failed ? job->reason : job->refusal);
    job->on_done(job, &result);
}

static void job_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    finish(CONTAINER_OF(timer, struct aws_logs_job, timer));
}

/* --- the end of a request --------------------------------------------------------------------- */

static void decide(struct aws_logs_put *put, enum aws_logs_put_state state)
{
    struct aws_logs_job *job = put->job;
    ASSERT(job->open_count > 0);
    ASSERT(state == AWS_LOGS_PUT_IDLE || state == AWS_LOGS_PUT_DONE);
    put->state = state;
    job->has_failed = job->has_failed || state == AWS_LOGS_PUT_IDLE;
    job->open_count--;
    if (job->open_count == 0 && !job->is_starting) {
        finish(job);
    }
}

/* Items of the events of a request from `first_index` of it to before `limit_index`. */
static uint64_t items_between(const struct aws_logs_put *put, size_t first_index,
                              size_t limit_index)
{
    return aws_logs_events_items(&put->job->events, put->cut.first_index + first_index,
                                 limit_index - first_index);
}

static void take_success(struct aws_logs_put *put, struct slice body)
{
    struct aws_logs_job *job = put->job;
    struct exporter_stats *stats = job->logs->stats;
    struct aws_logs_taken taken = aws_logs_answer_read(body, put->cut.count);
    size_t taken_count = taken.limit_index - taken.first_index;
    uint64_t taken_items = items_between(put, taken.first_index, taken.limit_index);
    job->taken_event_count += taken_count;
    job->taken_items += taken_items;
    job->rejected_items += put->cut.item_count - taken_items;
    rejects_add(&job->rejects, &stats->items_rejected_too_old,
                items_between(put, 0, taken.too_old_index));
    rejects_add(&job->rejects, &stats->items_rejected_expired,
                items_between(put, taken.too_old_index, taken.first_index));
    rejects_add(&job->rejects, &stats->items_rejected_too_new,
                items_between(put, taken.limit_index, put->cut.count));
    if (taken_count < put->cut.count) {
        say(job->refusal, "rejectedLogEventsInfo", SLICE_LITERAL("too old, too new or expired"));
    }
    decide(put, AWS_LOGS_PUT_DONE);
}

static void refuse_all(struct aws_logs_put *put)
{
    put->job->was_refused = true;
    put->job->rejected_items += put->cut.item_count;
    decide(put, AWS_LOGS_PUT_DONE);
}

/* --- a missing stream ------------------------------------------------------------------------- */

static void begin(struct aws_logs_put *put);

static void leave_stream(struct aws_logs_put *put)
{
    struct aws_logs_put **link = &put->cut.stream->waiting;
    while (*link != put) {
        ASSERT(*link != NULL);
        link = &(*link)->waiting;
    }
    *link = put->waiting;
    put->waiting = NULL;
}

static void recover(struct aws_logs_put *put)
{
    struct aws_logs_stream *stream = put->cut.stream;
    put->recovery_count++;
    if (put->recovery_count > RECOVERIES_MAX) {
        decide(put, AWS_LOGS_PUT_IDLE);
    } else if (stream->created_count != put->created_count) {
        begin(put); /* it was made while this request was on its way */
    } else if (aws_logs_create(&put->job->logs->creator, stream) != 0) {
        decide(put, AWS_LOGS_PUT_IDLE);
    } else {
        put->state = AWS_LOGS_PUT_CREATING;
        put->waiting = stream->waiting;
        stream->waiting = put;
    }
}

/* What the put was told stays first: whoever may not create wants to know what was missing. */
static void say_creation(char *reason, const struct aws_logs_created *result)
{
    char first[AWS_LOGS_REASON_MAX_BYTES / 2];
    (void)snprintf(first, sizeof(first), "ResourceNotFoundException; %s", result->operation);
    say(reason, first, result->code);
}

void aws_logs_job_on_created(struct aws_logs_creator *creator, struct aws_logs_stream *stream,
                             const struct aws_logs_created *result)
{
    (void)creator;
    stream->created_count += result->creation == AWS_LOGS_CREATED ? 1 : 0;
    /* One at a time from the stream's own list, because an answer may lead anywhere. */
    while (stream->waiting != NULL) {
        struct aws_logs_put *put = stream->waiting;
        leave_stream(put);
        switch (result->creation) {
        case AWS_LOGS_CREATED:
            begin(put);
            break;
        case AWS_LOGS_AGAIN:
            say_creation(put->job->reason, result);
            put->job->retry_after_ms = result->retry_after_ms > put->job->retry_after_ms
                                           ? result->retry_after_ms
                                           : put->job->retry_after_ms;
            decide(put, AWS_LOGS_PUT_IDLE);
            break;
        case AWS_LOGS_REFUSED:
            say_creation(put->job->refusal, result);
            refuse_all(put);
            break;
        }
    }
}

/* --- one request ------------------------------------------------------------------------------ */

static void leave_limiter(struct aws_limiter *limiter, enum aws_outcome outcome)
{
    switch (outcome) {
    case AWS_OK:
    case AWS_PERMANENT:
        aws_limiter_leave(limiter, false);
        break;
    case AWS_THROTTLED:
        aws_limiter_leave(limiter, true);
        break;
    case AWS_TRANSIENT:
    case AWS_NO_CREDENTIALS:
        aws_limiter_cancel(limiter); /* tells nothing about how much is too much */
        break;
    }
}

static void say_answer(char *reason, const struct aws_answer *answer)
{
    char code[AWS_LOGS_REASON_MAX_BYTES / 2];
    (void)snprintf(code, sizeof(code), "%.*s", (int)answer->code.len,
                   answer->code.len > 0 ? (const char *)answer->code.ptr : "");
    if (answer->was_answered || answer->code.len > 0) {
        say(reason, code, answer->message);
    } else {
        say(reason, answer->fault_text != NULL ? answer->fault_text : "", (struct slice){0});
    }
}

static void take_permanent(struct aws_logs_put *put, const struct aws_answer *answer)
{
    if (slice_is_text(answer->code, "ResourceNotFoundException")) {
        recover(put);
    } else if (slice_is_text(answer->code, "DataAlreadyAcceptedException")) {
        take_success(put, (struct slice){0});
    } else if (slice_is_text(answer->code, "InvalidSequenceTokenException")) {
        decide(put, AWS_LOGS_PUT_IDLE); /* of the days when streams had an order */
    } else {
        say_answer(put->job->refusal, answer);
        refuse_all(put);
    }
}

/* What was sent again on the way, because a kept connection ended without an answer. */
static void count_repeats(struct exporter_stats *stats, const struct aws_answer *answer)
{
    counter_add(&stats->requests_sent, answer->repeat_count);
    counter_add(&stats->requests_retried, answer->repeat_count);
    counter_add(&stats->requests_repeated_unknown, answer->repeat_count);
}

static void put_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct aws_logs_put *put = CONTAINER_OF(request, struct aws_logs_put, request);
    struct aws_logs_job *job = put->job;
    ASSERT(put->state == AWS_LOGS_PUT_SENDING);
    put->is_unknown = answer->was_sent && !answer->was_answered;
    count_repeats(job->logs->stats, answer);
    if (answer->outcome != AWS_OK) {
        job->status = answer->status;
        say_answer(job->reason, answer);
    }
    leave_limiter(&job->logs->limiter, answer->outcome);
    switch (answer->outcome) {
    case AWS_OK:
        take_success(put, answer->body);
        break;
    case AWS_THROTTLED:
    case AWS_TRANSIENT:
    case AWS_NO_CREDENTIALS:
        job->retry_after_ms = answer->retry_after_ms > job->retry_after_ms ? answer->retry_after_ms
                                                                           : job->retry_after_ms;
        decide(put, AWS_LOGS_PUT_IDLE);
        break;
    case AWS_PERMANENT:
        take_permanent(put, answer);
        break;
    }
}

static void count_start(struct aws_logs_put *put)
{
    struct exporter_stats *stats = put->job->logs->stats;
    uint64_t bytes = put->cut.stream->head.len + put->cut.text_bytes - 1 + sizeof(TAIL) - 1;
    counter_add(&stats->request_bytes, bytes);
    counter_add(&stats->requests_sent, 1);
    counter_add(&stats->requests_retried, put->is_repeat ? 1 : 0);
    counter_add(&stats->requests_repeated_unknown, put->is_unknown ? 1 : 0);
    put->is_unknown = false;
    put->is_repeat = false;
    put->was_sent = true;
}

/* It has entered the limiter. */
static void start(struct aws_logs_put *put)
{
    struct aws_logs *logs = put->job->logs;
    put->state = AWS_LOGS_PUT_SENDING;
    put->created_count = put->cut.stream->created_count;
    put->request = (struct aws_request){
        .method = "POST",
        .path = "/",
        .headers = put_headers,
        .header_count = logs->says_emf ? EMF_HEADER_COUNT : PLAIN_HEADER_COUNT,
        .body = put->pieces,
        .body_count = put->cut.piece_count + 2,
        .timeout_ms = put->job->timeout_ms,
        .response_max_bytes = RESPONSE_MAX_BYTES,
        .on_done = put_on_done,
    };
    int err = aws_client_start(logs->client, &put->request);
    if (err != 0) {
        say(put->job->reason, "not sent", slice_of_text(fault_text(err)));
        aws_limiter_cancel(&logs->limiter);
        decide(put, AWS_LOGS_PUT_IDLE);
        return;
    }
    count_start(put);
}

static void put_on_turn(struct aws_turn *turn)
{
    start(CONTAINER_OF(turn, struct aws_logs_put, turn));
}

static void begin(struct aws_logs_put *put)
{
    put->state = AWS_LOGS_PUT_IN_LINE;
    if (aws_limiter_enter(&put->job->logs->limiter, &put->turn)) {
        start(put);
    }
}

/* --- from events to requests ------------------------------------------------------------------ */

static int reserve_put(struct aws_logs_job *job)
{
    if (job->put_count < job->put_capacity) {
        return 0;
    }
    size_t capacity = job->put_capacity == 0 ? 4 : job->put_capacity * 2;
    struct aws_logs_put *grown = mem_resize(job->puts, capacity * sizeof(job->puts[0]));
    if (grown == NULL) {
        return -ENOMEM;
    }
    job->puts = grown;
    job->put_capacity = capacity;
    return 0;
}

static int reserve_pieces(struct aws_logs_job *job, size_t count)
{
    if (count <= job->piece_capacity) {
        return 0;
    }
    struct iovec *grown = mem_resize(job->pieces, count * sizeof(job->pieces[0]));
    if (grown == NULL) {
        return -ENOMEM;
    }
    job->pieces = grown;
    job->piece_capacity = count;
    return 0;
}

static struct iovec piece_of(const void *bytes, size_t len)
{
    union {
        const void *bytes;
        void *base; /* an iovec has no const; nobody writes there */
    } address = {.bytes = bytes};
    return (struct iovec){.iov_base = address.base, .iov_len = len};
}

static void list_pieces(struct aws_logs_put *put)
{
    struct slice head = put->cut.stream->head;
    put->pieces[0] = piece_of(head.ptr, head.len);
    aws_logs_events_pieces(&put->job->events, &put->cut, put->pieces + 1);
    put->pieces[put->cut.piece_count + 1] = piece_of(TAIL, sizeof(TAIL) - 1);
}

/* On a failure everything starts anew with the next attempt. */
static int prepare(struct aws_logs_job *job)
{
    struct aws_logs_cut cut;
    size_t piece_count = 0;
    int err = 0;
    job->put_count = 0;
    job->events.cut_count = 0;
    aws_logs_events_sort(&job->events);
    while (err == 0 && aws_logs_events_cut(&job->events, &cut)) {
        err = reserve_put(job);
        if (err == 0) {
            job->puts[job->put_count] =
                (struct aws_logs_put){.cut = cut, .job = job, .turn.on_turn = put_on_turn};
            job->put_count++;
            piece_count += cut.piece_count + 2;
        }
    }
    err = err != 0 ? err : reserve_pieces(job, piece_count);
    if (err != 0) {
        return err;
    }
    struct iovec *next = job->pieces;
    for (size_t i = 0; i < job->put_count; i++) {
        job->puts[i].pieces = next;
        list_pieces(&job->puts[i]);
        next += job->puts[i].cut.piece_count + 2;
    }
    job->is_prepared = true;
    return 0;
}

/* --- public ----------------------------------------------------------------------------------- */

void aws_logs_job_init(struct aws_logs_job *job, struct aws_logs *logs, aws_logs_done_fn *on_done)
{
    *job = (struct aws_logs_job){.logs = logs, .on_done = on_done, .timer.on_fire = job_on_timer};
    aws_logs_events_init(&job->events);
}

void aws_logs_job_fini(struct aws_logs_job *job)
{
    if (job->logs == NULL) {
        return;
    }
    aws_logs_job_clear(job);
    aws_logs_events_fini(&job->events);
    mem_free(job->puts);
    mem_free(job->pieces);
    *job = (struct aws_logs_job){0};
}

void aws_logs_job_clear(struct aws_logs_job *job)
{
    ASSERT(job->open_count == 0);
    for (size_t i = 0; i < job->events.count; i++) {
        ASSERT(job->events.events[i].stream->use_count > 0);
        job->events.events[i].stream->use_count--;
    }
    aws_logs_events_clear(&job->events);
    job->put_count = 0;
    job->is_prepared = false;
    job->was_refused = false;
    job->taken_event_count = 0;
    job->taken_items = 0;
    job->rejected_items = 0;
    job->rejects.count = 0;
    job->reason[0] = '\0';
    job->refusal[0] = '\0';
    job->status = 0;
}

static struct counter *counter_of(struct exporter_stats *stats, enum aws_logs_refusal refusal)
{
    switch (refusal) {
    case AWS_LOGS_EMPTY:
        return &stats->items_rejected_empty;
    case AWS_LOGS_TOO_LARGE:
        return &stats->items_rejected_event_too_large;
    case AWS_LOGS_TOO_OLD:
        return &stats->items_rejected_too_old;
    case AWS_LOGS_TOO_NEW:
        return &stats->items_rejected_too_new;
    }
    return &stats->items_rejected;
}

int aws_logs_job_add(struct aws_logs_job *job, const struct aws_logs_record *record)
{
    struct aws_logs_entry entry = {
        .time_ms = record->time_ms,
        .message = record->message,
        .item_count = record->item_count,
    };
    int err = aws_logs_names_find(&job->logs->names, record->group, record->stream, &entry.stream);
    if (err != 0) {
        return err;
    }
    size_t count_before = job->events.count;
    entry.stream_order = entry.stream->order;
    uint64_t now_unix_ms = loop_now_unix_ns(job->logs->loop) / CLOCK_NS_PER_MS;
    err = aws_logs_events_add(&job->events, &entry, now_unix_ms);
    bool was_added = job->events.count > count_before;
    entry.stream->use_count += was_added ? 1 : 0;
    if (err == 0 && !was_added) {
        rejects_add(&job->rejects, counter_of(job->logs->stats, job->events.last_refusal),
                    record->item_count);
    }
    return err;
}

void aws_logs_job_refuse(struct aws_logs_job *job, uint64_t item_count,
                         const struct rejects *rejects, const char *why)
{
    job->was_refused = true;
    job->rejected_items += item_count;
    rejects_add_all(&job->rejects, rejects);
    say(job->refusal, why, (struct slice){0});
}

int aws_logs_job_start(struct aws_logs_job *job, uint64_t timeout_ms)
{
    ASSERT(job->open_count == 0);
    int err = job->is_prepared ? 0 : prepare(job);
    if (err != 0) {
        return err;
    }
    job->timeout_ms = timeout_ms;
    job->has_failed = false;
    job->retry_after_ms = 0;
    job->is_starting = true;
    for (size_t i = 0; i < job->put_count; i++) {
        job->open_count += job->puts[i].state == AWS_LOGS_PUT_IDLE ? 1 : 0;
    }
    for (size_t i = 0, left = job->open_count; left > 0; i++) {
        if (job->puts[i].state == AWS_LOGS_PUT_IDLE) {
            left--;
            job->puts[i].recovery_count = 0;
            job->puts[i].is_repeat = job->puts[i].was_sent;
            begin(&job->puts[i]);
        }
    }
    job->is_starting = false;
    if (job->open_count == 0) {
        err = loop_timer_arm(job->logs->loop, &job->timer, 0);
    }
    return err;
}

void aws_logs_job_report(const struct aws_logs_job *job, struct send_slot *slot)
{
    uint64_t left_items = slot->batch->item_count;
    uint64_t rejected_items = job->rejected_items + job->events.refused_items;
    slot->delivered_items = job->taken_items < left_items ? job->taken_items : left_items;
    left_items -= slot->delivered_items;
    slot->rejected_items = rejected_items < left_items ? rejected_items : left_items;
}

void aws_logs_job_settle(const struct aws_logs_job *job, struct send_slot *slot,
                         const struct send_result *result)
{
    struct send_result bounded = *result;
    uint64_t item_count = slot->batch->item_count;
    bounded.rejected_items =
        bounded.rejected_items < item_count ? bounded.rejected_items : item_count;
    slot->delivered_items = 0;
    slot->rejected_items = 0; /* a batch refused as a whole is booked as that */
    if (result->outcome == SEND_RETRYABLE) {
        aws_logs_job_report(job, slot);
    }
    sender_done(slot, &bounded);
}

void aws_logs_job_cancel(struct aws_logs_job *job)
{
    struct aws_logs *logs = job->logs;
    loop_timer_cancel(logs->loop, &job->timer);
    /* Out of the line first, or the room that is given up goes to one of our own. */
    for (size_t i = 0; i < job->put_count; i++) {
        aws_limiter_forget(&logs->limiter, &job->puts[i].turn);
    }
    for (size_t i = 0; i < job->put_count; i++) {
        struct aws_logs_put *put = &job->puts[i];
        if (put->state == AWS_LOGS_PUT_SENDING) {
            aws_client_cancel(logs->client, &put->request);
            aws_limiter_cancel(&logs->limiter);
        } else if (put->state == AWS_LOGS_PUT_CREATING) {
            leave_stream(put);
        }
        put->state = put->state == AWS_LOGS_PUT_DONE ? AWS_LOGS_PUT_DONE : AWS_LOGS_PUT_IDLE;
    }
    job->open_count = 0;
}
