/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_head — signature, command, family, length, addresses, extension.
 */
#include "tests/support/balancer/proxy_head.h"

#include <string.h>

#include "core/base/defs.h"

#define VERSION_LOCAL 0x20
#define VERSION_PROXY 0x21
#define FAMILY_TCP4 0x11
#define FIXED_BYTES 16
#define ADDRESSES_BYTES 12

static const uint8_t signature[] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                    '\n', 'Q',  'U',  'I',  'T', '\n'};
/* Type, length, AWS's sub-type for an endpoint's name, the name. */
static const uint8_t extension[] = {0xEA, 0, 9, 1, 'v', 'p', 'c', 'e', '-', '0', '1', '2'};

size_t proxy_head_write(uint8_t *out, const struct sockaddr_in *client,
                        const struct sockaddr_in *server)
{
    _Static_assert(FIXED_BYTES + ADDRESSES_BYTES + sizeof(extension) <= PROXY_HEAD_MAX_BYTES,
                   "the longest header has no room");
    memcpy(out, signature, sizeof(signature));
    out[12] = VERSION_PROXY;
    out[13] = FAMILY_TCP4;
    out[14] = 0;
    out[15] = ADDRESSES_BYTES + sizeof(extension);
    memcpy(out + 16, &client->sin_addr, 4);
    memcpy(out + 20, &server->sin_addr, 4);
    memcpy(out + 24, &client->sin_port, 2);
    memcpy(out + 26, &server->sin_port, 2);
    memcpy(out + FIXED_BYTES + ADDRESSES_BYTES, extension, sizeof(extension));
    return FIXED_BYTES + ADDRESSES_BYTES + sizeof(extension);
}

size_t proxy_head_write_local(uint8_t *out)
{
    memcpy(out, signature, sizeof(signature));
    out[12] = VERSION_LOCAL;
    out[13] = 0;
    out[14] = 0;
    out[15] = 0;
    return FIXED_BYTES;
}
