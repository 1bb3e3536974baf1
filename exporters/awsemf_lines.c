/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_lines — a list of blocks and a timer that comes back where the output stands still.
 */
#include "exporters/awsemf_lines.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "exporters/exporter_bounds.h"
#include "exporters/line_piece.h"
#include "io/loop.h"

/* Written in one turn, at most: 256 KiB. */
#define PIECES_PER_TURN 64

/* 0 when `len` bytes or fewer were written, as *written_bytes says; -EAGAIN; -errno. */
static int write_piece(int fd, const uint8_t *bytes, size_t len, size_t *written_bytes)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) {
        return -EAGAIN;
    }
    ssize_t n = write(fd, bytes, line_piece_bytes(slice_of(bytes, len)));
    if (n < 0) {
        return errno == EINTR ? -EAGAIN : -errno;
    }
    *written_bytes += (size_t)n;
    return 0;
}

static int write_block(struct awsemf_lines *lines, struct awsemf_block *block)
{
    int err = 0;
    for (int i = 0; err == 0 && i < PIECES_PER_TURN; i++) {
        size_t newline_bytes = 0;
        if (block->written_bytes == block->text.len) {
            return 0;
        }
        if (lines->is_inside_line) {
            err = write_piece(lines->fd, (const uint8_t *)"\n", 1, &newline_bytes);
            lines->is_inside_line = newline_bytes == 0;
        } else {
            err = write_piece(lines->fd, block->text.ptr + block->written_bytes,
                              block->text.len - block->written_bytes, &block->written_bytes);
        }
    }
    return err != 0 ? err : -EAGAIN;
}

/* Returns the link that points to the block, or to the end. */
static struct awsemf_block **find_link(struct awsemf_lines *lines, const struct awsemf_block *block)
{
    struct awsemf_block **link = &lines->first;
    while (*link != NULL && *link != block) {
        link = &(*link)->next;
    }
    return link;
}

static void lines_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct awsemf_lines *lines = CONTAINER_OF(timer, struct awsemf_lines, timer);
    while (lines->first != NULL) {
        struct awsemf_block *block = lines->first;
        size_t before_bytes = block->written_bytes;
        int err = write_block(lines, block);
        if (err == -EAGAIN) {
            bool has_moved = block->written_bytes > before_bytes;
            uint64_t wait_ns = has_moved ? 0 : DEBUG_RETRY_MS * CLOCK_NS_PER_MS;
            if (loop_timer_arm(lines->loop, timer, now_mono_ns + wait_ns) == 0) {
                return;
            }
            err = -ENOMEM;
        }
        lines->first = block->next;
        block->next = NULL;
        block->on_done(block, err);
    }
}

void awsemf_lines_init(struct awsemf_lines *lines, struct loop *loop, int fd)
{
    *lines = (struct awsemf_lines){.loop = loop, .fd = fd, .timer.on_fire = lines_on_timer};
}

int awsemf_lines_write(struct awsemf_lines *lines, struct awsemf_block *block)
{
    struct awsemf_block **link = find_link(lines, block);
    ASSERT(*link == NULL);
    /* With a block before this one the timer runs already. */
    int err = lines->first == NULL ? loop_timer_arm(lines->loop, &lines->timer, 0) : 0;
    if (err == 0) {
        block->next = NULL;
        *link = block;
    }
    return err;
}

void awsemf_lines_cancel(struct awsemf_lines *lines, struct awsemf_block *block)
{
    struct awsemf_block **link = find_link(lines, block);
    if (*link == NULL) {
        return;
    }
    size_t written_bytes = block->written_bytes;
    if (written_bytes > 0 && block->text.ptr[written_bytes - 1] != '\n') {
        lines->is_inside_line = true;
    }
    *link = block->next;
    block->next = NULL;
    if (lines->first == NULL) {
        loop_timer_cancel(lines->loop, &lines->timer);
    }
}
