/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_stub — see the header. One thread polls the listener and all connections; nghttp2 in the
 * server role does the protocol.
 */
#include "tests/support/grpc_stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/grpc.h"
#include "io/h2.h"

#define STREAMS_MAX 256
#define BUFFER_BYTES 65536
#define POLL_MS 5

struct stub_stream {
    int32_t id; /* 0: free */
    struct grpc_stub_request *request;
    const struct grpc_stub_answer *answer;
    uint64_t due_mono_ns; /* 0: not to be answered */
    uint8_t *body;        /* owned; the answer's, with its prefix */
    size_t body_len;
    size_t body_offset;
};

struct stub_connection {
    struct grpc_stub *stub;
    int fd;
    SSL *ssl;
    nghttp2_session *session;
    uint32_t index;
    int32_t last_id; /* before the stream at hand */
    bool is_closing;
    bool is_greeted;
    struct stub_stream streams[STREAMS_MAX];
};

/* What fails here fails the test at hand; unlike ASSERT's, the argument may do something. */
static void must(bool is_true)
{
    ASSERT(is_true);
}

/* --- streams ---------------------------------------------------------------------------------- */

static struct stub_stream *find_stream(struct stub_connection *c, int32_t id)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (c->streams[i].id == id) {
            return &c->streams[i];
        }
    }
    return NULL;
}

static void note_streams(struct stub_connection *c)
{
    uint32_t count = 0;
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        count += c->streams[i].id != 0 ? 1 : 0;
    }
    pthread_mutex_lock(&c->stub->mutex);
    if (count > c->stub->most_streams) {
        c->stub->most_streams = count;
    }
    pthread_mutex_unlock(&c->stub->mutex);
}

static void append(uint8_t **ptr, size_t *len, const void *bytes, size_t more)
{
    uint8_t *grown = mem_resize(*ptr, *len + more + 1);
    must(grown != NULL);
    memcpy(grown + *len, bytes, more);
    *len += more;
    grown[*len] = '\0';
    *ptr = grown;
}

/* --- answers ---------------------------------------------------------------------------------- */

static size_t make_trailers(const struct grpc_stub_answer *answer, nghttp2_nv *nv, char *status,
                            uint8_t *details)
{
    size_t count = 0;
    (void)snprintf(status, 16, "%u", answer->status);
    nv[count++] = h2_nv(SLICE_LITERAL("grpc-status"), slice_of_text(status));
    if (answer->message != NULL) {
        nv[count++] = h2_nv(SLICE_LITERAL("grpc-message"), slice_of_text(answer->message));
    }
    if (answer->details != NULL) {
        size_t len = grpc_bin_encode(slice_of(answer->details, answer->details_len), details, 512);
        nv[count++] = h2_nv(SLICE_LITERAL("grpc-status-details-bin"), slice_of(details, len));
    }
    return count;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct stub_stream *s = source->ptr;
    (void)user;
    size_t left = s->body_len - s->body_offset;
    size_t n = left < length ? left : length;
    if (n > 0) {
        memcpy(buf, s->body + s->body_offset, n);
    }
    s->body_offset += n;
    if (s->body_offset == s->body_len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->answer->http_status == 0) {
            nghttp2_nv nv[4];
            char status[16];
            uint8_t details[512];
            size_t count = make_trailers(s->answer, nv, status, details);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            (void)nghttp2_submit_trailer(session, id, nv, count);
        }
    }
    return (ssize_t)n;
}

static void make_body(struct stub_stream *s)
{
    const struct grpc_stub_answer *answer = s->answer;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    if (answer->http_status == 0 && answer->status == 0) {
        grpc_prefix_encode(prefix, answer->body_encoding != NULL, (uint32_t)answer->body_len);
        append(&s->body, &s->body_len, prefix, sizeof(prefix));
    }
    if (answer->body_len > 0) {
        append(&s->body, &s->body_len, answer->body, answer->body_len);
    }
}

static void respond(struct stub_connection *c, struct stub_stream *s)
{
    const struct grpc_stub_answer *answer = s->answer;
    nghttp2_nv nv[8];
    char http_status[16];
    char status[16];
    uint8_t details[512];
    size_t count = 0;
    (void)snprintf(http_status, sizeof(http_status), "%u",
                   answer->http_status != 0 ? answer->http_status : 200);
    nv[count++] = h2_nv(SLICE_LITERAL(":status"), slice_of_text(http_status));
    nv[count++] = h2_nv(
        SLICE_LITERAL("content-type"),
        slice_of_text(answer->content_type != NULL ? answer->content_type : "application/grpc"));
    if (answer->is_trailers_only) {
        count += make_trailers(answer, nv + count, status, details);
        (void)nghttp2_submit_response(c->session, s->id, nv, count, NULL);
        return;
    }
    if (answer->body_encoding != NULL) {
        nv[count++] = h2_nv(SLICE_LITERAL("grpc-encoding"), slice_of_text(answer->body_encoding));
    }
    make_body(s);
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_body};
    (void)nghttp2_submit_response(c->session, s->id, nv, count, &provider);
}

static void act(struct stub_connection *c, struct stub_stream *s)
{
    const struct grpc_stub_answer *answer = s->answer;
    s->due_mono_ns = 0;
    if (answer->hangs) {
        return;
    }
    if (answer->hangs_up) {
        c->is_closing = true;
        return;
    }
    if (answer->is_reset) {
        (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, answer->reset_code);
        return;
    }
    if (answer->goes_away) {
        (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, c->last_id, NGHTTP2_NO_ERROR,
                                    (const uint8_t *)"max_age", 7);
        return;
    }
    if (answer->goes_away_after) {
        (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR, NULL,
                                    0);
    }
    respond(c, s);
}

static void schedule(struct stub_stream *s)
{
    if (s->answer != NULL && s->due_mono_ns == 0) {
        s->due_mono_ns = clock_mono_ns() + s->answer->delay_ms * CLOCK_NS_PER_MS;
    }
}

static void run_due(struct stub_connection *c)
{
    uint64_t now_mono_ns = clock_mono_ns();
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct stub_stream *s = &c->streams[i];
        if (s->id != 0 && s->due_mono_ns != 0 && s->due_mono_ns <= now_mono_ns) {
            act(c, s);
        }
    }
}

/* --- what comes in ---------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct stub_connection *c = user;
    struct grpc_stub *stub = c->stub;
    (void)session;
    struct stub_stream *s = find_stream(c, 0);
    must(s != NULL);
    pthread_mutex_lock(&stub->mutex);
    must(stub->request_count < GRPC_STUB_REQUESTS_MAX);
    size_t index = stub->request_count++;
    struct grpc_stub_request *request = &stub->requests[index];
    request->connection_index = c->index;
    size_t line = index < stub->options.script_len ? index : stub->options.script_len - 1;
    pthread_mutex_unlock(&stub->mutex);
    *s = (struct stub_stream){
        .id = frame->hd.stream_id, .request = request, .answer = &stub->options.script[line]};
    note_streams(c);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    struct stub_connection *c = user;
    (void)session, (void)flags;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec v = nghttp2_rcbuf_get_buf(value);
    struct grpc_stub_request *request = find_stream(c, frame->hd.stream_id)->request;
    pthread_mutex_lock(&c->stub->mutex);
    size_t len = request->head != NULL ? strlen(request->head) : 0;
    uint8_t *head = (uint8_t *)request->head;
    append(&head, &len, n.base, n.len);
    append(&head, &len, ": ", 2);
    append(&head, &len, v.base, v.len);
    append(&head, &len, "\n", 1);
    request->head = (char *)head;
    if (slice_is_text(slice_of(n.base, n.len), ":path") && v.len < sizeof(request->path)) {
        memcpy(request->path, v.base, v.len);
    }
    pthread_mutex_unlock(&c->stub->mutex);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct stub_connection *c = user;
    (void)session, (void)flags;
    struct stub_stream *s = find_stream(c, id);
    if (s != NULL) {
        pthread_mutex_lock(&c->stub->mutex);
        append(&s->request->body, &s->request->body_len, bytes, len);
        pthread_mutex_unlock(&c->stub->mutex);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct stub_connection *c = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        pthread_mutex_lock(&c->stub->mutex);
        c->stub->ping_count++;
        pthread_mutex_unlock(&c->stub->mutex);
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    struct stub_stream *s = find_stream(c, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (s != NULL && is_end) {
        pthread_mutex_lock(&c->stub->mutex);
        s->request->is_whole = true;
        pthread_mutex_unlock(&c->stub->mutex);
    }
    if (s != NULL && (is_end || s->answer->answers_early)) {
        schedule(s);
    }
    if (s != NULL && is_end && !s->answer->goes_away) {
        c->last_id = s->id;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct stub_connection *c = user;
    (void)session, (void)code;
    struct stub_stream *s = find_stream(c, id);
    if (s != NULL) {
        mem_free(s->body);
        *s = (struct stub_stream){0};
    }
    return 0;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool write_all(struct stub_connection *c, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, bytes, (int)len)
                                   : send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void flush(struct stub_connection *c)
{
    const uint8_t *bytes = NULL;
    ssize_t len = nghttp2_session_mem_send(c->session, &bytes);
    while (len > 0 && !c->is_closing) {
        c->is_closing = !write_all(c, bytes, (size_t)len);
        len = nghttp2_session_mem_send(c->session, &bytes);
    }
}

static void receive(struct stub_connection *c)
{
    uint8_t buf[BUFFER_BYTES];
    ssize_t n =
        c->ssl != NULL ? SSL_read(c->ssl, buf, sizeof(buf)) : recv(c->fd, buf, sizeof(buf), 0);
    if (n <= 0) {
        c->is_closing = true;
    } else if (!c->stub->options.is_mute && c->stub->options.greeting == NULL &&
               nghttp2_session_mem_recv(c->session, buf, (size_t)n) < 0) {
        c->is_closing = true;
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static void open_session(struct stub_connection *c)
{
    const struct grpc_stub_options *o = &c->stub->options;
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    must(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_ping_ack(option, o->ignores_pings ? 1 : 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    must(nghttp2_session_server_new2(&c->session, callbacks, c, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry entries[3];
    size_t count = 0;
    if (o->max_concurrent_streams != 0) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                    o->max_concurrent_streams};
    }
    if (o->max_frame_bytes != 0) {
        entries[count++] =
            (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_FRAME_SIZE, o->max_frame_bytes};
    }
    if (o->window_bytes != 0) {
        entries[count++] =
            (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->window_bytes};
    }
    must(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, count) == 0);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *argument)
{
    (void)ssl;
    const struct grpc_stub *stub = argument;
    static const unsigned char wanted[] = "\x02h2";
    if (stub->options.greeting != NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, wanted, 3, in, in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool start_tls(struct stub_connection *c)
{
    SSL_CTX *context = c->stub->options.tls;
    if (context == NULL) {
        return true;
    }
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, c->stub);
    c->ssl = SSL_new(context);
    must(c->ssl != NULL);
    (void)SSL_set_fd(c->ssl, c->fd);
    return SSL_accept(c->ssl) == 1;
}

static void count_open(struct grpc_stub *stub, int32_t change)
{
    pthread_mutex_lock(&stub->mutex);
    stub->open_count += (uint32_t)change;
    pthread_mutex_unlock(&stub->mutex);
}

static struct stub_connection *accept_one(struct grpc_stub *stub)
{
    int fd = accept4(stub->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* answers leave in pieces */
    struct stub_connection *c = mem_alloc(sizeof(*c));
    must(c != NULL);
    c->stub = stub;
    c->fd = fd;
    pthread_mutex_lock(&stub->mutex);
    c->index = stub->connection_count++;
    stub->open_count++;
    pthread_mutex_unlock(&stub->mutex);
    open_session(c);
    c->is_closing = !start_tls(c);
    if (!c->is_closing && stub->options.greeting != NULL) {
        const char *greeting = stub->options.greeting;
        c->is_closing = !write_all(c, (const uint8_t *)greeting, strlen(greeting));
    }
    return c;
}

static void close_one(struct stub_connection *c)
{
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        mem_free(c->streams[i].body);
    }
    nghttp2_session_del(c->session);
    SSL_free(c->ssl);
    (void)close(c->fd);
    count_open(c->stub, -1);
    mem_free(c);
}

static bool is_quiet(const struct stub_connection *c)
{
    return c->stub->options.is_mute || c->stub->options.greeting != NULL;
}

static void serve(struct stub_connection *c, bool is_readable)
{
    if (is_readable) {
        receive(c);
        while (!c->is_closing && c->ssl != NULL && SSL_pending(c->ssl) > 0) {
            receive(c);
        }
    }
    run_due(c);
    if (!is_quiet(c)) {
        flush(c);
    }
}

static void *stub_main(void *argument)
{
    struct grpc_stub *stub = argument;
    struct stub_connection *all[GRPC_STUB_CONNECTIONS_MAX];
    size_t count = 0;
    for (;;) {
        struct pollfd fds[GRPC_STUB_CONNECTIONS_MAX + 2] = {
            {.fd = stub->stop_fd, .events = POLLIN}, {.fd = stub->listen_fd, .events = POLLIN}};
        for (size_t i = 0; i < count; i++) {
            fds[i + 2] = (struct pollfd){.fd = all[i]->fd, .events = POLLIN};
        }
        (void)poll(fds, count + 2, POLL_MS);
        if (fds[0].revents != 0) {
            break;
        }
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            serve(all[i], fds[i + 2].revents != 0);
            if (all[i]->is_closing) {
                close_one(all[i]);
            } else {
                all[kept++] = all[i];
            }
        }
        count = kept;
        if (fds[1].revents != 0 && count < GRPC_STUB_CONNECTIONS_MAX) {
            struct stub_connection *c = accept_one(stub);
            if (c != NULL) {
                serve(c, false);
                all[count++] = c;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        close_one(all[i]);
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void listen_tcp(struct grpc_stub *stub)
{
    const struct grpc_stub_options *o = &stub->options;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    socklen_t len = sizeof(address);
    int on = 1;
    must(inet_pton(AF_INET, o->address != NULL ? o->address : "127.0.0.1", &address.sin_addr) == 1);
    stub->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(stub->listen_fd >= 0);
    (void)setsockopt(stub->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    must(bind(stub->listen_fd, (const struct sockaddr *)&address, len) == 0);
    must(getsockname(stub->listen_fd, (struct sockaddr *)&address, &len) == 0);
    stub->port = ntohs(address.sin_port);
    (void)snprintf(stub->target, sizeof(stub->target), "127.0.0.1:%u", stub->port);
}

static void listen_unix(struct grpc_stub *stub)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(stub->options.unix_path);
    must(len < sizeof(address.sun_path));
    memcpy(address.sun_path, stub->options.unix_path, len);
    stub->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(stub->listen_fd >= 0);
    must(bind(stub->listen_fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
}

void grpc_stub_start(struct grpc_stub *stub, const struct grpc_stub_options *options)
{
    memset(stub, 0, sizeof(*stub));
    stub->options = *options;
    (void)signal(SIGPIPE, SIG_IGN); /* SSL_write knows no MSG_NOSIGNAL */
    if (options->unix_path != NULL) {
        listen_unix(stub);
    } else {
        listen_tcp(stub);
    }
    must(listen(stub->listen_fd, 64) == 0);
    stub->stop_fd = eventfd(0, EFD_CLOEXEC);
    must(stub->stop_fd >= 0);
    must(pthread_mutex_init(&stub->mutex, NULL) == 0);
    must(pthread_create(&stub->thread, NULL, stub_main, stub) == 0);
}

void grpc_stub_stop(struct grpc_stub *stub)
{
    const uint64_t one = 1;
    must(write(stub->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    must(pthread_join(stub->thread, NULL) == 0);
    (void)close(stub->listen_fd);
    (void)close(stub->stop_fd);
    for (size_t i = 0; i < stub->request_count; i++) {
        mem_free(stub->requests[i].head);
        mem_free(stub->requests[i].body);
    }
    (void)pthread_mutex_destroy(&stub->mutex);
    memset(stub, 0, sizeof(*stub));
}

/* --- looking ---------------------------------------------------------------------------------- */

static uint32_t look(struct grpc_stub *stub, const uint32_t *value)
{
    pthread_mutex_lock(&stub->mutex);
    uint32_t seen = *value;
    pthread_mutex_unlock(&stub->mutex);
    return seen;
}

uint32_t grpc_stub_connection_count(struct grpc_stub *stub)
{
    return look(stub, &stub->connection_count);
}

uint32_t grpc_stub_open_count(struct grpc_stub *stub)
{
    return look(stub, &stub->open_count);
}

uint32_t grpc_stub_ping_count(struct grpc_stub *stub)
{
    return look(stub, &stub->ping_count);
}

uint32_t grpc_stub_most_streams(struct grpc_stub *stub)
{
    return look(stub, &stub->most_streams);
}

size_t grpc_stub_request_count(struct grpc_stub *stub)
{
    pthread_mutex_lock(&stub->mutex);
    size_t count = stub->request_count;
    pthread_mutex_unlock(&stub->mutex);
    return count;
}

const struct grpc_stub_request *grpc_stub_request(struct grpc_stub *stub, size_t index)
{
    must(index < grpc_stub_request_count(stub));
    return &stub->requests[index];
}

struct slice grpc_stub_field(const struct grpc_stub_request *request, const char *name)
{
    size_t name_len = strlen(name);
    const char *line = request->head;
    while (line != NULL && *line != '\0') {
        const char *end = strchr(line, '\n');
        if (strncmp(line, name, name_len) == 0 && strncmp(line + name_len, ": ", 2) == 0) {
            const char *value = line + name_len + 2;
            return slice_of(value, (size_t)(end - value));
        }
        line = end + 1;
    }
    return slice_of(NULL, 0);
}
