/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing_target — a URL cut at its first slash, and a table of prefixes.
 *
 * A second label that is no region's name is none: "logs.example.com" has no region, and the
 * environment is asked.
 */
#include "exporters/signing_target.h"

#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/slice.h"

/* The Collector's, but for the last. */
static const struct {
    const char *prefix;
    const char *service;
} hosts[] = {
    {"aps-workspaces", "aps"},    {"search-", "es"}, {"logs", "logs"}, {"xray", "xray"},
    {"monitoring", "monitoring"},
};

/* Fills `out`, of `cap` bytes; false where there is no room. */
static bool put(struct slice text, char *out, size_t cap)
{
    if (text.len >= cap) {
        return false;
    }
    if (text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
    out[text.len] = '\0';
    return true;
}

static const char *service_of_host(struct slice host)
{
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        size_t len = strlen(hosts[i].prefix);
        if (host.len >= len && strncasecmp((const char *)host.ptr, hosts[i].prefix, len) == 0) {
            return hosts[i].service;
        }
    }
    return NULL;
}

/* "us-east-1": words with hyphens, a digit at the end. */
static bool is_region(struct slice label)
{
    if (!aws_region_is_valid(label) || slice_find(label, '-') == label.len) {
        return false;
    }
    uint8_t last = label.ptr[label.len - 1];
    return last >= '0' && last <= '9';
}

/* The label after the first dot, and only where another one follows; else empty. */
static struct slice region_of_host(struct slice host)
{
    size_t first = slice_find(host, '.');
    if (first == host.len) {
        return slice_of(NULL, 0);
    }
    struct slice rest = slice_from(host, first + 1);
    size_t len = slice_find(rest, '.');
    struct slice label = slice_first(rest, len);
    return len < rest.len && is_region(label) ? label : slice_of(NULL, 0);
}

/* The first of the bytes that end an authority, or the length. */
static size_t authority_len(struct slice text)
{
    size_t len = slice_find(text, '/');
    size_t query = slice_find(text, '?');
    size_t fragment = slice_find(text, '#');
    len = query < len ? query : len;
    return fragment < len ? fragment : len;
}

/* `rest` begins with a slash or a query, or is empty; a fragment is not sent. */
static bool put_path(struct slice rest, struct signing_target *out)
{
    struct slice path = slice_first(rest, slice_find(rest, '#'));
    bool has_slash = path.len > 0 && path.ptr[0] == '/';
    out->path[0] = '/';
    size_t at = has_slash ? 0 : 1;
    return put(path, out->path + at, sizeof(out->path) - at);
}

static int refuse(const char **why, const char *sentence)
{
    *why = sentence;
    return FAULT_CONFIG;
}

int signing_target_read(const char *url, const struct sigv4_auth_settings *settings,
                        struct signing_target *out, const char **why)
{
    const char *mark = strstr(url, "://");
    if (mark == NULL) {
        return refuse(why, "the URL has no scheme");
    }
    struct slice text = slice_of_text(url);
    size_t scheme_len = (size_t)(mark - url) + 3;
    struct slice rest = slice_from(text, scheme_len);
    struct slice authority = slice_first(rest, authority_len(rest));
    if (slice_find(authority, '@') < authority.len) {
        return refuse(why, "a URL with a user in it cannot be signed for");
    }
    struct slice host = slice_first(authority, slice_find(authority, ':'));
    const char *known = service_of_host(host);
    const char *service = settings->service[0] != '\0' ? settings->service : known;
    if (service == NULL) {
        return refuse(why, "the host's name does not tell the service: set it in sigv4auth");
    }
    struct slice region = slice_of_text(settings->region);
    if (region.len == 0 && known != NULL) {
        region = region_of_host(host);
    }
    bool fits =
        put(slice_first(text, scheme_len + authority.len), out->origin, sizeof(out->origin)) &&
        put_path(slice_from(rest, authority.len), out) &&
        put(slice_of_text(service), out->service, sizeof(out->service)) &&
        put(region, out->region, sizeof(out->region));
    return fits ? 0 : refuse(why, "the URL is too long to be signed for");
}
