/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post_rig — see the header.
 */
#include "tests/exporters/post_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/auth/authenticator.h"
#include "tests/support/loop_fixture.h"

static const char *const headers[] = {"Content-Type: application/x-protobuf", "X-Empty;",
                                      "X-Two: a  b", "User-Agent: test/1",
                                      "Authorization: from the user"};

void post_rig_begin(struct post_rig *rig, struct loop *loop)
{
    *rig = (struct post_rig){.poster = NULL};
    aws_rig_open(&rig->aws, loop);
    (void)snprintf(rig->url, sizeof(rig->url), "%s%s", rig->aws.stub.url, POST_RIG_TARGET);
    (void)snprintf(rig->other_url, sizeof(rig->other_url), "%s%s", rig->aws.stub.url,
                   POST_RIG_OTHER_TARGET);
    rig->urls[0] = rig->url;
    rig->urls[1] = rig->other_url;
}

struct http_poster_options post_rig_options(const struct post_rig *rig)
{
    return (struct http_poster_options){
        .client = {.ignores_proxies = true},
        .auth = rig->auth,
        .urls = rig->urls,
        .url_count = COUNT_OF(rig->urls),
        .headers = headers,
        .header_count = COUNT_OF(headers),
    };
}

void post_rig_open_poster(struct post_rig *rig, authenticator_configure_fn *configure,
                          const char *yaml)
{
    char why[HTTP_POST_WHY_BYTES] = "";
    rig->auth = configure != NULL ? authenticator_fixture_new(configure, yaml) : NULL;
    const struct http_poster_options options = post_rig_options(rig);
    if (http_poster_check(&options, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(http_poster_open(rig->aws.loop, &options, &rig->poster), 0);
}

void post_rig_close_poster(struct post_rig *rig)
{
    http_poster_close(rig->poster);
    authenticator_free(rig->auth);
    rig->poster = NULL;
    rig->auth = NULL;
}

void post_rig_end(struct post_rig *rig)
{
    post_rig_close_poster(rig);
    aws_rig_close(&rig->aws);
}

/* --- probes ----------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t cap, struct slice text)
{
    (void)snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.ptr);
}

static void probe_on_done(struct http_post *post, const struct http_result *result)
{
    struct post_probe *probe = CONTAINER_OF(post, struct post_probe, post);
    assert_null(post->call);
    probe->is_done++;
    probe->fault = result->fault;
    probe->is_hopeless = http_post_is_hopeless(result);
    probe->status = result->status;
    probe->retry_after_ms = result->retry_after_ms;
    copy_text(probe->fault_text, sizeof(probe->fault_text), slice_of_text(result->fault_text));
    copy_text(probe->body, sizeof(probe->body), result->body);
    copy_text(probe->content_type, sizeof(probe->content_type), result->content_type);
}

struct post_probe post_probe_of(void)
{
    static char first[] = "telemetry, ";
    static char second[] = "compressed";
    static const struct iovec body[] = {
        {.iov_base = first, .iov_len = sizeof(first) - 1},
        {.iov_base = second, .iov_len = sizeof(second) - 1},
    };
    return (struct post_probe){.post = {.body = body,
                                        .body_count = COUNT_OF(body),
                                        .timeout_ms = 4000,
                                        .response_max_bytes = 200,
                                        .on_done = probe_on_done}};
}

void post_rig_run(struct post_rig *rig, struct post_probe *probe)
{
    probe->is_done = 0;
    assert_int_equal(http_poster_start(rig->poster, &probe->post), 0);
    assert_int_equal(probe->is_done, 0); /* never from inside start */
    loop_fixture_until(rig->aws.loop, &probe->is_done);
    assert_int_equal(probe->is_done, 1);
}

/* --- what arrived ----------------------------------------------------------------------------- */

const struct http_stub_request *post_rig_last(struct post_rig *rig)
{
    return aws_rig_last(&rig->aws, POST_RIG_TARGET);
}

void post_rig_assert_header(const struct http_stub_request *got, const char *name,
                            const char *value)
{
    struct slice text = http_stub_header(got, name);
    if (!slice_is_text(text, value)) {
        fail_msg("%s: %.*s", name, (int)text.len, (const char *)text.ptr);
    }
}

size_t post_rig_count_lines(const struct http_stub_request *got, const char *start)
{
    size_t count = 0;
    const char *at = strcasestr(got->head, start);
    while (at != NULL) {
        count += at == got->head || at[-1] == '\n' ? 1 : 0;
        at = strcasestr(at + 1, start);
    }
    return count;
}

void post_rig_use_keys(void)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "ENVSECRET", 1);
    (void)setenv("AWS_SESSION_TOKEN", "ENVTOKEN", 1);
}

bool post_rig_has_text(struct slice text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}
