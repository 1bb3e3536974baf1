/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_url — may credentials be fetched from this address?
 *
 * https from anywhere; plain http only from this machine and from the addresses that ECS and EKS
 * serve their agents on. Pure but for the lookup of a host name, which blocks: the helper's thread.
 * Source: AWS SDKs and Tools Reference, "Container credential provider".
 */
#pragma once

#include "core/base/defs.h"

/* What stands before AWS_CONTAINER_CREDENTIALS_RELATIVE_URI. */
#define CONTAINER_URL_ECS "http://169.254.170.2"

/*
 * NULL where it is allowed, else why not: a static sentence. Over plain http every address of a
 * host name must be one of loopback's or an agent's.
 */
WEIR_MUST_USE const char *container_url_check(const char *url);
