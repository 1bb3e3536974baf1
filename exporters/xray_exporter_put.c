/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_put — documents go out, answers decide them.
 *
 * After a failure that another attempt may mend, what has not been sent yet of the same batch waits
 * for that attempt: a service in trouble is not asked again meanwhile.
 */
#include "exporters/xray_exporter_put.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "exporters/exporter_bounds.h"
#include "exporters/xray_exporter_codes.h"
#include "io/loop.h"

#define ID_MAX_BYTES XRAY_UNPROCESSED_TEXT_MAX_BYTES
#define STATUS_TOO_LARGE 413

/* --- the line of jobs ------------------------------------------------------------------------- */

static void push_job(struct xray_put *put, struct xray_job *job)
{
    job->next = NULL;
    if (put->last == NULL) {
        put->first = job;
    } else {
        put->last->next = job;
    }
    put->last = job;
}

static void drop_job(struct xray_put *put, struct xray_job *job)
{
    struct xray_job *previous = NULL;
    for (struct xray_job *at = put->first; at != NULL; at = at->next) {
        if (at != job) {
            previous = at;
            continue;
        }
        if (previous == NULL) {
            put->first = at->next;
        } else {
            previous->next = at->next;
        }
        put->last = put->last == at ? previous : put->last;
        break;
    }
    job->next = NULL;
}

static bool is_in_line(const struct xray_put *put, const struct xray_job *job)
{
    const struct xray_job *at = put->first;
    while (at != NULL && at != job) {
        at = at->next;
    }
    return at != NULL;
}

/* --- one request ------------------------------------------------------------------------------ */

static struct iovec piece_of(struct slice bytes)
{
    union {
        const void *bytes;
        void *base; /* an iovec has no const; nobody writes there */
    } address = {.bytes = bytes.ptr};
    return (struct iovec){.iov_base = address.base, .iov_len = bytes.len};
}

/* Head, documents, tail; neighbours in the text are one piece, the first loses its comma. */
static void list_pieces(struct xray_request *request)
{
    size_t count = 0;
    size_t end_bytes = SIZE_MAX;
    const struct xray_docs *docs = request->job->docs;
    request->pieces[count++] = piece_of(XRAY_PUT_HEAD);
    for (size_t i = 0; i < request->doc_count; i++) {
        const struct xray_doc *doc = request->docs[i];
        struct slice text = xray_doc_text(docs, doc);
        if (doc->offset_bytes == end_bytes) {
            request->pieces[count - 1].iov_len += text.len;
        } else {
            request->pieces[count++] = piece_of(i == 0 ? slice_from(text, 1) : text);
        }
        end_bytes = doc->offset_bytes + doc->len;
    }
    request->pieces[count++] = piece_of(XRAY_PUT_TAIL);
    request->piece_count = count;
    request->body_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        request->body_bytes += request->pieces[i].iov_len;
    }
}

/* Seconds with nine decimals, when it is sent. */
static void write_headers(struct xray_request *request, uint64_t now_unix_ns)
{
    int len = snprintf(request->timestamp, sizeof(request->timestamp), "%llu.%09llu",
                       (unsigned long long)(now_unix_ns / CLOCK_NS_PER_S),
                       (unsigned long long)(now_unix_ns % CLOCK_NS_PER_S));
    ASSERT(len > 0);
    ASSERT((size_t)len < sizeof(request->timestamp));
    request->headers[0] = (struct aws_header){.name = SLICE_LITERAL("Content-Type"),
                                              .value = SLICE_LITERAL("application/json")};
    request->headers[1] = (struct aws_header){.name = SLICE_LITERAL("X-Amzn-Xray-Timestamp"),
                                              .value = slice_of(request->timestamp, (size_t)len)};
}

/* One that carries documents again is sent again; of some it may be unknown what became of them. */
static void count_request(struct xray_request *request)
{
    struct exporter_stats *stats = request->put->stats;
    bool is_again = false;
    bool is_unknown = false;
    for (size_t i = 0; i < request->doc_count; i++) {
        struct xray_doc *doc = request->docs[i];
        is_again = is_again || doc->was_sent;
        is_unknown = is_unknown || doc->is_unknown;
        doc->is_unknown = false;
    }
    counter_add(&stats->requests_sent, 1);
    counter_add(&stats->requests_retried, is_again ? 1 : 0);
    counter_add(&stats->requests_repeated_unknown, is_unknown ? 1 : 0);
    counter_add(&stats->request_bytes, request->body_bytes);
}

static void xray_put_on_done(struct aws_request *aws, const struct aws_answer *answer);

static int start_request(struct xray_request *request)
{
    struct xray_put *put = request->put;
    ASSERT(!request->is_in_flight);
    list_pieces(request);
    write_headers(request, loop_now_unix_ns(put->loop));
    request->aws = (struct aws_request){
        .method = "POST",
        .path = XRAY_PUT_SEGMENTS_PATH,
        .headers = request->headers,
        .header_count = COUNT_OF(request->headers),
        .body = request->pieces,
        .body_count = request->piece_count,
        .timeout_ms = request->job->timeout_ms,
        .response_max_bytes = XRAY_RESPONSE_MAX_BYTES,
        .on_done = xray_put_on_done,
    };
    int err = aws_client_start(put->client, &request->aws);
    if (err == 0) {
        request->is_in_flight = true;
        count_request(request);
    }
    return err;
}

/* The service named it, or said that some are refused and it is one of them. */
static void reject(struct xray_doc *doc)
{
    doc->state = XRAY_DOC_REJECTED;
    doc->why = XRAY_DOC_UNPROCESSED;
}

static void set_states(struct xray_request *request, enum xray_doc_state state)
{
    for (size_t i = 0; i < request->doc_count; i++) {
        if (request->docs[i]->state == XRAY_DOC_TAKEN) {
            request->docs[i]->state = state;
        }
    }
}

static void free_request(struct xray_request *request)
{
    ASSERT(request->job->open_count > 0);
    request->job->open_count--;
    request->job = NULL;
    request->doc_count = 0;
    request->is_in_flight = false;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void say(struct xray_job *job, struct slice code, struct slice message)
{
    (void)snprintf(job->reason, sizeof(job->reason), "%.*s%s%.*s", (int)code.len,
                   code.len > 0 ? (const char *)code.ptr : "",
                   code.len > 0 && message.len > 0 ? ": " : "", (int)message.len,
                   message.len > 0 ? (const char *)message.ptr : ""); /* cut where it is long */
}

/* The document of that id which nothing is known of yet; NULL where none has it. */
static struct xray_doc *find_doc(const struct xray_request *request, struct slice id)
{
    for (size_t i = 0; i < request->doc_count; i++) {
        char own[ID_MAX_BYTES];
        size_t len = 0;
        struct xray_doc *doc = request->docs[i];
        if (doc->state == XRAY_DOC_TAKEN &&
            xray_put_find_id(xray_doc_text(request->job->docs, doc), own, sizeof(own), &len) &&
            slice_equal(slice_of(own, len), id)) {
            return doc;
        }
    }
    return NULL;
}

/*
 * Entries that name no document: how many were lost is known, which ones is not, so that nothing
 * may be sent again; unless nothing at all was taken.
 */
static uint64_t settle_nameless(struct xray_request *request, size_t count, bool all_can_succeed)
{
    uint64_t rejected_count = 0;
    size_t taken_count = 0;
    for (size_t i = 0; i < request->doc_count; i++) {
        taken_count += request->docs[i]->state == XRAY_DOC_TAKEN ? 1 : 0;
    }
    if (count >= taken_count && all_can_succeed) {
        set_states(request, XRAY_DOC_RETRY);
        return 0;
    }
    for (size_t i = 0; i < request->doc_count && rejected_count < count; i++) {
        if (request->docs[i]->state == XRAY_DOC_TAKEN) {
            reject(request->docs[i]);
            rejected_count++;
        }
    }
    return rejected_count;
}

/* A call that succeeded names the documents that were not taken. */
static void read_unprocessed(struct xray_request *request, struct slice body)
{
    struct xray_put *put = request->put;
    struct xray_job *job = request->job;
    size_t total = xray_put_read_answer(body, put->entries, COUNT_OF(put->entries));
    size_t known = total < COUNT_OF(put->entries) ? total : COUNT_OF(put->entries);
    size_t nameless_count = total - known;
    uint64_t rejected_count = 0;
    bool all_can_succeed = nameless_count == 0;
    for (size_t i = 0; i < known; i++) {
        const struct xray_unprocessed *entry = &put->entries[i];
        struct xray_doc *doc =
            entry->id_len > 0 ? find_doc(request, slice_of(entry->id, entry->id_len)) : NULL;
        xray_codes_count(put->stats, entry);
        say(job, slice_of(entry->code, entry->code_len),
            slice_of(entry->message, entry->message_len));
        if (doc == NULL) {
            nameless_count++;
            all_can_succeed = all_can_succeed && entry->can_succeed;
            continue;
        }
        if (entry->can_succeed) {
            doc->state = XRAY_DOC_RETRY;
        } else {
            reject(doc);
            rejected_count++;
        }
    }
    rejected_count += settle_nameless(request, nameless_count, all_can_succeed);
    set_states(request, XRAY_DOC_DELIVERED);
    xray_telemetry_count_sent(put->events, request->doc_count, rejected_count);
}

/* What left this machine, and of that what nobody answered. */
static void mark_sent(struct xray_request *request, bool was_sent, bool was_answered)
{
    for (size_t i = 0; i < request->doc_count; i++) {
        struct xray_doc *doc = request->docs[i];
        doc->was_sent = doc->was_sent || was_sent;
        doc->is_unknown = was_sent && !was_answered;
    }
}

/* What was sent again on the way, because a kept connection ended without an answer. */
static void count_hidden_repeats(struct exporter_stats *stats, const struct aws_answer *answer)
{
    counter_add(&stats->requests_sent, answer->repeat_count);
    counter_add(&stats->requests_retried, answer->repeat_count);
    counter_add(&stats->requests_repeated_unknown, answer->repeat_count);
}

/* Its documents go again at once, in smaller company; one that was alone is refused. */
static void take_too_large(struct xray_request *request, const struct aws_answer *answer)
{
    struct xray_put *put = request->put;
    struct xray_job *job = request->job;
    xray_docs_split(job->docs, request->docs, request->doc_count);
    if (request->doc_count == 1) {
        job->status = answer->status;
        say(job, SLICE_LITERAL("a document alone is too large"), answer->message);
    } else if (!is_in_line(put, job)) {
        push_job(put, job);
    }
}

static void take_failure(struct xray_request *request, const struct aws_answer *answer)
{
    struct xray_job *job = request->job;
    uint64_t retry_after_ms = answer->retry_after_ms;
    xray_telemetry_count_failure(request->put->events, answer);
    if (answer->status == STATUS_TOO_LARGE) {
        take_too_large(request, answer);
        return;
    }
    job->status = answer->status;
    if (answer->was_answered) {
        say(job, answer->code, answer->message);
    } else {
        say(job, slice_of_text(answer->fault_text), (struct slice){0});
    }
    if (answer->outcome == AWS_PERMANENT) {
        set_states(request, XRAY_DOC_REJECTED);
        return;
    }
    job->retry_after_ms =
        retry_after_ms > job->retry_after_ms ? retry_after_ms : job->retry_after_ms;
    set_states(request, XRAY_DOC_RETRY);
    xray_docs_postpone(job->docs);
}

/* --- from jobs into requests ------------------------------------------------------------------ */

static struct xray_request *find_free(struct xray_put *put)
{
    for (uint32_t i = 0; i < put->request_count; i++) {
        if (put->requests[i].job == NULL) {
            return &put->requests[i];
        }
    }
    return NULL;
}

/* It did not begin: its documents wait for the next attempt, and so does the rest. */
static void give_back(struct xray_request *request, int err)
{
    struct xray_job *job = request->job;
    say(job, slice_of_text(fault_text(err)), (struct slice){0});
    set_states(request, XRAY_DOC_RETRY);
    xray_docs_postpone(job->docs);
    free_request(request);
}

/* Starts it, or leaves it in the limiter's line. */
static int admit(struct xray_request *request)
{
    struct xray_put *put = request->put;
    if (!aws_limiter_enter(&put->limiter, &request->turn)) {
        return 0;
    }
    int err = start_request(request);
    if (err != 0) {
        give_back(request, err);
        aws_limiter_cancel(&put->limiter);
    }
    return err;
}

static void finish_job(struct xray_put *put, struct xray_job *job)
{
    drop_job(put, job);
    job->is_active = false;
    job->on_done(job);
}

/* Nothing of it is left to send. One that is only beginning is told by whoever begins it. */
static void retire_job(struct xray_put *put, struct xray_job *job)
{
    drop_job(put, job);
    if (job->open_count == 0 && !job->is_starting) {
        finish_job(put, job);
    }
}

/* Documents of the oldest job go out while a request is free. The last error of a start. */
static int pump(struct xray_put *put)
{
    int err = 0;
    while (put->first != NULL) {
        struct xray_job *job = put->first;
        struct xray_request *request = find_free(put);
        if (request == NULL) {
            break;
        }
        request->doc_count = xray_docs_take(job->docs, request->docs);
        if (request->doc_count == 0) {
            retire_job(put, job);
            continue;
        }
        request->job = job;
        job->open_count++;
        int admit_err = admit(request);
        err = admit_err != 0 ? admit_err : err;
    }
    return err;
}

/* Whether it has nothing under way and nothing left to send. */
static bool is_over(const struct xray_put *put, const struct xray_job *job)
{
    return job->open_count == 0 && !is_in_line(put, job);
}

static void xray_put_on_done(struct aws_request *aws, const struct aws_answer *answer)
{
    struct xray_request *request = CONTAINER_OF(aws, struct xray_request, aws);
    struct xray_put *put = request->put;
    struct xray_job *job = request->job;
    ASSERT(request->is_in_flight);
    count_hidden_repeats(put->stats, answer);
    mark_sent(request, answer->was_sent, answer->was_answered);
    if (answer->outcome == AWS_OK) {
        read_unprocessed(request, answer->body);
    } else {
        take_failure(request, answer);
    }
    bool is_throttled = answer->outcome == AWS_THROTTLED;
    free_request(request);
    aws_limiter_leave(&put->limiter, is_throttled);
    (void)pump(put); /* what could not begin waits for its job's next attempt */
    if (job->is_active && is_over(put, job)) {
        finish_job(put, job);
    }
}

static void request_on_turn(struct aws_turn *turn)
{
    struct xray_request *request = CONTAINER_OF(turn, struct xray_request, turn);
    struct xray_put *put = request->put;
    struct xray_job *job = request->job;
    int err = start_request(request);
    if (err == 0) {
        return;
    }
    give_back(request, err);
    aws_limiter_cancel(&put->limiter);
    if (is_over(put, job)) {
        finish_job(put, job);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

int xray_put_init(struct xray_put *put, struct loop *loop, struct aws_client *client,
                  struct exporter_stats *stats, struct xray_telemetry *events,
                  uint32_t request_count)
{
    ASSERT(request_count > 0);
    *put = (struct xray_put){.loop = loop, .client = client, .stats = stats, .events = events};
    put->requests = mem_alloc_array(request_count, sizeof(struct xray_request));
    if (put->requests == NULL) {
        return -ENOMEM;
    }
    put->request_count = request_count;
    for (uint32_t i = 0; i < request_count; i++) {
        put->requests[i].put = put;
        put->requests[i].turn.on_turn = request_on_turn;
    }
    aws_limiter_init(&put->limiter, request_count);
    return 0;
}

void xray_put_fini(struct xray_put *put)
{
    ASSERT(put->first == NULL);
    mem_free(put->requests);
    *put = (struct xray_put){0};
}

int xray_put_start(struct xray_put *put, struct xray_job *job)
{
    ASSERT(!job->is_active);
    ASSERT(job->open_count == 0);
    job->is_active = true;
    job->status = 0;
    job->retry_after_ms = 0;
    job->reason[0] = '\0';
    job->is_starting = true;
    push_job(put, job);
    int err = pump(put);
    job->is_starting = false;
    if (!is_over(put, job)) {
        return 0;
    }
    ASSERT(err != 0);
    job->is_active = false;
    return err;
}

void xray_put_cancel(struct xray_put *put, struct xray_job *job)
{
    job->is_active = false;
    drop_job(put, job);
    for (uint32_t i = 0; i < put->request_count; i++) {
        struct xray_request *request = &put->requests[i];
        if (request->job != job) {
            continue;
        }
        set_states(request, XRAY_DOC_RETRY);
        if (request->is_in_flight) {
            mark_sent(request, true, false);
            aws_client_cancel(put->client, &request->aws);
            free_request(request);
            aws_limiter_cancel(&put->limiter);
        } else {
            aws_limiter_forget(&put->limiter, &request->turn);
            free_request(request);
        }
    }
    xray_docs_postpone(job->docs);
}
