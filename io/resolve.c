/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve — getaddrinfo as a job of the helper.
 */
#include "io/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/io_bounds.h"

struct resolve {
    struct helper_job job;
    char host[SOCKET_HOST_MAX_BYTES + 1];
    uint16_t port;
    bool is_cancelled; /* the port's thread only */
    void *owner;       /* borrowed until on_done */
    resolve_done_fn *on_done;
    int fault; /* from here on: what was found */
    const char *fault_text;
    uint32_t address_count;
    struct loop_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* --- the lookup, on the helper's thread ------------------------------------------------------- */

static bool take_address(const struct sockaddr *address, socklen_t len, uint16_t port,
                         struct loop_address *out)
{
    *out = (struct loop_address){.len = len};
    if (address->sa_family == AF_INET && len == sizeof(out->in4)) {
        memcpy(&out->in4, address, sizeof(out->in4));
        out->in4.sin_port = htons(port);
        return true;
    }
    if (address->sa_family == AF_INET6 && len == sizeof(out->in6)) {
        memcpy(&out->in6, address, sizeof(out->in6));
        out->in6.sin6_port = htons(port);
        return true;
    }
    return false;
}

static bool has_address(const struct resolve *resolve, const struct loop_address *address)
{
    for (uint32_t i = 0; i < resolve->address_count; i++) {
        const struct loop_address *known = &resolve->addresses[i];
        if (known->len == address->len && memcmp(&known->any, &address->any, known->len) == 0) {
            return true;
        }
    }
    return false;
}

static void take_addresses(struct resolve *resolve, const struct addrinfo *info)
{
    while (info != NULL && resolve->address_count < RESOLVE_ADDRESSES_MAX) {
        struct loop_address *slot = &resolve->addresses[resolve->address_count];
        if (take_address(info->ai_addr, info->ai_addrlen, resolve->port, slot) &&
            !has_address(resolve, slot)) {
            resolve->address_count++;
        }
        info = info->ai_next;
    }
}

static void resolve_work(struct helper_job *job)
{
    struct resolve *resolve = CONTAINER_OF(job, struct resolve, job);
    /* Addresses of a family this machine does not have would only fail to connect. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *info = NULL;
    int code = getaddrinfo(resolve->host, NULL, &hints, &info);
    if (code != 0 && code != EAI_AGAIN) {
        /* A machine with loopback alone has no family at all in the sense of that flag. */
        hints.ai_flags = 0;
        code = getaddrinfo(resolve->host, NULL, &hints, &info);
    }
    if (code == 0) {
        take_addresses(resolve, info);
        freeaddrinfo(info);
    }
    if (resolve->address_count == 0) {
        resolve->fault = FAULT_LIBRARY;
        resolve->fault_text = code != 0 ? gai_strerror(code) : "the name has no address";
    }
}

/* --- back on the loop's thread ---------------------------------------------------------------- */

static void resolve_discard(struct helper_job *job)
{
    mem_free(CONTAINER_OF(job, struct resolve, job));
}

static void resolve_finish(struct helper_job *job)
{
    struct resolve *resolve = CONTAINER_OF(job, struct resolve, job);
    const struct resolve_result result = {
        .fault = resolve->fault,
        .fault_text = resolve->fault_text,
        .addresses = resolve->addresses,
        .address_count = resolve->address_count,
    };
    if (!resolve->is_cancelled) {
        resolve->on_done(resolve->owner, &result);
    }
    mem_free(resolve);
}

static const struct helper_job_ops resolve_ops = {
    .work = resolve_work,
    .on_done = resolve_finish,
    .discard = resolve_discard,
};

/* --- public ----------------------------------------------------------------------------------- */

bool resolve_literal(const char *host, uint16_t port, struct loop_address *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *info = NULL;
    /* Without a lookup this does not block, and it knows zones. */
    if (getaddrinfo(host, NULL, &hints, &info) != 0) {
        return false;
    }
    bool is_taken = take_address(info->ai_addr, info->ai_addrlen, port, out);
    freeaddrinfo(info);
    return is_taken;
}

int resolve_start(struct helper_port *port, const char *host, uint16_t port_number,
                  struct resolve **out, void *owner, resolve_done_fn *on_done)
{
    size_t host_len = strlen(host);
    if (host_len > SOCKET_HOST_MAX_BYTES) {
        return -ENAMETOOLONG;
    }
    struct resolve *resolve = mem_alloc(sizeof(*resolve));
    if (resolve == NULL) {
        return -ENOMEM;
    }
    *resolve = (struct resolve){
        .job.ops = &resolve_ops,
        .port = port_number,
        .owner = owner,
        .on_done = on_done,
        .fault_text = "",
    };
    memcpy(resolve->host, host, host_len);
    helper_submit(port, &resolve->job);
    *out = resolve;
    return 0;
}

void resolve_cancel(struct resolve *resolve)
{
    if (resolve != NULL) {
        resolve->is_cancelled = true;
    }
}
