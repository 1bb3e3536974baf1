/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_piece — the last line end within what a pipe takes.
 */
#include "exporters/line_piece.h"

#include <string.h>

#include "exporters/exporter_bounds.h"

size_t line_piece_bytes(struct slice text)
{
    if (text.len <= LINE_PIECE_MAX_BYTES) {
        return text.len;
    }
    const uint8_t *line_end = memrchr(text.ptr, '\n', LINE_PIECE_MAX_BYTES);
    return line_end != NULL ? (size_t)(line_end - text.ptr) + 1 : LINE_PIECE_MAX_BYTES;
}
