/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_chunks — a chunked body, taken apart byte by byte between the runs of data.
 *
 * Extensions and trailers carry nothing that anyone here needs; they are bounded and passed over.
 * Source: RFC 9112 section 7.1.
 */
#include "io/http1_chunks.h"

#include "io/io_bounds.h"

/* 16 digits are 64 bits; more would be leading zeros or nonsense. */
#define SIZE_DIGITS_MAX 16

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static enum http1_why on_size(struct http1_chunks *c, uint8_t byte)
{
    int digit = digit_of(byte);
    if (digit >= 0) {
        if (c->digit_count == SIZE_DIGITS_MAX) {
            return HTTP1_WHY_CHUNK;
        }
        c->digit_count++;
        c->remaining_bytes = c->remaining_bytes << 4 | (uint64_t)digit;
        return HTTP1_WHY_NONE;
    }
    if (c->digit_count == 0) {
        return HTTP1_WHY_CHUNK;
    }
    if (byte == '\r') {
        c->state = HTTP1_CHUNK_SIZE_LF;
        return HTTP1_WHY_NONE;
    }
    c->state = HTTP1_CHUNK_EXTENSION;
    return byte == ';' || byte == ' ' || byte == '\t' ? HTTP1_WHY_NONE : HTTP1_WHY_CHUNK;
}

static enum http1_why on_extension(struct http1_chunks *c, uint8_t byte)
{
    if (byte == '\r') {
        c->state = HTTP1_CHUNK_SIZE_LF;
        return HTTP1_WHY_NONE;
    }
    c->line_bytes++;
    bool is_control = (byte < ' ' && byte != '\t') || byte == 0x7F;
    return is_control || c->line_bytes > HTTP1_CHUNK_LINE_MAX_BYTES ? HTTP1_WHY_CHUNK
                                                                    : HTTP1_WHY_NONE;
}

static enum http1_why on_size_end(struct http1_chunks *c, uint8_t byte)
{
    c->state = c->remaining_bytes > 0 ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_TRAILER;
    c->digit_count = 0;
    c->line_bytes = 0;
    return byte == '\n' ? HTTP1_WHY_NONE : HTTP1_WHY_CHUNK;
}

static enum http1_why on_trailer(struct http1_chunks *c, uint8_t byte)
{
    if (byte == '\r') {
        c->state = HTTP1_CHUNK_TRAILER_LF;
        return HTTP1_WHY_NONE;
    }
    c->line_bytes++;
    c->trailer_bytes++;
    if (c->trailer_bytes > HTTP1_TRAILER_MAX_BYTES) {
        return HTTP1_WHY_TRAILER_LONG;
    }
    return byte < ' ' && byte != '\t' ? HTTP1_WHY_CHUNK : HTTP1_WHY_NONE;
}

static enum http1_why on_trailer_end(struct http1_chunks *c, uint8_t byte)
{
    c->state = c->line_bytes == 0 ? HTTP1_CHUNK_END : HTTP1_CHUNK_TRAILER;
    c->line_bytes = 0;
    return byte == '\n' ? HTTP1_WHY_NONE : HTTP1_WHY_CHUNK;
}

static enum http1_why expect_byte(struct http1_chunks *c, uint8_t byte, uint8_t wanted,
                                  enum http1_chunk_state next)
{
    c->state = next;
    return byte == wanted ? HTTP1_WHY_NONE : HTTP1_WHY_CHUNK;
}

/* Everything but data. */
static enum http1_why on_byte(struct http1_chunks *c, uint8_t byte)
{
    switch (c->state) {
    case HTTP1_CHUNK_SIZE:
        return on_size(c, byte);
    case HTTP1_CHUNK_EXTENSION:
        return on_extension(c, byte);
    case HTTP1_CHUNK_SIZE_LF:
        return on_size_end(c, byte);
    case HTTP1_CHUNK_DATA_CR:
        return expect_byte(c, byte, '\r', HTTP1_CHUNK_DATA_LF);
    case HTTP1_CHUNK_DATA_LF:
        return expect_byte(c, byte, '\n', HTTP1_CHUNK_SIZE);
    case HTTP1_CHUNK_TRAILER:
        return on_trailer(c, byte);
    case HTTP1_CHUNK_TRAILER_LF:
        return on_trailer_end(c, byte);
    case HTTP1_CHUNK_DATA:
    case HTTP1_CHUNK_END:
        break;
    }
    ASSERT(c->state != HTTP1_CHUNK_DATA && c->state != HTTP1_CHUNK_END);
    return HTTP1_WHY_CHUNK;
}

static void take_data(struct http1_chunks *c, struct slice *in, struct slice *data)
{
    size_t len = c->remaining_bytes < in->len ? (size_t)c->remaining_bytes : in->len;
    *data = slice_first(*in, len);
    *in = slice_from(*in, len);
    c->remaining_bytes -= len;
    if (c->remaining_bytes == 0) {
        c->state = HTTP1_CHUNK_DATA_CR;
    }
}

enum parse http1_chunks_decode(struct http1_chunks *chunks, struct slice *in, struct slice *data,
                               enum http1_why *why)
{
    *data = (struct slice){0};
    while (chunks->state != HTTP1_CHUNK_END && in->len > 0) {
        if (chunks->state == HTTP1_CHUNK_DATA) {
            take_data(chunks, in, data);
            return PARSE_MORE;
        }
        enum http1_why reason = on_byte(chunks, in->ptr[0]);
        if (reason != HTTP1_WHY_NONE) {
            *why = reason;
            return PARSE_BAD;
        }
        *in = slice_from(*in, 1);
    }
    return chunks->state == HTTP1_CHUNK_END ? PARSE_DONE : PARSE_MORE;
}
