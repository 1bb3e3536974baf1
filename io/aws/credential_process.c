/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_process — posix_spawn, a pipe, a deadline.
 *
 * Signals that weir blocks or ignores are put back to their defaults for the child.
 */
#include "io/aws/credential_process.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/aws/credential_set.h"

struct child {
    pid_t pid;
    int output_fd;
    uint64_t deadline_mono_ns;
};

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)sigaddset(&defaults, SIGTERM);
    (void)sigaddset(&defaults, SIGINT);
    (void)sigaddset(&defaults, SIGHUP);
    int err = posix_spawnattr_setsigmask(attributes, &none);
    err = err != 0 ? err : posix_spawnattr_setsigdefault(attributes, &defaults);
    err = err != 0 ? err : posix_spawnattr_setpgroup(attributes, 0);
    return err != 0 ? err
                    : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                               POSIX_SPAWN_SETSIGDEF |
                                                               POSIX_SPAWN_SETPGROUP);
}

static int spawn_into(const char *command, int write_fd, posix_spawnattr_t *attributes, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    char shell[] = "sh";
    char option[] = "-c";
    int err = posix_spawn_file_actions_init(&actions);
    if (err != 0) {
        return err;
    }
    char *text = mem_copy_text(command, strlen(command));
    char *const arguments[] = {shell, option, text, NULL};
    err = text != NULL ? set_attributes(attributes) : ENOMEM;
    err = err != 0 ? err : posix_spawn_file_actions_adddup2(&actions, write_fd, STDOUT_FILENO);
    err = err != 0
              ? err
              : posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    err = err != 0 ? err : posix_spawn(pid, "/bin/sh", &actions, attributes, arguments, environ);
    mem_free(text);
    (void)posix_spawn_file_actions_destroy(&actions);
    return err;
}

static int start(const char *command, struct child *child)
{
    int fds[2];
    posix_spawnattr_t attributes;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    int err = posix_spawnattr_init(&attributes);
    if (err == 0) {
        err = spawn_into(command, fds[1], &attributes, &child->pid);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)close(fds[1]); /* the child has its own */
    if (err != 0) {
        (void)close(fds[0]); /* nothing was read */
        return -err;
    }
    child->output_fd = fds[0];
    return 0;
}

/* How long may still be waited, for poll: 0 once the deadline passed. */
static int left_ms(const struct child *child)
{
    uint64_t now_mono_ns = clock_mono_ns();
    if (now_mono_ns >= child->deadline_mono_ns) {
        return 0;
    }
    return (int)((child->deadline_mono_ns - now_mono_ns) / CLOCK_NS_PER_MS) + 1;
}

/* Reads to the end. 0, -ETIMEDOUT, FAULT_LIMIT or -errno. */
static int read_output(const struct child *child, char *buf, size_t cap, size_t *len)
{
    for (;;) {
        struct pollfd fd = {.fd = child->output_fd, .events = POLLIN};
        int ready = poll(&fd, 1, left_ms(child));
        int err = ready < 0 ? -errno : 0;
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (err == -EINTR) {
            continue;
        }
        ssize_t got = err == 0 ? read(child->output_fd, buf + *len, cap - *len) : -1;
        if (got <= 0) {
            return err != 0 || got == 0 ? err : -EIO;
        }
        *len += (size_t)got;
        if (*len == cap) {
            return FAULT_LIMIT;
        }
    }
}

/* The exit code; 128 and more for a signal. A child that closed its output but runs on is killed.
 */
static int reap(const struct child *child, bool is_late)
{
    int status = 0;
    pid_t got = is_late ? 0 : waitpid(child->pid, &status, WNOHANG);
    while (!is_late && got == 0 && left_ms(child) > 0) {
        (void)poll(NULL, 0, 1);
        got = waitpid(child->pid, &status, WNOHANG);
    }
    if (got == 0) {
        (void)kill(-child->pid, SIGKILL); /* gone already is as good */
        got = waitpid(child->pid, &status, 0);
    }
    if (got < 0) {
        return 0; /* somebody else reaped it; its output stands */
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int credential_process_run(const char *command, uint64_t timeout_ms, char **out, size_t *len,
                           char *why)
{
    const size_t cap = CREDENTIAL_PROCESS_OUTPUT_MAX_BYTES;
    struct child child = {.deadline_mono_ns = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS};
    char *buf = mem_alloc(cap);
    *len = 0;
    int err = buf != NULL ? start(command, &child) : -ENOMEM;
    if (err != 0) {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "credential_process did not start: %s",
                       fault_text(err));
        mem_free(buf);
        return err;
    }
    err = read_output(&child, buf, cap, len);
    (void)close(child.output_fd); /* only read */
    int code = reap(&child, err != 0);
    if (err == 0 && code == 0) {
        *out = buf;
        return 0;
    }
    if (err != 0) {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "credential_process: %s", fault_text(err));
    } else {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "credential_process ended with code %d", code);
    }
    OPENSSL_cleanse(buf, cap);
    mem_free(buf);
    return err != 0 ? err : FAULT_MALFORMED;
}
