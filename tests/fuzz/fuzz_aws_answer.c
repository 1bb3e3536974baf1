/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: aws_error_read, aws_region_from_*, aws_endpoint_resolve (io/aws), and with them
 * json_members and xml_text.
 *
 * Messages are UTF-8 without control characters; a region is one wherever it came from; a URL that
 * was put into shape keeps it, with its host.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"
#include "io/aws/aws_error.h"
#include "io/aws/endpoint.h"
#include "io/aws/region.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(struct slice text)
{
    struct aws_error from_body;
    struct aws_error from_header;
    aws_error_read((struct slice){0}, text, &from_body);
    aws_error_read(text, (struct slice){0}, &from_header);
    ASSERT(slice_is_utf8(slice_of_text(from_body.message)));
    for (const char *c = from_body.message; *c != '\0'; c++) {
        ASSERT((uint8_t)*c >= ' ' && *c != 0x7F);
    }
    ASSERT(strlen(from_header.code) <= AWS_ERROR_CODE_MAX_BYTES);
    /* A code that was read once is read as itself. */
    struct aws_error again;
    aws_error_read(slice_of_text(from_body.code), (struct slice){0}, &again);
    ASSERT(strcmp(again.code, from_body.code) == 0);
}

static void check_region(int err, const struct aws_region *region)
{
    ASSERT((err == 0) == (region->text[0] != '\0'));
    ASSERT(err != 0 || aws_region_is_valid(slice_of_text(region->text)));
}

static void check_regions(struct slice text)
{
    struct aws_region region;
    int err = aws_region_from_arn(text, &region);
    check_region(err, &region);
    err = aws_region_from_task(text, &region);
    check_region(err, &region);
    err = aws_region_from_instance(text, &region);
    check_region(err, &region);
}

static void check_endpoint(struct slice text)
{
    static const struct aws_endpoint_env no_env;
    struct aws_endpoint endpoint;
    struct aws_endpoint again;
    const char *why = NULL;
    if (text.len == 0) {
        return;
    }
    int err = aws_endpoint_resolve(&no_env, text, (struct slice){0}, SLICE_LITERAL("xray"),
                                   &endpoint, &why);
    ASSERT((err == 0) == (why == NULL));
    if (err != 0) {
        return;
    }
    ASSERT(endpoint.path_offset <= strlen(endpoint.url));
    err = aws_endpoint_resolve(&no_env, slice_of_text(endpoint.url), (struct slice){0},
                               SLICE_LITERAL("xray"), &again, &why);
    ASSERT(err == 0);
    ASSERT(strcmp(endpoint.url, again.url) == 0);
    ASSERT(strcmp(endpoint.host, again.host) == 0);
    ASSERT(endpoint.path_offset == again.path_offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    check_error(text);
    check_regions(text);
    check_endpoint(text);
    return 0;
}
