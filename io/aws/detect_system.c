/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_system — what the kernel says at once, and a job for the name.
 */
#include "io/aws/detect_system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/helper.h"

/* Addresses of one host that are listed. */
#define ADDRESSES_MAX 64
/* machine-id(5): 32 digits. */
#define MACHINE_ID_MAX_BYTES 64

/* The sources of the name, tried where trying may block. */
struct hostname_job {
    struct helper_job job;
    struct detect_system *owner; /* NULL once nobody waits for it; the loop's thread only */
    enum hostname_source sources[HOSTNAME_SOURCE_COUNT];
    uint32_t source_count;
    char hostname[HOST_NAME_MAX + 1];
    char name[NI_MAXHOST]; /* what was found; "" for nothing */
};

/* --- names, on the helper's thread ------------------------------------------------------------ */

/* Without the dot at its end. */
static void keep_name(struct hostname_job *job, const char *name)
{
    size_t len = strnlen(name, sizeof(job->name) - 1);
    while (len > 0 && name[len - 1] == '.') {
        len--;
    }
    memcpy(job->name, name, len);
    job->name[len] = '\0';
}

/* The host's addresses, the first with its canonical name; NULL where there are none. */
static struct addrinfo *look_up(const struct hostname_job *job)
{
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    return getaddrinfo(job->hostname, NULL, &hints, &found) == 0 ? found : NULL;
}

static bool try_reverse(struct hostname_job *job, const struct addrinfo *found)
{
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        char name[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, name, sizeof(name), NULL, 0, NI_NAMEREQD) ==
            0) {
            keep_name(job, name);
            return true;
        }
    }
    return false;
}

static bool try_canonical(struct hostname_job *job, const struct addrinfo *found)
{
    if (found == NULL || found->ai_canonname == NULL) {
        return false;
    }
    keep_name(job, found->ai_canonname);
    return job->name[0] != '\0';
}

static bool is_qualified(const struct hostname_job *job)
{
    return strchr(job->name, '.') != NULL;
}

/*
 * The canonical name, from the hosts file or DNS, if it is qualified; else what the address is
 * called, if that is (loopback's "localhost" is no name of this host); else either of them.
 */
static bool try_qualified(struct hostname_job *job, const struct addrinfo *found)
{
    bool is_canonical = try_canonical(job, found);
    if (is_canonical && is_qualified(job)) {
        return true;
    }
    bool is_reverse = try_reverse(job, found);
    if (is_reverse && is_qualified(job)) {
        return true;
    }
    return is_canonical ? try_canonical(job, found) : is_reverse;
}

static bool try_source(struct hostname_job *job, enum hostname_source source,
                       const struct addrinfo *found)
{
    switch (source) {
    case HOSTNAME_DNS:
        return try_qualified(job, found);
    case HOSTNAME_OS:
        keep_name(job, job->hostname);
        return job->name[0] != '\0';
    case HOSTNAME_CNAME:
        return try_canonical(job, found);
    case HOSTNAME_LOOKUP:
        return try_reverse(job, found);
    case HOSTNAME_SOURCE_COUNT:
        break;
    }
    return false;
}

static void job_work(struct helper_job *helper_job)
{
    struct hostname_job *job = CONTAINER_OF(helper_job, struct hostname_job, job);
    struct addrinfo *found = look_up(job);
    bool is_found = false;
    for (uint32_t i = 0; i < job->source_count && !is_found; i++) {
        is_found = try_source(job, job->sources[i], found);
    }
    if (!is_found) {
        job->name[0] = '\0';
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
}

/* --- names, on the loop's thread -------------------------------------------------------------- */

static bool has_source(const struct resource_detect_plan *plan, enum hostname_source source)
{
    for (uint32_t i = 0; i < plan->hostname_source_count; i++) {
        if (plan->hostname_sources[i] == source) {
            return true;
        }
    }
    return false;
}

static void put(struct detect_system *system, const char *key, const char *text)
{
    detect_state_put(&system->state, slice_of_text(key), slice_of_text(text));
}

static void job_on_done(struct helper_job *helper_job)
{
    struct hostname_job *job = CONTAINER_OF(helper_job, struct hostname_job, job);
    struct detect_system *system = job->owner;
    if (system != NULL) {
        system->job = NULL;
        put(system, "host.name", job->name);
        if (job->name[0] == '\0') {
            detect_state_note(&system->state, true, "no source has a name of this host");
        }
        detect_state_finish(&system->state);
    }
    mem_free(job);
}

static void job_discard(struct helper_job *helper_job)
{
    mem_free(CONTAINER_OF(helper_job, struct hostname_job, job));
}

static const struct helper_job_ops job_ops = {
    .work = job_work,
    .on_done = job_on_done,
    .discard = job_discard,
};

/* 0, or as helper_port_open. */
static int submit_job(struct detect_system *system)
{
    const struct resource_detect_plan *plan = system->state.plan;
    int err = system->port != NULL ? 0 : helper_port_open(system->loop, &system->port);
    struct hostname_job *job = err == 0 ? mem_alloc(sizeof(*job)) : NULL;
    if (job == NULL) {
        return err != 0 ? err : -ENOMEM;
    }
    job->job.ops = &job_ops;
    job->owner = system;
    job->source_count = plan->hostname_source_count;
    memcpy(job->sources, plan->hostname_sources, sizeof(job->sources));
    memcpy(job->hostname, system->hostname, sizeof(job->hostname));
    system->job = job;
    helper_submit(system->port, &job->job);
    return 0;
}

/* --- what the kernel and its files say -------------------------------------------------------- */

static void put_kernel(struct detect_system *system)
{
    static const struct {
        const char *machine;
        const char *arch;
    } archs[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
    struct utsname name;
    put(system, "os.type", "linux");
    if (uname(&name) != 0) {
        return;
    }
    const char *arch = name.machine;
    for (size_t i = 0; i < COUNT_OF(archs); i++) {
        arch = strcmp(name.machine, archs[i].machine) == 0 ? archs[i].arch : arch;
    }
    put(system, "host.arch", arch);
}

/* The first line of a small file. False where it cannot be read or is empty. */
static bool read_id(const char *path, char id[MACHINE_ID_MAX_BYTES + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, id, MACHINE_ID_MAX_BYTES);
    (void)close(fd); /* nothing was written to it */
    id[len > 0 ? len : 0] = '\0';
    id[strcspn(id, " \t\r\n")] = '\0';
    return id[0] != '\0';
}

static void put_machine_id(struct detect_system *system)
{
    char id[MACHINE_ID_MAX_BYTES + 1];
    if (read_id("/etc/machine-id", id) || read_id("/var/lib/dbus/machine-id", id)) {
        put(system, "host.id", id);
    }
}

/* The text of an address that is listed, or false. */
static bool format_address(const struct ifaddrs *at, char text[INET6_ADDRSTRLEN])
{
    const struct sockaddr *address = at->ifa_addr;
    bool is_up = (at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0;
    if (address == NULL || !is_up) {
        return false;
    }
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, address, sizeof(in4));
        return inet_ntop(AF_INET, &in4.sin_addr, text, INET6_ADDRSTRLEN) != NULL;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return inet_ntop(AF_INET6, &in6.sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
    }
    return false;
}

static void put_addresses(struct detect_system *system)
{
    char texts[ADDRESSES_MAX][INET6_ADDRSTRLEN];
    struct slice list[ADDRESSES_MAX];
    size_t count = 0;
    struct ifaddrs *first = NULL;
    if (getifaddrs(&first) != 0) {
        return;
    }
    for (const struct ifaddrs *at = first; at != NULL && count < ADDRESSES_MAX; at = at->ifa_next) {
        if (format_address(at, texts[count])) {
            list[count] = slice_of_text(texts[count]);
            count++;
        }
    }
    freeifaddrs(first);
    detect_state_put_list(&system->state, "host.ip", list, count);
}

/* --- the detector ----------------------------------------------------------------------------- */

static bool wants(const struct detect_state *state, const char *key)
{
    return resource_detect_plan_wants(state->plan, state->detector, slice_of_text(key));
}

static void system_start(struct detect_state *state)
{
    struct detect_system *system = CONTAINER_OF(state, struct detect_system, state);
    put_kernel(system);
    if (wants(state, "host.id")) {
        put_machine_id(system);
    }
    if (wants(state, "host.ip")) {
        put_addresses(system);
    }
    bool is_known = gethostname(system->hostname, sizeof(system->hostname) - 1) == 0;
    if (!is_known || !wants(state, "host.name")) {
        detect_state_finish(state);
        return;
    }
    if (state->plan->hostname_sources[0] == HOSTNAME_OS) {
        put(system, "host.name", system->hostname);
        detect_state_finish(state);
        return;
    }
    int err = submit_job(system);
    if (err != 0) {
        detect_state_note(state, false, "%s", fault_text(err));
        detect_state_finish(state);
    }
}

static void system_stop(struct detect_state *state)
{
    struct detect_system *system = CONTAINER_OF(state, struct detect_system, state);
    if (system->job != NULL) {
        system->job->owner = NULL;
        system->job = NULL;
    }
    if (!state->is_done) {
        /* A lookup that hangs must not cost what was known before it began. */
        if (has_source(state->plan, HOSTNAME_OS)) {
            put(system, "host.name", system->hostname);
        }
        detect_state_note(state, true, "no name of this host was found in time");
        detect_state_finish(state);
    }
    helper_port_close(system->port);
    system->port = NULL;
}

static const struct detect_ops system_ops = {.start = system_start, .stop = system_stop};

void detect_system_init(struct detect_system *system, const struct resource_detect_plan *plan,
                        struct loop *loop)
{
    *system = (struct detect_system){
        .state = {.ops = &system_ops, .plan = plan, .detector = DETECTOR_SYSTEM},
        .loop = loop,
    };
}
