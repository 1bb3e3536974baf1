/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_group — what concerns a socket's last moments: steering a reuseport group, refusing
 * everything new, counting what the kernel dropped.
 *
 * Classic BPF, because it needs no privilege and no seccomp profile forbids setsockopt.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket.h"

/* Members of a group, that is shards; the program for them is 4 KiB. */
#define GROUP_MAX 256
#define PROGRAM_MAX (GROUP_MAX * 2 + 32)

/* A reuseport program sees the packet from its payload on; headers have negative offsets. */
#define NETWORK_HEADER ((uint32_t)SKF_NET_OFF)
#define IPV4_SOURCE (NETWORK_HEADER + 12)
#define IPV4_SOURCE_PORT (NETWORK_HEADER + 20) /* without options; with some, still a constant */
#define IPV6_SOURCE_END (NETWORK_HEADER + 20)
#define IPV6_SOURCE_PORT (NETWORK_HEADER + 40)
#define HASH_MULTIPLIER UINT32_C(0x9e3779b1) /* 2^32 divided by the golden ratio, odd */

struct program {
    struct sock_filter code[PROGRAM_MAX];
    uint16_t len;
};

static void emit(struct program *program, struct sock_filter instruction)
{
    ASSERT(program->len < PROGRAM_MAX);
    program->code[program->len] = instruction;
    program->len++;
}

static void emit_hash(struct program *program)
{
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NETWORK_HEADER));
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4));
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 4, 0));
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IPV4_SOURCE));
    emit(program, (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0));
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IPV4_SOURCE_PORT));
    emit(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 3));
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IPV6_SOURCE_END));
    emit(program, (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0));
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IPV6_SOURCE_PORT));
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0));
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, HASH_MULTIPLIER));
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16));
}

int socket_group_exclude(int fd, uint32_t group_count, const bool *is_leaving)
{
    static _Thread_local struct program
        program; /* 16 KiB: too much for a stack, too rare to keep */
    uint32_t staying[GROUP_MAX];
    uint32_t staying_count = 0;
    if (group_count > GROUP_MAX) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < group_count; i++) {
        if (!is_leaving[i]) {
            staying[staying_count] = i;
            staying_count++;
        }
    }
    if (staying_count == 0 || staying_count == group_count) {
        return -EINVAL;
    }
    program.len = 0; /* it was used before where this thread steered another group */
    emit_hash(&program);
    emit(&program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, staying_count));
    for (uint32_t i = 0; i + 1 < staying_count; i++) {
        emit(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1));
        emit(&program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, staying[i]));
    }
    emit(&program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, staying[staying_count - 1]));
    struct sock_fprog attached = {.len = program.len, .filter = program.code};
    int err = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof(attached));
    return err == 0 ? 0 : -errno;
}

int socket_group_restore(int fd)
{
    int unused = 0;
    int err = setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof(unused));
    return err == 0 ? 0 : -errno;
}

/*
 * Over IP: connected to itself, a socket hears nobody else, and the kernel answers others as if it
 * were closed already, so that a sender knows. The unspecified address then means this host.
 */
static int connect_to_self(int fd)
{
    struct loop_address self = {.len = sizeof(self.sun)};
    if (getsockname(fd, &self.any, &self.len) != 0) {
        return -errno;
    }
    if (self.any.sa_family != AF_INET && self.any.sa_family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    return connect(fd, &self.any, self.len) == 0 ? 0 : -errno;
}

/*
 * A Unix socket that is connected takes datagrams from its peer alone, and the kernel tells others
 * EPERM. A peer that has gone counts as well: then there is nobody left whom it takes any from.
 */
static int connect_to_nobody(int fd)
{
    struct loop_address nobody = {.sun.sun_family = AF_UNIX, .len = sizeof(nobody.sun)};
    int nobody_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (nobody_fd < 0) {
        return -errno;
    }
    /* Of the family alone: the kernel finds an abstract name. */
    bool is_named = bind(nobody_fd, &nobody.any, sizeof(nobody.sun.sun_family)) == 0 &&
                    getsockname(nobody_fd, &nobody.any, &nobody.len) == 0;
    int err = is_named && connect(fd, &nobody.any, nobody.len) == 0 ? 0 : -errno;
    (void)close(nobody_fd); /* it was there for its name */
    return err;
}

int socket_refuse_all(int fd)
{
    int err = connect_to_self(fd);
    err = err == -EAFNOSUPPORT ? connect_to_nobody(fd) : err;
    if (err == 0) {
        return 0;
    }
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog attached = {.len = 1, .filter = &nothing};
    err = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached));
    return err == 0 ? 0 : -errno;
}

int socket_read_drops(int fd, uint32_t *drop_count)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0) {
        return -errno;
    }
    if (len < (SK_MEMINFO_DROPS + 1) * sizeof(info[0])) {
        return -EOPNOTSUPP; /* Linux before 4.12 */
    }
    *drop_count = info[SK_MEMINFO_DROPS];
    return 0;
}

bool socket_is_dry(int fd)
{
    int waiting_bytes = 0;
    return ioctl(fd, SIOCINQ, &waiting_bytes) != 0 || waiting_bytes == 0;
}
