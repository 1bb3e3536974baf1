/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_link_http — HTTP/1.1 with keep-alive, one request at a time; and the raw load for the floor,
 * which is bodies without anything around them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/otlp/http_answer.h"
#include "bench/otlp/otlp_link.h"
#include "core/base/fault.h"

#define HTTP_HEAD_MAX_BYTES 512u

static int link_open_nothing(struct otlp_link *link)
{
    ASSERT(link->used_count == 0);
    return 0;
}

static void link_close_nothing(struct otlp_link *link)
{
    (void)link; /* there is no state beyond the link's own */
}

static const char *http_path(enum signal signal)
{
    static const char *const paths[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "/v1/traces",
        [SIGNAL_METRICS] = "/v1/metrics",
        [SIGNAL_LOGS] = "/v1/logs",
    };
    return paths[signal];
}

static int http_submit(struct otlp_link *link, struct otlp_flight *flight)
{
    const struct otlp_corpus_options *corpus = &link->load->corpus->options;
    const bool is_plain = corpus->compression == COMPRESS_NONE;
    char head[HTTP_HEAD_MAX_BYTES];
    const int len = snprintf(
        head, sizeof(head),
        "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: weir-bench\r\n"
        "Content-Type: application/x-protobuf\r\n%s%s%s"
        "Content-Length: %zu\r\n\r\n",
        http_path(corpus->signal), link->authority,
        is_plain ? "" : "Content-Encoding: ", is_plain ? "" : compress_name(corpus->compression),
        is_plain ? "" : "\r\n", flight->body.len);
    ASSERT(len > 0 && (size_t)len < sizeof(head));
    const bool is_taken = otlp_out_copy(&link->out, slice_of(head, (size_t)len)) &&
                          otlp_out_refer(&link->out, flight->body);
    flight->sent_bytes = flight->body.len;
    return is_taken ? 0 : FAULT_LIMIT;
}

static enum otlp_outcome http_outcome(uint32_t status)
{
    switch (status) {
    case 200:
        return OTLP_OUTCOME_OK;
    case 429:
    case 502:
    case 503:
    case 504:
        return OTLP_OUTCOME_REFUSED;
    default:
        return OTLP_OUTCOME_FAILED;
    }
}

/* Bytes of a body that is of no interest. How many were taken. */
static size_t http_discard(struct otlp_link *link, struct slice bytes)
{
    const size_t taken = bytes.len < link->answer_left_bytes ? bytes.len : link->answer_left_bytes;
    link->answer_left_bytes -= taken;
    return taken;
}

/* A head is whole: the request is over, and its body follows. */
static int http_land(struct otlp_link *link, const struct http_answer *answer)
{
    link->answer_left_bytes = answer->body_bytes;
    if (answer->status < 200) {
        return 0; /* not an answer yet */
    }
    if (!link->flights[0].is_used) {
        return FAULT_MALFORMED;
    }
    otlp_link_land(link, &link->flights[0], http_outcome(answer->status));
    /* Answered before the request was sent whole: this connection cannot carry another one. */
    return answer->wants_close || link->out.pending_bytes > 0 ? FAULT_CLOSED : 0;
}

static int http_receive(struct otlp_link *link, struct slice bytes)
{
    bytes = slice_from(bytes, http_discard(link, bytes));
    while (bytes.len > 0) {
        const size_t room = sizeof(link->answer) - link->answer_bytes;
        const size_t more = bytes.len < room ? bytes.len : room;
        memcpy(link->answer + link->answer_bytes, bytes.ptr, more);
        struct http_answer answer;
        const enum parse parsed =
            http_answer_parse(slice_of(link->answer, link->answer_bytes + more), &answer);
        if (parsed == PARSE_BAD || (parsed == PARSE_MORE && more == room)) {
            return FAULT_MALFORMED;
        }
        if (parsed == PARSE_MORE) {
            link->answer_bytes += more;
            return 0;
        }
        bytes = slice_from(bytes, answer.head_bytes - link->answer_bytes);
        link->answer_bytes = 0;
        const int err = http_land(link, &answer);
        if (err != 0) {
            return err;
        }
        bytes = slice_from(bytes, http_discard(link, bytes));
    }
    return 0;
}

const struct otlp_link_ops otlp_link_http_ops = {
    .open = link_open_nothing,
    .submit = http_submit,
    .receive = http_receive,
    .gather = NULL,
    .written = NULL,
    .close = link_close_nothing,
};

static int raw_submit(struct otlp_link *link, struct otlp_flight *flight)
{
    flight->sent_bytes = flight->body.len;
    return otlp_out_refer(&link->out, flight->body) ? 0 : FAULT_LIMIT;
}

static int raw_receive(struct otlp_link *link, struct slice bytes)
{
    (void)link;
    (void)bytes; /* the floor says nothing; whatever this is, nobody waits for it */
    return 0;
}

/* The kernel has it: that is all there is to know. */
static int raw_written(struct otlp_link *link)
{
    for (uint32_t i = 0; i < link->load->options.stream_count; i++) {
        if (link->flights[i].is_used) {
            otlp_link_land(link, &link->flights[i], OTLP_OUTCOME_OK);
        }
    }
    return 0;
}

const struct otlp_link_ops otlp_link_raw_ops = {
    .open = link_open_nothing,
    .submit = raw_submit,
    .receive = raw_receive,
    .gather = NULL,
    .written = raw_written,
    .close = link_close_nothing,
};
