/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_stat — see proc_stat.h. Formats as in proc(5); a file that is missing gives zeros, because
 * kernels and containers differ in what they show.
 */
#include "bench/proc_stat.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/file_read.h"
#include "bench/proc_clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define PROC_FILE_MAX_BYTES (16u << 20)
#define PROC_PATH_BYTES 512u
/* Fields of stat after the name, which ends in the last ')': state is the first. */
#define PROC_STAT_USER_FIELD 12u
#define PROC_STAT_SYSTEM_FIELD 13u
/* Columns of /proc/net/udp, from 1: the local address, and the drops at the end. */
#define PROC_UDP_LOCAL_FIELD 2u
#define PROC_UDP_DROPS_FIELD 13u

/* The next word of `*text`, empty at the end of the line. */
static struct slice proc_word(struct slice *text)
{
    while (text->len > 0 && (text->ptr[0] == ' ' || text->ptr[0] == '\t')) {
        *text = slice_from(*text, 1);
    }
    size_t len = 0;
    while (len < text->len && text->ptr[len] > ' ') {
        len++;
    }
    const struct slice word = slice_first(*text, len);
    *text = slice_from(*text, len);
    return word;
}

static struct slice proc_line(struct slice *text)
{
    const size_t len = slice_find(*text, '\n');
    const struct slice line = slice_first(*text, len);
    *text = slice_from(*text, len == text->len ? len : len + 1);
    return line;
}

static uint64_t proc_number(struct slice word, uint32_t base)
{
    uint64_t value = 0;
    for (size_t i = 0; i < word.len; i++) {
        const uint8_t c = word.ptr[i];
        uint32_t digit = base;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A') + 10;
        }
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    return value;
}

int proc_parse_stat(struct slice text, struct slice *name, uint64_t *user_ticks,
                    uint64_t *system_ticks)
{
    const size_t open = slice_find(text, '(');
    size_t close = text.len;
    while (close > 0 && text.ptr[close - 1] != ')') {
        close--;
    }
    if (close <= open + 1) {
        return FAULT_MALFORMED;
    }
    *name = slice_of(text.ptr + open + 1, close - open - 2);
    struct slice left = slice_from(text, close);
    for (uint32_t field = 1; field <= PROC_STAT_SYSTEM_FIELD; field++) {
        const struct slice word = proc_word(&left);
        if (word.len == 0) {
            return FAULT_MALFORMED;
        }
        if (field == PROC_STAT_USER_FIELD) {
            *user_ticks = proc_number(word, 10);
        } else if (field == PROC_STAT_SYSTEM_FIELD) {
            *system_ticks = proc_number(word, 10);
        }
    }
    return 0;
}

uint64_t proc_parse_status(struct slice text, const char *key)
{
    while (text.len > 0) {
        struct slice line = proc_line(&text);
        if (slice_is_text(proc_word(&line), key)) {
            return proc_number(proc_word(&line), 10) * 1024;
        }
    }
    return 0;
}

uint64_t proc_parse_udp(struct slice text, uint16_t port, uint32_t *socket_count)
{
    uint64_t drops = 0;
    (void)proc_line(&text); /* the heading */
    while (text.len > 0) {
        struct slice line = proc_line(&text);
        uint64_t local_port = 0;
        uint64_t line_drops = 0;
        for (uint32_t field = 1; field <= PROC_UDP_DROPS_FIELD; field++) {
            const struct slice word = proc_word(&line);
            if (field == PROC_UDP_LOCAL_FIELD) {
                const size_t colon = slice_find(word, ':');
                local_port = colon == word.len ? 0 : proc_number(slice_from(word, colon + 1), 16);
            } else if (field == PROC_UDP_DROPS_FIELD) {
                line_drops = proc_number(word, 10);
            }
        }
        if (local_port == port && port != 0) {
            drops += line_drops;
            (*socket_count)++;
        }
    }
    return drops;
}

/* Reads a file and hands it over as a slice; the caller frees `file->bytes`. Empty when missing. */
static struct slice proc_file(const char *path, struct file_bytes *file)
{
    if (file_read(path, PROC_FILE_MAX_BYTES, file) != 0) {
        return (struct slice){0};
    }
    return slice_of(file->bytes, file->len);
}

uint64_t proc_udp_drops(uint16_t port, uint32_t *socket_count)
{
    static const char *const tables[] = {"/proc/net/udp", "/proc/net/udp6"};
    uint64_t drops = 0;
    *socket_count = 0;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        struct file_bytes file;
        drops += proc_parse_udp(proc_file(tables[i], &file), port, socket_count);
        mem_free(file.bytes);
    }
    return drops;
}

/* `directory` is /proc/PID or /proc/PID/task/TID. */
static int proc_read_cpu(const char *directory, struct proc_cpu *cpu, enum proc_role *role)
{
    char path[PROC_PATH_BYTES];
    struct file_bytes file;
    struct slice name = {0};
    uint64_t user = 0;
    uint64_t system = 0;
    (void)snprintf(path, sizeof(path), "%s/stat", directory);
    const int err = proc_parse_stat(proc_file(path, &file), &name, &user, &system);
    *role = PROC_ROLE_OTHER;
    if (slice_has_prefix(name, SLICE_LITERAL("shard-"))) {
        *role = PROC_ROLE_SHARD;
    } else if (slice_has_prefix(name, SLICE_LITERAL("egress-"))) {
        *role = PROC_ROLE_EGRESS;
    }
    mem_free(file.bytes);
    if (err != 0) {
        return err;
    }
    const uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    cpu->user_ns += user * tick_ns;
    cpu->system_ns += system * tick_ns;
    (void)snprintf(path, sizeof(path), "%s/schedstat", directory);
    struct slice schedstat = proc_file(path, &file);
    cpu->run_ns += proc_number(proc_word(&schedstat), 10);
    mem_free(file.bytes);
    return 0;
}

static void proc_read_threads(pid_t pid, struct proc_sample *out)
{
    char path[PROC_PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        struct proc_cpu cpu = {0};
        enum proc_role role = PROC_ROLE_OTHER;
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%s", (int)pid, entry->d_name);
        if (proc_read_cpu(path, &cpu, &role) != 0) {
            continue; /* it ended in between; the process keeps its time */
        }
        out->role[role].user_ns += cpu.user_ns;
        out->role[role].system_ns += cpu.system_ns;
        out->role[role].run_ns += cpu.run_ns;
        out->process.run_ns += cpu.run_ns;
        out->thread_count[role]++;
    }
    (void)closedir(tasks); /* only read from */
}

static uint64_t proc_box_busy_ns(void)
{
    struct file_bytes file;
    struct slice text = proc_file("/proc/stat", &file);
    (void)proc_word(&text); /* "cpu" */
    uint64_t busy_ticks = 0;
    /* user nice system idle iowait irq softirq steal */
    for (uint32_t field = 0; field < 7; field++) {
        const uint64_t ticks = proc_number(proc_word(&text), 10);
        const bool is_waiting = field == 3 || field == 4;
        busy_ticks += is_waiting ? 0 : ticks;
    }
    mem_free(file.bytes);
    return busy_ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

/*
 * What one line of /proc/PID/cgroup says: `0::/path` of version 2, or `N:memory:/path` of version
 * 1. The root, "/", is everybody's and says nothing: 0.
 */
static uint64_t proc_cgroup_line_peak_bytes(struct slice line)
{
    struct slice path = line;
    const char *prefix = "/sys/fs/cgroup";
    const char *file_name = "memory.peak";
    if (slice_has_prefix(line, SLICE_LITERAL("0::"))) {
        path = slice_from(line, 3);
    } else {
        path = slice_from(line, slice_find(line, ':'));
        if (!slice_has_prefix(path, SLICE_LITERAL(":memory:"))) {
            return 0;
        }
        path = slice_from(path, sizeof(":memory:") - 1);
        prefix = "/sys/fs/cgroup/memory";
        file_name = "memory.max_usage_in_bytes";
    }
    char full_path[PROC_PATH_BYTES];
    if (path.len <= 1 || path.len >= PROC_PATH_BYTES / 2) {
        return 0;
    }
    struct file_bytes file;
    (void)snprintf(full_path, sizeof(full_path), "%s%.*s/%s", prefix, (int)path.len,
                   (const char *)path.ptr, file_name);
    uint64_t peak_bytes = proc_number(proc_file(full_path, &file), 10);
    mem_free(file.bytes);
    return peak_bytes;
}

static uint64_t proc_cgroup_peak_bytes(pid_t pid)
{
    char path[PROC_PATH_BYTES];
    struct file_bytes file;
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    struct slice text = proc_file(path, &file);
    uint64_t peak_bytes = 0;
    while (text.len > 0 && peak_bytes == 0) {
        peak_bytes = proc_cgroup_line_peak_bytes(proc_line(&text));
    }
    mem_free(file.bytes);
    return peak_bytes;
}

int proc_sample_take(pid_t pid, struct proc_sample *out)
{
    char path[PROC_PATH_BYTES];
    enum proc_role ignored = PROC_ROLE_OTHER;
    *out = (struct proc_sample){.taken_mono_ns = proc_mono_ns()};
    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    if (proc_read_cpu(path, &out->process, &ignored) != 0) {
        return -ESRCH;
    }
    out->process.run_ns = 0; /* schedstat of a process is its main thread's alone */
    proc_read_threads(pid, out);
    out->box_busy_ns = proc_box_busy_ns();
    struct file_bytes file;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    const struct slice status = proc_file(path, &file);
    out->resident_bytes = proc_parse_status(status, "VmRSS:");
    out->resident_peak_bytes = proc_parse_status(status, "VmHWM:");
    out->anonymous_bytes = proc_parse_status(status, "RssAnon:");
    mem_free(file.bytes);
    out->cgroup_peak_bytes = proc_cgroup_peak_bytes(pid);
    return 0;
}
