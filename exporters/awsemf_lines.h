/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_lines — blocks of lines on their way to standard output, one after the other.
 *
 * The descriptor may be a pipe that somebody reads slowly and that nobody made non-blocking, so it
 * is asked first and given no more at once than a pipe that is ready takes. Blocks never mix.
 * Egress-local; owns neither descriptor nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/timer.h"

struct awsemf_block;
struct loop;

/* From a later turn. `err` is 0 when all of it is written, else what write said, negative. */
typedef void(awsemf_block_fn)(struct awsemf_block *block, int err);

/* Embedded in its owner, who fills in text and on_done. */
struct awsemf_block {
    struct bytes text;    /* whole lines */
    size_t written_bytes; /* a block that failed goes on from here; the owner begins with 0 */
    awsemf_block_fn *on_done;
    struct awsemf_block *next;
};

struct awsemf_lines {
    struct loop *loop; /* borrowed */
    int fd;            /* borrowed */
    struct timer timer;
    struct awsemf_block *first; /* borrowed; being written */
    bool is_inside_line;        /* a block was given up in the middle of one */
};

void awsemf_lines_init(struct awsemf_lines *lines, struct loop *loop, int fd);

/* Puts a block, which is not under way, at the end of the line. 0, or -ENOMEM. */
WEIR_MUST_USE int awsemf_lines_write(struct awsemf_lines *lines, struct awsemf_block *block);

/* Gives a block up; no on_done follows. Fine for one that is not under way. */
void awsemf_lines_cancel(struct awsemf_lines *lines, struct awsemf_block *block);
