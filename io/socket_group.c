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

int socket_group_hand_on(int fd, uint32_t member)
{
    struct sock_filter always = BPF_STMT(BPF_RET | BPF_K, member);
    struct sock_fprog attached = {.len = 1, .filter = &always};
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
