/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_post_headers — the header lines of a poster, sorted for the road that its POSTs take.
 *
 * An authenticator's header takes the place of one of the user's with the same name. Where POSTs
 * are signed, all others are signed too, and what the signer writes itself is left to it. What is
 * put together here borrows from the options.
 */
#pragma once

#include <stddef.h>

#include "core/base/defs.h"
#include "exporters/http_post.h"
#include "io/aws/signed_request.h"
#include "io/io_bounds.h"

/* Of POSTs that are not signed. */
struct http_post_lines {
    const char *lines[HTTP_HEADERS_MAX];
    size_t count;
};

/* Of those that are. */
struct http_post_headers {
    struct aws_header headers[AWS_REQUEST_HEADERS_MAX];
    size_t count;
    const char *user_agent; /* NULL: weir's own */
};

/*
 * Can the headers be signed? 0, or FAULT_CONFIG with `why` filled: one of them would not arrive as
 * it was signed, or there are too many.
 */
WEIR_MUST_USE int http_post_headers_check(const struct http_poster_options *options, char *why);

void http_post_lines_take(const struct http_poster_options *options, struct http_post_lines *out);

/* They have passed http_post_headers_check. */
void http_post_headers_take(const struct http_poster_options *options,
                            struct http_post_headers *out);
