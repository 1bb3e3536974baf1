/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_post — the POSTs of one exporter, by the road its settings name: plain, with the header that
 * an authenticator shows, or signed for AWS.
 *
 * Serves the exporters over HTTP. Whatever the road, what comes back is an http_result, so that
 * exporters judge one kind of answer. A secret is asked for with each POST, so one that changed in
 * its file counts from the next POST on. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "io/http_client.h"

struct authenticator;
struct http_post;
struct http_post_call; /* the poster's record of a POST under way */
struct http_poster;
struct loop;

/* Room for a reason. */
#define HTTP_POST_WHY_BYTES 256

/* Everything but what stands in itself is borrowed until close. */
struct http_poster_options {
    struct http_client_options client;
    struct authenticator *auth; /* NULL: none */
    const char *const *urls;    /* where POSTs go; NULL for a place that is not used */
    size_t url_count;           /* at most HTTP_POST_URLS_MAX */
    const char *const *headers; /* of every POST, as http_request has them */
    size_t header_count;        /* at most HTTP_HEADERS_MAX - 1 */
};

/*
 * Once per started POST, from a later turn; `post` may be started again from inside. Where the
 * credentials for a signature are missing, or the service no longer takes them, the result has a
 * fault and a sentence: another try, later, may find better ones. http_post_is_hopeless tells the
 * faults where it will not.
 */
typedef void(http_post_done_fn)(struct http_post *post, const struct http_result *result);

/* Embedded in its owner. Everything pointed to is borrowed until on_done or cancel. */
struct http_post {
    size_t url_index;         /* of the poster's URLs; that one is not NULL */
    const struct iovec *body; /* read in place; encoded and compressed */
    size_t body_count;
    uint64_t timeout_ms; /* of the whole POST; where it is signed, of each attempt, of two */
    size_t response_max_bytes;
    http_post_done_fn *on_done;
    struct http_post_call *call; /* the poster's; NULL while not under way */
};

/* Has the result a fault that the same POST will always have: it cannot be signed, or its place is
 * none? Then nothing was sent. */
bool http_post_is_hopeless(const struct http_result *result);

/*
 * http_poster_check — can these options work together? For an exporter's link, on any thread.
 *   why   HTTP_POST_WHY_BYTES; filled on failure
 * 0, or FAULT_CONFIG: the authenticator is no client's, or signs, and the service is not to be
 * known from the host, or a header of the user's stands in the way.
 */
WEIR_MUST_USE int http_poster_check(const struct http_poster_options *options, char *why);

/*
 * http_poster_open — moves out a poster on `loop`, which is borrowed until close. `options` is
 * copied; it has passed http_poster_check. Never blocks; credentials are not waited for.
 * 0, -ENOMEM, -EBUSY, FAULT_LIBRARY, -errno; FAULT_CONFIG after a log line.
 */
WEIR_MUST_USE int http_poster_open(struct loop *loop, const struct http_poster_options *options,
                                   struct http_poster **out);

/* From now on `auth` is asked, which is of the same settings as the one before: after a reload. */
void http_poster_set_auth(struct http_poster *poster, struct authenticator *auth);

/*
 * Cancels what is under way (no on_done follows) and frees. NULL is fine. Not from inside on_done.
 * The loop needs one more turn to let go of the sockets.
 */
void http_poster_close(struct http_poster *poster);

/*
 * http_poster_start — begins a POST that is not under way.
 * Returns 0, and on_done follows from a later turn; -ENOMEM; FAULT_LIBRARY; FAULT_LIMIT for a
 * header of the authenticator that is too long. On a failure nothing is borrowed and no on_done
 * follows.
 */
WEIR_MUST_USE int http_poster_start(struct http_poster *poster, struct http_post *post);

/* Gives a POST up; no on_done follows. Fine for one that is not under way. */
void http_poster_cancel(struct http_poster *poster, struct http_post *post);
