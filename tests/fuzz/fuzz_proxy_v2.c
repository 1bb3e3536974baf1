/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: proxy_v2_decode.
 *
 * An answer other than "more" stands whatever follows; a header ends inside what was given and
 * within its limit; an address is one of the two kinds, whole.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"
#include "io/io_bounds.h"
#include "io/proxy_v2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(const struct proxy_v2 *header, size_t size)
{
    ASSERT(header->header_bytes >= 16 && header->header_bytes <= PROXY_V2_MAX_BYTES);
    ASSERT(header->header_bytes <= size);
    ASSERT(!header->is_local || !header->has_source);
    if (header->has_source) {
        bool is_v4 = header->source.any.sa_family == AF_INET;
        ASSERT(is_v4 || header->source.any.sa_family == AF_INET6);
        ASSERT(header->source.len ==
               (is_v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_v2 whole = {0};
    const char *why = NULL;
    enum parse parse = proxy_v2_decode(slice_of(data, size), &whole, &why);
    ASSERT((parse == PARSE_BAD) == (why != NULL));
    if (parse == PARSE_DONE) {
        check_header(&whole, size);
    }
    enum parse told = PARSE_MORE;
    size_t len = 0;
    while (told == PARSE_MORE && len < size) {
        struct proxy_v2 header = {0};
        told = proxy_v2_decode(slice_of(data, ++len), &header, &why);
        ASSERT(told != PARSE_DONE || header.header_bytes == len);
        ASSERT(told != PARSE_DONE || memcmp(&header, &whole, sizeof(header)) == 0);
    }
    ASSERT(size == 0 || told == parse);
    ASSERT(size < PROXY_V2_MAX_BYTES || parse != PARSE_MORE);
    return 0;
}
