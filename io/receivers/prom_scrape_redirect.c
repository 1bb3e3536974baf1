/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_redirect — a few cuts into two texts. Dots in a path are the server's to make sense
 * of.
 */
#include "io/receivers/prom_scrape_redirect.h"

#include <string.h>

#include "codecs/bytes.h"
#include "io/http_client.h"

#define URL_MAX_BYTES 16384

bool prom_redirect_is(uint32_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Offset behind "scheme:"; 0 where there is none. */
static size_t scheme_len(struct slice url)
{
    size_t colon = slice_find(url, ':');
    for (size_t i = 0; i < colon && colon < url.len; i++) {
        uint8_t byte = url.ptr[i] | 0x20;
        if (byte < 'a' || byte > 'z') {
            return 0;
        }
    }
    return colon < url.len && colon > 0 ? colon + 1 : 0;
}

/* Offset of the first of '/', '?' and '#' behind "scheme://", or the length. */
static size_t origin_len(struct slice url)
{
    size_t first = scheme_len(url) + 2;
    while (first < url.len && strchr("/?#", url.ptr[first]) == NULL) {
        first++;
    }
    return first < url.len ? first : url.len;
}

/* Offset behind the last '/' of the path, or the length of the origin. */
static size_t folder_len(struct slice url)
{
    size_t origin = origin_len(url);
    size_t len = origin;
    for (size_t i = origin; i < url.len && url.ptr[i] != '?' && url.ptr[i] != '#'; i++) {
        len = url.ptr[i] == '/' ? i + 1 : len;
    }
    return len;
}

/* Offset of the query or the fragment, or the length. */
static size_t path_end(struct slice url)
{
    size_t question = slice_find(url, '?');
    size_t hash = slice_find(url, '#');
    return question < hash ? question : hash;
}

/* What comes before the location. */
static struct slice base_of(struct slice url, struct slice location)
{
    if (scheme_len(location) > 0) {
        return slice_of(NULL, 0);
    }
    if (slice_has_prefix(location, SLICE_LITERAL("//"))) {
        return slice_first(url, scheme_len(url));
    }
    if (location.len > 0 && location.ptr[0] == '?') {
        return slice_first(url, path_end(url));
    }
    bool is_rooted = location.len > 0 && location.ptr[0] == '/';
    return slice_first(url, is_rooted ? origin_len(url) : folder_len(url));
}

char *prom_redirect_resolve(const char *url, struct slice location)
{
    struct bytes text;
    struct slice content = {0};
    struct slice base = base_of(slice_of_text(url), location);
    if (location.len == 0 || slice_find(location, 0) < location.len) {
        return NULL;
    }
    bool lacks_slash =
        base.len > 0 && base.len == origin_len(slice_of_text(url)) && location.ptr[0] != '/';
    bytes_init(&text, URL_MAX_BYTES);
    bytes_append(&text, base.ptr, base.len);
    if (lacks_slash) {
        bytes_append_byte(&text, '/');
    }
    bytes_append(&text, location.ptr, slice_find(location, '#'));
    bytes_append_byte(&text, '\0');
    if (text.err != 0 || !http_url_is_valid((const char *)text.ptr)) {
        bytes_fini(&text);
        return NULL;
    }
    return bytes_take(&text, &content);
}

bool prom_redirect_is_same_host(const char *a, const char *b)
{
    struct slice first = slice_of_text(a);
    struct slice second = slice_of_text(b);
    return slice_equal(slice_first(first, origin_len(first)),
                       slice_first(second, origin_len(second)));
}
