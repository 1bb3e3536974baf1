/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_address — where a load may go: loopback and Unix sockets, nowhere else.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/defs.h"

struct load_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un sun;
    };
};

/*
 * load_address_parse — `host:port` with a numeric host, `[::1]:port` or `localhost:port`.
 * Returns 0, -EINVAL, or -EACCES for anything outside 127.0.0.0/8 and ::1.
 */
WEIR_MUST_USE int load_address_parse(const char *text, struct load_address *out);

/* A path of at most 107 bytes, or -ENAMETOOLONG. */
WEIR_MUST_USE int load_address_of_path(const char *path, struct load_address *out);

/* In host order; 0 for a path. */
uint16_t load_address_port(const struct load_address *address);

/* Connects a blocking TCP or Unix stream; the descriptor moves out, or -errno. */
WEIR_MUST_USE int load_address_connect(const struct load_address *address, int type);
