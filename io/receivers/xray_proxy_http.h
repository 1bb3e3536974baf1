/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_http — the sampling proxy's own port: exchanges of HTTP/1.1 become asks.
 *
 *     request ─▶ allowed? ─▶ xray_proxy_ask ─▶ answer
 *                   403
 */
#pragma once

#include "core/base/defs.h"

struct xray_proxy;

/* Serves on `fd`, moved in on 0; otherwise what the loop answered. xray_proxy_on_port_closed ends
 * it. */
WEIR_MUST_USE int xray_proxy_http_start(struct xray_proxy *proxy, int fd);
