/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control — lines are gathered, read strictly (an unknown key is an error), done, answered.
 */
#include "tests/support/balancer/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/support/balancer/counts.h"
#include "tests/support/balancer/member.h"
#include "tests/support/balancer/tcp_flow.h"

#define LINE_MAX_BYTES 4096

struct control {
    struct watch watch;
    size_t len;
    char line[LINE_MAX_BYTES];
};

typedef json_t *(command_fn)(struct balancer *b, json_t *command);

static json_t *failed(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

static json_t *done(int err)
{
    return err == 0 ? json_pack("{s:b}", "is_done", 1) : failed(strerror(-err));
}

static json_t *do_set(struct balancer *b, json_t *command)
{
    const char *word = NULL;
    json_error_t why;
    struct balancer_settings s = b->settings;
    const int err = json_unpack_ex(
        command, &why, JSON_STRICT, "{s:s, s?i, s?i, s?i, s?i, s?i, s?i, s?i, s?i, s?i}", "do",
        &word, "udp_idle_ms", &s.udp_idle_ms, "check_interval_ms", &s.check_interval_ms,
        "check_timeout_ms", &s.check_timeout_ms, "healthy_threshold", &s.healthy_threshold,
        "unhealthy_threshold", &s.unhealthy_threshold, "unhealthy_linger_ms",
        &s.unhealthy_linger_ms, "deregistered_linger_ms", &s.deregistered_linger_ms,
        "deregistration_delay_ms", &s.deregistration_delay_ms, "is_terminating", &s.is_terminating);
    if (err != 0) {
        return failed(why.text);
    }
    b->settings = s;
    return done(0);
}

static json_t *do_listen(struct balancer *b, json_t *command)
{
    const char *word = NULL;
    const char *name = NULL;
    const char *protocol = NULL;
    const char *check = "http";
    int port = 0;
    int target_port = 0;
    int check_port = 0;
    int is_proxied = 0;
    int is_check_proxied = 0;
    json_error_t why;
    const int err =
        json_unpack_ex(command, &why, JSON_STRICT, "{s:s, s:s, s:s, s:i, s:i, s:i, s?s, s?b, s?b}",
                       "do", &word, "name", &name, "protocol", &protocol, "port", &port,
                       "target_port", &target_port, "check_port", &check_port, "check", &check,
                       "is_proxied", &is_proxied, "is_check_proxied", &is_check_proxied);
    if (err != 0 || strlen(name) >= BALANCER_NAME_BYTES) {
        return failed(err != 0 ? why.text : "the name is too long");
    }
    struct listener *l = mem_alloc(sizeof(*l));
    if (l == NULL) {
        return done(-ENOMEM);
    }
    memcpy(l->name, name, strlen(name) + 1);
    l->protocol = strcmp(protocol, "udp") == 0 ? LISTENER_UDP : LISTENER_TCP;
    l->check_kind = strcmp(check, "tcp") == 0 ? CHECK_TCP : CHECK_HTTP;
    l->port = (uint16_t)port;
    l->target_port = (uint16_t)target_port;
    l->check_port = (uint16_t)check_port;
    l->is_proxied = is_proxied != 0;
    l->is_check_proxied = is_check_proxied != 0;
    json_t *answer = done(balancer_listen(b, l));
    mem_free(l);
    return answer;
}

static json_t *do_register(struct balancer *b, json_t *command)
{
    const char *word = NULL;
    const char *target = NULL;
    const char *text = NULL;
    struct in_addr address;
    json_error_t why;
    if (json_unpack_ex(command, &why, JSON_STRICT, "{s:s, s:s, s:s}", "do", &word, "target",
                       &target, "address", &text) != 0) {
        return failed(why.text);
    }
    if (inet_pton(AF_INET, text, &address) != 1) {
        return done(-EINVAL);
    }
    return done(member_register(b, target, address));
}

static json_t *do_deregister(struct balancer *b, json_t *command)
{
    const char *word = NULL;
    const char *target = NULL;
    json_error_t why;
    if (json_unpack_ex(command, &why, JSON_STRICT, "{s:s, s:s}", "do", &word, "target", &target) !=
        0) {
        return failed(why.text);
    }
    return done(member_deregister(b, target));
}

static json_t *do_counts(struct balancer *b, json_t *command)
{
    (void)command;
    return json_pack("{s:b, s:o}", "is_done", 1, "listeners", counts_of(b));
}

static json_t *do_connections(struct balancer *b, json_t *command)
{
    (void)command;
    return json_pack("{s:b, s:o}", "is_done", 1, "connections", tcp_flow_list(b));
}

static const struct {
    const char *name;
    command_fn *run;
} commands[] = {
    {"set", do_set},           {"listen", do_listen},
    {"register", do_register}, {"deregister", do_deregister},
    {"counts", do_counts},     {"connections", do_connections},
};

static json_t *run(struct balancer *b, json_t *command)
{
    const char *word = json_string_value(json_object_get(command, "do"));
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (word != NULL && strcmp(word, commands[i].name) == 0) {
            return commands[i].run(b, command);
        }
    }
    return failed("no such command");
}

static void run_line(struct balancer *b, const char *line, size_t len)
{
    json_error_t why;
    json_t *command = json_loadb(line, len, 0, &why);
    json_t *answer = command == NULL ? failed(why.text) : run(b, command);
    if (answer == NULL || json_dumpf(answer, stdout, JSON_COMPACT) != 0) {
        (void)fputs("{\"error\":\"no memory\"}", stdout);
    }
    (void)fputc('\n', stdout);
    (void)fflush(stdout); /* a reader that is gone is seen as the end of the input */
    json_decref(answer);
    json_decref(command);
}

static void run_lines(struct balancer *b, struct control *c)
{
    char *first = c->line;
    size_t left = c->len;
    for (char *feed = memchr(first, '\n', left); feed != NULL; feed = memchr(first, '\n', left)) {
        run_line(b, first, (size_t)(feed - first));
        left -= (size_t)(feed + 1 - first);
        first = feed + 1;
    }
    memmove(c->line, first, left);
    c->len = left;
}

static void control_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    (void)events;
    struct control *c = CONTAINER_OF(w, struct control, watch);
    const ssize_t got = read(w->fd, c->line + c->len, sizeof(c->line) - c->len);
    if (got <= 0) {
        b->is_over = true; /* also a line without end: there is no room to read into */
        return;
    }
    c->len += (size_t)got;
    run_lines(b, c);
}

struct control *control_new(struct balancer *b, int fd)
{
    struct control *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->watch = (struct watch){.fd = fd, .on_event = control_on_event};
    if (balancer_watch(b, &c->watch, EPOLLIN) != 0) {
        mem_free(c);
        return NULL;
    }
    return c;
}

void control_free(struct control *c)
{
    mem_free(c);
}
