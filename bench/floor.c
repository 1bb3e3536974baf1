/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-floor — see floor.h. Ends at SIGTERM and then says what it received: one JSON object, to the
 * file given with --report or to stdout.
 *
 *   weir-floor --port 8125 --shards 1 --io plain|epoll|uring [--report FILE]
 *   weir-floor --protocol tcp|grpc|http --port 4317 [--report FILE]
 */
#include "bench/floor.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/proc_clock.h"
#include "core/base/fault.h"

#define FLOOR_RECEIVE_BUFFER_BYTES (32 << 20)
#define FLOOR_LISTEN_BACKLOG 128
#define EXIT_USAGE 2

struct floor_options {
    const char *report;
    uint64_t port;
    uint64_t thread_count;
    enum floor_io io;
    enum floor_protocol protocol;
};

static atomic_bool floor_is_stopping;
static const char *const floor_io_names[] = {"plain", "epoll", "uring"};

static const struct {
    const char *name;
    enum floor_protocol protocol;
} floor_protocols[] = {
    {"udp", FLOOR_PROTOCOL_UDP},
    {"tcp", FLOOR_PROTOCOL_TCP},
    {"grpc", FLOOR_PROTOCOL_OTLP},
    {"http", FLOOR_PROTOCOL_OTLP},
};

void floor_count(struct floor_counts *counts, struct slice bytes, uint32_t segment_bytes)
{
    counts->receive_count++;
    counts->byte_count += bytes.len;
    counts->datagram_count +=
        segment_bytes == 0 ? 1 : (bytes.len + segment_bytes - 1) / segment_bytes;
}

/* What a socket of datagrams needs beyond being bound. False with errno set. */
static bool floor_tune_dgram(int fd)
{
    const int one = 1;
    const int buffer_bytes = FLOOR_RECEIVE_BUFFER_BYTES;
    /* Forced where we may, as far as the sysctl lets us elsewhere. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
    }
    return setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one)) == 0;
}

static int floor_open(uint16_t port, enum floor_protocol protocol)
{
    const bool is_dgram = protocol == FLOOR_PROTOCOL_UDP;
    const int fd =
        socket(AF_INET, (is_dgram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    const int one = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if ((is_dgram && !floor_tune_dgram(fd)) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        (!is_dgram && listen(fd, FLOOR_LISTEN_BACKLOG) != 0)) {
        const int err = -errno;
        (void)close(fd); /* never used */
        return err;
    }
    return fd;
}

static int floor_run(struct floor_thread *thread)
{
    switch (thread->protocol) {
    case FLOOR_PROTOCOL_UDP:
        return thread->io == FLOOR_IO_PLAIN ? floor_plain_run(thread) : floor_loop_run(thread);
    case FLOOR_PROTOCOL_TCP:
        return floor_tcp_run(thread);
    case FLOOR_PROTOCOL_OTLP:
        return floor_otlp_run(thread);
    }
    return -EINVAL;
}

static void *floor_main(void *argument)
{
    struct floor_thread *thread = argument;
    thread->fault = floor_run(thread);
    return NULL;
}

static void floor_on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&floor_is_stopping, true, memory_order_relaxed);
}

static bool floor_read_option(struct floor_options *o, const char *name, const char *text)
{
    char *end = NULL;
    if (strcmp(name, "--report") == 0) {
        o->report = text;
        return true;
    }
    if (strcmp(name, "--port") == 0) {
        o->port = strtoull(text, &end, 10);
        return *end == '\0' && o->port > 0 && o->port <= UINT16_MAX;
    }
    if (strcmp(name, "--shards") == 0) {
        o->thread_count = strtoull(text, &end, 10);
        return *end == '\0' && o->thread_count > 0 && o->thread_count <= FLOOR_THREADS_MAX_COUNT;
    }
    for (size_t i = 0; strcmp(name, "--protocol") == 0 && i < COUNT_OF(floor_protocols); i++) {
        if (strcmp(text, floor_protocols[i].name) == 0) {
            o->protocol = floor_protocols[i].protocol;
            return true;
        }
    }
    for (size_t i = 0; strcmp(name, "--io") == 0 && i < COUNT_OF(floor_io_names); i++) {
        if (strcmp(text, floor_io_names[i]) == 0) {
            o->io = (enum floor_io)i;
            return true;
        }
    }
    return false;
}

static int floor_report(const struct floor_options *o, const struct floor_thread *threads)
{
    struct floor_counts sum = {0};
    for (uint64_t i = 0; i < o->thread_count; i++) {
        sum.receive_count += threads[i].counts.receive_count;
        sum.datagram_count += threads[i].counts.datagram_count;
        sum.byte_count += threads[i].counts.byte_count;
    }
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail with this pointer */
    FILE *to = o->report == NULL ? stdout : fopen(o->report, "we");
    if (to == NULL) {
        return -errno;
    }
    (void)fprintf(to,
                  "{\"floor\":\"%s\",\"shards\":%" PRIu64 ",\"receives\":%" PRIu64
                  ",\"datagrams\":%" PRIu64 ",\"bytes\":%" PRIu64
                  ",\"user_s\":%.6f,\"system_s\":%.6f}\n",
                  o->protocol == FLOOR_PROTOCOL_UDP ? floor_io_names[o->io] : "tcp",
                  o->thread_count, sum.receive_count, sum.datagram_count, sum.byte_count,
                  (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6,
                  (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6);
    return (to == stdout ? fflush(to) : fclose(to)) == 0 ? 0 : -EIO;
}

static int floor_start(const struct floor_options *o, struct floor_thread *threads,
                       pthread_t *handles, uint64_t *started_count)
{
    for (uint64_t i = 0; i < o->thread_count; i++) {
        threads[i] = (struct floor_thread){
            .io = o->io,
            .protocol = o->protocol,
            .fd = -1,
            .port = (uint16_t)o->port,
            .is_stopping = &floor_is_stopping,
        };
        if (o->protocol != FLOOR_PROTOCOL_OTLP) {
            threads[i].fd = floor_open((uint16_t)o->port, o->protocol);
            if (threads[i].fd < 0) {
                return threads[i].fd;
            }
        }
        char name[16];
        (void)snprintf(name, sizeof(name), "shard-%d", (int)i);
        const int err = pthread_create(&handles[i], NULL, floor_main, &threads[i]);
        if (err != 0) {
            return -err;
        }
        (*started_count)++;
        (void)pthread_setname_np(handles[i], name); /* only the report would miss it */
    }
    while (!atomic_load_explicit(&floor_is_stopping, memory_order_relaxed)) {
        proc_sleep_ms(FLOOR_WAIT_MS); /* the signal may meet any thread, so this one looks */
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct floor_options o = {.port = 8125, .thread_count = 1};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !floor_read_option(&o, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "usage: weir-floor [--port N] [--shards N] "
                                  "[--io plain|epoll|uring] [--protocol udp|tcp|grpc|http] "
                                  "[--report FILE]\n");
            return EXIT_USAGE;
        }
    }
    if (o.protocol == FLOOR_PROTOCOL_OTLP && o.thread_count > 1) {
        (void)fprintf(stderr, "weir-floor: grpc and http have one thread\n");
        return EXIT_USAGE;
    }
    static struct floor_thread threads[FLOOR_THREADS_MAX_COUNT];
    pthread_t handles[FLOOR_THREADS_MAX_COUNT];
    uint64_t started_count = 0;
    struct sigaction action = {.sa_handler = floor_on_signal};
    (void)sigaction(SIGTERM, &action, NULL); /* cannot fail with these numbers */
    (void)sigaction(SIGINT, &action, NULL);
    int err = floor_start(&o, threads, handles, &started_count);
    atomic_store_explicit(&floor_is_stopping, true, memory_order_relaxed);
    for (uint64_t i = 0; i < started_count; i++) {
        (void)pthread_join(handles[i], NULL); /* ours, joined once */
        if (threads[i].fd >= 0) {
            (void)close(threads[i].fd); /* what is left in it is not counted */
        }
        err = err != 0 ? err : threads[i].fault;
    }
    if (err == 0) {
        err = floor_report(&o, threads);
    }
    if (err != 0) {
        (void)fprintf(stderr, "weir-floor: %s\n", fault_text(err));
    }
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
