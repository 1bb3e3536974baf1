/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_post_headers — "Name: value" and "Name;" taken apart, and three lists of names.
 */
#include "exporters/http_post_headers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/slice.h"
#include "io/auth/authenticator.h"

/* "Name: value", or "Name;" for an empty value. */
static struct aws_header read_line(const char *line)
{
    size_t name_len = strcspn(line, ":;");
    const char *value = line + name_len;
    if (value[0] != '\0') {
        value++;
    }
    value += strspn(value, " ");
    return (struct aws_header){.name = slice_of(line, name_len), .value = slice_of_text(value)};
}

static bool is_named(struct slice name, const char *other)
{
    return name.len == strlen(other) && strncasecmp((const char *)name.ptr, other, name.len) == 0;
}

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_named(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* What the signer writes itself, over whatever a user wrote. */
static bool is_signers(struct slice name)
{
    static const char *const names[] = {"authorization", "x-amz-date", "x-amz-security-token"};
    return is_one_of(name, names, COUNT_OF(names));
}

/* What proxies and clients change on the way, so that a signature over it would not hold. */
static bool is_unsignable(struct slice name)
{
    static const char *const names[] = {"host", "expect", "transfer-encoding", "x-amzn-trace-id",
                                        "content-length"};
    return is_one_of(name, names, COUNT_OF(names));
}

int http_post_headers_check(const struct http_poster_options *options, char *why)
{
    size_t signed_count = 0;
    for (size_t i = 0; i < options->header_count; i++) {
        struct slice name = read_line(options->headers[i]).name;
        if (is_unsignable(name)) {
            (void)snprintf(why, HTTP_POST_WHY_BYTES,
                           "header '%.*s' cannot be set where requests are signed", (int)name.len,
                           (const char *)name.ptr);
            return FAULT_CONFIG;
        }
        signed_count += is_signers(name) || is_named(name, "user-agent") ? 0 : 1;
    }
    if (signed_count > AWS_REQUEST_HEADERS_MAX) {
        (void)snprintf(why, HTTP_POST_WHY_BYTES, "at most %d headers can be signed",
                       AWS_REQUEST_HEADERS_MAX);
        return FAULT_CONFIG;
    }
    return 0;
}

void http_post_lines_take(const struct http_poster_options *options, struct http_post_lines *out)
{
    const char *own = options->auth != NULL ? authenticator_header(options->auth) : "";
    out->count = 0;
    for (size_t i = 0; i < options->header_count; i++) {
        if (!is_named(read_line(options->headers[i]).name, own)) {
            out->lines[out->count] = options->headers[i];
            out->count++;
        }
    }
}

void http_post_headers_take(const struct http_poster_options *options,
                            struct http_post_headers *out)
{
    *out = (struct http_post_headers){.count = 0};
    for (size_t i = 0; i < options->header_count; i++) {
        struct aws_header header = read_line(options->headers[i]);
        if (is_named(header.name, "user-agent")) {
            out->user_agent = (const char *)header.value.ptr; /* to the line's end */
        } else if (!is_signers(header.name)) {
            ASSERT(out->count < AWS_REQUEST_HEADERS_MAX); /* http_post_headers_check */
            out->headers[out->count] = header;
            out->count++;
        }
    }
}
