/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_head — the PROXY v2 header as a balancer writes it.
 *
 * Source: haproxy doc/proxy-protocol.txt section 2.2; AWS adds its extension 0xEA to connections
 * that came through an endpoint, so one stands here too.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_HEAD_MAX_BYTES 64

/* A connection from `client` to `server`. Writes at most PROXY_HEAD_MAX_BYTES; returns how many. */
size_t proxy_head_write(uint8_t *out, const struct sockaddr_in *client,
                        const struct sockaddr_in *server);

/* The balancer speaks for itself. Returns how many bytes were written. */
size_t proxy_head_write_local(uint8_t *out);
