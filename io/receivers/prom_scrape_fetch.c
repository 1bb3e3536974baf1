/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_fetch — headers out, redirects followed, a body unpacked.
 */
#include "io/receivers/prom_scrape_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs/compress.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/loop.h"
#include "io/receivers/prom_scrape_pool.h"
#include "io/receivers/prom_scrape_redirect.h"
#include "io/receivers/pull_receiver.h"

/* What is left for a request whose time is over: it ends as one that took too long. */
#define HARDLY_ANY_MS 1

/* Those that are sent. */
enum header {
    HEADER_ACCEPT,
    HEADER_ENCODING,
    HEADER_AGENT,
    HEADER_TIMEOUT,
    HEADER_AUTHORIZATION,
    HEADER_COUNT,
};
_Static_assert(HEADER_COUNT == PROM_MEMBER_HEADERS_MAX, "a member has room for each");

/* The headers that are looked at in an answer. */
enum wanted {
    WANTED_ENCODING,
    WANTED_LOCATION,
    WANTED_COUNT,
};
static const char *const wanted_headers[WANTED_COUNT] = {
    [WANTED_ENCODING] = "Content-Encoding",
    [WANTED_LOCATION] = "Location",
};

/* --- the answer ------------------------------------------------------------------------------- */

static enum prom_format format_of(const struct prom_member *member,
                                  const struct http_result *result)
{
    bool is_known =
        slice_has_prefix(result->content_type, SLICE_LITERAL("text/plain")) ||
        slice_has_prefix(result->content_type, SLICE_LITERAL("application/openmetrics-text"));
    enum prom_format format = prom_scrape_format(result->content_type);
    if (!is_known && member->pool->job->is_fallback_openmetrics) {
        format = PROM_FORMAT_OPENMETRICS;
    }
    return format;
}

static void take_body(struct prom_member *member, const struct http_result *result)
{
    enum compress_kind packing = COMPRESS_NONE;
    if (result->is_body_cut) {
        prom_member_fail(member, PROM_OUTCOME_TOO_LARGE, "the page is larger than body_size_limit",
                         member->request.response_max_bytes);
        return;
    }
    if (compress_kind_of(result->headers[WANTED_ENCODING], &packing) != 0) {
        prom_member_fail(member, PROM_OUTCOME_ENCODING, "an encoding that nobody asked for", 0);
        return;
    }
    enum prom_format format = format_of(member, result);
    counter_add(&member->pool->hub->pull->stats.wire_bytes, result->body.len);
    member->body = http_result_take_body(result, &member->body_bytes);
    prom_member_take(member, format, packing, slice_of(member->body, result->body.len));
}

/* What it takes is charged once its length is known: one page at a time is not. */
void prom_fetch_unpack(struct prom_member *member)
{
    struct slice packed = member->item.page.body;
    struct slice page = {0};
    struct bytes body;
    bytes_init(&body, member->request.response_max_bytes);
    int err = decompress_bounded(member->packing, packed, &body);
    if (err != 0) {
        bytes_fini(&body);
        enum prom_outcome outcome =
            err == FAULT_LIMIT ? PROM_OUTCOME_TOO_LARGE : PROM_OUTCOME_ENCODING;
        prom_member_spoil(member, err == -ENOMEM ? PROM_OUTCOME_MEMORY : outcome, fault_text(err),
                          packed.len);
        return;
    }
    void *memory = bytes_take(&body, &page);
    prom_member_unpacked(member, memory, page);
}

/* --- the request ------------------------------------------------------------------------------ */

/* The last header is the secret; it goes where the configuration says and nowhere else. */
static int start_request(struct prom_member *member)
{
    bool is_own_host =
        member->moved_url == NULL || prom_redirect_is_same_host(member->url, member->moved_url);
    bool has_secret = member->authorization != NULL && is_own_host;
    member->headers[HEADER_AUTHORIZATION] = has_secret ? member->authorization : NULL;
    member->request.header_count = has_secret ? HEADER_COUNT : HEADER_AUTHORIZATION;
    member->request.url = member->moved_url != NULL ? member->moved_url : member->url;
    return http_client_start(member->pool->client, &member->request);
}

/* True where the request is on its way to the place that the answer named. */
static bool follow(struct prom_member *member, const struct http_result *result)
{
    struct prom_hub *hub = member->pool->hub;
    bool may_follow = member->pool->job->http.follows_redirects &&
                      prom_redirect_is(result->status) &&
                      member->redirect_count < PROM_REDIRECTS_MAX;
    char *moved_url =
        may_follow ? prom_redirect_resolve(member->request.url, result->headers[WANTED_LOCATION])
                   : NULL;
    if (moved_url == NULL) {
        return false;
    }
    mem_free(member->moved_url);
    member->moved_url = moved_url;
    member->redirect_count++;
    uint64_t passed_ms = (loop_now_mono_ns(hub->loop) - member->begun_mono_ns) / CLOCK_NS_PER_MS;
    uint64_t timeout_ms = member->timeout_ns / CLOCK_NS_PER_MS;
    member->request.timeout_ms = passed_ms < timeout_ms ? timeout_ms - passed_ms : HARDLY_ANY_MS;
    return start_request(member) == 0;
}

static void fail_request(struct prom_member *member, const struct http_result *result)
{
    switch (result->fault) { /* more of them than we tell apart */
    case -ETIMEDOUT:
        prom_member_fail(member, PROM_OUTCOME_TIMEOUT, result->fault_text, 0);
        return;
    case FAULT_LIMIT:
        prom_member_fail(member, PROM_OUTCOME_MEMORY, "memory_limit", 0);
        return;
    case -ENOMEM:
        prom_member_fail(member, PROM_OUTCOME_MEMORY, result->fault_text, 0);
        return;
    default:
        prom_member_fail(member, PROM_OUTCOME_UNREACHABLE, result->fault_text, 0);
        return;
    }
}

static void request_on_done(struct http_request *request, const struct http_result *result)
{
    struct prom_member *member = CONTAINER_OF(request, struct prom_member, request);
    if (result->fault != 0) {
        fail_request(member, result);
        return;
    }
    if (follow(member, result)) {
        return;
    }
    if (result->status != 200) {
        prom_member_fail(member, PROM_OUTCOME_STATUS, "the answer has another status than 200",
                         result->status);
        return;
    }
    take_body(member, result);
}

void prom_fetch_begin(struct prom_member *member)
{
    const struct prom_pool *pool = member->pool;
    if (pool->is_over_limit) {
        prom_member_fail(member, PROM_OUTCOME_TARGETS, "more targets than target_limit",
                         pool->job->limits.targets);
        return;
    }
    if (pool->lacks_secret) {
        prom_member_fail(member, PROM_OUTCOME_SECRET, "the file of a secret cannot be read", 0);
        return;
    }
    if (pool->authorization != NULL) {
        member->authorization = mem_copy_text(pool->authorization, strlen(pool->authorization));
        if (member->authorization == NULL) {
            prom_member_fail(member, PROM_OUTCOME_MEMORY, fault_text(-ENOMEM), 0);
            return;
        }
    }
    member->redirect_count = 0;
    member->request.timeout_ms = member->timeout_ns / CLOCK_NS_PER_MS;
    int err = start_request(member);
    if (err != 0) {
        prom_member_fail(member, err == -ENOMEM ? PROM_OUTCOME_MEMORY : PROM_OUTCOME_UNREACHABLE,
                         fault_text(err), 0);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* The largest page that is taken; a limit that is met exactly is passed, as in Prometheus. */
static size_t body_max_bytes(const struct prom_job *job)
{
    return job->limits.body_bytes > 0 ? (size_t)job->limits.body_bytes - 1
                                      : PROM_BODY_DEFAULT_MAX_BYTES;
}

void prom_fetch_init(struct prom_member *member)
{
    const struct prom_job *job = member->pool->job;
    uint64_t timeout_ms = member->timeout_ns / CLOCK_NS_PER_MS;
    int len =
        snprintf(member->timeout_line, sizeof(member->timeout_line),
                 "X-Prometheus-Scrape-Timeout-Seconds: %llu.%03llu",
                 (unsigned long long)(timeout_ms / 1000), (unsigned long long)(timeout_ms % 1000));
    /* Written without zeros at its end, as a number in JSON would be. */
    while (member->timeout_line[len - 1] == '0') {
        len--;
    }
    len -= member->timeout_line[len - 1] == '.' ? 1 : 0;
    member->timeout_line[len] = '\0';
    member->headers[HEADER_ACCEPT] = job->accept;
    member->headers[HEADER_ENCODING] =
        job->is_compressed ? "Accept-Encoding: gzip" : "Accept-Encoding: identity";
    member->headers[HEADER_AGENT] = "User-Agent: weir/" WEIR_VERSION;
    member->headers[HEADER_TIMEOUT] = member->timeout_line;
    member->request = (struct http_request){
        .method = "GET",
        .headers = member->headers,
        .wanted_headers = wanted_headers,
        .wanted_header_count = WANTED_COUNT,
        .response_max_bytes = body_max_bytes(job),
        .memory = &member->pool->hub->memory,
        .on_done = request_on_done,
    };
}

void prom_fetch_drop(struct prom_member *member)
{
    if (member->authorization != NULL) {
        explicit_bzero(member->authorization, strlen(member->authorization));
    }
    mem_free(member->authorization);
    mem_free(member->moved_url);
    member->authorization = NULL;
    member->moved_url = NULL;
}
