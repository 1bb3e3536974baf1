/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_stub — see the header. Blocking sockets; every wait also watches the descriptor that says
 * stop, so that a stub with a delayed answer goes at once.
 */
#include "tests/support/http_stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"

#define REQUEST_MAX_BYTES (8 * 1024 * 1024)

struct connection {
    struct http_stub *stub;
    int fd;
    SSL *ssl; /* NULL without TLS */
    uint32_t index;
    uint8_t *buf; /* REQUEST_MAX_BYTES */
    size_t len;
    void *body;    /* of the answer, where it was chosen */
    char *headers; /* the same; NULL for none */
};

/* --- bytes ------------------------------------------------------------------------------------ */

/* False when the stub stops or the time is over. */
static bool wait_readable(struct http_stub *stub, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = stub->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int ready = poll(fds, fd >= 0 ? 2 : 1, timeout_ms);
    return ready > 0 && fds[0].revents == 0;
}

static bool read_more(struct connection *c)
{
    size_t room = REQUEST_MAX_BYTES - c->len - 1;
    if (room == 0 ||
        ((c->ssl == NULL || SSL_pending(c->ssl) == 0) && !wait_readable(c->stub, c->fd, -1))) {
        return false;
    }
    int cap = room < 65536 ? (int)room : 65536;
    ssize_t got = c->ssl != NULL ? SSL_read(c->ssl, c->buf + c->len, cap)
                                 : read(c->fd, c->buf + c->len, (size_t)cap);
    if (got <= 0) {
        return false;
    }
    c->len += (size_t)got;
    c->buf[c->len] = '\0';
    return true;
}

static void write_all(struct connection *c, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        int step = len < 65536 ? (int)len : 65536;
        ssize_t sent = c->ssl != NULL ? SSL_write(c->ssl, at, step)
                                      : send(c->fd, at, (size_t)step, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the client went; the test will notice */
        }
        at += sent;
        len -= (size_t)sent;
    }
}

/* --- one request ------------------------------------------------------------------------------ */

struct slice http_stub_header(const struct http_stub_request *request, const char *name)
{
    size_t name_len = strlen(name);
    const char *line = request->head;
    while (line != NULL && *line != '\0') {
        const char *end = strstr(line, "\r\n");
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            size_t skip = name_len + 1;
            while (skip < len && line[skip] == ' ') {
                skip++;
            }
            return slice_of(line + skip, len - skip);
        }
        line = end != NULL ? end + 2 : NULL;
    }
    return slice_of(NULL, 0);
}

static size_t content_length(const char *head)
{
    struct http_stub_request view = {.head = mem_copy_text(head, strlen(head))};
    struct slice text = http_stub_header(&view, "Content-Length");
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        len = len * 10 + (size_t)(text.ptr[i] - '0');
    }
    mem_free(view.head);
    return len;
}

static void copy_word(char *out, size_t cap, const char *from, size_t len)
{
    len = len < cap - 1 ? len : cap - 1;
    memcpy(out, from, len);
    out[len] = '\0';
}

static void forget_answer(struct connection *c)
{
    mem_free(c->body);
    mem_free(c->headers);
    c->body = NULL;
    c->headers = NULL;
}

/* A copy that lasts until it is sent: whoever chose it may choose for others meanwhile. */
static struct http_stub_answer keep_answer(struct connection *c, struct http_stub_answer answer)
{
    forget_answer(c);
    if (answer.body_len > 0) {
        c->body = mem_alloc(answer.body_len);
        ASSERT(c->body != NULL);
        memcpy(c->body, answer.body, answer.body_len);
    }
    if (answer.headers != NULL) {
        c->headers = mem_copy_text(answer.headers, strlen(answer.headers));
        ASSERT(c->headers != NULL);
    }
    answer.body = c->body;
    answer.headers = c->headers;
    return answer;
}

/* Keeps the request and says which answer is its. */
static struct http_stub_answer record(struct connection *c, size_t head_len, size_t body_len)
{
    struct http_stub *stub = c->stub;
    const char *text = (const char *)c->buf;
    size_t method_len = strcspn(text, " ");
    const char *target = text + method_len + 1;
    const char *first_end = strstr(text, "\r\n");
    struct http_stub_request request = {.connection_index = c->index, .body_len = body_len};
    copy_word(request.method, sizeof(request.method), text, method_len);
    copy_word(request.target, sizeof(request.target), target, strcspn(target, " \r"));
    request.head = mem_copy_text(first_end + 2, head_len - (size_t)(first_end + 2 - text));
    request.body = body_len > 0 ? mem_alloc(body_len) : NULL;
    if (request.body != NULL) {
        memcpy(request.body, c->buf + head_len, body_len);
    }
    (void)pthread_mutex_lock(&stub->mutex);
    size_t index = stub->request_count;
    ASSERT(index < HTTP_STUB_REQUESTS_MAX);
    stub->requests[index] = request;
    stub->request_count++;
    struct http_stub_answer chosen = {.status = 0};
    if (stub->options.choose != NULL) {
        chosen = keep_answer(c, stub->options.choose(stub->options.owner, &request));
    }
    (void)pthread_mutex_unlock(&stub->mutex);
    if (stub->options.choose != NULL) {
        return chosen;
    }
    size_t last = stub->options.script_len - 1;
    return stub->options.script[index < last ? index : last];
}

/* False when the stub stops. */
static bool wait_for_release(struct http_stub *stub)
{
    uint64_t one = 0;
    bool is_running = true;
    ssize_t got = -1;
    while (is_running && got != sizeof(one)) {
        is_running = wait_readable(stub, stub->hold_fd, -1);
        got = is_running ? read(stub->hold_fd, &one, sizeof(one)) : -1;
    }
    return is_running;
}

/* False when the connection ends here. */
static bool answer_with(struct connection *c, const struct http_stub_answer *answer)
{
    if (answer->is_held && !wait_for_release(c->stub)) {
        return false;
    }
    if (answer->delay_ms > 0) {
        (void)wait_readable(c->stub, -1, (int)answer->delay_ms);
    }
    if (answer->hangs_up) {
        return false;
    }
    char head[1024];
    int len = snprintf(head, sizeof(head), "HTTP/1.1 %u Status\r\nContent-Length: %zu\r\n%s\r\n",
                       answer->status == 0 ? 200 : answer->status, answer->body_len,
                       answer->headers != NULL ? answer->headers : "");
    write_all(c, head, (size_t)len);
    if (answer->body_len > 0) {
        write_all(c, answer->body, answer->body_len);
    }
    return true;
}

static bool serve_one(struct connection *c)
{
    const char *end = NULL;
    c->buf[c->len] = '\0';
    while (end == NULL) {
        end = strstr((const char *)c->buf, "\r\n\r\n");
        if (end == NULL && !read_more(c)) {
            return false;
        }
    }
    size_t head_len = (size_t)(end - (const char *)c->buf) + 4;
    char saved = (char)c->buf[head_len];
    c->buf[head_len] = '\0';
    size_t body_len = content_length((const char *)c->buf);
    c->buf[head_len] = (uint8_t)saved;
    while (c->len < head_len + body_len) {
        if (!read_more(c)) {
            return false;
        }
    }
    const struct http_stub_answer answer = record(c, head_len, body_len);
    c->len -= head_len + body_len;
    memmove(c->buf, c->buf + head_len + body_len, c->len);
    return answer_with(c, &answer);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void *connection_main(void *argument)
{
    struct connection *c = argument;
    bool is_open = true;
    if (c->stub->options.tls != NULL) {
        c->ssl = SSL_new(c->stub->options.tls);
        (void)SSL_set_fd(c->ssl, c->fd);
        is_open = wait_readable(c->stub, c->fd, -1) && SSL_accept(c->ssl) == 1;
    }
    while (is_open) {
        is_open = serve_one(c);
    }
    SSL_free(c->ssl);
    (void)close(c->fd);
    forget_answer(c);
    mem_free(c->buf);
    mem_free(c);
    return NULL;
}

/* OpenSSL writes without MSG_NOSIGNAL; connection threads inherit the mask. */
static void block_sigpipe(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *acceptor_main(void *argument)
{
    struct http_stub *stub = argument;
    block_sigpipe();
    while (wait_readable(stub, stub->listen_fd, -1)) {
        int fd = accept(stub->listen_fd, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        ASSERT(stub->connection_count < HTTP_STUB_CONNECTIONS_MAX);
        struct connection *c = mem_alloc(sizeof(*c));
        uint8_t *buf = mem_alloc(REQUEST_MAX_BYTES);
        ASSERT(c != NULL && buf != NULL);
        *c = (struct connection){
            .stub = stub, .fd = fd, .buf = buf, .index = (uint32_t)stub->connection_count};
        int err = pthread_create(&stub->threads[stub->connection_count], NULL, connection_main, c);
        ASSERT(err == 0);
        stub->connection_count++;
    }
    return NULL;
}

/* --- public ----------------------------------------------------------------------------------- */

static int bind_to(uint16_t port, uint16_t *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    int err = bind(fd, (const void *)&address, sizeof(address));
    ASSERT(err == 0);
    err = getsockname(fd, (void *)&address, &len);
    ASSERT(err == 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

uint16_t http_stub_free_port(void)
{
    uint16_t port = 0;
    (void)close(bind_to(0, &port));
    return port;
}

int http_stub_hold_port(uint16_t *out_port)
{
    return bind_to(0, out_port);
}

void http_stub_start(struct http_stub *stub, const struct http_stub_options *options)
{
    *stub = (struct http_stub){.options = *options};
    stub->listen_fd = bind_to(options->port, &stub->port);
    int err = listen(stub->listen_fd, 64);
    ASSERT(err == 0);
    stub->stop_fd = eventfd(0, EFD_CLOEXEC);
    ASSERT(stub->stop_fd >= 0);
    stub->hold_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    ASSERT(stub->hold_fd >= 0);
    (void)snprintf(stub->url, sizeof(stub->url), "http%s://127.0.0.1:%u",
                   options->tls != NULL ? "s" : "", stub->port);
    err = pthread_mutex_init(&stub->mutex, NULL);
    ASSERT(err == 0);
    err = pthread_create(&stub->acceptor, NULL, acceptor_main, stub);
    ASSERT(err == 0);
}

void http_stub_stop(struct http_stub *stub)
{
    uint64_t one = 1;
    ssize_t sent = write(stub->stop_fd, &one, sizeof(one));
    ASSERT(sent == sizeof(one));
    (void)pthread_join(stub->acceptor, NULL);
    for (size_t i = 0; i < stub->connection_count; i++) {
        (void)pthread_join(stub->threads[i], NULL);
    }
    (void)close(stub->listen_fd);
    (void)close(stub->stop_fd);
    (void)close(stub->hold_fd);
    for (size_t i = 0; i < stub->request_count; i++) {
        mem_free(stub->requests[i].head);
        mem_free(stub->requests[i].body);
    }
    (void)pthread_mutex_destroy(&stub->mutex);
}

void http_stub_release(struct http_stub *stub)
{
    uint64_t one = 1;
    ssize_t sent = write(stub->hold_fd, &one, sizeof(one));
    ASSERT(sent == sizeof(one));
}

size_t http_stub_request_count(struct http_stub *stub)
{
    (void)pthread_mutex_lock(&stub->mutex);
    size_t count = stub->request_count;
    (void)pthread_mutex_unlock(&stub->mutex);
    return count;
}

const struct http_stub_request *http_stub_request(struct http_stub *stub, size_t index)
{
    ASSERT(index < http_stub_request_count(stub));
    return &stub->requests[index];
}
