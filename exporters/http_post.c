/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_post — one list of POSTs under way, two clients behind it.
 *
 * Signed POSTs have an AWS client for each host, service and region; the others share an HTTP
 * client. What is known when the poster opens, header lines above all, is put together then. The
 * settings of a signature are copied, because a reload replaces the extension they came from.
 */
#include "exporters/http_post.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "exporters/exporter_bounds.h"
#include "exporters/http_client_config.h"
#include "exporters/http_post_headers.h"
#include "exporters/signing_target.h"
#include "io/auth/authenticator.h"
#include "io/auth/sigv4_auth.h"
#include "io/aws/signed_request.h"
#include "io/io_bounds.h"

/* POSTs kept for the next ones; about 2 KiB each, and a header of an authenticator. */
#define CALLS_KEPT_MAX 16
#define TEXTS_CHUNK_BYTES 512
#define TEXTS_MAX_BYTES 65536
/* A fault that no HTTP client ends with: settings that make no request, found before it is sent. */
#define HOPELESS FAULT_CONFIG

struct http_post_call {
    struct http_poster *poster;
    struct http_post *post; /* borrowed while under way */
    struct http_request http;
    struct aws_request aws;
    const char *lines[HTTP_HEADERS_MAX];
    char *auth_line;      /* owned, wiped; NULL where nothing is shown */
    size_t auth_line_cap; /* bytes */
    struct http_post_call *next;
    struct http_post_call *prev;
};

/* Where one URL's POSTs are signed. */
struct signed_road {
    struct signing_target target;
    struct aws_client *client; /* owned, unless an earlier road has the same one */
};

struct http_poster {
    struct loop *loop; /* borrowed */
    struct http_poster_options options;
    struct http_client *client;       /* owned; NULL where POSTs are signed */
    struct http_post_lines lines;     /* where POSTs are not signed */
    struct signed_road *roads;        /* owned, one for each URL; NULL where POSTs are not signed */
    struct arena texts;               /* owned: copies of the signature's settings */
    struct http_post_headers headers; /* where they are */
    struct http_post_call *calls;
    struct http_post_call *spare;
    uint32_t spare_count;
};

/* --- checking --------------------------------------------------------------------------------- */

WEIR_PRINTF(2, 3)
static int refuse(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, HTTP_POST_WHY_BYTES, format, arguments);
    va_end(arguments);
    return FAULT_CONFIG;
}

int http_poster_check(const struct http_poster_options *options, char *why)
{
    if (options->auth == NULL) {
        return 0;
    }
    if (!authenticator_is_client(options->auth)) {
        return refuse(why, "it checks who comes in, and has nothing to show when weir goes out");
    }
    const struct sigv4_auth_settings *settings = sigv4_auth_settings(options->auth);
    if (settings == NULL) {
        return 0;
    }
    int err = http_post_headers_check(options, why);
    for (size_t i = 0; err == 0 && i < options->url_count; i++) {
        struct signing_target target;
        const char *sentence = "";
        if (options->urls[i] != NULL &&
            signing_target_read(options->urls[i], settings, &target, &sentence) != 0) {
            err = refuse(why, "%.100s: %s", options->urls[i], sentence);
        }
    }
    return err;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void wipe_auth_line(struct http_post_call *call)
{
    if (call->auth_line != NULL) {
        explicit_bzero(call->auth_line, call->auth_line_cap);
    }
}

static void call_free(struct http_post_call *call)
{
    wipe_auth_line(call);
    mem_free(call->auth_line);
    mem_free(call);
}

/* Room for what the authenticator shows is made with the call, and kept. */
static struct http_post_call *call_new(const struct http_poster *poster)
{
    struct http_post_call *call = mem_alloc(sizeof(*call));
    if (call == NULL || poster->options.auth == NULL || poster->roads != NULL) {
        return call;
    }
    size_t name_len = strlen(authenticator_header(poster->options.auth));
    call->auth_line_cap = name_len + sizeof(": ") + AUTH_VALUE_MAX_BYTES;
    call->auth_line = mem_alloc(call->auth_line_cap);
    if (call->auth_line == NULL) {
        mem_free(call);
        return NULL;
    }
    return call;
}

static struct http_post_call *take_call(struct http_poster *poster)
{
    struct http_post_call *call = poster->spare;
    if (call == NULL) {
        return call_new(poster);
    }
    poster->spare = call->next;
    poster->spare_count--;
    return call;
}

/* The call is under way no more; its POST may be started again. */
static void give_back_call(struct http_post_call *call)
{
    struct http_poster *poster = call->poster;
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        poster->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->post->call = NULL;
    call->post = NULL;
    if (poster->spare_count >= CALLS_KEPT_MAX) {
        call_free(call);
        return;
    }
    wipe_auth_line(call);
    call->prev = NULL;
    call->next = poster->spare;
    poster->spare = call;
    poster->spare_count++;
}

static void finish(struct http_post_call *call, const struct http_result *result)
{
    struct http_post *post = call->post;
    give_back_call(call);
    post->on_done(post, result);
}

/* --- plain, or with a header ------------------------------------------------------------------ */

static void plain_on_done(struct http_request *http, const struct http_result *result)
{
    finish(CONTAINER_OF(http, struct http_post_call, http), result);
}

/* The authenticator's line, as it is now. 0 or FAULT_LIMIT. */
static int write_auth_line(struct http_post_call *call)
{
    struct authenticator *auth = call->poster->options.auth;
    int name_len =
        snprintf(call->auth_line, call->auth_line_cap, "%s: ", authenticator_header(auth));
    ASSERT(name_len > 0 && (size_t)name_len < call->auth_line_cap);
    int value_len = authenticator_value(auth, call->auth_line + name_len,
                                        call->auth_line_cap - (size_t)name_len);
    return value_len < 0 ? value_len : 0;
}

static int start_plain(struct http_post_call *call)
{
    const struct http_poster *poster = call->poster;
    const struct http_post *post = call->post;
    size_t line_count = poster->lines.count;
    memcpy(call->lines, poster->lines.lines, line_count * sizeof(call->lines[0]));
    if (poster->options.auth != NULL) {
        int err = write_auth_line(call);
        if (err != 0) {
            return err;
        }
        call->lines[line_count] = call->auth_line;
        line_count++;
    }
    call->http = (struct http_request){
        .method = "POST",
        .url = poster->options.urls[post->url_index],
        .headers = call->lines,
        .header_count = line_count,
        .body = post->body,
        .body_count = post->body_count,
        .timeout_ms = post->timeout_ms,
        .response_max_bytes = post->response_max_bytes,
        .on_done = plain_on_done,
    };
    return http_client_start(poster->client, &call->http);
}

/* --- signed ----------------------------------------------------------------------------------- */

/*
 * A class that the code of the answer gave, where its status alone would not say it: a clock that
 * was wrong and a limit of the service are answered with 400 or 403, and both pass.
 */
static uint32_t status_of(const struct aws_answer *answer)
{
    if (answer->outcome == AWS_THROTTLED && answer->status < 500) {
        return 429;
    }
    if (answer->outcome == AWS_TRANSIENT && answer->status < 500) {
        return 503;
    }
    return answer->status;
}

static int fault_of(enum aws_outcome outcome)
{
    switch (outcome) {
    case AWS_NO_CREDENTIALS:
        return -EACCES;
    case AWS_PERMANENT:
        return HOPELESS;
    case AWS_OK:
    case AWS_THROTTLED:
    case AWS_TRANSIENT:
        break;
    }
    return -ECONNABORTED;
}

static void finish_without_answer(struct http_post_call *call, const struct aws_answer *answer)
{
    const struct http_result result = {
        .fault = fault_of(answer->outcome),
        .fault_text = answer->fault_text,
        .repeat_count = answer->repeat_count,
    };
    finish(call, &result);
}

/* New credentials are on their way, or will be: what was refused may be sent again. */
static void finish_refused(struct http_post_call *call, const struct aws_answer *answer)
{
    char why[HTTP_POST_WHY_BYTES];
    (void)snprintf(why, sizeof(why), "the service refused the credentials: %u %.*s: %.*s",
                   answer->status, (int)answer->code.len, (const char *)answer->code.ptr,
                   (int)answer->message.len, (const char *)answer->message.ptr);
    const struct http_result result = {
        .fault = -EACCES,
        .fault_text = why,
        .repeat_count = answer->repeat_count,
    };
    finish(call, &result);
}

static void signed_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct http_post_call *call = CONTAINER_OF(request, struct http_post_call, aws);
    if (!answer->was_answered) {
        finish_without_answer(call, answer);
        return;
    }
    if (answer->outcome == AWS_NO_CREDENTIALS) {
        finish_refused(call, answer);
        return;
    }
    const struct http_result result = {
        .fault_text = "",
        .status = status_of(answer),
        .repeat_count = answer->repeat_count,
        .retry_after_ms = answer->retry_after_ms,
        .body = answer->body,
        .is_body_cut = answer->is_body_cut,
        .content_type = answer->content_type,
    };
    finish(call, &result);
}

static int start_signed(struct http_post_call *call)
{
    const struct http_poster *poster = call->poster;
    const struct http_post *post = call->post;
    const struct signed_road *road = &poster->roads[post->url_index];
    call->aws = (struct aws_request){
        .method = "POST",
        .path = road->target.path,
        .headers = poster->headers.headers,
        .header_count = poster->headers.count,
        .body = post->body,
        .body_count = post->body_count,
        .timeout_ms = post->timeout_ms,
        .response_max_bytes = post->response_max_bytes,
        .user_agent = poster->headers.user_agent,
        .on_done = signed_on_done,
    };
    return aws_client_start(road->client, &call->aws);
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool is_same_client(const struct signing_target *a, const struct signing_target *b)
{
    return strcmp(a->origin, b->origin) == 0 && strcmp(a->service, b->service) == 0 &&
           strcmp(a->region, b->region) == 0;
}

/* The client of an earlier road to the same place; NULL where there is none. */
static struct aws_client *find_client(const struct http_poster *poster, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        const struct signed_road *road = &poster->roads[i];
        if (road->client != NULL && is_same_client(&road->target, &poster->roads[index].target)) {
            return road->client;
        }
    }
    return NULL;
}

static int open_road(struct http_poster *poster, const struct sigv4_auth_settings *settings,
                     size_t index)
{
    struct signed_road *road = &poster->roads[index];
    const char *why = NULL;
    if (poster->options.urls[index] == NULL) {
        return 0;
    }
    int err = signing_target_read(poster->options.urls[index], settings, &road->target, &why);
    if (err != 0) {
        return err;
    }
    road->client = find_client(poster, index);
    if (road->client != NULL) {
        return 0;
    }
    const struct aws_client_options options = {
        .service = road->target.service,
        .region = road->target.region,
        .endpoint = road->target.origin,
        .role_arn = http_text_copy(&poster->texts, slice_of_text(settings->role_arn)),
        .session_name = http_text_copy(&poster->texts, slice_of_text(settings->session_name)),
        .sts_region = http_text_copy(&poster->texts, slice_of_text(settings->sts_region)),
        .external_id = http_text_copy(&poster->texts, slice_of_text(settings->external_id)),
        .web_identity_token_file =
            http_text_copy(&poster->texts, slice_of_text(settings->web_identity_token_file)),
        .http = &poster->options.client,
        .is_eager = true,
    };
    bool has_texts = options.role_arn != NULL && options.session_name != NULL &&
                     options.sts_region != NULL && options.external_id != NULL &&
                     options.web_identity_token_file != NULL;
    return has_texts ? aws_client_open(poster->loop, &options, &road->client) : -ENOMEM;
}

static int open_signed(struct http_poster *poster, const struct sigv4_auth_settings *settings)
{
    http_post_headers_take(&poster->options, &poster->headers);
    poster->roads = mem_alloc_array(poster->options.url_count, sizeof(poster->roads[0]));
    if (poster->roads == NULL) {
        return -ENOMEM;
    }
    int err = arena_init(&poster->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    for (size_t i = 0; err == 0 && i < poster->options.url_count; i++) {
        err = open_road(poster, settings, i);
    }
    return err;
}

int http_poster_open(struct loop *loop, const struct http_poster_options *options,
                     struct http_poster **out)
{
    ASSERT(options->url_count <= HTTP_POST_URLS_MAX);
    ASSERT(options->header_count < HTTP_HEADERS_MAX);
    struct http_poster *poster = mem_alloc(sizeof(*poster));
    if (poster == NULL) {
        return -ENOMEM;
    }
    *poster = (struct http_poster){.loop = loop, .options = *options};
    const struct sigv4_auth_settings *settings =
        options->auth != NULL ? sigv4_auth_settings(options->auth) : NULL;
    int err = 0;
    if (settings != NULL) {
        err = open_signed(poster, settings);
    } else {
        http_post_lines_take(&poster->options, &poster->lines);
        err = http_client_open(loop, &poster->options.client, &poster->client);
    }
    if (err != 0) {
        http_poster_close(poster);
        return err;
    }
    *out = poster;
    return 0;
}

void http_poster_set_auth(struct http_poster *poster, struct authenticator *auth)
{
    ASSERT((sigv4_auth_settings(auth) != NULL) == (poster->roads != NULL));
    poster->options.auth = auth;
}

static void close_roads(struct http_poster *poster)
{
    for (size_t i = 0; poster->roads != NULL && i < poster->options.url_count; i++) {
        struct aws_client *client = poster->roads[i].client;
        for (size_t j = i; j < poster->options.url_count; j++) {
            if (poster->roads[j].client == client) {
                poster->roads[j].client = NULL;
            }
        }
        aws_client_close(client);
    }
    mem_free(poster->roads);
    arena_fini(&poster->texts);
}

void http_poster_close(struct http_poster *poster)
{
    if (poster == NULL) {
        return;
    }
    while (poster->calls != NULL) {
        http_poster_cancel(poster, poster->calls->post);
    }
    while (poster->spare != NULL) {
        call_free(take_call(poster));
    }
    http_client_close(poster->client);
    close_roads(poster);
    mem_free(poster);
}

/* --- POSTs ------------------------------------------------------------------------------------ */

bool http_post_is_hopeless(const struct http_result *result)
{
    return result->fault == HOPELESS;
}

int http_poster_start(struct http_poster *poster, struct http_post *post)
{
    ASSERT(post->call == NULL);
    ASSERT(post->on_done != NULL);
    ASSERT(post->url_index < poster->options.url_count);
    ASSERT(poster->options.urls[post->url_index] != NULL);
    struct http_post_call *call = take_call(poster);
    if (call == NULL) {
        return -ENOMEM;
    }
    call->poster = poster;
    call->post = post;
    call->prev = NULL;
    call->next = poster->calls;
    if (call->next != NULL) {
        call->next->prev = call;
    }
    poster->calls = call;
    post->call = call;
    int err = poster->roads != NULL ? start_signed(call) : start_plain(call);
    if (err != 0) {
        give_back_call(call);
    }
    return err;
}

void http_poster_cancel(struct http_poster *poster, struct http_post *post)
{
    struct http_post_call *call = post->call;
    if (call == NULL) {
        return;
    }
    ASSERT(call->poster == poster);
    if (poster->roads != NULL) {
        aws_client_cancel(poster->roads[post->url_index].client, &call->aws);
    } else {
        http_client_cancel(poster->client, &call->http);
    }
    give_back_call(call);
}
