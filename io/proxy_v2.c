/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_v2 — a fixed head of 16 bytes, addresses by family, then extensions.
 *
 *     signature (12) | version, command (1) | family, protocol (1) | length (2) | addresses | TLVs
 */
#include "io/proxy_v2.h"

#include "io/io_bounds.h"

#include <string.h>

#define HEAD_BYTES 16
#define VERSION_2 0x20
#define COMMAND_LOCAL 0x0
#define COMMAND_PROXY 0x1

enum family {
    FAMILY_UNSPECIFIED = 0x0,
    FAMILY_IPV4 = 0x1,
    FAMILY_IPV6 = 0x2,
    FAMILY_UNIX = 0x3,
};

/* Source and target address, then both ports. */
#define IPV4_BYTES 12
#define IPV6_BYTES 36
#define UNIX_BYTES 216

static uint32_t read_u16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static enum parse refuse(const char **why, const char *text)
{
    *why = text;
    return PARSE_BAD;
}

/* Type (1), length (2), value; to the end of the header. */
static bool are_extensions_whole(struct slice rest)
{
    while (rest.len > 0) {
        if (rest.len < 3 || read_u16(rest.ptr + 1) > rest.len - 3) {
            return false;
        }
        rest = slice_from(rest, 3 + read_u16(rest.ptr + 1));
    }
    return true;
}

/* 0 for a family without addresses; SIZE_MAX for one that does not exist. */
static size_t address_bytes_of(uint32_t family)
{
    switch (family) {
    case FAMILY_UNSPECIFIED:
        return 0;
    case FAMILY_IPV4:
        return IPV4_BYTES;
    case FAMILY_IPV6:
        return IPV6_BYTES;
    case FAMILY_UNIX:
        return UNIX_BYTES;
    default:
        return SIZE_MAX;
    }
}

static void read_source(uint32_t family, const uint8_t *at, struct proxy_v2 *out)
{
    struct loop_address *a = &out->source;
    if (family == FAMILY_IPV4) {
        a->len = sizeof(a->in4);
        a->in4.sin_family = AF_INET;
        memcpy(&a->in4.sin_addr, at, 4);
        memcpy(&a->in4.sin_port, at + 8, 2);
        out->has_source = true;
    } else if (family == FAMILY_IPV6) {
        a->len = sizeof(a->in6);
        a->in6.sin6_family = AF_INET6;
        memcpy(&a->in6.sin6_addr, at, 16);
        memcpy(&a->in6.sin6_port, at + 32, 2);
        out->has_source = true;
    }
}

static enum parse read_body(uint8_t kind, struct slice body, struct proxy_v2 *out, const char **why)
{
    uint32_t family = kind >> 4;
    uint32_t protocol = kind & 0xF;
    size_t address_bytes = address_bytes_of(family);
    if (address_bytes == SIZE_MAX || protocol > 2) {
        return refuse(why, "unknown address family");
    }
    if (body.len < address_bytes) {
        return refuse(why, "addresses cut short");
    }
    if (!are_extensions_whole(slice_from(body, address_bytes))) {
        return refuse(why, "malformed extension");
    }
    if (!out->is_local && protocol == 1) {
        read_source(family, body.ptr, out);
    }
    return PARSE_DONE;
}

enum parse proxy_v2_decode(struct slice bytes, struct proxy_v2 *out, const char **why)
{
    size_t mark_len =
        bytes.len < PROXY_V2_SIGNATURE_BYTES ? bytes.len : (size_t)PROXY_V2_SIGNATURE_BYTES;
    if (mark_len > 0 && memcmp(bytes.ptr, PROXY_V2_SIGNATURE, mark_len) != 0) {
        return refuse(why, "no PROXY header");
    }
    if (bytes.len > 12) {
        uint8_t version = bytes.ptr[12] & 0xF0;
        uint8_t command = bytes.ptr[12] & 0x0F;
        if (version != VERSION_2 || command > COMMAND_PROXY) {
            return refuse(why, "unknown version or command");
        }
    }
    if (bytes.len < HEAD_BYTES) {
        return PARSE_MORE;
    }
    size_t body_bytes = read_u16(bytes.ptr + 14);
    if (body_bytes > PROXY_V2_MAX_BYTES - HEAD_BYTES) {
        return refuse(why, "header too long");
    }
    if (bytes.len - HEAD_BYTES < body_bytes) {
        return PARSE_MORE;
    }
    struct proxy_v2 read = {
        .header_bytes = HEAD_BYTES + body_bytes,
        .is_local = (bytes.ptr[12] & 0x0F) == COMMAND_LOCAL,
    };
    struct slice body = slice_of(bytes.ptr + HEAD_BYTES, body_bytes);
    /* What a balancer says of itself need not be read, the specification says; only passed over. */
    enum parse parse = read.is_local ? PARSE_DONE : read_body(bytes.ptr[13], body, &read, why);
    if (parse == PARSE_DONE) {
        *out = read;
    }
    return parse;
}
