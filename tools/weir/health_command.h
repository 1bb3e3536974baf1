/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_command — `weir health`: asks a running gateway, for container health checks.
 */
#pragma once

/* `address` is host:port. Returns 0 when ready, 1 when not, 3 where nobody answers in 2 s. */
int health_command(const char *address);
