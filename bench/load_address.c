/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_address — see load_address.h. A load generator that can reach another machine is a weapon by
 * accident, so the check stands here, where every socket of the bench gets its address.
 */
#include "bench/load_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int address_parse_port(const char *text, uint16_t *port)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return -EINVAL;
    }
    const uint64_t value = strtoull(text, &end, 10);
    if (*end != '\0' || value > UINT16_MAX) {
        return -EINVAL;
    }
    *port = (uint16_t)value;
    return 0;
}

int load_address_parse(const char *text, struct load_address *out)
{
    *out = (struct load_address){0};
    const char *colon = strrchr(text, ':');
    char host[64];
    uint16_t port = 0;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
        return -EINVAL;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    int err = address_parse_port(colon + 1, &port);
    if (err != 0) {
        return err;
    }
    if (strcmp(host, "[::1]") == 0) {
        out->in6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6,
            .sin6_port = htons(port),
            .sin6_addr = IN6ADDR_LOOPBACK_INIT,
        };
        out->len = sizeof(out->in6);
        return 0;
    }
    struct in_addr in4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    if (strcmp(host, "localhost") != 0 && inet_pton(AF_INET, host, &in4) != 1) {
        return -EINVAL;
    }
    if (ntohl(in4.s_addr) >> 24 != 127) {
        return -EACCES;
    }
    out->in4 = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = in4,
    };
    out->len = sizeof(out->in4);
    return 0;
}

int load_address_of_path(const char *path, struct load_address *out)
{
    *out = (struct load_address){.sun = {.sun_family = AF_UNIX}};
    const size_t len = strlen(path);
    if (len == 0 || len >= sizeof(out->sun.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(out->sun.sun_path, path, len);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

uint16_t load_address_port(const struct load_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->in4.sin_port);
    case AF_INET6:
        return ntohs(address->in6.sin6_port);
    default:
        return 0;
    }
}

int load_address_connect(const struct load_address *address, int type)
{
    const int fd = socket(address->any.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, &address->any, address->len) != 0) {
        const int err = -errno;
        (void)close(fd); /* never carried anything */
        return err;
    }
    return fd;
}
