/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_get — see http_get.h. HTTP/1.0, so that the body ends where the connection does and no
 * server answers in chunks.
 */
#include "bench/http_get.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define HTTP_GET_MAX_BYTES (16u << 20)
#define HTTP_GET_TIMEOUT_S 2

void http_get_free(struct file_bytes *body)
{
    mem_free(body->bytes);
    *body = (struct file_bytes){0};
}

static int http_open(const char *url, const char **path)
{
    char host[64];
    if (strncmp(url, "http://", 7) != 0) {
        return -EINVAL;
    }
    const size_t host_len = strcspn(url + 7, "/");
    if (host_len >= sizeof(host)) {
        return -EINVAL;
    }
    memcpy(host, url + 7, host_len);
    host[host_len] = '\0';
    *path = url[7 + host_len] == '/' ? url + 7 + host_len : "/";
    struct load_address address;
    const int err = load_address_parse(host, &address);
    if (err != 0) {
        return err;
    }
    const int fd = load_address_connect(&address, SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    const struct timeval limit = {.tv_sec = HTTP_GET_TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)); /* a comfort */
    return fd;
}

static int http_exchange(int fd, const char *path, struct file_bytes *out)
{
    char request[512];
    const int len =
        snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    if (len <= 0 || (size_t)len >= sizeof(request)) {
        return -EINVAL;
    }
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != (ssize_t)len) {
        return -EIO;
    }
    size_t capacity = 0;
    for (;;) {
        if (capacity - out->len < 4096) {
            capacity = capacity * 2 + 65536;
            char *grown = capacity > HTTP_GET_MAX_BYTES ? NULL : mem_resize(out->bytes, capacity);
            if (grown == NULL) {
                return -ENOMEM;
            }
            out->bytes = grown;
        }
        const ssize_t got = recv(fd, out->bytes + out->len, capacity - out->len, 0);
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            return 0;
        }
        out->len += (size_t)got;
    }
}

/* Cuts the head off in place; returns the status. */
static int http_split(struct file_bytes *out)
{
    const char *end = memmem(out->bytes, out->len, "\r\n\r\n", 4);
    if (end == NULL || out->len < 12 || memcmp(out->bytes, "HTTP/1.", 7) != 0) {
        return FAULT_MALFORMED;
    }
    const char *digits = out->bytes + 9;
    const int status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    const size_t head_bytes = (size_t)(end - out->bytes) + 4;
    memmove(out->bytes, out->bytes + head_bytes, out->len - head_bytes);
    out->len -= head_bytes;
    return status;
}

int http_get(const char *url, struct file_bytes *body)
{
    const char *path = NULL;
    *body = (struct file_bytes){0};
    const int fd = http_open(url, &path);
    if (fd < 0) {
        return fd;
    }
    int status = http_exchange(fd, path, body);
    (void)close(fd); /* the answer is whole or it is not used */
    if (status == 0) {
        status = http_split(body);
    }
    if (status < 0) {
        http_get_free(body);
    }
    return status;
}

uint64_t http_metrics_sum(struct slice text, const char *prefix, const char *part)
{
    uint64_t sum = 0;
    while (text.len > 0) {
        const size_t len = slice_find(text, '\n');
        const struct slice line = slice_first(text, len);
        text = slice_from(text, len == text.len ? len : len + 1);
        size_t name_len = 0;
        while (name_len < line.len && line.ptr[name_len] > ' ' && line.ptr[name_len] != '{') {
            name_len++;
        }
        if (!slice_has_prefix(line, slice_of_text(prefix)) ||
            memmem(line.ptr, name_len, part, strlen(part)) == NULL) {
            continue;
        }
        /* Label values may hold blanks: the value stands behind the last brace. */
        size_t at = name_len;
        for (size_t i = name_len; i < line.len; i++) {
            at = line.ptr[i] == '}' ? i + 1 : at;
        }
        while (at < line.len && line.ptr[at] == ' ') {
            at++;
        }
        uint64_t value = 0;
        for (; at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9'; at++) {
            value = value * 10 + (uint64_t)(line.ptr[at] - '0');
        }
        sum += value;
    }
    return sum;
}
