/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_url — scheme and host are taken out by rules stricter than a URL parser's, so that none
 * of them can see another host in it than we did.
 */
#include "io/aws/container_url.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HOST_MAX_BYTES 253

static bool is_allowed_in4(struct in_addr address)
{
    uint32_t host_order = ntohl(address.s_addr);
    return host_order >> 24 == 127 || host_order == 0xa9feaa02U /* 169.254.170.2 */ ||
           host_order == 0xa9feaa17U /* 169.254.170.23 */;
}

static bool is_allowed_in6(const struct in6_addr *address)
{
    struct in6_addr eks;
    int parsed = inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    ASSERT(parsed == 1);
    return IN6_IS_ADDR_LOOPBACK(address) || memcmp(address, &eks, sizeof(eks)) == 0;
}

static bool is_allowed(const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof(in4));
        return is_allowed_in4(in4.sin_addr);
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_allowed_in6(&in6.sin6_addr);
    }
    return false;
}

/* Literal addresses are answered without a lookup. */
static const char *check_host(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    if (getaddrinfo(host, NULL, &hints, &info) != 0) {
        return "the host of the container endpoint is not known";
    }
    bool are_allowed = info != NULL;
    for (const struct addrinfo *i = info; i != NULL; i = i->ai_next) {
        are_allowed = are_allowed && is_allowed(i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(info);
    return are_allowed ? NULL
                       : "http is allowed only to loopback, 169.254.170.2, 169.254.170.23 and "
                         "[fd00:ec2::23]; the container endpoint is another host";
}

static bool is_host_byte(char byte, bool is_bracketed)
{
    bool is_word = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                   (byte >= '0' && byte <= '9');
    return is_word || byte == '.' || byte == '-' || (is_bracketed ? byte == ':' : byte == '_');
}

/* "host", "host:80", "[::1]:80" up to the path; without brackets into `host`. */
static bool take_host(const char *text, char host[HOST_MAX_BYTES + 1])
{
    bool is_bracketed = text[0] == '[';
    const char *first = is_bracketed ? text + 1 : text;
    size_t len = 0;
    while (len < HOST_MAX_BYTES && is_host_byte(first[len], is_bracketed)) {
        len++;
    }
    const char *rest = first + len;
    if (len == 0 || (is_bracketed && *rest != ']')) {
        return false;
    }
    memcpy(host, first, len);
    host[len] = '\0';
    rest += is_bracketed ? 1 : 0;
    if (*rest == ':') {
        rest++;
        rest += strspn(rest, "0123456789");
    }
    return *rest == '\0' || *rest == '/' || *rest == '?';
}

const char *container_url_check(const char *url)
{
    char host[HOST_MAX_BYTES + 1];
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c == '\\' || *c == 0x7f) {
            return "the container endpoint holds blanks or control characters";
        }
    }
    bool is_tls = strncasecmp(url, "https://", 8) == 0;
    if (!is_tls && strncasecmp(url, "http://", 7) != 0) {
        return "the container endpoint is neither http nor https";
    }
    if (!take_host(url + (is_tls ? 8 : 7), host)) {
        return "the container endpoint has no well-formed host";
    }
    return is_tls ? NULL : check_host(host);
}
