/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_process — see server_process.h.
 */
#include "bench/server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/http_get.h"
#include "bench/load_address.h"
#include "bench/proc_clock.h"
#include "bench/proc_stat.h"

#define SERVER_POLL_MS 2u
#define SERVER_EXIT_NO_EXEC 127

static int cpus_parse(const char *text, cpu_set_t *set)
{
    CPU_ZERO(set);
    for (;;) {
        char *end = NULL;
        uint64_t first = strtoull(text, &end, 10);
        uint64_t last = first;
        if (end == text) {
            return -EINVAL;
        }
        if (*end == '-') {
            text = end + 1;
            last = strtoull(text, &end, 10);
        }
        if (last < first || last >= CPU_SETSIZE || (*end != ',' && *end != '\0')) {
            return -EINVAL;
        }
        for (uint64_t cpu = first; cpu <= last; cpu++) {
            CPU_SET(cpu, set);
        }
        if (*end == '\0') {
            return 0;
        }
        text = end + 1;
    }
}

int server_pin_self(const char *cpus)
{
    cpu_set_t set;
    const int err = cpus_parse(cpus, &set);
    if (err != 0) {
        return err;
    }
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

/* The calling process moves into the cgroup. 0 or -1. */
static int server_enter_cgroup(const char *cgroup_path)
{
    char path[512];
    int len = snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_path);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, "0", 1); /* 0: whoever writes */
    if (fd >= 0) {
        (void)close(fd); /* the write said what became of it */
    }
    return written == 1 ? 0 : -1;
}

/* In the child, between fork and exec. Never returns. */
static void server_become(char *const *command, const struct server_place *place)
{
    int to = STDERR_FILENO;
    if (place->log_path != NULL) {
        to = open(place->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    if (to < 0 || dup2(to, STDOUT_FILENO) < 0 || dup2(to, STDERR_FILENO) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
        (place->cpus != NULL && server_pin_self(place->cpus) != 0) ||
        (place->cgroup_path != NULL && server_enter_cgroup(place->cgroup_path) != 0)) {
        _exit(SERVER_EXIT_NO_EXEC);
    }
    (void)execvp(command[0], command); /* only returns when it failed */
    _exit(SERVER_EXIT_NO_EXEC);
}

int server_start(struct server_process *server, const struct server_place *place,
                 char *const *command)
{
    *server = (struct server_process){.exec_mono_ns = proc_mono_ns()};
    const pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        server_become(command, place);
    }
    server->pid = pid;
    return 0;
}

/* True once the process has ended; remembers how. */
static bool server_has_ended(struct server_process *server)
{
    if (server->pid == 0) {
        return true;
    }
    if (waitpid(server->pid, &server->exit_status, WNOHANG) != server->pid) {
        return false;
    }
    server->pid = 0;
    return true;
}

static bool server_is_ready(const char *ready)
{
    struct load_address address;
    if (strncmp(ready, "unix:", 5) == 0) {
        struct stat info;
        return stat(ready + 5, &info) == 0 && S_ISSOCK(info.st_mode);
    }
    if (strncmp(ready, "http://", 7) == 0) {
        struct file_bytes body;
        const int status = http_get(ready, &body);
        http_get_free(&body);
        return status == 200;
    }
    char text[64];
    const char *port = strchr(ready, ':');
    (void)snprintf(text, sizeof(text), "127.0.0.1:%s", port == NULL ? "" : port + 1);
    if (load_address_parse(text, &address) != 0) {
        return false;
    }
    if (strncmp(ready, "udp:", 4) == 0) {
        uint32_t socket_count = 0;
        (void)proc_udp_drops(load_address_port(&address), &socket_count);
        return socket_count > 0;
    }
    const int fd = load_address_connect(&address, SOCK_STREAM);
    if (fd >= 0) {
        (void)close(fd); /* it was only to see whether somebody listens */
    }
    return fd >= 0;
}

int server_await(struct server_process *server, const char *ready, uint32_t timeout_ms)
{
    const uint64_t until_ns = proc_mono_ns() + (uint64_t)timeout_ms * 1000000;
    while (proc_mono_ns() < until_ns) {
        if (server_has_ended(server)) {
            return -ESRCH;
        }
        if (server_is_ready(ready)) {
            return 0;
        }
        proc_sleep_ms(SERVER_POLL_MS);
    }
    return -ETIMEDOUT;
}

uint64_t server_stop(struct server_process *server, uint32_t timeout_ms)
{
    const uint64_t started_ns = proc_mono_ns();
    const uint64_t until_ns = started_ns + (uint64_t)timeout_ms * 1000000;
    if (!server_has_ended(server)) {
        (void)kill(server->pid, SIGTERM); /* it is our child and not yet waited for */
    }
    while (!server_has_ended(server)) {
        if (proc_mono_ns() > until_ns) {
            (void)kill(server->pid, SIGKILL); /* as above */
        }
        proc_sleep_ms(SERVER_POLL_MS);
    }
    return (proc_mono_ns() - started_ns) / 1000000;
}
