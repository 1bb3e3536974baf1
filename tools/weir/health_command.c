/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_command — one small HTTP request over a blocking socket; no thread, no library.
 */
#include "tools/weir/health_command.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/slice.h"
#include "core/engine/config_scalar.h"
#include "tools/weir/cli.h"

#define TIMEOUT_S 2

/* A connected socket, or -1. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int connected = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    for (const struct addrinfo *info = found; info != NULL && connected < 0; info = info->ai_next) {
        int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
        const struct timeval timeout = {.tv_sec = TIMEOUT_S};
        if (fd < 0) {
            continue;
        }
        /* Without a timeout the connect still ends, only later. */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        if (connect(fd, info->ai_addr, info->ai_addrlen) == 0) {
            connected = fd;
        } else {
            (void)close(fd);
        }
    }
    freeaddrinfo(found);
    return connected;
}

/* The status line's beginning tells all. */
static int read_verdict(int fd)
{
    char answer[64];
    size_t len = 0;
    while (len < 12) {
        ssize_t got = recv(fd, answer + len, sizeof(answer) - len, 0);
        if (got <= 0) {
            return EXIT_CODE_UNREACHABLE;
        }
        len += (size_t)got;
    }
    return memcmp(answer + 8, " 200", 4) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

int health_command(const char *address)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct config_endpoint endpoint;
    char host[256];
    char port[8];
    if (!config_parse_endpoint(slice_of_text(address), &endpoint)) {
        return EXIT_CODE_USAGE;
    }
    (void)snprintf(host, sizeof(host), "%.*s", (int)endpoint.host.len,
                   (const char *)endpoint.host.ptr);
    (void)snprintf(port, sizeof(port), "%u", endpoint.port);
    int code = EXIT_CODE_UNREACHABLE;
    int fd = connect_to(host[0] == 0 ? "127.0.0.1" : host, port);
    if (fd >= 0) {
        if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1) {
            code = read_verdict(fd);
        }
        (void)close(fd);
    }
    const char *verdict = "unreachable";
    if (code == EXIT_CODE_OK) {
        verdict = "ready";
    }
    if (code == EXIT_CODE_FAILED) {
        verdict = "not ready";
    }
    (void)printf("%s\n", verdict);
    return code;
}
