/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_load — see otlp_load.h. A turn: dial what is down, hand out what is due, wait for sockets no
 * longer than until the next request is due.
 */
#include "bench/otlp/otlp_load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/otlp/otlp_link.h"
#include "bench/proc_clock.h"
#include "core/base/mem.h"

#define LOAD_EVENTS_COUNT 64
#define LOAD_WAIT_NS UINT64_C(5000000)
#define LOAD_SECOND_NS UINT64_C(1000000000)
#define LOAD_MS_NS UINT64_C(1000000)
#define LOAD_MILLI UINT64_C(1000)

/* The phase under way. */
struct load_clock {
    const struct otlp_phase *phase;
    const atomic_bool *cancel;
    uint64_t start_mono_ns;
    uint64_t started_count; /* taken from the schedule */
};

int otlp_load_init(struct otlp_load *load, const struct otlp_load_options *options,
                   const struct otlp_corpus *corpus)
{
    static const struct otlp_link_ops *const ops[] = {
        [OTLP_PROTOCOL_GRPC] = &otlp_link_grpc_ops,
        [OTLP_PROTOCOL_HTTP] = &otlp_link_http_ops,
        [OTLP_PROTOCOL_RAW] = &otlp_link_raw_ops,
    };
    *load = (struct otlp_load){.options = *options, .corpus = corpus, .epoll_fd = -1};
    ASSERT(options->connection_count <= OTLP_LOAD_CONNECTIONS_MAX_COUNT);
    ASSERT(options->stream_count > 0 && options->stream_count <= OTLP_LOAD_STREAMS_MAX_COUNT);
    if (options->protocol != OTLP_PROTOCOL_GRPC) {
        load->options.stream_count = 1;
    }
    load->links = mem_alloc_array(options->connection_count, sizeof(struct otlp_link *));
    load->fates = mem_alloc_array(corpus->options.body_count, sizeof(*load->fates));
    load->sent_mono_ns = mem_alloc_array((size_t)corpus->options.body_count * OTLP_SENT_RING_COUNT,
                                         sizeof(*load->sent_mono_ns));
    load->sent_counts = mem_alloc_array(corpus->options.body_count, sizeof(*load->sent_counts));
    load->again = mem_alloc_array(OTLP_LOAD_AGAIN_MAX_COUNT, sizeof(*load->again));
    if (load->links == NULL || load->fates == NULL || load->sent_mono_ns == NULL ||
        load->sent_counts == NULL || load->again == NULL) {
        return -ENOMEM;
    }
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll_fd < 0) {
        return -errno;
    }
    for (uint32_t i = 0; i < options->connection_count; i++) {
        struct otlp_link *link = mem_alloc(sizeof(*link));
        if (link == NULL) {
            return -ENOMEM;
        }
        link->ops = ops[options->protocol];
        link->load = load;
        link->index = i;
        link->fd = -1;
        (void)snprintf(link->authority, sizeof(link->authority), "127.0.0.1:%d",
                       (int)load_address_port(&options->target));
        load->links[i] = link;
    }
    return 0;
}

void otlp_load_fini(struct otlp_load *load)
{
    struct otlp_tally unread = {0};
    load->tally = &unread;
    for (uint32_t i = 0; load->links != NULL && i < load->options.connection_count; i++) {
        if (load->links[i] != NULL) {
            otlp_link_down(load->links[i], 0);
            mem_free(load->links[i]);
        }
    }
    mem_free(load->links);
    mem_free(load->fates);
    mem_free(load->sent_mono_ns);
    mem_free(load->sent_counts);
    mem_free(load->again);
    if (load->epoll_fd >= 0) {
        (void)close(load->epoll_fd); /* holds nothing */
    }
    *load = (struct otlp_load){.epoll_fd = -1};
}

/* --- what became of a request ----------------------------------------------------------------- */

static bool load_send_again(struct otlp_load *load, const struct otlp_request *request,
                            uint64_t now_mono_ns)
{
    if (!load->options.resends || load->again_count == OTLP_LOAD_AGAIN_MAX_COUNT) {
        return false;
    }
    const uint32_t place = (load->again_first + load->again_count) % OTLP_LOAD_AGAIN_MAX_COUNT;
    load->again[place] = *request;
    load->again[place].again_mono_ns = now_mono_ns + load->options.resend_ms * LOAD_MS_NS;
    load->again_count++;
    return true;
}

void otlp_load_done(struct otlp_load *load, const struct otlp_request *request,
                    enum otlp_outcome outcome)
{
    struct otlp_tally *tally = load->tally;
    const uint64_t now_ns = proc_mono_ns();
    ASSERT(load->in_flight_count > 0);
    load->in_flight_count--;
    tally->outcome_counts[outcome]++;
    if (outcome == OTLP_OUTCOME_OK) {
        load->fates[request->body_index].acked_count++;
        if (load->options.times != NULL) {
            /* Lines that are missing show as a smaller count. */
            (void)fprintf(load->options.times, "%" PRIu64 " %" PRIu64 "\n",
                          request->scheduled_mono_ns, now_ns);
        }
        if (request->scheduled_mono_ns >= load->phase_first_mono_ns) {
            latency_record(&tally->latency, now_ns - request->scheduled_mono_ns);
        }
        return;
    }
    load->fates[request->body_index].uncertain_count++;
    load->sent_counts[request->body_index]--; /* taken for one that will not arrive */
    if (outcome != OTLP_OUTCOME_FAILED && load_send_again(load, request, now_ns)) {
        tally->resent_count++;
    }
}

/* --- the schedule ----------------------------------------------------------------------------- */

/* When request `n` of the phase is due. Products stay below 2^64: seconds and rest apart. */
static uint64_t load_due_ns(const struct load_clock *clock, uint64_t n)
{
    const uint64_t rate = clock->phase->rate_requests_milli;
    if (rate == 0) {
        return clock->start_mono_ns;
    }
    const uint64_t thousands = n * LOAD_MILLI;
    return clock->start_mono_ns + thousands / rate * LOAD_SECOND_NS +
           thousands % rate * LOAD_SECOND_NS / rate;
}

static bool load_take_again(struct otlp_load *load, uint64_t now_ns, struct otlp_request *out)
{
    if (load->again_count == 0 || load->again[load->again_first].again_mono_ns > now_ns) {
        return false;
    }
    *out = load->again[load->again_first];
    load->again_first = (load->again_first + 1) % OTLP_LOAD_AGAIN_MAX_COUNT;
    load->again_count--;
    return true;
}

/* Nothing new leaves any more. */
static bool load_is_spent(const struct load_clock *clock)
{
    const struct otlp_phase *phase = clock->phase;
    return phase->is_draining ||
           (phase->request_count > 0 && clock->started_count >= phase->request_count);
}

/* The next request that is due, if any: old ones first. */
static bool load_next(struct otlp_load *load, struct load_clock *clock, uint64_t now_ns,
                      struct otlp_request *out)
{
    const struct otlp_phase *phase = clock->phase;
    if (load_take_again(load, now_ns, out)) {
        return true;
    }
    if (load_is_spent(clock) || load_due_ns(clock, clock->started_count) > now_ns) {
        return false;
    }
    *out = (struct otlp_request){.body_index = load->next_body};
    out->scheduled_mono_ns =
        phase->rate_requests_milli == 0 ? now_ns : load_due_ns(clock, clock->started_count);
    clock->started_count++;
    load->next_body++;
    if (load->next_body == load->corpus->options.body_count) {
        load->next_body = 0;
    }
    return true;
}

static void load_submit(struct otlp_load *load, struct otlp_link *link,
                        const struct otlp_request *request)
{
    struct otlp_tally *tally = load->tally;
    tally->submitted_count++;
    latency_record(&tally->lateness, proc_mono_ns() - request->scheduled_mono_ns);
    tally->wire_bytes += otlp_corpus_body(load->corpus, request->body_index).len;
    load->in_flight_count++;
    const uint32_t body = request->body_index;
    const size_t place =
        (size_t)body * OTLP_SENT_RING_COUNT + load->sent_counts[body] % OTLP_SENT_RING_COUNT;
    load->sent_counts[body]++;
    atomic_store_explicit(&load->sent_mono_ns[place], request->scheduled_mono_ns,
                          memory_order_relaxed);
    otlp_link_submit(link, request);
}

/* Hands out what is due, to each link in turn; then the links write. */
static void load_hand_out(struct otlp_load *load, struct load_clock *clock)
{
    const uint32_t link_count = load->options.connection_count;
    uint32_t full_count = 0;
    struct otlp_request request;
    while (full_count < link_count) {
        struct otlp_link *link = load->links[load->next_link];
        load->next_link = load->next_link + 1 < link_count ? load->next_link + 1 : 0;
        if (!otlp_link_has_room(link)) {
            full_count++;
            continue;
        }
        full_count = 0;
        if (!load_next(load, clock, proc_mono_ns(), &request)) {
            break;
        }
        load_submit(load, link, &request);
    }
    for (uint32_t i = 0; i < link_count; i++) {
        otlp_link_flush(load->links[i]);
    }
}

/* --- the turn --------------------------------------------------------------------------------- */

static bool load_is_over(const struct otlp_load *load, const struct load_clock *clock,
                         uint64_t now_ns)
{
    const bool is_idle = load->in_flight_count == 0 && load->again_count == 0;
    return now_ns - clock->start_mono_ns >= clock->phase->duration_ns ||
           (load_is_spent(clock) && is_idle) ||
           atomic_load_explicit(clock->cancel, memory_order_relaxed);
}

static bool load_has_room(const struct otlp_load *load)
{
    for (uint32_t i = 0; i < load->options.connection_count; i++) {
        if (otlp_link_has_room(load->links[i])) {
            return true;
        }
    }
    return false;
}

/*
 * Until the next request is due, but not long: links are dialled and limits looked at in between.
 * What is due and has nobody to take it waits for a socket.
 */
static struct timespec load_wait(const struct otlp_load *load, const struct load_clock *clock,
                                 uint64_t now_ns)
{
    uint64_t wait_ns = LOAD_WAIT_NS;
    if (!load_is_spent(clock)) {
        const uint64_t due_ns = load_due_ns(clock, clock->started_count);
        const uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        if (left_ns < wait_ns && (left_ns > 0 || load_has_room(load))) {
            wait_ns = left_ns;
        }
    }
    return (struct timespec){.tv_nsec = (int64_t)wait_ns};
}

static void load_turn(struct otlp_load *load, struct load_clock *clock)
{
    struct epoll_event events[LOAD_EVENTS_COUNT];
    uint64_t now_ns = proc_mono_ns();
    for (uint32_t i = 0; i < load->options.connection_count; i++) {
        otlp_link_dial(load->links[i], now_ns);
    }
    load_hand_out(load, clock);
    now_ns = proc_mono_ns();
    const struct timespec wait = load_wait(load, clock, now_ns);
    /* An interrupted wait finds nothing ready. */
    const int ready_count = epoll_pwait2(load->epoll_fd, events, LOAD_EVENTS_COUNT, &wait, NULL);
    for (int i = 0; i < ready_count; i++) {
        otlp_link_turn(load->links[events[i].data.u32], events[i].events);
    }
}

/* What was due in the phase and never left. */
static uint64_t load_unsent(const struct load_clock *clock, uint64_t now_ns)
{
    const struct otlp_phase *phase = clock->phase;
    if (phase->rate_requests_milli == 0 || phase->is_draining) {
        return 0;
    }
    const uint64_t elapsed_ns = now_ns - clock->start_mono_ns;
    const uint64_t end_ns = elapsed_ns < phase->duration_ns ? elapsed_ns : phase->duration_ns;
    const uint64_t rate = phase->rate_requests_milli;
    const uint64_t due_count =
        (end_ns / LOAD_SECOND_NS * rate + end_ns % LOAD_SECOND_NS * rate / LOAD_SECOND_NS) /
        LOAD_MILLI;
    const uint64_t most = phase->request_count > 0 && due_count > phase->request_count
                              ? phase->request_count
                              : due_count;
    return most > clock->started_count ? most - clock->started_count : 0;
}

void otlp_load_run(struct otlp_load *load, const struct otlp_phase *phase,
                   const atomic_bool *cancel, struct otlp_tally *tally)
{
    /* Waits are as exact as the schedule; without it they would be 50 µs late. */
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    struct load_clock clock = {.phase = phase, .cancel = cancel, .start_mono_ns = proc_mono_ns()};
    load->tally = tally;
    load->phase_first_mono_ns = clock.start_mono_ns + phase->skip_ns;
    tally->started_mono_ns = clock.start_mono_ns;
    uint64_t now_ns = clock.start_mono_ns;
    while (!load_is_over(load, &clock, now_ns)) {
        load_turn(load, &clock);
        now_ns = proc_mono_ns();
    }
    tally->ended_mono_ns = now_ns;
    tally->unsent_count = load_unsent(&clock, now_ns);
}

void otlp_load_end(struct otlp_load *load, struct otlp_tally *tally)
{
    load->tally = tally;
    load->options.resends = false;
    load->again_count = 0;
    for (uint32_t i = 0; i < load->options.connection_count; i++) {
        otlp_link_down(load->links[i], 0);
    }
    ASSERT(load->in_flight_count == 0);
}
