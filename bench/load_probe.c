/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_probe — see load_probe.h. The socket is connected, so that the kernel reports a closed port
 * on the call after; such a call sent nothing itself.
 */
#include "bench/load_probe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/proc_clock.h"
#include "core/base/mem.h"

#define PROBE_NAME "bench.start.probe"
#define PROBE_PAUSE_NS 100000
#define PROBE_AFTER_COUNT 100u
#define PROBE_LENGTH_NS UINT64_C(2000000000)

static void probe_loop(struct load_probe *probe, int fd)
{
    static const char line[] = PROBE_NAME ":1|c";
    uint32_t unrefused_count = 0;
    while (probe->sent_count < LOAD_PROBE_MAX_COUNT && unrefused_count < PROBE_AFTER_COUNT &&
           proc_mono_ns() - probe->exec_mono_ns < PROBE_LENGTH_NS) {
        const uint64_t now_ns = proc_mono_ns();
        const ssize_t sent = send(fd, line, sizeof(line) - 1, 0);
        if (sent < 0) {
            unrefused_count = 0; /* the one before met a closed port */
            continue;
        }
        probe->sent_mono_ns[probe->sent_count] = now_ns;
        probe->sent_count++;
        unrefused_count++;
        const struct timespec pause = {.tv_nsec = PROBE_PAUSE_NS};
        (void)nanosleep(&pause, NULL); /* early is fine */
    }
}

int load_probe_run(struct load_probe *probe, const char *target, uint64_t exec_mono_ns)
{
    *probe = (struct load_probe){.exec_mono_ns = exec_mono_ns};
    struct load_address address;
    const int err = load_address_parse(target, &address);
    if (err != 0) {
        return err;
    }
    probe->sent_mono_ns = mem_alloc_array(LOAD_PROBE_MAX_COUNT, sizeof(uint64_t));
    if (probe->sent_mono_ns == NULL) {
        return -ENOMEM;
    }
    const int fd = load_address_connect(&address, SOCK_DGRAM);
    if (fd < 0) {
        return fd;
    }
    probe_loop(probe, fd);
    (void)close(fd); /* datagrams that left have left */
    return 0;
}

uint64_t load_probe_result_us(const struct load_probe *probe, const struct totals *arrived)
{
    const struct totals_entry *entry = totals_find(arrived, slice_of_text(PROBE_NAME));
    if (entry == NULL || entry->counter_sum < 1 || entry->counter_sum > (double)probe->sent_count) {
        return 0;
    }
    const uint32_t first_index = probe->sent_count - (uint32_t)entry->counter_sum;
    return (probe->sent_mono_ns[first_index] - probe->exec_mono_ns) / 1000;
}

void load_probe_fini(struct load_probe *probe)
{
    mem_free(probe->sent_mono_ns);
    *probe = (struct load_probe){0};
}
