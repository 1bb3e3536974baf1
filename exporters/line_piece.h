/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_piece — how much of a text of lines goes into one write to standard output or error.
 *
 * Log lines of other threads may go to the same pipe or file in between, so a write ends where a
 * line ends. pipe(7): what fits PIPE_BUF is written whole, and a pipe that polls as ready takes
 * that much without blocking. A longer line goes in pieces, and others may come between.
 */
#pragma once

#include <stddef.h>

#include "core/base/slice.h"

/* Bytes of `text`, whole lines if it holds one that is short enough; 0 only of an empty text. */
size_t line_piece_bytes(struct slice text);
